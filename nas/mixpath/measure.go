package mixpath

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// Names of what is measured of a trained supernet.
const (
	// MeanRatio and VarianceRatio are slopes of the running means and variances of the norms for two paths over those for
	// one; the paper expects 2 and 4 of paths that put out about the same.
	MeanRatio     = "norm_mean_ratio"
	VarianceRatio = "norm_variance_ratio"
	// Similarity is the cosine of what two paths of a block put out for the same image, from 0 to 1.
	Similarity = "path_similarity"
)

// Slope is that of the line through the origin that is nearest to y over x by least squares.
func Slope(x, y []float32) float64 {
	xy, xx := 0.0, 0.0
	for i := range x {
		xy += float64(x[i]) * float64(y[i])
		xx += float64(x[i]) * float64(x[i])
	}
	return xy / xx
}

// shadowNorms compares the running statistics of the norms for one and for two paths: the slope over a norm's channels, as
// a mean over those layers and expansions where both have been trained. Where none were, there are no numbers.
func shadowNorms(p space.Paths) oneshot.Look {
	return func(s *oneshot.Supernet, r *run.Result) error {
		state, err := s.State()
		if err != nil {
			return err
		}
		var means, variances []float64
		for l := range p.Layers {
			for rate := range p.Expansions(l) {
				one, two := p.LastNorm(l, rate, 1), p.LastNorm(l, rate, 2)
				of := func(norm, statistic string) []float32 { return state.Tensors[norm+"."+statistic] }
				x, y := of(one, "running_mean"), of(two, "running_mean")
				if len(x) == 0 || len(x) != len(y) {
					return fmt.Errorf("supernet: expected as many running means of %s and %s, got %d and %d", one, two, len(x), len(y))
				}
				if untrained(x) || untrained(y) {
					continue
				}
				means = append(means, Slope(x, y))
				variances = append(variances, Slope(of(one, "running_var"), of(two, "running_var")))
			}
		}
		if means != nil {
			r.Numbers = append(r.Numbers, run.Value{Name: MeanRatio, Number: stat.Mean(means, nil)}, run.Value{Name: VarianceRatio, Number: stat.Mean(variances, nil)})
		}
		return nil
	}
}

// untrained tells whether running means are as they began.
func untrained(means []float32) bool {
	return !slices.ContainsFunc(means, func(x float32) bool { return x != 0 })
}
