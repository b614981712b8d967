package space

import (
	"fmt"

	"github.com/gonas/gonas/nas/arch"
)

// Names of the spaces whose blocks may have a gate.
const (
	SCARLETName      = "scarlet"
	CIFARSCARLETName = "cifar_scarlet"
	MoGAName         = "moga"
	CIFARMoGAName    = "cifar_moga"
)

// scarletGate and mogaGate are the gates of the official codes: a quarter of the hidden channels, rectified, then a hard
// sigmoid. MoGA's uses the block's own activation.
var (
	scarletGate = arch.SqueezeExcite{Squeeze: "mid_se.squeeze_conv", Excite: "mid_se.excite_conv", Activation: "relu", Gate: "hsigmoid"}
	mogaGate    = arch.SqueezeExcite{Squeeze: "mid_se.conv.0", Excite: "mid_se.fc.0", Gate: "hsigmoid"}
)

// gated is how a space makes its layers' choices: inverted bottlenecks with and without a gate, and an identity.
type gated struct {
	// gate is that of every gated block; where it names no activation it takes the block's.
	gate arch.SqueezeExcite
	// activation is that of a layer, counted from 0.
	activation func(layer int) string
	// identity is a further choice where it can be one: at stride 1 with equal channels.
	identity bool
}

func hswish(int) string { return "hswish" }

// SCARLET is the space of SCARLET-NAS (1908.06022, models/Scarlet_*.py) on ImageNet: 19 layers, each an inverted
// bottleneck of kernel 3, 5 or 7 and expansion 3 or 6, with or without squeeze-and-excitation, or an identity. The paper
// counts 13 choices in every layer; an identity changes neither size nor channels, so that the 6 layers that do have 12:
// 13^13 · 12^6 paths. In the supernet a linear 1×1 convolution stands in for the identity.
func SCARLET() Paths {
	p := Paths{Name: SCARLETName, Linear: true, Shared: arch.Network{Input: [3]int{224, 224, 3}, Classes: 1000, Chain: &arch.Chain{
		Naming: arch.NamingMobile, Stem: arch.Conv{Out: 32, Kernel: 3, Stride: 2, Activation: "relu6"},
		Blocks: []arch.Block{{Name: "separable_conv", Op: arch.OpSeparable, In: 32, Out: 16, Kernel: 3, Stride: 1, Activation: "relu6"}},
		Last:   arch.Conv{Out: 1280, Kernel: 1, Stride: 1, Activation: "relu6"}, Classifier: "classifier"}}}
	p.gatedLayers("mb_module", 16, []stage{{32, 2, 2}, {40, 4, 2}, {80, 4, 2}, {96, 4, 1}, {192, 4, 2}, {320, 1, 1}}, gated{scarletGate, hswish, true})
	return p
}

// MoGA is the space of MoGA (1908.01314, models/MoGA_*.py) on ImageNet: 14 layers, each an inverted bottleneck of kernel 3,
// 5 or 7 and expansion 3 or 6, with or without squeeze-and-excitation: 12^14 paths. The first five layers have ReLU, the
// others h-swish.
func MoGA() Paths {
	p := Paths{Name: MoGAName, Shared: arch.Network{Input: [3]int{224, 224, 3}, Classes: 1000, Chain: &arch.Chain{
		Naming: arch.NamingMobile, Stem: arch.Conv{Out: 16, Kernel: 3, Stride: 2, Activation: "hswish"},
		Blocks: []arch.Block{{Name: "separable_conv", Op: arch.OpSeparable, In: 16, Out: 16, Kernel: 3, Stride: 1, Activation: "relu"}},
		Last:   arch.Conv{Out: 960, Kernel: 1, Stride: 1, Activation: "hswish"}, Hidden: arch.Conv{Out: 1280, Kernel: 1, Stride: 1, Activation: "hswish"},
		Classifier: "classifier", Dropout: 0.2}}}
	p.gatedLayers("mb_module", 16, []stage{{24, 2, 2}, {40, 3, 2}, {80, 4, 2}, {112, 2, 1}, {160, 3, 2}}, gated{mogaGate, func(layer int) string {
		if layer < 5 {
			return "relu"
		}
		return "hswish"
	}, false})
	return p
}

// smallGated is this project's chain for small images behind both: six layers.
func smallGated(name string, linear, identity bool) Paths {
	p := Paths{Name: name, Linear: linear, Shared: arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &arch.Chain{
		Naming: arch.NamingPlain, Stem: arch.Conv{Out: 16, Kernel: 3, Stride: 1, Activation: "relu6"},
		Last: arch.Conv{Out: 320, Kernel: 1, Stride: 1, Activation: "relu6"}, Classifier: "classifier"}}}
	p.gatedLayers("layers", 16, []stage{{24, 2, 1}, {40, 2, 2}, {80, 2, 2}}, gated{scarletGate, hswish, identity})
	return p
}

// CIFARSCARLET is this project's version of SCARLET-NAS's space for small images, no paper's: six layers of the same
// choices, 13^3 · 12^3 paths.
func CIFARSCARLET() Paths { return smallGated(CIFARSCARLETName, true, true) }

// CIFARMoGA is this project's version of MoGA's space for small images, no paper's: six layers of 12 choices, all with
// h-swish: 12^6 paths.
func CIFARMoGA() Paths { return smallGated(CIFARMoGAName, false, false) }

// gatedLayers adds the choices for each layer of the stages: the six of [Paths.mobileLayers] without a gate, the same with
// one, and an identity last, where there is one.
func (p *Paths) gatedLayers(name string, in int, stages []stage, g gated) {
	for _, s := range stages {
		for i := range s.layers {
			layer := len(p.Layers)
			plain := arch.Block{Name: fmt.Sprintf("%s.%d", name, layer), In: in, Out: s.channels, Stride: 1}
			if i == 0 {
				plain.Stride = s.stride
			}
			choices := bottlenecks(plain, g.activation(layer))
			for _, b := range bottlenecks(plain, g.activation(layer)) {
				gate := g.gate
				gate.Reduced = b.Hidden / 4
				if gate.Activation == "" {
					gate.Activation = b.Activation
				}
				b.Squeeze = &gate
				choices = append(choices, b)
			}
			if g.identity && plain.Stride == 1 && plain.In == plain.Out {
				plain.Op = arch.OpIdentity
				choices = append(choices, plain)
			}
			p.Layers, in = append(p.Layers, choices), s.channels
		}
	}
}

// bottlenecks are a layer's inverted bottlenecks of expansion 3, then 6, of each kernel 3, 5 and 7.
func bottlenecks(b arch.Block, activation string) (out []arch.Block) {
	for _, expansion := range []int{3, 6} {
		for _, kernel := range []int{3, 5, 7} {
			out = append(out, bottleneck(b, kernel, expansion, activation))
		}
	}
	return out
}
