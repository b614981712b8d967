package engine

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Variable is a tensor on the device that an optimizer moves.
type Variable struct {
	Value *tensors.Tensor
}

// Rule is one step of an optimizer with PyTorch's semantics: element by element, on any shape.
type Rule interface {
	// Signature names the rule and its constants.
	Signature() string
	// Slots is the number of tensors of state beside each variable.
	Slots() int
	// Scalars are the numbers of step t (from 1) at a learning rate; always the same count.
	Scalars(t int, rate float64) []float64
	// Graph returns the new value and the new state.
	Graph(w, g *Node, slots, scalars []*Node) (*Node, []*Node)
}

// SGD is torch.optim.SGD: L2 weight decay added to the gradient, momentum without dampening, Nesterov's form
// if asked.
type SGD struct {
	Momentum    float64 `json:"momentum"`
	WeightDecay float64 `json:"weight_decay"`
	Nesterov    bool    `json:"nesterov,omitempty"`
}

// Signature implements [Rule].
func (r SGD) Signature() string { return fmt.Sprintf("sgd|%+v", r) }

// Slots implements [Rule].
func (r SGD) Slots() int {
	if r.Momentum == 0 {
		return 0
	}
	return 1
}

// Scalars implements [Rule].
func (r SGD) Scalars(_ int, rate float64) []float64 { return []float64{rate} }

// Graph implements [Rule].
func (r SGD) Graph(w, g *Node, slots, scalars []*Node) (*Node, []*Node) {
	g = decayed(w, g, r.WeightDecay)
	if r.Momentum == 0 {
		return Sub(w, Mul(g, scalars[0])), nil
	}
	buffer := Add(MulScalar(slots[0], r.Momentum), g)
	direction := buffer
	if r.Nesterov {
		direction = Add(g, MulScalar(buffer, r.Momentum))
	}
	return Sub(w, Mul(direction, scalars[0])), []*Node{buffer}
}

func decayed(w, g *Node, decay float64) *Node {
	if decay == 0 {
		return g
	}
	return Add(g, MulScalar(w, decay))
}

// Adam is torch.optim.Adam: L2 weight decay added to the gradient. With Decoupled it is torch.optim.AdamW.
type Adam struct {
	Beta1       float64 `json:"beta1"`
	Beta2       float64 `json:"beta2"`
	Epsilon     float64 `json:"epsilon"`
	WeightDecay float64 `json:"weight_decay"`
	Decoupled   bool    `json:"decoupled,omitempty"`
}

// Signature implements [Rule].
func (r Adam) Signature() string { return fmt.Sprintf("adam|%+v", r) }

// Slots implements [Rule].
func (r Adam) Slots() int { return 2 }

// Scalars implements [Rule]: the step's size, the root of the second correction, the decay's factor.
func (r Adam) Scalars(t int, rate float64) []float64 {
	return []float64{rate / (1 - math.Pow(r.Beta1, float64(t))), math.Sqrt(1 - math.Pow(r.Beta2, float64(t))), 1 - rate*r.WeightDecay}
}

// Graph implements [Rule].
func (r Adam) Graph(w, g *Node, slots, scalars []*Node) (*Node, []*Node) {
	if r.Decoupled {
		w = Mul(w, scalars[2])
	} else {
		g = decayed(w, g, r.WeightDecay)
	}
	m := Add(MulScalar(slots[0], r.Beta1), MulScalar(g, 1-r.Beta1))
	v := Add(MulScalar(slots[1], r.Beta2), MulScalar(Mul(g, g), 1-r.Beta2))
	denominator := AddScalar(Div(Sqrt(v), scalars[1]), r.Epsilon)
	return Sub(w, Mul(Div(m, denominator), scalars[0])), []*Node{m, v}
}

// RMSProp is torch.optim.RMSprop, not centred: L2 weight decay, momentum on the scaled gradient.
type RMSProp struct {
	Alpha       float64 `json:"alpha"`
	Epsilon     float64 `json:"epsilon"`
	Momentum    float64 `json:"momentum"`
	WeightDecay float64 `json:"weight_decay"`
}

// Signature implements [Rule].
func (r RMSProp) Signature() string { return fmt.Sprintf("rmsprop|%+v", r) }

// Slots implements [Rule].
func (r RMSProp) Slots() int { return 2 }

// Scalars implements [Rule].
func (r RMSProp) Scalars(_ int, rate float64) []float64 { return []float64{rate} }

// Graph implements [Rule].
func (r RMSProp) Graph(w, g *Node, slots, scalars []*Node) (*Node, []*Node) {
	g = decayed(w, g, r.WeightDecay)
	square := Add(MulScalar(slots[0], r.Alpha), MulScalar(Mul(g, g), 1-r.Alpha))
	direction := Div(g, AddScalar(Sqrt(square), r.Epsilon))
	buffer := Add(MulScalar(slots[1], r.Momentum), direction)
	return Sub(w, Mul(buffer, scalars[0])), []*Node{square, buffer}
}

// Optimizer applies a rule to variables and holds its state on the device.
type Optimizer struct {
	engine *Engine
	rule   Rule
	// clip is the largest global norm of the gradients, 0 for none.
	clip  float64
	step  int
	state map[*Variable][]*tensors.Tensor
}

// NewOptimizer makes an optimizer; clip is the largest global L2 norm of the gradients (PyTorch's
// clip_grad_norm_), 0 for none.
func (e *Engine) NewOptimizer(rule Rule, clip float64) *Optimizer {
	return &Optimizer{engine: e, rule: rule, clip: clip, state: map[*Variable][]*tensors.Tensor{}}
}

// StepCount is the number of steps taken.
func (o *Optimizer) StepCount() int { return o.step }

// slots finds or makes a variable's state, zero at first.
func (o *Optimizer) slots(v *Variable) []*tensors.Tensor {
	s, ok := o.state[v]
	if !ok {
		s = make([]*tensors.Tensor, o.rule.Slots())
		for i := range s {
			s[i] = tensors.FromShape(v.Value.Shape())
		}
		o.state[v] = s
	}
	return s
}

// Step moves each variable against its gradient at the learning rate; a nil gradient leaves its variable
// alone. It returns the gradients' global norm before clipping, 0 without clipping.
func (o *Optimizer) Step(rate float64, variables []*Variable, gradients []*tensors.Tensor) (norm float64, err error) {
	o.step++
	numbers := o.rule.Scalars(o.step, rate)
	var moved []movement
	var list []*executable
	for i, v := range variables {
		if gradients[i] == nil {
			continue
		}
		m := movement{i, v, gradients[i], o.updating(v, gradients[i], len(numbers)), nil}
		list = append(list, m.update)
		if o.clip > 0 {
			m.squares = o.engine.executable("squares", []shapes.Shape{m.gradient.Shape()}, func(in []*Node) []*Node {
				return []*Node{sumOfSquares(in[0])}
			})
			list = append(list, m.squares)
		}
		moved = append(moved, m)
	}
	if err := o.engine.compileAll(list); err != nil {
		return 0, err
	}
	var scale *tensors.Tensor
	if o.clip > 0 && len(moved) > 0 {
		scale, norm, err = o.clipScale(moved, len(variables))
	} else {
		scale = o.engine.Scalar(1)
	}
	if err != nil {
		return 0, err
	}
	scalars := o.engine.Tensor(numbers, len(numbers))
	defer func() { err = errors.Join(err, scale.FinalizeAll(), scalars.FinalizeAll()) }()
	// On the device first, for several updates read them at once.
	for _, t := range []*tensors.Tensor{scale, scalars} {
		if _, err := t.Buffer(o.engine.backend, 0); err != nil {
			return 0, fmt.Errorf("moving an input to the device: %w", err)
		}
	}
	return norm, o.engine.each(len(moved), func(i int) error { return o.apply(moved[i], scale, scalars) })
}

// movement is one variable's part of a step, by its number among all; squares is nil without clipping.
type movement struct {
	number          int
	variable        *Variable
	gradient        *tensors.Tensor
	update, squares *executable
}

// updating is the executable of the rule for a variable.
func (o *Optimizer) updating(v *Variable, gradient *tensors.Tensor, numbers int) *executable {
	in := []shapes.Shape{v.Value.Shape(), gradient.Shape(), shapes.Make(o.engine.dtype), o.engine.vector(numbers)}
	for _, s := range o.slots(v) {
		in = append(in, s.Shape())
	}
	return o.engine.executable("update|"+o.rule.Signature(), in, func(in []*Node) []*Node {
		scalars := make([]*Node, numbers)
		for i := range scalars {
			scalars[i] = Reshape(Slice(in[3], AxisElem(i)))
		}
		w, state := o.rule.Graph(in[0], Mul(in[1], in[2]), in[4:], scalars)
		return append([]*Node{w}, state...)
	})
}

func (o *Optimizer) apply(m movement, scale, scalars *tensors.Tensor) error {
	slots := o.slots(m.variable)
	args := []any{}
	donate := func(t *tensors.Tensor) error {
		d, err := DonateTensorBuffer(t, o.engine.backend, 0)
		args = append(args, d)
		return err
	}
	if err := donate(m.variable.Value); err != nil {
		return err
	}
	args = append(args, m.gradient, scale, scalars)
	for _, s := range slots {
		if err := donate(s); err != nil {
			return err
		}
	}
	outs, err := m.update.run(args...)
	if err != nil {
		return err
	}
	m.variable.Value = outs[0]
	copy(slots, outs[1:])
	return nil
}

// clipScale computes min(1, clip/(norm+1e-6)) on the device, squares summed in the order of the variables. Those that do
// not move count as zero, so that one program serves whatever moves.
func (o *Optimizer) clipScale(moved []movement, variables int) (scale *tensors.Tensor, norm float64, err error) {
	sums, in := make([]any, variables), make([]shapes.Shape, variables)
	zero := o.engine.Scalar(0)
	for i := range sums {
		sums[i], in[i] = zero, zero.Shape()
	}
	defer func() {
		for _, s := range sums {
			if t := s.(*tensors.Tensor); t != zero {
				err = errors.Join(err, t.FinalizeAll())
			}
		}
		err = errors.Join(err, zero.FinalizeAll())
	}()
	err = o.engine.each(len(moved), func(i int) error {
		out, err := moved[i].squares.run(moved[i].gradient)
		if err == nil {
			sums[moved[i].number] = out[0]
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	x := o.engine.executable("clip|"+formatFloat(o.clip), in, func(in []*Node) []*Node {
		total := in[0]
		for _, s := range in[1:] {
			total = Add(total, s)
		}
		norm := Sqrt(total)
		scale := Min(Reciprocal(MulScalar(AddScalar(norm, 1e-6), 1/o.clip)), OnesLike(norm))
		return []*Node{scale, norm}
	})
	outs, err := x.run(sums...)
	if err != nil {
		return nil, 0, err
	}
	norm, err = ScalarValue(outs[1])
	return outs[0], norm, errors.Join(err, outs[1].FinalizeAll())
}

// Finalize frees the state's device memory at once; the optimizer must not be used afterwards. A nil one has none.
func (o *Optimizer) Finalize() error {
	if o == nil {
		return nil
	}
	var errs []error
	for _, slots := range o.state {
		for _, t := range slots {
			errs = append(errs, t.FinalizeAll())
		}
	}
	o.state = map[*Variable][]*tensors.Tensor{}
	return errors.Join(errs...)
}

// sumOfSquares adds columns first, so that XLA can use vectors and the error stays small.
func sumOfSquares(x *Node) *Node {
	n := x.Shape().Size()
	x = Reshape(x, n)
	const width = 64
	if rest := n % width; n > width && rest != 0 {
		head, tail := Slice(x, AxisRange(0, n-rest)), Slice(x, AxisRange(n-rest))
		return Add(sumOfSquares(head), ReduceAllSum(Mul(tail, tail)))
	}
	if n > width {
		x = Reshape(x, n/width, width)
		return ReduceAllSum(ReduceSum(Mul(x, x), 0))
	}
	return ReduceAllSum(Mul(x, x))
}

// ScalarValue reads a scalar from the device.
func ScalarValue(t *tensors.Tensor) (float64, error) {
	v, err := Values(t)
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

// CosineRate is the learning rate of an epoch under cosine annealing from first to last, as PyTorch's
// CosineAnnealingLR gives it: epoch counts from 0, total is T_max.
func CosineRate(first, last float64, epoch, total int) float64 {
	if total <= 0 {
		return first
	}
	return last + (first-last)*(1+math.Cos(math.Pi*float64(epoch)/float64(total)))/2
}

// VariableState copies variables and their optimizer state to the host: for each variable its value, then its
// slots.
func (o *Optimizer) VariableState(variables []*Variable) ([][][]float32, error) {
	out := make([][][]float32, len(variables))
	for i, v := range variables {
		for _, t := range append([]*tensors.Tensor{v.Value}, o.slots(v)...) {
			values, err := Values(t)
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], narrow(values))
		}
	}
	return out, nil
}

// LoadVariableState is the inverse of [Optimizer.VariableState]; steps is the number of steps taken.
func (o *Optimizer) LoadVariableState(variables []*Variable, state [][][]float32, steps int) error {
	if len(state) != len(variables) {
		return fmt.Errorf("optimizer state: expected %d variables, got %d", len(variables), len(state))
	}
	o.step = steps
	for i, v := range variables {
		slots := o.slots(v)
		if len(state[i]) != 1+len(slots) {
			return fmt.Errorf("optimizer state: variable %d: expected %d tensors, got %d", i, 1+len(slots), len(state[i]))
		}
		dims := v.Value.Shape().Dimensions
		for k, values := range state[i] {
			if len(values) != v.Value.Shape().Size() {
				return fmt.Errorf("optimizer state: variable %d, tensor %d: expected %d values, got %d", i, k, v.Value.Shape().Size(), len(values))
			}
			t := o.engine.Tensor(widen(values), dims...)
			held := &v.Value
			if k > 0 {
				held = &slots[k-1]
			}
			if err := (*held).FinalizeAll(); err != nil {
				return err
			}
			*held = t
		}
	}
	return nil
}
