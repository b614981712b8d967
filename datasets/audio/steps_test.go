//go:build cgo

package audio

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestVectorStepsAreGoSteps compares the C code with Go's on lengths of all radices and frames that do not fill a vector.
func TestVectorStepsAreGoSteps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	sound := make([]float32, 5000)
	for i := range sound {
		sound[i] = float32(random.NormFloat64())
	}
	for _, fft := range []int{2, 4, 6, 10, 16, 30, 32, 96, 150, 200, 360, 400, 480, 500, 512, 1000, 1024, 2048} {
		c := Torchaudio()
		c.FFT, c.Window, c.Hop, c.Mels, c.Coefficients, c.Power = fft, fft-fft/3, 1+fft/3, 11, 7, 1+fft/2%2
		window, filters, cosines := c.window(), c.melFilters(), c.dct()
		fast, slow := newVectorSteps(c, window, filters, cosines), newGoSteps(c, window, filters, cosines)
		require.NotNil(t, fast, fft)
		for frames := 1; frames <= 6; frames++ {
			got, want := make([]float64, frames*c.Mels), make([]float64, frames*c.Mels)
			fast.sums(sound, frames, got)
			slow.sums(sound, frames, want)
			largest := 0.0
			for i := range want {
				largest = max(largest, want[i])
			}
			require.InDeltaSlice(t, want, got, 1e-13*largest, "FFT of %d, %d frames", fft, frames)

			gotMax, wantMax := fast.logarithms(got), slow.logarithms(want)
			assert.InDelta(t, wantMax, gotMax, 1e-12)
			gotOut, wantOut := make([]float32, frames*7), make([]float32, frames*7)
			fast.product(want, frames, gotOut)
			slow.product(want, frames, wantOut)
			require.InDeltaSlice(t, wantOut, gotOut, 1e-4)
		}
	}
	c := Torchaudio()
	c.FFT = 401
	assert.Nil(t, newVectorSteps(c, c.window(), c.melFilters(), c.dct()), "odd")
	c.FFT = 2 * 7 * 31
	assert.Nil(t, newVectorSteps(c, c.window(), c.melFilters(), c.dct()), "a factor of 7")
}

func TestVectorLogarithms(t *testing.T) {
	c := TensorFlow()
	c.Floor = leastFloor
	s := newVectorSteps(c, c.window(), c.melFilters(), c.dct())
	values := []float64{0, 1e-200, leastFloor, 1e-12, 0.25, math.Sqrt(0.5), math.Nextafter(math.Sqrt(0.5), 0), 0.9999999, 1, 1.0000001, math.Sqrt2, 2, math.E, 10, 1e10, 1e80, 1e300}
	want := make([]float64, len(values))
	for i, v := range values {
		want[i] = math.Log(max(v, leastFloor))
	}
	largest := s.logarithms(values)
	assert.InDelta(t, math.Log(1e300), largest, 1e-12)
	for i := range values {
		assert.InDelta(t, want[i], values[i], 4e-16*max(1e-9, math.Abs(want[i])), "%v", want[i])
	}
}

// TestSetsOfInstructionsAgree runs the code without AVX2 as well: not a bit may differ.
func TestSetsOfInstructionsAgree(t *testing.T) {
	sets := instructionSets()
	sound := make([]float32, 16000)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range sound {
		sound[i] = float32(0.1 * random.NormFloat64())
	}
	for _, c := range []Config{TensorFlow(), Librosa(), Torchaudio()} {
		var first []float32
		for _, set := range sets {
			e, err := New(c)
			require.NoError(t, err)
			e.steps = vectorStepsOf(set, c, e.window, e.filters, e.cosines)
			features, err := e.Features(sound)
			require.NoError(t, err)
			if first == nil {
				first = features
			}
			require.Equal(t, first, features)
		}
	}
}
