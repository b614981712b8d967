// Package nn holds layers as graph functions with PyTorch's semantics, and the modules made of them.
//
// A [Module] is written once and runs at any granularity: inside one graph, or as several executables that
// nas/engine puts together. Leaves are graph functions; composites only call their children. Images are
// [batch, height, width, channels]; PyTorch's layouts appear only in a [Spec], at the border.
package nn

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// Level is the size of a module. A granularity of the engine is the largest level that it compiles as one
// executable.
type Level int

// The levels, from small to large.
const (
	Operation Level = iota
	Edge
	Cell
	Network
)

var levelNames = []string{"operation", "edge", "cell", "network"}

// String is the level's name, as the command line takes it.
func (l Level) String() string {
	if l < 0 || int(l) >= len(levelNames) {
		return fmt.Sprintf("Level(%d)", int(l))
	}
	return levelNames[l]
}

// ParseLevel is the inverse of [Level.String].
func ParseLevel(name string) (Level, error) {
	for i, n := range levelNames {
		if n == name {
			return Level(i), nil
		}
	}
	return 0, fmt.Errorf("granularity %q: expected one of %s", name, strings.Join(levelNames, ", "))
}

// Value is a tensor while a composite runs: a node of the graph being built, or a slot of the engine's plan.
type Value struct {
	// Node is set while a graph is built.
	Node *graph.Node
	// Slot is the engine's number for the tensor while a plan is traced.
	Slot int
	// Dims are the tensor's dimensions.
	Shape shapes.Shape
}

// Env is where a composite runs.
type Env interface {
	// Call runs the child under its name on the inputs.
	Call(name string, m Module, in ...Value) []Value
}

// Module is a part of a network. Modules with equal signatures are the same graph function: they share
// executables, each with its own tensors.
type Module interface {
	// Signature tells operation, channels, stride and options, not the inputs' shapes.
	Signature() string
	// Specs lists the module's tensors, children's included, in the order of PyTorch's state_dict.
	Specs() []Spec
	// Level is the module's size.
	Level() Level
}

// Leaf is a module that is a graph function.
type Leaf interface {
	Module
	// Graph builds the outputs; it may panic as graph functions do.
	Graph(c *Ctx, in []*graph.Node) []*graph.Node
}

// Composite is a module that only calls its children.
type Composite interface {
	Module
	// Run calls the children; it must do the same calls for the same shapes.
	Run(e Env, in []Value) []Value
}

// Linear marks leaves whose gradient is known without a graph, which saves the engine an executable.
type Linear interface {
	// PassesGradient is true for a sum: each input's gradient is the output's.
	PassesGradient() bool
}

// Optional marks leaves whose outputs need not all be read. To the engine a scalar output that a path does not read has the
// gradient 0, so that one program serves all paths.
type Optional interface {
	// MayBeUnread is true for rows.
	MayBeUnread() bool
}

type leaf struct {
	signature string
	level     Level
	specs     []Spec
	fn        func(c *Ctx, in []*graph.Node) []*graph.Node
}

func (l *leaf) Signature() string                            { return l.signature }
func (l *leaf) Specs() []Spec                                { return l.specs }
func (l *leaf) Level() Level                                 { return l.level }
func (l *leaf) Graph(c *Ctx, in []*graph.Node) []*graph.Node { return l.fn(c, in) }

// NewLeaf makes a module of a graph function. The signature must determine specs and fn.
func NewLeaf(signature string, specs []Spec, fn func(c *Ctx, in []*graph.Node) []*graph.Node) Module {
	return &leaf{signature: signature, level: Operation, specs: specs, fn: fn}
}

// Child is a named part of a composite.
type Child struct {
	Name   string
	Module Module
}

type composite struct {
	signature string
	level     Level
	specs     []Spec
	run       func(e Env, in []Value) []Value
}

func (c *composite) Signature() string             { return c.signature }
func (c *composite) Specs() []Spec                 { return c.specs }
func (c *composite) Level() Level                  { return c.level }
func (c *composite) Run(e Env, in []Value) []Value { return c.run(e, in) }

// NewComposite makes a module of children, whose specs it lists under their names. Run must call them by
// these names.
func NewComposite(signature string, level Level, children []Child, run func(e Env, in []Value) []Value) Module {
	c := &composite{signature: signature, level: level, run: run}
	for _, child := range children {
		for _, s := range child.Module.Specs() {
			s.Name = Join(child.Name, s.Name)
			c.specs = append(c.specs, s)
		}
	}
	return c
}

// Join puts a module's name before a tensor's; an empty name stands for the module itself.
func Join(prefix, name string) string {
	switch {
	case prefix == "":
		return name
	case name == "":
		return prefix
	}
	return prefix + "." + name
}

// Call1 calls a child with one output.
func Call1(e Env, name string, m Module, in ...Value) Value { return e.Call(name, m, in...)[0] }

// Mode says how a graph is to behave.
type Mode struct {
	// Train uses the batch's own statistics in batch norm and updates the running ones.
	Train bool
	// Recalibrate, where it is not 0, is the number of leading images whose statistics batch norm takes in the place of
	// the running ones, for the images behind them too. It changes nothing else, and the running ones stay.
	Recalibrate int
}

// Ctx is what a graph function gets beside its inputs: its tensors by name, and the mode.
type Ctx struct {
	Mode
	Graph  *graph.Graph
	prefix string
	shared *ctxShared
}

type ctxShared struct {
	tensors map[string]*graph.Node
	updates map[string]*graph.Node
	// normalised counts the elements that batch norms put out.
	normalised int64
}

// NewCtx makes the context of a whole block: tensors maps the names of its specs to nodes of their engine
// shapes.
func NewCtx(g *graph.Graph, mode Mode, tensors map[string]*graph.Node) *Ctx {
	return &Ctx{Mode: mode, Graph: g, shared: &ctxShared{tensors: tensors, updates: map[string]*graph.Node{}}}
}

// Tensor is the module's tensor of this name, in the engine's layout ([Spec.EngineShape]).
func (c *Ctx) Tensor(name string) *graph.Node {
	full := Join(c.prefix, name)
	n, ok := c.shared.tensors[full]
	if !ok {
		panic(fmt.Errorf("nn: no tensor %q", full))
	}
	return n
}

// Has tells whether the module has a tensor of this name.
func (c *Ctx) Has(name string) bool {
	_, ok := c.shared.tensors[Join(c.prefix, name)]
	return ok
}

// Update sets the value that a buffer has after this pass.
func (c *Ctx) Update(name string, value *graph.Node) {
	c.shared.updates[Join(c.prefix, name)] = value
}

// Updates are the buffers' new values by full name.
func (c *Ctx) Updates() map[string]*graph.Node { return c.shared.updates }

// In is the context of a child.
func (c *Ctx) In(name string) *Ctx {
	child := *c
	child.prefix = Join(c.prefix, name)
	return &child
}

// Build runs a module inside the context's graph, children included.
func Build(c *Ctx, m Module, in []*graph.Node) []*graph.Node {
	switch m := m.(type) {
	case Leaf:
		return m.Graph(c, in)
	case Composite:
		values := make([]Value, len(in))
		for i, n := range in {
			values[i] = Value{Node: n, Shape: n.Shape()}
		}
		outs := m.Run(graphEnv{c}, values)
		nodes := make([]*graph.Node, len(outs))
		for i, v := range outs {
			nodes[i] = v.Node
		}
		return nodes
	}
	panic(fmt.Errorf("nn: %T is neither a leaf nor a composite", m))
}

type graphEnv struct{ c *Ctx }

func (e graphEnv) Call(name string, m Module, in ...Value) []Value {
	nodes := make([]*graph.Node, len(in))
	for i, v := range in {
		nodes[i] = v.Node
	}
	outs := Build(e.c.In(name), m, nodes)
	values := make([]Value, len(outs))
	for i, n := range outs {
		values[i] = Value{Node: n, Shape: n.Shape()}
	}
	return values
}
