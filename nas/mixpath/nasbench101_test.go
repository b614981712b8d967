package mixpath_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
)

// must1 is a module that can be made.
func must1(m nn.Module, err error) nn.Module {
	if err != nil {
		panic(err)
	}
	return m
}

// maxPool is that of a size with a stride and a padding.
func maxPool(size, stride, padding int) nn.Module {
	return nn.NewLeaf(fmt.Sprint("max_pool", size, stride, padding), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{nn.MaxPoolImages(in[0], size, stride, padding)}
	})
}

// sequence is modules one after the other, some with tensors under a name.
func sequence(name string, parts ...nn.Child) nn.Module {
	for _, p := range parts {
		name += "|" + p.Name + p.Module.Signature()
	}
	return nn.NewComposite(name, nn.Network, parts, func(e nn.Env, in []nn.Value) []nn.Value {
		for _, p := range parts {
			in = e.Call(p.Name, p.Module, in...)
		}
		return in
	})
}

// benchNode is a node of the supernet for NAS-Bench-101 (NasBench101/nas_model_search.py): 1×1, then 1×1, 3×3 or a max-pool.
func benchNode(op, in, out int) nn.Module {
	square := [2]int{1, 1}
	parts := []nn.Child{{Name: "op.0", Module: nn.Convolution("", in, out, 1, 1, square)}, {Name: "op.1", Module: must1(nn.NormAct("", out, "relu"))}}
	if op == 2 {
		return sequence("node", append(parts, nn.Child{Module: maxPool(3, 1, 1)})...)
	}
	k := []int{1, 3}[op]
	return sequence("node", append(parts, nn.Child{Name: "op.3", Module: nn.Convolution("", out, out, k, k, square)}, nn.Child{Name: "op.4", Module: must1(nn.NormAct("", out, "relu"))})...)
}

// benchCell sums the nodes of some paths, of an operation each, and has a 1×1 convolution with bias and a ReLU behind them; the
// released code makes the shadow norms of bn_list and uses none.
func benchCell(paths, ops []int, in, out int, all bool) nn.Module {
	project := nn.NewLeaf(fmt.Sprint("project", out), []nn.Spec{{Name: "weight", Shape: []int{out, out, 1, 1}, Kind: nn.Pointwise}, {Name: "bias", Shape: []int{out}}}, func(c *nn.Ctx, x []*graph.Node) []*graph.Node {
		d := x[0].Shape().Dimensions
		rows := nn.DenseLayer(c, graph.Reshape(x[0], d[0]*d[1]*d[2], d[3]))
		return []*graph.Node{nn.ReLU(graph.Reshape(rows, d...))}
	})
	var nodes, children []nn.Child
	name := fmt.Sprint("cell", in, out, all)
	for i, path := range paths {
		c := nn.Child{Name: fmt.Sprintf("nodes.%d", 3*path+ops[i]), Module: benchNode(ops[i], in, out)}
		nodes, name = append(nodes, c), name+c.Name
	}
	children = append(nodes, nn.Child{Name: "nodes.12", Module: project})
	if all {
		for i := range 4 {
			children = append(children, nn.Child{Name: fmt.Sprintf("bn_list.%d", i), Module: must1(nn.NormAct("", out, ""))})
		}
	}
	return nn.NewComposite(name, nn.Network, children, func(e nn.Env, in []nn.Value) []nn.Value {
		var sum []nn.Value
		for _, n := range nodes {
			sum = append(sum, nn.Call1(e, n.Name, n.Module, in[0]))
		}
		return e.Call("nodes.12", project, nn.Call1(e, "", nn.Sum(), sum...))
	})
}

// benchNetwork has nine cells of 16, 32 and 64 channels, halved behind the third and the sixth.
func benchNetwork(paths, ops []int, all bool) nn.Module {
	parts := []nn.Child{{Name: "stem.0", Module: nn.Convolution("", 3, 16, 3, 3, [2]int{1, 1})}, {Name: "stem.1", Module: must1(nn.NormAct("", 16, "relu"))}}
	in := 16
	for i := range 9 {
		out := 16 << (i / 3)
		parts = append(parts, nn.Child{Name: fmt.Sprintf("cell_list.%d", i), Module: benchCell(paths, ops, in, out, all)})
		if in = out; i == 2 || i == 5 {
			parts = append(parts, nn.Child{Module: maxPool(2, 2, 0)})
		}
	}
	return sequence("nasbench101", append(parts, nn.Child{Module: must1(nn.PooledClassifier("classifier", "", 64, 0, 10, "", true, false))})...)
}

// TestGoldenNASBench101 evaluates the official supernet for NAS-Bench-101, written for this test: there is no such space here.
func TestGoldenNASBench101(t *testing.T) {
	var ref struct {
		Params struct{ All int }
		Cases  map[string]struct {
			Logits [][]float64 `json:"eval_logits"`
		}
	}
	read(t, "NasBench101_supernet.json", &ref)
	var paths, ops []int
	for path := range 4 {
		for op := range 3 {
			paths, ops = append(paths, path), append(ops, op)
		}
	}
	whole := benchNetwork(paths, ops, true)
	assert.Equal(t, ref.Params.All, nn.Params(whole.Specs()))
	e := goldentest.Float64Engine(t)
	m, err := e.NewModel(whole, nn.Edge)
	require.NoError(t, err)
	fill(t, m, 3)
	require.Len(t, ref.Cases, 4)
	for name, c := range ref.Cases {
		var of struct{ Path, Op []int }
		require.NoError(t, json.Unmarshal([]byte(name), &of))
		out, err := m.Path(benchNetwork(of.Path, of.Op, false)).Run(nn.Mode{}, goldentest.Images(e, "input", 2, 32, 32, 3))
		require.NoError(t, err)
		v, err := engine.Values(out[0])
		require.NoError(t, err)
		golden.Near(t, name, goldentest.Flat(c.Logits), v, tolerance, 0)
	}
}
