package oneshot_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/engine/enginetest"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// tiny ranks five networks and searches for three generations.
func tiny() oneshot.Config {
	c := tinyPaths(oneshot.Strict)
	c.Epochs, c.Measure, c.Rank, c.Holdout = 2, 16, 5, 0.1
	c.Evolution = &oneshot.EvolutionConfig{Population: 4, Generations: 3, Params: evolve.Minimise}
	return c
}

// search is one over accuracy and multiply-adds.
func search(t testing.TB, ctx context.Context, e *engine.Engine, s datasets.Source, c oneshot.Config, o run.Options) (*run.Result, error) {
	t.Helper()
	p := paths(t, c)
	costs, err := oneshot.CountPaths(e, p)
	require.NoError(t, err)
	return oneshot.Search(ctx, method.Env{Engine: e, Train: s, Spec: spec(t, c), Options: o}, p, c, []oneshot.Objective{oneshot.Accuracy(), costs.MACs()}, nil)
}

// A step under strict fairness leaves all counters equal; uniform sampling does not.
func TestUpdatesStayEqual(t *testing.T) {
	e, images := open(t)
	c := tiny()
	c.Rank, c.Evolution = 0, nil
	updates := func() [][]float64 {
		r, err := search(t, t.Context(), e, images, c, run.Options{})
		require.NoError(t, err)
		table, ok := r.Table("updates")
		require.True(t, ok)
		assert.Equal(t, run.Counts, table.Kind)
		assert.Empty(t, r.Weights(), "counts are no weights")
		return table.Last().Values
	}
	for _, steps := range []int{1, 3} {
		c.Epochs, c.StepsPerEpoch = 1, steps
		for _, layer := range updates() {
			n := float64(steps)
			assert.Equal(t, []float64{n, n, n}, layer)
		}
	}
	c.Sampling = oneshot.Uniform
	uneven := 0
	for _, layer := range updates() {
		assert.Equal(t, 9.0, layer[0]+layer[1]+layer[2])
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
	costs, err := oneshot.CountPaths(e, p)
	require.NoError(t, err)
	table, err := datasets.NASBenchMacro()
	require.NoError(t, err)
	for code, row := range table {
		path, err := p.Parse(code)
		require.NoError(t, err)
		macs, params := costs.Of(path)
		require.Equal(t, [2]int64{row.FLOPs, row.Params}, [2]int64{macs, params}, code)
	}
	path := make([]int, 8)
	macs, params := costs.Of(path)
	for _, o := range []struct {
		oneshot.Objective
		want float64
	}{{oneshot.Accuracy(), 0.25}, {costs.MACs(), float64(macs)}, {costs.Params(evolve.Maximise), float64(params)}} {
		v, err := o.Of(path, 0.25)
		require.NoError(t, err)
		assert.Equal(t, o.want, v, o.Name)
	}
	assert.Equal(t, []string{"accuracy, %", "multiply-adds, M", "parameters, M"},
		[]string{oneshot.Accuracy().Label(), costs.MACs().Label(), costs.Params(evolve.Minimise).Label()})
	assert.Nil(t, costs.AtMost(0))
	assert.NoError(t, costs.Within(0))
	assert.NoError(t, costs.Within(macs))
	assert.ErrorContains(t, costs.Within(1), "config: evolution.max_macs: no path of the space keeps 1: the cheapest, choices [")
	assert.Zero(t, costs.AtMost(macs)(path))
	assert.Positive(t, costs.AtMost(macs-1)(path))
}

// A run that is stopped in its evolution goes on to the same result, and measures its ranking once.
func TestResumeInEvolution(t *testing.T) {
	e, images := open(t)
	c := tiny()
	whole, err := search(t, t.Context(), e, images, c, run.Options{})
	require.NoError(t, err)
	require.Len(t, whole.Ranking.Codes, 5)
	assert.NotEqual(t, whole.Ranking.Untrained, whole.Ranking.Trained)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	ranked := 0
	// The ranking is the one that is measured in a single round.
	count := func(ev run.Event) {
		if ev.Kind == run.EventMeasure && ev.Epochs == 1 {
			ranked++
			assert.Equal(t, 10, ev.Steps, "before and after training")
		}
	}
	_, err = search(t, ctx, e, images, c, run.Options{Dir: dir, Listeners: []run.Listener{count, func(ev run.Event) {
		if ev.Kind == run.EventMeasure && ev.Epochs == 3 && ev.Epoch == 2 {
			cancel()
		}
	}}})
	require.ErrorIs(t, err, run.ErrInterrupted)
	assert.Equal(t, 2, ranked)
	for _, file := range []string{oneshot.RankingFile, oneshot.EvolutionFile} {
		_, err = os.Stat(filepath.Join(dir, file))
		require.NoError(t, err)
	}
	rest, err := search(t, t.Context(), e, images, c, run.Options{Dir: dir, Listeners: []run.Listener{count}})
	require.NoError(t, err)
	assert.Equal(t, whole, rest)
	assert.Equal(t, 2, ranked, "the ranking is not measured again")
	assert.Equal(t, "the path of the first front that is best by accuracy", rest.DerivedBy)
	assert.Equal(t, 12, rest.Front.Evaluations)
}

// The front is in the order of the first objective, and its members keep the constraint.
func TestFront(t *testing.T) {
	e, images := open(t)
	c := tiny()
	c.Rank = 0
	p := paths(t, c)
	costs, err := oneshot.CountPaths(e, p)
	require.NoError(t, err)
	lightest, _ := costs.Of(make([]int, 8))
	bound := 5 * lightest
	env := method.Env{Engine: e, Train: images, Spec: spec(t, c)}
	r, err := oneshot.Search(t.Context(), env, p, c, []oneshot.Objective{costs.MACs(), oneshot.Accuracy()}, costs.AtMost(bound))
	require.NoError(t, err)
	require.NoError(t, run.Result{Spec: spec(t, c), Log: r.Log, Tables: r.Tables, Front: r.Front, Network: r.Network}.Validate())
	assert.Equal(t, []string{"multiply-adds", "accuracy"}, []string{r.Front.Objectives[0].Name, r.Front.Objectives[1].Name})
	assert.True(t, slices.IsSortedFunc(r.Front.Members, func(a, b run.Member) int { return int(a.Values[0] - b.Values[0]) }))
	assert.Equal(t, "the path of the first front that is best by multiply-adds", r.DerivedBy)
	for _, m := range r.Front.Members {
		path, err := p.Parse(m.Code)
		require.NoError(t, err)
		macs, _ := costs.Of(path)
		assert.Equal(t, float64(macs), m.Values[0])
		assert.LessOrEqual(t, macs, bound)
	}
	path, err := p.Parse(r.Front.Best().Code)
	require.NoError(t, err)
	network, err := p.Network(path)
	require.NoError(t, err)
	assert.Equal(t, &network, r.Network)

	// A limit that no measured path keeps is no result.
	_, err = oneshot.Search(t.Context(), env, p, c, []oneshot.Objective{costs.MACs(), oneshot.Accuracy()}, costs.AtMost(1))
	require.ErrorContains(t, err, "keeps the configuration's limits; the nearest, ")
	require.ErrorContains(t, err, "multiply-adds ")
}

// Leaving the ranking before training out changes nothing in the one after it.
func TestTrainedOnly(t *testing.T) {
	e, images := open(t)
	c := tiny()
	c.Evolution = nil
	both, err := search(t, t.Context(), e, images, c, run.Options{})
	require.NoError(t, err)
	require.Len(t, both.Ranking.Untrained, c.Rank)
	assert.Nil(t, both.Front)
	assert.Nil(t, both.Network)
	c.TrainedOnly = true
	one, err := search(t, t.Context(), e, images, c, run.Options{})
	require.NoError(t, err)
	assert.Empty(t, one.Ranking.Untrained)
	assert.Equal(t, both.Ranking.Trained, one.Ranking.Trained)
}

// Layers may differ in their number of choices under every way of sampling.
func TestUnevenSpace(t *testing.T) {
	e, images := open(t)
	for _, sampling := range oneshot.Samplings() {
		c := tinyPaths(sampling)
		c.Epochs, c.StepsPerEpoch = 1, 1
		p := paths(t, c)
		p.Layers = slices.Clone(p.Layers)
		p.Layers[1] = p.Layers[1][:2]
		d, err := c.Split(images)
		require.NoError(t, err)
		s, err := oneshot.NewSupernet(e, d, p, c)
		require.NoError(t, err, sampling)
		_, err = s.Train(t.Context(), run.Spec{}, run.Options{})
		require.NoError(t, err, sampling)
		table := s.Updates()
		require.NoError(t, table.Validate())
		assert.Equal(t, []string{"0", "1"}, table.Ops(1))
		assert.Equal(t, []string{"0", "1", "2"}, table.Ops(0))
		require.NoError(t, s.Close())
	}
}

// Searches in one process leave nothing on the device, where they end well, are interrupted or diverge.
func TestSearchesFreeTheDevice(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	counted, live := enginetest.Count(b.Backend)
	e := engine.New(counted)
	_, images := open(t)
	for i := range 10 {
		c := tiny()
		c.Epochs, c.StepsPerEpoch, c.Sampling = 1, 1, oneshot.Samplings()[i%5]
		c.Evolution.Generations = 1
		ctx, cancel := context.WithCancel(t.Context())
		peak := int64(0)
		o := run.Options{Listeners: []run.Listener{func(ev run.Event) {
			peak = max(peak, live.Bytes())
			if i == 5 && ev.Kind == run.EventMeasure {
				cancel()
			}
		}}}
		if i == 6 {
			c.Weights.LearningRate, c.Weights.Clip, c.StepsPerEpoch = 1e30, 0, 3
		}
		_, err := search(t, ctx, e, images, c, o)
		cancel()
		switch i {
		case 5:
			require.ErrorIs(t, err, run.ErrInterrupted)
		case 6:
			var diverged *run.DivergedError
			require.ErrorAs(t, err, &diverged)
		default:
			require.NoError(t, err)
		}
		if i != 6 { // which diverges before its first event
			require.Greater(t, peak, int64(1_000_000), "the search was counted")
		}
		require.Zero(t, live.Bytes(), "search %d left something on the device", i)
	}
}
