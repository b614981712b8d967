package space

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
)

// gridReference are numbers of NAS-Bench-201's official search code, with track_running_stats.
type gridReference struct {
	Cell struct {
		Eval, Train gridCellCase
	} `json:"cell track_running_stats=True"`
	StateDict [][2]json.RawMessage `json:"cell_state_dict"`
	Supernet  struct {
		Parameters int `json:"params_without_arch"`
		Target     struct {
			Values []int32 `json:"values"`
		} `json:"target"`
		Eval, Train gridNetworkCase
		Genotype    string               `json:"genotype_of_these_parameters"`
		StateDict   [][2]json.RawMessage `json:"state_dict"`
	} `json:"supernet"`
}

type gridCellCase struct {
	Out struct {
		Shape  []int     `json:"shape"`
		Values []float64 `json:"values_flat"`
	} `json:"out"`
	Loss     float64              `json:"L"`
	Alphas   [][]float64          `json:"dL_darch"`
	Norm     float64              `json:"weight_grad_global_l2norm"`
	Buffers  map[string][]float64 `json:"running_stats_after_changed_only"`
	Gradient struct {
		First []float64 `json:"first4"`
		Last  []float64 `json:"last4"`
	} `json:"dL_dx"`
}

type gridNetworkCase struct {
	Logits       [][]float64            `json:"logits"`
	CrossEntropy float64                `json:"cross_entropy"`
	Alphas       map[string][][]float64 `json:"dCE_darch"`
	Norm         float64                `json:"weight_grad_global_l2norm"`
	StemMean     []float64              `json:"stem_bn_running_mean_after_first8"`
	StemVar      []float64              `json:"stem_bn_running_var_after_first8"`
}

func readGrid(t *testing.T) (ref gridReference) {
	t.Helper()
	data, err := os.ReadFile("testdata/nasbench201_search_cell.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &ref))
	return ref
}

// assertNames compares a module's tensors with the names and shapes of an official state_dict.
func assertNames(t *testing.T, want [][2]json.RawMessage, m nn.Module) {
	t.Helper()
	var official, ours []string
	for _, entry := range want {
		var name string
		require.NoError(t, json.Unmarshal(entry[0], &name))
		if name != "arch_parameters" {
			official = append(official, name+" "+strings.ReplaceAll(string(entry[1]), " ", ""))
		}
	}
	for _, s := range m.Specs() {
		ours = append(ours, goldentest.GridName(s.Name)+" "+strings.ReplaceAll(fmt.Sprint(s.Shape), " ", ","))
	}
	assert.ElementsMatch(t, official, ours)
}

func mixedGridEdge(at EdgeAt) (nn.Module, error) {
	return nn.MixedEdge(nn.GridPrimitives, at.Channels, at.Stride)
}

// softmaxLeaf relaxes a table of parameters.
func softmaxLeaf() nn.Module {
	return nn.NewLeaf("grid_golden_softmax", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{nn.SoftmaxRows(in[0])}
	})
}

// TestGridSearchCellGolden compares a cell of the supernet: output, gradients of input, parameters and weights, running
// statistics.
func TestGridSearchCellGolden(t *testing.T) {
	ref, e := readGrid(t), goldentest.Float64Engine(t)
	cell, err := gridSearchCell(SupernetInputs{Tables: 1}, mixedGridEdge, 4)
	require.NoError(t, err)
	assertNames(t, ref.StateDict, cell)
	relax, cut := softmaxLeaf(), nn.Rows()
	weigh := goldentest.Weighed([]int{2, 4, 8, 8})
	root := nn.NewComposite("grid_golden|"+cell.Signature(), nn.Network, []nn.Child{{Module: cell}}, func(e nn.Env, in []nn.Value) []nn.Value {
		rows := e.Call("", cut, nn.Call1(e, "", relax, in[1]))
		return e.Call("", weigh, nn.Call1(e, "", cell, append([]nn.Value{in[0]}, rows...)...))
	})
	in := []*tensors.Tensor{goldenImages(e, "input", 2, 8, 8, 4), e.Tensor(golden.Input("arch_parameters", []int{6, 5}), 6, 5)}
	for _, level := range []nn.Level{nn.Operation, nn.Edge, nn.Network} {
		m, err := e.NewModel(root, level)
		require.NoError(t, err)
		goldentest.FillAs(t, m, goldentest.GridName)
		for i, want := range []gridCellCase{ref.Cell.Eval, ref.Cell.Train} {
			what := fmt.Sprintf("%s, train=%t: ", level, i == 1)
			g, err := m.Gradient(nn.Mode{Train: i == 1}, true, []int{0, 1}, in...)
			require.NoError(t, err)
			requireNear(t, what+"loss", []float64{want.Loss}, numbers(t, g.Outputs[0]))
			requireNear(t, what+"out", want.Out.Values, goldentest.NCHW(numbers(t, g.Outputs[1]), 2, 8, 8, 4))
			dx := goldentest.NCHW(numbers(t, g.Inputs[0]), 2, 8, 8, 4)
			requireNear(t, what+"dx", append(want.Gradient.First, want.Gradient.Last...), append(dx[:4:4], dx[len(dx)-4:]...))
			requireNear(t, what+"parameters", flatten(want.Alphas), numbers(t, g.Inputs[1]))
			_, norm := goldentest.GradientNorms(t, m, g)
			require.InEpsilon(t, want.Norm, norm, tolerance, what)
		}
		state, err := m.StateFloat64()
		require.NoError(t, err)
		require.Len(t, ref.Cell.Train.Buffers, 24)
		found := 0
		for name, v := range state {
			if want, ok := ref.Cell.Train.Buffers[goldentest.GridName(name)]; ok {
				requireNear(t, name, want, v)
				found++
			}
		}
		require.Equal(t, 24, found)
	}
}

// rowsOf cuts values into rows.
func rowsOf(v []float64, columns int) (out [][]float64) {
	for i := 0; i < len(v); i += columns {
		out = append(out, v[i:i+columns])
	}
	return out
}

// gridObjective is the supernet of 8 channels and one cell a stage under the cross entropy.
func gridObjective(t *testing.T) (net, root nn.Module) {
	t.Helper()
	net, err := GridSupernet(Size{Cells: 1, Channels: 8, Classes: 10, InputChannels: 3}, SupernetInputs{Tables: 1}, mixedGridEdge)
	require.NoError(t, err)
	loss, relax := engine.LossModule(0), softmaxLeaf()
	return net, nn.NewComposite("grid_golden|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		logits := nn.Call1(e, "", net, in[0], nn.Call1(e, "", relax, in[2]))
		return append(e.Call("", loss, logits, in[1]), logits)
	})
}

func (want gridNetworkCase) compare(t *testing.T, what string, m *engine.Model, g *engine.Gradients, gradients bool) {
	t.Helper()
	requireNear(t, what+" loss", []float64{want.CrossEntropy}, numbers(t, g.Outputs[0]))
	requireNear(t, what+" logits", flatten(want.Logits), numbers(t, g.Outputs[2]))
	if gradients {
		requireNear(t, what+" parameters", flatten(want.Alphas["arch_parameters"]), numbers(t, g.Inputs[0]))
		_, norm := goldentest.GradientNorms(t, m, g)
		require.InEpsilon(t, want.Norm, norm, tolerance, what)
	}
	if want.StemMean != nil {
		state, err := m.StateFloat64()
		require.NoError(t, err)
		requireNear(t, what+" running mean", want.StemMean, state["stem.1.running_mean"])
		requireNear(t, what+" running var", want.StemVar, state["stem.1.running_var"])
	}
}

// TestGridSupernetGolden compares the supernet with the official code's numbers, in float64 and, forwards, in float32 on
// the backend that users have.
func TestGridSupernetGolden(t *testing.T) {
	ref := readGrid(t)
	net, root := gridObjective(t)
	assertNames(t, ref.Supernet.StateDict, net)
	assert.Equal(t, ref.Supernet.Parameters, nn.Params(net.Specs()))
	users, err := backend.Open()
	require.NoError(t, err)
	for name, e := range map[string]*engine.Engine{"float64": goldentest.Float64Engine(t), "float32": engine.New(users.Backend)} {
		t.Run(name, func(t *testing.T) {
			if name == "float32" && users.Info.Kind == backend.KindGo {
				t.Skip("no XLA plug-in; `make setup` brings one")
			}
			in := []*tensors.Tensor{goldenImages(e, "input", 2, 32, 32, 3), tensors.FromFlatDataAndDimensions(ref.Supernet.Target.Values, 2),
				e.Tensor(golden.Input("arch_parameters", []int{6, 5}), 6, 5)}
			m, err := e.NewModel(root, nn.Edge)
			require.NoError(t, err)
			goldentest.FillAs(t, m, goldentest.GridName)
			for i, want := range []gridNetworkCase{ref.Supernet.Eval, ref.Supernet.Train} {
				g, err := m.Gradient(nn.Mode{Train: i == 1}, true, []int{2}, in...)
				require.NoError(t, err)
				want.compare(t, []string{"eval", "train"}[i], m, g, name == "float64")
			}
		})
	}
}

// The strongest operation of every edge, none among them, as the official code derives a cell.
func TestStrongestGrid(t *testing.T) {
	g, err := StrongestGrid(golden.Table("arch_parameters", 6, 5))
	require.NoError(t, err)
	assert.Equal(t, readGrid(t).Supernet.Genotype, g.Code())
	assert.NoError(t, arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Grid: &g}.Validate())
	equal, err := StrongestGrid(rowsOf(make([]float64, 30), 5))
	require.NoError(t, err)
	assert.Equal(t, arch.GridOps[0], equal.Cell[3], "of equals the first")
	_, err = StrongestGrid(rowsOf(make([]float64, 25), 5))
	assert.ErrorContains(t, err, "expected 6 edges, got 5")
	_, err = StrongestGrid(rowsOf(make([]float64, 24), 4))
	assert.ErrorContains(t, err, "edge 0: expected 5 operations, got 4")
	assert.Equal(t, []string{"0→1", "0→2", "1→2", "0→3", "1→3", "2→3"}, GridEdgeNames())
	assert.Equal(t, 2, g.Count("avg_pool_3x3"))
}

// What the table says of cells is what was published: the optima, and 54.30, 15.61 and 16.32 for the cell of skip
// connections alone, which DARTS ends with on NAS-Bench-201.
func TestNASBench201Truth(t *testing.T) {
	skips := arch.Grid{Cells: 5, Channels: 16}
	for i := range skips.Cell {
		skips.Cell[i] = nn.SkipConnect
	}
	for data, want := range map[string]struct{ best, skips, mean float64 }{
		datasets.CIFAR10Name: {94.37, 54.30, 87.06}, datasets.CIFAR100Name: {73.51, 15.61, 61.41}, datasets.ImageNet16Name: {47.31, 16.32, 33.59},
	} {
		truth, err := NASBench201Truth(data)
		require.NoError(t, err)
		assert.Equal(t, 15625, truth.Cells)
		assert.InDelta(t, want.best, truth.Best, 0.005)
		assert.InDelta(t, want.mean, truth.Mean, 0.005)
		q := truth.Quartiles
		assert.True(t, q[0] < q[1] && q[1] < q[2] && q[2] < truth.Best, q)
		got, err := TrueAccuraciesOn(NASBench201Name, data, []string{skips.Code(), truth.BestCode})
		require.NoError(t, err)
		assert.InDelta(t, want.skips, got[0], 0.005)
		assert.Equal(t, truth.Best, got[1])
	}
	assert.True(t, HasTruth(NASBench201Name))
	for want, f := range map[string]func() ([]float64, error){
		`has no cell "000000"`: func() ([]float64, error) { return TrueAccuracies(NASBench201Name, []string{"000000"}) },
		"not on svhn":          func() ([]float64, error) { return TrueAccuraciesOn(NASBench201Name, "svhn", nil) },
		"not on cifar100":      func() ([]float64, error) { return TrueAccuraciesOn(NASBenchMacroName, datasets.CIFAR100Name, nil) },
	} {
		_, err := f()
		assert.ErrorContains(t, err, want)
	}
	_, err := NASBench201Truth("svhn")
	assert.ErrorContains(t, err, "not on svhn")
}
