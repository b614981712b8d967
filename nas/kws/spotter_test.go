package kws

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
)

// spotter is the binary's, words the clips of Speech Commands in the binary that tested it.
func spotter(t *testing.T) (*Spotter, *datasets.Clips) {
	t.Helper()
	s, err := Default()
	require.NoError(t, err)
	_, words, err := datasets.EmbeddedSpeech()
	require.NoError(t, err)
	return s, words
}

// The network in the binary hears words of speakers that it was not trained on, in another place than they had, at another
// volume, and with the ends cut off.
func TestDefaultHears(t *testing.T) {
	s, words := spotter(t)
	assert.Equal(t, datasets.SpeechClasses, s.Classes())
	changes := map[string]func(x []float32) []float32{
		"as it is": func(x []float32) []float32 { return x },
		"in four seconds": func(x []float32) []float32 {
			return append(append(make([]float32, 24000), x...), make([]float32, 24000)...)
		},
		"half as loud": func(x []float32) []float32 {
			for i := range x {
				x[i] /= 2
			}
			return x
		},
		"a tenth shorter": func(x []float32) []float32 { return x[:14400] },
	}
	for name, change := range changes {
		right, spoken := 0, 0
		for i, label := range words.Labels {
			if label < 2 {
				continue
			}
			x, err := words.Clip(i)
			require.NoError(t, err)
			x = change(append([]float32(nil), x...))
			heard, err := s.Classify(x)
			require.NoError(t, err)
			spoken++
			if heard.Keyword == words.ClassNames[label] {
				right++
			}
			require.Len(t, heard.Probabilities, 12)
			sum := 0.0
			for _, p := range heard.Probabilities {
				sum += p
			}
			assert.InDelta(t, 1, sum, 1e-9)
			assert.Equal(t, heard.Probabilities[largest(heard.Probabilities)], heard.Probability)
			assert.InDelta(t, math.Min(1, seconds(len(x))), heard.To-heard.From, 1e-9)
		}
		assert.Equal(t, 40, spoken)
		assert.GreaterOrEqual(t, right, 28, "%s: of %d words", name, spoken)
		t.Logf("%s: %d of %d", name, right, spoken)
	}
}

func TestClassifyRefuses(t *testing.T) {
	s, _ := spotter(t)
	_, err := s.Classify(nil)
	assert.ErrorContains(t, err, "a clip without samples")
	_, err = s.Classify([]float32{0, float32(math.NaN())})
	assert.ErrorContains(t, err, "sample 1 is NaN")
}

func TestLoudest(t *testing.T) {
	sound := func(n int, loud ...int) []float32 {
		x := make([]float32, n)
		for _, i := range loud {
			x[i] = 0.5
		}
		return x
	}
	for name, tc := range map[string]struct {
		sound []float32
		want  int
	}{
		"not longer":           {sound(16000, 15999), 0},
		"silence":              {sound(40000), 0},
		"in the middle":        {sound(48000, 24080), 24080 - 80 - 7920},
		"at the start":         {sound(48000, 3), 0},
		"at the end":           {sound(48000, 47999), 32000},
		"between two":          {sound(64000, 30000, 30400), 22240},
		"the louder one":       {append(sound(48000, 8000), sound(48000, 20000, 20001)...), 48000 + 20000 - 8000},
		"a sample longer":      {sound(16001, 16000), 1},
		"no whole last block":  {sound(32050, 32049), 16050},
		"weighted, not summed": {sound(48000, 20000, 33000), 12000},
	} {
		got := Loudest(tc.sound, 16000)
		assert.InDelta(t, tc.want, got, 160, name)
		assert.LessOrEqual(t, got+16000, max(len(tc.sound), 16000), name)
	}
}

// A model's folder gives what the folder that it was made of gives, and the files say where it comes from.
func TestExport(t *testing.T) {
	s, words := spotter(t)
	dir := filepath.Join(t.TempDir(), "new")
	m, err := Export("model", dir)
	require.NoError(t, err)
	assert.Equal(t, s.Model(), m)
	for _, name := range []string{ModelFile, WeightsFile, readmeFile} {
		want, err := os.ReadFile(filepath.Join("model", name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s: the model in the binary is not as Export writes it", name)
	}
	again, err := Open(dir)
	require.NoError(t, err)
	x, err := words.Clip(0)
	require.NoError(t, err)
	want, err := s.Classify(x)
	require.NoError(t, err)
	got, err := again.Classify(x)
	require.NoError(t, err)
	assert.Equal(t, want.Probabilities, got.Probabilities)
}
