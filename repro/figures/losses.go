package figures

import (
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/plots"
)

// lossColumns are the losses of a log, with their names for people.
var lossColumns = []struct{ column, name string }{{"train_loss", "training loss"}, {"val_loss", "validation loss"}}

// plainColumns are what all logs of a kind have beside losses; what a method adds to them is not among them.
var plainColumns = []string{"epoch", "steps", "learning_rate", "train_accuracy", "val_accuracy", "penalty", "skips", "skips_normal", "skips_reduce", "lowest", "highest",
	diff.Eigenvalue, diff.EigenvalueLowest, diff.EigenvalueResidual, diff.EigenvalueIterations}

func hasLoss(r run.Result) error {
	for _, l := range lossColumns {
		if len(r.Log.Column(l.column)) > 0 {
			return nil
		}
	}
	return NoData("expected a search whose log has losses, found none")
}

// Losses are the losses of runs over their epochs, and what their logs have besides, such as a number that is scheduled.
func Losses(list ...run.Result) ([]plots.EpochPanel, error) {
	panels := lossColumns
	for _, r := range list {
		if err := hasLoss(r); err != nil {
			return nil, err
		}
		for _, column := range r.Log.Columns {
			has := func(p struct{ column, name string }) bool { return p.column == column }
			if !slices.Contains(plainColumns, column) && !slices.ContainsFunc(panels, has) {
				panels = append(slices.Clip(panels), struct{ column, name string }{column, strings.ReplaceAll(column, "_", " ")})
			}
		}
	}
	called := names(list, title, titleAndSeed)
	var out []plots.EpochPanel
	for _, p := range panels {
		panel := plots.EpochPanel{Name: p.name}
		for i, r := range list {
			if values := r.Log.Column(p.column); values != nil {
				panel.Series = append(panel.Series, plots.EpochSeries{Name: called[i], Epochs: epochs(r.Log), Values: values})
			}
		}
		if len(panel.Series) > 0 {
			out = append(out, panel)
		}
	}
	return out, nil
}

// epochs are the numbers of a log's epochs.
func epochs(l run.Log) []int {
	var out []int
	for _, e := range l.Column("epoch") {
		out = append(out, int(e))
	}
	return out
}
