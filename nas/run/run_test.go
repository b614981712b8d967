package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/run"
)

// numbers is a source of batches that needs no images: each sample is its number.
type numbers struct{ n, batch int }

func (s numbers) Steps() int    { return s.n / s.batch }
func (s numbers) Len() int      { return s.n }
func (s numbers) Shape() [4]int { return [4]int{s.batch, 1, 1, 1} }
func (s numbers) Classes() int  { return s.n }
func (s numbers) Fill(epoch, step int, x []float32, y []int32) ([]float32, []int32, error) {
	x, y = x[:0], y[:0]
	for i := range s.batch {
		x = append(x, float32(1000*epoch+step*s.batch+i))
		y = append(y, int32(i))
	}
	return x, y, nil
}

// sum is a task on the host: it adds up what its batches hold.
type sum struct {
	total, steps float64
	epoch        float64
	// at gives what a step reports in the place of the total.
	at func(run.Position) float64
	// fail is an error of a step.
	fail func(run.Position) error
}

func (s *sum) Step(p run.Position, batches []run.Batch) (run.Values, error) {
	if s.fail != nil {
		if err := s.fail(p); err != nil {
			return nil, err
		}
	}
	for _, b := range batches {
		if err := b.X.ConstFlatData(func(flat any) {
			for _, v := range flat.([]float32) {
				s.total += float64(v)
				s.epoch += float64(v)
			}
		}); err != nil {
			return nil, err
		}
	}
	s.steps++
	reported := s.total
	if s.at != nil {
		reported = s.at(p)
	}
	return run.Values{{Name: "total", Number: reported}}, nil
}

func (s *sum) Snapshots(epoch int) ([]run.Snapshot, error) {
	return []run.Snapshot{{Epoch: epoch, Values: [][]float64{{s.total, s.steps}}}}, nil
}

func (s *sum) EpochEnd(p run.Position, tables []run.Snapshot) (run.Values, error) {
	row := run.Values{{Name: "epoch", Number: float64(p.Epoch + 1)}, {Name: "sum", Number: s.epoch}, {Name: "total", Number: tables[0].Values[0][0]}}
	s.epoch = 0
	return row, nil
}

func (s *sum) State() (run.State, error) {
	return run.State{Tensors: map[string][]float32{"total": {float32(s.total)}}, Counters: map[string][]int64{"steps": {int64(s.steps)}}}, nil
}

func (s *sum) SetState(state run.State) error {
	steps, err := state.Counter("steps")
	if err != nil {
		return err
	}
	total := state.Tensors["total"]
	if len(total) != 1 {
		return errors.New("total: expected one number")
	}
	s.total, s.steps = float64(total[0]), float64(steps)
	return nil
}

// plan is three epochs of two steps of sum.
func plan() run.Plan {
	return run.Plan{Spec: run.Spec{Command: run.Search, Method: "sum", Config: json.RawMessage(`{"rate": 1, "granularity": "edge"}`)}, Epochs: 3, Steps: 2,
		Tables: []run.Table{{Name: "state", Kind: run.Counts, Rows: []string{"all"}, Columns: [][]string{{"total", "steps"}}}}, Hint: "lower it"}
}

var sources = []datasets.BatchSource{numbers{8, 2}, numbers{6, 3}}

func read(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, run.CheckpointFile))
	require.NoError(t, err)
	return b
}

// Batches come in order, through the epochs of a source that are not the run's; events tell all of it.
func TestDo(t *testing.T) {
	var events []string
	var task sum
	var first []run.Table
	trace, err := run.Do(t.Context(), &task, sources, plan(), run.Options{Listeners: []run.Listener{func(e run.Event) {
		events = append(events, fmt.Sprintf("%s %d/%d %d/%d %v", e.Kind, e.Epoch, e.Epochs, e.Step, e.Steps, e.Values))
		if e.Kind == run.EventEpoch {
			assert.Len(t, e.Tables[0].Epochs, e.Epoch+1)
			if e.Epoch == 1 {
				first = e.Tables
			}
		}
	}}})
	require.NoError(t, err)
	// The first source has four batches an epoch, 0+1, 2+3, 4+5, 6+7 and then 1000+1001, 1002+1003, the second two, 0+1+2
	// and 3+4+5 and so on in the epochs 0, 1 and 2.
	assert.Equal(t, []string{
		"start 0/3 0/2 []",
		"step 1/3 1/2 [{total 4}]", "step 1/3 2/2 [{total 21}]", "epoch 1/3 2/2 [{epoch 1} {sum 21} {total 21}]",
		"step 2/3 1/2 [{total 3033}]", "step 2/3 2/2 [{total 6058}]", "epoch 2/3 2/2 [{epoch 2} {sum 6037} {total 6058}]",
		"step 3/3 1/2 [{total 14062}]", "step 3/3 2/2 [{total 22079}]", "epoch 3/3 2/2 [{epoch 3} {sum 16021} {total 22079}]",
	}, events)
	assert.Equal(t, run.Log{Columns: []string{"epoch", "sum", "total"}, Rows: [][]float64{{1, 21, 21}, {2, 6037, 6058}, {3, 16021, 22079}}}, trace.Log)
	require.Len(t, trace.Tables, 1)
	require.NoError(t, trace.Tables[0].Validate())
	assert.Equal(t, []run.Snapshot{{Epoch: 0, Values: [][]float64{{0, 0}}}, {Epoch: 1, Values: [][]float64{{21, 2}}},
		{Epoch: 2, Values: [][]float64{{6058, 4}}}, {Epoch: 3, Values: [][]float64{{22079, 6}}}}, trace.Tables[0].Epochs)
	assert.Len(t, first[0].Epochs, 2, "what a listener has stays as it was")
}

// Stopped anywhere, a run goes on to the same trace and the same bytes.
func TestResume(t *testing.T) {
	whole := t.TempDir()
	want, err := run.Do(t.Context(), &sum{}, sources, plan(), run.Options{Dir: whole})
	require.NoError(t, err)
	for _, kind := range []string{run.EventStart, run.EventStep, run.EventEpoch, run.EventCheckpoint} {
		for epoch := range 4 {
			t.Run(fmt.Sprintf("%s %d", kind, epoch), func(t *testing.T) {
				dir := t.TempDir()
				ctx, cancel := context.WithCancel(t.Context())
				_, err := run.Do(ctx, &sum{}, sources, plan(), run.Options{Dir: dir, Listeners: []run.Listener{func(e run.Event) {
					if e.Kind == kind && e.Epoch == epoch {
						cancel()
					}
				}}})
				cancel()
				// Behind the last step nothing is left to interrupt.
				if stopped := kind == run.EventStart && epoch == 0 || kind == run.EventStep && epoch > 0 || kind != run.EventStart && kind != run.EventStep && epoch > 0 && epoch < 3; stopped {
					require.ErrorIs(t, err, run.ErrInterrupted)
				} else {
					require.NoError(t, err)
				}
				first := -1
				got, err := run.Do(t.Context(), &sum{}, sources, plan(), run.Options{Dir: dir, Listeners: []run.Listener{func(e run.Event) {
					if e.Kind == run.EventStart {
						first = e.Epoch
					}
				}}})
				require.NoError(t, err)
				assert.Equal(t, want, got)
				assert.Equal(t, read(t, whole), read(t, dir))
				assert.GreaterOrEqual(t, first, 0)
				if kind == run.EventCheckpoint && epoch > 0 {
					assert.Equal(t, epoch, first, "the run went on behind the checkpoint")
				}
			})
		}
	}
}

// A run that is at its end computes nothing more.
func TestResumeAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	want, err := run.Do(t.Context(), &sum{}, sources, plan(), run.Options{Dir: dir})
	require.NoError(t, err)
	never := &sum{fail: func(run.Position) error { return errors.New("a step") }}
	got, err := run.Do(t.Context(), never, sources, plan(), run.Options{Dir: dir})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, 22079.0, never.total)
}

// A checkpoint of another run is refused, and the error names what differs. How the network is cut is no difference.
func TestResumeRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := run.Do(t.Context(), &sum{}, sources, plan(), run.Options{Dir: dir})
	require.NoError(t, err)
	path := filepath.Join(dir, run.CheckpointFile)
	for want, change := range map[string]func(*run.Plan){
		`config.rate (1, not 2)`:    func(p *run.Plan) { p.Spec.Config = json.RawMessage(`{"rate": 2}`) },
		`config.clip (none, not 5)`: func(p *run.Plan) { p.Spec.Config = json.RawMessage(`{"rate": 1, "clip": 5}`) },
		`seed (0, not 3)`:           func(p *run.Plan) { p.Spec.Seed = 3 },
		`method ("sum", not "max")`: func(p *run.Plan) { p.Spec.Method = "max" },
		`variant (none, not "l1")`:  func(p *run.Plan) { p.Spec.Variant = "l1" },
		`data.sha256 ("", not "f")`: func(p *run.Plan) { p.Spec.Data.SHA256 = "f" },
		`code (none, not "abc")`:    func(p *run.Plan) { p.Spec.Code = "abc" },
	} {
		p := plan()
		change(&p)
		_, err := run.Do(t.Context(), &sum{}, sources, p, run.Options{Dir: dir})
		assert.ErrorContains(t, err, "checkpoint "+path+": was written by another run; what differs, its value first: "+want)
	}
	p := plan()
	p.Spec.Config = json.RawMessage(`{"granularity": "network", "rate": 1}`)
	_, err = run.Do(t.Context(), &sum{}, sources, p, run.Options{Dir: dir})
	assert.NoError(t, err)
}

// A checkpoint whose numbers do not fit together is refused.
func TestResumeRefusesBrokenRecords(t *testing.T) {
	dir := t.TempDir()
	_, err := run.Do(t.Context(), &sum{}, sources, plan(), run.Options{Dir: dir})
	require.NoError(t, err)
	path := filepath.Join(dir, run.CheckpointFile)
	for want, change := range map[string]func(record map[string]any, tensors map[string][]float32){
		"record: epochs_done: expected 1 to 3, got 4":             func(r map[string]any, _ map[string][]float32) { r["epochs_done"] = 4 },
		"record: epochs_done: expected 1 to 3, got 0":             func(r map[string]any, _ map[string][]float32) { r["epochs_done"] = 0 },
		"record: log: expected a row for each of 2 epochs, got 3": func(r map[string]any, _ map[string][]float32) { r["epochs_done"] = 2 },
		"record: tables: expected 1, got 0":                       func(r map[string]any, _ map[string][]float32) { delete(r, "tables") },
		"record: tables[0]: expected state of 4 epochs, got other of 4": func(r map[string]any, _ map[string][]float32) {
			r["tables"].([]any)[0].(map[string]any)["name"] = "other"
		},
		"record: tables[0]: expected state of 4 epochs, got state of 0": func(r map[string]any, _ map[string][]float32) {
			delete(r["tables"].([]any)[0].(map[string]any), "epochs")
		},
		"counters: steps: expected one number of at least 0, got [-1]":               func(r map[string]any, _ map[string][]float32) { r["counters"] = map[string]any{"steps": []int{-1}} },
		"counters: steps: expected one number of at least 0, got []":                 func(r map[string]any, _ map[string][]float32) { delete(r, "counters") },
		"total: expected one number":                                                 func(_ map[string]any, tensors map[string][]float32) { tensors["total"] = []float32{1, 2} },
		"what differs, its value first: command (\"search\", not \"train\"), seed (": nil,
	} {
		broken := t.TempDir()
		var record map[string]any
		tensors, err := checkpoint.Resume(path, &record)
		require.NoError(t, err)
		p := plan()
		if change != nil {
			change(record, tensors)
		} else {
			p.Spec.Command, p.Spec.Seed = run.Train, 1
		}
		require.NoError(t, checkpoint.Save(filepath.Join(broken, run.CheckpointFile), tensors, record))
		_, err = run.Do(t.Context(), &sum{}, sources, p, run.Options{Dir: broken})
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, filepath.Join(broken, run.CheckpointFile))
	}
}

// A number that is none ends the run, with where it was; what was finished stays.
func TestDiverged(t *testing.T) {
	for _, number := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		dir := t.TempDir()
		steps := 0
		_, err := run.Do(t.Context(), &sum{at: func(p run.Position) float64 {
			if p.Epoch == 1 && p.Step == 1 {
				return number
			}
			return 1
		}}, sources, plan(), run.Options{Dir: dir, Listeners: []run.Listener{func(e run.Event) {
			if e.Kind == run.EventStep {
				steps++
			}
		}}})
		var diverged *run.DivergedError
		require.ErrorAs(t, err, &diverged)
		assert.Equal(t, 2, diverged.Epoch)
		assert.Equal(t, 2, diverged.Step)
		assert.Equal(t, fmt.Sprintf("total is %g in epoch 2, step 2: lower it", number), err.Error())
		assert.Equal(t, 3, steps, "the step that diverged is no event")
		var record struct {
			EpochsDone int `json:"epochs_done"`
		}
		kept, err := checkpoint.Read(filepath.Join(dir, run.CheckpointFile))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(kept.Record, &record))
		assert.Equal(t, 1, record.EpochsDone)
	}
}

// So does a parameter that is none after an epoch, though every step's numbers were.
func TestDivergedParameter(t *testing.T) {
	task := &sum{at: func(run.Position) float64 { return 1 }}
	task.fail = func(p run.Position) error {
		if p.Epoch == 1 {
			task.total = math.Inf(1)
		}
		return nil
	}
	dir := t.TempDir()
	_, err := run.Do(t.Context(), task, sources, plan(), run.Options{Dir: dir})
	var diverged *run.DivergedError
	require.ErrorAs(t, err, &diverged)
	assert.Equal(t, "a parameter of the table state is +Inf in epoch 2, step 2: lower it", err.Error())
}

// The task's own error ends the run as it is.
func TestTaskFails(t *testing.T) {
	failure := errors.New("out of memory")
	_, err := run.Do(t.Context(), &sum{fail: func(p run.Position) error {
		if p.Total() == 3 {
			return failure
		}
		return nil
	}}, sources, plan(), run.Options{})
	assert.ErrorIs(t, err, failure)
}

// unsteady changes its columns.
type unsteady struct{ sum }

func (u *unsteady) EpochEnd(p run.Position, _ []run.Snapshot) (run.Values, error) {
	return run.Values{{Name: []string{"loss", "error"}[p.Epoch%2], Number: 1}}, nil
}

func TestColumnsStay(t *testing.T) {
	_, err := run.Do(t.Context(), &unsteady{}, sources, plan(), run.Options{})
	assert.ErrorContains(t, err, `an epoch's numbers: expected "loss", got "error"`)
}

// A stage is computed once, and anew behind another checkpoint.
func TestStages(t *testing.T) {
	dir := t.TempDir()
	computed := 0
	once := func() (int, error) {
		v, err := run.Once(dir, "stage.json", func() (*int, error) {
			computed++
			n := 40 + computed
			return &n, nil
		})
		if err != nil {
			return 0, err
		}
		return *v, nil
	}
	_, err := once()
	require.Error(t, err, "there is no checkpoint that it stands behind")
	computed = 0
	p := plan()
	_, err = run.Do(t.Context(), &sum{}, sources, p, run.Options{Dir: dir})
	require.NoError(t, err)
	for range 3 {
		v, err := once()
		require.NoError(t, err)
		assert.Equal(t, 41, v)
	}
	assert.Equal(t, 1, computed)
	require.NoError(t, os.Remove(filepath.Join(dir, run.CheckpointFile)))
	p.Spec.Seed = 1
	_, err = run.Do(t.Context(), &sum{}, sources, p, run.Options{Dir: dir})
	require.NoError(t, err)
	v, err := once()
	require.NoError(t, err)
	assert.Equal(t, 42, v, "another run's stage is not taken")

	failure := errors.New("interrupted")
	_, err = run.Once(dir, "other.json", func() (*int, error) { return nil, failure })
	assert.ErrorIs(t, err, failure)
	_, err = os.Stat(filepath.Join(dir, "other.json"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	kept, err := os.ReadFile(filepath.Join(dir, "stage.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stage.json"), bytes.Replace(kept, []byte("42"), []byte("99"), 1), 0o600))
	_, err = once()
	assert.ErrorContains(t, err, filepath.Join(dir, "stage.json")+": value: SHA-256 is", "a forged value is not taken")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "stage.json"), []byte("{"), 0o600))
	_, err = once()
	assert.ErrorContains(t, err, filepath.Join(dir, "stage.json"))
	dir = ""
	for i := range 2 {
		v, err := once()
		require.NoError(t, err)
		assert.Equal(t, 43+i, v, "without a folder nothing is kept")
	}
}

// A tiny task on the host: the loop brings the batches and keeps the log.
func ExampleDo() {
	trace, err := run.Do(context.Background(), &sum{}, []datasets.BatchSource{numbers{8, 2}}, plan(), run.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(trace.Log.Columns, trace.Log.Row(0), trace.Log.Last("total"))
	// Output: [epoch sum total] [{epoch 1} {sum 6} {total 6}] 4034
}
