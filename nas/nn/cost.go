package nn

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// MACs counts the multiply-adds of the module's convolutions and linear layers in evaluation mode, over the whole
// batch of the inputs: out elements × kernel elements / out channels for each. Biases, batch norm, activations,
// sums and pools are not counted (average pools are convolutions here, but not with a weight). The graph is built on
// the backend and not compiled.
func MACs(backend compute.Backend, m Module, in ...shapes.Shape) (macs int64, err error) {
	err = exceptions.TryCatch[error](func() {
		g := graph.NewGraph(backend, "macs")
		weights := map[*graph.Node]bool{}
		tensors := map[string]*graph.Node{}
		for _, s := range m.Specs() {
			if s.Counter {
				continue
			}
			n := graph.Parameter(g, s.Name, shapes.Make(dtypes.Float32, s.EngineShape()...))
			tensors[s.Name] = n
			weights[n] = !s.Buffer
		}
		inputs := make([]*graph.Node, len(in))
		for i, s := range in {
			inputs[i] = graph.Parameter(g, fmt.Sprintf("input %d", i), s)
		}
		Build(NewCtx(g, Mode{}, tensors), m, inputs)
		// Nodes stand in the order they were made, inputs first.
		for _, n := range g.Nodes() {
			for _, x := range n.Inputs() {
				weights[n] = weights[n] || weights[x] && isView(n)
			}
			if t := n.Type(); t != graph.NodeTypeConvGeneral && t != graph.NodeTypeDotGeneral {
				continue
			}
			kernel := n.Inputs()[1]
			if !weights[kernel] {
				continue
			}
			d := n.Shape().Dimensions
			macs += int64(n.Shape().Size()) * int64(kernel.Shape().Size()/d[len(d)-1])
		}
		g.Finalize()
	})
	if err != nil {
		return 0, fmt.Errorf("counting %s: %w", m.Signature(), err)
	}
	return macs, nil
}

// isView tells whether a node only passes its input on in another form, so that a weight stays a weight.
func isView(n *graph.Node) bool {
	switch n.Type() {
	case graph.NodeTypeIdentity, graph.NodeTypeReshape, graph.NodeTypeTranspose, graph.NodeTypeSlice, graph.NodeTypeConvertDType:
		return true
	}
	return false
}
