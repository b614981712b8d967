package audio_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets/audio"
)

// goldenEnv names a folder with golden files of all frames, which the scripts' --all makes.
const goldenEnv = "GONAS_AUDIO_GOLDEN"

// bound is the largest difference from a library's numbers that is accepted, in standard deviations of its array.
const bound = 1e-4

// golden is what a script in testdata writes.
type golden struct {
	Library  string
	Versions map[string]string
	Arrays   []goldenArray
}

// goldenArray is some frames of what a library makes of a clip.
type goldenArray struct {
	Case, Clip string
	Config     json.RawMessage
	Shape      [2]int
	Std        float64
	Frames     []int
	Values     string
}

func readGolden(t *testing.T, library string) golden {
	t.Helper()
	f, err := os.Open(filepath.Join(cmp.Or(os.Getenv(goldenEnv), "testdata"), library+".json.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.NewDecoder(z).Decode(&g))
	require.NotEmpty(t, g.Arrays)
	return g
}

// config is the array's Config, of which no field may be unknown.
func (a goldenArray) config(t *testing.T) audio.Config {
	t.Helper()
	var c audio.Config
	decoder := json.NewDecoder(bytes.NewReader(a.Config))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&c))
	return c
}

// deviation is the largest difference of features [frames, coefficients] from the stored frames, in standard deviations.
func (a goldenArray) deviation(t *testing.T, features []float32) float64 {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(a.Values)
	require.NoError(t, err)
	width := a.Shape[1]
	require.Len(t, features, a.Shape[0]*width)
	require.Len(t, raw, 4*len(a.Frames)*width)
	require.Greater(t, a.Std, 0.0)
	largest := 0.0
	for i, frame := range a.Frames {
		for k := range width {
			want := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*(i*width+k):]))
			difference := math.Abs(float64(features[frame*width+k]) - float64(want))
			if math.IsNaN(difference) {
				difference = math.Inf(1)
			}
			largest = math.Max(largest, difference)
		}
	}
	return largest / a.Std
}

// testClip reads a clip of testdata at 16 kHz.
func testClip(t testing.TB, name string) []float32 {
	t.Helper()
	clip, err := audio.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.Equal(t, 16000, clip.Rate)
	return clip.Mono()
}

func TestFeaturesEqualTheLibraries(t *testing.T) {
	for _, library := range []string{"librosa", "torchaudio", "tensorflow"} {
		t.Run(library, func(t *testing.T) {
			g := readGolden(t, library)
			worst, where, values := 0.0, "", 0
			for _, a := range g.Arrays {
				e, err := audio.New(a.config(t))
				require.NoError(t, err, a.Case)
				features, err := e.Features(testClip(t, a.Clip))
				require.NoError(t, err, a.Case)
				d := a.deviation(t, features)
				assert.LessOrEqual(t, d, bound, "%s of %s, in standard deviations", a.Case, a.Clip)
				values += len(a.Frames) * a.Shape[1]
				if d > worst {
					worst, where = d, fmt.Sprintf("%s of %s", a.Case, a.Clip)
				}
			}
			t.Logf("%s %s: %d arrays, %d values, at most %.2g standard deviations apart (%s)", library, g.Versions[library], len(g.Arrays), values, worst, where)
		})
	}
}

func TestConventionsAreTheLibrariesDefaults(t *testing.T) {
	for library, config := range map[string]audio.Config{
		"librosa": audio.Librosa(), "torchaudio": audio.Torchaudio(), "tensorflow": audio.TensorFlow(),
	} {
		for _, a := range readGolden(t, library).Arrays {
			if a.Case == "mfcc" {
				assert.Equal(t, a.config(t), config, library)
			}
		}
	}
}
