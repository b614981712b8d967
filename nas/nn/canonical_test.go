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
		before := backend.CompileStats()
		g := graph.NewGraph(b.Backend, tc.op)
		x := graph.Parameter(g, "x", shapes.Make(dtypes.Float32, 2, 8, 8, channels))
		gain := graph.Parameter(g, "gain", shapes.Make(dtypes.Float32))
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
		out := nn.Build(nn.NewCtx(g, nn.Mode{Train: true}, tensors), m, []*graph.Node{x, gain})[0]
		require.NoError(t, g.Compile(graph.Gradient(graph.ReduceAllSum(graph.Mul(out, out)), wrt...)...))
		found := backend.CompileStats().Sub(before).Kernels
		for kernel, n := range tc.want {
			require.Equal(t, n, found[kernel], "%s, stride %d: %s", tc.op, tc.stride, kernel)
		}
	}
}
