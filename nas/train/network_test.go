package train

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/datasetstest"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/zoo"
)

// smallChain has a block of each kind that the mobile networks have.
func smallChain() arch.Network {
	return arch.Network{Input: [3]int{16, 16, 3}, Classes: 10, Chain: &arch.Chain{
		Naming: arch.NamingMobile, Stem: arch.Conv{Out: 8, Kernel: 3, Stride: 2, Activation: "hswish"},
		Blocks: []arch.Block{
			{Name: "separable_conv", Op: arch.OpSeparable, In: 8, Out: 8, Kernel: 3, Stride: 1, Activation: "relu"},
			{Name: "mb_module.0", Op: arch.OpBottleneck, In: 8, Hidden: 24, Out: 16, Kernel: 5, Stride: 2, Activation: "hswish",
				Squeeze: &arch.SqueezeExcite{Squeeze: "mid_se.conv.0", Excite: "mid_se.fc.0", Reduced: 6, Activation: "relu", Gate: "hsigmoid"}},
			{Name: "mb_module.1", Op: arch.OpIdentity, In: 16, Out: 16, Stride: 1},
		},
		Last: arch.Conv{Out: 32, Kernel: 1, Stride: 1, Activation: "relu6"}, Hidden: arch.Conv{Out: 16, Kernel: 1, Stride: 1, Activation: "hswish"},
		Classifier: "classifier", Dropout: 0.2}}
}

// mobileRecipe is the mobile networks' recipe cut to a moment.
func mobileRecipe() Config {
	c := ImageNetMobileConfig()
	c.Profile, c.Image, c.Batch, c.Epochs, c.StepsPerEpoch, c.WarmupEpochs = profile.Custom, 16, 4, 3, 2, 1
	return c
}

// A chain with RMSProp, dropout, label smoothing and a moving average: interrupted and resumed it gives the same bits.
func TestTrainNetworkResumesBitForBit(t *testing.T) {
	d, c := data(t), mobileRecipe()
	whole, broken := t.TempDir(), t.TempDir()
	e := newEngine(t)
	want, err := training(t.Context(), e, d, smallChain(), c, run.Options{Dir: whole})
	require.NoError(t, err)
	assert.NotNil(t, want.Network)
	assert.Positive(t, want.Numbers.Of(MACs))
	for _, stop := range []int{1, 2} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err = training(ctx, e, d, smallChain(), c, run.Options{Dir: broken, Listeners: []run.Listener{func(ev run.Event) {
			if ev.Kind == run.EventStep && ev.Epoch == stop+1 {
				cancel()
			}
		}}})
		require.ErrorIs(t, err, run.ErrInterrupted)
	}
	got, err := training(t.Context(), e, d, smallChain(), c, run.Options{Dir: broken})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	a, err := os.ReadFile(filepath.Join(whole, run.CheckpointFile))
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(broken, run.CheckpointFile))
	require.NoError(t, err)
	assert.True(t, string(a) == string(b), "the checkpoints are equal")

	other := smallChain()
	other.Chain.Blocks[1].Kernel = 3
	_, err = training(t.Context(), e, d, other, c, run.Options{Dir: broken})
	assert.ErrorContains(t, err, "another run; what differs, its value first: network.chain.blocks (")
	other.Classes = 12
	_, err = training(t.Context(), e, d, other, c, run.Options{})
	assert.ErrorContains(t, err, "training: data embedded: images of [16 16 3] in 10 classes, the architecture takes [16 16 3] in 12")
}

// The moving average follows the weights by its decay, and it is what the test measures.
func TestAverage(t *testing.T) {
	c := mobileRecipe()
	c.Epochs, c.StepsPerEpoch, c.WarmupEpochs, c.Weights.LearningRate = 1, 1, 0, 0.01
	tr, err := newTrainer(Env{Engine: newEngine(t), Data: data(t)}, smallChain(), c)
	require.NoError(t, err)
	defer func() { require.NoError(t, tr.close()) }()
	before, err := tr.model.State()
	require.NoError(t, err)
	_, err = run.Do(t.Context(), tr, []datasets.BatchSource{tr.train}, run.Plan{Epochs: 1, Steps: 1}, run.Options{})
	require.NoError(t, err)
	after, err := tr.model.State()
	require.NoError(t, err)
	tr.average.Swap()
	average, err := tr.model.State()
	require.NoError(t, err)
	decay := 2.0 / 11 // (1+1)/(10+1): early steps move the average faster
	for _, name := range []string{"mb_module.0.conv2.weight", "stem.1.running_var"} {
		for i := range before[name] {
			assert.InDelta(t, decay*float64(before[name][i])+(1-decay)*float64(after[name][i]), average[name][i], 1e-6, name)
		}
		assert.NotEqual(t, before[name], after[name])
	}
}

func folders(t *testing.T, dir string) *datasets.Set {
	t.Helper()
	d, err := datasets.Open(datasets.FolderName, dir)
	require.NoError(t, err)
	return d
}

// Full-size networks take a step of their full recipe on generated images in ImageNet's layout, are tested, and go on
// from their checkpoint; the batch alone is small. Time and memory are bounded as loosely as a busy machine needs.
func TestFullSizeStep(t *testing.T) {
	if testing.Short() {
		t.Skip("full-size networks")
	}
	for _, name := range []string{"fairnas-a", "fairdarts-b-imagenet", "fairdarts-b"} {
		t.Run(name, func(t *testing.T) {
			n, err := zoo.Get(name)
			require.NoError(t, err)
			a := n.Network
			c := ConfigFor(a)
			c.Batch, c.Epochs, c.StepsPerEpoch, c.WarmupEpochs = 8, 2, 1, 0
			d := data(t)
			if a.Input[0] == 224 {
				a.Classes = 5
				d = folders(t, datasetstest.ImageFolder(t, 5, 2, 240))
			}
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			e := newEngine(t)
			began := time.Now()
			var step time.Duration
			_, err = training(ctx, e, d, a, c, run.Options{Dir: dir, Listeners: []run.Listener{func(ev run.Event) {
				if ev.Kind == run.EventCheckpoint {
					cancel()
				}
			}}})
			require.ErrorIs(t, err, run.ErrInterrupted)
			first := time.Since(began)
			began = time.Now()
			result, err := training(t.Context(), e, d, a, c, run.Options{Dir: dir, Listeners: []run.Listener{func(ev run.Event) {
				if ev.Kind == run.EventStep {
					step = time.Since(began)
				}
			}}})
			require.NoError(t, err)
			require.Len(t, result.Log.Rows, 2)
			assert.Less(t, step, time.Minute)
			assert.Less(t, backend.PeakRSS(), int64(6<<30))
			t.Logf("%s, batch %d: first epoch with compiling %.1f s, start and step %.1f s, peak %d MiB", name, c.Batch, first.Seconds(), step.Seconds(), backend.PeakRSS()>>20)
		})
	}
}

func TestFolderDataRefuses(t *testing.T) {
	c := mobileRecipe()
	d := folders(t, datasetstest.ImageFolder(t, 2, 1, 20))
	a := smallChain()
	a.Classes = 2
	c.Jitter = &[4]float64{0, 0, 0, 0.7}
	_, err := training(t.Context(), newEngine(t), d, a, c, run.Options{})
	assert.ErrorContains(t, err, "0.7")
	c.Jitter = nil
	_, err = training(t.Context(), newEngine(t), d, a, c, run.Options{})
	assert.ErrorContains(t, err, "no batch of 4")
}
