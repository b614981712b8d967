package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// soundFamily are cases of the suite unidirectional that have bars together.
type soundFamily struct {
	Name  string
	Cases []soundCase
}

// soundFamilies are the convolutions of networks for sound: along time or frequency on spectrograms (1912.12825), and along
// the time of frames whose coefficients are channels, depthwise and full (TC-ResNet, 1904.03814).
func soundFamilies() []soundFamily {
	var images, temporal []soundCase
	for i, k := range []int{3, 5, 7, 9} {
		tall, wide := [2]int{k, 1}, [2]int{1, k}
		large, half := [4]int{32, 64, 40, 48}, [2]int{2, 2}
		along := [][2]int{half, half}
		if i%2 == 1 {
			along = [][2]int{{2, 1}, {1, 2}}
		}
		images = append(images, soundCase{large, tall, [2]int{1, 1}, 0}, soundCase{large, wide, [2]int{1, 1}, 0},
			soundCase{large, tall, along[0], 0}, soundCase{large, wide, along[1], 0})
		for _, in := range [][4]int{{32, 16, 10, 96}, {32, 8, 5, 192}} {
			images = append(images, soundCase{in, tall, [2]int{1, 1}, 0}, soundCase{in, wide, [2]int{1, 1}, 0})
		}
		temporal = append(temporal, soundCase{[4]int{64, 98, 1, 24}, tall, [2]int{1, 1}, 0},
			soundCase{[4]int{64, 98, 1, 24}, tall, [2]int{2, 1}, 0}, soundCase{[4]int{64, 49, 1, 48}, tall, [2]int{1, 1}, 0})
	}
	full := func(frames, in, out, k, stride int) soundCase {
		return soundCase{[4]int{64, frames, 1, in}, [2]int{k, 1}, [2]int{stride, 1}, out}
	}
	return []soundFamily{
		{"unidirectional depthwise", images},
		{"temporal depthwise", temporal},
		{"temporal, full", []soundCase{
			full(98, 40, 16, 3, 1), full(98, 16, 24, 9, 2), full(49, 24, 24, 9, 1), full(49, 24, 32, 9, 2), full(25, 32, 32, 9, 1),
			full(25, 32, 48, 9, 2), full(13, 48, 48, 9, 1), full(98, 24, 24, 3, 1), full(49, 36, 36, 5, 1), full(25, 72, 72, 7, 1)}},
	}
}

// soundReport is what results/unidirectional-*.json holds.
type soundReport struct {
	Benchmark string       `json:"benchmark"`
	Date      string       `json:"date"`
	Complete  bool         `json:"complete"`
	Machine   machine      `json:"machine"`
	Threads   int          `json:"threads"`
	Allocator []string     `json:"allocator"`
	Backends  []string     `json:"backends"`
	Rounds    int          `json:"rounds"`
	Seconds   float64      `json:"seconds"`
	LoadLow   float64      `json:"load_average_min"`
	LoadHigh  float64      `json:"load_average_max"`
	Bars      []bar        `json:"bars"`
	Rows      []soundRow   `json:"cases"`
	rounds    []soundRound // of every case
}

// soundRow are the medians of a case: times in seconds, of a call by the clock and of the processor.
type soundRow struct {
	Family string    `json:"family"`
	Case   soundCase `json:"case"`
	Ours   soundSum  `json:"gonas"`
	Theirs *soundSum `json:"torch,omitempty"`
}

type soundSum struct {
	Forward      float64 `json:"forward_s"`
	ForwardCPU   float64 `json:"forward_cpu_s"`
	Gradients    float64 `json:"gradients_s"`
	GradientsCPU float64 `json:"gradients_cpu_s"`
}

// soundRound is a case's answers, of ours and of PyTorch's, in all rounds.
type soundRound struct{ ours, theirs []soundAnswer }

// worker is a process that answers a line with a line.
type worker struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	answer *bufio.Reader
}

func (o options) worker(ctx context.Context, name string, log io.Writer, command ...string) (*worker, error) {
	command = o.pin(command...)
	w := &worker{name: name, cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	w.cmd.Env = append(os.Environ(), allocator...)
	w.cmd.Stderr = log
	in, err := w.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.in, w.answer = in, bufio.NewReader(out)
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, strings.Join(command, " "), err)
	}
	return w, nil
}

// close lets the process end.
func (w *worker) close() error {
	if err := errors.Join(w.in.Close(), w.cmd.Wait()); err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	return nil
}

func (w *worker) ask(r soundRequest, framework string) (a soundAnswer, err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	if _, err := w.in.Write(append(line, '\n')); err != nil {
		return a, fmt.Errorf("%s: %s: %w", w.name, r.soundCase, err)
	}
	text, err := w.answer.ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("%s: %s: no answer: %w", w.name, r.soundCase, err)
	}
	if err := json.Unmarshal(text, &a); err != nil || a.Framework != framework || len(a.Forward.Calls) == 0 || len(a.Gradients.Calls) == 0 {
		return a, fmt.Errorf("%s: %s: expected times of %s as a line of JSON, got %.80q: %w", w.name, r.soundCase, framework, text, err)
	}
	return a, nil
}

// soundSuite times convolutions of sound beside PyTorch's, channels-last. A process of either side lives as long as the suite,
// and the two take turns case by case, every other round backwards.
func soundSuite(ctx context.Context, o options, python string, out, log io.Writer) (err error) {
	r := soundReport{Benchmark: "unidirectional", Date: today(), Machine: describeMachine(o.Root), Threads: o.Threads, Allocator: allocator,
		Rounds: o.Rounds, Seconds: 0.06, LoadLow: math.Inf(1)}
	workers := make([]*worker, 1, 2)
	if workers[0], err = o.worker(ctx, "gonas", log, o.Self, soundWorkerName); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, workers[0].close()) }()
	if python != "" {
		torch, startErr := o.worker(ctx, "torch channels_last", log, python, filepath.Join(o.Root, "benchmarks", "torch", "unidirectional.py"),
			"--memory-format", "channels_last", "--threads", strconv.Itoa(o.Threads))
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, torch.close()) }()
		workers = append(workers, torch)
	}
	for _, f := range soundFamilies() {
		for _, c := range f.Cases {
			r.Rows = append(r.Rows, soundRow{Family: f.Name, Case: c})
		}
	}
	r.rounds = make([]soundRound, len(r.Rows))
	runErr := func() error {
		for round := range o.Rounds + 1 { // the first one compiles, and compares both sides
			for i := range r.Rows {
				if round%2 == 1 {
					i = len(r.Rows) - 1 - i
				}
				if err := r.measure(i, round, workers); err != nil {
					return err
				}
			}
			fmt.Fprintf(log, "round %d/%d, load average %.1f\n", round, o.Rounds, loadAverage())
		}
		return nil
	}()
	if r.Complete = runErr == nil; !r.Complete {
		return runErr
	}
	for i := range r.Rows {
		r.Rows[i].Ours = *sumUp(r.rounds[i].ours)
		r.Rows[i].Theirs = sumUp(r.rounds[i].theirs)
	}
	r.Bars = soundBars(r.Rows)
	return o.conclude(r, r.Benchmark, r.Date, r.Bars, nil, out, log)
}

// measure asks the workers for case i, in round 0 for the results too.
func (r *soundReport) measure(i, round int, workers []*worker) error {
	request := soundRequest{soundCase: r.Rows[i].Case, Seconds: r.Seconds, Check: round == 0}
	if round == 0 {
		request.Seconds = 0
	}
	answers := make([]soundAnswer, len(workers))
	for j := range workers {
		if round%2 == 1 {
			j = len(workers) - 1 - j
		}
		load := loadAverage()
		r.LoadLow, r.LoadHigh = min(r.LoadLow, load), max(r.LoadHigh, load)
		var err error
		if answers[j], err = workers[j].ask(request, []string{"gonas", "torch"}[j]); err != nil {
			return err
		}
		if b := answers[j].Backend; !slices.Contains(r.Backends, b) {
			r.Backends = append(r.Backends, b)
		}
	}
	if round == 0 {
		if len(answers) == 2 {
			if err := sameSpread(answers[1].Spread, answers[0].Spread); err != nil {
				return fmt.Errorf("%s: %w", request.soundCase, err)
			}
		}
		return nil
	}
	r.rounds[i].ours = append(r.rounds[i].ours, answers[0])
	r.rounds[i].theirs = append(r.rounds[i].theirs, answers[1:]...)
	return nil
}

// sameSpread requires that two sides computed the same: the result and both gradients, channel by channel.
func sameSpread(want, got [][]float64) error {
	const tolerance = 1e-3
	if len(want) != 3 || len(got) != 3 {
		return fmt.Errorf("spread: expected three results on both sides, got %d and %d", len(want), len(got))
	}
	for k, name := range []string{"result", "input's gradient", "kernel's gradient"} {
		if len(got[k]) != len(want[k]) {
			return fmt.Errorf("%s: expected %d channels as PyTorch has, got %d", name, len(want[k]), len(got[k]))
		}
		for c, w := range want[k] {
			if !(math.Abs(got[k][c]-w) <= tolerance*w) {
				return fmt.Errorf("%s, channel %d: expected a root mean square of %g as PyTorch has, got %g", name, c, w, got[k][c])
			}
		}
	}
	return nil
}

// sumUp is nil where there is no answer.
func sumUp(answers []soundAnswer) *soundSum {
	if len(answers) == 0 {
		return nil
	}
	var forward, gradients, forwardCPU, gradientsCPU []float64
	for _, a := range answers {
		forward, gradients = append(forward, a.Forward.Calls...), append(gradients, a.Gradients.Calls...)
		forwardCPU, gradientsCPU = append(forwardCPU, a.Forward.CPU), append(gradientsCPU, a.Gradients.CPU)
	}
	return &soundSum{median(forward), median(forwardCPU), median(gradients), median(gradientsCPU)}
}

// soundParts are what the bars compare.
var soundParts = []struct {
	name string
	of   func(*soundSum) float64
}{
	{"forward", func(s *soundSum) float64 { return s.Forward }},
	{"forward, processor time", func(s *soundSum) float64 { return s.ForwardCPU }},
	{"gradients", func(s *soundSum) float64 { return s.Gradients }},
	{"gradients, processor time", func(s *soundSum) float64 { return s.GradientsCPU }},
}

// soundBars bound each family's geometric mean of what we take of PyTorch's time.
func soundBars(rows []soundRow) (out []bar) {
	for _, f := range soundFamilies() {
		for _, part := range soundParts {
			sum, n := 0.0, 0
			for _, r := range rows {
				if r.Family == f.Name && r.Theirs != nil {
					sum, n = sum+math.Log(part.of(&r.Ours)/part.of(r.Theirs)), n+1
				}
			}
			err := error(nil)
			if n == 0 {
				err = errors.New("PyTorch's side")
			}
			out = append(out, bar{What: f.Name + ": " + part.name + " / PyTorch channels-last, geometric mean", Limit: 0.7}.judged(math.Exp(sum/float64(n)), err))
		}
	}
	return out
}

// markdown is the report for people.
func (r soundReport) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Convolutions of sound beside PyTorch, %s\n\n", r.Date)
	fmt.Fprintf(&b, "Forward, and both gradients (of the input and of the kernel) from a given upstream gradient, of single convolutions on [batch, "+
		"height, width, channels]: height is time, width frequency, or 1 where the coefficients are channels. Padding is half the kernel. PyTorch's "+
		"tensors are channels-last; its forward records no gradients. A process of either side lives through the whole run, and the two take turns "+
		"case by case, in %d rounds, every other one backwards; times are medians of all calls in %.0f ms a case and round, in ms, and in "+
		"parentheses the processor time of a call, the median of the rounds. Before that, the root mean squares of every channel of the three "+
		"results agreed within a thousandth.\n\n", r.Rounds, r.Seconds*1e3)
	fmt.Fprintf(&b, "%s %d threads for each side; %s.\nBackends: %s. Load average: %.1f to %.1f (this run included).\n", r.Machine.sentence(), r.Threads,
		strings.Join(r.Allocator, " "), strings.Join(r.Backends, "; "), r.LoadLow, r.LoadHigh)
	for _, f := range soundFamilies() {
		var rows [][]string
		for _, row := range r.Rows {
			if row.Family == f.Name {
				rows = append(rows, row.cells())
			}
		}
		fmt.Fprintf(&b, "\n## %s%s\n\n%s", strings.ToUpper(f.Name[:1]), f.Name[1:], table([]string{"", "forward, gonas", "torch", "gonas / torch",
			"gradients, gonas", "torch", "gonas / torch"}, rows))
	}
	fmt.Fprintf(&b, "\n## Bars\n\n%s", barTable(r.Bars))
	return b.String()
}

func (r soundRow) cells() []string {
	time := func(wall, cpu float64) string { return fmt.Sprintf("%.3f (%.3f)", wall*1e3, cpu*1e3) }
	o, t := r.Ours, r.Theirs
	if t == nil {
		return []string{r.Case.String(), time(o.Forward, o.ForwardCPU), "–", "–", time(o.Gradients, o.GradientsCPU), "–", "–"}
	}
	ratio := func(i int) string {
		return fmt.Sprintf("%.2f (%.2f)", soundParts[i].of(&o)/soundParts[i].of(t), soundParts[i+1].of(&o)/soundParts[i+1].of(t))
	}
	return []string{r.Case.String(), time(o.Forward, o.ForwardCPU), time(t.Forward, t.ForwardCPU), ratio(0),
		time(o.Gradients, o.GradientsCPU), time(t.Gradients, t.GradientsCPU), ratio(2)}
}
