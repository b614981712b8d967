package noisydarts

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// made is the source of the golden files: numbers of the formula, from the first again at every call. The official code's
// standard normal numbers are √3·(2u-1) there, its uniform ones in [0, 1), of which it takes 1-2u, are u.
func made(e *engine.Engine, kind string) nn.Module {
	return nn.NewLeaf("made "+kind, nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		d := in[0].Shape().Dimensions
		numbers := graph.Const(in[0].Graph(), goldentest.Images(e, "noise", d[0], d[1], d[2], d[3]))
		if kind == Uniform {
			return []*graph.Node{graph.Neg(numbers)}
		}
		return []*graph.Node{graph.MulScalar(numbers, math.Sqrt(3))}
	})
}

// state is a random state of a number.
func state(n uint64) *tensors.Tensor {
	r := rand.New(rand.NewPCG(n, 1))
	return tensors.FromFlatDataAndDimensions([]uint64{r.Uint64(), r.Uint64(), r.Uint64()}, 3)
}

// officially is a tensor's name in the official code, which keeps the pools' batch norms beside the operations of an edge.
func officially(name string) string {
	return strings.NewReplacer("_ops.0.1.", "bn1.", "_ops.1.1.", "bn2.").Replace(name)
}

// skip is the noisy skip of a configuration as a model on 4 channels.
func skip(t *testing.T, e *engine.Engine, stride int, c Config, source nn.Module) *engine.Model {
	t.Helper()
	op, err := nn.SearchPrimitive(nn.SkipConnect, 4, stride)
	require.NoError(t, err)
	m, err := e.NewModel(Skip(op, c, source), nn.Operation)
	require.NoError(t, err)
	goldentest.FillAs(t, m, officially)
	return m
}

// output runs a noisy skip in an epoch of 50.
func output(t *testing.T, e *engine.Engine, m *engine.Model, mode nn.Mode, n Noise, epoch int, x, state *tensors.Tensor) []float64 {
	t.Helper()
	mean, scale := n.At(epoch, 50)
	out, err := m.Run(mode, x, e.Scalar(1), state, e.Scalar(mean), e.Scalar(scale))
	require.NoError(t, err)
	values, err := engine.Values(out[0])
	require.NoError(t, err)
	return values
}

// TestNoiseGolden compares the noise of all kinds, mixtures and epochs with the official code's.
func TestNoiseGolden(t *testing.T) {
	var ref struct {
		Results map[string]struct {
			Out struct {
				Shape  []int
				Mean   float64
				Std    float64
				AbsMax float64
				First4 []float64
				Last4  []float64
			}
			Sum float64
		}
	}
	require.NoError(t, json.Unmarshal(goldentest.Testdata(t, "search_noise_op.json"), &ref))
	require.Len(t, ref.Results, 60)
	e := goldentest.Float64Engine(t)
	x := goldentest.Images(e, "input", 2, 8, 8, 4)
	number := func(s, prefix string) float64 {
		v, err := strconv.ParseFloat(strings.TrimPrefix(s, prefix), 64)
		require.NoError(t, err)
		return v
	}
	models := map[string]*engine.Model{}
	for name, want := range ref.Results {
		parts := strings.Split(name, "|")
		n := Noise{Kind: parts[0], Mixture: parts[1], Factor: number(parts[2], "factor="), Mean: number(parts[3], "mean=")}
		epoch := 0
		if parts[4] != "decay_epoch=None" {
			n.Decay, epoch = true, int(number(parts[4], "decay_epoch="))
		}
		key := n.Kind + n.Mixture
		if models[key] == nil {
			models[key] = skip(t, e, 1, Config{Noise: n}, made(e, n.Kind))
		}
		got := goldentest.NCHW(output(t, e, models[key], nn.Mode{Train: true}, n, epoch, x, state(0)), 2, 8, 8, 4)
		absolute := 0.0
		for _, v := range got {
			absolute = max(absolute, math.Abs(v))
		}
		mean := stat.Mean(got, nil)
		for what, pair := range map[string][2][]float64{
			"numbers": {slices.Concat(want.Out.First4, want.Out.Last4), slices.Concat(got[:4], got[len(got)-4:])},
			"mean":    {{want.Out.Mean}, {mean}}, "std": {{want.Out.Std}, {stat.PopStdDev(got, nil)}}, "largest": {{want.Out.AbsMax}, {absolute}},
			"sum": {{want.Sum}, {mean * float64(len(got))}},
		} {
			golden.Near(t, name+": "+what, pair[0], pair[1], 1e-6, 0)
		}
	}
}

func TestMixedOperationGolden(t *testing.T) {
	type array struct {
		Shape []int     `json:"shape"`
		Flat  []float64 `json:"values_flat"`
	}
	var ref struct {
		Primitives []string `json:"primitives"`
		Cases      map[string]struct {
			StateDict [][2]json.RawMessage `json:"state_dict"`
			Eval      array                `json:"eval_output"`
			Train     array                `json:"train_output_with_noise"`
		} `json:"mixedop"`
	}
	require.NoError(t, json.Unmarshal(goldentest.Testdata(t, "search_mixedop.json"), &ref))
	c := DefaultConfig()
	assert.Equal(t, ref.Primitives, c.Primitives)
	e := goldentest.Float64Engine(t)
	weights, err := diff.Weights(e, diff.DARTS(), golden.Input("alphas", []int{7}))
	require.NoError(t, err)
	for name, stride := range map[string]int{"stride1": 1, "stride2": 2} {
		want := ref.Cases[name]
		edge, err := Edge(space.EdgeAt{Channels: 4, Stride: stride}, c.Primitives, c, made(e, Gaussian))
		require.NoError(t, err)
		var names []string
		for _, s := range edge.Specs() {
			names = append(names, officially(s.Name))
		}
		var official []string
		for _, entry := range want.StateDict {
			var s string
			require.NoError(t, json.Unmarshal(entry[0], &s))
			official = append(official, s)
		}
		assert.ElementsMatch(t, official, names)
		for _, granularity := range []nn.Level{nn.Operation, nn.Edge} {
			t.Run(fmt.Sprintf("%s/%s", name, granularity), func(t *testing.T) {
				m, err := e.NewModel(edge, granularity)
				require.NoError(t, err)
				goldentest.FillAs(t, m, officially)
				mean, scale := c.Noise.At(0, 50)
				in := []*tensors.Tensor{goldentest.Images(e, "input", 2, 8, 8, 4), e.Tensor(weights, 7), state(0), e.Scalar(mean), e.Scalar(scale)}
				// Evaluation first: training moves the statistics.
				for i, w := range []array{want.Eval, want.Train} {
					out, err := m.Run(nn.Mode{Train: i == 1}, in...)
					require.NoError(t, err)
					goldentest.Near(t, []string{"eval", "train"}[i], goldentest.NHWC(w.Flat, w.Shape), out[0], goldentest.Tolerance)
				}
			})
		}
	}
}

// goldenModel is the supernet of the golden file with its inputs.
func goldenModel(t *testing.T, e *engine.Engine, data []byte, granularity nn.Level) (goldentest.Supernet, *engine.Model, []*tensors.Tensor) {
	t.Helper()
	c := DefaultConfig()
	s, err := c.Cells()
	require.NoError(t, err)
	source := made(e, Gaussian)
	net, err := space.Supernet(c.Size, space.SupernetInputs{Tables: 1, PerEdge: 1, Shared: 2}, func(at space.EdgeAt) (nn.Module, error) {
		return Edge(at, s.Cell(at.Reduce)[at.Row], c, source)
	})
	require.NoError(t, err)
	assert.Equal(t, 1930618, nn.Params(net.Specs()))
	m, err := e.NewModel(goldentest.Objective(net, nn.SoftmaxRows), granularity)
	require.NoError(t, err)
	goldentest.FillAs(t, m, officially)
	want := goldentest.Read(t, data, "")
	states := tensors.FromFlatDataAndDimensions(make([]uint64, c.Size.Cells*cells.Edges*3), c.Size.Cells*cells.Edges, 3)
	mean, scale := c.Noise.At(0, c.Epochs)
	return want, m, append(want.Inputs(e, 7, 0), states, e.Scalar(mean), e.Scalar(scale))
}

// TestSupernetGolden compares the supernet with the official code's numbers in float64.
func TestSupernetGolden(t *testing.T) {
	want, m, in := goldenModel(t, goldentest.Float64Engine(t), goldentest.Testdata(t, "search_network.json"), nn.Operation)
	want.All(t, m, in, true)
}

// TestSupernetGoldenFloat32 compares what float32 can resolve, on the backend that users have, kernels included.
func TestSupernetGoldenFloat32(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	if b.Info.Kind == backend.KindGo {
		t.Skip("no XLA plug-in; `make setup` brings one")
	}
	want, m, in := goldenModel(t, engine.New(b.Backend), goldentest.Testdata(t, "search_network.json"), nn.Edge)
	want.Forward(t, m, in, true)
}

// ablation are the noises of the paper's table: the method's own and those of its variants.
func ablation(t *testing.T) map[string]Noise {
	t.Helper()
	out := map[string]Noise{}
	for _, label := range []string{"", "none", "as-b", "as-c", "as-d", "as-e", "as-f", "as-g", "as-h", "as-i", "as-j"} {
		c, err := Method().Config("paper", label)
		require.NoError(t, err)
		out[label] = c.(*Config).Noise
	}
	return out
}

// The variants are the rows of the table: kind, mixture, λ, mean and decay of each.
func TestAblation(t *testing.T) {
	assert.Equal(t, map[string]Noise{
		"":     {Gaussian, Additive, 0.2, 0, false},
		"none": {Gaussian, Additive, 0, 0, false},
		"as-b": {Gaussian, Additive, 0.1, 0, false},
		"as-c": {Uniform, Additive, 0.2, 0, false},
		"as-d": {Uniform, Additive, 0.1, 0, false},
		"as-e": {Gaussian, Multiplicative, 0.2, 1, false},
		"as-f": {Gaussian, Multiplicative, 0.1, 1, false},
		"as-g": {Gaussian, Additive, 0.2, 0.5, true},
		"as-h": {Gaussian, Additive, 0.2, 1, true},
		"as-i": {Gaussian, Additive, 0.1, 0.5, true},
		"as-j": {Gaussian, Additive, 0.1, 1, true},
	}, ablation(t))
}

// The protocol is that of the official search.
func TestDefaultConfig(t *testing.T) {
	c := DefaultConfig()
	assert.Equal(t, []float64{50, 128, 0.05, 0.001, 0.9, 3e-4, 5}, []float64{float64(c.Epochs), float64(c.Batch),
		c.Weights.LearningRate, c.Weights.LearningRateMin, c.Weights.Momentum, c.Weights.WeightDecay, c.Weights.Clip})
	assert.Equal(t, diff.ArchConfig{LearningRate: 3e-4, Beta1: 0.5, Beta2: 0.999, WeightDecay: 1e-3}, c.Arch)
	assert.Zero(t, c.DropPath, "what the paper does not say is off")
	assert.False(t, c.SecondOrder)
}

// Moments of every noise of the table, drawn on the skip's output at both strides: mean, standard deviation, and the fourth
// moment, which tells a normal from a uniform distribution.
func TestMoments(t *testing.T) {
	e := goldentest.Float64Engine(t)
	const n, h, draws = 8, 32, 8
	models := map[string]*engine.Model{}
	for label, noise := range ablation(t) {
		for _, stride := range []int{1, 2} {
			for _, epoch := range []int{0, 20} {
				key := fmt.Sprint(noise.Kind, noise.Mixture, stride)
				if models[key] == nil {
					models[key] = skip(t, e, stride, Config{Noise: noise}, Drawn(noise.Kind))
				}
				x := goldentest.Images(e, "input", n, h, h, 4)
				mean, scale := noise.At(epoch, 50)
				// In training mode without noise: at stride 2 the batch's own statistics normalise.
				still := Noise{Gaussian, noise.Mixture, 0, 0, false}
				if noise.Mixture == Multiplicative {
					still.Mean = 1
				}
				plain := output(t, e, models[key], nn.Mode{Train: true}, still, 0, x, state(0))
				wantStd := scale
				switch {
				case noise.Kind == Uniform:
					wantStd = scale / math.Sqrt(3)
					assert.InDelta(t, noise.Factor, wantStd*wantStd, 1e-12, "the variance is the factor")
				case noise.Mixture == Additive:
					wantStd *= stat.StdDev(plain, nil)
				}
				var drawn []float64
				for i := range draws {
					for k, v := range output(t, e, models[key], nn.Mode{Train: true}, noise, epoch, x, state(uint64(i))) {
						if noise.Mixture == Additive {
							drawn = append(drawn, v-plain[k])
						} else {
							drawn = append(drawn, v/plain[k])
						}
					}
				}
				what := fmt.Sprintf("%q, stride %d, epoch %d", label, stride, epoch)
				if label == "none" {
					assert.Equal(t, make([]float64, len(drawn)), drawn, what)
					continue
				}
				// Four standard errors of as many numbers.
				samples := math.Sqrt(float64(len(drawn)))
				got, std := stat.MeanStdDev(drawn, nil)
				assert.InDelta(t, mean, got, 4*wantStd/samples, "mean, %s", what)
				assert.InEpsilon(t, wantStd, std, 4*0.71/samples, "standard deviation, %s", what)
				kurtosis := map[string]float64{Gaussian: 0, Uniform: -1.2}[noise.Kind]
				assert.InDelta(t, kurtosis, stat.ExKurtosis(drawn, nil), 4*5/samples, "fourth moment, %s", what)
			}
		}
	}
}

// Additive Gaussian noise follows the size of its input, uniform noise does not.
func TestNoiseAndTheSizeOfItsInput(t *testing.T) {
	e := goldentest.Float64Engine(t)
	for kind, follows := range map[string]float64{Gaussian: 5, Uniform: 1} {
		n := Noise{Kind: kind, Mixture: Additive, Factor: 0.2}
		m := skip(t, e, 1, Config{Noise: n}, Drawn(kind))
		std := func(size float64) float64 {
			x := golden.Input("input", []int{2, 8, 8, 4})
			for i := range x {
				x[i] *= size
			}
			y := output(t, e, m, nn.Mode{Train: true}, n, 0, e.Tensor(x, 2, 8, 8, 4), state(1))
			for i := range y {
				y[i] -= x[i]
			}
			return stat.StdDev(y, nil)
		}
		assert.InEpsilon(t, follows, std(5)/std(1), 1e-9, kind)
	}
}

// In evaluation a skip is what it is without noise and drop path.
func TestEvaluationIsFreeOfNoise(t *testing.T) {
	e := goldentest.Float64Engine(t)
	for label, noise := range ablation(t) {
		for _, stride := range []int{1, 2} {
			op, err := nn.SearchPrimitive(nn.SkipConnect, 4, stride)
			require.NoError(t, err)
			plain, err := e.NewModel(op, nn.Operation)
			require.NoError(t, err)
			goldentest.FillAs(t, plain, officially)
			x := goldentest.Images(e, "input", 2, 8, 8, 4)
			out, err := plain.Run(nn.Mode{}, x, e.Scalar(1))
			require.NoError(t, err)
			want, err := engine.Values(out[0])
			require.NoError(t, err)
			m := skip(t, e, stride, Config{Noise: noise, DropPath: 0.3}, Drawn(noise.Kind))
			assert.Equal(t, want, output(t, e, m, nn.Mode{}, noise, 0, x, state(0)), "%q, stride %d", label, stride)
			if label != "none" {
				assert.NotEqual(t, want, output(t, e, m, nn.Mode{Train: true}, noise, 0, x, state(0)), "%q, stride %d: in training", label, stride)
			}
		}
	}
}

// Drop path takes the skip from a sample as a whole, and the others grow so that the mean stays. Its draws are its own.
func TestDropPath(t *testing.T) {
	e := goldentest.Float64Engine(t)
	c := Config{Noise: Noise{Gaussian, Additive, 0, 0, false}, DropPath: 0.3}
	m := skip(t, e, 1, c, Drawn(Gaussian))
	x := make([]float64, 2000*4)
	for i := range x {
		x[i] = 1
	}
	y := output(t, e, m, nn.Mode{Train: true}, c.Noise, 0, e.Tensor(x, 2000, 1, 1, 4), state(3))
	dropped := 0
	for i := 0; i < len(y); i += 4 {
		assert.Equal(t, slices.Repeat(y[i:i+1], 4), y[i:i+4])
		if y[i] == 0 {
			dropped++
		} else {
			assert.InDelta(t, 1/0.7, y[i], 1e-12)
		}
	}
	assert.InDelta(t, 600, dropped, 4*math.Sqrt(2000*0.3*0.7))
}

// gradients are those of the skip's architecture parameter behind a linear head, of an edge with all operations in training
// mode, a number of draws of the noise.
func gradients(t *testing.T, e *engine.Engine, stride int, noise Noise, draws int) []float64 {
	t.Helper()
	c := DefaultConfig()
	c.Noise = noise
	edge, err := Edge(space.EdgeAt{Channels: 4, Stride: stride}, c.Primitives, c, Drawn(noise.Kind))
	require.NoError(t, err)
	relax := nn.NewLeaf("relax", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.Reshape(nn.SoftmaxRows(in[0]), 7)}
	})
	head := nn.NewLeaf("head", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		h := graph.AddScalar(graph.Cos(graph.IotaFull(in[0].Graph(), in[0].Shape())), 0.5)
		return []*graph.Node{graph.ReduceAllSum(graph.Mul(in[0], h))}
	})
	root := nn.NewComposite("linear|"+edge.Signature(), nn.Network, []nn.Child{{Module: edge}}, func(e nn.Env, in []nn.Value) []nn.Value {
		edgeIn := append([]nn.Value{in[0], nn.Call1(e, "", relax, in[1])}, in[2:]...)
		return e.Call("", head, nn.Call1(e, "", edge, edgeIn...))
	})
	m, err := e.NewModel(root, nn.Network)
	require.NoError(t, err)
	goldentest.FillAs(t, m, officially)
	mean, scale := noise.At(0, 50)
	var out []float64
	for i := range draws {
		g, err := m.Gradient(nn.Mode{Train: true}, false, []int{1}, goldentest.Images(e, "input", 2, 8, 8, 4),
			e.Tensor(golden.Input("alphas", []int{7}), 1, 7), state(uint64(i)), e.Scalar(mean), e.Scalar(scale))
		require.NoError(t, err)
		values, err := engine.Values(g.Inputs[0])
		require.NoError(t, err)
		out = append(out, values[slices.Index(c.Primitives, nn.SkipConnect)])
	}
	return out
}

// Behind a linear head the expected gradient of the skip's parameter is that without noise where the noise has mean 0, or 1
// where it multiplies, and another where it has not.
func TestGradientIsUnbiased(t *testing.T) {
	e := goldentest.Float64Engine(t)
	for _, stride := range []int{1, 2} {
		without := gradients(t, e, stride, Noise{Gaussian, Additive, 0, 0, false}, 1)[0]
		require.NotZero(t, without)
		for label, noise := range ablation(t) {
			if label == "none" {
				continue
			}
			mean, std := stat.MeanStdDev(gradients(t, e, stride, noise, 100), nil)
			off := math.Abs(mean-without) / (std / 10)
			unbiased := noise.Mean == map[string]float64{Additive: 0, Multiplicative: 1}[noise.Mixture]
			assert.Greater(t, std, 0.0)
			assert.Equal(t, unbiased, off < 4, "%q, stride %d: the mean is %.2g standard errors from the gradient without noise", label, stride, off)
		}
	}
}

// The search runs in the reduced spaces too: in S4 an edge has a random state of the space's own before that of the skip.
func TestReducedSpaces(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	train, _, err := datasets.Embedded()
	require.NoError(t, err)
	for _, space := range []string{"S2", "S4"} {
		t.Run(space, func(t *testing.T) {
			c, err := Method().Config("smoke", "as-g")
			require.NoError(t, err)
			common := c.Shared()
			common.Space, common.Epochs, common.StepsPerEpoch = space, 2, 1
			r, err := Method().Search(t.Context(), method.Env{Engine: engine.New(b.Backend), Train: train.Source()}, c)
			require.NoError(t, err)
			assert.Len(t, r.Genotype.Normal.Edges, 8)
			// What fades is in the log.
			assert.InDeltaSlice(t, []float64{0.5, 0.25}, r.Log.Column("noise_mean"), 1e-12)
			assert.InDeltaSlice(t, []float64{0.2, 0.1}, r.Log.Column("noise_scale"), 1e-12)
		})
	}
}

func TestDecay(t *testing.T) {
	n := Noise{Gaussian, Additive, 0.2, 0.5, true}
	for epoch, rate := range map[int]float64{0: 1, 10: 0.9045085, 25: 0.5, 49: 0.0009866} {
		mean, scale := n.At(epoch, 50)
		assert.InDelta(t, 0.5*rate, mean, 1e-7)
		assert.InDelta(t, 0.2*rate, scale, 1e-7)
	}
	n.Decay = false
	mean, scale := n.At(49, 50)
	assert.Equal(t, []float64{0.5, 0.2}, []float64{mean, scale})
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	for want, change := range map[string]func(*Config){
		"config: epochs":        func(c *Config) { c.Epochs = 0 },
		"config: noise.kind":    func(c *Config) { c.Noise.Kind = "laplace" },
		"config: noise.mixture": func(c *Config) { c.Noise.Mixture = "" },
		"config: noise.factor":  func(c *Config) { c.Noise.Factor = -1 },
		"config: drop_path":     func(c *Config) { c.DropPath = 1 },
	} {
		c := DefaultConfig()
		change(&c)
		assert.ErrorContains(t, c.Validate(), want)
	}
}
