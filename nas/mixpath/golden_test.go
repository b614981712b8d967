package mixpath_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
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

// supernetCases are the official code's evaluations of its supernet.
type supernetCases struct {
	Params map[string]struct{ All int }
	Cases  map[string]struct {
		Choice []layerChoice
		Logits [][]float64 `json:"eval_logits"`
		MACs   struct {
			Sum int64 `json:"conv_plus_linear"`
		} `json:"macs_per_sample"`
	}
}

// caseName is that of a path: m1 to m4 have so many paths in every layer.
func caseName(shadow bool, gain float64, of string) string {
	return fmt.Sprintf("shadow_bn=%s|W=%g|%s", map[bool]string{true: "True", false: "False"}[shadow], gain, of)
}

// compare holds the logits of some cases against the official code's.
func (ref supernetCases) compare(t *testing.T, e *engine.Engine, tolerance float64, wanted func(name string) bool) {
	t.Helper()
	for _, shadow := range []bool{true, false} {
		p := space.MixPathS1()
		p.ShadowNorms = shadow
		root, err := p.Supernet()
		require.NoError(t, err)
		m, err := e.NewModel(root, nn.Edge)
		require.NoError(t, err)
		for _, gain := range []float64{3, 5} {
			fill(t, m, gain)
			for _, of := range []string{"m1", "m2", "m3", "m4", "mixed"} {
				if name := caseName(shadow, gain, of); wanted(name) {
					c, ok := ref.Cases[name]
					require.True(t, ok, name)
					golden.Near(t, name, goldentest.Flat(c.Logits), logits(t, m, p, pathOf(t, p, c.Choice)), tolerance, 0)
				}
			}
		}
		require.NoError(t, m.Finalize())
	}
}

// Evaluation of the space S1's supernet against the official code: with and without shadow norms, both gains.
func TestGoldenSupernet(t *testing.T) {
	var ref supernetCases
	read(t, "S1_supernet.json", &ref)
	require.Len(t, ref.Cases, 20)
	b, err := backend.Open()
	require.NoError(t, err)
	ref.compare(t, engine.New(b.Backend), goldentest.Tolerance, func(string) bool { return true })
}

// The same in float64, in Go, which takes seconds a case: some of them, or with the full set of official numbers all.
func TestGoldenSupernetFloat64(t *testing.T) {
	var ref supernetCases
	read(t, "S1_supernet.json", &ref)
	some := []string{caseName(true, 3, "m1"), caseName(false, 5, "m2"), caseName(true, 5, "mixed")}
	ref.compare(t, goldentest.Float64Engine(t), tolerance, func(name string) bool {
		return os.Getenv("GONAS_GOLDEN") != "" || slices.Contains(some, name)
	})
}

// The supernet's parameters are the official code's, and so are the multiply-adds of its paths as networks by themselves.
func TestGoldenCounts(t *testing.T) {
	var ref supernetCases
	read(t, "S1_supernet.json", &ref)
	counter := nn.NewCounter(goldentest.Float64Engine(t).Backend())
	for _, shadow := range []bool{true, false} {
		p := space.MixPathS1()
		p.ShadowNorms = shadow
		root, err := p.Supernet()
		require.NoError(t, err)
		assert.Equal(t, ref.Params[strings.Split(caseName(shadow, 0, ""), "|")[0]].All, nn.Params(root.Specs()))
	}
	assert.Equal(t, 25344, ref.Params["shadow_bn=True"].All-ref.Params["shadow_bn=False"].All)
	p := space.MixPathS1()
	for name, c := range ref.Cases {
		network, err := p.Network(pathOf(t, p, c.Choice))
		require.NoError(t, err)
		alone, err := space.Network(network, space.NetworkOptions{})
		require.NoError(t, err)
		cost, err := counter.Count(alone, shapes.Make(dtypes.Float32, 1, 32, 32, 3))
		require.NoError(t, err)
		assert.Equal(t, c.MACs.Sum, cost.MACs, name)
	}
}

// A block in training: its result, and that its norms' statistics move as the official code's do, only those for as many
// paths as run.
func TestGoldenRouting(t *testing.T) {
	var ref struct {
		Cases map[string]struct {
			Kernels []int `json:"conv_ids"`
			Rate    int
			Output  struct {
				Values []float64 `json:"values_flat"`
			} `json:"train_output"`
			Means     map[string][]float64 `json:"mix_bn_running_mean_after"`
			Variances map[string][]float64 `json:"mix_bn_running_var_after"`
		}
	}
	read(t, "S1_block_shadow_bn_train.json", &ref)
	require.Len(t, ref.Cases, 4)
	e := goldentest.Float64Engine(t)
	var all []nn.Child
	have := map[string]bool{}
	block := func(rate int, numbers []int) nn.MultiPath {
		m := nn.MultiPath{Expand: fmt.Sprintf("pw.%d", rate), Project: fmt.Sprintf("pw_linear.%d", rate), Norm: fmt.Sprintf("mix_bn.%d.%d", rate, len(numbers)-1),
			In: 4, Hidden: 12 * (1 + rate), Out: 4, Stride: 1, Activation: "relu6", Residual: true}
		for _, k := range numbers {
			m.Branches = append(m.Branches, nn.Branch{Name: fmt.Sprintf("mix_conv.%d.%d", rate, k), Kernel: kernels[k]})
		}
		return m
	}
	for rate := range 2 {
		for m := 1; m <= 4; m++ {
			parts, err := block(rate, []int{0, 1, 2, 3}[:m]).Children()
			require.NoError(t, err)
			for _, c := range parts {
				if key := c.Name + c.Module.Signature(); !have[key] {
					have[key] = true
					all = append(all, c)
				}
			}
		}
	}
	m, err := e.NewModel(nn.NewComposite("all", nn.Network, all, nil), nn.Edge)
	require.NoError(t, err)
	for name, c := range ref.Cases {
		fill(t, m, 3)
		root, err := block(c.Rate, c.Kernels).Module()
		require.NoError(t, err)
		out, err := m.Path(root).Run(nn.Mode{Train: true}, goldentest.Images(e, "input", 2, 8, 8, 4))
		require.NoError(t, err)
		v, err := engine.Values(out[0])
		require.NoError(t, err)
		golden.Near(t, name, c.Output.Values, goldentest.NCHW(v, 2, 8, 8, 4), tolerance, 0)
		state, err := m.StateFloat64()
		require.NoError(t, err)
		for _, list := range []map[string][]float64{c.Means, c.Variances} {
			require.Len(t, list, 8)
			for tensor, want := range list {
				golden.Near(t, name+" "+tensor, want, state[tensor], tolerance, 0)
				before := golden.Tensor(tensor, []int{4}, 3)
				mine := strings.HasPrefix(tensor, fmt.Sprintf("mix_bn.%d.%d.", c.Rate, len(c.Kernels)-1))
				assert.Equal(t, !mine, slices.Equal(before, state[tensor]), "%s moves %s", name, tensor)
			}
		}
	}
}
