package engine

import (
	"container/heap"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/nn"
)

func TestRounded(t *testing.T) {
	const most = 1 << 14
	lengths := map[int]bool{}
	for n := 1; n <= most; n++ {
		r := rounded(n)
		require.GreaterOrEqual(t, r, n)
		require.Zero(t, r%16, n)
		require.Less(t, r, n+max(16, n/4+1))
		require.Equal(t, r, rounded(r), n)
		lengths[r] = true
	}
	// 16 to 64, then four in each of eight octaves.
	assert.Len(t, lengths, 4+4*8)
}

// The padding of weights stays 0 under every part of a step, and a state does not have it.
func TestPaddingStaysZero(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := New(b.Backend)
	// 12 + 5 weights, of which the first lie otherwise in PyTorch.
	specs := []nn.Spec{{Name: "w", Shape: []int{3, 4}, Kind: nn.Dense}, {Name: "b", Shape: []int{5}}}
	root := nn.NewLeaf("seventeen", specs, func(c *nn.Ctx, in []*graph.Node) []*graph.Node {
		w, b := graph.ReduceAllSum(graph.Square(c.Tensor("w"))), graph.ReduceAllSum(graph.Exp(c.Tensor("b")))
		return []*graph.Node{graph.Mul(graph.Add(w, b), in[0])}
	})
	tail := func(m *Model, o *Optimizer) (out []float64) {
		variables := m.Variables()
		require.Len(t, variables, 1)
		for _, v := range append([]*tensors.Tensor{variables[0].Value}, o.slots(variables[0])...) {
			values, err := Values(v)
			require.NoError(t, err)
			require.Len(t, values, 32)
			require.NotContains(t, values[:17], 0.0, "weights and their state move")
			out = append(out, values[17:]...)
		}
		return out
	}
	for _, rule := range []Rule{Adam{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.1}, SGD{Momentum: 0.9, WeightDecay: 0.1, Nesterov: true}} {
		t.Run(rule.Signature(), func(t *testing.T) {
			made := func() (*Model, *Optimizer) {
				m, err := e.NewModel(root, nn.Edge)
				require.NoError(t, err)
				return m, e.NewOptimizer(rule, 0.5)
			}
			step := func(m *Model, o *Optimizer) {
				g, err := m.Gradient(nn.Mode{Train: true}, true, nil, e.Scalar(2))
				require.NoError(t, err)
				norm, err := o.Step(0.1, m.Variables(), m.Weights(g))
				require.NoError(t, err)
				require.Greater(t, norm, 0.5, "the step was clipped")
			}
			m, o := made()
			require.NoError(t, m.Load(map[string][]float32{"w": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "b": {1, 2, 3, 4, 5}}))
			for range 3 {
				step(m, o)
			}
			zeros := make([]float64, 15*(1+rule.Slots()))
			assert.Equal(t, zeros, tail(m, o))
			state, err := m.TrainingState(o)
			require.NoError(t, err)
			assert.Len(t, state["w"], 12)
			assert.Len(t, state["b"], 5)

			// Into a model that has vectors of its own already.
			fresh, other := made()
			step(fresh, other)
			require.NoError(t, fresh.LoadTrainingState(other, state, o.StepCount()))
			assert.Equal(t, zeros, tail(fresh, other))
			got, err := fresh.TrainingState(other)
			require.NoError(t, err)
			assert.Equal(t, state, got)
			step(m, o)
			step(fresh, other)
			state, err = m.TrainingState(o)
			require.NoError(t, err)
			got, err = fresh.TrainingState(other)
			require.NoError(t, err)
			assert.Equal(t, state, got, "both go on alike")
		})
	}
}

func TestReadyTakesLongestChains(t *testing.T) {
	r := &ready{plan: &plan{instructions: []instruction{{chain: 1}, {chain: 3}, {chain: 3}}}}
	// The order in which they become ready does not matter.
	for _, pushed := range [][]int{{0, 1, 2}, {2, 1, 0}, {2, 0, 1}} {
		for _, k := range pushed {
			heap.Push(r, k)
		}
		var order []int
		for r.Len() > 0 {
			order = append(order, heap.Pop(r).(int))
		}
		assert.Equal(t, []int{1, 2, 0}, order)
	}
}
