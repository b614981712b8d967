package space

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// Identity is the name of a choice that passes its input on, by [ChoiceName].
const Identity = "identity"

// ChoiceName is a short name of a choice of a layer, such as k3 e6 with a gate: kernels, expansion, squeeze-and-excitation.
func ChoiceName(b arch.Block) string {
	if b.Op == arch.OpIdentity {
		return Identity
	}
	if b.Op == arch.OpTemporal {
		name := fmt.Sprintf("k%d", b.Kernel)
		if b.Squeeze != nil {
			name += " gate"
		}
		return name
	}
	if b.Hidden == 0 {
		return strings.ReplaceAll(b.Op, "_", " ")
	}
	name := fmt.Sprintf("k%s e%d", b.KernelText(), b.Hidden/b.In)
	if b.Squeeze != nil {
		name += " gate"
	}
	return name
}

// compared are things of a layer whose outputs for the same input are compared.
type compared struct {
	names []string
	run   func(e nn.Env, x nn.Value) []nn.Value
}

// Similarity is a network on a supernet's tensors: images [batch, height, width, channels] to the cosine of what every two
// choices of a layer put out for the same image, as a mean over images, layer after layer and pair after pair, as the
// names say. In a multi-path layer it compares the kernels' paths of the largest expansion before they are added up.
// Between the layers it goes the way of their last choices, identities passed over.
func (p Paths) Similarity() (net nn.Module, pairs [][][2]string, err error) {
	t, children, err := p.tree(p.EveryChoice())
	if err != nil {
		return nil, nil, err
	}
	way := make([]nn.Child, len(p.Layers))
	layers := make([]compared, len(p.Layers))
	for l, choices := range p.Layers {
		last := len(choices) - 1
		for last > 0 && choices[last].Op == arch.OpIdentity {
			last--
		}
		way[l] = t.layers[l][last]
		if layers[l], err = p.compared(l, choices[last], t.layers[l]); err != nil {
			return nil, nil, err
		}
		var of [][2]string
		for i, a := range layers[l].names {
			for _, b := range layers[l].names[:i] {
				of = append(of, [2]string{b, a})
			}
		}
		pairs = append(pairs, of)
	}
	cosine := nn.ImageSimilarity()
	return nn.NewComposite(p.signature("similarity"), nn.Network, t.children(children.list), func(e nn.Env, in []nn.Value) []nn.Value {
		var out []nn.Value
		x := t.begin(e, in[0])
		for l, of := range layers {
			f := of.run(e, x)
			for i := range f {
				for j := range i {
					out = append(out, nn.Call1(e, "", cosine, f[j], f[i]))
				}
			}
			x = nn.Call1(e, way[l].Name, way[l].Module, x)
		}
		return out
	}), pairs, nil
}

// compared are the paths of a multi-path layer's block, else the layer's choices.
func (p Paths) compared(l int, last arch.Block, choices []nn.Child) (c compared, err error) {
	if last.Op == arch.OpMultiPath {
		last.Kernels = multiPathKernels
		m, err := p.inSupernet(l, last).Features()
		for _, k := range multiPathKernels {
			c.names = append(c.names, fmt.Sprintf("k%d", k))
		}
		c.run = func(e nn.Env, x nn.Value) []nn.Value { return e.Call(last.Name, m, x) }
		return c, err
	}
	for _, b := range p.Layers[l] {
		c.names = append(c.names, ChoiceName(b))
	}
	c.run = func(e nn.Env, x nn.Value) []nn.Value {
		out := slices.Repeat([]nn.Value{x}, len(choices))
		for k, of := range choices {
			if of.Module != nil {
				out[k] = nn.Call1(e, of.Name, of.Module, x)
			}
		}
		return out
	}
	return c, nil
}
