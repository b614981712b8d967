package evolve

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// beats is constrained domination written down again, for any direction.
func beats(a, b Measured, objectives []Objective) bool {
	if a.Violation != b.Violation {
		return a.Violation < b.Violation
	}
	better := 0
	for i, o := range objectives {
		x, y := a.Values[i], b.Values[i]
		if o.Direction == Maximise {
			x, y = y, x
		}
		if x > y {
			return false
		}
		if x < y {
			better++
		}
	}
	return better > 0
}

// peeled takes what nothing dominates away, again and again.
func peeled(all []Measured, objectives []Objective) (fronts [][]int) {
	left := make([]int, len(all))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		var front, rest []int
		for _, i := range left {
			if slices.ContainsFunc(left, func(j int) bool { return beats(all[j], all[i], objectives) }) {
				rest = append(rest, i)
			} else {
				front = append(front, i)
			}
		}
		fronts, left = append(fronts, front), rest
	}
	return fronts
}

func TestFrontsArePeeled(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		objectives := minimise(1 + rng.IntN(4))
		for i := range objectives {
			if rng.IntN(2) == 0 {
				objectives[i].Direction = Maximise
			}
		}
		all := make([]Measured, 1+rng.IntN(80))
		for i := range all {
			for range objectives {
				all[i].Values = append(all[i].Values, float64(rng.IntN(8)))
			}
			all[i].Violation = max(0, float64(rng.IntN(6)-3))
		}
		got, err := Fronts(all, objectives)
		require.NoError(t, err)
		require.Equal(t, peeled(all, objectives), got)
	}
}

func TestFeasibleComesFirst(t *testing.T) {
	got, err := Fronts([]Measured{
		{Values: []float64{0, 0}, Violation: 0.5},
		{Values: []float64{9, 9}},
		{Values: []float64{0, 0}, Violation: 0.1},
		{Values: []float64{8, 10}},
	}, minimise(2))
	require.NoError(t, err)
	assert.Equal(t, [][]int{{1, 3}, {2}, {0}}, got)
}

func TestCrowding(t *testing.T) {
	infinite := Distance(math.Inf(1))
	front := measurements([][]float64{{0, 4}, {1, 2}, {2, 1}, {4, 0}})
	for _, c := range []struct {
		name    string
		weights []float64
		want    []Distance
	}{
		{"the paper's", nil, []Distance{infinite, 2./4 + 3./4, 3./4 + 2./4, infinite}},
		{"equal weights are proportional to it", []float64{0.5, 0.5}, []Distance{infinite, 0.625, 0.625, infinite}},
		{"weighted", []float64{0.75, 0.25}, []Distance{infinite, 0.75*2/4 + 0.25*3/4, 0.75*3/4 + 0.25*2/4, infinite}},
		{"an objective without weight", []float64{1, 0}, []Distance{infinite, 0.5, 0.75, infinite}},
	} {
		got, err := Crowding(front, minimise(2), c.weights)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, c.name)
	}

	got, err := Crowding(measurements([][]float64{{1, 7}, {1, 7}, {1, 7}}), minimise(2), nil)
	require.NoError(t, err)
	assert.Equal(t, []Distance{0, 0, 0}, got, "constant objectives add nothing")
	maximised := []Objective{{"a", Maximise}, {"b", Maximise}}
	got, err = Crowding(front, maximised, nil)
	require.NoError(t, err)
	assert.Equal(t, []Distance{infinite, 1.25, 1.25, infinite}, got, "the direction does not matter")
	got, err = Crowding(nil, maximised, nil)
	require.NoError(t, err)
	assert.Empty(t, got)
}

// TestMoGAWeightsReorder has a point that is alone in parameters, which MoGA weighs least, and one that is not.
func TestMoGAWeightsReorder(t *testing.T) {
	objectives := []Objective{{"accuracy", Maximise}, {"latency", Minimise}, {"parameters", Maximise}}
	front := measurements([][]float64{{0, 0, 0}, {3, 3, 2}, {5, 5, 1}, {10, 10, 10}})
	plain, err := Crowding(front, objectives, nil)
	require.NoError(t, err)
	assert.InDelta(t, 1.9, float64(plain[1]), 1e-12)
	assert.InDelta(t, 1.6, float64(plain[2]), 1e-12)
	weighted, err := Crowding(front, objectives, MoGAWeights())
	require.NoError(t, err)
	assert.InDelta(t, 0.58, float64(weighted[1]), 1e-12)
	assert.InDelta(t, 0.60, float64(weighted[2]), 1e-12)
}

func TestDistanceSurvivesJSON(t *testing.T) {
	want := []Distance{0, 1.0 / 3, Distance(math.Inf(1))}
	data, err := json.Marshal(want)
	require.NoError(t, err)
	var got []Distance
	require.NoError(t, json.Unmarshal(data, &got))
	assert.Equal(t, want, got)
}

func TestBetter(t *testing.T) {
	individual := func(violation float64, rank int, crowding Distance) Individual[int] {
		return Individual[int]{Measured: Measured{Violation: violation}, Rank: rank, Crowding: crowding}
	}
	for _, c := range []struct {
		name string
		a, b Individual[int]
		want int
	}{
		{"feasible first", individual(0, 5, 0), individual(0.1, 0, 9), -1},
		{"then the smaller violation", individual(2, 0, 9), individual(1, 5, 0), 1},
		{"then the rank", individual(0, 1, 0), individual(0, 2, 9), -1},
		{"then the distance", individual(0, 1, 3), individual(0, 1, Distance(math.Inf(1))), 1},
		{"or nothing", individual(0, 1, 3), individual(0, 1, 3), 0},
	} {
		assert.Equal(t, c.want, better(c.a, c.b), c.name)
		assert.Equal(t, -c.want, better(c.b, c.a), c.name)
	}
}

func TestTournamentLetsEachCompeteEquallyOften(t *testing.T) {
	population := make([]Individual[int], 10)
	for i := range population {
		population[i] = Individual[int]{Genome: i, Rank: i}
	}
	pairs := tournament[int]{population: population, rng: rand.New(rand.NewPCG(1, 1))}
	wins := make([]int, len(population))
	for range 5 * 40 {
		wins[pairs.parent().Genome]++
	}
	assert.Equal(t, 40, wins[0], "the best wins whenever it competes")
	assert.Zero(t, wins[9], "the worst never does")
}

// TestSurvivorsAreElitist keeps whole fronts, and of the last one the least crowded.
func TestSurvivorsAreElitist(t *testing.T) {
	points, err := costs(measurements([][]float64{{5, 5}, {0, 10}, {1, 8}, {1.1, 7.9}, {10, 0}, {4, 3}}), minimise(2))
	require.NoError(t, err)
	var kept []int
	for _, p := range survivors(points, nil, 4) {
		kept = append(kept, p.index)
		assert.Zero(t, p.rank)
	}
	assert.ElementsMatch(t, []int{1, 4, 5, 3}, kept)
	assert.Len(t, survivors(points, nil, 10), 6)
}

func TestRefusedMeasurements(t *testing.T) {
	two := minimise(2)
	for name, c := range map[string]struct {
		values     []float64
		violation  float64
		objectives []Objective
		want       string
	}{
		"too few values":     {[]float64{1}, 0, two, "each of 2 objectives, got 1"},
		"NaN":                {[]float64{1, math.NaN()}, 0, two, "b: expected a finite number"},
		"infinity":           {[]float64{math.Inf(1), 0}, 0, two, "a: expected a finite number"},
		"negative violation": {[]float64{1, 2}, -1, two, "violation"},
		"NaN violation":      {[]float64{1, 2}, math.NaN(), two, "violation"},
		"no objective":       {nil, 0, nil, "at least one"},
		"no direction":       {[]float64{1}, 0, []Objective{{Name: "a"}}, "direction"},
		"one name twice":     {[]float64{1, 1}, 0, []Objective{{"a", Minimise}, {"a", Maximise}}, "a name of its own"},
	} {
		_, err := Fronts([]Measured{{c.values, c.violation}}, c.objectives)
		assert.ErrorContains(t, err, c.want, name)
		_, err = Crowding([]Measured{{c.values, c.violation}}, c.objectives, nil)
		assert.ErrorContains(t, err, c.want, name)
	}
	for _, weights := range [][]float64{{1}, {-1, 2}, {0, 0}, {math.NaN(), 1}, {}} {
		_, err := Crowding(nil, two, weights)
		assert.ErrorContains(t, err, "crowding weights", "%v", weights)
	}
}

func TestConstraints(t *testing.T) {
	assert.Zero(t, AtMost(600, 600))
	assert.InDelta(t, 0.1, AtMost(660, 600), 1e-12)
	assert.Equal(t, 3.0, AtMost(3, 0))
	assert.Zero(t, AtLeast(76, 75))
	assert.InDelta(t, 0.2, AtLeast(60, 75), 1e-12)
	assert.InDelta(t, 0.5, AtLeast(-3, -2), 1e-12)
}

func ExampleFronts() {
	objectives := []Objective{{Name: "accuracy", Direction: Maximise}, {Name: "multiply-adds", Direction: Minimise}}
	fronts, err := Fronts([]Measured{
		{Values: []float64{75.3, 388e6}}, {Values: []float64{74.7, 321e6}}, {Values: []float64{72.0, 330e6}},
	}, objectives)
	fmt.Println(fronts, err)
	// Output: [[0 1] [2]] <nil>
}
