package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/repro/evidence"
)

// fairnasStepName is the first argument that makes this program one process of ours of the suite fairnas.
const fairnasStepName = "fairnas-step"

// What a step of the suite fairnas is on both sides: the weights' optimizer is that of FairNAS's profiles.
var fairnasWeights = search.WeightsConfig{LearningRate: 0.1, Momentum: 0.9, WeightDecay: 4e-5, Clip: 5}

// strictPaths are the paths of a step, from 0: every choice once in each layer, other paths in each step. Those of
// fairnas_step.py are the same.
func strictPaths(choices []int, step int) [][]int {
	paths := make([][]int, choices[0])
	for k := range paths {
		for l := range choices {
			paths[k] = append(paths[k], (k+l*(step+1))%choices[0])
		}
	}
	return paths
}

// fairnasStep is what the process is asked for.
type fairnasStep struct {
	batch, steps, warmup int
	// path is the code of the one path of each update, empty for the paths of strict fairness.
	path    string
	profile bool
}

// fairnasProcess times updates of the supernet and prints a sample as one line of JSON.
func fairnasProcess(ctx context.Context, args []string, out io.Writer) error {
	var c fairnasStep
	f := flag.NewFlagSet(fairnasStepName, flag.ContinueOnError)
	f.IntVar(&c.batch, "batch", fairnasBatch, "images of a step")
	f.IntVar(&c.steps, "steps", 3, "timed steps")
	f.IntVar(&c.warmup, "warmup", 1, "steps after the first one and before the timed ones")
	f.StringVar(&c.path, "path", "", "update by this path alone, one digit a layer")
	f.BoolVar(&c.profile, "profile", false, "note where the time of the timed steps goes")
	if err := f.Parse(args); err != nil {
		return err
	}
	if c.batch < 2 || c.steps < 1 || c.warmup < 0 {
		return fmt.Errorf("%s: expected -batch of at least 2, -steps of at least 1, -warmup of at least 0, got %d, %d, %d", fairnasStepName, c.batch, c.steps, c.warmup)
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	s, err := c.measure(ctx, b)
	if err != nil {
		return fmt.Errorf("%s: %w", fairnasStepName, err)
	}
	return json.NewEncoder(out).Encode(s)
}

// measure makes the supernet and does the steps.
func (c fairnasStep) measure(ctx context.Context, b *backend.Backend) (sample, error) {
	p := space.CIFARMobile()
	s := sample{Framework: "gonas", Granularity: nn.Edge.String(), Backend: b.Info.Kind + " " + b.Info.PluginVersion, Batch: c.batch, Threads: runtime.NumCPU()}
	if n, err := strconv.Atoi(os.Getenv(backend.EnvThreads)); err == nil {
		s.Threads = n
	}
	var one [][]int
	if c.path != "" {
		path, err := p.Parse(c.path)
		if err != nil {
			return s, err
		}
		one = [][]int{path}
	}
	images, labels := fairnasImages(p, c.batch)

	before, began := backend.CompileStats(), time.Now()
	t, err := newFairnasTraining(engine.New(b.Backend), p, c.batch)
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
		paths := one
		if paths == nil {
			paths = strictPaths(p.Choices(), step)
		}
		if c.profile && step == 1+c.warmup {
			recording = newRecorder(t.model.Engine())
		}
		start, startCPU := time.Now(), cpuSeconds()
		losses, err := t.step(paths, images, labels, recording)
		if err != nil {
			return s, err
		}
		s.PathLosses = append(s.PathLosses, losses)
		if stats := backend.CompileStats().Sub(before); stats.Compilations+stats.CacheHits > programs {
			programs, s.Ready = stats.Compilations+stats.CacheHits, time.Since(began).Seconds()
		}
		switch {
		case step == 0:
			s.FirstCall = time.Since(began).Seconds()
		case step > c.warmup:
			s.Steps = append(s.Steps, time.Since(start).Seconds())
			cpu = append(cpu, cpuSeconds()-startCPU)
		}
	}
	stats := backend.CompileStats().Sub(before)
	s.Compile, s.CompileWall, s.Load = stats.CompileTime.Seconds(), stats.CompileWall.Seconds(), stats.LoadTime.Seconds()
	s.Compilations, s.CacheHits = int(stats.Compilations), int(stats.CacheHits)
	s.CPUPerStep, s.PeakRSS = median(cpu), float64(evidence.PeakMemory())/(1<<20)
	if recording != nil {
		s.Profile = recording.profile()
	}
	return s, t.model.Finalize()
}

// fairnasTraining is a supernet with its optimizer. A step is an update of search.Supernet, which draws its paths and
// batches itself.
type fairnasTraining struct {
	space     space.Paths
	model     *engine.Model
	optimizer *engine.Optimizer
	images    [4]int
}

func newFairnasTraining(e *engine.Engine, p space.Paths, batch int) (*fairnasTraining, error) {
	root, err := p.Supernet()
	if err != nil {
		return nil, err
	}
	t := &fairnasTraining{space: p, images: [4]int{batch, p.Shared.Input[0], p.Shared.Input[1], p.Shared.Input[2]}}
	if t.model, err = e.NewModel(root, nn.Edge); err != nil {
		return nil, err
	}
	state := map[string][]float64{}
	for _, s := range t.model.Specs() {
		state[s.Name] = golden.Tensor(s.Name, s.Shape, 3)
	}
	if err := t.model.LoadFloat64(state); err != nil {
		return nil, err
	}
	t.optimizer = e.NewOptimizer(engine.SGD{Momentum: fairnasWeights.Momentum, WeightDecay: fairnasWeights.WeightDecay}, fairnasWeights.Clip)
	return t, t.model.Trace(nn.Mode{Train: true}, shapes.Make(dtypes.Float32, t.images[:]...))
}

// step is one update by the sum of the paths' gradients; it returns each path's loss.
func (t *fairnasTraining) step(paths [][]int, images []float32, labels []int32, r *recorder) ([]float64, error) {
	r.begin()
	x, y := tensors.FromFlatDataAndDimensions(images, t.images[:]...), tensors.FromFlatDataAndDimensions(labels, len(labels))
	root, err := search.TrainObjective(t.space, paths)
	if err != nil {
		return nil, err
	}
	g, err := t.model.Path(root).Gradient(nn.Mode{Train: true}, true, nil, x, y)
	if err != nil {
		return nil, err
	}
	r.mark(passes)
	losses := make([]float64, len(paths))
	for i := range paths {
		if losses[i], err = engine.ScalarValue(g.Outputs[1+i]); err != nil {
			return nil, err
		}
	}
	r.mark(reading)
	if _, err := t.optimizer.Step(fairnasWeights.LearningRate, t.model.Variables(), t.model.Weights(g)); err != nil {
		return nil, err
	}
	r.mark(update)
	err = errors.Join(g.Finalize(), x.FinalizeAll(), y.FinalizeAll())
	r.mark(freeing)
	return losses, err
}

// fairnasImages are the images, [batch, height, width, channels], and labels that fairnas_step.py takes.
func fairnasImages(p space.Paths, batch int) (images []float32, labels []int32) {
	height, width, channels := p.Shared.Input[0], p.Shared.Input[1], p.Shared.Input[2]
	planes := golden.Input("train.input", []int{batch, channels, height, width})
	images = make([]float32, len(planes))
	for i, v := range planes {
		pixel, plane := i%(height*width), i/(height*width)
		images[(plane/channels*height*width+pixel)*channels+plane%channels] = float32(v)
	}
	for _, label := range golden.Labels("train.target", batch, p.Shared.Classes) {
		labels = append(labels, int32(label))
	}
	return images, labels
}

// cpuSeconds is the processor time of this process so far, to 0.01 s; 0 where the system does not tell.
func cpuSeconds() float64 {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	// User and system time in hundredths are the fields 14 and 15; the second may have spaces in its parentheses.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}
