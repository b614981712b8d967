package evolve

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var corner = []float64{1, 1, 1}

func volume(t *testing.T, points [][]float64, objectives int) float64 {
	t.Helper()
	v, err := Hypervolume(points, corner[:objectives], minimise(objectives))
	require.NoError(t, err)
	return v
}

// cloud has some equal coordinates and some points outside the corner.
func cloud(rng *rand.Rand, n, objectives int) [][]float64 {
	points := make([][]float64, n)
	for i := range points {
		for range objectives {
			points[i] = append(points[i], float64(rng.IntN(12))/10)
		}
	}
	return points
}

// byInclusionAndExclusion sums the boxes' intersections with alternating sign.
func byInclusionAndExclusion(points [][]float64, objectives int) float64 {
	sum := 0.0
	for set := uint(1); set < 1<<len(points); set++ {
		box := 1.0
		for o := range objectives {
			worst := math.Inf(-1)
			for i, p := range points {
				if set>>i&1 == 1 {
					worst = max(worst, p[o])
				}
			}
			box *= max(0, 1-worst)
		}
		if bits.OnesCount(set)%2 == 1 {
			sum += box
		} else {
			sum -= box
		}
	}
	return sum
}

func TestHypervolumeByInclusionAndExclusion(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		objectives := 2 + rng.IntN(2)
		points := cloud(rng, 1+rng.IntN(8), objectives)
		require.InDelta(t, byInclusionAndExclusion(points, objectives), volume(t, points, objectives), 1e-12, "%v", points)
	}
}

func TestHypervolumeByMonteCarlo(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, objectives := range []int{2, 3} {
		points := cloud(rng, 15, objectives)
		hits, draws := 0, 100000
		for range draws {
			x := []float64{rng.Float64(), rng.Float64(), rng.Float64()}[:objectives]
			for _, p := range points {
				inside := true
				for o := range x {
					inside = inside && p[o] <= x[o]
				}
				if inside {
					hits++
					break
				}
			}
		}
		assert.InDelta(t, float64(hits)/float64(draws), volume(t, points, objectives), 0.006)
	}
}

func TestHypervolumeProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		objectives := 2 + rng.IntN(2)
		points := cloud(rng, 1+rng.IntN(40), objectives)
		whole := volume(t, points, objectives)
		assert.GreaterOrEqual(t, whole+1e-12, volume(t, points[1:], objectives), "a point never takes away")
		assert.InDelta(t, whole, volume(t, append(points, points...), objectives), 1e-12, "a point counts once")
		shuffled := make([][]float64, len(points))
		for i, j := range rng.Perm(len(points)) {
			shuffled[i] = points[j]
		}
		assert.InDelta(t, whole, volume(t, shuffled, objectives), 1e-12, "the order does not matter")

		// The same with the first objective maximised.
		mirrored, mixed := make([][]float64, len(points)), minimise(objectives)
		for i, p := range points {
			mirrored[i] = append([]float64{-p[0]}, p[1:]...)
		}
		mixed[0].Direction = Maximise
		got, err := Hypervolume(mirrored, append([]float64{-1}, corner[1:objectives]...), mixed)
		require.NoError(t, err)
		assert.InDelta(t, whole, got, 1e-12, "the direction is a setting")
	}
}

func TestHypervolumeRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		values     [][]float64
		reference  []float64
		objectives int
		want       string
	}{
		"one objective":    {nil, []float64{1}, 1, "expected 2 or 3 objectives, got 1"},
		"four objectives":  {nil, []float64{1, 1, 1, 1}, 4, "expected 2 or 3 objectives, got 4"},
		"short reference":  {nil, []float64{1}, 2, "measurement 0"},
		"infinite corner":  {nil, []float64{1, math.Inf(1)}, 2, "measurement 0"},
		"NaN in the front": {[][]float64{{0, 0}, {math.NaN(), 0}}, []float64{1, 1}, 2, "measurement 2"},
		"short point":      {[][]float64{{0}}, []float64{1, 1}, 2, "measurement 1"},
	} {
		_, err := Hypervolume(c.values, c.reference, minimise(c.objectives))
		assert.ErrorContains(t, err, c.want, name)
	}
	v, err := Hypervolume(nil, []float64{1, 1}, minimise(2))
	require.NoError(t, err)
	assert.Zero(t, v)
}

// TestKnownFronts compares the closed forms with fine samples of the fronts, which lie below them by the gaps between.
func TestKnownFronts(t *testing.T) {
	for _, p := range Problems() {
		front := p.Front(30000)
		require.GreaterOrEqual(t, len(front), 30000)
		v, err := Hypervolume(front, p.Reference, p.Objectives)
		require.NoError(t, err)
		assert.Less(t, v, p.Hypervolume, p.Name)
		assert.Greater(t, v, p.Hypervolume-0.004, p.Name)
		if len(p.Objectives) == 2 {
			assert.Greater(t, v, p.Hypervolume-0.0001, p.Name)
		}
		fronts, err := Fronts(measurements(p.Front(300)), p.Objectives)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(fronts), 2, "%s: a front is its own first front, but for the ends of segments", p.Name)
	}
}

// TestZDT3Segments checks the published ends: minima of the second objective, each met again where the next one starts.
func TestZDT3Segments(t *testing.T) {
	for i, s := range zdt3Segments {
		const h = 1e-5
		slope := (zdt3(s[1]+h, 1) - zdt3(s[1]-h, 1)) / (2 * h)
		assert.InDelta(t, 0, slope, 1e-6, "end of segment %d", i)
		if i > 0 {
			assert.InDelta(t, zdt3(zdt3Segments[i-1][1], 1), zdt3(s[0], 1), 1e-7, "start of segment %d", i)
		}
	}
}

func TestProblemRefusals(t *testing.T) {
	_, err := LookupProblem("zdt9")
	assert.ErrorContains(t, err, `got "zdt9"`)
	p, err := LookupProblem("dtlz2")
	require.NoError(t, err)
	_, err = p.Evaluate(t.Context(), [][]float64{{1}})
	assert.ErrorContains(t, err, "expected 12 variables, got 1")
}

func ExampleHypervolume() {
	objectives := []Objective{{Name: "accuracy", Direction: Maximise}, {Name: "latency", Direction: Minimise}}
	v, err := Hypervolume([][]float64{{0.9, 20}, {0.8, 10}}, []float64{0.5, 30}, objectives)
	fmt.Printf("%.1f %v\n", v, err)
	// Output: 7.0 <nil>
}
