package kws

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
)

// trained is the run folder of a training of seconds on words; average has it test a moving average.
func trained(t *testing.T, average float64) (string, *run.Result) {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	data, err := datasets.Open(datasets.EmbeddedSpeechName, "")
	require.NoError(t, err)
	id, err := data.Identity()
	require.NoError(t, err)
	n, err := zoo.Get("tcresnet8")
	require.NoError(t, err)
	c, network, err := train.At(profile.Smoke, n.Network)
	require.NoError(t, err)
	c.Epochs, c.Average = 1, average
	spec, _, err := train.Spec("tcresnet8", network, c, id)
	require.NoError(t, err)
	dir := t.TempDir()
	r, err := train.Train(t.Context(), train.Env{Engine: engine.New(b.Backend), Data: data, Spec: spec, Options: run.Options{Dir: dir}}, network, c)
	require.NoError(t, err)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, resultFile), text, 0o644))
	return dir, r
}

// A spotter of a run folder hears as the training tested: the same share of the test clips right, with a moving average too.
func TestOpenRun(t *testing.T) {
	_, words, err := datasets.EmbeddedSpeech()
	require.NoError(t, err)
	for _, average := range []float64{0, 0.9} {
		dir, r := trained(t, average)
		s, err := Open(dir)
		require.NoError(t, err)
		right := 0
		for i, label := range words.Labels {
			x, err := words.Clip(i)
			require.NoError(t, err)
			heard, err := s.Classify(x)
			require.NoError(t, err)
			if heard.Keyword == words.ClassNames[label] {
				right++
			}
		}
		assert.Equal(t, r.Numbers.Of(train.TestAccuracy), float64(right)/float64(len(words.Labels)))
		f, err := checkpoint.Read(filepath.Join(dir, run.CheckpointFile))
		require.NoError(t, err)
		prefix := ""
		if average > 0 {
			prefix = "average."
		}
		w, err := train.Weights(dir, *r.Network)
		require.NoError(t, err)
		for name, tensor := range w {
			got, err := tensor.Float32()
			require.NoError(t, err)
			assert.Equal(t, f.Tensors[prefix+name], got, name)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir, _ := trained(t, 0)
	result, err := os.ReadFile(filepath.Join(dir, resultFile))
	require.NoError(t, err)
	change := func(from, to string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			text := bytes.ReplaceAll(result, []byte(from), []byte(to))
			require.NotEqual(t, string(result), string(text))
			require.NoError(t, os.WriteFile(filepath.Join(dir, resultFile), text, 0o644))
		}
	}
	for name, tc := range map[string]struct {
		do   func(t *testing.T, dir string)
		want []string
	}{
		"no result": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, resultFile))) },
			[]string{"expected the run folder of a training that has ended", "no result.json and no model.json in it"}},
		"no checkpoint": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, run.CheckpointFile))) },
			[]string{run.CheckpointFile, "no such file"}},
		"a search":      {change(`"command":"train"`, `"command":"search"`), []string{resultFile, `spec: command: expected "train" with its network, got "search"`}},
		"scenes":        {change(`"name":"embedded-speech"`, `"name":"esc10"`), []string{resultFile, `data: name: expected speech_commands, got "esc10", a set of scenes`}},
		"unknown field": {change(`"numbers":`, `"figures":`), []string{resultFile, `unknown field "figures"`}},
		"other input":   {change(`"input":[98,1,40]`, `"input":[97,1,40]`), []string{resultFile, "network: input: expected [98 1 40], the features of a second, got [97 1 40]"}},
		"an image's":    {change(`"input":[98,1,40]`, `"input":[98,40,1]`), []string{resultFile, "network: expected one for speech"}},
		"other rate":    {change(`"sample_rate":16000`, `"sample_rate":8000`), []string{resultFile, "sample_rate: expected 16000, got 8000"}},
		"other classes": {change(`"classes":12`, `"classes":11`), []string{resultFile, "class_names: expected one for each of the network's 11 classes, got 12"}},
		"other widths": {change(`"in":16,"out":24`, `"in":16,"out":20`),
			[]string{resultFile, "in: expected the 20 channels that the block before puts out, got 24"}},
		"other kernels": {change(`"kernel":9`, `"kernel":7`), []string{run.CheckpointFile, "expected shape", "found"}},
	} {
		t.Run(name, func(t *testing.T) {
			other := t.TempDir()
			require.NoError(t, os.CopyFS(filepath.Join(other, "run"), os.DirFS(dir)))
			other = filepath.Join(other, "run")
			tc.do(t, other)
			_, err := Open(other)
			require.Error(t, err)
			for _, want := range append(tc.want, other) {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestOpenRefusesModels(t *testing.T) {
	for name, tc := range map[string]struct{ file, from, to, want string }{
		"weights":     {WeightsFile, "classifier.weight", "classifier.Weight", "weights.safetensors: SHA-256: expected"},
		"field":       {ModelFile, `"class_names"`, `"names"`, `unknown field "names"`},
		"class names": {ModelFile, `"yes"`, `"no"`, `model.json: class_names[3]: expected a name of its own, got "no"`},
		"no JSON":     {ModelFile, `{`, `[`, "model.json: "},
		"network":     {ModelFile, `"kernel": 9`, `"kernel": 8`, "model.json: chain: blocks[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			require.NoError(t, os.CopyFS(dir, os.DirFS("model")))
			path := filepath.Join(dir, tc.file)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			changed := bytes.Replace(text, []byte(tc.from), []byte(tc.to), 1)
			require.NotEqual(t, text, changed)
			require.NoError(t, os.WriteFile(path, changed, 0o644))
			_, err = Open(dir)
			assert.ErrorContains(t, err, tc.want)
			assert.ErrorContains(t, err, dir)
		})
	}
}
