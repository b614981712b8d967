package audio

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A tone is strongest in the filter whose middle is nearest to it, and a click in the frame whose middle is.
func TestAxes(t *testing.T) {
	for name, c := range map[string]Config{"TensorFlow": TensorFlow(), "librosa": Librosa(), "torchaudio": Torchaudio(), "log-mel": LogMel(40, 40, 20)} {
		c.Coefficients, c.MelNorm = 0, NormNone
		e, err := New(c)
		require.NoError(t, err)
		frequencies := c.MelFrequencies()
		require.Len(t, frequencies, c.Mels)
		for _, hertz := range []float64{1000, 2000, 3500} {
			x := make([]float32, c.SampleRate)
			for i := range x {
				x[i] = float32(math.Sin(2 * math.Pi * hertz * float64(i) / float64(c.SampleRate)))
			}
			f, err := e.Features(x)
			require.NoError(t, err)
			frame := f[len(f)/c.Mels/2*c.Mels:][:c.Mels]
			best := slices.Index(frame, slices.Max(frame))
			near := 0
			for m, v := range frequencies {
				if math.Abs(v-hertz) < math.Abs(frequencies[near]-hertz) {
					near = m
				}
			}
			assert.InDelta(t, near, best, 1, "%s: %g Hz", name, hertz)
		}
		first, step := c.FrameTimes()
		click := make([]float32, c.SampleRate)
		at := 7000
		click[at] = 1
		f, err := e.Features(click)
		require.NoError(t, err)
		best, most := 0, math.Inf(-1)
		for frame := range len(f) / c.Mels {
			sum := 0.0
			for _, v := range f[frame*c.Mels:][:c.Mels] {
				sum += float64(v)
			}
			if sum > most {
				best, most = frame, sum
			}
		}
		assert.InDelta(t, float64(at)/float64(c.SampleRate), first+float64(best)*step, step/2+1e-9, name)
	}
	first, step := TensorFlow().FrameTimes()
	assert.Equal(t, [2]float64{0.015, 0.01}, [2]float64{first, step})
	first, _ = Librosa().FrameTimes()
	assert.Zero(t, first)
}
