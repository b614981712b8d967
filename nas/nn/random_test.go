package nn

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
)

// Standard normal numbers are those of GoMLX, and finite where the uniform number behind one is 0.
func TestStandardNormal(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	shape := shapes.Make(dtypes.Float32, 1000)
	state := []uint64{1, 2, 3}
	got, err := ExecOnce(b.Backend, func(s *Node) *Node { return StandardNormal(s, shape) }, state)
	require.NoError(t, err)
	want, err := ExecOnce(b.Backend, func(s *Node) *Node {
		_, values := RandomNormal(s, shape)
		return values
	}, state)
	require.NoError(t, err)
	assert.Equal(t, want.Value(), got.Value())

	ends, err := ExecOnce(b.Backend, boxMuller, []float32{0, 0, 0x1p-32}, []float32{0, 0.25, 0.5})
	require.NoError(t, err)
	values := ends.Value().([]float32)
	assert.InDeltaSlice(t, []float64{math.Sqrt(130 * math.Ln2), 0, -math.Sqrt(64 * math.Ln2)}, values, 1e-4)
}

// A sample's scale is 0 or makes up for those that are.
func TestDropPathScale(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	scale, err := ExecOnce(b.Backend, func(s *Node) *Node {
		return DropPathScale(s, Zeros(s.Graph(), shapes.Make(dtypes.Float32, 10_000, 2, 1, 1)), 0.3)
	}, []uint64{4, 5, 6})
	require.NoError(t, err)
	dropped := 0
	for _, v := range scale.Value().([]float32) {
		if v == 0 {
			dropped++
		} else {
			assert.InDelta(t, 1/0.7, v, 1e-6)
		}
	}
	assert.InDelta(t, 3000, dropped, 4*math.Sqrt(10_000*0.3*0.7))
}

func TestStandardDeviation(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	got, err := ExecOnce(b.Backend, StandardDeviation, [][]float32{{1, 2}, {3, 6}})
	require.NoError(t, err)
	assert.InDelta(t, math.Sqrt(14.0/3), got.Value(), 1e-6)
}
