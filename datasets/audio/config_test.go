package audio_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets/audio"
)

func TestValidateNamesTheField(t *testing.T) {
	for _, test := range []struct {
		words  string
		change func(*audio.Config)
	}{
		{"sample_rate is 0, expected 1 to", func(c *audio.Config) { c.SampleRate = 0 }},
		{"pad is -1", func(c *audio.Config) { c.Pad = -1 }},
		{"window is 0", func(c *audio.Config) { c.Window = 0 }},
		{"hop is 0", func(c *audio.Config) { c.Hop = 0 }},
		{"fft is 479, expected 480 to", func(c *audio.Config) { c.FFT = 479 }},
		{"fft is 131072", func(c *audio.Config) { c.FFT = 1 << 17 }},
		{"power is 3", func(c *audio.Config) { c.Power = 3 }},
		{"mels is 0", func(c *audio.Config) { c.Mels = 0 }},
		{"low is NaN", func(c *audio.Config) { c.Low = math.NaN() }},
		{"high is 9000, expected 0 to 8000", func(c *audio.Config) { c.High = 9000 }},
		{"low is 4000, expected less than high, 4000", func(c *audio.Config) { c.Low = 4000 }},
		{"coefficients is 41, expected 0 to 40", func(c *audio.Config) { c.Coefficients = 41 }},
		{"floor is 0, expected at least 1e-100", func(c *audio.Config) { c.Floor = 0 }},
		{`pad_mode is "", expected one of ["constant"`, func(c *audio.Config) { c.Center = true }},
		{`window_shape is "blackman"`, func(c *audio.Config) { c.WindowShape = "blackman" }},
		{`mel_scale is "bark"`, func(c *audio.Config) { c.MelScale = "bark" }},
		{`triangles is ""`, func(c *audio.Config) { c.Triangles = "" }},
		{`mel_norm is "l2"`, func(c *audio.Config) { c.MelNorm = "l2" }},
		{`log is "log2"`, func(c *audio.Config) { c.Log = "log2" }},
		{`floor_by is ""`, func(c *audio.Config) { c.FloorBy = "" }},
		{`dct_norm is ""`, func(c *audio.Config) { c.DCTNorm = "" }},
		{"top_db and relative_to_max go with log", func(c *audio.Config) { c.TopDB = 80 }},
		{"lifter is 22, without coefficients", func(c *audio.Config) { c.Lifter, c.Coefficients = 22, 0 }},
	} {
		c := audio.TensorFlow()
		test.change(&c)
		err := c.Validate()
		require.Error(t, err, test.words)
		assert.ErrorContains(t, err, test.words)
		_, err = audio.New(c)
		require.ErrorContains(t, err, test.words)
		_, _, err = c.Shape(16000)
		require.ErrorContains(t, err, test.words)
	}
	require.NoError(t, audio.LogMel(40, 30, 10).Validate())
	require.ErrorContains(t, audio.LogMel(40, math.Inf(1), 10).Validate(), "window is")
	require.ErrorContains(t, audio.LogMel(40, 30, math.NaN()).Validate(), "hop is")
	require.Error(t, audio.Config{}.Validate())
}

func TestConfigSurvivesJSON(t *testing.T) {
	for _, c := range []audio.Config{audio.TensorFlow(), audio.Librosa(), audio.Torchaudio(), audio.LogMel(64, 40, 20)} {
		text, err := json.Marshal(c)
		require.NoError(t, err)
		var again audio.Config
		require.NoError(t, json.Unmarshal(text, &again))
		assert.Equal(t, c, again)
	}
}

func TestShortClips(t *testing.T) {
	for _, test := range []struct {
		name   string
		config audio.Config
		change func(*audio.Config)
		least  int // samples
		frames int
	}{
		{"not centred", audio.TensorFlow(), func(*audio.Config) {}, 480, 1},
		{"zeros", audio.Librosa(), func(*audio.Config) {}, 1, 1},
		{"mirrored", audio.Torchaudio(), func(*audio.Config) {}, 201, 2},
		{"mirrored with the ends", audio.Torchaudio(), func(c *audio.Config) { c.PadMode = audio.PadSymmetric }, 200, 2},
		{"ends repeated", audio.Torchaudio(), func(c *audio.Config) { c.PadMode = audio.PadEdge }, 1, 1},
		{"padded", audio.Torchaudio(), func(c *audio.Config) { c.Pad = 50 }, 101, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.change(&test.config)
			e, err := audio.New(test.config)
			require.NoError(t, err)
			_, err = e.Features(make([]float32, test.least-1))
			require.ErrorContains(t, err, "expected at least")
			frames, width, err := test.config.Shape(test.least)
			require.NoError(t, err)
			assert.Equal(t, test.frames, frames)
			features, err := e.Features(tone(16000, test.least, 1000))
			require.NoError(t, err)
			assert.Len(t, features, frames*width)
		})
	}
}

func TestFeaturesRefuseWhatIsNoNumber(t *testing.T) {
	e, err := audio.New(audio.TensorFlow())
	require.NoError(t, err)
	x := tone(16000, 1000, 440)
	x[700] = float32(math.Inf(-1))
	_, err = e.Features(x)
	require.EqualError(t, err, "audio: sample 700 is -Inf")
}

func TestSilenceIsFinite(t *testing.T) {
	for _, c := range []audio.Config{audio.TensorFlow(), audio.Librosa(), audio.Torchaudio(), audio.LogMel(64, 40, 20)} {
		e, err := audio.New(c)
		require.NoError(t, err)
		features, err := e.Features(make([]float32, 16000))
		require.NoError(t, err)
		for _, v := range features {
			require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0))
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, c := range []audio.Config{audio.TensorFlow(), audio.Librosa(), audio.Torchaudio(), audio.LogMel(64, 40, 20)} {
		text, err := json.Marshal(c)
		require.NoError(f, err)
		f.Add(text, 1000)
	}
	f.Fuzz(func(t *testing.T, text []byte, samples int) {
		var c audio.Config
		if json.Unmarshal(text, &c) != nil || c.Validate() != nil {
			return
		}
		samples = max(0, min(samples, 5000))
		e, err := audio.New(c)
		if err != nil {
			t.Fatalf("a valid config: %v", err)
		}
		frames, width, err := c.Shape(samples)
		if err == nil && frames*c.FFT > 1<<22 {
			return // takes long, shows nothing new
		}
		features, err2 := e.Features(make([]float32, samples))
		if (err == nil) != (err2 == nil) {
			t.Fatalf("shape: %v, features: %v", err, err2)
		}
		if err == nil && len(features) != frames*width {
			t.Fatalf("%d features, expected %d × %d", len(features), frames, width)
		}
	})
}
