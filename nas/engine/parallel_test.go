package engine_test

import (
	"fmt"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
)

// TestFreshInputsInParallel gives a plan inputs that no block has used, each read by many blocks at once: GoMLX moves a
// tensor to the device at its first use, and not atomically.
func TestFreshInputsInParallel(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	square := nn.NewLeaf("square", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.ReduceAllSum(graph.Mul(in[0], in[0]))}
	})
	add := nn.Sum()
	root := nn.NewComposite("squares", nn.Network, nil, func(env nn.Env, in []nn.Value) []nn.Value {
		var parts []nn.Value
		for i := range 16 {
			parts = append(parts, nn.Call1(env, fmt.Sprint(i), square, in[0]))
		}
		return env.Call("", add, parts...)
	})
	for range 200 {
		m, err := e.NewModel(root, nn.Edge)
		require.NoError(t, err)
		x := tensors.FromFlatDataAndDimensions([]float32{1, 2, 3}, 3)
		g, err := m.Gradient(nn.Mode{}, false, []int{0}, x)
		require.NoError(t, err)
		got, err := engine.Values(g.Inputs[0])
		require.NoError(t, err)
		require.Equal(t, []float64{32, 64, 96}, got)
		require.NoError(t, g.Finalize())
	}
}
