package checks

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/combin"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/gdas"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rome"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
	"github.com/gonas/gonas/repro/verdict"
)

var romeChecks = map[string]check{
	"rome_best_accuracy":  value("100 less the printed error", func() (float64, error) { return complement("rome-t2-v2-best", "error") }),
	"rome_complements":    list(romeComplements),
	"rome_edges":          sure(romeEdges),
	"rome_epochs_1":       value("the epochs of K = 7 times 7", func() (float64, error) { return romeEpochs(1, 7) }),
	"rome_epochs_4":       value("the epochs of K = 1 over 4, whole epochs", func() (float64, error) { return romeEpochs(4, 1) }),
	"rome_epochs_7":       value("the epochs of K = 1 over 7", func() (float64, error) { return romeEpochs(7, 1) }),
	"rome_epochs_10":      value("the epochs of K = 1 over 10", func() (float64, error) { return romeEpochs(10, 1) }),
	"rome_k_epochs":       list(romeKEpochs),
	"rome_k_mean":         list(romeKMean),
	"rome_memory_order":   list(romeMemoryOrder),
	"rome_top2":           sure(romeTop2),
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
	out = append(out, romeDraws()...)
	return append(out,
		verdict.Check{Name: "choices of pairs", Got: float64(choices), Want: "180"},
		verdict.Check{Name: "nodes without the two inputs chosen, over all choices", Got: float64(wrong), Want: "0"},
		verdict.Check{Name: "fewest active edges", Got: float64(least), Want: "8"},
		verdict.Check{Name: "most active edges", Got: float64(most), Want: "8"})
}

// romeDraws draws networks as both versions of the search do, and counts their edges.
func romeDraws() []verdict.Check {
	const draws = 1000
	var out []verdict.Check
	for _, version := range []struct{ name, topology string }{{"V1", rome.Pairs}, {"V2", rome.Top2}} {
		c := rome.DefaultConfig()
		c.Topology = version.topology
		m := rome.Search(&c)
		tables, _ := m.Also(nil) // the same for every space
		r := rand.New(rand.NewPCG(1, 4))
		wrong, least, most := 0, cells.Edges, 0
		for range draws {
			beta := make([][]float64, arch.Nodes)
			for node, options := range tables[0].Ops {
				beta[node] = diff.Gumbel(r, 1, len(options))[0]
			}
			ops := m.Sample.Choose(0, [][][]float64{diff.Gumbel(r, cells.Edges, len(c.Primitives)), beta}).Ops
			active := 0
			for node := 2; node < 2+arch.Nodes; node++ {
				into := 0
				for from := range node {
					if ops[cells.EdgeIndex(from, node)] >= 0 {
						into++
					}
				}
				if active += into; into != 2 {
					wrong++
				}
			}
			least, most = min(least, active), max(most, active)
		}
		out = append(out, verdict.Check{Name: fmt.Sprintf("%s: nodes without two inputs in %d draws", version.name, draws), Got: float64(wrong), Want: "0"},
			verdict.Check{Name: version.name + ": fewest active edges", Got: float64(least), Want: "8"},
			verdict.Check{Name: version.name + ": most active edges", Got: float64(most), Want: "8"})
	}
	return out
}

// romeTop2 draws two of four edges by the search's own noise, beside the closed form.
func romeTop2() []verdict.Check {
	p := []float64{0.5, 0.3, 0.15, 0.05}
	closed := rome.Inclusion(p)
	const draws = 1_000_000
	seen := make([]float64, len(p))
	r := rand.New(rand.NewPCG(2011, 11233))
	for range draws {
		noise := diff.Gumbel(r, 1, len(p))[0]
		for i := range noise {
			noise[i] += math.Log(p[i])
		}
		for _, k := range rome.Largest(noise, 2) {
			seen[k]++
		}
	}
	var out []verdict.Check
	sum := 0.0
	for i, c := range closed {
		sum += c
		out = append(out, verdict.Check{Name: fmt.Sprintf("share of draws with the edge of probability %g", p[i]), Got: seen[i] / draws, Want: strconv.FormatFloat(c, 'f', 6, 64)})
	}
	return append(out, verdict.Check{Name: "sum of the closed form", Got: sum, Want: "2"})
}

// romeKMean is the variance of the search's own mean of K gradients of α and β, over that of one, times K, on a small frozen
// supernet and one batch.
func romeKMean() ([]verdict.Check, error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	e = engine.New(e.Backend())
	single, err := romeVariance(e, 1)
	if err != nil {
		return nil, err
	}
	of, err := romeVariance(e, romeK)
	return []verdict.Check{{Name: fmt.Sprintf("variance of the mean of %d gradients, times %d, over that of one", romeK, romeK), Got: romeK * of / single, Want: "1"}}, err
}

// romeK are the draws of [romeKMean], romeMeans the means of each kind.
const romeK, romeMeans = 3, 120

// romeVariance is the variance of the mean of k gradients, summed over all parameters.
func romeVariance(e *engine.Engine, k int) (sum float64, err error) {
	c := rome.DefaultConfig()
	c.Size.Cells, c.Size.Channels, c.Image, c.Batch = 1, 4, 8, 4
	c.Epochs, c.StepsPerEpoch, c.Temperature.First = 1, romeMeans, 1
	c.Primitives, c.Draws = []string{nn.SkipConnect, nn.MaxPool3x3, nn.DilConv3x3}, rome.Draws{Weights: 1, Architecture: k}
	s, err := diff.NewStepper(e, c.Config, rome.Search(&c))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	dims := []int{c.Batch, c.Image, c.Image, c.Size.InputChannels}
	batch := run.Batch{X: e.Tensor(golden.Input("images", dims), dims...), Y: tensors.FromFlatDataAndDimensions([]int32{3, 7, 1, 0}, c.Batch)}
	defer func() { err = errors.Join(err, run.Finalize(batch.X, batch.Y)) }()
	var seen [][]float64 // by parameter, those of all tables in turn
	for step := range romeMeans {
		tables, err := s.ParameterGradients(run.Position{Step: step, Epochs: 1, Steps: romeMeans}, batch)
		if err != nil {
			return 0, err
		}
		flat := slices.Concat(tables...)
		if seen == nil {
			seen = make([][]float64, len(flat))
		}
		for i, g := range flat {
			seen[i] = append(seen[i], g)
		}
	}
	for _, list := range seen {
		sum += stat.Variance(list, nil)
	}
	return sum, nil
}

// romeMemoryOrder counts what a step on the published supernet keeps for its backward pass, in the three searches.
func romeMemoryOrder() ([]verdict.Check, error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	e = engine.New(e.Backend()) // the bytes are those of float32
	of := map[string]engine.Memory{}
	ofDARTS, ofGDAS, ofROME := darts.DefaultConfig(), gdas.DefaultConfig(), rome.DefaultConfig()
	for name, s := range map[string]struct {
		config diff.Config
		method diff.Method
	}{"DARTS": {ofDARTS.Config, darts.Search(&ofDARTS)}, "GDAS": {ofGDAS.Config, gdas.Search(&ofGDAS)}, "ROME": {ofROME.Config, rome.Search(&ofROME)}} {
		if of[name], err = diff.Memory(e, s.config, s.method); err != nil {
			return nil, err
		}
	}
	var out []verdict.Check
	for _, pair := range [][2]string{{"ROME", "GDAS"}, {"GDAS", "DARTS"}} {
		less, more := of[pair[0]].Kept, of[pair[1]].Kept
		below := 0.0
		if less < more {
			below = 1
		}
		out = append(out, verdict.Check{Name: fmt.Sprintf("%s keeps %d bytes, less than %s's %d", pair[0], less, pair[1], more), Got: below, Want: "1"})
	}
	return out, nil
}
