package evolve

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Crossover says how two lists of choices are mixed.
type Crossover string

const (
	// OnePoint exchanges what lies behind a random position.
	OnePoint Crossover = "one_point"
	// TwoPoint exchanges what lies between two random positions.
	TwoPoint Crossover = "two_point"
	// Uniform exchanges every position with probability 1/2.
	Uniform Crossover = "uniform"
)

// Choices is the space of genomes with one choice a position: genome[i] is 0 to Counts[i]-1.
type Choices struct {
	Counts []int `json:"counts"`
	// Crossover happens with CrossoverProbability; otherwise the children start as copies of the parents.
	Crossover            Crossover `json:"crossover"`
	CrossoverProbability float64   `json:"crossover_probability"`
	// MutationProbability is that of each position, of becoming another choice.
	MutationProbability float64 `json:"mutation_probability"`
	// Reinforced, where not nil, takes the place of crossover followed by mutation.
	Reinforced *Reinforced `json:"reinforced,omitempty"`
}

// DefaultChoices has the paper's settings for bit strings: single-point crossover with probability 0.9, and
// mutation of each position with probability 1/length.
func DefaultChoices(counts ...int) Choices {
	c := Choices{Counts: counts, Crossover: OnePoint, CrossoverProbability: 0.9}
	if len(counts) > 0 {
		c.MutationProbability = 1 / float64(len(counts))
	}
	return c
}

// Validate says which field is not usable.
func (c Choices) Validate() error {
	if len(c.Counts) == 0 {
		return errors.New("choices: counts: expected at least one position")
	}
	for i, n := range c.Counts {
		if n < 1 {
			return fmt.Errorf("choices: counts[%d]: expected at least 1, got %d", i, n)
		}
	}
	if !slices.Contains([]Crossover{OnePoint, TwoPoint, Uniform}, c.Crossover) {
		return fmt.Errorf("choices: crossover: expected %s, %s or %s, got %q", OnePoint, TwoPoint, Uniform, c.Crossover)
	}
	if err := checkProbability("choices: crossover_probability", c.CrossoverProbability); err != nil {
		return err
	}
	if err := checkProbability("choices: mutation_probability", c.MutationProbability); err != nil {
		return err
	}
	if c.Reinforced != nil {
		return c.Reinforced.validate(c.Counts)
	}
	return nil
}

func checkProbability(name string, p float64) error {
	if !(p >= 0 && p <= 1) {
		return fmt.Errorf("%s: expected 0 to 1, got %g", name, p)
	}
	return nil
}

// Random has all choices of a position equally likely.
func (c Choices) Random(rng *rand.Rand) []int {
	g := make([]int, len(c.Counts))
	for i, n := range c.Counts {
		g[i] = rng.IntN(n)
	}
	return g
}

// Vary is crossover, then mutation of both children; or the reinforced mutator.
func (c Choices) Vary(rng *rand.Rand, a, b []int, population []Individual[[]int]) ([]int, []int) {
	a, b = slices.Clone(a), slices.Clone(b)
	if c.Reinforced != nil {
		return c.Reinforced.vary(rng, c, a, b, population)
	}
	if rng.Float64() < c.CrossoverProbability {
		c.cross(rng, a, b)
	}
	for _, g := range [][]int{a, b} {
		for i, n := range c.Counts {
			if rng.Float64() < c.MutationProbability && n > 1 {
				g[i] = another(rng, g[i], n)
			}
		}
	}
	return a, b
}

// another is a choice other than the present one, all equally likely.
func another(rng *rand.Rand, present, n int) int { return (present + 1 + rng.IntN(n-1)) % n }

// cross exchanges positions of a and b.
func (c Choices) cross(rng *rand.Rand, a, b []int) {
	from, to := 0, len(a)
	switch {
	case c.Crossover == Uniform:
		for i := range a {
			if rng.IntN(2) == 0 {
				a[i], b[i] = b[i], a[i]
			}
		}
		return
	case len(a) < 2:
		return // a cut needs two sides
	case c.Crossover == OnePoint:
		from = 1 + rng.IntN(len(a)-1)
	default:
		// Two different cuts of the len(a)+1 places, the ends among them.
		from, to = rng.IntN(len(a)+1), rng.IntN(len(a))
		if to >= from {
			to++
		}
		from, to = min(from, to), max(from, to)
	}
	for i := from; i < to; i++ {
		a[i], b[i] = b[i], a[i]
	}
}

// Key is the choices with commas between them.
func (c Choices) Key(g []int) string {
	var b strings.Builder
	for i, v := range g {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(v))
	}
	return b.String()
}

// Finite is true.
func (c Choices) Finite() bool { return true }

// Check refuses a wrong number of positions and choices that a position does not have.
func (c Choices) Check(g []int) error {
	if len(g) != len(c.Counts) {
		return fmt.Errorf("genome: expected %d positions, got %d", len(c.Counts), len(g))
	}
	for i, v := range g {
		if v < 0 || v >= c.Counts[i] {
			return fmt.Errorf("genome[%d]: expected 0 to %d, got %d", i, c.Counts[i]-1, v)
		}
	}
	return nil
}
