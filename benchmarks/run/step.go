package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/repro/evidence"
)

// stepProcess is what a process of ours that times steps is asked for.
type stepProcess struct {
	name                 string
	batch, steps, warmup int
	granularity          nn.Level
	profile, launch      bool
	// partial prints a sample after the first step too, for a reader that may end the process before the last.
	partial bool
	out     io.Writer
}

// flags are those that all such processes have.
func (c *stepProcess) flags(batch int) *flag.FlagSet {
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.IntVar(&c.batch, "batch", batch, "images of a batch")
	f.IntVar(&c.steps, "steps", 3, "timed steps")
	f.IntVar(&c.warmup, "warmup", 1, "steps after the first one and before the timed ones")
	c.granularity = nn.Edge
	f.Func("granularity", "largest part of the network that is compiled as one: operation, edge, cell or network (default edge)", func(s string) (err error) {
		c.granularity, err = nn.ParseLevel(s)
		return err
	})
	f.BoolVar(&c.profile, "profile", false, "note where the time of the timed steps goes")
	f.BoolVar(&c.launch, "launch", false, "time the call of a program that does next to nothing, after the steps")
	f.BoolVar(&c.partial, "partial", false, "print a line after the first step too")
	return f
}

func (c *stepProcess) parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if c.batch < 2 || c.steps < 1 || c.warmup < 0 {
		return fmt.Errorf("%s: expected -batch of at least 2, -steps of at least 1, -warmup of at least 0, got %d, %d, %d", c.name, c.batch, c.steps, c.warmup)
	}
	return nil
}

// training does the steps that are timed.
type training interface {
	// step does step number n, from 0, and returns its losses.
	step(n int, r *recorder) ([]float64, error)
	// parts is how many passes forward and back a step has one after another.
	parts() int
	finalize() error
}

// searching is a training that moves an architecture too.
type searching interface {
	// architecture are the tables of its parameters.
	architecture() ([][]float64, error)
}

// comparedSteps are the steps whose losses, and the parameters after them, tell whether two sides compute the same. The
// second is behind the first update; later ones add up what both sides round.
const comparedSteps = 2

// measure makes the training and does the steps.
func (c stepProcess) measure(ctx context.Context, b *backend.Backend, build func(*engine.Engine) (training, error)) (sample, error) {
	s := sample{Framework: "gonas", Granularity: c.granularity.String(), Backend: b.Info.Kind + " " + b.Info.PluginVersion, Batch: c.batch, Threads: runtime.NumCPU()}
	if n, err := strconv.Atoi(os.Getenv(backend.EnvThreads)); err == nil {
		s.Threads = n
	}
	e := engine.New(b.Backend)
	before, began := backend.CompileStats(), time.Now()
	t, err := build(e)
	if err != nil {
		return s, err
	}
	s.Build = time.Since(began).Seconds()
	var cpu []float64
	var recording *recorder
	programs := int64(0)
	for step := range 1 + c.warmup + c.steps {
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		if c.profile && step == 1+c.warmup {
			recording = newRecorder(e, t.parts())
		}
		start, startCPU := time.Now(), cpuSeconds()
		losses, err := t.step(step, recording)
		if err != nil {
			return s, err
		}
		s.PathLosses = append(s.PathLosses, losses)
		stats := backend.CompileStats().Sub(before)
		if stats.Compilations+stats.CacheHits > programs {
			programs, s.Ready = stats.Compilations+stats.CacheHits, time.Since(began).Seconds()
		}
		s.Compile, s.CompileWall, s.Load = stats.CompileTime.Seconds(), stats.CompileWall.Seconds(), stats.LoadTime.Seconds()
		s.Compilations, s.CacheHits = int(stats.Compilations), int(stats.CacheHits)
		switch {
		case step == 0:
			s.FirstCall = time.Since(began).Seconds()
			if c.partial {
				c.memory(&s, b)
				if err := json.NewEncoder(c.out).Encode(s); err != nil {
					return s, err
				}
			}
		case step > c.warmup:
			s.Steps = append(s.Steps, time.Since(start).Seconds())
			cpu = append(cpu, cpuSeconds()-startCPU)
		}
		if of, ok := t.(searching); ok && step == comparedSteps-1 {
			if s.Architecture, err = of.architecture(); err != nil {
				return s, err
			}
		}
	}
	s.CPUPerStep = median(cpu)
	c.memory(&s, b)
	if recording != nil {
		e.Observe(nil)
		s.Profile = recording.profile()
	}
	if c.launch {
		if s.Launch, err = launchTime(e); err != nil {
			return s, err
		}
	}
	return s, t.finalize()
}

// memory notes the largest sizes so far.
func (c stepProcess) memory(s *sample, b *backend.Backend) {
	s.PeakRSS = float64(evidence.PeakMemory()) / (1 << 20)
	if bytes, err := b.PeakMemory(); err == nil {
		s.PeakDevice = float64(bytes) / (1 << 20)
	}
}

// launchTime is the median time in seconds of a call whose program adds 1 to a number: what every call costs.
func launchTime(e *engine.Engine) (float64, error) {
	m, err := e.NewModel(nn.NewLeaf("launch", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.AddScalar(in[0], 1)}
	}), nn.Operation)
	if err != nil {
		return 0, err
	}
	var times []float64
	e.Observe(func(c engine.Call) { times = append(times, c.End.Sub(c.Begin).Seconds()) })
	defer e.Observe(nil)
	x := e.Scalar(0)
	for range 200 {
		out, err := m.Run(nn.Mode{}, x)
		if err != nil {
			return 0, err
		}
		if err := x.FinalizeAll(); err != nil {
			return 0, err
		}
		x = out[0]
	}
	// The first ones compile and warm up.
	return median(slices.Clone(times[20:])), x.FinalizeAll()
}
