// Package gdas is GDAS (1910.04465), ROME's baseline: in each pass one operation of every edge is drawn by Gumbel-softmax
// and alone runs, and the parameters get the gradient of the softmax.
package gdas

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "gdas"

// Config is GDAS's configuration.
type Config struct {
	diff.Config
	Temperature diff.Temperature `json:"temperature"`
}

// DefaultConfig is the search of GDAS (1910.04465, section 4.1) on CIFAR-10 with DARTS's optimizers: 250 epochs of batch 64, the
// temperature from 10 to 0.1 in a line. The order in a step is that of the other searches here, the architecture first;
// the published code moves the weights first.
func DefaultConfig() Config {
	c := Config{Config: diff.DefaultConfig(), Temperature: diff.Temperature{First: 10, Last: 0.1}}
	c.Epochs = 250
	return c
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if err := c.ValidateDrawing(); err != nil {
		return err
	}
	return c.Temperature.Validate()
}

// reduced are the searches in S1 to S4, with as many steps at quick as ROME, to compare with.
func reduced() []method.Variant {
	list := diff.ReducedSpaces("GDAS")
	for i := range list {
		list[i].At = map[string]string{profile.Quick: diff.FewSteps}
		list[i].Notes = map[string]string{profile.Quick: diff.FewStepsNote}
	}
	return list
}

// Method is GDAS for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "GDAS", Paper: method.Paper{ArXiv: "1910.04465", Title: "Searching for A Robust Neural Architecture in Four GPU Hours"},
		Spaces: diff.Spaces(), Data: datasets.CIFAR10Name,
		New:      method.From(DefaultConfig),
		Profiles: diff.ByEdges(diff.Profiles("", ""), 10),
		Variants: append(reduced(), diff.VariantByEdges(diff.OnNASBench201("GDAS", ""))),
		Run:      diff.Run(Search),
	}
}

// Search is what GDAS adds to DARTS: networks are drawn. Cells are derived as DARTS's are, two inputs a node; the published
// code may keep two operations from one input. In NAS-Bench-201 the published code adds to an edge the weights of the
// operations that were not drawn, which are 0 but have a gradient, and so does this.
func Search(c *Config) diff.Method {
	m := diff.DARTS()
	m.Name = Name
	m.Sample = &diff.Sampler{Draws: [2]int{1, 1}, Temperature: c.Temperature.At, Choose: diff.OneEach, Gates: Gates}
	if c.Space == space.NASBench201Name {
		m.Sample.Vectors, m.Sample.Gates, m.Sample.Ops = 2, GridGates, GridOps
	}
	return m
}

// Gates are the straight-through weights of the drawn operations [edges] (equation 7).
func Gates(_ int, tables []diff.Drawn) []*graph.Node { return []*graph.Node{tables[0].Gate()} }

// GridGates are [Gates] and the sums of the weights of what was not drawn, [edges].
func GridGates(_ int, tables []diff.Drawn) []*graph.Node {
	t := tables[0]
	return []*graph.Node{t.Gate(), graph.ReduceSum(graph.Mul(t.Hard(), graph.OneMinus(t.Mask)), -1)}
}

// GridOps are the operations of an edge of NAS-Bench-201 with a scalar added to their outputs: inputs x [batch, height,
// width, channels], the operation's weight, and the scalar.
func GridOps(at space.EdgeAt, names []string) ([]nn.MixedOp, error) {
	ops, err := nn.MixedOps(names, at.Channels, at.Stride)
	if err != nil {
		return nil, err
	}
	for k, op := range ops {
		if op.Module == nil {
			op.Module = nn.NewLeaf("gdas_none", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
				return []*graph.Node{graph.Mul(graph.ZerosLike(in[0]), in[1])}
			})
		}
		ops[k] = nn.MixedOp{Module: plus(op.Module), Inputs: []int{0}}
	}
	return ops, nil
}

// plus adds a scalar, the third input, to what an operation makes of the other two.
func plus(op nn.Module) nn.Module {
	add := nn.NewLeaf("plus_scalar", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node { return []*graph.Node{graph.Add(in[0], in[1])} })
	return nn.NewComposite("plus|"+op.Signature(), nn.Operation, []nn.Child{{Module: op}}, func(e nn.Env, in []nn.Value) []nn.Value {
		return e.Call("", add, nn.Call1(e, "", op, in[0], in[1]), in[2])
	})
}
