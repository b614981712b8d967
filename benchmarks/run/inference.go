package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// inferenceNetworks are the networks of the inference benchmark, with their files of reference numbers.
var inferenceNetworks = map[string]string{
	"fairnas-a":   "fairnas/FairNAS_A.json",
	"moga-a":      "moga/MoGA_A.json",
	"scarlet-a":   "scarlet/SCARLET_A.json",
	"fairdarts-b": "fairdarts/FairDARTS_b.json",
}

var inferenceBatches = []int{1, 32}

// evaluation is what one process of the inference benchmark printed.
type evaluation struct {
	Framework   string    `json:"framework"`
	Backend     string    `json:"backend"`
	Network     string    `json:"network"`
	Granularity string    `json:"granularity,omitempty"`
	Format      string    `json:"memory_format,omitempty"`
	Batch       int       `json:"batch"`
	Threads     int       `json:"threads"`
	FirstCall   float64   `json:"first_call_s,omitempty"`
	Calls       []float64 `json:"call_s"`
	PeakRSS     float64   `json:"peak_rss_mb"`
	Round       int       `json:"round"`
	Busy        float64   `json:"load_average_before"`
}

func (e evaluation) variant() string { return e.Framework + " " + e.Granularity + e.Format }

// inferenceReport is what results/inference-*.json holds.
type inferenceReport struct {
	Benchmark string       `json:"benchmark"`
	Date      string       `json:"date"`
	Complete  bool         `json:"complete"`
	Machine   machine      `json:"machine"`
	Threads   int          `json:"threads"`
	Allocator []string     `json:"allocator"`
	Samples   []evaluation `json:"samples"`
}

// inference compares evaluations of networks of the zoo with PyTorch's.
func inference(ctx context.Context, o options, python string, out, log io.Writer) error {
	dir, err := os.MkdirTemp("", "gonas-inference-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(o.Root, "benchmarks", "torch", "inference.py")
	names := make([]string, 0, len(inferenceNetworks))
	for name := range inferenceNetworks {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		shown, err := exec.CommandContext(ctx, o.Binary, "zoo", "show", name).Output()
		if err != nil {
			return fmt.Errorf("gonas zoo show %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), shown, 0o600); err != nil {
			return err
		}
		if python == "" || o.Golden == "" {
			continue
		}
		reference := filepath.Join(o.Golden, filepath.FromSlash(inferenceNetworks[name]))
		if text, err := exec.CommandContext(ctx, python, script, filepath.Join(dir, name+".json"), "--check", reference, "--seconds", "0").CombinedOutput(); err != nil {
			return fmt.Errorf("PyTorch's %s does not compute the reference numbers: %w\n%s", name, err, text)
		}
	}
	r := inferenceReport{Benchmark: "inference", Date: today(), Machine: describeMachine(o.Root), Threads: o.Threads, Allocator: allocator}
	runErr := func() error {
		for round := 1; round <= o.Rounds; round++ {
			for _, name := range names {
				for _, batch := range inferenceBatches {
					contenders := o.evaluations(dir, python, script, name, batch)
					if round%2 == 0 {
						slices.Reverse(contenders)
					}
					for _, c := range contenders {
						busy := loadAverage()
						text, err := c.output(ctx, log)
						if err != nil {
							return err
						}
						var e evaluation
						if err := json.Unmarshal(text, &e); err != nil || len(e.Calls) == 0 {
							return fmt.Errorf("%s: last line of its output: expected a JSON object with call_s, got %.80q: %w", c.Name, text, err)
						}
						e.Round, e.Busy = round, busy
						r.Samples = append(r.Samples, e)
						fmt.Fprintf(log, "round %d/%d, %s, batch %d, %s: %.1f images/s\n", round, o.Rounds, name, batch, e.variant(), float64(batch)/median(e.Calls))
					}
				}
			}
		}
		return nil
	}()
	r.Complete = runErr == nil
	if len(r.Samples) == 0 {
		return runErr
	}
	if err := finish(r, o.Out, r.Benchmark, r.Date, out, log); err != nil {
		return errors.Join(runErr, err)
	}
	return runErr
}

// evaluations are the contenders for one network and batch size.
func (o options) evaluations(dir, python, script, name string, batch int) []contender {
	list := []contender{{Name: "gonas network", Command: o.pin(o.Binary, "bench", "inference", name, "--json", "--granularity", "network", "--batch", strconv.Itoa(batch))}}
	for _, format := range o.Formats {
		list = append(list, contender{Name: "torch " + format, Command: o.pin(python, script, filepath.Join(dir, name+".json"), "--json",
			"--batch", strconv.Itoa(batch), "--memory-format", format, "--threads", strconv.Itoa(o.Threads))})
	}
	return list
}

// inferenceBar is the least ratio to PyTorch's images a second, channels-last; inferenceGoal is what is aimed at.
const inferenceBar, inferenceGoal = 0.7, 1.0

// markdown is the report for people.
func (r inferenceReport) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Inference beside PyTorch, %s\n\n", r.Date)
	if !r.Complete {
		b.WriteString("Stopped before the end: what follows is what was measured until then.\n\n")
	}
	b.WriteString("Images a second in evaluation, medians over all calls of all processes, which take turns. Ours runs the whole network as one " +
		"program and copies images from the host and logits back; batch norm stays a multiplication and a sum behind each convolution, " +
		"which XLA joins with the activation, in ours as in PyTorch's networks.\n\n")
	fmt.Fprintf(&b, "%s %d threads for each side; %s.\n\n", r.Machine.sentence(), r.Threads, strings.Join(r.Allocator, " "))
	calls := map[string]map[string][]float64{}
	var keys []string
	for _, s := range r.Samples {
		key := fmt.Sprintf("%s, batch %d", s.Network, s.Batch)
		if calls[key] == nil {
			calls[key] = map[string][]float64{}
			keys = append(keys, key)
		}
		for _, t := range s.Calls {
			calls[key][s.variant()] = append(calls[key][s.variant()], float64(s.Batch)/t)
		}
	}
	var rows [][]string
	for _, key := range keys {
		speed := func(variant string) float64 {
			if len(calls[key][variant]) == 0 {
				return 0
			}
			return median(calls[key][variant])
		}
		ours, last, standard := speed("gonas network"), speed("torch channels_last"), speed("torch default")
		ratio, status := "–", "not run"
		if last > 0 {
			ratio = number(ours / last)
			switch {
			case ours/last >= inferenceGoal:
				status = "met, goal too"
			case ours/last >= inferenceBar:
				status = "met"
			default:
				status = "missed"
			}
		}
		rows = append(rows, []string{key, number(ours), number(last), number(standard), ratio, status})
	}
	b.WriteString(table([]string{"", "gonas", "torch channels-last", "torch default", "gonas / channels-last",
		fmt.Sprintf("at least %g (goal %g)", inferenceBar, inferenceGoal)}, rows))
	return b.String()
}
