package extract

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/run"
)

func TestCurvatureQuantities(t *testing.T) {
	// The lowest eigenvalue is as many times as far from 0.
	log := func(residual, times float64, values ...float64) (r run.Result) {
		r.Log.Columns = []string{diff.Eigenvalue, diff.EigenvalueLowest, diff.EigenvalueResidual}
		for _, v := range values {
			r.Log.Rows = append(r.Log.Rows, []float64{v, -times * v, residual})
		}
		return r
	}
	// A ridge along the first direction: the loss is 1 + y², the accuracy 1/2 on it and 1/4 beside it.
	ridge := run.Result{Landscape: &run.Landscape{Axis: []float64{-2, 0, 2},
		Accuracy: [][]float64{{0.25, 0.25, 0.25}, {0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}}, Loss: [][]float64{{5, 5, 5}, {1, 1, 1}, {5, 5, 5}}}}
	for _, tc := range []struct {
		quantity string
		of       run.Result
		want     float64
		lacks    string
	}{
		{"eigenvalue_last", log(0.01, 0.5, 1, 2, 4), 4, ""},
		{"eigenvalue_rise", log(0.01, 0.5, 1, 2, 4), 3, ""},
		{"eigenvalue_rise", log(0.1, 0.5, 1, 2, 4, 6), 3.5, ""},
		{"eigenvalue_rise", log(0.01, 0.5, 1), 0, "it has one epoch"},
		{"eigenvalue_last", log(0.2, 0.5, 1, 2), 0, "its eigenvalue after epoch 1, 1, is known to 0.2, more than a tenth of it"},
		{"eigenvalue_last", log(0.02, 10, 1, 2), 0, "its eigenvalue after epoch 1, 1, is known to 0.2, more than a tenth of it"},
		{"eigenvalue_last", run.Result{}, 0, "its log has no eigenvalues"},
		{"landscape_drop_percent", ridge, 100 * (0.5 - 1.0/3), ""},
		{"landscape_roughness", ridge, 1, ""}, // second derivatives 2 and 0
		{"landscape_roughness", run.Result{}, 0, "its landscape was not measured"},
	} {
		got, lacks := quantities[tc.quantity].of(tc.of)
		assert.Equal(t, tc.lacks, lacks, tc.quantity)
		assert.InDelta(t, tc.want, got, 1e-12, tc.quantity)
	}
}
