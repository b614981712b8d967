package engine_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
)

type optimizerReference struct {
	// Tensors are the sizes of the variables that the numbers are cut into.
	Tensors    []int       `json:"tensors"`
	Initial    []float64   `json:"initial"`
	Gradients  [][]float64 `json:"gradients"`
	Optimizers []struct {
		Name     string `json:"name"`
		Kind     string `json:"kind"`
		Settings struct {
			LearningRate float64    `json:"lr"`
			Momentum     float64    `json:"momentum"`
			WeightDecay  float64    `json:"weight_decay"`
			Nesterov     bool       `json:"nesterov"`
			Clip         float64    `json:"clip_norm"`
			CosineTo     *float64   `json:"cosine_to"`
			Betas        [2]float64 `json:"betas"`
			Epsilon      float64    `json:"eps"`
			Alpha        float64    `json:"alpha"`
		} `json:"settings"`
		Rates  []float64   `json:"rates"`
		Params [][]float64 `json:"params"`
		Norms  []float64   `json:"norms_before_clipping"`
	} `json:"optimizers"`
	Schedules []struct {
		Name   string    `json:"name"`
		Base   float64   `json:"base"`
		Low    float64   `json:"low"`
		Epochs int       `json:"epochs"`
		Rates  []float64 `json:"rates"`
	} `json:"schedules"`
}

func readOptimizers(t *testing.T) optimizerReference {
	t.Helper()
	data, err := os.ReadFile("testdata/optimizers.json")
	require.NoError(t, err)
	var ref optimizerReference
	require.NoError(t, json.Unmarshal(data, &ref))
	return ref
}

// cut makes one tensor of each size from consecutive numbers.
func cut(flat []float64, sizes []int) []*tensors.Tensor {
	var out []*tensors.Tensor
	for _, n := range sizes {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(flat[i])
		}
		flat = flat[n:]
		out = append(out, tensors.FromFlatDataAndDimensions(v, n))
	}
	return out
}

func TestOptimizersAgainstTorch(t *testing.T) {
	ref := readOptimizers(t)
	require.Len(t, ref.Optimizers, 13)
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	for _, c := range ref.Optimizers {
		t.Run(c.Name, func(t *testing.T) {
			s := c.Settings
			var rule engine.Rule
			switch c.Kind {
			case "sgd":
				rule = engine.SGD{Momentum: s.Momentum, WeightDecay: s.WeightDecay, Nesterov: s.Nesterov}
			case "adam", "adamw":
				rule = engine.Adam{Beta1: s.Betas[0], Beta2: s.Betas[1], Epsilon: s.Epsilon, WeightDecay: s.WeightDecay, Decoupled: c.Kind == "adamw"}
			case "rmsprop":
				rule = engine.RMSProp{Alpha: s.Alpha, Epsilon: s.Epsilon, Momentum: s.Momentum, WeightDecay: s.WeightDecay}
			}
			require.NotNil(t, rule, c.Kind)
			o := e.NewOptimizer(rule, s.Clip)
			var variables []*engine.Variable
			for _, v := range cut(ref.Initial, ref.Tensors) {
				variables = append(variables, &engine.Variable{Value: v})
			}
			for i, want := range c.Params {
				rate := s.LearningRate
				if s.CosineTo != nil {
					rate = engine.CosineRate(s.LearningRate, *s.CosineTo, i, len(c.Params))
				}
				require.InEpsilon(t, c.Rates[i], rate, 1e-12)
				norm, err := o.Step(rate, variables, cut(ref.Gradients[i], ref.Tensors))
				require.NoError(t, err)
				if c.Norms != nil {
					require.InEpsilon(t, c.Norms[i], norm, 1e-5)
				}
				var got []float32
				for _, v := range variables {
					require.NoError(t, v.Value.ConstFlatData(func(flat any) { got = append(got, flat.([]float32)...) }))
				}
				scale, worst := 0.0, 0.0
				for k := range want {
					scale = math.Max(scale, math.Abs(want[k]))
					worst = math.Max(worst, math.Abs(want[k]-float64(got[k])))
				}
				require.LessOrEqual(t, worst, 1e-5*scale, "step %d", i+1)
			}
			assert.Equal(t, len(c.Params), o.StepCount())
		})
	}
}

func TestCosineRateAgainstTorch(t *testing.T) {
	ref := readOptimizers(t)
	require.Len(t, ref.Schedules, 2)
	for _, s := range ref.Schedules {
		t.Run(s.Name, func(t *testing.T) {
			for epoch, want := range s.Rates {
				assert.InDelta(t, want, engine.CosineRate(s.Base, s.Low, epoch, s.Epochs), 1e-12)
			}
		})
	}
}

// A variable without a gradient stays as it is, decay included.
func TestStepLeavesVariablesWithoutGradient(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	o := e.NewOptimizer(engine.SGD{Momentum: 0.9, WeightDecay: 0.1}, 1)
	variables := []*engine.Variable{{Value: tensors.FromFlatDataAndDimensions([]float32{1, 2}, 2)}, {Value: tensors.FromFlatDataAndDimensions([]float32{3}, 1)}}
	_, err = o.Step(1, variables, []*tensors.Tensor{nil, tensors.FromFlatDataAndDimensions([]float32{0.5}, 1)})
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 2}, variables[0].Value.Value())
	assert.InDeltaSlice(t, []float32{3 - 0.5 - 0.3}, variables[1].Value.Value(), 1e-6)
}
