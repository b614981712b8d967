package diff_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/engine/enginetest"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// tiny makes a configuration that runs in seconds.
func tiny(c diff.Config) diff.Config {
	c.Profile = "test"
	c.Size.Cells, c.Size.Channels, c.Image, c.Batch = 3, 4, 8, 8
	c.Epochs, c.StepsPerEpoch, c.Granularity = 3, 2, "edge"
	return c
}

func newEngine(t testing.TB) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

func images(t testing.TB) datasets.Source {
	t.Helper()
	train, _, err := datasets.Embedded()
	require.NoError(t, err)
	return train.Source()
}

// searchAndResume searches at one go, and once more with an interruption: what is resumed has the result and the checkpoint
// of what ran through, which it returns.
func searchAndResume(t *testing.T, e *engine.Engine, c diff.Config, m diff.Method) *run.Result {
	t.Helper()
	whole, broken := t.TempDir(), t.TempDir()
	want, err := diff.Search(t.Context(), environment(t, e, c, run.Options{Dir: whole}), c, m)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	_, err = diff.Search(ctx, environment(t, e, c, run.Options{Dir: broken, Listeners: []run.Listener{func(ev run.Event) {
		if ev.Kind == run.EventStep && ev.Epoch == 2 {
			stop()
		}
	}}}), c, m)
	require.ErrorIs(t, err, run.ErrInterrupted)
	got, err := diff.Search(t.Context(), environment(t, e, c, run.Options{Dir: broken}), c, m)
	require.NoError(t, err)
	require.Equal(t, want, got)
	one, err := os.ReadFile(filepath.Join(whole, run.CheckpointFile))
	require.NoError(t, err)
	two, err := os.ReadFile(filepath.Join(broken, run.CheckpointFile))
	require.NoError(t, err)
	require.Equal(t, one, two, "checkpoints differ")
	return want
}

// environment is where a search of a configuration runs, with its specification.
func environment(t testing.TB, e *engine.Engine, c diff.Config, o run.Options) method.Env {
	t.Helper()
	config, err := json.Marshal(c)
	require.NoError(t, err)
	return method.Env{Engine: e, Train: images(t), Options: o,
		Spec: run.Spec{Command: run.Search, Method: "test", Profile: c.Profile, Seed: c.Seed, Space: c.Space, Config: config}}
}

// sharp is DARTS with a sharper softmax and its own name.
func sharp(temperature float64) diff.Method {
	m := diff.DARTS()
	m.Name = "sharp"
	m.Relax = func(_ int, a *graph.Node, _ []*graph.Node) *graph.Node {
		return nn.SoftmaxRows(graph.DivScalar(a, temperature))
	}
	return m
}

// annealed is DARTS with a softmax whose temperature an input of the relaxation gives.
func annealed() diff.Method {
	m := sharp(1)
	m.Relax = func(_ int, a *graph.Node, in []*graph.Node) *graph.Node { return nn.SoftmaxRows(graph.Div(a, in[0])) }
	at := func(c diff.Config, epoch int) float64 { return 1 - 0.9*float64(epoch)/float64(c.Epochs) }
	in := diff.Schedule("temperature", at)
	in.To = diff.ToRelax
	m.Inputs = []diff.Input{in}
	return m
}

// TestVariantsResume runs DARTS's second order and FairDARTS's controls, noise in the space and in the relaxation, stops
// each after an epoch, and compares the resumed run with an unbroken one, checkpoint bytes included.
func TestVariantsResume(t *testing.T) {
	e := newEngine(t)
	plain := tiny(diff.DefaultConfig())
	second := plain
	second.SecondOrder = true
	s4 := plain
	s4.Space = "S4"
	s4Second := s4
	s4Second.SecondOrder = true
	fair := fairdarts.DefaultConfig()
	fair.Config = tiny(fair.Config)
	unregularised := fair
	unregularised.ZeroOneWeight = 0
	noisy := darts.Config{Config: plain, SkipNoise: &darts.SkipNoise{Epochs: 2}}

	losses := map[string]float64{}
	for _, tc := range []struct {
		name   string
		config diff.Config
		method diff.Method
	}{
		{"first order", plain, diff.DARTS()},
		{"second order", second, diff.DARTS()},
		{"skip noise", plain, darts.Search(&noisy)},
		{"temperature", plain, annealed()},
		{"S4", s4, diff.DARTS()},
		{"S4, second order", s4Second, diff.DARTS()},
		{"fairdarts", fair.Config, fairdarts.Search(&fair)},
		{"no zero-one loss", fair.Config, fairdarts.Search(&unregularised)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := searchAndResume(t, e, tc.config, tc.method)
			require.Len(t, want.Tables, 2)
			for _, table := range want.Tables {
				require.NoError(t, table.Validate())
				require.Len(t, table.Epochs, tc.config.Epochs+1)
			}
			losses[tc.name] = want.Log.Column("train_loss")[1]
		})
	}
	for _, pair := range [][2]string{{"first order", "second order"}, {"first order", "skip noise"}, {"first order", "temperature"},
		{"S4", "S4, second order"}, {"fairdarts", "no zero-one loss"}} {
		require.NotEqual(t, losses[pair[0]], losses[pair[1]], "%s does nothing", pair[1])
	}
}

func TestSearchRefusesAnotherConfiguration(t *testing.T) {
	e := newEngine(t)
	dir := t.TempDir()
	c := tiny(diff.DefaultConfig())
	c.Epochs, c.StepsPerEpoch = 1, 1
	search := func() error {
		_, err := diff.Search(t.Context(), environment(t, e, c, run.Options{Dir: dir}), c, diff.DARTS())
		return err
	}
	require.NoError(t, search())
	c.Seed = 7
	err := search()
	require.ErrorContains(t, err, filepath.Join(dir, run.CheckpointFile))
	require.ErrorContains(t, err, "was written by another run; what differs, its value first: config.seed (0, not 7), seed (0, not 7)")

	require.NoError(t, os.WriteFile(filepath.Join(dir, run.CheckpointFile), []byte("damaged"), 0o600))
	require.ErrorContains(t, search(), "offset")
}

func TestSearchRefusesData(t *testing.T) {
	c := tiny(diff.DefaultConfig())
	c.Size.Classes = 12
	_, err := diff.Search(t.Context(), environment(t, newEngine(t), c, run.Options{}), c, diff.DARTS())
	require.ErrorContains(t, err, "have 10 classes and 3 channels, the configuration says 12 and 3")
}

func TestSearchRefusesAMethodWithoutParts(t *testing.T) {
	e, c := newEngine(t), tiny(diff.DefaultConfig())
	for want, change := range map[string]func(*diff.Method){
		"method darts: expected a relaxation and a rule": func(m *diff.Method) { m.Relax = nil },
		"expected a relaxation and a rule to derive":     func(m *diff.Method) { m.Derive = nil },
		`kind: expected "softmax" or "sigmoid", got ""`:  func(m *diff.Method) { m.Kind = "" },
		"relaxation of table 0": func(m *diff.Method) {
			m.Relax = func(_ int, a *graph.Node, _ []*graph.Node) *graph.Node { return graph.Reshape(a, 3, 5) }
		},
		"penalty": func(m *diff.Method) {
			m.Penalty = func(a []*graph.Node) *graph.Node { return graph.Concatenate(a, 7) }
		},
	} {
		m := diff.DARTS()
		change(&m)
		_, err := diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, m)
		require.ErrorContains(t, err, want)
	}
}

func TestConfigNamesTheField(t *testing.T) {
	for field, change := range map[string]func(*diff.Config){
		"cells":                 func(c *diff.Config) { c.Size.Cells = 0 },
		"image":                 func(c *diff.Config) { c.Image = 1 },
		"batch":                 func(c *diff.Config) { c.Batch = 1 },
		"epochs":                func(c *diff.Config) { c.Epochs = 0 },
		"steps_per_epoch":       func(c *diff.Config) { c.StepsPerEpoch = -1 },
		"weights.learning_rate": func(c *diff.Config) { c.Weights.LearningRate = 0 },
		"arch.learning_rate":    func(c *diff.Config) { c.Arch.LearningRate = 0 },
		"primitives":            func(c *diff.Config) { c.Primitives = []string{"conv_9x9"} },
		"granularity":           func(c *diff.Config) { c.Granularity = "galaxy" },
		`space "S5"`:            func(c *diff.Config) { c.Space = "S5" },
	} {
		c := tiny(diff.DefaultConfig())
		require.NoError(t, c.Validate())
		change(&c)
		require.ErrorContains(t, c.Validate(), field)
	}
}

// A method's code tells its functions from others: another constant is another code, the same functions the same.
func TestCode(t *testing.T) {
	e, c := newEngine(t), tiny(diff.DefaultConfig())
	code := func(m diff.Method) string {
		t.Helper()
		s, err := m.Code(e, c)
		require.NoError(t, err)
		return s
	}
	penalised := func(weight float64) diff.Method {
		m := sharp(1)
		m.Penalty = func(a []*graph.Node) *graph.Node { return graph.MulScalar(graph.ReduceAllSum(a[0]), weight) }
		return m
	}
	keep := func(n int) diff.Method {
		m := sharp(1)
		m.Derive = func(s cells.Space, w [][][]float64) (arch.Genotype, string) {
			g := cells.Discretise(s, w[0], w[1])
			g.Normal.Edges = g.Normal.Edges[:n]
			return g, "some edges"
		}
		return m
	}
	scheduled := func(last float64) diff.Method {
		m := sharp(1)
		m.Inputs = []diff.Input{diff.Schedule("number", func(_ diff.Config, epoch int) float64 { return last * float64(epoch) })}
		return m
	}
	edged := func(weight bool) diff.Method {
		m := sharp(1)
		m.Edge = func(at space.EdgeAt, ops []string) (nn.Module, error) {
			if weight {
				ops = append([]string{nn.SepConv7x7}, ops[1:]...)
			}
			return nn.MixedEdge(ops, at.Channels, at.Stride)
		}
		return m
	}
	seen := map[string]string{}
	for name, make := range map[string]func() diff.Method{
		"darts": diff.DARTS, "softmax": func() diff.Method { return sharp(1) }, "relax": func() diff.Method { return sharp(0.25) },
		"penalty": func() diff.Method { return penalised(1) }, "heavier": func() diff.Method { return penalised(2) },
		"derive": func() diff.Method { return keep(6) }, "fewer": func() diff.Method { return keep(4) },
		"schedule": func() diff.Method { return scheduled(1) }, "faster": func() diff.Method { return scheduled(2) },
		"states": func() diff.Method {
			m := sharp(1)
			m.Inputs = []diff.Input{diff.States("states", 1)}
			return m
		},
		"other edge": func() diff.Method { return edged(true) },
		"scale": func() diff.Method {
			m := sharp(1)
			m.InitialScale = 1
			return m
		},
		"threshold": func() diff.Method {
			m := sharp(1)
			m.Threshold = 0.5
			return m
		},
	} {
		got := code(make())
		assert.Equal(t, got, code(make()), "%s: the same functions", name)
		assert.NotContains(t, seen, got, "%s is not %s", name, seen[got])
		seen[got] = name
	}
	assert.Equal(t, code(sharp(1)), code(edged(false)), "the same edge written another way")
}

// Inputs that are drawn depend on seed and pass alone: on the step, on the half, on the edge.
func TestStates(t *testing.T) {
	c := tiny(diff.DefaultConfig())
	in := diff.States("noise", 7)
	draw := func(c diff.Config, p diff.Pass) [][3]uint64 {
		x := in.At(c, p)
		require.Equal(t, in.Shape(c), x.Shape())
		rows := make([][3]uint64, c.Size.Cells*cells.Edges)
		require.NoError(t, x.ConstFlatData(func(flat any) {
			for i, v := range flat.([]uint64) {
				rows[i/3][i%3] = v
			}
		}))
		require.NoError(t, x.FinalizeAll())
		return rows
	}
	pass := func(epoch, step, half int) diff.Pass {
		return diff.Pass{Position: run.Position{Epoch: epoch, Epochs: 3, Step: step, Steps: 2}, Half: half}
	}
	seen := map[[3]uint64]bool{}
	passes := 0
	for epoch := range 3 {
		for step := range 2 {
			for half := range 2 {
				rows := draw(c, pass(epoch, step, half))
				require.Equal(t, rows, draw(c, pass(epoch, step, half)), "the same pass")
				for _, r := range rows {
					seen[r] = true
				}
				passes++
			}
		}
	}
	assert.Len(t, seen, passes*c.Size.Cells*cells.Edges, "every edge of every pass has a state of its own")
	first := draw(c, pass(0, 0, 0))
	c.Seed = 1
	assert.NotEqual(t, first, draw(c, pass(0, 0, 0)), "another seed")
	c.Seed = 0
	in = diff.States("noise", 8)
	assert.NotEqual(t, first, draw(c, pass(0, 0, 0)), "another input")
}

// What a method schedules is a column of the log, and nothing of other methods'.
func TestScheduleIsAColumn(t *testing.T) {
	e := newEngine(t)
	c := tiny(diff.DefaultConfig())
	c.Epochs, c.StepsPerEpoch = 2, 1
	noisy := darts.Config{Config: c, SkipNoise: &darts.SkipNoise{}}
	r, err := diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, darts.Search(&noisy))
	require.NoError(t, err)
	common := []string{"epoch", "steps", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "penalty", "skips_normal", "skips_reduce"}
	assert.Equal(t, append(common, "skip_noise"), r.Log.Columns)
	assert.InDeltaSlice(t, []float64{1, 0.5}, r.Log.Column("skip_noise"), 1e-12)
	noisy.SkipNoise.Epochs = 1
	r, err = diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, darts.Search(&noisy))
	require.NoError(t, err)
	assert.Equal(t, []float64{1, 0}, r.Log.Column("skip_noise"))
	r, err = diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, diff.DARTS())
	require.NoError(t, err)
	assert.Equal(t, common, r.Log.Columns)
	assert.Equal(t, []float64{0, 0}, r.Log.Column("penalty"))
}

// A snapshot's weights are the relaxation's, with the inputs that it takes.
func TestSnapshotsRunTheRelaxation(t *testing.T) {
	e := newEngine(t)
	c := tiny(diff.DefaultConfig())
	c.Epochs, c.StepsPerEpoch = 2, 1
	r, err := diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, annealed())
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{1, 0.55}, r.Log.Column("temperature"), 1e-12)
	for _, table := range r.Weights() {
		for epoch, s := range table.Epochs {
			for row, values := range s.Values {
				scaled := make([]float64, len(values))
				for k, v := range values {
					scaled[k] = v / (1 - 0.9*float64(epoch)/2)
				}
				want, err := diff.Weights(e, diff.DARTS(), scaled)
				require.NoError(t, err)
				require.InDeltaSlice(t, want, s.Weights[row], 1e-6)
			}
			if epoch > 0 {
				break // the first rows of one later epoch are enough, each of which compiles once
			}
		}
	}
}

// Two cells are both of reduction: without decay, the table that nothing reads stays, in both orders.
func TestTableThatNothingReads(t *testing.T) {
	e := newEngine(t)
	c := tiny(diff.DefaultConfig())
	c.Size.Cells, c.Epochs, c.StepsPerEpoch, c.Arch.WeightDecay = 2, 1, 1, 0
	for _, second := range []bool{false, true} {
		c.SecondOrder = second
		r, err := diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, diff.DARTS())
		require.NoError(t, err)
		normal, reduce := r.Tables[0].Epochs, r.Tables[1].Epochs
		assert.Equal(t, normal[0].Values, normal[1].Values)
		assert.NotEqual(t, reduce[0].Values, reduce[1].Values)
	}
}

// Cells that cannot be built have no network; the substitute is that of the two strongest edges a node.
func TestSubstitute(t *testing.T) {
	e := newEngine(t)
	fair := fairdarts.DefaultConfig()
	fair.Config = tiny(fair.Config)
	fair.Epochs, fair.StepsPerEpoch, fair.Threshold = 1, 1, 0.999
	env := environment(t, e, fair.Config, run.Options{})
	r, err := diff.Search(t.Context(), env, fair.Config, fairdarts.Search(&fair))
	require.NoError(t, err)
	assert.Nil(t, r.Network)
	require.NotNil(t, r.Genotype)
	assert.Empty(t, r.Genotype.Normal.Edges)
	r.Spec = env.Spec
	n, why, err := diff.Substitute(*r)
	require.NoError(t, err)
	require.NoError(t, n.Validate())
	assert.Equal(t, "two edges a node, for in one of the derived cells nothing was kept", why)
	assert.Equal(t, cells.Discretise(cells.Uniform(fair.Primitives), r.Tables[0].Last().Weights, r.Tables[1].Last().Weights), n.Cells.Genotype)
	assert.Len(t, n.Cells.Genotype.Normal.Edges, 8)
	_, _, err = diff.Substitute(run.Result{})
	assert.ErrorIs(t, err, run.ErrNothingDerived)
}

// A method of a user's own searches in every profile and space like those of gonas.
func TestMethodOfOnesOwn(t *testing.T) {
	m := sharp(0.25).Method()
	c, err := m.Config("smoke", "")
	require.NoError(t, err)
	c.Shared().Epochs, c.Shared().StepsPerEpoch = 1, 1
	s, note, err := m.Spec(c, "", datasets.Identity{Name: "embedded"})
	require.NoError(t, err)
	assert.Contains(t, note, "profile smoke, changed: epochs (1, not 3), steps_per_epoch (1, not 4)")
	r, err := m.Search(t.Context(), method.Env{Engine: newEngine(t), Train: images(t), Spec: s}, c)
	require.NoError(t, err)
	require.NoError(t, r.Validate())
	assert.Equal(t, "sharp", r.Spec.Label())
	assert.NotNil(t, r.Network)
}

// Ten searches in one process hold no more on the device than one did: all that a search makes there it frees, where it ends
// well, is interrupted, or diverges.
func TestSearchesFreeTheDevice(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	counted, live := enginetest.Count(b.Backend)
	e := engine.New(counted)
	c := tiny(diff.DefaultConfig())
	c.Epochs, c.StepsPerEpoch = 1, 2
	noisy := darts.Config{Config: c, SkipNoise: &darts.SkipNoise{}}
	for i := range 10 {
		c, m := c, diff.DARTS()
		ctx, cancel := context.WithCancel(t.Context())
		var o run.Options
		switch i % 5 {
		case 1:
			c.SecondOrder = true
		case 2:
			m = darts.Search(&noisy)
		case 3:
			c.Space, m = "S4", annealed()
			o.Dir = t.TempDir()
		case 4:
			o.Listeners = []run.Listener{func(ev run.Event) {
				if ev.Kind == run.EventStep {
					cancel()
				}
			}}
		}
		if i == 9 {
			c.Weights.LearningRate, c.Weights.Clip, o.Listeners = 1e30, 0, nil
		}
		peak := int64(0)
		o.Listeners = append(o.Listeners, func(run.Event) { peak = max(peak, live.Bytes()) })
		_, err := diff.Search(ctx, environment(t, e, c, o), c, m)
		cancel()
		switch i {
		case 4:
			require.ErrorIs(t, err, run.ErrInterrupted)
		case 9:
			var diverged *run.DivergedError
			require.ErrorAs(t, err, &diverged)
		default:
			require.NoError(t, err)
		}
		require.Greater(t, peak, int64(100_000), "the search was counted")
		require.Zero(t, live.Bytes(), "search %d left something on the device", i)
	}
	// So does one that cannot begin.
	m := diff.DARTS()
	m.Edge = func(space.EdgeAt, []string) (nn.Module, error) { return nil, fmt.Errorf("no edge") }
	_, err = diff.Search(t.Context(), environment(t, e, c, run.Options{}), c, m)
	require.ErrorContains(t, err, "no edge")
	require.Zero(t, live.Bytes())
}

// An input whose tensor is not of the shape that it says stops the first step, and leaves nothing on the device.
func TestWrongInput(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	counted, live := enginetest.Count(b.Backend)
	c := tiny(diff.DefaultConfig())
	m := diff.DARTS()
	m.Inputs = []diff.Input{{Name: "wrong", To: diff.ToAllEdges,
		Shape: func(diff.Config) shapes.Shape { return shapes.Make(dtypes.Float32, 2) },
		At:    func(diff.Config, diff.Pass) *tensors.Tensor { return tensors.FromScalar(float32(1)) }}}
	m.Edge = func(at space.EdgeAt, ops []string) (nn.Module, error) {
		edge, err := nn.MixedEdge(ops, at.Channels, at.Stride)
		if err != nil {
			return nil, err
		}
		scale := nn.NewLeaf("scale", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
			return []*graph.Node{graph.Mul(in[0], graph.ReduceAllSum(graph.Reshape(in[1], 2)))}
		})
		return nn.Beside(edge, "wrong", scale, 0), nil
	}
	_, err = diff.Search(t.Context(), environment(t, engine.New(counted), c, run.Options{}), c, m)
	require.ErrorContains(t, err, "tracing objective")
	require.Zero(t, live.Bytes())
}
