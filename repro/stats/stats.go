// Package stats holds the intervals and tests that verdicts rest on: for a handful of seeds, where the sample is small
// and honest intervals are wide.
package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a closed interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Summary is a mean with its interval.
type Summary struct {
	N    int
	Mean float64
	// SD is the sample standard deviation (divisor N-1).
	SD       float64
	Interval Interval
}

// MinBootstrap is the fewest values Bootstrap takes: of three pairs the percentile interval excludes 0 by chance in
// one case of eight.
const MinBootstrap = 10

// Mean is the mean of x with Student's t interval at the given level (0.95 for 95 %). It needs two values, all finite.
func Mean(x []float64, level float64) (Summary, error) {
	if len(x) < 2 {
		return Summary{}, fmt.Errorf("interval of a mean: expected at least 2 values, got %d", len(x))
	}
	if err := check(x, level); err != nil {
		return Summary{}, err
	}
	mean, sd := stat.MeanStdDev(x, nil)
	n := float64(len(x))
	half := quantile(n-1, (1+level)/2) * sd / math.Sqrt(n)
	return Summary{N: len(x), Mean: mean, SD: sd, Interval: Interval{mean - half, mean + half}}, nil
}

// Paired is Mean of the differences a-b of values paired by index.
func Paired(a, b []float64, level float64) (Summary, error) {
	d, err := Differences(a, b)
	if err != nil {
		return Summary{}, err
	}
	return Mean(d, level)
}

// Differences is a-b by index.
func Differences(a, b []float64) ([]float64, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("paired differences: expected as many values on both sides, got %d and %d", len(a), len(b))
	}
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d, nil
}

// Slope is the least-squares slope of y over x with Student's t interval; N counts the points, SD is the slope's
// standard error. It needs three points, all finite, not all at the same x.
func Slope(x, y []float64, level float64) (Summary, error) {
	if len(x) != len(y) || len(x) < 3 {
		return Summary{}, fmt.Errorf("slope: expected at least 3 points, got %d x and %d y", len(x), len(y))
	}
	if err := check(append(slices.Clone(x), y...), level); err != nil {
		return Summary{}, err
	}
	mx := stat.Mean(x, nil)
	sxx := 0.0
	for _, v := range x {
		sxx += (v - mx) * (v - mx)
	}
	if sxx == 0 {
		return Summary{}, fmt.Errorf("slope: all %d points have x = %g", len(x), x[0])
	}
	intercept, slope := stat.LinearRegression(x, y, nil, false)
	rss := 0.0
	for i := range x {
		r := y[i] - intercept - slope*x[i]
		rss += r * r
	}
	df := float64(len(x) - 2)
	se := math.Sqrt(rss / df / sxx)
	half := quantile(df, (1+level)/2) * se
	return Summary{N: len(x), Mean: slope, SD: se, Interval: Interval{slope - half, slope + half}}, nil
}

// Equivalence is Schuirmann's pair of one-sided t tests of the mean of x lying within margin of target: the larger of
// the two p-values. Below 0.05 the mean is equivalent to the target. It needs two values, all finite, and margin > 0.
func Equivalence(x []float64, target, margin float64) (p float64, err error) {
	if len(x) < 2 {
		return 0, fmt.Errorf("equivalence: expected at least 2 values, got %d", len(x))
	}
	if !(margin > 0) {
		return 0, fmt.Errorf("equivalence: margin: expected above 0, got %g", margin)
	}
	if err := check(append(slices.Clone(x), target), 0.95); err != nil {
		return 0, err
	}
	mean, sd := stat.MeanStdDev(x, nil)
	n := float64(len(x))
	inside := margin - math.Abs(mean-target) // distance to the nearer bound, which has the larger p
	if sd == 0 {
		if inside > 0 {
			return 0, nil
		}
		return 1, nil
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Survival(inside / (sd / math.Sqrt(n))), nil
}

// Signs is an exact two-sided sign test.
type Signs struct {
	// Above and Below are how many values lie above and below 0; those that are 0 say nothing.
	Above, Below int
	// P is the probability of signs as one-sided as these, or more, if either sign were as likely as the other.
	P float64
}

// SignTest tests whether x lies about 0: counts and other numbers of which many are equal take it in the place of an
// interval. It needs finite values.
func SignTest(x []float64) (Signs, error) {
	if err := check(x, 0.95); err != nil {
		return Signs{}, fmt.Errorf("sign test: %w", err)
	}
	var s Signs
	for _, v := range x {
		switch {
		case v > 0:
			s.Above++
		case v < 0:
			s.Below++
		}
	}
	s.P = signP(s.Above+s.Below, min(s.Above, s.Below))
	return s, nil
}

// SignTestNeeds is the fewest values beside 0 of which the sign test can give a p below alpha.
func SignTestNeeds(alpha float64) int {
	n := 1
	for signP(n, 0) >= alpha {
		n++
	}
	return n
}

// signP is the two-sided p of n signs, of which fewer are of the rarer kind.
func signP(n, fewer int) float64 {
	if n == 0 {
		return 1
	}
	return min(1, 2*distuv.Binomial{N: float64(n), P: 0.5}.CDF(float64(fewer)))
}

// Bootstrap is the percentile interval of statistic over samples of x drawn with replacement; the same seed gives the
// same interval. It refuses fewer than MinBootstrap values.
func Bootstrap(x []float64, statistic func([]float64) float64, level float64, samples int, seed uint64) (Interval, error) {
	if len(x) < MinBootstrap {
		return Interval{}, fmt.Errorf("bootstrap: expected at least %d values, got %d", MinBootstrap, len(x))
	}
	if samples < 1 {
		return Interval{}, fmt.Errorf("bootstrap: samples: expected at least 1, got %d", samples)
	}
	if err := check(x, level); err != nil {
		return Interval{}, err
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	found, sample := make([]float64, samples), make([]float64, len(x))
	for i := range found {
		for j := range sample {
			sample[j] = x[rng.IntN(len(x))]
		}
		found[i] = statistic(sample)
	}
	slices.Sort(found)
	return Interval{percentile(found, (1-level)/2), percentile(found, (1+level)/2)}, nil
}

// percentile interpolates linearly between order statistics.
func percentile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func quantile(df, p float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(p)
}

func check(x []float64, level float64) error {
	if !(level > 0 && level < 1) {
		return fmt.Errorf("level: expected between 0 and 1, got %g", level)
	}
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("value %d of %d: expected a finite number, got %g", i, len(x), v)
		}
	}
	return nil
}
