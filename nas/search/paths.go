package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Ways of sampling the paths of a supernet's step. m is the largest number of choices of a layer; every way trains m
// paths a step.
const (
	// Strict is FairNAS's strict fairness (1907.01845): a permutation of the choices for each layer, path k taking the
	// k-th entry of every layer; the gradients of the m paths add up to one update.
	Strict = "strict"
	// Uniform is a path drawn uniformly for each of m updates (SPOS, 1904.00420).
	Uniform = "uniform"
	// Expectation is FairNAS's baseline EF: one path drawn uniformly for m updates.
	Expectation = "expectation"
	// ExpectationScaled is EF with the learning rate divided by m.
	ExpectationScaled = "expectation-scaled"
	// Random is a control: m paths drawn uniformly, their gradients added up to one update as in strict fairness.
	Random = "random"
)

// Samplings are the ways of sampling.
var Samplings = []string{Strict, Uniform, Expectation, ExpectationScaled, Random}

// Update is one update of the weights: the sum of the gradients of Paths, at the learning rate times Rate.
type Update struct {
	Paths [][]int
	Rate  float64
}

// Sample draws the updates of a step on layers of so many choices.
func Sample(sampling string, choices []int, random *rand.Rand) []Update {
	m := slices.Max(choices)
	uniform := func() []int {
		path := make([]int, len(choices))
		for l, n := range choices {
			path[l] = random.IntN(n)
		}
		return path
	}
	switch sampling {
	case Strict:
		paths := make([][]int, m)
		for k := range paths {
			paths[k] = make([]int, len(choices))
		}
		for l := range choices {
			for k, choice := range random.Perm(m) {
				paths[k][l] = choice
			}
		}
		return []Update{{paths, 1}}
	case Random:
		u := Update{Rate: 1}
		for range m {
			u.Paths = append(u.Paths, uniform())
		}
		return []Update{u}
	}
	var updates []Update
	for range m {
		u := Update{Paths: [][]int{uniform()}, Rate: 1}
		if sampling != Uniform && len(updates) > 0 {
			u.Paths = updates[0].Paths
		}
		if sampling == ExpectationScaled {
			u.Rate = 1 / float64(m)
		}
		updates = append(updates, u)
	}
	return updates
}

// PathsConfig is what every search over a single-path space needs. A method's own configuration embeds it.
type PathsConfig struct {
	Base
	// Sampling is one of [Samplings].
	Sampling string        `json:"sampling"`
	Weights  WeightsConfig `json:"weights"`
	// Width multiplies the numbers of channels of the space's blocks, as a smaller model of it; 0 leaves them.
	Width float64 `json:"width,omitempty"`
	// Holdout is the part of the training images, between 0 and 1, that measures paths and trains nothing.
	Holdout float64 `json:"holdout"`
	// Recalibrate are the training images whose statistics batch norm takes in a path that is measured, Measure the
	// held-out images that it is measured on; 0 takes all of them.
	Recalibrate int `json:"recalibrate"`
	Measure     int `json:"measure"`
}

// Validate reports the first field out of range.
func (c PathsConfig) Validate() error {
	if err := c.Base.Validate(); err != nil {
		return err
	}
	if c.Granularity == nn.Network.String() {
		return fmt.Errorf("config: granularity: expected operation, edge or cell, for a path's network is put together anew in every step")
	}
	if _, err := space.LookupPaths(c.Space); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if !slices.Contains(Samplings, c.Sampling) {
		return fmt.Errorf("config: sampling: expected one of %s, got %q", strings.Join(Samplings, ", "), c.Sampling)
	}
	if !(c.Weights.LearningRate > 0) {
		return fmt.Errorf("config: weights.learning_rate: expected more than 0, got %g", c.Weights.LearningRate)
	}
	if !(c.Width >= 0 && c.Width <= 1) {
		return fmt.Errorf("config: width: expected 0 for the space's own channels, or up to 1 times as many, got %g", c.Width)
	}
	if !(c.Holdout > 0 && c.Holdout < 1) {
		return fmt.Errorf("config: holdout: expected between 0 and 1, got %g", c.Holdout)
	}
	if c.Recalibrate < 2 || c.Measure < 0 {
		return fmt.Errorf("config: expected at least 2 images to recalibrate and 0 to measure, got %d and %d", c.Recalibrate, c.Measure)
	}
	return nil
}

// PathsEpoch are the means over one epoch of training a supernet.
type PathsEpoch struct {
	Epoch        int     `json:"epoch"`
	LearningRate float64 `json:"learning_rate"`
	// TrainLoss is the mean cross entropy of a path on a batch, TrainAccuracy the mean accuracy (0 to 1), Lowest and
	// Highest its range.
	TrainLoss     float64 `json:"train_loss"`
	TrainAccuracy float64 `json:"train_accuracy"`
	Lowest        float64 `json:"lowest"`
	Highest       float64 `json:"highest"`
}

// PathsResult is how a supernet was trained, as plain data without times.
type PathsResult struct {
	Sampling string       `json:"sampling"`
	Epochs   []PathsEpoch `json:"epochs"`
	// Updates counts how often each block was trained: [layer][choice].
	Updates [][]int `json:"updates"`
	// Steps of m paths each.
	Steps int `json:"steps"`
}

// Supernet is a single-path supernet with its weights on the device.
type Supernet struct {
	Space  space.Paths
	Result PathsResult

	config    PathsConfig
	method    string
	options   Options
	model     *engine.Model
	optimizer *engine.Optimizer
	data      PathsData
	steps     int
	// recalibrate are the images that batch norm is recalibrated on, as one batch.
	recalibrate *datasets.Batch
	epochsDone  int
}

// PathsData is what a supernet is trained and its paths are measured on.
type PathsData struct {
	// Train is augmented and in an order of its own each epoch.
	Train datasets.BatchSource
	// Recalibrate has one batch, Measure any number of them: training images and held-out ones as they are in evaluation.
	Recalibrate, Measure datasets.BatchSource
}

// ImageData makes batches of images for a configuration.
func (c PathsConfig) ImageData(images *datasets.Images) (d PathsData, err error) {
	small, err := images.Resize(c.Image)
	if err != nil {
		return d, err
	}
	augment := datasets.DARTSAugment(c.Image)
	augment.Cutout = 0
	return c.split(small.N, func(indices []int, size int, train bool) (datasets.BatchSource, error) {
		b := datasets.BatchConfig{BatchSize: size, Indices: indices, Seed: c.Seed*2 + 1, Augment: datasets.EvalTransform()}
		if train {
			b.Augment, b.Shuffle, b.DropLast = augment, true, true
		}
		return datasets.NewBatches(small, b)
	})
}

// FolderData makes batches of a folder of ImageNet's layout.
func (c PathsConfig) FolderData(folder *datasets.ImageFolder) (PathsData, error) {
	augment := datasets.ImageNetTrain()
	augment.Size = c.Image
	return c.split(folder.Len(), func(indices []int, size int, train bool) (datasets.BatchSource, error) {
		b := datasets.ImageBatchConfig{BatchSize: size, Indices: indices, Seed: c.Seed*2 + 1, Transform: datasets.ImageNetEvalAt(c.Image)}
		if train {
			b.Transform, b.Shuffle, b.DropLast = augment, true, true
		}
		return datasets.NewImageBatches(folder, b)
	})
}

// split makes the batches of n images.
func (c PathsConfig) split(n int, batches func(indices []int, size int, train bool) (datasets.BatchSource, error)) (d PathsData, err error) {
	if err := c.Validate(); err != nil {
		return d, err
	}
	trainPart, holdout, err := datasets.SearchSplit(n, c.Seed, 1-c.Holdout)
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
	if d.Train, err = batches(trainPart, c.Batch, true); err != nil {
		return d, err
	}
	if d.Recalibrate, err = batches(trainPart[:c.Recalibrate], c.Recalibrate, false); err != nil {
		return d, err
	}
	behind := min(max(measureBatch-c.Recalibrate, c.Recalibrate), measure)
	d.Measure, err = batches(holdout[:measure], behind, false)
	return d, err
}

// pathsRecord is what a checkpoint holds beside tensors.
type pathsRecord struct {
	Config     PathsConfig `json:"config"`
	Method     string      `json:"method"`
	Result     PathsResult `json:"result"`
	EpochsDone int         `json:"epochs_done"`
	Updates    int         `json:"optimizer_steps"`
}

// NewSupernet makes a supernet for the data, untrained, or as the folder's checkpoint left it.
func NewSupernet(e *engine.Engine, d PathsData, method string, c PathsConfig, o Options) (*Supernet, error) {
	s, err := newSupernet(e, d, method, c, o)
	if err == nil {
		err = s.resume()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return s, nil
}

func newSupernet(e *engine.Engine, d PathsData, method string, c PathsConfig, o Options) (*Supernet, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	paths, err := space.LookupPaths(c.Space)
	if err != nil {
		return nil, err
	}
	shape := d.Train.Shape()
	if shape[1] != c.Image || shape[3] != paths.Shared.Input[2] {
		return nil, fmt.Errorf("data: images of %v, the configuration takes %d pixels and the space %d channels", shape[1:], c.Image, paths.Shared.Input[2])
	}
	if c.Width > 0 {
		paths = paths.Scaled(c.Width)
	}
	s := &Supernet{Space: paths.Resized(c.Image, d.Train.Classes()), Result: PathsResult{Sampling: c.Sampling}, config: c, method: method, options: o, data: d}
	if n := s.Space.Choices(); c.Sampling == Strict && slices.Min(n) != slices.Max(n) {
		return nil, fmt.Errorf("config: space: strict fairness needs as many choices in every layer, %s has %v", c.Space, n)
	}
	if s.steps = c.StepsPerEpoch; s.steps == 0 {
		s.steps = d.Train.Steps()
	}
	pre := datasets.NewPrefetcher(context.Background(), d.Recalibrate, datasets.PrefetchConfig{})
	defer pre.Close()
	if s.recalibrate, err = pre.Next(); err != nil {
		return nil, err
	}
	root, err := s.Space.Supernet()
	if err != nil {
		return nil, err
	}
	granularity, err := nn.ParseLevel(c.Granularity)
	if err != nil {
		return nil, err
	}
	if s.model, err = e.NewModel(root, granularity); err != nil {
		return nil, err
	}
	if err := s.model.Load(nn.Initialise(root.Specs(), c.Seed)); err != nil {
		return nil, err
	}
	for _, n := range s.Space.Choices() {
		s.Result.Updates = append(s.Result.Updates, make([]int, n))
	}
	s.optimizer = e.NewOptimizer(engine.SGD{Momentum: c.Weights.Momentum, WeightDecay: c.Weights.WeightDecay}, c.Weights.Clip)
	return s, s.model.Trace(nn.Mode{Train: true}, shapes.Make(dtypes.Float32, c.Batch, c.Image, c.Image, shape[3]))
}

// TrainObjective is the network of an update: images and labels to the sum of the paths' mean cross entropies, then
// each path's cross entropy, then each one's number of correct samples.
func TrainObjective(s space.Paths, paths [][]int) (nn.Module, error) {
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

// measureObjective is the network that measures paths: images and labels to each path's number of correct samples among
// the images behind the first recalibrate.
func measureObjective(s space.Paths, paths [][]int, recalibrate int) (nn.Module, error) {
	net, err := s.Tree(paths)
	if err != nil {
		return nil, err
	}
	correct := nn.NewLeaf(fmt.Sprintf("correct_behind|%d", recalibrate), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		behind := func(x *graph.Node) *graph.Node { return graph.Slice(x, graph.AxisRange(recalibrate)) }
		return []*graph.Node{nn.Correct(behind(in[0]), behind(in[1]))}
	})
	return nn.NewComposite(fmt.Sprintf("measure|%d|%s", recalibrate, net.Signature()), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		var out []nn.Value
		for _, logits := range e.Call("", net, in[0]) {
			out = append(out, nn.Call1(e, "", correct, logits, in[1]))
		}
		return out
	}), nil
}

// Train does the epochs that are left, with a checkpoint after each where the run has a folder.
func (s *Supernet) Train(ctx context.Context) error {
	s.emit(Event{Kind: EventStart, Epoch: s.epochsDone})
	if s.epochsDone < s.config.Epochs {
		pre := datasets.NewPrefetcher(ctx, s.data.Train, datasets.PrefetchConfig{Step: s.epochsDone * s.steps})
		defer pre.Close()
		for s.epochsDone < s.config.Epochs {
			if err := s.epoch(ctx, pre); err != nil {
				return fmt.Errorf("%s: %w", s.method, err)
			}
		}
	}
	return nil
}

func (s *Supernet) emit(e Event) {
	e.Epochs, e.Steps = s.config.Epochs, s.steps
	Emit(s.options.Listeners, e)
}

func (s *Supernet) epoch(ctx context.Context, pre *datasets.Prefetcher) error {
	c := s.config
	stats := PathsEpoch{Epoch: s.epochsDone + 1, Lowest: 1,
		LearningRate: engine.CosineRate(c.Weights.LearningRate, c.Weights.LearningRateMin, s.epochsDone, c.Epochs)}
	paths := 0
	for step := range s.steps {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		x, y, err := batch(ctx, pre, s.data.Train)
		if err != nil {
			return err
		}
		random := rand.New(rand.NewPCG(c.Seed, uint64(s.Result.Steps)^0x5a11b1e5))
		loss, count := 0.0, 0
		for _, u := range Sample(c.Sampling, s.Space.Choices(), random) {
			of, err := s.update(u, stats.LearningRate, x, y, &stats)
			if err != nil {
				return err
			}
			loss, count = loss+of, count+len(u.Paths)
		}
		paths += count
		if err := errors.Join(x.FinalizeAll(), y.FinalizeAll()); err != nil {
			return err
		}
		s.Result.Steps++
		s.emit(Event{Kind: EventStep, Epoch: s.epochsDone + 1, Step: step + 1, TrainLoss: loss / float64(count)})
	}
	stats.TrainLoss /= float64(paths)
	stats.TrainAccuracy /= float64(paths)
	s.epochsDone++
	s.Result.Epochs = append(s.Result.Epochs, stats)
	s.emit(Event{Kind: EventEpoch, Epoch: s.epochsDone, Step: s.steps, TrainLoss: stats.TrainLoss, Paths: &stats,
		Stats: &EpochStats{Epoch: stats.Epoch, Steps: s.steps, LearningRate: stats.LearningRate, TrainLoss: stats.TrainLoss, TrainAccuracy: stats.TrainAccuracy}})
	return s.save()
}

// update moves the weights once, adds its paths to stats and returns the sum of their losses.
func (s *Supernet) update(u Update, rate float64, x, y *tensors.Tensor, stats *PathsEpoch) (total float64, err error) {
	root, err := TrainObjective(s.Space, u.Paths)
	if err != nil {
		return 0, err
	}
	g, err := s.model.Path(root).Gradient(nn.Mode{Train: true}, true, nil, x, y)
	if err != nil {
		return 0, err
	}
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
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return 0, fmt.Errorf("the loss is %g in epoch %d: lower weights.learning_rate (%g) or set weights.clip (%g)",
				loss, s.epochsDone+1, s.config.Weights.LearningRate, s.config.Weights.Clip)
		}
		accuracy := correct / float64(s.config.Batch)
		stats.TrainLoss += loss
		stats.TrainAccuracy += accuracy
		stats.Lowest, stats.Highest = min(stats.Lowest, accuracy), max(stats.Highest, accuracy)
		total += loss
		for l, k := range path {
			s.Result.Updates[l][k]++
		}
	}
	if _, err := s.optimizer.Step(rate*u.Rate, s.model.Variables(), s.model.Weights(g)); err != nil {
		return 0, err
	}
	return total, g.Finalize()
}

// measureChunk is the number of paths that one plan measures, measureBatch about how many images go through at once.
const (
	measureChunk = 64
	measureBatch = 512
)

// Measure returns the accuracy (0 to 1) of each path on the held-out images, batch norm recalibrated on training
// images. It changes nothing in the supernet. After each part, done is told how many paths are measured, where it is
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
		correct, err := s.measureSome(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("%s: measuring paths: %w", s.method, err)
		}
		for i, k := range chunk {
			out[k] = correct[i] / float64(s.data.Measure.Len())
		}
		if done != nil {
			done(at + len(chunk))
		}
	}
	return out, nil
}

func (s *Supernet) measureSome(ctx context.Context, paths [][]int) ([]float64, error) {
	c := s.config
	root, err := measureObjective(s.Space, paths, c.Recalibrate)
	if err != nil {
		return nil, err
	}
	p := s.model.Path(root)
	correct := make([]float64, len(paths))
	pre := datasets.NewPrefetcher(ctx, s.data.Measure, datasets.PrefetchConfig{})
	defer pre.Close()
	shape := s.data.Measure.Shape()
	shape[0] += c.Recalibrate
	for range s.data.Measure.Steps() {
		batch, err := pre.Next()
		if err != nil {
			if ctx.Err() != nil {
				return nil, ErrInterrupted
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
		if err != nil {
			return nil, err
		}
		for i, t := range outs {
			v, err := engine.ScalarValue(t)
			if err != nil {
				return nil, err
			}
			correct[i] += v
		}
		for _, t := range append(outs, xt, yt) {
			if err := t.FinalizeAll(); err != nil {
				return nil, err
			}
		}
	}
	return correct, nil
}

// save writes the checkpoint: with it a resumed run equals an unbroken one.
func (s *Supernet) save() error {
	if s.options.Dir == "" {
		return nil
	}
	state, err := s.model.TrainingState(s.optimizer)
	if err != nil {
		return err
	}
	r := pathsRecord{s.config, s.method, s.Result, s.epochsDone, s.optimizer.StepCount()}
	if err := checkpoint.Save(filepath.Join(s.options.Dir, CheckpointFile), state, r); err != nil {
		return err
	}
	s.emit(Event{Kind: EventCheckpoint, Epoch: s.epochsDone})
	return nil
}

// resume takes the state from the folder's checkpoint, where there is one.
func (s *Supernet) resume() error {
	if s.options.Dir == "" {
		return nil
	}
	path := filepath.Join(s.options.Dir, CheckpointFile)
	var r pathsRecord
	saved, err := checkpoint.Resume(path, &r)
	if err != nil || saved == nil {
		return err
	}
	if err := sameRun(r.Method, s.method, r.Config, s.config); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	if err := s.model.LoadTrainingState(s.optimizer, saved, r.Updates); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	s.Result, s.epochsDone = r.Result, r.EpochsDone
	return nil
}

// Close frees the supernet's memory on the device.
func (s *Supernet) Close() error { return s.model.Finalize() }
