package figures

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
)

// supernet ranks networks in the true order, upside down before it is trained.
func supernet(t *testing.T, sampling string, n int) run.Result {
	t.Helper()
	codes, err := space.MacroSample(n)
	require.NoError(t, err)
	truth, err := space.TrueAccuracies(space.NASBenchMacroName, codes)
	require.NoError(t, err)
	r := run.Result{Spec: run.Spec{Command: run.Search, Method: "fairnas", Variant: sampling, Profile: "smoke", Space: space.NASBenchMacroName},
		Ranking: &run.Ranking{Name: sampling, Codes: codes},
		Tables: []run.Table{{Name: "updates", Kind: run.Counts, Rows: []string{"layer 0"}, Columns: [][]string{{"0", "1"}},
			Epochs: []run.Snapshot{{Epoch: 1, Values: [][]float64{{1, 2}}}}}},
		Log: run.Log{Columns: []string{"epoch", "train_loss", "train_accuracy", "lowest", "highest"}, Rows: [][]float64{{1, 2, 0.25, 0.125, 0.5}}}}
	for _, a := range truth {
		r.Ranking.Trained, r.Ranking.Untrained = append(r.Ranking.Trained, a/200), append(r.Ranking.Untrained, 1-a/100)
	}
	return r
}

// chain is a network of blocks.
func chain(t *testing.T) *arch.Network {
	t.Helper()
	n, err := zoo.Get("tcresnet8")
	require.NoError(t, err)
	return &n.Network
}

func TestRanking(t *testing.T) {
	strict, uniform := supernet(t, oneshot.Strict, 40), supernet(t, oneshot.Uniform, 40)
	series, err := Ranking(strict, uniform)
	require.NoError(t, err)
	var called []string
	for i, s := range series {
		called = append(called, s.Name)
		assert.Equal(t, strict.Ranking.Codes, s.Networks)
		want := []float64{-1, 1, 1}[i]
		assert.InDelta(t, want, s.Tau.Value, 1e-12)
		assert.InDelta(t, want, s.Tau.Low, 1e-12)
		assert.InDelta(t, 0.95, s.Tau.Level, 0)
	}
	assert.Equal(t, []string{"untrained", oneshot.Strict, oneshot.Uniform}, called)
	assert.InDelta(t, series[0].True[0]/2, series[1].OneShot[0], 1e-9, "both in percent")
	samples, err := OneShot(strict, uniform)
	require.NoError(t, err)
	assert.Equal(t, series[2].OneShot, samples[2].Values)
}

// Supernets of a seed are the same before training, so that one of them stands for all.
func TestRankingUntrained(t *testing.T) {
	strict, uniform := supernet(t, oneshot.Strict, 4), supernet(t, oneshot.Uniform, 4)
	strict.Ranking.Untrained = nil
	samples, err := OneShot(strict, uniform)
	require.NoError(t, err)
	assert.Equal(t, "untrained", samples[0].Name)
	samples, err = OneShot(strict)
	require.NoError(t, err)
	assert.Len(t, samples, 1)
}

// Few networks have no interval, and equal one-shot accuracies no order.
func TestRankingWithoutInterval(t *testing.T) {
	r := supernet(t, oneshot.Strict, 9)
	for i := range r.Ranking.Untrained {
		r.Ranking.Untrained[i] = 0.1
	}
	series, err := Ranking(r)
	require.NoError(t, err)
	assert.Nil(t, series[0].Tau)
	assert.InDelta(t, 1, series[1].Tau.Value, 1e-12)
	assert.Zero(t, series[1].Tau.Level)
}

func TestUpdatesAndRanges(t *testing.T) {
	r := supernet(t, oneshot.Strict, 2)
	updates, err := Updates(r)
	require.NoError(t, err)
	assert.Equal(t, oneshot.Strict, updates[0].Name)
	assert.Equal(t, [][]int{{1, 2}}, updates[0].Counts)
	ranges, err := Ranges(r)
	require.NoError(t, err)
	assert.Equal(t, []int{1}, ranges[0].Epochs)
	assert.Equal(t, [3]float64{25, 12.5, 50}, [3]float64{ranges[0].Mean[0], ranges[0].Lowest[0], ranges[0].Highest[0]})
}

// Where rankings do not tell supernets apart, what their runs are called does.
func TestNames(t *testing.T) {
	strict, uniform := supernet(t, oneshot.Strict, 2), supernet(t, oneshot.Uniform, 2)
	of := func(list ...run.Result) []string {
		updates, err := Updates(list...)
		require.NoError(t, err)
		var out []string
		for _, u := range updates {
			out = append(out, u.Name)
		}
		return out
	}
	assert.Equal(t, []string{"strict", "uniform"}, of(strict, uniform))
	uniform.Ranking.Name = "strict"
	assert.Equal(t, []string{title(strict), title(uniform)}, of(strict, uniform))
	assert.NotEqual(t, title(strict), title(uniform))
	strict.Ranking = nil
	assert.Equal(t, []string{title(strict)}, of(strict))
	again := strict
	again.Spec.Seed = 1
	assert.Equal(t, []string{title(strict) + ", seed 0", title(strict) + ", seed 1"}, of(strict, again))
}

// Supernets of a seed share a figure if they are of one method and space.
func TestFiguresOfSupernets(t *testing.T) {
	strict, uniform, later, elsewhere := supernet(t, oneshot.Strict, 4), supernet(t, oneshot.Uniform, 4), supernet(t, oneshot.Strict, 4), supernet(t, oneshot.Strict, 4)
	later.Spec.Seed, elsewhere.Spec.Space = 1, "cifar_mobile"
	source := Source{Profile: "smoke", Searches: []run.Result{later, strict, uniform, elsewhere}, Evidence: true}
	for _, figure := range []string{"updates", "ranges", "histograms"} {
		list, err := named(t, figure).Draw(source)
		require.NoError(t, err)
		var stems []string
		for _, n := range list {
			stems = append(stems, n.Stem)
		}
		assert.Equal(t, []string{"fairnas-" + figure + "-seed0", "fairnas-" + figure + "-seed0-cifar_mobile", "fairnas-" + figure + "-seed1"}, stems)
		assert.Contains(t, csv(t, list[0].Figure), "uniform")
	}
	list, err := named(t, "ranking").Draw(Source{Profile: "smoke", Searches: []run.Result{strict}})
	require.NoError(t, err)
	assert.Equal(t, Named{"fairnas-ranking", "nasbenchmacro, seed 0, profile smoke", list[0].Figure}, list[0])
	assert.Equal(t, "Ranking: nasbenchmacro, seed 0, profile smoke", list[0].Figure.Title())
}

// front is the result of an evolution of objectives: one generation of one network, and another that was chosen.
func front(objectives []run.Objective, values, chosen []float64) run.Result {
	return run.Result{Spec: run.Spec{Method: "mine"}, Front: &run.Front{Objectives: objectives, Generations: []evolve.Snapshot{{Generation: 1, Front: [][]float64{values}}},
		Members: []run.Member{{Code: "00", Values: values}, {Code: "01", Values: chosen}}, Chosen: 1}}
}

func TestFront(t *testing.T) {
	costs := oneshot.Costs{}
	e, err := Front(front([]run.Objective{oneshot.Accuracy().Objective, costs.MACs().Objective, costs.Params(evolve.Minimise).Objective},
		[]float64{0.25, 4e6, 3e6}, []float64{0.5, 2e6, 1e6}))
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{25, 4, 3}, e.Fronts[0].Values[0], 1e-12)
	assert.InDeltaSlice(t, []float64{50, 2, 1}, e.Chosen[0].Values, 1e-12)
	assert.Equal(t, "01", e.Chosen[0].Name)
	assert.Equal(t, "multiply-adds, M", e.Objectives[1].Name)
	assert.True(t, e.Objectives[0].Maximise)
	assert.False(t, e.Objectives[1].Maximise)
}

// Other objectives keep their names, units and scales.
func TestFrontOfOtherObjectives(t *testing.T) {
	latency := run.Objective{Name: "latency", Unit: "ms", Scale: 1000, Direction: evolve.Minimise}
	blocks := run.Objective{Name: "blocks", Scale: 1, Direction: evolve.Maximise}
	accuracy := run.Objective{Name: "accuracy", Unit: "%", Scale: 100, Direction: evolve.Maximise}
	for name, c := range map[string]struct {
		objectives []run.Objective
		header     string
		row        string
	}{
		"two":   {[]run.Objective{latency, accuracy}, "generation,chosen,\"latency, ms, less is better\",\"accuracy, %, more is better\"", "1,,250,1"},
		"three": {[]run.Objective{accuracy, latency, blocks}, "generation,chosen,\"accuracy, %, more is better\",\"latency, ms, less is better\",\"blocks, more is better\"", "1,,25,10,3"},
	} {
		values := []float64{0.25, 0.01, 3}[:len(c.objectives)]
		list, err := named(t, "pareto").Draw(Source{Searches: []run.Result{front(c.objectives, values, values)}})
		require.NoError(t, err, name)
		assert.Equal(t, "mine-pareto", list[0].Stem)
		assert.Contains(t, csv(t, list[0].Figure), c.header+"\n"+c.row+"\n", name)
		assert.NotContains(t, list[0].Figure.Description(), "multiply-adds", name)
	}
	_, err := named(t, "pareto").Draw(Source{Searches: []run.Result{front([]run.Objective{latency}, []float64{1}, []float64{1})}})
	var none NoData
	require.ErrorAs(t, err, &none)
	_, err = Front(front([]run.Objective{latency, {Name: "size"}}, []float64{1, 2}, []float64{1, 2}))
	assert.ErrorContains(t, err, "front: objective size: scale: expected more than 0, got 0")
	_, err = Front(front([]run.Objective{latency, accuracy}, []float64{1}, []float64{1, 2}))
	assert.ErrorContains(t, err, "generation 1: front: expected a value for each of 2 objectives, got 1")
}

func TestNotThere(t *testing.T) {
	unranked, other, strange := supernet(t, oneshot.Strict, 4), supernet(t, oneshot.Uniform, 5), supernet(t, oneshot.Strict, 4)
	unranked.Ranking, strange.Ranking.Codes[0] = nil, "9"
	elsewhere := supernet(t, oneshot.Strict, 4)
	elsewhere.Spec.Space = "S0"
	cells := run.Result{Spec: run.Spec{Command: run.Search, Method: "darts", Profile: "quick", Seed: 3}}
	for want, f := range map[string]func() error{
		"at least one search": func() error { _, err := Ranking(); return err },
		"DARTS, seed 3, profile quick: expected a table of how often each block":                func() error { _, err := Updates(cells); return err },
		"DARTS, seed 3, profile quick: expected a log with the accuracies of a supernet's path": func() error { _, err := Ranges(cells); return err },
		"expected networks that it ranked":                                                      func() error { _, err := OneShot(unranked); return err },
		"seed 0, profile smoke: expected the networks that ":                                    func() error { _, err := Ranking(supernet(t, oneshot.Strict, 4), other); return err },
		"profile smoke: expected the networks that ":                                            func() error { _, err := Ranking(supernet(t, oneshot.Strict, 4), elsewhere); return err },
		"the true accuracies of the networks of S0 are not known":                               func() error { _, err := Ranking(elsewhere); return err },
		`no network "9"`:                  func() error { _, err := Ranking(strange); return err },
		"expected an evolutionary search": func() error { _, err := Front(unranked); return err },
	} {
		assert.ErrorContains(t, f(), want)
	}
}
