package space

import (
	"fmt"

	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/nas/arch"
)

// Names of the spaces for acoustic scenes, whose kernels look along time or along frequency.
const (
	ScenesName      = "asc"
	SmallScenesName = "asc_small"
)

// SceneFeatures are the log-mel features of the published size of scenes: 40 filters, windows of 40 ms every 20 ms. The sources
// at hand of 1912.12825 have no front end; these are recalled as those of the challenge's own baseline and are unverified.
func SceneFeatures() audio.Config { return audio.LogMel(40, 40, 20) }

// Scenes is the space of acoustic scenes for the recordings of 1912.12825, of ten seconds and nine classes: MobileNetV2's chain
// (1801.04381, table 2) with kernels along time and along frequency in turn, beginning with time; behind the first block 16
// layers, each an inverted bottleneck of kernel 3, 5 or 7 and expansion 3 or 6: 6^16 paths. The paper says no more at hand than
// that its baseline is inspired by MobileNetV2 and looks along time and frequency alternately, so that channels, choices and
// input are ours.
func Scenes() Paths {
	features := SceneFeatures()
	p := Paths{Name: ScenesName, Shared: arch.Network{Input: [3]int{499, 40, 1}, Features: &features, Classes: 9, Chain: &arch.Chain{
		Naming: arch.NamingPlain, Stem: arch.Conv{Out: 32, Kernel: 3, Stride: 2, Activation: "relu6"},
		Blocks: []arch.Block{{Name: "first", Op: arch.OpSeparable, Direction: arch.DirectionTime, In: 32, Out: 16, Kernel: 3, Stride: 1, Activation: "relu6"}},
		Last:   arch.Conv{Out: 1280, Kernel: 1, Stride: 1, Activation: "relu6"}, Classifier: "classifier", Dropout: 0.2}}}
	p.sceneLayers(16, []stage{{24, 2, 2}, {32, 3, 2}, {64, 4, 2}, {96, 3, 1}, {160, 3, 2}, {320, 1, 1}})
	return p
}

// SmallScenes is this project's version of [Scenes] for processors, no paper's: six layers of the same choices, 6^6 paths, on
// the five seconds and ten classes of ESC-10.
func SmallScenes() Paths {
	features := audio.LogMel(40, 80, 40)
	p := Paths{Name: SmallScenesName, Shared: arch.Network{Input: [3]int{124, 40, 1}, Features: &features, Classes: 10, Chain: &arch.Chain{
		Naming: arch.NamingPlain, Stem: arch.Conv{Out: 16, Kernel: 3, Stride: 2, Activation: "relu6"},
		Last: arch.Conv{Out: 320, Kernel: 1, Stride: 1, Activation: "relu6"}, Classifier: "classifier"}}}
	p.sceneLayers(16, []stage{{24, 2, 2}, {40, 2, 2}, {80, 2, 2}})
	return p
}

// sceneLayers adds the six choices of kernel and expansion for each layer of the stages; directions go on in turn behind the
// blocks that are there.
func (p *Paths) sceneLayers(in int, stages []stage) {
	for _, s := range stages {
		for i := range s.layers {
			b := arch.Block{Name: fmt.Sprintf("layers.%d", len(p.Layers)), In: in, Out: s.channels, Stride: 1, Direction: arch.DirectionTime}
			if i == 0 {
				b.Stride = s.stride
			}
			if (len(p.Shared.Chain.Blocks)+len(p.Layers))%2 == 1 {
				b.Direction = arch.DirectionFrequency
			}
			p.Layers, in = append(p.Layers, bottlenecks(b, "relu6")), s.channels
		}
	}
}
