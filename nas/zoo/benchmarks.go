package zoo

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

// nasBench201 lists the cells of NAS-Bench-201 by index, a line each: the operation of each edge as a digit, by
// arch.GridOps, in the order of arch.Grid.Cell.
//
//go:embed nasbench201.txt
var nasBench201 string

// NASBench201Size is the number of cells of NAS-Bench-201.
const NASBench201Size = 15625

// benchmarkCell is the network of a cell of NAS-Bench-201 by index.
func benchmarkCell(index string) (Entry, error) {
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= NASBench201Size {
		return Entry{}, fmt.Errorf("expected an index from 0 to %d, got %q", NASBench201Size-1, index)
	}
	const line = 7
	digits := nasBench201[i*line : i*line+line-1]
	g := arch.Grid{Cells: 5, Channels: 16}
	for k, d := range digits {
		g.Cell[k] = arch.GridOps[d-'0']
	}
	return Entry{Paper: "2001.00326", Source: "index order of NAS-Bench-201, three sources agree; network as D-X-Y/AutoDL-Projects defines it",
		Network: arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Grid: &g}}, nil
}

// MacroLayers are the layers of a network of NAS-Bench-Macro.
const MacroLayers = 8

// macroNetwork is the network of a code of NAS-Bench-Macro (xiusu/NAS-Bench-Macro, train/model.py): eight digits, a
// layer each: 0 an identity (a 1×1 convolution of stride 2 where the layer halves the image), 1 an inverted bottleneck
// of kernel 3 and expansion 3, 2 one of kernel 5 and expansion 6.
func macroNetwork(code string) (Entry, error) {
	if len(code) != MacroLayers || strings.Trim(code, "012") != "" {
		return Entry{}, fmt.Errorf("expected %d digits from 0 to 2, got %q", MacroLayers, code)
	}
	c := arch.Chain{Naming: arch.NamingPlain, Stem: arch.Conv{Out: 32, Kernel: 3, Stride: 1, Activation: "relu"},
		Last: arch.Conv{Out: 1280, Kernel: 1, Stride: 1, Activation: "relu"}, Classifier: "classifier"}
	channels := 32
	for i, digit := range code {
		b := arch.Block{Name: fmt.Sprintf("layers.%d", i), Op: arch.OpBottleneck, In: channels, Out: channels, Stride: 1, Activation: "relu"}
		if i == 0 || i == 2 || i == 5 {
			b.Out, b.Stride = 2*channels, 2
		}
		switch digit {
		case '0':
			b.Op, b.Activation = arch.OpProjection, ""
			if b.Stride == 1 {
				b.Op = arch.OpIdentity
			}
		case '1':
			b.Kernel, b.Hidden = 3, 3*channels
		case '2':
			b.Kernel, b.Hidden = 5, 6*channels
		}
		b.Residual = b.Op == arch.OpBottleneck && b.Stride == 1
		channels = b.Out
		c.Blocks = append(c.Blocks, b)
	}
	return Entry{Paper: "2103.11922", Source: "xiusu/NAS-Bench-Macro train/model.py @ b1ee7c6ff9d83e6bc002adcaf5c6a9a2ba1a4ac7",
		Network: arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &c}}, nil
}
