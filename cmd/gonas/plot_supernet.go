package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/plots"
)

// bySeed are the searches over single-path supernets that have what is wanted, by seed.
func (s plotSource) bySeed(has func(search.Result) bool) map[uint64][]plotSearch {
	out := map[uint64][]plotSearch{}
	for _, p := range s.searches {
		if p.result.Supernet != nil && has(p.result) {
			out[p.result.Seed] = append(out[p.result.Seed], p)
		}
	}
	return out
}

// sampling names a supernet by its way of sampling.
func (p plotSearch) sampling() string { return p.result.Supernet.Sampling }

// eachSeed makes a figure of the supernets of each seed.
func eachSeed(figure, title string, has func(search.Result) bool, draw func([]plotSearch, string) (plots.Figure, error)) func(plotSource) ([]namedFigure, error) {
	return func(s plotSource) ([]namedFigure, error) {
		seeds := s.bySeed(has)
		if len(seeds) == 0 {
			return nil, noData("expected a search over a single-path supernet that has it, found none")
		}
		var out []namedFigure
		for _, seed := range slices.Sorted(maps.Keys(seeds)) {
			list := seeds[seed]
			of := fmt.Sprintf("%s, seed %d, profile %s", list[0].result.Space, seed, s.profile)
			f, err := draw(list, title+": "+of)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", of, err)
			}
			stem := list[0].result.Method + "-" + figure
			if list[0].label != "" {
				stem += fmt.Sprintf("-seed%d", seed)
			}
			out = append(out, namedFigure{stem, of, f})
		}
		return out, nil
	}
}

func hasRanking(r search.Result) bool { return r.Ranking != nil }
func isSupernet(search.Result) bool   { return true }

// percent is the values times 100.
func percent(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = 100 * x
	}
	return out
}

// bootstrapSamples of a rank correlation's interval.
const bootstrapSamples = 1000

func drawRanking(list []plotSearch, title string) (plots.Figure, error) {
	truth, err := fairnas.TrueAccuracies(list[0].result.Ranking.Codes)
	if err != nil {
		return plots.Figure{}, err
	}
	var series []plots.RankingSeries
	add := func(name string, p plotSearch, accuracy []float64) error {
		tau, err := rank.TauB(accuracy, truth)
		if err != nil {
			return err
		}
		i, err := rank.TauBInterval(accuracy, truth, 0.95, bootstrapSamples, p.result.Seed)
		series = append(series, plots.RankingSeries{Name: name, OneShot: percent(accuracy), True: truth, Networks: p.result.Ranking.Codes,
			Tau: &plots.Tau{Value: tau, Low: i.Low, High: i.High, Level: 0.95}})
		return err
	}
	if err := add("untrained", list[0], list[0].result.Ranking.Untrained); err != nil {
		return plots.Figure{}, err
	}
	for _, p := range list {
		if !slices.Equal(p.result.Ranking.Codes, list[0].result.Ranking.Codes) {
			return plots.Figure{}, fmt.Errorf("%s: expected the networks of %s", p.title(), list[0].title())
		}
		if err := add(p.sampling(), p, p.result.Ranking.Trained); err != nil {
			return plots.Figure{}, err
		}
	}
	return plots.Ranking(series, title)
}

func drawHistograms(list []plotSearch, title string) (plots.Figure, error) {
	samples := []plots.Sample{{Name: "untrained", Values: percent(list[0].result.Ranking.Untrained)}}
	for _, p := range list {
		samples = append(samples, plots.Sample{Name: p.sampling(), Values: percent(p.result.Ranking.Trained)})
	}
	return plots.Histograms(samples, title)
}

func drawUpdates(list []plotSearch, title string) (plots.Figure, error) {
	var series []plots.Updates
	for _, p := range list {
		series = append(series, plots.Updates{Name: p.sampling(), Counts: p.result.Supernet.Updates})
	}
	return plots.UpdateCounts(series, nil, title)
}

func drawRanges(list []plotSearch, title string) (plots.Figure, error) {
	var series []plots.AccuracySeries
	for _, p := range list {
		s := plots.AccuracySeries{Name: p.sampling()}
		for _, e := range p.result.Supernet.Epochs {
			s.Epochs = append(s.Epochs, e.Epoch)
			s.Mean, s.Lowest, s.Highest = append(s.Mean, 100*e.TrainAccuracy), append(s.Lowest, 100*e.Lowest), append(s.Highest, 100*e.Highest)
		}
		series = append(series, s)
	}
	return plots.AccuracyRanges(series, title)
}

func drawPareto(p plotSearch) (string, plots.Figure, error) {
	v := p.result.Evolution
	if v == nil {
		return "", plots.Figure{}, noData("expected an evolutionary search over a supernet, found none")
	}
	scale := []float64{100, 1e-6, 1e-6}
	scaled := func(values []float64) []float64 {
		out := make([]float64, len(values))
		for i, x := range values {
			out[i] = x * scale[i]
		}
		return out
	}
	e := plots.Evolution{}
	for i, unit := range []string{", %", ", M", ", M"} {
		e.Objectives = append(e.Objectives, plots.Objective{Name: v.Objectives[i].Name + unit, Maximise: v.Objectives[i].Direction == evolve.Maximise})
	}
	for _, g := range v.Generations {
		f := plots.Front{Generation: g.Generation}
		for _, values := range g.Front {
			f.Values = append(f.Values, scaled(values))
		}
		e.Fronts = append(e.Fronts, f)
	}
	e.Chosen = []plots.Choice{{Name: v.Chosen.Code, Values: scaled([]float64{v.Chosen.Accuracy, float64(v.Chosen.MACs), float64(v.Chosen.Params)})}}
	f, err := plots.Pareto(e, "First fronts: "+p.title())
	return "pareto", f, err
}
