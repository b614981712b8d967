package space

import (
	"fmt"
	"os"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space/cells"
)

// goldenImages is the golden input [batch, height, width, channels].
var goldenImages = goldentest.Images

func float32s(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

var flatten = goldentest.Flat

// tolerance is of the largest magnitude of each quantity.
const tolerance = goldentest.Tolerance

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

var fill = goldentest.Fill

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
	read       string
}{
	{"darts_search_network.json", "darts", DARTSPrimitives, softmax, 0, true, ""},
	{"fairdarts_search_network.json", "fairdarts", FairDARTSPrimitives, sigmoid, -2, true, "alphas = 2u-1 - 2 (well scaled)"},
	{"fairdarts_search_network.json", "fairdarts-large", FairDARTSPrimitives, sigmoid, 0, false, "alphas = 2u-1 (eval mode explodes to 1e7: use train-mode values, or relative tolerance)"},
}

// TestSupernetGolden compares the supernets with the official code's numbers in float64: PyTorch's own float32
// deviates by 1e-3 in the gradients of training mode, since batch norm over two images amplifies rounding.
func TestSupernetGolden(t *testing.T) {
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	for _, tc := range supernetCases {
		data, err := os.ReadFile("testdata/" + tc.file)
		require.NoError(t, err)
		want := goldentest.Read(t, data, tc.read)
		for _, granularity := range []nn.Level{nn.Edge, nn.Network} {
			if granularity == nn.Network && !tc.evalLoss {
				continue // the same network as the case before
			}
			t.Run(fmt.Sprintf("%s/%s", tc.name, granularity), func(t *testing.T) {
				t.Parallel()
				m, in := goldenSupernet(t, engine.NewFloat64(b.Backend), want, tc.primitives, tc.relax, tc.shift, granularity)
				want.All(t, m, in, tc.evalLoss)
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
		want := goldentest.Read(t, data, tc.read)
		for _, granularity := range []nn.Level{nn.Operation, nn.Edge} {
			t.Run(fmt.Sprintf("%s/%s", tc.name, granularity), func(t *testing.T) {
				m, in := goldenSupernet(t, engine.New(b.Backend), want, tc.primitives, tc.relax, tc.shift, granularity)
				want.Forward(t, m, in, tc.evalLoss)
			})
		}
	}
}

func goldenSupernet(t *testing.T, e *engine.Engine, want goldentest.Supernet, primitives []string, relax nn.Module, shift float64, granularity nn.Level) (*engine.Model, []*tensors.Tensor) {
	size := Size{Cells: 8, Channels: 16, Classes: 10, InputChannels: 3}
	m, err := e.NewModel(objective(t, size, primitives, relax), granularity)
	require.NoError(t, err)
	fill(t, m)
	return m, want.Inputs(e, len(primitives), shift)
}
