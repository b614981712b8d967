package diff_test

import (
	"fmt"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/noisydarts"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// onChain is a configuration on TC-ResNet's chain that runs in seconds.
func onChain(c diff.Config, blocks int) diff.Config {
	c = tiny(c)
	c.Space, c.Sound = space.TCResNetName, &datasets.Sound{Features: audio.TensorFlow(), AsChannels: true}
	c.Size = space.Size{Cells: blocks, Channels: 4, Classes: 12, InputChannels: 40}
	return c
}

// The three methods of AutoKWS search TC-ResNet's chain as they stand, on recordings of words: one table with a row a layer,
// a chain of what weighs most, and of FairDARTS what passes its threshold.
func TestChain(t *testing.T) {
	e := newEngine(t)
	speech, err := datasets.Open(datasets.EmbeddedSpeechName, "")
	require.NoError(t, err)
	plain := onChain(diff.DefaultConfig(), 1)
	fair := fairdarts.DefaultConfig()
	fair.Config, fair.Threshold = onChain(fair.Config, 1), 0.5
	noisy := noisydarts.DefaultConfig()
	noisy.Config = plain
	losses := map[float64]string{}
	for _, tc := range []struct {
		name   string
		config diff.Config
		method diff.Method
		also   []string
	}{
		{"darts", plain, darts.Search(&darts.Config{Config: plain}), nil},
		{"fairdarts", fair.Config, fairdarts.Search(&fair), []string{"passed"}},
		{"noisydarts", plain, noisydarts.Search(&noisy), []string{"noise_mean", "noise_scale"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := diff.Search(t.Context(), method.Env{Engine: e, Train: speech.Train}, tc.config, tc.method)
			require.NoError(t, err)
			require.Len(t, r.Tables, 1)
			table := r.Tables[0]
			require.NoError(t, table.Validate())
			assert.Equal(t, []any{space.ChainTable, tc.method.Kind, tc.method.Threshold}, []any{table.Name, table.Kind, table.Threshold})
			assert.Equal(t, []string{"1: 4→6, /2", "2: 6→8, /2", "3: 8→12, /2"}, table.Rows)
			assert.Equal(t, [][]string{{"k3", "k5", "k7", "k9", "k3 gate", "k5 gate", "k7 gate", "k9 gate", nn.SkipConnect}}, table.Columns)
			assert.NotEqual(t, table.Epochs[0].Values, table.Last().Values)
			assert.Equal(t, append([]string{"epoch", "steps", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "penalty", "skips"}, tc.also...), r.Log.Columns)
			require.NotNil(t, r.Network)
			assert.Equal(t, [3]int{98, 1, 40}, r.Network.Input)
			assert.Equal(t, audio.TensorFlow(), *r.Network.Features)
			skips, passed, layers := 0, 0, 0
			for l, b := range r.Network.Chain.Blocks {
				weights := table.Last().Weights[l]
				best, any := 0, 0
				for k, w := range weights {
					if w > weights[best] {
						best = k
					}
					if w >= 0.5 {
						passed, any = passed+1, 1
					}
				}
				layers += any
				name := space.ChoiceName(b)
				if space.IsSkip(b) {
					skips++
					name = nn.SkipConnect
				}
				assert.Equal(t, table.Columns[0][best], name)
			}
			assert.Equal(t, float64(skips), r.Log.Row(-1).Of("skips"))
			rule := "the strongest operation of every layer"
			if tc.method.Threshold > 0 {
				rule += fmt.Sprintf(", threshold 0.5 passed in %d of 3 layers", layers)
				assert.Equal(t, float64(passed), r.Log.Row(-1).Of("passed"))
				assert.True(t, passed > layers && layers > 0, "several operations of a layer pass: %d in %d", passed, layers)
			}
			assert.Equal(t, rule, r.DerivedBy)
			loss := r.Log.Column("train_loss")[1]
			assert.Empty(t, losses[loss], "%s does what another does", tc.name)
			losses[loss] = tc.name
		})
	}
}

// NoisyDARTS's noise is on the skips of all layers, those that halve the frames too, in training alone: where a layer weighs
// its skip, another state of the noise changes the result; where it weighs another operation, none does.
func TestNoiseOnEverySkipOfAChain(t *testing.T) {
	e := newEngine(t)
	c := onChain(diff.DefaultConfig(), 2)
	noisy := noisydarts.DefaultConfig()
	noisy.Config = c
	over, err := c.Over()
	require.NoError(t, err)
	assert.Equal(t, 6, over.Edges(c.Size))
	table := over.Tables()[0]
	net, err := over.Supernet(c.Size, space.SupernetInputs{Tables: 1, PerEdge: 1, Shared: 2}, func(at space.EdgeAt) (nn.Module, error) {
		return noisydarts.Search(&noisy).Edge(at, table.Ops[at.Row])
	})
	require.NoError(t, err)
	m, err := e.NewModel(net, nn.Operation)
	require.NoError(t, err)
	require.NoError(t, m.Load(nn.Initialise(net.Specs(), 1)))
	x := golden.Input("clips", []int{2, 98, 1, 40})
	logits := func(mode nn.Mode, layer, op, state int) []float64 {
		weights, states := make([]float64, 6*9), make([]uint64, 6*3)
		for l := range 6 {
			weights[9*l+2] = 1
		}
		weights[9*layer+2], weights[9*layer+op] = 0, 1
		for i := range states {
			states[i] = uint64(i + 1)
			if i/3 == layer {
				states[i] += uint64(state)
			}
		}
		out, err := m.Run(mode, e.Tensor(x, 2, 98, 1, 40), e.Tensor(weights, 6, 9), tensors.FromFlatDataAndDimensions(states, 6, 3), e.Scalar(0), e.Scalar(0.2))
		require.NoError(t, err)
		v, err := engine.Values(out[0])
		require.NoError(t, err)
		return v
	}
	train := nn.Mode{Train: true}
	for layer := range 6 {
		assert.NotEqual(t, logits(train, layer, 8, 0), logits(train, layer, 8, 100), "layer %d", layer)
		assert.Equal(t, logits(nn.Mode{}, layer, 8, 0), logits(nn.Mode{}, layer, 8, 100), "layer %d in evaluation", layer)
		assert.Equal(t, logits(train, layer, 4, 0), logits(train, layer, 4, 100), "layer %d without skip", layer)
	}
}

// Where nothing passes the threshold a layer keeps its strongest operation, for a chain can't do without.
func TestChainKeepsEveryLayer(t *testing.T) {
	c := onChain(diff.DefaultConfig(), 1)
	over, err := c.Over()
	require.NoError(t, err)
	weights := [][]float64{{0.9, 0.95, 0, 0, 0, 0, 0, 0, 0.8}, {0, 0, 0, 0, 0.3, 0, 0, 0, 0.2}, {0, 0, 0, 0, 0, 0, 0, 0, 0.1}}
	d := over.Derive(diff.Method{Threshold: 0.8}, c.Size, [][][]float64{weights})
	require.NotNil(t, d.Network)
	var kept []string
	for _, b := range d.Network.Chain.Blocks {
		kept = append(kept, space.ChoiceName(b))
	}
	assert.Equal(t, []string{"k5", "k3 gate", "projection"}, kept)
	assert.Equal(t, "the strongest operation of every layer, threshold 0.8 passed in 1 of 3 layers", d.Rule)
	assert.Equal(t, run.Values{{Name: "skips", Number: 1}, {Name: "passed", Number: 3}}, d.Skips)
}

func TestChainNeedsSound(t *testing.T) {
	for _, c := range []struct {
		change func(*diff.Config)
		want   string
	}{
		{func(c *diff.Config) { c.Sound = nil }, "config: sound: the space tcresnet needs features of sound as channels"},
		{func(c *diff.Config) { c.Sound.AsChannels = false }, "config: sound: the space tcresnet needs features of sound as channels"},
		{func(c *diff.Config) { c.Size.InputChannels = 3 }, "config: size: input_channels: expected the 40 that the features of sound have, got 3"},
	} {
		config := onChain(diff.DefaultConfig(), 1)
		c.change(&config)
		assert.EqualError(t, config.Validate(), c.want)
	}
	speech, err := datasets.Open(datasets.EmbeddedSpeechName, "")
	require.NoError(t, err)
	c := onChain(diff.DefaultConfig(), 1)
	c.Size.Classes = 10
	_, err = diff.Search(t.Context(), method.Env{Engine: newEngine(t), Train: speech.Train}, c, diff.DARTS())
	assert.ErrorContains(t, err, "have 12 classes")
}
