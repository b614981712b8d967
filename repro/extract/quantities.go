package extract

import (
	"math"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
)

// searchQuantities are computed from one search, trainQuantities from one training.
var (
	searchQuantities = map[string]func(search.Result) float64{
		"polarisation": polarisation, "bimodal_share": bimodalShare, "skips": skips,
		"one_shot_tau": oneShotTau, "one_shot_percent": oneShotPercent, "path_range_percent": pathRangePercent,
	}
	trainQuantities = map[string]func(train.TrainResult) float64{
		"test_accuracy_percent": func(r train.TrainResult) float64 { return 100 * r.TestAccuracy },
	}
)

// Ends of the sigmoids: FairDARTS's threshold and its mirror image.
const (
	highEnd = 0.85
	lowEnd  = 1 - highEnd
)

// finalWeights are the last snapshot's weights of both cells.
func finalWeights(r search.Result) []float64 {
	if len(r.History) == 0 {
		return nil
	}
	last := r.History[len(r.History)-1]
	var out []float64
	for _, table := range [][][]float64{last.NormalWeights, last.ReduceWeights} {
		for _, row := range table {
			out = append(out, row...)
		}
	}
	return out
}

// polarisation is the mean of |2s-1| over the final sigmoids: 0 where all are one half, 1 where all are 0 or 1.
func polarisation(r search.Result) float64 {
	w := finalWeights(r)
	sum := 0.0
	for _, s := range w {
		sum += math.Abs(2*s - 1)
	}
	return sum / float64(len(w))
}

// bimodalShare is the share of the final sigmoids at either end; 0 where one end is empty, for one mode is not two.
func bimodalShare(r search.Result) float64 {
	w := finalWeights(r)
	low, high := 0, 0
	for _, s := range w {
		switch {
		case s <= lowEnd:
			low++
		case s >= highEnd:
			high++
		}
	}
	if low == 0 || high == 0 {
		return 0
	}
	return float64(low+high) / float64(len(w))
}

// skips counts the skip connections of both derived cells.
func skips(r search.Result) float64 {
	return float64(r.Genotype.Normal.Count("skip_connect") + r.Genotype.Reduce.Count("skip_connect"))
}

// oneShotTau is Kendall's tau-b of one-shot and true accuracy over the networks of NAS-Bench-Macro that a supernet ranked.
func oneShotTau(r search.Result) float64 {
	if r.Ranking == nil {
		return math.NaN()
	}
	truth, err := fairnas.TrueAccuracies(r.Ranking.Codes)
	if err != nil {
		return math.NaN()
	}
	t, err := rank.TauB(r.Ranking.Trained, truth)
	if err != nil {
		return math.NaN()
	}
	return t
}

// oneShotPercent is the mean one-shot accuracy of the networks that a supernet ranked.
func oneShotPercent(r search.Result) float64 {
	if r.Ranking == nil {
		return math.NaN()
	}
	return 100 * stat.Mean(r.Ranking.Trained, nil)
}

// pathRangePercent is the range of the training accuracies of paths on batches, as a mean over the last half of the epochs.
func pathRangePercent(r search.Result) float64 {
	if r.Supernet == nil {
		return math.NaN()
	}
	epochs := r.Supernet.Epochs[len(r.Supernet.Epochs)/2:]
	sum := 0.0
	for _, e := range epochs {
		sum += e.Highest - e.Lowest
	}
	return 100 * sum / float64(len(epochs))
}
