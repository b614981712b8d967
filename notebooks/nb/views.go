package nb

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/figures"
)

// Show shows all that a run has: its epochs and losses, what was measured at the end, the weights of its architecture, its
// paths' accuracies, the updates of its blocks, what it ranked, the front that was found and the network.
func Show(r *Run) { Check(showAll(r)) }

func showAll(r *Run) error {
	list := []*Run{r}
	for _, view := range []func() error{
		func() error { return epochs(r) },
		func() error { return losses(titled(r, "losses"), list) },
		func() error { return weights(r) },
		func() error { return final(r) },
		func() error { return ranges(titled(r, "training accuracy of paths"), list) },
		func() error { return updates(titled(r, "updates of the blocks"), list) },
		func() error { return ranking(titled(r, "ranking"), list) },
		func() error { return oneShot(titled(r, "one-shot accuracy"), list) },
		func() error { return similarity(r) },
		func() error { return pareto(r) },
		func() error { return front(r) },
		func() error { return found(r) },
		func() error { return numbers(list) },
	} {
		var none figures.NoData
		if err := view(); err != nil && !errors.As(err, &none) {
			return err
		}
	}
	return nil
}

// titled is a run's name with what a view shows of it, unless the caller has a title.
func titled(r *Run, what string, title ...string) string {
	if len(title) > 0 {
		return title[0]
	}
	return r.name() + ": " + what
}

// Epochs shows a table of a run's epochs: the rows of its log.
func Epochs(r *Run) { Check(epochs(r)) }

func epochs(r *Run) error {
	var header []string
	for _, name := range r.Log.Columns {
		header = append(header, spaced(name))
	}
	var rows [][]any
	for _, numbers := range r.Log.Rows {
		var row []any
		for _, x := range numbers {
			row = append(row, x)
		}
		rows = append(rows, row)
	}
	if rows == nil {
		return fmt.Errorf("epochs: %s: %w", r.name(), figures.NoData("expected a log, found none"))
	}
	return table(header, rows)
}

// Numbers shows a table of what runs have measured at their end: of trainings the accuracy of the test, parameters and
// multiply-adds.
func Numbers(list ...*Run) { Check(numbers(list)) }

func numbers(list []*Run) error {
	header := []string{"run"}
	var names []string
	for _, r := range list {
		for _, v := range r.Result.Numbers {
			if v.Name != stepsName && !slices.Contains(names, v.Name) {
				names, header = append(names, v.Name), append(header, spaced(v.Name))
			}
		}
	}
	if names == nil {
		return fmt.Errorf("numbers: %w", figures.NoData("expected runs that have measured something, found none"))
	}
	var rows [][]any
	for _, r := range list {
		row := []any{r.name()}
		for _, name := range names {
			if x, ok := r.Result.Numbers.Get(name); ok {
				row = append(row, x)
			} else {
				row = append(row, "–")
			}
		}
		rows = append(rows, row)
	}
	return table(header, rows)
}

// Weights shows the weights of a search's operations over its epochs, every table; a title takes the place of the run's
// name.
func Weights(r *Run, title ...string) { Check(weights(r, title...)) }

func weights(r *Run, title ...string) error {
	return drawn(r, titled(r, "weights over the epochs", title...), figures.Weights)
}

// Final shows the weights at a search's end, with what was kept.
func Final(r *Run, title ...string) { Check(final(r, title...)) }

func final(r *Run, title ...string) error {
	return drawn(r, titled(r, "final weights", title...), figures.Final)
}

// Dominant shows on how many edges each operation is the strongest, over a search's epochs.
func Dominant(r *Run, title ...string) { Check(dominant(r, title...)) }

func dominant(r *Run, title ...string) error {
	return drawn(r, titled(r, "strongest operations", title...), figures.Dominant)
}

// drawn shows a figure of one run.
func drawn(r *Run, title string, draw func(run.Result, string) (plots.Figure, error)) error {
	f, err := draw(r.Result, title)
	if err != nil {
		return fmt.Errorf("figure %q: %w", title, err)
	}
	return figure(f)
}

// Losses shows runs' losses over their epochs, and what else their logs have, such as a number that is scheduled.
func Losses(title string, list ...*Run) { Check(losses(title, list)) }

func losses(title string, list []*Run) error {
	return plotted(title, list, figures.Losses, plots.Epochs)
}

// TrueAccuracies shows the true accuracies of the cells that searches on NAS-Bench-201 would derive after each epoch,
// beside what random cells are worth and the optimum.
func TrueAccuracies(title string, list ...*Run) { Check(trueAccuracies(title, list)) }

func trueAccuracies(title string, list []*Run) error {
	return plotted(title, list, figures.TrueAccuracies, plots.Epochs)
}

// Ranges shows the training accuracies of supernets' paths over the epochs, mean and range.
func Ranges(title string, list ...*Run) { Check(ranges(title, list)) }

func ranges(title string, list []*Run) error {
	return plotted(title, list, figures.Ranges, plots.AccuracyRanges)
}

// Updates shows how often supernets trained each of their blocks.
func Updates(title string, list ...*Run) { Check(updates(title, list)) }

func updates(title string, list []*Run) error {
	return plotted(title, list, figures.Updates, figures.DrawUpdates)
}

// Ranking shows the true accuracies of the networks that supernets ranked over their one-shot accuracies, with Kendall's
// tau-b and its interval, and those of a supernet before its training beside them.
func Ranking(title string, list ...*Run) { Check(ranking(title, list)) }

func ranking(title string, list []*Run) error {
	return plotted(title, list, figures.Ranking, plots.Ranking)
}

// OneShot shows the histograms of those one-shot accuracies.
func OneShot(title string, list ...*Run) { Check(oneShot(title, list)) }

func oneShot(title string, list []*Run) error {
	return plotted(title, list, figures.OneShot, plots.Histograms)
}

// plotted shows a figure of what a function of package figures takes from runs.
func plotted[S any](title string, list []*Run, data func(...run.Result) (S, error), plot func(S, string) (plots.Figure, error)) error {
	var results []run.Result
	for _, r := range list {
		results = append(results, r.Result)
	}
	d, err := data(results...)
	if err != nil {
		return fmt.Errorf("figure %q: %w", title, err)
	}
	f, err := plot(d, title)
	if err != nil {
		return fmt.Errorf("figure %q: %w", title, err)
	}
	return figure(f)
}

// Similarity shows how alike the choices of each layer of a supernet are in what they put out.
func Similarity(r *Run, title ...string) { Check(similarity(r, title...)) }

func similarity(r *Run, title ...string) error {
	one := func(list ...run.Result) ([]plots.SimilarityMatrix, error) { return figures.Similarities(list[0]) }
	return plotted(titled(r, "similarity of choices", title...), []*Run{r}, one, plots.Similarities)
}

// Pareto shows the first fronts of an evolutionary search over its generations.
func Pareto(r *Run, title ...string) { Check(pareto(r, title...)) }

func pareto(r *Run, title ...string) error {
	one := func(list ...run.Result) (plots.Evolution, error) { return figures.Front(list[0]) }
	return plotted(titled(r, "first fronts", title...), []*Run{r}, one, plots.Pareto)
}

// Front shows a table of the last first front of an evolutionary search, the chosen network marked.
func Front(r *Run) { Check(front(r)) }

func front(r *Run) error {
	f := r.Result.Front
	if f == nil {
		return fmt.Errorf("front: %s: %w", r.name(), figures.NoData("expected an evolutionary search, found none"))
	}
	header := []string{"network"}
	for _, o := range f.Objectives {
		header = append(header, o.Label())
	}
	var rows [][]any
	for i, m := range f.Members {
		row := []any{m.Code}
		for k, o := range f.Objectives {
			row = append(row, m.Values[k]*o.Scale)
		}
		mark := ""
		if i == f.Chosen {
			mark = "chosen"
		}
		rows = append(rows, append(row, mark))
	}
	return table(append(header, ""), rows)
}

// Network shows the drawing of what a run has found, or of a network or cells, and of a chain a table of its blocks. Cells
// of which no network can be built are drawn as they are.
func Network[N *Run | Architecture](of N, title ...string) {
	switch v := any(of).(type) {
	case *Run:
		Check(found(v, title...))
	case arch.Network:
		Check(network(v, strings.Join(title, " ")))
	case arch.Genotype:
		Check(cellGraphs(v, strings.Join(title, " ")))
	}
}

func found(r *Run, title ...string) error {
	name := titled(r, "what was found", title...)
	if r.Genotype != nil {
		return cellGraphs(*r.Genotype, name)
	}
	if r.Result.Network == nil {
		return fmt.Errorf("network: %s: %w", r.name(), figures.NoData("expected one, found none"))
	}
	return network(*r.Result.Network, name)
}

func network(n arch.Network, title string) error {
	if err := n.Validate(); err != nil {
		return fmt.Errorf("network %q: %w", title, err)
	}
	if err := figure(plots.Network(n, title)); err != nil || n.Chain == nil {
		return err
	}
	var rows [][]any
	for i, b := range n.Chain.Blocks {
		rows = append(rows, []any{i + 1, b.Op, cmp.Or(b.KernelText(), "–"), dashed(b.Hidden), b.Stride, b.In, b.Out})
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
