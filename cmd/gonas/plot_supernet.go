package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/figures"
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

// ofSupernets draws what a function of package figures makes of the supernets.
func ofSupernets[S any](data func(...search.Result) (S, error), draw func(S, string) (plots.Figure, error)) func([]plotSearch, string) (plots.Figure, error) {
	return func(list []plotSearch, title string) (plots.Figure, error) {
		var results []search.Result
		for _, p := range list {
			results = append(results, p.result)
		}
		return figures.Supernets(results, title, data, draw)
	}
}

func drawPareto(p plotSearch) (string, plots.Figure, error) {
	if p.result.Evolution == nil {
		return "", plots.Figure{}, noData("expected an evolutionary search over a supernet, found none")
	}
	e, err := figures.Evolution(p.result)
	if err != nil {
		return "", plots.Figure{}, err
	}
	f, err := plots.Pareto(e, "First fronts: "+p.title())
	return "pareto", f, err
}
