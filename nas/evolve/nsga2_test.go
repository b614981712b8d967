package evolve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
)

// macro is NAS-Bench-Macro as a search: accuracy against multiply-adds, eight positions of three choices.
func macro(t testing.TB) (Config, Choices, func(context.Context, []int) (Measured, error)) {
	t.Helper()
	table, err := datasets.NASBenchMacro()
	require.NoError(t, err)
	c := DefaultConfig(Objective{"accuracy", Maximise}, Objective{"multiply-adds", Minimise})
	c.Population, c.Generations = 40, 12
	return c, DefaultChoices(repeated(3, 8)...), func(_ context.Context, g []int) (Measured, error) {
		code := make([]byte, len(g))
		for i, v := range g {
			code[i] = '0' + byte(v)
		}
		row, found := table[string(code)]
		if !found {
			return Measured{}, fmt.Errorf("no network %s", code)
		}
		return Measured{Values: []float64{row.MeanAccuracy, float64(row.FLOPs) / 1e6}}, nil
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	require.NoError(t, err)
	return string(data)
}

// TestRunFindsTheFrontOfNASBenchMacro compares with the front of all 6,561 networks.
func TestRunFindsTheFrontOfNASBenchMacro(t *testing.T) {
	config, space, measure := macro(t)
	config.Generations = 30
	var all [][]float64
	g := make([]int, 8)
	for code := range 6561 {
		for i := range g {
			g[i], code = code%3, code/3
		}
		m, err := measure(t.Context(), g)
		require.NoError(t, err)
		all = append(all, m.Values)
	}
	reference := []float64{85, 110}
	whole, err := Hypervolume(all, reference, config.Objectives)
	require.NoError(t, err)
	for name, reinforced := range map[string]*Reinforced{"plain": nil, "reinforced": DefaultReinforced()} {
		space.Reinforced = reinforced
		s, err := Run(t.Context(), config, space, Parallel(2, measure), nil, nil)
		require.NoError(t, err)
		found, err := Hypervolume(s.History[len(s.History)-1].Front, reference, config.Objectives)
		require.NoError(t, err)
		assert.Greater(t, found, 0.98*whole, name)
		assert.LessOrEqual(t, s.Evaluations, 1200, name)
		assert.Len(t, s.Memo, s.Evaluations, name)
	}
}

func TestRunIsTheSameInParallel(t *testing.T) {
	config, space, measure := macro(t)
	space.Reinforced = DefaultReinforced()
	var first string
	for _, workers := range []int{1, 2, 7} {
		s, err := Run(t.Context(), config, space, Parallel(workers, measure), nil, nil)
		require.NoError(t, err)
		if got := encoded(t, s); first == "" {
			first = got
		} else {
			require.Equal(t, first, got)
		}
	}
	config.Seed++
	s, err := Run(t.Context(), config, space, Parallel(1, measure), nil, nil)
	require.NoError(t, err)
	assert.NotEqual(t, first, encoded(t, s))
}

// resumed runs through, writing down every state, and goes on from each.
func resumed[G any](t *testing.T, config Config, space Space[G], evaluator Evaluator[G]) {
	t.Helper()
	var states []string
	var kept []*State[G]
	whole, err := Run(t.Context(), config, space, evaluator, nil, func(s *State[G]) error {
		states, kept = append(states, encoded(t, s)), append(kept, s)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, states, config.Generations)
	for i, s := range kept {
		require.Equal(t, states[i], encoded(t, s), "later generations leave earlier states alone")
	}
	for _, text := range states {
		var from State[G]
		require.NoError(t, json.Unmarshal([]byte(text), &from))
		from.Config.Generations = 1 // a run may get more generations
		again, err := Run(t.Context(), config, space, evaluator, &from, nil)
		require.NoError(t, err)
		require.Equal(t, encoded(t, whole), encoded(t, again))
		from.Config.Generations = config.Generations
		require.Equal(t, text, encoded(t, from), "the state that a run starts from stays as it is")
	}
}

func TestRunResumesToTheSameBytes(t *testing.T) {
	config, space, measure := macro(t)
	space.Reinforced = DefaultReinforced()
	config.Generations, config.CrowdingWeights = 8, []float64{0.6, 0.4}
	resumed(t, config, space, Parallel(2, measure))

	p, err := LookupProblem("dtlz2")
	require.NoError(t, err)
	config = DefaultConfig(p.Objectives...)
	config.Population, config.Generations = 12, 8
	resumed[[]float64](t, config, p.Space, p)
}

// TestGenerationsDrawAfresh keeps the population as it was, so that only the random numbers differ.
func TestGenerationsDrawAfresh(t *testing.T) {
	config := DefaultConfig(minimise(2)...)
	config.Population, config.Generations = 10, 4
	var batches [][][]float64
	_, err := Run[[]float64](t.Context(), config, DefaultBox(3, 0, 1), EvaluatorFunc[[]float64](func(_ context.Context, genomes [][]float64) ([]Measured, error) {
		batches = append(batches, genomes)
		measured := make([]Measured, len(genomes))
		for i := range measured {
			measured[i] = Measured{Values: []float64{float64(i), float64(-i)}, Violation: float64(len(batches) - 1)}
		}
		return measured, nil
	}), nil, nil)
	require.NoError(t, err)
	require.Len(t, batches, 4)
	assert.NotEqual(t, batches[1], batches[2])
	assert.NotEqual(t, batches[2], batches[3])
}

func TestNothingIsEvaluatedTwice(t *testing.T) {
	config, space, measure := macro(t)
	var lock sync.Mutex
	seen := map[string]int{}
	s, err := Run(t.Context(), config, space, Parallel(2, func(ctx context.Context, g []int) (Measured, error) {
		lock.Lock()
		defer lock.Unlock()
		seen[space.Key(g)]++
		return measure(ctx, g)
	}), nil, func(s *State[[]int]) error {
		members := map[string]bool{}
		for _, p := range s.Population {
			members[space.Key(p.Genome)] = true
		}
		require.Len(t, members, len(s.Population), "no duplicates")
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 1, slices.Max(slices.Collect(maps.Values(seen))))
	assert.Len(t, seen, s.Evaluations)
	assert.Less(t, s.Evaluations, config.Population*config.Generations, "some children were known")
}

// TestHistoryNeverGetsWorse is elitism: the best of each objective stays.
func TestHistoryNeverGetsWorse(t *testing.T) {
	config, space, measure := macro(t)
	s, err := Run(t.Context(), config, space, Parallel(1, measure), nil, nil)
	require.NoError(t, err)
	require.Len(t, s.History, config.Generations)
	best := func(i int, worst func(a, b []float64) int) []float64 {
		return slices.MaxFunc(s.History[i].Front, worst)
	}
	for i := 1; i < len(s.History); i++ {
		accuracy := func(a, b []float64) int { return int(1e6 * (a[0] - b[0])) }
		cheap := func(a, b []float64) int { return int(1e6 * (b[1] - a[1])) }
		assert.GreaterOrEqual(t, best(i, accuracy)[0], best(i-1, accuracy)[0])
		assert.LessOrEqual(t, best(i, cheap)[1], best(i-1, cheap)[1])
		assert.GreaterOrEqual(t, s.History[i].Evaluations, s.History[i-1].Evaluations)
	}
	for i, p := range s.Front() {
		assert.Equal(t, p.Values, s.History[len(s.History)-1].Front[i])
	}
}

func TestMaximisingIsMinimisingTheNegative(t *testing.T) {
	config, space, measure := macro(t)
	s, err := Run(t.Context(), config, space, Parallel(1, measure), nil, nil)
	require.NoError(t, err)
	config.Objectives = []Objective{{"error", Minimise}, {"savings", Maximise}}
	mirrored, err := Run(t.Context(), config, space, Parallel(1, func(ctx context.Context, g []int) (Measured, error) {
		m, err := measure(ctx, g)
		return Measured{Values: []float64{-m.Values[0], -m.Values[1]}}, err
	}), nil, nil)
	require.NoError(t, err)
	for i := range s.Population {
		assert.Equal(t, s.Population[i].Genome, mirrored.Population[i].Genome)
	}
}

// TestConstraintsHold asks for what 304 of the networks keep.
func TestConstraintsHold(t *testing.T) {
	config, space, measure := macro(t)
	s, err := Run(t.Context(), config, space, Parallel(1, func(ctx context.Context, g []int) (Measured, error) {
		m, err := measure(ctx, g)
		if err == nil {
			m.Violation = AtMost(m.Values[1], 50) + AtLeast(m.Values[0], 91)
		}
		return m, err
	}), nil, nil)
	require.NoError(t, err)
	for _, p := range s.Population {
		assert.Zero(t, p.Violation)
		assert.LessOrEqual(t, p.Values[1], 50.0)
		assert.GreaterOrEqual(t, p.Values[0], 91.0)
	}
}

// TestSmallSpace is exhausted: fewer genomes than the population has places.
func TestSmallSpace(t *testing.T) {
	config := DefaultConfig(Objective{"ones", Maximise}, Objective{"twos", Maximise})
	config.Population, config.Generations = 20, 5
	count := func(_ context.Context, g []int) (Measured, error) {
		m := Measured{Values: []float64{0, 0}}
		for _, v := range g {
			if v > 0 {
				m.Values[v-1]++
			}
		}
		return m, nil
	}
	s, err := Run(t.Context(), config, DefaultChoices(3, 3), Parallel(1, count), nil, nil)
	require.NoError(t, err)
	assert.Len(t, s.Population, 9)
	assert.Equal(t, 9, s.Evaluations)
	assert.Len(t, s.Front(), 4, "11, 12, 21, 22")

	_, err = Run(t.Context(), config, DefaultChoices(1, 1), Parallel(1, count), nil, nil)
	assert.ErrorContains(t, err, "at least 2 genomes")
}

// TestRunConverges spends a part of the paper's evaluations; what the whole reaches is the benchmark's to measure.
func TestRunConverges(t *testing.T) {
	for _, c := range []struct {
		name        string
		generations int
		share       float64
	}{{"zdt1", 150, 0.97}, {"zdt2", 150, 0.95}, {"zdt3", 150, 0.97}, {"dtlz2", 60, 0.82}} {
		p, err := LookupProblem(c.name)
		require.NoError(t, err)
		config := DefaultConfig(p.Objectives...)
		config.Generations = c.generations
		s, err := Run(t.Context(), config, p.Space, p, nil, nil)
		require.NoError(t, err)
		v, err := Hypervolume(s.History[len(s.History)-1].Front, p.Reference, p.Objectives)
		require.NoError(t, err)
		assert.Greater(t, v, c.share*p.Hypervolume, c.name)
		assert.Less(t, v, p.Hypervolume, c.name)
		assert.Equal(t, 100*c.generations, s.Evaluations)
		assert.Nil(t, s.Memo)
	}
}

func TestRunStopsAndKeepsWhatItHas(t *testing.T) {
	config, space, measure := macro(t)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Run(ctx, config, space, Parallel(2, measure), nil, func(s *State[[]int]) error {
		if s.Generation == 3 {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "generation 4")
	assert.Equal(t, 3, s.Generation)
	whole, err := Run(t.Context(), config, space, Parallel(2, measure), nil, nil)
	require.NoError(t, err)
	rest, err := Run(t.Context(), config, space, Parallel(2, measure), s, nil)
	require.NoError(t, err)
	assert.Equal(t, encoded(t, whole), encoded(t, rest))

	full := errors.New("disk full")
	s, err = Run(t.Context(), config, space, Parallel(2, measure), nil, func(*State[[]int]) error { return full })
	require.ErrorIs(t, err, full)
	assert.Equal(t, 1, s.Generation)
}

func TestEvaluatorErrors(t *testing.T) {
	config, space, measure := macro(t)
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		evaluator Evaluator[[]int]
		want      string
	}{
		"error":     {Parallel(3, func(_ context.Context, g []int) (Measured, error) { return Measured{}, broken }), "generation 1: genome 0 of 40: broken"},
		"too few":   {EvaluatorFunc[[]int](func(context.Context, [][]int) ([]Measured, error) { return nil, nil }), "each of 40 genomes, got 0"},
		"one value": {Parallel(1, func(context.Context, []int) (Measured, error) { return Measured{Values: []float64{1}}, nil }), "each of 2 objectives, got 1"},
	} {
		s, err := Run(t.Context(), config, space, c.evaluator, nil, nil)
		assert.ErrorContains(t, err, c.want, name)
		assert.Nil(t, s, name)
	}
	// Later generations leave the state before.
	var calls atomic.Int64
	s, err := Run(t.Context(), config, space, Parallel(1, func(ctx context.Context, g []int) (Measured, error) {
		if calls.Add(1) > 50 {
			return Measured{}, broken
		}
		return measure(ctx, g)
	}), nil, nil)
	require.ErrorIs(t, err, broken)
	assert.Equal(t, 1, s.Generation)
	assert.Len(t, s.Memo, 40, "what a failed generation measured is not remembered")
}

func TestParallelReportsTheFirstFailure(t *testing.T) {
	genomes := make([]int, 64)
	for i := range genomes {
		genomes[i] = i
	}
	for range 50 {
		_, err := Parallel(8, func(_ context.Context, g int) (Measured, error) {
			if g >= 5 {
				return Measured{}, errors.New("too large")
			}
			return Measured{}, nil
		}).Evaluate(t.Context(), genomes)
		require.EqualError(t, err, "genome 5 of 64: too large")
	}
}

func TestResumeRefusals(t *testing.T) {
	config, space, measure := macro(t)
	config.Generations = 2
	s, err := Run(t.Context(), config, space, Parallel(1, measure), nil, nil)
	require.NoError(t, err)
	for want, change := range map[string]func(*Config, *Choices, *State[[]int]){
		"resume: config":             func(c *Config, _ *Choices, _ *State[[]int]) { c.Seed++ },
		"resume: space: expected":    func(_ *Config, c *Choices, _ *State[[]int]) { c.Crossover = Uniform },
		"resume: space: unexpected":  func(_ *Config, _ *Choices, s *State[[]int]) { s.Space = nil },
		"at least one generation":    func(_ *Config, _ *Choices, s *State[[]int]) { s.Generation = 0 },
		"population[0]: genome":      func(_ *Config, _ *Choices, s *State[[]int]) { s.Population[0].Genome = []int{9} },
		"population[0]: expected a":  func(_ *Config, _ *Choices, s *State[[]int]) { s.Population[0].Values = nil },
		"population of 2":            func(_ *Config, _ *Choices, s *State[[]int]) { s.Population = nil },
		"population: expected an":    func(c *Config, _ *Choices, _ *State[[]int]) { c.Population = 5 },
		"generations: expected":      func(c *Config, _ *Choices, _ *State[[]int]) { c.Generations = 0 },
		"crowding weights: expected": func(c *Config, _ *Choices, _ *State[[]int]) { c.CrowdingWeights = []float64{1} },
	} {
		var from State[[]int]
		require.NoError(t, json.Unmarshal([]byte(encoded(t, s)), &from))
		config, space := config, space
		change(&config, &space, &from)
		_, err := Run(t.Context(), config, space, Parallel(1, measure), &from, nil)
		assert.ErrorContains(t, err, want)
	}
}

func TestConfigSurvivesJSON(t *testing.T) {
	want := DefaultConfig(Objective{"accuracy", Maximise}, Objective{"latency", Minimise}, Objective{"parameters", Maximise})
	want.CrowdingWeights = MoGAWeights()
	require.NoError(t, want.Validate())
	var got Config
	require.NoError(t, json.Unmarshal([]byte(encoded(t, want)), &got))
	assert.Equal(t, want, got)
}

func ExampleRun() {
	config := DefaultConfig(Objective{Name: "ones", Direction: Maximise}, Objective{Name: "cost", Direction: Minimise})
	config.Population, config.Generations = 8, 20
	count := func(_ context.Context, genome []int) (Measured, error) {
		ones := 0.0
		for _, v := range genome {
			ones += float64(v)
		}
		return Measured{Values: []float64{ones, ones * ones}}, nil
	}
	state, err := Run(context.Background(), config, DefaultChoices(2, 2, 2), Parallel(0, count), nil, nil)
	fmt.Println(len(state.Front()), state.Evaluations, err)
	// Output: 8 8 <nil>
}
