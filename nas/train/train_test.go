package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

func tiny() Config {
	c := DefaultConfig()
	c.Profile, c.Seed = "test", 3
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
func data(t *testing.T) (train, test *datasets.Images) {
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
	return pick(all, 24), pick(held, 13)
}

func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

// A run that is interrupted in an epoch and before the test, each time resumed, gives the same bits as an unbroken one.
func TestTrainResumesBitForBit(t *testing.T) {
	e := newEngine(t)
	train, test := data(t)
	c := tiny()
	whole := t.TempDir()
	var kinds []string
	want, err := Train(context.Background(), e, train, test, genotype, c, Options{Name: "test", Dir: whole,
		Listeners: []search.Listener{func(ev search.Event) { kinds = append(kinds, ev.Kind) }}})
	require.NoError(t, err)
	epoch := []string{search.EventStep, search.EventStep, search.EventEpoch, search.EventCheckpoint}
	assert.Equal(t, append(append(append(append([]string{search.EventStart}, epoch...), epoch...), epoch...), search.EventCheckpoint, search.EventEnd), kinds)
	require.Len(t, want.Epochs, 3)
	assert.Greater(t, want.Params, int64(0))
	assert.Greater(t, want.MACs, int64(0))
	assert.Equal(t, want.TestAccuracy, math.Round(want.TestAccuracy*13)/13, "of 13 images")

	broken := t.TempDir()
	for _, stop := range []struct {
		kind        string
		epoch, step int
	}{{search.EventStep, 1, 1}, {search.EventStep, 2, 1}, {search.EventCheckpoint, 3, 0}} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Train(ctx, newEngine(t), train, test, genotype, c, Options{Name: "test", Dir: broken, Listeners: []search.Listener{func(ev search.Event) {
			if ev.Kind == stop.kind && ev.Epoch == stop.epoch && (stop.step == 0 || ev.Step == stop.step) {
				cancel()
			}
		}}})
		require.ErrorIs(t, err, search.ErrInterrupted)
	}
	got, err := Train(context.Background(), e, train, test, genotype, c, Options{Name: "test", Dir: broken})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	a, err := os.ReadFile(filepath.Join(whole, search.CheckpointFile))
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(broken, search.CheckpointFile))
	require.NoError(t, err)
	assert.True(t, string(a) == string(b), "the checkpoints are equal")

	calls := e.Stats().Calls
	again, err := Train(context.Background(), e, train, test, genotype, c, Options{Name: "test", Dir: broken})
	require.NoError(t, err)
	assert.Equal(t, want, again)
	assert.Equal(t, calls, e.Stats().Calls, "a finished run computes nothing")

	other := c
	other.Weights.LearningRate = 0.1
	_, err = Train(context.Background(), e, train, test, genotype, other, Options{Dir: broken})
	assert.ErrorContains(t, err, "another configuration")
	_, err = Train(context.Background(), e, train, test, Random(0, space.DARTSPrimitives, 2), c, Options{Dir: broken})
	assert.ErrorContains(t, err, "another architecture")
	_, err = Train(context.Background(), e, train, train, genotype, c, Options{Dir: broken})
	assert.ErrorContains(t, err, "another data")
}

// Four images are learnt by heart, and a rate far too high ends in an error that says what to do.
func TestTrainLearns(t *testing.T) {
	e := newEngine(t)
	train, test := data(t)
	few, err := train.Subset([]int{0, 3, 8, 20})
	require.NoError(t, err)
	c := tiny()
	c.Batch, c.Epochs, c.StepsPerEpoch, c.DropPath, c.Cutout = 4, 1, 60, 0, 0
	c.Weights.LearningRate = 0.1
	var losses []float64
	result, err := Train(context.Background(), e, few, test, genotype, c, Options{Listeners: []search.Listener{func(ev search.Event) {
		if ev.Kind == search.EventStep {
			losses = append(losses, ev.TrainLoss)
		}
	}}})
	require.NoError(t, err)
	assert.Less(t, losses[len(losses)-1], 0.3*losses[0])
	assert.Greater(t, result.Epochs[0].TrainAccuracy, 0.6)

	c.Weights.LearningRate, c.Weights.Clip = 1e30, 0
	_, err = Train(context.Background(), e, few, test, genotype, c, Options{})
	assert.ErrorContains(t, err, "lower weights.learning_rate (1e+30)")
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
	train, test := data(t)
	c := tiny()
	c.AuxiliaryWeight = 0.4
	_, err := Train(context.Background(), newEngine(t), train, test, genotype, c, Options{})
	assert.ErrorContains(t, err, "auxiliary_weight: the auxiliary head needs images of 29 to 40 pixels, of 193 to 224 in networks for ImageNet, they have 8")
}

func TestRate(t *testing.T) {
	c := Config{Epochs: 10, Weights: search.WeightsConfig{LearningRate: 0.5, LearningRateMin: 0.1}}
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
	train, _ := data(t)
	c := tiny()
	c.Image, c.DropPath, c.Batch = 32, 0, 4
	batches, err := datasets.NewBatches(train, datasets.BatchConfig{BatchSize: 4, Augment: datasets.EvalTransform()})
	require.NoError(t, err)
	x, y := batches.At(0, 0)
	images, labels := tensors.FromFlatDataAndDimensions(x, 4, 32, 32, 3), tensors.FromFlatDataAndDimensions(y, 4)
	run := func(root nn.Module, err error, in ...*tensors.Tensor) []*tensors.Tensor {
		require.NoError(t, err)
		m, err := e.NewModel(root, nn.Operation)
		require.NoError(t, err)
		require.NoError(t, m.Load(nn.Initialise(root.Specs(), 1)))
		out, err := m.Run(nn.Mode{}, in...)
		require.NoError(t, err)
		return out
	}
	net, err := space.Derived(c.Size, genotype, space.DerivedOptions{Auxiliary: true})
	logits := run(net, err, images)
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
		loss, _, err2 := scalars(run(root, err, images, labels))
		require.NoError(t, err2)
		assert.InDelta(t, entropy(logits[0])+weight*entropy(logits[1]), loss, 1e-5)
	}
}
