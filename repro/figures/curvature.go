package figures

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/plots"
)

// Eigenvalues are the largest eigenvalues over the epochs of searches whose logs have them: a series for each label, in it
// all of its seeds.
func Eigenvalues(list ...run.Result) ([]plots.SpreadSeries, error) {
	out, err := overEpochs(diff.Eigenvalue, list)
	if err == nil && len(out) == 0 {
		err = NoData("expected a search whose log has eigenvalues (variant curvature, or curvature in its configuration), found none")
	}
	return out, err
}

func drawEigenvalues(s Source) ([]Named, error) {
	series, err := Eigenvalues(s.Searches...)
	if err != nil {
		return nil, err
	}
	of := "profile " + s.Profile
	f, err := plots.Spreads(series, "largest eigenvalue", "Largest eigenvalue of the Hessian: "+of)
	return []Named{{"eigenvalue", of, f}}, err
}

func hasLandscape(r run.Result) error {
	if r.Landscape == nil {
		return NoData("expected a search whose landscape was measured (gonas landscape RUN), found none")
	}
	return nil
}

// Landscapes are those of searches, accuracies in percent.
func Landscapes(list ...run.Result) ([]plots.LandscapeMap, error) {
	if err := each(list, hasLandscape); err != nil {
		return nil, err
	}
	called := names(list, title, titleAndSeed)
	var out []plots.LandscapeMap
	for i, r := range list {
		l := r.Landscape
		m := plots.LandscapeMap{Name: called[i], Axis: l.Axis, Loss: l.Loss}
		for _, row := range l.Accuracy {
			m.Accuracy = append(m.Accuracy, percent(row))
		}
		out = append(out, m)
	}
	return out, nil
}

// lastLandscape takes the landscape that was measured last in a run folder in the place of the result's own.
func lastLandscape(dir string, r *run.Result) error {
	if _, err := os.Stat(filepath.Join(dir, run.CheckpointFile)); errors.Is(err, fs.ErrNotExist) {
		return nil // a landscape stands behind a checkpoint
	}
	l, err := run.LoadStage[*run.Landscape](dir, run.LandscapeFile)
	if err != nil || l == nil || len(l.Loss) < len(l.Axis) { // it goes on
		return err
	}
	r.Landscape = l
	if err := l.Validate(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, run.LandscapeFile), err)
	}
	return nil
}
