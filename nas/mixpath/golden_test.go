package mixpath_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"


	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// tolerance is of the largest magnitude: the official numbers have seven digits.
const tolerance = 1e-6

// kernels are the official code's, by number.
var kernels = []int{3, 5, 7, 9}

func read(t *testing.T, name string, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(goldentest.Testdata(t, name), v))
}

// fill gives a model's tensors the values of the formula with a gain.
func fill(t *testing.T, m *engine.Model, gain float64) {
	t.Helper()
	state := map[string][]float64{}
	for _, s := range m.Specs() {
		state[s.Name] = golden.Tensor(s.Name, s.Shape, gain)
	}
	require.NoError(t, m.LoadFloat64(state))
}

// layerChoice is the official code's: [[numbers of kernels], number of the expansion].
type layerChoice struct {
	kernels []int
	rate    int
}

func (c *layerChoice) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&c.kernels, &c.rate})
}

// pathOf is a path of a space by the official code's choices.
func pathOf(t *testing.T, p space.Paths, choice []layerChoice) []int {
	t.Helper()
	require.Len(t, choice, len(p.Layers))
	path := make([]int, len(choice))
	for l, c := range choice {
		var want []int
		for _, k := range c.kernels {
			want = append(want, kernels[k])
		}
		slices.Sort(want)
		hidden := p.Layers[l][0].In * []int{3, 6}[c.rate]
		path[l] = slices.IndexFunc(p.Layers[l], func(b arch.Block) bool { return b.Hidden == hidden && slices.Equal(b.Kernels, want) })
		require.GreaterOrEqual(t, path[l], 0, "%v", c)
	}
	return path
}

// logits are those of a path for the two images.
func logits(t *testing.T, m *engine.Model, p space.Paths, path []int) []float64 {
	t.Helper()
	net, err := p.Tree([][]int{path})
	require.NoError(t, err)
	out, err := m.Path(net).Run(nn.Mode{}, goldentest.Images(m.Engine(), "input", 2, 32, 32, 3))
	require.NoError(t, err)
	v, err := engine.Values(out[0])
	require.NoError(t, err)
	return v
}

// Evaluation of the space S1's supernet against the official code, with and without shadow norms, both gains; and of the same
// path as a network by itself, whose multiply-adds are the official count.
func TestGoldenSupernet(t *testing.T) {
	var ref struct {
		Params map[string]struct{ All int }
		Cases  map[string]struct {
			Choice []layerChoice
			Logits [][]float64 `json:"eval_logits"`
			MACs   struct {
				Sum int64 `json:"conv_plus_linear"`
			} `json:"macs_per_sample"`
		}
	}
	read(t, "S1_supernet.json", &ref)
	require.Len(t, ref.Cases, 20)
	e := goldentest.Float64Engine(t)
	counter := nn.NewCounter(e.Backend())
	for _, shadow := range []bool{true, false} {
		p := space.MixPathS1()
		p.ShadowNorms = shadow
		root, err := p.Supernet()
		require.NoError(t, err)
		kind := fmt.Sprintf("shadow_bn=%s", map[bool]string{true: "True", false: "False"}[shadow])
		assert.Equal(t, ref.Params[kind].All, nn.Params(root.Specs()), kind)
		m, err := e.NewModel(root, nn.Edge)
		require.NoError(t, err)
		for _, gain := range []float64{3, 5} {
			fill(t, m, gain)
			for _, of := range []string{"m1", "m2", "m3", "m4", "mixed"} {
				name := fmt.Sprintf("%s|W=%g|%s", kind, gain, of)
				c, ok := ref.Cases[name]
				require.True(t, ok, name)
				if testing.Short() && (of != "mixed" || gain == 3) {
					continue
				}
				path := pathOf(t, p, c.Choice)
				golden.Near(t, name, goldentest.Flat(c.Logits), logits(t, m, p, path), tolerance, 0)
				network, err := p.Network(path)
				require.NoError(t, err)
				alone, err := space.Network(network, space.NetworkOptions{})
				require.NoError(t, err)
				cost, err := counter.Count(alone, shapes.Make(dtypes.Float32, 1, 32, 32, 3))
				require.NoError(t, err)
				assert.Equal(t, c.MACs.Sum, cost.MACs, name)
			}
		}
		require.NoError(t, m.Finalize())
	}
}
