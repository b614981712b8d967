package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// TestFile holds the result of the test in a run folder.
const TestFile = "test.json"

// Names of a training's numbers: the accuracy of the test, 0 to 1, measured once after the last epoch, and of sound its macro
// F1, 0 to 1 ([rank.MacroF1]); the parameters
// without the auxiliary head; the multiply-adds of one image in convolutions and linear layers.
const (
	TestAccuracy = "test_accuracy"
	TestMacroF1  = "test_macro_f1"
	// TestFalseRejects is the area under the curve of false rejects over false alarms: 0 is perfect, one half is chance.
	TestFalseRejects = "test_false_reject_area"
	Params           = "parameters"
	MACs             = "multiply_adds"
)

// Env is where a training runs and on what.
type Env struct {
	Engine *engine.Engine
	Data   *datasets.Set
	// Spec is what the run is, as [Spec] makes it.
	Spec run.Spec
	run.Options
}

// Spec is what the training of a network by a recipe is, and the note that says how it departs from the published one. A
// recipe that is not its profile's, seed and granularity apart, is of the profile custom, and so is the published one on
// other data than it asks for. name says what is trained.
func Spec(name string, a arch.Network, c Config, data datasets.Identity) (run.Spec, string, error) {
	s := run.Spec{Command: run.Train, Name: name, Network: &a, Profile: c.Profile, Seed: c.Seed, Data: data}
	note, err := c.custom(a, data)
	if err != nil {
		return s, "", err
	}
	s.Profile = c.Profile
	if s.Profile != profile.Custom && note != c.note() {
		s.Profile, c.Profile = profile.Custom, profile.Custom
	}
	s.Config, err = json.Marshal(c)
	return s, note, err
}

// Train trains a network from scratch and measures it once, after the last epoch, on what tests. The recipe's Size does not
// matter: the network's own holds.
func Train(ctx context.Context, env Env, a arch.Network, c Config) (result *run.Result, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("training: %w", err)
		}
	}()
	t, err := newTrainer(env, a, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	plan := run.Plan{Spec: env.Spec, Epochs: c.Epochs, Steps: c.StepsPerEpoch,
		Hint: fmt.Sprintf("lower weights.learning_rate (%g) or set weights.clip (%g)", c.Weights.LearningRate, c.Weights.Clip)}
	if plan.Steps == 0 {
		plan.Steps = t.train.Steps()
	}
	trace, err := run.Do(ctx, t, []datasets.BatchSource{t.train}, plan, env.Options)
	if err != nil {
		return nil, err
	}
	tested, err := t.tested(ctx, env)
	if err != nil {
		return nil, err
	}
	env.Emit(run.Event{Kind: run.EventEnd, Epoch: c.Epochs, Epochs: c.Epochs, Steps: plan.Steps})
	tested.Spec, tested.Log, tested.Network = env.Spec, trace.Log, &a
	tested.Numbers = append(tested.Numbers, t.counts...)
	return tested, nil
}

// trainer is one training.
type trainer struct {
	config    Config
	network   arch.Network
	parts     space.NetworkOptions
	model     *engine.Model
	optimizer *engine.Optimizer
	// average is nil where the recipe has none.
	average     *engine.Average
	train, test datasets.BatchSource
	edges       int
	counts      run.Values
	// loss and correct are over the epoch so far.
	loss, correct float64
}

func newTrainer(env Env, a arch.Network, c Config) (t *trainer, err error) {
	c.Size = space.Size{Cells: 1, Channels: 1, Classes: a.Classes, InputChannels: a.Input[2]}
	if a.Cells != nil {
		c.Size.Cells, c.Size.Channels = a.Cells.Cells, a.Cells.Channels
	}
	if err := errors.Join(c.Validate(), a.Validate()); err != nil {
		return nil, err
	}
	if err := c.Fits(a); err != nil {
		return nil, err
	}
	t = &trainer{config: c, network: a, parts: c.parts(a)}
	defer func(t *trainer) {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}(t)
	request := datasets.BatchRequest{Size: c.Batch, Seed: c.Seed, Training: true, Side: c.Image, Cutout: c.Cutout, Jitter: c.Jitter, Sound: c.Sound}
	if t.train, err = env.Data.Train.Batches(request); err != nil {
		return nil, err
	}
	if t.test, err = env.Data.Test.Batches(datasets.BatchRequest{Size: c.Batch, Side: c.Image, Sound: c.Sound}); err != nil {
		return nil, err
	}
	for _, part := range []datasets.BatchSource{t.train, t.test} {
		if s := part.Shape(); part.Classes() != a.Classes || [3]int(s[1:]) != a.Input {
			return nil, fmt.Errorf("data %s: images of %v in %d classes, the architecture takes %v in %d", env.Data.Name, s[1:], part.Classes(), a.Input, a.Classes)
		}
	}
	root, err := objective(c, a)
	if err != nil {
		return nil, err
	}
	if t.model, err = env.Engine.StartModel(root, c.Granularity, c.Seed); err != nil {
		return nil, err
	}
	t.optimizer = env.Engine.NewOptimizer(c.rule(), c.Weights.Clip)
	plain, err := space.Network(a, space.NetworkOptions{})
	if err != nil {
		return nil, err
	}
	image := shapes.Make(dtypes.Float32, 1, a.Input[0], a.Input[1], a.Input[2])
	macs, err := nn.MACs(env.Engine.Backend(), plain, image)
	if err != nil {
		return nil, err
	}
	t.counts = run.Values{{Name: Params, Number: float64(nn.Params(plain.Specs()))}, {Name: MACs, Number: float64(macs)}}
	image.Dimensions[0] = c.Batch
	in := []shapes.Shape{image, shapes.Make(dtypes.Int32, c.Batch)}
	if a.Cells != nil {
		t.edges = space.DropPathEdges(a.Cells.Genotype)
	}
	if t.parts.DropPath {
		in = append(in, shapes.Make(dtypes.Float32, a.Cells.Cells, t.edges, c.Batch))
	}
	if t.parts.Dropout {
		in = append(in, shapes.Make(dtypes.Float32, c.Batch, space.DropoutFeatures(a)))
	}
	if t.parts.Noise {
		in = append(in, shapes.Make(dtypes.Uint64, a.Cells.Cells, t.edges, 3))
	}
	if err := t.model.Trace(nn.Mode{Train: true}, in...); err != nil {
		return nil, err
	}
	if c.Average > 0 {
		t.average, err = t.model.NewAverage()
	}
	return t, err
}

// close frees all that the training has on the device, as far as it was made.
func (t *trainer) close() error {
	return errors.Join(t.model.Finalize(), t.optimizer.Finalize(), t.average.Finalize())
}

// Step implements [run.Task]: the weights move on one batch.
func (t *trainer) Step(p run.Position, batches []run.Batch) (values run.Values, err error) {
	own := t.inputs(true, p.Epoch, p.Step)
	defer func() { err = errors.Join(err, run.Finalize(own...)) }()
	g, err := t.model.Gradient(nn.Mode{Train: true}, true, nil, append([]*tensors.Tensor{batches[0].X, batches[0].Y}, own...)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Finalize()) }()
	loss, correct, err := scalars(g.Outputs)
	if err != nil {
		return nil, err
	}
	if _, err := t.optimizer.Step(t.config.rate(p.Epoch), t.model.Variables(), t.model.Weights(g)); err != nil {
		return nil, err
	}
	if t.average != nil {
		// Few steps would hardly move an average that starts at random weights.
		done := float64(t.optimizer.StepCount())
		if err := t.average.Update(min(t.config.Average, (1+done)/(10+done))); err != nil {
			return nil, err
		}
	}
	t.loss += loss / float64(p.Steps)
	t.correct += correct / float64(t.config.Batch*p.Steps)
	return run.Values{{Name: "train_loss", Number: loss}}, nil
}

// Snapshots implements [run.Task]: a training has no parameters of the architecture.
func (t *trainer) Snapshots(int) ([]run.Snapshot, error) { return nil, nil }

// EpochEnd implements [run.Task]: the mean training loss, the auxiliary head's weighted share included, and the accuracy
// (0 to 1) on the training batches.
func (t *trainer) EpochEnd(p run.Position, _ []run.Snapshot) (run.Values, error) {
	row := run.Values{{Name: "epoch", Number: float64(p.Epoch + 1)}, {Name: "learning_rate", Number: t.config.rate(p.Epoch)},
		{Name: "train_loss", Number: t.loss}, {Name: "train_accuracy", Number: t.correct}}
	t.loss, t.correct = 0, 0
	return row, nil
}

// inputs are the objective's behind images and labels: in training the factors of drop-path and dropout and the random
// states of noise, otherwise ones and the same states at every call. They depend on seed, epoch and step alone.
func (t *trainer) inputs(training bool, epoch, step int) (in []*tensors.Tensor) {
	batch := t.train.Shape()[0]
	factors := func(drop float64, dims ...int) {
		if !training {
			drop = 0
		}
		in = append(in, tensors.FromFlatDataAndDimensions(t.config.factors(drop, epoch, step, dims...), dims...))
	}
	if t.parts.DropPath {
		factors(t.config.DropPath*float64(epoch)/float64(t.config.Epochs), t.network.Cells.Cells, t.edges, batch)
	}
	if t.parts.Dropout {
		factors(t.network.Chain.Dropout, batch, space.DropoutFeatures(t.network))
	}
	if t.parts.Noise {
		if !training {
			epoch, step = -1, 0
		}
		r := rand.New(rand.NewPCG(t.config.Seed^0x4015e, uint64(epoch)<<32|uint64(step)))
		states := make([]uint64, t.network.Cells.Cells*t.edges*3)
		for i := range states {
			states[i] = r.Uint64()
		}
		in = append(in, tensors.FromFlatDataAndDimensions(states, t.network.Cells.Cells, t.edges, 3))
	}
	return in
}

// factors draws what drop-path and dropout multiply with: 0 with the probability drop, 1/(1-drop) otherwise.
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

// evaluate measures the accuracy on the test images.
func (t *trainer) evaluate(ctx context.Context) (*float64, error) {
	total := 0.0
	err := t.onTest(ctx, t.model.Run, func(out []*tensors.Tensor) error {
		_, correct, err := scalars(out)
		total += correct
		return err
	})
	total /= float64(t.test.Len())
	return &total, err
}

// onTest runs a network on the batches of the test and gives its outputs. A last batch that is not full is filled with black
// images of label -1, which no prediction equals; in evaluation mode they do not touch the others.
func (t *trainer) onTest(ctx context.Context, network func(nn.Mode, ...*tensors.Tensor) ([]*tensors.Tensor, error), read func([]*tensors.Tensor) error) error {
	if t.average != nil {
		t.average.Swap()
		defer t.average.Swap()
	}
	s := t.test.Shape()
	pre := datasets.NewPrefetcher(ctx, t.test, datasets.PrefetchConfig{})
	defer pre.Close()
	for range t.test.Steps() {
		batch, err := pre.Next()
		if err != nil {
			if ctx.Err() != nil {
				return run.ErrInterrupted
			}
			return err
		}
		x, y := batch.Full(s), batch.Y
		for len(y) < s[0] {
			y = append(y, -1)
		}
		in := append([]*tensors.Tensor{tensors.FromFlatDataAndDimensions(x, s[:]...), tensors.FromFlatDataAndDimensions(y, s[0])}, t.inputs(false, 0, 0)...)
		batch.Release()
		out, err := network(nn.Mode{}, in...)
		if err != nil {
			return errors.Join(err, run.Finalize(in...))
		}
		if err := errors.Join(read(out), run.Finalize(append(in, out...)...)); err != nil {
			return err
		}
	}
	return nil
}

const (
	averagePrefix = "average."
	stepsCounter  = "optimizer_steps"
)

// State implements [run.Task].
func (t *trainer) State() (run.State, error) {
	state, err := t.model.TrainingState(t.optimizer)
	if err != nil {
		return run.State{}, err
	}
	if t.average != nil {
		t.average.Swap()
		averaged, err := t.model.State()
		t.average.Swap()
		if err != nil {
			return run.State{}, err
		}
		for name, v := range averaged {
			state[averagePrefix+name] = v
		}
	}
	return run.State{Tensors: state, Counters: map[string][]int64{stepsCounter: {int64(t.optimizer.StepCount())}}}, nil
}

// SetState implements [run.Task].
func (t *trainer) SetState(s run.State) error {
	steps, err := s.Counter(stepsCounter)
	if err != nil {
		return err
	}
	if t.average != nil {
		averaged := map[string][]float32{}
		for _, spec := range t.model.Specs() {
			averaged[spec.Name] = s.Tensors[averagePrefix+spec.Name]
		}
		t.average.Swap()
		err := t.model.Load(averaged)
		t.average.Swap()
		if err != nil {
			return fmt.Errorf("average: %w", err)
		}
	}
	return t.model.LoadTrainingState(t.optimizer, s.Tensors, steps)
}
