package evolve

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func repeated(value, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = value
	}
	return out
}

// changes counts how often neighbours differ.
func changes(g []int) (n int) {
	for i := 1; i < len(g); i++ {
		if g[i] != g[i-1] {
			n++
		}
	}
	return n
}

func TestChoicesCrossover(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		crossover Crossover
		most      int
	}{{OnePoint, 1}, {TwoPoint, 2}, {Uniform, 9}} {
		space := DefaultChoices(repeated(2, 10)...)
		space.Crossover, space.CrossoverProbability, space.MutationProbability = c.crossover, 1, 0
		require.NoError(t, space.Validate())
		zeros, ones, seen := repeated(0, 10), repeated(1, 10), map[int]bool{}
		for range 2000 {
			a, b := space.Vary(rng, zeros, ones, nil)
			for i := range a {
				require.Equal(t, 1, a[i]+b[i], "positions are exchanged, not lost")
			}
			if c.crossover != Uniform {
				require.Contains(t, a, 1, "something is exchanged")
			}
			seen[changes(a)] = true
			require.LessOrEqual(t, changes(a), c.most)
		}
		assert.True(t, seen[1], c.crossover)
		assert.Equal(t, c.most > 1, seen[2], c.crossover)
		assert.Equal(t, repeated(0, 10), zeros, "parents stay")
	}
	single := DefaultChoices(3)
	single.MutationProbability = 0
	a, b := single.Vary(rng, []int{0}, []int{2}, nil)
	assert.Equal(t, [][]int{{0}, {2}}, [][]int{a, b}, "one position cannot be cut")
}

func TestChoicesMutation(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	space := DefaultChoices(4, 4, 1, 4)
	space.CrossoverProbability = 0
	counts := make([]int, 4)
	const draws = 40000
	for range draws / 2 {
		a, b := space.Vary(rng, []int{1, 1, 0, 1}, []int{1, 1, 0, 1}, nil)
		for _, g := range [][]int{a, b} {
			require.NoError(t, space.Check(g))
			counts[g[0]]++
		}
	}
	assert.InDelta(t, 0.75, float64(counts[1])/draws, 0.01, "1/length of all change")
	for _, c := range []int{0, 2, 3} {
		assert.InDelta(t, 0.25/3, float64(counts[c])/draws, 0.01, "the others are equally likely")
	}
}

func TestAdvantages(t *testing.T) {
	population := []Individual[[]int]{
		{Genome: []int{0}, Rank: 0}, {Genome: []int{0}, Rank: 1}, {Genome: []int{1}, Rank: 2}, {Genome: []int{1}, Rank: 1},
	}
	// Rewards 1, 1/2, 0, 1/2 of mean 1/2.
	assert.Equal(t, []float64{0.25, -0.25, 0}, advantages(0, 3, population))
	assert.Equal(t, []float64{0, 0}, advantages(0, 2, []Individual[[]int]{{Genome: []int{0}}, {Genome: []int{1}}}), "one front")
}

// TestReinforcedShares gives each way a choice of its own and counts.
func TestReinforcedShares(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	population := []Individual[[]int]{{Genome: []int{1}, Rank: 0}, {Genome: []int{0}, Rank: 1}}
	for _, c := range []struct {
		name string
		set  func(*Reinforced)
		want []float64 // of the choices 0 to 3, from 0
	}{
		{"random", func(r *Reinforced) { r.RandomShare, r.ReinforcedShare, r.PriorShare = 1, 0, 0 }, []float64{0, 1. / 3, 1. / 3, 1. / 3}},
		{"reinforced", func(r *Reinforced) { r.RandomShare, r.ReinforcedShare, r.PriorShare, r.Temperature = 0, 1, 0, 0.5 },
			[]float64{0, math.E / (math.E + 2), 1 / (math.E + 2), 1 / (math.E + 2)}},
		{"prior", func(r *Reinforced) { r.RandomShare, r.ReinforcedShare, r.PriorShare = 0, 0, 1 }, []float64{0, 0.1, 0.2, 0.7}},
		{"crossover alone", func(r *Reinforced) { r.MutationRatio = 0 }, []float64{1, 0, 0, 0}},
	} {
		space := DefaultChoices(4)
		space.Reinforced = DefaultReinforced()
		space.Reinforced.MutationRatio = 1
		space.Reinforced.Prior = [][]float64{{5, 1, 2, 7}}
		c.set(space.Reinforced)
		require.NoError(t, space.Validate())
		got := make([]float64, 4)
		const draws = 20000
		for range draws / 2 {
			a, b := space.Vary(rng, []int{0}, []int{0}, population)
			got[a[0]] += 1. / draws
			got[b[0]] += 1. / draws
		}
		assert.InDeltaSlice(t, c.want, got, 0.015, c.name)
	}
}

func TestDefaultReinforcedHasThePublishedShares(t *testing.T) {
	r := DefaultReinforced()
	assert.Equal(t, []float64{0.8, 0.2, 0.65, 0.15}, []float64{r.MutationRatio, r.RandomShare, r.ReinforcedShare, r.PriorShare})
	space := DefaultChoices(3, 3)
	space.Reinforced = r
	assert.NoError(t, space.Validate())
}

func TestRoulette(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	got := make([]float64, 4)
	for range 20000 {
		got[roulette(rng, []float64{0, 1, 3, 0})] += 1. / 20000
	}
	assert.InDeltaSlice(t, []float64{0, 0.25, 0.75, 0}, got, 0.015)
}

func TestBoxCrossover(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	box := DefaultBox(1, -1e6, 1e6)
	nearer, draws := 0, 20000
	for range draws {
		x, y := box.cross(rng, 0, 2, 4)
		require.InDelta(t, 6, x+y, 1e-9, "far from the bounds children keep the parents' mean")
		if math.Abs(x-y) <= 2 {
			nearer++
		}
	}
	assert.InDelta(t, 0.5, float64(nearer)/float64(draws), 0.015, "half of the pairs lie between their parents")
	x, y := box.cross(rng, 0, 3, 3)
	assert.Equal(t, []float64{3, 3}, []float64{x, y})

	// Of unbounded crossover P(β > 2) = 2^-(η+1)/2; with index 1 that is 1/8.
	box.CrossoverIndex = 1
	wide := 0
	for range draws {
		if x, y := box.cross(rng, 0, 2, 4); math.Abs(x-y) > 4 {
			wide++
		}
	}
	assert.InDelta(t, 0.125, float64(wide)/float64(draws), 0.01)
}

// TestBoxCrossoverKnowsBothBounds has parents close to one bound: the child on that side stays nearer.
func TestBoxCrossoverKnowsBothBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 2))
	box := DefaultBox(1, 0, 10)
	box.CrossoverIndex = 1
	for range 1000 {
		x, y := box.cross(rng, 0, 0.5, 3)
		require.GreaterOrEqual(t, min(x, y), 0.0)
		require.Greater(t, x+y, 3.5)
	}
}

func TestBoxMutation(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	box := DefaultBox(1, 0, 10)
	var sum, near, draws float64 = 0, 0, 20000
	for range int(draws) {
		x := box.mutate(rng, 0, 5)
		sum += x / draws
		if math.Abs(x-5) < 0.5 {
			near += 1 / draws
		}
	}
	assert.InDelta(t, 5, sum, 0.02, "either side is as likely")
	// Unbounded: P(|δ| < d) = 1 - (1-d)^(η+1) for a shift of d widths, here 0.05 with η = 20.
	assert.InDelta(t, 1-math.Pow(0.95, 21), near, 0.015)
}

func TestBoxStaysInside(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for _, index := range []float64{0, 0.5, 15, 20, 100} {
		box := DefaultBox(5, -2, 3)
		box.CrossoverIndex, box.MutationIndex, box.MutationProbability = index, index, 1
		require.NoError(t, box.Validate())
		for range 500 {
			a, b := box.Random(rng), box.Random(rng)
			a[0], b[0], a[1], b[1] = -2, 3, -2, -2
			x, y := box.Vary(rng, a, b, nil)
			require.NoError(t, box.Check(x))
			require.NoError(t, box.Check(y))
		}
	}
}

func TestPower(t *testing.T) {
	for _, x := range []float64{0, 1e-300, 0.3, 1, 7, 1e20} {
		for _, e := range []float64{0, 1, 2, 16, 21, 64, 100, 1. / 16, 1. / 21, 0.7} {
			if x == 0 && e == 0 {
				continue
			}
			want := math.Pow(x, e)
			if math.IsInf(want, 1) {
				assert.True(t, math.IsInf(power(x, e), 1))
				continue
			}
			assert.InDelta(t, 1, (power(x, e)+1e-320)/(want+1e-320), 1e-12, "%g^%g", x, e)
		}
	}
}

func TestSpaceRefusals(t *testing.T) {
	choices := func(change func(*Choices)) Space[[]int] {
		c := DefaultChoices(3, 3)
		c.Reinforced = DefaultReinforced()
		change(&c)
		return c
	}
	for want, change := range map[string]func(*Choices){
		"counts: expected at least one": func(c *Choices) { c.Counts = nil },
		"counts[1]":                     func(c *Choices) { c.Counts[1] = 0 },
		"crossover: expected one_point": func(c *Choices) { c.Crossover = "three_point" },
		"crossover_probability":         func(c *Choices) { c.CrossoverProbability = 1.5 },
		"mutation_probability":          func(c *Choices) { c.MutationProbability = math.NaN() },
		"mutation_ratio":                func(c *Choices) { c.Reinforced.MutationRatio = -1 },
		"share":                         func(c *Choices) { c.Reinforced.PriorShare = 2 },
		"sum of 1":                      func(c *Choices) { c.Reinforced.PriorShare = 0.1 },
		"temperature":                   func(c *Choices) { c.Reinforced.Temperature = 0 },
		"prior: expected 2":             func(c *Choices) { c.Reinforced.Prior = [][]float64{{1, 1, 1}} },
		"prior[1]":                      func(c *Choices) { c.Reinforced.Prior = [][]float64{{1, 1, 1}, {1}} },
		"finite weights above 0":        func(c *Choices) { c.Reinforced.Prior = [][]float64{{1, 1, 1}, {1, 0, 1}} },
	} {
		assert.ErrorContains(t, choices(change).Validate(), want)
	}
	assert.ErrorContains(t, DefaultChoices(3, 3).Check([]int{1}), "expected 2 positions")
	assert.ErrorContains(t, DefaultChoices(3, 3).Check([]int{1, 3}), "genome[1]: expected 0 to 2, got 3")

	for want, change := range map[string]func(*Box){
		"at least one":          func(b *Box) { b.Low, b.High = nil, nil },
		"variable 1":            func(b *Box) { b.High[1] = b.Low[1] },
		"finite bounds":         func(b *Box) { b.High[0] = math.Inf(1) },
		"crossover_index":       func(b *Box) { b.CrossoverIndex = -1 },
		"crossover_probability": func(b *Box) { b.CrossoverProbability = 2 },
		"mutation_probability":  func(b *Box) { b.MutationProbability = -0.1 },
	} {
		b := DefaultBox(2, 0, 1)
		change(&b)
		assert.ErrorContains(t, b.Validate(), want)
	}
	assert.ErrorContains(t, DefaultBox(2, 0, 1).Check([]float64{0}), "expected 2 variables")
	assert.ErrorContains(t, DefaultBox(2, 0, 1).Check([]float64{0, math.NaN()}), "genome[1]")
}

func TestKeys(t *testing.T) {
	assert.Equal(t, "1,12,0", DefaultChoices(2, 13, 1).Key([]int{1, 12, 0}))
	box := DefaultBox(2, 0, 1)
	assert.Equal(t, box.Key([]float64{0.5, 1}), box.Key([]float64{0.5, 1}))
	assert.NotEqual(t, box.Key([]float64{0.5, 1}), box.Key([]float64{0.5, math.Nextafter(1, 0)}))
}
