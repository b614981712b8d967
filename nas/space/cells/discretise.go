package cells

import (
	"cmp"
	"math"
	"slices"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// Discretise derives the cells of a space from the relaxation's weights, [14 edges][operations], edges in the order node
// 2 from 0, 1; node 3 from 0, 1, 2; and so on. A node keeps the two edges whose strongest operation other than none
// weighs most, heavier edge first, and on each that operation; of equals the first wins.
//
// Tables of another shape, or that hold NaN, give the zero Genotype, which Validate refuses.
func Discretise(s Space, normal, reduce [][]float64) arch.Genotype {
	return Keep(s, normal, reduce, func(_ int, t Table, node int) []int { return t.Inputs(node) })
}

// Keep derives cells of which inputs says the states whose edges a node (from 0) of cell 0, the normal one, or 1 keeps, each
// edge with its strongest operation other than none. Tables are those of [Discretise].
func Keep(s Space, normal, reduce [][]float64, inputs func(cell int, t Table, node int) []int) arch.Genotype {
	n, okN := ReadTable(s.Normal, normal)
	r, okR := ReadTable(s.Reduce, reduce)
	if !okN || !okR {
		return arch.Genotype{}
	}
	return arch.Genotype{Style: arch.StyleDARTS, Normal: keep(n, 0, inputs), Reduce: keep(r, 1, inputs)}
}

func keep(t Table, cell int, inputs func(cell int, t Table, node int) []int) arch.Cell {
	var c arch.Cell
	for node := range arch.Nodes {
		for _, from := range inputs(cell, t, node) {
			e := t[node][from]
			c.Edges = append(c.Edges, arch.Edge{Op: e.Ops[e.Op], From: from, To: node + 2})
		}
		c.Concat = append(c.Concat, node+2)
	}
	return c
}

// EdgeWeights are one edge's operations with their weights, and the strongest one other than none.
type EdgeWeights struct {
	Ops     []string
	Weights []float64
	// Op is the index of the strongest operation, Best its weight.
	Op   int
	Best float64
}

// Table is a cell's weights by node (from 0) and state that the edge comes from.
type Table [arch.Nodes][]EdgeWeights

// ReadTable splits weights [14 edges][operations] by node; ops are the operations of each edge. It is false for any other
// shape, for NaN, and where none is an edge's only operation.
func ReadTable(ops [][]string, weights [][]float64) (Table, bool) {
	var t Table
	if len(weights) != Edges || len(ops) != Edges {
		return t, false
	}
	for node := range t {
		for range node + 2 {
			e := EdgeWeights{Ops: ops[0], Weights: weights[0], Op: -1}
			ops, weights = ops[1:], weights[1:]
			if len(e.Weights) != len(e.Ops) {
				return t, false
			}
			for k, w := range e.Weights {
				if math.IsNaN(w) {
					return t, false
				}
				if e.Ops[k] != nn.None && (e.Op < 0 || w > e.Best) {
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
