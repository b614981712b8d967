package fairdarts

import (
	"cmp"
	"slices"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space/cells"
)

// Methods of Discretise.
const (
	// MethodDARTS keeps two edges a node whatever their weight, as DARTS does.
	MethodDARTS = "darts"
	// MethodSparse considers a node's two strongest edges and keeps an edge's strongest operation where its weight
	// reaches the threshold: the paper's rule.
	MethodSparse = "threshold_sparse"
	// MethodEdge considers every edge and keeps up to two operations of each, weaker first.
	MethodEdge = "threshold_edge"
)

// DefaultThreshold is the weight an operation must reach to be kept.
const DefaultThreshold = 0.85

// Discretise derives the cells from the weights (sigmoids), [14 edges][operations], edges ordered as in DARTS; method
// is one of the constants above. Under the threshold methods a node may end with no edge at all: then it is not in
// Concat, which is in order of first appearance, and a table in which nothing reaches the threshold derives a cell
// without nodes, which Validate refuses, for no network can be built of it.
//
// Edges from such a node to a later one stay in the genotype, as in the official code; the network leaves them out.
//
// An unknown method, tables of another shape, or NaN give the zero Genotype.
func Discretise(s cells.Space, normal, reduce [][]float64, method string, threshold float64) arch.Genotype {
	var derive func(cells.Table, int) []choice
	switch method {
	case MethodDARTS:
		return cells.Discretise(s, normal, reduce)
	case MethodSparse:
		derive = sparse
	case MethodEdge:
		derive = everyEdge
	default:
		return arch.Genotype{}
	}
	n, okN := cells.ReadTable(s.Normal, normal)
	r, okR := cells.ReadTable(s.Reduce, reduce)
	if !okN || !okR {
		return arch.Genotype{}
	}
	cell := func(t cells.Table) arch.Cell {
		var c arch.Cell
		for node := range t {
			for _, ch := range derive(t, node) {
				if ch.weight < threshold || ch.op == nn.None {
					continue
				}
				c.Edges = append(c.Edges, arch.Edge{Op: ch.op, From: ch.from, To: node + 2})
				if !slices.Contains(c.Concat, node+2) {
					c.Concat = append(c.Concat, node+2)
				}
			}
		}
		return c
	}
	return arch.Genotype{Style: arch.StyleThreshold, Normal: cell(n), Reduce: cell(r)}
}

// choice is an operation that a node would keep if it is heavy enough.
type choice struct {
	from   int
	op     string
	weight float64
}

func sparse(t cells.Table, node int) []choice {
	var out []choice
	for _, from := range t.Inputs(node) {
		e := t[node][from]
		out = append(out, choice{from, e.Ops[e.Op], e.Best})
	}
	return out
}

func everyEdge(t cells.Table, node int) []choice {
	var out []choice
	for from, e := range t[node] {
		ops := make([]choice, len(e.Weights))
		for k, w := range e.Weights {
			ops[k] = choice{from, e.Ops[k], w}
		}
		slices.SortStableFunc(ops, func(a, b choice) int { return cmp.Compare(a.weight, b.weight) })
		out = append(out, ops[max(0, len(ops)-2):]...)
	}
	return out
}
