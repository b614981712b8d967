package figures

import (
	"fmt"
	"slices"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/plots"
)

// TrueAccuracies are the true accuracies on CIFAR-10, percent, of the cells that searches on NAS-Bench-201 would derive
// after each of their epochs: a panel for each label, in it a line for each seed, beside what random cells are worth and
// the optimum. Searches do not see them; what they are is read off the tables of weights.
func TrueAccuracies(list ...run.Result) ([]plots.EpochPanel, error) {
	truth, err := space.NASBench201Truth(datasets.CIFAR10Name)
	if err != nil {
		return nil, err
	}
	q := truth.Quartiles
	lines := []plots.EpochLine{{Name: "optimum", Value: truth.Best}, {Name: "random cells: quartiles", Value: q[0]}, {Name: "random cells: quartiles", Value: q[1]},
		{Name: "random cells: quartiles", Value: q[2]}, {Name: "random cells: mean", Value: truth.Mean}}
	var out []plots.EpochPanel
	for _, r := range list {
		table, ok := r.Table(space.GridTable)
		if !ok || r.Spec.Space != space.NASBench201Name {
			continue
		}
		series := plots.EpochSeries{Name: fmt.Sprintf("seed %d", r.Spec.Seed)}
		var codes []string
		for _, s := range table.Epochs {
			g, err := space.StrongestGrid(s.Weights)
			if err != nil {
				return nil, fmt.Errorf("%s: table %s: %w", name(r), table.Name, err)
			}
			codes = append(codes, g.Code())
			series.Epochs = append(series.Epochs, s.Epoch)
		}
		if series.Values, err = space.TrueAccuracies(space.NASBench201Name, codes); err != nil {
			return nil, err
		}
		of := title(r)
		i := slices.IndexFunc(out, func(p plots.EpochPanel) bool { return p.Name == of })
		if i < 0 {
			i = len(out)
			out = append(out, plots.EpochPanel{Name: of, Lines: lines})
		}
		out[i].Series = append(out[i].Series, series)
	}
	if len(out) == 0 {
		return nil, NoData("expected a search on NAS-Bench-201, found none")
	}
	return out, nil
}

func drawTruth(s Source) ([]Named, error) {
	panels, err := TrueAccuracies(s.Searches...)
	if err != nil {
		return nil, err
	}
	of := "profile " + s.Profile
	f, err := plots.Epochs(panels, "True accuracy of the cell derived after each epoch, %: "+of)
	return []Named{{"true-accuracy", of, f}}, err
}
