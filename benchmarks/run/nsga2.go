package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/evolve"
)

// The sizes of the NSGA-II benchmark: 25,000 evaluations, those of the algorithm's paper.
const nsga2Population, nsga2Generations = 100, 250

// fewestSeeds is how many seeds a median of hypervolumes takes before its bar counts.
const fewestSeeds = 11

// nsga2Output is what one process of the NSGA-II benchmark printed: all problems with one seed.
type nsga2Output struct {
	Framework   string     `json:"framework"`
	Version     string     `json:"version"`
	Seed        int        `json:"seed"`
	Population  int        `json:"population"`
	Generations int        `json:"generations"`
	Runs        []nsga2Run `json:"runs"`
	PeakRSS     float64    `json:"peak_rss_mb"`
	Busy        float64    `json:"load_average_before"`
}

// nsga2Run is one search; times are in seconds.
type nsga2Run struct {
	Problem     string      `json:"problem"`
	Evaluations int         `json:"evaluations"`
	Seconds     float64     `json:"seconds"`
	CPU         float64     `json:"cpu_s"`
	Hypervolume float64     `json:"hypervolume"`
	Front       [][]float64 `json:"front,omitempty"`
}

// nsga2Report is what results/nsga2-*.json holds.
type nsga2Report struct {
	Benchmark string         `json:"benchmark"`
	Date      string         `json:"date"`
	Complete  bool           `json:"complete"`
	Machine   machine        `json:"machine"`
	Bars      []bar          `json:"bars"`
	Summaries []nsga2Summary `json:"summaries"`
	Samples   []nsga2Output  `json:"samples"`
}

// nsga2Summary has the medians over the seeds of one problem; Front is the hypervolume of the whole known front.
type nsga2Summary struct {
	Problem string     `json:"problem"`
	Front   float64    `json:"hypervolume_of_the_front"`
	Ours    nsga2Side  `json:"gonas"`
	Theirs  *nsga2Side `json:"pymoo,omitempty"`
}

type nsga2Side struct {
	Seeds       int     `json:"seeds"`
	Seconds     float64 `json:"seconds_median"`
	Quickest    float64 `json:"seconds_min"`
	Slowest     float64 `json:"seconds_max"`
	CPU         float64 `json:"cpu_s_median"`
	Hypervolume float64 `json:"hypervolume_median"`
	Lowest      float64 `json:"hypervolume_min"`
	Highest     float64 `json:"hypervolume_max"`
}

// nsga2 compares searches of the reference problems with pymoo's.
func nsga2(ctx context.Context, o options, out, log io.Writer) error {
	scripts := filepath.Join(o.Root, "benchmarks", "pymoo")
	python := ""
	if !o.OursOnly {
		var err error
		if python, err = pymooEnvironment(o.PymooDir, filepath.Join(scripts, "requirements.txt")).python(ctx, log); err != nil {
			return err
		}
	}
	r := nsga2Report{Benchmark: "nsga2", Date: today(), Machine: describeMachine(o.Root)}
	runErr := func() error {
		for seed := 1; seed <= o.Seeds; seed++ {
			contenders := o.searches(python, filepath.Join(scripts, "nsga2.py"), seed)
			if seed%2 == 0 {
				slices.Reverse(contenders)
			}
			for _, c := range contenders {
				busy := loadAverage()
				text, err := c.output(ctx, log)
				if err != nil {
					return err
				}
				s, err := parseNSGA2(text, c.Framework, seed)
				if err != nil {
					return fmt.Errorf("%s: %w", c.Name, err)
				}
				s.Busy = busy
				r.Samples = append(r.Samples, s)
				fmt.Fprintf(log, "seed %d/%d, %s:", seed, o.Seeds, c.Name)
				for _, run := range s.Runs {
					fmt.Fprintf(log, " %s %.3f s %.4f;", run.Problem, run.Seconds, run.Hypervolume)
				}
				fmt.Fprintln(log)
			}
		}
		return nil
	}()
	r.Complete = runErr == nil
	if len(r.Samples) == 0 {
		return runErr
	}
	r.Summaries = summariseNSGA2(r.Samples)
	r.Bars = nsga2Bars(r.Summaries)
	return o.conclude(r, r.Benchmark, r.Date, r.Bars, runErr, out, log)
}

// searches are the contenders for one seed.
func (o options) searches(python, script string, seed int) []contender {
	shared := []string{"--json", "--seed", strconv.Itoa(seed), "--population", strconv.Itoa(nsga2Population), "--generations", strconv.Itoa(nsga2Generations)}
	list := []contender{{Name: "gonas", Framework: "gonas", Command: o.pin(append([]string{o.Binary, "bench", "nsga2"}, shared...)...)}}
	if python != "" {
		list = append(list, contender{Name: "pymoo", Framework: "pymoo", Command: o.pin(append([]string{python, script}, shared...)...)})
	}
	return list
}

// parseNSGA2 reads a process's output, computes the hypervolume of each front itself, and drops the fronts.
func parseNSGA2(text []byte, framework string, seed int) (nsga2Output, error) {
	var s nsga2Output
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("last line of its output: expected a JSON object, got %.80q: %w", text, err)
	}
	if s.Framework != framework || s.Seed != seed || len(s.Runs) == 0 {
		return s, fmt.Errorf("expected runs of %s with seed %d, got %d of %q with seed %d", framework, seed, len(s.Runs), s.Framework, s.Seed)
	}
	for i := range s.Runs {
		run := &s.Runs[i]
		problem, err := evolve.LookupProblem(run.Problem)
		if err != nil {
			return s, err
		}
		volume, err := evolve.Hypervolume(run.Front, problem.Reference, problem.Objectives)
		if err != nil {
			return s, fmt.Errorf("%s: %w", run.Problem, err)
		}
		if math.Abs(volume-run.Hypervolume) > 1e-9 {
			return s, fmt.Errorf("%s: hypervolume: expected that of the front, %.12g, got %.12g", run.Problem, volume, run.Hypervolume)
		}
		if want := nsga2Population * nsga2Generations; run.Evaluations != want || !(run.Seconds > 0) {
			return s, fmt.Errorf("%s: expected %d evaluations in a positive time, got %d in %g s", run.Problem, want, run.Evaluations, run.Seconds)
		}
		run.Front = nil
	}
	return s, nil
}

// summariseNSGA2 keeps the problems in the order of evolve.Problems.
func summariseNSGA2(samples []nsga2Output) []nsga2Summary {
	side := func(framework, problem string) *nsga2Side {
		var seconds, cpu, volumes []float64
		for _, s := range samples {
			for _, run := range s.Runs {
				if s.Framework == framework && run.Problem == problem {
					seconds, cpu, volumes = append(seconds, run.Seconds), append(cpu, run.CPU), append(volumes, run.Hypervolume)
				}
			}
		}
		if len(seconds) == 0 {
			return nil
		}
		return &nsga2Side{len(seconds), median(seconds), slices.Min(seconds), slices.Max(seconds), median(cpu),
			median(volumes), slices.Min(volumes), slices.Max(volumes)}
	}
	var out []nsga2Summary
	for _, p := range evolve.Problems() {
		if ours := side("gonas", p.Name); ours != nil {
			out = append(out, nsga2Summary{p.Name, p.Hypervolume, *ours, side("pymoo", p.Name)})
		}
	}
	return out
}

// nsga2Bars are the bounds on each problem: a tenth of pymoo's time, and its hypervolume within a hundredth.
func nsga2Bars(all []nsga2Summary) []bar {
	var out []bar
	for _, s := range all {
		pair := []bar{
			{What: s.Problem + ": time / pymoo's", Limit: 0.1},
			{What: s.Problem + ": hypervolume, relative difference from pymoo's", Limit: 0.01},
		}
		for i := range pair {
			b := &pair[i]
			if s.Theirs == nil || min(s.Ours.Seeds, s.Theirs.Seeds) < fewestSeeds {
				b.Status, b.Reason = "not run", fmt.Sprintf("%d seeds on both sides", fewestSeeds)
				continue
			}
			b.Value, b.Status = s.Ours.Seconds/s.Theirs.Seconds, "met"
			if i == 1 {
				b.Value = math.Abs(s.Ours.Hypervolume/s.Theirs.Hypervolume - 1)
			}
			if b.Value > b.Limit {
				b.Status = "missed"
			}
		}
		out = append(out, pair...)
	}
	return out
}

// markdown is the report for people.
func (r nsga2Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# NSGA-II beside pymoo, %s\n\n", r.Date)
	if !r.Complete {
		b.WriteString("Stopped before the end: what follows is what was measured until then.\n\n")
	}
	fmt.Fprintf(&b, "Searches of reference problems with known fronts, %d generations of %d, with the same operators on both sides (crossover 0.9 "+
		"with index 15, mutation 1/variables with index 20), one goroutine or thread evaluating. Processes of both sides take turns, a seed "+
		"each; medians over the seeds, ranges in parentheses; hypervolumes to 1.1 in every objective.\n\n", nsga2Generations, nsga2Population)
	fmt.Fprintf(&b, "%s\n", r.Machine.sentence())
	low, high := math.Inf(1), math.Inf(-1)
	var versions []string
	for _, s := range r.Samples {
		low, high = min(low, s.Busy), max(high, s.Busy)
		if v := s.Framework + " " + strings.TrimPrefix(s.Version, s.Framework+" "); !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	fmt.Fprintf(&b, "%s. Load average when the processes started: %.1f to %.1f (includes the process before).\n\n", strings.Join(versions, "; "), low, high)
	var rows [][]string
	for _, s := range r.Summaries {
		theirs, times, volume := "–", "–", "–"
		if s.Theirs != nil {
			theirs = fmt.Sprintf("%.3f (%.3f–%.3f)", s.Theirs.Seconds, s.Theirs.Quickest, s.Theirs.Slowest)
			times = fmt.Sprintf("%.1f (processor time %.1f)", s.Theirs.Seconds/s.Ours.Seconds, s.Theirs.CPU/s.Ours.CPU)
			volume = fmt.Sprintf("%.4f (%.4f–%.4f)", s.Theirs.Hypervolume, s.Theirs.Lowest, s.Theirs.Highest)
		}
		rows = append(rows, []string{s.Problem, fmt.Sprintf("%.3f (%.3f–%.3f)", s.Ours.Seconds, s.Ours.Quickest, s.Ours.Slowest), theirs, times,
			fmt.Sprintf("%.4f (%.4f–%.4f)", s.Ours.Hypervolume, s.Ours.Lowest, s.Ours.Highest), volume, fmt.Sprintf("%.4f", s.Front)})
	}
	b.WriteString(table([]string{"", "gonas, s", "pymoo, s", "times as fast", "hypervolume, gonas", "pymoo", "whole front"}, rows))
	rows = nil
	for _, x := range r.Bars {
		value, status := fmt.Sprintf("%.4f", x.Value), x.Status
		if x.Status == "not run" {
			value, status = "–", "not run: lacks "+x.Reason
		}
		rows = append(rows, []string{x.What, value, fmt.Sprintf("%g", x.Limit), status})
	}
	fmt.Fprintf(&b, "\n## Bars\n\n%s", table([]string{"", "measured", "at most", ""}, rows))
	return b.String()
}
