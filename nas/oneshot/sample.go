package oneshot

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Ways of sampling the paths of a supernet's step. m is the largest number of choices of a layer, or the configuration's
// own number of paths; every way trains m paths a step.
const (
	// Strict is FairNAS's strict fairness (1907.01845): a permutation of the choices for each layer, path k taking the
	// k-th entry of every layer; the gradients of the m paths add up to one update. A layer of fewer than m choices has each
	// in as many paths as go round, and those left over go to its choices in turn, step by step (ours).
	Strict = "strict"
	// Uniform is a path drawn for each of m updates (SPOS, 1904.00420).
	Uniform = "uniform"
	// Expectation is FairNAS's baseline EF: one path drawn for m updates.
	Expectation = "expectation"
	// ExpectationScaled is EF with the learning rate divided by m.
	ExpectationScaled = "expectation-scaled"
	// Random is a control: m paths drawn, their gradients added up to one update as in strict fairness.
	Random = "random"
)

// Samplings lists the ways of sampling.
func Samplings() []string { return []string{Strict, Uniform, Expectation, ExpectationScaled, Random} }

// Update is one update of the weights: the sum of the gradients of Paths, at the learning rate times Rate.
type Update struct {
	Paths [][]int
	Rate  float64
}

// Sampler draws the updates of a supernet's steps.
type Sampler struct {
	// Way is one of [Samplings].
	Way string
	// Choices are the numbers of choices of the layers.
	Choices []int
	// Weights, where they are not nil, are the probabilities of each layer's choices; else all are equal. Strict fairness
	// has no use for them.
	Weights [][]float64
	// Paths is the number of paths a step; 0 is the largest number of choices.
	Paths int
	// At is the step's number, from 0: by it strict fairness gives the paths that are left over in layers of fewer choices to
	// their choices in turn. Elsewhere it changes nothing.
	At int
}

// Path draws a choice for each layer.
func (s Sampler) Path(random *rand.Rand) []int {
	path := make([]int, len(s.Choices))
	for l, n := range s.Choices {
		if s.Weights == nil {
			path[l] = random.IntN(n)
			continue
		}
		left := random.Float64()
		for path[l] < n-1 && left >= s.Weights[l][path[l]] {
			left -= s.Weights[l][path[l]]
			path[l]++
		}
	}
	return path
}

// Step draws the updates of a step.
func (s Sampler) Step(random *rand.Rand) []Update {
	m := cmp.Or(s.Paths, slices.Max(s.Choices))
	switch s.Way {
	case Strict:
		paths := make([][]int, m)
		for k := range paths {
			paths[k] = make([]int, len(s.Choices))
		}
		for l, n := range s.Choices {
			whole := m / n * n // paths of whole rounds
			for k, i := range random.Perm(m) {
				paths[k][l] = i % n
				if i >= whole {
					paths[k][l] = (s.At*(m-whole) + i - whole) % n
				}
			}
		}
		return []Update{{paths, 1}}
	case Random:
		u := Update{Rate: 1}
		for range m {
			u.Paths = append(u.Paths, s.Path(random))
		}
		return []Update{u}
	}
	var updates []Update
	for range m {
		u := Update{Paths: [][]int{s.Path(random)}, Rate: 1}
		if s.Way != Uniform && len(updates) > 0 {
			u.Paths = updates[0].Paths
		}
		if s.Way == ExpectationScaled {
			u.Rate = 1 / float64(m)
		}
		updates = append(updates, u)
	}
	return updates
}
