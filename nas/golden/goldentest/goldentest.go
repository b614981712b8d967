// Package goldentest compares supernets with the numbers of official code, for tests.
package goldentest

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space/cells"
)

// Tolerance is of the largest magnitude of each quantity.
const Tolerance = 1e-4

// Gain is W in the formula of the weights.
const Gain = 3

// Supernet is one case of a golden search_network.json: batches of two images of 32×32 pixels, cross entropy.
type Supernet struct {
	Target struct {
		Values []int32 `json:"values"`
	} `json:"target"`
	EvalLogits   [][]float64            `json:"eval_logits"`
	EvalLoss     float64                `json:"eval_mode_cross_entropy"`
	EvalAlphas   map[string][][]float64 `json:"eval_mode_dCE_dalpha"`
	TrainLogits  [][]float64            `json:"train_mode_logits"`
	TrainLoss    float64                `json:"train_mode_cross_entropy"`
	TrainAlphas  map[string][][]float64 `json:"train_mode_dCE_dalpha"`
	GradientNorm float64                `json:"train_mode_weight_grad_global_l2norm"`
	NormsByName  map[string]float64     `json:"train_mode_weight_grad_l2norm_by_name"`
	StemMean     []float64              `json:"train_mode_stem_bn_running_mean_after"`
	StemVar      []float64              `json:"train_mode_stem_bn_running_var_after"`
}

// Read parses a case: the whole file, or the one of a name among its cases.
func Read(t *testing.T, data []byte, name string) Supernet {
	t.Helper()
	var one Supernet
	if name == "" {
		require.NoError(t, json.Unmarshal(data, &one))
		return one
	}
	var file struct {
		Cases map[string]Supernet `json:"cases"`
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.Contains(t, file.Cases, name)
	return file.Cases[name]
}

// Images is a golden input of PyTorch's layout as [batch, height, width, channels].
func Images(e *engine.Engine, name string, n, h, w, c int) *tensors.Tensor {
	nchw := golden.Input(name, []int{n, c, h, w})
	out := make([]float64, len(nchw))
	i := 0
	for b := range n {
		for ch := range c {
			for y := range h {
				for x := range w {
					out[((b*h+y)*w+x)*c+ch] = nchw[i]
					i++
				}
			}
		}
	}
	return e.Tensor(out, n, h, w, c)
}

// Testdata is a golden file of the package under test.
func Testdata(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

// Float64Engine computes in float64, in Go.
func Float64Engine(t *testing.T) *engine.Engine {
	t.Helper()
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	return engine.NewFloat64(b.Backend)
}

// NCHW reorders values [n, h, w, c] as PyTorch has them, NHWC the other way; shape is PyTorch's.
func NCHW(flat []float64, n, h, w, c int) []float64 { return reorder(flat, n, h*w, c) }
func NHWC(flat []float64, shape []int) []float64 {
	return reorder(flat, shape[0], shape[1], shape[2]*shape[3])
}

// reorder takes [n, a, b] to [n, b, a].
func reorder(flat []float64, n, a, b int) []float64 {
	out := make([]float64, len(flat))
	for i := range n {
		for j := range a {
			for k := range b {
				out[(i*b+k)*a+j] = flat[(i*a+j)*b+k]
			}
		}
	}
	return out
}

// Fill gives a model's tensors the values of the formula.
func Fill(t *testing.T, m *engine.Model) {
	t.Helper()
	FillAs(t, m, func(name string) string { return name })
}

// FillAs is [Fill] where official gives the tensors' names in the official code.
func FillAs(t *testing.T, m *engine.Model, official func(string) string) {
	t.Helper()
	state := map[string][]float64{}
	for _, s := range m.Specs() {
		state[s.Name] = golden.Tensor(official(s.Name), s.Shape, Gain)
	}
	require.NoError(t, m.LoadFloat64(state))
}

// GridName is a tensor's name in the official code of NAS-Bench-201's supernet, which numbers an edge's operations without a
// prefix.
func GridName(name string) string { return strings.Replace(name, "._ops.", ".", 1) }

// Weighed is the golden files' loss of an output [batch, height, width, channels], the sum of its products with the input
// "cotangent" of PyTorch's shape, and the output.
func Weighed(shape []int) nn.Module {
	c := golden.Input("cotangent", shape)
	return nn.NewLeaf(fmt.Sprintf("golden_cotangent|%v", shape), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		flat := graph.Transpose(graph.Transpose(in[0], 2, 3), 1, 2) // as PyTorch has it
		weights := graph.Const(in[0].Graph(), tensors.FromFlatDataAndDimensions(c, shape...))
		return []*graph.Node{graph.ReduceAllSum(graph.Mul(flat, weights)), in[0]}
	})
}

// GradientNorms are the norms of the weights' gradients by tensor, and of all together.
func GradientNorms(t *testing.T, m *engine.Model, g *engine.Gradients) (norms map[string]float64, all float64) {
	t.Helper()
	grads, err := m.WeightGradients(g)
	require.NoError(t, err)
	norms = map[string]float64{}
	total := 0.0
	for name, v := range grads {
		sum := 0.0
		for _, x := range v {
			sum += x * x
		}
		norms[name] = math.Sqrt(sum)
		total += sum
	}
	return norms, math.Sqrt(total)
}

// Inputs are those of a supernet's objective: images, labels, and the parameters of normal and reduction cells, moved by
// shift.
func (s Supernet) Inputs(e *engine.Engine, operations int, shift float64) []*tensors.Tensor {
	in := []*tensors.Tensor{Images(e, "input", 2, 32, 32, 3), tensors.FromFlatDataAndDimensions(s.Target.Values, 2)}
	for _, side := range []string{"alphas_normal", "alphas_reduce"} {
		v := golden.Input(side, []int{cells.Edges, operations})
		for i := range v {
			v[i] += shift
		}
		in = append(in, e.Tensor(v, cells.Edges, operations))
	}
	return in
}

// Near asserts max |got - want| ≤ tolerance · max |want|.
func Near(t *testing.T, what string, want []float64, got *tensors.Tensor, tolerance float64) {
	t.Helper()
	require.NotNil(t, got, what)
	v, err := engine.Values(got)
	require.NoError(t, err)
	golden.Near(t, what, want, v, tolerance, 0)
}

// Flat joins a table's rows.
func Flat(rows [][]float64) []float64 {
	var out []float64
	for _, r := range rows {
		out = append(out, r...)
	}
	return out
}

// eval compares a pass in evaluation mode and the parameters' gradients, which are those of the inputs 2 and 3. The
// model's outputs are loss, number of correct samples and logits.
func (s Supernet) eval(t *testing.T, m *engine.Model, in []*tensors.Tensor, loss bool) {
	t.Helper()
	g, err := m.Gradient(nn.Mode{}, false, []int{2, 3}, in...)
	require.NoError(t, err)
	if loss {
		Near(t, "eval loss", []float64{s.EvalLoss}, g.Outputs[0], Tolerance)
	}
	Near(t, "eval logits", Flat(s.EvalLogits), g.Outputs[2], Tolerance)
	Near(t, "eval alphas normal", Flat(s.EvalAlphas["alphas_normal"]), g.Inputs[0], Tolerance)
	Near(t, "eval alphas reduce", Flat(s.EvalAlphas["alphas_reduce"]), g.Inputs[1], Tolerance)
}

// trainForward compares a pass in training mode, and the statistics that it left.
func (s Supernet) trainForward(t *testing.T, m *engine.Model, g *engine.Gradients) {
	t.Helper()
	Near(t, "train loss", []float64{s.TrainLoss}, g.Outputs[0], Tolerance)
	Near(t, "train logits", Flat(s.TrainLogits), g.Outputs[2], Tolerance)
	state, err := m.StateFloat64()
	require.NoError(t, err)
	golden.Near(t, "running mean", s.StemMean, state["stem.1.running_mean"][:8], Tolerance, 0)
	golden.Near(t, "running var", s.StemVar, state["stem.1.running_var"][:8], Tolerance, 0)
}

// trainGradients compares the gradients of a pass in training mode.
func (s Supernet) trainGradients(t *testing.T, m *engine.Model, g *engine.Gradients) {
	t.Helper()
	Near(t, "train alphas normal", Flat(s.TrainAlphas["alphas_normal"]), g.Inputs[0], Tolerance)
	Near(t, "train alphas reduce", Flat(s.TrainAlphas["alphas_reduce"]), g.Inputs[1], Tolerance)
	norms, all := GradientNorms(t, m, g)
	require.InEpsilon(t, s.GradientNorm, all, Tolerance)
	require.NotEmpty(t, s.NormsByName)
	for name, norm := range s.NormsByName {
		require.InEpsilon(t, norm, norms[name], Tolerance, name)
	}
}

// Forward compares what a model computes in evaluation and in training. Where loss is false, that of evaluation is not.
func (s Supernet) Forward(t *testing.T, m *engine.Model, in []*tensors.Tensor, loss bool) {
	t.Helper()
	s.compare(t, m, in, loss, nil)
}

// All compares the gradients in training as well.
func (s Supernet) All(t *testing.T, m *engine.Model, in []*tensors.Tensor, loss bool) {
	t.Helper()
	s.trainGradients(t, m, s.compare(t, m, in, loss, []int{2, 3}))
}

func (s Supernet) compare(t *testing.T, m *engine.Model, in []*tensors.Tensor, loss bool, inputs []int) *engine.Gradients {
	t.Helper()
	s.eval(t, m, in, loss)
	g, err := m.Gradient(nn.Mode{Train: true}, true, inputs, in...)
	require.NoError(t, err)
	s.trainForward(t, m, g)
	return g
}

// Objective is the golden files' network: a supernet under the cross entropy, its outputs loss, number of correct samples
// and logits. Inputs are images, labels, the parameters of both kinds of cells, and the supernet's own.
func Objective(net nn.Module, relax func(*graph.Node) *graph.Node) nn.Module {
	loss := engine.LossModule(0)
	relaxed := nn.NewLeaf("golden_relaxation|"+net.Signature(), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{relax(in[0])}
	})
	return nn.NewComposite("golden|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		netIn := []nn.Value{in[0], nn.Call1(e, "", relaxed, in[2]), nn.Call1(e, "", relaxed, in[3])}
		logits := nn.Call1(e, "", net, append(netIn, in[4:]...)...)
		return append(e.Call("", loss, logits, in[1]), logits)
	})
}
