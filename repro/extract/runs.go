// Package extract takes from raw logs what claims are decided by: it reads run folders and computes quantities of runs. It
// opens no backend.
package extract

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runs"
)

// Runs are the finished runs of an evidence folder, by label and seed.
type Runs struct {
	Search, Train map[string]map[uint64]run.Result
	// Strangers are finished runs that are not what their folder's name, the profile and the data ask for. They are left out.
	Strangers []Stranger
}

// Stranger is a run of another specification than its place in an evidence folder asks for.
type Stranger struct {
	// Dir is the run's folder inside the evidence folder, with slashes.
	Dir string `json:"dir"`
	// Differs names what differs, the run's own values first.
	Differs []string `json:"differs"`
}

// String names the folder and what differs.
func (s Stranger) String() string { return s.Dir + ": " + run.Differing(s.Differs) }

// of are the runs of a command.
func (r *Runs) of(command string) map[string]map[uint64]run.Result {
	if command == run.Search {
		return r.Search
	}
	return r.Train
}

// Load reads the runs under dir/search and dir/train, folders named <label>-seed<k>, that are what the label, the seed and
// the profile ask for on the data that dir's run.json names. A run without a result is not finished and is left out, one
// of another specification is left out and named. A result that can't be read is an error, for a verdict must not rest
// on part of the evidence.
func Load(dir string, name claims.Profile) (Runs, error) {
	out := Runs{Search: map[string]map[uint64]run.Result{}, Train: map[string]map[uint64]run.Result{}}
	if err := profile.Check(name); err != nil {
		return out, err
	}
	if _, err := os.Stat(dir); err != nil {
		return out, err
	}
	var record *evidence.Run
	// What a training trains, a search has found: searches come first.
	for _, command := range []string{run.Search, run.Train} {
		places, err := finished(filepath.Join(dir, command))
		if err != nil {
			return out, err
		}
		if len(places) > 0 && record == nil {
			r, err := evidence.ReadRun(dir)
			if err != nil {
				return out, fmt.Errorf("evidence of runs needs to say on which data they are: %w", err)
			}
			record = &r
		}
		for _, p := range places {
			data, err := dataOf(dir, *record, runs.Kind(p.label))
			if err != nil {
				return out, err
			}
			differs, err := out.stranger(p, command, name, data)
			if err != nil {
				return out, err
			}
			if differs != nil {
				out.Strangers = append(out.Strangers, Stranger{command + "/" + filepath.Base(p.dir), differs})
				continue
			}
			bySeed := out.of(command)
			if bySeed[p.label] == nil {
				bySeed[p.label] = map[uint64]run.Result{}
			}
			bySeed[p.label][p.seed] = p.result
		}
	}
	return out, nil
}

// dataOf are the data of a kind that an evidence folder's run.json names.
func dataOf(dir string, record evidence.Run, kind datasets.Kind) (datasets.Identity, error) {
	data := record.On(kind)
	if data.Name == "" {
		field := "data_set"
		if kind != datasets.KindImages {
			field = "sound_sets." + string(kind)
		}
		return data, fmt.Errorf("%s: %s: expected the data that the runs are on, found none", filepath.Join(dir, evidence.RunFile), field)
	}
	return data, nil
}

// place is a finished run in the folder of its label and seed.
type place struct {
	dir    string
	label  string
	seed   uint64
	result run.Result
}

// stranger names what makes the run in a place another one than was asked for, nil where it is the one.
func (r *Runs) stranger(p place, command string, name claims.Profile, data datasets.Identity) ([]string, error) {
	classes := 0
	if p.result.Spec.Network != nil {
		classes = p.result.Spec.Network.Classes
	}
	want, err := runs.Want(command, p.label, name, p.seed, data, classes, func() (run.Result, error) {
		found, ok := r.Search[p.label][p.seed]
		if !ok {
			return found, errors.New("the search that found what is trained is not there")
		}
		return found, nil
	})
	if err != nil {
		return []string{err.Error()}, nil
	}
	return runs.Stranger(p.dir, p.result, want)
}

var runName = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*)-seed([0-9]+)$`)

// finished are the places of a folder that have a result.
func finished(dir string) ([]place, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []place
	type key struct {
		label string
		seed  uint64
	}
	seen := map[key]bool{}
	for _, e := range entries {
		p := place{dir: filepath.Join(dir, e.Name())}
		var err error
		if p.result, err = evidence.ReadResult(p.dir); errors.Is(err, fs.ErrNotExist) || !e.IsDir() {
			continue
		}
		if err != nil {
			return nil, err
		}
		m := runName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("%s: expected a folder name <label>-seed<number>", p.dir)
		}
		p.label = m[1]
		if p.seed, err = strconv.ParseUint(m[2], 10, 64); err != nil {
			return nil, fmt.Errorf("%s: seed: %w", p.dir, err)
		}
		if seen[key{p.label, p.seed}] { // seed1 and seed01
			return nil, fmt.Errorf("%s: seed %d is there twice", p.dir, p.seed)
		}
		seen[key{p.label, p.seed}] = true
		out = append(out, p)
	}
	return out, nil
}
