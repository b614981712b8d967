package evolve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"

	"github.com/gonas/gonas/internal/ranges"
)

// Config is what a search depends on besides its space and its evaluator.
type Config struct {
	// Population is the number of survivors and of children of a generation.
	Population int `json:"population"`
	// Generations counts the random population as the first.
	Generations int         `json:"generations"`
	Seed        uint64      `json:"seed"`
	Objectives  []Objective `json:"objectives"`
	// CrowdingWeights, one an objective, make the crowding distance MoGA's; nil leaves it the paper's.
	CrowdingWeights []float64 `json:"crowding_weights,omitempty"`
}

// DefaultConfig has the paper's sizes: 25,000 evaluations as 250 generations of 100.
func DefaultConfig(objectives ...Objective) Config {
	return Config{Population: 100, Generations: 250, Seed: 1, Objectives: objectives}
}

// Validate says which field is not usable.
func (c Config) Validate() error {
	if c.Population < 4 || c.Population%2 != 0 {
		return fmt.Errorf("population: expected an even number of at least 4, got %d", c.Population)
	}
	if err := cmp.Or(ranges.In("population", c.Population, 4, 1e6), ranges.In("generations", c.Generations, 1, 1e6)); err != nil {
		return err
	}
	if err := checkObjectives(c.Objectives); err != nil {
		return err
	}
	return checkWeights(c.CrowdingWeights, len(c.Objectives))
}

// matings is how many pairs are tried for each child wanted before a generation makes do with fewer: in a finite space
// most children may be known.
const matings = 100

// Run searches until the configured number of generations is done, from a state of the same search or, with nil, from a
// random population. After every generation it calls after, which may be nil and must not change the state; an error
// from it ends the search. Run returns the state after the last whole generation, with an error too, as long as there is
// one; from stays as it is.
func Run[G any](ctx context.Context, c Config, space Space[G], evaluator Evaluator[G], from *State[G], after func(*State[G]) error) (*State[G], error) {
	if err := errors.Join(c.Validate(), space.Validate()); err != nil {
		return nil, fmt.Errorf("NSGA-II: %w", err)
	}
	form, err := json.Marshal(space)
	if err != nil {
		return nil, fmt.Errorf("NSGA-II: space: %w", err)
	}
	s := search[G]{config: c, space: space, evaluator: evaluator}
	var state *State[G]
	if from != nil {
		if state, err = from.resume(c, space, form); err != nil {
			return nil, fmt.Errorf("NSGA-II: %w", err)
		}
		for _, p := range state.Population {
			s.keys = append(s.keys, space.Key(p.Genome))
		}
	}
	for state == nil || state.Generation < c.Generations {
		next := &State[G]{Config: c, Space: form}
		if state != nil {
			*next = *state
		} else if space.Finite() {
			next.Memo = map[string]Measured{}
		}
		if err := s.generation(ctx, next); err != nil {
			return state, fmt.Errorf("NSGA-II: generation %d: %w", next.Generation+1, err)
		}
		state = next
		if after != nil {
			if err := after(state); err != nil {
				return state, fmt.Errorf("NSGA-II: after generation %d: %w", state.Generation, err)
			}
		}
	}
	return state, nil
}

// search is what stays the same over the generations.
type search[G any] struct {
	config    Config
	space     Space[G]
	evaluator Evaluator[G]
	// keys are those of the population that the next generation starts from.
	keys []string
}

// generation moves the state, which nobody else has yet, on by one.
func (s *search[G]) generation(ctx context.Context, state *State[G]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(s.config.Seed, uint64(state.Generation)))
	genomes, keys := s.fresh(rng, state.Population)
	if len(state.Population)+len(genomes) < 2 {
		return errors.New("expected a space of at least 2 genomes")
	}
	measured, err := s.measure(ctx, state, genomes, keys)
	if err != nil {
		return err
	}
	parents := state.Population
	every := make([]Measured, 0, len(parents)+len(genomes))
	for _, p := range parents {
		every = append(every, p.Measured)
	}
	every = append(every, measured...)
	points, err := costs(every, s.config.Objectives)
	if err != nil {
		return err
	}
	places := survivors(points, s.config.CrowdingWeights, s.config.Population)
	state.Population = make([]Individual[G], len(places))
	survivingKeys := make([]string, len(places))
	for i, at := range places {
		var genome G
		if at.index < len(parents) {
			genome, survivingKeys[i] = parents[at.index].Genome, s.keys[at.index]
		} else {
			genome, survivingKeys[i] = genomes[at.index-len(parents)], keys[at.index-len(parents)]
		}
		state.Population[i] = Individual[G]{genome, every[at.index], at.rank, at.crowding}
	}
	s.keys = survivingKeys
	state.Generation++
	snapshot := Snapshot{Generation: state.Generation, Evaluations: state.Evaluations, Front: make([][]float64, 0, len(places))}
	for _, p := range state.Population {
		if p.Rank == 0 {
			snapshot.Front = append(snapshot.Front, p.Values)
		}
	}
	state.History = append(state.History, snapshot)
	return nil
}

// fresh makes the genomes of a generation, all different from each other and from the population, with their keys: at
// random if there is no population yet, else the children of tournament winners.
func (s *search[G]) fresh(rng *rand.Rand, population []Individual[G]) (genomes []G, keys []string) {
	genomes, keys = make([]G, 0, s.config.Population), make([]string, 0, s.config.Population)
	known := make(map[string]bool, 2*s.config.Population)
	for _, key := range s.keys {
		known[key] = true
	}
	add := func(g G) {
		if key := s.space.Key(g); !known[key] && len(genomes) < s.config.Population {
			known[key] = true
			genomes, keys = append(genomes, g), append(keys, key)
		}
	}
	pairs := tournament[G]{population: population, rng: rng}
	for tries := 0; len(genomes) < s.config.Population && tries < matings*s.config.Population; tries++ {
		if len(population) == 0 {
			add(s.space.Random(rng))
			continue
		}
		a, b := s.space.Vary(rng, pairs.parent().Genome, pairs.parent().Genome, population)
		add(a)
		add(b)
	}
	return genomes, keys
}

// measure asks the evaluator for what the memo does not have, and counts and remembers that.
func (s *search[G]) measure(ctx context.Context, state *State[G], genomes []G, keys []string) ([]Measured, error) {
	measured := make([]Measured, len(genomes))
	missing, asked := make([]int, 0, len(genomes)), make([]G, 0, len(genomes))
	for i, key := range keys {
		m, found := state.Memo[key]
		if !found {
			missing, asked = append(missing, i), append(asked, genomes[i])
		}
		measured[i] = m
	}
	if len(asked) == 0 {
		return measured, nil
	}
	answers, err := s.evaluator.Evaluate(ctx, asked)
	if err != nil {
		return nil, err
	}
	if len(answers) != len(asked) {
		return nil, fmt.Errorf("evaluator: expected a measurement for each of %d genomes, got %d", len(asked), len(answers))
	}
	// The memo of the state before stays as it was.
	state.Memo = maps.Clone(state.Memo)
	for j, m := range answers {
		if err := m.check(s.config.Objectives); err != nil {
			return nil, fmt.Errorf("evaluator: genome %v: %w", asked[j], err)
		}
		measured[missing[j]] = m
		if s.space.Finite() {
			state.Memo[keys[missing[j]]] = m
		}
	}
	state.Evaluations += len(asked)
	return measured, nil
}
