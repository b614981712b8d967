package report

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gonas/gonas/repro/evidence"
)

// Machine is what some of the runs ran on and with.
type Machine struct {
	// Files are the run.json files that say so, below the evidence folder, with slashes.
	Files []string
	Facts []Fact
	// Data has the SHA-256 of every data file.
	Data []Fact
}

// Fact is a name and what it is.
type Fact struct{ Name, Value string }

// readMachines reads run.json of the folder and of its run folders; those that differ in no more than arguments, seeds
// and times are one.
func readMachines(dir string) ([]Machine, error) {
	places := []string{"."}
	for _, kind := range folders(dir) {
		places = append(places, glob(dir, kind, "*")...)
	}
	var out []Machine
	var firsts []evidence.Run
	for _, place := range places {
		run, err := evidence.ReadRun(filepath.Join(dir, filepath.FromSlash(place)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		file := path.Join(place, evidence.RunFile)
		if i := slices.IndexFunc(firsts, func(r evidence.Run) bool { return same(r, run) }); i >= 0 {
			out[i].Files = append(out[i].Files, file)
			continue
		}
		firsts = append(firsts, run)
		out = append(out, describe(file, run))
	}
	return out, nil
}

func same(a, b evidence.Run) bool {
	return a.Version == b.Version && a.GitHash == b.GitHash && a.Dirty == b.Dirty && a.GoSumSHA256 == b.GoSumSHA256 && a.GoMLX == b.GoMLX &&
		a.XLA == b.XLA && a.XLAFlags == b.XLAFlags && a.Device == b.Device && a.Profile == b.Profile && a.Set == b.Set && maps.Equal(a.Sound, b.Sound) && maps.Equal(a.Data, b.Data)
}

func describe(file string, r evidence.Run) Machine {
	m := Machine{Files: []string{file}}
	add := func(name, value string) {
		if value != "" {
			m.Facts = append(m.Facts, Fact{name, value})
		}
	}
	commit := r.GitHash
	if r.Dirty {
		commit += ", with uncommitted changes"
	}
	add("gonas", r.Version)
	add("commit", commit)
	add("GoMLX", r.GoMLX)
	add("XLA", r.XLA)
	add("XLA_FLAGS", r.XLAFlags)
	add("device", r.Device)
	add("profile", r.Profile)
	if r.Set.Name != "" {
		add("data", r.Set.String())
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Sound)) {
		add(string(kind), r.Sound[kind].String())
	}
	add("seeds", seeds(r.Seeds))
	if len(r.Args) > 0 {
		add("command", "gonas "+strings.Join(r.Args, " "))
	}
	add("time", span(r.Start, r.End))
	if r.PeakMemory > 0 {
		add("peak memory", fmt.Sprintf("%.2f GiB", float64(r.PeakMemory)/(1<<30)))
	}
	add("go.sum, SHA-256", r.GoSumSHA256)
	for _, name := range slices.Sorted(maps.Keys(r.Data)) {
		m.Data = append(m.Data, Fact{name, r.Data[name]})
	}
	return m
}

func seeds(list []uint64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

func span(start, end time.Time) string {
	const day, clock = "2006-01-02", "15:04:05"
	if start.IsZero() {
		return ""
	}
	start = start.UTC()
	if end.IsZero() {
		return start.Format(day+" "+clock) + " UTC, not ended"
	}
	return fmt.Sprintf("%s UTC, %s long", start.Format(day+" "+clock), end.Sub(start).Round(time.Second))
}
