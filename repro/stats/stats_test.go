package stats

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
)

// All expected numbers are scipy 1.17.1's (numpy 2.4.6): stats.t.interval, ttest_1samp with alternatives, linregress,
// bootstrap with 200000 resamples.

var sevenRuns = []float64{97.46, 97.49, 97.50, 97.51, 97.47, 97.35, 97.46}

func TestMeanAgainstScipy(t *testing.T) {
	for _, c := range []struct {
		x                   []float64
		mean, sd, low, high float64
	}{
		{[]float64{1.2, 0.9, 1.5}, 1.2, 0.3, 0.4547586864749009, 1.945241313525099},
		{[]float64{0.02, 0.031, 0.018}, 0.023, 0.007, 0.005611036017747692, 0.040388963982252314},
		{[]float64{-1, 1, 0.5, 2}, 0.625, 1.25, -1.3640289408023174, 2.614028940802317},
		{sevenRuns, 97.46285714285715, 0.053452248382487286, 97.41342205820256, 97.51229222751174},
		{[]float64{5, 5.0001}, 5.00005, 7.071067811848996e-05, 4.999414689763193, 5.000685310236807},
	} {
		t.Run(fmt.Sprint(c.x), func(t *testing.T) {
			s, err := Mean(c.x, 0.95)
			require.NoError(t, err)
			assert.Equal(t, len(c.x), s.N)
			assert.InEpsilon(t, c.mean, s.Mean, 1e-12)
			assert.InEpsilon(t, c.sd, s.SD, 1e-8)
			assert.InEpsilon(t, c.low, s.Interval.Low, 1e-9)
			assert.InEpsilon(t, c.high, s.Interval.High, 1e-9)

			b := make([]float64, len(c.x))
			a := make([]float64, len(c.x))
			for i := range a {
				b[i] = float64(i)
				a[i] = c.x[i] + b[i]
			}
			p, err := Paired(a, b, 0.95)
			require.NoError(t, err)
			assert.InDelta(t, s.Interval.Low, p.Interval.Low, 1e-9)
			assert.InDelta(t, s.Interval.High, p.Interval.High, 1e-9)
		})
	}
}

func TestSlopeAgainstScipy(t *testing.T) {
	s, err := Slope([]float64{0, 1, 2, 3, 4, 5}, []float64{1.0, 1.9, 3.2, 3.8, 5.1, 5.7}, 0.95)
	require.NoError(t, err)
	assert.InEpsilon(t, 0.962857142857143, s.Mean, 1e-12)
	assert.InEpsilon(t, 0.0464230765979191, s.SD, 1e-10)
	assert.InEpsilon(t, 0.8339660190686282, s.Interval.Low, 1e-9)
	assert.InEpsilon(t, 1.0917482666456577, s.Interval.High, 1e-9)
}

func TestEquivalenceAgainstScipy(t *testing.T) {
	for _, c := range []struct {
		x         []float64
		target, p float64
	}{
		{sevenRuns, 97.46, 3.1030100516692097e-06},
		{sevenRuns, 97.0, 0.9999024701765153},
		{[]float64{97.1, 97.6, 97.9}, 97.46, 0.21690248304822773},
		{[]float64{97.45, 97.46, 97.5}, 97.46, 0.001381490700236305},
		{[]float64{3, 3, 3}, 3.2, 0},
		{[]float64{3, 3, 3}, 3.5, 1},
	} {
		p, err := Equivalence(c.x, c.target, 0.3)
		require.NoError(t, err)
		assert.InDelta(t, c.p, p, 1e-8, "%v against %g", c.x, c.target)
	}
}

// The expected p are 2·(sum of the rarer signs' binomials)/2^n, by hand.
func TestSignTest(t *testing.T) {
	signs := func(above, below, zero int) (x []float64) {
		for range above {
			x = append(x, 2.5)
		}
		for range below {
			x = append(x, -1)
		}
		return append(x, make([]float64, zero)...)
	}
	for _, c := range []struct {
		above, below, zero int
		p                  float64
	}{
		{0, 0, 0, 1},
		{0, 0, 5, 1},
		{1, 0, 0, 1},
		{3, 0, 0, 0.25},
		{0, 3, 0, 0.25},
		{3, 0, 9, 0.25},
		{3, 3, 0, 1},
		{5, 0, 0, 0.0625},
		{6, 0, 0, 0.03125},
		{7, 1, 0, 0.0703125},
		{8, 1, 2, 0.0390625},
		{3, 9, 0, 0.14599609375},
		{10, 2, 0, 0.03857421875},
	} {
		s, err := SignTest(signs(c.above, c.below, c.zero))
		require.NoError(t, err)
		assert.Equal(t, []int{c.above, c.below}, []int{s.Above, s.Below})
		assert.InDelta(t, c.p, s.P, 1e-12, "%+v", c)
	}
	assert.Equal(t, 6, SignTestNeeds(0.05))
	assert.Equal(t, 8, SignTestNeeds(0.01))
}

func TestBootstrap(t *testing.T) {
	x := []float64{0.4, 1.1, -0.3, 0.9, 0.7, 0.2, 1.5, 0.6, 0.8, 0.1, 0.95, -0.05}
	mean := func(x []float64) float64 { return stat.Mean(x, nil) }
	got, err := Bootstrap(x, mean, 0.95, 50000, 1)
	require.NoError(t, err)
	assert.InDelta(t, 0.29167, got.Low, 0.01)
	assert.InDelta(t, 0.85833, got.High, 0.01)
	again, err := Bootstrap(x, mean, 0.95, 50000, 1)
	require.NoError(t, err)
	assert.Equal(t, got, again)
	other, err := Bootstrap(x, mean, 0.95, 50000, 2)
	require.NoError(t, err)
	assert.NotEqual(t, got, other)
}

func TestPercentile(t *testing.T) {
	x := []float64{1, 2, 4}
	assert.Equal(t, 1.0, percentile(x, 0))
	assert.Equal(t, 1.5, percentile(x, 0.25))
	assert.Equal(t, 3.0, percentile(x, 0.75))
	assert.Equal(t, 4.0, percentile(x, 1))
}

func TestRefusals(t *testing.T) {
	mean := func(x []float64) float64 { return stat.Mean(x, nil) }
	for name, f := range map[string]func() error{
		"one value":          func() error { _, err := Mean([]float64{1}, 0.95); return err },
		"level 1":            func() error { _, err := Mean([]float64{1, 2}, 1); return err },
		"NaN":                func() error { _, err := Mean([]float64{1, math.NaN()}, 0.95); return err },
		"infinity":           func() error { _, err := Mean([]float64{1, math.Inf(-1)}, 0.95); return err },
		"unequal pairs":      func() error { _, err := Paired([]float64{1, 2}, []float64{1}, 0.95); return err },
		"two points":         func() error { _, err := Slope([]float64{1, 2}, []float64{1, 2}, 0.95); return err },
		"one x":              func() error { _, err := Slope([]float64{1, 1, 1}, []float64{1, 2, 3}, 0.95); return err },
		"NaN y":              func() error { _, err := Slope([]float64{1, 2, 3}, []float64{1, math.NaN(), 3}, 0.95); return err },
		"no margin":          func() error { _, err := Equivalence([]float64{1, 2}, 1, 0); return err },
		"NaN target":         func() error { _, err := Equivalence([]float64{1, 2}, math.NaN(), 1); return err },
		"equivalence of one": func() error { _, err := Equivalence([]float64{1}, 1, 1); return err },
		"bootstrap of three": func() error { _, err := Bootstrap([]float64{1, 2, 3}, mean, 0.95, 100, 1); return err },
		"sign of NaN":        func() error { _, err := SignTest([]float64{1, math.NaN()}); return err },
		"no samples":         func() error { _, err := Bootstrap(make([]float64, 10), mean, 0.95, 0, 1); return err },
	} {
		t.Run(name, func(t *testing.T) { assert.Error(t, f()) })
	}
}

func ExamplePaired() {
	s, _ := Paired([]float64{3, 4, 5}, []float64{1, 1.5, 3.5}, 0.95)
	fmt.Printf("%.2f [%.2f, %.2f]\n", s.Mean, s.Interval.Low, s.Interval.High)
	// Output: 2.00 [0.76, 3.24]
}
