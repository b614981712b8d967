package oneshot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// tinyPaths makes a configuration that runs in seconds.
func tinyPaths(sampling string) oneshot.Config {
	return oneshot.Config{Common: method.Common{Profile: "test", Image: 8, Epochs: 3, StepsPerEpoch: 2, Batch: 4, Granularity: "edge", Space: space.NASBenchMacroName},
		Sampling: sampling, Weights: method.WeightsConfig{LearningRate: 0.02, Momentum: 0.9, WeightDecay: 4e-5, Clip: 5},
		Holdout: 0.2, Recalibrate: 8, Measure: 20}
}

func open(t testing.TB) (*engine.Engine, datasets.Source) {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	return engine.New(b.Backend), images.Source()
}

// spec is what a run of a configuration is, for its checkpoint.
func spec(t testing.TB, c oneshot.Config) run.Spec {
	t.Helper()
	config, err := json.Marshal(c)
	require.NoError(t, err)
	return run.Spec{Command: run.Search, Method: "test", Profile: c.Profile, Seed: c.Seed, Space: c.Space, Config: config}
}

// paths is the space of a configuration for the images.
func paths(t testing.TB, c oneshot.Config) space.Paths {
	t.Helper()
	p, err := c.Paths(10)
	require.NoError(t, err)
	return p
}

func makeSupernet(e *engine.Engine, s datasets.Source, c oneshot.Config) (*oneshot.Supernet, error) {
	p, err := c.Paths(s.Classes())
	if err != nil {
		return nil, err
	}
	d, err := c.Split(s)
	if err != nil {
		return nil, err
	}
	return oneshot.NewSupernet(e, d, p, c)
}

func newSupernet(t testing.TB, e *engine.Engine, s datasets.Source, c oneshot.Config) *oneshot.Supernet {
	t.Helper()
	n, err := makeSupernet(e, s, c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, n.Close()) })
	return n
}

func randomPaths(choices []int, n int) [][]int {
	random := rand.New(rand.NewPCG(7, 7))
	paths := make([][]int, n)
	for i := range paths {
		for _, m := range choices {
			paths[i] = append(paths[i], random.IntN(m))
		}
	}
	return paths
}

func TestSampleIsFair(t *testing.T) {
	choices := []int{6, 6, 6, 6}
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		counts := make([][6]int, len(choices))
		updates := oneshot.Sampler{Way: oneshot.Strict, Choices: choices}.Step(random)
		require.Len(t, updates, 1)
		require.Len(t, updates[0].Paths, 6)
		for _, path := range updates[0].Paths {
			for l, k := range path {
				counts[l][k]++
			}
		}
		for l := range counts {
			assert.Equal(t, [6]int{1, 1, 1, 1, 1, 1}, counts[l])
		}
	}
}

// Where a layer has fewer choices than a step has paths, each is trained in whole rounds, and over as many steps as it has
// choices all are trained equally often.
func TestUnevenLayersAreFair(t *testing.T) {
	choices := []int{13, 12, 5, 1}
	random := rand.New(rand.NewPCG(8, 1))
	counts := make([][]int, len(choices))
	for l, n := range choices {
		counts[l] = make([]int, n)
	}
	const steps = 60 // of all numbers of choices a multiple but of 13, which needs none
	for step := range steps {
		once := make([]map[int]int, len(choices))
		for _, path := range (oneshot.Sampler{Way: oneshot.Strict, Choices: choices, At: step}).Step(random)[0].Paths {
			for l, k := range path {
				if once[l] == nil {
					once[l] = map[int]int{}
				}
				once[l][k]++
				counts[l][k]++
			}
		}
		for l, n := range choices {
			for k := range n {
				assert.True(t, once[l][k] == 13/n || once[l][k] == 13/n+1, "layer %d, choice %d: %d", l, k, once[l][k])
			}
		}
	}
	for l, n := range choices {
		for k, got := range counts[l] {
			assert.Equal(t, 13*steps/n, got, "layer %d, choice %d", l, k)
		}
	}
}

// A step has as many paths as it is asked for, and choices come as often as their weights say.
func TestSampler(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 1))
	s := oneshot.Sampler{Way: oneshot.Uniform, Choices: []int{3, 2}, Weights: [][]float64{{0.5, 0, 0.5}, {0.9, 0.1}}, Paths: 2}
	counts := [][]float64{make([]float64, 3), make([]float64, 2)}
	const steps = 5000
	for range steps {
		updates := s.Step(random)
		require.Len(t, updates, 2)
		for _, u := range updates {
			for l, k := range u.Paths[0] {
				counts[l][k] += 1.0 / (2 * steps)
			}
		}
	}
	assert.Zero(t, counts[0][1])
	assert.InDelta(t, 0.5, counts[0][0], 0.02)
	assert.InDelta(t, 0.1, counts[1][1], 0.02)
	s.Way = oneshot.Random
	assert.Len(t, s.Step(random)[0].Paths, 2)
}

// Every way of sampling trains m paths a step; they differ in updates and rates.
func TestSample(t *testing.T) {
	cases := map[string]struct {
		updates, paths, distinct int
		rate                     float64
	}{
		oneshot.Strict: {1, 6, 6, 1}, oneshot.Random: {1, 6, 6, 1}, oneshot.Uniform: {6, 1, 6, 1},
		oneshot.Expectation: {6, 1, 1, 1}, oneshot.ExpectationScaled: {6, 1, 1, 1.0 / 6},
	}
	require.Len(t, oneshot.Samplings(), len(cases))
	for sampling, want := range cases {
		require.Contains(t, oneshot.Samplings(), sampling)
		random := rand.New(rand.NewPCG(3, 1))
		updates := oneshot.Sampler{Way: sampling, Choices: []int{6, 6, 6, 6, 6, 6, 6, 6}}.Step(random)
		require.Len(t, updates, want.updates, sampling)
		distinct := map[string]bool{}
		for _, u := range updates {
			assert.Len(t, u.Paths, want.paths, sampling)
			assert.Equal(t, want.rate, u.Rate, sampling)
			for _, path := range u.Paths {
				distinct[fmt.Sprint(path)] = true
			}
		}
		assert.Len(t, distinct, want.distinct, sampling)
	}
}

// The golden file describes a step; the sampler does it.
func TestStrictFairnessGolden(t *testing.T) {
	folder := os.Getenv("GONAS_GOLDEN")
	if folder == "" {
		t.Skip("GONAS_GOLDEN is not set: the golden files are not in the repository")
	}
	text, err := os.ReadFile(filepath.Join(folder, "fairnas", "strict_fairness.json"))
	require.NoError(t, err)
	var f struct {
		Description []string `json:"description"`
	}
	require.NoError(t, json.Unmarshal(text, &f))
	require.Contains(t, f.Description[1], "independent uniform random permutation of the m choices")
	require.Contains(t, f.Description[2], "SAME mini-batch")
	// Uniform: each of the 6 permutations of a layer as often, and independent of the next layer's.
	random := rand.New(rand.NewPCG(3, 4))
	seen := map[string]int{}
	const steps = 7200
	for range steps {
		paths := oneshot.Sampler{Way: oneshot.Strict, Choices: []int{3, 3}}.Step(random)[0].Paths
		seen[fmt.Sprint(paths)]++
	}
	require.Len(t, seen, 36)
	chi := 0.0
	for _, n := range seen {
		d := float64(n) - steps/36.0
		chi += d * d / (steps / 36.0)
	}
	assert.Less(t, chi, 66.6, "chi-squared of 35 degrees of freedom, 0.1 percent")
}

// Once each kind of block has run, no path compiles anything: programs are bounded by the signatures of blocks.
func TestPathsCompileOnce(t *testing.T) {
	e, images := open(t)
	ctx := t.Context()
	c := tinyPaths(oneshot.Strict)
	c.Epochs = 1
	s, space := newSupernet(t, e, images, c), paths(t, c)
	// Distinct programs by what they are for, and distinct numbers of weights of a block.
	var mu sync.Mutex
	programs := map[string]map[string]bool{"update": {}, "squares": {}}
	e.Observe(func(call engine.Call) {
		mu.Lock()
		defer mu.Unlock()
		use, _, _ := strings.Cut(call.Key, "|")
		use, _, _ = strings.Cut(use, ";")
		if programs[use] != nil {
			programs[use][call.Key] = true
		}
	})
	_, err := s.Train(ctx, run.Spec{}, run.Options{})
	require.NoError(t, err)
	e.Observe(nil)
	root, err := s.Space.Supernet()
	require.NoError(t, err)
	weights := map[string]int{}
	for _, spec := range root.Specs() {
		if !spec.Buffer && !spec.Counter {
			parts := strings.Split(spec.Name, ".")
			weights[strings.Join(parts[:min(3, len(parts)-1)], ".")] += spec.Size()
		}
	}
	// Weights are padded to four lengths an octave, so that some blocks share programs.
	lengths, padded := map[int]bool{}, map[float64]bool{}
	for _, n := range weights {
		fraction, exponent := math.Frexp(float64(n))
		lengths[n], padded[math.Ldexp(math.Ceil(8*fraction), exponent-3)] = true, true
	}
	require.Less(t, len(padded), len(lengths))
	assert.Len(t, programs["update"], len(padded))
	assert.Len(t, programs["squares"], len(padded))
	kinds := map[string]bool{}
	for _, layer := range space.Layers {
		for _, b := range layer {
			if b.Name = ""; b.Op != arch.OpIdentity {
				kinds[fmt.Sprint(b)] = true
			}
		}
	}
	const ends = 5 // stem, its norm, last convolution, its norm, classifier
	signatures := int64(len(kinds) + ends)
	assert.EqualValues(t, 15+ends, signatures)
	trained := e.Stats().Executables
	// A forward and a gradient for each, the loss's two; the sums of the paths' losses, of the gradients of what they
	// share and of the image that they share; an update and a sum of squares for each padded length of weights; the clipping.
	assert.LessOrEqual(t, trained, 2*signatures+2+1+ends+1+2*int64(len(padded))+1)

	c.Epochs, c.StepsPerEpoch = 1, 10
	_, err = newSupernet(t, e, images, c).Train(ctx, run.Spec{}, run.Options{})
	require.NoError(t, err)
	assert.Equal(t, trained, e.Stats().Executables, "further steps compile nothing")

	paths := randomPaths(s.Space.Choices(), 1000)
	_, err = s.Measure(ctx, append(oneshot.Sampler{Way: oneshot.Strict, Choices: s.Space.Choices()}.Step(rand.New(rand.NewPCG(1, 1)))[0].Paths, paths[0]), nil)
	require.NoError(t, err)
	measured := e.Stats().Executables
	assert.LessOrEqual(t, measured-trained, signatures+1)
	accuracies, err := s.Measure(ctx, paths, nil)
	require.NoError(t, err)
	assert.Len(t, accuracies, 1000)
	assert.Equal(t, measured, e.Stats().Executables, "a thousand paths compile nothing")
}

// The gradient of a strict-fair step is the sum of the gradients of its single paths: of what all share m times, of each
// block once. In float64, so that the comparison is sharp.
func TestStepGradientIsSumOfPaths(t *testing.T) {
	plain, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	p := space.NASBenchMacro().Resized(8, 10)
	root, err := p.Supernet()
	require.NoError(t, err)
	e := engine.NewFloat64(plain.Backend)
	m, err := e.NewModel(root, nn.Edge)
	require.NoError(t, err)
	require.NoError(t, m.Load(nn.Initialise(root.Specs(), 1)))
	random := rand.New(rand.NewPCG(5, 5))
	image := make([]float64, 4*8*8*3)
	for i := range image {
		image[i] = random.NormFloat64()
	}
	x, y := tensors.FromFlatDataAndDimensions(image, 4, 8, 8, 3), tensors.FromFlatDataAndDimensions([]int32{1, 2, 3, 4}, 4)
	gradient := func(paths [][]int) map[string][]float64 {
		objective, err := oneshot.TrainObjective(p, paths)
		require.NoError(t, err)
		g, err := m.Path(objective).Gradient(nn.Mode{Train: true}, true, nil, x, y)
		require.NoError(t, err)
		all, err := m.WeightGradients(g)
		require.NoError(t, err)
		return all
	}
	paths := oneshot.Sampler{Way: oneshot.Strict, Choices: p.Choices()}.Step(random)[0].Paths
	step := gradient(paths)
	sum := map[string][]float64{}
	of := map[string]int{}
	for _, path := range paths {
		for name, g := range gradient([][]int{path}) {
			if sum[name] == nil {
				sum[name] = make([]float64, len(g))
			}
			for i, v := range g {
				sum[name][i] += v
			}
			of[name]++
		}
	}
	assert.Equal(t, 3, of["stem.0.weight"])
	assert.Equal(t, 1, of["layers.0.2.conv1.weight"])
	require.Len(t, step, len(sum))
	for name, g := range step {
		largest := 0.0
		for _, v := range sum[name] {
			largest = max(largest, math.Abs(v))
		}
		assert.NotZero(t, largest, name)
		assert.InDeltaSlice(t, sum[name], g, 1e-10*largest, name)
	}
}

// Measuring changes nothing, does not depend on which other paths are measured, and recalibrates batch norm.
func TestMeasure(t *testing.T) {
	e, images := open(t)
	ctx := t.Context()
	dir := t.TempDir()
	c := tinyPaths(oneshot.Strict)
	s, p := newSupernet(t, e, images, c), paths(t, c)
	paths := randomPaths(s.Space.Choices(), 70)
	before, err := s.Measure(ctx, paths, nil)
	require.NoError(t, err)
	_, err = s.Train(ctx, spec(t, c), run.Options{Dir: dir})
	require.NoError(t, err)
	after, err := s.Measure(ctx, paths, nil)
	require.NoError(t, err)
	assert.NotEqual(t, before, after)
	again := newSupernet(t, e, images, c)
	_, err = again.Train(ctx, spec(t, c), run.Options{Dir: dir})
	require.NoError(t, err)
	for i, path := range paths[:5] {
		alone, err := again.Measure(ctx, [][]int{path}, nil)
		require.NoError(t, err)
		assert.Equal(t, after[i], alone[0], "path %v", path)
	}
	// What comes of the statistics of the images alone is the same in training mode, but for the unbiased variance.
	net, err := p.Tree(paths[:1])
	require.NoError(t, err)
	root, err := p.Supernet()
	require.NoError(t, err)
	m, err := e.NewModel(root, nn.Edge)
	require.NoError(t, err)
	require.NoError(t, m.Load(nn.Initialise(root.Specs(), 1)))
	x := tensors.FromFlatDataAndDimensions(make([]float32, 64*8*8*3), 64, 8, 8, 3)
	random := rand.New(rand.NewPCG(5, 5))
	x.MustMutableFlatData(func(flat any) {
		for i := range flat.([]float32) {
			flat.([]float32)[i] = float32(random.NormFloat64())
		}
	})
	var logits [3][]float64
	for i, mode := range []nn.Mode{{}, {Recalibrate: 64}, {Train: true}} {
		out, err := m.Path(net).Run(mode, x)
		require.NoError(t, err)
		logits[i], err = engine.Values(out[0])
		require.NoError(t, err)
	}
	assert.InDeltaSlice(t, logits[2], logits[1], 0.05)
	assert.Greater(t, math.Abs(logits[0][0]-logits[1][0]), 0.05)
}

// A run that stops after an epoch goes on to the same bits.
func TestPathsResume(t *testing.T) {
	e, images := open(t)
	for _, sampling := range []string{oneshot.Strict, oneshot.Uniform, oneshot.ExpectationScaled} {
		t.Run(sampling, func(t *testing.T) {
			whole, broken := t.TempDir(), t.TempDir()
			c := tinyPaths(sampling)
			s := newSupernet(t, e, images, c)
			want, err := s.Train(t.Context(), spec(t, c), run.Options{Dir: whole})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			_, err = newSupernet(t, e, images, c).Train(ctx, spec(t, c), run.Options{Dir: broken, Listeners: []run.Listener{func(e run.Event) {
				if e.Kind == run.EventCheckpoint {
					cancel()
				}
			}}})
			require.ErrorIs(t, err, run.ErrInterrupted)
			b := newSupernet(t, e, images, c)
			got, err := b.Train(t.Context(), spec(t, c), run.Options{Dir: broken})
			require.NoError(t, err)
			assert.Equal(t, want, got)
			assert.Equal(t, s.Updates(), b.Updates())
			var files [2][]byte
			for i, dir := range []string{whole, broken} {
				files[i], err = os.ReadFile(filepath.Join(dir, run.CheckpointFile))
				require.NoError(t, err)
			}
			assert.Equal(t, files[0], files[1])

			c.Seed++
			_, err = newSupernet(t, e, images, c).Train(t.Context(), spec(t, c), run.Options{Dir: broken})
			assert.ErrorContains(t, err, "was written by another run; what differs, its value first: config.seed (0, not 1), seed (0, not 1)")
		})
	}
}

// A checkpoint of one width is none of another, whose tensors have other sizes.
func TestPathsResumeKeepsWidth(t *testing.T) {
	e, images := open(t)
	dir := t.TempDir()
	c := tinyPaths(oneshot.Strict)
	c.Epochs, c.Width = 1, 0.5
	s := newSupernet(t, e, images, c)
	want, err := s.Train(t.Context(), spec(t, c), run.Options{Dir: dir})
	require.NoError(t, err)
	again := newSupernet(t, e, images, c)
	got, err := again.Train(t.Context(), spec(t, c), run.Options{Dir: dir})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, s.Updates(), again.Updates())
	c.Width = 0.25
	_, err = newSupernet(t, e, images, c).Train(t.Context(), spec(t, c), run.Options{Dir: dir})
	assert.ErrorContains(t, err, "another run; what differs, its value first: config.width (0.5, not 0.25)")
}

// A checkpoint whose counters are not the supernet's says which.
func TestSupernetRefusesState(t *testing.T) {
	e, images := open(t)
	s := newSupernet(t, e, images, tinyPaths(oneshot.Strict))
	state, err := s.State()
	require.NoError(t, err)
	require.NoError(t, s.SetState(state))
	for what, change := range map[string]func(run.State){
		"optimizer_steps": func(s run.State) { delete(s.Counters, "optimizer_steps") },
		"updates_of_layer_3: expected 3 numbers of at least 0":    func(s run.State) { s.Counters["updates_of_layer_3"] = []int64{1, 2} },
		"updates_of_layer_0: expected 3 numbers of at least 0, g": func(s run.State) { s.Counters["updates_of_layer_0"] = []int64{1, -2, 3} },
		`missing tensor "stem.0.weight"`:                          func(s run.State) { delete(s.Tensors, "stem.0.weight") },
	} {
		broken, err := s.State()
		require.NoError(t, err)
		change(broken)
		assert.ErrorContains(t, s.SetState(broken), what)
	}
}

func TestPathsConfig(t *testing.T) {
	e, images := open(t)
	for field, change := range map[string]func(*oneshot.Config){
		"space":                 func(c *oneshot.Config) { c.Space = "S0" },
		"sampling":              func(c *oneshot.Config) { c.Sampling = "fair" },
		"granularity":           func(c *oneshot.Config) { c.Granularity = "network" },
		"epochs":                func(c *oneshot.Config) { c.Epochs = 0 },
		"weights.learning_rate": func(c *oneshot.Config) { c.Weights.LearningRate = 0 },
		"holdout":               func(c *oneshot.Config) { c.Holdout = 1 },
		"recalibrate":           func(c *oneshot.Config) { c.Recalibrate = 1 },
		"measure":               func(c *oneshot.Config) { c.Measure = 100000 },
		"width: expected 0 for the space's own channels, or up to 1 times as many, got -0.1": func(c *oneshot.Config) { c.Width = -0.1 },
		"width: expected 0 for the space's own channels, or up to 1 times as many, got 1.5":  func(c *oneshot.Config) { c.Width = 1.5 },
		"width: expected 0 for the space's own channels, or up to 1 times as many, got NaN":  func(c *oneshot.Config) { c.Width = math.NaN() },
		"rank":             func(c *oneshot.Config) { c.Rank = 1 },
		"rank: expected 0": func(c *oneshot.Config) { c.Space, c.Rank = space.CIFARMobileName, 5 },
		"metric: expected one of accuracy, macro_f1":          func(c *oneshot.Config) { c.Metric = "f1" },
		"metric: expected accuracy where networks are ranked": func(c *oneshot.Config) { c.Metric, c.Rank = oneshot.MetricMacroF1, 5 },
		"evolution.params": func(c *oneshot.Config) { c.Evolution = &oneshot.EvolutionConfig{Population: 4, Generations: 2} },
		"evolution.max_macs": func(c *oneshot.Config) {
			c.Evolution = &oneshot.EvolutionConfig{Population: 4, Generations: 2, Params: "minimise", MaxMACs: -1}
		},
		"evolution: ": func(c *oneshot.Config) { c.Evolution = &oneshot.EvolutionConfig{Params: "minimise"} },
		"width: expected 0 or 1 where networks are searched": func(c *oneshot.Config) {
			c.Width, c.Evolution = 0.5, &oneshot.EvolutionConfig{Population: 4, Generations: 2, Params: "minimise"}
		},
	} {
		c := tinyPaths(oneshot.Strict)
		change(&c)
		_, err := makeSupernet(e, images, c)
		assert.ErrorContains(t, err, field)
	}
}
