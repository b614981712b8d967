package evolve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// State is a search after a whole generation. Its JSON form holds all that is needed to go on to the same result: random
// numbers are functions of seed and generation.
type State[G any] struct {
	Config Config `json:"config"`
	// Space is the JSON form of the space.
	Space json.RawMessage `json:"space"`
	// Generation counts the finished generations; the first is the random population.
	Generation int `json:"generation"`
	// Evaluations counts the genomes that the evaluator has measured.
	Evaluations int `json:"evaluations"`
	// Population is the survivors, by front.
	Population []Individual[G] `json:"population"`
	// History has an entry for each generation.
	History []Snapshot `json:"history"`
	// Memo has the measurements of a finite space by the genomes' keys, so that none is made twice.
	Memo map[string]Measured `json:"memo,omitempty"`
}

// Snapshot is the first front after one generation: while nothing keeps all constraints, what breaks them least.
type Snapshot struct {
	Generation  int `json:"generation"`
	Evaluations int `json:"evaluations"`
	// Front has the values of each member, in the order of the objectives.
	Front [][]float64 `json:"front"`
}

// Front is the part of the population that nothing dominates.
func (s *State[G]) Front() []Individual[G] {
	var front []Individual[G]
	for _, p := range s.Population {
		if p.Rank == 0 {
			front = append(front, p)
		}
	}
	return front
}

// resume checks that the state belongs to the search, and copies what the search will change.
func (s *State[G]) resume(c Config, space Space[G], form json.RawMessage) (*State[G], error) {
	was := s.Config
	was.Generations = c.Generations // more may be added
	before, err := json.Marshal(was)
	if err != nil {
		return nil, err
	}
	now, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(before, now) {
		return nil, fmt.Errorf("resume: config: expected that of the state (more generations are allowed), %s, got %s", before, now)
	}
	var kept bytes.Buffer
	if err := json.Compact(&kept, s.Space); err != nil {
		return nil, fmt.Errorf("resume: space: %w", err)
	}
	if !bytes.Equal(kept.Bytes(), form) {
		return nil, fmt.Errorf("resume: space: expected that of the state, %s, got %s", kept.Bytes(), form)
	}
	if s.Generation < 1 || s.Generation != len(s.History) || len(s.Population) < 2 || len(s.Population) > c.Population {
		return nil, errors.New("resume: expected at least one generation, each in the history, and a population of 2 to the configured size")
	}
	for i, p := range s.Population {
		if err := errors.Join(space.Check(p.Genome), p.check(c.Objectives)); err != nil {
			return nil, fmt.Errorf("resume: population[%d]: %w", i, err)
		}
	}
	out := *s
	out.Config, out.Space, out.Memo = c, form, maps.Clone(s.Memo)
	out.Population, out.History = slices.Clone(s.Population), slices.Clone(s.History)
	if space.Finite() && out.Memo == nil {
		out.Memo = map[string]Measured{}
	}
	return &out, nil
}
