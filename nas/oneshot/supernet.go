package oneshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/floats"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
)

// Space is a space of paths: layers one after the other, each with a number of choices.
type Space interface {
	// Choices is the number of choices of each layer.
	Choices() []int
	// Tree is the network of several paths, blocks of a prefix that they share called once: images [batch, height, width,
	// channels] to the logits [batch, classes] of each path.
	Tree(paths [][]int) (nn.Module, error)
	// Supernet is a Tree that has every choice in it, and so all tensors.
	Supernet() (nn.Module, error)
	// Input is the image's [height, width, channels].
	Input() [3]int
	// Network is the architecture of a path by itself.
	Network(path []int) (arch.Network, error)
	// Code writes a path, and Parse reads it.
	Code(path []int) string
	Parse(code string) ([]int, error)
}

// Weighted is a [Space] whose choices are not all drawn equally often.
type Weighted interface {
	// Weights are the probabilities of each layer's choices, [layer][choice].
	Weights() [][]float64
}

// Supernet is a supernet of paths with its weights on the device: the [run.Task] that trains it, and what measures paths.
type Supernet struct {
	Space Space

	config    Config
	sampler   Sampler
	model     *engine.Model
	optimizer *engine.Optimizer
	data      Data
	// recalibrate are the images that batch norm is recalibrated on, as one batch.
	recalibrate *datasets.Batch
	// updates counts how often each block was trained: [layer][choice].
	updates [][]int64
	sums    sums
}

// sums are over the paths of an epoch so far.
type sums struct {
	paths          int
	loss, accuracy float64
	lowest         float64
	highest        float64
}

// Data is what a supernet is trained and its paths are measured on.
type Data struct {
	// Train is augmented and in an order of its own each epoch.
	Train datasets.BatchSource
	// Recalibrate has one batch, Measure any number of them: training images and held-out ones as they are in evaluation.
	Recalibrate, Measure datasets.BatchSource
}

// FitSamples lowers the numbers of samples that a profile recalibrates and measures on to those of a source of n, and says what
// that changed.
func (c *Config) FitSamples(n int) string {
	train, holdout, err := datasets.SearchSplit(n, c.Seed, 1-c.Holdout)
	if err != nil {
		return "" // which the search says
	}
	var parts []string
	for _, f := range []struct {
		name  string
		value *int
		most  int
	}{{"recalibrate", &c.Recalibrate, len(train)}, {"measure", &c.Measure, len(holdout)}} {
		if *f.value > f.most {
			parts = append(parts, fmt.Sprintf("%s is %d samples, all that there are, in the place of %d", f.name, f.most, *f.value))
			*f.value = f.most
		}
	}
	return strings.Join(parts, "; ")
}

// Split makes the batches of a source for a configuration.
func (c Config) Split(s datasets.Source) (d Data, err error) {
	if err := c.Validate(); err != nil {
		return d, err
	}
	trainPart, holdout, err := datasets.SearchSplit(s.Len(), c.Seed, 1-c.Holdout)
	if err != nil {
		return d, err
	}
	measure := c.Measure
	if measure == 0 {
		measure = len(holdout)
	}
	for _, f := range []struct {
		name           string
		wanted, images int
	}{{"recalibrate", c.Recalibrate, len(trainPart)}, {"measure", measure, len(holdout)}} {
		if f.wanted > f.images {
			return d, fmt.Errorf("config: %s: expected at most the %d images that there are, got %d", f.name, f.images, f.wanted)
		}
	}
	batches := func(dst *datasets.BatchSource, indices []int, size int, training bool) error {
		*dst, err = s.Batches(datasets.BatchRequest{Size: size, Indices: indices, Seed: c.Seed*2 + 1, Training: training, Side: c.Image, Cutout: c.options().Cutout, Sound: c.Sound})
		return err
	}
	behind := min(max(measureBatch-c.Recalibrate, c.Recalibrate), measure)
	if err := batches(&d.Train, trainPart, c.Batch, true); err != nil {
		return d, err
	}
	if err := batches(&d.Recalibrate, trainPart[:c.Recalibrate], c.Recalibrate, false); err != nil {
		return d, err
	}
	return d, batches(&d.Measure, holdout[:measure], behind, false)
}

// NewSupernet makes an untrained supernet of a space for data. The space is one for images of the data's size and classes.
func NewSupernet(e *engine.Engine, d Data, s Space, c Config) (n *Supernet, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	shape := d.Train.Shape()
	if in := s.Input(); [3]int(shape[1:]) != in {
		return nil, fmt.Errorf("data: images of %v, the space takes %v", shape[1:], in)
	}
	n = &Supernet{Space: s, config: c, data: d, sums: sums{lowest: 1}, sampler: Sampler{Way: c.Sampling, Choices: s.Choices(), Paths: c.options().PathsPerStep}}
	if w, ok := s.(Weighted); ok {
		n.sampler.Weights = w.Weights()
	}
	defer func(n *Supernet) {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}(n)
	pre := datasets.NewPrefetcher(context.Background(), d.Recalibrate, datasets.PrefetchConfig{})
	defer pre.Close()
	if n.recalibrate, err = pre.Next(); err != nil {
		return nil, err
	}
	root, err := s.Supernet()
	if err != nil {
		return nil, err
	}
	if n.model, err = e.StartModel(root, c.Granularity, c.Seed); err != nil {
		return nil, err
	}
	n.model.SumsAhead = c.Sampling == Random
	for _, k := range n.sampler.Choices {
		n.updates = append(n.updates, make([]int64, k))
	}
	n.optimizer = e.NewOptimizer(engine.SGD{Momentum: c.Weights.Momentum, WeightDecay: c.Weights.WeightDecay}, c.Weights.Clip)
	return n, n.model.Trace(nn.Mode{Train: true}, shapes.Make(dtypes.Float32, shape[:]...))
}

// Train trains the supernet for the epochs of its configuration.
func (s *Supernet) Train(ctx context.Context, spec run.Spec, o run.Options) (*run.Trace, error) {
	w := s.config.Weights
	plan := run.Plan{Spec: spec, Epochs: s.config.Epochs, Steps: s.config.StepsPerEpoch,
		Hint: fmt.Sprintf("lower weights.learning_rate (%g) or set weights.clip (%g)", w.LearningRate, w.Clip)}
	if plan.Steps == 0 {
		plan.Steps = s.data.Train.Steps()
	}
	return run.Do(ctx, s, []datasets.BatchSource{s.data.Train}, plan, o)
}

// Updates is the table of how often each block was trained.
func (s *Supernet) Updates() run.Table {
	t := run.Table{Name: "updates", Kind: run.Counts, Epochs: []run.Snapshot{{Epoch: s.config.Epochs}}}
	for l, counts := range s.updates {
		t.Rows = append(t.Rows, fmt.Sprintf("layer %d", l))
		names, values := make([]string, len(counts)), make([]float64, len(counts))
		for k, n := range counts {
			names[k], values[k] = fmt.Sprint(k), float64(n)
		}
		t.Columns = append(t.Columns, names)
		t.Epochs[0].Values = append(t.Epochs[0].Values, values)
	}
	return t
}

// TrainObjective is the network of an update: images and labels to the sum of the paths' mean cross entropies, then
// each path's cross entropy, then each one's number of correct samples.
func TrainObjective(s Space, paths [][]int) (nn.Module, error) {
	net, err := s.Tree(paths)
	if err != nil {
		return nil, err
	}
	loss, add := engine.LossModule(0), nn.Sum()
	return nn.NewComposite("train|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		losses, correct := make([]nn.Value, len(paths)), make([]nn.Value, len(paths))
		for i, logits := range e.Call("", net, in[0]) {
			out := e.Call("", loss, logits, in[1])
			losses[i], correct[i] = out[0], out[1]
		}
		return slices.Concat([]nn.Value{nn.Call1(e, "", add, losses...)}, losses, correct)
	}), nil
}

// measureObjective is the network that measures paths: images and labels to what the metric counts of each path among the
// images behind the first recalibrate.
func measureObjective(s Space, paths [][]int, recalibrate int, m metric) (nn.Module, error) {
	net, err := s.Tree(paths)
	if err != nil {
		return nil, err
	}
	counts := nn.NewLeaf(fmt.Sprintf("%s_behind|%d", m.counts, recalibrate), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		behind := func(x *graph.Node) *graph.Node { return graph.Slice(x, graph.AxisRange(recalibrate)) }
		return []*graph.Node{m.of(behind(in[0]), behind(in[1]))}
	})
	return nn.NewComposite(fmt.Sprintf("measure|%s|%d|%s", m.counts, recalibrate, net.Signature()), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		var out []nn.Value
		for _, logits := range e.Call("", net, in[0]) {
			out = append(out, nn.Call1(e, "", counts, logits, in[1]))
		}
		return out
	}), nil
}

func (s *Supernet) rate(epoch int) float64 {
	w := s.config.Weights
	return engine.CosineRate(w.LearningRate, w.LearningRateMin, epoch, s.config.Epochs)
}

// Step implements [run.Task].
func (s *Supernet) Step(p run.Position, batches []run.Batch) (run.Values, error) {
	random := rand.New(rand.NewPCG(s.config.Seed, uint64(p.Total())^0x5a11b1e5))
	loss, count := 0.0, 0
	s.sampler.At = p.Total()
	for _, u := range s.sampler.Step(random) {
		of, err := s.update(u, s.rate(p.Epoch), batches[0])
		if err != nil {
			return nil, err
		}
		loss, count = loss+of, count+len(u.Paths)
	}
	s.sums.paths += count
	return run.Values{{Name: "train_loss", Number: loss / float64(count)}}, nil
}

// update moves the weights once and returns the sum of the paths' losses.
func (s *Supernet) update(u Update, rate float64, b run.Batch) (total float64, err error) {
	root, err := TrainObjective(s.Space, u.Paths)
	if err != nil {
		return 0, err
	}
	g, err := s.model.Path(root).Gradient(nn.Mode{Train: true}, true, nil, b.X, b.Y)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, g.Finalize()) }()
	m := len(u.Paths)
	for i, path := range u.Paths {
		loss, err := engine.ScalarValue(g.Outputs[1+i])
		if err != nil {
			return 0, err
		}
		correct, err := engine.ScalarValue(g.Outputs[1+m+i])
		if err != nil {
			return 0, err
		}
		accuracy := correct / float64(s.config.Batch)
		s.sums.loss += loss
		s.sums.accuracy += accuracy
		s.sums.lowest, s.sums.highest = min(s.sums.lowest, accuracy), max(s.sums.highest, accuracy)
		total += loss
		for l, k := range path {
			s.updates[l][k]++
		}
	}
	_, err = s.optimizer.Step(rate*u.Rate, s.model.Variables(), s.model.Weights(g))
	return total, err
}

// Snapshots implements [run.Task]: a supernet of paths has no parameters of the architecture.
func (s *Supernet) Snapshots(int) ([]run.Snapshot, error) { return nil, nil }

// EpochEnd implements [run.Task]: loss and accuracy (0 to 1) of a path on a batch, as means, and the accuracy's range.
func (s *Supernet) EpochEnd(p run.Position, _ []run.Snapshot) (run.Values, error) {
	n := float64(s.sums.paths)
	row := run.Values{{Name: "epoch", Number: float64(p.Epoch + 1)}, {Name: "learning_rate", Number: s.rate(p.Epoch)},
		{Name: "train_loss", Number: s.sums.loss / n}, {Name: "train_accuracy", Number: s.sums.accuracy / n},
		{Name: "lowest", Number: s.sums.lowest}, {Name: "highest", Number: s.sums.highest}}
	s.sums = sums{lowest: 1}
	return row, nil
}

// Names of a checkpoint's counters.
const (
	stepsCounter   = "optimizer_steps"
	updatesCounter = "updates_of_layer_%d"
)

// State implements [run.Task].
func (s *Supernet) State() (run.State, error) {
	state, err := s.model.TrainingState(s.optimizer)
	counters := map[string][]int64{stepsCounter: {int64(s.optimizer.StepCount())}}
	for l, counts := range s.updates {
		counters[fmt.Sprintf(updatesCounter, l)] = slices.Clone(counts)
	}
	return run.State{Tensors: state, Counters: counters}, err
}

// SetState implements [run.Task].
func (s *Supernet) SetState(state run.State) error {
	steps, err := state.Counter(stepsCounter)
	if err != nil {
		return err
	}
	for l := range s.updates {
		name := fmt.Sprintf(updatesCounter, l)
		counts := state.Counters[name]
		if len(counts) != len(s.updates[l]) || slices.Min(counts) < 0 {
			return fmt.Errorf("counters: %s: expected %d numbers of at least 0, got %v", name, len(s.updates[l]), counts)
		}
		s.updates[l] = slices.Clone(counts)
	}
	return s.model.LoadTrainingState(s.optimizer, state.Tensors, steps)
}

// measureChunk is the number of paths that one plan measures, measureBatch about how many images go through at once.
const (
	measureChunk = 64
	measureBatch = 512
)

// Measure returns the score (0 to 1) of each path on the held-out images, its accuracy or what else the configuration's metric
// is, batch norm recalibrated on training images. It changes nothing in the supernet. After each part, done is told how many paths are measured, where it is
// not nil.
func (s *Supernet) Measure(ctx context.Context, paths [][]int, done func(int)) ([]float64, error) {
	// Neighbours in the order of codes share prefixes, whose blocks then run once.
	order := make([]int, len(paths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return slices.Compare(paths[a], paths[b]) })
	out := make([]float64, len(paths))
	for at := 0; at < len(order); at += measureChunk {
		chunk := order[at:min(at+measureChunk, len(order))]
		some := make([][]int, len(chunk))
		for i, k := range chunk {
			some[i] = paths[k]
		}
		counts, err := s.measureSome(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("measuring paths: %w", err)
		}
		for i, k := range chunk {
			out[k] = s.metric().score(counts[i], s.data.Measure.Len())
		}
		if done != nil {
			done(at + len(chunk))
		}
	}
	return out, nil
}

// measureSome sums what the metric counts of each path.
func (s *Supernet) measureSome(ctx context.Context, paths [][]int) ([][]float64, error) {
	c := s.config
	root, err := measureObjective(s.Space, paths, c.Recalibrate, s.metric())
	if err != nil {
		return nil, err
	}
	p := s.model.Path(root)
	counts := make([][]float64, len(paths))
	pre := datasets.NewPrefetcher(ctx, s.data.Measure, datasets.PrefetchConfig{})
	defer pre.Close()
	shape := s.data.Measure.Shape()
	shape[0] += c.Recalibrate
	for range s.data.Measure.Steps() {
		batch, err := pre.Next()
		if err != nil {
			if ctx.Err() != nil {
				return nil, run.ErrInterrupted
			}
			return nil, err
		}
		// A last batch is filled up, for it would compile anew at its own size; no class is -1.
		y := slices.Concat(s.recalibrate.Y, batch.Y)
		for len(y) < shape[0] {
			y = append(y, -1)
		}
		x := slices.Concat(s.recalibrate.X, batch.Full(s.data.Measure.Shape()))
		batch.Release()
		xt, yt := tensors.FromFlatDataAndDimensions(x, shape[:]...), tensors.FromFlatDataAndDimensions(y, shape[0])
		outs, err := p.Run(nn.Mode{Recalibrate: c.Recalibrate}, xt, yt)
		for i, t := range outs {
			v, failed := engine.Values(t)
			err = errors.Join(err, failed)
			if counts[i] == nil {
				counts[i] = v
			} else if failed == nil {
				floats.Add(counts[i], v)
			}
		}
		if err := errors.Join(err, run.Finalize(append(outs, xt, yt)...)); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// Observe runs a module of the supernet's blocks on the images that recalibrate batch norm, by their own statistics, and
// returns its outputs, which are scalars. It changes nothing in the supernet.
func (s *Supernet) Observe(root nn.Module) (values []float64, err error) {
	shape := s.data.Recalibrate.Shape()
	x := tensors.FromFlatDataAndDimensions(s.recalibrate.X, shape[:]...)
	defer func() { err = errors.Join(err, x.FinalizeAll()) }()
	outs, err := s.model.Path(root).Run(nn.Mode{Recalibrate: s.config.Recalibrate}, x)
	for _, t := range outs {
		v, failed := engine.ScalarValue(t)
		values, err = append(values, v), errors.Join(err, failed, t.FinalizeAll())
	}
	return values, err
}

// Close frees the supernet's memory on the device, as far as it was made.
func (s *Supernet) Close() error { return errors.Join(s.model.Finalize(), s.optimizer.Finalize()) }
