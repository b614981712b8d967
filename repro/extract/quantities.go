package extract

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
)

// quantity is a number of one run.
type quantity struct {
	// command says which runs it is of, [run.Search] or [run.Train].
	command string
	// counts are whole numbers of things.
	counts bool
	// of computes it, or says what the run lacks for it.
	of func(run.Result) (x float64, lacks string)
}

// quantities are those that a claim may measure, by name.
var quantities = map[string]quantity{
	"polarisation":                     {command: run.Search, of: ofSigmoids(polarisation)},
	"bimodal_share":                    {command: run.Search, of: ofSigmoids(bimodalShare)},
	"skips":                            {command: run.Search, counts: true, of: skips},
	"parameterless_normal":             {command: run.Search, counts: true, of: parameterless},
	"skips_normal_late":                {command: run.Search, of: late("skips_normal")},
	"skip_share":                       {command: run.Search, of: skipShare},
	"skip_weight":                      {command: run.Search, of: skipWeight},
	"train_loss_last":                  {command: run.Search, of: last("train_loss")},
	"val_loss_last":                    {command: run.Search, of: last("val_loss")},
	"one_shot_tau":                     {command: run.Search, of: tau(trained)},
	"untrained_tau":                    {command: run.Search, of: tau(untrained)},
	"one_shot_percent":                 {command: run.Search, of: percent(trained)},
	"untrained_percent":                {command: run.Search, of: percent(untrained)},
	"true_accuracy_percent":            {command: run.Search, of: trueAccuracy(datasets.CIFAR10Name)},
	"true_accuracy_cifar100_percent":   {command: run.Search, of: trueAccuracy(datasets.CIFAR100Name)},
	"true_accuracy_imagenet16_percent": {command: run.Search, of: trueAccuracy(datasets.ImageNet16Name)},
	"one_shot_spread_percent":          {command: run.Search, of: ofRanking(trained, spread)},
	"norm_mean_ratio":                  {command: run.Search, of: number("norm_mean_ratio")},
	"norm_variance_ratio":              {command: run.Search, of: number("norm_variance_ratio")},
	"path_similarity":                  {command: run.Search, of: number("path_similarity")},
	"skip_similarity":                  {command: run.Search, of: number("skip_similarity")},
	"front_hypervolume":                {command: run.Search, of: number("front_hypervolume")},
	"random_hypervolume":               {command: run.Search, of: number("random_hypervolume")},
	"path_range_percent":               {command: run.Search, of: pathRangePercent},
	"eigenvalue_last":                  {command: run.Search, of: lastEigenvalue},
	"eigenvalue_rise":                  {command: run.Search, of: eigenvalueRise},
	"landscape_drop_percent":           {command: run.Search, of: ofLandscape(accuracyDropPercent)},
	"landscape_roughness":              {command: run.Search, of: ofLandscape(lossRoughness)},
	"false_reject_area_percent":        {command: run.Train, of: falseRejectAreaPercent},
	"multiply_adds_saved_percent":      {command: run.Search, of: times100(number("multiply_adds_saved"))},
	"front_saved_percent":              {command: run.Search, of: times100(number("front_saved"))},
	"test_accuracy_percent":            {command: run.Train, of: tested(train.TestAccuracy)},
	"test_macro_f1_percent":            {command: run.Train, of: tested(train.TestMacroF1)},
}

// Quantities lists the names of quantities that a claim may measure.
func Quantities() []string { return slices.Sorted(maps.Keys(quantities)) }

// RunKind says which runs a quantity is of, [run.Search] or [run.Train]; empty for an unknown one.
func RunKind(name string) string { return quantities[name].command }

func lookup(name string) (quantity, error) {
	q, ok := quantities[name]
	if !ok {
		return q, fmt.Errorf("quantity %q: expected one of %v", name, Quantities())
	}
	return q, nil
}

// Ends of the sigmoids: FairDARTS's threshold and its mirror image.
const (
	highEnd = 0.85
	lowEnd  = 1 - highEnd
)

// ofSigmoids is a quantity of the weights that all tables of sigmoids ended with.
func ofSigmoids(f func([]float64) float64) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		var w []float64
		for _, t := range r.Weights() {
			if t.Kind == run.Sigmoid {
				w = append(w, slices.Concat(t.Last().Weights...)...)
			}
		}
		if len(w) == 0 {
			return 0, "it has no table of sigmoids"
		}
		return f(w), ""
	}
}

// polarisation is the mean of |2s-1| over the final sigmoids: 0 where all are one half, 1 where all are 0 or 1.
func polarisation(w []float64) float64 {
	sum := 0.0
	for _, s := range w {
		sum += math.Abs(2*s - 1)
	}
	return sum / float64(len(w))
}

// bimodalShare is the share of the final sigmoids at either end; 0 where one end is empty, for one mode is not two.
func bimodalShare(w []float64) float64 {
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

// chainOf are the layers of the chain that was searched for; nil where none was.
func chainOf(r run.Result) []arch.Block {
	if r.Spec.Space != space.TCResNetName || r.Network == nil || r.Network.Chain == nil {
		return nil
	}
	return r.Network.Chain.Blocks
}

// skips counts the skip connections of both derived cells, of the one of NAS-Bench-201, or of TC-ResNet's chain.
func skips(r run.Result) (float64, string) {
	if blocks := chainOf(r); blocks != nil {
		n := 0
		for _, b := range blocks {
			if space.IsSkip(b) {
				n++
			}
		}
		return float64(n), ""
	}
	if n := r.Network; n != nil && n.Grid != nil {
		return float64(n.Grid.Count(nn.SkipConnect)), ""
	}
	g := r.Genotype
	if g == nil {
		return 0, "it derived no cells"
	}
	return float64(g.Normal.Count(nn.SkipConnect) + g.Reduce.Count(nn.SkipConnect)), ""
}

// parameterless counts the operations without parameters in the derived normal cell: skip connections, pools, noise.
func parameterless(r run.Result) (float64, string) {
	if r.Genotype == nil {
		return 0, "it derived no cells"
	}
	n := 0
	for _, op := range []string{nn.SkipConnect, nn.MaxPool3x3, nn.AvgPool3x3, nn.Noise} {
		n += r.Genotype.Normal.Count(op)
	}
	return float64(n), ""
}

// late is the mean of a column of the log over the second half of the epochs.
func late(column string) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		x := r.Log.Column(column)
		if len(x) == 0 {
			return 0, fmt.Sprintf("its log has no %s", column)
		}
		return stat.Mean(x[len(x)/2:], nil), ""
	}
}

// edgesKept is the number of edges with an operation other than none in the cells that skips counts in; of a chain its
// layers.
func edgesKept(r run.Result) int {
	if blocks := chainOf(r); blocks != nil {
		return len(blocks)
	}
	if n := r.Network; n != nil && n.Grid != nil {
		return len(n.Grid.Cell) - n.Grid.Count(nn.None)
	}
	return len(r.Genotype.Normal.Edges) + len(r.Genotype.Reduce.Edges)
}

// skipShare is the number of skip connections for each edge that the derived cells keep.
func skipShare(r run.Result) (float64, string) {
	n, lacks := skips(r)
	if lacks != "" {
		return 0, lacks
	}
	kept := edgesKept(r)
	if kept == 0 {
		return 0, "its cells keep no edge"
	}
	return n / float64(kept), ""
}

// skipTables name the tables of the cells of stride 1: DARTS's normal cell, NAS-Bench-201's only one; and that of a chain,
// whose layers all have a skip.
var skipTables = []string{"normal", space.GridTable, space.ChainTable}

// skipWeight is the mean of the weights that skip connections ended with, over those edges of the normal cell that have
// one to choose, or over the layers of a chain.
func skipWeight(r run.Result) (float64, string) {
	var t run.Table
	for _, name := range skipTables {
		if found, ok := r.Table(name); ok {
			t = found
		}
	}
	var w []float64
	for row, weights := range t.Last().Weights {
		if k := slices.Index(t.Ops(row), nn.SkipConnect); k >= 0 {
			w = append(w, weights[k])
		}
	}
	if len(w) == 0 {
		return 0, "it has no weights of skip connections"
	}
	return stat.Mean(w, nil), ""
}

// last is a column's number in the last epoch.
func last(column string) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		x, ok := r.Log.Row(-1).Get(column)
		if !ok {
			return 0, fmt.Sprintf("its log has no %s", column)
		}
		return x, ""
	}
}

// trained and untrained are one-shot accuracies of a ranking.
func trained(k run.Ranking) []float64   { return k.Trained }
func untrained(k run.Ranking) []float64 { return k.Untrained }

// ofRanking is a quantity of the one-shot accuracies of networks.
func ofRanking(accuracies func(run.Ranking) []float64, f func(r run.Result, x []float64) (float64, string)) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		if r.Ranking == nil {
			return 0, "it ranked no networks"
		}
		x := accuracies(*r.Ranking)
		if len(x) == 0 {
			return 0, "it measured none of the networks so"
		}
		return f(r, x)
	}
}

// tau is Kendall's tau-b of one-shot and true accuracy over the networks that a supernet ranked; it is NaN where all of
// them got the same accuracy.
func tau(accuracies func(run.Ranking) []float64) func(run.Result) (float64, string) {
	return ofRanking(accuracies, func(r run.Result, x []float64) (float64, string) {
		truth, err := space.TrueAccuracies(r.Spec.Space, r.Ranking.Codes)
		if err != nil {
			return 0, err.Error()
		}
		t, err := rank.TauB(x, truth)
		if err != nil {
			return math.NaN(), ""
		}
		return t, ""
	})
}

// percent is the mean one-shot accuracy of the networks that a supernet ranked.
func percent(accuracies func(run.Ranking) []float64) func(run.Result) (float64, string) {
	return ofRanking(accuracies, func(_ run.Result, x []float64) (float64, string) { return 100 * stat.Mean(x, nil), "" })
}

// spread is the standard deviation of one-shot accuracies, percent.
func spread(_ run.Result, x []float64) (float64, string) { return 100 * stat.StdDev(x, nil), "" }

// number is one that a run measured at its end.
func number(name string) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		x, ok := r.Numbers.Get(name)
		if !ok {
			return 0, "it did not measure " + name
		}
		return x, ""
	}
}

// pathRangePercent is the range of the training accuracies of paths on batches, as a mean over the last half of the epochs.
func pathRangePercent(r run.Result) (float64, string) {
	lowest, highest := r.Log.Column("lowest"), r.Log.Column("highest")
	if len(lowest) == 0 || len(highest) == 0 {
		return 0, "its log has no range of paths' accuracies"
	}
	half := len(lowest) / 2
	sum := 0.0
	for epoch := half; epoch < len(lowest); epoch++ {
		sum += highest[epoch] - lowest[epoch]
	}
	return 100 * sum / float64(len(lowest)-half), ""
}

// trueAccuracy is that of the cell that a search derived, percent, on a data set, from the table of its space.
func trueAccuracy(data string) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		if r.Network == nil || r.Network.Grid == nil {
			return 0, "it derived no cell of NAS-Bench-201"
		}
		x, err := space.TrueAccuraciesOn(space.NASBench201Name, data, []string{r.Network.Grid.Code()})
		if err != nil {
			return 0, err.Error()
		}
		return x[0], ""
	}
}

// falseRejectAreaPercent is the area under the curve of false rejects over false alarms of the words of the test, of the
// network that the run is about.
func falseRejectAreaPercent(r run.Result) (float64, string) {
	if r.Spec.Instead != "" {
		return 0, "trained instead: " + r.Spec.Instead
	}
	if r.ROC == nil {
		return 0, "it was not tested on words"
	}
	return 100 * r.ROC.Area(), ""
}

// times100 is a share as percent.
func times100(of func(run.Result) (float64, string)) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		x, lacks := of(r)
		return 100 * x, lacks
	}
}

// tested is a number of the test, percent, of the network that the run is about: one that was trained in its place has none.
func tested(name string) func(run.Result) (float64, string) {
	return func(r run.Result) (float64, string) {
		if r.Spec.Instead != "" {
			return 0, "trained instead: " + r.Spec.Instead
		}
		x, ok := r.Numbers.Get(name)
		if !ok {
			return 0, "it was not tested"
		}
		return 100 * x, ""
	}
}
