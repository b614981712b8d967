package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	config   Config
	options  Options
	genotype arch.Genotype
	data     string

	model      *engine.Model
	optimizer  *engine.Optimizer
	train      *datasets.Batches
	test       *datasets.Batches
	steps      int
	edges      int
	result     *TrainResult
	epochsDone int
	evaluated  bool
}

// record is what a checkpoint holds beside tensors.
type record struct {
	Config     Config       `json:"config"`
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
	t, err := newTrainer(e, train, test, g, c, o)
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

func newTrainer(e *engine.Engine, train, test *datasets.Images, g arch.Genotype, c Config, o Options) (*trainer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t := &trainer{config: c, options: o, genotype: g, edges: space.DropPathEdges(g),
		data: fmt.Sprintf("%s, %d images; %s, %d images", train.Name, train.N, test.Name, test.N)}
	augment, eval := datasets.DARTSAugment(c.Image), datasets.EvalTransform()
	augment.Cutout = c.Cutout
	if c.Size.Classes == 100 {
		augment, eval = augment.ForCIFAR100(), eval.ForCIFAR100()
	}
	for _, part := range []struct {
		dst    **datasets.Batches
		images *datasets.Images
		config datasets.BatchConfig
	}{
		{&t.train, train, datasets.BatchConfig{BatchSize: c.Batch, Seed: c.Seed, Augment: augment, Shuffle: true, DropLast: true}},
		{&t.test, test, datasets.BatchConfig{BatchSize: c.Batch, Augment: eval}},
	} {
		if part.images.Classes != c.Size.Classes || part.images.Channels != c.Size.InputChannels {
			return nil, fmt.Errorf("images %s have %d classes and %d channels, the configuration says %d and %d",
				part.images.Name, part.images.Classes, part.images.Channels, c.Size.Classes, c.Size.InputChannels)
		}
		small, err := part.images.Resize(c.Image)
		if err != nil {
			return nil, err
		}
		if *part.dst, err = datasets.NewBatches(small, part.config); err != nil {
			return nil, err
		}
	}
	if t.steps = c.StepsPerEpoch; t.steps == 0 {
		t.steps = t.train.Steps()
	}
	root, err := objective(c, g)
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
	t.optimizer = e.NewOptimizer(engine.SGD{Momentum: c.Weights.Momentum, WeightDecay: c.Weights.WeightDecay}, c.Weights.Clip)
	t.result = &TrainResult{Name: o.Name, Genotype: g, Seed: c.Seed, Profile: c.Profile}
	plain, err := space.Derived(c.Size, g, space.DerivedOptions{})
	if err != nil {
		return nil, err
	}
	t.result.Params = int64(nn.Params(plain.Specs()))
	if t.result.MACs, err = nn.MACs(e.Backend(), plain, shapes.Make(dtypes.Float32, 1, c.Image, c.Image, c.Size.InputChannels)); err != nil {
		return nil, err
	}
	in := []shapes.Shape{shapes.Make(dtypes.Float32, c.Batch, c.Image, c.Image, c.Size.InputChannels), shapes.Make(dtypes.Int32, c.Batch)}
	if c.DropPath > 0 {
		in = append(in, shapes.Make(dtypes.Float32, c.Size.Cells, t.edges, c.Batch))
	}
	return t, t.model.Trace(nn.Mode{Train: true}, in...)
}

func (t *trainer) emit(e search.Event) {
	e.Epochs, e.Steps = t.config.Epochs, t.steps
	for _, listen := range t.options.Listeners {
		listen(e)
	}
}

// run does the epochs that are left, then the test.
func (t *trainer) run(ctx context.Context) error {
	t.emit(search.Event{Kind: search.EventStart, Epoch: t.epochsDone})
	if t.epochsDone < t.config.Epochs {
		at := t.epochsDone * t.steps
		pre := datasets.NewPrefetcher(ctx, t.train, datasets.PrefetchConfig{Epoch: at / t.train.Steps(), Step: at % t.train.Steps()})
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
		LearningRate: engine.CosineRate(c.Weights.LearningRate, c.Weights.LearningRateMin, t.epochsDone, c.Epochs)}
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
	in := t.inputs(batch.X, batch.Y, t.config.DropPath*float64(t.epochsDone)/float64(t.config.Epochs), step)
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
	return loss, correct, errors.Join(finalize(in), g.Finalize())
}

// inputs are the objective's for one batch, with drop-path's factors at a probability.
func (t *trainer) inputs(x []float32, y []int32, drop float64, step int) []*tensors.Tensor {
	s := t.train.Shape()
	in := []*tensors.Tensor{tensors.FromFlatDataAndDimensions(x, s[:]...), tensors.FromFlatDataAndDimensions(y, s[0])}
	if t.config.DropPath > 0 {
		in = append(in, tensors.FromFlatDataAndDimensions(dropFactors(t.config, t.edges, drop, t.epochsDone, step), t.config.Size.Cells, t.edges, s[0]))
	}
	return in
}

// dropFactors draws drop-path's factors [cells, edges, batch]: 0 with the probability drop, 1/(1-drop) otherwise. They
// depend on seed, epoch and step alone, so a resumed run draws the same.
func dropFactors(c Config, edges int, drop float64, epoch, step int) []float32 {
	flat := make([]float32, c.Size.Cells*edges*c.Batch)
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
	s := t.test.Shape()
	total := 0.0
	for step := range t.test.Steps() {
		if ctx.Err() != nil {
			return search.ErrInterrupted
		}
		x, y := t.test.At(0, step)
		x = append(x, make([]float32, s[0]*s[1]*s[2]*s[3]-len(x))...)
		for len(y) < s[0] {
			y = append(y, -1)
		}
		in := t.inputs(x, y, 0, 0)
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

const momentumPrefix = "optimizer.0."

// save writes the checkpoint: with it a resumed run equals an unbroken one.
func (t *trainer) save() error {
	if t.options.Dir == "" {
		return nil
	}
	state, err := t.model.State()
	if err != nil {
		return err
	}
	slots, err := t.model.OptimizerState(t.optimizer)
	if err != nil {
		return err
	}
	for k := range slots {
		for name, v := range slots[k] {
			state[momentumPrefix+name] = v
		}
	}
	meta, err := json.Marshal(record{t.config, t.data, t.result, t.epochsDone, t.optimizer.StepCount(), t.evaluated})
	if err != nil {
		return err
	}
	if err := checkpoint.Write(filepath.Join(t.options.Dir, search.CheckpointFile), checkpoint.File{Tensors: state, Record: meta}); err != nil {
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
	f, err := checkpoint.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(f.Record, &r); err != nil {
		return fmt.Errorf("checkpoint %s: record: %w", path, err)
	}
	if err := t.same(r); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	state, momentum := map[string][]float32{}, map[string][]float32{}
	for _, s := range t.model.Specs() {
		state[s.Name] = f.Tensors[s.Name]
		if !s.Buffer {
			momentum[s.Name] = f.Tensors[momentumPrefix+s.Name]
		}
	}
	var slots []map[string][]float32
	if t.config.Weights.Momentum != 0 {
		slots = append(slots, momentum)
	}
	if err := errors.Join(t.model.Load(state), t.model.LoadOptimizerState(t.optimizer, slots, r.Steps)); err != nil {
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
	}{{"configuration", r.Config, t.config}, {"architecture", r.Result.Genotype, t.genotype}, {"data", r.Data, t.data}} {
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
