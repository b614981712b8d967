package space

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// DropPathEdges is the number of edges of the larger of a genotype's cells.
func DropPathEdges(g arch.Genotype) int { return max(len(g.Normal.Edges), len(g.Reduce.Edges)) }

// AuxiliaryFits tells whether the auxiliary head can look at images of this side: after two reductions its 5×5
// pool of stride 3 must leave 2×2.
func AuxiliaryFits(image int) bool {
	side := (image + 1) / 2
	side = (side + 1) / 2
	return side >= 5 && (side-5)/3+1 == 2
}

// edgeNames are the names of the edges' operations in the official state_dicts, in the order of the edges:
// _ops.k, or _ops.to.from.k in the threshold style, where k counts the operations between the same states.
func edgeNames(style string, c arch.Cell) []string {
	names := make([]string, len(c.Edges))
	count := map[[2]int]int{}
	for i, e := range c.Edges {
		if style != arch.StyleThreshold {
			names[i] = fmt.Sprintf("_ops.%d", i)
			continue
		}
		key := [2]int{e.To, e.From}
		names[i] = fmt.Sprintf("_ops.%d.%d.%d", e.To, e.From, count[key])
		count[key]++
	}
	return names
}

// storedOrder is the order of the edges in the official state_dicts: as they are, or grouped by node and state, each
// at its first appearance, in the threshold style.
func storedOrder(style string, c arch.Cell) []int {
	order := make([]int, len(c.Edges))
	for i := range order {
		order[i] = i
	}
	if style != arch.StyleThreshold {
		return order
	}
	firstTo, firstPair := map[int]int{}, map[[2]int]int{}
	for i := len(c.Edges) - 1; i >= 0; i-- {
		e := c.Edges[i]
		firstTo[e.To], firstPair[[2]int{e.To, e.From}] = i, i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := c.Edges[a], c.Edges[b]
		if d := firstTo[x.To] - firstTo[y.To]; d != 0 {
			return d
		}
		return firstPair[[2]int{x.To, x.From}] - firstPair[[2]int{y.To, y.From}]
	})
	return order
}

// droppedEdge is an operation of a derived cell followed by drop-path: inputs x [batch, height, width, channels] and
// factors [batch].
func droppedEdge(op nn.Module) nn.Module {
	drop := nn.DropPathModule()
	return nn.NewComposite("dropped|"+op.Signature(), nn.Edge, []nn.Child{{Module: op}}, func(e nn.Env, in []nn.Value) []nn.Value {
		return e.Call("", drop, nn.Call1(e, "", op, in[0]), in[1])
	})
}

// derivedCell is one cell of a derived network: inputs are the two states [batch, height, width, *] and, with
// dropPath, a factor [batch] for each edge, with noise a random state uint64 [3] for each; the output joins the cell's
// nodes, channels each.
func derivedCell(style string, c arch.Cell, dropPath, noise bool, beforeBefore, before, channels int, reduction, reductionBefore bool) (nn.Module, error) {
	pre0, pre1 := preprocess(beforeBefore, channels, reductionBefore, true), nn.ReLUConvBN(before, channels, true)
	children := []nn.Child{{Name: "preprocess0", Module: pre0}, {Name: "preprocess1", Module: pre1}}
	names := edgeNames(style, c)
	ops := make([]nn.Module, len(c.Edges))
	identity, drawn := make([]bool, len(c.Edges)), make([]bool, len(c.Edges))
	for i, edge := range c.Edges {
		stride := 1
		if reduction && edge.From < 2 {
			stride = 2
		}
		op, err := nn.Primitive(edge.Op, channels, stride, true)
		if err != nil {
			return nil, err
		}
		identity[i] = edge.Op == nn.SkipConnect && stride == 1
		if drawn[i] = noise && edge.Op == nn.Noise; drawn[i] {
			op = nn.NoiseOp(stride)
		} else if dropPath && !identity[i] {
			op = droppedEdge(op)
		}
		ops[i] = op
	}
	for _, i := range storedOrder(style, c) {
		children = append(children, nn.Child{Name: names[i], Module: ops[i]})
	}
	exists, joined := c.Exists(), c.Outputs()
	add, concat := nn.Sum(), nn.Concat()
	edges, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	signature := fmt.Sprintf("derived_cell|%s|%s|drop=%t,noise=%t|%d,%d-%d|reduce=%t,%t", style, edges, dropPath, noise, beforeBefore, before, channels, reduction, reductionBefore)
	return nn.NewComposite(signature, nn.Cell, children, func(e nn.Env, in []nn.Value) []nn.Value {
		states := make([]nn.Value, len(exists))
		var random []nn.Value
		if noise {
			random = in[len(in)-len(c.Edges):]
		}
		states[0], states[1] = nn.Call1(e, "preprocess0", pre0, in[0]), nn.Call1(e, "preprocess1", pre1, in[1])
		for node := 2; node < len(exists); node++ {
			var parts []nn.Value
			for i, edge := range c.Edges {
				if edge.To != node || !exists[edge.From] {
					continue
				}
				x := states[edge.From]
				switch {
				case identity[i]:
				case drawn[i]:
					// Dropping noise of mean 0 would change nothing but its scale.
					x = nn.Call1(e, names[i], ops[i], x, random[i])
				case dropPath:
					x = nn.Call1(e, names[i], ops[i], x, in[2+i])
				default:
					x = nn.Call1(e, names[i], ops[i], x)
				}
				parts = append(parts, x)
			}
			if len(parts) == 1 {
				states[node] = parts[0]
			} else if len(parts) > 1 {
				states[node] = nn.Call1(e, "", add, parts...)
			}
		}
		out := make([]nn.Value, len(joined))
		for i, n := range joined {
			out[i] = states[n]
		}
		return e.Call("", concat, out...)
	}), nil
}

// Derived is the CIFAR network of a genotype, with the names of the official code. Inputs: images [batch, height,
// width, channels] and what the options add. Outputs: logits [batch, classes] and what the options add.
func Derived(size Size, g arch.Genotype, o NetworkOptions) (nn.Module, error) {
	return derived(size, g, derivedOptions{NetworkOptions: o})
}

type derivedOptions struct {
	NetworkOptions
	// imageNet takes ImageNet's two stems and auxiliary head, auxiliaryNorm gives that head its second batch norm.
	imageNet, auxiliaryNorm bool
}

func derived(size Size, g arch.Genotype, o derivedOptions) (nn.Module, error) {
	if err := size.Validate(); err != nil {
		return nil, err
	}
	if err := g.Validate(nn.Primitives); err != nil {
		return nil, err
	}
	sides := []struct {
		name string
		cell arch.Cell
	}{{"normal", g.Normal}, {"reduce", g.Reduce}}
	for _, side := range sides {
		if len(side.cell.Outputs()) == 0 {
			return nil, fmt.Errorf("genotype: %s: no node of concat %v can be reached from the cell's inputs", side.name, side.cell.Concat)
		}
	}
	channels := size.Channels
	var children []nn.Child
	var stems [2]nn.Module
	beforeBefore, before := stemMultiplier*channels, stemMultiplier*channels
	if o.imageNet {
		stems[0], stems[1] = nn.ImageNetStem0(size.InputChannels, channels), nn.ImageNetStem1(channels)
		children = []nn.Child{{Name: "stem0", Module: stems[0]}, {Name: "stem1", Module: stems[1]}}
		beforeBefore, before = channels, channels
	} else {
		stems[0] = nn.Stem(size.InputChannels, before)
		children = []nn.Child{{Name: "stem", Module: stems[0]}}
	}
	cells := make([]nn.Module, size.Cells)
	var auxiliary nn.Module
	for i := range cells {
		side := sides[0]
		if size.Reduction(i) {
			side = sides[1]
			channels *= 2
		}
		reductionBefore := i > 0 && size.Reduction(i-1) || i == 0 && o.imageNet
		cell, err := derivedCell(g.Style, side.cell, o.DropPath, o.Noise, beforeBefore, before, channels, size.Reduction(i), reductionBefore)
		if err != nil {
			return nil, fmt.Errorf("genotype: %s: %w", side.name, err)
		}
		cells[i] = cell
		beforeBefore, before = before, len(side.cell.Outputs())*channels
		children = append(children, nn.Child{Name: fmt.Sprintf("cells.%d", i), Module: cell})
		if o.Auxiliary && i == 2*size.Cells/3 {
			auxiliary = nn.AuxiliaryHead(before, size.Classes)
			if o.imageNet {
				auxiliary = nn.ImageNetAuxiliaryHead(before, size.Classes, o.auxiliaryNorm)
			}
		}
	}
	if auxiliary != nil {
		children = append(children, nn.Child{Name: "auxiliary_head", Module: auxiliary})
	}
	head := nn.Classifier(before, size.Classes)
	children = append(children, nn.Child{Module: head})
	rows := nn.Rows()
	edges, err := json.Marshal(g)
	if err != nil {
		return nil, err
	}
	return nn.NewComposite(fmt.Sprintf("derived|%+v|%s|%+v", size, edges, o), nn.Network, children, func(e nn.Env, in []nn.Value) []nn.Value {
		var factors, random []nn.Value
		if o.DropPath {
			factors = e.Call("", rows, in[1])
		}
		if o.Noise {
			random = e.Call("", rows, in[len(in)-1])
		}
		var s0, s1 nn.Value
		var taps []nn.Value
		if o.imageNet {
			s0 = nn.Call1(e, "stem0", stems[0], in[0])
			s1 = nn.Call1(e, "stem1", stems[1], s0)
			taps = []nn.Value{s0, s1}
		} else {
			s0 = nn.Call1(e, "stem", stems[0], in[0])
			s1 = s0
			taps = []nn.Value{s0}
		}
		var auxiliaryLogits []nn.Value
		for i, cell := range cells {
			cellIn := []nn.Value{s0, s1}
			if o.DropPath {
				cellIn = append(cellIn, e.Call("", rows, factors[i])...)
			}
			if o.Noise {
				edges := len(g.Normal.Edges)
				if size.Reduction(i) {
					edges = len(g.Reduce.Edges)
				}
				cellIn = append(cellIn, e.Call("", rows, random[i])[:edges]...)
			}
			s0, s1 = s1, nn.Call1(e, fmt.Sprintf("cells.%d", i), cell, cellIn...)
			taps = append(taps, s1)
			if auxiliary != nil && i == 2*size.Cells/3 {
				auxiliaryLogits = e.Call("auxiliary_head", auxiliary, s1)
			}
		}
		out := append(e.Call("", head, s1), auxiliaryLogits...)
		if o.Taps {
			out = append(out, taps...)
		}
		return out
	}), nil
}
