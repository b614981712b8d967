package darts

import (
	"cmp"
	"math"
	"slices"

	"github.com/gonas/gonas/nas/arch"
)

// None is the primitive that stands for no connection: it takes part in the relaxation and is never derived.
const None = "none"

// edgesOfCell is the number of edges of a cell in which every node takes all states before it.
const edgesOfCell = arch.Nodes * (arch.Nodes + 3) / 2

// Discretise derives the cells from the relaxation's weights, [14 edges][primitives], edges in the order node 2 from
// 0, 1; node 3 from 0, 1, 2; and so on. A node keeps the two edges whose strongest operation other than none weighs
// most, heavier edge first, and on each that operation; of equals the first wins.
//
// Tables of another shape, or that hold NaN, give the zero Genotype, which Validate refuses.
func Discretise(primitives []string, normal, reduce [][]float64) arch.Genotype {
	n, okN := ReadTable(primitives, normal)
	r, okR := ReadTable(primitives, reduce)
	if !okN || !okR {
		return arch.Genotype{}
	}
	return arch.Genotype{Style: arch.StyleDARTS, Normal: twoStrongest(primitives, n), Reduce: twoStrongest(primitives, r)}
}

func twoStrongest(primitives []string, t Table) arch.Cell {
	var c arch.Cell
	for node := range arch.Nodes {
		for _, from := range t.Inputs(node) {
			c.Edges = append(c.Edges, arch.Edge{Op: primitives[t[node][from].Op], From: from, To: node + 2})
		}
		c.Concat = append(c.Concat, node+2)
	}
	return c
}

// EdgeWeights are one edge's weights and its strongest operation other than none.
type EdgeWeights struct {
	Weights []float64
	// Op is the index of the strongest primitive, Best its weight.
	Op   int
	Best float64
}

// Table is a cell's weights by node (from 0) and state that the edge comes from.
type Table [arch.Nodes][]EdgeWeights

// ReadTable splits weights [14 edges][primitives] by node. It is false for any other shape, for NaN, and where none is
// the only primitive.
func ReadTable(primitives []string, weights [][]float64) (Table, bool) {
	var t Table
	if len(weights) != edgesOfCell {
		return t, false
	}
	for node := range t {
		for range node + 2 {
			e := EdgeWeights{Weights: weights[0], Op: -1}
			weights = weights[1:]
			if len(e.Weights) != len(primitives) {
				return t, false
			}
			for k, w := range e.Weights {
				if math.IsNaN(w) {
					return t, false
				}
				if primitives[k] != None && (e.Op < 0 || w > e.Best) {
					e.Op, e.Best = k, w
				}
			}
			if e.Op < 0 {
				return t, false
			}
			t[node] = append(t[node], e)
		}
	}
	return t, true
}

// Inputs are the two states whose edges into node (from 0) weigh most, heavier first, of equals the lower first.
func (t Table) Inputs(node int) []int {
	from := make([]int, len(t[node]))
	for i := range from {
		from[i] = i
	}
	slices.SortStableFunc(from, func(a, b int) int { return cmp.Compare(t[node][b].Best, t[node][a].Best) })
	return from[:2]
}

// Softmax turns one edge's parameters into its weights.
func Softmax(alphas []float64) []float64 {
	out := make([]float64, len(alphas))
	if len(alphas) == 0 {
		return out
	}
	top, sum := slices.Max(alphas), 0.0
	for i, a := range alphas {
		out[i] = math.Exp(a - top)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
