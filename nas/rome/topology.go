package rome

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space/cells"
)

// topology is how the inputs of nodes are drawn: a table with a row for each node, β in the paper, whose columns are its
// edges or pairs of them.
type topology struct{ kind string }

// options are what can be drawn for a node (from 0): the states that each takes as inputs.
func (t topology) options(node int) (out [][]int) {
	for a := range node + 2 {
		if t.kind == Top2 {
			out = append(out, []int{a})
			continue
		}
		for b := range a {
			out = append(out, []int{b, a})
		}
	}
	return out
}

// tables are β of normal and of reduction cells.
func (t topology) tables(diff.Space) ([]diff.TableSpec, error) {
	var rows []string
	var columns [][]string
	for node := range arch.Nodes {
		rows = append(rows, fmt.Sprintf("node %d", node+2))
		var names []string
		for _, option := range t.options(node) {
			parts := make([]string, len(option))
			for i, from := range option {
				parts[i] = fmt.Sprint(from)
			}
			names = append(names, fmt.Sprintf("%s→%d", strings.Join(parts, ","), node+2))
		}
		columns = append(columns, names)
	}
	var out []diff.TableSpec
	for _, name := range []string{"normal_inputs", "reduce_inputs"} {
		out = append(out, diff.TableSpec{Name: name, Rows: rows, Ops: columns})
	}
	return out, nil
}

// width is the number of columns of β.
func (t topology) width() int { return len(t.options(arch.Nodes - 1)) }

// softmax is over the options of each node: x [4, options] to the same, 0 behind the end of a row.
func (t topology) softmax(x *graph.Node) *graph.Node {
	valid := make([]bool, 0, arch.Nodes*t.width())
	for node := range arch.Nodes {
		for k := range t.width() {
			valid = append(valid, k < len(t.options(node)))
		}
	}
	is := graph.Const(x.Graph(), tensors.FromFlatDataAndDimensions(valid, arch.Nodes, t.width()))
	return nn.SoftmaxRows(graph.Where(is, x, graph.AddScalar(graph.ZerosLike(x), -1e30)))
}

// relax makes probabilities of α and of β.
func (t topology) relax(table int, x *graph.Node, _ []*graph.Node) *graph.Node {
	if table < 2 {
		return nn.SoftmaxRows(x)
	}
	return t.softmax(x)
}

// takes is which edge is among the inputs of which option: [4·options, 14].
func (t topology) takes() []float64 {
	out := make([]float64, arch.Nodes*t.width()*cells.Edges)
	for node := range arch.Nodes {
		for k, option := range t.options(node) {
			for _, from := range option {
				out[(node*t.width()+k)*cells.Edges+cells.EdgeIndex(from, node+2)] = 1
			}
		}
	}
	return out
}

// choose draws the inputs of every node, and an operation of each of their edges.
func (t topology) choose(_ int, perturbed [][][]float64) diff.Choice {
	c := diff.OneEach(0, perturbed)
	active := make([]bool, cells.Edges)
	drawn := make([][]float64, arch.Nodes)
	for node, row := range perturbed[1] {
		drawn[node] = make([]float64, len(row))
		for _, k := range t.strongest(row) {
			drawn[node][k] = 1
			for _, from := range t.options(node)[k] {
				active[cells.EdgeIndex(from, node+2)] = true
			}
		}
	}
	for edge := range c.Ops {
		if !active[edge] {
			c.Ops[edge] = -1
		}
	}
	c.Masks = append(c.Masks, drawn)
	return c
}

// strongest are the numbers of a node's options that give it two inputs.
func (t topology) strongest(row []float64) []int {
	if t.kind == Pairs {
		return Largest(row, 1)
	}
	return Largest(row, 2)
}

// Largest are the numbers of the n largest of a row, or of all if it has fewer, larger first, of equals the lower first.
func Largest(row []float64, n int) []int {
	order := make([]int, len(row))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(row[b], row[a]) })
	return order[:min(n, len(row))]
}

// gates are the products of each edge's straight-through weights, of its operation and of the edge [14]: A_ij and B_ij in the
// paper. What was not drawn gets no gradient of its own, for it did not run.
func (t topology) gates(_ int, tables []diff.Drawn) []*graph.Node {
	gate, b := tables[0].Gate(), tables[1]
	hard := graph.Reshape(diff.StraightThrough(b.Mask, t.softmax(b.Tempered())), -1, 1)
	takes := graph.ConvertDType(graph.Const(hard.Graph(), tensors.FromFlatDataAndDimensions(t.takes(), arch.Nodes*t.width(), cells.Edges)), hard.DType())
	edges := graph.ReduceSum(graph.Mul(graph.BroadcastToDims(hard, takes.Shape().Dimensions...), takes), 0)
	return []*graph.Node{graph.Mul(gate, edges)}
}

// derive keeps of each node the most probable inputs, and of each the most probable operation other than none.
func (t topology) derive(s cells.Space, w [][][]float64) (arch.Genotype, string) {
	g := cells.Keep(s, w[0], w[1], func(cell int, _ cells.Table, node int) (inputs []int) {
		row := w[2+cell][node]
		for _, k := range t.strongest(row) {
			inputs = append(inputs, t.options(node)[k]...)
		}
		return inputs
	})
	return g, "the two most probable inputs of a node, and of each its most probable operation"
}
