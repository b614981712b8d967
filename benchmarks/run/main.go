// Command run compares one bilevel search step of the DARTS supernet, a strict-fair step of FairNAS, a search step of ROME, and
// the evaluation of four networks of the zoo, with the same networks in PyTorch, convolutions of sound with PyTorch's, NSGA-II
// with pymoo's, and the audio front end with torchaudio's, on this machine and in one run, and writes the results to
// benchmarks/results:
//
//	go run ./benchmarks/run            (or: make bench)
//	go run ./benchmarks/run -suite inference
//
// It starts processes of all contenders in turn, so that a slow spell of the machine hits them alike. Each
// granularity of ours starts once with an empty compile cache (cold) and then again with what that left (cached).
// PyTorch, pymoo and torchaudio live in environments of their own, .venv-torch, .venv-pymoo and .venv-torchaudio, which are
// made when they are missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	settings
	Rounds        int
	Batches       []int
	Granularities []string
	Formats       []string
	Root          string
	Binary        string
	// Self is this program, which is also our side of the suites fairnas, rome and unidirectional.
	Self     string
	TorchDir string
	PymooDir string
	// TorchaudioDir is the environment of the suite audio.
	TorchaudioDir string
	Out           string
	Golden        string
	OursOnly      bool
	Strict        bool
	Suites        []string
	// Seeds of the NSGA-II suite are 1 to Seeds.
	Seeds int
}

// suiteNames are the comparisons, in the order of the report's folder.
var suiteNames = []string{"audio", "darts-step", "fairnas", "inference", "nsga2", "rome", "unidirectional"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	processes := map[string]func(context.Context, []string, io.Writer) error{
		fairnasStepName: fairnasProcess, romeStepName: romeProcess, soundWorkerName: soundWorker, dartsStepName: dartsProcess, doctorName: doctorProcess, audioFeaturesName: audioProcess, zooName: zooProcess, gpuCheckName: gpuCheck,
	}
	if len(os.Args) > 1 {
		if process, ok := processes[os.Args[1]]; ok {
			exit(process(ctx, os.Args[2:], os.Stdout), stop)
			return
		}
	}
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = bench(ctx, o, os.Stdout, os.Stderr)
	}
	exit(err, stop)
}

// exit ends the program with 1 where there is an error.
func exit(err error, stop func()) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func parseOptions(args []string, usage io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	f.SetOutput(usage)
	f.IntVar(&o.Rounds, "rounds", 3, "processes of each contender after the cold one")
	f.IntVar(&o.Steps, "steps", 3, "timed steps of a process")
	f.IntVar(&o.Warmup, "warmup", 1, "steps of a process between the first and the timed ones")
	f.IntVar(&o.Threads, "threads", runtime.NumCPU(), "processors for each side")
	batches := f.String("batch", "16,64", "batch sizes")
	granularities := f.String("granularity", "network,cell,edge", "granularities of ours")
	formats := f.String("format", "default,channels_last", "memory formats of PyTorch")
	suites := f.String("suite", strings.Join(suiteNames, ","), "what to compare: "+strings.Join(suiteNames, ", "))
	f.IntVar(&o.Seeds, "seeds", fewestSeeds, "seeds of the suite nsga2")
	f.StringVar(&o.Binary, "gonas", "", "our binary (default bin/gonas in the checkout)")
	f.StringVar(&o.TorchDir, "torch", "", "PyTorch's environment (default .venv-torch in the checkout)")
	f.StringVar(&o.PymooDir, "pymoo", "", "pymoo's environment (default .venv-pymoo in the checkout)")
	f.StringVar(&o.TorchaudioDir, "torchaudio", "", "torchaudio's environment (default .venv-torchaudio in the checkout)")
	f.StringVar(&o.Out, "out", "", "folder for the results (default benchmarks/results in the checkout)")
	f.StringVar(&o.Golden, "golden", os.Getenv("GONAS_GOLDEN"), "reference numbers that PyTorch's network is first compared with")
	f.BoolVar(&o.OursOnly, "ours", false, "measure ours alone")
	f.BoolVar(&o.Strict, "strict", false, "exit with 1 when a bar is missed or was not run")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.Suites = list(*suites)
	for _, s := range o.Suites {
		if !slices.Contains(suiteNames, s) {
			return o, fmt.Errorf("-suite: expected some of %s, got %q", strings.Join(suiteNames, ", "), s)
		}
	}
	o.Granularities, o.Formats = list(*granularities), list(*formats)
	if o.OursOnly {
		o.Formats = nil
	}
	for _, s := range list(*batches) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 2 {
			return o, fmt.Errorf("-batch: expected numbers of at least 2, got %q", s)
		}
		o.Batches = append(o.Batches, n)
	}
	for _, s := range o.Granularities {
		if !slices.Contains([]string{"network", "cell", "edge"}, s) {
			return o, fmt.Errorf("-granularity: expected network, cell or edge, got %q", s)
		}
	}
	for _, s := range o.Formats {
		if !slices.Contains([]string{"default", "channels_last"}, s) {
			return o, fmt.Errorf("-format: expected default or channels_last, got %q", s)
		}
	}
	if o.Rounds < 1 || o.Steps < 1 || o.Warmup < 0 || o.Seeds < 1 {
		return o, errors.New("-rounds, -steps and -seeds must be at least 1, -warmup at least 0")
	}
	if len(o.Batches) == 0 || len(o.Granularities)+len(o.Formats) == 0 {
		return o, errors.New("nothing to measure: no batch size or no contender")
	}
	if o.Threads < 1 || o.Threads > runtime.NumCPU() {
		return o, fmt.Errorf("-threads: expected 1 to %d, got %d", runtime.NumCPU(), o.Threads)
	}
	o.Pinned = o.Threads < runtime.NumCPU()
	return o, nil
}

// list splits at commas and drops what is empty.
func list(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(x string) bool { return x == "" })
}

// moduleRoot is the folder of the go.mod at or above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("no go.mod at or above %s: run inside the checkout", dir)
		}
	}
}

// complete fills in the places that depend on the checkout and makes sure that the programs exist.
func (o *options) complete() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	o.Root = root
	if o.Self == "" {
		if o.Self, err = os.Executable(); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		path     *string
		fallback string
	}{{&o.Binary, "bin/gonas"}, {&o.TorchDir, ".venv-torch"}, {&o.PymooDir, ".venv-pymoo"}, {&o.TorchaudioDir, ".venv-torchaudio"}, {&o.Out, "benchmarks/results"}} {
		if *p.path == "" {
			*p.path = filepath.Join(root, filepath.FromSlash(p.fallback))
		}
		if *p.path, err = filepath.Abs(*p.path); err != nil {
			return err
		}
	}
	// The suite audio is this program's own.
	if len(o.Granularities) > 0 && !slices.Equal(o.Suites, []string{"audio"}) {
		if _, err := os.Stat(o.Binary); err != nil {
			return fmt.Errorf("%w: build it first (make build)", err)
		}
	}
	if o.Pinned {
		if _, err := exec.LookPath("taskset"); err != nil {
			return fmt.Errorf("-threads below the machine's %d needs taskset (util-linux): %w", runtime.NumCPU(), err)
		}
	}
	return nil
}

// bench runs everything and writes the report; the table goes to out, progress to log.
func bench(ctx context.Context, o options, out, log io.Writer) error {
	if err := o.complete(); err != nil {
		return err
	}
	if slices.Contains(o.Suites, "nsga2") {
		if err := nsga2(ctx, o, out, log); err != nil {
			return err
		}
	}
	if slices.Contains(o.Suites, "audio") {
		if err := audioSuite(ctx, o, out, log); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(o.Suites, func(s string) bool { return s != "nsga2" && s != "audio" }) {
		return nil
	}

	scripts := filepath.Join(o.Root, "benchmarks", "torch")
	script := filepath.Join(scripts, "darts_step.py")
	python := ""
	if len(o.Formats) > 0 {
		var err error
		if python, err = torchEnvironment(o.TorchDir, filepath.Join(scripts, "requirements.txt")).python(ctx, log); err != nil {
			return err
		}
		// The suites fairnas, rome and unidirectional compare both sides themselves.
		if slices.Contains(o.Suites, "darts-step") || slices.Contains(o.Suites, "inference") {
			if o.Golden == "" {
				fmt.Fprintln(log, "PyTorch's network is not compared with reference numbers: neither -golden nor GONAS_GOLDEN is set")
			} else if text, err := exec.CommandContext(ctx, python, script, "--check", o.Golden).CombinedOutput(); err != nil {
				return fmt.Errorf("PyTorch's network does not compute the reference numbers: %w\n%s", err, text)
			}
		}
	}

	for _, s := range []struct {
		name string
		run  func(ctx context.Context, o options, python string, out, log io.Writer) error
	}{{"fairnas", fairnasSuite}, {"rome", romeSuite}, {"unidirectional", soundSuite}, {"inference", inference}} {
		if !slices.Contains(o.Suites, s.name) {
			continue
		}
		if err := s.run(ctx, o, python, out, log); err != nil {
			return err
		}
	}
	if !slices.Contains(o.Suites, "darts-step") {
		return nil
	}

	caches, err := os.MkdirTemp("", "gonas-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(caches)

	r := o.report("darts-step")
	r.Network = "The full DARTS supernet: 8 cells, 16 channels, images of 32×32, 1,930,618 weights."
	runErr := func() error {
		for _, batch := range o.Batches {
			var contenders []contender
			for _, g := range o.Granularities {
				// Each its own folder, so that a cold start finds nothing of another granularity.
				cache := filepath.Join(caches, fmt.Sprintf("%s-%d", g, batch))
				if err := os.Mkdir(cache, 0o700); err != nil {
					return err
				}
				contenders = append(contenders, gonasContender(o.Binary, g, batch, cache, o.settings))
			}
			for _, f := range o.Formats {
				contenders = append(contenders, torchContender(python, script, f, batch, o.settings))
			}
			if err := o.interleave(ctx, contenders, &r, log); err != nil {
				return err
			}
		}
		return nil
	}()
	r.Complete = runErr == nil
	if len(r.Samples) == 0 {
		return runErr
	}
	r.Bars = bars(r.Summaries)
	return o.conclude(r, r.Benchmark, r.Date, r.Bars, runErr, out, log)
}

// conclude keeps and prints a suite's report and returns how it went: runErr, or with Strict the first bar missed.
func (o options) conclude(r interface{ markdown() string }, benchmark, date string, bars []bar, runErr error, out, log io.Writer) error {
	if err := finish(r, o.Out, benchmark, date, out, log); err != nil {
		return errors.Join(runErr, err)
	}
	if runErr == nil && o.Strict {
		return firstMissed(bars)
	}
	return runErr
}

// firstMissed is an error if a bar is missed or was not run.
func firstMissed(bars []bar) error {
	if i := slices.IndexFunc(bars, func(b bar) bool { return b.Status != "met" }); i >= 0 {
		return fmt.Errorf("bar %s: %q", bars[i].Status, bars[i].What)
	}
	return nil
}

// interleave runs the contenders of one batch size: ours cold in round 0, then all of them in turn. What was
// measured is added to r even when a later process fails.
func (o options) interleave(ctx context.Context, contenders []contender, r *report, log io.Writer) error {
	samples := make([][]sample, len(contenders))
	defer func() {
		for i, c := range contenders {
			if len(samples[i]) > 0 {
				r.Summaries = append(r.Summaries, summarise(c, samples[i]))
			}
		}
	}()
	for round := range o.Rounds + 1 {
		for i := range contenders {
			// Every other round goes backwards, so that nobody always follows the same neighbour.
			if round%2 == 1 {
				i = len(contenders) - 1 - i
			}
			c := contenders[i]
			cache := ""
			if c.Framework == "gonas" {
				cache = "cached"
				if round == 0 {
					cache = "cold"
				}
			} else if round == 0 {
				continue
			}
			s, err := c.run(ctx, log)
			if err != nil {
				return err
			}
			s.Cache, s.Round = cache, round
			fmt.Fprintf(log, "round %d/%d, batch %d, %s %s: first call %.2f s, step %.2f s, %.0f MiB\n",
				round, o.Rounds, c.Batch, c.Name, cache, s.FirstCall, median(s.Steps), s.PeakRSS)
			samples[i] = append(samples[i], s)
			r.Samples = append(r.Samples, s)
			if b := s.Backend; b != "" && !slices.Contains(r.Backends, b) {
				r.Backends = append(r.Backends, b)
			}
		}
	}
	return nil
}
