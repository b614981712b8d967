// Package space holds the search spaces: supernets with every choice, and the networks derived from them.
package space

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space/cells"
)

// DARTSPrimitives are the operations of space S0 in DARTS (1806.09055) and DARTS- (2009.01027).
var DARTSPrimitives = []string{nn.None, nn.MaxPool3x3, nn.AvgPool3x3, nn.SkipConnect, nn.SepConv3x3, nn.SepConv5x5, nn.DilConv3x3, nn.DilConv5x5}

// FairDARTSPrimitives are the operations of space S0 in FairDARTS (1911.12126) and NoisyDARTS (2005.03566).
var FairDARTSPrimitives = DARTSPrimitives[1:]

// Size are a cell network's dimensions.
type Size struct {
	// Cells is the number of cells; those at Cells/3 and 2·Cells/3 halve the image and double the channels. Of
	// NAS-Bench-201 it is the number in each of the three stages.
	Cells int `json:"cells"`
	// Channels of the first cell's nodes.
	Channels int `json:"channels"`
	Classes  int `json:"classes"`
	// InputChannels of the images, 3 for colour.
	InputChannels int `json:"input_channels"`
}

// Validate reports the first field out of range.
func (s Size) Validate() error {
	if err := cmp.Or(ranges.In("cells", s.Cells, 1, 1000), ranges.In("channels", s.Channels, 1, 1<<14),
		ranges.In("classes", s.Classes, 2, 1<<20), ranges.In("input_channels", s.InputChannels, 1, 1<<14)); err != nil {
		return fmt.Errorf("size: %w", err)
	}
	return nil
}

// Reduction tells whether cell i halves the image.
func (s Size) Reduction(i int) bool { return i == s.Cells/3 || i == 2*s.Cells/3 }

const stemMultiplier = 3

func preprocess(in, out int, reductionBefore, affine bool) nn.Module {
	if reductionBefore {
		return nn.FactorizedReduce(in, out, affine)
	}
	return nn.ReLUConvBN(in, out, affine)
}

// EdgeAt says which edge of a supernet is wanted.
type EdgeAt struct {
	// Reduce tells the kind of cell, Row is the edge's row in a table.
	Reduce bool
	Row    int
	// Channels that it takes and puts out, and the stride, 1 or 2.
	Channels, Stride int
	// Own is the number of the first of the method's own inputs among those of the edge.
	Own int
}

// Table is the number of the table that has the edge's row: 0, or 1 in a reduction cell.
func (at EdgeAt) Table() int {
	if at.Reduce {
		return 1
	}
	return 0
}

// EdgeFunc makes an edge of a supernet: x [batch, height, width, channels], its row of each table of its kind of cell,
// its row of each input that has one for every edge, and the inputs that all edges share, to [batch, height/stride,
// width/stride, channels]. A nil module adds nothing to its node, and is not computed.
type EdgeFunc func(at EdgeAt) (nn.Module, error)

// SupernetInputs says what a supernet of cells takes beside images.
type SupernetInputs struct {
	// Tables is the number of tables of each kind of cell, [edges of a cell, ...] each.
	Tables int
	// PerEdge are inputs [edges of all cells, ...], of which every edge gets its row; Shared are inputs that all edges get.
	PerEdge, Shared int
}

// NodeSoftmax is the leaf from one parameter an edge [14] to weights [14] that sum to 1 over the edges into a node.
func NodeSoftmax() nn.Module {
	return nn.NewLeaf("node_softmax", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		var parts []*graph.Node
		at := 0
		for edges := 2; at < cells.Edges; edges++ {
			parts = append(parts, graph.Softmax(graph.Slice(in[0], graph.AxisRange(at, at+edges)), 0))
			at += edges
		}
		return []*graph.Node{graph.Concatenate(parts, 0)}
	})
}

// searchCell is a cell of the supernet: inputs are the two states [batch, height, width, *], then for each table and each
// input with a row for every edge the 14 rows, then what all edges share.
func searchCell(takes SupernetInputs, edge EdgeFunc, beforeBefore, before, channels int, reduction, reductionBefore bool) (nn.Module, error) {
	pre0, pre1 := preprocess(beforeBefore, channels, reductionBefore, false), nn.ReLUConvBN(before, channels, false)
	children := []nn.Child{{Name: "preprocess0", Module: pre0}, {Name: "preprocess1", Module: pre1}}
	edges := make([]nn.Module, cells.Edges)
	signature := fmt.Sprintf("search_cell|%+v|%d,%d-%d|reduce=%t,%t", takes, beforeBefore, before, channels, reduction, reductionBefore)
	for to := 2; to < 2+arch.Nodes; to++ {
		for from := range to {
			at := EdgeAt{Reduce: reduction, Row: cells.EdgeIndex(from, to), Channels: channels, Stride: 1}
			if reduction && from < 2 {
				at.Stride = 2
			}
			m, err := edge(at)
			if err != nil {
				return nil, err
			}
			if signature += "|"; m == nil {
				continue
			}
			edges[at.Row] = m
			children = append(children, nn.Child{Name: fmt.Sprintf("_ops.%d", at.Row), Module: m})
			signature += m.Signature()
		}
	}
	concat, empty := nn.Concat(), emptyNode(reduction)
	return nn.NewComposite(signature, nn.Cell, children, func(e nn.Env, in []nn.Value) []nn.Value {
		states := []nn.Value{nn.Call1(e, "preprocess0", pre0, in[0]), nn.Call1(e, "preprocess1", pre1, in[1])}
		rows, shared := in[2:2+(takes.Tables+takes.PerEdge)*cells.Edges], in[2+(takes.Tables+takes.PerEdge)*cells.Edges:]
		for to := 2; to < 2+arch.Nodes; to++ {
			var parts []nn.Value
			for from := range to {
				k := cells.EdgeIndex(from, to)
				if edges[k] == nil {
					continue
				}
				edgeIn := []nn.Value{states[from]}
				for i := k; i < len(rows); i += cells.Edges {
					edgeIn = append(edgeIn, rows[i])
				}
				parts = append(parts, nn.Call1(e, fmt.Sprintf("_ops.%d", k), edges[k], append(edgeIn, shared...)...))
			}
			states = append(states, sumOf(e, parts, empty, states[0], rows[cells.EdgeIndex(0, to)]))
		}
		return e.Call("", concat, states[2:]...)
	}), nil
}

// emptyNode is what a node of a cell without edges is: zeros of a node's shape, made of the cell's input and of a number, so
// that its gradients are asked for wherever those of other nodes are and one program serves what follows it.
func emptyNode(reduction bool) nn.Module {
	stride := 1
	if reduction {
		stride = 2
	}
	return nn.NewLeaf(fmt.Sprintf("empty_node|s%d", stride), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		x := graph.Slice(in[0], graph.AxisRange(), graph.AxisRange().Stride(stride), graph.AxisRange().Stride(stride), graph.AxisRange())
		return []*graph.Node{graph.Mul(graph.ZerosLike(x), in[1])}
	})
}

// sumOf is a node: the sum of its edges, or what empty makes of an input and a number where it has none.
func sumOf(e nn.Env, parts []nn.Value, empty nn.Module, in, number nn.Value) nn.Value {
	switch len(parts) {
	case 0:
		return nn.Call1(e, "", empty, in, number)
	case 1:
		return parts[0]
	}
	return nn.Call1(e, "", nn.Sum(), parts...)
}

// Supernet is a supernet of DARTS's cells with the names of the official code. Inputs: images [batch, height, width,
// channels], the tables of mixing weights, of normal and of reduction cells in turn, then the inputs with a row for every
// edge and those that all share. Output: logits [batch, classes].
func Supernet(size Size, takes SupernetInputs, edge EdgeFunc) (nn.Module, error) {
	if err := size.Validate(); err != nil {
		return nil, err
	}
	stem := nn.Stem(size.InputChannels, stemMultiplier*size.Channels)
	children := []nn.Child{{Name: "stem", Module: stem}}
	list := make([]nn.Module, size.Cells)
	signature := fmt.Sprintf("supernet|%+v|%+v", size, takes)
	beforeBefore, before, channels := stemMultiplier*size.Channels, stemMultiplier*size.Channels, size.Channels
	for i := range list {
		if size.Reduction(i) {
			channels *= 2
		}
		cell, err := searchCell(takes, edge, beforeBefore, before, channels, size.Reduction(i), i > 0 && size.Reduction(i-1))
		if err != nil {
			return nil, err
		}
		list[i] = cell
		signature += "|" + cell.Signature()
		beforeBefore, before = before, arch.Nodes*channels
		children = append(children, nn.Child{Name: fmt.Sprintf("cells.%d", i), Module: cell})
	}
	head := nn.Classifier(before, size.Classes)
	children = append(children, nn.Child{Module: head})
	cut := nn.Rows()
	return nn.NewComposite(short(signature), nn.Network, children, func(e nn.Env, in []nn.Value) []nn.Value {
		tables, further := make([][]nn.Value, 2*takes.Tables), make([][]nn.Value, takes.PerEdge)
		for i := range tables {
			tables[i] = e.Call("", cut, in[1+i])
		}
		for i := range further {
			further[i] = e.Call("", cut, in[1+len(tables)+i])
		}
		shared := in[1+len(tables)+len(further):]
		s0 := nn.Call1(e, "stem", stem, in[0])
		s1 := s0
		for i, cell := range list {
			cellIn := []nn.Value{s0, s1}
			kind := 0
			if size.Reduction(i) {
				kind = 1
			}
			for t := range takes.Tables {
				cellIn = append(cellIn, tables[2*t+kind]...)
			}
			for _, rows := range further {
				cellIn = append(cellIn, rows[i*cells.Edges:(i+1)*cells.Edges]...)
			}
			s0, s1 = s1, nn.Call1(e, fmt.Sprintf("cells.%d", i), cell, append(cellIn, shared...)...)
		}
		return e.Call("", head, s1)
	}), nil
}

// MixedEdges is the edge of a search over a space by its operations' weights.
func MixedEdges(s cells.Space) EdgeFunc {
	return func(at EdgeAt) (nn.Module, error) {
		return nn.MixedEdge(s.Cell(at.Reduce)[at.Row], at.Channels, at.Stride)
	}
}

// short stands for a signature that would be as long as the network.
func short(signature string) string {
	sum := sha256.Sum256([]byte(signature))
	return "supernet|" + hex.EncodeToString(sum[:])
}
