package nn_test

import (
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
)

// layerSettings are the settings of a case, those of all kinds together.
type layerSettings struct {
	Stride     any       `json:"stride"`
	Padding    any       `json:"padding"`
	Dilation   [2]int    `json:"dilation"`
	Groups     int       `json:"groups"`
	Size       int       `json:"size"`
	CountPad   bool      `json:"count_include_pad"`
	Train      bool      `json:"train"`
	Squeeze    string    `json:"squeeze"`
	Gate       string    `json:"gate"`
	Keep       float64   `json:"keep"`
	Mask       []float64 `json:"mask"`
	Smoothing  float64   `json:"smoothing"`
	Labels     []int32   `json:"labels"`
	Channels   int       `json:"channels"`
	Classes    int       `json:"classes"`
	PoolStride int       `json:"pool_stride"`
	SecondNorm bool      `json:"second_norm"`
	Prefix     string    `json:"prefix"`
}

// pair reads [a, b], or one number for both.
func pair(v any) [2]int {
	if n, ok := v.(float64); ok {
		return [2]int{int(n), int(n)}
	}
	list := v.([]any)
	return [2]int{int(list[0].(float64)), int(list[1].(float64))}
}

type layerCase struct {
	Kind       string             `json:"kind"`
	Name       string             `json:"name"`
	Settings   layerSettings      `json:"settings"`
	Tensors    map[string]array   `json:"tensors"`
	Before     map[string]array   `json:"before"`
	Upstream   array              `json:"upstream"`
	Output     array              `json:"output"`
	EvalOutput *array             `json:"eval_output"`
	Gradients  map[string]array   `json:"gradients"`
	Norms      map[string]float64 `json:"gradient_norms"`
	After      map[string]array   `json:"after"`
}

var activations = map[string]func(*Node) *Node{
	"relu": nn.ReLU, "relu6": nn.ReLU6, "hsigmoid": nn.HardSigmoid, "hswish": nn.HardSwish, "swish": nn.Swish, "sigmoid": Sigmoid,
}

// layer is the function that the case tests, of its input and of the tensors in the context.
func (c layerCase) layer() func(ctx *nn.Ctx, x *Node) *Node {
	s := c.Settings
	switch c.Kind {
	case "activation":
		return func(_ *nn.Ctx, x *Node) *Node { return activations[c.Name](x) }
	case "conv", "depthwise", "pointwise":
		return func(ctx *nn.Ctx, x *Node) *Node {
			stride, padding, w := pair(s.Stride), pair(s.Padding), ctx.Tensor("weight")
			var y *Node
			switch {
			case s.Groups > 1:
				y = nn.DepthwiseConv(x, w, stride, s.Dilation, padding)
			case w.Rank() == 2:
				y = nn.PointwiseConv(x, w, stride[0])
			default:
				y = nn.FullConv(x, w, stride, padding)
			}
			if ctx.Has("bias") {
				b := ctx.Tensor("bias")
				y = Add(y, BroadcastToDims(Reshape(b, 1, 1, 1, b.Shape().Size()), y.Shape().Dimensions...))
			}
			return y
		}
	case "max_pool":
		return func(_ *nn.Ctx, x *Node) *Node {
			return nn.MaxPoolImages(x, s.Size, pair(s.Stride)[0], pair(s.Padding)[0])
		}
	case "avg_pool":
		return func(_ *nn.Ctx, x *Node) *Node {
			return nn.AvgPoolImages(x, s.Size, pair(s.Stride)[0], pair(s.Padding)[0], s.CountPad)
		}
	case "global_avg_pool":
		return func(_ *nn.Ctx, x *Node) *Node { return nn.GlobalAvgPool(x) }
	case "batch_norm":
		return func(ctx *nn.Ctx, x *Node) *Node { return nn.BatchNorm(ctx, "", x) }
	case "squeeze_excite":
		return func(ctx *nn.Ctx, x *Node) *Node {
			return nn.SqueezeExcite(ctx, "se.conv_reduce", "se.conv_expand", x, activations[s.Squeeze], activations[s.Gate])
		}
	case "drop_path":
		return func(_ *nn.Ctx, x *Node) *Node {
			return nn.DropPath(x, MulScalar(ConvertDType(Const(x.Graph(), s.Mask), x.DType()), 1/s.Keep))
		}
	case "cross_entropy":
		return func(_ *nn.Ctx, x *Node) *Node { return nn.CrossEntropy(x, Const(x.Graph(), s.Labels), s.Smoothing) }
	case "dense":
		return func(ctx *nn.Ctx, x *Node) *Node { return nn.DenseLayer(ctx, x) }
	case "auxiliary_head":
		head := c.head().(nn.Leaf)
		return func(ctx *nn.Ctx, x *Node) *Node { return head.Graph(ctx, []*Node{x})[0] }
	}
	return nil
}

// head is the module of an auxiliary_head case.
func (c layerCase) head() nn.Module {
	if c.Settings.PoolStride == 3 {
		return nn.AuxiliaryHead(c.Settings.Channels, c.Settings.Classes)
	}
	return nn.ImageNetAuxiliaryHead(c.Settings.Channels, c.Settings.Classes, c.Settings.SecondNorm)
}

// specs are the case's tensors beside the input.
func (c layerCase) specs() []nn.Spec {
	if c.Kind == "auxiliary_head" {
		return c.head().Specs()
	}
	var specs []nn.Spec
	for name, a := range c.Tensors {
		if name == "input" || name == "logits" {
			continue
		}
		kind := nn.Vector
		switch {
		case len(a.Shape) == 4 && c.Settings.Groups > 1:
			kind = nn.Depthwise
		case len(a.Shape) == 4 && a.Shape[2] == 1 && a.Shape[3] == 1:
			kind = nn.Pointwise
		case len(a.Shape) == 4:
			kind = nn.Conv
		case len(a.Shape) == 2:
			kind = nn.Dense
		}
		specs = append(specs, nn.Spec{Name: name, Shape: a.Shape, Kind: kind})
	}
	for name, a := range c.Before {
		specs = append(specs, nn.Spec{Name: name, Shape: a.Shape, Buffer: true})
	}
	return specs
}

// TestLayersAgainstTorch compares results, gradients and running statistics of every layer with torch's.
func TestLayersAgainstTorch(t *testing.T) {
	var ref struct {
		Cases []layerCase `json:"cases"`
	}
	readJSON(t, "layers.json", &ref)
	e := newEngine(t)
	kinds := map[string]int{}
	for _, c := range ref.Cases {
		kinds[c.Kind]++
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			layer, specs := c.layer(), c.specs()
			require.NotNil(t, layer)
			_, upstream := channelsLast(c.Upstream.Shape, c.Upstream.Values, false)
			root := nn.NewLeaf("test "+c.Kind+c.Name, specs, func(ctx *nn.Ctx, in []*Node) []*Node {
				y := layer(ctx, in[0])
				return []*Node{ReduceAllSum(Mul(y, in[1])), y}
			})
			m, err := e.NewModel(root, nn.Operation)
			require.NoError(t, err)
			state := map[string][]float32{}
			for _, s := range specs {
				switch {
				case s.Counter:
				case c.Kind == "auxiliary_head":
					state[s.Name] = narrow(golden.Tensor(c.Settings.Prefix+s.Name, s.Shape, 3))
				case s.Buffer:
					state[s.Name] = narrow(c.Before[s.Name].Values)
				default:
					state[s.Name] = narrow(c.Tensors[s.Name].Values)
				}
			}
			require.NoError(t, m.Load(state))
			inputName := "input"
			if c.Kind == "cross_entropy" {
				inputName = "logits"
			}
			x := toDevice(c.Tensors[inputName].Shape, c.Tensors[inputName].Values)
			dims := []int{}
			if len(c.Upstream.Shape) > 0 {
				dims = toDevice(c.Upstream.Shape, c.Upstream.Values).Shape().Dimensions
			}
			up := tensors.FromScalar(float32(upstream[0]))
			if len(dims) > 0 {
				up = tensors.FromFlatDataAndDimensions(narrow(upstream), dims...)
			}
			if c.EvalOutput != nil {
				out, err := m.Run(nn.Mode{}, x, up)
				require.NoError(t, err)
				golden.Near(t, "eval output", c.EvalOutput.Values, fromDevice(t, out[1], c.EvalOutput.Shape), 1e-4, 0)
			}
			mode := nn.Mode{Train: c.Settings.Train || c.Kind == "auxiliary_head"}
			g, err := m.Gradient(mode, len(specs) > 0, []int{0}, x, up)
			require.NoError(t, err)
			golden.Near(t, "output", c.Output.Values, fromDevice(t, g.Outputs[1], c.Output.Shape), 1e-4, 0)
			golden.Near(t, "gradient of the input", c.Gradients[inputName].Values, fromDevice(t, g.Inputs[0], c.Tensors[inputName].Shape), 1e-4, 1e-4)
			weights, err := m.WeightGradients(g)
			require.NoError(t, err)
			for name, want := range c.Gradients {
				if name != inputName {
					golden.Near(t, "gradient of "+name, want.Values, weights[name], 1e-4, 0)
				}
			}
			for name, want := range c.Norms {
				square := 0.0
				for _, v := range weights[strings.TrimPrefix(name, c.Settings.Prefix)] {
					square += v * v
				}
				golden.Near(t, "gradient norm of "+name, []float64{want}, []float64{math.Sqrt(square)}, 1e-4, 0)
			}
			after, err := m.State()
			require.NoError(t, err)
			for name, want := range c.After {
				golden.Near(t, name+" afterwards", want.Values, widen(after[strings.TrimPrefix(name, c.Settings.Prefix)]), 1e-4, 0)
			}
		})
	}
	require.Len(t, kinds, 13, "a kind for each case of layer")
}
