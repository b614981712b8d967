package engine

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Average is an exponential moving average of a model's tensors, weights and batch-norm statistics alike, as the mobile
// networks are evaluated with.
type Average struct {
	model  *Model
	values map[*Group][2]*tensors.Tensor // weights and buffers, nil where the group has none
}

// NewAverage starts at the model's present tensors. All blocks must have been made ([Model.Trace]).
func (m *Model) NewAverage() (*Average, error) {
	a := &Average{model: m, values: map[*Group][2]*tensors.Tensor{}}
	for _, g := range m.list {
		var pair [2]*tensors.Tensor
		for i, t := range g.tensors() {
			if t == nil {
				continue
			}
			copied, err := t.Clone()
			if err != nil {
				return nil, fmt.Errorf("average of %q: %w", g.Prefix, err)
			}
			pair[i] = copied
		}
		a.values[g] = pair
	}
	return a, nil
}

// tensors are the group's weights and buffers; nil for none.
func (g *Group) tensors() [2]*tensors.Tensor {
	pair := [2]*tensors.Tensor{1: g.buffers}
	if g.weights != nil {
		pair[0] = g.weights.Value
	}
	return pair
}

// Update moves the average: decay·average + (1-decay)·model.
func (a *Average) Update(decay float64) error {
	e := a.model.engine
	number := e.Scalar(decay)
	defer func() { _ = number.FinalizeAll() }()
	for _, g := range a.model.list {
		pair := a.values[g]
		for i, t := range g.tensors() {
			if t == nil {
				continue
			}
			x := e.executable("average", []shapes.Shape{t.Shape(), t.Shape(), number.Shape()}, func(in []*Node) []*Node {
				return []*Node{Add(Mul(in[0], in[2]), Mul(in[1], OneMinus(in[2])))}
			})
			old, err := DonateTensorBuffer(pair[i], e.backend, 0)
			if err != nil {
				return fmt.Errorf("average of %q: %w", g.Prefix, err)
			}
			out, err := x.run(old, t, number)
			if err != nil {
				return err
			}
			pair[i] = out[0]
		}
		a.values[g] = pair
	}
	return nil
}

// Swap exchanges the average and the model's tensors; a second call puts them back.
func (a *Average) Swap() {
	for _, g := range a.model.list {
		pair := g.tensors()
		kept := a.values[g]
		if g.weights != nil {
			g.weights.Value = kept[0]
		}
		g.buffers = kept[1]
		a.values[g] = pair
	}
}

// Finalize frees the average's device memory at once; it must not be used afterwards. A nil one has none.
func (a *Average) Finalize() error {
	if a == nil {
		return nil
	}
	var errs []error
	for _, pair := range a.values {
		for _, t := range pair {
			if t != nil {
				errs = append(errs, t.FinalizeAll())
			}
		}
	}
	return errors.Join(errs...)
}
