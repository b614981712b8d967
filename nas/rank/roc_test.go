package rank

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFalseRejects(t *testing.T) {
	at := []float64{0, 0.25, 0.5, 0.75, 1}
	for name, c := range map[string]struct {
		scores   []float64
		positive []bool
		want     []float64
	}{
		"perfect": {[]float64{0.9, 0.8, 0.2, 0.1, 0, 0}, []bool{true, true, false, false, false, false}, []float64{0, 0, 0, 0, 0}},
		"worst":   {[]float64{0.1, 0.2, 0.9, 0.8, 0.7, 0.6}, []bool{true, true, false, false, false, false}, []float64{1, 1, 1, 1, 0}},
		"between": {[]float64{0.9, 0.5, 0.7, 0.6, 0.2, 0.1}, []bool{true, true, false, false, false, false}, []float64{0.5, 0.5, 0, 0, 0}},
		"equal":   {[]float64{1, 1, 1, 1, 1, 1}, []bool{true, false, false, false, false, true}, []float64{1, 1, 1, 1, 0}},
	} {
		got, err := FalseRejects(c.scores, c.positive, at)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
	_, err := FalseRejects([]float64{1}, nil, at)
	assert.ErrorContains(t, err, "expected as many scores as answers, got 1 and 0")
	_, err = FalseRejects([]float64{1, math.NaN()}, []bool{true, false}, at)
	assert.ErrorContains(t, err, "sample 1: expected a number")
	_, err = FalseRejects([]float64{1, 2}, []bool{true, true}, at)
	assert.ErrorIs(t, err, ErrOneSided)
}

// Against the definition: every threshold tried.
func TestFalseRejectsByEveryThreshold(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		n := 2 + r.IntN(30)
		scores, positive := make([]float64, n), make([]bool, n)
		for i := range scores {
			scores[i], positive[i] = float64(r.IntN(12)), r.IntN(3) == 0
		}
		positive[0], positive[1] = true, false
		var at []float64
		for i := range 11 {
			at = append(at, float64(i)/10)
		}
		got, err := FalseRejects(scores, positive, at)
		require.NoError(t, err)
		for j, rate := range at {
			best := 1.0
			for threshold := -0.5; threshold < 13; threshold++ {
				var yes, no, rejects, alarms float64
				for i, s := range scores {
					switch {
					case positive[i]:
						yes++
						if s < threshold {
							rejects++
						}
					default:
						no++
						if s >= threshold {
							alarms++
						}
					}
				}
				if alarms <= rate*no {
					best = min(best, rejects/yes)
				}
			}
			assert.InDelta(t, best, got[j], 1e-12)
		}
	}
}

func TestMeanFalseRejects(t *testing.T) {
	scores := [][]float64{{0.9, 0.1, 0}, {0.3, 0.7, 0}, {0.8, 0.2, 0}, {0.4, 0.6, 0}}
	labels := []int32{0, 0, 1, 1}
	mean, counted, err := MeanFalseRejects(scores, labels, []int{0, 1, 2}, []float64{0, 0.5, 1})
	require.NoError(t, err)
	assert.Equal(t, 2, counted, "nothing is of the third class")
	// Class 0: 0.9 yes, 0.8 no, 0.4 no, 0.3 yes; class 1: 0.7 no, 0.6 yes, 0.2 yes, 0.1 no.
	assert.Equal(t, []float64{(0.5 + 1) / 2, (0.5 + 0) / 2, 0}, mean)
	_, _, err = MeanFalseRejects(scores, labels, []int{2}, []float64{0})
	assert.ErrorIs(t, err, ErrOneSided)
	_, _, err = MeanFalseRejects(scores, labels, []int{3}, []float64{0})
	assert.ErrorContains(t, err, "class 3: sample 0 has scores of 3 classes")
	_, _, err = MeanFalseRejects(scores, nil, []int{0}, []float64{0})
	assert.ErrorContains(t, err, "got 4 and 0")
}
