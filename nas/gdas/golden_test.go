package gdas

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// tolerance is of each quantity's largest magnitude; the golden files have seven digits.
const tolerance = 1e-6

// summary is a tensor of PyTorch's layout: all of it, or its ends.
type summary struct {
	Shape  []int     `json:"shape"`
	Values []float64 `json:"values_flat"`
	First  []float64 `json:"first4"`
	Last   []float64 `json:"last4"`
	Most   float64   `json:"absmax"`
}

// pass is what the official code computed in one mode.
type pass struct {
	Out        summary              `json:"out"`
	Loss       float64              `json:"L"`
	Alphas     [][]float64          `json:"dL_darch"`
	Input      summary              `json:"dL_dx"`
	Input0     summary              `json:"dL_dx0"`
	Input1     summary              `json:"dL_dx1"`
	Norm       float64              `json:"weight_grad_global_l2norm"`
	Parameters int                  `json:"parameters_with_gradient"`
	Buffers    map[string][]float64 `json:"running_stats_after_changed_only"`
}

type reference struct {
	Ops   []string        `json:"ops"`
	Edges map[string]draw `json:"edges"`
	Cells map[string]draw `json:"cells"`
	Cases map[string]draw `json:"cases"`
	// Supernet is a whole network under the cross entropy.
	Supernet struct {
		Parameters int `json:"params_without_arch"`
		Target     struct {
			Values []int32 `json:"values"`
		} `json:"target"`
		Gumbel      []string `json:"gumbel_names_in_call_order"`
		Eval, Train networkPass
	} `json:"supernet"`
}

// networkPass is what the official code computed of a whole network in one mode.
type networkPass struct {
	Logits     [][]float64            `json:"logits"`
	Loss       float64                `json:"cross_entropy"`
	Alphas     map[string][][]float64 `json:"dCE_darch"`
	Norm       float64                `json:"weight_grad_global_l2norm"`
	Parameters int                    `json:"parameters_with_gradient"`
	Chosen     map[string][]int       `json:"chosen_index"`
	StemMean   []float64              `json:"stem_bn_running_mean_after_first8"`
	StemVar    []float64              `json:"stem_bn_running_var_after_first8"`
}

// compare takes gradients of an objective whose last inputs' are those of the tables named.
func (want networkPass) compare(t *testing.T, what string, m *engine.Model, g *engine.Gradients, names ...string) {
	t.Helper()
	goldentest.Near(t, what+": loss", []float64{want.Loss}, g.Outputs[0], tolerance)
	for k, name := range names {
		goldentest.Near(t, what+": "+name, goldentest.Flat(want.Alphas[name]), g.Inputs[k], tolerance)
	}
	requireWeights(t, what, want.Norm, want.Parameters, m, g)
	if want.StemMean != nil {
		state, err := m.StateFloat64()
		require.NoError(t, err)
		golden.Near(t, what+": running mean", want.StemMean, state["stem.1.running_mean"][:8], tolerance, 0)
		golden.Near(t, what+": running var", want.StemVar, state["stem.1.running_var"][:8], tolerance, 0)
	}
}

// draw is one case with a fixed draw.
type draw struct {
	Gumbel      string  `json:"gumbel_name"`
	Chosen      intList `json:"chosen_index"`
	Eval, Train pass
}

// intList is a number or a list of numbers.
type intList []int

func (l *intList) UnmarshalJSON(b []byte) error {
	var one int
	if json.Unmarshal(b, &one) == nil {
		*l = intList{one}
		return nil
	}
	var list []int
	err := json.Unmarshal(b, &list)
	*l = list
	return err
}

func read(t *testing.T, name string) (r reference) {
	t.Helper()
	require.NoError(t, json.Unmarshal(goldentest.Testdata(t, name), &r))
	return r
}

// gumbel is the noise of a name: -log(-log(u)).
func gumbel(name string, rows, columns int) [][]float64 {
	out := make([][]float64, rows)
	for i := range out {
		for k := range columns {
			u := min(max(golden.Uniform(name, i*columns+k), 1e-6), 1-1e-6)
			out[i] = append(out[i], -math.Log(-math.Log(u)))
		}
	}
	return out
}

const temperature = 5

// drawn is a draw for one table: its choice and the inputs of [gated].
type drawn struct {
	diff.Choice
	in []*tensors.Tensor
}

func drawTable(e *engine.Engine, values, noise [][]float64) drawn {
	sum := make([][]float64, len(values))
	for i, row := range values {
		for k, v := range row {
			sum[i] = append(sum[i], v+noise[i][k])
		}
	}
	c := diff.OneEach(0, [][][]float64{sum})
	rows, columns := len(values), len(values[0])
	d := drawn{Choice: c}
	for _, table := range [][][]float64{values, noise, c.Masks[0]} {
		d.in = append(d.in, e.Tensor(slices.Concat(table...), rows, columns))
	}
	d.in = append(d.in, e.Scalar(temperature))
	return d
}

// gated is the leaf of a table's gates.
func gated(grid bool) nn.Module {
	return nn.NewLeaf(fmt.Sprintf("golden_gates|%t", grid), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		tables := []diff.Drawn{{Parameters: in[0], Noise: in[1], Mask: in[2], Temperature: in[3]}}
		if grid {
			return GridGates(0, tables)
		}
		return Gates(0, tables)
	})
}

// part is an edge or a cell with its gates: inputs are images, then those of [gated].
func part(name string, m nn.Module, images int, grid bool, shape []int) nn.Module {
	gates, cut, weigh := gated(grid), nn.Rows(), goldentest.Weighed(shape)
	return nn.NewComposite("golden|"+name+"|"+m.Signature(), nn.Network, []nn.Child{{Module: m}}, func(e nn.Env, in []nn.Value) []nn.Value {
		of := in[:images:images]
		for _, vector := range e.Call("", gates, in[images:]...) {
			of = append(of, e.Call("", cut, vector)...)
		}
		return e.Call("", weigh, nn.Call1(e, "", m, of...))
	})
}

func same(name string) string { return name }

// requireSummary compares what is known of a tensor of the golden file's layout.
func requireSummary(t *testing.T, what string, want summary, got *tensors.Tensor) {
	t.Helper()
	v, err := engine.Values(got)
	require.NoError(t, err, what)
	if len(v) == 0 { // the loss does not depend on it
		require.Zero(t, want.Most, what)
		return
	}
	v = goldentest.NCHW(v, want.Shape[0], want.Shape[2], want.Shape[3], want.Shape[1])
	if want.Values != nil {
		golden.Near(t, what, want.Values, v, tolerance, 0)
		return
	}
	most := 0.0
	for _, x := range v {
		most = math.Max(most, math.Abs(x))
	}
	golden.Near(t, what+", first and last", slices.Concat(want.First, want.Last, []float64{want.Most}), slices.Concat(v[:4], v[len(v)-4:], []float64{most}), tolerance, 0)
}

// requireWeights compares the weights' gradient: its norm, and which tensors have one.
func requireWeights(t *testing.T, what string, norm float64, tensors int, m *engine.Model, g *engine.Gradients) {
	t.Helper()
	norms, all := goldentest.GradientNorms(t, m, g)
	require.Len(t, norms, tensors, "%s: tensors with a gradient", what)
	if norm == 0 {
		require.Zero(t, all, what)
		return
	}
	require.InEpsilon(t, norm, all, tolerance, what)
}

// compare runs a drawn part of a model whose tensors are those of all operations.
func (d draw) compare(t *testing.T, what string, m *engine.Model, root nn.Module, images int, tracks bool, names func(string) string, in []*tensors.Tensor) {
	t.Helper()
	wrt := make([]int, images+1)
	for i := range wrt {
		wrt[i] = i
	}
	for i, want := range []pass{d.Eval, d.Train} {
		if i == 0 && !tracks {
			continue // without running statistics evaluation is training
		}
		goldentest.FillAs(t, m, names)
		before, err := m.StateFloat64()
		require.NoError(t, err)
		what := fmt.Sprintf("%s, train=%t", what, i == 1)
		g, err := m.Path(root).Gradient(nn.Mode{Train: i == 1}, true, wrt, in...)
		require.NoError(t, err, what)
		goldentest.Near(t, what+": loss", []float64{want.Loss}, g.Outputs[0], tolerance)
		requireSummary(t, what+": output", want.Out, g.Outputs[1])
		inputs := []summary{want.Input}
		if images == 2 {
			inputs = []summary{want.Input0, want.Input1}
		}
		for k, s := range inputs {
			requireSummary(t, fmt.Sprintf("%s: gradient of image %d", what, k), s, g.Inputs[k])
		}
		goldentest.Near(t, what+": parameters", goldentest.Flat(want.Alphas), g.Inputs[images], tolerance)
		requireWeights(t, what, want.Norm, want.Parameters, m, g)
		after, err := m.StateFloat64()
		require.NoError(t, err)
		for name, v := range after {
			if stat, ok := want.Buffers[names(name)]; ok && tracks && i == 1 {
				golden.Near(t, what+": "+name, stat, v, tolerance, 0)
			} else if want.Buffers != nil && tracks {
				require.Equal(t, before[name], v, "%s: %s moved though it was not drawn", what, name)
			}
		}
		require.NoError(t, g.Finalize())
	}
}

// levels are the granularities of a search that draws.
var levels = []nn.Level{nn.Operation, nn.Edge}

// number is the operation of an edge in a choice, or all of them.
func number(c *diff.Choice, edge, all int) []int {
	if c != nil {
		return []int{c.Ops[edge]}
	}
	out := make([]int, all)
	for k := range out {
		out[k] = k
	}
	return out
}

// gridCell is a cell of NAS-Bench-201's supernet with the drawn operations, or all: x, 6 gates and 6 sums that are added.
func gridCell(t *testing.T, c *diff.Choice, channels int) nn.Module {
	t.Helper()
	var children []nn.Child
	ends := [][2]int{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}
	signature := "golden_grid_cell"
	for row, e := range ends {
		ops, err := GridOps(space.EdgeAt{Row: row, Channels: channels, Stride: 1}, nn.GridPrimitives)
		require.NoError(t, err)
		m := nn.Drawn(ops, number(c, row, len(ops))...)
		children = append(children, nn.Child{Name: fmt.Sprintf("edges.%d<-%d", e[1], e[0]), Module: m})
		signature += "|" + m.Signature()
	}
	return nn.NewComposite(signature, nn.Network, children, func(e nn.Env, in []nn.Value) []nn.Value {
		states := in[:1:1]
		for to := 1; to < 4; to++ {
			var parts []nn.Value
			for row, ends := range ends {
				if ends[1] == to {
					parts = append(parts, nn.Call1(e, children[row].Name, children[row].Module, states[ends[0]], in[1+row], in[7+row]))
				}
			}
			states = append(states, nn.Call1(e, "", nn.Sum(), parts...))
		}
		return states[3:]
	})
}

// TestGoldenSearchCell201 compares cells of GDAS's supernet for NAS-Bench-201 under fixed draws: outputs, gradients of image,
// parameters and weights, which tensors have a gradient, and that no statistics of what was not drawn move.
func TestGoldenSearchCell201(t *testing.T) {
	ref, e := read(t, "search_cell201.json"), goldentest.Float64Engine(t)
	require.Len(t, ref.Cases, 5)
	values, shape := golden.Table("arch_parameters", 6, 5), []int{2, 4, 8, 8}
	for _, level := range levels {
		m, err := e.NewModel(part("201", gridCell(t, nil, 4), 1, true, shape), level)
		require.NoError(t, err)
		for name, c := range ref.Cases {
			d := drawTable(e, values, gumbel(c.Gumbel, 6, 5))
			require.Equal(t, []int(c.Chosen), d.Ops, name)
			root := part("201", gridCell(t, &d.Choice, 4), 1, true, shape)
			in := append([]*tensors.Tensor{goldentest.Images(e, "input", 2, 8, 8, 4)}, d.in...)
			c.compare(t, name, m, root, 1, strings.Contains(name, "=True"), goldentest.GridName, in)
		}
	}
}

// TestGoldenSearchNetwork201 compares the whole network that the search draws, as the search differentiates it.
func TestGoldenSearchNetwork201(t *testing.T) {
	ref, e := read(t, "search_cell201.json").Supernet, goldentest.Float64Engine(t)
	c := DefaultConfig()
	c.Space, c.Size = space.NASBench201Name, space.Size{Cells: 1, Channels: 8, Classes: 10, InputChannels: 3}
	o, err := diff.NewObjective(e, c.Config, Search(&c))
	require.NoError(t, err)
	root, err := o.Supernet()
	require.NoError(t, err)
	assert.Equal(t, ref.Parameters, nn.Params(root.Specs()))
	images, labels := goldentest.Images(e, "input", 2, 32, 32, 3), tensors.FromFlatDataAndDimensions(ref.Target.Values, 2)
	for _, level := range levels {
		m, err := e.NewModel(root, level)
		require.NoError(t, err)
		goldentest.FillAs(t, m, goldentest.GridName)
		d, drawn, in, err := o.Draw([][][]float64{golden.Table("arch_parameters", 6, 5)}, [][][]float64{gumbel(ref.Gumbel[0], 6, 5)}, temperature)
		require.NoError(t, err)
		require.Equal(t, ref.Eval.Chosen["cells.0"], d.Choices[0].Ops)
		ones := make([]float64, 6)
		for i := range ones {
			ones[i] = 1
		}
		for i, want := range []networkPass{ref.Eval, ref.Train} {
			what, mode := fmt.Sprintf("%s, train=%t", level, i == 1), nn.Mode{Train: i == 1}
			g, err := m.Path(drawn).Gradient(mode, true, []int{2}, append([]*tensors.Tensor{images, labels}, in...)...)
			require.NoError(t, err)
			want.compare(t, what, m, g, "arch_parameters")
			logits, err := m.Path(d.Network).Run(mode, images, e.Tensor(ones, 6), e.Tensor(make([]float64, 6), 6))
			require.NoError(t, err)
			goldentest.Near(t, what+": logits", goldentest.Flat(want.Logits), logits[0], tolerance)
		}
	}
}

// The operations of the published code on DARTS's cells: convolutions behind which a batch norm without parameters stands
// have biases, and pools no batch norm.

func norm(name string, channels int) []nn.Spec {
	vector := func(n string) nn.Spec { return nn.Spec{Name: name + "." + n, Shape: []int{channels}, Buffer: true} }
	return []nn.Spec{vector("running_mean"), vector("running_var"), {Name: name + ".num_batches_tracked", Shape: []int{}, Buffer: true, Counter: true}}
}

func pointwise(name string, in, out int) []nn.Spec {
	return []nn.Spec{{Name: name + ".weight", Shape: []int{out, in, 1, 1}, Kind: nn.Pointwise}, {Name: name + ".bias", Shape: []int{out}}}
}

func conv1(c *nn.Ctx, name string, x *graph.Node, stride int) *graph.Node {
	y := nn.PointwiseConv(x, c.Tensor(name+".weight"), stride)
	return graph.Add(y, graph.BroadcastToDims(graph.Reshape(c.Tensor(name+".bias"), 1, 1, 1, -1), y.Shape().Dimensions...))
}

// gainLeaf is an operation times its gate, where it has one.
func gainLeaf(signature string, specs []nn.Spec, f func(c *nn.Ctx, x *graph.Node) *graph.Node) nn.Module {
	return nn.NewLeaf("golden:"+signature, specs, func(c *nn.Ctx, in []*graph.Node) []*graph.Node {
		y := f(c, in[0])
		if len(in) > 1 {
			y = graph.Mul(y, in[1])
		}
		return []*graph.Node{y}
	})
}

type separable struct {
	prefix                     string
	kernel, stride, dilatation int
}

func (s separable) specs(channels int) []nn.Spec {
	return slices.Concat([]nn.Spec{{Name: s.prefix + "op.1.weight", Shape: []int{channels, 1, s.kernel, s.kernel}, Kind: nn.Depthwise}},
		pointwise(s.prefix+"op.2", channels, channels), norm(s.prefix+"op.3", channels))
}

func (s separable) run(c *nn.Ctx, x *graph.Node) *graph.Node {
	two := func(n int) [2]int { return [2]int{n, n} }
	x = nn.DepthwiseConv(nn.ReLU(x), c.Tensor(s.prefix+"op.1.weight"), two(s.stride), two(s.dilatation), two(s.dilatation*(s.kernel-1)/2))
	return nn.BatchNorm(c, s.prefix+"op.3", conv1(c, s.prefix+"op.2", x, 1))
}

func separables(name string, channels int, list ...separable) nn.Module {
	var specs []nn.Spec
	for _, s := range list {
		specs = append(specs, s.specs(channels)...)
	}
	return gainLeaf(fmt.Sprintf("%s|%d|%v", name, channels, list), specs, func(c *nn.Ctx, x *graph.Node) *graph.Node {
		for _, s := range list {
			x = s.run(c, x)
		}
		return x
	})
}

func reduce(in, out int) nn.Module {
	specs := slices.Concat(pointwise("convs.0", in, out/2), pointwise("convs.1", in, out-out/2), norm("bn", out))
	return gainLeaf(fmt.Sprintf("reduce|%d-%d", in, out), specs, func(c *nn.Ctx, x *graph.Node) *graph.Node {
		x = nn.ReLU(x)
		shifted := graph.Slice(x, graph.AxisRange(), graph.AxisRange(1), graph.AxisRange(1), graph.AxisRange())
		return nn.BatchNorm(c, "bn", graph.Concatenate([]*graph.Node{conv1(c, "convs.0", x, 2), conv1(c, "convs.1", shifted, 2)}, -1))
	})
}

func preprocess(in, out int) nn.Module {
	return gainLeaf(fmt.Sprintf("preprocess|%d-%d", in, out), append(pointwise("op.1", in, out), norm("op.2", out)...), func(c *nn.Ctx, x *graph.Node) *graph.Node {
		return nn.BatchNorm(c, "op.2", conv1(c, "op.1", nn.ReLU(x), 1))
	})
}

// publishedOps are the operations of an edge in the order of the golden file.
func publishedOps(channels, stride int) []nn.MixedOp {
	skip := gainLeaf("skip", nil, func(_ *nn.Ctx, x *graph.Node) *graph.Node { return x })
	if stride == 2 {
		skip = reduce(channels, channels)
	}
	dua := func(k int) nn.Module {
		return separables("dua", channels, separable{"op_a.", k, stride, 1}, separable{"op_b.", k, 1, 1})
	}
	dil := func(k int) nn.Module { return separables("dil", channels, separable{"", k, stride, 2}) }
	avg := gainLeaf(fmt.Sprintf("avg|%d", stride), nil, func(_ *nn.Ctx, x *graph.Node) *graph.Node {
		return nn.AvgPoolImages(x, 3, stride, 1, false)
	})
	most := gainLeaf(fmt.Sprintf("max|%d", stride), nil, func(_ *nn.Ctx, x *graph.Node) *graph.Node { return nn.MaxPoolImages(x, 3, stride, 1) })
	var out []nn.MixedOp
	for _, m := range []nn.Module{nil, skip, dua(3), dua(5), dil(3), dil(5), avg, most} {
		out = append(out, nn.MixedOp{Module: m})
	}
	return out
}

// TestGoldenSearchEdge compares each operation as the one that is drawn, at both strides.
func TestGoldenSearchEdge(t *testing.T) {
	ref, e := read(t, "search_edge.json"), goldentest.Float64Engine(t)
	require.Len(t, ref.Edges, 16)
	for name, c := range ref.Edges {
		stride := 1
		if strings.HasPrefix(name, "stride2") {
			stride = 2
		}
		k := c.Chosen[0]
		values := golden.Table("arch_edge", 1, 8)
		values[0][k] += 8
		d := drawTable(e, values, gumbel("gumbel_edge", 1, 8))
		require.Equal(t, []int{k}, d.Ops, name)
		ops, shape := publishedOps(4, stride), []int{2, 4, 8 / stride, 8 / stride}
		edge := nn.Drawn(ops, k)
		if edge == nil {
			var err error
			edge, err = nn.Primitive(nn.None, 4, stride, false)
			require.NoError(t, err)
		}
		m, err := e.NewModel(part("edge", nn.Drawn(ops, number(nil, 0, len(ops))...), 1, false, shape), nn.Edge)
		require.NoError(t, err)
		in := append([]*tensors.Tensor{goldentest.Images(e, "input", 2, 8, 8, 4)}, d.in...)
		root := part("edge", edge, 1, false, shape)
		if ref.Ops[k] == nn.None {
			// Nothing depends on anything: an edge that is left out has no gradient.
			out, err := m.Path(root).Run(nn.Mode{Train: true}, in...)
			require.NoError(t, err)
			requireSummary(t, name, c.Train.Out, out[1])
			require.Zero(t, c.Train.Parameters)
			require.Equal(t, make([]float64, 8), c.Train.Alphas[0])
			continue
		}
		c.compare(t, name, m, root, 1, true, same, in)
	}
}

// published is a cell of the published code: two states and 14 gates to [batch, height, width, 4·channels].
func published(t *testing.T, c *diff.Choice, beforeBefore, before, channels int, reduction, reductionBefore bool) nn.Module {
	t.Helper()
	pre0, pre1 := preprocess(beforeBefore, channels), preprocess(before, channels)
	if reductionBefore {
		pre0 = reduce(beforeBefore, channels)
	}
	children := []nn.Child{{Name: "preprocess0", Module: pre0}, {Name: "preprocess1", Module: pre1}}
	edges := make([]nn.Child, cells.Edges)
	signature := fmt.Sprintf("golden_cell|%d-%d-%d|%t|%t", beforeBefore, before, channels, reduction, reductionBefore)
	stride := func(from int) int {
		if reduction && from < 2 {
			return 2
		}
		return 1
	}
	for to := 2; to < 2+arch.Nodes; to++ {
		for from := range to {
			row := cells.EdgeIndex(from, to)
			ops := publishedOps(channels, stride(from))
			edges[row] = nn.Child{Name: fmt.Sprintf("edges.%d<-%d", to-2, from), Module: nn.Drawn(ops, number(c, row, len(ops))...)}
			if signature += "|"; edges[row].Module != nil {
				children = append(children, edges[row])
				signature += edges[row].Module.Signature()
			}
		}
	}
	return nn.NewComposite(signature, nn.Network, children, func(e nn.Env, in []nn.Value) []nn.Value {
		states := []nn.Value{nn.Call1(e, "preprocess0", pre0, in[0]), nn.Call1(e, "preprocess1", pre1, in[1])}
		for to := 2; to < 2+arch.Nodes; to++ {
			var parts []nn.Value
			for from := range to {
				if row := cells.EdgeIndex(from, to); edges[row].Module != nil {
					parts = append(parts, nn.Call1(e, edges[row].Name, edges[row].Module, states[from], in[2+row]))
				}
			}
			states = append(states, nn.Call1(e, "", nn.Sum(), parts...))
		}
		return e.Call("", nn.Concat(), states[2:]...)
	})
}

// TestGoldenSearchCell compares whole cells of the published code under fixed draws.
func TestGoldenSearchCell(t *testing.T) {
	ref, e := read(t, "search_edge.json"), goldentest.Float64Engine(t)
	require.Len(t, ref.Cells, 3)
	for name, c := range ref.Cells {
		reduction, after := name == "reduction", name == "normal_after_reduction"
		d := drawTable(e, golden.Table("arch_cell", 14, 8), gumbel("gumbel_cell", 14, 8))
		require.Equal(t, []int(c.Chosen), d.Ops, name)
		make := func(c *diff.Choice) nn.Module {
			side := 8
			if reduction {
				side = 4
			}
			return part("cell", published(t, c, 4, 4, 4, reduction, after), 2, false, []int{2, 16, side, side})
		}
		side := c.Train.Input0.Shape[2]
		in := append([]*tensors.Tensor{goldentest.Images(e, "s0", 2, side, side, 4), goldentest.Images(e, "s1", 2, 8, 8, 4)}, d.in...)
		for _, level := range levels {
			m, err := e.NewModel(make(nil), level)
			require.NoError(t, err)
			c.compare(t, name, m, make(&d.Choice), 2, true, same, in)
		}
	}
}

// publishedNetwork is the whole network of the published code with one cell a stage: images, and for normal and reduction
// cells what [gated] takes, to the cross entropy, the number of correct samples and the logits.
func publishedNetwork(t *testing.T, choices []diff.Choice) nn.Module {
	t.Helper()
	stem := nn.Stem(3, 12)
	last, err := nn.NormAct("lastact.0", 64, "relu")
	require.NoError(t, err)
	head, loss, gates, cut := nn.Classifier(64, 10), engine.LossModule(0), gated(false), nn.Rows()
	of := func(kind int) *diff.Choice {
		if choices == nil {
			return nil
		}
		return &choices[kind]
	}
	list := []nn.Module{published(t, of(0), 12, 12, 4, false, false), published(t, of(1), 12, 16, 8, true, false), published(t, of(1), 16, 32, 16, true, true)}
	children := []nn.Child{{Name: "stem", Module: stem}}
	for i, m := range list {
		children = append(children, nn.Child{Name: fmt.Sprintf("cells.%d", i), Module: m})
	}
	children = append(children, nn.Child{Module: last}, nn.Child{Module: head})
	signature := "golden_network"
	for _, m := range list {
		signature += "|" + m.Signature()
	}
	return nn.NewComposite(signature, nn.Network, children, func(e nn.Env, in []nn.Value) []nn.Value {
		var rows [][]nn.Value
		for kind := range 2 {
			vector := nn.Call1(e, "", gates, in[2+4*kind:6+4*kind]...)
			rows = append(rows, e.Call("", cut, vector))
		}
		s0 := nn.Call1(e, "stem", stem, in[0])
		s1 := s0
		for i, m := range list {
			s0, s1 = s1, nn.Call1(e, fmt.Sprintf("cells.%d", i), m, append([]nn.Value{s0, s1}, rows[min(i, 1)]...)...)
		}
		logits := nn.Call1(e, "", head, nn.Call1(e, "", last, s1))
		return append(e.Call("", loss, logits, in[1]), logits)
	})
}

// TestGoldenSearchNetwork compares the published code's whole network under fixed draws.
func TestGoldenSearchNetwork(t *testing.T) {
	ref, e := read(t, "search_edge.json").Supernet, goldentest.Float64Engine(t)
	names := []string{"arch_normal_parameters", "arch_reduce_parameters"}
	in := []*tensors.Tensor{goldentest.Images(e, "input", 2, 32, 32, 3), tensors.FromFlatDataAndDimensions(ref.Target.Values, 2)}
	var choices []diff.Choice
	for i, name := range names {
		d := drawTable(e, golden.Table(name, 14, 8), gumbel(ref.Gumbel[i], 14, 8))
		require.Equal(t, ref.Train.Chosen[fmt.Sprintf("cells.%d", i)], d.Ops)
		choices, in = append(choices, d.Choice), append(in, d.in...)
	}
	whole := publishedNetwork(t, nil)
	assert.Equal(t, ref.Parameters, nn.Params(whole.Specs()))
	m, err := e.NewModel(whole, nn.Edge)
	require.NoError(t, err)
	goldentest.Fill(t, m)
	for i, want := range []networkPass{ref.Eval, ref.Train} {
		what := fmt.Sprintf("train=%t", i == 1)
		g, err := m.Path(publishedNetwork(t, choices)).Gradient(nn.Mode{Train: i == 1}, true, []int{2, 6}, in...)
		require.NoError(t, err)
		goldentest.Near(t, what+": logits", goldentest.Flat(want.Logits), g.Outputs[2], tolerance)
		want.compare(t, what, m, g, names...)
	}
}
