package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/golden"
)

// needPlugin skips a test that takes minutes without one, and returns the folder of the compile cache.
func needPlugin(t *testing.T) string {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	if b.Info.Kind == backend.KindGo {
		t.Skip("takes minutes without a plug-in")
	}
	return b.Info.CacheDir
}

// TestGPUCheckDry runs the script itself, with programs built as `make gpu-check-binaries` builds them.
func TestGPUCheckDry(t *testing.T) {
	cache := needPlugin(t)
	bin, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for program, args := range map[string][]string{
		"bench": {"build", "./benchmarks/run"}, "space.test": {"test", "-c", "./nas/space"}, "nn.test": {"test", "-c", "./nas/nn"},
	} {
		args = append(args[:len(args)-1], "-o", filepath.Join(bin, program), args[len(args)-1])
		cmd := exec.Command("go", args...)
		cmd.Dir = filepath.Join("..", "..")
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, string(text))
	}
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join("..", "..", "tools", "gpu-check.sh"), "--dry", "--out", out)
	cmd.Env = append(os.Environ(), "GPU_CHECK_BIN="+bin, "PYTHON=false")
	if cache != "" {
		cmd.Env = append(cmd.Env, backend.EnvCacheDir+"="+cache)
	}
	var text, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &log
	require.NoError(t, cmd.Run(), log.String()+text.String())

	for _, heading := range []string{"A dry run: small sizes on a CPU", "## 1. Device", "## 2. Golden numbers", "## 3. One bilevel step",
		"## 4. One strict-fair step", "## 5. A search of 50 epochs", "## 6. What bounds a step"} {
		assert.Contains(t, text.String(), heading)
	}
	kept, err := os.ReadFile(filepath.Join(out, "gpu-check.md"))
	require.NoError(t, err)
	assert.Equal(t, text.String(), string(kept))
	r := readReport(t, out)
	assert.True(t, r.Complete)
	assert.True(t, r.Dry)
	assert.NotNil(t, r.Parts[0].Doctor)
	data, err := os.ReadFile(filepath.Join(out, "gpu-check.json"))
	require.NoError(t, err)
	assert.NotContains(t, string(data), out, "no paths of this machine in what is kept")
	assert.NotContains(t, string(data), "plugin_path")
	for _, p := range r.Parts {
		switch {
		case strings.HasPrefix(p.Name, "torch"):
			assert.Equal(t, partSkipped, p.Status, p.Name)
			assert.Contains(t, p.Reason, "no torch")
		case p.Name == "darts-network":
			assert.Equal(t, partSkipped, p.Status)
		default:
			assert.Equal(t, partDone, p.Status, "%s: %s", p.Name, p.Reason)
		}
		for _, s := range p.Samples {
			assert.Len(t, s.Steps, 2, p.Name)
			assert.Positive(t, s.Launch, p.Name)
			require.NotNil(t, s.Profile, p.Name)
			assert.Positive(t, s.Profile.launches(), p.Name)
			assert.Less(t, s.Profile.busy(), s.Profile.Wall, p.Name)
		}
		for _, d := range p.Deviations {
			assert.True(t, d.Within(), "%s: %s", p.Name, d)
		}
	}
}

func readReport(t *testing.T, out string) (r gpuReport) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, "gpu-check.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &r))
	files, err := filepath.Glob(filepath.Join(out, "part-*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(r.Parts))
	for i, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var p partResult
		require.NoError(t, json.Unmarshal(data, &p), file)
		assert.Equal(t, r.Parts[i], p)
	}
	return r
}

const (
	firstStep = `{"framework":"gonas","granularity":"network","batch":4,"first_call_s":7}`
	allSteps  = `{"framework":"gonas","granularity":"edge","batch":4,"first_call_s":2,"step_s":[0.5,0.25,0.75]}`
)

// shell is a part that a shell command plays.
func shell(name, precision, command string) gpuPart {
	return gpuPart{Name: name, Precision: precision, Limit: 20 * time.Second, Command: []string{"sh", "-c", command}}
}

// A part that is killed, fails or takes too long says so, keeps what it printed, and the others run.
func TestGPUCheckKeepsWhatEnded(t *testing.T) {
	c := gpuCheckOptions{dry: true, root: t.TempDir(), out: filepath.Join(t.TempDir(), "out"), limit: time.Minute}
	slow := shell("darts-network", inTF32, "echo '"+firstStep+"'; sleep 60 & wait")
	slow.Limit = time.Second
	var text bytes.Buffer
	began := time.Now()
	err := c.run(t.Context(), []gpuPart{
		shell("darts-edge", inTF32, "echo chatter; echo '"+strings.Replace(allSteps, "0.5", "9", 1)+"'; echo '"+allSteps+"'"),
		slow,
		shell("killed", inTF32, "kill -KILL $$"),
		shell("strict-edge", inTF32, "echo the card is on fire >&2; exit 3"),
		shell("silent", inTF32, "true"),
		shell("golden-networks", inFloat32, "echo '  x_test.go:1: deviation 0.5 of 0.1: TestUnrolledGolden/a: loss'; exit 1"),
		shell("golden-networks-tf32", inTF32, "echo '  x_test.go:1: deviation 0.5 of 0.1: TestUnrolledGolden/a: loss'; exit 1"),
		{Name: "torch-darts", Skip: "no torch: none"},
	}, &text)
	assert.Less(t, time.Since(began), 20*time.Second, "what a part started ends with it")
	require.ErrorContains(t, err, "parts failed: killed, strict-edge, silent, golden-networks;")
	r := readReport(t, c.out)
	want := []struct{ status, reason string }{
		{partDone, ""}, {partTimedOut, "did not end within 1 s"}, {partFailed, "signal: killed: it said nothing"},
		{partFailed, "exit status 3: the card is on fire"}, {partFailed, "printed no result"}, {partFailed, "exit status 1"}, {partDone, ""}, {partSkipped, "no torch: none"},
	}
	for i, w := range want {
		assert.Equal(t, w.status, r.Parts[i].Status, r.Parts[i].Name)
		assert.Contains(t, r.Parts[i].Reason, w.reason)
	}
	require.Len(t, r.Parts[0].Samples, 1, "the last line of a contender counts")
	assert.Equal(t, []float64{0.5, 0.25, 0.75}, r.Parts[0].Samples[0].Steps)
	require.Len(t, r.Parts[1].Samples, 1, "what it printed before its time was over")
	assert.Contains(t, text.String(), "| gonas by edge | tf32 | 4 | 500 | 250–750 |")
	assert.Contains(t, text.String(), "| gonas by network | tf32 | 4 | not measured |")
	assert.Contains(t, text.String(), "| darts-network | tf32 | – | timed out: did not end within 1 s |")
	assert.Contains(t, text.String(), "| unrolled step | 0 of 1 | 0.5 of 0.1: loss | 0 of 1 |")
}

// An interrupt ends the part under way and leaves the ones before on disk.
func TestGPUCheckInterrupted(t *testing.T) {
	c := gpuCheckOptions{dry: true, root: t.TempDir(), out: filepath.Join(t.TempDir(), "out"), limit: time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(time.Second, cancel)
	var text bytes.Buffer
	err := c.run(ctx, []gpuPart{shell("darts-edge", inTF32, "echo '"+allSteps+"'"), shell("darts-cell", inTF32, "sleep 60"), shell("doctor", "", "true")}, &text)
	require.ErrorContains(t, err, "interrupted")
	r := readReport(t, c.out)
	assert.False(t, r.Complete)
	assert.Equal(t, []string{partDone, partInterrupted, partNotRun}, []string{r.Parts[0].Status, r.Parts[1].Status, r.Parts[2].Status})
	assert.Contains(t, text.String(), "Not all parts have run")
	assert.Contains(t, text.String(), "| gonas by edge | tf32 | 4 | 500 |")
}

func TestGPUReportComputes(t *testing.T) {
	eager := sample{Framework: "torch", Format: "default", Precision: inTF32, Steps: []float64{0.2}}
	ours := sample{Framework: "gonas", Granularity: "edge", Precision: inTF32, Steps: []float64{0.05, 0.06, 0.07}}
	slow := sample{Framework: "gonas", Granularity: "edge", Precision: inFloat32, Steps: []float64{0.1}}
	r := gpuReport{Parts: []partResult{
		{Name: "darts-edge", Status: partDone, Samples: []sample{ours, slow}},
		{Name: "torch-darts", Status: partDone, Samples: []sample{eager}},
		{Name: "golden", Precision: inTF32, Deviations: []golden.Deviation{{Test: "zoo", Quantity: "a", Relative: math.NaN(), Tolerance: 1}, {Test: "zoo", Quantity: "b", Relative: 0.1, Tolerance: 1}}},
	}}
	text := r.markdown()
	assert.Contains(t, text, "| gonas by edge | tf32 | 19.5 | met (goal: under 20); a step met (goal: a third of eager PyTorch's) |")
	assert.Contains(t, text, "| gonas by edge | float32 | 32.5 | missed (goal: under 20) |")
	assert.Contains(t, text, "| PyTorch eager, default | tf32 | 65.0 | – |")
	assert.Contains(t, text, "| networks of the zoo | not measured | – | 1 of 2 | NaN of 1: a |")
	assert.NoError(t, writeJSON(filepath.Join(t.TempDir(), "r.json"), r), "what is no number can be written")
}

func TestBoundsDivideAStep(t *testing.T) {
	p := profile{Wall: 10, BusyPasses: []float64{1, 2, 3}, BusyUpdate: []float64{1, 2}, Rows: []profileRow{
		{Kind: "gradient", Calls: 2, Seconds: 8}, {Kind: "forward", Calls: 4, Seconds: 2},
	}}
	assert.InDelta(t, 7, p.busy(), 1e-9)
	assert.InDelta(t, 6, p.launches(), 1e-9)
	got := map[string]float64{}
	sum := 0.0
	list := p.bounds(0.5)
	for _, b := range list {
		got[b.what] = b.share
		sum += b.share
	}
	assert.InDelta(t, 1, sum, 1e-9)
	assert.InDeltaMapValues(t, map[string]float64{boundHost: 0.3, boundLaunch: 0.21, "gradient programs": 0.49, "forward programs": 0}, got, 1e-9)
	assert.Equal(t, "gradient programs", list[0].what)
}

// TestDartsStep does the step itself, small: both halves move, and every part of the profile is there.
func TestDartsStep(t *testing.T) {
	needPlugin(t)
	var out bytes.Buffer
	require.NoError(t, dartsProcess(t.Context(), []string{"-cells", "1", "-channels", "4", "-image", "8", "-batch", "2", "-steps", "2", "-warmup", "0", "-profile", "-launch", "-partial"}, &out))
	assert.Equal(t, 2, strings.Count(out.String(), "\n"), "a line after the first step and one at the end")
	s, err := parseSample(out.Bytes())
	require.NoError(t, err)
	require.Len(t, s.PathLosses, 3)
	assert.NotEqual(t, s.PathLosses[0][1], s.PathLosses[1][1])
	assert.Less(t, s.PathLosses[2][1], s.PathLosses[0][1], "the weights learn their batch")
	assert.Positive(t, s.Launch)
	require.NotNil(t, s.Profile)
	p := s.Profile
	assert.InDelta(t, p.Wall, p.Planning+p.Passes+p.Reading+p.Update+p.Freeing, 1e-6)
	assert.InDelta(t, median(s.Steps), p.Wall, 0.5*p.Wall, "a profile's step is both halves")
	edges := 0.0
	for _, r := range p.Rows {
		if r.Kind == "gradient" && strings.HasPrefix(r.Block, "mixed") {
			edges += r.Calls
		}
	}
	assert.InDelta(t, 28, edges, 1e-9, "fourteen edges in each half")
}
