package space

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat/combin"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// Names of the multi-path spaces.
const (
	MixPathS1Name      = "mixpath_s1"
	CIFARMultiPathName = "cifar_multipath"
)

// MixPathS1 is MixPath's space S1 (2001.05887; S1/model_search.py) on CIFAR-10: 12 layers, each an inverted bottleneck of
// expansion 3 or 6 with one to four of the kernels 3, 5, 7 and 9 at once: 30^12 paths.
func MixPathS1() Paths {
	p := Paths{Name: MixPathS1Name, ShadowNorms: true, Shared: arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &arch.Chain{
		Naming: arch.NamingMixPath, Stem: arch.Conv{Out: 32, Kernel: 3, Stride: 1, Activation: "relu6"},
		Last: arch.Conv{Out: 1280, Kernel: 1, Stride: 1, Activation: "relu6"}, Classifier: "classifier"}}}
	p.multiPathLayers(32, []stage{{48, 2, 1}, {96, 3, 2}, {192, 3, 2}, {256, 2, 1}, {320, 2, 1}})
	return p
}

// CIFARMultiPath is this project's smaller version of it, no paper's: six layers of the same choices, 30^6 paths.
func CIFARMultiPath() Paths {
	p := Paths{Name: CIFARMultiPathName, ShadowNorms: true, Shared: arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &arch.Chain{
		Naming: arch.NamingMixPath, Stem: arch.Conv{Out: 16, Kernel: 3, Stride: 1, Activation: "relu6"},
		Last: arch.Conv{Out: 320, Kernel: 1, Stride: 1, Activation: "relu6"}, Classifier: "classifier"}}}
	p.multiPathLayers(16, []stage{{24, 2, 2}, {40, 2, 2}, {80, 2, 1}})
	return p
}

// multiPathKernels are those that a layer's paths choose from.
var multiPathKernels = []int{3, 5, 7, 9}

// MultiPathKernels are the kernels that a layer of a multi-path space chooses from.
func MultiPathKernels() []int { return slices.Clone(multiPathKernels) }

// multiPathLayers adds the choices for each layer of the stages: expansion 3, then 6, of each all sets of kernels, those of
// one path first.
func (p *Paths) multiPathLayers(in int, stages []stage) {
	for _, s := range stages {
		for i := range s.layers {
			b := arch.Block{Name: fmt.Sprintf("Inverted_Block.%d", len(p.Layers)), Op: arch.OpMultiPath, In: in, Out: s.channels, Stride: 1, Activation: "relu6"}
			if i == 0 {
				b.Stride = s.stride
			}
			b.Residual = b.Stride == 1 && b.In == b.Out
			var choices []arch.Block
			for _, expansion := range []int{3, 6} {
				b.Hidden = expansion * in
				choices = append(choices, sets(b)...)
			}
			p.Layers, in = append(p.Layers, choices), s.channels
		}
	}
}

// sets are a block's versions with each set of kernels.
func sets(b arch.Block) (out []arch.Block) {
	for n := range multiPathKernels {
		for _, set := range combin.Combinations(len(multiPathKernels), n+1) {
			b.Kernels = nil
			for _, k := range set {
				b.Kernels = append(b.Kernels, multiPathKernels[k])
			}
			out = append(out, b)
		}
	}
	return out
}

// AtMostPaths is a multi-path space with up to m paths a layer.
func (p Paths) AtMostPaths(m int) Paths {
	layers := make([][]arch.Block, len(p.Layers))
	for l, choices := range p.Layers {
		layers[l] = slices.DeleteFunc(slices.Clone(choices), func(b arch.Block) bool { return len(b.Kernels) > m })
	}
	p.Layers = layers
	return p
}

// ByCount are the probabilities of a multi-path space's choices by layer where MixPath's official code draws them
// (S1/utils.py): the expansion, and the number of paths from 1 to the most, each uniformly, then so many kernels.
func (p Paths) ByCount() [][]float64 {
	out := make([][]float64, len(p.Layers))
	for l, choices := range p.Layers {
		alike := map[[2]int]float64{}
		for _, b := range choices {
			alike[[2]int{b.Hidden, len(b.Kernels)}]++
		}
		for _, b := range choices {
			out[l] = append(out[l], 1/(float64(len(alike))*alike[[2]int{b.Hidden, len(b.Kernels)}]))
		}
	}
	return out
}

// alone is a multi-path block of a network by itself.
func alone(b arch.Block) nn.MultiPath {
	m := nn.MultiPath{Expand: "pw", Project: "pw_linear", Norm: "mix_bn", In: b.In, Hidden: b.Hidden, Out: b.Out, Stride: b.Stride, Activation: b.Activation, Residual: b.Residual}
	for i, k := range b.Kernels {
		m.Branches = append(m.Branches, nn.Branch{Name: fmt.Sprintf("mix_conv.%d", i), Kernel: k})
	}
	return m
}

// inSupernet is a multi-path block of a layer: what has the tensors is numbered by the layer's expansions and kernels, its
// last norm by the number of paths too (equation of the shadow norms: y = SBN_m of the projected sum of m paths).
func (p Paths) inSupernet(l int, b arch.Block) nn.MultiPath {
	rate := slices.Index(p.Expansions(l), b.Hidden)
	m := alone(b)
	m.Expand, m.Project, m.Norm = fmt.Sprintf("pw.%d", rate), fmt.Sprintf("pw_linear.%d", rate), p.lastNorm(rate, len(b.Kernels))
	for i, branch := range m.Branches {
		m.Branches[i].Name = fmt.Sprintf("mix_conv.%d.%d", rate, slices.Index(multiPathKernels, branch.Kernel))
	}
	return m
}

// Expansions are the hidden channels that a multi-path layer's blocks choose from, rising.
func (p Paths) Expansions(l int) []int {
	var hidden []int
	for _, b := range p.Layers[l] {
		hidden = append(hidden, b.Hidden)
	}
	slices.Sort(hidden)
	return slices.Compact(hidden)
}

func (p Paths) lastNorm(rate, paths int) string {
	if p.ShadowNorms {
		return fmt.Sprintf("mix_bn.%d.%d", rate, paths-1)
	}
	return fmt.Sprintf("mix_bn.%d", rate)
}

// LastNorm is the prefix of the tensors of a multi-path layer's last batch norm in the supernet, for a number of
// [Paths.Expansions] and a number of paths.
func (p Paths) LastNorm(l, rate, paths int) string {
	return nn.Join(p.Layers[l][0].Name, p.lastNorm(rate, paths))
}
