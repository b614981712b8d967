package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/gonas/gonas/nas/nn"
)

// Model is a module with its tensors on the device, run at one granularity. Its methods are not safe for
// concurrent use.
type Model struct {
	engine      *Engine
	root        nn.Module
	granularity nn.Level
	specs       map[string]nn.Spec
	order       []string

	groups map[string]*Group
	list   []*Group
	whole  *Path
	// one and zero are scalars.
	one, zero *tensors.Tensor
	// pending are values by state_dict name for groups that no plan has made yet.
	pending map[string][]float64

	// SumsAhead compiles with a path's gradient all sums that gradients of other paths may need. It is for several paths at
	// once that are drawn independently of each other, so that any block may be what some of them share.
	SumsAhead bool
}

// NewModel makes a model whose tensors are all zero until [Model.Load].
func (e *Engine) NewModel(root nn.Module, granularity nn.Level) (*Model, error) {
	m := &Model{engine: e, root: root, granularity: granularity, specs: map[string]nn.Spec{},
		groups: map[string]*Group{}, pending: map[string][]float64{}}
	m.whole = m.Path(root)
	for _, s := range root.Specs() {
		if s.Counter {
			continue
		}
		if _, twice := m.specs[s.Name]; twice {
			return nil, fmt.Errorf("model: two tensors are named %q", s.Name)
		}
		m.specs[s.Name] = s
		m.order = append(m.order, s.Name)
	}
	m.one, m.zero = e.Scalar(1), e.Scalar(0)
	return m, nil
}

// StartModel makes a model at a granularity by name, with the initial tensors of a seed.
func (e *Engine) StartModel(root nn.Module, granularity string, seed uint64) (*Model, error) {
	level, err := nn.ParseLevel(granularity)
	if err != nil {
		return nil, err
	}
	m, err := e.NewModel(root, level)
	if err != nil {
		return nil, err
	}
	if err := m.Load(nn.Initialise(root.Specs(), seed)); err != nil {
		return nil, errors.Join(err, m.Finalize())
	}
	return m, nil
}

// Engine is the engine that runs the model.
func (m *Model) Engine() *Engine { return m.engine }

// Granularity is the largest level that runs as one executable.
func (m *Model) Granularity() nn.Level { return m.granularity }

// Specs are the model's tensors in the order of PyTorch's state_dict, counters left out.
func (m *Model) Specs() []nn.Spec {
	specs := make([]nn.Spec, len(m.order))
	for i, n := range m.order {
		specs[i] = m.specs[n]
	}
	return specs
}

// group finds or makes the flat vectors of a block.
func (m *Model) group(prefix string, module nn.Module) *Group {
	l := newLayout(module.Specs())
	if l.weights+l.buffers == 0 {
		return nil
	}
	key := prefix + "|" + module.Signature()
	if g, ok := m.groups[key]; ok {
		return g
	}
	g := &Group{Prefix: prefix, layout: l}
	flat := map[bool][]float64{}
	for _, s := range l.specs {
		if s.Counter {
			continue
		}
		name := nn.Join(prefix, s.Name)
		if _, ok := m.specs[name]; !ok {
			panic(fmt.Errorf("model: block %s needs a tensor %q, which %s does not have", module.Signature(), name, m.root.Signature()))
		}
		values := m.pending[name]
		if values == nil {
			values = make([]float64, s.Size())
		}
		delete(m.pending, name)
		flat[s.Buffer] = append(flat[s.Buffer], values...)
	}
	if t := m.weightTensor(l, flat[false]); t != nil {
		g.weights = &Variable{t}
	}
	g.buffers = m.flatTensor(flat[true])
	m.groups[key] = g
	m.list = append(m.list, g)
	return g
}

// flatTensor is a flat vector on the device, nil for no values.
func (m *Model) flatTensor(values []float64) *tensors.Tensor {
	if len(values) == 0 {
		return nil
	}
	return m.engine.Tensor(values, len(values))
}

// weightTensor is [Model.flatTensor] with the layout's padding.
func (m *Model) weightTensor(l layout, values []float64) *tensors.Tensor {
	return m.flatTensor(append(values, make([]float64, l.padding)...))
}

func widen(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

func narrow(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}

func narrowAll(state map[string][]float64) map[string][]float32 {
	out := make(map[string][]float32, len(state))
	for name, v := range state {
		out[name] = narrow(v)
	}
	return out
}

// Load sets tensors by state_dict name from values in PyTorch's layout. Missing, unknown and wrongly sized
// names are errors that list them.
func (m *Model) Load(state map[string][]float32) error {
	wide := make(map[string][]float64, len(state))
	for name, v := range state {
		wide[name] = widen(v)
	}
	return m.LoadFloat64(wide)
}

// LoadFloat64 is [Model.Load] for an engine in float64.
func (m *Model) LoadFloat64(state map[string][]float64) error {
	var errs []error
	engineState := make(map[string][]float64, len(state))
	for _, name := range m.order {
		values, ok := state[name]
		if !ok {
			errs = append(errs, fmt.Errorf("missing tensor %q, shape %v", name, m.specs[name].Shape))
			continue
		}
		v, err := nn.ToEngine(m.specs[name], values)
		if err != nil {
			errs = append(errs, err)
		}
		engineState[name] = v
	}
	for name := range state {
		if _, ok := m.specs[name]; !ok {
			errs = append(errs, fmt.Errorf("unexpected tensor %q", name))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("load: %w", errors.Join(errs...))
	}
	return m.set(engineState)
}

// set puts values in the engine's layout into the groups, and keeps those of groups that do not exist yet.
func (m *Model) set(state map[string][]float64) error {
	m.pending = state
	for _, g := range m.list {
		flat := map[bool][]float64{}
		for _, s := range g.layout.specs {
			if s.Counter {
				continue
			}
			name := nn.Join(g.Prefix, s.Name)
			flat[s.Buffer] = append(flat[s.Buffer], m.pending[name]...)
			delete(m.pending, name)
		}
		if g.weights != nil {
			if err := g.weights.Value.FinalizeAll(); err != nil {
				return err
			}
			g.weights.Value = m.weightTensor(g.layout, flat[false])
		}
		if g.buffers != nil {
			if err := g.buffers.FinalizeAll(); err != nil {
				return err
			}
			g.buffers = m.flatTensor(flat[true])
		}
	}
	return nil
}

// State returns all tensors by state_dict name in PyTorch's layout.
func (m *Model) State() (map[string][]float32, error) {
	state, err := m.StateFloat64()
	return narrowAll(state), err
}

// StateFloat64 is [Model.State] without rounding to float32.
func (m *Model) StateFloat64() (map[string][]float64, error) {
	flats := make(map[*Group][2][]float64, len(m.list))
	for _, g := range m.list {
		var w []float64
		var err error
		if g.weights != nil {
			if w, err = Values(g.weights.Value); err != nil {
				return nil, err
			}
		}
		b, err := Values(g.buffers)
		if err != nil {
			return nil, err
		}
		flats[g] = [2][]float64{w, b}
	}
	return m.byName(func(g *Group, buffer bool) []float64 {
		if buffer {
			return flats[g][1]
		}
		return flats[g][0]
	}, true)
}

// byName cuts flat vectors of the groups into tensors by state_dict name in PyTorch's layout.
func (m *Model) byName(flat func(g *Group, buffer bool) []float64, withBuffers bool) (map[string][]float64, error) {
	state := make(map[string][]float64, len(m.order))
	put := func(s nn.Spec, name string, values []float64) error {
		v, err := nn.FromEngine(s, values)
		if err != nil {
			return err
		}
		state[name] = v
		return nil
	}
	for _, g := range m.list {
		at := map[bool]int{}
		for _, s := range g.layout.specs {
			if s.Counter || (s.Buffer && !withBuffers) {
				continue
			}
			values := flat(g, s.Buffer)
			if values == nil {
				continue
			}
			if err := put(s, nn.Join(g.Prefix, s.Name), values[at[s.Buffer]:at[s.Buffer]+s.Size()]); err != nil {
				return nil, err
			}
			at[s.Buffer] += s.Size()
		}
	}
	if withBuffers {
		for name, values := range m.pending {
			if err := put(m.specs[name], name, values); err != nil {
				return nil, err
			}
		}
	}
	return state, nil
}

// Run does a pass without gradients and returns the module's outputs, which the caller finalises.
func (m *Model) Run(mode nn.Mode, in ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	return m.whole.Run(mode, in...)
}

func pick(values []*tensors.Tensor, slots []int) []*tensors.Tensor {
	out := make([]*tensors.Tensor, len(slots))
	for i, s := range slots {
		if s >= 0 {
			out[i] = values[s]
		}
	}
	return out
}

// Gradients are the results of [Model.Gradient].
type Gradients struct {
	// Outputs of the module; the first is the loss.
	Outputs []*tensors.Tensor
	// Inputs holds the gradient of each input asked for, in the order asked; nil where the loss does not depend.
	Inputs []*tensors.Tensor
	// groups holds the flat gradient of each group that took part.
	groups map[*Group]*tensors.Tensor
}

// Finalize frees the device memory at once.
func (g *Gradients) Finalize() error {
	var errs []error
	for _, t := range slices.Concat(g.Outputs, g.Inputs) {
		if t != nil {
			errs = append(errs, t.FinalizeAll())
		}
	}
	for _, t := range g.groups {
		errs = append(errs, t.FinalizeAll())
	}
	return errors.Join(errs...)
}

// Accumulate adds gradients g to sum, on the device, and frees g; a nil sum is none so far. What only one of them has, such
// as the gradients of blocks that only one path called, stays as it is. Sums of K paths so need the memory of two.
func (m *Model) Accumulate(sum, g *Gradients) (*Gradients, error) {
	if sum == nil {
		return g, nil
	}
	type pair struct {
		to   **tensors.Tensor
		from *tensors.Tensor
	}
	var pairs []pair
	for _, lists := range [][2][]*tensors.Tensor{{sum.Outputs, g.Outputs}, {sum.Inputs, g.Inputs}} {
		for i := range lists[0] {
			pairs = append(pairs, pair{&lists[0][i], lists[1][i]})
		}
	}
	groups := map[*Group]**tensors.Tensor{}
	for group, t := range g.groups {
		own := sum.groups[group]
		groups[group] = &own
		pairs = append(pairs, pair{&own, t})
	}
	err := m.engine.each(len(pairs), func(i int) error {
		to, from := pairs[i].to, pairs[i].from
		if from == nil {
			return nil
		}
		if *to == nil {
			*to = from
			return nil
		}
		out, err := m.engine.adding([]shapes.Shape{(*to).Shape(), from.Shape()}).run(*to, from)
		if err != nil {
			return err
		}
		err = errors.Join((*to).FinalizeAll(), from.FinalizeAll())
		*to = out[0]
		return err
	})
	for group, t := range groups {
		sum.groups[group] = *t
	}
	return sum, err
}

// ScaleInputs multiplies the gradients of the inputs by a factor.
func (m *Model) ScaleInputs(g *Gradients, factor float64) (err error) {
	scalar := m.engine.Scalar(factor)
	defer func() { err = errors.Join(err, scalar.FinalizeAll()) }()
	for i, t := range g.Inputs {
		if t == nil {
			continue
		}
		x := m.engine.executable("scale", []shapes.Shape{t.Shape(), scalar.Shape()}, func(in []*graph.Node) []*graph.Node {
			return []*graph.Node{graph.Mul(in[0], in[1])}
		})
		out, err := x.run(t, scalar)
		if err != nil {
			return err
		}
		if err := t.FinalizeAll(); err != nil {
			return err
		}
		g.Inputs[i] = out[0]
	}
	return nil
}

// Gradient does a pass and computes the gradients of the first output, a scalar loss, with respect to the
// weights (if asked) and to the inputs of these indices. Batch-norm statistics move on in training mode.
func (m *Model) Gradient(mode nn.Mode, weights bool, wrt []int, in ...*tensors.Tensor) (*Gradients, error) {
	return m.whole.Gradient(mode, weights, wrt, in...)
}

// WeightGradients copies the weights' gradients to the host by state_dict name, in PyTorch's layout.
func (m *Model) WeightGradients(g *Gradients) (map[string][]float64, error) {
	var failed error
	out, err := m.byName(func(group *Group, buffer bool) []float64 {
		if buffer {
			return nil
		}
		v, err := Values(g.groups[group])
		failed = errors.Join(failed, err)
		return v
	}, false)
	return out, errors.Join(err, failed)
}

// Variables are the model's weights, one flat vector a block, in a fixed order.
func (m *Model) Variables() []*Variable {
	var list []*Variable
	for _, g := range m.list {
		if g.weights != nil {
			list = append(list, g.weights)
		}
	}
	return list
}

// Weights are the gradients of [Model.Variables], in the same order; nil where the loss does not depend.
func (m *Model) Weights(g *Gradients) []*tensors.Tensor {
	var list []*tensors.Tensor
	for _, group := range m.list {
		if group.weights != nil {
			list = append(list, g.groups[group])
		}
	}
	return list
}

// OptimizerState returns the optimizer's state of the model's weights: one map by state_dict name for each
// slot, in PyTorch's layout.
func (m *Model) OptimizerState(o *Optimizer) ([]map[string][]float32, error) {
	slots := make([]map[string][]float32, o.rule.Slots())
	for k := range slots {
		flats := map[*Group][]float64{}
		for _, g := range m.list {
			if g.weights == nil {
				continue
			}
			v, err := Values(o.slots(g.weights)[k])
			if err != nil {
				return nil, err
			}
			flats[g] = v
		}
		slot, err := m.byName(func(g *Group, buffer bool) []float64 {
			if buffer {
				return nil
			}
			return flats[g]
		}, false)
		if err != nil {
			return nil, err
		}
		slots[k] = narrowAll(slot)
	}
	return slots, nil
}

// LoadOptimizerState is the inverse of [Model.OptimizerState]; steps is the number of steps taken.
func (m *Model) LoadOptimizerState(o *Optimizer, slots []map[string][]float32, steps int) error {
	if len(slots) != o.rule.Slots() {
		return fmt.Errorf("optimizer state: expected %d slots, got %d", o.rule.Slots(), len(slots))
	}
	o.step = steps
	for _, g := range m.list {
		if g.weights == nil {
			continue
		}
		own := o.slots(g.weights)
		for k := range slots {
			var flat []float32
			for _, s := range g.layout.specs {
				if s.Buffer {
					continue
				}
				name := nn.Join(g.Prefix, s.Name)
				values, ok := slots[k][name]
				if !ok {
					return fmt.Errorf("optimizer state: slot %d: missing tensor %q", k, name)
				}
				v, err := nn.ToEngine(s, values)
				if err != nil {
					return fmt.Errorf("optimizer state: slot %d: %w", k, err)
				}
				flat = append(flat, v...)
			}
			if err := own[k].FinalizeAll(); err != nil {
				return err
			}
			own[k] = m.weightTensor(g.layout, widen(flat))
		}
	}
	return nil
}

// Finalize frees the model's device memory at once; the model must not be used afterwards. A nil one has none.
func (m *Model) Finalize() error {
	if m == nil {
		return nil
	}
	errs := []error{m.one.FinalizeAll(), m.zero.FinalizeAll()}
	for _, g := range m.list {
		for _, t := range g.tensors() {
			if t != nil {
				errs = append(errs, t.FinalizeAll())
			}
		}
	}
	return errors.Join(errs...)
}

// Trace makes all blocks and their variables for inputs of these shapes, and compiles nothing.
func (m *Model) Trace(mode nn.Mode, in ...shapes.Shape) error {
	if err := exceptions.TryCatch[error](func() { newPlan(m.whole, in, mode) }); err != nil {
		return fmt.Errorf("tracing %s: %w", m.root.Signature(), err)
	}
	return nil
}
