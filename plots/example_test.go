package plots_test

import (
	"bytes"
	"fmt"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/plots"
)

// A cell as a search derives it.
func ExampleCell() {
	d := plots.Cell(arch.Cell{
		Edges:  []arch.Edge{{Op: "sep_conv_3x3", From: 0, To: 2}, {Op: "skip_connect", From: 1, To: 2}, {Op: "dil_conv_5x5", From: 2, To: 3}},
		Concat: []int{2, 3},
	}, "My cell")
	fmt.Println(d.Title())
	fmt.Println(d.Description())
	// Output:
	// My cell
	// Graph of a cell: sep_conv_3x3 from c_{k-2} to 0, skip_connect from c_{k-1} to 0, dil_conv_5x5 from 0 to 1; c_{k} concatenates 0, 1.
}

func ExampleGenotype() {
	cell := arch.Cell{Edges: []arch.Edge{{Op: "max_pool_3x3", From: 1, To: 2}}, Concat: []int{2}}
	d := plots.Genotype(arch.Genotype{Style: arch.StyleThreshold, Normal: cell, Reduce: cell}, "")
	fmt.Println(d.Description())
	// Output: Graphs of two cells. Normal cell: max_pool_3x3 from c_{k-1} to 0; c_{k} concatenates 0. Reduction cell: max_pool_3x3 from c_{k-1} to 0; c_{k} concatenates 0.
}

func ExampleGrid() {
	d := plots.Grid(arch.Grid{Cell: [6]string{"nor_conv_3x3", "none", "skip_connect", "nor_conv_1x1", "none", "avg_pool_3x3"}, Cells: 5, Channels: 16}, "")
	fmt.Println(d.Description())
	// Output: Graph of a cell of NAS-Bench-201: nor_conv_3x3 from 0 to 1, none from 0 to 2, skip_connect from 1 to 2, nor_conv_1x1 from 0 to 3, none from 1 to 3, avg_pool_3x3 from 2 to 3.
}

func ExampleChain() {
	d := plots.Chain(arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &arch.Chain{
		Stem:   arch.Conv{Out: 16, Kernel: 3, Stride: 1},
		Blocks: []arch.Block{{Op: arch.OpBottleneck, In: 16, Hidden: 96, Out: 24, Kernel: 5, Stride: 2}},
	}}, "A short chain")
	fmt.Println(d.Description())
	// Output: Chain of blocks: input of 32×32×3; stem 3×3 convolution to 32×32×16; inverted bottleneck 5×5, expansion 6, stride 2 to 16×16×24; global average pool to 24; classifier of 10 classes.
}

// A drawing is written as SVG or PNG.
func ExampleDrawing() {
	d := plots.Network(arch.Network{Grid: &arch.Grid{Cell: [6]string{"none", "none", "none", "skip_connect", "none", "none"}}}, "A shortcut")
	var svg, png bytes.Buffer
	if err := d.WriteSVG(&svg); err != nil {
		fmt.Println(err)
	}
	if err := d.WritePNG(&png, 300); err != nil {
		fmt.Println(err)
	}
	fmt.Println(bytes.Contains(svg.Bytes(), []byte("<title>A shortcut</title>")), string(png.Bytes()[1:4]))
	// Output: true PNG
}
