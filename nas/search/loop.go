package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Event kinds.
const (
	EventStart      = "start"
	EventStep       = "step"
	EventEpoch      = "epoch"
	EventCheckpoint = "checkpoint"
	// EventMeasure says how many paths of a supernet are measured: Step of Steps, in generation Epoch of Epochs.
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
	// TrainLoss and ValLoss are of the step, or means over the epoch.
	TrainLoss float64 `json:"train_loss"`
	ValLoss   float64 `json:"val_loss"`
	// Stats is set in epoch events, Alphas too.
	Stats  *EpochStats `json:"stats,omitempty"`
	Alphas *Alphas     `json:"-"`
	// Paths is set in epoch events of a single-path supernet.
	Paths *PathsEpoch `json:"paths,omitempty"`
}

// Listener hears of events in order, on the run's goroutine.
type Listener func(Event)

// Emit tells all listeners of an event.
func Emit(listeners []Listener, e Event) {
	for _, listen := range listeners {
		listen(e)
	}
}

// Options are what a run needs beside its configuration.
type Options struct {
	// Dir is the run folder, where the checkpoint goes; empty keeps nothing on disk.
	Dir string
	// Listeners hear of every event.
	Listeners []Listener
}

// CheckpointFile is the name of a run's checkpoint in its folder.
const CheckpointFile = "checkpoint.safetensors"

// ErrInterrupted is returned when the context ends a run; what was finished is in the last checkpoint.
var ErrInterrupted = errors.New("interrupted; resume to go on from the last checkpoint")

// loop is the state of one bilevel search.
type loop struct {
	config  Config
	method  Method
	options Options

	model      *engine.Model
	alphas     [2]*engine.Variable
	weightsOpt *engine.Optimizer
	archOpt    *engine.Optimizer
	train, val *datasets.Batches
	steps      int
	result     *Result
	epochsDone int
}

// record is what a checkpoint holds beside tensors.
type record struct {
	Config     Config  `json:"config"`
	Method     string  `json:"method"`
	Result     *Result `json:"result"`
	EpochsDone int     `json:"epochs_done"`
	WeightStep int     `json:"weight_steps"`
	ArchStep   int     `json:"arch_steps"`
}

// Bilevel searches a cell supernet by gradient: in each step the architecture's parameters move on a batch of
// one half of the images, then the weights on a batch of the other. With a folder it writes a checkpoint after
// every epoch and goes on from the one it finds there.
func Bilevel(ctx context.Context, e *engine.Engine, images *datasets.Images, c Config, m Method, o Options) (*Result, error) {
	l, err := newLoop(e, images, c, m, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	if err := l.resume(); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	if err := l.run(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	return l.result, nil
}

func newLoop(e *engine.Engine, images *datasets.Images, c Config, m Method, o Options) (*loop, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if images.Classes != c.Size.Classes || images.Channels != c.Size.InputChannels {
		return nil, fmt.Errorf("images %s have %d classes and %d channels, the configuration says %d and %d",
			images.Name, images.Classes, images.Channels, c.Size.Classes, c.Size.InputChannels)
	}
	small, err := images.Resize(c.Image)
	if err != nil {
		return nil, err
	}
	weightsHalf, archHalf, err := datasets.SearchSplit(small.N, c.Seed, 0.5)
	if err != nil {
		return nil, err
	}
	augment := datasets.DARTSAugment(c.Image)
	augment.Cutout = 0
	l := &loop{config: c, method: m, options: o}
	for _, half := range []struct {
		dst     **datasets.Batches
		indices []int
		stream  uint64
	}{{&l.train, weightsHalf, 1}, {&l.val, archHalf, 2}} {
		*half.dst, err = datasets.NewBatches(small, datasets.BatchConfig{BatchSize: c.Batch, Indices: half.indices,
			Seed: c.Seed*2 + half.stream, Augment: augment, Shuffle: true, DropLast: true})
		if err != nil {
			return nil, err
		}
	}
	if l.steps = c.StepsPerEpoch; l.steps == 0 {
		l.steps = l.train.Steps()
	}
	root, err := objective(c, m)
	if err != nil {
		return nil, err
	}
	granularity, err := nn.ParseLevel(c.Granularity)
	if err != nil {
		return nil, err
	}
	if l.model, err = e.NewModel(root, granularity); err != nil {
		return nil, err
	}
	if err := l.model.Load(nn.Initialise(root.Specs(), c.Seed)); err != nil {
		return nil, err
	}
	rows, columns := space.Edges, len(c.Primitives)
	random := rand.New(rand.NewPCG(c.Seed, 0xa1fa))
	for side := range l.alphas {
		values := make([]float32, rows*columns)
		for i := range values {
			values[i] = float32(m.InitialScale * random.NormFloat64())
		}
		l.alphas[side] = &engine.Variable{Value: tensors.FromFlatDataAndDimensions(values, rows, columns)}
	}
	l.weightsOpt = e.NewOptimizer(engine.SGD{Momentum: c.Weights.Momentum, WeightDecay: c.Weights.WeightDecay}, c.Weights.Clip)
	l.archOpt = e.NewOptimizer(engine.Adam{Beta1: c.Arch.Beta1, Beta2: c.Arch.Beta2, Epsilon: 1e-8, WeightDecay: c.Arch.WeightDecay}, 0)
	l.result = &Result{Method: m.Name, Space: c.Space, Profile: c.Profile, Seed: c.Seed, Primitives: c.Primitives}
	first, err := l.snapshot(0)
	if err != nil {
		return nil, err
	}
	l.result.History = []Alphas{first}
	return l, l.model.Trace(nn.Mode{Train: true}, l.inputShapes()...)
}

func (l *loop) inputShapes() []shapes.Shape {
	alpha := shapes.Make(dtypes.Float32, space.Edges, len(l.config.Primitives))
	in := []shapes.Shape{shapes.Make(dtypes.Float32, l.config.Batch, l.config.Image, l.config.Image, l.config.Size.InputChannels),
		shapes.Make(dtypes.Int32, l.config.Batch), alpha, alpha}
	if l.config.SkipNoise != nil {
		in = append(in, shapes.Make(dtypes.Uint64, l.config.Size.Cells*space.Edges, 3), shapes.Make(dtypes.Float32))
	}
	return in
}

func (l *loop) emit(e Event) {
	e.Epochs, e.Steps = l.config.Epochs, l.steps
	Emit(l.options.Listeners, e)
}

// run does the epochs that are left.
func (l *loop) run(ctx context.Context) error {
	l.emit(Event{Kind: EventStart, Epoch: l.epochsDone})
	if l.epochsDone < l.config.Epochs {
		at := l.epochsDone * l.steps
		pre := [2]*datasets.Prefetcher{}
		for i, b := range []*datasets.Batches{l.train, l.val} {
			pre[i] = datasets.NewPrefetcher(ctx, b, datasets.PrefetchConfig{Step: at})
			defer pre[i].Close()
		}
		for l.epochsDone < l.config.Epochs {
			if err := l.epoch(ctx, pre); err != nil {
				return err
			}
		}
	}
	last := l.result.History[len(l.result.History)-1]
	l.result.Genotype, l.result.DerivedBy = l.method.Derive(l.config.Primitives, last.NormalWeights, last.ReduceWeights)
	l.emit(Event{Kind: EventEnd, Epoch: l.epochsDone})
	return nil
}

func (l *loop) epoch(ctx context.Context, pre [2]*datasets.Prefetcher) error {
	c := l.config
	stats := EpochStats{Epoch: l.epochsDone + 1, Steps: l.steps,
		LearningRate: engine.CosineRate(c.Weights.LearningRate, c.Weights.LearningRateMin, l.epochsDone, c.Epochs)}
	for step := range l.steps {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err := l.step(ctx, step, pre, &stats); err != nil {
			return err
		}
	}
	n := float64(l.steps)
	for _, v := range []*float64{&stats.TrainLoss, &stats.ValLoss, &stats.TrainAccuracy, &stats.ValAccuracy, &stats.ArchRegulariser} {
		*v /= n
	}
	l.epochsDone++
	snapshot, err := l.snapshot(l.epochsDone)
	if err != nil {
		return err
	}
	genotype, _ := l.method.Derive(c.Primitives, snapshot.NormalWeights, snapshot.ReduceWeights)
	stats.SkipsNormal, stats.SkipsReduce = genotype.Normal.Count(nn.SkipConnect), genotype.Reduce.Count(nn.SkipConnect)
	l.result.Epochs = append(l.result.Epochs, stats)
	l.result.History = append(l.result.History, snapshot)
	l.result.Steps += l.steps
	l.emit(Event{Kind: EventEpoch, Epoch: l.epochsDone, Step: l.steps, TrainLoss: stats.TrainLoss, ValLoss: stats.ValLoss, Stats: &stats, Alphas: &snapshot})
	return l.save()
}

// batch brings the next one to the device.
func batch(ctx context.Context, p *datasets.Prefetcher, b datasets.BatchSource) (x, y *tensors.Tensor, err error) {
	next, err := p.Next()
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ErrInterrupted
		}
		return nil, nil, err
	}
	s := b.Shape()
	x = tensors.FromFlatDataAndDimensions(next.X, s[:]...)
	y = tensors.FromFlatDataAndDimensions(next.Y, s[0])
	next.Release()
	return x, y, nil
}

// step is one bilevel step.
func (l *loop) step(ctx context.Context, step int, pre [2]*datasets.Prefetcher, stats *EpochStats) error {
	xt, yt, err := batch(ctx, pre[0], l.train)
	if err != nil {
		return err
	}
	xv, yv, err := batch(ctx, pre[1], l.val)
	if err != nil {
		return err
	}
	mode := nn.Mode{Train: true}
	var g *engine.Gradients
	if l.config.SecondOrder {
		g, err = engine.Unrolled(l.model, l.weightsOpt, engine.UnrolledConfig{LearningRate: stats.LearningRate,
			Momentum: l.config.Weights.Momentum, WeightDecay: l.config.Weights.WeightDecay, Inputs: []int{2, 3}},
			l.inputs(xt, yt, step, 0), l.inputs(xv, yv, step, 1))
	} else {
		g, err = l.model.Gradient(mode, false, []int{2, 3}, l.inputs(xv, yv, step, 1)...)
	}
	if err != nil {
		return err
	}
	valLoss, err := l.account(g, &stats.ValLoss, &stats.ValAccuracy, &stats.ArchRegulariser)
	if err != nil {
		return err
	}
	if _, err := l.archOpt.Step(l.config.Arch.LearningRate, l.alphas[:], g.Inputs); err != nil {
		return err
	}
	if err := g.Finalize(); err != nil {
		return err
	}
	if g, err = l.model.Gradient(mode, true, nil, l.inputs(xt, yt, step, 0)...); err != nil {
		return err
	}
	trainLoss, err := l.account(g, &stats.TrainLoss, &stats.TrainAccuracy, nil)
	if err != nil {
		return err
	}
	if _, err := l.weightsOpt.Step(stats.LearningRate, l.model.Variables(), l.model.Weights(g)); err != nil {
		return err
	}
	for _, t := range []*tensors.Tensor{xt, yt, xv, yv} {
		if err := t.FinalizeAll(); err != nil {
			return err
		}
	}
	if err := g.Finalize(); err != nil {
		return err
	}
	l.emit(Event{Kind: EventStep, Epoch: l.epochsDone + 1, Step: step + 1, TrainLoss: trainLoss, ValLoss: valLoss})
	return nil
}

// inputs are the objective's; half tells the noise of the two passes of a step apart.
func (l *loop) inputs(x, y *tensors.Tensor, step, half int) []*tensors.Tensor {
	in := []*tensors.Tensor{x, y, l.alphas[0].Value, l.alphas[1].Value}
	if n := l.config.SkipNoise; n != nil {
		states, scale := l.noise(*n, step, half)
		in = append(in, states, scale)
	}
	return in
}

// account adds a step's loss, accuracy and regulariser to sums and returns its cross entropy.
func (l *loop) account(g *engine.Gradients, loss, accuracy, regulariser *float64) (float64, error) {
	var v [3]float64
	for i, t := range g.Outputs {
		var err error
		if v[i], err = engine.ScalarValue(t); err != nil {
			return 0, err
		}
	}
	entropy := v[0] - v[2]
	if entropy != entropy {
		return 0, fmt.Errorf("the loss is not a number in epoch %d: lower the learning rates", l.epochsDone+1)
	}
	*loss += entropy
	*accuracy += v[1] / float64(l.config.Batch)
	if regulariser != nil {
		*regulariser += v[2]
	}
	return entropy, nil
}

// snapshot reads the parameters from the device.
func (l *loop) snapshot(epoch int) (Alphas, error) {
	a := Alphas{Epoch: epoch}
	columns := len(l.config.Primitives)
	for side, dst := range []*[][]float64{&a.Normal, &a.Reduce} {
		err := l.alphas[side].Value.ConstFlatData(func(flat any) {
			for i, x := range flat.([]float32) {
				if i%columns == 0 {
					*dst = append(*dst, make([]float64, 0, columns))
				}
				row := &(*dst)[len(*dst)-1]
				*row = append(*row, float64(x))
			}
		})
		if err != nil {
			return a, err
		}
	}
	a.NormalWeights, a.ReduceWeights = l.method.Weights(a.Normal), l.method.Weights(a.Reduce)
	return a, nil
}

const alphaPrefix = "arch."

var sideNames = [2]string{"alphas_normal", "alphas_reduce"}

// save writes the checkpoint: with it a resumed run equals an unbroken one.
func (l *loop) save() error {
	if l.options.Dir == "" {
		return nil
	}
	state, err := l.model.TrainingState(l.weightsOpt)
	if err != nil {
		return err
	}
	alphas, err := l.archOpt.VariableState(l.alphas[:])
	if err != nil {
		return err
	}
	for side, tensors := range alphas {
		for k, v := range tensors {
			state[fmt.Sprintf("%s%s.%d", alphaPrefix, sideNames[side], k)] = v
		}
	}
	r := record{l.config, l.method.Name, l.result, l.epochsDone, l.weightsOpt.StepCount(), l.archOpt.StepCount()}
	if err := checkpoint.Save(filepath.Join(l.options.Dir, CheckpointFile), state, r); err != nil {
		return err
	}
	l.emit(Event{Kind: EventCheckpoint, Epoch: l.epochsDone})
	return nil
}

// resume takes the state from the folder's checkpoint, where there is one.
func (l *loop) resume() error {
	if l.options.Dir == "" {
		return nil
	}
	path := filepath.Join(l.options.Dir, CheckpointFile)
	var r record
	saved, err := checkpoint.Resume(path, &r)
	if err != nil || saved == nil {
		return err
	}
	if err := sameRun(r.Method, l.method.Name, r.Config, l.config); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	take := func(name string) ([]float32, error) {
		v, ok := saved[name]
		if !ok {
			return nil, fmt.Errorf("checkpoint %s: missing tensor %q", path, name)
		}
		return v, nil
	}
	if err := l.model.LoadTrainingState(l.weightsOpt, saved, r.WeightStep); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	var alphas [][][]float32
	for side := range l.alphas {
		var list [][]float32
		for k := range 3 {
			v, err := take(fmt.Sprintf("%s%s.%d", alphaPrefix, sideNames[side], k))
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		alphas = append(alphas, list)
	}
	if err := l.archOpt.LoadVariableState(l.alphas[:], alphas, r.ArchStep); err != nil {
		return err
	}
	l.result, l.epochsDone = r.Result, r.EpochsDone
	return nil
}

// sameRun refuses to go on with another method or configuration than the checkpoint's.
func sameRun(oldMethod, method string, old, config any) error {
	if oldMethod != method {
		return fmt.Errorf("was written by method %q, not %q", oldMethod, method)
	}
	a, err := json.Marshal(old)
	if err != nil {
		return err
	}
	b, err := json.Marshal(config)
	if err != nil {
		return err
	}
	if string(a) != string(b) {
		return fmt.Errorf("was written with another configuration:\n%s\nthis run has\n%s", a, b)
	}
	return nil
}
