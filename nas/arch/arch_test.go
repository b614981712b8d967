package arch

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cell(edges ...Edge) Cell { return Cell{Edges: edges, Concat: []int{2, 3, 4, 5}} }

func dartsCell() Cell {
	var c Cell
	for node := 2; node <= 5; node++ {
		c.Edges = append(c.Edges, Edge{"sep_conv_3x3", 0, node}, Edge{"skip_connect", 1, node})
		c.Concat = append(c.Concat, node)
	}
	return c
}

func TestEdgeJSON(t *testing.T) {
	data, err := json.Marshal(Edge{"skip_connect", 1, 4})
	require.NoError(t, err)
	assert.Equal(t, `["skip_connect",1,4]`, string(data))
	var e Edge
	require.NoError(t, json.Unmarshal(data, &e))
	assert.Equal(t, Edge{"skip_connect", 1, 4}, e)
	for content, message := range map[string]string{
		`{}`:                     "expected [op, from, to]",
		`["skip_connect",1]`:     "got 2 elements",
		`["skip_connect","1",4]`: "from: expected a whole number",
	} {
		assert.ErrorContains(t, json.Unmarshal([]byte(content), &e), message)
	}
}

func TestGenotypeValidate(t *testing.T) {
	good := Genotype{Style: StyleDARTS, Normal: dartsCell(), Reduce: dartsCell()}
	require.NoError(t, good.Validate([]string{"sep_conv_3x3", "skip_connect"}))
	assert.Equal(t, 4, good.Normal.Count("skip_connect"))
	for message, change := range map[string]func(*Genotype){
		"style: expected":                            func(g *Genotype) { g.Style = "other" },
		"normal.edges[0]: from 3 to 2":               func(g *Genotype) { g.Normal.Edges[0].From = 3 },
		"reduce.edges[1]: from 1 to 6":               func(g *Genotype) { g.Reduce.Edges[1].To = 6 },
		`normal.edges[2]: unknown operation "dance"`: func(g *Genotype) { g.Normal.Edges[2].Op = "dance" },
		"normal.concat: expected at least one":       func(g *Genotype) { g.Normal.Concat = nil },
		"normal.concat: node 6 out of range":         func(g *Genotype) { g.Normal.Concat[0] = 6 },
		"normal: node 2 has 1 edges":                 func(g *Genotype) { g.Normal.Edges[0].To = 3 },
	} {
		g := Genotype{Style: StyleDARTS, Normal: dartsCell(), Reduce: dartsCell()}
		change(&g)
		assert.ErrorContains(t, g.Validate([]string{"sep_conv_3x3", "skip_connect"}), message)
	}
	g := Genotype{Style: StyleThreshold, Normal: cell(Edge{"skip_connect", 0, 2}), Reduce: dartsCell()}
	assert.ErrorContains(t, g.Validate(nil), "normal.concat: node 3 has no edges")
	g.Normal.Concat = []int{2}
	assert.NoError(t, g.Validate(nil))
}

func chainNetwork() Network {
	return Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &Chain{Naming: NamingPlain, Stem: Conv{Out: 8, Kernel: 3, Stride: 1},
		Blocks: []Block{{Name: "a", Op: OpBottleneck, In: 8, Hidden: 24, Out: 16, Kernel: 3, Stride: 2}, {Name: "b", Op: OpIdentity, In: 16, Out: 16, Stride: 1}}}}
}

// paths is a multi-path block, which has no single kernel, without hidden channels.
func paths(kernel int, kernels ...int) Block {
	return Block{Name: "a", Op: OpMultiPath, In: 8, Out: 16, Kernel: kernel, Kernels: kernels, Stride: 2}
}

func TestNetworkValidate(t *testing.T) {
	n := chainNetwork()
	require.NoError(t, n.Validate())
	for message, change := range map[string]func(*Network){
		"expected one of cells, chain and grid, got 0":                 func(n *Network) { n.Chain = nil },
		"expected one of cells, chain and grid, got 2":                 func(n *Network) { n.Grid = &Grid{} },
		"input[1]: expected at least 1":                                func(n *Network) { n.Input[1] = 0 },
		"classes: expected at least 2":                                 func(n *Network) { n.Classes = 1 },
		"naming: expected one of":                                      func(n *Network) { n.Chain.Naming = "" },
		"stem: out, kernel and stride":                                 func(n *Network) { n.Chain.Stem.Out = 0 },
		"blocks: expected at least one":                                func(n *Network) { n.Chain.Blocks = nil },
		`blocks[1] "b": in: expected the 16 channels`:                  func(n *Network) { n.Chain.Blocks[1].In = 8 },
		`blocks[0] "a": op: expected one of`:                           func(n *Network) { n.Chain.Blocks[0].Op = "conv" },
		"out and stride: expected at least 1":                          func(n *Network) { n.Chain.Blocks[0].Stride = 0 },
		"a residual or identity needs stride 1":                        func(n *Network) { n.Chain.Blocks[0].Residual = true },
		"kernel: expected an odd number, got 4":                        func(n *Network) { n.Chain.Blocks[0].Kernel = 4 },
		"kernels: expected none in the operation":                      func(n *Network) { n.Chain.Blocks[0].Kernels = []int{3} },
		"kernels: expected at least one":                               func(n *Network) { n.Chain.Blocks[0] = paths(3) },
		"kernels: expected odd numbers that rise":                      func(n *Network) { n.Chain.Blocks[0] = paths(0, 5, 3) },
		"hidden: expected at least 1, got 0":                           func(n *Network) { n.Chain.Blocks[0] = paths(0, 3) },
		"hidden: expected at least 1":                                  func(n *Network) { n.Chain.Blocks[0].Hidden = 0 },
		`direction: expected one of ["" "time" "frequency"], got "up"`: func(n *Network) { n.Chain.Blocks[0].Direction = "up" },
		`direction: expected none in the operation identity`:           func(n *Network) { n.Chain.Blocks[1].Direction = DirectionTime },
		"at least 1 reduced channel, got identity and 4":               func(n *Network) { n.Chain.Blocks[1].Squeeze = &SqueezeExcite{Reduced: 4} },
		"se: expected an inverted bottleneck":                          func(n *Network) { n.Chain.Blocks[0].Squeeze = &SqueezeExcite{} },
	} {
		n := chainNetwork()
		change(&n)
		assert.ErrorContains(t, n.Validate(), message)
	}
	assert.ErrorContains(t, Network{Input: [3]int{1, 1, 1}, Classes: 2, Grid: &Grid{}}.Validate(), "grid: cell[0]: expected one of")
	assert.ErrorContains(t, Network{Input: [3]int{1, 1, 1}, Classes: 2, Cells: &CellNetwork{}}.Validate(), "cells: stem: expected")
}

func TestKernelText(t *testing.T) {
	for want, b := range map[string]Block{"": {Op: OpIdentity}, "5": {Op: OpBottleneck, Kernel: 5}, "3+7+9": paths(0, 3, 7, 9),
		"5×1": {Op: OpBottleneck, Kernel: 5, Direction: DirectionTime}, "1×7": {Op: OpSeparable, Kernel: 7, Direction: DirectionFrequency}} {
		assert.Equal(t, want, b.KernelText())
	}
}

func TestReadNetwork(t *testing.T) {
	data, err := json.Marshal(chainNetwork())
	require.NoError(t, err)
	n, err := ReadNetwork(data)
	require.NoError(t, err)
	assert.Equal(t, chainNetwork(), n)
	_, err = ReadNetwork([]byte(`{"input":[1,1,1],"classes":2,"layers":3}`))
	assert.ErrorContains(t, err, `unknown field "layers"`)
}

// Genotypes print as the published code prints them.
func TestGenotypeAsText(t *testing.T) {
	cell := Cell{Edges: []Edge{{"skip_connect", 0, 2}, {"sep_conv_3x3", 1, 2}}, Concat: []int{2, 3}}
	assert.Equal(t, "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)], normal_concat=[2, 3], reduce=[], reduce_concat=[2])",
		Genotype{Style: StyleDARTS, Normal: cell, Reduce: Cell{Concat: []int{2}}}.String())
	assert.Contains(t, Genotype{Style: StyleThreshold, Normal: cell}.String(), "normal=[('skip_connect', 2, 0), ('sep_conv_3x3', 2, 1)]")
}
