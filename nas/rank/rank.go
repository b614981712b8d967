// Package rank measures how well one list of scores orders what another one scores: a supernet's accuracies against those
// of networks trained by themselves, say. All its functions take two lists of equal length, paired by index, in which
// larger is better on both sides; infinities are in order, NaN is an error.
package rank

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// TauB is Kendall's rank correlation corrected for ties,
//
//	(concordant - discordant) / sqrt((pairs - pairs tied in x) (pairs - pairs tied in y)),
//
// in O(n log n): Knight, "A computer method for calculating Kendall's tau with ungrouped data", 1966. It needs two pairs,
// and two different values on each side.
func TauB(x, y []float64) (float64, error) {
	if err := check(x, y); err != nil {
		return 0, fmt.Errorf("tau-b: %w", err)
	}
	tau := newPairs(x, y).tauB(nil)
	if math.IsNaN(tau) {
		return 0, fmt.Errorf("tau-b: expected two different values on each side, got %d pairs with all x or all y equal", len(x))
	}
	return tau, nil
}

// Spearman is Pearson's correlation of the ranks, where equal values share the mean of theirs. It needs two pairs, and
// two different values on each side.
func Spearman(x, y []float64) (float64, error) {
	if err := check(x, y); err != nil {
		return 0, fmt.Errorf("Spearman: %w", err)
	}
	rho := stat.Correlation(MidRanks(x), MidRanks(y), nil)
	if math.IsNaN(rho) {
		return 0, fmt.Errorf("Spearman: expected two different values on each side, got %d pairs with all x or all y equal", len(x))
	}
	return rho, nil
}

// MidRanks are the ranks of x, the least having 1; equal values share the mean of theirs.
func MidRanks(x []float64) []float64 {
	order := sorted(x)
	ranks := make([]float64, len(x))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && x[order[to]] == x[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			ranks[i] = float64(from+to+1) / 2
		}
		from = to
	}
	return ranks
}

// TopK is the share, 0 to 1, of the k best by x that are also among the k best by y. Where equal values compete for the
// last places it is the mean over all ways of giving them away. It needs k from 1 to the number of pairs.
func TopK(x, y []float64, k int) (float64, error) {
	if err := check(x, y); err != nil {
		return 0, fmt.Errorf("top %d: %w", k, err)
	}
	if k < 1 || k > len(x) {
		return 0, fmt.Errorf("top k: k: expected 1 to %d, got %d", len(x), k)
	}
	inX, inY := chances(x, k), chances(y, k)
	both := 0.0
	for i := range inX {
		both += inX[i] * inY[i]
	}
	return both / float64(k), nil
}

// chances are the probabilities of being among the k best when ties are broken at random.
func chances(x []float64, k int) []float64 {
	last := slices.Sorted(slices.Values(x))[len(x)-k]
	above, tied := 0, 0
	for _, v := range x {
		if v > last {
			above++
		} else if v == last {
			tied++
		}
	}
	out := make([]float64, len(x))
	for i, v := range x {
		if v > last {
			out[i] = 1
		} else if v == last {
			out[i] = float64(k-above) / float64(tied)
		}
	}
	return out
}

// check refuses lists of unequal length, fewer than two pairs and NaN.
func check(x, y []float64) error {
	if len(x) != len(y) {
		return fmt.Errorf("expected as many x as y, got %d and %d", len(x), len(y))
	}
	if len(x) < 2 {
		return fmt.Errorf("expected at least 2 pairs, got %d", len(x))
	}
	for i := range x {
		if math.IsNaN(x[i]) || math.IsNaN(y[i]) {
			return fmt.Errorf("pair %d of %d: expected numbers, got %g and %g", i, len(x), x[i], y[i])
		}
	}
	return nil
}
