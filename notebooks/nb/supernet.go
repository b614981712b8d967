package nb

import (
	"fmt"
	"strconv"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/figures"
)

// Supernet shows what a search over a single-path supernet has: its epochs, the ranges of its paths' accuracies, the
// updates of its blocks, what it ranked, the front that was found on it and the network that was chosen.
func Supernet(run *Run) { Check(supernet(run)) }

func supernet(run *Run) error {
	of := fmt.Sprintf("%s, profile %s, seed %d", run.Space, run.Profile, run.Seed)
	runs := []*Run{run}
	views := []func() error{
		func() error { return epochs(run) },
		func() error { return ranges("Training accuracy of paths: "+of, runs) },
		func() error { return updates("Updates of the blocks: "+of, runs) },
	}
	if run.Ranking != nil {
		views = append(views, func() error { return ranking("Ranking: "+of, runs) }, func() error { return oneShot("One-shot accuracy: "+of, runs) })
	}
	if run.Evolution != nil {
		views = append(views, func() error { return pareto(run, "First fronts: "+of) }, func() error { return front(run) },
			func() error { return network(run.Evolution.Network, "Chosen: "+run.Evolution.Chosen.Code) })
	}
	for _, view := range views {
		if err := view(); err != nil {
			return err
		}
	}
	return nil
}

// Epochs shows a table of the epochs in which a supernet was trained: mean loss and accuracy of a path on a batch, and the
// lowest and highest accuracy.
func Epochs(run *Run) { Check(epochs(run)) }

func epochs(run *Run) error {
	if run.Supernet == nil {
		return fmt.Errorf("epochs: %s: expected a search over a single-path supernet, found one over cells", run.Method)
	}
	var rows [][]any
	for _, e := range run.Supernet.Epochs {
		rows = append(rows, []any{e.Epoch, e.LearningRate, e.TrainLoss, e.TrainAccuracy, e.Lowest, e.Highest})
	}
	return table([]string{"epoch", "learning rate", "training loss", "training accuracy", "lowest", "highest"}, rows)
}

// Ranges shows the training accuracies of supernets' paths over the epochs, mean and range, by their ways of sampling.
func Ranges(title string, runs ...*Run) { Check(ranges(title, runs)) }

func ranges(title string, runs []*Run) error {
	return plotted(title, runs, figures.Ranges, plots.AccuracyRanges)
}

// Updates shows how often supernets trained each of their blocks, by their ways of sampling.
func Updates(title string, runs ...*Run) { Check(updates(title, runs)) }

func updates(title string, runs []*Run) error {
	return plotted(title, runs, figures.Updates, figures.DrawUpdates)
}

// Ranking shows the true accuracies of the networks that supernets ranked over their one-shot accuracies, with Kendall's
// tau-b and its interval, and those of a supernet before its training beside them.
func Ranking(title string, runs ...*Run) { Check(ranking(title, runs)) }

func ranking(title string, runs []*Run) error {
	return plotted(title, runs, figures.Ranking, plots.Ranking)
}

// OneShot shows the histograms of those one-shot accuracies.
func OneShot(title string, runs ...*Run) { Check(oneShot(title, runs)) }

func oneShot(title string, runs []*Run) error {
	return plotted(title, runs, figures.OneShot, plots.Histograms)
}

// plotted shows a figure of what a function of package figures takes from runs.
func plotted[S any](title string, runs []*Run, data func(...search.Result) (S, error), plot func(S, string) (plots.Figure, error)) error {
	var results []search.Result
	for _, r := range runs {
		results = append(results, r.Result)
	}
	f, err := figures.Supernets(results, title, data, plot)
	if err != nil {
		return fmt.Errorf("figure %q: %w", title, err)
	}
	return figure(f)
}

// Pareto shows the first fronts of an evolutionary search over its generations.
func Pareto(run *Run, title string) { Check(pareto(run, title)) }

func pareto(run *Run, title string) error {
	e, err := figures.Evolution(run.Result)
	if err != nil {
		return fmt.Errorf("figure %q: %w", title, err)
	}
	f, err := plots.Pareto(e, title)
	if err != nil {
		return fmt.Errorf("figure %q: %w", title, err)
	}
	return figure(f)
}

// Front shows a table of the last first front of an evolutionary search, the chosen network marked.
func Front(run *Run) { Check(front(run)) }

func front(run *Run) error {
	v := run.Evolution
	if v == nil {
		return fmt.Errorf("front: %s: expected an evolutionary search over a supernet, found none", run.Method)
	}
	var rows [][]any
	for _, c := range v.Front {
		mark := ""
		if c == v.Chosen {
			mark = "chosen"
		}
		rows = append(rows, []any{c.Code, c.Accuracy, c.MACs, c.Params, mark})
	}
	return table([]string{"network", "one-shot accuracy", "multiply-adds", "parameters", ""}, rows)
}

// Network shows the drawing of a network, and of a chain a table of its blocks.
func Network(n arch.Network, title string) { Check(network(n, title)) }

func network(n arch.Network, title string) error {
	if err := n.Validate(); err != nil {
		return fmt.Errorf("network %q: %w", title, err)
	}
	if err := figure(plots.Network(n, title)); err != nil || n.Chain == nil {
		return err
	}
	var rows [][]any
	for i, b := range n.Chain.Blocks {
		rows = append(rows, []any{i + 1, b.Op, dashed(b.Kernel), dashed(b.Hidden), b.Stride, b.In, b.Out})
	}
	return table([]string{"block", "operation", "kernel", "hidden channels", "stride", "channels in", "channels out"}, rows)
}

// dashed is a number, or a dash for what a block does not have.
func dashed(n int) string {
	if n == 0 {
		return "–"
	}
	return strconv.Itoa(n)
}

// summary says in one line what a search has given.
func summary(r search.Result) string {
	s := fmt.Sprintf("%d steps", r.Steps)
	if n := len(r.Epochs); n > 0 {
		last := r.Epochs[n-1]
		s += fmt.Sprintf(", loss %.4f, accuracy %.3f on the weights' half; skip connections: %d normal, %d reduce",
			last.TrainLoss, last.TrainAccuracy, last.SkipsNormal, last.SkipsReduce)
	}
	if r.Supernet == nil {
		return s
	}
	s += ", sampling " + r.Supernet.Sampling
	if n := len(r.Supernet.Epochs); n > 0 {
		last := r.Supernet.Epochs[n-1]
		s += fmt.Sprintf(", loss %.4f, %s", last.TrainLoss, pathAccuracy(last))
	}
	if r.Ranking != nil {
		s += fmt.Sprintf("; %d networks ranked", len(r.Ranking.Codes))
	}
	if v := r.Evolution; v != nil {
		s += fmt.Sprintf("; %d paths measured in %d generations, chosen of a front of %d: %s, accuracy %.3f, %.2f M multiply-adds",
			v.Evaluations, len(v.Generations), len(v.Front), v.Chosen.Code, v.Chosen.Accuracy, float64(v.Chosen.MACs)/1e6)
	}
	return s
}

// pathAccuracy says how well a supernet's paths did in an epoch.
func pathAccuracy(e search.PathsEpoch) string {
	return fmt.Sprintf("training accuracy of a path %.3f, from %.3f to %.3f", e.TrainAccuracy, e.Lowest, e.Highest)
}
