package figures

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
)

// Source are the results that figures are drawn of.
type Source struct {
	Profile string
	// Searches and Trainings are in the order of their labels and seeds.
	Searches, Trainings []run.Result
	// Evidence tells that they are of several labels and seeds, which the names of files tell apart.
	Evidence bool
	// Strangers are the runs of an evidence folder that are not what their places ask for, and are left out.
	Strangers []extract.Stranger
}

// Open reads the folder of a run, or of evidence.
func Open(dir string) (Source, error) {
	if _, err := os.Stat(dir); err != nil {
		return Source{}, err
	}
	// Only an evidence folder has folders of runs; only a run's has a result.
	r, err := evidence.ReadResult(dir)
	switch {
	case err == nil && r.Spec.Command == run.Search:
		if err := lastLandscape(dir, &r); err != nil {
			return Source{}, err
		}
		return Source{Profile: r.Spec.Profile, Searches: []run.Result{r}}, nil
	case err == nil:
		return Source{Profile: r.Spec.Profile, Trainings: []run.Result{r}}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return Source{}, err
	}
	ran, err := evidence.ReadRun(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Source{}, fmt.Errorf("%s: expected the folder of a finished run (with %s) or an evidence folder (with %s), found neither", dir, evidence.ResultFile, evidence.RunFile)
	}
	if err != nil {
		return Source{}, err
	}
	list, err := extract.Load(dir, ran.Profile)
	if err != nil {
		return Source{}, err
	}
	s := Source{Profile: ran.Profile, Searches: inOrder(list.Search), Trainings: inOrder(list.Train), Evidence: true, Strangers: list.Strangers}
	if len(s.Searches)+len(s.Trainings) == 0 {
		return s, fmt.Errorf("%s: no finished run in it", dir)
	}
	return s, nil
}

// inOrder lists runs by label and seed.
func inOrder(byLabel map[string]map[uint64]run.Result) []run.Result {
	var out []run.Result
	for _, label := range slices.Sorted(maps.Keys(byLabel)) {
		for _, seed := range slices.Sorted(maps.Keys(byLabel[label])) {
			out = append(out, byLabel[label][seed])
		}
	}
	return out
}

// folder is the name of a run's folder in an evidence folder.
func folder(r run.Result) string { return fmt.Sprintf("%s-seed%d", r.Spec.Label(), r.Spec.Seed) }

// Only leaves the search of a name such as darts-seed0.
func (s Source) Only(name string) (Source, error) {
	var names []string
	if !s.Evidence {
		return s, errors.New("expected an evidence folder, found that of a run")
	}
	for _, r := range s.Searches {
		if folder(r) == name {
			return Source{Profile: s.Profile, Searches: []run.Result{r}, Evidence: s.Evidence}, nil
		}
		names = append(names, folder(r))
	}
	if len(names) == 0 {
		return s, errors.New("expected an evidence folder with searches, found none")
	}
	return s, fmt.Errorf("expected one of %s", strings.Join(names, ", "))
}
