package checks

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/repro/verdict"
)

var mixPath = map[string]check{
	"mixpath_moments": list(mixPathMoments),
	"mixpath_norms":   list(mixPathNorms),
	"mixpath_routing": list(mixPathRouting),
	"mixpath_sizes":   sure(mixPathSizes),
}

// mixPathMost is the most paths of a layer.
var mixPathMost = len(space.MultiPathKernels())

func mixPathSizes() []verdict.Check {
	var out []verdict.Check
	for m, want := range []struct{ choices, size string }{{"8", "68719476736"}, {"20", "4096000000000000"}, {"28", "232218265089212416"}, {"30", "531441000000000000"}} {
		s := space.MixPathS1().AtMostPaths(m + 1)
		out = append(out,
			verdict.Check{Name: fmt.Sprintf("choices of a layer for up to %d paths, least", m+1), Got: float64(slices.Min(s.Choices())), Want: want.choices},
			verdict.Check{Name: fmt.Sprintf("choices of a layer for up to %d paths, most", m+1), Got: float64(slices.Max(s.Choices())), Want: want.choices},
			verdict.Check{Name: fmt.Sprintf("size of the space for up to %d paths", m+1), Got: float(s.Size()), Want: want.size})
	}
	return append(out, verdict.Check{Name: "layers", Got: float64(len(space.MixPathS1().Layers)), Want: "12"})
}

func mixPathNorms() ([]verdict.Check, error) {
	params := func(shadow bool) (float64, error) {
		s := space.MixPathS1()
		s.ShadowNorms = shadow
		return supernetParameters(s)
	}
	with, err := params(true)
	if err != nil {
		return nil, err
	}
	without, err := params(false)
	return []verdict.Check{
		{Name: "parameters of the supernet S1 with shadow norms", Got: with, Want: "10474602"},
		{Name: "parameters with a single norm for each expansion", Got: without, Want: "10449258"},
		{Name: "difference", Got: with - without, Want: "25344"},
	}, err
}

// trained does a training pass of a module on noise and returns the tensors behind it. change, where it is not nil, sets
// tensors before, in PyTorch's layout.
func trained(e *engine.Engine, root, path nn.Module, side int, change func(state map[string][]float64)) (state map[string][]float64, err error) {
	m, err := e.NewModel(root, nn.Edge)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Finalize()) }()
	state = map[string][]float64{}
	for name, values := range nn.Initialise(root.Specs(), 1) {
		for _, v := range values {
			state[name] = append(state[name], float64(v))
		}
	}
	if change != nil {
		change(state)
	}
	if err := m.LoadFloat64(state); err != nil {
		return nil, err
	}
	x := e.Tensor(noise(rand.New(rand.NewPCG(2001, 5887)), 4*side*side*3), 4, side, side, 3)
	out, err := m.Path(path).Run(nn.Mode{Train: true}, x)
	for _, t := range append(out, x) {
		err = errors.Join(err, t.FinalizeAll())
	}
	if err != nil {
		return nil, err
	}
	return m.StateFloat64()
}

// mixPathRouting counts the last norms of a supernet whose statistics a training pass moves though they are for another
// number of paths, or leaves though they are for that one.
func mixPathRouting() ([]verdict.Check, error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	s := space.CIFARMultiPath().Resized(8, 10)
	root, err := s.Supernet()
	if err != nil {
		return nil, err
	}
	start := nn.Initialise(root.Specs(), 1)
	var out []verdict.Check
	for m := 1; m <= mixPathMost; m++ {
		path := make([]int, len(s.Layers))
		own := map[string]bool{}
		for l, choices := range s.Layers {
			path[l] = slices.IndexFunc(choices, func(b arch.Block) bool { return len(b.Kernels) == m })
			own[s.LastNorm(l, 0, m)+".running_mean"] = true
		}
		net, err := s.Tree([][]int{path})
		if err != nil {
			return nil, err
		}
		state, err := trained(e, root, net, 8, nil)
		if err != nil {
			return nil, err
		}
		wrong := 0
		for name, values := range state {
			if !strings.Contains(name, ".mix_bn.") || !strings.HasSuffix(name, ".running_mean") {
				continue
			}
			moved := slices.ContainsFunc(values, func(x float64) bool { return x != float64(start[name][0]) })
			if moved != own[name] {
				wrong++
			}
		}
		out = append(out, verdict.Check{Name: fmt.Sprintf("norms, of %d, that %d paths a layer move or leave though they should not", 2*mixPathMost*len(s.Layers), m), Got: float64(wrong), Want: "0"})
	}
	return out, nil
}

// mixPathMoments compares what the norm behind a block's sum of m paths sees with what it sees behind one: paths that put out
// the same, and paths that look at other pixels of images of noise. All paths have the block's own weights but for the
// kernels, which have a single 1.
func mixPathMoments() ([]verdict.Check, error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	// of are the mean and the variance of each channel behind the projection.
	of := func(m int, equal bool) (means, variances []float64, err error) {
		b := nn.MultiPath{Expand: "pw", Project: "pw_linear", Norm: "mix_bn", In: 3, Hidden: 9, Out: 4, Stride: 1, Activation: "relu6"}
		for i, k := range space.MultiPathKernels()[:m] {
			b.Branches = append(b.Branches, nn.Branch{Name: fmt.Sprint("mix_conv.", i), Kernel: k})
		}
		root, err := b.Module()
		if err != nil {
			return nil, nil, err
		}
		state, err := trained(e, root, root, 64, func(state map[string][]float64) {
			for i, branch := range b.Branches {
				w := state[branch.Name+".0.weight"]
				clear(w)
				at := branch.Kernel * branch.Kernel / 2 // the middle
				if !equal {
					at += i % 2 // the middle and its three neighbours to the right and below
					at += i / 2 * branch.Kernel
				}
				for c := range b.Hidden {
					w[c*branch.Kernel*branch.Kernel+at] = 1
				}
			}
		})
		if err != nil {
			return nil, nil, err
		}
		for c, v := range state["mix_bn.running_var"] {
			means = append(means, state["mix_bn.running_mean"][c]/nn.BatchNormMomentum)
			variances = append(variances, (v-1)/nn.BatchNormMomentum+1)
		}
		return means, variances, nil
	}
	var out []verdict.Check
	for _, equal := range []bool{true, false} {
		mean1, variance1, err := of(1, equal)
		if err != nil {
			return nil, err
		}
		for m := 2; m <= mixPathMost; m++ {
			means, variances, err := of(m, equal)
			if err != nil {
				return nil, err
			}
			for c := range means {
				means[c], variances[c] = means[c]/mean1[c], variances[c]/variance1[c]
			}
			what, power := "independent", m
			if equal {
				what, power = "equal", m*m
			}
			out = append(out,
				verdict.Check{Name: fmt.Sprintf("mean of the sum of %d %s paths over that of one, over m", m, what), Got: stat.Mean(means, nil) / float64(m), Want: "1"},
				verdict.Check{Name: fmt.Sprintf("variance of the sum of %d %s paths over that of one, over %s", m, what, strconv.Itoa(power)), Got: stat.Mean(variances, nil) / float64(power), Want: "1"})
		}
	}
	return out, nil
}
