package fairnas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
)

func tiny() fairnas.Config {
	c := fairnas.DefaultConfig()
	c.Profile, c.Space, c.Image, c.Holdout = "test", space.NASBenchMacroName, 8, 0.1
	c.Epochs, c.StepsPerEpoch, c.Batch, c.Recalibrate, c.Measure = 2, 2, 4, 8, 16
	c.Evolution.Population, c.Evolution.Generations = 4, 3
	return c
}

func newEngine(t testing.TB) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
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
			for _, u := range (oneshot.Sampler{Way: oneshot.Uniform, Choices: []int{3}}).Step(random) {
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
			path[l] = slices.IndexFunc(p.Layers[l], func(c arch.Block) bool { return reflect.DeepEqual(c, b) })
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

// The search is over accuracy, multiply-adds and parameters, which count as the configuration says, below a bound.
func TestObjectives(t *testing.T) {
	e := newEngine(t)
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	c := tiny()
	c.Epochs, c.StepsPerEpoch, c.Evolution.Params = 1, 1, evolve.Maximise
	p, err := c.Paths(10)
	require.NoError(t, err)
	costs, err := oneshot.CountPaths(e, p)
	require.NoError(t, err)
	light, _ := costs.Of(make([]int, 8))
	c.Evolution.MaxMACs = 20 * light
	r, err := fairnas.Search(t.Context(), method.Env{Engine: e, Train: images.Source()}, c.Config)
	require.NoError(t, err)
	assert.Equal(t, []run.Objective{
		{Name: "accuracy", Unit: "%", Scale: 100, Direction: evolve.Maximise},
		{Name: "multiply-adds", Unit: "M", Scale: 1e-6, Direction: evolve.Minimise},
		{Name: "parameters", Unit: "M", Scale: 1e-6, Direction: evolve.Maximise},
	}, r.Front.Objectives)
	for _, m := range r.Front.Members {
		path, err := p.Parse(m.Code)
		require.NoError(t, err)
		macs, params := costs.Of(path)
		assert.Equal(t, []float64{float64(macs), float64(params)}, m.Values[1:])
	}
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
	r, err := fairnas.Search(context.Background(), method.Env{Engine: engine.New(b.Backend), Train: images.Source()}, c.Config)
	if err != nil {
		panic(err)
	}
	updates, _ := r.Table("updates")
	fmt.Println(r.Numbers.Of("steps"), "steps, each choice of a layer trained", updates.Last().Values[0], "times")
	// Output: 4 steps, each choice of a layer trained [4 4 4] times
}
