package plots

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleSimilarities are layers of so many choices; neighbours are more alike than others.
func sampleSimilarities(choices ...int) (out []SimilarityMatrix) {
	for l, n := range choices {
		m := SimilarityMatrix{Name: fmt.Sprintf("layer %d", l)}
		for i := range n {
			m.Choices = append(m.Choices, fmt.Sprintf("k%d e3 gate", i))
			row := make([]float64, n)
			for k := range row {
				row[k] = 1 - 1.2*float64(max(i-k, k-i))/float64(n)
			}
			m.Cosines = append(m.Cosines, row)
		}
		out = append(out, m)
	}
	return out
}

func TestSimilaritiesShowTheirNumbers(t *testing.T) {
	layers := sampleSimilarities(2, 3)
	layers[0].Cosines[0][1], layers[0].Cosines[1][0] = -0.25, -0.25
	f, err := Similarities(layers, "")
	require.NoError(t, err)
	assert.Contains(t, data(t, f), "layer,choice,other,cosine\nlayer 0,k0 e3 gate,k1 e3 gate,-0.25\n")
	assert.Contains(t, f.Description(), "layer 0: mean -0.25 over 1 pair; layer 1: mean 0.467 over 3 pairs")
	for want, change := range map[string]func(m []SimilarityMatrix){
		"layer 0: choices: expected at least 2 and a row for each, got 1 and 2": func(m []SimilarityMatrix) { m[0].Choices = m[0].Choices[:1] },
		"layer 1: cosines[2]: expected a number for each of 3 choices, got 1":   func(m []SimilarityMatrix) { m[1].Cosines[2] = m[1].Cosines[2][:1] },
		"layer 1: cosines[2][0]: expected from -1 to 1, the same both ways":     func(m []SimilarityMatrix) { m[1].Cosines[2][0] = 0.5 },
		"layer 0: cosines[0][0]: expected from -1 to 1":                         func(m []SimilarityMatrix) { m[0].Cosines[0][0] = 1.5 },
		`name: expected one of its own, got "layer 0"`:                          func(m []SimilarityMatrix) { m[1].Name = "layer 0" },
	} {
		layers := sampleSimilarities(2, 3)
		change(layers)
		_, err := Similarities(layers, "")
		assert.ErrorContains(t, err, want)
	}
	_, err = Similarities(nil, "")
	assert.Error(t, err)
}
