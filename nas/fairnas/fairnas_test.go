package fairnas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
)

func tiny() fairnas.Config {
	c := fairnas.DefaultConfig()
	c.Profile, c.Space, c.Image, c.Holdout = "test", space.NASBenchMacroName, 8, 0.1
	c.Epochs, c.StepsPerEpoch, c.Batch, c.Recalibrate, c.Measure, c.Rank = 2, 2, 4, 8, 16, 5
	c.Evolution.Population, c.Evolution.Generations = 4, 3
	return c
}

func open(t testing.TB) (*engine.Engine, *datasets.Images) {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	return engine.New(b.Backend), images
}

// The lemma's values, from the paper's formula in exact arithmetic.
func TestEqualProbability(t *testing.T) {
	for n, want := range map[int]float64{6: 0.015432, 12: 0.0034383, 60: 7.46e-5, 600: 2.46e-7} {
		got := fairnas.EqualProbability(n, 6)
		assert.InEpsilon(t, want, got, 2e-3, n)
		exact := new(big.Rat).SetInt(new(big.Int).MulRange(1, int64(n)))
		for range 6 {
			exact.Quo(exact, new(big.Rat).SetInt(new(big.Int).MulRange(1, int64(n/6))))
		}
		exact.Quo(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(6), big.NewInt(int64(n)), nil)))
		of, _ := exact.Float64()
		assert.InEpsilon(t, of, got, 1e-9, n)
	}
	assert.InEpsilon(t, 1, fairnas.EqualProbability(6000, 6)/fairnas.EqualProbabilityLimit(6000, 6), 2e-3)
	assert.Zero(t, fairnas.EqualProbability(7, 6))
}

// The lemma against sampling: the share of runs in which uniform sampling trains all of 3 choices equally often.
func TestLemmaAgainstSimulation(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const runs, steps = 20000, 2
	equal := 0
	for range runs {
		var counts [3]int
		for range steps {
			for _, u := range search.Sample(search.Uniform, []int{3}, random) {
				counts[u.Paths[0][0]]++
			}
		}
		if counts[0] == counts[1] && counts[1] == counts[2] {
			equal++
		}
	}
	p := fairnas.EqualProbability(3*steps, 3)
	sd := math.Sqrt(p * (1 - p) / runs)
	assert.InDelta(t, p, float64(equal)/runs, 4*sd)
}

// 6^19 paths, and (6!)^18 different sets of six paths a step.
func TestSizes(t *testing.T) {
	assert.Equal(t, "609359740010496", space.FairNAS().Size().String())
	assert.Equal(t, "1679616", space.CIFARMobile().Size().String())
	assert.Equal(t, "6561", space.NASBenchMacro().Size().String())
}

// The golden file describes a step; the sampler does it.
func TestStrictFairnessGolden(t *testing.T) {
	folder := os.Getenv("GONAS_GOLDEN")
	if folder == "" {
		t.Skip("GONAS_GOLDEN is not set: the golden files are not in the repository")
	}
	text, err := os.ReadFile(filepath.Join(folder, "fairnas", "strict_fairness.json"))
	require.NoError(t, err)
	var f struct {
		Description []string `json:"description"`
	}
	require.NoError(t, json.Unmarshal(text, &f))
	require.Contains(t, f.Description[1], "independent uniform random permutation of the m choices")
	require.Contains(t, f.Description[2], "SAME mini-batch")
	// Uniform: each of the 6 permutations of a layer as often, and independent of the next layer's.
	random := rand.New(rand.NewPCG(3, 4))
	seen := map[string]int{}
	const steps = 7200
	for range steps {
		paths := search.Sample(search.Strict, []int{3, 3}, random)[0].Paths
		seen[fmt.Sprint(paths)]++
	}
	require.Len(t, seen, 36)
	chi := 0.0
	for _, n := range seen {
		d := float64(n) - steps/36.0
		chi += d * d / (steps / 36.0)
	}
	assert.Less(t, chi, 66.6, "chi-squared of 35 degrees of freedom, 0.1 percent")
}

// A step under strict fairness leaves all counters equal; uniform sampling does not.
func TestUpdatesStayEqual(t *testing.T) {
	e, images := open(t)
	c := tiny()
	c.Rank, c.Evolution = 0, nil
	for _, steps := range []int{1, 3} {
		c.Epochs, c.StepsPerEpoch = 1, steps
		r, err := fairnas.Search(t.Context(), e, images, c, search.Options{})
		require.NoError(t, err)
		for _, layer := range r.Supernet.Updates {
			assert.Equal(t, []int{steps, steps, steps}, layer)
		}
	}
	c.Sampling = search.Uniform
	r, err := fairnas.Search(t.Context(), e, images, c, search.Options{})
	require.NoError(t, err)
	uneven := 0
	for _, layer := range r.Supernet.Updates {
		assert.Equal(t, 9, layer[0]+layer[1]+layer[2])
		if layer[0] != layer[1] || layer[1] != layer[2] {
			uneven++
		}
	}
	assert.NotZero(t, uneven)
}

// The counts of all 6,561 networks are the table's.
func TestCosts(t *testing.T) {
	e, _ := open(t)
	p := space.NASBenchMacro()
	costs, err := fairnas.CountPaths(e, p)
	require.NoError(t, err)
	table, err := datasets.NASBenchMacro()
	require.NoError(t, err)
	for code, row := range table {
		path, err := p.Parse(code)
		require.NoError(t, err)
		macs, params := costs.Of(path)
		require.Equal(t, [2]int64{row.FLOPs, row.Params}, [2]int64{macs, params}, code)
	}
}

// A run that is stopped in its evolution goes on to the same result.
func TestResumeInEvolution(t *testing.T) {
	e, images := open(t)
	c := tiny()
	whole, err := fairnas.Search(t.Context(), e, images, c, search.Options{})
	require.NoError(t, err)
	require.Len(t, whole.Ranking.Codes, 5)
	assert.NotEqual(t, whole.Ranking.Untrained, whole.Ranking.Trained)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err = fairnas.Search(ctx, e, images, c, search.Options{Dir: dir, Listeners: []search.Listener{func(ev search.Event) {
		if ev.Kind == search.EventMeasure && ev.Epochs == 3 && ev.Epoch == 2 {
			cancel()
		}
	}}})
	require.ErrorIs(t, err, search.ErrInterrupted)
	_, err = os.Stat(filepath.Join(dir, fairnas.EvolutionFile))
	require.NoError(t, err)
	rest, err := fairnas.Search(t.Context(), e, images, c, search.Options{Dir: dir})
	require.NoError(t, err)
	assert.Equal(t, whole, rest)
}

// Leaving the ranking before training out changes nothing in the one after it.
func TestTrainedOnly(t *testing.T) {
	e, images := open(t)
	c := tiny()
	c.Evolution = nil
	both, err := fairnas.Search(t.Context(), e, images, c, search.Options{})
	require.NoError(t, err)
	require.Len(t, both.Ranking.Untrained, c.Rank)
	c.TrainedOnly = true
	one, err := fairnas.Search(t.Context(), e, images, c, search.Options{})
	require.NoError(t, err)
	assert.Empty(t, one.Ranking.Untrained)
	assert.Equal(t, both.Ranking.Trained, one.Ranking.Trained)
}

func TestMacroSample(t *testing.T) {
	all, err := fairnas.MacroSample(6561)
	require.NoError(t, err)
	assert.Len(t, all, 6561)
	assert.Equal(t, "00000000", all[0])
	some, err := fairnas.MacroSample(400)
	require.NoError(t, err)
	distinct := map[string]bool{}
	for _, code := range some {
		distinct[code] = true
	}
	assert.Len(t, distinct, 400)
	_, err = fairnas.MacroSample(7000)
	assert.Error(t, err)
}

// The paper's networks are paths of its space, and the supernet has every block of them.
func TestPublishedNetworksArePaths(t *testing.T) {
	p := space.FairNAS()
	root, err := p.Supernet()
	require.NoError(t, err)
	assert.Len(t, p.Layers, 19)
	for _, name := range []string{"fairnas-a", "fairnas-b", "fairnas-c"} {
		net, err := zoo.Get(name)
		require.NoError(t, err)
		blocks := net.Network.Chain.Blocks[len(p.Shared.Chain.Blocks):]
		require.Len(t, blocks, 19)
		path := make([]int, 19)
		for l, b := range blocks {
			path[l] = slices.Index(p.Layers[l], b)
			require.GreaterOrEqual(t, path[l], 0, "%s: layer %d: %+v", name, l, b)
		}
		network, err := p.Network(path)
		require.NoError(t, err)
		assert.Equal(t, net.Network, network)
		specs := map[string]bool{}
		for _, s := range root.Specs() {
			specs[s.Name] = true
		}
		for _, s := range mustTree(t, p, path).Specs() {
			assert.True(t, specs[s.Name], s.Name)
		}
	}
}

func mustTree(t *testing.T, p space.Paths, path []int) nn.Module {
	t.Helper()
	m, err := p.Tree([][]int{path})
	require.NoError(t, err)
	return m
}

func TestConfig(t *testing.T) {
	require.NoError(t, fairnas.DefaultConfig().Validate())
	for field, change := range map[string]func(*fairnas.Config){
		"rank":               func(c *fairnas.Config) { c.Rank = 1 },
		"rank: expected 0":   func(c *fairnas.Config) { c.Space = space.CIFARMobileName },
		"evolution.params":   func(c *fairnas.Config) { c.Evolution.Params = "" },
		"evolution.max_macs": func(c *fairnas.Config) { c.Evolution.MaxMACs = -1 },
		"evolution: ":        func(c *fairnas.Config) { c.Evolution.Population = 0 },
		"sampling":           func(c *fairnas.Config) { c.Sampling = "" },
		"width":              func(c *fairnas.Config) { c.Width = 0.5 },
	} {
		c := tiny()
		change(&c)
		assert.ErrorContains(t, c.Validate(), field)
	}
}

// A configuration without a search is one too after it was written and read over the defaults, as resuming does.
func TestConfigWithoutEvolution(t *testing.T) {
	c := tiny()
	c.Evolution = nil
	text, err := json.Marshal(c)
	require.NoError(t, err)
	got := fairnas.DefaultConfig()
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, c, got)
}

func ExampleEqualProbability() {
	fmt.Printf("%.6f %.2g\n", fairnas.EqualProbability(6, 6), fairnas.EqualProbability(600, 6))
	// Output: 0.015432 2.5e-07
}

func ExampleSearch() {
	b, err := backend.Open()
	if err != nil {
		panic(err)
	}
	images, _, err := datasets.Embedded()
	if err != nil {
		panic(err)
	}
	c := tiny()
	c.Rank = 0
	r, err := fairnas.Search(context.Background(), engine.New(b.Backend), images, c, search.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Steps, "steps, each choice of a layer trained", r.Supernet.Updates[0], "times")
	// Output: 4 steps, each choice of a layer trained [4 4 4] times
}
