package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/space"
)

// fairnasStepName is the first argument that makes this program one process of ours of the suite fairnas.
const fairnasStepName = "fairnas-step"

// What a step of the suite fairnas is on both sides: the weights' optimizer is that of FairNAS's profiles.
var fairnasWeights = method.WeightsConfig{LearningRate: 0.1, Momentum: 0.9, WeightDecay: 4e-5, Clip: 5}

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

// fairnasProcess times updates of the supernet and prints a sample as one line of JSON.
func fairnasProcess(ctx context.Context, args []string, out io.Writer) error {
	c := stepProcess{name: fairnasStepName, out: out}
	// path is the code of the one path of each update, empty for the paths of strict fairness.
	path, layers, image := "", 0, 0
	f := c.flags(fairnasBatch)
	f.StringVar(&path, "path", "", "update by this path alone, one digit a layer")
	f.IntVar(&layers, "layers", 0, "only the first layers of the space, 0 for all")
	f.IntVar(&image, "image", 32, "side of the images in pixels")
	if err := c.parse(f, args); err != nil {
		return err
	}
	p := space.CIFARMobile().Resized(image, space.CIFARMobile().Shared.Classes)
	if layers > 0 && layers < len(p.Layers) {
		p.Layers = p.Layers[:layers]
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	s, err := c.measure(ctx, b, func(e *engine.Engine) (training, error) {
		t, err := newFairnasTraining(e, p, c.granularity, c.batch)
		if err == nil && path != "" {
			t.one, err = p.Parse(path)
		}
		return t, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", fairnasStepName, err)
	}
	return json.NewEncoder(out).Encode(s)
}

// fairnasTraining is a supernet with its optimizer. A step is an update of oneshot.Supernet, which draws its paths and
// batches itself.
type fairnasTraining struct {
	space     space.Paths
	model     *engine.Model
	optimizer *engine.Optimizer
	// one is the path of every update, nil for those of strict fairness.
	one    []int
	dims   []int
	images []float32
	labels []int32
}

func newFairnasTraining(e *engine.Engine, p space.Paths, granularity nn.Level, batch int) (*fairnasTraining, error) {
	root, err := p.Supernet()
	if err != nil {
		return nil, err
	}
	t := &fairnasTraining{space: p, dims: append([]int{batch}, p.Shared.Input[:]...)}
	t.images, t.labels = filledBatch("train", t.dims, p.Shared.Classes)
	if t.model, err = e.NewModel(root, granularity); err != nil {
		return nil, err
	}
	if err := filledWeights(t.model); err != nil {
		return nil, err
	}
	t.optimizer = e.NewOptimizer(engine.SGD{Momentum: fairnasWeights.Momentum, WeightDecay: fairnasWeights.WeightDecay}, fairnasWeights.Clip)
	return t, t.model.Trace(nn.Mode{Train: true}, shapes.Make(dtypes.Float32, t.dims...))
}

func (t *fairnasTraining) parts() int      { return 1 }
func (t *fairnasTraining) finalize() error { return t.model.Finalize() }

// step is one update by the sum of the paths' gradients; it returns each path's loss.
func (t *fairnasTraining) step(n int, r *recorder) ([]float64, error) {
	paths := [][]int{t.one}
	if t.one == nil {
		paths = strictPaths(t.space.Choices(), n)
	}
	r.begin()
	x, y := tensors.FromFlatDataAndDimensions(t.images, t.dims...), tensors.FromFlatDataAndDimensions(t.labels, len(t.labels))
	root, err := oneshot.TrainObjective(t.space, paths)
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
