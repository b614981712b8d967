package oneshot

import (
	"math/rand/v2"
	"slices"
)

// Ways of sampling the paths of a supernet's step. m is the largest number of choices of a layer; every way trains m
// paths a step.
const (
	// Strict is FairNAS's strict fairness (1907.01845): a permutation of the choices for each layer, path k taking the
	// k-th entry of every layer; the gradients of the m paths add up to one update.
	Strict = "strict"
	// Uniform is a path drawn uniformly for each of m updates (SPOS, 1904.00420).
	Uniform = "uniform"
	// Expectation is FairNAS's baseline EF: one path drawn uniformly for m updates.
	Expectation = "expectation"
	// ExpectationScaled is EF with the learning rate divided by m.
	ExpectationScaled = "expectation-scaled"
	// Random is a control: m paths drawn uniformly, their gradients added up to one update as in strict fairness.
	Random = "random"
)

// Samplings lists the ways of sampling.
func Samplings() []string { return []string{Strict, Uniform, Expectation, ExpectationScaled, Random} }

// Update is one update of the weights: the sum of the gradients of Paths, at the learning rate times Rate.
type Update struct {
	Paths [][]int
	Rate  float64
}

// Sample draws the updates of a step on layers of so many choices.
func Sample(sampling string, choices []int, random *rand.Rand) []Update {
	m := slices.Max(choices)
	uniform := func() []int {
		path := make([]int, len(choices))
		for l, n := range choices {
			path[l] = random.IntN(n)
		}
		return path
	}
	switch sampling {
	case Strict:
		paths := make([][]int, m)
		for k := range paths {
			paths[k] = make([]int, len(choices))
		}
		for l := range choices {
			for k, choice := range random.Perm(m) {
				paths[k][l] = choice
			}
		}
		return []Update{{paths, 1}}
	case Random:
		u := Update{Rate: 1}
		for range m {
			u.Paths = append(u.Paths, uniform())
		}
		return []Update{u}
	}
	var updates []Update
	for range m {
		u := Update{Paths: [][]int{uniform()}, Rate: 1}
		if sampling != Uniform && len(updates) > 0 {
			u.Paths = updates[0].Paths
		}
		if sampling == ExpectationScaled {
			u.Rate = 1 / float64(m)
		}
		updates = append(updates, u)
	}
	return updates
}
