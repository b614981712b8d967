//go:build cgo

package audio

/*
#cgo CFLAGS: -O3 -std=c11 -Wno-psabi
#cgo LDFLAGS: -lm
#include "vectors.h"
*/
import "C"

import (
	"math"
	"sync"
	"unsafe"
)

// vectorSteps are the steps in C. -std=c11 makes no sum and product into one operation, so that results are the same on all
// processors.
type vectorSteps struct {
	set                      *C.gn_audio
	plan                     C.gn_plan
	radices, firsts, lengths []int32
	twiddles, turns          []float64
	window, weights          []float64
	floor, factor            float64
	addFloor                 C.int
	cosines                  []float64 // [mels, stride]
	coefficients, stride     int
	work                     sync.Pool
}

// newVectorSteps returns nil where the C code has no transform of the length: odd, or with prime factors above 5.
func newVectorSteps(c Config, window []float64, filters []filter, cosines [][]float64) steps {
	if s := vectorStepsOf(C.gn_audio_best(), c, window, filters, cosines); s != nil {
		return s
	}
	return nil
}

// vectorStepsOf is newVectorSteps with a set of instructions.
func vectorStepsOf(set *C.gn_audio, c Config, window []float64, filters []filter, cosines [][]float64) *vectorSteps {
	half := c.FFT / 2
	radices := factors(half)
	if c.FFT%2 == 1 || radices == nil {
		return nil
	}
	s := &vectorSteps{
		set: set, radices: radices, twiddles: twiddles(half, radices), turns: wave(half/2+1, 2*half), window: window,
		floor: c.Floor, factor: c.logScale(),
		coefficients: len(cosines), stride: (len(cosines) + 15) / 16 * 16,
	}
	low, high := half, 0
	for _, f := range filters {
		s.firsts = append(s.firsts, int32(f.first))
		s.lengths = append(s.lengths, int32(len(f.weights)))
		s.weights = append(s.weights, f.weights...)
		if len(f.weights) > 0 {
			low, high = min(low, f.first), max(high, f.first+len(f.weights)-1)
		}
	}
	s.plan = C.gn_plan{
		half: C.int64_t(half), window: C.int64_t(c.Window), hop: C.int64_t(c.Hop), mels: C.int64_t(c.Mels),
		low: C.int64_t(low), high: C.int64_t(high), passes: C.int32_t(len(radices)),
	}
	if c.Power == 1 {
		s.plan.root = 1
	}
	if c.FloorBy == FloorAdd {
		s.addFloor = 1
	}
	s.cosines = make([]float64, c.Mels*s.stride)
	for k, row := range cosines {
		for m, v := range row {
			s.cosines[m*s.stride+k] = v
		}
	}
	s.work.New = func() any {
		work := make([]float64, 4*(5*half+1))
		return &work
	}
	return s
}

// factors are the radices of a transform of n points: as many 4 as possible, then 2, 3 and 5; nil where others are left.
func factors(n int) []int32 {
	radices := []int32{}
	for _, radix := range []int{4, 2, 3, 5} {
		for n%radix == 0 {
			radices = append(radices, int32(radix))
			n /= radix
		}
	}
	if n != 1 {
		return nil
	}
	return radices
}

// twiddles are those of all passes of a transform of n points.
func twiddles(n int, radices []int32) []float64 {
	var all []float64
	for _, radix := range radices {
		w := wave(n, n)
		for p := range n / int(radix) {
			for k := 1; k < int(radix); k++ {
				all = append(all, w[2*p*k], w[2*p*k+1])
			}
		}
		n /= int(radix)
	}
	return all
}

// wave is exp(-2πi k/n) for k up to count, as pairs.
func wave(count, n int) []float64 {
	var w []float64
	for k := range count {
		sin, cos := math.Sincos(-2 * math.Pi * float64(k) / float64(n))
		w = append(w, cos, sin)
	}
	return w
}

func (s *vectorSteps) sums(sound []float32, frames int, out []float64) {
	work := s.work.Get().(*[]float64)
	defer s.work.Put(work)
	C.gn_sums(s.set, &s.plan, ints(s.radices), doubles(s.twiddles), doubles(s.turns), doubles(s.window), ints(s.firsts), ints(s.lengths),
		doubles(s.weights), (*C.float)(unsafe.SliceData(sound)), C.int64_t(frames), doubles(*work), doubles(out))
}

func (s *vectorSteps) logarithms(values []float64) float64 {
	return float64(C.gn_logarithms(s.set, doubles(values), C.int64_t(len(values)), C.double(s.floor), s.addFloor, C.double(s.factor)))
}

func (s *vectorSteps) product(mels []float64, frames int, out []float32) {
	C.gn_product(s.set, doubles(mels), doubles(s.cosines), (*C.float)(unsafe.SliceData(out)), C.int64_t(frames),
		s.plan.mels, C.int64_t(s.coefficients), C.int64_t(s.stride))
}

func ints(s []int32) *C.int32_t { return (*C.int32_t)(unsafe.SliceData(s)) }

func doubles(s []float64) *C.double { return (*C.double)(unsafe.SliceData(s)) }

// instructionSets are all that this processor runs.
func instructionSets() []*C.gn_audio {
	sets := []*C.gn_audio{(*C.gn_audio)(unsafe.Pointer(&C.gn_audio_baseline))}
	if best := C.gn_audio_best(); best != sets[0] {
		sets = append(sets, best)
	}
	return sets
}
