package audio_test

import (
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets/audio"
)

// onBackend runs the graph on clips of one length.
func onBackend(t testing.TB, b *backend.Backend, e *audio.Extractor, clips [][]float32) *tensors.Tensor {
	t.Helper()
	exec, err := graph.NewExec(b.Backend, e.Graph)
	require.NoError(t, err)
	out, err := exec.Call1(clips)
	require.NoError(t, err)
	return out
}

// apart is the largest difference of two arrays in standard deviations of the second.
func apart(a, b []float32) float64 {
	mean, squares, largest := 0.0, 0.0, 0.0
	for i := range b {
		mean += float64(b[i]) / float64(len(b))
		largest = math.Max(largest, math.Abs(float64(a[i])-float64(b[i])))
	}
	for _, v := range b {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	return largest / math.Sqrt(squares/float64(len(b)))
}

// graphCases are the settings that TestGraphEqualsHost compiles; those in which the graph does no other thing wait until
// GONAS_AUDIO_GOLDEN is set.
var graphCases = map[string][]string{
	"librosa":    {"mfcc", "mfcc lifter", "mel spectrogram", "mel db reflect", "mel db edge", "mel db symmetric", "mel db relative to max", "mel odd fft"},
	"torchaudio": {"mfcc", "mfcc log", "mel db pad 100", "mel db normalised"},
	"tensorflow": {"mfcc", "mfcc every 700", "signal magnitudes"},
}

func TestGraphEqualsHost(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	for _, library := range []string{"librosa", "torchaudio", "tensorflow"} {
		seen, worst := map[string]bool{}, 0.0
		for _, a := range readGolden(t, library).Arrays {
			if seen[a.Case] || os.Getenv(goldenEnv) == "" && !slices.Contains(graphCases[library], a.Case) {
				continue
			}
			seen[a.Case] = true
			e, err := audio.New(a.config(t))
			require.NoError(t, err)
			clips := [][]float32{testClip(t, "go_0c40e715_nohash_1.flac"), testClip(t, "yes_26b28ea7_nohash_1.flac")}
			out := onBackend(t, b, e, clips)
			frames, width, err := e.Config().Shape(len(clips[0]))
			require.NoError(t, err)
			require.Equal(t, []int{2, frames, width}, out.Shape().Dimensions)
			flat := tensors.MustCopyFlatData[float32](out)
			host, err := e.Batch(clips)
			require.NoError(t, err)
			for i, want := range host {
				got := flat[i*len(want):][:len(want)]
				d := apart(got, want)
				assert.LessOrEqual(t, d, bound, "%s, %s, clip %d", library, a.Case, i)
				worst = max(worst, d)
			}
		}
		require.GreaterOrEqual(t, len(seen), len(graphCases[library]))
		t.Logf("%s: %d settings, graph and host at most %.2g standard deviations apart", library, len(seen), worst)
	}
}

func TestGraphInGo(t *testing.T) {
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	for _, c := range []audio.Config{audio.TensorFlow(), audio.Torchaudio()} {
		e, err := audio.New(c)
		require.NoError(t, err)
		clip := testClip(t, "go_0c40e715_nohash_1.flac")[:2000]
		got := tensors.MustCopyFlatData[float32](onBackend(t, b, e, [][]float32{clip}))
		want, err := e.Features(clip)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		assert.LessOrEqual(t, apart(got, want), bound)
	}
}

func TestGraphRefusesShortClips(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e, err := audio.New(audio.TensorFlow())
	require.NoError(t, err)
	exec, err := graph.NewExec(b.Backend, e.Graph)
	require.NoError(t, err)
	_, err = exec.Call1([][]float32{make([]float32, 479)})
	require.ErrorContains(t, err, "a clip of 479 samples, expected at least 480")
}
