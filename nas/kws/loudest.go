package kws

import "math"

// block is the step in which [Loudest] looks for the loudest part: 10 ms.
const block = window / 100

// Loudest is the first of n samples around the loudest part of a sound: where the energy, weighted by Hann's window of n
// samples, is largest, in steps of 10 ms. The weights put a word into the middle, where it lies in most clips that networks
// are trained on. It is 0 where the sound has no more than n samples.
func Loudest(samples []float32, n int) int {
	if len(samples) <= n {
		return 0
	}
	energies := make([]float64, (len(samples)+block-1)/block)
	for i, v := range samples {
		energies[i/block] += float64(v) * float64(v)
	}
	weights := make([]float64, (n+block-1)/block)
	for i := range weights {
		weights[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(len(weights)))
	}
	best, most := 0, math.Inf(-1)
	for first := 0; first*block < len(samples)-n+block; first++ {
		sum := 0.0
		for i := first; i < min(first+len(weights), len(energies)); i++ {
			sum += weights[i-first] * energies[i]
		}
		if sum > most {
			best, most = first, sum
		}
	}
	return min(best*block, len(samples)-n)
}
