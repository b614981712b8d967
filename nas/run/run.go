// Package run is the one loop of searches, supernets and trainings: it brings batches to the device, goes through epochs
// and steps, tells listeners, writes a checkpoint after every epoch and goes on from the one it finds, and stops where a
// loss is no number. What a step does is the [Task]'s.
package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/checkpoint"
)

// Kinds of events.
const (
	EventStart      = "start"
	EventStep       = "step"
	EventEpoch      = "epoch"
	EventCheckpoint = "checkpoint"
	// EventMeasure says how much of what stands behind the epochs is measured: Step of Steps, in round Epoch of Epochs,
	// which are 0 where there are no rounds.
	EventMeasure = "measure"
	EventEnd     = "end"
)

// Event tells a listener how far a run is.
type Event struct {
	Kind string `json:"kind"`
	// Epoch counts from 1 in epoch events and says which one a step belongs to; Epochs is their number.
	Epoch  int `json:"epoch"`
	Epochs int `json:"epochs"`
	// Step counts from 1 in the epoch, of Steps.
	Step  int `json:"step"`
	Steps int `json:"steps"`
	// Values are the step's, or the epoch's row of the log.
	Values Values `json:"values,omitempty"`
	// Tables are set in epoch events, with the snapshots so far.
	Tables []Table `json:"-"`
}

// Listener hears of events in order, on the run's goroutine.
type Listener func(Event)

// Options are what a run needs beside its specification.
type Options struct {
	// Dir is the run folder, where the checkpoint goes; empty keeps nothing on disk.
	Dir string
	// Listeners hear of every event.
	Listeners []Listener
}

// Emit tells all listeners of an event.
func (o Options) Emit(e Event) {
	for _, listen := range o.Listeners {
		listen(e)
	}
}

// CheckpointFile is the name of a run's checkpoint in its folder.
const CheckpointFile = "checkpoint.safetensors"

// ErrInterrupted is returned when the context ends a run; what was finished is in the last checkpoint.
var ErrInterrupted = errors.New("interrupted; resume to go on from the last checkpoint")

// DivergedError is returned where a step's number, or a parameter after an epoch, is none.
type DivergedError struct {
	Name        string
	Number      float64
	Epoch, Step int
	// Hint says what to change.
	Hint string
}

// Error says it in one line.
func (e *DivergedError) Error() string {
	text := fmt.Sprintf("%s is %g in epoch %d, step %d", e.Name, e.Number, e.Epoch, e.Step)
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Position says where a run is: epochs and steps count from 0.
type Position struct {
	Epoch, Epochs, Step, Steps int
}

// Total is the number of steps before this one since the run began.
func (p Position) Total() int { return p.Epoch*p.Steps + p.Step }

// Batch is samples on the device: X [batch, height, width, channels], Y int32 [batch]. The loop frees it after the step.
type Batch struct {
	X, Y *tensors.Tensor
}

// State is what a task goes on from.
type State struct {
	Tensors map[string][]float32
	// Counters are whole numbers, such as an optimizer's steps.
	Counters map[string][]int64
}

// Task is what a run does in a step. Its methods are called by one goroutine.
type Task interface {
	// Step moves on by a step, with a batch of each source. Its values are for listeners; one that is NaN or infinite ends
	// the run.
	Step(p Position, batches []Batch) (Values, error)
	// Snapshots reads the tables' values, one snapshot for each of the plan's tables: before the first epoch, and after
	// each, counted from 1.
	Snapshots(epoch int) ([]Snapshot, error)
	// EpochEnd makes the epoch's row of the log, which always has the same columns, beside the snapshots that were just
	// taken.
	EpochEnd(p Position, tables []Snapshot) (Values, error)
	// State is all that the task goes on from, and SetState its inverse.
	State() (State, error)
	SetState(State) error
}

// Plan is how long a task runs and what it is.
type Plan struct {
	Spec          Spec
	Epochs, Steps int
	// Tables are those that [Task.Snapshots] fills.
	Tables []Table
	// Hint says what to change where a run diverges.
	Hint string
}

// record is what a checkpoint holds beside tensors.
type record struct {
	Spec       Spec               `json:"spec"`
	EpochsDone int                `json:"epochs_done"`
	Counters   map[string][]int64 `json:"counters"`
	Log        Log                `json:"log"`
	Tables     []Table            `json:"tables,omitempty"`
}

// Trace is what the epochs left.
type Trace struct {
	Log    Log
	Tables []Table
}

// loop is one run.
type loop struct {
	Trace
	task       Task
	data       []datasets.BatchSource
	plan       Plan
	options    Options
	epochsDone int
}

// Do runs a task for the epochs of a plan, with a batch of each source in every step. With a folder it writes a
// checkpoint after every epoch and goes on from the one it finds there, which has to be of the same specification. On a
// processor a run that was cut short and resumed gives the same bits as one that was not, as long as a step depends on
// its position, its batches and the task's state alone.
func Do(ctx context.Context, t Task, data []datasets.BatchSource, plan Plan, o Options) (*Trace, error) {
	l := &loop{task: t, data: data, plan: plan, options: o}
	for _, table := range plan.Tables {
		table.Epochs = nil
		l.Tables = append(l.Tables, table)
	}
	found, err := l.resume()
	if err != nil {
		return nil, err
	}
	if !found {
		if err := l.snapshot(); err != nil {
			return nil, err
		}
	}
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	return &l.Trace, nil
}

func (l *loop) emit(e Event) {
	e.Epochs, e.Steps = l.plan.Epochs, l.plan.Steps
	l.options.Emit(e)
}

func (l *loop) run(ctx context.Context) error {
	l.emit(Event{Kind: EventStart, Epoch: l.epochsDone})
	if l.epochsDone >= l.plan.Epochs {
		return nil
	}
	feeds := make([]*datasets.Prefetcher, len(l.data))
	for i, source := range l.data {
		feeds[i] = datasets.NewPrefetcher(ctx, source, datasets.PrefetchConfig{Step: l.epochsDone * l.plan.Steps})
		defer feeds[i].Close()
	}
	for l.epochsDone < l.plan.Epochs {
		if err := l.epoch(ctx, feeds); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) epoch(ctx context.Context, feeds []*datasets.Prefetcher) error {
	p := Position{Epoch: l.epochsDone, Epochs: l.plan.Epochs, Steps: l.plan.Steps}
	for p.Step = range l.plan.Steps {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err := l.step(ctx, p, feeds); err != nil {
			return err
		}
	}
	l.epochsDone++
	if err := l.snapshot(); err != nil {
		return err
	}
	last := make([]Snapshot, len(l.Tables))
	for i, t := range l.Tables {
		last[i] = t.Last()
		for _, number := range slices.Concat(last[i].Values...) {
			if err := l.finite(p, "a parameter of the table "+t.Name, number); err != nil {
				return err
			}
		}
	}
	values, err := l.task.EpochEnd(p, last)
	if err != nil {
		return err
	}
	if err := l.Log.add(values); err != nil {
		return err
	}
	l.emit(Event{Kind: EventEpoch, Epoch: l.epochsDone, Step: l.plan.Steps, Values: values, Tables: slices.Clone(l.Tables)})
	return l.save()
}

func (l *loop) step(ctx context.Context, p Position, feeds []*datasets.Prefetcher) (err error) {
	batches := make([]Batch, len(feeds))
	defer func() {
		for _, b := range batches {
			err = errors.Join(err, Finalize(b.X, b.Y))
		}
	}()
	for i, feed := range feeds {
		if batches[i], err = next(ctx, feed, l.data[i].Shape()); err != nil {
			return err
		}
	}
	values, err := l.task.Step(p, batches)
	if err != nil {
		return err
	}
	for _, v := range values {
		if err := l.finite(p, v.Name, v.Number); err != nil {
			return err
		}
	}
	l.emit(Event{Kind: EventStep, Epoch: p.Epoch + 1, Step: p.Step + 1, Values: values})
	return nil
}

// finite refuses a number that is none.
func (l *loop) finite(p Position, name string, number float64) error {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return &DivergedError{Name: name, Number: number, Epoch: p.Epoch + 1, Step: p.Step + 1, Hint: l.plan.Hint}
	}
	return nil
}

// next brings a feed's next batch to the device.
func next(ctx context.Context, feed *datasets.Prefetcher, shape [4]int) (Batch, error) {
	b, err := feed.Next()
	if err != nil {
		if ctx.Err() != nil {
			return Batch{}, ErrInterrupted
		}
		return Batch{}, err
	}
	defer b.Release()
	return Batch{tensors.FromFlatDataAndDimensions(b.X, shape[:]...), tensors.FromFlatDataAndDimensions(b.Y, shape[0])}, nil
}

// Finalize frees tensors on the device at once; nil ones are passed over.
func Finalize(list ...*tensors.Tensor) error {
	var errs []error
	for _, t := range list {
		if t != nil {
			errs = append(errs, t.FinalizeAll())
		}
	}
	return errors.Join(errs...)
}

func (l *loop) snapshot() error {
	if len(l.Tables) == 0 {
		return nil
	}
	list, err := l.task.Snapshots(l.epochsDone)
	if err != nil {
		return err
	}
	if len(list) != len(l.Tables) {
		return fmt.Errorf("snapshots: expected %d tables, got %d", len(l.Tables), len(list))
	}
	for i, s := range list {
		// What listeners have of the epochs before stays as it is.
		l.Tables[i].Epochs = append(slices.Clip(l.Tables[i].Epochs), s)
	}
	return nil
}

// save writes the checkpoint.
func (l *loop) save() error {
	if l.options.Dir == "" {
		return nil
	}
	state, err := l.task.State()
	if err != nil {
		return err
	}
	r := record{l.plan.Spec, l.epochsDone, state.Counters, l.Log, l.Tables}
	if err := checkpoint.Save(filepath.Join(l.options.Dir, CheckpointFile), state.Tensors, r); err != nil {
		return err
	}
	l.emit(Event{Kind: EventCheckpoint, Epoch: l.epochsDone})
	return nil
}

// resume takes the state from the folder's checkpoint; false where there is none.
func (l *loop) resume() (bool, error) {
	if l.options.Dir == "" {
		return false, nil
	}
	path := filepath.Join(l.options.Dir, CheckpointFile)
	var r record
	tensors, err := checkpoint.Resume(path, &r)
	if err != nil || tensors == nil {
		return false, err
	}
	if differ, err := r.Spec.Differences(l.plan.Spec); err != nil {
		return false, fmt.Errorf("checkpoint %s: %w", path, err)
	} else if len(differ) > 0 {
		return false, fmt.Errorf("checkpoint %s: was written by another run; what differs, its value first: %s", path, Differing(differ))
	}
	switch {
	case r.EpochsDone < 1 || r.EpochsDone > l.plan.Epochs:
		return false, fmt.Errorf("checkpoint %s: record: epochs_done: expected 1 to %d, got %d", path, l.plan.Epochs, r.EpochsDone)
	case len(r.Log.Rows) != r.EpochsDone:
		return false, fmt.Errorf("checkpoint %s: record: log: expected a row for each of %d epochs, got %d", path, r.EpochsDone, len(r.Log.Rows))
	case len(r.Tables) != len(l.Tables):
		return false, fmt.Errorf("checkpoint %s: record: tables: expected %d, got %d", path, len(l.Tables), len(r.Tables))
	}
	for i, t := range r.Tables {
		if t.Name != l.Tables[i].Name || len(t.Epochs) != r.EpochsDone+1 {
			return false, fmt.Errorf("checkpoint %s: record: tables[%d]: expected %s of %d epochs, got %s of %d", path, i, l.Tables[i].Name, r.EpochsDone+1, t.Name, len(t.Epochs))
		}
	}
	if err := l.task.SetState(State{tensors, r.Counters}); err != nil {
		return false, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	l.Log, l.Tables, l.epochsDone = r.Log, r.Tables, r.EpochsDone
	return true, nil
}

// Differing shows the first of the differences that [Spec.Differences] names.
func Differing(list []string) string {
	const most = 5
	text := ""
	for i, s := range list {
		if i == most {
			return fmt.Sprintf("%s and %d more", text, len(list)-most)
		}
		if i > 0 {
			text += ", "
		}
		text += s
	}
	return text
}

// Counter is the one number of a counter.
func (s State) Counter(name string) (int, error) {
	v, ok := s.Counters[name]
	if !ok || len(v) != 1 || v[0] < 0 {
		return 0, fmt.Errorf("counters: %s: expected one number of at least 0, got %v", name, v)
	}
	return int(v[0]), nil
}
