package evidence

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

func sample() search.Result {
	table := func(x float64) [][]float64 { return [][]float64{{x, 2 * x}, {3 * x, 4 * x}} }
	return search.Result{
		Method: "fairdarts", Space: "S0", Profile: "quick", Seed: 3, Primitives: []string{"skip_connect", "sep_conv_3x3"},
		Genotype: arch.Genotype{Style: arch.StyleThreshold, Normal: arch.Cell{Edges: []arch.Edge{{Op: "skip_connect", From: 0, To: 2}}, Concat: []int{2}}},
		Epochs:   []search.EpochStats{{Epoch: 1, Steps: 5, LearningRate: 0.1, TrainLoss: 2.25, SkipsNormal: 1}},
		History: []search.Alphas{
			{Epoch: 0, Normal: table(0), Reduce: table(0), NormalWeights: table(0.5), ReduceWeights: table(0.5)},
			{Epoch: 1, Normal: table(0.1), Reduce: table(-1), NormalWeights: table(0.25), ReduceWeights: table(1)},
		},
		Steps: 5,
	}
}

// files reads a folder whole.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		out[e.Name()] = string(b)
	}
	return out
}

func TestResultRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "run")
	require.NoError(t, WriteResult(dir, sample()))
	got, err := ReadResult(dir)
	require.NoError(t, err)
	assert.Equal(t, sample(), got)

	other := t.TempDir()
	require.NoError(t, WriteResult(other, got))
	assert.Equal(t, files(t, dir), files(t, other), "equal results give equal files, and nothing else is left behind")

	written := files(t, dir)
	assert.Len(t, written, 4)
	alphas := strings.Split(strings.TrimSpace(written[AlphasFile]), "\n")
	assert.Len(t, alphas, 1+2*2*2*2)
	assert.Equal(t, "epoch,cell,edge,op,alpha,weight", alphas[0])
	assert.Equal(t, "0,normal,0,skip_connect,0,0.5", alphas[1])
	assert.Equal(t, "1,reduce,1,sep_conv_3x3,-4,4", alphas[len(alphas)-1])
	assert.Equal(t, "1,5,0.1,2.25,0,0,0,0,1,0", strings.Split(written[MetricsFile], "\n")[1])
	var g arch.Genotype
	require.NoError(t, json.Unmarshal([]byte(written[GenotypeFile]), &g))
	assert.Equal(t, sample().Genotype, g)
	for name, text := range written {
		assert.NotContains(t, text, dir, name)
	}
}

func TestBadResults(t *testing.T) {
	ragged := sample()
	ragged.History[1].ReduceWeights = ragged.History[1].ReduceWeights[:1]
	assert.ErrorContains(t, WriteResult(t.TempDir(), ragged), "history[1].reduce")
	nan := sample()
	nan.Epochs[0].TrainLoss = math.NaN()
	dir := t.TempDir()
	assert.ErrorContains(t, WriteResult(dir, nan), ResultFile)
	assert.NotContains(t, files(t, dir), ResultFile)

	_, err := ReadResult(dir)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	for name, text := range map[string]string{"offset": `{"method": "darts", `, "seed": `{"seed": "one"}`, "history[0].": `{"primitives":["a"],"history":[{"normal":[[1,2]],"normal_weights":[[1,2]]}]}`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, ResultFile), []byte(text), 0o600))
		_, err := ReadResult(dir)
		require.ErrorContains(t, err, filepath.Join(dir, ResultFile))
		assert.ErrorContains(t, err, name)
	}
}

func TestTrainResultRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := train.TrainResult{Name: "random", Seed: 2, Profile: "quick", Genotype: sample().Genotype, TestAccuracy: 0.4125, Params: 12345, MACs: 67890,
		Epochs: []train.TrainEpoch{{Epoch: 1, Loss: 2.3, TrainAccuracy: 0.1}}}
	require.NoError(t, WriteTrainResult(dir, want))
	got, err := ReadTrainResult(dir)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Contains(t, files(t, dir)[MetricsFile], "1,2.3,0.1\n")
}

func TestRunRoundTripAndChanges(t *testing.T) {
	dir := t.TempDir()
	run := Run{
		Version: "v0", GitHash: "abc", GoSumSHA256: "s", GoMLX: "v0.28.2", XLA: "cpu 0.11.2", XLAFlags: "-x", Device: "cpu", Profile: claims.Quick,
		Seeds: []uint64{0, 1}, Data: map[string]string{"test.bin": "1", "train.bin": "2"}, Args: []string{"repro", "run"},
		Start: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), PeakMemory: 1 << 30,
	}
	require.NoError(t, WriteRun(dir, run))
	assert.NotContains(t, files(t, dir)[RunFile], `"end"`)
	run.End = run.Start.Add(time.Minute)
	require.NoError(t, WriteRun(dir, run))
	got, err := ReadRun(dir)
	require.NoError(t, err)
	assert.Equal(t, run, got)

	assert.Empty(t, run.ChangedSince(run))
	now := run
	now.Device, now.Args, now.Start = "gpu", nil, time.Time{}
	assert.Empty(t, run.ChangedSince(now))
	for name, change := range map[string]func(*Run){
		"commit": func(r *Run) { r.GitHash = "def" }, "go.sum": func(r *Run) { r.GoSumSHA256 = "t" }, "XLA_FLAGS": func(r *Run) { r.XLAFlags = "" },
		"uncommitted": func(r *Run) { r.Dirty = true }, "data file train.bin": func(r *Run) { r.Data = map[string]string{"train.bin": "3"} },
	} {
		now := run
		change(&now)
		changes := run.ChangedSince(now)
		require.Len(t, changes, 1, name)
		assert.Contains(t, changes[0], name)
	}
}

func TestVerdictsRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := Verdicts{Profile: claims.Quick, Verdicts: []verdict.Verdict{{Claim: "p-one", Status: verdict.NotRun, Reason: "lacks budget", Parts: []verdict.Verdict{{Part: "a"}}}}}
	require.NoError(t, WriteVerdicts(dir, want))
	got, err := ReadVerdicts(dir)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestEventsSurviveATornLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, AppendEvent(dir, "start", nil))
	require.NoError(t, AppendEvent(dir, "epoch", map[string]int{"epoch": 1}))
	path := filepath.Join(dir, EventsFile)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	// A kill can cut the last line anywhere: what was whole stays, and the resumed run appends after it.
	for cut := last; cut < len(whole); cut++ {
		require.NoError(t, os.WriteFile(path, whole[:cut], 0o600))
		got, err := ReadEvents(dir)
		require.NoError(t, err)
		require.Len(t, got, 1, "cut at %d", cut)
		require.NoError(t, AppendEvent(dir, "resume", nil))
		got, err = ReadEvents(dir)
		require.NoError(t, err, "cut at %d", cut)
		require.Len(t, got, 2)
		assert.Equal(t, []string{"start", "resume"}, []string{got[0].Kind, got[1].Kind})
	}
	require.NoError(t, os.WriteFile(path, []byte("{}\nnonsense\n{}\n"), 0o600))
	_, err = ReadEvents(dir)
	assert.ErrorContains(t, err, "line 2")
}

func TestEventsAreFlushedAndKeepTheFirstError(t *testing.T) {
	dir := t.TempDir()
	e, err := OpenEvents(dir)
	require.NoError(t, err)
	listen := e.Listener(2)
	for step := 1; step <= 4; step++ {
		listen(search.Event{Kind: search.EventStep, Step: step, TrainLoss: 1.5})
	}
	listen(search.Event{Kind: search.EventEpoch, Epoch: 1})
	got, err := ReadEvents(dir) // before Close
	require.NoError(t, err)
	require.Len(t, got, 3)
	var ev search.Event
	require.NoError(t, json.Unmarshal(got[1].Data, &ev))
	assert.Equal(t, 4, ev.Step)
	assert.WithinDuration(t, time.Now(), got[1].Time, time.Minute)
	listen(search.Event{Kind: search.EventEpoch, TrainLoss: math.NaN()})
	assert.ErrorContains(t, e.Close(), EventsFile)
}

func TestWriteFileKeepsTheOldOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFile(path, []byte("old")))
	require.NoError(t, WriteFile(path, []byte("new")))
	assert.Equal(t, map[string]string{"f": "new"}, files(t, dir))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "g"), 0o700))
	assert.ErrorContains(t, WriteFile(filepath.Join(dir, "g"), []byte("x")), filepath.Join(dir, "g"))
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestHashFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte("abc"), 0o600))
	h, err := HashFile(path)
	require.NoError(t, err)
	assert.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", h)
	_, err = HashFile(path + ".none")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestPeakMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("the system does not tell its peak memory")
	}
	assert.Greater(t, PeakMemory(), uint64(1<<20))
}
