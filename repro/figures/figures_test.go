package figures

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
	"github.com/gonas/gonas/plots"
)

// named finds a figure.
func named(t *testing.T, name string) Figure {
	t.Helper()
	for _, f := range List() {
		if f.Name == name {
			return f
		}
	}
	require.Fail(t, "no figure "+name)
	return Figure{}
}

// csv is a figure's data.
func csv(t *testing.T, f plots.Figure) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, f.WriteCSV(&b))
	return b.String()
}

// search is a search over cells of two epochs, its weights of a kind: the last operation of each edge wins.
func search(method, kind string, seed uint64, normal, reduce [][]string) run.Result {
	r := run.Result{Spec: run.Spec{Command: run.Search, Method: method, Profile: "smoke", Seed: seed, Space: cells.S0, Config: json.RawMessage("{}")},
		Log:      run.Log{Columns: []string{"epoch", "train_loss", "val_loss", "penalty"}, Rows: [][]float64{{1, 2.5, 2.6, 0}, {2, 2, 2.25, 0}}},
		Genotype: &arch.Genotype{Style: arch.StyleThreshold, Normal: arch.Cell{Edges: []arch.Edge{{Op: "skip_connect", From: 0, To: 2}}, Concat: []int{2}}}}
	for name, ops := range map[string][][]string{"normal": normal, "reduce": reduce} {
		t := run.Table{Name: name, Kind: kind, Rows: cells.EdgeNames(), Columns: ops}
		if kind == run.Sigmoid {
			t.Threshold = 0.85
		}
		for epoch := range 3 {
			s := run.Snapshot{Epoch: epoch}
			for row := range t.Rows {
				n := len(t.Ops(row))
				weights := make([]float64, n)
				for k := range weights {
					weights[k] = (1 - 0.25*float64(epoch)) / float64(n)
				}
				weights[n-1] += 0.25 * float64(epoch)
				s.Values, s.Weights = append(s.Values, weights), append(s.Weights, weights)
			}
			t.Epochs = append(t.Epochs, s)
		}
		r.Tables = append(r.Tables, t)
	}
	return r
}

var (
	three = [][]string{{"max_pool_3x3", "skip_connect", "sep_conv_3x3"}}
	// Every edge has operations of its own.
	uneven = func() [][]string {
		var out [][]string
		for row := range cells.Edges {
			out = append(out, [][]string{{"skip_connect", "dil_conv_3x3"}, {"max_pool_3x3", "skip_connect"}}[row%2])
		}
		return out
	}()
)

// A figure goes by the kind of a search's tables, whatever its method is called.
func TestWeightsByKind(t *testing.T) {
	for kind, figure := range map[string]string{run.Softmax: "softmax", run.Sigmoid: "sigmoids"} {
		for _, method := range []string{"darts", "fairdarts", "mine"} {
			r := search(method, kind, 3, three, three)
			source := Source{Profile: "smoke", Searches: []run.Result{r}}
			list, err := named(t, figure).Draw(source)
			require.NoError(t, err, method)
			require.Len(t, list, 1)
			assert.Equal(t, method+"-"+figure, list[0].Stem)
			assert.Contains(t, strings.ToLower(list[0].Figure.Title()), figure+": ")
			assert.Contains(t, list[0].Figure.Description(), map[string]string{run.Softmax: "Softmax weight of 3", run.Sigmoid: "Sigmoid weight of 3"}[kind])
			drawn, err := Weights(r, list[0].Figure.Title())
			require.NoError(t, err)
			assert.Equal(t, list[0].Figure, drawn)
			other := map[string]string{"softmax": "sigmoids", "sigmoids": "softmax"}[figure]
			_, err = named(t, other).Draw(source)
			var none NoData
			require.ErrorAs(t, err, &none)
			assert.Contains(t, none, "expected a search with")
		}
	}
}

func TestThresholdIsTheTables(t *testing.T) {
	h, err := History(search("mine", run.Sigmoid, 0, three, three))
	require.NoError(t, err)
	assert.InDelta(t, 0.85, h.Threshold, 0)
	h, err = History(search("mine", run.Softmax, 0, three, three))
	require.NoError(t, err)
	assert.Zero(t, h.Threshold)
	assert.Equal(t, []int{0, 1, 2}, h.Epochs)
}

func TestLastWeightsAreFinal(t *testing.T) {
	f, err := Final(search("mine", run.Softmax, 0, three, three), "")
	require.NoError(t, err)
	assert.Contains(t, csv(t, f), "normal,c_{k-2},0,sep_conv_3x3,0.6666666666666666,false,")
	assert.Contains(t, csv(t, f), "normal,c_{k-2},0,skip_connect,0.16666666666666666,true,")
}

// Edges may have other operations than others.
func TestUnevenEdges(t *testing.T) {
	r := search("mine", run.Softmax, 0, uneven, three)
	h, err := History(r)
	require.NoError(t, err)
	assert.Equal(t, []string{"skip_connect", "dil_conv_3x3", "max_pool_3x3", "sep_conv_3x3"}, h.Ops)
	assert.InDeltaSlice(t, []float64{0.25, 0.75}, h.Normal[2][0][:2], 1e-12)
	assert.True(t, math.IsNaN(h.Normal[2][0][2]) && math.IsNaN(h.Normal[2][0][3]))
	assert.InDelta(t, 0.75, h.Normal[2][1][0], 1e-12)
	assert.InDelta(t, 0.25, h.Normal[2][1][2], 1e-12)
	for _, draw := range []func(run.Result, string) (plots.Figure, error){Weights, Final, Dominant} {
		f, err := draw(r, "")
		require.NoError(t, err)
		assert.NotContains(t, csv(t, f), "NaN")
	}
	f, err := Dominant(r, "")
	require.NoError(t, err)
	assert.Contains(t, csv(t, f), "2,normal,skip_connect,7\n")
	assert.Contains(t, csv(t, f), "2,normal,dil_conv_3x3,7\n")
	assert.Contains(t, csv(t, f), "2,reduce,sep_conv_3x3,14\n")
}

func TestSkips(t *testing.T) {
	a, b, c := search("darts", run.Softmax, 0, three, three), search("fairdarts", run.Sigmoid, 0, three, three), search("mine", run.Softmax, 0, three, three)
	b.Genotype = &arch.Genotype{}
	later := search("darts", run.Softmax, 1, three, three)
	p, err := Skips(later, c, a, b)
	require.NoError(t, err)
	assert.Equal(t, plots.PairedCounts{Names: []string{"DARTS", "FairDARTS", "mine"}, Seeds: []uint64{0}, Counts: [][]int{{1}, {0}, {1}}}, p)
	list, err := named(t, "skips").Draw(Source{Profile: "smoke", Searches: []run.Result{a, b}, Evidence: true})
	require.NoError(t, err)
	assert.Equal(t, "skips", list[0].Stem)
	for want, searches := range map[string][]run.Result{
		"found none":                       {supernet(t, "strict", 2)},
		"found darts with the seeds [0 1]": {a, later},
		"found darts with the seeds [1], fairdarts with the seeds [0]":   {later, b},
		"expected searches over cells of at least two labels with a see": nil,
	} {
		var none NoData
		_, err := Skips(searches...)
		require.ErrorAs(t, err, &none, want)
		assert.ErrorContains(t, err, want)
	}
}

// onGrid is a search on NAS-Bench-201 whose strongest operation after epoch i is the ith on every edge.
func onGrid(method string, seed uint64, strongest ...int) run.Result {
	r := run.Result{Spec: run.Spec{Command: run.Search, Method: method, Variant: "nb201", Profile: "smoke", Seed: seed, Space: space.NASBench201Name, Config: json.RawMessage("{}")},
		Tables: []run.Table{{Name: space.GridTable, Kind: run.Softmax, Rows: space.GridEdgeNames(), Columns: [][]string{arch.GridOps}}}}
	for epoch, best := range strongest {
		s := run.Snapshot{Epoch: epoch}
		for range 6 {
			weights := []float64{0.1, 0.1, 0.1, 0.1, 0.1}
			weights[best] = 0.6
			s.Values, s.Weights = append(s.Values, weights), append(s.Weights, weights)
		}
		r.Tables[0].Epochs = append(r.Tables[0].Epochs, s)
	}
	g, err := space.StrongestGrid(r.Tables[0].Last().Weights)
	if err != nil {
		panic(err)
	}
	r.Network = &arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Grid: &g}
	return r
}

// The cell that each snapshot stands for is looked up, beside what random cells are worth.
func TestTrueAccuracies(t *testing.T) {
	a, b, c := onGrid("darts", 0, 3, 1), onGrid("darts", 1, 0, 0), onGrid("fairdarts", 0, 1, 2)
	other := search("darts", run.Softmax, 0, three, three)
	panels, err := TrueAccuracies(a, other, b, c)
	require.NoError(t, err)
	require.Len(t, panels, 2)
	assert.Equal(t, "DARTS on NAS-Bench-201", panels[0].Name)
	assert.Equal(t, "FairDARTS on NAS-Bench-201", panels[1].Name)
	require.Len(t, panels[0].Series, 2)
	assert.Equal(t, []int{0, 1}, panels[0].Series[0].Epochs)
	assert.Equal(t, "seed 1", panels[0].Series[1].Name)
	assert.InDeltaSlice(t, []float64{93.76, 54.2967}, panels[0].Series[0].Values, 1e-4)
	assert.InDeltaSlice(t, []float64{10, 10}, panels[0].Series[1].Values, 1e-4)
	assert.InDelta(t, 54.2967, panels[1].Series[0].Values[0], 1e-4)
	list, err := named(t, "true-accuracy").Draw(Source{Profile: "smoke", Searches: []run.Result{a, b, c}, Evidence: true})
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "true-accuracy", list[0].Stem)
	data := csv(t, list[0].Figure)
	assert.Contains(t, data, "DARTS on NAS-Bench-201,optimum,,94.3733\n")
	assert.Contains(t, data, "random cells: mean,,87.062930803")
	assert.Contains(t, data, "DARTS on NAS-Bench-201,seed 0,1,54.2967\n")
	var none NoData
	_, err = TrueAccuracies(other)
	require.ErrorAs(t, err, &none)
	a.Tables[0].Epochs[1].Weights = a.Tables[0].Epochs[1].Weights[:5]
	_, err = TrueAccuracies(a)
	assert.ErrorContains(t, err, "DARTS on NAS-Bench-201, seed 0, profile smoke: table cell: ")
}

// Cells of NAS-Bench-201 are drawn by themselves, and their skip connections counted apart from those of DARTS's cells.
func TestGridCells(t *testing.T) {
	a, b := onGrid("darts", 0, 0, 1), onGrid("fairdarts", 0, 0, 3)
	source := Source{Profile: "smoke", Searches: []run.Result{a, b, search("darts", run.Softmax, 0, three, three), search("fairdarts", run.Softmax, 0, three, three)}, Evidence: true}
	list, err := named(t, "skips").Draw(source)
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, []string{"skips", "skips-nasbench201"}, []string{list[0].Stem, list[1].Stem})
	p, err := Skips(a, b)
	require.NoError(t, err)
	assert.Equal(t, [][]int{{6}, {0}}, p.Counts)
	list, err = named(t, "cells").Draw(Source{Profile: "smoke", Searches: []run.Result{b}})
	require.NoError(t, err)
	assert.Contains(t, csv(t, list[0].Figure), "from,to,op\n0,1,nor_conv_3x3\n0,2,nor_conv_3x3\n1,2,")
	list, err = named(t, "softmax").Draw(Source{Profile: "smoke", Searches: []run.Result{b}})
	require.NoError(t, err)
	assert.Contains(t, csv(t, list[0].Figure), "\n1,cell,2,3,nor_conv_3x3,0.6\n")
	dominant, err := Dominant(b, "")
	require.NoError(t, err)
	assert.Contains(t, csv(t, dominant), "\n0,cell,none,6\n")
	assert.Contains(t, csv(t, dominant), "\n1,cell,nor_conv_3x3,6\n")
	final, err := Final(b, "")
	require.NoError(t, err)
	assert.Contains(t, csv(t, final), "\ncell,2,3,nor_conv_3x3,0.6,true,")
	assert.Contains(t, csv(t, final), "\ncell,0,1,none,0.1,false,")
	assert.Contains(t, final.Description(), "for one cell. Cell: weights from 0.100 to 0.600, 6 kept")
	b.Network.Grid.Cell[0] = "conv_9x9"
	_, err = Cells(b, "")
	assert.ErrorContains(t, err, `got "conv_9x9"`)
}

// What a method adds to the log has a panel of its own; what all have is left out.
func TestLosses(t *testing.T) {
	plain, scheduled := search("darts", run.Softmax, 0, three, three), search("mine", run.Softmax, 0, three, three)
	scheduled.Log = run.Log{Columns: []string{"epoch", "train_loss", "val_loss", "skips_normal", "skip_rate"}, Rows: [][]float64{{1, 3, 3, 0, 0.5}, {2, 2, 2, 0, 0.25}}}
	panels, err := Losses(plain, scheduled)
	require.NoError(t, err)
	assert.Equal(t, []plots.EpochPanel{
		{Name: "training loss", Series: []plots.EpochSeries{{Name: "DARTS", Epochs: []int{1, 2}, Values: []float64{2.5, 2}}, {Name: "mine", Epochs: []int{1, 2}, Values: []float64{3, 2}}}},
		{Name: "validation loss", Series: []plots.EpochSeries{{Name: "DARTS", Epochs: []int{1, 2}, Values: []float64{2.6, 2.25}}, {Name: "mine", Epochs: []int{1, 2}, Values: []float64{3, 2}}}},
		{Name: "skip rate", Series: []plots.EpochSeries{{Name: "mine", Epochs: []int{1, 2}, Values: []float64{0.5, 0.25}}}},
	}, panels)
	later := scheduled
	later.Spec.Seed = 1
	panels, err = Losses(scheduled, later)
	require.NoError(t, err)
	assert.Equal(t, []string{"mine, seed 0", "mine, seed 1"}, []string{panels[2].Series[0].Name, panels[2].Series[1].Name})
	// One figure a seed, of all methods on a space.
	list, err := named(t, "losses").Draw(Source{Profile: "smoke", Searches: []run.Result{plain, scheduled, later, supernet(t, "strict", 2)}, Evidence: true})
	require.NoError(t, err)
	var stems []string
	for _, n := range list {
		stems = append(stems, n.Stem)
	}
	assert.Equal(t, []string{"losses-seed0", "fairnas-losses-seed0", "mine-losses-seed1"}, stems)
	_, err = Losses(run.Result{})
	assert.ErrorContains(t, err, "expected a search whose log has losses")
}

func TestZeroOneLoss(t *testing.T) {
	r := search("mine", run.Sigmoid, 0, three, three)
	draw := named(t, "zero-one-loss").Draw
	_, err := draw(Source{Searches: []run.Result{r}})
	var none NoData
	require.ErrorAs(t, err, &none)
	r.Spec.Config = json.RawMessage(`{"zero_one_weight": 0}`)
	list, err := draw(Source{Searches: []run.Result{r}})
	require.NoError(t, err)
	assert.Equal(t, "fairdarts-zero-one-loss", list[0].Stem)
	assert.Contains(t, list[0].Figure.Description(), "L2: loss from -0.25 to 0")
}

func TestMACs(t *testing.T) {
	r := run.Result{Spec: run.Spec{Command: run.Train, Name: "fairdarts-no01", Profile: "quick", Seed: 2, Network: &arch.Network{Cells: &arch.CellNetwork{}}},
		Numbers: run.Values{{Name: "test_accuracy", Number: 0.375}, {Name: "parameters", Number: 1e5}, {Name: "multiply_adds", Number: 2.5e6}}}
	r.Spec.Data.Name = "embedded"
	chain := r
	chain.Spec.Network = &arch.Network{Chain: &arch.Chain{}}
	draw := named(t, "macs").Draw
	list, err := draw(Source{Profile: "quick", Trainings: []run.Result{r, chain}})
	require.NoError(t, err)
	assert.Equal(t, "fairdarts-macs", list[0].Stem)
	data := csv(t, list[0].Figure)
	assert.Contains(t, data, "\"Trained here, profile quick\",FairDARTS without zero-one loss,seed 2,2.5,37.5\n\"As published, 600 epochs\",FairDARTS A to G,A,373,97.46\n")
	assert.Contains(t, data, "\"As published, 600 epochs\",its baselines,P-DARTS,532,97.53\n")
	list, err = draw(Source{Profile: "paper", Trainings: []run.Result{r}})
	require.NoError(t, err)
	assert.Contains(t, csv(t, list[0].Figure), "\n600 epochs,\"its baselines, as published\",DARTS,522,96.94\n")
	var none NoData
	_, err = draw(Source{Profile: "quick", Trainings: []run.Result{chain}})
	require.ErrorAs(t, err, &none)
}

func TestFoundArchitectures(t *testing.T) {
	r := search("mine", run.Softmax, 0, three, three)
	source := Source{Profile: "smoke", Searches: []run.Result{r}, Evidence: true}
	list, err := named(t, "cells").Draw(source)
	require.NoError(t, err)
	assert.Equal(t, Named{"mine-cells-mine-seed0", "mine, seed 0, profile smoke", list[0].Figure}, list[0])
	var none NoData
	_, err = named(t, "network").Draw(source)
	require.ErrorAs(t, err, &none)
	r = supernet(t, "strict", 2)
	source.Searches = []run.Result{r}
	_, err = named(t, "cells").Draw(source)
	require.ErrorAs(t, err, &none)
	r.Network = chain(t)
	source.Searches = []run.Result{r}
	list, err = named(t, "network").Draw(source)
	require.NoError(t, err)
	assert.Contains(t, csv(t, list[0].Figure), "block,op,kernel,stride,in,hidden,out\n1,")
}

// What is not there is told from what does not hold together.
func TestFiguresWithoutData(t *testing.T) {
	for _, f := range List() {
		var none NoData
		_, err := f.Draw(Source{})
		require.ErrorAs(t, err, &none, f.Name)
	}
	broken := search("mine", run.Softmax, 0, three, three)
	broken.Tables[0].Kind = "counts"
	var none NoData
	_, err := Weights(broken, "")
	require.Error(t, err)
	assert.NotErrorAs(t, err, &none)
	assert.ErrorContains(t, err, "expected both")
	short := search("mine", run.Softmax, 0, three, three)
	for i := range short.Tables {
		short.Tables[i].Epochs = short.Tables[i].Epochs[:1]
	}
	_, err = Weights(short, "")
	require.ErrorAs(t, err, &none)
	assert.ErrorContains(t, err, "expected the weights of at least 2 epochs, found 1")
	wild := search("mine", run.Sigmoid, 0, three, three)
	wild.Tables[0].Epochs[0].Weights[0][0] = 7
	_, err = named(t, "sigmoids").Draw(Source{Searches: []run.Result{wild}})
	assert.ErrorContains(t, err, "mine, seed 0, profile smoke: plots: sigmoids: ")
	assert.ErrorContains(t, err, "expected a weight from 0 to 1, got 7")
}
