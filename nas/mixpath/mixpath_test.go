package mixpath_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/combin"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/mixpath"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
)

// tiny is the smoke profile with a change.
func tiny(t testing.TB, change func(c *mixpath.Config)) mixpath.Config {
	t.Helper()
	c, err := mixpath.Method().Config(profile.Smoke, "")
	require.NoError(t, err)
	own := *c.(*mixpath.Config)
	if change != nil {
		change(&own)
	}
	require.NoError(t, own.Validate())
	return own
}

func newEngine(t testing.TB) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

func search(t testing.TB, ctx context.Context, e *engine.Engine, c mixpath.Config, o run.Options) (*run.Result, error) {
	t.Helper()
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	return mixpath.Search(ctx, method.Env{Engine: e, Train: images.Source(), Options: o}, c)
}

// The probabilities of a layer's choices are those of the official code's draw: the expansion, the number of paths, so many
// kernels without replacement.
func TestByCount(t *testing.T) {
	for m := 1; m <= 4; m++ {
		p := space.MixPathS1().AtMostPaths(m)
		weights := p.ByCount()
		drawn := map[string]float64{}
		r := rand.New(rand.NewPCG(5, uint64(m)))
		const draws = 100000
		s := oneshot.Sampler{Way: oneshot.Uniform, Choices: p.Choices(), Weights: weights, Paths: 1}
		for range draws {
			b := p.Layers[0][s.Step(r)[0].Paths[0][0]]
			drawn[fmt.Sprint(b.Hidden, b.Kernels)]++
		}
		sum := 0.0
		for k, b := range p.Layers[0] {
			sum += weights[0][k]
			want := 1 / float64(2*m*combin.Binomial(4, len(b.Kernels)))
			assert.InDelta(t, want, weights[0][k], 1e-12, "%d paths of up to %d", len(b.Kernels), m)
			assert.InDelta(t, want, drawn[fmt.Sprint(b.Hidden, b.Kernels)]/draws, 0.006)
		}
		assert.InDelta(t, 1, sum, 1e-12)
	}
}

// Once each part of the blocks has run, no set of paths compiles anything, whatever is drawn and searched; and all of it is
// fewer programs than would be made of each block with a set of paths: a forward, a gradient, and a forward to measure.
func TestPathsCompileOnce(t *testing.T) {
	e := newEngine(t)
	c := tiny(t, func(c *mixpath.Config) {
		c.MaxPaths, c.Image, c.Batch, c.Epochs, c.StepsPerEpoch = 4, 8, 4, 1, 40
		c.Options.Draw, c.Evolution.Generations = 40, 2
	})
	_, err := search(t, t.Context(), e, c, run.Options{})
	require.NoError(t, err)
	p, err := c.Space(10)
	require.NoError(t, err)
	pairs := 0
	for _, n := range p.Choices() {
		pairs += n
	}
	made := e.Stats().Executables
	t.Logf("%d programs, %d pairs of a block and a set of paths", made, pairs)
	assert.Less(t, made, int64(3*pairs))
	c.Seed, c.StepsPerEpoch = 7, 60
	_, err = search(t, t.Context(), e, c, run.Options{})
	require.NoError(t, err)
	assert.Equal(t, made, e.Stats().Executables)
}

// A search that is stopped in its evolution goes on to the same result, and so does one that is stopped in training.
func TestResume(t *testing.T) {
	e := newEngine(t)
	c := tiny(t, nil)
	whole, err := search(t, t.Context(), e, c, run.Options{})
	require.NoError(t, err)
	for what, when := range map[string]func(run.Event) bool{
		"training":  func(ev run.Event) bool { return ev.Kind == run.EventStep && ev.Epoch == 2 },
		"evolution": func(ev run.Event) bool { return ev.Kind == run.EventMeasure && ev.Epochs == 2 && ev.Epoch == 2 },
	} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := search(t, ctx, e, c, run.Options{Dir: dir, Listeners: []run.Listener{func(ev run.Event) {
			if when(ev) {
				cancel()
			}
		}}})
		require.ErrorIs(t, err, run.ErrInterrupted, what)
		rest, err := search(t, t.Context(), e, c, run.Options{Dir: dir})
		require.NoError(t, err)
		assert.Equal(t, whole, rest, what)
	}
}

// What is found is a network like others: of the counts that the search gave it, and it trains by its recipe.
func TestFoundNetwork(t *testing.T) {
	e := newEngine(t)
	r, err := search(t, t.Context(), e, tiny(t, func(c *mixpath.Config) { c.MaxPaths = 3 }), run.Options{})
	require.NoError(t, err)
	require.NotNil(t, r.Network)
	for _, b := range r.Network.Chain.Blocks {
		assert.Equal(t, arch.OpMultiPath, b.Op)
		assert.True(t, len(b.Kernels) >= 1 && len(b.Kernels) <= 3)
	}
	net, err := space.Network(*r.Network, space.NetworkOptions{})
	require.NoError(t, err)
	assert.Equal(t, float64(nn.Params(net.Specs())), r.Front.Best().Values[2])
	recipe, network, err := train.At(profile.Smoke, *r.Network)
	require.NoError(t, err)
	data, err := datasets.Open(datasets.EmbeddedName, "")
	require.NoError(t, err)
	trained, err := train.Train(t.Context(), train.Env{Engine: e, Data: data}, network, recipe)
	require.NoError(t, err)
	assert.Positive(t, trained.Numbers.Of(train.TestAccuracy))
}

// Shadow norms and the single one are two supernets, each measured as it can be: without shadow norms there is no ratio.
func TestVariants(t *testing.T) {
	e := newEngine(t)
	for _, shadow := range []bool{true, false} {
		r, err := search(t, t.Context(), e, tiny(t, func(c *mixpath.Config) { c.ShadowNorms, c.Evolution, c.StepsPerEpoch = shadow, nil, 30 }), run.Options{})
		require.NoError(t, err)
		assert.Len(t, r.Ranking.Codes, 8)
		assert.Empty(t, r.Ranking.Untrained)
		for _, name := range []string{mixpath.MeanRatio, mixpath.VarianceRatio} {
			_, has := r.Numbers.Get(name)
			assert.Equal(t, shadow, has, name)
		}
		cosine := r.Numbers.Of(mixpath.Similarity)
		assert.True(t, cosine > 0 && cosine < 1, cosine)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(c *mixpath.Config){
		"max_paths: expected 1 to 4, got 5":                        func(c *mixpath.Config) { c.MaxPaths = 5 },
		`paths: expected one of count, combination, got "all"`:     func(c *mixpath.Config) { c.Paths = "all" },
		"paths: expected combination under strict fairness":        func(c *mixpath.Config) { c.Sampling, c.Options.PathsPerStep = oneshot.Strict, 0 },
		"paths_per_step: expected at least 0, and 0 under strict":  func(c *mixpath.Config) { c.Sampling = oneshot.Strict },
		"draw: expected 0, or at least 2 networks where rank is 0": func(c *mixpath.Config) { c.Options.Draw = 1 },
		"cutout: expected 0 to the image's 32 pixels, got 33":      func(c *mixpath.Config) { c.Options.Cutout = 33 },
	} {
		c := mixpath.DefaultConfig()
		require.NoError(t, c.Validate())
		change(&c)
		assert.ErrorContains(t, c.Validate(), want)
	}
}

// Strict fairness trains each set of paths of each layer once a step.
func TestStrict(t *testing.T) {
	c := tiny(t, func(c *mixpath.Config) {
		c.Sampling, c.Options.PathsPerStep, c.Paths, c.MaxPaths, c.Evolution, c.Options.Draw = oneshot.Strict, 0, mixpath.ByCombination, 1, nil, 0
		c.Epochs, c.StepsPerEpoch = 1, 2
	})
	r, err := search(t, t.Context(), newEngine(t), c, run.Options{})
	require.NoError(t, err)
	updates, _ := r.Table("updates")
	for _, layer := range updates.Last().Values {
		assert.Equal(t, slices.Repeat([]float64{2}, 8), layer)
	}
}

func ExampleSlope() {
	fmt.Println(mixpath.Slope([]float32{1, -2, 3}, []float32{2, -4, 6}))
	// Output: 2
}
