package engine

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/gonas/gonas/nas/nn"
)

// Path is a way through a model's tensors: a module that calls some of the model's blocks under their names. Paths
// share the model's tensors and its executables, so that once each kind of block has run, a further path compiles
// nothing. A path keeps its plans; a path that is taken once may be dropped.
type Path struct {
	model *Model
	root  nn.Module
	plans map[string]*plan
}

// Path makes a path of the model. Its module's tensors must be among the model's; the first call says so if one is not.
func (m *Model) Path(root nn.Module) *Path {
	return &Path{model: m, root: root, plans: map[string]*plan{}}
}

func planKey(kind string, in []*tensors.Tensor, mode nn.Mode) (string, []shapes.Shape) {
	key := fmt.Sprintf("%s|%+v", kind, mode)
	dims := make([]shapes.Shape, len(in))
	for i, t := range in {
		dims[i] = t.Shape()
		key += ";" + t.Shape().String()
	}
	return key, dims
}

// plan finds or makes a plan, compiled.
func (p *Path) plan(kind string, in []*tensors.Tensor, mode nn.Mode, schedule func(*plan) error) (*plan, error) {
	key, dims := planKey(kind, in, mode)
	if made, ok := p.plans[key]; ok {
		return made, nil
	}
	made, err := p.scheduled(dims, mode, schedule)
	if err != nil {
		return nil, err
	}
	if err := made.compile(); err != nil {
		return nil, err
	}
	p.plans[key] = made
	return made, nil
}

// scheduled makes a plan and compiles nothing.
func (p *Path) scheduled(in []shapes.Shape, mode nn.Mode, schedule func(*plan) error) (made *plan, err error) {
	if err := exceptions.TryCatch[error](func() { made = newPlan(p, in, mode) }); err != nil {
		return nil, fmt.Errorf("tracing %s: %w", p.root.Signature(), err)
	}
	if err := schedule(made); err != nil {
		return nil, err
	}
	made.finish()
	return made, nil
}

// Run is [Model.Run] on the path.
func (p *Path) Run(mode nn.Mode, in ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	made, err := p.plan("run", in, mode, (*plan).scheduleForward)
	if err != nil {
		return nil, err
	}
	values, err := made.run(in)
	if err != nil {
		return nil, err
	}
	return pick(values, made.outputs), nil
}

// Gradient is [Model.Gradient] on the path. Weights of blocks that it does not call have no gradient.
func (p *Path) Gradient(mode nn.Mode, weights bool, wrt []int, in ...*tensors.Tensor) (*Gradients, error) {
	kind := fmt.Sprintf("gradient|w=%t|in=%v", weights, wrt)
	made, err := p.plan(kind, in, mode, gradientSchedule(weights, wrt))
	if err != nil {
		return nil, err
	}
	values, err := made.run(in)
	if err != nil {
		return nil, err
	}
	g := &Gradients{Outputs: pick(values, made.outputs), groups: map[*Group]*tensors.Tensor{}}
	for _, i := range wrt {
		var t *tensors.Tensor
		if s := made.inputGradients[i]; s >= 0 {
			t = values[s]
		}
		g.Inputs = append(g.Inputs, t)
	}
	for group, s := range made.groupGradients {
		g.groups[group] = values[s]
	}
	return g, nil
}

func gradientSchedule(weights bool, wrt []int) func(*plan) error {
	return func(p *plan) error { return p.scheduleGradient(weights, wrt) }
}

// Memory is what the results of blocks take in a pass with gradients, in bytes, its inputs and the model's own tensors left
// out; what a block needs inside itself is not in it.
type Memory struct {
	// Live is the most that is alive at once on one processor. A block's gradient computes its forward again, so that only
	// inputs of blocks are kept for it.
	Live int64
	// Kept are the results of all blocks of the forward pass together: what is alive at its end in a framework that keeps
	// them for the backward pass.
	Kept int64
}

// Memory counts that of [Path.Gradient] from its plan. It compiles nothing.
func (p *Path) Memory(mode nn.Mode, weights bool, wrt []int, in ...shapes.Shape) (Memory, error) {
	made, err := p.scheduled(in, mode, gradientSchedule(weights, wrt))
	if err != nil {
		return Memory{}, err
	}
	m := Memory{Live: made.liveBytes()}
	for _, c := range made.calls {
		for _, s := range c.out {
			m.Kept += made.slots[s].ByteSize()
		}
	}
	return m, nil
}
