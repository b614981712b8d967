// Package figures draws what runs gave. A figure is data, taken from results by their tables, rankings, fronts and logs,
// and a drawing of package plots.
package figures

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/runs"
)

// Figure is a figure by its name.
type Figure struct {
	Name, Help string
	// Draw draws it of all results that have the data. Where none has, the error is a [NoData].
	Draw func(Source) ([]Named, error)
}

// NoData says why there is nothing to draw a figure from.
type NoData string

// Error is the reason.
func (n NoData) Error() string { return string(n) }

// Named is a figure with the stem of its file's name.
type Named struct {
	Stem string
	// Of says what it is of, for people.
	Of     string
	Figure plots.Figure
}

// List are the figures in the order to draw them.
func List() []Figure {
	return []Figure{
		{"sigmoids", "weight of every operation over the epochs, edge by edge, of searches with sigmoids", eachSearch("sigmoids", "Sigmoids", ofKind(run.Sigmoid))},
		{"softmax", "the same of searches with a softmax", eachSearch("softmax", "Softmax", ofKind(run.Softmax))},
		{"alphas", "final weights: heat map of edges and operations, and histogram", eachSearch("alphas", "Final weights", Final)},
		{"dominant", "on how many edges each operation is the strongest, over the epochs", eachSearch("dominant", "Dominant operations", Dominant)},
		{"losses", "losses of searches over the epochs, and what else their logs have, such as a schedule", perSeed("losses", "Losses", hasLoss, bySpace, drawn(Losses, plots.Epochs))},
		{"true-accuracy", "true accuracy of the cell derived after each epoch of searches on NAS-Bench-201, beside those of random cells", drawTruth},
		{"eigenvalue", "largest eigenvalue of the Hessian of the validation loss over the epochs, mean and range over seeds", drawEigenvalues},
		{"landscape", "validation accuracy and loss over two random directions of the parameters, of searches that were measured (gonas landscape)", perSeed("landscape", "Landscape", hasLandscape, bySpace, drawn(Landscapes, plots.Landscapes))},
		{"skips-by-epoch", "skip connections of the normal cell derived after each epoch, mean and range over seeds, a method's variants side by side", drawSkipCurves},
		{"skips", "skip connections over seeds, side by side for all labels of searches", drawSkips},
		{"zero-one-loss", "FairDARTS's zero-one loss in both forms, and its gradient", drawZeroOneLoss},
		{"macs", "accuracy against multiply-adds: what was trained here, and FairDARTS's table", drawMACs},
		{"confusion", "samples of the test of a training on sound by class and by what they were taken for", drawConfusions},
		{"detection", "false rejects over false alarms of words, as a mean over the words, of trainings on words: mean and range over seeds", drawDetection},
		{"cells", "graphs of the cells that a search found", eachSearch("cells", "Cells", Cells)},
		{"network", "the chain of blocks that a search found", eachSearch("network", "Network", Network)},
		{"ranking", "true accuracy over one-shot accuracy of the networks that a supernet ranked", perSeed("ranking", "Ranking", hasTruth, byMethodAndSpace, drawn(Ranking, plots.Ranking))},
		{"histograms", "one-shot accuracies of those networks", perSeed("histograms", "One-shot accuracy", hasRanking, byMethodAndSpace, drawn(OneShot, plots.Histograms))},
		{"similarity", "how alike the choices of each layer of a supernet are in what they put out: cosines", eachSearch("similarity", "Similarity of choices", drawSimilarity)},
		{"updates", "how often each block of a supernet was trained, beside what uniform draws would give", perSeed("updates", "Updates of the blocks", hasUpdates, byMethodAndSpace, drawn(Updates, DrawUpdates))},
		{"ranges", "training accuracy of a supernet's paths over the epochs, mean and range", perSeed("ranges", "Training accuracy of paths", hasRanges, byMethodAndSpace, drawn(Ranges, plots.AccuracyRanges))},
		{"pareto", "first fronts over the generations of an evolutionary search", eachSearch("pareto", "First fronts", drawPareto)},
	}
}

// name tells a result from others.
func name(r run.Result) string {
	return fmt.Sprintf("%s, seed %d, profile %s", title(r), r.Spec.Seed, r.Spec.Profile)
}

// title is what figures call the runs of a result's label.
func title(r run.Result) string { return runs.Title(r.Spec.Label()) }

// titleAndSeed tells runs of a label apart.
func titleAndSeed(r run.Result) string { return fmt.Sprintf("%s, seed %d", title(r), r.Spec.Seed) }

// names are names of results for one figure: the first way of naming that tells them apart, else the last one.
func names(list []run.Result, ways ...func(run.Result) string) []string {
	var out []string
	for _, way := range ways {
		out = nil
		for _, r := range list {
			out = append(out, way(r))
		}
		if !slices.Contains(out, "") && len(slices.Compact(slices.Sorted(slices.Values(out)))) == len(out) {
			break
		}
	}
	return out
}

// eachSearch makes a figure of every search that has the data.
func eachSearch(figure, heading string, draw func(run.Result, string) (plots.Figure, error)) func(Source) ([]Named, error) {
	return func(s Source) ([]Named, error) {
		var out []Named
		var none NoData
		for _, r := range s.Searches {
			f, err := draw(r, heading+": "+name(r))
			if errors.As(err, &none) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name(r), err)
			}
			stem := r.Spec.Method + "-" + figure
			if s.Evidence {
				stem += "-" + folder(r)
			}
			out = append(out, Named{stem, name(r), f})
		}
		switch {
		case len(s.Searches) == 0:
			return nil, NoData("expected a search, found none")
		case len(out) == 0:
			return nil, none
		}
		return out, nil
	}
}

// grouped are the results that have something, those of a key together, in the order of each key's first; why is what the last
// one without it lacks.
func grouped[K comparable](list []run.Result, has func(run.Result) error, by func(run.Result) K) (groups [][]run.Result, why error) {
	number := map[K]int{}
	for _, r := range list {
		if err := has(r); err != nil {
			why = err
			continue
		}
		i, ok := number[by(r)]
		if !ok {
			i = len(groups)
			number[by(r)], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups, why
}

// perSeed makes a figure of the searches of each seed that have the data and agree in what together gives.
func perSeed(figure, heading string, has func(run.Result) error, together func(run.Result) string, draw func([]run.Result, string) (plots.Figure, error)) func(Source) ([]Named, error) {
	return func(s Source) ([]Named, error) {
		type group struct {
			seed uint64
			of   string
		}
		groups, why := grouped(s.Searches, has, func(r run.Result) group { return group{r.Spec.Seed, together(r)} })
		if len(groups) == 0 {
			return nil, cmp.Or(why, error(NoData("expected a search, found none")))
		}
		slices.SortStableFunc(groups, func(a, b []run.Result) int { return cmp.Compare(a[0].Spec.Seed, b[0].Spec.Seed) })
		var out []Named
		for _, list := range groups {
			spec := list[0].Spec
			of := fmt.Sprintf("%s, seed %d, profile %s", spec.Space, spec.Seed, spec.Profile)
			f, err := draw(list, heading+": "+of)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", of, err)
			}
			stem := figure
			if !slices.ContainsFunc(list, func(r run.Result) bool { return r.Spec.Method != spec.Method }) {
				stem = spec.Method + "-" + figure
			}
			if s.Evidence {
				stem += fmt.Sprintf("-seed%d", spec.Seed)
			}
			if slices.ContainsFunc(out, func(n Named) bool { return n.Stem == stem }) {
				stem += "-" + spec.Space
			}
			out = append(out, Named{stem, of, f})
		}
		return out, nil
	}
}

func bySpace(r run.Result) string { return r.Spec.Space }

func byMethodAndSpace(r run.Result) string { return r.Spec.Method + " " + r.Spec.Space }

// drawn draws what a function takes from results.
func drawn[S any](data func(...run.Result) (S, error), draw func(S, string) (plots.Figure, error)) func([]run.Result, string) (plots.Figure, error) {
	return func(list []run.Result, title string) (plots.Figure, error) {
		d, err := data(list...)
		if err != nil {
			return plots.Figure{}, err
		}
		return draw(d, title)
	}
}
