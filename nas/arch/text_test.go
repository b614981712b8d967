package arch

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const pairs = "[('sep_conv_3x3', 0), ('skip_connect', 1), ('sep_conv_3x3', 1), ('dil_conv_3x3', 2), ('max_pool_3x3', 0), ('sep_conv_5x5', 3), ('skip_connect', 0), ('sep_conv_3x3', 4)]"

var darts = "Genotype(normal=" + pairs + ", normal_concat=range(2, 6), reduce=" + pairs + ", reduce_concat=[2, 3, 4, 5])"

func TestGenotypesAsText(t *testing.T) {
	want := []Edge{{"sep_conv_3x3", 0, 2}, {"skip_connect", 1, 2}, {"sep_conv_3x3", 1, 3}, {"dil_conv_3x3", 2, 3}, {"max_pool_3x3", 0, 4}, {"sep_conv_5x5", 3, 4}, {"skip_connect", 0, 5}, {"sep_conv_3x3", 4, 5}}
	asJSON := strings.NewReplacer("Genotype(", "{", "'", `"`, "range(2, 6)", "[2, 3, 4, 5]", "(", "[", ")", "]", "normal=", `"normal":`, "normal_concat=", `"normal_concat":`, "reduce=", `"reduce":`, "reduce_concat=", `"reduce_concat":`).Replace(darts)
	asJSON = asJSON[:len(asJSON)-1] + "}"
	for name, c := range map[string]struct{ text, of, note string }{
		"alone":         {text: darts},
		"with a BOM":    {text: "\ufeff" + darts},
		"in a log":      {text: "2019 epoch 0 lr 2.5e-2\n06/01 10:00 PM genotype = " + strings.ReplaceAll(darts, "sep_conv_5x5", "none") + "\nloss 2\n06/01 11:00 PM genotype = " + darts + "\nvalid_acc 88\n", note: "the last of 2 genotypes is taken, that of line 4"},
		"by its name":   {text: "A = " + strings.ReplaceAll(darts, "sep_conv_5x5", "none") + "\n\n# ours\nB_2 = " + darts + "\n", of: "B_2"},
		"over lines":    {text: "DARTS_V2 = " + strings.ReplaceAll(darts, ", ", ",\n    ")},
		"as JSON lists": {text: asJSON},
		"the end":       {text: darts[:len(darts)-1] + ",)"},
	} {
		t.Run(name, func(t *testing.T) {
			g, note, err := ReadGenotype("f", []byte(c.text), c.of)
			require.NoError(t, err)
			require.NoError(t, g.Validate(nil))
			assert.Equal(t, c.note, note)
			assert.Equal(t, Genotype{StyleDARTS, Cell{want, []int{2, 3, 4, 5}}, Cell{want, []int{2, 3, 4, 5}}}, g)
			again, _, err := ReadGenotype("f", []byte(g.String()), "")
			require.NoError(t, err)
			assert.Equal(t, g, again)
			text, err := json.Marshal(g)
			require.NoError(t, err)
			again, _, err = ReadGenotype("f", text, "")
			require.NoError(t, err)
			assert.Equal(t, g, again)
		})
	}
	fair, note, err := ReadGenotype("f", []byte("X = Genotype(normal=[('sep_conv_3x3', 2, 0), ('max_pool_3x3', 4, 1)], normal_concat=range(2, 6), reduce=[('skip_connect', 5, 0)], reduce_concat=range(2, 6))"), "")
	require.NoError(t, err)
	assert.Equal(t, Genotype{StyleThreshold, Cell{[]Edge{{"sep_conv_3x3", 0, 2}, {"max_pool_3x3", 1, 4}}, []int{2, 4}}, Cell{[]Edge{{"skip_connect", 0, 5}}, []int{5}}}, fair)
	assert.Equal(t, "normal_concat: of nodes [2 3 4 5] those with edges are joined, [2 4]; reduce_concat: of nodes [2 3 4 5] those with edges are joined, [5]", note)
	again, _, err := ReadGenotype("f", []byte(fair.String()), "")
	require.NoError(t, err)
	assert.Equal(t, fair, again)
}

func TestGenotypesAsTextRefused(t *testing.T) {
	for want, text := range map[string]string{
		"f: expected a genotype: JSON, or Genotype(normal=":                                "nothing of the kind",
		"f: holds several genotypes, choose one as FILE:NAME: A, B":                        "A = " + darts + "\nB = " + darts,
		"f: line 2: Genotype: normal[1]: node: expected a whole number, got 1.5":           "\n" + strings.Replace(darts, "'skip_connect', 1)", "'skip_connect', 1.5)", 1),
		"f: line 1: Genotype: normal[1]: operation: expected a text, got 3":                strings.Replace(darts, "'skip_connect', 1)", "3, 1)", 1),
		"f: line 1: Genotype: normal[1]: expected 2 values as the first edges have, got 3": strings.Replace(darts, "'skip_connect', 1)", "'skip_connect', 1, 2)", 1),
		"f: line 1: Genotype: normal_concat: range: expected at most 64 numbers":           strings.Replace(darts, "range(2, 6)", "range(2, 1000000000)", 1),
		"f: line 1: Genotype: normal_concat[0]: expected a whole number, got x":            strings.Replace(darts, "range(2, 6)", "['x']", 1),
		"f: line 1: Genotype: normal_concat: expected the nodes":                           strings.Replace(darts, "range(2, 6)", "[]", 1),
		"f: line 1: Genotype: reduce_concat is missing":                                    strings.Replace(darts, ", reduce_concat=[2, 3, 4, 5]", "", 1),
		"f: line 1: Genotype: other: expected normal":                                      strings.Replace(darts, "normal=", "other=", 1),
		"f: line 1: Genotype: reduce stands twice":                                         strings.Replace(darts, "normal=", "reduce=[], reduce=", 1),
		"the text ends in the middle of a value":                                           darts[:39],
		"f: normal[0]: node: expected a whole number, got x":                               `{"normal": [["a", "x"]], "normal_concat": [2], "reduce": [], "reduce_concat": [2]}`,
		`f: normal.edges[0]: from: expected a whole number, got 1.0`:                       `{"style": "darts", "normal": {"edges": [["a", 1.0, 2]], "concat": [2]}}`,
		`f: normal.edges[0]: operation: expected a text, got null`:                         `{"style": "darts", "normal": {"edges": [[null, 1, 2]], "concat": [2]}}`,
	} {
		_, _, err := ReadGenotype("f", []byte(text), "")
		assert.ErrorContains(t, err, want, text)
	}
	_, _, err := ReadGenotype("f", []byte("A = "+darts), "B")
	assert.ErrorContains(t, err, "f: there is no genotype B, expected one of A")
	g, _, err := ReadGenotype("f", []byte(strings.Replace(darts, "range(2, 6)", "[2, 3, 4, 4]", 1)), "")
	require.NoError(t, err)
	assert.ErrorContains(t, g.Validate(nil), "genotype: normal.concat: node 4 stands twice")
}

func FuzzReadGenotype(f *testing.F) {
	f.Add([]byte(darts))
	f.Add([]byte(`{"normal": [["a", 1]], "normal_concat": [2]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, _, err := ReadGenotype("f", text, "")
		if err == nil {
			_ = g.Validate(nil)
		}
	})
}
