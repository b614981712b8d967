package figures

import (
	"fmt"
	"slices"

	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/plots"
)

// overEpochs is a column of the log of searches that have it: a series for each label, in it all of its seeds.
func overEpochs(column string, list []run.Result) (out []plots.SpreadSeries, err error) {
	for _, r := range list {
		values := r.Log.Column(column)
		if len(values) == 0 {
			continue
		}
		of, at := title(r), epochs(r.Log)
		i := slices.IndexFunc(out, func(s plots.SpreadSeries) bool { return s.Name == of })
		if i < 0 {
			i = len(out)
			out = append(out, plots.SpreadSeries{Name: of, Epochs: at})
		}
		if !slices.Equal(out[i].Epochs, at) {
			return nil, fmt.Errorf("%s: log: expected the epochs of the other seeds, %v, got %v", name(r), out[i].Epochs, at)
		}
		out[i].Seeds, out[i].Values = append(out[i].Seeds, r.Spec.Seed), append(out[i].Values, values)
	}
	return out, nil
}

// drawSkipCurves draws for every method and space how many skip connections the normal cell has that is derived after each
// epoch, its variants side by side (Figure 3 of ROME).
func drawSkipCurves(s Source) ([]Named, error) {
	none := NoData("expected a search whose log counts the skip connections of a normal cell, found none")
	groups, _ := grouped(s.Searches, func(r run.Result) error {
		if len(r.Log.Column("skips_normal")) == 0 {
			return none
		}
		return nil
	}, byMethodAndSpace)
	if len(groups) == 0 {
		return nil, none
	}
	var out []Named
	for _, list := range groups {
		spec := list[0].Spec
		series, err := overEpochs("skips_normal", list)
		if err != nil {
			return nil, err
		}
		of := fmt.Sprintf("%s, profile %s", spec.Space, s.Profile)
		f, err := plots.Spreads(series, "skip connections", "Skip connections of the normal cell derived after each epoch: "+of)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", of, err)
		}
		stem := spec.Method + "-skips-by-epoch"
		if slices.ContainsFunc(out, func(n Named) bool { return n.Stem == stem }) {
			stem += "-" + spec.Space
		}
		out = append(out, Named{stem, of, f})
	}
	return out, nil
}
