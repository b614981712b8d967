package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

// Options are what a run needs beside its recipe.
type Options struct {
	// Name says where the architecture is from; the result repeats it.
	Name string
	// Dir is the run folder, where the checkpoint goes; empty keeps nothing on disk.
	Dir string
	// Listeners hear of every event. An epoch's Stats hold rate, training loss and accuracy.
	Listeners []search.Listener
}

// trainer is the state of one run.
type trainer struct {
	config  Config
	options Options
	network arch.Network
	parts   space.NetworkOptions
	data    string

	model     *engine.Model
	optimizer *engine.Optimizer
	// average is nil where the recipe has none.
	average    *engine.Average
	train      datasets.BatchSource
	test       datasets.BatchSource
	steps      int
	edges      int
	result     *TrainResult
	epochsDone int
	evaluated  bool
}

// record is what a checkpoint holds beside tensors.
type record struct {
	Config     Config       `json:"config"`
	Network    arch.Network `json:"network"`
	Data       string       `json:"data"`
	Result     *TrainResult `json:"result"`
	EpochsDone int          `json:"epochs_done"`
	Steps      int          `json:"steps"`
	Evaluated  bool         `json:"evaluated"`
}

// Train trains the network of a genotype from scratch on the images train, and measures it on the images test once,
// after the last epoch. With a folder it writes a checkpoint after every epoch and goes on from the one it finds
// there: on a CPU with the same result, bit for bit, as an unbroken run. When the context ends it returns
// [search.ErrInterrupted].
func Train(ctx context.Context, e *engine.Engine, train, test *datasets.Images, g arch.Genotype, c Config, o Options) (*TrainResult, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("training: %w", err)
	}
	d, err := c.ImageData(train, test)
	if err != nil {
		return nil, fmt.Errorf("training: %w", err)
	}
	return TrainNetwork(ctx, e, d, c.Network(g), c, o)
}

// Data is what a network is trained and tested on.
type Data struct {
	// Name tells it apart: a run is not resumed on other data.
	Name        string
	Train, Test datasets.BatchSource
}

// ImageData makes batches of images at the recipe's size with DARTS's augmentation.
func (c Config) ImageData(train, test *datasets.Images) (Data, error) {
	d := Data{Name: fmt.Sprintf("%s, %d images; %s, %d images", train.Name, train.N, test.Name, test.N)}
	augment, eval := datasets.DARTSAugment(c.Image), datasets.EvalTransform()
	augment.Cutout = c.Cutout
	if train.Classes == 100 {
		augment, eval = augment.ForCIFAR100(), eval.ForCIFAR100()
	}
	for _, part := range []struct {
		dst    *datasets.BatchSource
		images *datasets.Images
		config datasets.BatchConfig
	}{
		{&d.Train, train, datasets.BatchConfig{BatchSize: c.Batch, Seed: c.Seed, Augment: augment, Shuffle: true, DropLast: true}},
		{&d.Test, test, datasets.BatchConfig{BatchSize: c.Batch, Augment: eval}},
	} {
		small, err := part.images.Resize(c.Image)
		if err != nil {
			return d, err
		}
		if *part.dst, err = datasets.NewBatches(small, part.config); err != nil {
			return d, err
		}
	}
	return d, nil
}

// FolderData makes batches of the folders' images with ImageNet's augmentation, cropped to the recipe's size; in the
// test the shorter side is resized to 8/7 of it first.
func (c Config) FolderData(train, test *datasets.ImageFolder) (Data, error) {
	d := Data{Name: fmt.Sprintf("%s, %d images; %s, %d images", train.Name, train.Len(), test.Name, test.Len())}
	augment, eval := datasets.ImageNetTrain(), datasets.ImageNetEvalAt(c.Image)
	augment.Size = c.Image
	if j := c.Jitter; j != nil {
		augment.Jitter = datasets.ColorJitter{Brightness: j[0], Contrast: j[1], Saturation: j[2], Hue: j[3]}
	}
	var err error
	if d.Train, err = datasets.NewImageBatches(train, datasets.ImageBatchConfig{BatchSize: c.Batch, Seed: c.Seed, Transform: augment, Shuffle: true, DropLast: true}); err != nil {
		return d, err
	}
	d.Test, err = datasets.NewImageBatches(test, datasets.ImageBatchConfig{BatchSize: c.Batch, Transform: eval})
	return d, err
}

// TrainNetwork is [Train] of any architecture on any data; the recipe's Size does not matter.
func TrainNetwork(ctx context.Context, e *engine.Engine, d Data, a arch.Network, c Config, o Options) (*TrainResult, error) {
	t, err := newTrainer(e, d, a, c, o)
	if err == nil {
		err = t.resume()
	}
	if err == nil {
		err = t.run(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("training: %w", err)
	}
	return t.result, nil
}

func newTrainer(e *engine.Engine, d Data, a arch.Network, c Config, o Options) (*trainer, error) {
	if a.Cells == nil {
		// The recipe's size is of cells; the architecture's own holds.
		c.Size = space.Size{Cells: 1, Channels: 1, Classes: a.Classes, InputChannels: a.Input[2]}
	} else {
		c.Size = space.Size{Cells: a.Cells.Cells, Channels: a.Cells.Channels, Classes: a.Classes, InputChannels: a.Input[2]}
	}
	if err := errors.Join(c.Validate(), a.Validate()); err != nil {
		return nil, err
	}
	t := &trainer{config: c, options: o, network: a, parts: c.parts(a), data: d.Name, train: d.Train, test: d.Test}
	if err := c.Fits(a); err != nil {
		return nil, err
	}
	for _, part := range []datasets.BatchSource{d.Train, d.Test} {
		if s := part.Shape(); part.Classes() != a.Classes || [3]int(s[1:]) != a.Input {
			return nil, fmt.Errorf("data %s: images of %v in %d classes, the architecture takes %v in %d", d.Name, s[1:], part.Classes(), a.Input, a.Classes)
		}
	}
	if t.steps = c.StepsPerEpoch; t.steps == 0 {
		t.steps = t.train.Steps()
	}
	root, err := objective(c, a)
	if err != nil {
		return nil, err
	}
	granularity, err := nn.ParseLevel(c.Granularity)
	if err != nil {
		return nil, err
	}
	if t.model, err = e.NewModel(root, granularity); err != nil {
		return nil, err
	}
	if err := t.model.Load(nn.Initialise(root.Specs(), c.Seed)); err != nil {
		return nil, err
	}
	t.optimizer = e.NewOptimizer(c.rule(), c.Weights.Clip)
	t.result = &TrainResult{Name: o.Name, Seed: c.Seed, Profile: c.Profile}
	if a.Cells != nil {
		t.result.Genotype, t.edges = a.Cells.Genotype, space.DropPathEdges(a.Cells.Genotype)
	} else {
		t.result.Network = &a
	}
	plain, err := space.Network(a, space.NetworkOptions{})
	if err != nil {
		return nil, err
	}
	t.result.Params = int64(nn.Params(plain.Specs()))
	image := shapes.Make(dtypes.Float32, 1, a.Input[0], a.Input[1], a.Input[2])
	if t.result.MACs, err = nn.MACs(e.Backend(), plain, image); err != nil {
		return nil, err
	}
	image.Dimensions[0] = c.Batch
	in := []shapes.Shape{image, shapes.Make(dtypes.Int32, c.Batch)}
	if t.parts.DropPath {
		in = append(in, shapes.Make(dtypes.Float32, a.Cells.Cells, t.edges, c.Batch))
	}
	if t.parts.Dropout {
		in = append(in, shapes.Make(dtypes.Float32, c.Batch, space.DropoutFeatures(a)))
	}
	if err := t.model.Trace(nn.Mode{Train: true}, in...); err != nil {
		return nil, err
	}
	if c.Average > 0 {
		t.average, err = t.model.NewAverage()
	}
	return t, err
}

func (t *trainer) emit(e search.Event) {
	e.Epochs, e.Steps = t.config.Epochs, t.steps
	search.Emit(t.options.Listeners, e)
}

// run does the epochs that are left, then the test.
func (t *trainer) run(ctx context.Context) error {
	t.emit(search.Event{Kind: search.EventStart, Epoch: t.epochsDone})
	if t.epochsDone < t.config.Epochs {
		pre := datasets.NewPrefetcher(ctx, t.train, datasets.PrefetchConfig{Step: t.epochsDone * t.steps})
		defer pre.Close()
		for t.epochsDone < t.config.Epochs {
			if err := t.epoch(ctx, pre); err != nil {
				return err
			}
		}
	}
	if !t.evaluated {
		if err := t.evaluate(ctx); err != nil {
			return err
		}
		t.evaluated = true
		if err := t.save(); err != nil {
			return err
		}
	}
	t.emit(search.Event{Kind: search.EventEnd, Epoch: t.epochsDone})
	return nil
}

func (t *trainer) epoch(ctx context.Context, pre *datasets.Prefetcher) error {
	c := t.config
	stats := search.EpochStats{Epoch: t.epochsDone + 1, Steps: t.steps,
		LearningRate: c.rate(t.epochsDone)}
	for step := range t.steps {
		if ctx.Err() != nil {
			return search.ErrInterrupted
		}
		loss, correct, err := t.step(ctx, step, stats.LearningRate, pre)
		if err != nil {
			return err
		}
		stats.TrainLoss += loss / float64(t.steps)
		stats.TrainAccuracy += correct / float64(c.Batch*t.steps)
		t.emit(search.Event{Kind: search.EventStep, Epoch: t.epochsDone + 1, Step: step + 1, TrainLoss: loss})
	}
	t.epochsDone++
	t.result.Epochs = append(t.result.Epochs, TrainEpoch{Epoch: t.epochsDone, Loss: stats.TrainLoss, TrainAccuracy: stats.TrainAccuracy})
	t.emit(search.Event{Kind: search.EventEpoch, Epoch: t.epochsDone, Step: t.steps, TrainLoss: stats.TrainLoss, Stats: &stats})
	return t.save()
}

// step moves the weights on one batch and returns its loss and the number of correct samples.
func (t *trainer) step(ctx context.Context, step int, rate float64, pre *datasets.Prefetcher) (loss, correct float64, err error) {
	batch, err := pre.Next()
	if err != nil {
		if ctx.Err() != nil {
			return 0, 0, search.ErrInterrupted
		}
		return 0, 0, err
	}
	in := t.inputs(batch.X, batch.Y, true, step)
	batch.Release()
	g, err := t.model.Gradient(nn.Mode{Train: true}, true, nil, in...)
	if err != nil {
		return 0, 0, err
	}
	if loss, correct, err = scalars(g.Outputs); err != nil {
		return 0, 0, err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return 0, 0, fmt.Errorf("the loss is %g in epoch %d, step %d: lower weights.learning_rate (%g) or set weights.clip (%g)",
			loss, t.epochsDone+1, step+1, t.config.Weights.LearningRate, t.config.Weights.Clip)
	}
	if _, err := t.optimizer.Step(rate, t.model.Variables(), t.model.Weights(g)); err != nil {
		return 0, 0, err
	}
	if t.average != nil {
		// Few steps would hardly move an average that starts at random weights.
		done := float64(t.optimizer.StepCount())
		if err := t.average.Update(min(t.config.Average, (1+done)/(10+done))); err != nil {
			return 0, 0, err
		}
	}
	return loss, correct, errors.Join(finalize(in), g.Finalize())
}

// inputs are the objective's for one batch, in training with the factors of drop-path and dropout, otherwise with ones.
func (t *trainer) inputs(x []float32, y []int32, training bool, step int) []*tensors.Tensor {
	s := t.train.Shape()
	in := []*tensors.Tensor{tensors.FromFlatDataAndDimensions(x, s[:]...), tensors.FromFlatDataAndDimensions(y, s[0])}
	factors := func(drop float64, dims ...int) {
		if !training {
			drop = 0
		}
		in = append(in, tensors.FromFlatDataAndDimensions(t.config.factors(drop, t.epochsDone, step, dims...), dims...))
	}
	if t.parts.DropPath {
		factors(t.config.DropPath*float64(t.epochsDone)/float64(t.config.Epochs), t.network.Cells.Cells, t.edges, s[0])
	}
	if t.parts.Dropout {
		factors(t.network.Chain.Dropout, s[0], space.DropoutFeatures(t.network))
	}
	return in
}

// factors draws what drop-path and dropout multiply with: 0 with the probability drop, 1/(1-drop) otherwise. They depend
// on seed, epoch and step alone, so a resumed run draws the same.
func (c Config) factors(drop float64, epoch, step int, dims ...int) []float32 {
	n := 1
	for _, d := range dims {
		n *= d
	}
	flat := make([]float32, n)
	r := rand.New(rand.NewPCG(c.Seed^0xd20bba7, uint64(epoch)<<32|uint64(step)))
	kept := float32(1 / (1 - drop))
	for i := range flat {
		if drop == 0 || r.Float64() >= drop {
			flat[i] = kept
		}
	}
	return flat
}

func scalars(outputs []*tensors.Tensor) (loss, correct float64, err error) {
	if loss, err = engine.ScalarValue(outputs[0]); err != nil {
		return 0, 0, err
	}
	correct, err = engine.ScalarValue(outputs[1])
	return loss, correct, err
}

func finalize(list []*tensors.Tensor) error {
	for _, x := range list {
		if err := x.FinalizeAll(); err != nil {
			return err
		}
	}
	return nil
}

// evaluate measures the accuracy on the test images. A last batch that is not full is filled with black images of
// label -1, which no prediction equals; in evaluation mode they do not touch the others.
func (t *trainer) evaluate(ctx context.Context) error {
	if t.average != nil {
		t.average.Swap()
		defer t.average.Swap()
	}
	s := t.test.Shape()
	total := 0.0
	pre := datasets.NewPrefetcher(ctx, t.test, datasets.PrefetchConfig{})
	defer pre.Close()
	for range t.test.Steps() {
		batch, err := pre.Next()
		if err != nil {
			if ctx.Err() != nil {
				return search.ErrInterrupted
			}
			return err
		}
		x, y := batch.Full(s), batch.Y
		for len(y) < s[0] {
			y = append(y, -1)
		}
		in := t.inputs(x, y, false, 0)
		batch.Release()
		out, err := t.model.Run(nn.Mode{}, in...)
		if err != nil {
			return err
		}
		_, correct, err := scalars(out)
		if err != nil {
			return err
		}
		total += correct
		if err := errors.Join(finalize(in), finalize(out)); err != nil {
			return err
		}
	}
	t.result.TestAccuracy = total / float64(t.test.Len())
	return nil
}

const averagePrefix = "average."

// save writes the checkpoint: with it a resumed run equals an unbroken one.
func (t *trainer) save() error {
	if t.options.Dir == "" {
		return nil
	}
	state, err := t.model.TrainingState(t.optimizer)
	if err != nil {
		return err
	}
	if t.average != nil {
		t.average.Swap()
		averaged, err := t.model.State()
		t.average.Swap()
		if err != nil {
			return err
		}
		for name, v := range averaged {
			state[averagePrefix+name] = v
		}
	}
	r := record{t.config, t.network, t.data, t.result, t.epochsDone, t.optimizer.StepCount(), t.evaluated}
	if err := checkpoint.Save(filepath.Join(t.options.Dir, search.CheckpointFile), state, r); err != nil {
		return err
	}
	t.emit(search.Event{Kind: search.EventCheckpoint, Epoch: t.epochsDone})
	return nil
}

// resume takes the state from the folder's checkpoint, where there is one.
func (t *trainer) resume() error {
	if t.options.Dir == "" {
		return nil
	}
	path := filepath.Join(t.options.Dir, search.CheckpointFile)
	var r record
	saved, err := checkpoint.Resume(path, &r)
	if err != nil || saved == nil {
		return err
	}
	if err := t.same(r); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	if t.average != nil {
		averaged := map[string][]float32{}
		for _, s := range t.model.Specs() {
			averaged[s.Name] = saved[averagePrefix+s.Name]
		}
		t.average.Swap()
		err := t.model.Load(averaged)
		t.average.Swap()
		if err != nil {
			return fmt.Errorf("checkpoint %s: average: %w", path, err)
		}
	}
	if err := t.model.LoadTrainingState(t.optimizer, saved, r.Steps); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	t.result, t.epochsDone, t.evaluated = r.Result, r.EpochsDone, r.Evaluated
	return nil
}

// same refuses to go on with another recipe, architecture or data than the checkpoint's.
func (t *trainer) same(r record) error {
	if r.Result == nil {
		return errors.New("record: result is missing")
	}
	for _, f := range []struct {
		what      string
		old, mine any
	}{{"configuration", r.Config, t.config}, {"architecture", r.Network, t.network}, {"data", r.Data, t.data}} {
		a, err := json.Marshal(f.old)
		if err != nil {
			return err
		}
		b, err := json.Marshal(f.mine)
		if err != nil {
			return err
		}
		if string(a) != string(b) {
			return fmt.Errorf("was written with another %s:\n%s\nthis run has\n%s", f.what, a, b)
		}
	}
	return nil
}
