package golden

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// Deviation is how far a quantity is from its reference.
type Deviation struct {
	// Test is what compared, Quantity what was compared.
	Test     string `json:"test"`
	Quantity string `json:"quantity"`
	// Relative is the largest difference over the largest magnitude of the reference; Tolerance is what it may be.
	Relative  float64 `json:"relative"`
	Tolerance float64 `json:"tolerance"`
}

// MarshalJSON writes what is no finite number as null, which JSON has no other word for.
func (d Deviation) MarshalJSON() ([]byte, error) {
	type plain Deviation
	if math.IsNaN(d.Relative) || math.IsInf(d.Relative, 0) {
		return json.Marshal(struct {
			plain
			Relative *float64 `json:"relative"`
		}{plain: plain(d)})
	}
	return json.Marshal(plain(d))
}

// Within tells whether the deviation is no more than it may be; NaN is more.
func (d Deviation) Within() bool { return d.Relative <= d.Tolerance }

const deviationWord = "deviation "

// String is the line that [ParseDeviation] reads.
func (d Deviation) String() string {
	return fmt.Sprintf("%s%.3g of %g: %s: %s", deviationWord, d.Relative, d.Tolerance, d.Test, d.Quantity)
}

// ParseDeviation finds a deviation in a line of a test's output.
func ParseDeviation(line string) (d Deviation, found bool) {
	_, rest, found := strings.Cut(line, deviationWord)
	if !found {
		return d, false
	}
	numbers, names, found := strings.Cut(rest, ": ")
	if _, err := fmt.Sscanf(numbers, "%g of %g", &d.Relative, &d.Tolerance); err != nil || !found {
		return Deviation{}, false
	}
	d.Test, d.Quantity, found = strings.Cut(strings.TrimSpace(names), ": ")
	return d, found
}

// Relative is the largest difference of two lists over the larger of floor and want's largest magnitude; 0 where they
// are equal, infinite where want has no other magnitude than 0 or the lengths differ.
func Relative(want, got []float64, floor float64) float64 {
	if len(want) != len(got) {
		return math.Inf(1)
	}
	scale, worst := floor, 0.0
	for i := range want {
		scale = max(scale, math.Abs(want[i]))
		worst = max(worst, math.Abs(want[i]-got[i])) // NaN, once met, stays
	}
	if worst == 0 {
		return 0
	}
	return worst / scale
}

// TestingT is what [Near] needs of a test.
type TestingT interface {
	Helper()
	Name() string
	Log(...any)
	Errorf(string, ...any)
}

// Near logs how far got is from want and fails the test, which goes on, where that is more than tolerance times the
// larger of floor and want's largest magnitude.
func Near(t TestingT, what string, want, got []float64, tolerance, floor float64) {
	t.Helper()
	d := Deviation{Test: t.Name(), Quantity: what, Relative: Relative(want, got, floor), Tolerance: tolerance}
	t.Log(d)
	if !d.Within() {
		t.Errorf("%s: expected a deviation of at most %g, got %.3g (%d values, %d expected)", what, tolerance, d.Relative, len(got), len(want))
	}
}
