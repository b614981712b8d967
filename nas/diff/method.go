package diff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// Method is what a paper adds to the search over a supernet of cells.
type Method struct {
	Name string
	// Kind is [run.Softmax] or [run.Sigmoid], Threshold the weight that Derive asks for, 0 where it asks for none.
	Kind      string
	Threshold float64
	// Relax makes mixing weights of a table's parameters, both [edges, operations]; in are the inputs of [ToRelax]. Table
	// 0 is of the normal cells, 1 of the reduction cells; NAS-Bench-201 has table 0 alone.
	Relax func(table int, alpha *graph.Node, in []*graph.Node) *graph.Node
	// Penalty is nil, or the scalar of all tables' parameters that the architecture's loss adds.
	Penalty func(alphas []*graph.Node) *graph.Node
	// InitialScale multiplies the standard normal numbers that the parameters start from; 0 starts at 0.
	InitialScale float64
	// Inputs are what the supernet or the relaxation takes besides.
	Inputs []Input
	// Edge makes an edge of the supernet of its operations; nil is their weighted sum. Behind x and the weights an edge
	// gets its row of each input of [ToEdge], then those of [ToAllEdges], numbered from at.Own; before them a random state
	// uint64 [3] where the space has the operation noise.
	Edge func(at space.EdgeAt, ops []string) (nn.Module, error)
	// Also are tables of parameters behind the space's own, as many as those, in the same order of kinds of cells. The
	// relaxation and the rule to derive cells by get them; nil adds none.
	Also func(s Space) ([]TableSpec, error)
	// Sample, where it is not nil, draws networks in the place of weighing all operations of all edges. Relax then makes
	// the probabilities that results show and cells are derived of.
	Sample *Sampler
	// Derive makes DARTS's cells of the tables' weights; the second result names the rule used. Where the space alone says
	// what is derived, as NAS-Bench-201 does, it is not asked.
	Derive func(s cells.Space, weights [][][]float64) (arch.Genotype, string)
}

// To says where an input goes.
type To int

const (
	// ToEdge gives every edge of every cell its row: [cells·14, ...] of DARTS's cells.
	ToEdge To = iota
	// ToAllEdges gives all edges the whole of it.
	ToAllEdges
	// ToRelax gives it to the relaxation.
	ToRelax
)

// Input is a tensor that is made anew for every pass.
type Input struct {
	Name string
	To   To
	// Shape is that of a configuration.
	Shape func(c Config) shapes.Shape
	// At makes it; it depends on the pass alone, so that a resumed run has the same.
	At func(c Config, p Pass) *tensors.Tensor
	// Number, where it is not nil, is what an epoch's row of the log says of it, under its name.
	Number func(c Config, epoch int) float64
}

// Pass is one way through the network.
type Pass struct {
	run.Position
	// Half is 0 in the weights' part of a step, 1 in the architecture's.
	Half int
	// Draw is the number of the network that a half draws, Draws the most that either half does; both are 0 where nothing is
	// drawn.
	Draw, Draws int
}

// Number tells the passes of a run apart.
func (p Pass) Number() uint64 {
	return (uint64(p.Total())*2+uint64(p.Half))*uint64(max(1, p.Draws)) + uint64(p.Draw)
}

// initialScale is the standard deviation of the parameters at the start in the official code of DARTS.
const initialScale = 1e-3

// DARTS is the method of DARTS (1806.09055): softmax over an edge's operations, and two edges a node.
func DARTS() Method {
	return Method{
		Name: "darts", Kind: run.Softmax, InitialScale: initialScale,
		Relax: func(_ int, alpha *graph.Node, _ []*graph.Node) *graph.Node { return nn.SoftmaxRows(alpha) },
		Derive: func(s cells.Space, w [][][]float64) (arch.Genotype, string) {
			return cells.Discretise(s, w[0], w[1]), "two edges a node"
		},
	}
}

// Run makes the function that runs a method of a configuration of type C, which embeds [Config].
func Run[P interface {
	method.Config
	Diff() *Config
}](of func(P) Method) func(context.Context, method.Env, method.Config) (*run.Result, error) {
	return func(ctx context.Context, env method.Env, c method.Config) (*run.Result, error) {
		p, ok := c.(P)
		if !ok {
			return nil, fmt.Errorf("expected a configuration of the type %T, got %T", p, c)
		}
		return Search(ctx, env, *p.Diff(), of(p))
	}
}

// own is the configuration of a method of a user's own.
type own struct{ Config }

// Method makes of it a method like those of gonas: DARTS's configuration, profiles and spaces.
func (m Method) Method() method.Method {
	return method.Method{
		Name: m.Name, Title: m.Name, Spaces: Spaces(), Data: "cifar10",
		New:      method.From(func() own { return own{DefaultConfig()} }),
		Profiles: Profiles("", ""),
		Run:      Run(func(*own) Method { return m }),
	}
}

// probe makes a table of numbers that are not round and differ from each other.
func probe(rows, columns int, phase float64) [][]float64 {
	out := make([][]float64, rows)
	for i := range out {
		out[i] = make([]float64, columns)
		for k := range out[i] {
			out[i][k] = math.Sin(12.9898*float64(i*columns+k+1) + phase)
		}
	}
	return out
}

// Code tells the method's functions from others: what they give for some inputs, as a checksum. Another constant in one
// of them gives another code.
func (m Method) Code(e *engine.Engine, c Config) (string, error) {
	f, err := newFunctions(e, c, m)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s|%s|%g|%g|%s|%s|", m.Name, m.Kind, m.Threshold, m.InitialScale, f.relax, f.penalty)
	if m.Sample != nil {
		text, err := m.Sample.probe(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%v|%v|%s|", m.Sample.Draws, f.gates, text)
	}
	weights := make([][][]float64, len(f.tables))
	for t, table := range f.tables {
		weights[t] = probe(len(table.Rows), table.columns(), float64(t))
		for _, row := range weights[t] {
			for k := range row {
				row[k] = math.Abs(row[k])
			}
		}
	}
	derived := f.space.Derive(m, c.Size, f.ragged(weights))
	var what any = derived.Network
	if derived.Genotype != nil {
		what = derived.Genotype
	}
	text, err := json.Marshal(what)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s|%s|", text, derived.Rule)
	net, err := f.whole()
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s|", net.Signature())
	for _, in := range f.method.Inputs {
		for epoch := range min(c.Epochs, 2) {
			t := in.At(c, Pass{Position: run.Position{Epoch: epoch, Epochs: c.Epochs, Steps: max(c.StepsPerEpoch, 1)}, Half: epoch})
			fmt.Fprintf(h, "%s|%d|%s|%s|", in.Name, in.To, t.Shape(), t.GoStr())
			if err := t.FinalizeAll(); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// functions are the method's, with names that tell them from others.
type functions struct {
	config Config
	method Method
	space  Space
	tables []TableSpec
	// input is [height, width, channels] of a sample.
	input [3]int
	// relax has a name for each table, gates one for each kind of cell, penalty is empty where there is none.
	relax   []string
	gates   []string
	penalty string
	// made are the operations of edges, of a search that draws.
	made map[space.EdgeAt][]nn.MixedOp
}

func newFunctions(e *engine.Engine, c Config, m Method) (*functions, error) {
	if m.Relax == nil || m.Derive == nil {
		return nil, fmt.Errorf("method %s: expected a relaxation and a rule to derive cells by", m.Name)
	}
	if m.Kind != run.Softmax && m.Kind != run.Sigmoid {
		return nil, fmt.Errorf("method %s: kind: expected %q or %q, got %q", m.Name, run.Softmax, run.Sigmoid, m.Kind)
	}
	s, err := c.Over()
	if err != nil {
		return nil, err
	}
	in, err := c.Input()
	if err != nil {
		return nil, err
	}
	f := &functions{config: c, method: m, space: s, tables: s.Tables(), input: in, made: map[space.EdgeAt][]nn.MixedOp{}}
	if m.Sample != nil {
		if err := m.Sample.check(c); err != nil {
			return nil, err
		}
		f.method.Inputs = append(slices.Clone(m.Inputs), m.Sample.temperature())
		m = f.method
	}
	if m.Also != nil {
		also, err := m.Also(s)
		switch {
		case err != nil:
			return nil, fmt.Errorf("method %s: %w", m.Name, err)
		case m.Sample == nil:
			return nil, fmt.Errorf("method %s: tables of its own: expected a sampler, which alone reads them", m.Name)
		case len(also) != len(f.tables):
			return nil, fmt.Errorf("method %s: tables of its own: expected %d, one for each of the space's, got %d", m.Name, len(f.tables), len(also))
		}
		f.tables = append(f.tables, also...)
	}
	var alphas []*tensors.Tensor
	for t, table := range f.tables {
		rows, columns := len(table.Rows), table.columns()
		alpha := e.Tensor(slices.Concat(probe(rows, columns, float64(t))...), rows, columns)
		alphas = append(alphas, alpha)
		in := []*tensors.Tensor{alpha}
		for _, input := range m.Inputs {
			if input.To == ToRelax {
				in = append(in, input.At(c, Pass{Position: run.Position{Epochs: c.Epochs, Steps: max(c.StepsPerEpoch, 1)}}))
			}
		}
		name, err := checksum(e, "relaxation", func(in []*graph.Node) *graph.Node { return m.Relax(t, in[0], in[1:]) }, []int{0}, in...)
		if err != nil {
			return nil, fmt.Errorf("method %s: relaxation of table %d: %w", m.Name, t, err)
		}
		f.relax = append(f.relax, name)
		if err := run.Finalize(in[1:]...); err != nil {
			return nil, err
		}
	}
	if m.Sample != nil {
		for kind := range f.kinds() {
			name, err := m.Sample.name(e, f, kind)
			if err != nil {
				return nil, fmt.Errorf("method %s: gates of cells of kind %d: %w", m.Name, kind, err)
			}
			f.gates = append(f.gates, name)
		}
	}
	if m.Penalty != nil {
		if f.penalty, err = checksum(e, "penalty", m.Penalty, []int{0}, alphas...); err != nil {
			return nil, fmt.Errorf("method %s: penalty: %w", m.Name, err)
		}
	}
	return f, run.Finalize(alphas...)
}

// checksum names a graph function by its results for inputs and by its gradients for those of some numbers.
func checksum(e *engine.Engine, what string, f func([]*graph.Node) *graph.Node, wrt []int, in ...*tensors.Tensor) (string, error) {
	out, err := e.Evaluate("", func(in []*graph.Node) []*graph.Node {
		y := f(in)
		weigh := graph.AddScalar(graph.Cos(graph.IotaFull(y.Graph(), y.Shape())), 0.5)
		var of []*graph.Node
		for _, i := range wrt {
			of = append(of, in[i])
		}
		return append([]*graph.Node{y}, graph.Gradient(graph.ReduceAllSum(graph.Mul(y, weigh)), of...)...)
	}, in...)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, t := range out {
		v, err := engine.Values(t)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s|%x|", t.Shape(), v)
	}
	return what + "|" + hex.EncodeToString(h.Sum(nil))[:16], run.Finalize(out...)
}

// relaxation is the leaf from a table's parameters and the relaxation's inputs to weights.
func (f *functions) relaxation(table int) nn.Module {
	return nn.NewLeaf(f.relax[table], nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{f.method.Relax(table, in[0], in[1:])}
	})
}

// edge makes an edge of the supernet.
func (f *functions) edge(at space.EdgeAt) (nn.Module, error) {
	ops := f.tables[at.Table()].Ops[at.Row]
	if f.method.Edge == nil {
		return nn.MixedEdge(ops, at.Channels, at.Stride)
	}
	if f.has(nn.Noise) {
		at.Own = 1
	}
	return f.method.Edge(at, ops)
}

// has tells whether any edge has an operation.
func (f *functions) has(op string) bool {
	return slices.ContainsFunc(f.tables, func(t TableSpec) bool {
		return slices.ContainsFunc(t.Ops, func(ops []string) bool { return slices.Contains(ops, op) })
	})
}

// inputs are all that the objective takes behind images, labels and parameters: those of edges, those that edges share,
// then the relaxation's.
func (f *functions) inputs() []Input {
	var out []Input
	if f.has(nn.Noise) {
		out = append(out, States("noise", 0x4015e))
	}
	for _, to := range []To{ToEdge, ToAllEdges, ToRelax} {
		for _, in := range f.method.Inputs {
			if in.To == to {
				out = append(out, in)
			}
		}
	}
	return out
}

// supernet is the network of the space with these edges; each gets its row of so many tables.
func (f *functions) supernet(edge space.EdgeFunc, tables int) (nn.Module, error) {
	takes := space.SupernetInputs{Tables: tables}
	for _, in := range f.inputs() {
		switch in.To {
		case ToEdge:
			takes.PerEdge++
		case ToAllEdges:
			takes.Shared++
		}
	}
	return f.space.Supernet(f.config.Size, takes, edge)
}

// whole is the supernet that holds all tensors.
func (f *functions) whole() (nn.Module, error) {
	if f.method.Sample != nil {
		return f.drawn(nil)
	}
	return f.supernet(f.edge, 1)
}

// objective is the composite that a search differentiates: images [batch, height, width, channels], labels [batch], the
// tables' parameters [rows, columns] and the inputs, and of a search that draws those of [functions.gating], to the loss,
// the number of correct samples and the penalty's part of the loss. Its network is the whole supernet or one drawn from it.
func (f *functions) objective(net nn.Module) nn.Module {
	loss, add := engine.LossModule(0), nn.Sum()
	penalty := nn.NewLeaf("no_penalty", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.ScalarZero(in[0].Graph(), in[0].DType())}
	})
	if f.penalty != "" {
		penalty = nn.NewLeaf(f.penalty, nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
			return []*graph.Node{f.method.Penalty(in)}
		})
	}
	of := f.inputs()
	toRelax := 0
	for _, in := range of {
		if in.To == ToRelax {
			toRelax++
		}
	}
	weigh := f.relaxing
	if f.method.Sample != nil {
		weigh = f.gating
	}
	signature := fmt.Sprintf("objective|%s|%v|%v|%s", net.Signature(), f.relax, f.gates, penalty.Signature())
	return nn.NewComposite(signature, nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		first := 2 + len(f.tables)
		alphas, inputs, draw := in[2:first], in[first:first+len(of)-toRelax], in[first+len(of):]
		netIn := append([]nn.Value{in[0]}, weigh(e, alphas, in[first+len(of)-toRelax:first+len(of)], draw)...)
		logits := nn.Call1(e, "", net, append(netIn, inputs...)...)
		entropy := e.Call("", loss, logits, in[1])
		extra := nn.Call1(e, "", penalty, alphas...)
		return []nn.Value{nn.Call1(e, "", add, entropy[0], extra), entropy[1], extra}
	})
}

// relaxing makes the tables' weights of their parameters.
func (f *functions) relaxing(e nn.Env, alphas, toRelax, _ []nn.Value) []nn.Value {
	var out []nn.Value
	for t, alpha := range alphas {
		out = append(out, nn.Call1(e, "", f.relaxation(t), append([]nn.Value{alpha}, toRelax...)...))
	}
	return out
}

// Weights are what a method's relaxation makes of one edge's parameters.
func Weights(e *engine.Engine, m Method, alphas []float64) ([]float64, error) {
	in := e.Tensor(alphas, 1, len(alphas))
	out, err := e.Evaluate("", func(in []*graph.Node) []*graph.Node { return []*graph.Node{m.Relax(0, in[0], nil)} }, in)
	if err != nil {
		return nil, err
	}
	v, err := engine.Values(out[0])
	if err != nil {
		return nil, err
	}
	return v, run.Finalize(in, out[0])
}
