package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// dartsStepName is the first argument that makes this program one process that times bilevel steps of DARTS.
const dartsStepName = "darts-step"

// dartsProcess times bilevel steps of the DARTS supernet and prints a sample as one line of JSON. `gonas bench
// darts-step` times the search itself, with its loading of images; this is the step alone, and can be profiled.
func dartsProcess(ctx context.Context, args []string, out io.Writer) error {
	c := stepProcess{name: dartsStepName, out: out}
	size, image := space.Size{Classes: 10, InputChannels: 3}, 0
	f := c.flags(64)
	cellFlags(f, &size, &image)
	if err := c.parse(f, args); err != nil {
		return err
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	s, err := c.measure(ctx, b, func(e *engine.Engine) (training, error) {
		return newDartsTraining(e, size, c.granularity, c.batch, image)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", dartsStepName, err)
	}
	return json.NewEncoder(out).Encode(s)
}

// cellFlags are those of a supernet of cells.
func cellFlags(f *flag.FlagSet, size *space.Size, image *int) {
	f.IntVar(&size.Cells, "cells", 8, "cells of the supernet")
	f.IntVar(&size.Channels, "channels", 16, "channels of the first cell's nodes")
	f.IntVar(image, "image", 32, "side of the images in pixels")
}

// dartsTraining is a supernet with both optimizers; its step is that of darts_step.py: the architecture's gradient on
// one batch and Adam, the weights' gradient on another and clipped SGD.
type dartsTraining struct {
	model      *engine.Model
	alphas     []*engine.Variable
	weightsOpt *engine.Optimizer
	archOpt    *engine.Optimizer
	halves     [2]half
}

// half is one of a step's batches on the host: images [batch, height, width, channels] and labels.
type half struct {
	images []float32
	dims   []int
	labels []int32
}

// filledHalves are the batches of a step: the architecture's, then the weights'.
func filledHalves(size space.Size, batch, image int) (out [2]half) {
	for i, name := range []string{"valid", "train"} {
		out[i].dims = []int{batch, image, image, size.InputChannels}
		out[i].images, out[i].labels = filledBatch(name, out[i].dims, size.Classes)
	}
	return out
}

// tensors are the half's images and labels.
func (h half) tensors() (x, y *tensors.Tensor) {
	return tensors.FromFlatDataAndDimensions(h.images, h.dims...), tensors.FromFlatDataAndDimensions(h.labels, len(h.labels))
}

func newDartsTraining(e *engine.Engine, size space.Size, granularity nn.Level, batch, image int) (*dartsTraining, error) {
	net, err := space.Supernet(size, space.SupernetInputs{Tables: 1}, space.MixedEdges(cells.Uniform(space.DARTSPrimitives)))
	if err != nil {
		return nil, err
	}
	loss := engine.LossModule(0)
	soft := nn.NewLeaf("softmax", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node { return []*graph.Node{nn.SoftmaxRows(in[0])} })
	root := nn.NewComposite("darts step|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		return e.Call("", loss, nn.Call1(e, "", net, in[0], nn.Call1(e, "", soft, in[2]), nn.Call1(e, "", soft, in[3])), in[1])
	})
	t := &dartsTraining{
		weightsOpt: e.NewOptimizer(engine.SGD{Momentum: 0.9, WeightDecay: 3e-4}, 5),
		archOpt:    e.NewOptimizer(engine.Adam{Beta1: 0.5, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 1e-3}, 0),
	}
	if t.model, err = e.NewModel(root, granularity); err != nil {
		return nil, err
	}
	if err := t.model.Load(nn.Initialise(root.Specs(), 1)); err != nil {
		return nil, err
	}
	for _, side := range []string{"alphas_normal", "alphas_reduce"} {
		t.alphas = append(t.alphas, &engine.Variable{Value: filledParameters(e, side, cells.Edges, len(space.DARTSPrimitives))})
	}
	t.halves = filledHalves(size, batch, image)
	alpha := t.alphas[0].Value.Shape()
	return t, t.model.Trace(nn.Mode{Train: true}, shapes.Make(dtypes.Float32, t.halves[0].dims...), shapes.Make(dtypes.Int32, batch), alpha, alpha)
}

func (t *dartsTraining) parts() int      { return 2 }
func (t *dartsTraining) finalize() error { return t.model.Finalize() }

func (t *dartsTraining) step(_ int, r *recorder) ([]float64, error) {
	arch, err := t.half(t.halves[0], r, false, []int{2, 3}, func(g *engine.Gradients) error {
		_, err := t.archOpt.Step(3e-4, t.alphas, g.Inputs)
		return err
	})
	if err != nil {
		return nil, err
	}
	weights, err := t.half(t.halves[1], r, true, nil, func(g *engine.Gradients) error {
		_, err := t.weightsOpt.Step(0.025, t.model.Variables(), t.model.Weights(g))
		return err
	})
	return []float64{arch, weights}, err
}

// half is a pass forward and back with its optimizer.
func (t *dartsTraining) half(h half, r *recorder, weights bool, wrt []int, optimize func(*engine.Gradients) error) (float64, error) {
	r.begin()
	x, y := h.tensors()
	g, err := t.model.Gradient(nn.Mode{Train: true}, weights, wrt, x, y, t.alphas[0].Value, t.alphas[1].Value)
	if err != nil {
		return 0, err
	}
	r.mark(passes)
	loss, err := engine.ScalarValue(g.Outputs[0])
	if err != nil {
		return 0, err
	}
	r.mark(reading)
	if err := optimize(g); err != nil {
		return 0, err
	}
	r.mark(update)
	err = errors.Join(g.Finalize(), x.FinalizeAll(), y.FinalizeAll())
	r.mark(freeing)
	return loss, err
}

// filledParameters are those of an architecture that a search starts from, near 0.
func filledParameters(e *engine.Engine, name string, rows, columns int) *tensors.Tensor {
	v := golden.Input(name, []int{rows, columns})
	for i := range v {
		v[i] *= 1e-3
	}
	return e.Tensor(v, rows, columns)
}

// filledWeights are a model's tensors as fill_module of benchmarks/torch makes them.
func filledWeights(m *engine.Model) error {
	state := map[string][]float64{}
	for _, s := range m.Specs() {
		state[s.Name] = golden.Tensor(s.Name, s.Shape, 3)
	}
	return m.LoadFloat64(state)
}

// filledBatch are the images of these dimensions [batch, height, width, channels] and labels that the scripts in
// benchmarks/torch take under the name.
func filledBatch(name string, dims []int, classes int) (images []float32, labels []int32) {
	batch, pixels, channels := dims[0], dims[1]*dims[2], dims[3]
	planes := golden.Input(name+".input", []int{batch, channels, dims[1], dims[2]})
	images = make([]float32, len(planes))
	for i, v := range planes {
		pixel, plane := i%pixels, i/pixels
		images[(plane/channels*pixels+pixel)*channels+plane%channels] = float32(v)
	}
	for _, label := range golden.Labels(name+".target", batch, classes) {
		labels = append(labels, int32(label))
	}
	return images, labels
}
