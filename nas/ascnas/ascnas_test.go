package ascnas_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/ascnas"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

var update = flag.Bool("update", false, "write testdata/baseline.json")

func newEngine(t testing.TB) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

func scenes(t testing.TB) *datasets.Set {
	t.Helper()
	set, err := datasets.OpenKind(datasets.KindScenes, "")
	require.NoError(t, err)
	return set
}

// tiny is a variant at the smoke profile with a change.
func tiny(t testing.TB, variant string, change func(*ascnas.Config)) ascnas.Config {
	t.Helper()
	c, err := ascnas.Method().Config(profile.Smoke, variant)
	require.NoError(t, err)
	own := *c.(*ascnas.Config)
	if change != nil {
		change(&own)
	}
	require.NoError(t, own.Validate())
	return own
}

func baseline(t testing.TB, p space.Paths) arch.Network {
	t.Helper()
	path, err := ascnas.Baseline(p)
	require.NoError(t, err)
	n, err := p.Network(path)
	require.NoError(t, err)
	return n
}

// All layers look along one axis, the next along the other, with every kernel and expansion.
func TestSpaces(t *testing.T) {
	for _, c := range []struct {
		p      space.Paths
		layers int
		size   string
	}{{space.Scenes(), 16, "2821109907456"}, {space.SmallScenes(), 6, "46656"}} {
		assert.Len(t, c.p.Layers, c.layers)
		assert.Equal(t, c.size, c.p.Size().String())
		blocks := slices.Clone(c.p.Shared.Chain.Blocks)
		for _, choices := range c.p.Layers {
			var of [][2]int
			for _, b := range choices {
				of = append(of, [2]int{b.Kernel, b.Hidden / b.In})
				assert.Equal(t, choices[0].Direction, b.Direction)
			}
			assert.Equal(t, [][2]int{{3, 3}, {5, 3}, {7, 3}, {3, 6}, {5, 6}, {7, 6}}, of)
			blocks = append(blocks, choices[0])
		}
		for i, b := range blocks {
			want := []string{arch.DirectionTime, arch.DirectionFrequency}[i%2]
			assert.Equal(t, want, b.Direction, "%s, block %d", c.p.Name, i)
		}
	}
	_, err := ascnas.Baseline(space.FairNAS())
	assert.EqualError(t, err, "fairnas: layer 0: expected a choice of kernel 3 along one axis and expansion 6, for the baseline")
}

// countMobileNetV2 counts MobileNetV2's table (1801.04381, table 2) with kernels of 3 along one axis, one channel in and nine
// classes: multiply-adds of convolutions and of the linear layer, and parameters.
func countMobileNetV2(height, width int) (macs, params int) {
	half := func(n int) int { return (n + 1) / 2 }
	h, w := half(height), half(width)
	macs, params = h*w*9*1*32, 9*1*32+2*32
	channels := 32
	for _, row := range [][4]int{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for i := range row[2] {
			inside := row[0] * channels
			if row[0] > 1 {
				macs, params = macs+h*w*channels*inside, params+channels*inside+2*inside
			}
			if i == 0 && row[3] == 2 {
				h, w = half(h), half(w)
			}
			macs, params = macs+h*w*inside*(3+row[1]), params+inside*(3+row[1])+2*inside+2*row[1]
			channels = row[1]
		}
	}
	return macs + h*w*channels*1280 + 1280*9, params + channels*1280 + 2*1280 + 1280*9 + 9
}

// The baseline's counts are those of the formula, and its JSON is that of the file.
func TestBaseline(t *testing.T) {
	p := space.Scenes()
	n := baseline(t, p)
	costs, err := oneshot.CountPaths(newEngine(t), p)
	require.NoError(t, err)
	path, err := p.PathOf(n)
	require.NoError(t, err)
	macs, params := costs.Of(path)
	wantMACs, wantParams := countMobileNetV2(499, 40)
	assert.Equal(t, []int64{int64(wantMACs), int64(wantParams)}, []int64{macs, params})

	text, err := json.MarshalIndent(n, "", "  ")
	require.NoError(t, err)
	const file = "testdata/baseline.json"
	if *update {
		require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(text)+"\n")
	read, err := arch.ReadNetwork(want)
	require.NoError(t, err)
	assert.Equal(t, n, read)
}

// Strict fairness holds, no step compiles anything once every kind of block has run, and the chosen network is the best within the
// bound.
func TestSearch(t *testing.T) {
	e, data := newEngine(t), scenes(t)
	c := tiny(t, "", func(c *ascnas.Config) { c.Epochs, c.Evolution.Generations, c.Evolution.Population = 4, 4, 12 })
	var steps []int64
	r, err := ascnas.Search(t.Context(), method.Env{Engine: e, Train: data.Train, Options: run.Options{Listeners: []run.Listener{func(ev run.Event) {
		if ev.Kind == run.EventStep {
			steps = append(steps, e.Stats().Executables)
		}
	}}}}, c)
	require.NoError(t, err)
	require.Len(t, steps, 12)
	assert.Equal(t, steps[1], steps[11], "executables after each step: %v", steps)
	updates, ok := r.Table("updates")
	require.True(t, ok)
	for _, layer := range updates.Last().Values {
		assert.Equal(t, []float64{12, 12, 12, 12, 12, 12}, layer)
	}
	assert.Equal(t, []string{"macro F1", "multiply-adds"}, []string{r.Front.Objectives[0].Name, r.Front.Objectives[1].Name})
	p, err := c.PathsFor(data.Train)
	require.NoError(t, err)
	assert.Equal(t, [3]int{24, 40, 1}, p.Input())
	costs, err := oneshot.CountPaths(e, p)
	require.NoError(t, err)
	path, err := ascnas.Baseline(p)
	require.NoError(t, err)
	macs, _ := costs.Of(path)
	assert.Equal(t, float64(macs), r.Numbers.Of(ascnas.BaselineMACs))
	score := r.Numbers.Of(ascnas.BaselineScore)
	assert.True(t, score >= 0 && score <= 1, score)
	best := r.Front.Best()
	for _, m := range r.Front.Members {
		assert.False(t, m.Values[1] <= 0.75*float64(macs) && m.Values[0] > best.Values[0], "%s is better than %s", m.Code, best.Code)
	}
	assert.LessOrEqual(t, best.Values[1], 0.75*float64(macs))
	assert.InDelta(t, 1-best.Values[1]/float64(macs), r.Numbers.Of(ascnas.Saved), 1e-12)
	chosen, err := p.PathOf(*r.Network)
	require.NoError(t, err)
	assert.Equal(t, best.Code, p.Code(chosen))
	require.NotNil(t, r.Network.Features)
	assert.Equal(t, c.Sound.Features, *r.Network.Features)
}

// The variant that is the baseline gives it at the size of the data, and trains nothing.
func TestBaselineVariant(t *testing.T) {
	e, data := newEngine(t), scenes(t)
	r, err := ascnas.Search(t.Context(), method.Env{Engine: e, Train: data.Train}, tiny(t, "baseline", nil))
	require.NoError(t, err)
	assert.Equal(t, baseline(t, space.SmallScenes()).Chain, r.Network.Chain)
	assert.Equal(t, [3]int{24, 40, 1}, r.Network.Input)
	assert.Zero(t, e.Stats().Executables)
}

func TestConfigRefuses(t *testing.T) {
	for want, change := range map[string]func(*ascnas.Config){
		"config: sound: expected how clips become arrays, got none":                func(c *ascnas.Config) { c.Sound = nil },
		"config: sound: as_channels: expected false":                               func(c *ascnas.Config) { c.Sound.AsChannels = true },
		"config: macs_share: expected above 0 and at most 1, got 0":                func(c *ascnas.Config) { c.MACsShare = 0 },
		"config: macs_share: expected above 0 and at most 1, got NaN":              func(c *ascnas.Config) { c.MACsShare = math.NaN() },
		"config: evolution: expected none where the baseline is derived":           func(c *ascnas.Config) { c.Baseline = true },
		"config: metric: expected one of accuracy, macro_f1, got \"macro recall\"": func(c *ascnas.Config) { c.Metric = "macro recall" },
	} {
		c := ascnas.DefaultConfig()
		change(&c)
		assert.ErrorContains(t, c.Validate(), want)
	}
}

// generated are clips of ten seconds of noise in nine classes.
func generated(n int) datasets.Source {
	const samples = 10 * datasets.SpeechRate
	c := datasets.Clips{Name: "generated", Rate: datasets.SpeechRate, Samples: samples}
	for i := range 9 {
		c.ClassNames = append(c.ClassNames, fmt.Sprintf("class %d", i))
	}
	for i := range n {
		c.Labels, c.Keys = append(c.Labels, int32(i%9)), append(c.Keys, fmt.Sprint(i))
	}
	c.Read = func(i int) ([]float32, error) {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		x := make([]float32, samples)
		for k := range x {
			x[k] = float32(0.1 * r.NormFloat64())
		}
		return x, nil
	}
	return c.Source()
}

// The published size takes a step on clips of ten seconds, at the full size but for the batch, and measures paths of two
// generations.
func TestFullSizeStep(t *testing.T) {
	if testing.Short() {
		t.Skip("the supernet of the published size")
	}
	c := ascnas.DefaultConfig()
	c.Epochs, c.StepsPerEpoch, c.Batch, c.Recalibrate, c.Holdout = 1, 1, 2, 2, 0.5
	c.Evolution.Population, c.Evolution.Generations = 4, 1
	r, err := ascnas.Search(t.Context(), method.Env{Engine: newEngine(t), Train: generated(9)}, c)
	require.NoError(t, err)
	updates, ok := r.Table("updates")
	require.True(t, ok)
	require.Len(t, updates.Last().Values, 16)
	for _, layer := range updates.Last().Values {
		assert.Equal(t, []float64{1, 1, 1, 1, 1, 1}, layer)
	}
	// Nine classes, and six paths that have not learned yet.
	assert.InDelta(t, math.Log(9), r.Log.Column("train_loss")[0], 1)
	assert.Equal(t, [3]int{499, 40, 1}, r.Network.Input)
	assert.Equal(t, space.Scenes().Shared.Input, r.Network.Input, "the space's own input is that of ten seconds")
	assert.Len(t, r.Front.Best().Code, 16)
}

func ExampleBaseline() {
	p := space.SmallScenes()
	path, err := ascnas.Baseline(p)
	if err != nil {
		panic(err)
	}
	n, err := p.Network(path)
	if err != nil {
		panic(err)
	}
	for _, b := range n.Chain.Blocks {
		fmt.Println(b.Name, b.KernelText(), b.Hidden/b.In, b.Out)
	}
	// Output:
	// layers.0 3×1 6 24
	// layers.1 1×3 6 24
	// layers.2 3×1 6 40
	// layers.3 1×3 6 40
	// layers.4 3×1 6 80
	// layers.5 1×3 6 80
}

func ExampleSearch() {
	b, err := backend.Open()
	if err != nil {
		panic(err)
	}
	set, err := datasets.OpenKind(datasets.KindScenes, "")
	if err != nil {
		panic(err)
	}
	c, err := ascnas.Method().Config(profile.Smoke, "")
	if err != nil {
		panic(err)
	}
	r, err := ascnas.Search(context.Background(), method.Env{Engine: engine.New(b.Backend), Train: set.Train}, *c.(*ascnas.Config))
	if err != nil {
		panic(err)
	}
	fmt.Println("a quarter is saved:", r.Numbers.Of(ascnas.Saved) >= 0.25)
	// Output: a quarter is saved: true
}
