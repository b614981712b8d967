// Package evidence reads and writes run folders: what a run is (config.json), what it ran on (run.json), what happened
// (events.jsonl), what it found (result.json, metrics.csv, tables.csv, genotype.json, network.json) and what was decided
// from it (verdicts.json).
//
// Files of results hold no times and no paths, so that equal runs give equal files. Every file but the log of events
// appears whole or not at all.
package evidence

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gonas/gonas/internal/atomicfile"
	"github.com/gonas/gonas/internal/regular"
	"github.com/gonas/gonas/internal/strictjson"
)

// Names of the files in a run folder.
const (
	// ConfigFile is written before anything else.
	ConfigFile   = "config.json"
	RunFile      = "run.json"
	EventsFile   = "events.jsonl"
	MetricsFile  = "metrics.csv"
	ResultFile   = "result.json"
	GenotypeFile = "genotype.json"
	NetworkFile  = "network.json"
	TablesFile   = "tables.csv"
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
	b, err := regular.Read(path, regular.Results)
	if err != nil {
		return v, err
	}
	return v, strictjson.Decode(path, b, &v)
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
func WriteFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o644, data)
}
