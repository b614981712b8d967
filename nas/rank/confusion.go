package rank

import "fmt"

// ConfusionMatrix counts samples by label and prediction, [label][prediction]; both are classes from 0. A label of -1 is
// none: such a sample is not counted.
func ConfusionMatrix(labels, predictions []int32, classes int) ([][]int, error) {
	if len(labels) != len(predictions) {
		return nil, fmt.Errorf("confusion matrix: expected as many labels as predictions, got %d and %d", len(labels), len(predictions))
	}
	m := make([][]int, classes)
	for i := range m {
		m[i] = make([]int, classes)
	}
	for i, y := range labels {
		if y == -1 {
			continue
		}
		for what, class := range map[string]int32{"label": y, "prediction": predictions[i]} {
			if class < 0 || int(class) >= classes {
				return nil, fmt.Errorf("confusion matrix: sample %d: %s: expected 0 to %d, got %d", i, what, classes-1, class)
			}
		}
		m[y][predictions[i]]++
	}
	return m, nil
}

// FromCounts makes a [ConfusionMatrix] of its counts row by row, as a device sums them.
func FromCounts(counts []float64, classes int) [][]int {
	m := make([][]int, classes)
	for i := range m {
		for _, n := range counts[i*classes : (i+1)*classes] {
			m[i] = append(m[i], int(n))
		}
	}
	return m
}

// Correct are the samples of a [ConfusionMatrix] that are predicted right, Total all of them.
func Correct(m [][]int) (correct, total int) {
	for i, row := range m {
		correct += row[i]
		for _, n := range row {
			total += n
		}
	}
	return correct, total
}

// F1 is each class's harmonic mean of precision and recall, 0 to 1: 2 right / (samples of the class + predictions of it).
// A class that no sample has and nothing is predicted to be counts as 0, as with scikit-learn's zero_division=0.
func F1(m [][]int) []float64 {
	out := make([]float64, len(m))
	for c := range m {
		samples, predicted := 0, 0
		for i := range m {
			samples, predicted = samples+m[c][i], predicted+m[i][c]
		}
		if samples+predicted > 0 {
			out[c] = 2 * float64(m[c][c]) / float64(samples+predicted)
		}
	}
	return out
}

// MacroF1 is the mean of [F1] over all classes, those without samples too: scikit-learn's f1_score of average "macro" with
// the labels of all classes given.
func MacroF1(m [][]int) float64 {
	sum := 0.0
	for _, f := range F1(m) {
		sum += f
	}
	return sum / float64(len(m))
}
