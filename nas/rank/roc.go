package rank

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// FalseRejects is the curve of a detector that says yes where a sample's score is at least a threshold: for each rate of
// false alarms in at, the least rate of false rejects of any threshold that has no more false alarms. False alarms are a
// share of the samples that are not positive, false rejects of those that are; there must be both.
func FalseRejects(scores []float64, positive []bool, at []float64) ([]float64, error) {
	if len(scores) != len(positive) {
		return nil, fmt.Errorf("false rejects: expected as many scores as answers, got %d and %d", len(scores), len(positive))
	}
	order := make([]int, len(scores))
	yes := 0
	for i, s := range scores {
		if math.IsNaN(s) {
			return nil, fmt.Errorf("false rejects: sample %d: expected a number, got NaN", i)
		}
		order[i] = i
		if positive[i] {
			yes++
		}
	}
	no := len(scores) - yes
	if yes == 0 || no == 0 {
		return nil, ErrOneSided
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(at))
	for i := range out {
		out[i] = 1 // a threshold above all scores
	}
	alarms, found := 0, 0
	for k, i := range order {
		if positive[i] {
			found++
		} else {
			alarms++
		}
		if k+1 < len(order) && scores[order[k+1]] == scores[i] {
			continue // no threshold lies between equal scores
		}
		for j, rate := range at {
			if float64(alarms) <= rate*float64(no) {
				out[j] = min(out[j], 1-float64(found)/float64(yes))
			}
		}
	}
	return out, nil
}

// ErrOneSided is the error of a curve over samples that are all positive, or none.
var ErrOneSided = errors.New("false rejects: expected samples that are positive and samples that are not")

// MeanFalseRejects is the mean of [FalseRejects] over classes at each rate of false alarms, where a class's score is its
// column of scores [samples][classes] and its samples are those of its label. Classes of which there are no samples, or only
// such, are left out; counted says how many are not.
func MeanFalseRejects(scores [][]float64, labels []int32, classes []int, at []float64) (mean []float64, counted int, err error) {
	if len(scores) != len(labels) {
		return nil, 0, fmt.Errorf("false rejects: expected as many rows of scores as labels, got %d and %d", len(scores), len(labels))
	}
	mean = make([]float64, len(at))
	own, positive := make([]float64, len(scores)), make([]bool, len(scores))
	for _, class := range classes {
		for i, row := range scores {
			if class < 0 || class >= len(row) {
				return nil, 0, fmt.Errorf("false rejects: class %d: sample %d has scores of %d classes", class, i, len(row))
			}
			own[i], positive[i] = row[class], int(labels[i]) == class
		}
		curve, err := FalseRejects(own, positive, at)
		if errors.Is(err, ErrOneSided) {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("class %d: %w", class, err)
		}
		counted++
		for j, v := range curve {
			mean[j] += v
		}
	}
	if counted == 0 {
		return nil, 0, ErrOneSided
	}
	for j := range mean {
		mean[j] /= float64(counted)
	}
	return mean, counted, nil
}
