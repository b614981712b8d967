package engine

import (
	"container/heap"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/nn"
)

// Group is the tensors of one block of a model, as two flat vectors on the device.
type Group struct {
	// Prefix is the block's name in the network; with a spec's name it makes PyTorch's state_dict key.
	Prefix string
	layout layout
	// weights and buffers are nil where the block has none.
	weights *Variable
	buffers *tensors.Tensor
}

// call is one block call of a traced pass.
type call struct {
	block block
	group *Group
	in    []int
	out   []int
}

// instruction runs one executable on slots.
type instruction struct {
	executable *executable
	group      *Group
	in, out    []int
	// buffersAt is the output that replaces the group's buffers, -1 for none.
	buffersAt int
	// before is the number of instructions that this one waits for, after are those that wait for it.
	before int
	after  []int
	// chain is the length of the longest chain of instructions from this one on.
	chain int
}

// plan is a static schedule: which executable runs on which slots, what it waits for, and when a slot's tensor can go.
type plan struct {
	model *Model
	// drawn is true for a path, of which there are many: its sums are of two each, so that one program a shape serves all.
	drawn        bool
	slots        []shapes.Shape
	inputs       []int
	outputs      []int
	instructions []instruction
	calls        []call
	// one is the slot of the loss's own gradient, zero that of a scalar that nobody reads; -1 when unused.
	one, zero int
	// groupGradients are slots by group, inputGradients by wanted input; -1 where the loss does not depend.
	groupGradients map[*Group]int
	inputGradients []int
	// readers counts the instructions that read or make a slot, 0 for those that outlive the run.
	readers []int32
}

func (p *plan) slot(s shapes.Shape) int {
	p.slots = append(p.slots, s)
	return len(p.slots) - 1
}

// tracer is the environment in which composites above the granularity run: each call of a block becomes a
// call of the plan.
type tracer struct {
	plan   *plan
	mode   nn.Mode
	prefix string
}

func (t tracer) Call(name string, m nn.Module, in ...nn.Value) []nn.Value {
	t.prefix = nn.Join(t.prefix, name)
	if c, ok := m.(nn.Composite); ok && m.Level() > t.plan.model.granularity {
		return c.Run(t, in)
	}
	model := t.plan.model
	c := call{block: block{module: m, layout: newLayout(m.Specs()), mode: t.mode}, group: model.group(t.prefix, m)}
	for _, v := range in {
		c.in = append(c.in, v.Slot)
		c.block.in = append(c.block.in, v.Shape)
	}
	x := c.block.forward(model.engine)
	if err := x.trace(); err != nil {
		panic(err)
	}
	outputs := x.outputs
	if c.block.updatesBuffers() {
		outputs = outputs[:len(outputs)-1]
	}
	values := make([]nn.Value, len(outputs))
	for i, s := range outputs {
		slot := t.plan.slot(s)
		c.out = append(c.out, slot)
		values[i] = nn.Value{Slot: slot, Shape: s}
	}
	t.plan.calls = append(t.plan.calls, c)
	return values
}

// newPlan traces one pass; it panics with an error where a graph function does.
func newPlan(path *Path, in []shapes.Shape, mode nn.Mode) *plan {
	m, root := path.model, path.root
	p := &plan{model: m, drawn: path != m.whole, one: -1, zero: -1, groupGradients: map[*Group]int{}}
	values := make([]nn.Value, len(in))
	for i, s := range in {
		slot := p.slot(s)
		p.inputs = append(p.inputs, slot)
		values[i] = nn.Value{Slot: slot, Shape: s}
	}
	if _, ok := root.(nn.Composite); !ok || root.Level() <= m.granularity {
		// One executable does it all; its graph is built when it is known whether gradients are wanted.
		p.calls = []call{{block: block{module: root, layout: newLayout(root.Specs()), mode: mode, in: in}, group: m.group("", root), in: p.inputs}}
		return p
	}
	outs := tracer{plan: p, mode: mode}.Call("", root, values...)
	for _, v := range outs {
		p.outputs = append(p.outputs, v.Slot)
	}
	return p
}

// single tells whether the plan is one executable, whose outputs are not known yet.
func (p *plan) single() bool { return len(p.calls) == 1 && p.outputs == nil }

// setOutputs gives the outputs of a single executable their slots.
func (p *plan) setOutputs(outputs []shapes.Shape) {
	for _, s := range outputs {
		p.outputs = append(p.outputs, p.slot(s))
	}
	p.calls[0].out = p.outputs
}

// scheduleForward makes the instructions of a pass without gradients.
func (p *plan) scheduleForward() error {
	if p.single() {
		c := &p.calls[0]
		x := c.block.forward(p.model.engine)
		if err := x.trace(); err != nil {
			return err
		}
		outputs := x.outputs
		if c.block.updatesBuffers() {
			outputs = outputs[:len(outputs)-1]
		}
		p.setOutputs(outputs)
	}
	for _, c := range p.calls {
		i := instruction{executable: c.block.forward(p.model.engine), group: c.group, in: c.in, out: slices.Clone(c.out), buffersAt: -1}
		if c.block.updatesBuffers() {
			i.buffersAt = len(i.out)
			i.out = append(i.out, -1)
		}
		p.instructions = append(p.instructions, i)
	}
	return nil
}

// scheduleGradient makes the instructions of a pass and of the gradients of its first output, a scalar, with
// respect to the weights and to some inputs.
func (p *plan) scheduleGradient(weights bool, wrtInputs []int) error {
	needs := make([]bool, len(p.slots))
	for _, i := range wrtInputs {
		needs[p.inputs[i]] = true
	}
	if p.single() {
		return p.scheduleRoot(weights, needs)
	}
	if s := p.slots[p.outputs[0]]; s.Rank() != 0 {
		return fmt.Errorf("gradient: the module's first output must be a scalar loss, got %s", s)
	}
	for _, c := range p.calls {
		depends := weights && c.group != nil && c.group.layout.weights > 0
		for _, s := range c.in {
			depends = depends || needs[s]
		}
		for _, s := range c.out {
			needs[s] = depends
		}
	}
	if err := p.scheduleForward(); err != nil {
		return err
	}
	p.one = p.slot(shapes.Make(p.model.engine.dtype))
	p.scheduleBackward(weights, needs)
	return nil
}

// scheduleRoot is the whole pass as one executable.
func (p *plan) scheduleRoot(weights bool, needs []bool) error {
	c := &p.calls[0]
	of := gradientOf{root: true, weights: weights && c.group != nil && c.group.layout.weights > 0, inputs: make([]bool, len(c.in))}
	for i, s := range c.in {
		of.inputs[i] = needs[s]
	}
	x := c.block.gradient(p.model.engine, of, nil)
	if err := x.trace(); err != nil {
		return err
	}
	wanted := 0
	for _, in := range of.inputs {
		if in {
			wanted++
		}
	}
	for _, extra := range []bool{of.weights, c.block.updatesBuffers()} {
		if extra {
			wanted++
		}
	}
	p.setOutputs(x.outputs[:len(x.outputs)-wanted])
	i := instruction{executable: x, group: c.group, in: c.in, out: slices.Clone(c.out), buffersAt: -1}
	if c.block.updatesBuffers() {
		i.buffersAt = len(i.out)
		i.out = append(i.out, -1)
	}
	if of.weights {
		slot := p.slot(p.model.engine.vector(c.group.layout.weights))
		p.groupGradients[c.group] = slot
		i.out = append(i.out, slot)
	}
	p.inputGradients = make([]int, len(p.inputs))
	for k := range p.inputGradients {
		p.inputGradients[k] = -1
	}
	for k, s := range c.in {
		if of.inputs[k] {
			slot := p.slot(p.slots[s])
			p.inputGradients[k] = slot
			i.out = append(i.out, slot)
		}
	}
	p.instructions = append(p.instructions, i)
	return nil
}

// scheduleBackward walks the calls in reverse and sums the gradients of each slot and of each group.
func (p *plan) scheduleBackward(weights bool, needs []bool) {
	parts := map[int][]int{p.outputs[0]: {p.one}}
	groupParts := map[*Group][]int{}
	var groups []*Group
	for k := len(p.calls) - 1; k >= 0; k-- {
		c := p.calls[k]
		of := gradientOf{cotangents: make([]bool, len(c.out)), inputs: make([]bool, len(c.in))}
		wanted := false
		for i, s := range c.in {
			of.inputs[i] = needs[s]
			wanted = wanted || needs[s]
		}
		of.weights = weights && c.group != nil && c.group.layout.weights > 0
		if !wanted && !of.weights {
			continue
		}
		var cotangents []int
		o, ok := c.block.module.(nn.Optional)
		optional := ok && p.drawn && o.MayBeUnread() && p.slots[c.out[0]].Rank() == 0
		for i, s := range c.out {
			if len(parts[s]) > 0 {
				of.cotangents[i] = true
				cotangents = append(cotangents, p.sum(parts[s]))
			} else if optional {
				cotangents = append(cotangents, p.zeroSlot())
			}
		}
		if !slices.Contains(of.cotangents, true) {
			continue
		}
		if optional {
			of.cotangents = slices.Repeat([]bool{true}, len(c.out))
		}
		if l, ok := c.block.module.(nn.Linear); ok && l.PassesGradient() {
			for i, s := range c.in {
				if of.inputs[i] {
					parts[s] = append(parts[s], cotangents[0])
				}
			}
			continue
		}
		outShapes := make([]shapes.Shape, len(c.out))
		for i, s := range c.out {
			outShapes[i] = p.slots[s]
		}
		i := instruction{executable: c.block.gradient(p.model.engine, of, outShapes), group: c.group, in: slices.Concat(c.in, cotangents), buffersAt: -1}
		if of.weights {
			slot := p.slot(p.model.engine.vector(c.group.layout.weights))
			if groupParts[c.group] == nil {
				groups = append(groups, c.group)
			}
			groupParts[c.group] = append(groupParts[c.group], slot)
			i.out = append(i.out, slot)
		}
		for k, s := range c.in {
			if of.inputs[k] {
				slot := p.slot(p.slots[s])
				parts[s] = append(parts[s], slot)
				i.out = append(i.out, slot)
			}
		}
		p.instructions = append(p.instructions, i)
	}
	for _, g := range groups {
		p.groupGradients[g] = p.sum(groupParts[g])
	}
	p.inputGradients = make([]int, len(p.inputs))
	for i, s := range p.inputs {
		p.inputGradients[i] = -1
		if needs[s] && len(parts[s]) > 0 {
			p.inputGradients[i] = p.sum(parts[s])
		}
	}
}

// zeroSlot is the slot of the gradient of a scalar that nobody reads.
func (p *plan) zeroSlot() int {
	if p.zero < 0 {
		p.zero = p.slot(shapes.Make(p.model.engine.dtype))
	}
	return p.zero
}

// sum returns the slot of the parts' sum, in their order.
func (p *plan) sum(parts []int) int {
	if len(parts) == 1 {
		return parts[0]
	}
	if p.drawn && len(parts) > 2 {
		return p.sum([]int{p.sum(parts[:len(parts)-1]), parts[len(parts)-1]})
	}
	in := make([]shapes.Shape, len(parts))
	for i, s := range parts {
		in[i] = p.slots[s]
	}
	out := p.slot(in[0])
	p.instructions = append(p.instructions, instruction{executable: p.model.engine.adding(in), in: parts, out: []int{out}, buffersAt: -1})
	return out
}

// adding is the executable that adds tensors of these shapes, which are equal.
func (e *Engine) adding(in []shapes.Shape) *executable {
	b := block{module: sumModule, layout: newLayout(nil), in: in}
	return b.forward(e)
}

var sumModule = nn.Sum()

// finish finds what waits for what and who reads each slot.
func (p *plan) finish() {
	p.readers = make([]int32, len(p.slots))
	made := make([]int, len(p.slots))
	for s := range made {
		made[s] = -1
	}
	lastOf := map[*Group]int{}
	for k := range p.instructions {
		i := &p.instructions[k]
		waits := map[int]bool{}
		for _, s := range i.in {
			p.readers[s]++
			if made[s] >= 0 {
				waits[made[s]] = true
			}
		}
		for _, s := range i.out {
			if s >= 0 {
				p.readers[s]++
				made[s] = k
			}
		}
		// Calls of one block follow each other, because each takes the buffers that the one before left.
		if i.group != nil {
			if earlier, ok := lastOf[i.group]; ok {
				waits[earlier] = true
			}
			lastOf[i.group] = k
		}
		i.before = len(waits)
		for earlier := range waits {
			p.instructions[earlier].after = append(p.instructions[earlier].after, k)
		}
	}
	for k := len(p.instructions) - 1; k >= 0; k-- {
		i := &p.instructions[k]
		i.chain = 1
		for _, next := range i.after {
			i.chain = max(i.chain, 1+p.instructions[next].chain)
		}
	}
	for _, list := range [][]int{p.inputs, p.outputs, p.inputGradients, {p.one, p.zero}, slices.Collect(maps.Values(p.groupGradients))} {
		for _, s := range list {
			if s >= 0 {
				p.readers[s] = 0
			}
		}
	}
}

// compile compiles what is not compiled yet.
func (p *plan) compile() error {
	list := make([]*executable, len(p.instructions))
	for k, i := range p.instructions {
		list[k] = i.executable
	}
	if p.drawn && p.one >= 0 && p.model.SumsAhead {
		for _, i := range p.instructions {
			for _, s := range i.out {
				if s >= 0 {
					list = append(list, p.model.engine.adding([]shapes.Shape{p.slots[s], p.slots[s]}))
				}
			}
		}
	}
	return p.model.engine.compileAll(list)
}

// run executes the plan on tensors for its inputs; the caller owns the result's tensors.
func (p *plan) run(inputs []*tensors.Tensor) (values []*tensors.Tensor, err error) {
	values = make([]*tensors.Tensor, len(p.slots))
	for i, s := range p.inputs {
		values[s] = inputs[i]
	}
	if p.one >= 0 {
		values[p.one] = p.model.one
	}
	if p.zero >= 0 {
		values[p.zero] = p.model.zero
	}
	// A tensor made on the host moves to the device at its first use, which two blocks at once must not do.
	for _, t := range append(slices.Clone(inputs), p.model.one, p.model.zero) {
		if _, err := t.Buffer(p.model.engine.backend, 0); err != nil {
			return nil, fmt.Errorf("moving an input to the device: %w", err)
		}
	}
	if err := newRun(p, values).all(); err != nil {
		return nil, errors.Join(err, p.free(values))
	}
	return values, nil
}

// free gives back what a run that failed has made.
func (p *plan) free(values []*tensors.Tensor) error {
	var errs []error
	for s, t := range values {
		if t != nil && s != p.one && s != p.zero && !slices.Contains(p.inputs, s) {
			errs = append(errs, t.FinalizeAll())
		}
	}
	return errors.Join(errs...)
}

// run is one execution of a plan. Independent instructions run side by side, those of the longest chain first, so that
// no chain is left over at the end for one worker alone; what each computes does not depend on that.
type run struct {
	plan   *plan
	values []*tensors.Tensor

	mu      sync.Mutex
	wake    sync.Cond
	readers []int32
	waits   []int
	ready   ready
	left    int
	err     error
}

// ready is a heap of instructions.
type ready struct {
	plan *plan
	list []int
}

func (r *ready) Len() int { return len(r.list) }
func (r *ready) Less(i, j int) bool {
	a, b := r.list[i], r.list[j]
	if d := r.plan.instructions[a].chain - r.plan.instructions[b].chain; d != 0 {
		return d > 0
	}
	return a < b
}
func (r *ready) Swap(i, j int) { r.list[i], r.list[j] = r.list[j], r.list[i] }
func (r *ready) Push(x any)    { r.list = append(r.list, x.(int)) }
func (r *ready) Pop() any {
	last := len(r.list) - 1
	x := r.list[last]
	r.list = r.list[:last]
	return x
}

// newRun is a run of which nothing has happened.
func newRun(p *plan, values []*tensors.Tensor) *run {
	r := &run{plan: p, values: values, readers: slices.Clone(p.readers), waits: make([]int, len(p.instructions)), ready: ready{plan: p}, left: len(p.instructions)}
	r.wake.L = &r.mu
	for k, i := range p.instructions {
		if r.waits[k] = i.before; i.before == 0 {
			heap.Push(&r.ready, k)
		}
	}
	return r
}

// release makes ready what has waited for an instruction alone.
func (r *run) release(i *instruction) {
	for _, next := range i.after {
		if r.waits[next]--; r.waits[next] == 0 {
			heap.Push(&r.ready, next)
		}
	}
}

// liveBytes is the largest sum of the slots that are alive at once when one worker runs the plan.
func (p *plan) liveBytes() int64 {
	r := newRun(p, nil)
	live, peak := int64(0), int64(0)
	for r.ready.Len() > 0 {
		i := &p.instructions[heap.Pop(&r.ready).(int)]
		for _, s := range i.out {
			if s >= 0 {
				live += p.slots[s].ByteSize()
			}
		}
		peak = max(peak, live)
		for _, list := range [][]int{i.in, i.out} {
			for _, s := range list {
				if s < 0 || r.readers[s] == 0 {
					continue
				}
				if r.readers[s]--; r.readers[s] == 0 {
					live -= p.slots[s].ByteSize()
				}
			}
		}
		r.release(i)
	}
	return peak
}

func (r *run) all() error {
	workers := min(r.plan.model.engine.parallel, r.left)
	if workers <= 1 {
		r.work()
		return r.err
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(r.work)
	}
	wg.Wait()
	return r.err
}

// work takes instructions until none is left.
func (r *run) work() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for r.ready.Len() == 0 && r.left > 0 && r.err == nil {
			r.wake.Wait()
		}
		if r.left == 0 || r.err != nil {
			return
		}
		k := heap.Pop(&r.ready).(int)
		i := &r.plan.instructions[k]
		r.mu.Unlock()
		err := r.plan.step(i, r.values)
		r.mu.Lock()
		if err == nil {
			err = r.free(i)
		}
		if err != nil && r.err == nil {
			r.err = err
		}
		r.left--
		r.release(i)
		r.wake.Broadcast()
	}
}

// free gives back the slots that nobody reads any more.
func (r *run) free(i *instruction) error {
	for _, list := range [][]int{i.in, i.out} {
		for _, s := range list {
			if s < 0 || r.readers[s] == 0 {
				continue
			}
			if r.readers[s]--; r.readers[s] == 0 && r.values[s] != nil {
				t := r.values[s]
				r.values[s] = nil
				if err := t.FinalizeAll(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *plan) step(i *instruction, values []*tensors.Tensor) error {
	args := make([]any, 0, len(i.in)+2)
	if g := i.group; g != nil {
		if g.weights != nil {
			args = append(args, g.weights.Value)
		}
		if g.buffers != nil {
			if i.buffersAt >= 0 {
				donated, err := graph.DonateTensorBuffer(g.buffers, p.model.engine.backend, 0)
				if err != nil {
					return fmt.Errorf("buffers of %q: %w", g.Prefix, err)
				}
				args = append(args, donated)
			} else {
				args = append(args, g.buffers)
			}
		}
	}
	for _, s := range i.in {
		args = append(args, values[s])
	}
	outs, err := i.executable.run(args...)
	if err != nil {
		return err
	}
	for k, t := range outs {
		if k == i.buffersAt {
			i.group.buffers = t
		} else {
			values[i.out[k]] = t
		}
	}
	return nil
}
