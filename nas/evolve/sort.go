package evolve

import (
	"math/bits"
	"slices"
)

// Fronts sorts measurements by domination: indices of those that nothing dominates first, then of those that only the
// first front dominates, and so on; rising within a front. It is the paper's fast non-dominated sort,
// O(M n²) for n measurements of M objectives, under its constrained domination.
func Fronts(measured []Measured, objectives []Objective) ([][]int, error) {
	if err := checkObjectives(objectives); err != nil {
		return nil, err
	}
	points, err := costs(measured, objectives)
	if err != nil {
		return nil, err
	}
	return fronts(points), nil
}

// fronts follows the paper's names: row p of dominates is S_p, as bits, and dominators[q] is n_q. In lexicographic order
// nothing dominates what comes before it, which spares half of the comparisons.
func fronts(points []point) [][]int {
	n := len(points)
	byCosts := make([]int, n)
	for i := range byCosts {
		byCosts[i] = i
	}
	slices.SortFunc(byCosts, func(p, q int) int { return points[p].lexicographic(&points[q]) })
	ordered := make([]point, n)
	for i, p := range byCosts {
		ordered[i] = points[p]
	}
	words := (n + 63) / 64
	dominates, dominators := make([]uint64, n*words), make([]int, n)
	for i, p := range byCosts {
		row := dominates[p*words : (p+1)*words]
		for j := i + 1; j < n; j++ {
			if ordered[i].dominates(&ordered[j]) {
				q := byCosts[j]
				row[q/64] |= 1 << (q % 64)
				dominators[q]++
			}
		}
	}
	rank := make([]int, n)
	var current []int
	for p := range n {
		if dominators[p] == 0 {
			current = append(current, p)
		}
	}
	var sorted [][]int
	for r := 0; len(current) > 0; r++ {
		var next []int
		for _, p := range current {
			rank[p] = r
			for w, row := range dominates[p*words : (p+1)*words] {
				for ; row != 0; row &= row - 1 {
					q := 64*w + bits.TrailingZeros64(row)
					if dominators[q]--; dominators[q] == 0 {
						next = append(next, q)
					}
				}
			}
		}
		sorted, current = append(sorted, nil), next
	}
	for p, r := range rank {
		sorted[r] = append(sorted[r], p)
	}
	return sorted
}

// dominates is the paper's constrained domination: a smaller violation, so that what keeps all constraints dominates what
// does not; at equal violations, nowhere worse and somewhere better.
func (p *point) dominates(q *point) bool {
	if p.violation != q.violation {
		return p.violation < q.violation
	}
	better := false
	// Backwards: among points in lexicographic order the first cost tells least.
	for i := len(p.costs) - 1; i >= 0; i-- {
		mine, other := p.costs[i], q.costs[i]
		if mine > other {
			return false
		}
		better = better || mine < other
	}
	return better
}

// lexicographic orders by the violation, then by one cost after the other.
func (p *point) lexicographic(q *point) int {
	if c := order(p.violation, q.violation); c != 0 {
		return c
	}
	for i, mine := range p.costs {
		if c := order(mine, q.costs[i]); c != 0 {
			return c
		}
	}
	return 0
}

// order is cmp.Compare without its tests for NaN, which costs and violations never are.
func order(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
