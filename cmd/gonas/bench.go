package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/zoo"
)

type benchCmd struct {
	Inference inferenceCmd `cmd:"" help:"Time the evaluation of a network of the zoo."`
	DartsStep dartsStepCmd `cmd:"" help:"Time the bilevel step of the DARTS supernet: 8 cells, 16 channels, 32×32, both optimizers."`
	NSGA2     nsga2Cmd     `cmd:"" name:"nsga2" help:"Time NSGA-II on reference problems and measure the hypervolumes of what it finds."`
}

type inferenceCmd struct {
	Name        string  `arg:"" help:"Network of the zoo."`
	Batch       int     `default:"1" help:"Images a call."`
	Granularity string  `default:"network" help:"Largest part of the network that is compiled as one: edge, cell or network."`
	Seconds     float64 `default:"5" help:"Time to measure for, at least three calls."`
	Warmup      int     `default:"3" help:"Calls before the timed ones."`
	JSON        bool    `help:"Print one line of JSON."`
}

// inferenceTimes is what the benchmark prints as JSON; benchmarks/run reads it.
type inferenceTimes struct {
	Framework   string    `json:"framework"`
	Version     string    `json:"version"`
	Backend     string    `json:"backend"`
	Network     string    `json:"network"`
	Granularity string    `json:"granularity"`
	Batch       int       `json:"batch"`
	Threads     int       `json:"threads"`
	FirstCall   float64   `json:"first_call_s"`
	Calls       []float64 `json:"call_s"`
	PeakRSS     float64   `json:"peak_rss_mb"`
}

// Run times evaluations of random images, from images on the host to logits on the host.
func (c inferenceCmd) Run(a *app) error {
	if c.Batch < 1 || c.Warmup < 1 {
		return fmt.Errorf("bench inference: expected --batch and --warmup of at least 1, got %d and %d", c.Batch, c.Warmup)
	}
	level, err := nn.ParseLevel(c.Granularity)
	if err != nil {
		return err
	}
	n, err := zoo.Get(c.Name)
	if err != nil {
		return err
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	n.Engine, n.Granularity = engine.New(b.Backend), &level
	w, err := n.InitialWeights(1)
	if err != nil {
		return err
	}
	if err := n.Use(w); err != nil {
		return err
	}
	in := n.Network.Input
	pixels := make([]float32, c.Batch*in[0]*in[1]*in[2])
	random := rand.New(rand.NewPCG(1, 2))
	for i := range pixels {
		pixels[i] = random.Float32()
	}
	t := inferenceTimes{Framework: "gonas", Version: buildInfo().Version, Backend: b.Info.Kind + " " + b.Info.PluginVersion, Network: n.Name,
		Granularity: c.Granularity, Batch: c.Batch, Threads: runtime.NumCPU()}
	call := func() (float64, error) {
		start := time.Now()
		x := tensors.FromFlatDataAndDimensions(pixels, c.Batch, in[0], in[1], in[2])
		_, err := n.Predict(x)
		if err == nil {
			err = x.FinalizeAll()
		}
		return time.Since(start).Seconds(), err
	}
	for i := range c.Warmup {
		seconds, err := call()
		if err != nil {
			return err
		}
		if i == 0 {
			t.FirstCall = seconds
		}
	}
	for began := time.Now(); len(t.Calls) < 3 || time.Since(began).Seconds() < c.Seconds; {
		if a.ctx.Err() != nil {
			return a.ctx.Err()
		}
		seconds, err := call()
		if err != nil {
			return err
		}
		t.Calls = append(t.Calls, seconds)
	}
	t.PeakRSS = peakRSS()
	if c.JSON {
		return writeJSONLine(a.stdout, t)
	}
	_, err = fmt.Fprintf(a.stdout, "%s, %s by %s, batch %d, %d threads: first call %.2f s, then %.1f images/s, peak %.0f MiB\n",
		t.Backend, c.Name, c.Granularity, c.Batch, t.Threads, t.FirstCall, float64(c.Batch)/median(t.Calls), t.PeakRSS)
	return err
}

type dartsStepCmd struct {
	Granularity string `default:"edge" help:"Largest part of the network that is compiled as one: operation, edge, cell or network."`
	Batch       int    `default:"16" help:"Images of each of the step's two batches."`
	Steps       int    `default:"5" help:"Timed steps."`
	Warmup      int    `default:"1" help:"Steps after the first one and before the timed ones."`
	JSON        bool   `help:"Print one line of JSON."`
}

// stepTimes is what the benchmark prints as JSON; benchmarks/run reads it.
type stepTimes struct {
	Framework   string `json:"framework"`
	Version     string `json:"version"`
	Backend     string `json:"backend"`
	Granularity string `json:"granularity"`
	Batch       int    `json:"batch"`
	Threads     int    `json:"threads"`
	// FirstCall is the wall time from the making of the network to the end of its first step.
	FirstCall float64 `json:"first_call_s"`
	// Compile and Load are summed over parallel workers, CompileWall is the time during which any of them compiled.
	Compile      float64   `json:"compile_s"`
	CompileWall  float64   `json:"compile_wall_s"`
	Load         float64   `json:"load_s"`
	Compilations int64     `json:"compilations"`
	CacheHits    int64     `json:"cache_hits"`
	Steps        []float64 `json:"step_s"`
	CPUPerStep   float64   `json:"cpu_s_per_step"`
	PeakRSS      float64   `json:"peak_rss_mb"`
}

// Run times steps of the search as `gonas search darts` does them, on random images: a step is a batch of each half
// made ready, the architecture's gradient and Adam, the weights' gradient, clipping and SGD.
func (c dartsStepCmd) Run(a *app) error {
	if c.Steps < 1 || c.Warmup < 0 || c.Batch < 2 {
		return fmt.Errorf("bench darts-step: expected --steps of at least 1, --warmup of at least 0, --batch of at least 2, got %d, %d, %d", c.Steps, c.Warmup, c.Batch)
	}
	config := darts.DefaultConfig()
	config.Epochs, config.StepsPerEpoch = 1, 1+c.Warmup+c.Steps
	config.Batch, config.Granularity = c.Batch, c.Granularity
	if err := config.Validate(); err != nil {
		return err
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	times, err := c.measure(a.ctx, b, config)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSONLine(a.stdout, times)
	}
	_, err = fmt.Fprintf(a.stdout, "%s, by %s, batch %d, %d threads: first call %.2f s (%d compiled in %.2f s or %.2f s summed, %d loaded in %.2f s), step %.3f s, %.3f CPU s a step, peak %.0f MiB\n",
		times.Backend, c.Granularity, c.Batch, times.Threads, times.FirstCall, times.Compilations, times.CompileWall, times.Compile, times.CacheHits, times.Load,
		median(times.Steps), times.CPUPerStep, times.PeakRSS)
	return err
}

// measure runs the search for the steps wanted and notes when each ended.
func (c dartsStepCmd) measure(ctx context.Context, b *backend.Backend, config darts.Config) (stepTimes, error) {
	images := randomImages(8*config.Batch, config.Image, config.Size.InputChannels, config.Size.Classes)
	times := stepTimes{Framework: "gonas", Version: buildInfo().Version, Backend: b.Info.Kind + " " + b.Info.PluginVersion,
		Granularity: config.Granularity, Batch: config.Batch, Threads: runtime.NumCPU()}
	if n, err := strconv.Atoi(os.Getenv(backend.EnvThreads)); err == nil {
		times.Threads = n
	}
	before := backend.CompileStats()
	began := time.Now()
	last, lastCPU := began, cpuSeconds()
	var cpu []float64
	listen := func(e run.Event) {
		if e.Kind != run.EventStep {
			return
		}
		now, nowCPU := time.Now(), cpuSeconds()
		switch {
		case e.Step == 1:
			times.FirstCall = now.Sub(began).Seconds()
		case e.Step > 1+c.Warmup:
			times.Steps = append(times.Steps, now.Sub(last).Seconds())
			cpu = append(cpu, nowCPU-lastCPU)
		}
		last, lastCPU = now, nowCPU
	}
	env := method.Env{Engine: engine.New(b.Backend), Train: images.Source(), Options: run.Options{Listeners: []run.Listener{listen}}}
	if _, err := darts.Method().Search(ctx, env, &config); err != nil {
		return times, err
	}
	stats := backend.CompileStats().Sub(before)
	times.Compile, times.CompileWall, times.Load = stats.CompileTime.Seconds(), stats.CompileWall.Seconds(), stats.LoadTime.Seconds()
	times.Compilations, times.CacheHits = stats.Compilations, stats.CacheHits
	times.CPUPerStep, times.PeakRSS = median(cpu), peakRSS()
	return times, nil
}

type nsga2Cmd struct {
	Problems    []string `default:"zdt1,zdt2,zdt3,dtlz2" help:"Reference problems."`
	Population  int      `default:"100" help:"Members of the population."`
	Generations int      `default:"250" help:"Generations, the random one included."`
	Seed        uint64   `default:"1" help:"Seed of the search."`
	JSON        bool     `help:"Print one line of JSON."`
}

// nsga2Times is what the benchmark prints as JSON; benchmarks/run reads it.
type nsga2Times struct {
	Framework   string      `json:"framework"`
	Version     string      `json:"version"`
	Seed        uint64      `json:"seed"`
	Population  int         `json:"population"`
	Generations int         `json:"generations"`
	Runs        []nsga2Time `json:"runs"`
	PeakRSS     float64     `json:"peak_rss_mb"`
}

// nsga2Time is one search; Hypervolume is to 1.1 in every objective.
type nsga2Time struct {
	Problem     string      `json:"problem"`
	Evaluations int         `json:"evaluations"`
	Seconds     float64     `json:"seconds"`
	CPU         float64     `json:"cpu_s"`
	Hypervolume float64     `json:"hypervolume"`
	Front       [][]float64 `json:"front"`
}

// Run searches with the operators of benchmarks/pymoo/nsga2.py: crossover index 15, mutation index 20.
func (c nsga2Cmd) Run(a *app) error {
	out := nsga2Times{Framework: "gonas", Version: buildInfo().Version, Seed: c.Seed, Population: c.Population, Generations: c.Generations}
	for _, name := range c.Problems {
		p, err := evolve.LookupProblem(name)
		if err != nil {
			return fmt.Errorf("bench nsga2: %w", err)
		}
		p.Space.CrossoverIndex = 15
		config := evolve.DefaultConfig(p.Objectives...)
		config.Population, config.Generations, config.Seed = c.Population, c.Generations, c.Seed
		warmup := config // what is set up on first use, as nsga2.py does
		warmup.Generations = 5
		if _, err := evolve.Run(a.ctx, warmup, p.Space, p, nil, nil); err != nil {
			return fmt.Errorf("bench nsga2: %s: %w", name, err)
		}
		began, cpu := time.Now(), cpuSeconds()
		state, err := evolve.Run(a.ctx, config, p.Space, p, nil, nil)
		if err != nil {
			return fmt.Errorf("bench nsga2: %s: %w", name, err)
		}
		found := nsga2Time{Problem: name, Evaluations: state.Evaluations, Seconds: time.Since(began).Seconds(), CPU: cpuSeconds() - cpu,
			Front: state.History[len(state.History)-1].Front}
		if found.Hypervolume, err = evolve.Hypervolume(found.Front, p.Reference, p.Objectives); err != nil {
			return fmt.Errorf("bench nsga2: %s: %w", name, err)
		}
		out.Runs = append(out.Runs, found)
		if !c.JSON {
			if _, err := fmt.Fprintf(a.stdout, "%s: %d evaluations in %.3f s, hypervolume %.5f of %.5f\n",
				name, found.Evaluations, found.Seconds, found.Hypervolume, p.Hypervolume); err != nil {
				return err
			}
		}
	}
	if !c.JSON {
		return nil
	}
	out.PeakRSS = peakRSS()
	return writeJSONLine(a.stdout, out)
}

// randomImages are the same at every call.
func randomImages(n, side, channels, classes int) *datasets.Images {
	im := &datasets.Images{N: n, Height: side, Width: side, Channels: channels, Classes: classes, Name: "random images",
		Pixels: make([]uint8, n*side*side*channels), Labels: make([]int32, n)}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range im.Pixels {
		im.Pixels[i] = uint8(random.UintN(256))
	}
	for i := range im.Labels {
		im.Labels[i] = int32(i % classes)
	}
	return im
}

// median of at least one number.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
