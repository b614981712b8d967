package evidence

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/verdict"
)

func sample() run.Result {
	table := func(x float64) [][]float64 { return [][]float64{{x, 2 * x}, {3 * x, 4 * x}} }
	weights := func(name string, value, weight float64) run.Table {
		return run.Table{Name: name, Kind: run.Sigmoid, Threshold: 0.85, Rows: []string{"0→2", "1→2"}, Columns: [][]string{{"skip_connect", "sep_conv_3x3"}},
			Epochs: []run.Snapshot{{Epoch: 0, Values: table(0), Weights: table(0.5)}, {Epoch: 1, Values: table(value), Weights: table(weight)}}}
	}
	return run.Result{
		Spec:     run.Spec{Command: run.Search, Method: "fairdarts", Space: "S0", Profile: "quick", Seed: 3, Config: json.RawMessage(`{"epochs":1}`)},
		Genotype: &arch.Genotype{Style: arch.StyleThreshold, Normal: arch.Cell{Edges: []arch.Edge{{Op: "skip_connect", From: 0, To: 2}}, Concat: []int{2}}},
		Log:      run.Log{Columns: []string{"epoch", "learning_rate", "train_loss"}, Rows: [][]float64{{1, 0.1, 2.25}}},
		Numbers:  run.Values{{Name: "steps", Number: 5}},
		Tables: []run.Table{weights("normal", 0.1, 0.25), weights("reduce", -1, 1),
			{Name: "updates", Kind: run.Counts, Rows: []string{"layer 0"}, Columns: [][]string{{"0", "1"}}, Epochs: []run.Snapshot{{Epoch: 1, Values: [][]float64{{2, 3}}}}}},
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
	lines := strings.Split(strings.TrimSpace(written[TablesFile]), "\n")
	assert.Len(t, lines, 1+2*2*2*2+2)
	assert.Equal(t, "table,epoch,row,column,value,weight", lines[0])
	assert.Equal(t, "normal,0,0→2,skip_connect,0,0.5", lines[1])
	assert.Equal(t, "reduce,1,1→2,sep_conv_3x3,-4,4", lines[16])
	assert.Equal(t, "updates,1,layer 0,1,3,", lines[18])
	assert.Equal(t, "epoch,learning_rate,train_loss\n1,0.1,2.25\n", written[MetricsFile])
	var g arch.Genotype
	require.NoError(t, json.Unmarshal([]byte(written[GenotypeFile]), &g))
	assert.Equal(t, *sample().Genotype, g)
	for name, text := range written {
		assert.NotContains(t, text, dir, name)
	}
}

func TestBadResults(t *testing.T) {
	ragged := sample()
	ragged.Tables[1].Epochs[1].Weights = ragged.Tables[1].Epochs[1].Weights[:1]
	assert.ErrorContains(t, WriteResult(t.TempDir(), ragged), "table reduce: epochs[1].weights: expected 2 rows, got 1")
	nan := sample()
	nan.Log.Rows[0][2] = math.NaN()
	dir := t.TempDir()
	assert.ErrorContains(t, WriteResult(dir, nan), ResultFile)
	assert.NotContains(t, files(t, dir), ResultFile)

	_, err := ReadResult(dir)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	for text, want := range map[string]string{
		`{"spec": {"command": "search"`:  "the text ends in the middle of a value",
		`{"spec": {"seed": "one"}}`:      "seed",
		`{"method": "darts", "seed": 1}`: `unknown field "method"`, // of an earlier form
		`{}`:                             `spec: command: expected "search" or "train", got ""`,
		`{"spec": {"command": "search"}, "log": {"columns": ["epoch"], "rows": [[1, 2]]}}`:                                                     "log: rows[0]",
		`{"spec": {"command": "search"}, "tables": [{"name": "normal", "rows": ["a"], "columns": [["x"]], "epochs": [{"values": [[1, 2]]}]}]}`: "table normal: epochs[0].values[0]: expected 1 columns, got 2",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, ResultFile), []byte(text), 0o600))
		_, err := ReadResult(dir)
		require.ErrorContains(t, err, filepath.Join(dir, ResultFile))
		assert.ErrorContains(t, err, want)
	}
}

func TestTrainingRoundTrip(t *testing.T) {
	dir := t.TempDir()
	network := arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Cells: &arch.CellNetwork{Stem: arch.StemCIFAR, Cells: 5, Channels: 8, Genotype: *sample().Genotype}}
	network.Cells.Genotype.Reduce = network.Cells.Genotype.Normal
	want := run.Result{Spec: run.Spec{Command: run.Train, Name: "random", Network: &network, Seed: 2, Profile: "quick", Config: json.RawMessage(`{"epochs":1}`)}, Network: &network,
		Numbers: run.Values{{Name: "test_accuracy", Number: 0.4125}, {Name: "parameters", Number: 12345}, {Name: "multiply_adds", Number: 67890}},
		Log:     run.Log{Columns: []string{"epoch", "train_loss", "train_accuracy"}, Rows: [][]float64{{1, 2.3, 0.1}}}}
	require.NoError(t, WriteResult(dir, want))
	got, err := ReadResult(dir)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	written := files(t, dir)
	assert.Contains(t, written[MetricsFile], "1,2.3,0.1\n")
	assert.NotContains(t, written, TablesFile)
	var n arch.Network
	require.NoError(t, json.Unmarshal([]byte(written[NetworkFile]), &n))
	assert.Equal(t, network, n)
}

// TestConfigRoundTrip: what a run is stands in config.json flat, beside the note.
func TestConfigRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := Config{Spec: sample().Spec, Note: "reduced", DataDir: "/data"}
	require.NoError(t, WriteConfig(dir, want))
	got, err := ReadConfig(dir)
	require.NoError(t, err)
	differ, err := got.Spec.Differences(want.Spec)
	require.NoError(t, err)
	assert.Empty(t, differ)
	assert.Equal(t, []string{"reduced", "/data"}, []string{got.Note, got.DataDir})
	assert.Contains(t, files(t, dir)[ConfigFile], "\n  \"seed\": 3,\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte(`{"command": "search", "colour": 1}`), 0o600))
	_, err = ReadConfig(dir)
	assert.ErrorContains(t, err, "colour")
	_, err = ReadConfig(t.TempDir())
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// TestHashFiles: what says which run it was is hashed as well as what came out; what has not ended is not.
func TestHashFiles(t *testing.T) {
	dir := t.TempDir()
	record := Run{Profile: "quick", Seeds: []uint64{3}}
	require.NoError(t, WriteRun(dir, record))
	done := filepath.Join(dir, "search", "fairdarts-seed3")
	require.NoError(t, WriteConfig(done, Config{Spec: sample().Spec}))
	require.NoError(t, WriteRun(done, record))
	require.NoError(t, AppendEvent(done, "start", nil))
	require.NoError(t, WriteResult(done, sample()))
	cut := filepath.Join(dir, "train", "random-seed0")
	require.NoError(t, WriteConfig(cut, Config{}))
	require.NoError(t, os.WriteFile(filepath.Join(done, "checkpoint.safetensors"), nil, 0o600))
	before, err := HashFiles(dir)
	require.NoError(t, err)
	var names []string
	for _, name := range []string{ConfigFile, EventsFile, GenotypeFile, MetricsFile, ResultFile, RunFile, TablesFile} {
		names = append(names, "search/fairdarts-seed3/"+name)
	}
	assert.ElementsMatch(t, append(names, RunFile), slices.Collect(maps.Keys(before)))
	for _, where := range []string{dir, done} {
		record.Seeds = append(record.Seeds, 4)
		require.NoError(t, WriteRun(where, record))
	}
	require.NoError(t, WriteConfig(done, Config{Spec: sample().Spec, Note: "another"}))
	now, err := HashFiles(dir)
	require.NoError(t, err)
	for name := range before {
		changed := name == RunFile || name == "search/fairdarts-seed3/"+RunFile || name == "search/fairdarts-seed3/"+ConfigFile
		assert.Equal(t, changed, before[name] != now[name], name)
	}
}

func TestRunRoundTripAndChanges(t *testing.T) {
	dir := t.TempDir()
	record := Run{
		Version: "v0", GitHash: "abc", GoSumSHA256: "s", GoMLX: "v0.28.2", XLA: "cpu 0.11.2", XLAFlags: "-x", Device: "cpu", Profile: profile.Quick,
		Seeds: []uint64{0, 1}, Data: map[string]string{"test.bin": "1", "train.bin": "2"},
		Set: datasets.Identity{Name: "cifar10", Train: 4, Test: 2, SHA256: "3"}, Args: []string{"repro", "run"},
		Start: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), PeakMemory: 1 << 30,
	}
	require.NoError(t, WriteRun(dir, record))
	assert.NotContains(t, files(t, dir)[RunFile], `"end"`)
	record.End = record.Start.Add(time.Minute)
	require.NoError(t, WriteRun(dir, record))
	got, err := ReadRun(dir)
	require.NoError(t, err)
	assert.Equal(t, record, got)

	assert.Empty(t, record.ChangedSince(record))
	now := record
	now.Device, now.Args, now.Start = "gpu", nil, time.Time{}
	assert.Empty(t, record.ChangedSince(now))
	for name, change := range map[string]func(*Run){
		"commit": func(r *Run) { r.GitHash = "def" }, "go.sum": func(r *Run) { r.GoSumSHA256 = "t" }, "XLA_FLAGS": func(r *Run) { r.XLAFlags = "" },
		"uncommitted": func(r *Run) { r.Dirty = true }, "data file train.bin": func(r *Run) { r.Data = map[string]string{"train.bin": "3"} },
	} {
		now := record
		change(&now)
		changes := record.ChangedSince(now)
		require.Len(t, changes, 1, name)
		assert.Contains(t, changes[0], name)
	}
}

func TestVerdictsRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := Verdicts{Profile: profile.Quick, Verdicts: []verdict.Verdict{{Claim: "p-one", Status: verdict.NotRun, Reason: "lacks budget", Parts: []verdict.Verdict{{Part: "a"}}}}}
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
		listen(run.Event{Kind: run.EventStep, Step: step, Values: run.Values{{Name: "train_loss", Number: 1.5}}})
	}
	listen(run.Event{Kind: run.EventEpoch, Epoch: 1})
	got, err := ReadEvents(dir) // before Close
	require.NoError(t, err)
	require.Len(t, got, 3)
	var ev run.Event
	require.NoError(t, json.Unmarshal(got[1].Data, &ev))
	assert.Equal(t, 4, ev.Step)
	assert.Equal(t, run.Values{{Name: "train_loss", Number: 1.5}}, ev.Values)
	assert.WithinDuration(t, time.Now(), got[1].Time, time.Minute)
	listen(run.Event{Kind: run.EventEpoch, Values: run.Values{{Name: "train_loss", Number: math.NaN()}}})
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
