package moga_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/moga"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
)

// tiny is the smoke profile with a change.
func tiny(t testing.TB, change func(c *moga.Config)) moga.Config {
	t.Helper()
	c, err := moga.Method().Config(profile.Smoke, "")
	require.NoError(t, err)
	own := *c.(*moga.Config)
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

func search(t testing.TB, ctx context.Context, e *engine.Engine, c moga.Config, o run.Options) (*run.Result, error) {
	t.Helper()
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	return moga.Search(ctx, method.Env{Engine: e, Train: images.Source(), Options: o}, c)
}

// A, B and C are paths of the space.
func TestSpace(t *testing.T) {
	p := space.MoGA()
	for _, name := range []string{"moga-a", "moga-b", "moga-c"} {
		net, err := zoo.Get(name)
		require.NoError(t, err)
		path, err := p.PathOf(net.Network)
		require.NoError(t, err, name)
		network, err := p.Network(path)
		require.NoError(t, err)
		assert.Equal(t, net.Network, network, name)
	}
	other, err := zoo.Get("fairnas-a")
	require.NoError(t, err)
	_, err = p.PathOf(other.Network)
	assert.ErrorContains(t, err, "moga: expected a chain of 15 blocks")
}

// The front has the three objectives, the latency is the table's sum, and a bound on it is kept.
func TestSearch(t *testing.T) {
	e := newEngine(t)
	r, err := search(t, t.Context(), e, tiny(t, nil), run.Options{})
	require.NoError(t, err)
	table, err := latency.Open(moga.DefaultTable)
	require.NoError(t, err)
	p := space.CIFARMoGA().Resized(8, 10)
	sums, err := table.Sums(p)
	require.NoError(t, err)
	var names []string
	for _, o := range r.Front.Objectives {
		names = append(names, fmt.Sprintf("%s %s", o.Label(), o.Direction))
	}
	assert.Equal(t, []string{"accuracy, % maximise", "latency, ms minimise", "parameters, M maximise"}, names)
	for _, m := range r.Front.Members {
		path, err := p.Parse(m.Code)
		require.NoError(t, err)
		assert.InDelta(t, sums.Of(path), m.Values[1], 1e-9, m.Code)
	}
	net, err := space.Network(*r.Network, space.NetworkOptions{})
	require.NoError(t, err)
	assert.Equal(t, float64(nn.Params(net.Specs())), r.Front.Best().Values[2])
	share := r.Numbers.Of(oneshot.FrontHypervolume)
	assert.True(t, share > 0 && share < 1, share)

	middle := r.Front.Best().Values[1]
	bounded, err := search(t, t.Context(), e, tiny(t, func(c *moga.Config) { c.MaxLatency = middle - 1e-6 }), run.Options{})
	require.NoError(t, err)
	assert.Less(t, bounded.Front.Best().Values[1], middle)
}

// Weights of the crowding distance change the search, equal ones do not.
func TestWeights(t *testing.T) {
	e := newEngine(t)
	codes := func(weights ...float64) []run.Member {
		r, err := search(t, t.Context(), e, tiny(t, func(c *moga.Config) {
			c.Crowding, c.Evolution.Population, c.Evolution.Generations = weights, 8, 5
		}), run.Options{})
		require.NoError(t, err)
		return r.Front.Members
	}
	plain := codes(1, 1, 1)
	assert.Equal(t, plain, codes(0.25, 0.25, 0.25))
	assert.NotEqual(t, plain, codes(0, 1, 0))
}

// A random search beside it measures as many paths of the same supernet.
func TestFront(t *testing.T) {
	c := tiny(t, func(c *moga.Config) { c.Evolution.Random = true })
	r, err := search(t, t.Context(), newEngine(t), c, run.Options{})
	require.NoError(t, err)
	share := r.Numbers.Of(oneshot.RandomHypervolume)
	assert.True(t, share > 0 && share < 1, share)
}

// A user's own table is read from a file, its rows are kept, and a resumed search takes no others.
func TestOwnTable(t *testing.T) {
	e := newEngine(t)
	p := space.CIFARMoGA().Resized(8, 10)
	table, err := latency.Open(moga.DefaultTable)
	require.NoError(t, err)
	cover, err := table.Cover(p)
	require.NoError(t, err)
	own := cover.Matched
	for i := range own {
		own[i].MS, own[i].Device = float64(i+1), "a table by hand"
	}
	file, dir := filepath.Join(t.TempDir(), "own.csv"), t.TempDir()
	require.NoError(t, own.Save(file))
	c := tiny(t, func(c *moga.Config) { c.Latency = file })
	whole, err := search(t, t.Context(), e, c, run.Options{Dir: dir})
	require.NoError(t, err)
	kept, err := latency.Open(filepath.Join(dir, moga.LatencyFile))
	require.NoError(t, err)
	assert.Equal(t, own, kept)
	again, err := search(t, t.Context(), e, c, run.Options{Dir: dir})
	require.NoError(t, err)
	assert.Equal(t, whole, again)

	own[3].MS++
	require.NoError(t, own.Save(file))
	_, err = search(t, t.Context(), e, c, run.Options{Dir: dir})
	assert.ErrorContains(t, err, "the search began with other latencies than those of "+file)
	require.NoError(t, own[:len(own)-1].Save(file))
	_, err = search(t, t.Context(), e, c, run.Options{})
	assert.ErrorContains(t, err, "the table has no row for the block")
	assert.ErrorContains(t, err, "gonas latency measure --space cifar_moga --image 8")
	_, err = search(t, t.Context(), e, tiny(t, func(c *moga.Config) { c.Latency = "none.csv" }), run.Options{})
	assert.ErrorContains(t, err, `config: latency: latency table "none.csv"`)
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(c *moga.Config){
		"latency: expected one of":                                     func(c *moga.Config) { c.Latency = "" },
		"max_latency_ms: expected at least 0, got -1":                  func(c *moga.Config) { c.MaxLatency = -1 },
		"crowding_weights: expected three numbers from 0 to a million": func(c *moga.Config) { c.Crowding = []float64{1, 1} },
		"not all 0, of accuracy, latency and parameters, got [0 0 0]":  func(c *moga.Config) { c.Crowding = []float64{0, 0, 0} },
	} {
		c := moga.DefaultConfig()
		require.NoError(t, c.Validate())
		change(&c)
		assert.ErrorContains(t, c.Validate(), want)
	}
}

// The published weights are those of the crowding distance.
func ExampleDefaultConfig() {
	c := moga.DefaultConfig()
	fmt.Println(c.Crowding, c.Evolution.Params == evolve.Maximise)
	// Output: [0.4 0.4 0.2] true
}
