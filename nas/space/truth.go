package space

import (
	"cmp"
	"fmt"
	"maps"
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
func HasTruth(space string) bool { return space == NASBenchMacroName || space == NASBench201Name }

// TrueAccuracies are the accuracies on CIFAR-10, percent, of networks of a space that were trained by themselves: of
// NAS-Bench-Macro, the mean over three trainings, of NAS-Bench-201, whose codes are [arch.Grid].Code, the mean over up to
// three of 200 epochs.
func TrueAccuracies(space string, codes []string) ([]float64, error) {
	return TrueAccuraciesOn(space, datasets.CIFAR10Name, codes)
}

// TrueAccuraciesOn is [TrueAccuracies] on a data set: CIFAR-10, and of NAS-Bench-201 CIFAR-100 and
// [datasets.ImageNet16Name] as well.
func TrueAccuraciesOn(space, data string, codes []string) ([]float64, error) {
	if !HasTruth(space) {
		return nil, fmt.Errorf("the true accuracies of the networks of %s are not known", space)
	}
	if space == NASBench201Name {
		return gridAccuracies(data, codes)
	}
	if data != datasets.CIFAR10Name {
		return nil, fmt.Errorf("the true accuracies of the networks of %s are known on %s, not on %s", space, datasets.CIFAR10Name, data)
	}
	table, err := datasets.NASBenchMacro()
	if err != nil {
		return nil, err
	}
	return lookup(table, codes, "NAS-Bench-Macro has no network", func(r datasets.MacroRow) float64 { return r.MeanAccuracy })
}

// lookup takes a number from the row of each code.
func lookup[R any](table map[string]R, codes []string, missing string, of func(R) float64) ([]float64, error) {
	out := make([]float64, len(codes))
	for i, code := range codes {
		row, ok := table[code]
		if !ok {
			return nil, fmt.Errorf("%s %q", missing, code)
		}
		out[i] = of(row)
	}
	return out, nil
}

// gridAccuracies are those of cells of NAS-Bench-201.
func gridAccuracies(data string, codes []string) ([]float64, error) {
	if _, ok := (datasets.GridRow{}).On(data); !ok {
		return nil, fmt.Errorf("NAS-Bench-201 knows accuracies on %s, %s and %s, not on %s", datasets.CIFAR10Name, datasets.CIFAR100Name, datasets.ImageNet16Name, data)
	}
	table, err := datasets.NASBench201()
	if err != nil {
		return nil, err
	}
	return lookup(table, codes, "NAS-Bench-201 has no cell", func(r datasets.GridRow) float64 {
		accuracy, _ := r.On(data)
		return accuracy
	})
}

// GridTruth is what the cells of NAS-Bench-201 are worth, percent: that of a cell drawn at random, each as likely, is Mean
// in expectation, and below the quartiles in one, two and three of four draws. Best is the optimum.
type GridTruth struct {
	// Cells is how many there are.
	Cells     int
	Mean      float64
	Quartiles [3]float64
	Best      float64
	BestCode  string
}

// NASBench201Truth computes it exactly, over all cells, on a data set of [TrueAccuraciesOn].
func NASBench201Truth(data string) (GridTruth, error) {
	table, err := datasets.NASBench201()
	if err != nil {
		return GridTruth{}, err
	}
	codes := slices.Sorted(maps.Keys(table))
	values, err := gridAccuracies(data, codes)
	if err != nil {
		return GridTruth{}, err
	}
	t := GridTruth{Cells: len(values), Best: slices.Max(values)}
	t.BestCode = codes[slices.Index(values, t.Best)]
	for _, x := range values { // in the order of the codes, so that every machine rounds alike
		t.Mean += x / float64(len(values))
	}
	slices.Sort(values)
	for i := range t.Quartiles { // 15,624 is a multiple of 4: no two cells need to be interpolated
		t.Quartiles[i] = values[(len(values)-1)*(i+1)/4]
	}
	return t, nil
}
