package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// standInAudio answers for the process audio-features and for mfcc.py.
func standInAudio(log string, args []string) int {
	s := audioOutput{Framework: "gonas", Version: "1", Clips: audioClips, Features: []float32{1, 2, 3, 4}, Runs: []audioRun{
		{Name: audioHost, Seconds: []float64{0.25, 0.125}, CPU: []float64{0.25, 0.25}},
		{Name: audioGraph, Seconds: []float64{1, 1}, CPU: []float64{1, 1}}}}
	if args[0] != audioFeaturesName {
		s.Framework, s.Version = "torchaudio", "torchaudio 1"
		s.Runs = []audioRun{{Name: "batches of 1", Seconds: []float64{2, 2}, CPU: []float64{0.5, 0.5}}, {Name: "batches of 10", Seconds: []float64{0.75, 0.75}, CPU: []float64{1, 1}}}
		if os.Getenv("BENCH_STAND_IN_FAIL") == "features" {
			s.Features[3] = 4.01
		}
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 3
	}
	defer f.Close()
	fmt.Fprintln(f, s.Framework)
	if json.NewEncoder(os.Stdout).Encode(s) != nil {
		return 3
	}
	return 0
}

func audioOptions(t *testing.T, args ...string) (options, string) {
	t.Helper()
	o, log := standInOptions(t, append([]string{"-suite", "audio"}, args...)...)
	o.TorchaudioDir, o.Self = o.TorchDir, o.Binary // the same stand-in
	o.Binary = filepath.Join(t.TempDir(), "none")
	return o, log
}

func TestAudioTakesTurnsAndReports(t *testing.T) {
	o, log := audioOptions(t, "-rounds", "2", "-strict")
	var out, progress bytes.Buffer
	require.NoError(t, bench(t.Context(), o, &out, &progress), progress.String())
	order, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Equal(t, []string{"gonas", "torchaudio", "torchaudio", "gonas"}, strings.Fields(string(order)))

	files, err := filepath.Glob(filepath.Join(o.Out, "audio-*"))
	require.NoError(t, err)
	require.Len(t, files, 2, "one JSON, one Markdown, no temporary file")
	data, err := os.ReadFile(files[0])
	require.NoError(t, err)
	var r audioReport
	require.NoError(t, json.Unmarshal(data, &r))
	assert.True(t, r.Complete)
	assert.NotContains(t, string(data), `"features"`)
	require.Len(t, r.Bars, 2)
	assert.InDelta(t, 0.1875/0.75, r.Bars[0].Value, 1e-12, "against the fastest by the clock")
	assert.InDelta(t, 0.25/0.5, r.Bars[1].Value, 1e-12, "against the least processor time")
	assert.Contains(t, out.String(), "| gonas, host | 0.188 (0.125–0.250) | 0.250 | 5333 |")
}

func TestAudioRefusesOtherFeatures(t *testing.T) {
	t.Setenv("BENCH_STAND_IN_FAIL", "features")
	o, _ := audioOptions(t, "-rounds", "1")
	var out, progress bytes.Buffer
	err := bench(t.Context(), o, &out, &progress)
	require.ErrorContains(t, err, "not the same computation")
	assert.Contains(t, out.String(), "Stopped before the end")
}

func TestAudioAlone(t *testing.T) {
	o, _ := audioOptions(t, "-rounds", "1", "-ours", "-strict")
	var out, progress bytes.Buffer
	require.ErrorContains(t, bench(t.Context(), o, &out, &progress), "bar not run")
}

func TestParseAudio(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"done", "expected a JSON object"},
		{`{"framework":"gonas","clips":1000}`, "got 0 runs and 0 features"},
		{`{"framework":"gonas","clips":10,"runs":[{}],"features":[1]}`, "with 10 clips"},
		{`{"framework":"gonas","clips":1000,"runs":[{"name":"a","seconds":[0],"cpu_s":[1]}],"features":[1]}`, "a: expected positive times"},
	} {
		_, err := parseAudio([]byte(c.text), "gonas")
		assert.ErrorContains(t, err, c.want)
	}
}

func TestDeviation(t *testing.T) {
	d, err := deviation([]float32{1, 2, 3.0001, 4}, []float32{1, 2, 3, 4})
	require.NoError(t, err)
	assert.InDelta(t, 1e-4/math.Sqrt(1.25), d, 1e-6)
	_, err = deviation([]float32{1}, []float32{1, 2})
	require.Error(t, err)
	_, err = deviation([]float32{float32(math.NaN()), 1}, []float32{1, 2})
	require.Error(t, err)
}

func TestOurAudioProcess(t *testing.T) {
	_, err := realClips(t.TempDir())
	require.ErrorContains(t, err, "no clips")
	var out bytes.Buffer
	require.NoError(t, audioProcess(t.Context(), []string{"--clips-dir", filepath.Join("..", "..", "datasets", "audio", "testdata"), "--clips", "60", "--steps", "1"}, &out))
	_, err = parseAudio(out.Bytes(), "gonas")
	require.ErrorContains(t, err, "got 2 runs and 12120 features of \"gonas\" with 60 clips")
	var s audioOutput
	require.NoError(t, json.Unmarshal(out.Bytes(), &s))
	assert.Len(t, s.Features, 3*101*40)
	assert.Len(t, s.Runs, 2)
}
