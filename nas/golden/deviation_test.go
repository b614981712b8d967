package golden

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// recordingT notes what a test would have said.
type recordingT struct {
	*testing.T
	logs, errors []string
}

func (r *recordingT) Log(args ...any) { r.logs = append(r.logs, fmt.Sprint(args...)) }
func (r *recordingT) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestNear(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct {
		want, got []float64
		floor     float64
		relative  float64
		near      bool
	}{
		{[]float64{1, -2}, []float64{1, -2}, 0, 0, true},
		{[]float64{1, -2}, []float64{1.01, -2}, 0, 0.005, true},
		{[]float64{1, -2}, []float64{1.1, -2}, 0, 0.05, false},
		{[]float64{0}, []float64{0}, 0, 0, true},
		{[]float64{0}, []float64{1e-9}, 0, math.Inf(1), false},
		{[]float64{0}, []float64{1e-9}, 1, 1e-9, true},
		{[]float64{1, 2}, []float64{nan, 2}, 0, nan, false},
		{[]float64{1}, []float64{1, 2}, 0, math.Inf(1), false},
	} {
		r := &recordingT{T: t}
		Near(r, "logits, all: of them", tc.want, tc.got, 0.01, tc.floor)
		assert.Equal(t, tc.near, len(r.errors) == 0, "%+v: %v", tc, r.errors)
		d, found := ParseDeviation("    file_test.go:12: " + r.logs[0] + "\n")
		assert.True(t, found)
		if math.IsNaN(tc.relative) {
			assert.True(t, math.IsNaN(d.Relative), "%+v", tc)
			d.Relative, tc.relative = 0, 0
		}
		if !math.IsInf(tc.relative, 1) {
			assert.InDelta(t, tc.relative, d.Relative, 1e-2*tc.relative, "%+v", tc)
			d.Relative = 0
		} else {
			assert.True(t, math.IsInf(d.Relative, 1))
			d.Relative = 0
		}
		assert.Equal(t, Deviation{Test: "TestNear", Quantity: "logits, all: of them", Tolerance: 0.01}, d)
	}
}

func TestParseDeviationRefuses(t *testing.T) {
	for _, line := range []string{"", "ok", "deviation", "deviation x of 1: a: b", "deviation 1 of 2", "deviation 1 of 2: a"} {
		_, found := ParseDeviation(line)
		assert.False(t, found, line)
	}
}
