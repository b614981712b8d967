package evolve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Box is the space of real vectors between bounds, varied by simulated binary crossover and polynomial mutation as in
// the code that accompanies the paper, both bounded.
type Box struct {
	Low  []float64 `json:"low"`
	High []float64 `json:"high"`
	// CrossoverProbability is that of a pair; each variable then takes part with probability 1/2.
	CrossoverProbability float64 `json:"crossover_probability"`
	// CrossoverIndex and MutationIndex are η_c and η_m: the larger, the nearer children stay to parents.
	CrossoverIndex float64 `json:"crossover_index"`
	// MutationProbability is that of each variable.
	MutationProbability float64 `json:"mutation_probability"`
	MutationIndex       float64 `json:"mutation_index"`
}

// DefaultBox has the paper's settings for real variables, over n of them from low to high: crossover with
// probability 0.9, mutation with 1/n, both indices 20.
func DefaultBox(n int, low, high float64) Box {
	b := Box{CrossoverProbability: 0.9, CrossoverIndex: 20, MutationIndex: 20}
	for range n {
		b.Low, b.High = append(b.Low, low), append(b.High, high)
		b.MutationProbability = 1 / float64(n)
	}
	return b
}

// Validate says which field is not usable.
func (b Box) Validate() error {
	if len(b.Low) == 0 || len(b.Low) != len(b.High) {
		return fmt.Errorf("box: expected as many low as high bounds, at least one, got %d and %d", len(b.Low), len(b.High))
	}
	for i := range b.Low {
		if !(b.Low[i] < b.High[i]) || math.IsInf(b.Low[i], 0) || math.IsInf(b.High[i], 0) {
			return fmt.Errorf("box: variable %d: expected finite bounds, the low one below the high one, got %g and %g", i, b.Low[i], b.High[i])
		}
	}
	if !(b.CrossoverIndex >= 0 && b.MutationIndex >= 0) || math.IsInf(b.CrossoverIndex, 0) || math.IsInf(b.MutationIndex, 0) {
		return errors.New("box: crossover_index and mutation_index: expected finite numbers of at least 0")
	}
	if err := checkProbability("box: crossover_probability", b.CrossoverProbability); err != nil {
		return err
	}
	return checkProbability("box: mutation_probability", b.MutationProbability)
}

// Random is uniform over the box.
func (b Box) Random(rng *rand.Rand) []float64 {
	x := make([]float64, len(b.Low))
	for i := range x {
		x[i] = b.Low[i] + rng.Float64()*(b.High[i]-b.Low[i])
	}
	return x
}

// Vary is simulated binary crossover, then polynomial mutation of both children.
func (b Box) Vary(rng *rand.Rand, x, y []float64, _ []Individual[[]float64]) ([]float64, []float64) {
	x, y = slices.Clone(x), slices.Clone(y)
	if rng.Float64() < b.CrossoverProbability {
		for i := range x {
			if rng.IntN(2) == 0 {
				x[i], y[i] = b.cross(rng, i, x[i], y[i])
			}
		}
	}
	for _, g := range [][]float64{x, y} {
		for i := range g {
			if rng.Float64() < b.MutationProbability {
				g[i] = b.mutate(rng, i, g[i])
			}
		}
	}
	return x, y
}

// cross is bounded simulated binary crossover of variable i (Deb and Agrawal 1995): children at the distance β·|y-x|/2
// from the middle, where β has the density of the children that one-point crossover makes of bit strings, cut off at the
// bounds. The children change places with probability 1/2.
func (b Box) cross(rng *rand.Rand, i int, x, y float64) (float64, float64) {
	near, far := min(x, y), max(x, y)
	gap := far - near
	if gap <= 1e-14 {
		return x, y
	}
	u := rng.Float64()
	cut := func(room float64) float64 { return 2 - 1/power(1+2*room/gap, b.CrossoverIndex+1) }
	spread := func(alpha float64) float64 {
		if u <= 1/alpha {
			return power(u*alpha, 1/(b.CrossoverIndex+1))
		}
		return power(1/(2-u*alpha), 1/(b.CrossoverIndex+1))
	}
	toLow, toHigh := cut(near-b.Low[i]), cut(b.High[i]-far)
	below := spread(toLow)
	above := below // far from both bounds, as most parents are in the end
	if toHigh != toLow {
		above = spread(toHigh)
	}
	middle := (near + far) / 2
	first, second := b.clamp(i, middle-below*gap/2), b.clamp(i, middle+above*gap/2)
	if rng.IntN(2) == 0 {
		return first, second
	}
	return second, first
}

// mutate is bounded polynomial mutation of variable i (Deb and Goyal 1996).
func (b Box) mutate(rng *rand.Rand, i int, x float64) float64 {
	width, u := b.High[i]-b.Low[i], rng.Float64()
	e := b.MutationIndex + 1
	if u <= 0.5 {
		return b.clamp(i, x+width*(power(2*u+(1-2*u)*power(1-(x-b.Low[i])/width, e), 1/e)-1))
	}
	return b.clamp(i, x+width*(1-power(2*(1-u)+(2*u-1)*power(1-(b.High[i]-x)/width, e), 1/e)))
}

// power is x^e for x and e of at least 0, to fewer digits than math.Pow and in a fraction of its time, of which crossover
// would be the most.
func power(x, e float64) float64 {
	if e > 64 || e != math.Trunc(e) {
		return math.Exp(e * math.Log(x))
	}
	y := 1.0
	for n := int(e); n > 0; n >>= 1 {
		if n&1 == 1 {
			y *= x
		}
		x *= x
	}
	return y
}

func (b Box) clamp(i int, x float64) float64 { return min(b.High[i], max(b.Low[i], x)) }

// Key is the bits of the numbers.
func (b Box) Key(g []float64) string {
	var key strings.Builder
	key.Grow(8 * len(g))
	var word [8]byte
	for _, v := range g {
		binary.LittleEndian.PutUint64(word[:], math.Float64bits(v))
		key.Write(word[:])
	}
	return key.String()
}

// Finite is false: children hardly ever repeat.
func (b Box) Finite() bool { return false }

// Check refuses a wrong number of variables and values outside the bounds.
func (b Box) Check(g []float64) error {
	if len(g) != len(b.Low) {
		return fmt.Errorf("genome: expected %d variables, got %d", len(b.Low), len(g))
	}
	for i, v := range g {
		if !(v >= b.Low[i] && v <= b.High[i]) {
			return fmt.Errorf("genome[%d]: expected %g to %g, got %g", i, b.Low[i], b.High[i], v)
		}
	}
	return nil
}
