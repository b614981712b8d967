package space

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// NASBench201Name is the name of the space of NAS-Bench-201 (2001.00326), GridTable that of the table of its parameters.
const (
	NASBench201Name = "nasbench201"
	GridTable       = "cell"
)

// GridStages is the number of stages of a network of NAS-Bench-201, gridNodes that of a cell's nodes, its input among them.
const (
	GridStages = 3
	gridNodes  = 4
)

// gridEdges are the edges of a NAS-Bench-201 cell in the order of arch.Grid.Cell.
var gridEdges = [6][2]int{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}

// gridCell is a cell of NAS-Bench-201 on channels, with the names of its official code: edge from→to is
// layers.i in the order of [gridEdges]. [batch, height, width, channels] to the same.
func gridCell(ops [6]string, channels int) nn.Module {
	var children []nn.Child
	modules := map[int]nn.Module{}
	for i, op := range ops {
		switch op {
		case "nor_conv_1x1":
			modules[i] = nn.ReLUConvNorm(channels, channels, 1, 1)
		case "nor_conv_3x3":
			modules[i] = nn.ReLUConvNorm(channels, channels, 3, 1)
		case "avg_pool_3x3":
			modules[i] = nn.GridPool()
		default:
			continue
		}
		children = append(children, nn.Child{Name: fmt.Sprintf("layers.%d", i), Module: modules[i]})
	}
	add, zero := nn.Sum(), nn.Zero()
	return nn.NewComposite(fmt.Sprintf("grid_cell|%v|%d", ops, channels), nn.Cell, children, func(e nn.Env, in []nn.Value) []nn.Value {
		states := [4]*nn.Value{0: &in[0]}
		for to := 1; to < 4; to++ {
			var parts []nn.Value
			for i, edge := range gridEdges {
				if edge[1] != to || ops[i] == "none" || states[edge[0]] == nil {
					continue
				}
				x := *states[edge[0]]
				if m := modules[i]; m != nil {
					x = nn.Call1(e, fmt.Sprintf("layers.%d", i), m, x)
				}
				parts = append(parts, x)
			}
			switch len(parts) {
			case 0: // a node without edges is zero, which an operation may still turn into its batch norm's bias
				v := nn.Call1(e, "", zero, in[0])
				states[to] = &v
			case 1:
				states[to] = &parts[0]
			default:
				v := nn.Call1(e, "", add, parts...)
				states[to] = &v
			}
		}
		return []nn.Value{*states[3]}
	})
}

// gridBody are the parts of a network of NAS-Bench-201: 3×3 stem, three stages of cells with a residual reduction between
// them, batch norm, ReLU, pool, linear.
type gridBody struct {
	stem, norm, head nn.Module
	// parts are cells and reductions in turn; isCell tells which.
	parts  []nn.Child
	isCell []bool
}

// newGridBody makes cells by their channels.
func newGridBody(size Size, cell func(channels int) (nn.Module, error)) (gridBody, error) {
	b := gridBody{stem: nn.Stem(size.InputChannels, size.Channels)}
	add := func(m nn.Module, isCell bool) {
		b.parts = append(b.parts, nn.Child{Name: fmt.Sprintf("cells.%d", len(b.parts)), Module: m})
		b.isCell = append(b.isCell, isCell)
	}
	channels := size.Channels
	for stage := range GridStages {
		if stage > 0 {
			add(nn.GridReduction(channels, 2*channels), false)
			channels *= 2
		}
		m, err := cell(channels)
		if err != nil {
			return b, err
		}
		for range size.Cells {
			add(m, true)
		}
	}
	b.head = nn.Classifier(channels, size.Classes)
	var err error
	b.norm, err = nn.NormAct("lastact.0", channels, "relu")
	return b, err
}

func (b gridBody) children() []nn.Child {
	return slices.Concat([]nn.Child{{Name: "stem", Module: b.stem}}, b.parts, []nn.Child{{Module: b.norm}, {Module: b.head}})
}

// run takes images to logits, the results of the stem and of all parts; further are what cell i takes beside its input.
func (b gridBody) run(e nn.Env, images nn.Value, further func(i int) []nn.Value) (logits nn.Value, taps []nn.Value) {
	x := nn.Call1(e, "stem", b.stem, images)
	taps = []nn.Value{x}
	cell := 0
	for i, p := range b.parts {
		in := []nn.Value{x}
		if b.isCell[i] {
			in = append(in, further(cell)...)
			cell++
		}
		x = nn.Call1(e, p.Name, p.Module, in...)
		taps = append(taps, x)
	}
	return nn.Call1(e, "", b.head, nn.Call1(e, "", b.norm, x)), taps
}

// grid builds a network of NAS-Bench-201.
func grid(a arch.Network, o NetworkOptions) (nn.Module, error) {
	g := a.Grid
	b, err := newGridBody(Size{Cells: g.Cells, Channels: g.Channels, Classes: a.Classes, InputChannels: a.Input[2]}, func(channels int) (nn.Module, error) {
		return gridCell(g.Cell, channels), nil
	})
	if err != nil {
		return nil, err
	}
	return nn.NewComposite(fmt.Sprintf("grid|%v|%s|%d|%d|%d|%+v", a.Input, strings.Join(g.Cell[:], ","), g.Cells, g.Channels, a.Classes, o), nn.Network, b.children(),
		func(e nn.Env, in []nn.Value) []nn.Value {
			logits, taps := b.run(e, in[0], func(int) []nn.Value { return nil })
			if o.Taps {
				return append([]nn.Value{logits}, taps...)
			}
			return []nn.Value{logits}
		}), nil
}

// gridSearchCell is a cell of the supernet: x [batch, height, width, channels], then for each table and each input with a
// row for every edge the 6 rows, then what all edges share, to the same as x. A node is the sum of its edges, and the
// last one is the cell's output. Edge from→to is edges.to<-from, as in the official code.
func gridSearchCell(takes SupernetInputs, edge EdgeFunc, channels int) (nn.Module, error) {
	var children []nn.Child
	edges := make([]nn.Child, len(gridEdges))
	signature := fmt.Sprintf("grid_search_cell|%+v|%d", takes, channels)
	for row, ends := range gridEdges {
		m, err := edge(EdgeAt{Row: row, Channels: channels, Stride: 1})
		if err != nil {
			return nil, err
		}
		if signature += "|"; m == nil {
			continue
		}
		edges[row] = nn.Child{Name: fmt.Sprintf("edges.%d<-%d", ends[1], ends[0]), Module: m}
		children = append(children, edges[row])
		signature += m.Signature()
	}
	empty := emptyNode(false)
	return nn.NewComposite(signature, nn.Cell, children, func(e nn.Env, in []nn.Value) []nn.Value {
		cut := 1 + (takes.Tables+takes.PerEdge)*len(gridEdges)
		states, rows, shared := []nn.Value{in[0]}, in[1:cut], in[cut:]
		for to := 1; to < gridNodes; to++ {
			var parts []nn.Value
			for k, ends := range gridEdges {
				if ends[1] != to || edges[k].Module == nil {
					continue
				}
				edgeIn := []nn.Value{states[ends[0]]}
				for i := k; i < len(rows); i += len(gridEdges) {
					edgeIn = append(edgeIn, rows[i])
				}
				parts = append(parts, nn.Call1(e, edges[k].Name, edges[k].Module, append(edgeIn, shared...)...))
			}
			states = append(states, sumOf(e, parts, empty, in[0], rows[to-1]))
		}
		return states[gridNodes-1:]
	}), nil
}

// GridSupernet is the supernet of NAS-Bench-201 with the names of the official code, but for the operations of an edge,
// which are named as in DARTS's (_ops.k where that has k). Inputs: images [batch, height, width, channels], the tables
// [6, ...], which all cells share, then the inputs with a row for every edge of every cell and those that all share.
// Output: logits [batch, classes].
func GridSupernet(size Size, takes SupernetInputs, edge EdgeFunc) (nn.Module, error) {
	if err := size.Validate(); err != nil {
		return nil, err
	}
	signature := fmt.Sprintf("grid_supernet|%+v|%+v", size, takes)
	b, err := newGridBody(size, func(channels int) (nn.Module, error) {
		m, err := gridSearchCell(takes, edge, channels)
		if err == nil {
			signature += "|" + m.Signature()
		}
		return m, err
	})
	if err != nil {
		return nil, err
	}
	cut := nn.Rows()
	return nn.NewComposite(short(signature), nn.Network, b.children(), func(e nn.Env, in []nn.Value) []nn.Value {
		rows := make([][]nn.Value, takes.Tables+takes.PerEdge)
		for i := range rows {
			rows[i] = e.Call("", cut, in[1+i])
		}
		shared := in[1+len(rows):]
		logits, _ := b.run(e, in[0], func(cell int) []nn.Value {
			var further []nn.Value
			for i, list := range rows {
				if i >= takes.Tables {
					list = list[cell*len(gridEdges) : (cell+1)*len(gridEdges)]
				}
				further = append(further, list...)
			}
			return append(further, shared...)
		})
		return []nn.Value{logits}
	}), nil
}

// GridEdgeNames names the edges of a cell in the order of [arch.Grid].Cell, such as 0→1.
func GridEdgeNames() []string {
	var out []string
	for _, ends := range gridEdges {
		out = append(out, fmt.Sprintf("%d→%d", ends[0], ends[1]))
	}
	return out
}

// StrongestGrid is the network of NAS-Bench-201, at the size of the benchmark, whose cell has on each edge the operation
// that weighs most, of equals the first; weights are [6 edges][5 operations] in the order of [arch.GridOps].
func StrongestGrid(weights [][]float64) (arch.Grid, error) {
	g := arch.Grid{Cells: 5, Channels: 16}
	if len(weights) != len(g.Cell) {
		return g, fmt.Errorf("weights of a cell of NAS-Bench-201: expected %d edges, got %d", len(g.Cell), len(weights))
	}
	for i := range g.Cell {
		if len(weights[i]) != len(arch.GridOps) {
			return g, fmt.Errorf("weights of a cell of NAS-Bench-201: edge %d: expected %d operations, got %d", i, len(arch.GridOps), len(weights[i]))
		}
		best := 0
		for k, w := range weights[i] {
			if w > weights[i][best] {
				best = k
			}
		}
		g.Cell[i] = arch.GridOps[best]
	}
	return g, nil
}
