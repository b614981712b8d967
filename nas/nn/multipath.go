package nn

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
)

// Branch is one of the parallel depthwise convolutions of a [MultiPath].
type Branch struct {
	// Name is the prefix of the convolution and of the batch norm behind it.
	Name   string
	Kernel int
}

// MultiPath is MixPath's block (2001.05887; S1/model_search.py): 1×1 to Hidden, batch norm, activation; depthwise
// convolutions of several kernels on that at once, each with batch norm and activation of its own; their sum, 1×1 to Out,
// batch norm, and the input where it is a residual.
type MultiPath struct {
	// Expand is the prefix of the first convolution and of its norm; Project and Norm name the second ones.
	Expand, Project, Norm   string
	Branches                []Branch
	In, Hidden, Out, Stride int
	Activation              string
	Residual                bool
}

// part is a convolution, a norm with an activation behind it, or both, under the name of a prefix.
type part struct{ conv, norm Child }

func (p part) call(e Env, x Value) Value {
	for _, c := range []Child{p.conv, p.norm} {
		if c.Module != nil {
			x = Call1(e, c.Name, c.Module, x)
		}
	}
	return x
}

// convNormAct are a convolution and its norm with activation, named 0 and 1 below the prefix as in a torch Sequential.
func convNormAct(prefix string, conv Module, channels int, activation string) (part, error) {
	norm, err := NormAct("1", channels, activation)
	return part{Child{prefix, conv}, Child{prefix, norm}}, err
}

// multiPath are the block's parts as leaves.
type multiPath struct {
	MultiPath
	expand, project, norm part
	branches              []part
}

func (b MultiPath) parts() (m multiPath, err error) {
	if len(b.Branches) == 0 {
		return m, fmt.Errorf("multi-path block: expected at least one path, got none")
	}
	m.MultiPath = b
	if m.expand, err = convNormAct(b.Expand, Convolution("0", b.In, b.Hidden, 1, 1, square(1)), b.Hidden, b.Activation); err != nil {
		return m, err
	}
	for _, branch := range b.Branches {
		p, err := convNormAct(branch.Name, DepthwiseConvolution("0", b.Hidden, branch.Kernel, branch.Kernel, square(b.Stride)), b.Hidden, b.Activation)
		if err != nil {
			return m, err
		}
		m.branches = append(m.branches, p)
	}
	m.project.conv = Child{b.Project, Convolution("", b.Hidden, b.Out, 1, 1, square(1))}
	norm, err := NormAct("", b.Out, "")
	m.norm.norm = Child{b.Norm, norm}
	return m, err
}

// children are the leaves with tensors, in the order of the official state_dict.
func (m multiPath) children() []Child {
	list := []Child{m.expand.conv, m.expand.norm}
	for _, p := range m.branches {
		list = append(list, p.conv, p.norm)
	}
	return append(list, m.norm.norm, m.project.conv)
}

// features are the results of the paths, each [batch, height/Stride, width/Stride, Hidden].
func (m multiPath) features(e Env, x Value) []Value {
	x = m.expand.call(e, x)
	out := make([]Value, len(m.branches))
	for i, p := range m.branches {
		out[i] = p.call(e, x)
	}
	return out
}

// Children are the leaves that have the block's tensors, by their prefixes. Blocks of a supernet that differ in their
// paths have some in common.
func (b MultiPath) Children() ([]Child, error) {
	m, err := b.parts()
	return m.children(), err
}

// Module is the block: [batch, height, width, In] to [batch, height/Stride, width/Stride, Out]. However a network is cut,
// each part is a block of its own, so that all subsets of a supernet's paths share tensors and programs.
func (b MultiPath) Module() (Module, error) {
	m, err := b.parts()
	if err != nil {
		return nil, err
	}
	add := Sum()
	return NewComposite(fmt.Sprintf("multi_path|%+v", b), Network, m.children(), func(e Env, in []Value) []Value {
		features := m.features(e, in[0])
		x := features[0]
		for _, f := range features[1:] { // by two each, so that one program serves any number
			x = Call1(e, "", add, x, f)
		}
		x = m.norm.call(e, m.project.call(e, x))
		if b.Residual {
			x = Call1(e, "", add, x, in[0])
		}
		return []Value{x}
	}), nil
}

// Features is what the paths put out by themselves: [batch, height, width, In] to a [batch, height/Stride, width/Stride,
// Hidden] for each.
func (b MultiPath) Features() (Module, error) {
	m, err := b.parts()
	if err != nil {
		return nil, err
	}
	return NewComposite(fmt.Sprintf("multi_path_features|%+v", b), Network, m.children(), func(e Env, in []Value) []Value {
		return m.features(e, in[0])
	}), nil
}

// ImageSimilarity is the cosine of the images of two tensors [batch, height, width, channels], each as one vector, as a mean over
// the images: a scalar. An image of zeros is like nothing: 0.
func ImageSimilarity() Module {
	return NewLeaf("image_similarity", nil, func(_ *Ctx, in []*Node) []*Node {
		dot := func(a, b *Node) *Node { return ReduceSum(Mul(a, b), 1, 2, 3) }
		norms := Sqrt(Mul(dot(in[0], in[0]), dot(in[1], in[1])))
		return []*Node{ReduceAllMean(Div(dot(in[0], in[1]), MaxScalar(norms, 1e-30)))}
	})
}
