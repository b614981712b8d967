package space

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
)

// speech is the size of TC-ResNet's networks on the clips of its paper, with so many blocks a stage.
func speech(blocks int) Size {
	return Size{Cells: blocks, Channels: 16, Classes: 12, InputChannels: 40}
}

// same is a path of one choice in every layer.
func same(p Paths, choice int) []int {
	path := make([]int, len(p.Layers))
	for l := range path {
		path[l] = choice
	}
	return path
}

// Kernel 9 without a gate everywhere is TC-ResNet, whose counts the zoo has of its official definition.
func TestTCResNetIsOfItsSpace(t *testing.T) {
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	for _, c := range []struct {
		blocks, channels, params int
		macs                     int64
	}{{1, 16, 65168, 0}, {1, 24, 144264, 0}, {2, 16, 135856, 3030528}, {2, 24, 303000, 6677136}} {
		size := speech(c.blocks)
		size.Channels = c.channels
		p, err := TCResNet(size, 98)
		require.NoError(t, err)
		network, err := p.Network(same(p, 3))
		require.NoError(t, err)
		m, err := Network(network, NetworkOptions{})
		require.NoError(t, err)
		assert.Equal(t, c.params, nn.Params(m.Specs()))
		if c.macs > 0 {
			macs, err := nn.MACs(b.Backend, m, shapes.Make(dtypes.Float32, 1, 98, 1, 40))
			require.NoError(t, err)
			assert.Equal(t, c.macs, macs)
		}
	}
}

func TestTCResNetChoices(t *testing.T) {
	p, err := TCResNet(speech(2), 98)
	require.NoError(t, err)
	assert.Equal(t, []int{9, 9, 9, 9, 9, 9}, p.Choices())
	assert.Equal(t, []string{"1: 16→24, /2", "2: 24→24", "3: 24→32, /2", "4: 32→32", "5: 32→48, /2", "6: 48→48"}, p.LayerNames())
	assert.Equal(t, []string{"k3", "k5", "k7", "k9", "k3 gate", "k5 gate", "k7 gate", "k9 gate", Identity}, TemporalColumns())
	for l, choices := range p.Layers {
		seen := map[string]bool{}
		for k, b := range choices {
			assert.Equal(t, k == 8, IsSkip(b))
			text, err := json.Marshal(b)
			require.NoError(t, err)
			assert.False(t, seen[string(text)], "layer %d has a choice twice", l)
			seen[string(text)] = true
			if k < 8 {
				assert.Equal(t, []any{3 + 2*(k%4), k >= 4}, []any{b.Kernel, b.Squeeze != nil})
			}
		}
		want := arch.Block{Name: fmt.Sprintf("blocks.%d", l), Op: arch.OpIdentity, In: choices[0].In, Out: choices[0].Out, Stride: choices[0].Stride}
		if l%2 == 0 {
			want.Op, want.Activation = arch.OpProjection, "relu"
		}
		assert.Equal(t, want, choices[8])
	}
	names := TemporalOps(p.Layers[0])
	assert.Equal(t, []string{"temporal_3x1_from_16", "temporal_9x1_from_16_gated", nn.SkipConnect}, []string{names[0], names[7], names[8]})
	for _, bad := range []Size{{}, {Cells: 1, Channels: 16, Classes: 12}} {
		_, err := TCResNet(bad, 98)
		assert.ErrorContains(t, err, "size: ")
	}
	_, err = TCResNet(speech(1), 0)
	assert.EqualError(t, err, "tcresnet: frames: expected at least 1, got 0")
}

// Both readings of the space's size, the first as the space itself counts it.
func TestTCResNetSize(t *testing.T) {
	for blocks, want := range map[int][2]string{1: {"729", "4096"}, 2: {"531441", "16777216"}} {
		p, err := TCResNet(speech(blocks), 98)
		require.NoError(t, err)
		assert.Equal(t, want[0], p.Size().String())
		for i, reading := range []string{ReadingChoice, ReadingProduct} {
			n, ok := new(big.Int).SetString(want[i], 10)
			require.True(t, ok)
			assert.Equal(t, n, TCResNetSize(reading, 3*blocks))
		}
	}
	assert.Nil(t, TCResNetSize("a third", 6))
}

func temporalEdge(p Paths) EdgeFunc {
	return func(at EdgeAt) (nn.Module, error) {
		return nn.MixedEdge(TemporalOps(p.Layers[at.Row]), at.Channels, at.Stride)
	}
}

// Where each layer weighs one choice alone, the supernet puts out what the network of that path does on the same tensors, and
// their gradients are the same, with the batch's statistics and with the running ones.
func TestTCResNetSupernetIsItsNetworks(t *testing.T) {
	e := goldentest.Float64Engine(t)
	for _, blocks := range []int{1, 2} {
		size := Size{Cells: blocks, Channels: 4, Classes: 3, InputChannels: 5}
		p, err := TCResNet(size, 21)
		require.NoError(t, err)
		supernet, err := TCResNetSupernet(size, SupernetInputs{Tables: 1}, temporalEdge(p))
		require.NoError(t, err)
		x := e.Tensor(golden.Input("clips", []int{2, 21, 1, 5}), 2, 21, 1, 5)
		paths := [][]int{same(p, 3), same(p, 8), same(p, 6)}
		if blocks == 2 {
			paths = [][]int{{0, 8, 5, 1, 8, 7}, {8, 2, 8, 8, 4, 8}}
		}
		for _, path := range paths {
			code := p.Code(path)
			network, err := p.Network(path)
			require.NoError(t, err)
			plain, err := Network(network, NetworkOptions{})
			require.NoError(t, err)
			flat := make([]float64, 9*len(path))
			for l, k := range path {
				flat[9*l+k] = 1
			}
			weights := e.Tensor(flat, len(path), 9)
			whole, alone := weighedModel(t, e, supernet), weighedModel(t, e, plain)
			state := nn.Initialise(supernet.Specs(), 7)
			require.NoError(t, whole.Load(state))
			require.NoError(t, alone.Load(ofPath(plain.Specs(), state, path)))
			for _, train := range []bool{false, true} {
				want, err := alone.Gradient(nn.Mode{Train: train}, false, []int{0}, x)
				require.NoError(t, err)
				got, err := whole.Gradient(nn.Mode{Train: train}, false, []int{0}, x, weights)
				require.NoError(t, err)
				goldentest.Near(t, fmt.Sprintf("%s, train=%t: output", code, train), numbersOf(t, want.Outputs[0]), got.Outputs[0], 1e-9)
				goldentest.Near(t, fmt.Sprintf("%s, train=%t: gradient", code, train), numbersOf(t, want.Inputs[0]), got.Inputs[0], 1e-9)
			}
		}
	}
}

func numbersOf(t *testing.T, x *tensors.Tensor) []float64 {
	t.Helper()
	v, err := engine.Values(x)
	require.NoError(t, err)
	return v
}

// weighedModel puts a scalar behind a network: all its logits, each with a weight of its own.
func weighedModel(t *testing.T, e *engine.Engine, net nn.Module) *engine.Model {
	t.Helper()
	weigh := nn.NewLeaf("weighed logits", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		by := graph.AddScalar(graph.Cos(graph.IotaFull(in[0].Graph(), in[0].Shape())), 0.5)
		return []*graph.Node{graph.ReduceAllSum(graph.Mul(in[0], by))}
	})
	root := nn.NewComposite("weighed|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		return e.Call("", weigh, nn.Call1(e, "", net, in...))
	})
	m, err := e.NewModel(root, nn.Operation)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Finalize()) })
	return m
}

// ofPath are a network's tensors of a supernet's. Batch norms inside the supernet's layers have no scale and no shift: the
// network's are 1 and 0.
func ofPath(specs []nn.Spec, supernet map[string][]float32, path []int) map[string][]float32 {
	out := nn.Initialise(specs, 1)
	for name := range maps.Clone(out) {
		from := name
		for l, k := range path {
			block := fmt.Sprintf("blocks.%d.", l)
			if rest, ok := strings.CutPrefix(name, block); ok {
				from = fmt.Sprintf("%s_ops.%d.%s", block, k, rest)
			}
		}
		if v, ok := supernet[from]; ok {
			out[name] = v
		}
	}
	return out
}

// A layer adds up its choices by their weights.
func TestTCResNetLayerIsASum(t *testing.T) {
	e := goldentest.Float64Engine(t)
	p, err := TCResNet(Size{Cells: 1, Channels: 4, Classes: 3, InputChannels: 5}, 21)
	require.NoError(t, err)
	edge, err := temporalEdge(p)(EdgeAt{Row: 0, Channels: 6, Stride: 2})
	require.NoError(t, err)
	m, err := e.NewModel(edge, nn.Operation)
	require.NoError(t, err)
	require.NoError(t, m.Load(nn.Initialise(edge.Specs(), 3)))
	x := e.Tensor(golden.Input("clips", []int{2, 21, 1, 4}), 2, 21, 1, 4)
	run := func(weights []float64) []float64 {
		out, err := m.Run(nn.Mode{Train: true}, x, e.Tensor(weights, 9))
		require.NoError(t, err)
		assert.Equal(t, []int{2, 11, 1, 6}, out[0].Shape().Dimensions)
		return numbersOf(t, out[0])
	}
	mixed, sum := make([]float64, 9), make([]float64, 2*11*6)
	for k := range mixed {
		one := make([]float64, 9)
		one[k], mixed[k] = 1, 0.1*float64(k+1)
		alone := run(one)
		assert.NotEqual(t, make([]float64, len(alone)), alone, "choice %d puts something out", k)
		for i, v := range alone {
			sum[i] += mixed[k] * v
		}
	}
	assert.InDeltaSlice(t, sum, run(mixed), 1e-9)
}

func TestStrongestPath(t *testing.T) {
	p, err := TCResNet(speech(1), 98)
	require.NoError(t, err)
	path, err := p.StrongestPath([][]float64{{0, 0, 2, 0, 2, 0, 0, 0, 1}, make([]float64, 9), {0, 0, 0, 0, 0, 0, 0, 0, 0.1}})
	require.NoError(t, err)
	assert.Equal(t, []int{2, 0, 8}, path, "of equals the first")
	_, err = p.StrongestPath(make([][]float64, 2))
	assert.ErrorContains(t, err, "expected 3 layers, got 2")
	_, err = p.StrongestPath(make([][]float64, 3))
	assert.ErrorContains(t, err, "layer 0: expected 9 choices, got 0")
}

// A supernet can't do without a layer.
func TestTCResNetSupernetNeedsEveryLayer(t *testing.T) {
	_, err := TCResNetSupernet(speech(1), SupernetInputs{Tables: 1}, func(EdgeAt) (nn.Module, error) { return nil, nil })
	assert.ErrorContains(t, err, `block "blocks.0": expected an operation`)
	_, err = TCResNetSupernet(Size{}, SupernetInputs{Tables: 1}, nil)
	assert.ErrorContains(t, err, "size: cells")
}
