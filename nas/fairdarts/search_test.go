package fairdarts

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// TestTotalLossGolden compares the architecture's loss and gradients with the official code's: the supernet's cross
// entropy in training mode plus ten times the zero-one loss, in float64 as TestSupernetGolden of package space.
func TestTotalLossGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/zero_one_loss.json")
	require.NoError(t, err)
	var ref struct {
		Target []int32 `json:"target"`
		Losses map[string]struct {
			Total      float64     `json:"total"`
			Entropy    float64     `json:"cross_entropy(train mode BN)"`
			Normal     [][]float64 `json:"d_total_d_alphas_normal"`
			Reduce     [][]float64 `json:"d_total_d_alphas_reduce"`
			OnlyNormal [][]float64 `json:"d_weighted_loss2_only_d_alphas_normal"`
			OnlyReduce [][]float64 `json:"d_weighted_loss2_only_d_alphas_reduce"`
			Loss2      float64     `json:"loss2_unweighted"`
			Weight     float64     `json:"weight"`
		} `json:"losses"`
	}
	require.NoError(t, json.Unmarshal(data, &ref))
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	e := engine.NewFloat64(b.Backend)
	for name, form := range map[string]Form{"l2_ConvSeparateLoss": L2, "l1_TriSeparateLoss": L1} {
		want, ok := ref.Losses[name]
		require.True(t, ok)
		config := DefaultConfig()
		config.ZeroOneForm = form
		method := Search(&config)
		relax := nn.NewLeaf("sigmoid", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node { return []*graph.Node{method.Relax(0, in[0], nil)} })
		penalty := nn.NewLeaf("penalty|"+string(form), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node { return []*graph.Node{method.Penalty(in)} })
		alphas := []*tensors.Tensor{e.Tensor(golden.Input("alphas_normal", []int{cells.Edges, 7}), cells.Edges, 7),
			e.Tensor(golden.Input("alphas_reduce", []int{cells.Edges, 7}), cells.Edges, 7)}
		t.Run(string(form)+"/alone", func(t *testing.T) {
			m, err := e.NewModel(penalty, nn.Operation)
			require.NoError(t, err)
			g, err := m.Gradient(nn.Mode{}, false, []int{0, 1}, alphas...)
			require.NoError(t, err)
			goldentest.Near(t, "loss", []float64{want.Weight * want.Loss2}, g.Outputs[0], 1e-7)
			goldentest.Near(t, "normal", Flatten(want.OnlyNormal, nil), g.Inputs[0], 1e-6)
			goldentest.Near(t, "reduce", Flatten(want.OnlyReduce, nil), g.Inputs[1], 1e-6)
		})
		t.Run(string(form)+"/with the network", func(t *testing.T) {
			t.Parallel()
			net, err := space.Supernet(config.Size, space.SupernetInputs{Tables: 1}, space.MixedEdges(cells.Uniform(config.Primitives)))
			require.NoError(t, err)
			loss, add := engine.LossModule(0), nn.Sum()
			root := nn.NewComposite("golden|"+net.Signature()+penalty.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
				normal, reduce := nn.Call1(e, "", relax, in[2]), nn.Call1(e, "", relax, in[3])
				entropy := nn.Call1(e, "", loss, nn.Call1(e, "", net, in[0], normal, reduce), in[1])
				return []nn.Value{nn.Call1(e, "", add, entropy, nn.Call1(e, "", penalty, in[2], in[3])), entropy}
			})
			m, err := e.NewModel(root, nn.Edge)
			require.NoError(t, err)
			state := map[string][]float64{}
			for _, s := range m.Specs() {
				state[s.Name] = golden.Tensor(s.Name, s.Shape, 3)
			}
			require.NoError(t, m.LoadFloat64(state))
			nchw := golden.Input("input", []int{2, 3, 32, 32})
			images := make([]float64, len(nchw))
			for i := range nchw {
				n, c, pixel := i/3072, i/1024%3, i%1024
				images[n*3072+pixel*3+c] = nchw[i]
			}
			in := append([]*tensors.Tensor{e.Tensor(images, 2, 32, 32, 3), tensors.FromFlatDataAndDimensions(ref.Target, 2)}, alphas...)
			g, err := m.Gradient(nn.Mode{Train: true}, false, []int{2, 3}, in...)
			require.NoError(t, err)
			goldentest.Near(t, "cross entropy", []float64{want.Entropy}, g.Outputs[1], 1e-6)
			goldentest.Near(t, "total", []float64{want.Total}, g.Outputs[0], 1e-6)
			goldentest.Near(t, "normal", Flatten(want.Normal, nil), g.Inputs[0], 1e-4)
			goldentest.Near(t, "reduce", Flatten(want.Reduce, nil), g.Inputs[1], 1e-4)
		})
	}
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	for _, tc := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Epochs = 0 }, "config: epochs"},
		{func(c *Config) { c.ZeroOneWeight = -1 }, "config: zero_one_weight"},
		{func(c *Config) { c.ZeroOneForm = "l3" }, "config: zero_one_form"},
		{func(c *Config) { c.Discretisation = "best" }, "config: discretisation"},
		{func(c *Config) { c.Threshold = 1 }, "config: threshold"},
	} {
		c := DefaultConfig()
		tc.change(&c)
		assert.ErrorContains(t, c.Validate(), tc.want)
	}
}
