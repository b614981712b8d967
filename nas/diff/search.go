package diff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// Search searches a supernet of cells by gradient: in each step the architecture's parameters move on a batch of one half
// of the samples, then the weights on a batch of the other.
func Search(ctx context.Context, env method.Env, c Config, m Method) (result *run.Result, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if s := env.Train; s.Classes() != c.Size.Classes || c.Sound == nil && s.Shape()[2] != c.Size.InputChannels {
		return nil, fmt.Errorf("data %s have %d classes and %d channels, the configuration says %d and %d",
			s.Name(), s.Classes(), s.Shape()[2], c.Size.Classes, c.Size.InputChannels)
	}
	data, err := halves(env.Train, c)
	if err != nil {
		return nil, err
	}
	t, err := newTask(env.Engine, c, m)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if s := data[0].Shape(); [3]int(s[1:]) != t.input {
		return nil, fmt.Errorf("data %s: samples of %v, the configuration takes %v", env.Train.Name(), s[1:], t.input)
	}
	t.source = env.Train
	if err := c.measurable(t.source); err != nil {
		return nil, err
	}
	plan := run.Plan{Spec: env.Spec, Epochs: c.Epochs, Steps: c.StepsPerEpoch, Tables: t.planned(),
		Hint: fmt.Sprintf("lower weights.learning_rate (%g) and arch.learning_rate (%g) or set weights.clip (%g)", c.Weights.LearningRate, c.Arch.LearningRate, c.Weights.Clip)}
	if plan.Steps == 0 {
		plan.Steps = data[0].Steps()
	}
	trace, err := run.Do(ctx, t, data, plan, env.Options)
	if err != nil {
		return nil, err
	}
	r := &run.Result{Log: trace.Log, Tables: trace.Tables, Numbers: run.Values{{Name: "steps", Number: float64(c.Epochs * plan.Steps)}}}
	var weights [][][]float64
	for _, table := range trace.Tables {
		weights = append(weights, table.Last().Weights)
	}
	d := t.space.Derive(m, c.Size, weights)
	r.Genotype, r.Network, r.DerivedBy = d.Genotype, d.Network, d.Rule
	r.Landscape, err = t.landscape(ctx, env.Options)
	return r, err
}

// halves are the batches of the weights' and of the architecture's samples.
func halves(s datasets.Source, c Config) ([]datasets.BatchSource, error) {
	weights, architecture, err := datasets.SearchSplit(s.Len(), c.Seed, 0.5)
	if err != nil {
		return nil, err
	}
	var out []datasets.BatchSource
	for i, indices := range [][]int{weights, architecture} {
		b, err := s.Batches(datasets.BatchRequest{Size: c.Batch, Indices: indices, Seed: c.Seed*2 + uint64(i) + 1, Training: true, Side: c.Image, Sound: c.Sound})
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// Network is the network of cells at the size at which papers train them, 20 cells of 36 channels; nil where none can be
// built of them.
func Network(g arch.Genotype, of space.Size) *arch.Network {
	n := &arch.Network{Input: [3]int{32, 32, of.InputChannels}, Classes: of.Classes,
		Cells: &arch.CellNetwork{Stem: arch.StemCIFAR, Cells: 20, Channels: 36, Genotype: g}}
	if n.Validate() != nil || !g.Reachable() {
		return nil
	}
	return n
}

// Substitute is the network of the two strongest edges of every node, by the weights that a search ended with: what is
// trained where nothing can be built of what it derived. The second result says so.
func Substitute(r run.Result) (*arch.Network, string, error) {
	normal, okN := r.Table(cellTables[0])
	reduce, okR := r.Table(cellTables[1])
	if !okN || !okR {
		return nil, "", run.ErrNothingDerived
	}
	s := cells.Space{Normal: ops(normal), Reduce: ops(reduce)}
	var c Config
	if err := json.Unmarshal(r.Spec.Config, &c); err != nil {
		return nil, "", fmt.Errorf("spec: config: %w", err)
	}
	n := Network(cells.Discretise(s, normal.Last().Weights, reduce.Last().Weights), c.Size)
	if n == nil {
		return nil, "", run.ErrNothingDerived
	}
	return n, "two edges a node, for in one of the derived cells nothing was kept", nil
}

// ops are a table's columns, a list for each row.
func ops(t run.Table) [][]string {
	out := make([][]string, len(t.Rows))
	for i := range out {
		out[i] = t.Ops(i)
	}
	return out
}

// task is one search.
type task struct {
	*functions
	engine     *engine.Engine
	model      *engine.Model
	alphas     []*engine.Variable
	weightsOpt *engine.Optimizer
	archOpt    *engine.Optimizer
	// source is what validation samples are measured of.
	source datasets.Source
	// sums are over the epoch so far.
	sums struct{ trainLoss, trainAccuracy, valLoss, valAccuracy, penalty float64 }
}

func newTask(e *engine.Engine, c Config, m Method) (t *task, err error) {
	f, err := newFunctions(e, c, m)
	if err != nil {
		return nil, err
	}
	t = &task{functions: f, engine: e}
	defer func(t *task) {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}(t)
	net, err := f.whole()
	if err != nil {
		return nil, err
	}
	root := f.objective(net)
	if t.model, err = e.StartModel(root, c.Granularity, c.Seed); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(c.Seed, 0xa1fa))
	for _, table := range f.tables {
		rows, columns := len(table.Rows), table.columns()
		values := make([]float32, rows*columns)
		for i := range values {
			values[i] = float32(m.InitialScale * random.NormFloat64())
		}
		t.alphas = append(t.alphas, &engine.Variable{Value: tensors.FromFlatDataAndDimensions(values, rows, columns)})
	}
	shapesIn := t.shapes()
	if m.Sample != nil {
		t.model.SumsAhead = true
		shapesIn = append(shapesIn, f.drawShapes()...)
	}
	t.weightsOpt = e.NewOptimizer(engine.SGD{Momentum: c.Weights.Momentum, WeightDecay: c.Weights.WeightDecay}, c.Weights.Clip)
	t.archOpt = e.NewOptimizer(engine.Adam{Beta1: c.Arch.Beta1, Beta2: c.Arch.Beta2, Epsilon: 1e-8, WeightDecay: c.Arch.WeightDecay}, 0)
	return t, t.model.Trace(nn.Mode{Train: true}, shapesIn...)
}

// close frees all that the search has on the device, as far as it was made.
func (t *task) close() error {
	errs := []error{t.model.Finalize(), t.weightsOpt.Finalize(), t.archOpt.Finalize()}
	for _, v := range t.alphas {
		errs = append(errs, v.Value.FinalizeAll())
	}
	return errors.Join(errs...)
}

// planned are the plan's tables, without snapshots.
func (t *task) planned() []run.Table {
	var out []run.Table
	for _, table := range t.tables {
		planned := run.Table{Name: table.Name, Kind: t.method.Kind, Rows: table.Rows, Columns: cells.Columns(table.named())}
		if table.ByMethod {
			planned.Threshold = t.method.Threshold
		}
		out = append(out, planned)
	}
	return out
}

// alphaInputs are the numbers of the objective's inputs that are architecture parameters.
func (t *task) alphaInputs() []int {
	out := make([]int, len(t.tables))
	for i := range out {
		out[i] = 2 + i
	}
	return out
}

// own are those of the objective's inputs that a pass made, to be freed after it: they stand behind images, labels and
// the tables' parameters.
func (t *task) own(in []*tensors.Tensor) []*tensors.Tensor { return in[2+len(t.tables):] }

// inputs are the objective's for a pass.
func (t *task) inputs(b run.Batch, p Pass) []*tensors.Tensor {
	in := []*tensors.Tensor{b.X, b.Y}
	for _, v := range t.alphas {
		in = append(in, v.Value)
	}
	for _, input := range t.functions.inputs() {
		in = append(in, input.At(t.config, p))
	}
	return in
}

// Step implements [run.Task]: the architecture moves on the second batch, then the weights on the first.
func (t *task) Step(p run.Position, batches []run.Batch) (run.Values, error) {
	rate := t.rate(p.Epoch)
	valLoss, err := t.stepArchitecture(p, rate, batches)
	if err != nil {
		return nil, err
	}
	trainLoss, err := t.stepWeights(p, rate, batches[0])
	return run.Values{{Name: "train_loss", Number: trainLoss}, {Name: "val_loss", Number: valLoss}}, err
}

func (t *task) rate(epoch int) float64 {
	w := t.config.Weights
	return engine.CosineRate(w.LearningRate, w.LearningRateMin, epoch, t.config.Epochs)
}

// differentiable is a model or a path through it.
type differentiable interface {
	Gradient(mode nn.Mode, weights bool, wrt []int, in ...*tensors.Tensor) (*engine.Gradients, error)
}

// part is a half of a step: the weights' gradient, or that of the architecture's parameters.
func (t *task) part(m differentiable, p Pass, in []*tensors.Tensor) (*engine.Gradients, error) {
	if p.Half == 1 {
		return m.Gradient(nn.Mode{Train: true}, false, t.alphaInputs(), in...)
	}
	return m.Gradient(nn.Mode{Train: true}, true, nil, in...)
}

// gradient is that of a half of a step, of all networks that it draws if it draws any.
func (t *task) gradient(b run.Batch, p Pass) (g *engine.Gradients, err error) {
	if t.method.Sample != nil {
		return t.sampled(b, p)
	}
	in := t.inputs(b, p)
	defer func() { err = errors.Join(err, run.Finalize(t.own(in)...)) }()
	return t.part(t.model, p, in)
}

// unrolled is the architecture's gradient of the second order.
func (t *task) unrolled(p run.Position, rate float64, batches []run.Batch) (g *engine.Gradients, err error) {
	valid, train := t.inputs(batches[1], Pass{Position: p, Half: 1}), t.inputs(batches[0], Pass{Position: p})
	defer func() { err = errors.Join(err, run.Finalize(append(t.own(valid), t.own(train)...)...)) }()
	w := t.config.Weights
	return engine.Unrolled(t.model, t.weightsOpt, engine.UnrolledConfig{LearningRate: rate,
		Momentum: w.Momentum, WeightDecay: w.WeightDecay, Inputs: t.alphaInputs()}, train, valid)
}

func (t *task) stepArchitecture(p run.Position, rate float64, batches []run.Batch) (loss float64, err error) {
	var g *engine.Gradients
	if t.config.SecondOrder {
		g, err = t.unrolled(p, rate, batches)
	} else {
		g, err = t.gradient(batches[1], Pass{Position: p, Half: 1})
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, g.Finalize()) }()
	loss, correct, penalty, err := outputs(g, t.draws(1))
	if err != nil {
		return 0, err
	}
	t.sums.valLoss += loss
	t.sums.valAccuracy += correct / float64(t.config.Batch)
	t.sums.penalty += penalty
	_, err = t.archOpt.Step(t.config.Arch.LearningRate, t.alphas, g.Inputs)
	return loss, err
}

func (t *task) stepWeights(p run.Position, rate float64, b run.Batch) (loss float64, err error) {
	g, err := t.gradient(b, Pass{Position: p})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, g.Finalize()) }()
	loss, correct, _, err := outputs(g, t.draws(0))
	if err != nil {
		return 0, err
	}
	t.sums.trainLoss += loss
	t.sums.trainAccuracy += correct / float64(t.config.Batch)
	_, err = t.weightsOpt.Step(rate, t.model.Variables(), t.model.Weights(g))
	return loss, err
}

// outputs are the objective's, as means of so many draws that were summed: the cross entropy alone, the number of correct
// samples, the penalty.
func outputs(g *engine.Gradients, draws int) (loss, correct, penalty float64, err error) {
	var v [3]float64
	for i, t := range g.Outputs {
		if v[i], err = engine.ScalarValue(t); err != nil {
			return 0, 0, 0, err
		}
		v[i] /= float64(draws)
	}
	return v[0] - v[2], v[1], v[2], nil
}

// EpochEnd implements [run.Task].
func (t *task) EpochEnd(p run.Position, snapshots []run.Snapshot) (run.Values, error) {
	n := float64(p.Steps)
	s := t.sums
	t.sums = struct{ trainLoss, trainAccuracy, valLoss, valAccuracy, penalty float64 }{}
	weights := make([][][]float64, len(snapshots))
	for i, snapshot := range snapshots {
		weights[i] = snapshot.Weights
	}
	derived := t.space.Derive(t.method, t.config.Size, weights)
	row := run.Values{{Name: "epoch", Number: float64(p.Epoch + 1)}, {Name: "steps", Number: n}, {Name: "learning_rate", Number: t.rate(p.Epoch)},
		{Name: "train_loss", Number: s.trainLoss / n}, {Name: "train_accuracy", Number: s.trainAccuracy / n},
		{Name: "val_loss", Number: s.valLoss / n}, {Name: "val_accuracy", Number: s.valAccuracy / n}, {Name: "penalty", Number: s.penalty / n}}
	row = append(row, derived.Skips...)
	for _, in := range t.functions.inputs() {
		if in.Number != nil {
			row = append(row, run.Value{Name: in.Name, Number: in.Number(t.config, p.Epoch)})
		}
	}
	measured, err := t.curvature(p)
	return append(row, measured...), err
}

// Snapshots implements [run.Task]: the parameters, and what the relaxation makes of them on the device.
func (t *task) Snapshots(epoch int) ([]run.Snapshot, error) {
	var out []run.Snapshot
	for side, v := range t.alphas {
		in := []*tensors.Tensor{v.Value}
		for _, input := range t.functions.inputs() {
			if input.To == ToRelax {
				in = append(in, input.At(t.config, Pass{Position: run.Position{Epoch: epoch, Epochs: t.config.Epochs, Steps: 1}}))
			}
		}
		weights, err := t.engine.Evaluate(t.relax[side], func(in []*graph.Node) []*graph.Node {
			return []*graph.Node{t.method.Relax(side, in[0], in[1:])}
		}, in...)
		if err != nil {
			return nil, err
		}
		s := run.Snapshot{Epoch: epoch}
		for dst, tensor := range map[*[][]float64]*tensors.Tensor{&s.Values: v.Value, &s.Weights: weights[0]} {
			flat, err := engine.Values(tensor)
			if err != nil {
				return nil, err
			}
			*dst = t.tables[side].cut(slices.Collect(slices.Chunk(flat, t.tables[side].columns())))
		}
		out = append(out, s)
		if err := run.Finalize(append(in[1:], weights...)...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Names of what a checkpoint holds beside the model's training state.
const (
	alphaPrefix    = "arch.alphas_"
	weightsCounter = "weights_steps"
	archCounter    = "arch_steps"
)

// State implements [run.Task].
func (t *task) State() (run.State, error) {
	state, err := t.model.TrainingState(t.weightsOpt)
	if err != nil {
		return run.State{}, err
	}
	alphas, err := t.archOpt.VariableState(t.alphas)
	if err != nil {
		return run.State{}, err
	}
	for side, list := range alphas {
		for k, v := range list {
			state[fmt.Sprintf("%s%s.%d", alphaPrefix, t.tables[side].Name, k)] = v
		}
	}
	return run.State{Tensors: state, Counters: map[string][]int64{
		weightsCounter: {int64(t.weightsOpt.StepCount())}, archCounter: {int64(t.archOpt.StepCount())}}}, nil
}

// SetState implements [run.Task].
func (t *task) SetState(s run.State) error {
	weights, err := s.Counter(weightsCounter)
	if err != nil {
		return err
	}
	architecture, err := s.Counter(archCounter)
	if err != nil {
		return err
	}
	if err := t.model.LoadTrainingState(t.weightsOpt, s.Tensors, weights); err != nil {
		return err
	}
	var alphas [][][]float32
	for _, table := range t.tables {
		name := table.Name
		var list [][]float32
		for k := range 3 {
			v, ok := s.Tensors[fmt.Sprintf("%s%s.%d", alphaPrefix, name, k)]
			if !ok {
				return fmt.Errorf("missing tensor %q", fmt.Sprintf("%s%s.%d", alphaPrefix, name, k))
			}
			list = append(list, v)
		}
		alphas = append(alphas, list)
	}
	return t.archOpt.LoadVariableState(t.alphas, alphas, architecture)
}
