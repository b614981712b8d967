package fairdarts

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/space/cells"
)

func sigmoids(name string, scale float64) [][]float64 {
	t := golden.Table(name, 14, 7)
	for _, row := range t {
		for k := range row {
			row[k] = Sigmoid(scale * row[k])
		}
	}
	return t
}

func TestDiscretiseGolden(t *testing.T) {
	cases, err := golden.FairDARTSParse()
	require.NoError(t, err)
	require.Len(t, cases, 12)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got := Discretise(cells.Uniform(c.Primitives), sigmoids("alphas_normal", c.Scale), sigmoids("alphas_reduce", c.Scale), c.Method, c.Threshold)
			assert.Equal(t, c.WantNormal, got.Normal.Edges)
			assert.Equal(t, c.WantReduce, got.Reduce.Edges)
			if len(c.WantNormal) > 0 {
				assert.NoError(t, got.Validate(c.Primitives))
			} else {
				assert.Error(t, got.Validate(c.Primitives))
			}
		})
	}
}

func TestDiscretiseDropsNodes(t *testing.T) {
	primitives := []string{"skip_connect", "sep_conv_3x3"}
	table := make([][]float64, 14)
	for i := range table {
		table[i] = []float64{0.1, 0.2}
	}
	table[0] = []float64{0.1, 0.9}  // node 2 from 0
	table[6] = []float64{0.85, 0.1} // node 4 from 1, at the threshold exactly
	table[7] = []float64{0.86, 0.1} // node 4 from 2
	table[8] = []float64{0.95, 0.1} // node 4 from 3, a node without edges
	got := Discretise(cells.Uniform(primitives), table, table, MethodSparse, DefaultThreshold)
	assert.Equal(t, arch.Cell{
		Edges:  []arch.Edge{{Op: "sep_conv_3x3", From: 0, To: 2}, {Op: "skip_connect", From: 3, To: 4}, {Op: "skip_connect", From: 2, To: 4}},
		Concat: []int{2, 4},
	}, got.Normal)
	got = Discretise(cells.Uniform(primitives), table, table, MethodEdge, DefaultThreshold)
	assert.Equal(t, []int{2, 4}, got.Normal.Concat)
	assert.Equal(t, 3, got.Normal.Count("skip_connect"), "an operation at the threshold is kept")
}

func TestDiscretiseRefusesBadInput(t *testing.T) {
	primitives := []string{"max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"}
	good, nan := sigmoids("alphas_normal", 4), sigmoids("alphas_normal", 4)
	nan[3][3] = math.NaN()
	assert.Equal(t, arch.Genotype{}, Discretise(cells.Uniform(primitives), good, good, "unheard of", 0.5))
	for _, method := range []string{MethodDARTS, MethodSparse, MethodEdge} {
		assert.Equal(t, arch.Genotype{}, Discretise(cells.Uniform(primitives), good, nan, method, 0.5))
		assert.Equal(t, arch.Genotype{}, Discretise(cells.Uniform(primitives), good[:13], good, method, 0.5))
	}
}
