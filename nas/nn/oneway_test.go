package nn_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rank"
)

// oneWay is a depthwise-separable block without norms' effect: a kernel of kh×kw, ReLU, 1×1 to one channel.
func oneWay(t *testing.T, kh, kw, stride, channels int) nn.Module {
	t.Helper()
	m, err := nn.Bottleneck{Depthwise: nn.ConvNames{Conv: "dw", Norm: "n1"}, Project: nn.ConvNames{Conv: "pw", Norm: "n2"},
		In: channels, Hidden: channels, Out: 1, Kernel: [2]int{kh, kw}, Stride: stride, Activation: "relu"}.Module()
	require.NoError(t, err)
	return m
}

// Kernels along one axis, at strides of 1 and 2 of both, give what the sums of PyTorch's definition give, with a padding of
// half the kernel along its axis and none along the other; so do the gradients.
func TestOneWayBottleneck(t *testing.T) {
	e := newEngine(t)
	r := rand.New(rand.NewPCG(1912, 12825))
	const channels = 3
	for _, kernel := range [][2]int{{3, 1}, {1, 3}, {5, 1}, {1, 7}} {
		for _, stride := range []int{1, 2} {
			for _, size := range [][2]int{{9, 6}, {4, 5}, {8, 8}} {
				t.Run(fmt.Sprintf("%v stride %d of %v", kernel, stride, size), func(t *testing.T) {
					block := oneWay(t, kernel[0], kernel[1], stride, channels)
					root := nn.NewComposite("sum|"+block.Signature(), nn.Network, []nn.Child{{Module: block}}, func(env nn.Env, in []nn.Value) []nn.Value {
						y := nn.Call1(env, "", block, in[0])
						return []nn.Value{nn.Call1(env, "", total, y), y}
					})
					m, err := e.NewModel(root, nn.Operation)
					require.NoError(t, err)
					random := func(n int) []float64 {
						out := make([]float64, n)
						for i := range out {
							out[i] = r.NormFloat64()
						}
						return out
					}
					h, w := size[0], size[1]
					x, dw, pw := random(h*w*channels), random(channels*kernel[0]*kernel[1]), random(channels)
					// Norms that leave all as it is, but for the 1e-5 beside the variance.
					state := map[string][]float32{"dw.weight": narrow(dw), "pw.weight": narrow(pw)}
					for _, s := range block.Specs() {
						if _, ok := state[s.Name]; ok || s.Counter {
							continue
						}
						v := make([]float32, s.Size())
						if s.Name == "n1.weight" || s.Name == "n2.weight" || s.Name == "n1.running_var" || s.Name == "n2.running_var" {
							for i := range v {
								v[i] = 1
							}
						}
						state[s.Name] = v
					}
					require.NoError(t, m.Load(state))
					want, gradient := oneWayByHand(x, dw, pw, h, w, channels, kernel, stride)
					input := tensors.FromFlatDataAndDimensions(narrow(x), 1, h, w, channels)
					g, err := m.Gradient(nn.Mode{}, false, []int{0}, input)
					require.NoError(t, err)
					require.Equal(t, []int{1, (h + stride - 1) / stride, (w + stride - 1) / stride, 1}, g.Outputs[1].Shape().Dimensions)
					golden.Near(t, "output", want, fromDevice(t, g.Outputs[1], []int{1, 1, (h + stride - 1) / stride, (w + stride - 1) / stride}), 1e-4, 0)
					got := fromDevice(t, g.Inputs[0], []int{1, channels, h, w})
					golden.Near(t, "gradient of the input", channelsFirst(gradient, h, w, channels), got, 1e-4, 1e-5)
				})
			}
		}
	}
}

// total is the sum of an image.
var total = nn.NewLeaf("total", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node { return []*graph.Node{graph.ReduceAllSum(in[0])} })

func channelsFirst(x []float64, h, w, channels int) []float64 {
	out := make([]float64, 0, len(x))
	for c := range channels {
		for i := range h * w {
			out = append(out, x[i*channels+c])
		}
	}
	return out
}

// oneWayByHand is the block's output, row by row, and the gradient of its sum in the input [h, w, channels].
func oneWayByHand(x, dw, pw []float64, h, w, channels int, kernel [2]int, stride int) (y, gradient []float64) {
	const norm = 0.9999950000374997 // 1/sqrt(1 + 1e-5)
	gradient = make([]float64, len(x))
	for i := 0; i < h; i += stride {
		for j := 0; j < w; j += stride {
			sum := 0.0
			for c := range channels {
				taps := map[int]float64{}
				hidden := 0.0
				for a := range kernel[0] {
					for b := range kernel[1] {
						p, q := i+a-kernel[0]/2, j+b-kernel[1]/2
						if p < 0 || p >= h || q < 0 || q >= w {
							continue
						}
						at, weight := (p*w+q)*channels+c, dw[(c*kernel[0]+a)*kernel[1]+b]
						hidden += weight * x[at]
						taps[at] = weight
					}
				}
				if hidden <= 0 {
					continue
				}
				sum += norm * norm * hidden * pw[c]
				for at, weight := range taps {
					gradient[at] += norm * norm * weight * pw[c]
				}
			}
			y = append(y, sum)
		}
	}
	return y, gradient
}

// Counts by label and largest logit are those that the host counts; samples of label -1 are in none.
func TestConfusion(t *testing.T) {
	e := newEngine(t)
	r := rand.New(rand.NewPCG(3, 4))
	const n, classes = 57, 5
	logits, labels, said := make([]float32, n*classes), make([]int32, n), make([]int32, n)
	for i := range labels {
		labels[i] = int32(r.IntN(classes+1)) - 1
		for c := range classes {
			logits[i*classes+c] = float32(r.NormFloat64())
			if logits[i*classes+c] > logits[i*classes+int(said[i])] {
				said[i] = int32(c)
			}
		}
	}
	want, err := rank.ConfusionMatrix(labels, said, classes)
	require.NoError(t, err)
	root := nn.NewLeaf("confusion", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{nn.Confusion(in[0], in[1]), nn.Correct(in[0], in[1])}
	})
	m, err := e.NewModel(root, nn.Operation)
	require.NoError(t, err)
	out, err := m.Run(nn.Mode{}, tensors.FromFlatDataAndDimensions(logits, n, classes), tensors.FromFlatDataAndDimensions(labels, n))
	require.NoError(t, err)
	var flat []float64
	for _, row := range want {
		for _, v := range row {
			flat = append(flat, float64(v))
		}
	}
	require.Equal(t, flat, fromDevice(t, out[0], []int{classes, classes}))
	correct, _ := rank.Correct(want)
	require.Equal(t, []float64{float64(correct)}, fromDevice(t, out[1], nil))
}
