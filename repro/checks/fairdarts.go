package checks

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space/cells"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var fairDARTS = map[string]check{
	"fairdarts_loss_algebra":   list(fairDARTSAlgebra),
	"fairdarts_mean_accuracy":  list(func() ([]verdict.Check, error) { return fairDARTSMean("accuracy", "97.46", "0.049") }),
	"fairdarts_mean_macs":      list(func() ([]verdict.Check, error) { return fairDARTSMean("multiply-adds", "457.85", "") }),
	"fairdarts_mean_params":    list(func() ([]verdict.Check, error) { return fairDARTSMean("parameters", "3.32", "") }),
	"fairdarts_one_convention": list(fairDARTSConvention),
	"fairdarts_parse":          list(fairDARTSParse),
}

// fairDARTSMean is the mean of a printed column of the networks a to g and, where it is wanted, the standard deviation.
func fairDARTSMean(part, mean, deviation string) ([]verdict.Check, error) {
	x, err := printedOf([]string{"fd-a", "fd-b", "fd-c", "fd-d", "fd-e", "fd-f", "fd-g"}, part)
	if err != nil {
		return nil, err
	}
	out := []verdict.Check{{Name: "mean", Got: stat.Mean(x, nil), Want: mean}}
	if deviation != "" {
		out = append(out, verdict.Check{Name: "population standard deviation", Got: stat.PopStdDev(x, nil), Want: deviation})
	}
	return out, nil
}

func fairDARTSConvention() ([]verdict.Check, error) {
	var columns []column
	for _, letter := range "abcdefg" {
		columns = append(columns, column{"fd-" + string(letter), "parameters", "fairdarts-" + string(letter)})
	}
	for part, network := range map[string]string{"DARTS_V2 parameters": "darts-v2", "PC_DARTS parameters": "pcdarts", "P_DARTS parameters": "pdarts"} {
		columns = append(columns, column{"fd-baselines", part, network})
	}
	best, err := bestConvention(columns, []string{zoo.ConventionAll, zoo.ConventionWithoutHead})
	return []verdict.Check{{Name: "networks whose parameters one rule about the auxiliary head fits", Got: float64(best), Want: strconv.Itoa(len(columns))}}, err
}

// operationsAnEdge is the number of columns of FairDARTS's tables.
var operationsAnEdge = len(fairdarts.DefaultConfig().Primitives)

// penalty is the zero-one loss that the search of a configuration adds, with its gradient; alphas are both tables of
// parameters, one behind the other.
func penalty(c fairdarts.Config, alphas []float64) (loss float64, gradient []float64, err error) {
	e, err := exactEngine()
	if err != nil {
		return 0, nil, err
	}
	search := fairdarts.Search(&c)
	half := len(alphas) / 2
	normal, reduce := e.Tensor(alphas[:half], cells.Edges, operationsAnEdge), e.Tensor(alphas[half:], cells.Edges, operationsAnEdge)
	out, err := e.Evaluate(fmt.Sprintf("penalty|%s|%g", c.ZeroOneForm, c.ZeroOneWeight), func(in []*graph.Node) []*graph.Node {
		y := search.Penalty(in)
		return append([]*graph.Node{y}, graph.Gradient(y, in...)...)
	}, normal, reduce)
	if err != nil {
		return 0, nil, err
	}
	var all []float64
	for _, t := range out {
		v, err := engine.Values(t)
		if err != nil {
			return 0, nil, err
		}
		all = append(all, v...)
	}
	return all[0], all[1:], run.Finalize(append(out, normal, reduce)...)
}

// relaxed are the weights that a method makes of a table of parameters.
func relaxed(m diff.Method, table [][]float64) ([][]float64, error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	columns := len(table[0])
	in := e.Tensor(slices.Concat(table...), len(table), columns)
	out, err := e.Evaluate("relaxation|"+m.Name, func(in []*graph.Node) []*graph.Node { return []*graph.Node{m.Relax(0, in[0], nil)} }, in)
	if err != nil {
		return nil, err
	}
	v, err := engine.Values(out[0])
	if err != nil {
		return nil, err
	}
	return slices.Collect(slices.Chunk(v, columns)), run.Finalize(in, out[0])
}

// unweighted is the search with the zero-one loss in a form, times 1.
func unweighted(form fairdarts.Form) fairdarts.Config {
	c := fairdarts.DefaultConfig()
	c.ZeroOneForm, c.ZeroOneWeight = form, 1
	return c
}

// fairDARTSAlgebra checks the paper's algebra on the functions that the searches run.
func fairDARTSAlgebra() ([]verdict.Check, error) {
	reference := slices.Concat(golden.Input("alphas_normal", []int{cells.Edges, operationsAnEdge}), golden.Input("alphas_reduce", []int{cells.Edges, operationsAnEdge}))
	half, ends, mixed := make([]float64, len(reference)), make([]float64, len(reference)), slices.Clone(reference)
	for i := range ends {
		ends[i] = 800 * float64(1-2*(i%2)) // a sigmoid of exactly 1 or 0
		mixed[i] *= 4                      // sigmoids from 0.02 to 0.98
	}
	l2, l1 := unweighted(fairdarts.L2), unweighted(fairdarts.L1)
	var out []verdict.Check
	for _, c := range []struct {
		name   string
		config fairdarts.Config
		alphas []float64
		loss   string
		// flat asks for a gradient of 0 beside the loss.
		flat string
	}{
		{"loss where every sigmoid is 1/2", l2, half, "0", "gradient where every sigmoid is 1/2"},
		{"loss where every sigmoid is 0 or 1", l2, ends, "-0.25", "gradient where every sigmoid is 0 or 1"},
		{"the same with the default weight", fairdarts.DefaultConfig(), ends, "-2.5", ""},
		{"L1 loss where every sigmoid is 1/2", l1, half, "0", ""},
		{"L1 loss where every sigmoid is 0 or 1", l1, ends, "-0.5", ""},
		{"loss of the reference tables", l2, reference, "-0.0184335411", ""},
		{"L1 loss of the reference tables", l1, reference, "-0.116412322", ""},
	} {
		loss, gradient, err := penalty(c.config, c.alphas)
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: c.name, Got: loss, Want: c.loss})
		if c.flat != "" {
			out = append(out, verdict.Check{Name: c.flat, Got: largest(gradient), Want: "0"})
		}
	}
	for _, c := range []struct {
		config   fairdarts.Config
		formula  string
		numbers  string
		gradient func(s float64) float64
	}{
		{l2, "gradient against -(2/N)(s-1/2)s(1-s), largest error", "gradient against differences, largest error", func(s float64) float64 { return 2 * (s - 0.5) }},
		{l1, "L1 gradient against -(1/N)sign(s-1/2)s(1-s), largest error", "L1 gradient against differences, largest error", func(s float64) float64 { return math.Copysign(1, s-0.5) }},
	} {
		_, gradient, err := penalty(c.config, mixed)
		if err != nil {
			return nil, err
		}
		differences, err := centralDifferences(c.config, mixed)
		if err != nil {
			return nil, err
		}
		byFormula := make([]float64, len(mixed))
		for i, a := range mixed {
			s := 1 / (1 + math.Exp(-a))
			byFormula[i] = -c.gradient(s) * s * (1 - s) / float64(len(mixed))
		}
		out = append(out,
			verdict.Check{Name: c.formula, Got: largest(less(gradient, byFormula)), Want: "0"},
			verdict.Check{Name: c.numbers, Got: largest(less(gradient, differences)), Want: "0"})
	}
	config := fairdarts.DefaultConfig()
	sigmoid, err := couplings(fairdarts.Search(&config), func(_, _ float64) float64 { return 0 })
	if err != nil {
		return nil, err
	}
	softmax, err := couplings(diff.DARTS(), func(p, q float64) float64 { return -p * q })
	return append(out,
		verdict.Check{Name: "a sigmoid's move with another's parameter", Got: sigmoid, Want: "0"},
		verdict.Check{Name: "a softmax weight's move against -p_i p_j, largest error", Got: softmax, Want: "0"}), err
}

func less(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

// step is for central differences: their error is about step², and rounding's about 1e-16/step.
const step = 1e-5

// centralDifferences are those of the loss by each parameter.
func centralDifferences(c fairdarts.Config, alphas []float64) ([]float64, error) {
	out, moved := make([]float64, len(alphas)), slices.Clone(alphas)
	for i, a := range alphas {
		for _, by := range []float64{step, -step} {
			moved[i] = a + by
			loss, _, err := penalty(c, moved)
			if err != nil {
				return nil, err
			}
			out[i] += loss / (2 * by)
		}
		moved[i] = a
	}
	return out, nil
}

// couplings are how far a weight's move with the parameter of another operation of its edge is from the formula in the two
// weights, at most.
func couplings(m diff.Method, formula func(p, q float64) float64) (float64, error) {
	table := golden.Table("alphas_normal", cells.Edges, operationsAnEdge)
	weights, err := relaxed(m, table)
	if err != nil {
		return 0, err
	}
	worst := 0.0
	for j := range operationsAnEdge {
		moves, err := moved(m, table, j)
		if err != nil {
			return 0, err
		}
		for row, p := range weights {
			for i := range p {
				if i != j {
					worst = math.Max(worst, math.Abs(moves[row][i]-formula(p[i], p[j])))
				}
			}
		}
	}
	return worst, nil
}

// moved is the derivative of every weight with respect to its edge's parameter j.
func moved(m diff.Method, table [][]float64, j int) ([][]float64, error) {
	out := make([][]float64, len(table))
	for _, by := range []float64{step, -step} {
		shifted := make([][]float64, len(table))
		for row := range table {
			shifted[row] = slices.Clone(table[row])
			shifted[row][j] += by
		}
		weights, err := relaxed(m, shifted)
		if err != nil {
			return nil, err
		}
		for row, p := range weights {
			if out[row] == nil {
				out[row] = make([]float64, len(p))
			}
			for i := range p {
				out[row][i] += p[i] / (2 * by)
			}
		}
	}
	return out, nil
}

// fairDARTSParse counts the edges that differ from the official code's derivations.
func fairDARTSParse() ([]verdict.Check, error) {
	cases, err := golden.FairDARTSParse()
	if err != nil {
		return nil, err
	}
	config := fairdarts.DefaultConfig()
	search := fairdarts.Search(&config)
	var out []verdict.Check
	for _, c := range cases {
		var tables [][][]float64
		for _, name := range []string{"alphas_normal", "alphas_reduce"} {
			table := golden.Table(name, cells.Edges, len(c.Primitives))
			for _, row := range table {
				for k := range row {
					row[k] *= c.Scale
				}
			}
			weights, err := relaxed(search, table)
			if err != nil {
				return nil, err
			}
			tables = append(tables, weights)
		}
		g := fairdarts.Discretise(cells.Uniform(c.Primitives), tables[0], tables[1], c.Method, c.Threshold)
		out = append(out, verdict.Check{
			Name: c.Name + ", edges that differ",
			Got:  float64(differ(g.Normal.Edges, c.WantNormal) + differ(g.Reduce.Edges, c.WantReduce)),
			Want: "0",
		})
	}
	return out, nil
}

// differ counts the places where two lists of edges differ, missing ones included.
func differ(a, b []arch.Edge) int {
	n := max(len(a), len(b)) - min(len(a), len(b))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
