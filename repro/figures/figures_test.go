package figures

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gonas/gonas/nas/search"
)

func TestThreshold(t *testing.T) {
	for rule, want := range map[string]float64{
		"threshold_sparse, threshold 0.85": 0.85,
		"darts, threshold 0.85":            0, // two edges a node, whatever their weights
		"two edges a node":                 0,
		"threshold_sparse, threshold x":    0,
		"threshold_sparse, threshold 1.5":  0,
	} {
		assert.Equal(t, want, History(search.Result{DerivedBy: rule}).Threshold, rule)
		assert.Equal(t, want, Final(search.Result{DerivedBy: rule}).Threshold, rule)
	}
}

func TestLastWeightsAreFinal(t *testing.T) {
	r := search.Result{Primitives: []string{"a"}, History: []search.Alphas{
		{Epoch: 0, NormalWeights: [][]float64{{0.5}}, ReduceWeights: [][]float64{{0.5}}},
		{Epoch: 1, NormalWeights: [][]float64{{0.9}}, ReduceWeights: [][]float64{{0.1}}},
	}}
	h, w := History(r), Final(r)
	assert.Equal(t, []int{0, 1}, h.Epochs)
	assert.Equal(t, h.Normal[1], w.Normal)
	assert.Equal(t, [][]float64{{0.1}}, w.Reduce)
	assert.Nil(t, Final(search.Result{}).Normal)
}
