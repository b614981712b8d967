package run_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/run"
)

func TestLandscapeValidate(t *testing.T) {
	good := func() *run.Landscape {
		return &run.Landscape{Images: 8, Axis: []float64{-1, 0, 1}, Lengths: []float64{2},
			Accuracy: [][]float64{{0, 0, 0}, {0, 0.5, 0}, {0, 0, 1}}, Loss: [][]float64{{3, 3, 3}, {3, 2, 3}, {3, 3, 3}}}
	}
	require.NoError(t, good().Validate())
	accuracy, loss := good().Centre()
	assert.Equal(t, []float64{0.5, 2}, []float64{accuracy, loss})
	for want, change := range map[string]func(*run.Landscape){
		"landscape: axis: expected an odd number of steps, at least 3, 0 in the middle, got [-1 0]": func(l *run.Landscape) { l.Axis = l.Axis[:2] },
		"0 in the middle, got [-1 0.5 1]":                              func(l *run.Landscape) { l.Axis[1] = 0.5 },
		"landscape: axis[2]: expected more than 0, got -2":             func(l *run.Landscape) { l.Axis[2] = -2 },
		"landscape: accuracy: expected 3 rows, got 2":                  func(l *run.Landscape) { l.Accuracy = l.Accuracy[:2] },
		"landscape: loss[1]: expected 3 numbers, got 0":                func(l *run.Landscape) { l.Loss[1] = nil },
		"landscape: accuracy[0][2]: expected at least 0 and at most 1": func(l *run.Landscape) { l.Accuracy[0][2] = 1.5 },
		"landscape: loss[2][2]: expected at least 0":                   func(l *run.Landscape) { l.Loss[2][2] = math.NaN() },
	} {
		l := good()
		change(l)
		r := run.Result{Spec: run.Spec{Command: run.Search}, Landscape: l}
		assert.ErrorContains(t, r.Validate(), want)
	}
}
