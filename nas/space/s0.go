// Package space holds the search spaces: supernets with every choice, and the networks derived from them.
package space

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// DARTSPrimitives are the operations of space S0 in DARTS (1806.09055) and DARTS- (2009.01027).
var DARTSPrimitives = []string{nn.None, nn.MaxPool3x3, nn.AvgPool3x3, nn.SkipConnect, nn.SepConv3x3, nn.SepConv5x5, nn.DilConv3x3, nn.DilConv5x5}

// FairDARTSPrimitives are the operations of space S0 in FairDARTS (1911.12126) and NoisyDARTS (2005.03566).
var FairDARTSPrimitives = DARTSPrimitives[1:]

// Edges is the number of edges of a cell: node i has one from each of the i+2 states before it.
const Edges = 14

// EdgeIndex returns the row of an edge in a table of alphas, which lists node 2's edges first.
func EdgeIndex(from, to int) int {
	row := 0
	for n := 2; n < to; n++ {
		row += n
	}
	return row + from
}

// Size are a cell network's dimensions.
type Size struct {
	// Cells is the number of cells; those at Cells/3 and 2·Cells/3 halve the image and double the channels.
	Cells int `json:"cells"`
	// Channels of the first cell's nodes.
	Channels int `json:"channels"`
	Classes  int `json:"classes"`
	// InputChannels of the images, 3 for colour.
	InputChannels int `json:"input_channels"`
}

// Validate reports the first field out of range.
func (s Size) Validate() error {
	for _, f := range []struct {
		name       string
		value, min int
	}{{"cells", s.Cells, 1}, {"channels", s.Channels, 1}, {"classes", s.Classes, 2}, {"input_channels", s.InputChannels, 1}} {
		if f.value < f.min {
			return fmt.Errorf("size: %s: expected at least %d, got %d", f.name, f.min, f.value)
		}
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

// Options are variations of the supernet that papers use as controls.
type Options struct {
	// SkipNoise adds noise to the skip connections of stride 1: two more inputs, random states uint64
	// [cells·14, 3] and the noise's scale, a scalar.
	SkipNoise bool
	// PartialChannels is PC-DARTS's k: each edge mixes 1/k of its channels and has a weight of its own. Two more
	// inputs behind the mixing weights: those of the edges of normal and of reduction cells, [14] each, which sum to
	// 1 over the edges into a node ([NodeSoftmax]). 0 leaves it out. Not together with SkipNoise.
	PartialChannels int
}

// NodeSoftmax is the leaf from one parameter an edge [14] to weights [14] that sum to 1 over the edges into a node.
func NodeSoftmax() nn.Module {
	return nn.NewLeaf("node_softmax", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		var parts []*graph.Node
		at := 0
		for edges := 2; at < Edges; edges++ {
			parts = append(parts, graph.Softmax(graph.Slice(in[0], graph.AxisRange(at, at+edges)), 0))
			at += edges
		}
		return []*graph.Node{graph.Concatenate(parts, 0)}
	})
}

// edge is one edge of the supernet.
func (o Options) edge(primitives []string, channels, stride int) (nn.Module, error) {
	if o.PartialChannels > 0 {
		return nn.PartialEdge(primitives, channels, stride, o.PartialChannels)
	}
	return nn.MixedEdge(primitives, channels, stride, o.SkipNoise && stride == 1)
}

// searchCell is a cell of the supernet: inputs are the two states [batch, height, width, *], the weights of
// each edge, [primitives] times 14, and with noise 14 random states [3] and the scale, with partial channels 14
// weights of the edges, scalars.
func searchCell(primitives []string, o Options, beforeBefore, before, channels int, reduction, reductionBefore bool) (nn.Module, error) {
	pre0, pre1 := preprocess(beforeBefore, channels, reductionBefore, false), nn.ReLUConvBN(before, channels, false)
	children := []nn.Child{{Name: "preprocess0", Module: pre0}, {Name: "preprocess1", Module: pre1}}
	edges := make([]nn.Module, Edges)
	for to := 2; to < 2+arch.Nodes; to++ {
		for from := range to {
			stride := 1
			if reduction && from < 2 {
				stride = 2
			}
			edge, err := o.edge(primitives, channels, stride)
			if err != nil {
				return nil, err
			}
			k := EdgeIndex(from, to)
			edges[k] = edge
			children = append(children, nn.Child{Name: fmt.Sprintf("_ops.%d", k), Module: edge})
		}
	}
	add, concat := nn.Sum(), nn.Concat()
	signature := fmt.Sprintf("search_cell|%s|%+v|%d,%d-%d|reduce=%t,%t", strings.Join(primitives, ","), o, beforeBefore, before, channels, reduction, reductionBefore)
	return nn.NewComposite(signature, nn.Cell, children, func(e nn.Env, in []nn.Value) []nn.Value {
		states := []nn.Value{nn.Call1(e, "preprocess0", pre0, in[0]), nn.Call1(e, "preprocess1", pre1, in[1])}
		weights, extra := in[2:2+Edges], in[2+Edges:]
		for to := 2; to < 2+arch.Nodes; to++ {
			parts := make([]nn.Value, to)
			for from := range to {
				k := EdgeIndex(from, to)
				edgeIn := []nn.Value{states[from], weights[k]}
				switch {
				case o.PartialChannels > 0:
					edgeIn = append(edgeIn, extra[k])
				case o.SkipNoise && !(reduction && from < 2):
					edgeIn = append(edgeIn, extra[k], extra[Edges])
				}
				parts[from] = nn.Call1(e, fmt.Sprintf("_ops.%d", k), edges[k], edgeIn...)
			}
			states = append(states, nn.Call1(e, "", add, parts...))
		}
		return e.Call("", concat, states[2:]...)
	}), nil
}

// Supernet is the cell supernet of space S0 with the names of the official code. Inputs: images [batch,
// height, width, channels], mixing weights of normal and of reduction cells [14, primitives] each, and what
// the options add. Output: logits [batch, classes].
func Supernet(size Size, primitives []string, o Options) (nn.Module, error) {
	if err := size.Validate(); err != nil {
		return nil, err
	}
	if o.SkipNoise && o.PartialChannels > 0 {
		return nil, errors.New("supernet: noise on skip connections and partial channels exclude each other")
	}
	stem := nn.Stem(size.InputChannels, stemMultiplier*size.Channels)
	children := []nn.Child{{Name: "stem", Module: stem}}
	cells := make([]nn.Module, size.Cells)
	beforeBefore, before, channels := stemMultiplier*size.Channels, stemMultiplier*size.Channels, size.Channels
	for i := range cells {
		if size.Reduction(i) {
			channels *= 2
		}
		cell, err := searchCell(primitives, o, beforeBefore, before, channels, size.Reduction(i), i > 0 && size.Reduction(i-1))
		if err != nil {
			return nil, err
		}
		cells[i] = cell
		beforeBefore, before = before, arch.Nodes*channels
		children = append(children, nn.Child{Name: fmt.Sprintf("cells.%d", i), Module: cell})
	}
	head := nn.Classifier(before, size.Classes)
	children = append(children, nn.Child{Module: head})
	rows := nn.Rows()
	signature := fmt.Sprintf("supernet|%+v|%s|%+v", size, strings.Join(primitives, ","), o)
	return nn.NewComposite(signature, nn.Network, children, func(e nn.Env, in []nn.Value) []nn.Value {
		normal, reduce := e.Call("", rows, in[1]), e.Call("", rows, in[2])
		var noise, normalEdges, reduceEdges []nn.Value
		switch {
		case o.SkipNoise:
			noise = e.Call("", rows, in[3])
		case o.PartialChannels > 0:
			normalEdges, reduceEdges = e.Call("", rows, in[3]), e.Call("", rows, in[4])
		}
		s0 := nn.Call1(e, "stem", stem, in[0])
		s1 := s0
		for i, cell := range cells {
			weights, edges := normal, normalEdges
			if size.Reduction(i) {
				weights, edges = reduce, reduceEdges
			}
			cellIn := slices.Concat([]nn.Value{s0, s1}, weights, edges)
			if o.SkipNoise {
				cellIn = append(append(cellIn, noise[i*Edges:(i+1)*Edges]...), in[4])
			}
			s0, s1 = s1, nn.Call1(e, fmt.Sprintf("cells.%d", i), cell, cellIn...)
		}
		return e.Call("", head, s1)
	}), nil
}
