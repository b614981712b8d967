package audio

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/dsp/fourier"
)

// steps are the steps of Features that take time.
type steps interface {
	// sums writes what the filters add up [frames, mels] of padded sound from the first sample that a window reaches.
	sums(sound []float32, frames int, out []float64)
	// logarithms takes the logarithm of values in place, with the floor, and returns the largest.
	logarithms(values []float64) float64
	// product writes the cosine transforms [frames, coefficients] of [frames, mels].
	product(mels []float64, frames int, out []float32)
}

// newSteps is the C code where it can be, else Go's, which takes any length and several times as long.
func newSteps(c Config, window []float64, filters []filter, cosines [][]float64) steps {
	if s := newVectorSteps(c, window, filters, cosines); s != nil {
		return s
	}
	return newGoSteps(c, window, filters, cosines)
}

// goSteps are the steps in Go, with gonum's FFT.
type goSteps struct {
	config  Config
	window  []float64
	filters []filter
	cosines [][]float64
	pool    sync.Pool // of *goWork
}

// goWork is what one goroutine computes in.
type goWork struct {
	fft      *fourier.FFT
	frame    []float64
	spectrum []complex128
	power    []float64
}

func newGoSteps(c Config, window []float64, filters []filter, cosines [][]float64) *goSteps {
	s := &goSteps{config: c, window: window, filters: filters, cosines: cosines}
	s.pool.New = func() any {
		return &goWork{
			fft:      fourier.NewFFT(c.FFT),
			frame:    make([]float64, c.FFT),
			spectrum: make([]complex128, c.FFT/2+1),
			power:    make([]float64, c.FFT/2+1),
		}
	}
	return s
}

func (s *goSteps) sums(sound []float32, frames int, out []float64) {
	w := s.pool.Get().(*goWork)
	defer s.pool.Put(w)
	for f := range frames {
		for i, x := range sound[f*s.config.Hop:][:s.config.Window] {
			w.frame[i] = float64(x) * s.window[i]
		}
		w.fft.Coefficients(w.spectrum, w.frame)
		for i, z := range w.spectrum {
			w.power[i] = real(z)*real(z) + imag(z)*imag(z)
			if s.config.Power == 1 {
				w.power[i] = math.Sqrt(w.power[i])
			}
		}
		for m, filter := range s.filters {
			sum := 0.0
			for i, weight := range filter.weights {
				sum += weight * w.power[filter.first+i]
			}
			out[f*s.config.Mels+m] = sum
		}
	}
}

func (s *goSteps) logarithms(values []float64) float64 {
	factor, largest := s.config.logScale(), math.Inf(-1)
	for i, v := range values {
		if s.config.FloorBy == FloorAdd {
			v += s.config.Floor
		} else {
			v = max(v, s.config.Floor)
		}
		values[i] = factor * math.Log(v)
		largest = max(largest, values[i])
	}
	return largest
}

func (s *goSteps) product(mels []float64, frames int, out []float32) {
	for f := range frames {
		row := mels[f*s.config.Mels:][:s.config.Mels]
		for k, cosine := range s.cosines {
			sum := 0.0
			for m, v := range row {
				sum += v * cosine[m]
			}
			out[f*len(s.cosines)+k] = float32(sum)
		}
	}
}
