package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/gonas/gonas/internal/regular"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// WriteResult writes what a run gave: metrics.csv, tables.csv where it has tables, genotype.json and network.json where
// something was derived, and result.json. result.json comes last, so that where it is the others are.
func WriteResult(dir string, r run.Result) error {
	if err := r.Validate(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, ResultFile), err)
	}
	metrics := [][]string{r.Log.Columns}
	for _, row := range r.Log.Rows {
		line := make([]string, len(row))
		for i, x := range row {
			line[i] = number(x)
		}
		metrics = append(metrics, line)
	}
	steps := []func() error{func() error { return writeCSV(dir, MetricsFile, metrics) }}
	if len(r.Tables) > 0 {
		steps = append(steps, func() error { return writeCSV(dir, TablesFile, tables(r)) })
	}
	if r.Genotype != nil {
		steps = append(steps, func() error { return writeJSON(dir, GenotypeFile, r.Genotype, true) })
	}
	if r.Network != nil {
		steps = append(steps, func() error { return writeJSON(dir, NetworkFile, r.Network, true) })
	}
	return inOrder(append(steps, func() error { return writeJSON(dir, ResultFile, r, false) })...)
}

// tables has a line for each number of a result's tables.
func tables(r run.Result) [][]string {
	out := [][]string{{"table", "epoch", "row", "column", "value", "weight"}}
	for _, t := range r.Tables {
		for _, s := range t.Epochs {
			for row, values := range s.Values {
				for k, v := range values {
					weight := ""
					if s.Weights != nil {
						weight = number(s.Weights[row][k])
					}
					out = append(out, []string{t.Name, strconv.Itoa(s.Epoch), t.Rows[row], t.Ops(row)[k], number(v), weight})
				}
			}
		}
	}
	return out
}

// ReadResult reads a run's result.json. Where there is none the error is fs.ErrNotExist.
func ReadResult(dir string) (run.Result, error) {
	r, err := readJSON[run.Result](dir, ResultFile)
	if err != nil {
		return r, err
	}
	if err := r.Validate(); err != nil {
		return r, fmt.Errorf("%s: %w", filepath.Join(dir, ResultFile), err)
	}
	return r, nil
}

// inOrder stops at the first step that fails, so that a result never stands without what comes before it.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Config is the contents of config.json: all that a run needs to go on.
type Config struct {
	run.Spec
	// Note says how the run departs from the paper.
	Note string `json:"note"`
	// DataDir is the absolute path of the data folder, empty for embedded data.
	DataDir string `json:"data_dir,omitempty"`
	// Classes is the order of a folder's classes where it was given, SkipDamaged says that images which cannot be read are left
	// out.
	Classes     []string `json:"classes,omitempty"`
	SkipDamaged bool     `json:"skip_damaged,omitempty"`
}

// WriteConfig writes config.json.
func WriteConfig(dir string, c Config) error { return writeJSON(dir, ConfigFile, c, true) }

// ReadConfig reads config.json; unknown fields are errors.
func ReadConfig(dir string) (Config, error) {
	var c Config
	path := filepath.Join(dir, ConfigFile)
	text, err := regular.Read(path, regular.Settings)
	if err != nil {
		return c, err
	}
	if err := method.Decode(path, text, &c); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Verdicts are the contents of verdicts.json.
type Verdicts struct {
	Profile claims.Profile `json:"profile"`
	// Papers are those whose claims were decided; empty for all.
	Papers []string `json:"papers,omitempty"`
	// Files are the SHA-256 of the records, logs and results that the verdicts rest on, by path inside the folder.
	Files map[string]string `json:"files,omitempty"`
	// Claims are the SHA-256 of the claims' records, by id.
	Claims   map[string]string `json:"claims,omitempty"`
	Verdicts []verdict.Verdict `json:"verdicts"`
}

// rawFiles are the files of a run that say what it was, what happened and what came out.
var rawFiles = []string{ConfigFile, RunFile, EventsFile, MetricsFile, ResultFile, GenotypeFile, NetworkFile, TablesFile}

// HashFiles returns the SHA-256 of run.json and of the records, logs and results of all runs below dir/search and
// dir/train, by path inside dir, with slashes. Folders of runs that have no result are left out: they are not finished.
func HashFiles(dir string) (map[string]string, error) {
	out := map[string]string{}
	hash := func(path string) error {
		sum, err := HashFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(inside)] = sum
		return nil
	}
	if err := hash(filepath.Join(dir, RunFile)); err != nil {
		return nil, err
	}
	for _, kind := range []string{run.Search, run.Train} {
		results, err := filepath.Glob(filepath.Join(dir, kind, "*", ResultFile))
		if err != nil {
			return nil, err
		}
		for _, result := range results {
			for _, name := range rawFiles {
				if err := hash(filepath.Join(filepath.Dir(result), name)); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// WriteVerdicts writes verdicts.json.
func WriteVerdicts(dir string, v Verdicts) error { return writeJSON(dir, VerdictsFile, v, true) }

// ReadVerdicts reads verdicts.json.
func ReadVerdicts(dir string) (Verdicts, error) { return readJSON[Verdicts](dir, VerdictsFile) }
