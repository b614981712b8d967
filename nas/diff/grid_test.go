package diff_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/dartsminus"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// onGrid is a configuration on NAS-Bench-201 that runs in seconds.
func onGrid(c diff.Config) diff.Config {
	c = tiny(c)
	c.Space, c.Size.Cells = space.NASBench201Name, 1
	return c
}

// Every method of the family searches NAS-Bench-201 as it stands: one table of 6 edges, a cell that takes the strongest
// operation of every edge, and a resumed search of the same bits.
func TestNASBench201(t *testing.T) {
	e := newEngine(t)
	plain := onGrid(diff.DefaultConfig())
	second := plain
	second.SecondOrder = true
	fair := fairdarts.DefaultConfig()
	fair.Config = onGrid(fair.Config)
	minus := dartsminus.DefaultConfig()
	minus.Config = plain
	noisy := darts.Config{Config: plain, SkipNoise: &darts.SkipNoise{}}
	losses := map[float64]string{}
	for _, tc := range []struct {
		name   string
		config diff.Config
		method diff.Method
		kind   string
		also   []string
	}{
		{"darts", plain, diff.DARTS(), run.Softmax, nil},
		{"second order", second, diff.DARTS(), run.Softmax, nil},
		{"skip noise", plain, darts.Search(&noisy), run.Softmax, []string{"skip_noise"}},
		{"dartsminus", minus.Config, dartsminus.Search(&minus), run.Softmax, []string{"beta"}},
		{"fairdarts", fair.Config, fairdarts.Search(&fair), run.Sigmoid, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := searchAndResume(t, e, tc.config, tc.method)
			require.Len(t, want.Tables, 1)
			table := want.Tables[0]
			require.NoError(t, table.Validate())
			assert.Equal(t, space.GridTable, table.Name)
			assert.Equal(t, tc.kind, table.Kind)
			assert.Zero(t, table.Threshold, "nothing is dropped")
			assert.Equal(t, []string{"0→1", "0→2", "1→2", "0→3", "1→3", "2→3"}, table.Rows)
			assert.Equal(t, [][]string{arch.GridOps}, table.Columns)
			require.Len(t, table.Epochs, tc.config.Epochs+1)
			assert.NotEqual(t, table.Epochs[0].Values, table.Last().Values)
			assert.Equal(t, append([]string{"epoch", "steps", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "penalty", "skips"}, tc.also...), want.Log.Columns)
			assert.Nil(t, want.Genotype)
			require.NotNil(t, want.Network)
			require.NoError(t, want.Network.Validate())
			g := want.Network.Grid
			require.NotNil(t, g)
			assert.Equal(t, []int{5, 16}, []int{g.Cells, g.Channels}, "the benchmark's own size")
			for edge, op := range g.Cell {
				weights := table.Last().Weights[edge]
				for k, name := range arch.GridOps {
					if name == op {
						for _, w := range weights {
							assert.LessOrEqual(t, w, weights[k])
						}
					}
				}
			}
			assert.Equal(t, float64(g.Count(nn.SkipConnect)), want.Log.Row(-1).Of("skips"))
			loss := want.Log.Column("train_loss")[1]
			assert.Empty(t, losses[loss], "%s does what another does", tc.name)
			losses[loss] = tc.name
		})
	}
}

// What goes to edges goes to every edge of every cell: the second cell of a stage draws noise of its own.
func TestGridEdgesHaveTheirRows(t *testing.T) {
	c := onGrid(diff.DefaultConfig())
	c.Size.Cells = 2
	x := diff.States("noise", 7).At(c, diff.Pass{Position: run.Position{Epochs: 1, Steps: 1}})
	assert.Equal(t, []int{3 * 2 * 6, 3}, x.Shape().Dimensions)
	require.NoError(t, x.FinalizeAll())
}

// A method's code knows the space's tables and what is derived of them.
func TestCodeOnNASBench201(t *testing.T) {
	e, c := newEngine(t), onGrid(diff.DefaultConfig())
	seen := map[string]string{}
	for name, m := range map[string]diff.Method{"darts": diff.DARTS(), "softmax": sharp(1), "sharper": sharp(0.25)} {
		code, err := m.Code(e, c)
		require.NoError(t, err)
		assert.Empty(t, seen[code], name)
		seen[code] = name
	}
}

// The variant is the benchmark's search: 15 cells in three stages, 16 channels at first.
func TestVariantOnNASBench201(t *testing.T) {
	v := diff.OnNASBench201("DARTS", "")
	c := diff.DefaultConfig()
	require.NoError(t, json.Unmarshal([]byte(v.Set), &c))
	require.NoError(t, c.Validate())
	assert.Equal(t, space.Size{Cells: 5, Channels: 16, Classes: 10, InputChannels: 3}, c.Size)
	over, err := c.Over()
	require.NoError(t, err)
	assert.Equal(t, 15*6, over.Edges(c.Size))
	net, err := over.Supernet(c.Size, space.SupernetInputs{Tables: 1}, func(at space.EdgeAt) (nn.Module, error) {
		return nn.MixedEdge(over.Tables()[at.Table()].Ops[at.Row], at.Channels, at.Stride)
	})
	require.NoError(t, err)
	channels := map[int]int{}
	for _, s := range net.Specs() {
		for i := range 17 {
			if s.Name == fmt.Sprintf("cells.%d.edges.3<-2._ops.3.op.1.weight", i) {
				channels[s.Shape[0]]++
			}
		}
	}
	assert.Equal(t, map[int]int{16: 5, 32: 5, 64: 5}, channels)
}
