package dartsminus

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// EdgeDeviation is the largest difference between an edge of the supernet and what the paper's equation says that it is,
// DARTS's edge plus β times the auxiliary operation: of the outputs in training mode, and of the gradients for image,
// operations' weights and β. In float64 nothing but rounding is left.
func EdgeDeviation(e *engine.Engine, stride int, beta float64, auxiliary string) (worst float64, err error) {
	const channels, side = 4, 8
	ops := space.DARTSPrimitives
	whole, err := Edge(space.EdgeAt{Channels: channels, Stride: stride}, ops, auxiliary)
	if err != nil {
		return 0, err
	}
	mixed, err := nn.MixedEdge(ops, channels, stride)
	if err != nil {
		return 0, err
	}
	beside, err := auxiliaryOp(channels, stride, auxiliary)
	if err != nil {
		return 0, err
	}
	less := nn.NewLeaf("deviation", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		d := graph.Sub(graph.Sub(in[0], in[1]), in[2])
		return []*graph.Node{graph.ReduceAllSum(graph.Mul(d, graph.Cos(graph.IotaFull(d.Graph(), d.Shape())))), d}
	})
	// The parts are called by the names that they have in the whole, and so with its tensors.
	root := nn.NewComposite("deviation|"+whole.Signature(), nn.Network, []nn.Child{{Module: whole}}, func(e nn.Env, in []nn.Value) []nn.Value {
		return e.Call("", less, nn.Call1(e, "", whole, in...), nn.Call1(e, "", mixed, in[0], in[1]), nn.Call1(e, "auxiliary_op", beside, in[0], in[2]))
	})
	m, err := e.NewModel(root, nn.Network)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, m.Finalize()) }()
	if err := m.Load(nn.Initialise(root.Specs(), 1)); err != nil {
		return 0, err
	}
	shape := []int{2, side, side, channels}
	g, err := m.Gradient(nn.Mode{Train: true}, false, []int{0, 1, 2}, e.Tensor(golden.Input("image", shape), shape...), e.Tensor(golden.Input("weights", []int{len(ops)}), len(ops)), e.Scalar(beta))
	if err != nil {
		return 0, err
	}
	for i, t := range slices.Concat([]*tensors.Tensor{g.Outputs[1]}, g.Inputs) {
		values, err := engine.Values(t)
		if err != nil || len(values) == 0 {
			return 0, errors.Join(err, fmt.Errorf("part %d of an edge's deviation: expected values, got none", i))
		}
		for _, v := range values {
			worst = math.Max(worst, math.Abs(v))
		}
	}
	return worst, g.Finalize()
}
