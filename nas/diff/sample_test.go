package diff_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/engine/enginetest"
	"github.com/gonas/gonas/nas/gdas"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rome"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space/cells"
)

// gdasOf and romeOf are the methods with a configuration.
func gdasOf(c diff.Config) diff.Method {
	own := gdas.DefaultConfig()
	own.Config = c
	return gdas.Search(&own)
}

func romeOf(c diff.Config, topology string, weights, architecture int) diff.Method {
	own := rome.DefaultConfig()
	own.Config, own.Topology, own.Draws = c, topology, rome.Draws{Weights: weights, Architecture: architecture}
	return rome.Search(&own)
}

// sampled are tiny searches that draw networks.
func sampled() map[string]struct {
	Config diff.Config
	Method diff.Method
} {
	type search = struct {
		Config diff.Config
		Method diff.Method
	}
	s0, s3, s4, grid := tiny(diff.DefaultConfig()), tiny(diff.DefaultConfig()), tiny(diff.DefaultConfig()), onGrid(diff.DefaultConfig())
	s3.Space, s4.Space = "S3", "S4"
	without := s0
	without.Primitives = without.Primitives[1:]
	return map[string]search{
		"gdas": {s0, gdasOf(s0)}, "gdas, S4": {s4, gdasOf(s4)}, "gdas, NAS-Bench-201": {grid, gdasOf(grid)},
		"rome": {without, romeOf(without, rome.Top2, 3, 2)}, "rome, S4": {s4, romeOf(s4, rome.Top2, 1, 2)},
		"rome-v1": {without, romeOf(without, rome.Pairs, 2, 3)}, "rome-v1, S3": {s3, romeOf(s3, rome.Pairs, 1, 1)},
		"rome, all edges": {without, romeOf(without, rome.All, 2, 2)},
	}
}

// A search that draws networks and is stopped goes on to the same bits.
func TestSampledSearchesResume(t *testing.T) {
	e := newEngine(t)
	for name, s := range sampled() {
		t.Run(name, func(t *testing.T) {
			want := searchAndResume(t, e, s.Config, s.Method)
			for _, table := range want.Tables {
				require.NoError(t, table.Validate())
				for row, weights := range table.Last().Weights {
					sum := 0.0
					for _, w := range weights {
						sum += w
					}
					assert.InDelta(t, 1, sum, 1e-5, "%s, %s", table.Name, table.Rows[row])
				}
				assert.NotEqual(t, table.Epochs[0].Values, table.Last().Values, table.Name)
			}
			assert.InDeltaSlice(t, []float64{10, 5.05, 0.1}, want.Log.Column("temperature"), 1e-9)
		})
	}
}

// forced is noise that makes a pass draw one operation everywhere, another for each number, and one pair of inputs after the
// other.
func forced(number int, ops [][]string, columns int, topology bool) [][]float64 {
	out := make([][]float64, len(ops))
	for row := range ops {
		out[row] = make([]float64, columns)
		n := len(ops[row])
		if topology {
			out[row][number%n], out[row][(number+1+number/n)%n] = 1e4, 1e4
			continue
		}
		out[row][number%n] = 1e4
	}
	return out
}

// compileOnce searches with draws that have every operation on every edge in the first epochs and random ones after them,
// and tells that these compiled nothing.
func compileOnce(t *testing.T, c diff.Config, m diff.Method, noneFirst bool) (programs int64) {
	t.Helper()
	e := newEngine(t)
	tables, err := tablesOf(c, m)
	require.NoError(t, err)
	const first = 27
	c.Epochs, c.StepsPerEpoch = 2, first
	random := rand.New(rand.NewPCG(1, 2))
	m.Sample.Noise = func(p diff.Pass, table, rows, columns int) [][]float64 {
		if p.Epoch > 0 {
			return diff.Gumbel(random, rows, columns)
		}
		number := p.Step*p.Draws + p.Draw
		noise := forced(number, tables[table].Ops, columns, table >= len(tables)/2 && m.Also != nil)
		if noneFirst && p.Step < 9 { // every node has one edge, then two and so on; then one node has none
			row := 0
			for to := 2; to < 6; to++ {
				for from := range to {
					noise[row] = make([]float64, columns)
					k := min(3, len(tables[table].Ops[row])-1)
					if p.Step < 5 && from < to-p.Step || p.Step == to+3 {
						k = 0
					}
					noise[row][k] = 1e4
					row++
				}
			}
		}
		return noise
	}
	_, err = diff.Search(t.Context(), environment(t, e, c, run.Options{Listeners: []run.Listener{func(ev run.Event) {
		if ev.Kind != run.EventStep {
			return
		}
		made := e.Stats().Executables
		if ev.Epoch == 1 {
			programs = made
			return
		}
		assert.Equal(t, programs, made, "step %d of random draws compiled", ev.Step)
		programs = made
	}}}), c, m)
	require.NoError(t, err)
	return programs
}

// tablesOf are a search's tables.
func tablesOf(c diff.Config, m diff.Method) ([]diff.TableSpec, error) {
	s, err := c.Over()
	if err != nil {
		return nil, err
	}
	tables := s.Tables()
	if m.Also != nil {
		also, err := m.Also(s)
		if err != nil {
			return nil, err
		}
		tables = append(tables, also...)
	}
	return tables, nil
}

// checkpointOf are the tensors of a search's checkpoint.
func checkpointOf(t *testing.T, dir string) map[string][]float32 {
	t.Helper()
	f, err := checkpoint.Read(filepath.Join(dir, run.CheckpointFile))
	require.NoError(t, err)
	return f.Tensors
}

// Once every kind of block has run, no draw compiles anything.
func TestDrawsCompileOnce(t *testing.T) {
	plain := tiny(diff.DefaultConfig())
	without := plain
	without.Primitives = without.Primitives[1:]
	grid, s3 := onGrid(diff.DefaultConfig()), plain
	s3.Space = "S3"
	for name, s := range map[string]struct {
		config diff.Config
		method diff.Method
		none   bool
	}{
		"gdas, S3": {s3, gdasOf(s3), true},
		"gdas":     {plain, gdasOf(plain), true}, "gdas, NAS-Bench-201": {grid, gdasOf(grid), false},
		"rome": {without, romeOf(without, rome.Top2, 4, 4), false}, "rome-v1": {without, romeOf(without, rome.Pairs, 4, 4), false},
	} {
		t.Run(name, func(t *testing.T) {
			programs := compileOnce(t, s.config, s.method, s.none)
			t.Logf("%d programs", programs)
		})
	}
}

// The memory of a step does not grow with the number of draws, but for the gradients of blocks that only some draws have.
func TestMemoryDoesNotGrowWithDraws(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // blocks side by side take more or less memory from one run to the next
	b, err := backend.Open()
	require.NoError(t, err)
	counted, live := enginetest.Count(b.Backend)
	e := engine.New(counted)
	c := tiny(diff.DefaultConfig())
	c.Epochs, c.StepsPerEpoch, c.Primitives = 1, 1, c.Primitives[1:]
	peak := func(draws int, same bool) int64 {
		m := romeOf(c, rome.Top2, draws, draws)
		if same {
			m.Sample.Noise = func(_ diff.Pass, _, rows, columns int) [][]float64 {
				return diff.Gumbel(rand.New(rand.NewPCG(3, 4)), rows, columns)
			}
		}
		live.Peak()
		_, err := diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, m)
		require.NoError(t, err)
		return live.Peak()
	}
	two := peak(2, true)
	require.Greater(t, two, peak(1, true), "a sum is beside what is added to it")
	for _, draws := range []int{3, 7, 14} {
		require.Equal(t, two, peak(draws, true), "%d equal draws", draws)
	}
	o, err := diff.NewObjective(e, c, romeOf(c, rome.Top2, 1, 1))
	require.NoError(t, err)
	root, err := o.Supernet()
	require.NoError(t, err)
	// Twice for vectors' zeros at the end.
	weights := 2 * 4 * int64(nn.Params(root.Specs()))
	require.Less(t, peak(14, false), two+weights, "14 different draws: at most a gradient of every weight more")
}

// Every network of every step is drawn by noise of its own, whatever the numbers of draws in the halves.
func TestPassesDiffer(t *testing.T) {
	for _, draws := range [][2]int{{1, 7}, {7, 1}, {7, 7}, {1, 1}} {
		c := tiny(diff.DefaultConfig())
		c.Epochs, c.StepsPerEpoch, c.Primitives = 2, 3, []string{nn.SkipConnect, nn.MaxPool3x3}
		m := romeOf(c, rome.Top2, draws[0], draws[1])
		seen := map[uint64]bool{}
		m.Sample.Noise = func(p diff.Pass, table, rows, columns int) [][]float64 {
			if table == 0 {
				require.False(t, seen[p.Number()], "%v: %+v has the number of another pass", draws, p)
				seen[p.Number()] = true
			}
			return diff.Gumbel(rand.New(rand.NewPCG(p.Number(), uint64(table))), rows, columns)
		}
		_, err := diff.NewObjective(newEngine(t), c, m)
		require.NoError(t, err)
		clear(seen)
		_, err = diff.Search(t.Context(), environment(t, newEngine(t), c, run.Options{}), c, m)
		require.NoError(t, err)
		require.Len(t, seen, 6*(draws[0]+draws[1]))
	}
}

// A node on all of whose edges GDAS draws none is zero: the operations behind it run on zeros, and nothing of it has a
// gradient.
func TestNodesWithoutEdges(t *testing.T) {
	e := newEngine(t)
	c := tiny(diff.DefaultConfig())
	o, err := diff.NewObjective(e, c, gdasOf(c))
	require.NoError(t, err)
	root, err := o.Supernet()
	require.NoError(t, err)
	m, err := e.NewModel(root, nn.Edge)
	require.NoError(t, err)
	require.NoError(t, m.Load(nn.Initialise(root.Specs(), 1)))
	values, noise := make([][][]float64, 2), make([][][]float64, 2)
	for kind := range values {
		for range cells.Edges {
			values[kind] = append(values[kind], make([]float64, 8))
			noise[kind] = append(noise[kind], []float64{9, 0, 0, 0, 0, 0, 0, 0}) // none
		}
	}
	d, objective, in, err := o.Draw(values, noise, 1)
	require.NoError(t, err)
	images := golden.Input("images", []int{2, 8, 8, 3})
	batch := []*tensors.Tensor{e.Tensor(images, 2, 8, 8, 3), tensors.FromFlatDataAndDimensions([]int32{1, 2}, 2)}
	g, err := m.Path(objective).Gradient(nn.Mode{Train: true}, true, []int{2, 3}, append(batch, in...)...)
	require.NoError(t, err)
	for _, x := range g.Inputs {
		v, err := engine.Values(x)
		require.NoError(t, err)
		for _, x := range v {
			require.Zero(t, x, "parameters")
		}
	}
	// The classifier sees zeros: its logits are its bias, the same for both images.
	ones := e.Tensor(slices.Repeat([]float64{1}, cells.Edges), cells.Edges)
	out, err := m.Path(d.Network).Run(nn.Mode{}, batch[0], ones, ones)
	require.NoError(t, err)
	logits, err := engine.Values(out[0])
	require.NoError(t, err)
	state, err := m.StateFloat64()
	require.NoError(t, err)
	require.InDeltaSlice(t, state["classifier.bias"], logits[:10], 1e-6)
	require.Equal(t, logits[:10], logits[10:])
	_, _, _, err = o.Draw(values[:1], noise, 1)
	require.ErrorContains(t, err, "draw: parameters: expected 2 tables, got 1")
	values[1][13] = values[1][13][:3]
	_, _, _, err = o.Draw(values, noise, 1)
	require.ErrorContains(t, err, "draw: parameters of reduce: row 13: expected 8 columns, got 3")
}

// What no draw of a step has stays as it is: weights, momentum and statistics.
func TestUndrawnStays(t *testing.T) {
	e := newEngine(t)
	c := tiny(diff.DefaultConfig())
	c.Epochs, c.StepsPerEpoch, c.Primitives = 1, 3, []string{nn.SkipConnect, nn.SepConv3x3, nn.DilConv3x3}
	m := romeOf(c, rome.Top2, 2, 2)
	m.Sample.Noise = func(_ diff.Pass, table, rows, columns int) [][]float64 {
		noise := make([][]float64, rows)
		for row := range noise {
			noise[row] = make([]float64, columns)
			if table < 2 {
				noise[row][1] = 1e4
				continue
			}
			noise[row][0], noise[row][1] = 1e4, 1e4
		}
		return noise
	}
	dir := t.TempDir()
	_, err := diff.Search(t.Context(), environment(t, e, c, run.Options{Dir: dir}), c, m)
	require.NoError(t, err)
	state := checkpointOf(t, dir)
	o, err := diff.NewObjective(e, c, m)
	require.NoError(t, err)
	root, err := o.Supernet()
	require.NoError(t, err)
	initial := nn.Initialise(root.Specs(), c.Seed)
	moved, stayed := 0, 0
	for cell := range c.Size.Cells {
		for to := 2; to < 6; to++ {
			for from := range to {
				for op, drawn := range map[string]bool{"1.op.1.weight": from < 2, "1.op.3.running_mean": from < 2, "2.op.1.weight": false, "2.op.3.running_mean": false} {
					name := fmt.Sprintf("cells.%d._ops.%d._ops.%s", cell, cells.EdgeIndex(from, to), op)
					require.Contains(t, initial, name)
					if drawn {
						assert.NotEqual(t, initial[name], state[name], name)
						moved++
						continue
					}
					assert.Equal(t, initial[name], state[name], name)
					if slot, ok := state["optimizer.0."+name]; ok {
						assert.Equal(t, make([]float32, len(slot)), slot, "momentum of %s", name)
					}
					stayed++
				}
			}
		}
	}
	assert.Equal(t, []int{3 * 8 * 2, 3 * (14*2 + 6*2)}, []int{moved, stayed})
}

// The gradients of the draws are summed for the weights and averaged for the parameters: K equal draws move the weights as
// K times the rate does, and the parameters as one draw.
func TestDrawsAreSummedAndAveraged(t *testing.T) {
	e := newEngine(t)
	c := tiny(diff.DefaultConfig())
	c.Epochs, c.StepsPerEpoch, c.Primitives = 1, 1, []string{nn.SkipConnect, nn.SepConv3x3}
	c.Weights.Momentum, c.Weights.WeightDecay, c.Weights.Clip = 0, 0, 0
	search := func(draws int, rate float64) (map[string][]float32, []run.Table) {
		c := c
		c.Weights.LearningRate, c.Weights.LearningRateMin = rate, rate
		m := romeOf(c, rome.Top2, draws, draws)
		m.Sample.Noise = func(p diff.Pass, _, rows, columns int) [][]float64 {
			return diff.Gumbel(rand.New(rand.NewPCG(uint64(p.Half), 4)), rows, columns)
		}
		dir := t.TempDir()
		r, err := diff.Search(t.Context(), environment(t, e, c, run.Options{Dir: dir}), c, m)
		require.NoError(t, err)
		return checkpointOf(t, dir), r.Tables
	}
	one, tablesOfOne := search(1, 0.15)
	three, tablesOfThree := search(3, 0.05)
	weights := 0
	for name, v := range one {
		if strings.HasPrefix(name, "cells.") && strings.HasSuffix(name, ".weight") {
			for i := range v {
				require.InDelta(t, v[i], three[name][i], 1e-5, name)
			}
			weights++
		}
	}
	assert.Greater(t, weights, 50)
	for i, table := range tablesOfOne {
		for row, values := range table.Last().Values {
			assert.InDeltaSlice(t, values, tablesOfThree[i].Last().Values[row], 1e-5)
		}
	}
}

// A search that draws refuses what it cannot do.
func TestSampledSearchesRefuse(t *testing.T) {
	e := newEngine(t)
	for want, change := range map[string]func(*diff.Config){
		`config: granularity: expected "operation" or "edge", for each network that is drawn is another one, got "network"`: func(c *diff.Config) { c.Granularity = "network" },
		"config: second_order: expected false": func(c *diff.Config) { c.SecondOrder = true },
	} {
		c := tiny(diff.DefaultConfig())
		change(&c)
		_, err := diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, gdasOf(c))
		require.ErrorContains(t, err, want)
	}
	c := tiny(diff.DefaultConfig())
	_, err := diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, romeOf(c, rome.Top2, 0, 1))
	require.ErrorContains(t, err, "config: draws: expected at least 1 for the weights and for the architecture, got 0 and 1")
	_, err = diff.NewObjective(e, c, diff.DARTS())
	require.ErrorContains(t, err, "method darts: expected one that draws networks")
}

// Of the published supernet a framework that keeps the results of all operations keeps less for ROME's step than for GDAS's,
// and for that less than for DARTS's.
func TestMemoryOrder(t *testing.T) {
	e := newEngine(t)
	c := diff.DefaultConfig()
	without := c
	without.Primitives = without.Primitives[1:]
	of := map[string]engine.Memory{}
	for name, s := range map[string]struct {
		config diff.Config
		method diff.Method
	}{
		"darts": {c, diff.DARTS()}, "gdas": {c, gdasOf(c)}, "rome": {without, romeOf(without, rome.Top2, 7, 7)}, "rome-v1": {without, romeOf(without, rome.Pairs, 7, 7)},
	} {
		n, err := diff.Memory(e, s.config, s.method)
		require.NoError(t, err)
		of[name] = n
		t.Logf("%s: %d live, %d kept", name, n.Live, n.Kept)
	}
	assert.LessOrEqual(t, of["rome"].Live, of["gdas"].Live, "what is kept for the backward pass, inputs of blocks, is the same")
	assert.Less(t, of["gdas"].Live, of["darts"].Live)
	assert.Less(t, of["rome"].Kept, of["gdas"].Kept)
	assert.Less(t, of["gdas"].Kept, of["darts"].Kept)
}
