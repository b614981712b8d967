package rank_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/rank"
)

// By hand. The first row is the example of scikit-learn's documentation of f1_score: macro 0.2666..., by class 0.8, 0, 0.
func TestMacroF1(t *testing.T) {
	for name, c := range map[string]struct {
		labels, predictions []int32
		classes             int
		f1                  []float64
	}{
		"scikit-learn's example":            {[]int32{0, 1, 2, 0, 1, 2}, []int32{0, 2, 1, 0, 0, 1}, 3, []float64{0.8, 0, 0}},
		"all right":                         {[]int32{0, 1, 1}, []int32{0, 1, 1}, 2, []float64{1, 1}},
		"all wrong":                         {[]int32{0, 1}, []int32{1, 0}, 2, []float64{0, 0}},
		"one answer for two even classes":   {[]int32{0, 0, 1, 1}, []int32{1, 1, 1, 1}, 2, []float64{0, 2. / 3}},
		"a class neither there nor said":    {[]int32{0, 1}, []int32{0, 1}, 3, []float64{1, 1, 0}},
		"a class that is said and no one's": {[]int32{0, 1, 1}, []int32{0, 2, 1}, 3, []float64{1, 2. / 3, 0}},
		"samples without a label":           {[]int32{0, -1, 1, -1}, []int32{0, 0, 1, 7}, 2, []float64{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := rank.ConfusionMatrix(c.labels, c.predictions, c.classes)
			require.NoError(t, err)
			assert.InDeltaSlice(t, c.f1, rank.F1(m), 1e-15)
			sum := 0.0
			for _, f := range c.f1 {
				sum += f
			}
			assert.InDelta(t, sum/float64(c.classes), rank.MacroF1(m), 1e-15)
		})
	}
}

// F1 is the harmonic mean of precision and recall, computed from the samples; accuracy is the share that is right.
func TestF1IsTheHarmonicMean(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		classes, n := 2+r.IntN(6), 1+r.IntN(60)
		labels, predictions := make([]int32, n), make([]int32, n)
		right := 0
		for i := range labels {
			labels[i], predictions[i] = r.Int32N(int32(classes)), r.Int32N(int32(classes))
			if labels[i] == predictions[i] {
				right++
			}
		}
		m, err := rank.ConfusionMatrix(labels, predictions, classes)
		require.NoError(t, err)
		correct, total := rank.Correct(m)
		assert.Equal(t, []int{right, n}, []int{correct, total})
		for c, got := range rank.F1(m) {
			hits, samples, said := 0.0, 0.0, 0.0
			for i := range labels {
				if labels[i] == int32(c) {
					samples++
				}
				if predictions[i] == int32(c) {
					said++
				}
				if labels[i] == int32(c) && predictions[i] == int32(c) {
					hits++
				}
			}
			if hits == 0 {
				assert.Zero(t, got)
				continue
			}
			precision, recall := hits/said, hits/samples
			assert.InDelta(t, 2*precision*recall/(precision+recall), got, 1e-12)
		}
	}
}

func TestConfusionMatrixRefuses(t *testing.T) {
	_, err := rank.ConfusionMatrix([]int32{0}, nil, 2)
	assert.EqualError(t, err, "confusion matrix: expected as many labels as predictions, got 1 and 0")
	_, err = rank.ConfusionMatrix([]int32{0, 2}, []int32{0, 0}, 2)
	assert.EqualError(t, err, "confusion matrix: sample 1: label: expected 0 to 1, got 2")
	_, err = rank.ConfusionMatrix([]int32{0, 1}, []int32{0, -1}, 2)
	assert.EqualError(t, err, "confusion matrix: sample 1: prediction: expected 0 to 1, got -1")
}

func ExampleMacroF1() {
	m, err := rank.ConfusionMatrix([]int32{0, 1, 2, 0, 1, 2}, []int32{0, 2, 1, 0, 0, 1}, 3)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%v %.3f\n", m, rank.MacroF1(m))
	// Output: [[2 0 0] [1 0 1] [0 2 0]] 0.267
}
