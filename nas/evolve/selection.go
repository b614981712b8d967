package evolve

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// better is the paper's crowded comparison, -1 if a wins: what keeps the constraints or breaks them less,
// then the lower rank, then the larger distance. Ranks under constrained domination imply the first already; it stands
// here for populations ranked otherwise.
func better[G any](a, b Individual[G]) int {
	return cmp.Or(cmp.Compare(a.Violation, b.Violation), cmp.Compare(a.Rank, b.Rank), cmp.Compare(b.Crowding, a.Crowding))
}

// tournament is binary tournament selection: the population in random order, two by two, again and again, so that each
// member competes equally often.
type tournament[G any] struct {
	population []Individual[G]
	order      []int
	rng        *rand.Rand
}

func (t *tournament[G]) parent() Individual[G] {
	if len(t.order) < 2 {
		t.order = append(t.order, t.rng.Perm(len(t.population))...)
	}
	a, b := t.population[t.order[0]], t.population[t.order[1]]
	t.order = t.order[2:]
	if win := better(a, b); win < 0 || win == 0 && t.rng.IntN(2) == 0 {
		return a
	}
	return b
}

// place is where a survivor stands.
type place struct {
	index, rank int
	crowding    Distance
}

// survivors are the n best of parents and children together: whole fronts while they fit, then the
// least crowded of the next.
func survivors(points []point, weights []float64, n int) []place {
	distances := make([]Distance, len(points))
	kept := make([]place, 0, n)
	for rank, front := range fronts(points) {
		crowding(points, front, weights, distances)
		if room := n - len(kept); len(front) > room {
			slices.SortStableFunc(front, func(p, q int) int { return cmp.Compare(distances[q], distances[p]) })
			front = front[:room]
		}
		for _, p := range front {
			kept = append(kept, place{p, rank, distances[p]})
		}
		if len(kept) == n {
			break
		}
	}
	return kept
}
