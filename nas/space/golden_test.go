package space

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
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

// supernetCase is one case of a golden search_network.json.
type supernetCase struct {
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

// goldenImages is the golden input [batch, height, width, channels].
func goldenImages(e *engine.Engine, name string, n, h, w, c int) *tensors.Tensor {
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

func float32s(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

func flatten(rows [][]float64) []float64 {
	var out []float64
	for _, r := range rows {
		out = append(out, r...)
	}
	return out
}

// tolerance is of the largest magnitude of each quantity.
const tolerance = 1e-4

func requireNear(t *testing.T, what string, want, got []float64) {
	t.Helper()
	golden.Near(t, what, want, got, tolerance, 0)
}

func numbers(t *testing.T, x *tensors.Tensor) []float64 {
	t.Helper()
	require.NotNil(t, x)
	out, err := engine.Values(x)
	require.NoError(t, err)
	return out
}

// requireClose is requireNear for float32 results at another tolerance.
func requireClose(t *testing.T, what string, want []float64, got []float32, tolerance float64) {
	t.Helper()
	wide := make([]float64, len(got))
	for i, v := range got {
		wide[i] = float64(v)
	}
	golden.Near(t, what, want, wide, tolerance, 0)
}

func values(t *testing.T, x *tensors.Tensor) []float32 {
	t.Helper()
	return float32s(numbers(t, x))
}

func nhwcInput(name string, n, h, w, c int) *tensors.Tensor {
	return goldenImages(engine.New(nil), name, n, h, w, c)
}

func fill(t *testing.T, m *engine.Model) {
	t.Helper()
	state := map[string][]float64{}
	for _, s := range m.Specs() {
		state[s.Name] = golden.Tensor(s.Name, s.Shape, 3)
	}
	require.NoError(t, m.LoadFloat64(state))
}

// objective runs the supernet under the cross entropy; its outputs are loss, correct and logits.
func objective(t *testing.T, size Size, primitives []string, relax nn.Module) nn.Module {
	net, err := Supernet(size, SupernetInputs{Tables: 1}, MixedEdges(cells.Uniform(primitives)))
	require.NoError(t, err)
	loss := engine.LossModule(0)
	return nn.NewComposite("golden|"+net.Signature()+relax.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		normal, reduce := nn.Call1(e, "", relax, in[2]), nn.Call1(e, "", relax, in[3])
		logits := nn.Call1(e, "", net, in[0], normal, reduce)
		out := e.Call("", loss, logits, in[1])
		return append(out, logits)
	})
}

// Relaxations as modules.
var (
	softmax = nn.NewLeaf("softmax", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node { return []*graph.Node{nn.SoftmaxRows(in[0])} })
	sigmoid = nn.NewLeaf("sigmoid", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node { return []*graph.Node{graph.Sigmoid(in[0])} })
)

var supernetCases = []struct {
	file, name string
	primitives []string
	relax      nn.Module
	shift      float64
	evalLoss   bool
	read       func(t *testing.T, data []byte) supernetCase
}{
	{"darts_search_network.json", "darts", DARTSPrimitives, softmax, 0, true, readCase("")},
	{"fairdarts_search_network.json", "fairdarts", FairDARTSPrimitives, sigmoid, -2, true, readCase("alphas = 2u-1 - 2 (well scaled)")},
	{"fairdarts_search_network.json", "fairdarts-large", FairDARTSPrimitives, sigmoid, 0, false, readCase("alphas = 2u-1 (eval mode explodes to 1e7: use train-mode values, or relative tolerance)")},
}

// TestSupernetGolden compares the supernets with the official code's numbers in float64: PyTorch's own float32
// deviates by 1e-3 in the gradients of training mode, since batch norm over two images amplifies rounding.
func TestSupernetGolden(t *testing.T) {
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	for _, tc := range supernetCases {
		data, err := os.ReadFile("testdata/" + tc.file)
		require.NoError(t, err)
		want := tc.read(t, data)
		for _, granularity := range []nn.Level{nn.Edge, nn.Network} {
			if granularity == nn.Network && !tc.evalLoss {
				continue // the same network as the case before
			}
			t.Run(fmt.Sprintf("%s/%s", tc.name, granularity), func(t *testing.T) {
				t.Parallel()
				m, in := goldenSupernet(t, engine.NewFloat64(b.Backend), want, tc.primitives, tc.relax, tc.shift, granularity)
				requireEval(t, m, want, in, tc.evalLoss)

				g, err := m.Gradient(nn.Mode{Train: true}, true, []int{2, 3}, in...)
				require.NoError(t, err)
				requireTrainForward(t, m, want, g)
				requireTrainGradients(t, m, want, g)
			})
		}
	}
}

// TestSupernetGoldenFloat32 compares what float32 can resolve, on the backend that users have, kernels included.
func TestSupernetGoldenFloat32(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	if b.Info.Kind == backend.KindGo {
		t.Skip("no XLA plug-in; `make setup` brings one")
	}
	for _, tc := range supernetCases[:2] {
		data, err := os.ReadFile("testdata/" + tc.file)
		require.NoError(t, err)
		want := tc.read(t, data)
		for _, granularity := range []nn.Level{nn.Operation, nn.Edge} {
			t.Run(fmt.Sprintf("%s/%s", tc.name, granularity), func(t *testing.T) {
				m, in := goldenSupernet(t, engine.New(b.Backend), want, tc.primitives, tc.relax, tc.shift, granularity)
				requireEval(t, m, want, in, tc.evalLoss)
				g, err := m.Gradient(nn.Mode{Train: true}, true, nil, in...)
				require.NoError(t, err)
				requireTrainForward(t, m, want, g)
			})
		}
	}
}

func goldenSupernet(t *testing.T, e *engine.Engine, want supernetCase, primitives []string, relax nn.Module, shift float64, granularity nn.Level) (*engine.Model, []*tensors.Tensor) {
	size := Size{Cells: 8, Channels: 16, Classes: 10, InputChannels: 3}
	m, err := e.NewModel(objective(t, size, primitives, relax), granularity)
	require.NoError(t, err)
	fill(t, m)
	in := []*tensors.Tensor{goldenImages(e, "input", 2, 32, 32, 3), tensors.FromFlatDataAndDimensions(want.Target.Values, 2)}
	for _, side := range []string{"alphas_normal", "alphas_reduce"} {
		v := golden.Input(side, []int{cells.Edges, len(primitives)})
		for i := range v {
			v[i] += shift
		}
		in = append(in, e.Tensor(v, cells.Edges, len(primitives)))
	}
	return m, in
}

func requireEval(t *testing.T, m *engine.Model, want supernetCase, in []*tensors.Tensor, loss bool) {
	t.Helper()
	g, err := m.Gradient(nn.Mode{}, false, []int{2, 3}, in...)
	require.NoError(t, err)
	if loss {
		requireNear(t, "eval loss", []float64{want.EvalLoss}, numbers(t, g.Outputs[0]))
	}
	requireNear(t, "eval logits", flatten(want.EvalLogits), numbers(t, g.Outputs[2]))
	requireNear(t, "eval alphas normal", flatten(want.EvalAlphas["alphas_normal"]), numbers(t, g.Inputs[0]))
	requireNear(t, "eval alphas reduce", flatten(want.EvalAlphas["alphas_reduce"]), numbers(t, g.Inputs[1]))
}

func requireTrainForward(t *testing.T, m *engine.Model, want supernetCase, g *engine.Gradients) {
	t.Helper()
	requireNear(t, "train loss", []float64{want.TrainLoss}, numbers(t, g.Outputs[0]))
	requireNear(t, "train logits", flatten(want.TrainLogits), numbers(t, g.Outputs[2]))
	state, err := m.StateFloat64()
	require.NoError(t, err)
	requireNear(t, "running mean", want.StemMean, state["stem.1.running_mean"][:8])
	requireNear(t, "running var", want.StemVar, state["stem.1.running_var"][:8])
}

// requireTrainGradients compares the gradients of a pass in training mode.
func requireTrainGradients(t *testing.T, m *engine.Model, want supernetCase, g *engine.Gradients) {
	t.Helper()
	requireNear(t, "train alphas normal", flatten(want.TrainAlphas["alphas_normal"]), numbers(t, g.Inputs[0]))
	requireNear(t, "train alphas reduce", flatten(want.TrainAlphas["alphas_reduce"]), numbers(t, g.Inputs[1]))
	grads, err := m.WeightGradients(g)
	require.NoError(t, err)
	total := 0.0
	norms := map[string]float64{}
	for name, v := range grads {
		sum := 0.0
		for _, x := range v {
			sum += x * x
		}
		norms[name] = math.Sqrt(sum)
		total += sum
	}
	require.InEpsilon(t, want.GradientNorm, math.Sqrt(total), tolerance)
	require.NotEmpty(t, want.NormsByName)
	for name, norm := range want.NormsByName {
		require.InEpsilon(t, norm, norms[name], tolerance, name)
	}
}

func readCase(name string) func(t *testing.T, data []byte) supernetCase {
	return func(t *testing.T, data []byte) supernetCase {
		var c supernetCase
		if name == "" {
			require.NoError(t, json.Unmarshal(data, &c))
			return c
		}
		var file struct {
			Cases map[string]supernetCase `json:"cases"`
		}
		require.NoError(t, json.Unmarshal(data, &file))
		c, ok := file.Cases[name]
		require.True(t, ok, name)
		return c
	}
}
