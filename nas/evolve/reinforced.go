package evolve

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gonas/gonas/internal/ranges"
)

// Reinforced is the mutator by which FairNAS and SCARLET-NAS say they search, a mix of three ways to draw a new choice.
//
// Underspecified: no source at hand describes it. The shares are recalled from FairNAS (mutation ratio 0.8; 0.2 random,
// 0.65 reinforced, 0.15 prior) and unverified; what the ways do is ours:
//
//   - random: all other choices equally likely;
//   - reinforced: choice c of position i with probability proportional to exp(A(i,c)/Temperature), where the advantage
//     A(i,c) is the mean reward of the population's members that have c at i less the mean reward of all, the reward
//     falling linearly from 1 for the first front to 0 for the last. It follows from the population alone, so that a
//     resumed run needs no other memory;
//   - prior: a roulette wheel with the weights of Prior.
type Reinforced struct {
	// MutationRatio is the share of children that are mutants of one parent; the others come from crossover alone.
	MutationRatio float64 `json:"mutation_ratio"`
	// Shares of the ways among mutants; together 1.
	RandomShare     float64 `json:"random_share"`
	ReinforcedShare float64 `json:"reinforced_share"`
	PriorShare      float64 `json:"prior_share"`
	Temperature     float64 `json:"temperature"`
	// Prior has a weight for each choice of each position; nil: all equal.
	Prior [][]float64 `json:"prior,omitempty"`
}

// DefaultReinforced has the shares recalled from FairNAS and a temperature of ours.
func DefaultReinforced() *Reinforced {
	return &Reinforced{MutationRatio: 0.8, RandomShare: 0.2, ReinforcedShare: 0.65, PriorShare: 0.15, Temperature: 0.25}
}

// Validate says which field is not usable, whatever the space; the prior has to fit it, too.
func (r *Reinforced) Validate() error {
	if err := cmp.Or(ranges.In("mutation_ratio", r.MutationRatio, 0, 1), ranges.In("random_share", r.RandomShare, 0, 1),
		ranges.In("reinforced_share", r.ReinforcedShare, 0, 1), ranges.In("prior_share", r.PriorShare, 0, 1),
		ranges.Above("temperature", r.Temperature, 0, 1e6)); err != nil {
		return fmt.Errorf("reinforced: %w", err)
	}
	if sum := r.RandomShare + r.ReinforcedShare + r.PriorShare; math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("reinforced: random_share, reinforced_share and prior_share: expected a sum of 1, got %g", sum)
	}
	return nil
}

// validate is [Reinforced.Validate] for a space of these numbers of choices.
func (r *Reinforced) validate(counts []int) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Prior == nil {
		return nil
	}
	if len(r.Prior) != len(counts) {
		return fmt.Errorf("reinforced: prior: expected %d positions, got %d", len(counts), len(r.Prior))
	}
	for i, weights := range r.Prior {
		if len(weights) != counts[i] {
			return fmt.Errorf("reinforced: prior[%d]: expected %d weights, got %d", i, counts[i], len(weights))
		}
		for _, w := range weights {
			if !(w > 0) || math.IsInf(w, 0) {
				return errors.New("reinforced: prior: expected finite weights above 0")
			}
		}
	}
	return nil
}

// vary changes a and b into the children.
func (r *Reinforced) vary(rng *rand.Rand, c Choices, a, b []int, population []Individual[[]int]) ([]int, []int) {
	if rng.Float64() >= r.MutationRatio {
		c.cross(rng, a, b)
		return a, b
	}
	for _, g := range [][]int{a, b} {
		// One position changes for certain: a mutant that equals its parent is thrown away.
		certain := rng.IntN(len(g))
		for i, n := range c.Counts {
			if n > 1 && (i == certain || rng.Float64() < c.MutationProbability) {
				g[i] = r.draw(rng, g[i], i, n, population)
			}
		}
	}
	return a, b
}

// draw is a choice for position i other than the present one.
func (r *Reinforced) draw(rng *rand.Rand, present, i, n int, population []Individual[[]int]) int {
	weights := make([]float64, n)
	switch way := rng.Float64(); {
	case way < r.RandomShare:
		return another(rng, present, n)
	case way < r.RandomShare+r.ReinforcedShare:
		for c, advantage := range advantages(i, n, population) {
			weights[c] = math.Exp(advantage / r.Temperature)
		}
	case r.Prior == nil:
		return another(rng, present, n)
	default:
		copy(weights, r.Prior[i])
	}
	weights[present] = 0
	return roulette(rng, weights)
}

// advantages are A(i,c) of Reinforced, from -1 to 1, for the n choices of position i; 0 for a choice nobody has.
func advantages(i, n int, population []Individual[[]int]) []float64 {
	worst := 1
	for _, p := range population {
		worst = max(worst, p.Rank)
	}
	all, members := 0.0, make([]float64, n)
	out := make([]float64, n)
	for _, p := range population {
		reward := 1 - float64(p.Rank)/float64(worst)
		all += reward / float64(len(population))
		out[p.Genome[i]] += reward
		members[p.Genome[i]]++
	}
	for c := range out {
		if members[c] > 0 {
			out[c] = out[c]/members[c] - all
		}
	}
	return out
}

// roulette is an index with probability proportional to its weight; one weight must be above 0.
func roulette(rng *rand.Rand, weights []float64) int {
	sum, last := 0.0, 0
	for i, w := range weights {
		sum += w
		if w > 0 {
			last = i
		}
	}
	at := rng.Float64() * sum
	for i, w := range weights {
		if at -= w; at < 0 && w > 0 {
			return i
		}
	}
	return last // rounding ate the rest
}
