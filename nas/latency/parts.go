package latency

import (
	"fmt"
	"slices"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// part is a piece of a network that is timed as one program.
type part struct {
	Key
	// in and out are [height, width, channels].
	in, out [3]int
	// module is [1, in] to [1, out], a classifier's output [1, classes]; nil for an identity, which runs nothing.
	module nn.Module
}

// parts are those of a network of a chain in the order they run: stem, blocks, last convolution where there is one,
// classifier.
func parts(a arch.Network) ([]part, error) {
	m, err := space.Network(a, space.NetworkOptions{})
	if err != nil {
		return nil, err
	}
	root, ok := m.(nn.Composite)
	if a.Chain == nil || !ok {
		return nil, fmt.Errorf("latency: expected a chain of blocks")
	}
	var calls recorder
	root.Run(&calls, []nn.Value{{}})
	c, image := a.Chain, a.Input
	var list []part
	add := func(text string, stride int, channels int, modules ...nn.Module) {
		out := [3]int{(image[0] + stride - 1) / stride, (image[1] + stride - 1) / stride, channels}
		list = append(list, part{Key{text, ShapeText(image[0], image[1], image[2]), ShapeText(out[0], out[1], out[2])}, image, out, chained(modules)})
		image = out
	}
	add(StemText(c.Stem), c.Stem.Stride, c.Stem.Out, calls.next(2)...)
	for _, b := range c.Blocks {
		n := 1
		if b.Op == arch.OpIdentity {
			n = 0
		}
		add(BlockText(b), b.Stride, b.Out, calls.next(n)...)
	}
	if c.Last.Out > 0 {
		add(LastText(c.Last), 1, c.Last.Out, calls.next(2)...)
	}
	head := calls.next(1)
	list = append(list, part{Key{ClassifierText(c.Hidden), ShapeText(image[0], image[1], image[2]), ShapeText(1, 1, a.Classes)}, image, [3]int{1, 1, a.Classes}, chained(head)})
	if len(calls) > 0 || slices.Contains(head, nil) {
		return nil, fmt.Errorf("latency: expected the calls of a stem, %d blocks, a last convolution and a classifier, got others", len(c.Blocks))
	}
	return list, nil
}

// chained is one module that calls modules one after the other, so that they are compiled as one program.
func chained(modules []nn.Module) nn.Module {
	switch len(modules) {
	case 0:
		return nil
	case 1:
		return modules[0]
	}
	signature := "chained"
	var children []nn.Child
	for _, m := range modules {
		signature += "|" + m.Signature()
		children = append(children, nn.Child{Module: m})
	}
	return nn.NewComposite(signature, nn.Network, children, func(e nn.Env, in []nn.Value) []nn.Value {
		for _, m := range modules {
			in = []nn.Value{nn.Call1(e, "", m, in...)}
		}
		return in
	})
}

// recorder notes the modules that a chain calls, which calls none of them itself.
type recorder []nn.Module

// Call notes the module; values pass through, a second one for a classifier that has a hidden layer.
func (r *recorder) Call(_ string, m nn.Module, in ...nn.Value) []nn.Value {
	*r = append(*r, m)
	return []nn.Value{in[0], in[0]}
}

// next takes the first n modules, nil for those that are not there.
func (r *recorder) next(n int) []nn.Module {
	out := make([]nn.Module, n)
	*r = (*r)[copy(out, *r):]
	return out
}

// layout is a space's parts by where they stand.
type layout struct {
	// shared are those that all paths have.
	shared []part
	// layers are those of each choice, [layer][choice].
	layers [][]part
}

// layoutOf finds the parts of a space at its image size.
func layoutOf(p space.Paths) (layout, error) {
	var l layout
	if len(p.Layers) == 0 || p.Shared.Chain == nil {
		return l, fmt.Errorf("%s: expected a chain with layers to choose in", p.Name)
	}
	for i, choices := range p.Layers {
		if len(choices) == 0 {
			return l, fmt.Errorf("%s: layer %d: expected at least one choice, got none", p.Name, i)
		}
		l.layers = append(l.layers, make([]part, len(choices)))
	}
	before := 1 + len(p.Shared.Chain.Blocks) // the stem's too
	for _, path := range p.EveryChoice() {
		a, err := p.Network(path)
		if err != nil {
			return l, err
		}
		list, err := parts(a)
		if err != nil {
			return l, fmt.Errorf("%s: %w", p.Name, err)
		}
		l.shared = slices.Concat(list[:before], list[before+len(path):])
		for i, c := range path {
			l.layers[i][c] = list[before+i]
		}
	}
	return l, nil
}

// distinct are the parts that run something, each once, the shared ones first.
func (l layout) distinct() []part {
	var list []part
	seen := map[Key]bool{}
	for _, p := range slices.Concat(l.shared, slices.Concat(l.layers...)) {
		if p.module != nil && !seen[p.Key] {
			seen[p.Key] = true
			list = append(list, p)
		}
	}
	return list
}
