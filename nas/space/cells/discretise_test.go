package cells

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/golden"
)

var officialPrimitives = []string{"none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"}

type pair struct {
	Op   string
	From int
}

func (p *pair) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &[]any{&p.Op, &p.From}) }

type reference struct {
	First4Normal []float64 `json:"first4_normal"`
	First4Reduce []float64 `json:"first4_reduce"`
	Genotype     struct {
		Normal       []pair `json:"normal"`
		NormalConcat []int  `json:"normal_concat"`
		Reduce       []pair `json:"reduce"`
		ReduceConcat []int  `json:"reduce_concat"`
	} `json:"genotype"`
}

// cell is the reference's form, two edges a node in order, as ours.
func cell(pairs []pair, concat []int) arch.Cell {
	c := arch.Cell{Concat: concat}
	for i, p := range pairs {
		c.Edges = append(c.Edges, arch.Edge{Op: p.Op, From: p.From, To: 2 + i/2})
	}
	return c
}

// softmax turns one edge's parameters into its weights.
func softmax(alphas []float64) []float64 {
	out, sum := make([]float64, len(alphas)), 0.0
	for i, a := range alphas {
		out[i] = math.Exp(a)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func softmaxTable(name string) [][]float64 {
	t := golden.Table(name, 14, len(officialPrimitives))
	for i := range t {
		t[i] = softmax(t[i])
	}
	return t
}

func TestDiscretiseGolden(t *testing.T) {
	b, err := os.ReadFile("testdata/genotype_of_alphas.json")
	require.NoError(t, err)
	var refs map[string]reference
	require.NoError(t, json.Unmarshal(b, &refs))
	require.Len(t, refs, 2)
	for method, ref := range refs {
		t.Run(method, func(t *testing.T) {
			assert.InDeltaSlice(t, ref.First4Normal, golden.Table("alphas_normal", 14, 8)[0][:4], 1e-7)
			assert.InDeltaSlice(t, ref.First4Reduce, golden.Table("alphas_reduce", 14, 8)[0][:4], 1e-7)
			normal, reduce := softmaxTable("alphas_normal"), softmaxTable("alphas_reduce")
			if method == "pcdarts" {
				scaleByEdge(normal, golden.Input("betas_normal", []int{14}))
				scaleByEdge(reduce, golden.Input("betas_reduce", []int{14}))
			}
			got := Discretise(Uniform(officialPrimitives), normal, reduce)
			require.NoError(t, got.Validate(officialPrimitives))
			assert.Equal(t, cell(ref.Genotype.Normal, ref.Genotype.NormalConcat), got.Normal)
			assert.Equal(t, cell(ref.Genotype.Reduce, ref.Genotype.ReduceConcat), got.Reduce)
		})
	}
}

// scaleByEdge multiplies each edge with its share, softmax over the edges into the same node (PC-DARTS).
func scaleByEdge(weights [][]float64, betas []float64) {
	for first, n := 0, 2; n <= 5; first, n = first+n, n+1 {
		for i, share := range softmax(betas[first : first+n]) {
			for k := range weights[first+i] {
				weights[first+i][k] *= share
			}
		}
	}
}

// evenTable has the same weight everywhere: only the order of ties decides.
func evenTable(columns int) [][]float64 {
	t := make([][]float64, 14)
	for i := range t {
		t[i] = make([]float64, columns)
		for k := range t[i] {
			t[i][k] = 0.125
		}
	}
	return t
}

func TestDiscretiseTiesAndNone(t *testing.T) {
	even := evenTable(8)
	got := Discretise(Uniform(officialPrimitives), even, even)
	for i, e := range got.Normal.Edges {
		assert.Equal(t, arch.Edge{Op: "max_pool_3x3", From: i % 2, To: 2 + i/2}, e)
	}
	// However heavy none is, it neither wins an edge nor makes one win.
	heavy := evenTable(8)
	heavy[12][0] = 1 // node 5 from 3
	assert.Equal(t, got.Normal, Discretise(Uniform(officialPrimitives), heavy, even).Normal)
	heavy[12][7] = 0.5
	assert.Equal(t, arch.Edge{Op: "dil_conv_5x5", From: 3, To: 5}, Discretise(Uniform(officialPrimitives), heavy, even).Normal.Edges[6])
}

func TestDiscretiseRefusesBadTables(t *testing.T) {
	good := evenTable(8)
	nan := evenTable(8)
	nan[5][2] = math.NaN()
	for name, bad := range map[string][][]float64{
		"nil": nil, "13 edges": good[:13], "15 edges": append(evenTable(8), good[0]), "7 columns": evenTable(7), "NaN": nan,
	} {
		t.Run(name, func(t *testing.T) {
			for _, g := range []arch.Genotype{Discretise(Uniform(officialPrimitives), bad, good), Discretise(Uniform(officialPrimitives), good, bad)} {
				assert.Equal(t, arch.Genotype{}, g)
				assert.Error(t, g.Validate(nil))
			}
		})
	}
	assert.Error(t, Discretise(Uniform([]string{"none"}), evenTable(1), evenTable(1)).Validate(nil))
}

func ExampleDiscretise() {
	weights := make([][]float64, 14)
	for i := range weights {
		weights[i] = []float64{0.5, 0.2, 0.3} // the last edge into a node is no better than the first
	}
	g := Discretise(Uniform([]string{"none", "skip_connect", "sep_conv_3x3"}), weights, weights)
	fmt.Println(g.Normal.Edges[0], g.Normal.Concat)
	// Output: {sep_conv_3x3 0 2} [2 3 4 5]
}
