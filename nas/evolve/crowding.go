package evolve

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// MoGAWeights are the weights of accuracy, latency and parameters in MoGA's crowding distance (arXiv 1908.01314).
// Underspecified: no source at hand has them, they are from memory.
func MoGAWeights() []float64 { return []float64{0.4, 0.4, 0.2} }

// Distance is a crowding distance; JSON has null for infinity.
type Distance float64

// MarshalJSON writes a number or null.
func (d Distance) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(d), 1) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(d))
}

// UnmarshalJSON reads a number or null.
func (d *Distance) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*d = Distance(math.Inf(1))
		return nil
	}
	return json.Unmarshal(data, (*float64)(d))
}

// Crowding is the crowding distance of each measurement of one front:
//
//	D(j) = Σ_i w_i (f_i(j+1) - f_i(j-1)) / (max f_i - min f_i)
//
// with the front in the order of f_i; the two ends of each objective have infinity. Nil weights are 1 each, the paper's
// distance; others make it MoGA's. An objective that is constant or of weight 0 adds nothing. Among
// equal values the one of lower index comes first.
func Crowding(front []Measured, objectives []Objective, weights []float64) ([]Distance, error) {
	if err := checkObjectives(objectives); err != nil {
		return nil, err
	}
	if err := checkWeights(weights, len(objectives)); err != nil {
		return nil, err
	}
	points, err := costs(front, objectives)
	if err != nil {
		return nil, err
	}
	if len(points) == 0 {
		return nil, nil
	}
	indices := make([]int, len(points))
	for i := range indices {
		indices[i] = i
	}
	distances := make([]Distance, len(points))
	crowding(points, indices, weights, distances)
	return distances, nil
}

func checkWeights(weights []float64, objectives int) error {
	if weights == nil {
		return nil
	}
	if len(weights) != objectives {
		return fmt.Errorf("crowding weights: expected one for each of %d objectives, got %d", objectives, len(weights))
	}
	sum := 0.0
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("crowding weights[%d]: expected a finite number of at least 0, got %g", i, w)
		}
		sum += w
	}
	if sum == 0 {
		return fmt.Errorf("crowding weights: expected one above 0")
	}
	return nil
}

// crowding sets the distances of one front, a list of indices of points and of distances.
func crowding(points []point, front []int, weights []float64, distances []Distance) {
	infinite := Distance(math.Inf(1))
	for _, p := range front {
		distances[p] = 0
	}
	sorted := slices.Clone(front)
	for i := range len(points[front[0]].costs) {
		weight := 1.0
		if weights != nil {
			weight = weights[i]
		}
		if weight == 0 {
			continue
		}
		at := func(k int) float64 { return points[sorted[k]].costs[i] }
		slices.SortFunc(sorted, func(p, q int) int {
			if c := order(points[p].costs[i], points[q].costs[i]); c != 0 {
				return c
			}
			return p - q
		})
		last := len(sorted) - 1
		width := at(last) - at(0)
		if width == 0 {
			continue
		}
		distances[sorted[0]], distances[sorted[last]] = infinite, infinite
		for k := 1; k < last; k++ {
			distances[sorted[k]] += Distance(weight * (at(k+1) - at(k-1)) / width)
		}
	}
}
