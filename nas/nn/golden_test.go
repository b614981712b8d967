package nn_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
)

// array is a tensor of a reference file, in PyTorch's layout.
type array struct {
	Shape  []int     `json:"shape"`
	Values []float64 `json:"values"`
	Flat   []float64 `json:"values_flat"`
}

func readJSON(t *testing.T, name string, dst any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, dst))
}

func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

// channelsLast reorders [n, c, h, w] to [n, h, w, c], or back.
func channelsLast(shape []int, v []float64, back bool) ([]int, []float64) {
	if len(shape) != 4 {
		return shape, v
	}
	n, c, h, w := shape[0], shape[1], shape[2], shape[3]
	out := make([]float64, len(v))
	for b := range n {
		for ch := range c {
			for y := range h {
				for x := range w {
					nchw, nhwc := ((b*c+ch)*h+y)*w+x, ((b*h+y)*w+x)*c+ch
					if back {
						out[nchw] = v[nhwc]
					} else {
						out[nhwc] = v[nchw]
					}
				}
			}
		}
	}
	return []int{n, h, w, c}, out
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// toDevice brings an array of PyTorch's layout to the engine's.
func toDevice(shape []int, v []float64) *tensors.Tensor {
	dims, flat := channelsLast(shape, v, false)
	return tensors.FromFlatDataAndDimensions(narrow(flat), dims...)
}

// fromDevice is the inverse, for a result of this PyTorch shape.
func fromDevice(t *testing.T, x *tensors.Tensor, shape []int) []float64 {
	t.Helper()
	require.NotNil(t, x)
	var flat []float64
	require.NoError(t, x.ConstFlatData(func(v any) { flat = widen(v.([]float32)) }))
	_, out := channelsLast(shape, flat, true)
	return out
}

func TestActivationsGolden(t *testing.T) {
	var ref map[string][]float64
	readJSON(t, "activations.json", &ref)
	e := newEngine(t)
	for name, f := range map[string]func(*graph.Node) *graph.Node{
		"relu6": nn.ReLU6, "hsigmoid relu6(x+3)/6": nn.HardSigmoid, "hswish x*relu6(x+3)/6": nn.HardSwish,
		"swish x*sigmoid(x)": nn.Swish, "sigmoid": graph.Sigmoid,
	} {
		t.Run(strings.Fields(name)[0], func(t *testing.T) {
			require.Len(t, ref[name], len(ref["x"]))
			m, err := e.NewModel(nn.NewLeaf("activation "+name, nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
				return []*graph.Node{f(in[0])}
			}), nn.Operation)
			require.NoError(t, err)
			out, err := m.Run(nn.Mode{}, toDevice([]int{len(ref["x"])}, ref["x"]))
			require.NoError(t, err)
			golden.Near(t, name, ref[name], fromDevice(t, out[0], nil), 1e-6, 0)
		})
	}
}

// fill loads the model's tensors by the reference's rule; prefix goes before their names.
func fill(t *testing.T, m *engine.Model, prefix string) {
	t.Helper()
	state := map[string][]float32{}
	for _, s := range m.Specs() {
		state[s.Name] = narrow(golden.Tensor(prefix+s.Name, s.Shape, 3))
	}
	require.NoError(t, m.Load(state))
}

// entries writes a module's tensors as a reference file lists them.
func entries(t *testing.T, specs []nn.Spec) string {
	t.Helper()
	list := [][]any{}
	for _, s := range specs {
		list = append(list, []any{s.Name, s.Shape})
	}
	b, err := json.Marshal(list)
	require.NoError(t, err)
	return string(b)
}

// TestOperationsGolden compares every operation's result, statistics of its training result and running statistics
// with the official code's.
func TestOperationsGolden(t *testing.T) {
	var ref struct {
		Ops map[string]struct {
			Stride    int             `json:"stride"`
			Affine    bool            `json:"affine"`
			StateDict json.RawMessage `json:"state_dict"`
			Eval      array           `json:"eval_output"`
			Train     *struct {
				Mean   float64   `json:"mean"`
				Std    float64   `json:"std"`
				AbsMax float64   `json:"absmax"`
				First  []float64 `json:"first4"`
				Last   []float64 `json:"last4"`
			} `json:"train_output_stats"`
			Running map[string][]float64 `json:"running_after_one_train_forward"`
		} `json:"ops"`
	}
	readJSON(t, "search_ops.json", &ref)
	require.Len(t, ref.Ops, 33)
	e := newEngine(t)
	shape := []int{2, 4, 8, 8}
	x := toDevice(shape, golden.Input("input", shape))
	for key, want := range ref.Ops {
		t.Run(key, func(t *testing.T) {
			op, err := nn.Primitive(strings.Split(key, "|")[0], 4, want.Stride, want.Affine)
			require.NoError(t, err)
			assert.JSONEq(t, string(want.StateDict), entries(t, op.Specs()))
			m, err := e.NewModel(op, nn.Operation)
			require.NoError(t, err)
			fill(t, m, "")
			out, err := m.Run(nn.Mode{}, x)
			require.NoError(t, err)
			golden.Near(t, "eval output", want.Eval.Flat, fromDevice(t, out[0], want.Eval.Shape), 1e-4, 1e-30)
			if want.Train == nil {
				return
			}
			out, err = m.Run(nn.Mode{Train: true}, x)
			require.NoError(t, err)
			y := fromDevice(t, out[0], want.Eval.Shape)
			var sum, square, largest float64
			for _, v := range y {
				sum += v
				square += v * v
				largest = math.Max(largest, math.Abs(v))
			}
			n := float64(len(y))
			scale := want.Train.AbsMax
			assert.InDelta(t, want.Train.Mean, sum/n, 1e-4*scale)
			assert.InDelta(t, want.Train.Std, math.Sqrt(square/n-sum/n*sum/n), 1e-4*scale)
			assert.InDelta(t, want.Train.AbsMax, largest, 1e-4*scale)
			golden.Near(t, "first", want.Train.First, y[:4], 1e-4, scale)
			golden.Near(t, "last", want.Train.Last, y[len(y)-4:], 1e-4, scale)
			state, err := m.State()
			require.NoError(t, err)
			require.NotEmpty(t, want.Running)
			for name, v := range want.Running {
				golden.Near(t, name, v, widen(state[name]), 1e-4, 0)
			}
		})
	}
}

func TestMixedOperationGolden(t *testing.T) {
	var ref struct {
		Primitives []string `json:"primitives"`
		Cases      map[string]struct {
			StateDict json.RawMessage `json:"state_dict"`
			Softmax   []float64       `json:"softmax"`
			Eval      array           `json:"eval_output"`
			Train     array           `json:"train_output"`
		} `json:"mixedop"`
	}
	readJSON(t, "search_mixedop.json", &ref)
	e := newEngine(t)
	shape := []int{2, 4, 8, 8}
	x := toDevice(shape, golden.Input("input", shape))
	alphas := toDevice([]int{1, 8}, golden.Input("alphas", []int{8}))
	for name, stride := range map[string]int{"stride1": 1, "stride2": 2} {
		want := ref.Cases[name]
		edge, err := nn.MixedEdge(ref.Primitives, 4, stride)
		require.NoError(t, err)
		assert.JSONEq(t, string(want.StateDict), entries(t, edge.Specs()))
		rows := nn.Rows()
		soft := nn.NewLeaf("softmax", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node { return []*graph.Node{nn.SoftmaxRows(in[0])} })
		root := nn.NewComposite("mixed operation "+name, nn.Cell, []nn.Child{{Module: edge}}, func(e nn.Env, in []nn.Value) []nn.Value {
			weights := nn.Call1(e, "", rows, nn.Call1(e, "", soft, in[1]))
			return []nn.Value{nn.Call1(e, "", edge, in[0], weights), weights}
		})
		for _, granularity := range []nn.Level{nn.Operation, nn.Cell} {
			t.Run(name+"/"+granularity.String(), func(t *testing.T) {
				m, err := e.NewModel(root, granularity)
				require.NoError(t, err)
				fill(t, m, "")
				out, err := m.Run(nn.Mode{}, x, alphas)
				require.NoError(t, err)
				golden.Near(t, "softmax", want.Softmax, fromDevice(t, out[1], nil), 1e-6, 0)
				golden.Near(t, "eval output", want.Eval.Flat, fromDevice(t, out[0], want.Eval.Shape), 1e-4, 0)
				out, err = m.Run(nn.Mode{Train: true}, x, alphas)
				require.NoError(t, err)
				golden.Near(t, "train output", want.Train.Flat, fromDevice(t, out[0], want.Train.Shape), 1e-4, 0)
			})
		}
	}
}
