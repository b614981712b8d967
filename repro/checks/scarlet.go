package checks

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/scarlet"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var scarletChecks = map[string]check{
	"scarlet_merge":      list(scarletMerge),
	"scarlet_parameters": list(scarletParameters),
	"scarlet_paths":      list(func() ([]verdict.Check, error) { return paths(space.SCARLET(), "scarlet-a", "scarlet-b", "scarlet-c") }),
	"scarlet_sizes":      sure(scarletSizes),
}

func scarletSizes() []verdict.Check {
	p := space.SCARLET()
	most, identities := slices.Max(p.Choices()), 0
	for _, choices := range p.Layers {
		if slices.ContainsFunc(choices, func(b arch.Block) bool { return b.Op == arch.OpIdentity }) {
			identities++
		}
	}
	layers := int64(len(p.Layers))
	return []verdict.Check{
		{Name: "layers", Got: float64(layers), Want: "19"},
		{Name: "most choices of a layer", Got: float64(most), Want: "13"},
		{Name: "layers that have the identity", Got: float64(identities), Want: "13"},
		{Name: "size if each layer had the most choices", Got: float(new(big.Int).Exp(big.NewInt(int64(most)), big.NewInt(layers), nil)), Want: "1461920290375446110677"},
		{Name: "size of the space, over 13^13 · 12^6", Got: float(p.Size()) / (math.Pow(13, 13) * math.Pow(12, 6)), Want: "1.000000000"},
	}
}

// paths tells which released networks are paths of a space: 1, or 0.
func paths(p space.Paths, names ...string) (out []verdict.Check, err error) {
	for _, name := range names {
		net, err := zoo.Get(name)
		if err != nil {
			return nil, err
		}
		is := 0.0
		if path, err := p.PathOf(net.Network); err == nil {
			if _, err := p.Network(path); err == nil {
				is = 1
			}
		}
		out = append(out, verdict.Check{Name: name + " is a path of the space", Got: is, Want: "1"})
	}
	return out, nil
}

func scarletParameters() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, of := range []struct {
		space space.Paths
		want  string
	}{{space.SCARLET(), "163264"}, {space.CIFARSCARLET(), "8576"}} {
		params := func(linear bool) (float64, error) {
			p := of.space
			p.Linear = linear
			return supernetParameters(p)
		}
		with, err := params(true)
		if err != nil {
			return nil, err
		}
		without, err := params(false)
		if err != nil {
			return nil, err
		}
		network, err := of.space.Network(lastChoices(of.space))
		if err != nil {
			return nil, err
		}
		alone, err := space.Network(network, space.NetworkOptions{})
		if err != nil {
			return nil, err
		}
		left := 0
		for _, choices := range of.space.Layers {
			if choices[len(choices)-1].Op == arch.OpIdentity {
				left += len(slices.DeleteFunc(alone.Specs(), func(s nn.Spec) bool { return !strings.HasPrefix(s.Name, choices[0].Name+".") }))
			}
		}
		out = append(out,
			verdict.Check{Name: "parameters of the stabilisers in the supernet of " + of.space.Name, Got: with - without, Want: of.want},
			verdict.Check{Name: "tensors of its identities in a network by itself", Got: float64(left), Want: "0"})
	}
	return out, nil
}

// lastChoices is the path with the most identities: they are a layer's last choice.
func lastChoices(p space.Paths) []int {
	path := make([]int, len(p.Layers))
	for l, choices := range p.Layers {
		path[l] = len(choices) - 1
	}
	return path
}

// scarletMerge runs paths of the supernet and the networks derived from it with merged convolutions.
func scarletMerge() ([]verdict.Check, error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	p := space.CIFARSCARLET().Resized(8, 10)
	r := rand.New(rand.NewPCG(1908, 6022))
	x := noise(r, 2*8*8*3)
	var out []verdict.Check
	for _, path := range [][]int{lastChoices(p), {0, 12, 1, 2, 3, 12}, {5, 4, 11, 12, 0, 0}} {
		root, err := p.Tree([][]int{path})
		if err != nil {
			return nil, err
		}
		state := map[string][]float64{}
		for _, s := range root.Specs() { // random, the norms near doing nothing
			if s.Counter {
				continue
			}
			state[s.Name] = noise(r, s.Size())
			for i, v := range state[s.Name] {
				if s.Buffer || len(s.Shape) == 1 {
					state[s.Name][i] = 1 + 0.1*math.Tanh(v)
				}
			}
		}
		derived, err := scarlet.Derive(p, path, state)
		if err != nil {
			return nil, err
		}
		network, err := p.Network(path)
		if err != nil {
			return nil, err
		}
		alone, err := space.Network(network, space.NetworkOptions{})
		if err != nil {
			return nil, err
		}
		want, err := logits(e, root, state, x)
		if err != nil {
			return nil, err
		}
		got, err := logits(e, alone, derived, x)
		if err != nil {
			return nil, err
		}
		far, size := floats.Distance(got, want, math.Inf(1)), floats.Norm(want, math.Inf(1))
		out = append(out, verdict.Check{Name: fmt.Sprintf("largest difference of the logits of path %s over the largest logit", p.Code(path)), Got: far / size, Want: "0"})
	}
	return out, nil
}

// logits runs a network with weights of PyTorch's layout on two images of 8×8 pixels.
func logits(e *engine.Engine, root nn.Module, state map[string][]float64, images []float64) (v []float64, err error) {
	m, err := e.NewModel(root, nn.Edge)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Finalize()) }()
	if err := m.LoadFloat64(state); err != nil {
		return nil, err
	}
	x := e.Tensor(images, 2, 8, 8, 3)
	out, err := m.Path(root).Run(nn.Mode{}, x)
	if err == nil {
		v, err = engine.Values(out[0])
	}
	for _, t := range append(out, x) {
		err = errors.Join(err, t.FinalizeAll())
	}
	return v, err
}
