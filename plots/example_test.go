package plots_test

import (
	"bytes"
	"fmt"
	"math"
	"os"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/zoo"
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

// history is two epochs of a cell of one node with two operations.
var history = plots.WeightHistory{
	Ops:    []string{"skip_connect", "sep_conv_3x3"},
	Epochs: []int{0, 1},
	Normal: [][][]float64{{{0.5, 0.5}, {0.5, 0.5}}, {{0.75, 0.25}, {0.125, 0.875}}},
	Reduce: [][][]float64{{{0.5, 0.5}, {0.5, 0.5}}, {{0.25, 0.75}, {0.5, 0.5}}},
}

func ExampleSigmoids() {
	f, err := plots.Sigmoids(history, "My search")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Sigmoid weight of 2 operations over epochs 0 to 1, one chart an edge. Strongest at the end: normal c_{k-2} to 0: skip_connect 0.75, normal c_{k-1} to 0: sep_conv_3x3 0.88, reduce c_{k-2} to 0: sep_conv_3x3 0.75, reduce c_{k-1} to 0: skip_connect 0.50.
}

// Weights that are no softmax are refused.
func ExampleSoftmax() {
	wrong := history
	wrong.Normal = [][][]float64{history.Normal[0], {{0.75, 0.5}, {0.5, 0.5}}}
	_, err := plots.Softmax(wrong, "")
	fmt.Println(err)
	// Output: plots: softmax: normal[1][0]: expected weights that sum to 1, got [0.75 0.5]
}

func ExampleAlphas() {
	f, err := plots.Alphas(plots.FinalWeights{
		Ops: history.Ops, Normal: history.Normal[1], Reduce: history.Reduce[1], Threshold: 0.85,
		Kept: arch.Genotype{Normal: arch.Cell{Edges: []arch.Edge{{Op: "sep_conv_3x3", From: 1, To: 2}}, Concat: []int{2}}},
	}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Heat map of the final weights of 2 operations on 2 edges, and their histogram, for each of two cells. Normal cell: weights from 0.125 to 0.875, 1 kept; Reduction cell: weights from 0.250 to 0.750, 0 kept.
}

func ExampleDominant() {
	f, err := plots.Dominant(history, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Stacked areas: on how many of 2 edges each operation has the highest weight, over epochs 0 to 1. At the end: Normal cell: skip_connect 1, sep_conv_3x3 1; Reduction cell: skip_connect 0.5, sep_conv_3x3 1.5.
}

// The data of a figure go beside it.
func ExampleSkips() {
	f, err := plots.Skips(plots.PairedCounts{Names: []string{"DARTS", "FairDARTS"}, Seeds: []uint64{0, 1}, Counts: [][]int{{5, 4}, {1, 2}}}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := f.WriteCSV(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// seed,method,skip_connections
	// 0,DARTS,5
	// 0,FairDARTS,1
	// 1,DARTS,4
	// 1,FairDARTS,2
}

func ExampleZeroOneLoss() {
	c := plots.LossCurve{Name: "L2"}
	for a := -4.0; a <= 4; a++ {
		s := 1 / (1 + math.Exp(-a))
		c.Alphas, c.Losses, c.Gradients = append(c.Alphas, a), append(c.Losses, -(s-0.5)*(s-0.5)), append(c.Gradients, -2*(s-0.5)*s*(1-s))
	}
	f, err := plots.ZeroOneLoss([]plots.LossCurve{c}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Loss and gradient of one architecture parameter from -4 to 4. L2: loss from -0.232 to 0, gradient from -0.0909 to 0.0909.
}

func ExampleMACs() {
	f, err := plots.MACs([]plots.MACsPanel{{Name: "As published", Series: []plots.MACsSeries{
		{Name: "FairDARTS", Points: []plots.MACsPoint{{Label: "A", MACs: 373, Accuracy: 97.46}, {Label: "B", MACs: 536, Accuracy: 97.49}}}}}}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Test accuracy against multiply-adds: FairDARTS A 373 M 97.46 %, FairDARTS B 536 M 97.49 %.
}

// Two numbers of two runs.
func ExampleEpochs() {
	f, err := plots.Epochs([]plots.EpochPanel{
		{Name: "training loss", Series: []plots.EpochSeries{{Name: "β from 0.4", Epochs: []int{1, 2}, Values: []float64{2.1, 1.6}}, {Name: "β from 1", Epochs: []int{1, 2}, Values: []float64{2, 1.5}}}},
		{Name: "beta", Series: []plots.EpochSeries{{Name: "β from 0.4", Epochs: []int{1, 2}, Values: []float64{0.4, 0.2}}, {Name: "β from 1", Epochs: []int{1, 2}, Values: []float64{1, 0.5}}}},
	}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Numbers over epochs 1 to 2, one chart each. Training loss: β from 0.4 from 2.1 to 1.6, β from 1 from 2 to 1.5; Beta: β from 0.4 from 0.4 to 0.2, β from 1 from 1 to 0.5.
}

// The data of a chain's figure are its blocks.
func ExampleBlocks() {
	n, err := zoo.Get("tcresnet8")
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := plots.Blocks(n.Network, "TC-ResNet8")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := f.WriteCSV(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// block,op,kernel,stride,in,hidden,out
	// 1,temporal_residual,9,2,16,0,24
	// 2,temporal_residual,9,2,24,0,32
	// 3,temporal_residual,9,2,32,0,48
}

func ExampleCells() {
	f, err := plots.Cells(arch.Genotype{Normal: arch.Cell{Edges: []arch.Edge{{Op: "max_pool_3x3", From: 1, To: 2}}, Concat: []int{2}}}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := f.WriteCSV(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// cell,from,to,op
	// normal,c_{k-1},0,max_pool_3x3
	// normal,0,c_{k},concat
}

func ExampleRanking() {
	f, err := plots.Ranking([]plots.RankingSeries{{
		Name: "strict", OneShot: []float64{61, 64, 66, 70}, True: []float64{88, 90.5, 90, 93},
		Tau: &plots.Tau{Value: 0.667}, // no interval for so few networks
	}}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: True over one-shot accuracy of networks, one chart a series. strict: 4 networks, one-shot from 61 to 70 %, true from 88 to 93 %, tau-b 0.667, least-squares slope 0.518.
}

func ExampleHistograms() {
	f, err := plots.Histograms([]plots.Sample{{Name: "strict", Values: []float64{66, 68, 70}}, {Name: "uniform", Values: []float64{60, 63, 66}}}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Histograms of one-shot accuracy in bins of 0.4 %. strict: 3 networks from 66 to 70 %, mean 68.00 %; uniform: 3 networks from 60 to 66 %, mean 63.00 %.
}

// Two layers of two choices after four paths.
func ExampleUpdateCounts() {
	f, err := plots.UpdateCounts([]plots.Updates{{Name: "strict", Counts: [][]int{{2, 2}, {2, 2}}}, {Name: "uniform", Counts: [][]int{{1, 3}, {2, 2}}}}, []string{"identity", "3×3"}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Updates of every choice in 2 layers. strict: 4 paths, updates of a choice from 2 to 2, furthest from the mean 0; uniform: 4 paths, updates of a choice from 1 to 3, furthest from the mean 1.
}

func ExampleAccuracyRanges() {
	f, err := plots.AccuracyRanges([]plots.AccuracySeries{{Name: "strict", Epochs: []int{1, 2}, Mean: []float64{30, 41}, Lowest: []float64{12, 25}, Highest: []float64{44, 58}}}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Training accuracy of paths, mean and range (lowest to highest). strict: mean 30.00 % (12.00 to 44.00) at epoch 1, 41.00 % (25.00 to 58.00) at epoch 2.
}

func ExamplePareto() {
	f, err := plots.Pareto(plots.Evolution{
		Objectives: []plots.Objective{{Name: "accuracy (%)", Maximise: true}, {Name: "multiply-adds (millions)"}},
		Fronts:     []plots.Front{{Generation: 0, Values: [][]float64{{60, 50}}}, {Generation: 9, Values: [][]float64{{64, 48}, {67, 70}}}},
		Chosen:     []plots.Choice{{Name: "A", Values: []float64{67, 70}}},
	}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: First fronts of 2 generations, accuracy (%) (more is better) over multiply-adds (millions) (less is better). Generation 0: 1 network, accuracy (%) from 60 to 60, multiply-adds (millions) from 50 to 50; generation 9: 2 networks, accuracy (%) from 64 to 67, multiply-adds (millions) from 48 to 70; chosen A: accuracy (%) 67, multiply-adds (millions) 70.
}

func ExampleLandscapes() {
	f, err := plots.Landscapes([]plots.LandscapeMap{{Name: "DARTS", Axis: []float64{-1, 0, 1},
		Accuracy: [][]float64{{20, 30, 25}, {22, 40, 31}, {18, 28, 20}}, Loss: [][]float64{{2.1, 1.9, 2}, {2, 1.7, 1.8}, {2.2, 1.9, 2.1}}}}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Heat maps of validation accuracy and loss on 3 by 3 points over two random directions of the parameters. DARTS: accuracy 40 % in the middle, from 18 to 40; loss 1.7, from 1.7 to 2.2.
}

func ExampleSpreads() {
	f, err := plots.Spreads([]plots.SpreadSeries{{Name: "DARTS", Epochs: []int{1, 2}, Seeds: []uint64{0, 1}, Values: [][]float64{{0.1, 0.2}, {0.2, 0.5}}}}, "largest eigenvalue", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Description())
	// Output: Largest eigenvalue over epochs 1 to 2, mean and range over seeds. DARTS, 2 seeds: mean from 0.15 to 0.35.
}
