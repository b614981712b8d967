package backend

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"
)

// numbers runs a small graph twice, the result of the first run as the input
// of the second, and returns the last result.
func numbers(t *testing.T, b compute.Backend) []float32 {
	t.Helper()
	exec, err := graph.NewExec(b, func(x *graph.Node) *graph.Node {
		return graph.Add(graph.Dot(x, graph.Sin(x)).Product(), graph.MulScalar(x, 0.5))
	})
	require.NoError(t, err)
	x, err := exec.Exec1([][]float32{{1, 2}, {-3, 0.25}})
	require.NoError(t, err)
	x, err = exec.Exec1(x)
	require.NoError(t, err)
	return tensors.MustCopyFlatData[float32](x)
}

func TestSameNumbersOnXLAAndGo(t *testing.T) {
	pure, err := OpenWith(Options{Plugin: KindGo})
	require.NoError(t, err)
	require.Equal(t, KindGo, pure.Info.Kind)
	want := numbers(t, pure.Backend)

	b, err := OpenWith(Options{CacheDir: t.TempDir() + "/cache"})
	require.NoError(t, err)
	if b.Info.Kind == KindGo {
		t.Skip("no XLA plug-in on this machine: " + InstallCommand)
	}
	require.InDeltaSlice(t, want, numbers(t, b.Backend), 1e-5)
}
