package cells

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// lookup is a space of the list.
func lookup(t *testing.T, name string) Space {
	t.Helper()
	var primitives []string
	if name == S0 {
		primitives = officialPrimitives
	}
	s, err := Lookup(name, primitives)
	require.NoError(t, err)
	assert.Equal(t, name, s.Name)
	return s
}

// Every space has 14 edges a cell with as many known operations each, something to keep beside none, and cells that can be
// derived.
func TestSpaces(t *testing.T) {
	require.Equal(t, []string{"S0", "S1", "S2", "S3", "S4"}, Names())
	columns := map[string]int{"S0": 8, "S1": 2, "S2": 2, "S3": 3, "S4": 2}
	for _, name := range Names() {
		s := lookup(t, name)
		weights := make([][]float64, Edges)
		for i := range weights {
			weights[i] = make([]float64, columns[name])
			for k := range weights[i] {
				weights[i][k] = float64(i + k)
			}
		}
		for _, reduce := range []bool{false, true} {
			cell := s.Cell(reduce)
			require.Len(t, cell, Edges, name)
			for row, ops := range cell {
				require.Len(t, ops, columns[name], "%s, edge %d", name, row)
				assert.NoError(t, check(ops), "%s, edge %d", name, row)
			}
			named := Columns(cell)
			if name == "S1" {
				assert.Len(t, named, Edges, "its edges differ")
			} else {
				assert.Len(t, named, 1, name)
			}
			assert.Equal(t, cell[0], named[0])
		}
		assert.Equal(t, name == "S4", s.Has(nn.Noise), name)
		assert.Equal(t, name == "S0" || name == "S3", s.Has(nn.None), name)
		g := Discretise(s, weights, weights)
		require.NoError(t, g.Validate(nn.Primitives), name)
		for _, c := range []struct {
			cell arch.Cell
			ops  [][]string
		}{{g.Normal, s.Normal}, {g.Reduce, s.Reduce}} {
			require.Len(t, c.cell.Edges, 8)
			for _, e := range c.cell.Edges {
				assert.Equal(t, c.ops[EdgeIndex(e.From, e.To)][columns[name]-1], e.Op, "%s: the last operation weighs most", name)
			}
		}
	}
}

// TestSpacesGolden compares the spaces with those of DARTS-'s code.
func TestSpacesGolden(t *testing.T) {
	folder := os.Getenv("GONAS_GOLDEN")
	if folder == "" {
		t.Skip("GONAS_GOLDEN is not set: the golden files are not in the repository")
	}
	text, err := os.ReadFile(filepath.Join(folder, "dartsminus", "search_spaces.json"))
	require.NoError(t, err)
	var ref struct {
		Spaces map[string]struct {
			Normal [][]string `json:"primitives_normal"`
			Reduce [][]string `json:"primitives_reduct"`
		} `json:"spaces"`
	}
	require.NoError(t, json.Unmarshal(text, &ref))
	require.Len(t, ref.Spaces, 5)
	for name, want := range ref.Spaces {
		name = strings.ToUpper(name)
		if name == "S5" { // what the papers call S0
			name = S0
		}
		s := lookup(t, name)
		assert.Equal(t, want.Normal, s.Normal, name)
		assert.Equal(t, want.Reduce, s.Reduce, name)
	}
}

func TestLookupRefuses(t *testing.T) {
	for want, in := range map[string]struct {
		name       string
		primitives []string
	}{
		`space "S5": expected one of S0, S1, S2, S3, S4`: {"S5", nil},
		`space "": expected one of S0`:                   {"", nil},
		`primitives: unknown operation "conv_9x9"`:       {S0, []string{"skip_connect", "conv_9x9"}},
		`primitives: expected some of`:                   {S0, []string{"none"}},
		`dil_conv_5x5 conv_7x1_1x7 noise] beside none`:   {S0, nil},
	} {
		_, err := Lookup(in.name, in.primitives)
		assert.ErrorContains(t, err, want)
	}
}

// A space is its caller's own.
func TestSpacesShareNothing(t *testing.T) {
	for _, name := range Names() {
		s, was := lookup(t, name), lookup(t, name)
		primitives := []string{"skip_connect", "sep_conv_3x3"}
		uniform := Uniform(primitives)
		primitives[0] = "changed"
		assert.Equal(t, "skip_connect", uniform.Normal[3][0])
		s.Normal[0][0], s.Reduce[13][1] = "changed", "changed"
		assert.Equal(t, was, lookup(t, name))
	}
}

func TestEdgeIndex(t *testing.T) {
	names := EdgeNames()
	require.Len(t, names, Edges)
	assert.Equal(t, []string{"0→2", "1→2", "0→3"}, names[:3])
	row := 0
	for to := 2; to < 2+arch.Nodes; to++ {
		for from := range to {
			assert.Equal(t, row, EdgeIndex(from, to))
			row++
		}
	}
	assert.Equal(t, Edges, row)
}
