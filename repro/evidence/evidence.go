// Package evidence reads and writes run folders: what a run was (run.json), what happened (events.jsonl), what it
// found (result.json, genotype.json, alphas.csv, metrics.csv) and what was decided from it (verdicts.json).
//
// Files of results hold no times and no paths, so that equal runs give equal files. Every file but the log of events
// appears whole or not at all.
package evidence

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// Names of the files in a run folder.
const (
	RunFile      = "run.json"
	EventsFile   = "events.jsonl"
	MetricsFile  = "metrics.csv"
	ResultFile   = "result.json"
	GenotypeFile = "genotype.json"
	AlphasFile   = "alphas.csv"
	VerdictsFile = "verdicts.json"
)

// number prints the shortest decimal that reads back as x.
func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func writeJSON(dir, name string, v any, indent bool) error {
	var b []byte
	var err error
	if indent {
		b, err = json.MarshalIndent(v, "", "  ")
	} else {
		b, err = json.Marshal(v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	return WriteFile(filepath.Join(dir, name), append(b, '\n'))
}

func readJSON[T any](dir, name string) (T, error) {
	var v T
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return v, fmt.Errorf("%s: offset %d: %w", path, syntax.Offset, err)
		}
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func writeCSV(dir, name string, rows [][]string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	return WriteFile(filepath.Join(dir, name), b.Bytes())
}

// WriteFile makes path hold data: a reader, or a crash at any moment, meets the old contents or the new, never a part.
// It makes the folder if need be.
func WriteFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename last through a power cut, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && runtime.GOOS == "linux" {
		return err
	}
	return nil
}
