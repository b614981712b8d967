package engine

import (
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
func Unrolled(m *Model, o *Optimizer, c UnrolledConfig, train, valid []*tensors.Tensor) (*Gradients, error) {
	mode := nn.Mode{Train: true}
	first, err := m.Gradient(mode, true, nil, train...)
	if err != nil {
		return nil, err
	}
	variables := m.Variables()
	original := make([]*tensors.Tensor, len(variables))
	for i, v := range variables {
		original[i] = v.Value
	}
	restore := func() {
		for i, v := range variables {
			v.Value = original[i]
		}
	}
	defer restore()
	// shift sets w + scale·direction.
	shift := func(directions []*tensors.Tensor, scale float64) error {
		factor := m.engine.Scalar(scale)
		for i, v := range variables {
			v.Value = original[i]
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
	drop := func() error {
		for i, v := range variables {
			if v.Value != original[i] {
				if err := v.Value.FinalizeAll(); err != nil {
					return err
				}
			}
		}
		restore()
		return nil
	}

	for i, v := range variables {
		gradient := m.Weights(first)[i]
		if gradient == nil {
			continue
		}
		in := []any{original[i], gradient}
		dims := []shapes.Shape{original[i].Shape(), gradient.Shape()}
		if o.rule.Slots() > 0 {
			in, dims = append(in, o.slots(v)[0]), append(dims, original[i].Shape())
		}
		key := fmt.Sprintf("look_ahead|%g|%g", c.Momentum, c.WeightDecay)
		rate := m.engine.Scalar(c.LearningRate)
		x := m.engine.executable(key, append(dims, rate.Shape()), func(in []*Node) []*Node {
			direction := decayed(in[0], in[1], c.WeightDecay)
			if len(in) == 4 {
				direction = Add(direction, MulScalar(in[2], c.Momentum))
			}
			return []*Node{Sub(in[0], Mul(direction, in[len(in)-1]))}
		})
		outs, err := x.run(append(in, rate)...)
		if err != nil {
			return nil, err
		}
		v.Value = outs[0]
	}
	buffers, err := m.copyBuffers()
	if err != nil {
		return nil, err
	}
	ahead, err := m.Gradient(mode, true, c.Inputs, valid...)
	if err != nil {
		return nil, err
	}
	if err := m.restoreBuffers(buffers); err != nil {
		return nil, err
	}
	if err := drop(); err != nil {
		return nil, err
	}
	vector := m.Weights(ahead)
	norm, err := m.engine.norm(vector)
	if err != nil {
		return nil, err
	}
	r := hessianRadius / norm
	var sides [2]*Gradients
	for k, sign := range []float64{1, -1} {
		if err := shift(vector, sign*r); err != nil {
			return nil, err
		}
		if sides[k], err = m.Gradient(mode, false, c.Inputs, train...); err != nil {
			return nil, err
		}
		if err := drop(); err != nil {
			return nil, err
		}
	}
	factor := m.engine.Scalar(c.LearningRate / (2 * r))
	for i, t := range ahead.Inputs {
		x := m.engine.executable("implicit", []shapes.Shape{t.Shape(), t.Shape(), t.Shape(), factor.Shape()}, func(in []*Node) []*Node {
			return []*Node{Sub(in[0], Mul(Sub(in[1], in[2]), in[3]))}
		})
		outs, err := x.run(t, sides[0].Inputs[i], sides[1].Inputs[i], factor)
		if err != nil {
			return nil, err
		}
		if err := t.FinalizeAll(); err != nil {
			return nil, err
		}
		ahead.Inputs[i] = outs[0]
	}
	for _, g := range []*Gradients{first, sides[0], sides[1]} {
		if err := g.Finalize(); err != nil {
			return nil, err
		}
	}
	return ahead, nil
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
		if err != nil {
			return 0, err
		}
		if err := outs[0].FinalizeAll(); err != nil {
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
