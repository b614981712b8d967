package diff

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
)

// surface is the loss of one batch as a function of the architecture's parameters alone: the weights, the batch and what
// the method puts into a pass stay as they are. Parameters are flat: those of all tables in turn, row by row.
type surface struct {
	model *engine.Model
	// in are the objective's inputs; tables of them, from the third on, are the tables' parameters.
	in     []*tensors.Tensor
	tables int
}

// surface is that of the task as it stands for a batch and a pass; free frees what was made for it.
func (t *task) surface(b run.Batch, p Pass) (s surface, free func() error) {
	in := t.inputs(b, p)
	return surface{t.model, in, len(t.tables)}, func() error { return run.Finalize(t.own(in)...) }
}

// wideSurface is the same function computed in float64, on a model of its own: the task's keeps its weights and its
// statistics.
func (t *task) wideSurface(b run.Batch, p Pass) (s surface, free func() error, err error) {
	narrow, freeNarrow := t.surface(b, p)
	var made []*tensors.Tensor
	var m *engine.Model
	free = func() error { return errors.Join(freeNarrow(), run.Finalize(made...), m.Finalize()) }
	defer func() {
		if err != nil {
			err = errors.Join(err, free())
		}
	}()
	wide := t.engine.Float64()
	s = surface{tables: narrow.tables, in: slices.Clone(narrow.in)}
	for i, x := range s.in {
		if x.DType() != dtypes.Float32 {
			continue
		}
		v, err := engine.Values(x)
		if err != nil {
			return s, free, err
		}
		s.in[i] = wide.Tensor(v, x.Shape().Dimensions...)
		made = append(made, s.in[i])
	}
	net, err := t.whole()
	if err != nil {
		return s, free, err
	}
	state, err := t.model.StateFloat64()
	if err != nil {
		return s, free, err
	}
	if m, err = wide.NewModel(t.objective(net), t.model.Granularity()); err != nil {
		return s, free, err
	}
	s.model = m
	return s, free, m.LoadFloat64(state)
}

// parameters are those of the tables themselves.
func (s surface) parameters() ([]float64, error) {
	var out []float64
	for _, t := range s.in[2 : 2+s.tables] {
		v, err := engine.Values(t)
		if err != nil {
			return nil, err
		}
		out = append(out, v...)
	}
	return out, nil
}

// at calls f with the objective's inputs at other parameters, and frees these.
func (s surface) at(parameters []float64, f func(in []*tensors.Tensor) error) error {
	in := slices.Clone(s.in)
	made := in[2 : 2+s.tables]
	for i, t := range made {
		n := t.Shape().Size()
		made[i] = s.model.Engine().Tensor(parameters[:n], t.Shape().Dimensions...)
		parameters = parameters[n:]
	}
	return errors.Join(f(in), run.Finalize(made...))
}

// gradient is that of the loss, the method's penalty with it, at some parameters, in training mode: batch norm takes the
// batch's statistics, and its own move.
func (s surface) gradient(parameters []float64) (out []float64, err error) {
	wrt := make([]int, s.tables)
	for i := range wrt {
		wrt[i] = 2 + i
	}
	err = s.at(parameters, func(in []*tensors.Tensor) error {
		g, err := s.model.Gradient(nn.Mode{Train: true}, false, wrt, in...)
		if err != nil {
			return err
		}
		for i, t := range g.Inputs {
			v, err := engine.Values(t)
			if err != nil {
				return errors.Join(err, g.Finalize())
			}
			if v == nil { // the loss does not depend on it
				v = make([]float64, in[2+i].Shape().Size())
			}
			out = append(out, v...)
		}
		return g.Finalize()
	})
	return out, err
}

// value is the cross entropy and the number of correct samples at some parameters, in evaluation mode: batch norm takes
// its running statistics, and nothing moves.
func (s surface) value(parameters []float64) (loss, correct float64, err error) {
	err = s.at(parameters, func(in []*tensors.Tensor) error {
		out, err := s.model.Run(nn.Mode{}, in...)
		if err != nil {
			return err
		}
		g := &engine.Gradients{Outputs: out}
		loss, correct, _, err = outputs(g, 1)
		return errors.Join(err, g.Finalize())
	})
	return loss, correct, err
}

// measurable reports a field that asks for more validation samples than there are.
func (c Config) measurable(s datasets.Source) error {
	_, indices, err := datasets.SearchSplit(s.Len(), c.Seed, 0.5)
	if err != nil {
		return err
	}
	wanted := map[string]int{}
	if c.Curvature != nil {
		wanted["curvature.batch"] = c.Curvature.Batch
	}
	if c.Landscape != nil {
		wanted["landscape.images"] = c.Landscape.Images
	}
	for _, field := range slices.Sorted(maps.Keys(wanted)) {
		if n := wanted[field]; n > len(indices) {
			return fmt.Errorf("config: %s: expected at most the %d validation samples of %s, got %d", field, len(indices), s.Name(), n)
		}
	}
	return nil
}

// validation are the first count batches of so many samples of the architecture's half, as in evaluation: without
// augmentation, and the same whenever they are asked for.
func validation(s datasets.Source, c Config, size, count int) ([]run.Batch, error) {
	_, indices, err := datasets.SearchSplit(s.Len(), c.Seed, 0.5)
	if err != nil {
		return nil, err
	}
	source, err := s.Batches(datasets.BatchRequest{Size: size, Indices: indices, Side: c.Image, Sound: c.Sound})
	if err != nil {
		return nil, err
	}
	shape := source.Shape()
	var out []run.Batch
	for k := range count {
		x, y, err := source.Fill(0, k, nil, nil)
		if err != nil {
			return nil, errors.Join(err, freeBatches(out))
		}
		out = append(out, run.Batch{X: tensors.FromFlatDataAndDimensions(x, shape[:]...), Y: tensors.FromFlatDataAndDimensions(y, size)})
	}
	return out, nil
}

// freeBatches frees batches on the device.
func freeBatches(list []run.Batch) error {
	var errs []error
	for _, b := range list {
		errs = append(errs, run.Finalize(b.X, b.Y))
	}
	return errors.Join(errs...)
}
