package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// allocator is the setting both sides run under: without it glibc maps and unmaps large buffers at every call,
// and page faults take up to a third of the time.
var allocator = []string{
	"MALLOC_ARENA_MAX=1",
	"MALLOC_MMAP_THRESHOLD_=8000000000",
	"MALLOC_TRIM_THRESHOLD_=8000000000",
	"MALLOC_TOP_PAD_=67108864",
}

// contender is one way of running the step: a network, a batch size and how it is executed.
type contender struct {
	// Name is "gonas edge", "torch channels_last", ...
	Name string
	// Framework is "gonas" or "torch", as the command reports it.
	Framework string
	// Variant is the granularity or the memory format.
	Variant string
	// Batch is the number of images of each of the step's two batches.
	Batch int
	// Command is the program and its arguments; Env is added to the environment.
	Command []string
	Env     []string
	// Part is true where less than a step is timed, which is compared with nobody's.
	Part bool
	// Check, where it is not nil, refuses a sample that is not of the same computation as the others'.
	Check func(sample) error
}

// sample is what one process printed. Times are in seconds, sizes in MiB; a side leaves out what it has not.
type sample struct {
	Framework   string `json:"framework"`
	Granularity string `json:"granularity,omitempty"`
	Format      string `json:"memory_format,omitempty"`
	ArchGrads   string `json:"arch_grads,omitempty"`
	None        string `json:"none,omitempty"`
	Backend     string `json:"backend"`
	Version     string `json:"version,omitempty"`
	Batch       int    `json:"batch"`
	Threads     int    `json:"threads,omitempty"`
	Parameters  int    `json:"parameters,omitempty"`

	// FirstCall is the first whole step, compiling and loading included; Build is the part of it that makes the network,
	// Ready the time until the end of the last step that compiled or loaded a program.
	FirstCall float64 `json:"first_call_s"`
	Build     float64 `json:"build_s,omitempty"`
	Ready     float64 `json:"ready_s,omitempty"`
	// Compile is summed over parallel workers, CompileWall the time during which any of them compiled.
	Compile      float64   `json:"compile_s"`
	CompileWall  float64   `json:"compile_wall_s"`
	Load         float64   `json:"load_s"`
	Compilations int       `json:"compilations"`
	CacheHits    int       `json:"cache_hits"`
	Steps        []float64 `json:"step_s"`
	CPUPerStep   float64   `json:"cpu_s_per_step"`
	PeakRSS      float64   `json:"peak_rss_mb"`
	// ImportRSS is the resident size before the network exists: PyTorch's own libraries.
	ImportRSS float64 `json:"import_rss_mb,omitempty"`

	// PathLosses are the losses of each step's paths, or of its halves; PathParameters the weights of some paths by code,
	// for the suite fairnas; Architecture the tables of a search's parameters after the second step, which reports leave
	// out; Profile is where the step's time goes, where that was asked for.
	PathLosses     [][]float64    `json:"path_losses,omitempty"`
	Architecture   [][]float64    `json:"architecture,omitempty"`
	PathParameters map[string]int `json:"path_parameters,omitempty"`
	Profile        *profile       `json:"profile,omitempty"`

	// PeakDevice is the largest size in use on a GPU, Launch the time of a call that computes next to nothing. Precision
	// is tf32 or float32, Compiled what torch.compile took as one, Device the GPU, where PyTorch tells.
	PeakDevice float64 `json:"peak_device_mb,omitempty"`
	Launch     float64 `json:"launch_s,omitempty"`
	Precision  string  `json:"precision,omitempty"`
	Compiled   string  `json:"compiled,omitempty"`
	Device     string  `json:"device,omitempty"`

	// Cache is "cold" or "cached" for contenders that compile; Round counts from 1. Load averages the machine's
	// over a minute, before the process started: what else was running.
	Cache string  `json:"cache,omitempty"`
	Round int     `json:"round"`
	Busy  float64 `json:"load_average_before"`
	Wall  float64 `json:"process_wall_s"`
}

// run starts the contender's command and reads the JSON object that it prints as its last line.
func (c contender) run(ctx context.Context, log io.Writer) (sample, error) {
	busy, began := loadAverage(), time.Now()
	out, err := c.output(ctx, log)
	if err != nil {
		return sample{}, err
	}
	s, err := parseSample(out)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	if s.Framework != c.Framework || s.Batch != c.Batch {
		return sample{}, fmt.Errorf("%s: reports framework %q and batch %d, expected %q and %d",
			c.Name, s.Framework, s.Batch, c.Framework, c.Batch)
	}
	if c.Check != nil {
		if err := c.Check(s); err != nil {
			return sample{}, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	s.Architecture = nil
	s.Busy, s.Wall = busy, time.Since(began).Seconds()
	return s, nil
}

// output runs the contender's command and returns the last line that it prints.
func (c contender) output(ctx context.Context, log io.Writer) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Command[0], c.Command[1:]...)
	cmd.Env = append(append(os.Environ(), allocator...), c.Env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, log
	// An interrupt lets the process end by itself; what does not is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.Name, strings.Join(c.Command, " "), err)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	return lines[len(lines)-1], nil
}

// parseSample reads the last line of out that is not empty.
func parseSample(out []byte) (sample, error) {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	last := lines[len(lines)-1]
	var s sample
	if err := json.Unmarshal(last, &s); err != nil {
		return s, fmt.Errorf("last line of its output: expected a JSON object, got %.80q: %w", last, err)
	}
	if len(s.Steps) == 0 {
		return s, fmt.Errorf("field step_s: expected at least one time")
	}
	for i, t := range s.Steps {
		if !(t > 0) || math.IsInf(t, 0) {
			return s, fmt.Errorf("field step_s[%d]: expected a positive time, got %v", i, t)
		}
	}
	if !(s.FirstCall > 0) || !(s.PeakRSS > 0) {
		return s, fmt.Errorf("fields first_call_s and peak_rss_mb: expected positive numbers, got %v and %v", s.FirstCall, s.PeakRSS)
	}
	return s, nil
}

// settings are the sizes that both sides share.
type settings struct {
	Steps, Warmup, Threads int
	// Pinned restricts processes to the first Threads processors.
	Pinned bool
}

func (s settings) pin(command ...string) []string {
	if !s.Pinned {
		return command
	}
	return append([]string{"taskset", "-c", "0-" + strconv.Itoa(s.Threads-1)}, command...)
}

// torchContender runs the network in PyTorch's default or channels-last memory format.
func torchContender(python, script, format string, batch int, s settings) contender {
	return contender{
		Name: "torch " + format, Framework: "torch", Variant: format, Batch: batch,
		Command: s.pin(python, script, "--json", "--batch", strconv.Itoa(batch), "--memory-format", format,
			"--threads", strconv.Itoa(s.Threads), "--steps", strconv.Itoa(s.Steps), "--warmup", strconv.Itoa(s.Warmup)),
	}
}

// gonasContender runs our network; cache is the folder of compiled programs, empty for a cold first run.
func gonasContender(binary, granularity string, batch int, cache string, s settings) contender {
	return contender{
		Name: "gonas " + granularity, Framework: "gonas", Variant: granularity, Batch: batch,
		Command: s.pin(binary, "bench", "darts-step", "--json", "--granularity", granularity, "--batch", strconv.Itoa(batch),
			"--steps", strconv.Itoa(s.Steps), "--warmup", strconv.Itoa(s.Warmup)),
		Env: []string{"GONAS_CACHE_DIR=" + cache},
	}
}
