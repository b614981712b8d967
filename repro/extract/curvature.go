package extract

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/run"
)

// knownEigenvalue is how far, as a share of it, an eigenvalue that counts as known may be from where it was found.
const knownEigenvalue = 0.1

// eigenvalues are the largest ones after each epoch.
func eigenvalues(r run.Result) ([]float64, string) {
	values, lowest, residuals := r.Log.Column(diff.Eigenvalue), r.Log.Column(diff.EigenvalueLowest), r.Log.Column(diff.EigenvalueResidual)
	if len(values) == 0 || len(residuals) == 0 || len(lowest) == 0 {
		return nil, "its log has no eigenvalues"
	}
	for i, v := range values {
		// The residual is a share of the larger end of the spectrum.
		if off := residuals[i] * math.Max(math.Abs(v), math.Abs(lowest[i])); off > knownEigenvalue*math.Abs(v) {
			return nil, fmt.Sprintf("its eigenvalue after epoch %d, %.2g, is known to %.2g, more than a tenth of it", i+1, v, off)
		}
	}
	return values, ""
}

// lastEigenvalue is the largest eigenvalue after the last epoch.
func lastEigenvalue(r run.Result) (float64, string) {
	values, lacks := eigenvalues(r)
	if lacks != "" {
		return 0, lacks
	}
	return values[len(values)-1], ""
}

// eigenvalueRise is the mean of the largest eigenvalue over the second half of the epochs less that over the first.
func eigenvalueRise(r run.Result) (float64, string) {
	values, lacks := eigenvalues(r)
	if lacks != "" {
		return 0, lacks
	}
	if len(values) < 2 {
		return 0, "it has one epoch"
	}
	half := len(values) / 2
	return stat.Mean(values[len(values)-half:], nil) - stat.Mean(values[:half], nil), ""
}

// ofLandscape is a quantity of a landscape.
func ofLandscape(f func(run.Landscape) float64) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		if r.Landscape == nil {
			return 0, "its landscape was not measured"
		}
		return f(*r.Landscape), ""
	}
}

// accuracyDropPercent is the validation accuracy where the search ended less the mean over the grid, in points: the lower,
// the flatter.
func accuracyDropPercent(l run.Landscape) float64 {
	centre, _ := l.Centre()
	return 100 * (centre - stat.Mean(slices.Concat(l.Accuracy...), nil))
}

// lossRoughness is the mean over the grid, its border left out, of the size of the second derivative of the validation loss
// along both axes, by second differences: the lower, the smoother.
func lossRoughness(l run.Landscape) float64 {
	sum, n := 0.0, 0
	for i := 1; i < len(l.Axis)-1; i++ {
		h := (l.Axis[i+1] - l.Axis[i-1]) / 2
		for k := 1; k < len(l.Axis)-1; k++ {
			w := (l.Axis[k+1] - l.Axis[k-1]) / 2
			sum += math.Abs(l.Loss[i+1][k]-2*l.Loss[i][k]+l.Loss[i-1][k]) / (h * h)
			sum += math.Abs(l.Loss[i][k+1]-2*l.Loss[i][k]+l.Loss[i][k-1]) / (w * w)
			n += 2
		}
	}
	return sum / float64(n)
}
