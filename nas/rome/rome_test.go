package rome

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// The chance of an edge to be among the two largest of perturbed logarithms is that of drawing two without putting back.
func TestInclusion(t *testing.T) {
	p := []float64{0.5, 0.3, 0.15, 0.05}
	want := []float64{0.828837, 0.668731, 0.372180, 0.130252}
	got := Inclusion(p)
	assert.InDeltaSlice(t, want, got, 1e-6)
	seen := make([]float64, len(p))
	r := rand.New(rand.NewPCG(1, 2))
	const draws = 200_000
	for range draws {
		row := diff.Gumbel(r, 1, len(p))[0]
		for i := range row {
			row[i] += math.Log(p[i])
		}
		for _, k := range (topology{Top2}).strongest(row) {
			seen[k]++
		}
	}
	for i, n := range seen {
		assert.InDelta(t, want[i], n/draws, 5*math.Sqrt(want[i]*(1-want[i])/draws), "edge %d", i)
	}
	assert.Equal(t, []float64{1, 1}, Inclusion([]float64{1, 0}), "the two inputs of a node that has no others")
}

// Every draw has two inputs a node, 8 of 14 edges, on each an operation; pairs are 1, 3, 6 and 10.
func TestDraws(t *testing.T) {
	for kind, options := range map[string][]int{Top2: {2, 3, 4, 5}, Pairs: {1, 3, 6, 10}} {
		top := topology{kind}
		tables, err := top.tables(nil)
		require.NoError(t, err)
		require.Len(t, tables, 2)
		for node, n := range options {
			assert.Len(t, top.options(node), n)
			assert.Len(t, tables[1].Ops[node], n)
		}
		r := rand.New(rand.NewPCG(3, 4))
		pairs := map[string]int{}
		for range 2000 {
			beta := diff.Gumbel(r, arch.Nodes, top.width())
			for node := range beta {
				beta[node] = beta[node][:options[node]]
			}
			c := top.choose(0, [][][]float64{diff.Gumbel(r, cells.Edges, 7), beta})
			active := 0
			for node := range arch.Nodes {
				var from []int
				for k := range node + 2 {
					op := c.Ops[cells.EdgeIndex(k, node+2)]
					assert.Less(t, op, 7)
					if op >= 0 {
						from = append(from, k)
					}
				}
				require.Len(t, from, 2, "node %d", node+2)
				active += len(from)
				pairs[fmt.Sprint(node+2, from)]++
				drawn := 0.0
				for _, m := range c.Masks[1][node] {
					drawn += m
				}
				assert.Equal(t, map[string]float64{Top2: 2, Pairs: 1}[kind], drawn)
			}
			require.Equal(t, 8, active)
		}
		assert.Len(t, pairs, 1+3+6+10, "every pair is drawn")
		for pair, n := range pairs {
			of := map[byte]float64{'2': 1, '3': 3, '4': 6, '5': 10}[pair[0]]
			assert.InDelta(t, 2000/of, float64(n), 5*math.Sqrt(2000/of), pair)
		}
	}
	own := DefaultConfig()
	own.Topology = All
	c := Search(&own).Sample.Choose(0, [][][]float64{diff.Gumbel(rand.New(rand.NewPCG(5, 6)), cells.Edges, 3)})
	assert.Len(t, c.Masks, 1)
	assert.NotContains(t, c.Ops, -1, "all edges are active")
}

// softmax of a row's first n entries.
func softmax(row []float64, n int) []float64 {
	out, sum := make([]float64, n), 0.0
	for i := range out {
		out[i] = math.Exp(row[i])
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// The gates of a draw are 1 on its edges, and their gradients are those of the softmaxes that equations 2 to 8 relax the
// draw to, the other factor being 1.
func TestGates(t *testing.T) {
	e := goldentest.Float64Engine(t)
	const temperature, ops = 0.7, 3
	for _, kind := range []string{Top2, Pairs} {
		top := topology{kind}
		r := rand.New(rand.NewPCG(7, 8))
		alpha, beta := diff.Gumbel(r, cells.Edges, ops), diff.Gumbel(r, arch.Nodes, top.width())
		noises := [][][]float64{diff.Gumbel(r, cells.Edges, ops), diff.Gumbel(r, arch.Nodes, top.width())}
		sum := func(x, y [][]float64, cut bool) [][]float64 {
			out := make([][]float64, len(x))
			for i := range x {
				n := len(x[i])
				if cut {
					n = len(top.options(i))
				}
				for k := range n {
					out[i] = append(out[i], x[i][k]+y[i][k])
				}
			}
			return out
		}
		c := top.choose(0, [][][]float64{sum(alpha, noises[0], false), sum(beta, noises[1], true)})
		cotangent := diff.Gumbel(r, 1, cells.Edges)[0]
		// Edges that were not drawn get no gradient, for their operations do not run.
		for edge := range cotangent {
			if c.Ops[edge] < 0 {
				cotangent[edge] = 0
			}
		}
		// relaxed is what the gates are differentiated as.
		relaxed := func(alpha, beta [][]float64, ofBeta bool) float64 {
			total := 0.0
			for node := range arch.Nodes {
				row := make([]float64, len(top.options(node)))
				for k := range row {
					row[k] = (beta[node][k] + noises[1][node][k]) / temperature
				}
				p := softmax(row, len(row))
				for from := range node + 2 {
					edge := cells.EdgeIndex(from, node+2)
					if c.Ops[edge] < 0 {
						continue
					}
					if !ofBeta {
						logits := make([]float64, ops)
						for k := range logits {
							logits[k] = (alpha[edge][k] + noises[0][edge][k]) / temperature
						}
						total += cotangent[edge] * softmax(logits, ops)[c.Ops[edge]]
						continue
					}
					for k, option := range top.options(node) {
						for _, in := range option {
							if in == from {
								total += cotangent[edge] * p[k]
							}
						}
					}
				}
			}
			return total
		}
		flat := func(rows [][]float64) (out []float64) {
			for _, row := range rows {
				out = append(out, row...)
			}
			return out
		}
		width := top.width()
		masked := make([][]float64, arch.Nodes)
		for node := range masked {
			masked[node] = append(append([]float64(nil), c.Masks[1][node]...), make([]float64, width-len(c.Masks[1][node]))...)
		}
		out, err := e.Evaluate("", func(in []*graph.Node) []*graph.Node {
			gates := top.gates(0, []diff.Drawn{{Parameters: in[0], Noise: in[1], Mask: in[2], Temperature: in[6]}, {Parameters: in[3], Noise: in[4], Mask: in[5], Temperature: in[6]}})[0]
			grads := graph.Gradient(graph.ReduceAllSum(graph.Mul(gates, in[7])), in[0], in[3])
			return []*graph.Node{gates, grads[0], grads[1]}
		}, e.Tensor(flat(alpha), cells.Edges, ops), e.Tensor(flat(noises[0]), cells.Edges, ops), e.Tensor(flat(c.Masks[0]), cells.Edges, ops),
			e.Tensor(flat(beta), arch.Nodes, width), e.Tensor(flat(noises[1]), arch.Nodes, width), e.Tensor(flat(masked), arch.Nodes, width),
			e.Scalar(temperature), e.Tensor(cotangent, cells.Edges))
		require.NoError(t, err)
		gates, err := engine.Values(out[0])
		require.NoError(t, err)
		for edge, gate := range gates {
			want := 0.0
			if c.Ops[edge] >= 0 {
				want = 1
			}
			assert.Equal(t, want, gate, "edge %d", edge)
		}
		const h = 1e-5
		for table, x := range [][][]float64{alpha, beta} {
			got, err := engine.Values(out[1+table])
			require.NoError(t, err)
			for i := range x {
				for k := range x[i] {
					was := x[i][k]
					x[i][k] = was + h
					up := relaxed(alpha, beta, table == 1)
					x[i][k] = was - h
					want := (up - relaxed(alpha, beta, table == 1)) / (2 * h)
					x[i][k] = was
					assert.InDelta(t, want, got[i*len(x[i])+k], 1e-8, "%s, table %d, %d, %d", kind, table, i, k)
				}
			}
		}
	}
}

// Cells keep the two most probable inputs, or the most probable pair, and on each the most probable operation.
func TestDerive(t *testing.T) {
	s := cells.Uniform(space.FairDARTSPrimitives)
	alpha := make([][]float64, cells.Edges)
	for edge := range alpha {
		alpha[edge] = make([]float64, len(space.FairDARTSPrimitives))
		alpha[edge][edge%7] = 1
	}
	for kind, want := range map[string][][]int{Top2: {{1, 0}, {2, 1}, {3, 2}, {4, 3}}, Pairs: {{0, 1}, {1, 2}, {2, 3}, {3, 4}}} {
		top := topology{kind}
		beta := make([][]float64, arch.Nodes)
		for node := range beta {
			for k := range top.options(node) {
				beta[node] = append(beta[node], float64(k))
			}
		}
		g, rule := top.derive(s, [][][]float64{alpha, alpha, beta, beta})
		require.NoError(t, g.Validate(space.FairDARTSPrimitives))
		assert.Contains(t, rule, "most probable")
		for i, edge := range g.Reduce.Edges {
			node := i / 2
			assert.Equal(t, node+2, edge.To)
			assert.Equal(t, want[node][i%2], edge.From, "%s, node %d", kind, node+2)
			assert.Equal(t, space.FairDARTSPrimitives[cells.EdgeIndex(edge.From, edge.To)%7], edge.Op)
		}
	}
}

// The default is the published search; the ablations are those of Table 6, and K times the epochs of Table 5 is about 350.
func TestConfigurations(t *testing.T) {
	c := DefaultConfig()
	require.NoError(t, c.Validate())
	assert.Equal(t, []any{Top2, Draws{7, 7}, 50, 0.05, 3e-4, diff.Temperature{First: 10, Last: 0.1}, "S0"},
		[]any{c.Topology, c.Draws, c.Epochs, c.Weights.LearningRate, c.Arch.LearningRate, c.Temperature, c.Space})
	assert.NotContains(t, c.Primitives, "none")
	for label, want := range map[string]Config{
		"v1": {Topology: Pairs, Draws: Draws{7, 7}}, "none": {Topology: All, Draws: Draws{1, 1}}, "ga-alpha": {Topology: All, Draws: Draws{1, 7}},
		"ga-theta": {Topology: All, Draws: Draws{7, 1}}, "ga": {Topology: All, Draws: Draws{7, 7}}, "td": {Topology: Top2, Draws: Draws{1, 1}},
		"td-ga-alpha": {Topology: Top2, Draws: Draws{1, 7}}, "td-ga-theta": {Topology: Top2, Draws: Draws{7, 1}},
		"k1": {Topology: Top2, Draws: Draws{1, 1}}, "k4": {Topology: Top2, Draws: Draws{4, 4}}, "k10": {Topology: Top2, Draws: Draws{10, 10}},
	} {
		of, err := Method().Config(profile.Paper, label)
		require.NoError(t, err, label)
		got := of.(*Config)
		assert.Equal(t, []any{want.Topology, want.Draws}, []any{got.Topology, got.Draws}, label)
		if label[0] == 'k' {
			assert.InDelta(t, 350, got.Epochs*got.Draws.Weights, 2, label)
		}
	}
	for field, change := range map[string]func(*Config){
		"config: topology":            func(c *Config) { c.Topology = "ring" },
		"config: draws.weights":       func(c *Config) { c.Draws.Weights = 0 },
		"config: draws.architecture":  func(c *Config) { c.Draws.Architecture = -1 },
		"config: temperature.first":   func(c *Config) { c.Temperature.First = 0 },
		"config: temperature.last":    func(c *Config) { c.Temperature.Last = math.NaN() },
		"at most temperature.first":   func(c *Config) { c.Temperature.Last = 11 },
		"config: granularity":         func(c *Config) { c.Granularity = "network" },
		`config: space "nasbench201"`: func(c *Config) { c.Space = space.NASBench201Name },
		"config: epochs":              func(c *Config) { c.Epochs = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		require.ErrorContains(t, c.Validate(), field)
	}
}
