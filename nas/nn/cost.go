package nn

import (
	"fmt"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// Cost counts what an evaluation of a module computes, over the whole batch of its inputs.
type Cost struct {
	// MACs are the multiply-adds of convolutions and linear layers: out elements × kernel elements / out channels.
	// Biases, batch norm, activations, sums and pools are not among them.
	MACs int64 `json:"macs"`
	// Normalised are the elements that batch norms put out.
	Normalised int64 `json:"normalised"`
	// AveragePooled are the elements that average pools with a window put out.
	AveragePooled int64 `json:"average_pooled"`
	// GlobalPooled are the elements that global average pools take in and put out.
	GlobalPooled int64 `json:"global_pooled"`
}

func (c Cost) plus(d Cost) Cost {
	return Cost{c.MACs + d.MACs, c.Normalised + d.Normalised, c.AveragePooled + d.AveragePooled, c.GlobalPooled + d.GlobalPooled}
}

// Counter counts costs and remembers those of each kind of leaf. It builds graphs on its backend and compiles none.
// It is safe for concurrent use.
type Counter struct {
	backend compute.Backend
	mu      sync.Mutex
	leaves  map[string]leafCost
}

type leafCost struct {
	cost    Cost
	outputs []shapes.Shape
}

// NewCounter makes a counter that builds its graphs on backend.
func NewCounter(backend compute.Backend) *Counter {
	return &Counter{backend: backend, leaves: map[string]leafCost{}}
}

// Count returns the cost of an evaluation of m on inputs of these shapes.
func (c *Counter) Count(m Module, in ...shapes.Shape) (cost Cost, err error) {
	values := make([]Value, len(in))
	for i, s := range in {
		values[i] = Value{Shape: s}
	}
	err = exceptions.TryCatch[error](func() { countEnv{c, &cost}.Call("", m, values...) })
	if err != nil {
		return Cost{}, fmt.Errorf("counting %s: %w", m.Signature(), err)
	}
	return cost, nil
}

// MACs are the multiply-adds of [Cost].
func MACs(backend compute.Backend, m Module, in ...shapes.Shape) (int64, error) {
	cost, err := NewCounter(backend).Count(m, in...)
	return cost.MACs, err
}

// countEnv adds the costs of the leaves that a composite calls.
type countEnv struct {
	counter *Counter
	total   *Cost
}

func (e countEnv) Call(_ string, m Module, in ...Value) []Value {
	if c, ok := m.(Composite); ok {
		return c.Run(e, in)
	}
	var key strings.Builder
	key.WriteString(m.Signature())
	for _, v := range in {
		key.WriteByte(';')
		key.WriteString(v.Shape.String())
	}
	e.counter.mu.Lock()
	found, ok := e.counter.leaves[key.String()]
	e.counter.mu.Unlock()
	if !ok {
		found = e.counter.leaf(m, in)
		e.counter.mu.Lock()
		e.counter.leaves[key.String()] = found
		e.counter.mu.Unlock()
	}
	*e.total = e.total.plus(found.cost)
	out := make([]Value, len(found.outputs))
	for i, s := range found.outputs {
		out[i] = Value{Shape: s}
	}
	return out
}

// leaf builds a leaf's graph and counts its nodes.
func (c *Counter) leaf(m Module, in []Value) leafCost {
	g := graph.NewGraph(c.backend, "cost")
	defer g.Finalize()
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
	for i, v := range in {
		inputs[i] = graph.Parameter(g, fmt.Sprintf("input %d", i), v.Shape)
	}
	ctx := NewCtx(g, Mode{}, tensors)
	var found leafCost
	for _, n := range Build(ctx, m, inputs) {
		found.outputs = append(found.outputs, n.Shape())
	}
	found.cost.Normalised = ctx.shared.normalised
	// Nodes stand in the order they were made, inputs first.
	for _, n := range g.Nodes() {
		for _, x := range n.Inputs() {
			weights[n] = weights[n] || weights[x] && isView(n)
		}
		switch n.Type() {
		case graph.NodeTypeConvGeneral, graph.NodeTypeDotGeneral:
			kernel, d := n.Inputs()[1], n.Shape().Dimensions
			if weights[kernel] {
				found.cost.MACs += int64(n.Shape().Size()) * int64(kernel.Shape().Size()/d[len(d)-1])
			} else {
				found.cost.AveragePooled += int64(n.Shape().Size())
			}
		case graph.NodeTypeReduceSum:
			if x := n.Inputs()[0].Shape(); x.Rank() == 4 && n.Shape().Rank() == 2 {
				found.cost.GlobalPooled += int64(x.Size() + n.Shape().Size())
			}
		}
	}
	return found
}

// isView tells whether a node only passes its input on in another form, so that a weight stays a weight.
func isView(n *graph.Node) bool {
	switch n.Type() {
	case graph.NodeTypeIdentity, graph.NodeTypeReshape, graph.NodeTypeTranspose, graph.NodeTypeSlice, graph.NodeTypeConvertDType:
		return true
	}
	return false
}
