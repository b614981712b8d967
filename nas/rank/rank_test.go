package rank

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
)

// TestAgainstScipy compares with testdata/scipy.json, which testdata/scipy_reference.py wrote.
func TestAgainstScipy(t *testing.T) {
	data, err := os.ReadFile("testdata/scipy.json")
	require.NoError(t, err)
	var golden struct {
		Scipy string
		Cases []struct {
			Name     string
			X, Y     []float64
			TauB     float64 `json:"tau_b"`
			Spearman float64
			MidRanks []float64 `json:"mid_ranks"`
			Interval *Interval
		}
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	require.Len(t, golden.Cases, 10)
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			tau, err := TauB(c.X, c.Y)
			require.NoError(t, err)
			assert.InDelta(t, c.TauB, tau, 1e-14)
			rho, err := Spearman(c.X, c.Y)
			require.NoError(t, err)
			assert.InDelta(t, c.Spearman, rho, 1e-14)
			assert.Equal(t, c.MidRanks, MidRanks(c.X))
			if c.Interval != nil {
				// Two random generators: quantiles of 20,000 samples are off by some thousandths.
				got, err := TauBInterval(c.X, c.Y, 0.95, 20000, 1)
				require.NoError(t, err)
				assert.InDelta(t, c.Interval.Low, got.Low, 0.01)
				assert.InDelta(t, c.Interval.High, got.High, 0.01)
			}
		})
	}
}

// byDefinition looks at all pairs, row i counted times[i] times.
func byDefinition(x, y []float64, times []int64) float64 {
	var sum, inX, inY float64
	for i := range x {
		for j := range i {
			a, b := sign(x[i]-x[j]), sign(y[i]-y[j])
			w := float64(times[i] * times[j])
			sum, inX, inY = sum+w*a*b, inX+w*a*a, inY+w*b*b
		}
	}
	return sum / math.Sqrt(inX*inY)
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

func TestTauBIsItsDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		n, values := 2+rng.IntN(60), 1+rng.IntN(20)
		x, y, once, times := make([]float64, n), make([]float64, n), make([]int64, n), make([]int64, n)
		for i := range x {
			x[i], y[i] = float64(rng.IntN(values)), float64(rng.IntN(values))
			once[i], times[i] = 1, int64(rng.IntN(4))
		}
		p := newPairs(x, y)
		same(t, byDefinition(x, y, times), p.tauB(times))
		same(t, byDefinition(x, y, once), p.tauB(nil))
		if tau, err := TauB(x, x); err == nil {
			assert.LessOrEqual(t, tau, 1.0, "not even by rounding")
		}
	}
}

func same(t *testing.T, want, got float64) {
	t.Helper()
	if math.IsNaN(want) {
		assert.True(t, math.IsNaN(got), "expected NaN, got %g", got)
		return
	}
	assert.InDelta(t, want, got, 1e-12)
}

// TestNASBenchMacro recomputes the taus that a proxy is shown beside: what counting reaches without training, and what a
// second training of the same networks does.
func TestNASBenchMacro(t *testing.T) {
	table, err := datasets.NASBenchMacro()
	require.NoError(t, err)
	require.Len(t, table, 6561)
	var accuracy, multiplyAdds, blocks, first, second []float64
	for code, row := range table {
		accuracy, multiplyAdds = append(accuracy, row.MeanAccuracy), append(multiplyAdds, float64(row.FLOPs))
		blocks = append(blocks, float64(len(code)-strings.Count(code, "0")))
		first, second = append(first, row.TestAccuracy[0]), append(second, row.TestAccuracy[1])
	}
	for _, c := range []struct {
		name string
		x, y []float64
		want float64
	}{
		{"multiply-adds", multiplyAdds, accuracy, 0.556},
		{"blocks that are no identity", blocks, accuracy, 0.693},
		{"one training against another", first, second, 0.88},
	} {
		tau, err := TauB(c.x, c.y)
		require.NoError(t, err)
		assert.InDelta(t, c.want, tau, 0.002, c.name)
		interval, err := TauBInterval(c.x, c.y, 0.95, 100, 1)
		require.NoError(t, err)
		assert.Less(t, interval.Low, tau, c.name)
		assert.Greater(t, interval.High, tau, c.name)
		assert.Less(t, interval.High-interval.Low, 0.03, c.name)
	}
}

func TestTauBIntervalIsDeterministic(t *testing.T) {
	x := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	y := []float64{2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11}
	first, err := TauBInterval(x, y, 0.9, 500, 1)
	require.NoError(t, err)
	again, err := TauBInterval(x, y, 0.9, 500, 1)
	require.NoError(t, err)
	assert.Equal(t, first, again)
	other, err := TauBInterval(x, y, 0.9, 500, 2)
	require.NoError(t, err)
	assert.NotEqual(t, first, other)
	wider, err := TauBInterval(x, y, 0.99, 500, 1)
	require.NoError(t, err)
	assert.Less(t, wider.Low, first.Low)
}

func TestTopK(t *testing.T) {
	for _, c := range []struct {
		name string
		x, y []float64
		k    int
		want float64
	}{
		{"the same order", []float64{1, 2, 3, 4}, []float64{10, 20, 30, 40}, 2, 1},
		{"reversed", []float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, 2, 0},
		{"one of two", []float64{1, 2, 3, 4}, []float64{1, 4, 3, 2}, 2, 0.5},
		{"all", []float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, 4, 1},
		{"tie at the last place", []float64{3, 1, 1}, []float64{3, 2, 1}, 2, 0.75},
		{"ties on both sides", []float64{0, 0, 0, 0}, []float64{1, 1, 1, 1}, 1, 0.25},
		{"infinities", []float64{math.Inf(-1), 0, math.Inf(1)}, []float64{1, 2, 3}, 1, 1},
	} {
		got, err := TopK(c.x, c.y, c.k)
		require.NoError(t, err, c.name)
		assert.InDelta(t, c.want, got, 1e-12, c.name)
	}
}

func TestRefusals(t *testing.T) {
	ten := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	interval := func(x []float64, level float64, samples int) func() error {
		return func() error { _, err := TauBInterval(x, x, level, samples, 1); return err }
	}
	tau := func(x, y []float64) func() error { return func() error { _, err := TauB(x, y); return err } }
	rho := func(x, y []float64) func() error { return func() error { _, err := Spearman(x, y); return err } }
	top := func(x, y []float64, k int) func() error {
		return func() error { _, err := TopK(x, y, k); return err }
	}
	for name, c := range map[string]struct {
		f    func() error
		want string
	}{
		"unequal lengths":    {tau([]float64{1, 2}, []float64{1}), "got 2 and 1"},
		"one pair":           {tau([]float64{1}, []float64{1}), "at least 2 pairs"},
		"NaN":                {tau([]float64{1, 2, 3}, []float64{1, math.NaN(), 2}), "pair 1 of 3"},
		"one value":          {tau([]float64{1, 1}, []float64{1, 2}), "two different values"},
		"Spearman of NaN":    {rho([]float64{math.NaN(), 2}, []float64{1, 2}), "pair 0 of 2"},
		"Spearman, constant": {rho([]float64{1, 2}, []float64{3, 3}), "two different values"},
		"top 0":              {top(ten, ten, 0), "expected 1 to 10, got 0"},
		"top 11":             {top(ten, ten, 11), "expected 1 to 10, got 11"},
		"top of NaN":         {top([]float64{1, 2}, []float64{math.NaN(), 2}, 1), "pair 0 of 2"},
		"nine pairs":         {interval(ten[:9], 0.95, 10), "at least 10 pairs, got 9"},
		"level 1":            {interval(ten, 1, 10), "level"},
		"no samples":         {interval(ten, 0.95, 0), "samples"},
	} {
		t.Run(name, func(t *testing.T) { assert.ErrorContains(t, c.f(), c.want) })
	}
}

func ExampleTauB() {
	oneShot := []float64{61.2, 58.4, 60.1, 55.0, 60.1}
	standAlone := []float64{75.3, 74.7, 75.1, 74.0, 74.9}
	tau, err := TauB(oneShot, standAlone)
	fmt.Printf("%.3f %v\n", tau, err)
	// Output: 0.949 <nil>
}

func ExampleTauBInterval() {
	x := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	y := []float64{1, 2, 3, 5, 4, 6, 8, 7, 9, 10}
	interval, err := TauBInterval(x, y, 0.95, 1000, 1)
	fmt.Printf("%.2f to %.2f %v\n", interval.Low, interval.High, err)
	// Output: 0.68 to 1.00 <nil>
}

func ExampleSpearman() {
	rho, err := Spearman([]float64{1, 2, 3, 4}, []float64{1, 3, 2, 4})
	fmt.Printf("%.1f %v\n", rho, err)
	// Output: 0.8 <nil>
}

func ExampleTopK() {
	share, err := TopK([]float64{9, 8, 7, 6}, []float64{4, 1, 3, 2}, 2)
	fmt.Println(share, err)
	// Output: 0.5 <nil>
}

func BenchmarkTauB(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	x, y := make([]float64, 6561), make([]float64, 6561)
	for i := range x {
		x[i], y[i] = rng.Float64(), rng.Float64()
	}
	for b.Loop() {
		if _, err := TauB(x, y); err != nil {
			b.Fatal(err)
		}
	}
}
