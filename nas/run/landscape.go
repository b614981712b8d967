package run

import (
	"fmt"
	"math"
)

// LandscapeFile is the name of the landscape that was measured last in a run folder, a stage.
const LandscapeFile = "landscape.json"

// Landscape is the validation accuracy and loss of a search's supernet on a grid in the space of the architecture's
// parameters, around those that the search ended with, whatever else it ended with staying as it is.
type Landscape struct {
	// Images is the number of validation samples.
	Images int `json:"images"`
	// Axis are the steps along both directions, ascending, an odd number of them, 0 in the middle.
	Axis []float64 `json:"axis"`
	// Lengths are those of the tables' parameters, which a step of 1 along either direction has too.
	Lengths []float64 `json:"lengths"`
	// Accuracy, from 0 to 1, and Loss, the cross entropy, are [step of the second direction][step of the first].
	Accuracy [][]float64 `json:"accuracy"`
	Loss     [][]float64 `json:"loss"`
}

// Centre are accuracy and loss at the parameters that the search ended with.
func (l Landscape) Centre() (accuracy, loss float64) {
	k := len(l.Axis) / 2
	return l.Accuracy[k][k], l.Loss[k][k]
}

// Validate reports the first thing that does not fit together.
func (l Landscape) Validate() error {
	n := len(l.Axis)
	if n < 3 || n%2 == 0 || l.Axis[n/2] != 0 {
		return fmt.Errorf("landscape: axis: expected an odd number of steps, at least 3, 0 in the middle, got %v", l.Axis)
	}
	for i := 1; i < n; i++ {
		if !(l.Axis[i] > l.Axis[i-1]) {
			return fmt.Errorf("landscape: axis[%d]: expected more than %g, got %g", i, l.Axis[i-1], l.Axis[i])
		}
	}
	for _, g := range []struct {
		name    string
		values  [][]float64
		highest float64
	}{{"accuracy", l.Accuracy, 1}, {"loss", l.Loss, math.MaxFloat64}} {
		if len(g.values) != n {
			return fmt.Errorf("landscape: %s: expected %d rows, got %d", g.name, n, len(g.values))
		}
		for i, row := range g.values {
			if len(row) != n {
				return fmt.Errorf("landscape: %s[%d]: expected %d numbers, got %d", g.name, i, n, len(row))
			}
			for k, v := range row {
				if !(v >= 0 && v <= g.highest) {
					return fmt.Errorf("landscape: %s[%d][%d]: expected at least 0 and at most %g, got %g", g.name, i, k, g.highest, v)
				}
			}
		}
	}
	return nil
}
