package checks

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/gonum/stat/combin"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
	"github.com/gonas/gonas/repro/verdict"
)

var rome = map[string]check{
	"rome_best_accuracy":  value("100 less the printed error", func() (float64, error) { return complement("rome-t2-v2-best", "error") }),
	"rome_complements":    list(romeComplements),
	"rome_edges":          sure(romeEdges),
	"rome_epochs_1":       value("the epochs of K = 7 times 7", func() (float64, error) { return romeEpochs(1, 7) }),
	"rome_epochs_4":       value("the epochs of K = 1 over 4, whole epochs", func() (float64, error) { return romeEpochs(4, 1) }),
	"rome_epochs_7":       value("the epochs of K = 1 over 7", func() (float64, error) { return romeEpochs(7, 1) }),
	"rome_epochs_10":      value("the epochs of K = 1 over 10", func() (float64, error) { return romeEpochs(10, 1) }),
	"rome_k_epochs":       list(romeKEpochs),
	"rome_memory_gdas":    value("saving against GDAS's printed memory", func() (float64, error) { return romeSaving("GDAS") }),
	"rome_memory_pcdarts": value("saving against PC-DARTS's printed memory", func() (float64, error) { return romeSaving("PC-DARTS, M = 4") }),
}

// romeBudget is K times the printed epochs of Table 5, which is to be the same for every K.
func romeBudget(k int) (float64, error) {
	epochs, err := printed("rome-t5-K", fmt.Sprintf("K = %d, epochs", k))
	return float64(k) * epochs, err
}

// romeEpochs are the whole epochs that k draws have in the budget of another number of draws.
func romeEpochs(k, other int) (float64, error) {
	budget, err := romeBudget(other)
	return math.Floor(budget / float64(k)), err
}

func romeKEpochs() ([]verdict.Check, error) {
	want, err := romeBudget(1)
	if err != nil {
		return nil, err
	}
	var out []verdict.Check
	for _, k := range []int{4, 7, 10} {
		got, err := romeBudget(k)
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: fmt.Sprintf("epochs of K = %d times K", k), Got: got, Want: strconv.FormatFloat(want, 'f', 0, 64)})
	}
	return out, nil
}

// romeSaving is by how many percent the printed memory of ROME lies below another's.
func romeSaving(other string) (float64, error) {
	own, err := printed("rome-t7-memory", "ROME")
	if err != nil {
		return 0, err
	}
	theirs, err := printed("rome-t7-memory", other)
	return 100 * (1 - own/theirs), err
}

// romeComplements compares errors of one table with accuracies of another.
func romeComplements() ([]verdict.Check, error) {
	got, err := complement("rome-t2-v2-avg", "error")
	if err != nil {
		return nil, err
	}
	var out []verdict.Check
	for _, at := range [][2]string{{"rome-gdas-collapse", "ROME"}, {"rome-t5-K", "K = 7, accuracy"}, {"rome-t6-ablation", "all"}} {
		want, err := printed(at[0], at[1])
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: "100 less the error of Table 2 against " + at[0], Got: got, Want: fmt.Sprintf("%.2f", want)})
	}
	return out, nil
}

// romeEdges derives a cell from every choice of a pair of inputs for each node.
func romeEdges() []verdict.Check {
	pairs := func(node int) [][]int { return combin.Combinations(node, 2) }
	out := []verdict.Check{{Name: "edges of a cell", Got: cells.Edges, Want: "14"}}
	choices := 1
	for i, want := range []string{"1", "3", "6", "10"} {
		// A node's rows in a table end where the next node's begin.
		inputs := cells.EdgeIndex(0, i+3) - cells.EdgeIndex(0, i+2)
		out = append(out, verdict.Check{Name: fmt.Sprintf("pairs of inputs of node %d", i+2), Got: float64(len(pairs(inputs))), Want: want})
		choices *= len(pairs(inputs))
	}
	wrong, least, most := 0, cells.Edges, 0
	s := cells.Uniform(space.DARTSPrimitives)
	for c := range choices {
		weights := make([][]float64, cells.Edges)
		for row := range weights {
			weights[row] = make([]float64, len(space.DARTSPrimitives))
		}
		chosen := map[arch.Edge]bool{}
		for node, rest := 2, c; node < 2+arch.Nodes; node++ {
			list := pairs(node)
			for _, from := range list[rest%len(list)] {
				op := 1 + len(chosen)%(len(space.DARTSPrimitives)-1) // all but none, one after the other
				weights[cells.EdgeIndex(from, node)][op] = 1
				chosen[arch.Edge{Op: space.DARTSPrimitives[op], From: from, To: node}] = true
			}
			rest /= len(list)
		}
		cell := cells.Discretise(s, weights, weights).Normal
		for node := 2; node < 2+arch.Nodes; node++ {
			into := slices.DeleteFunc(slices.Clone(cell.Edges), func(e arch.Edge) bool { return e.To != node || !chosen[e] })
			if len(into) != 2 {
				wrong++
			}
		}
		least, most = min(least, len(cell.Edges)), max(most, len(cell.Edges))
	}
	return append(out,
		verdict.Check{Name: "choices of pairs", Got: float64(choices), Want: "180"},
		verdict.Check{Name: "nodes without the two inputs chosen, over all choices", Got: float64(wrong), Want: "0"},
		verdict.Check{Name: "fewest active edges", Got: float64(least), Want: "8"},
		verdict.Check{Name: "most active edges", Got: float64(most), Want: "8"})
}
