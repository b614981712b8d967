package space

import (
	"math/rand/v2"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space/cells"
)

// randomStates are states of a seed, uint64 [dims..., 3].
func randomStates(seed uint64, dims ...int) *tensors.Tensor {
	n := 3
	for _, d := range dims {
		n *= d
	}
	r := rand.New(rand.NewPCG(seed, 1))
	flat := make([]uint64, n)
	for i := range flat {
		flat[i] = r.Uint64()
	}
	return tensors.FromFlatDataAndDimensions(flat, append(dims, 3)...)
}

// evenWeights gives every operation of an edge the same weight.
func evenWeights(columns int) *tensors.Tensor {
	flat := make([]float32, cells.Edges*columns)
	for i := range flat {
		flat[i] = 1 / float32(columns)
	}
	return tensors.FromFlatDataAndDimensions(flat, cells.Edges, columns)
}

// The supernets of all spaces put out logits at a small size. That of S4 takes a random state for every edge, from which its
// noise is: the same for the same states, another for others.
func TestSupernetOfEverySpace(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	size := Size{Cells: 3, Channels: 4, Classes: 10, InputChannels: 3}
	images := nhwcInput("input", 2, 8, 8, 3)
	for _, name := range cells.Names() {
		t.Run(name, func(t *testing.T) {
			s, err := cells.Lookup(name, map[string][]string{cells.S0: FairDARTSPrimitives}[name])
			require.NoError(t, err)
			takes := SupernetInputs{Tables: 1}
			if s.Has(nn.Noise) {
				takes.PerEdge = 1
			}
			net, err := Supernet(size, takes, MixedEdges(s))
			require.NoError(t, err)
			m, err := e.NewModel(net, nn.Operation)
			require.NoError(t, err)
			fill(t, m)
			weights := evenWeights(len(s.Normal[0]))
			logits := func(seed uint64) []float32 {
				in := []*tensors.Tensor{images, weights, weights}
				if takes.PerEdge > 0 {
					in = append(in, randomStates(seed, size.Cells*cells.Edges))
				}
				out, err := m.Run(nn.Mode{}, in...)
				require.NoError(t, err)
				require.Equal(t, []int{2, 10}, out[0].Shape().Dimensions)
				return values(t, out[0])
			}
			first := logits(1)
			assert.NotEqual(t, make([]float32, 20), first)
			assert.Equal(t, first, logits(1))
			if takes.PerEdge > 0 {
				assert.NotEqual(t, first, logits(2))
			}
		})
	}
}

// A space with noise needs its states: without them the supernet says so and does not panic.
func TestNoiseNeedsStates(t *testing.T) {
	s, err := cells.Lookup("S4", nil)
	require.NoError(t, err)
	net, err := Supernet(Size{Cells: 3, Channels: 4, Classes: 10, InputChannels: 3}, SupernetInputs{Tables: 1}, MixedEdges(s))
	require.NoError(t, err)
	b, err := backend.Open()
	require.NoError(t, err)
	m, err := engine.New(b.Backend).NewModel(net, nn.Operation)
	require.NoError(t, err)
	_, err = m.Run(nn.Mode{}, nhwcInput("input", 2, 8, 8, 3), evenWeights(2), evenWeights(2))
	assert.ErrorContains(t, err, "tracing supernet")
}

// In a derived network the operation noise is drawn from a state for each edge where it is asked for, and fixed where it is
// not; neither has weights or multiply-adds.
func TestDerivedNoise(t *testing.T) {
	cell := arch.Cell{Edges: []arch.Edge{{Op: nn.Noise, From: 0, To: 2}, {Op: nn.SepConv3x3, From: 1, To: 2}, {Op: nn.Noise, From: 1, To: 3}, {Op: nn.SkipConnect, From: 0, To: 3}}, Concat: []int{2, 3}}
	g := arch.Genotype{Style: arch.StyleThreshold, Normal: cell, Reduce: cell}
	size := Size{Cells: 3, Channels: 4, Classes: 10, InputChannels: 3}
	edges := DropPathEdges(g)
	require.Equal(t, 4, edges)
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	x := nhwcInput("input", 2, 8, 8, 3)
	plain, err := Derived(size, g, NetworkOptions{})
	require.NoError(t, err)
	drawn, err := Derived(size, g, NetworkOptions{Noise: true})
	require.NoError(t, err)
	assert.Equal(t, plain.Specs(), drawn.Specs())
	assert.NotEqual(t, plain.Signature(), drawn.Signature())
	run := func(net nn.Module, granularity nn.Level, in ...*tensors.Tensor) []float32 {
		m, err := e.NewModel(net, granularity)
		require.NoError(t, err)
		fillWithGain(t, m, 3)
		out, err := m.Run(nn.Mode{}, append([]*tensors.Tensor{x}, in...)...)
		require.NoError(t, err)
		return values(t, out[0])
	}
	first := run(drawn, nn.Operation, randomStates(1, size.Cells, edges))
	assert.Equal(t, first, run(drawn, nn.Operation, randomStates(1, size.Cells, edges)))
	assert.NotEqual(t, first, run(drawn, nn.Operation, randomStates(2, size.Cells, edges)))
	assert.InDeltaSlice(t, first, run(drawn, nn.Network, randomStates(1, size.Cells, edges)), 1e-4, "at every granularity the same noise")
	assert.Equal(t, run(plain, nn.Operation), run(plain, nn.Operation))
	assert.NotEqual(t, first, run(plain, nn.Operation))

	// Every edge with noise reads its own state, the others none.
	states := func(change int) *tensors.Tensor {
		s := randomStates(1, size.Cells, edges)
		s.MustMutableFlatData(func(flat any) { flat.([]uint64)[3*change]++ })
		return s
	}
	for cell := range size.Cells {
		for i, edge := range g.Normal.Edges {
			changed := run(drawn, nn.Operation, states(cell*edges+i))
			if edge.Op == nn.Noise {
				assert.NotEqual(t, first, changed, "cell %d, edge %d", cell, i)
			} else {
				assert.Equal(t, first, changed, "cell %d, edge %d", cell, i)
			}
		}
	}

	// Beside drop-path, which does not touch it.
	both, err := Derived(size, g, NetworkOptions{Noise: true, DropPath: true})
	require.NoError(t, err)
	ones := make([]float32, size.Cells*edges*2)
	for i := range ones {
		ones[i] = 1
	}
	assert.InDeltaSlice(t, first, run(both, nn.Operation, tensors.FromFlatDataAndDimensions(ones, size.Cells, edges, 2), randomStates(1, size.Cells, edges)), 1e-4)
}
