package dartsminus

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

func TestBetaGolden(t *testing.T) {
	var ref struct {
		Schedules map[string][]float64 `json:"schedules"`
	}
	require.NoError(t, json.Unmarshal(goldentest.Testdata(t, "search_beta_schedule.json"), &ref))
	require.Len(t, ref.Schedules, 16)
	parts := regexp.MustCompile(`^(\w+)\|base=([\d.]+)\|T_max=(\d+)\|T_start=(\d+)\|T_stop=(\d+)$`)
	for key, want := range ref.Schedules {
		m := parts.FindStringSubmatch(key)
		require.NotNil(t, m, key)
		number := func(s string) int {
			n, err := strconv.Atoi(s)
			require.NoError(t, err)
			return n
		}
		first, err := strconv.ParseFloat(m[2], 64)
		require.NoError(t, err)
		b := BetaConfig{First: first, Schedule: strings.Replace(m[1], "None", Constant, 1), Start: number(m[4]), Stop: number(m[5])}
		require.Len(t, want, number(m[3]))
		for epoch, w := range want {
			assert.InDelta(t, w, b.At(epoch, len(want)), 1e-7, "%s, epoch %d", key, epoch)
		}
	}
	assert.InDelta(t, 0.02, BetaConfig{First: 1, Schedule: Linear}.At(49, 50), 1e-12, "the last epoch of the paper's")
}

func TestMixedOperationGolden(t *testing.T) {
	type array struct {
		Shape []int     `json:"shape"`
		Flat  []float64 `json:"values_flat"`
	}
	var ref struct {
		Beta  float64 `json:"beta"`
		Cases map[string]struct {
			StateDict [][2]json.RawMessage `json:"state_dict"`
			Eval      array                `json:"eval_output"`
			Train     array                `json:"train_output"`
		} `json:"mixedop"`
	}
	require.NoError(t, json.Unmarshal(goldentest.Testdata(t, "search_mixedop.json"), &ref))
	e := goldentest.Float64Engine(t)
	weights, err := diff.Weights(e, diff.DARTS(), golden.Input("alphas", []int{8}))
	require.NoError(t, err)
	for name, stride := range map[string]int{"stride1": 1, "stride2": 2} {
		want := ref.Cases[name]
		edge, err := Edge(space.EdgeAt{Channels: 4, Stride: stride}, space.DARTSPrimitives, Skip)
		require.NoError(t, err)
		var names []string
		for _, s := range edge.Specs() {
			names = append(names, s.Name)
		}
		var official []string
		for _, entry := range want.StateDict {
			var s string
			require.NoError(t, json.Unmarshal(entry[0], &s))
			official = append(official, s)
		}
		assert.ElementsMatch(t, official, names)
		for _, granularity := range []nn.Level{nn.Operation, nn.Edge} {
			t.Run(fmt.Sprintf("%s/%s", name, granularity), func(t *testing.T) {
				m, err := e.NewModel(edge, granularity)
				require.NoError(t, err)
				goldentest.Fill(t, m)
				in := []*tensors.Tensor{goldentest.Images(e, "input", 2, 8, 8, 4), e.Tensor(weights, 8), e.Scalar(ref.Beta)}
				// Evaluation first: training moves the statistics.
				for i, w := range []array{want.Eval, want.Train} {
					out, err := m.Run(nn.Mode{Train: i == 1}, in...)
					require.NoError(t, err)
					goldentest.Near(t, []string{"eval", "train"}[i], goldentest.NHWC(w.Flat, w.Shape), out[0], goldentest.Tolerance)
				}
			})
		}
	}
}

func supernet(t *testing.T, c Config) nn.Module {
	t.Helper()
	s, err := c.Cells()
	require.NoError(t, err)
	net, err := space.Supernet(c.Size, space.SupernetInputs{Tables: 1, Shared: 1}, func(at space.EdgeAt) (nn.Module, error) {
		return Edge(at, s.Cell(at.Reduce)[at.Row], c.Auxiliary)
	})
	require.NoError(t, err)
	return goldentest.Objective(net, nn.SoftmaxRows)
}

// TestSupernetGolden compares the supernet with the official code's numbers in float64, at two granularities.
func TestSupernetGolden(t *testing.T) {
	data := goldentest.Testdata(t, "search_network.json")
	e := goldentest.Float64Engine(t)
	root := supernet(t, DefaultConfig())
	assert.Equal(t, 1971578, nn.Params(root.Specs()))
	for _, tc := range []struct {
		beta        float64
		granularity nn.Level
	}{{0.7, nn.Edge}, {1, nn.Operation}} {
		t.Run(fmt.Sprintf("beta=%g/%s", tc.beta, tc.granularity), func(t *testing.T) {
			t.Parallel()
			want, m, in := goldenModel(t, e, data, root, tc.beta, tc.granularity)
			want.All(t, m, in, true)
		})
	}
}

// TestSupernetGoldenFloat32 compares what float32 can resolve, on the backend that users have, kernels included.
func TestSupernetGoldenFloat32(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	if b.Info.Kind == backend.KindGo {
		t.Skip("no XLA plug-in; `make setup` brings one")
	}
	data := goldentest.Testdata(t, "search_network.json")
	e, root := engine.New(b.Backend), supernet(t, DefaultConfig())
	for _, beta := range []float64{0, 0.1, 0.7, 1} {
		t.Run(fmt.Sprintf("beta=%g", beta), func(t *testing.T) {
			want, m, in := goldenModel(t, e, data, root, beta, nn.Edge)
			want.Forward(t, m, in, true)
		})
	}
}

func goldenModel(t *testing.T, e *engine.Engine, data []byte, root nn.Module, beta float64, granularity nn.Level) (goldentest.Supernet, *engine.Model, []*tensors.Tensor) {
	t.Helper()
	want := goldentest.Read(t, data, fmt.Sprintf("beta=%g", beta))
	m, err := e.NewModel(root, granularity)
	require.NoError(t, err)
	goldentest.Fill(t, m)
	return want, m, append(want.Inputs(e, 8, 0), e.Scalar(beta))
}

// An edge's output, and its gradients for x and the weights, are DARTS's plus β times the auxiliary skip's; at β = 0 it is
// DARTS itself.
func TestEdgeIsDARTSPlusBeta(t *testing.T) {
	for _, stride := range []int{1, 2} {
		for _, beta := range []float64{0, 0.7} {
			for _, auxiliary := range []string{Skip, Conv1} {
				d, err := EdgeDeviation(goldentest.Float64Engine(t), stride, beta, auxiliary)
				require.NoError(t, err)
				assert.Less(t, d, 1e-12, "stride %d, β %g, %s", stride, beta, auxiliary)
			}
		}
	}
}

// The 1×1 convolution starts as the skip.
func TestConvStartsAsIdentity(t *testing.T) {
	e := goldentest.Float64Engine(t)
	x := goldentest.Images(e, "input", 2, 8, 8, 4)
	beta := e.Scalar(0.5)
	conv, err := e.NewModel(nn.IdentityConv(4, 1), nn.Operation)
	require.NoError(t, err)
	require.NoError(t, conv.Load(nn.Initialise(nn.IdentityConv(4, 1).Specs(), 1)))
	got, err := conv.Run(nn.Mode{Train: true}, x, beta)
	require.NoError(t, err)
	skip, err := nn.SearchPrimitive(nn.SkipConnect, 4, 1)
	require.NoError(t, err)
	m, err := e.NewModel(skip, nn.Operation)
	require.NoError(t, err)
	want, err := m.Run(nn.Mode{Train: true}, x, beta)
	require.NoError(t, err)
	values, err := engine.Values(want[0])
	require.NoError(t, err)
	goldentest.Near(t, "output", values, got[0], 1e-12)
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	for want, change := range map[string]func(*Config){
		"config: epochs":        func(c *Config) { c.Epochs = 0 },
		"config: beta.first":    func(c *Config) { c.Beta.First = 1.5 },
		"config: beta.schedule": func(c *Config) { c.Beta.Schedule = "steep" },
		"config: beta.start":    func(c *Config) { c.Beta.Start = 50 },
		"config: beta.stop":     func(c *Config) { c.Beta.Start, c.Beta.Stop = 10, 5 },
		"config: auxiliary":     func(c *Config) { c.Auxiliary = "conv3" },
	} {
		c := DefaultConfig()
		change(&c)
		assert.ErrorContains(t, c.Validate(), want)
	}
}
