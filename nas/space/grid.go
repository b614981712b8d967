package space

import (
	"fmt"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
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

// grid builds a network of NAS-Bench-201: 3×3 stem, three stages of cells with a residual reduction between them,
// batch norm, ReLU, pool, linear.
func grid(a arch.Network, o NetworkOptions) (nn.Module, error) {
	g := a.Grid
	stem := nn.Stem(a.Input[2], g.Channels)
	children := []nn.Child{{Name: "stem", Module: stem}}
	var parts []nn.Child
	channels := g.Channels
	for stage := range 3 {
		if stage > 0 {
			parts = append(parts, nn.Child{Module: nn.GridReduction(channels, 2*channels)})
			channels *= 2
		}
		cell := gridCell(g.Cell, channels)
		for range g.Cells {
			parts = append(parts, nn.Child{Module: cell})
		}
	}
	for i := range parts {
		parts[i].Name = fmt.Sprintf("cells.%d", i)
	}
	lastNorm, err := nn.NormAct("lastact.0", channels, "relu")
	if err != nil {
		return nil, err
	}
	head := nn.Classifier(channels, a.Classes)
	children = append(append(children, parts...), nn.Child{Module: lastNorm}, nn.Child{Module: head})
	return nn.NewComposite(fmt.Sprintf("grid|%v|%s|%d|%d|%d|%+v", a.Input, strings.Join(g.Cell[:], ","), g.Cells, g.Channels, a.Classes, o), nn.Network, children,
		func(e nn.Env, in []nn.Value) []nn.Value {
			x := nn.Call1(e, "stem", stem, in[0])
			taps := []nn.Value{x}
			for _, p := range parts {
				x = nn.Call1(e, p.Name, p.Module, x)
				taps = append(taps, x)
			}
			out := e.Call("", head, nn.Call1(e, "", lastNorm, x))
			if o.Taps {
				out = append(out[:1:1], taps...)
			}
			return out
		}), nil
}
