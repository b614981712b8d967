package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
)

// stepSuite is a comparison of one step, done by a process of ours and by a script of PyTorch's, whose losses tell whether
// both compute the same.
type stepSuite struct {
	process, script string
	// arguments are the script's, behind those that all scripts take.
	arguments []string
	batch     int
	// check refuses a sample of a step that is not of the same computation as the others'.
	check func(sample) error
	// part are arguments of the process with which it does a part of a step, timed beside the step; nil for none.
	part     []string
	partName string
	bars     func([]summary) []bar
	// title, text and profiled make the report of what was measured.
	title    string
	text     func(stepReport) string
	profiled func(profile) string
}

// stepReport is what the results of such a suite hold.
type stepReport struct {
	report
	// Parameters of the supernet, and of paths by code, on both sides.
	Parameters     int            `json:"parameters"`
	PathParameters map[string]int `json:"path_parameters,omitempty"`
	// Profile is that of a process of ours after the timed ones, nil where none ran.
	Profile *profile `json:"profile,omitempty"`

	suite stepSuite
}

// compareSteps times a step of ours, a part of it where the suite has one, and PyTorch's in each format, then profiles ours
// and keeps the report.
func (o options) compareSteps(ctx context.Context, s stepSuite, r stepReport, python string, out, log io.Writer) error {
	caches, err := os.MkdirTemp("", "gonas-"+r.Benchmark+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(caches)
	whole, err := o.ours(s, filepath.Join(caches, "whole"))
	if err != nil {
		return err
	}
	whole.Check = s.check
	contenders := []contender{whole}
	if s.part != nil {
		part, err := o.ours(s, filepath.Join(caches, "part"), s.part...)
		if err != nil {
			return err
		}
		part.Name, part.Part = "gonas, "+s.partName, true
		contenders = append(contenders, part)
	}
	for _, format := range o.Formats {
		c := torchContender(python, filepath.Join(o.Root, "benchmarks", "torch", s.script), format, s.batch, o.settings)
		c.Command, c.Check = append(c.Command, s.arguments...), s.check
		contenders = append(contenders, c)
	}
	runErr := o.interleave(ctx, contenders, &r.report, log)
	if runErr == nil {
		whole.Command = append(whole.Command, "-profile")
		var p sample
		if p, runErr = whole.run(ctx, log); runErr == nil {
			r.Profile = p.Profile
		}
	}
	r.Complete = runErr == nil
	if len(r.Samples) == 0 {
		return runErr
	}
	r.Bars, r.suite = s.bars(r.Summaries), s
	return o.conclude(r, r.Benchmark, r.Date, r.Bars, runErr, out, log)
}

// ours is a contender of ours; cache is its folder of compiled programs, made empty.
func (o options) ours(s stepSuite, cache string, arguments ...string) (contender, error) {
	command := o.pin(append([]string{o.Self, s.process, "-batch", strconv.Itoa(s.batch),
		"-steps", strconv.Itoa(o.Steps), "-warmup", strconv.Itoa(o.Warmup)}, arguments...)...)
	return contender{Name: "gonas", Framework: "gonas", Variant: nn.Edge.String(), Batch: s.batch, Command: command, Env: []string{"GONAS_CACHE_DIR=" + cache}},
		os.Mkdir(cache, 0o700)
}

// weightsFlags are the arguments of the scripts that set the weights' optimizer.
func weightsFlags(w method.WeightsConfig) []string {
	return numberFlags("--rate", w.LearningRate, "--momentum", w.Momentum, "--decay", w.WeightDecay, "--clip", w.Clip)
}

// numberFlags are arguments of names with their numbers, in turn.
func numberFlags(pairs ...any) (out []string) {
	for _, x := range pairs {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

// sameComputation makes a check that all processes train the same network: the number of parameters, where a process tells
// it, the losses of the first steps, before and after the first update, and the architecture's parameters after them, which
// may differ in a table's mean by a third of their rate (0 for none).
func sameComputation(parameters int, paths map[string]int, archRate float64) func(sample) error {
	var first *sample
	return func(s sample) error {
		if s.Framework == "torch" {
			if err := sameParameters(s, parameters, paths); err != nil {
				return err
			}
		}
		if len(s.PathLosses) < comparedSteps {
			return fmt.Errorf("path_losses: expected those of at least %d steps, got %d", comparedSteps, len(s.PathLosses))
		}
		if first == nil {
			first = &s
			return nil
		}
		if err := sameLosses(first.PathLosses[:comparedSteps], s.PathLosses); err != nil {
			return err
		}
		return sameArchitecture(first.Architecture, s.Architecture, archRate/3)
	}
}

func sameParameters(s sample, parameters int, paths map[string]int) error {
	if s.Parameters != parameters {
		return fmt.Errorf("parameters of the supernet: expected %d, got %d", parameters, s.Parameters)
	}
	for code, n := range paths {
		if s.PathParameters[code] != n {
			return fmt.Errorf("parameters of path %s: expected %d, got %d", code, n, s.PathParameters[code])
		}
	}
	return nil
}

// sameLosses compares those of the steps that want has.
func sameLosses(want, got [][]float64) error {
	const tolerance = 2e-3
	for i := range want {
		if len(got[i]) != len(want[i]) {
			return fmt.Errorf("step %d: expected %d losses, got %d", i, len(want[i]), len(got[i]))
		}
		for k, w := range want[i] {
			if !(math.Abs(got[i][k]-w) <= tolerance*math.Abs(w)) {
				return fmt.Errorf("step %d, loss %d: expected %g as the first process had, got %g", i, k, w, got[i][k])
			}
		}
	}
	return nil
}

// sameArchitecture compares tables of parameters in the mean: the first steps of Adam turn on a gradient's sign, which
// rounding decides where it is next to nothing.
func sameArchitecture(want, got [][]float64, tolerance float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("architecture: expected %d tables, got %d", len(want), len(got))
	}
	for t := range want {
		n, sum := len(want[t]), 0.0
		if len(got[t]) != n {
			return fmt.Errorf("architecture, table %d: expected %d parameters, got %d", t, n, len(got[t]))
		}
		for i, w := range want[t] {
			sum += math.Abs(got[t][i] - w)
		}
		if mean := sum / float64(n); !(mean <= tolerance) {
			return fmt.Errorf("architecture, table %d: expected parameters within %g in the mean of those of the first process, got %g", t, tolerance, mean)
		}
	}
	return nil
}

// markdown is the report for people.
func (r stepReport) markdown() string {
	var b strings.Builder
	b.WriteString(r.page(r.suite.title, r.suite.text(r), "A first call of ours begins with the making of the supernet."))
	fmt.Fprintf(&b, "\n## Bars (batch %d)\n\n%s", r.suite.batch, barTable(r.Bars))
	if r.Profile != nil {
		fmt.Fprintf(&b, "\n## Where a step's time goes\n\n%s", r.suite.profiled(*r.Profile))
	}
	return b.String()
}
