package nn_test

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/nn"
)

// TestCanonicalForms counts what the backend's rewrite recognises in the operations' graphs with their gradients: a
// version of go-xla that prints them otherwise would be right but many times slower.
func TestCanonicalForms(t *testing.T) {
	b, err := backend.OpenWith(backend.Options{CacheDir: "off"})
	require.NoError(t, err)
	if !b.Info.Kernels {
		t.Skip("no CPU kernels with this backend; `make setup` brings the plug-in")
	}
	const channels = 16
	for _, tc := range []struct {
		op     string
		stride int
		want   map[string]int
	}{
		{nn.SepConv3x3, 1, map[string]int{"depthwise": 4, "depthwise_kernel_gradient": 2, "batch_norm": 2, "batch_norm_gradient": 2}},
		{nn.SepConv3x3, 2, map[string]int{"depthwise": 4, "depthwise_kernel_gradient": 2, "batch_norm": 2, "batch_norm_gradient": 2}},
		{nn.SepConv5x5, 2, map[string]int{"depthwise": 4, "depthwise_kernel_gradient": 2, "batch_norm": 2, "batch_norm_gradient": 2}},
		{nn.SepConv7x7, 1, map[string]int{"depthwise": 4, "depthwise_kernel_gradient": 2, "batch_norm": 2, "batch_norm_gradient": 2}},
		{nn.DilConv3x3, 1, map[string]int{"depthwise": 2, "depthwise_kernel_gradient": 1, "batch_norm": 1, "batch_norm_gradient": 1}},
		{nn.DilConv5x5, 2, map[string]int{"depthwise": 2, "depthwise_kernel_gradient": 1, "batch_norm": 1, "batch_norm_gradient": 1}},
		{nn.MaxPool3x3, 1, map[string]int{"max_pool": 1, "max_pool_gradient": 1, "batch_norm": 1, "batch_norm_gradient": 1}},
		{nn.MaxPool3x3, 2, map[string]int{"max_pool": 1, "max_pool_gradient": 1, "batch_norm": 1, "batch_norm_gradient": 1}},
		{nn.AvgPool3x3, 1, map[string]int{"depthwise": 2, "batch_norm": 1, "batch_norm_gradient": 1}},
		{nn.AvgPool3x3, 2, map[string]int{"depthwise": 2, "batch_norm": 1, "batch_norm_gradient": 1}},
		{nn.SkipConnect, 2, map[string]int{"batch_norm": 1, "batch_norm_gradient": 1}},
	} {
		m, err := nn.SearchPrimitive(tc.op, channels, tc.stride)
		require.NoError(t, err)
		found := kernelsOf(t, b, m, tc.op, []int{2, 8, 8, channels}, []int{})
		for kernel, n := range tc.want {
			require.Equal(t, n, found[kernel], "%s, stride %d: %s", tc.op, tc.stride, kernel)
		}
	}
}

// The depthwise convolutions of sound, along one axis, with both gradients.
func TestUnidirectionalForms(t *testing.T) {
	b, err := backend.OpenWith(backend.Options{CacheDir: "off"})
	require.NoError(t, err)
	if !b.Info.Kernels {
		t.Skip("no CPU kernels with this backend; `make setup` brings the plug-in")
	}
	for _, tc := range []struct {
		input  []int
		kh, kw int
		stride [2]int
		output []int
	}{
		{[]int{2, 12, 10, 16}, 1, 3, [2]int{1, 1}, []int{2, 12, 10, 16}},
		{[]int{2, 12, 10, 16}, 5, 1, [2]int{2, 1}, []int{2, 6, 10, 16}},
		{[]int{2, 12, 10, 16}, 1, 7, [2]int{2, 2}, []int{2, 6, 5, 16}},
		{[]int{2, 25, 1, 24}, 9, 1, [2]int{1, 1}, []int{2, 25, 1, 24}},
		{[]int{2, 25, 1, 24}, 3, 1, [2]int{2, 1}, []int{2, 13, 1, 24}},
	} {
		m := nn.DepthwiseConvolution("conv", tc.input[3], tc.kh, tc.kw, tc.stride)
		require.Equal(t, []nn.Spec{{Name: "conv.weight", Shape: []int{tc.input[3], 1, tc.kh, tc.kw}, Kind: nn.Depthwise}}, m.Specs())
		found := kernelsOf(t, b, m, m.Signature(), tc.input, tc.output)
		require.Equal(t, map[string]int{"depthwise": 2, "depthwise_kernel_gradient": 1}, found, m.Signature())
	}
	signature := func(kh, kw int, stride [2]int) string {
		return nn.DepthwiseConvolution("conv", 16, kh, kw, stride).Signature()
	}
	require.NotEqual(t, signature(1, 3, [2]int{1, 1}), signature(3, 1, [2]int{1, 1}))
	require.NotEqual(t, signature(1, 3, [2]int{1, 2}), signature(1, 3, [2]int{2, 1}))
}

// kernelsOf counts the kernels of a module's gradient with respect to its weights and its two inputs: x of the given shape
// and a factor, of the output's shape for a module that takes none.
func kernelsOf(t *testing.T, b *backend.Backend, m nn.Module, name string, input, factor []int) map[string]int {
	t.Helper()
	before := backend.CompileStats()
	g := graph.NewGraph(b.Backend, name)
	defer g.Finalize()
	x := graph.Parameter(g, "x", shapes.Make(dtypes.Float32, input...))
	gain := graph.Parameter(g, "gain", shapes.Make(dtypes.Float32, factor...))
	inputs := []*graph.Node{x, gain}
	tensors, wrt := map[string]*graph.Node{}, []*graph.Node{x, gain}
	for _, s := range m.Specs() {
		if s.Counter {
			continue
		}
		tensors[s.Name] = graph.Parameter(g, "t"+s.Name, shapes.Make(dtypes.Float32, s.EngineShape()...))
		if !s.Buffer {
			wrt = append(wrt, tensors[s.Name])
		}
	}
	if len(factor) > 0 {
		inputs = inputs[:1]
	}
	out := nn.Build(nn.NewCtx(g, nn.Mode{Train: true}, tensors), m, inputs)[0]
	if len(factor) > 0 {
		require.Equal(t, factor, out.Shape().Dimensions)
		out = graph.Mul(out, gain)
	}
	require.NoError(t, g.Compile(graph.Gradient(graph.ReduceAllSum(graph.Mul(out, out)), wrt...)...))
	return backend.CompileStats().Sub(before).Kernels
}
