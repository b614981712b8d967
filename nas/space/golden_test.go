package space

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
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

func float32s(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// nhwcInput is the golden input [batch, height, width, channels].
func nhwcInput(name string, n, h, w, c int) *tensors.Tensor {
	nchw := golden.Input(name, []int{n, c, h, w})
	out := make([]float32, len(nchw))
	i := 0
	for b := range n {
		for ch := range c {
			for y := range h {
				for x := range w {
					out[((b*h+y)*w+x)*c+ch] = float32(nchw[i])
					i++
				}
			}
		}
	}
	return tensors.FromFlatDataAndDimensions(out, n, h, w, c)
}

func fill(t *testing.T, m *engine.Model) {
	state := map[string][]float32{}
	for _, s := range m.Specs() {
		state[s.Name] = float32s(golden.Tensor(s.Name, s.Shape, 3))
	}
	require.NoError(t, m.Load(state))
}

func flatten(rows [][]float64) []float64 {
	var out []float64
	for _, r := range rows {
		out = append(out, r...)
	}
	return out
}

// requireClose asserts max |got - want| ≤ tolerance · max |want|.
func requireClose(t *testing.T, what string, want []float64, got []float32, tolerance float64) {
	t.Helper()
	require.Len(t, got, len(want), what)
	scale, worst := 0.0, 0.0
	for i := range want {
		scale = math.Max(scale, math.Abs(want[i]))
		worst = math.Max(worst, math.Abs(want[i]-float64(got[i])))
	}
	require.LessOrEqual(t, worst, tolerance*scale, "%s: largest magnitude %g", what, scale)
}

func values(t *testing.T, x *tensors.Tensor) []float32 {
	t.Helper()
	require.NotNil(t, x)
	var out []float32
	require.NoError(t, x.ConstFlatData(func(flat any) { out = append(out, flat.([]float32)...) }))
	return out
}

// objective runs the supernet under the cross entropy; its outputs are loss, correct and logits.
func objective(t *testing.T, size Size, primitives []string, relax nn.Module) nn.Module {
	net, err := Supernet(size, primitives, Options{})
	require.NoError(t, err)
	loss := engine.LossModule(0)
	return nn.NewComposite("golden|"+net.Signature()+relax.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		normal, reduce := nn.Call1(e, "", relax, in[2]), nn.Call1(e, "", relax, in[3])
		logits := nn.Call1(e, "", net, in[0], normal, reduce)
		out := e.Call("", loss, logits, in[1])
		return append(out, logits)
	})
}

func TestSupernetGolden(t *testing.T) {
	for _, tc := range []struct {
		file, name string
		primitives []string
		relax      nn.Module
		shift      float64
		skipEval   bool
		read       func(t *testing.T, data []byte) supernetCase
	}{
		{"darts_search_network.json", "darts", DARTSPrimitives, nn.SoftmaxWeights(), 0, false, readCase("")},
		{"fairdarts_search_network.json", "fairdarts", FairDARTSPrimitives, nn.SigmoidWeights(), -2, false, readCase("alphas = 2u-1 - 2 (well scaled)")},
		{"fairdarts_search_network.json", "fairdarts-large", FairDARTSPrimitives, nn.SigmoidWeights(), 0, true, readCase("alphas = 2u-1 (eval mode explodes to 1e7: use train-mode values, or relative tolerance)")},
	} {
		data, err := os.ReadFile("testdata/" + tc.file)
		require.NoError(t, err)
		want := tc.read(t, data)
		for _, granularity := range []nn.Level{nn.Edge, nn.Network} {
			t.Run(fmt.Sprintf("%s/%s", tc.name, granularity), func(t *testing.T) {
				b, err := backend.Open()
				require.NoError(t, err)
				e := engine.New(b.Backend)
				size := Size{Cells: 8, Channels: 16, Classes: 10, InputChannels: 3}
				m, err := e.NewModel(objective(t, size, tc.primitives, tc.relax), granularity)
				require.NoError(t, err)
				fill(t, m)
				alphas := map[string]*tensors.Tensor{}
				for _, side := range []string{"alphas_normal", "alphas_reduce"} {
					v := golden.Input(side, []int{Edges, len(tc.primitives)})
					for i := range v {
						v[i] += tc.shift
					}
					alphas[side] = tensors.FromFlatDataAndDimensions(float32s(v), Edges, len(tc.primitives))
				}
				x, y := nhwcInput("input", 2, 32, 32, 3), tensors.FromFlatDataAndDimensions(want.Target.Values, 2)
				in := []*tensors.Tensor{x, y, alphas["alphas_normal"], alphas["alphas_reduce"]}

				g, err := m.Gradient(nn.Mode{}, false, []int{2, 3}, in...)
				require.NoError(t, err)
				if !tc.skipEval {
					requireClose(t, "eval loss", []float64{want.EvalLoss}, values(t, g.Outputs[0]), 1e-4)
				}
				requireClose(t, "eval logits", flatten(want.EvalLogits), values(t, g.Outputs[2]), 1e-4)
				requireClose(t, "eval alphas normal", flatten(want.EvalAlphas["alphas_normal"]), values(t, g.Inputs[0]), 1e-4)
				requireClose(t, "eval alphas reduce", flatten(want.EvalAlphas["alphas_reduce"]), values(t, g.Inputs[1]), 1e-4)

				g, err = m.Gradient(nn.Mode{Train: true}, true, []int{2, 3}, in...)
				require.NoError(t, err)
				requireClose(t, "train loss", []float64{want.TrainLoss}, values(t, g.Outputs[0]), 1e-4)
				requireClose(t, "train logits", flatten(want.TrainLogits), values(t, g.Outputs[2]), 1e-4)
				requireClose(t, "train alphas normal", flatten(want.TrainAlphas["alphas_normal"]), values(t, g.Inputs[0]), 1e-4)
				requireClose(t, "train alphas reduce", flatten(want.TrainAlphas["alphas_reduce"]), values(t, g.Inputs[1]), 1e-4)
				grads, err := m.WeightGradients(g)
				require.NoError(t, err)
				total := 0.0
				norms := map[string]float64{}
				for name, v := range grads {
					sum := 0.0
					for _, x := range v {
						sum += float64(x) * float64(x)
					}
					norms[name] = math.Sqrt(sum)
					total += sum
				}
				require.InEpsilon(t, want.GradientNorm, math.Sqrt(total), 1e-4)
				for name, norm := range want.NormsByName {
					require.InEpsilon(t, norm, norms[name], 1e-4, name)
				}
				state, err := m.State()
				require.NoError(t, err)
				requireClose(t, "running mean", want.StemMean, state["stem.1.running_mean"][:8], 1e-4)
				requireClose(t, "running var", want.StemVar, state["stem.1.running_var"][:8], 1e-4)
			})
		}
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
