package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/engine/enginetest"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

func tiny() Config {
	c := DefaultConfig()
	c.Profile, c.Seed = profile.Custom, 3
	c.Size = space.Size{Cells: 3, Channels: 4, Classes: 10, InputChannels: 3}
	c.Image, c.Epochs, c.StepsPerEpoch, c.Batch = 8, 3, 2, 8
	c.Cutout, c.AuxiliaryWeight, c.Granularity = 4, 0, "operation"
	return c
}

// genotype has a skip, pools and one convolution of each kind, so that few gradients compile.
var genotype = arch.Genotype{
	Style: arch.StyleThreshold,
	Normal: arch.Cell{Edges: []arch.Edge{{Op: "sep_conv_3x3", From: 0, To: 2}, {Op: "skip_connect", From: 1, To: 2}, {Op: "dil_conv_3x3", From: 2, To: 4}},
		Concat: []int{2, 4}},
	Reduce: arch.Cell{Edges: []arch.Edge{{Op: "max_pool_3x3", From: 0, To: 2}, {Op: "skip_connect", From: 1, To: 2}}, Concat: []int{2}},
}

// data are 24 training and 13 test images of the embedded ones.
func data(t *testing.T) *datasets.Set {
	t.Helper()
	all, held, err := datasets.Embedded()
	require.NoError(t, err)
	pick := func(im *datasets.Images, n int) *datasets.Images {
		indices := make([]int, n)
		for i := range indices {
			indices[i] = i * (im.N / n)
		}
		s, err := im.Subset(indices)
		require.NoError(t, err)
		return s
	}
	return datasets.ImageSet(pick(all, 24), pick(held, 13))
}

// training trains a network, with the specification that the recipe and the data make.
func training(ctx context.Context, e *engine.Engine, d *datasets.Set, a arch.Network, c Config, o run.Options) (*run.Result, error) {
	id, err := d.Identity()
	if err != nil {
		return nil, err
	}
	spec, _, err := Spec("test", a, c, id)
	if err != nil {
		return nil, err
	}
	return Train(ctx, Env{Engine: e, Data: d, Spec: spec, Options: o}, a, c)
}

func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

// A run that is interrupted in an epoch and before the test, each time resumed, gives the same bits as an unbroken one.
func TestTrainResumesBitForBit(t *testing.T) {
	e, d := newEngine(t), data(t)
	c := tiny()
	network := c.Network(genotype)
	whole := t.TempDir()
	var kinds []string
	want, err := training(t.Context(), e, d, network, c, run.Options{Dir: whole,
		Listeners: []run.Listener{func(ev run.Event) { kinds = append(kinds, ev.Kind) }}})
	require.NoError(t, err)
	epoch := []string{run.EventStep, run.EventStep, run.EventEpoch, run.EventCheckpoint}
	assert.Equal(t, slices.Concat([]string{run.EventStart}, epoch, epoch, epoch, []string{run.EventEnd}), kinds)
	require.NoError(t, want.Validate())
	require.Len(t, want.Log.Rows, 3)
	assert.Equal(t, []string{"epoch", "learning_rate", "train_loss", "train_accuracy"}, want.Log.Columns)
	assert.Greater(t, want.Numbers.Of(Params), 0.0)
	assert.Greater(t, want.Numbers.Of(MACs), 0.0)
	accuracy := want.Numbers.Of(TestAccuracy)
	assert.Equal(t, accuracy, math.Round(accuracy*13)/13, "of 13 images")
	assert.Equal(t, &network, want.Network)

	broken := t.TempDir()
	for _, stop := range []struct {
		kind        string
		epoch, step int
	}{{run.EventStep, 1, 1}, {run.EventStep, 2, 1}, {run.EventCheckpoint, 3, 0}} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := training(ctx, newEngine(t), d, network, c, run.Options{Dir: broken, Listeners: []run.Listener{func(ev run.Event) {
			if ev.Kind == stop.kind && ev.Epoch == stop.epoch && (stop.step == 0 || ev.Step == stop.step) {
				cancel()
			}
		}}})
		require.ErrorIs(t, err, run.ErrInterrupted)
	}
	got, err := training(t.Context(), e, d, network, c, run.Options{Dir: broken})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	for _, file := range []string{run.CheckpointFile, TestFile} {
		a, err := os.ReadFile(filepath.Join(whole, file))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(broken, file))
		require.NoError(t, err)
		assert.True(t, string(a) == string(b), "%s: the files are equal", file)
	}

	calls := e.Stats().Calls
	again, err := training(t.Context(), e, d, network, c, run.Options{Dir: broken})
	require.NoError(t, err)
	assert.Equal(t, want, again)
	assert.Equal(t, calls, e.Stats().Calls, "a finished run computes nothing")

	other := c
	other.Weights.LearningRate = 0.1
	_, err = training(t.Context(), e, d, network, other, run.Options{Dir: broken})
	assert.ErrorContains(t, err, "another run; what differs, its value first: config.weights.learning_rate (0.025, not 0.1)")
	_, err = training(t.Context(), e, d, c.Network(Random(0, space.DARTSPrimitives, 2)), c, run.Options{Dir: broken})
	assert.ErrorContains(t, err, "another run; what differs, its value first: network.cells.genotype.")
	all, held, err := datasets.Embedded()
	require.NoError(t, err)
	_, err = training(t.Context(), e, datasets.ImageSet(all, held), network, c, run.Options{Dir: broken})
	assert.ErrorContains(t, err, "another run; what differs, its value first: data.sha256 (")
}

// Four images are learnt by heart, and a rate far too high ends in an error that says what to do.
func TestTrainLearns(t *testing.T) {
	e := newEngine(t)
	all, held, err := datasets.Embedded()
	require.NoError(t, err)
	few, err := all.Subset([]int{0, all.N / 24 * 3, all.N / 24 * 8, all.N / 24 * 20})
	require.NoError(t, err)
	d := datasets.ImageSet(few, held)
	d.Test = data(t).Test
	c := tiny()
	c.Batch, c.Epochs, c.StepsPerEpoch, c.DropPath, c.Cutout = 4, 1, 60, 0, 0
	c.Weights.LearningRate = 0.1
	var losses []float64
	result, err := training(t.Context(), e, d, c.Network(genotype), c, run.Options{Listeners: []run.Listener{func(ev run.Event) {
		if ev.Kind == run.EventStep {
			losses = append(losses, ev.Values.Of("train_loss"))
		}
	}}})
	require.NoError(t, err)
	assert.Less(t, losses[len(losses)-1], 0.3*losses[0])
	assert.Greater(t, result.Log.Last("train_accuracy"), 0.6)

	c.Weights.LearningRate, c.Weights.Clip = 1e30, 0
	_, err = training(t.Context(), e, d, c.Network(genotype), c, run.Options{})
	assert.ErrorContains(t, err, "lower weights.learning_rate (1e+30)")
	var diverged *run.DivergedError
	require.ErrorAs(t, err, &diverged)
	assert.Equal(t, "train_loss", diverged.Name)
}

// noisyCell has the operation noise at both strides.
var noisyCell = arch.Cell{Edges: []arch.Edge{{Op: "noise", From: 0, To: 2}, {Op: "skip_connect", From: 1, To: 2}, {Op: "noise", From: 2, To: 3}, {Op: "sep_conv_3x3", From: 1, To: 3}}, Concat: []int{2, 3}}

// The operation noise is drawn anew in every step and for every edge, by seed and position, and is the same at every test; it
// resumes to the same bits.
func TestTrainNoise(t *testing.T) {
	e, d := newEngine(t), data(t)
	c := tiny()
	network := c.Network(arch.Genotype{Style: arch.StyleThreshold, Normal: noisyCell, Reduce: noisyCell})
	env := Env{Engine: e, Data: d}
	tr, err := newTrainer(env, network, c)
	require.NoError(t, err)
	require.True(t, tr.parts.Noise)
	states := func(training bool, epoch, step int) []uint64 {
		in := tr.inputs(training, epoch, step)
		require.Len(t, in, 2, "drop-path's and noise's")
		require.Equal(t, []int{3, 4, 3}, in[1].Shape().Dimensions)
		var out []uint64
		require.NoError(t, in[1].ConstFlatData(func(flat any) { out = slices.Clone(flat.([]uint64)) }))
		return out
	}
	seen := map[string]bool{}
	for epoch := range 3 {
		for step := range 2 {
			s := states(true, epoch, step)
			assert.Equal(t, s, states(true, epoch, step))
			for i := 0; i < len(s); i += 3 {
				seen[fmt.Sprint(s[i:i+3])] = true
			}
		}
	}
	assert.Len(t, seen, 3*2*3*4, "every edge of every step has a state of its own")
	assert.Equal(t, states(false, 0, 0), states(false, 2, 1))
	require.NoError(t, tr.close())

	whole, broken := t.TempDir(), t.TempDir()
	want, err := training(t.Context(), e, d, network, c, run.Options{Dir: whole})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = training(ctx, e, d, network, c, run.Options{Dir: broken, Listeners: []run.Listener{func(ev run.Event) {
		if ev.Kind == run.EventStep && ev.Epoch == 2 {
			cancel()
		}
	}}})
	require.ErrorIs(t, err, run.ErrInterrupted)
	got, err := training(t.Context(), e, d, network, c, run.Options{Dir: broken})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	a, err := os.ReadFile(filepath.Join(whole, run.CheckpointFile))
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(broken, run.CheckpointFile))
	require.NoError(t, err)
	assert.True(t, string(a) == string(b), "the checkpoints are equal")
}

// Trainings in one process leave nothing on the device, where they end well, are interrupted or diverge.
func TestTrainingsFreeTheDevice(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	counted, live := enginetest.Count(b.Backend)
	e, d := engine.New(counted), data(t)
	for i := range 10 {
		c, network := tiny(), tiny().Network(genotype)
		c.Epochs = 1
		ctx, cancel := context.WithCancel(t.Context())
		peak := int64(0)
		o := run.Options{Listeners: []run.Listener{func(ev run.Event) {
			peak = max(peak, live.Bytes())
			if i%5 == 2 && ev.Kind == run.EventStep {
				cancel()
			}
		}}}
		switch i % 5 {
		case 1:
			network = c.Network(arch.Genotype{Style: arch.StyleThreshold, Normal: noisyCell, Reduce: noisyCell})
			o.Dir = t.TempDir()
		case 3:
			c.Weights.LearningRate, c.Weights.Clip = 1e30, 0
		case 4:
			c, network = mobileRecipe(), smallChain()
			c.Epochs = 1
		}
		_, err := training(ctx, e, d, network, c, o)
		cancel()
		var diverged *run.DivergedError
		switch i % 5 {
		case 2:
			require.ErrorIs(t, err, run.ErrInterrupted)
		case 3:
			require.ErrorAs(t, err, &diverged)
		default:
			require.NoError(t, err)
		}
		require.Greater(t, peak, int64(10_000), "the training was counted")
		require.Zero(t, live.Bytes(), "training %d left something on the device", i)
	}
	c := tiny()
	other := c.Network(genotype)
	other.Classes = 12
	_, err = training(t.Context(), e, d, other, c, run.Options{})
	require.Error(t, err)
	require.Zero(t, live.Bytes())
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	b, err := json.Marshal(DefaultConfig())
	require.NoError(t, err)
	var back Config
	require.NoError(t, json.Unmarshal(b, &back))
	assert.Equal(t, DefaultConfig(), back)
	for _, tc := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Size.Cells = 0 }, "cells"},
		{func(c *Config) { c.Image = 2 }, "image"},
		{func(c *Config) { c.Epochs = 0 }, "epochs"},
		{func(c *Config) { c.StepsPerEpoch = -1 }, "steps_per_epoch"},
		{func(c *Config) { c.Batch = 1 }, "batch"},
		{func(c *Config) { c.Cutout = -1 }, "cutout"},
		{func(c *Config) { c.Weights.LearningRate = math.NaN() }, "weights.learning_rate"},
		{func(c *Config) { c.AuxiliaryWeight = -1 }, "auxiliary_weight"},
		{func(c *Config) { c.LabelSmoothing = 1 }, "label_smoothing"},
		{func(c *Config) { c.Average = -1 }, "average"},
		{func(c *Config) { c.WarmupEpochs = 601 }, "warmup_epochs: expected 0 to 600"},
		{func(c *Config) { c.Schedule = "steps" }, "schedule"},
		{func(c *Config) { c.Schedule = ScheduleExponential }, "decay_factor and decay_epochs"},
		{func(c *Config) { c.DropPath = 1 }, "drop_path"},
		{func(c *Config) { c.Granularity = "block" }, "granularity"},
	} {
		c := DefaultConfig()
		tc.change(&c)
		assert.ErrorContains(t, c.Validate(), "config: "+map[bool]string{true: "size: "}[tc.want == "cells"]+tc.want)
	}
}

func TestAuxiliaryHeadNeedsLargeImages(t *testing.T) {
	c := tiny()
	c.AuxiliaryWeight = 0.4
	_, err := training(t.Context(), newEngine(t), data(t), c.Network(genotype), c, run.Options{})
	assert.ErrorContains(t, err, "training: config: auxiliary_weight: the auxiliary head needs images of 29 to 40 pixels, of 193 to 224 in networks for ImageNet, they have 8")
}

func TestRate(t *testing.T) {
	c := Config{Epochs: 10, Weights: method.WeightsConfig{LearningRate: 0.5, LearningRateMin: 0.1}}
	for _, tc := range []struct {
		change func(*Config)
		want   map[int]float64
	}{
		{func(*Config) {}, map[int]float64{0: 0.5, 5: 0.3}},
		{func(c *Config) { c.Schedule = ScheduleLinear }, map[int]float64{0: 0.5, 4: 0.3, 9: 0.05}},
		{func(c *Config) { c.Schedule, c.DecayFactor, c.DecayEpochs = ScheduleExponential, 0.5, 2.4 }, map[int]float64{0: 0.5, 2: 0.5, 3: 0.25, 5: 0.125}},
		{func(c *Config) { c.Schedule, c.WarmupEpochs = ScheduleLinear, 2 }, map[int]float64{0: 0.25, 1: 0.45, 2: 0.4}},
	} {
		c := c
		tc.change(&c)
		for epoch, want := range tc.want {
			assert.InDelta(t, want, c.rate(epoch), 1e-12, "%+v epoch %d", c, epoch)
		}
	}
}

func TestDropFactors(t *testing.T) {
	c := DefaultConfig()
	f := c.factors(0.2, 5, 7, 20, 8, 96)
	assert.Equal(t, f, c.factors(0.2, 5, 7, 20, 8, 96))
	assert.NotEqual(t, f, c.factors(0.2, 5, 8, 20, 8, 96))
	assert.NotEqual(t, f, c.factors(0.2, 6, 7, 20, 8, 96))
	dropped := 0
	for _, v := range f {
		if v == 0 {
			dropped++
		} else {
			require.InDelta(t, 1.25, v, 1e-6)
		}
	}
	n := float64(len(f))
	assert.InDelta(t, 0.2*n, dropped, 5*math.Sqrt(n*0.16))
	for _, v := range c.factors(0, 0, 0, 20, 8, 96) {
		require.Equal(t, float32(1), v)
	}
}

// The loss is the cross entropy of the logits plus the weighted one of the auxiliary head's.
func TestObjectiveAddsTheAuxiliaryLoss(t *testing.T) {
	e := newEngine(t)
	c := tiny()
	c.Image, c.DropPath, c.Batch = 32, 0, 4
	batches, err := data(t).Train.Batches(datasets.BatchRequest{Size: 4, Side: 32})
	require.NoError(t, err)
	x, y, err := batches.Fill(0, 0, nil, nil)
	require.NoError(t, err)
	images, labels := tensors.FromFlatDataAndDimensions(x, 4, 32, 32, 3), tensors.FromFlatDataAndDimensions(y, 4)
	outputs := func(root nn.Module, err error, in ...*tensors.Tensor) []*tensors.Tensor {
		require.NoError(t, err)
		m, err := e.NewModel(root, nn.Operation)
		require.NoError(t, err)
		require.NoError(t, m.Load(nn.Initialise(root.Specs(), 1)))
		out, err := m.Run(nn.Mode{}, in...)
		require.NoError(t, err)
		return out
	}
	net, err := space.Derived(c.Size, genotype, space.NetworkOptions{Auxiliary: true})
	logits := outputs(net, err, images)
	entropy := func(x *tensors.Tensor) float64 {
		total := 0.0
		require.NoError(t, x.ConstFlatData(func(flat any) {
			v := flat.([]float32)
			for i, label := range y {
				sum := 0.0
				for _, l := range v[10*i : 10*i+10] {
					sum += math.Exp(float64(l))
				}
				total += (math.Log(sum) - float64(v[10*i+int(label)])) / 4
			}
		}))
		return total
	}
	for _, weight := range []float64{0, 0.4} {
		c.AuxiliaryWeight = weight
		root, err := objective(c, c.Network(genotype))
		loss, _, err2 := scalars(outputs(root, err, images, labels))
		require.NoError(t, err2)
		assert.InDelta(t, entropy(logits[0])+weight*entropy(logits[1]), loss, 1e-5)
	}
}
