package engine

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/nn"
)

// UnrolledConfig is the weights' step that the second-order gradient looks ahead by.
type UnrolledConfig struct {
	LearningRate, Momentum, WeightDecay float64
	// Inputs are the indices of the model's inputs that are architecture parameters.
	Inputs []int
}

// hessianRadius is DARTS's r: the finite difference steps by r/‖dw'‖.
const hessianRadius = 1e-2

// Unrolled is DARTS's second-order gradient of the validation loss with respect to the architecture (1806.09055,
// equations 7 and 8): weights w' one SGD step ahead, and the product with the second derivative by a finite
// difference at w ± R·dw'. The weights are as before when it returns; batch-norm statistics have moved by the
// three passes at w, as in the official code, and not by the one at w'. The results' Inputs are the gradients
// in the order of the configuration, its Outputs those at w'.
func Unrolled(m *Model, o *Optimizer, c UnrolledConfig, train, valid []*tensors.Tensor) (ahead *Gradients, err error) {
	mode := nn.Mode{Train: true}
	first, err := m.Gradient(mode, true, nil, train...)
	if err != nil {
		return nil, err
	}
	// made are the passes whose results are not returned.
	made := []*Gradients{first}
	variables := m.Variables()
	original := make([]*tensors.Tensor, len(variables))
	for i, v := range variables {
		original[i] = v.Value
	}
	// drop puts the weights back and frees those that stood in their place.
	drop := func() error {
		var errs []error
		for i, v := range variables {
			if v.Value != original[i] {
				errs = append(errs, v.Value.FinalizeAll())
				v.Value = original[i]
			}
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil && ahead != nil {
			made, ahead = append(made, ahead), nil
		}
		errs := []error{err, drop()}
		for _, g := range made {
			errs = append(errs, g.Finalize())
		}
		err = errors.Join(errs...)
	}()
	// shift sets w + scale·direction.
	shift := func(directions []*tensors.Tensor, scale float64) (err error) {
		factor := m.engine.Scalar(scale)
		defer func() { err = errors.Join(err, factor.FinalizeAll()) }()
		for i, v := range variables {
			if directions[i] == nil {
				continue
			}
			x := m.engine.executable("axpy", []shapes.Shape{original[i].Shape(), directions[i].Shape(), factor.Shape()},
				func(in []*Node) []*Node { return []*Node{Add(in[0], Mul(in[1], in[2]))} })
			outs, err := x.run(original[i], directions[i], factor)
			if err != nil {
				return err
			}
			v.Value = outs[0]
		}
		return nil
	}

	if err := m.lookAhead(o, c, variables, m.Weights(first)); err != nil {
		return nil, err
	}
	buffers, err := m.copyBuffers()
	if err != nil {
		return nil, err
	}
	if ahead, err = m.Gradient(mode, true, c.Inputs, valid...); err != nil {
		return nil, err
	}
	if err := errors.Join(m.restoreBuffers(buffers), drop()); err != nil {
		return ahead, err
	}
	vector := m.Weights(ahead)
	norm, err := m.engine.norm(vector)
	if err != nil {
		return ahead, err
	}
	r := hessianRadius / norm
	var sides [2]*Gradients
	for k, sign := range []float64{1, -1} {
		if err := shift(vector, sign*r); err != nil {
			return ahead, err
		}
		if sides[k], err = m.Gradient(mode, false, c.Inputs, train...); err != nil {
			return ahead, err
		}
		made = append(made, sides[k])
		if err := drop(); err != nil {
			return ahead, err
		}
	}
	factor := m.engine.Scalar(c.LearningRate / (2 * r))
	defer func() { err = errors.Join(err, factor.FinalizeAll()) }()
	for i, t := range ahead.Inputs {
		plus, minus := sides[0].Inputs[i], sides[1].Inputs[i]
		if t == nil || plus == nil || minus == nil {
			continue // the loss does not depend on it
		}
		x := m.engine.executable("implicit", []shapes.Shape{t.Shape(), t.Shape(), t.Shape(), factor.Shape()}, func(in []*Node) []*Node {
			return []*Node{Sub(in[0], Mul(Sub(in[1], in[2]), in[3]))}
		})
		outs, err := x.run(t, plus, minus, factor)
		if err != nil {
			return ahead, err
		}
		ahead.Inputs[i] = outs[0]
		if err := t.FinalizeAll(); err != nil {
			return ahead, err
		}
	}
	return ahead, nil
}

// lookAhead moves the weights by one step of SGD on new tensors; the optimizer's state stays as it is.
func (m *Model) lookAhead(o *Optimizer, c UnrolledConfig, variables []*Variable, gradients []*tensors.Tensor) (err error) {
	rate := m.engine.Scalar(c.LearningRate)
	defer func() { err = errors.Join(err, rate.FinalizeAll()) }()
	key := fmt.Sprintf("look_ahead|%g|%g", c.Momentum, c.WeightDecay)
	for i, v := range variables {
		gradient := gradients[i]
		if gradient == nil {
			continue
		}
		in := []any{v.Value, gradient}
		dims := []shapes.Shape{v.Value.Shape(), gradient.Shape()}
		if o.rule.Slots() > 0 {
			in, dims = append(in, o.slots(v)[0]), append(dims, v.Value.Shape())
		}
		x := m.engine.executable(key, append(dims, rate.Shape()), func(in []*Node) []*Node {
			direction := decayed(in[0], in[1], c.WeightDecay)
			if len(in) == 4 {
				direction = Add(direction, MulScalar(in[2], c.Momentum))
			}
			return []*Node{Sub(in[0], Mul(direction, in[len(in)-1]))}
		})
		outs, err := x.run(append(in, rate)...)
		if err != nil {
			return err
		}
		v.Value = outs[0]
	}
	return nil
}

// norm is the global L2 norm of tensors on the device, summed in float64 on the host.
func (e *Engine) norm(list []*tensors.Tensor) (float64, error) {
	total := 0.0
	for _, t := range list {
		if t == nil {
			continue
		}
		x := e.executable("squares", []shapes.Shape{t.Shape()}, func(in []*Node) []*Node { return []*Node{sumOfSquares(in[0])} })
		outs, err := x.run(t)
		if err != nil {
			return 0, err
		}
		v, err := ScalarValue(outs[0])
		if err := errors.Join(err, outs[0].FinalizeAll()); err != nil {
			return 0, err
		}
		total += v
	}
	return math.Sqrt(total), nil
}

// copyBuffers reads all running statistics to the host.
func (m *Model) copyBuffers() (map[*Group][]float64, error) {
	out := map[*Group][]float64{}
	for _, g := range m.list {
		v, err := Values(g.buffers)
		if err != nil {
			return nil, err
		}
		out[g] = v
	}
	return out, nil
}

func (m *Model) restoreBuffers(saved map[*Group][]float64) error {
	for _, g := range m.list {
		if g.buffers == nil {
			continue
		}
		if err := g.buffers.FinalizeAll(); err != nil {
			return err
		}
		g.buffers = m.flatTensor(saved[g])
	}
	return nil
}
