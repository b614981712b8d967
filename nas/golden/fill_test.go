package golden

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
)

type vectors struct {
	Streams map[string]struct {
		Hash string    `json:"fnv1a64_hex"`
		Z    []string  `json:"z_hex_i0..3"`
		U    []float64 `json:"u_i0..3"`
		U100 float64   `json:"u_i100"`
	} `json:"hash_and_stream"`
	Fills map[string]struct {
		Shape  []int     `json:"shape"`
		First4 []float64 `json:"first4_f64"`
		Sum    float64   `json:"sum_f64"`
		SumSq  float64   `json:"sum_sq_f64"`
	} `json:"fills"`
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/fill_vectors.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(b, &v))
	require.NotEmpty(t, v.Streams)
	require.NotEmpty(t, v.Fills)
	return v
}

func TestStreamVectors(t *testing.T) {
	for name, want := range readVectors(t).Streams {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, want.Hash, fmt.Sprintf("%016x", hash(name)))
			require.Len(t, want.Z, 4)
			for i := range want.Z {
				assert.Equal(t, want.Z[i], fmt.Sprintf("%016x", mix(hash(name), i)))
				assert.Equal(t, want.U[i], Uniform(name, i))
			}
			assert.Equal(t, want.U100, Uniform(name, 100))
		})
	}
}

func TestFillVectors(t *testing.T) {
	for key, want := range readVectors(t).Fills {
		t.Run(key, func(t *testing.T) {
			var got []float64
			if name, gain, ok := strings.Cut(key, "|W="); ok {
				var w float64
				_, err := fmt.Sscan(gain, &w)
				require.NoError(t, err)
				got = Tensor(name, want.Shape, w)
			} else {
				got = Input(strings.Fields(key)[0], want.Shape)
			}
			require.Len(t, got, Size(want.Shape))
			assert.Equal(t, want.First4, got[:4])
			var sum, sq float64
			for _, x := range got {
				sum += x
				sq += x * x
			}
			// The sums are given with 12 digits and were added in another order.
			assert.InDelta(t, want.Sum, sum, 1e-11*math.Sqrt(want.SumSq*float64(len(got)))+1e-11)
			assert.InEpsilon(t, want.SumSq, sq, 1e-10)
		})
	}
}

func TestTensorByName(t *testing.T) {
	assert.Equal(t, []float64{0}, Tensor("stem.1.num_batches_tracked", nil, 3))
	assert.Nil(t, Tensor("stem.1.unknown", []int{2}, 3))
	bias := Tensor("classifier.bias", []int{3}, 3)
	for i, b := range bias {
		assert.Equal(t, 0.2*(2*Uniform("classifier.bias", i)-1), b)
	}
}

func TestLabels(t *testing.T) {
	// The batch of two that every search reference uses.
	assert.Equal(t, []int{5, 1}, Labels("target", 2, 10))
}

func TestTable(t *testing.T) {
	rows := Table("alphas_normal", 14, 7)
	require.Len(t, rows, 14)
	assert.InDeltaSlice(t, []float64{0.06413817, -0.7719032, 0.3801706, 0.01236784}, rows[0][:4], 1e-7)
	assert.Equal(t, 2*Uniform("alphas_normal", 13*7+6)-1, rows[13][6])
}

func TestFairDARTSParse(t *testing.T) {
	cases, err := FairDARTSParse()
	require.NoError(t, err)
	require.Len(t, cases, 12)
	c := cases[4]
	assert.Equal(t, "scale1|threshold_sparse|0.5", c.Name)
	assert.Equal(t, []any{1.0, "threshold_sparse", 0.5}, []any{c.Scale, c.Method, c.Threshold})
	require.Len(t, c.WantNormal, 8)
	assert.Equal(t, arch.Edge{Op: "sep_conv_3x3", From: 2, To: 3}, c.WantNormal[2])
	// The other form of the same cell, which gives no target nodes.
	assert.Equal(t, "scale1|darts|0.5", cases[0].Name)
	assert.Equal(t, c.WantNormal, cases[0].WantNormal)
}
