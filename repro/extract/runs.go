// Package extract takes from raw logs what claims are decided by: it reads run folders, computes quantities of runs,
// and makes the checks that need arithmetic alone. It opens no backend.
package extract

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
)

// Labels of runs, the first part of a run folder's name; that of a training names where its architecture is from.
const (
	LabelDARTS     = "darts"
	LabelFairDARTS = "fairdarts"
	// LabelFairDARTSNo01 is FairDARTS without the zero-one loss.
	LabelFairDARTSNo01 = "fairdarts-no01"
	// LabelFairDARTSL1 has the zero-one loss in its L1 form, LabelFairDARTSWeight1 has it with the weight 1.
	LabelFairDARTSL1      = "fairdarts-l1"
	LabelFairDARTSWeight1 = "fairdarts-w1"
	// LabelDARTSNoise is DARTS with noise on its skip connections, which fades out over the search.
	LabelDARTSNoise = "darts-noise"
	// FairNAS's supernet on NAS-Bench-Macro under strict fairness, and under the samplings that it is compared with, each
	// with as many paths trained.
	LabelFairNAS            = "fairnas-strict"
	LabelFairNASUniform     = "fairnas-uniform"
	LabelFairNASExpectation = "fairnas-expectation"
	// LabelFairNASUntrained are the supernets of LabelFairNAS before they were trained: no runs of their own.
	LabelFairNASUntrained = "fairnas-untrained"
	// LabelRandom is a random architecture; seed k stands beside the searched one of seed k.
	LabelRandom = "random"
)

// views are labels without runs of their own: what else the runs of another label hold.
var views = map[string]struct {
	of   string
	view func(search.Result) search.Result
}{
	LabelFairNASUntrained: {LabelFairNAS, func(r search.Result) search.Result {
		if k := r.Ranking; k != nil {
			r.Ranking = &search.Ranking{Codes: k.Codes, Trained: k.Untrained}
		}
		return r
	}},
}

// RunLabel is the label of the runs that a label's quantities are of.
func RunLabel(label string) string {
	if v, ok := views[label]; ok {
		return v.of
	}
	return label
}

// SearchDir is the run folder of a search in the evidence folder dir.
func SearchDir(dir, label string, seed uint64) string { return runDir(dir, "search", label, seed) }

// TrainDir is the run folder of a training from scratch in the evidence folder dir.
func TrainDir(dir, label string, seed uint64) string { return runDir(dir, "train", label, seed) }

func runDir(dir, kind, label string, seed uint64) string {
	return filepath.Join(dir, kind, fmt.Sprintf("%s-seed%d", label, seed))
}

// Runs are the finished runs of an evidence folder, by label and seed.
type Runs struct {
	Search map[string]map[uint64]search.Result
	Train  map[string]map[uint64]train.TrainResult
}

// Load reads the runs under dir/search and dir/train, folders named <label>-seed<k>. A run without a result is not
// finished and is left out. A result that can't be read, or is of another seed or profile than its place says, is an
// error, for a verdict must not rest on part of the evidence.
func Load(dir string, profile claims.Profile) (Runs, error) {
	if _, err := os.Stat(dir); err != nil {
		return Runs{}, err
	}
	s, err := load(filepath.Join(dir, "search"), profile, evidence.ReadResult, func(r search.Result) (uint64, string) { return r.Seed, r.Profile })
	if err != nil {
		return Runs{}, err
	}
	for label, bySeed := range s {
		for seed, r := range bySeed {
			if len(r.History) == 0 && r.Supernet == nil {
				return Runs{}, fmt.Errorf("%s: history: expected the parameters of every epoch, found none", filepath.Join(SearchDir(dir, label, seed), evidence.ResultFile))
			}
		}
	}
	t, err := load(filepath.Join(dir, "train"), profile, evidence.ReadTrainResult, func(r train.TrainResult) (uint64, string) { return r.Seed, r.Profile })
	return Runs{Search: s, Train: t}, err
}

var runName = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*)-seed([0-9]+)$`)

func load[T any](dir string, profile claims.Profile, read func(string) (T, error), of func(T) (seed uint64, profile string)) (map[string]map[uint64]T, error) {
	out := map[string]map[uint64]T{}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		r, err := read(path)
		if errors.Is(err, fs.ErrNotExist) || !e.IsDir() {
			continue
		}
		if err != nil {
			return nil, err
		}
		m := runName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("%s: expected a folder name <label>-seed<number>", path)
		}
		seed, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: seed: %w", path, err)
		}
		result := filepath.Join(path, evidence.ResultFile)
		if s, p := of(r); s != seed {
			return nil, fmt.Errorf("%s: seed: expected %d as the folder says, got %d", result, seed, s)
		} else if p != string(profile) {
			return nil, fmt.Errorf("%s: profile: expected %q, got %q", result, profile, p)
		}
		if out[m[1]] == nil {
			out[m[1]] = map[uint64]T{}
		}
		if _, ok := out[m[1]][seed]; ok { // seed1 and seed01
			return nil, fmt.Errorf("%s: seed %d is there twice", path, seed)
		}
		out[m[1]][seed] = r
	}
	return out, nil
}

// values are a quantity of all runs with a label, by seed.
func (r Runs) values(name, label string) (map[uint64]float64, error) {
	out := map[uint64]float64{}
	if f, ok := searchQuantities[name]; ok {
		for seed, result := range r.Search[RunLabel(label)] {
			if v, ok := views[label]; ok {
				result = v.view(result)
			}
			out[seed] = f(result)
		}
		return out, nil
	}
	if f, ok := trainQuantities[name]; ok {
		for seed, result := range r.Train[label] {
			out[seed] = f(result)
		}
		return out, nil
	}
	return nil, fmt.Errorf("quantity %q: expected one of %v", name, Quantities())
}

// Quantities lists the names of quantities that a claim may measure.
func Quantities() []string {
	return slices.Sorted(maps.Keys(kinds()))
}

// RunKind says which runs a quantity is of, search or train; empty for an unknown one.
func RunKind(quantity string) string { return kinds()[quantity] }

// kinds says of every quantity which runs it is of.
func kinds() map[string]string {
	out := map[string]string{}
	for name := range searchQuantities {
		out[name] = "search"
	}
	for name := range trainQuantities {
		out[name] = "train"
	}
	return out
}
