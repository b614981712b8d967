package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
)

type runsCmd struct {
	List    runsListCmd    `cmd:"" default:"withargs" help:"List the runs below a folder: what they are, how far they are, what they found."`
	Show    runsShowCmd    `cmd:"" help:"Show a run: its configuration, its last numbers, what it found."`
	Compare runsCompareCmd `cmd:"" help:"Show in which fields two runs differ, and their numbers side by side."`
}

// States of a run.
const (
	stateEnded   = "ended"
	stateStopped = "stopped" // or going on: its folder does not say
	stateBegun   = "no epoch"
	stateBroken  = "unreadable"
)

// runRow is a run of a list.
type runRow struct {
	Dir     string  `json:"dir"`
	Run     string  `json:"run,omitempty"`
	Command string  `json:"command,omitempty"`
	Profile string  `json:"profile,omitempty"`
	Seed    *uint64 `json:"seed,omitempty"`
	Data    string  `json:"data,omitempty"`
	State   string  `json:"state"`
	// Epochs are those that the log has, of a run that has ended or whose events can be read.
	Epochs  int        `json:"epochs"`
	Numbers run.Values `json:"numbers,omitempty"`
	Problem string     `json:"problem,omitempty"`
}

// readRow reads what a list says of a run folder.
func readRow(dir string) (runRow, run.Result) {
	row := runRow{Dir: dir}
	c, err := evidence.ReadConfig(dir)
	if err != nil {
		row.State, row.Problem = stateBroken, oneLine(err)
		return row, run.Result{}
	}
	row.Run, row.Command, row.Profile, row.Seed, row.Data = c.Label(), c.Command, c.Profile, &c.Seed, c.Spec.Data.String()
	r, err := evidence.ReadResult(dir)
	switch {
	case err == nil:
		row.State, row.Epochs, row.Numbers = stateEnded, len(r.Log.Rows), r.Numbers
		if len(r.Log.Rows) > 0 && c.Command == run.Search {
			for _, name := range []string{"val_accuracy", "train_accuracy"} {
				if number, ok := r.Log.Row(-1).Get(name); ok {
					row.Numbers = append(slices.Clone(row.Numbers), run.Value{Name: name, Number: number})
				}
			}
		}
		return row, r
	case !errors.Is(err, fs.ErrNotExist):
		row.State, row.Problem = stateBroken, oneLine(err)
		return row, r
	}
	row.State = stateBegun
	if events, err := evidence.ReadEvents(dir); err == nil {
		for _, e := range events {
			if e.Kind == run.EventCheckpoint {
				row.Epochs++
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, run.CheckpointFile)); err == nil {
		row.State = stateStopped
	}
	return row, r
}

// key are the numbers of a run that a line has room for.
func (r runRow) key() string {
	var parts []string
	for _, v := range r.Numbers {
		if v.Name != "steps" && len(parts) < 3 {
			parts = append(parts, fmt.Sprintf("%s %.4g", strings.ReplaceAll(v.Name, "_", " "), v.Number))
		}
	}
	return cmp.Or(r.Problem, strings.Join(parts, ", "), "–")
}

type runsListCmd struct {
	Dir  string `arg:"" optional:"" default:"runs" help:"Folder below which runs are looked for (default: runs)."`
	JSON bool   `help:"Print JSON."`
}

// mostNested is how deep run folders are looked for: those of evidence lie in search and train.
const mostNested = 4

func (c runsListCmd) Run(a *app) error {
	rows := []runRow{}
	var look func(dir string, depth int) error
	look = func(dir string, depth int) error {
		if _, err := os.Lstat(filepath.Join(dir, evidence.ConfigFile)); err == nil {
			row, _ := readRow(dir)
			rows = append(rows, row)
			return nil
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.IsDir() && depth < mostNested && !strings.HasPrefix(e.Name(), ".") {
				if err := look(filepath.Join(dir, e.Name()), depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := look(c.Dir, 0); err != nil {
		return fmt.Errorf("runs: expected a folder with runs: %w", err)
	}
	if c.JSON {
		return writeJSON(a.stdout, rows)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintf(a.stdout, "no runs below %s\n", c.Dir)
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "folder\trun\tprofile\tseed\tstate\tepochs\tnumbers")
	for _, r := range rows {
		what, seed := r.Run, "–"
		if r.Command == run.Train {
			what = "training " + what
		}
		if r.Seed != nil {
			seed = fmt.Sprint(*r.Seed)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Dir, cmp.Or(what, "–"), cmp.Or(r.Profile, "–"), seed, r.State, r.Epochs, r.key())
	}
	return w.Flush()
}

type runsShowCmd struct {
	Dir  string `arg:"" help:"Run folder."`
	JSON bool   `help:"Print JSON."`
}

func (c runsShowCmd) Run(a *app) error {
	config, err := evidence.ReadConfig(c.Dir)
	if err != nil {
		return err
	}
	row, result := readRow(c.Dir)
	if c.JSON {
		return writeJSON(a.stdout, struct {
			runRow
			Config evidence.Config `json:"config"`
		}{row, config})
	}
	announce(a.stdout, config, c.Dir)
	fmt.Fprintf(a.stdout, "%s\n%s, %d epochs\n", config.Note, row.State, row.Epochs)
	if row.Problem != "" {
		fmt.Fprintln(a.stdout, row.Problem)
	}
	switch row.State {
	case stateEnded:
		report := reportSearch
		if config.Command == run.Train {
			report = reportTraining
		}
		if err := report(a.stdout, c.Dir, result); err != nil {
			return err
		}
		return showNumbers(a.stdout, []string{"number", "value"}, result.Numbers)
	case stateStopped, stateBegun:
		_, err = fmt.Fprintf(a.stdout, "go on with `gonas %s --resume %s`, if no process does\n", config.Command, shellWord(c.Dir))
	}
	return err
}

// showNumbers prints numbers of runs side by side, a row a name.
func showNumbers(out io.Writer, head []string, of ...run.Values) error {
	var names []string
	for _, values := range of {
		for _, v := range values {
			if !slices.Contains(names, v.Name) {
				names = append(names, v.Name)
			}
		}
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, name := range names {
		fmt.Fprint(w, name)
		for _, values := range of {
			if number, ok := values.Get(name); ok {
				fmt.Fprintf(w, "\t%.6g", number)
			} else {
				fmt.Fprint(w, "\t–")
			}
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

type runsCompareCmd struct {
	A    string `arg:"" help:"Run folder."`
	B    string `arg:"" help:"Another."`
	JSON bool   `help:"Print JSON."`
}

func (c runsCompareCmd) Run(a *app) error {
	var configs [2]evidence.Config
	var rows [2]runRow
	var results [2]run.Result
	for i, dir := range []string{c.A, c.B} {
		var err error
		if configs[i], err = evidence.ReadConfig(dir); err != nil {
			return err
		}
		rows[i], results[i] = readRow(dir)
	}
	differ, err := configs[0].Spec.Differences(configs[1].Spec)
	if err != nil {
		return err
	}
	same := results[0].Genotype != nil && results[1].Genotype != nil && results[0].Genotype.String() == results[1].Genotype.String()
	if c.JSON {
		return writeJSON(a.stdout, struct {
			A       runRow   `json:"a"`
			B       runRow   `json:"b"`
			Differ  []string `json:"differ"`
			SameNet bool     `json:"same_genotype"`
		}{rows[0], rows[1], differ, same})
	}
	fmt.Fprintf(a.stdout, "A: %s, %s, %d epochs\nB: %s, %s, %d epochs\n", c.A, rows[0].State, rows[0].Epochs, c.B, rows[1].State, rows[1].Epochs)
	if len(differ) == 0 {
		fmt.Fprintln(a.stdout, "the same run: no field differs")
	}
	for _, d := range differ {
		fmt.Fprintln(a.stdout, "  "+d)
	}
	if results[0].Genotype != nil && results[1].Genotype != nil {
		fmt.Fprintln(a.stdout, map[bool]string{true: "both found the same cells", false: "they found different cells"}[same])
	}
	last := func(r run.Result) run.Values {
		if len(r.Log.Rows) == 0 {
			return r.Numbers
		}
		return slices.Concat(r.Log.Row(-1), r.Numbers)
	}
	return showNumbers(a.stdout, []string{"number", "A", "B"}, last(results[0]), last(results[1]))
}
