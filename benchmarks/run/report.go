package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gonas/gonas/internal/atomicfile"
)

// report is a whole comparison: what results/*.json holds.
type report struct {
	Benchmark string `json:"benchmark"`
	Date      string `json:"date"`
	// Complete is false when the run was stopped early.
	Complete bool    `json:"complete"`
	Machine  machine `json:"machine"`
	// Network names what is computed.
	Network   string    `json:"network"`
	Threads   int       `json:"threads"`
	Warmup    int       `json:"warmup_steps"`
	Allocator []string  `json:"allocator"`
	Backends  []string  `json:"backends"`
	Bars      []bar     `json:"bars"`
	Summaries []summary `json:"summaries"`
	Samples   []sample  `json:"samples"`
}

// table draws the rows under their headings as Markdown.
func table(headings []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(headings)
	rule := make([]string, len(headings))
	for i := range rule {
		rule[i] = "---"
	}
	line(rule)
	for _, r := range rows {
		line(r)
	}
	return b.String()
}

// number prints v with three significant digits or so; a dash for what was not measured.
func number(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// report is the beginning of a suite's.
func (o options) report(benchmark string) report {
	return report{Benchmark: benchmark, Date: today(), Machine: describeMachine(o.Root), Threads: o.Threads, Warmup: o.Warmup, Allocator: allocator}
}

// markdown is the report for people.
func (r report) markdown() string {
	text := r.Network + " One step is Adam on the architecture, then clipped SGD on the weights, each with its own batch."
	return r.page("DARTS search step", text, "") + fmt.Sprintf("\n## Bars (batch %d)\n\n%s", barBatch, barTable(r.Bars))
}

// page is the report without its bars, under a title; text says what is compared, note what else is to know of the numbers.
func (r report) page(title, text, note string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s beside PyTorch, %s\n\n", title, r.Date)
	if !r.Complete {
		b.WriteString("Stopped before the end: what follows is what was measured until then.\n\n")
	}
	times := fmt.Sprintf("Processes of all contenders take turns; times are medians over all their timed steps (%d step(s) of warm-up after "+
		"the first), in seconds; memory is the largest resident size in MiB. %s", r.Warmup, note)
	fmt.Fprintf(&b, "%s %s\n\n", text, strings.TrimSpace(times))
	fmt.Fprintf(&b, "%s %d threads for each side; %s.\n", r.Machine.sentence(), r.Threads, strings.Join(r.Allocator, " "))
	fmt.Fprintf(&b, "Backends: %s.\n%s", strings.Join(r.Backends, "; "), r.load())
	var batches []int
	for _, s := range r.Summaries {
		if !slices.Contains(batches, s.Batch) {
			batches = append(batches, s.Batch)
		}
	}
	for _, batch := range batches {
		fmt.Fprintf(&b, "\n## Batch %d\n\n%s", batch, r.times(batch))
	}
	return b.String()
}

// times is the table of the contenders of a batch size. When nothing compiles any more is in it where processes told.
func (r report) times(batch int) string {
	told := slices.ContainsFunc(r.Summaries, func(s summary) bool { return s.ReadyCold > 0 })
	ready := func(x string) []string {
		if told {
			return []string{x}
		}
		return nil
	}
	over := func(s summary, name string) string {
		other := named(r.Summaries, name, batch)
		if other == nil || s.Part {
			return "–"
		}
		return number(s.Step / other.Step)
	}
	var rows [][]string
	for _, s := range r.Summaries {
		if s.Batch != batch {
			continue
		}
		compile, load := "–", "–"
		if s.Framework == "gonas" {
			if s.FirstCold > 0 {
				compile = fmt.Sprintf("%s, %s summed (%d)", number(s.CompileCold), number(s.CompileSum), s.Compilations)
			}
			load = number(s.Load)
		}
		rows = append(rows, slices.Concat(
			[]string{s.Name, number(s.Step), number(s.Quickest) + "–" + number(s.Slowest), over(s, "torch default"), over(s, "torch channels_last"), number(s.FirstCold)},
			ready(number(s.ReadyCold)), []string{number(s.First), compile, load, number(s.CPU), number(s.PeakCold), number(s.Peak)}))
	}
	return table(slices.Concat([]string{"", "step", "range", "/ default", "/ channels-last", "first call, cold"}, ready("nothing compiles any more, cold"),
		[]string{"first call, cached or no compiler", "compiling, cold (programs)", "loading, cached", "CPU-s a step", "peak, cold", "peak"}), rows)
}

// load is a line on the load averages when the processes started, empty where the system does not tell.
func (r report) load() string {
	low, high := -1.0, -1.0
	for _, s := range r.Samples {
		if s.Busy >= 0 && (low < 0 || s.Busy < low) {
			low = s.Busy
		}
		high = max(high, s.Busy)
	}
	if high < 0 {
		return ""
	}
	return fmt.Sprintf("Load average when the processes started: %.1f to %.1f (includes the process before).\n", low, high)
}

// barTable draws bars with what was measured.
func barTable(bars []bar) string {
	var rows [][]string
	for _, x := range bars {
		value, unit := number(x.Value), ""
		if x.Unit != "" {
			unit = " " + x.Unit
		}
		limit := fmt.Sprintf("%g%s", x.Limit, unit)
		if x.Goal > 0 {
			limit += fmt.Sprintf(" (goal %g)", x.Goal)
		}
		status := x.Status
		switch {
		case x.Status == "not run":
			value, status = "–", "not run: lacks "+x.Reason
		case x.Limit == 0:
			value = fmt.Sprintf("%g", x.Value)
		default:
			value += unit
		}
		rows = append(rows, []string{x.What, value, limit, status})
	}
	return table([]string{"", "measured", "at most", ""}, rows)
}

// finish keeps a report in folder as benchmark-date.json and .md, in the place of one of the same day, and prints it.
func finish(r interface{ markdown() string }, folder, benchmark, date string, out, log io.Writer) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text := r.markdown()
	for _, file := range []struct {
		suffix  string
		content []byte
	}{{".json", append(data, '\n')}, {".md", []byte(text)}} {
		path := filepath.Join(folder, benchmark+"-"+date+file.suffix)
		if err := atomicfile.WriteBytes(path, 0o644, file.content); err != nil {
			return err
		}
		fmt.Fprintln(log, "wrote", path)
	}
	_, err = fmt.Fprint(out, text)
	return err
}

// today is the date that names a result.
func today() string { return time.Now().Format(time.DateOnly) }
