package space

import (
	"fmt"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

// Names of the spaces with one path a layer.
const (
	NASBenchMacroName = "nasbenchmacro"
	CIFARMobileName   = "cifar_mobile"
	FairNASName       = "fairnas"
)

// pathSpaces are the spaces of paths, those with one path a layer first.
var pathSpaces = []func() Paths{NASBenchMacro, CIFARMobile, FairNAS, CIFARSCARLET, SCARLET, CIFARMoGA, MoGA, Scenes, SmallScenes, MixPathS1, CIFARMultiPath}

// PathSpaces are the names of the spaces of paths.
func PathSpaces() []string {
	var names []string
	for _, make := range pathSpaces {
		names = append(names, make().Name)
	}
	return names
}

// LookupPaths makes a space of paths by name; the error lists the names that there are.
func LookupPaths(name string) (Paths, error) {
	for _, make := range pathSpaces {
		if p := make(); p.Name == name {
			return p, nil
		}
	}
	return Paths{}, fmt.Errorf("space %q: expected one of %s", name, strings.Join(PathSpaces(), ", "))
}

// NASBenchMacro is the space of NAS-Bench-Macro (2103.11922; xiusu/NAS-Bench-Macro, train/model.py) on CIFAR-10: eight
// layers, each an identity (a 1×1 convolution of stride 2 where the layer halves the image), an inverted bottleneck of
// kernel 3 and expansion 3, or one of kernel 5 and expansion 6. All 3^8 = 6,561 networks were trained three times.
func NASBenchMacro() Paths {
	p := Paths{Name: NASBenchMacroName, Shared: arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &arch.Chain{
		Naming: arch.NamingPlain, Stem: arch.Conv{Out: 32, Kernel: 3, Stride: 1, Activation: "relu"},
		Last: arch.Conv{Out: 1280, Kernel: 1, Stride: 1, Activation: "relu"}, Classifier: "classifier"}}}
	channels := 32
	for i := range 8 {
		plain := arch.Block{Name: fmt.Sprintf("layers.%d", i), Op: arch.OpIdentity, In: channels, Out: channels, Stride: 1}
		if i == 0 || i == 2 || i == 5 {
			plain.Op, plain.Out, plain.Stride = arch.OpProjection, 2*channels, 2
		}
		p.Layers = append(p.Layers, []arch.Block{plain, bottleneck(plain, 3, 3, "relu"), bottleneck(plain, 5, 6, "relu")})
		channels = plain.Out
	}
	return p
}

// bottleneck is an inverted bottleneck of b's name, channels and stride, with a residual where it can have one.
func bottleneck(b arch.Block, kernel, expansion int, activation string) arch.Block {
	b.Op, b.Kernel, b.Hidden, b.Activation = arch.OpBottleneck, kernel, expansion*b.In, activation
	b.Residual = b.Stride == 1 && b.In == b.Out
	return b
}

// FairNAS is the space of FairNAS (1907.01845, figure 2 and models/FairNAS_A.py) on ImageNet: 19 layers, each an
// inverted bottleneck of kernel 3, 5 or 7 and expansion 3 or 6: 6^19 paths.
func FairNAS() Paths {
	p := Paths{Name: FairNASName, Shared: arch.Network{Input: [3]int{224, 224, 3}, Classes: 1000, Chain: &arch.Chain{
		Naming: arch.NamingMobile, Stem: arch.Conv{Out: 32, Kernel: 3, Stride: 2, Activation: "relu6"},
		Blocks: []arch.Block{{Name: "separable_conv", Op: arch.OpSeparable, In: 32, Out: 16, Kernel: 3, Stride: 1, Activation: "relu6"}},
		Last:   arch.Conv{Out: 1280, Kernel: 1, Stride: 1, Activation: "relu6"}, Classifier: "classifier.1", Dropout: 0.2}}}
	p.mobileLayers("mb_module", 16, []stage{{32, 2, 2}, {40, 4, 2}, {80, 4, 2}, {96, 4, 1}, {192, 4, 2}, {320, 1, 1}})
	return p
}

// CIFARMobile is this project's version of FairNAS's space for small images, no paper's: eight layers of the same six
// choices: 6^8 paths.
func CIFARMobile() Paths {
	p := Paths{Name: CIFARMobileName, Shared: arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &arch.Chain{
		Naming: arch.NamingPlain, Stem: arch.Conv{Out: 16, Kernel: 3, Stride: 1, Activation: "relu6"},
		Last: arch.Conv{Out: 320, Kernel: 1, Stride: 1, Activation: "relu6"}, Classifier: "classifier"}}}
	p.mobileLayers("layers", 16, []stage{{24, 2, 1}, {40, 2, 2}, {80, 2, 2}, {96, 2, 1}})
	return p
}

// stage is a number of layers of as many channels, the first of them with the stride.
type stage struct{ channels, layers, stride int }

// mobileLayers adds FairNAS's six choices of kernel and expansion for each layer of the stages.
func (p *Paths) mobileLayers(name string, in int, stages []stage) {
	for _, s := range stages {
		for i := range s.layers {
			b := arch.Block{Name: fmt.Sprintf("%s.%d", name, len(p.Layers)), In: in, Out: s.channels, Stride: 1}
			if i == 0 {
				b.Stride = s.stride
			}
			p.Layers, in = append(p.Layers, bottlenecks(b, "relu6")), s.channels
		}
	}
}
