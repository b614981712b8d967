package figures

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/search"
)

// supernet ranks networks in the true order, upside down before it is trained.
func supernet(t *testing.T, sampling string, n int) search.Result {
	t.Helper()
	codes, err := fairnas.MacroSample(n)
	require.NoError(t, err)
	truth, err := fairnas.TrueAccuracies(codes)
	require.NoError(t, err)
	r := search.Result{Method: fairnas.Name, Ranking: &search.Ranking{Codes: codes}, Supernet: &search.PathsResult{
		Sampling: sampling, Updates: [][]int{{1, 2}}, Epochs: []search.PathsEpoch{{Epoch: 1, TrainAccuracy: 0.25, Lowest: 0.125, Highest: 0.5}}}}
	for _, a := range truth {
		r.Ranking.Trained, r.Ranking.Untrained = append(r.Ranking.Trained, a/200), append(r.Ranking.Untrained, 1-a/100)
	}
	return r
}

func TestRanking(t *testing.T) {
	strict, uniform := supernet(t, search.Strict, 40), supernet(t, search.Uniform, 40)
	series, err := Ranking(strict, uniform)
	require.NoError(t, err)
	var names []string
	for i, s := range series {
		names = append(names, s.Name)
		assert.Equal(t, strict.Ranking.Codes, s.Networks)
		want := []float64{-1, 1, 1}[i]
		assert.InDelta(t, want, s.Tau.Value, 1e-12)
		assert.InDelta(t, want, s.Tau.Low, 1e-12)
		assert.InDelta(t, 0.95, s.Tau.Level, 0)
	}
	assert.Equal(t, []string{"untrained", search.Strict, search.Uniform}, names)
	assert.InDelta(t, series[0].True[0]/2, series[1].OneShot[0], 1e-9, "both in percent")
	samples, err := OneShot(strict, uniform)
	require.NoError(t, err)
	assert.Equal(t, series[2].OneShot, samples[2].Values)
}

// Supernets of a seed are the same before training, so that one of them stands for all.
func TestRankingUntrained(t *testing.T) {
	strict, uniform := supernet(t, search.Strict, 4), supernet(t, search.Uniform, 4)
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
	r := supernet(t, search.Strict, 9)
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
	r := supernet(t, search.Strict, 2)
	updates, err := Updates(r)
	require.NoError(t, err)
	assert.Equal(t, [][]int{{1, 2}}, updates[0].Counts)
	ranges, err := Ranges(r)
	require.NoError(t, err)
	assert.Equal(t, [3]float64{25, 12.5, 50}, [3]float64{ranges[0].Mean[0], ranges[0].Lowest[0], ranges[0].Highest[0]})
}

func TestEvolution(t *testing.T) {
	r := search.Result{Evolution: &search.Evolution{Chosen: search.Candidate{Code: "01", Accuracy: 0.5, MACs: 2e6, Params: 1e6},
		Objectives:  []evolve.Objective{{Name: "accuracy", Direction: evolve.Maximise}, {Name: "multiply-adds", Direction: evolve.Minimise}, {Name: "parameters", Direction: evolve.Minimise}},
		Generations: []evolve.Snapshot{{Generation: 1, Front: [][]float64{{0.25, 4e6, 3e6}}}}}}
	e, err := Evolution(r)
	require.NoError(t, err)
	assert.Equal(t, []float64{25, 4, 3}, e.Fronts[0].Values[0])
	assert.Equal(t, []float64{50, 2, 1}, e.Chosen[0].Values)
	assert.Equal(t, "multiply-adds, M", e.Objectives[1].Name)
	assert.True(t, e.Objectives[0].Maximise)
	assert.False(t, e.Objectives[1].Maximise)
	r.Evolution.Objectives = r.Evolution.Objectives[:1]
	_, err = Evolution(r)
	assert.ErrorContains(t, err, "expected 3 objectives, got 1")
}

func TestNotThere(t *testing.T) {
	unranked, other, strange := supernet(t, search.Strict, 4), supernet(t, search.Uniform, 5), supernet(t, search.Strict, 4)
	unranked.Ranking, strange.Ranking.Codes[0] = nil, "9"
	for want, f := range map[string]func() error{
		"at least one search": func() error { _, err := Ranking(); return err },
		"found one over cells": func() error {
			_, err := Updates(search.Result{})
			return err
		},
		"darts, profile , seed 3: expected a search over a single-path supernet": func() error { _, err := Ranges(search.Result{Method: "darts", Seed: 3}); return err },
		"expected networks that it ranked":                                       func() error { _, err := OneShot(unranked); return err },
		"sampling uniform: expected the networks that":                           func() error { _, err := Ranking(supernet(t, search.Strict, 4), other); return err },
		`no network "9"`:                  func() error { _, err := Ranking(strange); return err },
		"expected an evolutionary search": func() error { _, err := Evolution(unranked); return err },
	} {
		assert.ErrorContains(t, f(), want)
	}
}
