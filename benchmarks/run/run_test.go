package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary stand in for both programs that the runner starts: what is tested here is the
// order, the environment and the arithmetic, not the network.
func TestMain(m *testing.M) {
	if log := os.Getenv("BENCH_STAND_IN_LOG"); log != "" {
		os.Exit(standIn(log, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func standIn(log string, args []string) int {
	if args[0] == "-c" {
		return 0
	}
	if slices.Contains(args, "nsga2") || filepath.Base(args[0]) == "nsga2.py" {
		return standInSearch(log, args)
	}
	if args[0] == audioFeaturesName || filepath.Base(args[0]) == "mfcc.py" {
		return standInAudio(log, args)
	}
	if args[0] == fairnasStepName || filepath.Base(args[0]) == "fairnas_step.py" {
		return standInFairNAS(log, args)
	}
	if args[0] == romeStepName || filepath.Base(args[0]) == "rome_step.py" {
		return standInROME(log, args)
	}
	value := func(flag string) string {
		for i, a := range args {
			if a == flag {
				return args[i+1]
			}
		}
		return ""
	}
	out := map[string]any{"first_call_s": 2.0, "step_s": []float64{1, 1.2, 1.1}, "cpu_s_per_step": 2.0, "peak_rss_mb": 1000.0,
		"parameters": 1930618}
	var batch int
	fmt.Sscan(value("--batch"), &batch)
	out["batch"] = batch
	line := ""
	if g := value("--granularity"); g != "" {
		cache := os.Getenv("GONAS_CACHE_DIR")
		entries, err := os.ReadDir(cache)
		if err != nil {
			return 3
		}
		out["framework"], out["granularity"], out["backend"] = "gonas", g, "stand-in"
		out["step_s"], out["peak_rss_mb"] = []float64{0.3, 0.3, 0.3}, 500.0
		line = g
		if len(entries) == 0 {
			out["compile_wall_s"], out["compile_s"] = 5.0, 8.0
			out["compilations"], out["first_call_s"] = 10, 6.0
			line += " cold"
			if os.WriteFile(filepath.Join(cache, "entry"), nil, 0o600) != nil {
				return 3
			}
		} else {
			out["load_s"], out["compilations"], out["cache_hits"] = 0.5, 0, 10
		}
		if os.Getenv("BENCH_STAND_IN_FAIL") == g && len(entries) > 0 {
			fmt.Fprintln(os.Stderr, "the stand-in fails as told")
			return 1
		}
	} else {
		out["framework"], out["memory_format"], out["backend"] = "torch", value("--memory-format"), "stand-in torch"
		line = value("--memory-format")
	}
	if os.Getenv("MALLOC_ARENA_MAX") != "1" {
		return 4
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 3
	}
	defer f.Close()
	fmt.Fprintln(f, line)
	fmt.Println("a line of chatter")
	if json.NewEncoder(os.Stdout).Encode(out) != nil {
		return 3
	}
	return 0
}

// standInOptions points the runner at the test binary in both roles.
func standInOptions(t *testing.T, args ...string) (options, string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "torch", "bin"), 0o755))
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "torch", "bin", "python")))
	log := filepath.Join(dir, "log")
	t.Setenv("BENCH_STAND_IN_LOG", log)
	o, err := parseOptions(append([]string{"-suite", "darts-step", "-gonas", self, "-torch", filepath.Join(dir, "torch"),
		"-out", filepath.Join(dir, "results"), "-golden", ""}, args...), io.Discard)
	require.NoError(t, err)
	return o, log
}

func TestBenchInterleavesAndReports(t *testing.T) {
	o, log := standInOptions(t, "-rounds", "2", "-batch", "16", "-granularity", "cell,edge", "-strict")
	var out, progress bytes.Buffer
	require.NoError(t, bench(context.Background(), o, &out, &progress), progress.String())

	order, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"cell cold", "edge cold",
		"channels_last", "default", "edge", "cell",
		"cell", "edge", "default", "channels_last",
	}, strings.Split(strings.TrimSpace(string(order)), "\n"))

	files, err := filepath.Glob(filepath.Join(o.Out, "darts-step-*"))
	require.NoError(t, err)
	require.Len(t, files, 2, "one JSON, one Markdown, no temporary file")
	data, err := os.ReadFile(files[0])
	require.NoError(t, err)
	var r report
	require.NoError(t, json.Unmarshal(data, &r))
	assert.True(t, r.Complete)
	assert.Len(t, r.Samples, 10)
	assert.Equal(t, []string{"stand-in", "stand-in torch"}, r.Backends)
	for _, b := range r.Bars {
		assert.Equal(t, "met", b.Status, b.What)
	}
	assert.InDelta(t, 0.3/1.1, r.Bars[0].Value, 1e-9)
	text, err := os.ReadFile(files[1])
	require.NoError(t, err)
	assert.Equal(t, out.String(), string(text))
	assert.Contains(t, out.String(), "| gonas edge | 0.30 | 0.30–0.30 | 0.27 | 0.27 | 6.00 | 2.00 | 5.00, 8.00 summed (10) | 0.50 | 2.00 | 500 | 500 |")
}

func TestBenchKeepsWhatItMeasuredBeforeAFailure(t *testing.T) {
	t.Setenv("BENCH_STAND_IN_FAIL", "cell")
	o, _ := standInOptions(t, "-rounds", "1", "-batch", "16", "-granularity", "cell,edge")
	var out, progress bytes.Buffer
	err := bench(context.Background(), o, &out, &progress)
	require.ErrorContains(t, err, "gonas cell")
	assert.Contains(t, progress.String(), "the stand-in fails as told")
	assert.Contains(t, out.String(), "Stopped before the end")
	assert.Contains(t, out.String(), "| gonas edge |")
}

func TestStrictFailsOnAMissedBar(t *testing.T) {
	o, _ := standInOptions(t, "-rounds", "1", "-batch", "16", "-granularity", "edge", "-ours", "-strict")
	err := bench(context.Background(), o, io.Discard, io.Discard)
	require.ErrorContains(t, err, "bar not run")
}

func TestBenchNeedsTheBinary(t *testing.T) {
	o, _ := standInOptions(t, "-ours")
	o.Binary = filepath.Join(t.TempDir(), "gonas")
	require.ErrorContains(t, bench(context.Background(), o, io.Discard, io.Discard), "make build")
}

func TestTorchPythonExplainsWhatIsMissing(t *testing.T) {
	// A PATH without Python: the environment cannot be made.
	t.Setenv("PATH", t.TempDir())
	var log bytes.Buffer
	_, err := torchEnvironment(filepath.Join(t.TempDir(), "venv"), "requirements.txt").python(context.Background(), &log)
	require.ErrorContains(t, err, "Python 3.8 to 3.12")
	assert.Contains(t, log.String(), "python3 -m venv")
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 9, 2}, 3}} {
		before := fmt.Sprint(c.values)
		assert.Equal(t, c.want, median(c.values), before)
		assert.Equal(t, before, fmt.Sprint(c.values), "the input stays as it was")
	}
}

func TestParseSample(t *testing.T) {
	good := `{"framework":"gonas","batch":16,"first_call_s":1,"peak_rss_mb":9,"step_s":[0.5]}`
	s, err := parseSample([]byte("chatter\n" + good + "\n\n"))
	require.NoError(t, err)
	assert.Equal(t, sample{Framework: "gonas", Batch: 16, FirstCall: 1, PeakRSS: 9, Steps: []float64{0.5}}, s)
	for _, c := range []struct{ name, out, want string }{
		{"empty", "", "expected a JSON object"},
		{"text", "done\n", `got "done"`},
		{"no steps", strings.Replace(good, "[0.5]", "[]", 1), "field step_s"},
		{"zero step", strings.Replace(good, "[0.5]", "[1,0]", 1), "step_s[1]"},
		{"no first call", strings.Replace(good, `"first_call_s":1`, `"first_call_s":0`, 1), "first_call_s"},
		{"cut", good[:40], "expected a JSON object"},
	} {
		_, err := parseSample([]byte(c.out))
		assert.ErrorContains(t, err, c.want, c.name)
	}
}

func TestRunRefusesAnotherBatch(t *testing.T) {
	o, _ := standInOptions(t)
	c := gonasContender(o.Binary, "edge", 16, t.TempDir(), o.settings)
	c.Batch = 64
	_, err := c.run(context.Background(), io.Discard)
	require.ErrorContains(t, err, "batch 16")
}

func TestSummarise(t *testing.T) {
	c := contender{Name: "gonas edge", Framework: "gonas", Variant: "edge", Batch: 16}
	s := summarise(c, []sample{
		{Cache: "cold", FirstCall: 9, Compile: 8, CompileWall: 5, Compilations: 10, PeakRSS: 900, Steps: []float64{2, 3}, CPUPerStep: 4},
		{Cache: "cached", FirstCall: 2, Load: 0.5, PeakRSS: 700, Steps: []float64{1, 4}, CPUPerStep: 2},
		{Cache: "cached", FirstCall: 4, Load: 0.7, Compilations: 1, PeakRSS: 800, Steps: []float64{5}, CPUPerStep: 3},
	})
	assert.Equal(t, summary{
		Name: "gonas edge", Framework: "gonas", Variant: "edge", Batch: 16,
		Step: 3, Quickest: 1, Slowest: 5, Timed: 5, FirstCold: 9, First: 3, CompileCold: 5, CompileSum: 8, Load: 0.6,
		Compilations: 10, Recompiled: 1, CPU: 3, Peak: 800, PeakCold: 900,
	}, s)
}

func TestBars(t *testing.T) {
	torch := []summary{
		{Name: "torch default", Framework: "torch", Batch: 16, Step: 10, Peak: 1000},
		{Name: "torch channels_last", Framework: "torch", Batch: 16, Step: 5, Peak: 2000},
	}
	edge := summary{Name: "gonas edge", Framework: "gonas", Batch: 16, Step: 3, CompileCold: 8, Compilations: 10, First: 1, Load: 1.5, Peak: 601}
	network := summary{Name: "gonas network", Framework: "gonas", Batch: 16, Step: 2.5, First: 1, Recompiled: 2}
	other := summary{Name: "gonas cell", Framework: "gonas", Batch: 64, Step: 0.1}

	statuses := func(all ...summary) (out []string) {
		for _, b := range bars(all) {
			out = append(out, b.Status)
		}
		return out
	}
	assert.Equal(t, []string{"met", "missed", "met", "met", "met", "missed", "missed", "missed"},
		statuses(torch[0], torch[1], edge, network, other), "another batch size does not count")
	assert.Equal(t, []string{"not run", "not run", "not run", "not run", "met", "missed", "met", "not run"}, statuses(edge))
	for _, b := range bars(nil) {
		assert.Equal(t, "not run", b.Status, b.What)
		assert.NotEmpty(t, b.Reason, b.What)
	}
}

func TestInferenceReport(t *testing.T) {
	r := inferenceReport{Date: "2026-01-01", Complete: true, Samples: []evaluation{
		{Framework: "gonas", Granularity: "network", Network: "a", Batch: 2, Calls: []float64{0.1, 0.2, 0.4}},
		{Framework: "torch", Format: "channels_last", Network: "a", Batch: 2, Calls: []float64{0.2}},
		{Framework: "gonas", Granularity: "network", Network: "b", Batch: 1, Calls: []float64{1}},
		{Framework: "torch", Format: "channels_last", Network: "b", Batch: 1, Calls: []float64{0.5}},
		{Framework: "torch", Format: "default", Network: "b", Batch: 1, Calls: []float64{0.25}},
		{Framework: "gonas", Granularity: "network", Network: "c", Batch: 1, Calls: []float64{1}},
	}}
	text := r.markdown()
	assert.Contains(t, text, "| a, batch 2 | 10.0 | 10.0 | – | 1.00 | met, goal too |")
	assert.Contains(t, text, "| b, batch 1 | 1.00 | 2.00 | 4.00 | 0.50 | missed |")
	assert.Contains(t, text, "| c, batch 1 | 1.00 | – | – | – | not run |")
}

func TestParseOptionsRefuses(t *testing.T) {
	for _, args := range []string{"-batch 1", "-batch x", "-granularity layer", "-format nchw", "-rounds 0", "-steps 0",
		"-threads 0", "-suite training", "-threads 100000", "-batch ,", "-granularity , -ours", "extra"} {
		_, err := parseOptions(strings.Fields(args), io.Discard)
		assert.Error(t, err, args)
	}
}
