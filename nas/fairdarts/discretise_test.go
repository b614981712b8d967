package fairdarts

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/golden"
)

type parseReference struct {
	Primitives []string `json:"primitives"`
	Results    map[string]struct {
		Normal [][]any `json:"normal"`
		Reduce [][]any `json:"reduce"`
	} `json:"results"`
}

func readParseReference(t *testing.T) parseReference {
	t.Helper()
	b, err := os.ReadFile("testdata/search_parse.json")
	require.NoError(t, err)
	var ref parseReference
	require.NoError(t, json.Unmarshal(b, &ref))
	return ref
}

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
	ref := readParseReference(t)
	require.Len(t, ref.Results, 12)
	for key, want := range ref.Results {
		t.Run(key, func(t *testing.T) {
			parts := strings.Split(key, "|")
			require.Len(t, parts, 3)
			scale, err := strconv.ParseFloat(strings.TrimPrefix(parts[0], "scale"), 64)
			require.NoError(t, err)
			threshold, err := strconv.ParseFloat(parts[2], 64)
			require.NoError(t, err)
			got := Discretise(ref.Primitives, sigmoids("alphas_normal", scale), sigmoids("alphas_reduce", scale), parts[1], threshold)
			compareCell(t, want.Normal, got.Normal)
			compareCell(t, want.Reduce, got.Reduce)
			if len(want.Normal) > 0 {
				assert.NoError(t, got.Validate(ref.Primitives))
			} else {
				assert.Error(t, got.Validate(ref.Primitives))
			}
		})
	}
}

// compareCell compares with the reference's rows: [op, from], two a node, or [op, to, from].
func compareCell(t *testing.T, want [][]any, got arch.Cell) {
	t.Helper()
	require.Len(t, got.Edges, len(want))
	for i, row := range want {
		e := arch.Edge{Op: row[0].(string)}
		if len(row) == 2 {
			e.From, e.To = int(row[1].(float64)), 2+i/2
		} else {
			e.To, e.From = int(row[1].(float64)), int(row[2].(float64))
		}
		assert.Equal(t, e, got.Edges[i], "edge %d", i)
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
	got := Discretise(primitives, table, table, MethodSparse, DefaultThreshold)
	assert.Equal(t, arch.Cell{
		Edges:  []arch.Edge{{Op: "sep_conv_3x3", From: 0, To: 2}, {Op: "skip_connect", From: 3, To: 4}, {Op: "skip_connect", From: 2, To: 4}},
		Concat: []int{2, 4},
	}, got.Normal)
	got = Discretise(primitives, table, table, MethodEdge, DefaultThreshold)
	assert.Equal(t, []int{2, 4}, got.Normal.Concat)
	assert.Equal(t, 3, got.Normal.Count("skip_connect"), "an operation at the threshold is kept")
}

func TestDiscretiseRefusesBadInput(t *testing.T) {
	primitives := readParseReference(t).Primitives
	good, nan := sigmoids("alphas_normal", 4), sigmoids("alphas_normal", 4)
	nan[3][3] = math.NaN()
	assert.Equal(t, arch.Genotype{}, Discretise(primitives, good, good, "unheard of", 0.5))
	for _, method := range []string{MethodDARTS, MethodSparse, MethodEdge} {
		assert.Equal(t, arch.Genotype{}, Discretise(primitives, good, nan, method, 0.5))
		assert.Equal(t, arch.Genotype{}, Discretise(primitives, good[:13], good, method, 0.5))
	}
}
