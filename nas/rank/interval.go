package rank

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Interval is a closed interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// MinInterval is the fewest pairs TauBInterval takes: samples of fewer are too alike for their quantiles to mean much.
const MinInterval = 10

// TauBInterval is the percentile interval of tau-b at the given level (0.95 for 95 %): the quantiles (1-level)/2 and
// (1+level)/2 of tau-b over samples of the pairs, drawn with replacement (Efron and Tibshirani, "An Introduction to the
// Bootstrap", 1993, chapter 13). A sample that has no tau-b, since all its x or y are equal, is drawn again. The same
// seed gives the same interval. It needs MinInterval pairs.
func TauBInterval(x, y []float64, level float64, samples int, seed uint64) (Interval, error) {
	if _, err := TauB(x, y); err != nil {
		return Interval{}, err
	}
	switch {
	case len(x) < MinInterval:
		return Interval{}, fmt.Errorf("interval of tau-b: expected at least %d pairs, got %d", MinInterval, len(x))
	case !(level > 0 && level < 1):
		return Interval{}, fmt.Errorf("interval of tau-b: level: expected between 0 and 1, got %g", level)
	case samples < 1:
		return Interval{}, fmt.Errorf("interval of tau-b: samples: expected at least 1, got %d", samples)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	p, times := newPairs(x, y), make([]int64, len(x))
	found := make([]float64, 0, samples)
	for draws := 0; len(found) < samples; draws++ {
		if draws == 10*samples {
			return Interval{}, fmt.Errorf("interval of tau-b: %d of %d samples have all x or all y equal", draws-len(found), draws)
		}
		clear(times)
		for range times {
			times[rng.IntN(len(times))]++
		}
		if tau := p.tauB(times); !math.IsNaN(tau) {
			found = append(found, tau)
		}
	}
	slices.Sort(found)
	quantile := func(p float64) float64 { return stat.Quantile(p, stat.LinInterp, found, nil) }
	return Interval{quantile((1 - level) / 2), quantile((1 + level) / 2)}, nil
}
