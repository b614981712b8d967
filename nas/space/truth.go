package space

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gonas/gonas/datasets"
)

// MacroSample are n networks of NAS-Bench-Macro by code, spread evenly over the order of their multiply-adds (equal ones
// in the order of their codes).
func MacroSample(n int) ([]string, error) {
	table, err := datasets.NASBenchMacro()
	if err != nil {
		return nil, err
	}
	if n < 1 || n > len(table) {
		return nil, fmt.Errorf("expected 1 to %d networks, got %d", len(table), n)
	}
	all := make([]string, 0, len(table))
	for code := range table {
		all = append(all, code)
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(table[a].FLOPs, table[b].FLOPs), cmp.Compare(a, b))
	})
	out := make([]string, n)
	for i := range out {
		out[i] = all[(2*i+1)*len(all)/(2*n)]
	}
	return out, nil
}

// HasTruth tells whether the true accuracies of a space's networks are known.
func HasTruth(space string) bool { return space == NASBenchMacroName }

// TrueAccuracies are the accuracies, percent, of networks of a space that were trained by themselves: of NAS-Bench-Macro,
// the mean over three trainings.
func TrueAccuracies(space string, codes []string) ([]float64, error) {
	if !HasTruth(space) {
		return nil, fmt.Errorf("the true accuracies of the networks of %s are not known", space)
	}
	table, err := datasets.NASBenchMacro()
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(codes))
	for i, code := range codes {
		row, ok := table[code]
		if !ok {
			return nil, fmt.Errorf("NAS-Bench-Macro has no network %q", code)
		}
		out[i] = row.MeanAccuracy
	}
	return out, nil
}
