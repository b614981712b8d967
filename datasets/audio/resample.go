package audio

import (
	"fmt"
	"math"
	"sync"
)

const (
	// maxRate is the highest rate in Hz; FLAC's is 655,350.
	maxRate = 1 << 20

	// The filter of Resample.
	zeroCrossings = 64      // of the sinc on either side
	kaiserBeta    = 10.0613 // 0.1102 (A - 8.7) for a stopband A of 100 dB (Kaiser 1974)
	cutoff        = 0.95    // of the lower of the two rates' halves

	tableSteps  = 4096    // a zero crossing
	phaseValues = 1 << 22 // coefficients that are kept, 16 MiB
)

// Resample changes the rate of a sound, band-limited: a windowed sinc of 64 zero crossings on either side, Kaiser's window with
// beta 10.06, cut off at 0.95 of half the lower rate. It is flat to 0.9 of half the lower rate and 100 dB down from half the
// lower rate on, so that nothing folds back. Beyond its ends the sound is silence. The result has ceil(len(x)·to/from)
// samples, of which number i lies at the time i/to, and it is x itself where the rates are equal.
//
// Rates outside 1 to 2^20 Hz are an error, and so is a result of more than [DefaultMaxValues] samples.
func Resample(x []float32, from, to int) ([]float32, error) {
	if from < 1 || from > maxRate || to < 1 || to > maxRate {
		return nil, fmt.Errorf("resample from %d to %d Hz: expected rates from 1 to %d", from, to, maxRate)
	}
	if from == to {
		return x, nil
	}
	divisor := gcd(from, to)
	up, down := to/divisor, from/divisor
	n := (int64(len(x))*int64(up) + int64(down) - 1) / int64(down)
	if n > DefaultMaxValues {
		return nil, fmt.Errorf("resample %d samples from %d to %d Hz: %d samples, at most %d are made", len(x), from, to, n, DefaultMaxValues)
	}
	// band is the cutoff in cycles a half sample of x.
	band := cutoff * math.Min(1, float64(to)/float64(from))
	half := int(math.Ceil(zeroCrossings / band))
	taps := 2 * half
	// Sample i lies at i·down/up: behind sample (i·down)/up of x by a phase of (i·down)%up. Each phase has its coefficients.
	var phases [][]float32
	if int64(up)*int64(taps) <= phaseValues {
		phases = make([][]float32, up)
	}
	scratch := make([]float32, taps)
	out := make([]float32, n)
	for i := range out {
		position := int64(i) * int64(down)
		base, phase := int(position/int64(up)), int(position%int64(up))
		coefficients := scratch
		if phases == nil {
			fillPhase(scratch, float64(phase)/float64(up), band)
		} else {
			if phases[phase] == nil {
				phases[phase] = make([]float32, taps)
				fillPhase(phases[phase], float64(phase)/float64(up), band)
			}
			coefficients = phases[phase]
		}
		first := base - half + 1
		lo, hi := max(0, -first), min(taps, len(x)-first)
		sum := 0.0
		for k := lo; k < hi; k++ {
			sum += float64(coefficients[k]) * float64(x[first+k])
		}
		out[i] = float32(sum)
	}
	return out, nil
}

// fillPhase writes the weights of the samples around a point that lies a fraction behind the one at len(weights)/2-1.
func fillPhase(weights []float32, fraction, band float64) {
	half := len(weights) / 2
	table := sincTable()
	for k := range weights {
		distance := math.Abs(float64(k-half+1)-fraction) * band * tableSteps
		at := int(distance)
		if at >= len(table)-1 {
			weights[k] = 0
			continue
		}
		rest := distance - float64(at)
		weights[k] = float32(band * (table[at]*(1-rest) + table[at+1]*rest))
	}
}

// sincTable is the right half of the windowed sinc, from 0 to its last zero crossing. Between its values a line is off by
// 1e-7 at most.
var sincTable = sync.OnceValue(func() []float64 {
	table := make([]float64, zeroCrossings*tableSteps+1)
	table[0] = 1
	for i := 1; i < len(table); i++ {
		t := float64(i) / tableSteps
		r := t / zeroCrossings
		table[i] = math.Sin(math.Pi*t) / (math.Pi * t) * besselI0(kaiserBeta*math.Sqrt(1-r*r)) / besselI0(kaiserBeta)
	}
	return table
})

// besselI0 is the modified Bessel function of the first kind and order 0, by its power series.
func besselI0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-17*sum; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
