package space

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space/cells"
)

// partialEdges are PC-DARTS's edges: a quarter of the channels take the operations, and each edge has a weight of its own in
// the second table of its cell.
func partialEdges(at EdgeAt) (nn.Module, error) {
	return nn.PartialEdge(DARTSPrimitives, at.Channels, at.Stride, 4)
}

// TestPartialChannelsGolden compares the supernet with partial channels with PC-DARTS's official code, in float64.
func TestPartialChannelsGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/pcdarts_search_network.json")
	require.NoError(t, err)
	var want struct {
		goldentest.Supernet
		Params struct {
			All int `json:"all"`
		} `json:"params"`
	}
	require.NoError(t, json.Unmarshal(data, &want))
	size := Size{Cells: 8, Channels: 16, Classes: 10, InputChannels: 3}
	net, err := Supernet(size, SupernetInputs{Tables: 2}, partialEdges)
	require.NoError(t, err)
	assert.Equal(t, want.Params.All, nn.Params(net.Specs()))
	relax, betas, loss := softmax, NodeSoftmax(), engine.LossModule(0)
	root := nn.NewComposite("golden|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		logits := nn.Call1(e, "", net, in[0], nn.Call1(e, "", relax, in[2]), nn.Call1(e, "", relax, in[3]), nn.Call1(e, "", betas, in[4]), nn.Call1(e, "", betas, in[5]))
		return append(e.Call("", loss, logits, in[1]), logits)
	})
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	for _, granularity := range []nn.Level{nn.Edge, nn.Network} {
		t.Run(granularity.String(), func(t *testing.T) {
			t.Parallel()
			e := engine.NewFloat64(b.Backend)
			m, err := e.NewModel(root, granularity)
			require.NoError(t, err)
			fill(t, m)
			in := []*tensors.Tensor{goldenImages(e, "input", 2, 32, 32, 3), tensors.FromFlatDataAndDimensions(want.Target.Values, 2)}
			for _, name := range []string{"alphas_normal", "alphas_reduce"} {
				in = append(in, e.Tensor(golden.Input(name, []int{cells.Edges, 8}), cells.Edges, 8))
			}
			for _, name := range []string{"betas_normal", "betas_reduce"} {
				in = append(in, e.Tensor(golden.Input(name, []int{cells.Edges}), cells.Edges))
			}
			want.All(t, m, in, true)
		})
	}
}

func TestPartialChannelsRefuses(t *testing.T) {
	_, err := Supernet(Size{Cells: 3, Channels: 6, Classes: 10, InputChannels: 3}, SupernetInputs{Tables: 2}, partialEdges)
	assert.ErrorContains(t, err, "6 channels cannot be cut into 4 equal parts")
}
