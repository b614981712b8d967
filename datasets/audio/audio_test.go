package audio_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets/audio"
)

// tone is a sine of amplitude 0.5.
func tone(rate, samples int, hertz float64) []float32 {
	x := make([]float32, samples)
	for i := range x {
		x[i] = float32(0.5 * math.Sin(2*math.Pi*hertz*float64(i)/float64(rate)))
	}
	return x
}

func TestShapes(t *testing.T) {
	for _, test := range []struct {
		name          string
		config        audio.Config
		frames, width int
	}{
		{"TensorFlow", audio.TensorFlow(), 98, 40},
		{"librosa", audio.Librosa(), 32, 20},
		{"torchaudio", audio.Torchaudio(), 81, 40},
		{"log-mel", audio.LogMel(64, 40, 20), 49, 64},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, err := audio.New(test.config)
			require.NoError(t, err)
			frames, width, err := test.config.Shape(16000)
			require.NoError(t, err)
			assert.Equal(t, test.frames, frames)
			assert.Equal(t, test.width, width)
			got, err := e.Features(tone(16000, 16000, 440))
			require.NoError(t, err)
			assert.Len(t, got, frames*width)
		})
	}
}

func TestWAVRoundTrip(t *testing.T) {
	left, right := tone(8000, 100, 440), tone(8000, 100, 880)
	clip, err := audio.Decode("two.wav", audio.EncodeWAV(8000, [][]float32{left, right}))
	require.NoError(t, err)
	assert.Equal(t, 8000, clip.Rate)
	require.Len(t, clip.Channels, 2)
	for i := range left {
		assert.InDelta(t, left[i], clip.Channels[0][i], 0.5/(1<<15))
		assert.InDelta(t, right[i], clip.Channels[1][i], 0.5/(1<<15))
	}
}

func TestBatchIsFeatures(t *testing.T) {
	e, err := audio.New(audio.TensorFlow())
	require.NoError(t, err)
	clips := [][]float32{tone(16000, 16000, 300), tone(16000, 12345, 500), tone(16000, 480, 700)}
	batch, err := e.Batch(clips)
	require.NoError(t, err)
	for i, clip := range clips {
		one, err := e.Features(clip)
		require.NoError(t, err)
		assert.Equal(t, one, batch[i])
	}
	_, err = e.Batch([][]float32{clips[0], {1, 2, 3}})
	require.ErrorContains(t, err, "clip 1: audio: a clip of 3 samples, expected at least 480")
}
