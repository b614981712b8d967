package audio_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets/audio"
)

// rms is the root of the mean square, without the ends, where the sound begins and stops.
func rms(x []float32) float64 {
	sum, skip := 0.0, len(x)/4
	for _, v := range x[skip : len(x)-skip] {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)-2*skip))
}

func TestResampleKeepsToneAndTime(t *testing.T) {
	for _, rates := range [][2]int{{44100, 16000}, {48000, 16000}, {8000, 16000}, {22050, 16000}, {16000, 44100}, {96000, 16000}, {11025, 16000}, {44101, 16000}, {16000, 15999}} {
		from, to := rates[0], rates[1]
		t.Run(fmt.Sprintf("%d to %d", from, to), func(t *testing.T) {
			hertz := 0.3 * float64(min(from, to))
			x := tone(from, from/4, hertz)
			y, err := audio.Resample(x, from, to)
			require.NoError(t, err)
			require.Len(t, y, (len(x)*to+from-1)/from)
			want := tone(to, len(y), hertz)
			for i := len(y) / 4; i < 3*len(y)/4; i++ {
				require.InDelta(t, want[i], y[i], 2e-5, "sample %d", i)
			}
		})
	}
}

func TestResampleIsBandLimited(t *testing.T) {
	decibel := func(hertz float64) float64 {
		x := tone(44100, 44100, hertz)
		y, err := audio.Resample(x, 44100, 16000)
		require.NoError(t, err)
		return 20 * math.Log10(rms(y)/rms(x))
	}
	for _, hertz := range []float64{100, 1000, 5000, 7000, 7200} { // up to 0.9 of 8 kHz
		assert.InDelta(t, 0, decibel(hertz), 1e-3, "%v Hz", hertz)
	}
	for _, hertz := range []float64{8000, 8100, 9000, 12000, 16000, 20000} {
		assert.Less(t, decibel(hertz), -99.0, "%v Hz folds back", hertz)
	}
}

func TestResampleKeepsTheMean(t *testing.T) {
	x := make([]float32, 44100)
	for i := range x {
		x[i] = 0.5
	}
	y, err := audio.Resample(x, 44100, 16000)
	require.NoError(t, err)
	for i := len(y) / 4; i < 3*len(y)/4; i++ {
		require.InDelta(t, 0.5, y[i], 1e-5)
	}
}

func TestResampleEdges(t *testing.T) {
	x := []float32{1, 2, 3}
	same, err := audio.Resample(x, 16000, 16000)
	require.NoError(t, err)
	assert.Equal(t, x, same)
	empty, err := audio.Resample(nil, 8000, 16000)
	require.NoError(t, err)
	assert.Empty(t, empty)
	one, err := audio.Resample([]float32{1}, 655350, 16000)
	require.NoError(t, err)
	assert.Len(t, one, 1)
	for _, rates := range [][2]int{{0, 16000}, {16000, 0}, {-1, 16000}, {1 << 21, 16000}} {
		_, err := audio.Resample(x, rates[0], rates[1])
		require.ErrorContains(t, err, "expected rates from 1 to 1048576")
	}
	_, err = audio.Resample(make([]float32, 1000), 1, 1<<20)
	require.ErrorContains(t, err, "1048576000 samples, at most")
}

func TestClipAt(t *testing.T) {
	clip := audio.Clip{Rate: 48000, Channels: [][]float32{tone(48000, 48000, 1000), tone(48000, 48000, 1000)}}
	x, err := clip.At(16000)
	require.NoError(t, err)
	require.Len(t, x, 16000)
	assert.InDelta(t, 0.5/math.Sqrt2, rms(x), 1e-4)
}
