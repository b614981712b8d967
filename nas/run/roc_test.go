package run

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestROC(t *testing.T) {
	r := ROC{Words: 2, FalseAlarms: []float64{0, 0.5, 1}, FalseRejects: []float64{1, 0.5, 0}}
	assert.NoError(t, r.Validate())
	assert.Equal(t, 0.5, r.Area(), "chance")
	r.FalseRejects = []float64{0.4, 0, 0}
	assert.InDelta(t, 0.1, r.Area(), 1e-12)
	for want, bad := range map[string]ROC{
		"got 0, 2 and 2": {FalseAlarms: []float64{0, 1}, FalseRejects: []float64{1, 0}},
		"got 1, 2 and 1": {Words: 1, FalseAlarms: []float64{0, 1}, FalseRejects: []float64{1}},
		"false_rejects[0]: expected 0 to 1, got 2":      {Words: 1, FalseAlarms: []float64{0, 1}, FalseRejects: []float64{2, 0}},
		"rate 1: expected false alarms to rise":         {Words: 1, FalseAlarms: []float64{0, 0}, FalseRejects: []float64{1, 0}},
		"false alarms to rise and false rejects not to": {Words: 1, FalseAlarms: []float64{0, 1}, FalseRejects: []float64{0, 1}},
	} {
		assert.ErrorContains(t, bad.Validate(), want)
		result := Result{Spec: Spec{Command: Train}, ROC: &bad}
		assert.ErrorContains(t, result.Validate(), want)
	}
}
