package evolve

import (
	"errors"
	"fmt"
	"math"
)

// Direction says which values of an objective are better.
type Direction string

const (
	Minimise Direction = "minimise"
	Maximise Direction = "maximise"
)

// Objective is one of the numbers that a search improves.
type Objective struct {
	Name      string    `json:"name"`
	Direction Direction `json:"direction"`
}

// Measured is what an evaluator finds of one genome.
type Measured struct {
	// Values are in the order of the objectives, finite.
	Values []float64 `json:"values"`
	// Violation is by how much the genome breaks constraints, summed over them; 0 if it keeps them all.
	Violation float64 `json:"violation,omitempty"`
}

// AtMost is the violation of the constraint value <= limit, as a share of a limit that is not 0, so that
// violations of different units can be summed.
func AtMost(value, limit float64) float64 {
	excess := math.Max(0, value-limit)
	if limit == 0 {
		return excess
	}
	return excess / math.Abs(limit)
}

// AtLeast is the violation of the constraint value >= limit, as a share of a limit that is not 0.
func AtLeast(value, limit float64) float64 { return AtMost(-value, -limit) }

// checkObjectives refuses none, unknown directions and names that are empty or occur twice.
func checkObjectives(objectives []Objective) error {
	if len(objectives) == 0 {
		return errors.New("objectives: expected at least one")
	}
	seen := map[string]bool{}
	for i, o := range objectives {
		switch {
		case o.Name == "" || seen[o.Name]:
			return fmt.Errorf("objectives[%d]: expected a name of its own, got %q", i, o.Name)
		case o.Direction != Minimise && o.Direction != Maximise:
			return fmt.Errorf("objectives[%d] (%s): direction: expected %q or %q, got %q", i, o.Name, Minimise, Maximise, o.Direction)
		}
		seen[o.Name] = true
	}
	return nil
}

// point is a measurement in the form that the algorithm compares: every cost is minimised.
type point struct {
	costs     []float64
	violation float64
}

// costs turns measurements into points; it refuses a wrong number of values, values that are not finite and negative
// violations.
func costs(measured []Measured, objectives []Objective) ([]point, error) {
	points, flat := make([]point, len(measured)), make([]float64, len(measured)*len(objectives))
	for i, m := range measured {
		if err := m.check(objectives); err != nil {
			return nil, fmt.Errorf("measurement %d of %d: %w", i, len(measured), err)
		}
		c := flat[i*len(objectives) : (i+1)*len(objectives)]
		for j, o := range objectives {
			c[j] = m.Values[j]
			if o.Direction == Maximise {
				c[j] = -c[j]
			}
		}
		points[i] = point{c, m.Violation}
	}
	return points, nil
}

func (m Measured) check(objectives []Objective) error {
	if len(m.Values) != len(objectives) {
		return fmt.Errorf("expected a value for each of %d objectives, got %d", len(objectives), len(m.Values))
	}
	for j, v := range m.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: expected a finite number, got %g", objectives[j].Name, v)
		}
	}
	if !(m.Violation >= 0) || math.IsInf(m.Violation, 0) {
		return fmt.Errorf("violation: expected a finite number of at least 0, got %g", m.Violation)
	}
	return nil
}
