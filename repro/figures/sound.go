package figures

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/plots"
)

// Confusion draws by class what the samples of a training's test were taken for.
func Confusion(r run.Result, title string) (plots.Figure, error) {
	t, ok := r.Table(train.ConfusionTable)
	if !ok || len(t.Epochs) == 0 {
		return plots.Figure{}, NoData("expected a training on sound, whose test is counted by class, found none")
	}
	m := plots.ConfusionMatrix{Classes: t.Rows}
	for _, row := range t.Last().Values {
		counts := make([]int, len(row))
		for i, n := range row {
			counts[i] = int(n)
		}
		m.Counts = append(m.Counts, counts)
	}
	return plots.Confusion(m, title)
}

func drawConfusions(s Source) ([]Named, error) {
	var out []Named
	var why error = NoData("expected a training, found none")
	for _, r := range s.Trainings {
		f, err := Confusion(r, "Confusion: "+name(r))
		if none := NoData(""); errors.As(err, &none) {
			why = none
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name(r), err)
		}
		stem := "confusion"
		if s.Evidence {
			stem += "-" + folder(r)
		}
		out = append(out, Named{stem, name(r), f})
	}
	if len(out) == 0 {
		return nil, why
	}
	return out, nil
}

// Detections are the curves of trainings on words, those of a label that differ in their seed alone together. A title stands
// for the runs of a label.
func Detections(list ...run.Result) ([]plots.Detection, error) {
	groups, why := grouped(list, func(r run.Result) error {
		if r.ROC == nil {
			return NoData("expected a training on words, whose detection is measured, found none")
		}
		return nil
	}, func(r run.Result) string { return r.Spec.Label() })
	var out []plots.Detection
	for _, runs := range groups {
		d := plots.Detection{Name: title(runs[0]), FalseAlarms: runs[0].ROC.FalseAlarms}
		for _, r := range runs {
			if !slices.Equal(r.ROC.FalseAlarms, d.FalseAlarms) {
				return nil, fmt.Errorf("%s: expected the rates of false alarms of %s", name(r), name(runs[0]))
			}
			d.FalseRejects = append(d.FalseRejects, r.ROC.FalseRejects)
		}
		out = append(out, d)
	}
	switch {
	case len(out) > 0:
		return out, nil
	case why != nil:
		return nil, why
	}
	return nil, NoData("expected a training, found none")
}

func drawDetection(s Source) ([]Named, error) {
	d, err := Detections(s.Trainings...)
	if err != nil {
		return nil, err
	}
	of := "profile " + s.Profile
	f, err := plots.Detections(d, "Detection of words, "+of)
	return []Named{{"detection", of, f}}, err
}
