package oneshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// Objective is one that the evolutionary search improves.
type Objective struct {
	run.Objective
	// Of is a path's value beside its one-shot accuracy (0 to 1).
	Of func(path []int, accuracy float64) (float64, error)
}

// Accuracy is the one-shot accuracy, to be maximised.
func Accuracy() Objective {
	return Objective{run.Objective{Name: "accuracy", Unit: "%", Scale: 100, Direction: evolve.Maximise},
		func(_ []int, accuracy float64) (float64, error) { return accuracy, nil }}
}

// millions is an objective that is a count.
func millions(name string, direction evolve.Direction, of func(path []int) int64) Objective {
	return Objective{run.Objective{Name: name, Unit: "M", Scale: 1e-6, Direction: direction},
		func(path []int, _ float64) (float64, error) { return float64(of(path)), nil }}
}

// MACs are the multiply-adds of one image, to be minimised.
func (c Costs) MACs() Objective {
	return millions("multiply-adds", evolve.Minimise, func(path []int) int64 {
		macs, _ := c.Of(path)
		return macs
	})
}

// Params are the parameters, better in a direction.
func (c Costs) Params(direction evolve.Direction) Objective {
	return millions("parameters", direction, func(path []int) int64 {
		_, params := c.Of(path)
		return params
	})
}

// Constraint is by how much a path breaks what it has to keep; 0 if it keeps it.
type Constraint func(path []int) float64

// Goals are what a search of a space of paths improves: accuracy, multiply-adds and parameters, below the configuration's
// bound; none where nothing is searched.
func (c Config) Goals(e *engine.Engine, p space.Paths) ([]Objective, Constraint, error) {
	if c.Evolution == nil {
		return nil, nil, nil
	}
	costs, err := CountPaths(e, p)
	return []Objective{Accuracy(), costs.MACs(), costs.Params(c.Evolution.Params)}, costs.AtMost(c.Evolution.MaxMACs), err
}

// Look adds to the result what a method measures of its trained supernet beside paths: numbers and tables.
type Look func(*Supernet, *run.Result) error

// Files in a run folder beside the checkpoint.
const (
	// RankingFile holds the ranking, EvolutionFile the state of the evolutionary search.
	RankingFile   = "ranking.json"
	EvolutionFile = "evolution.json"
)

// Paths is the space of a configuration for its images and classes.
func (c Config) Paths(classes int) (space.Paths, error) {
	p, err := space.LookupPaths(c.Space)
	if err != nil {
		return p, fmt.Errorf("config: %w", err)
	}
	if c.Width > 0 {
		p = p.Scaled(c.Width)
	}
	return p.Resized(c.Image, classes), nil
}

// Search trains a supernet of the space on a part of the samples, ranks networks by it and searches it for the
// objectives, as the configuration says. The network that it chooses is the first front's best by the first objective.
func Search(ctx context.Context, env method.Env, s Space, c Config, objectives []Objective, keep Constraint, looks ...Look) (result *run.Result, err error) {
	d, err := c.Split(env.Train)
	if err != nil {
		return nil, err
	}
	n, err := NewSupernet(env.Engine, d, s, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	trace, err := n.Train(ctx, env.Spec, env.Options)
	if err != nil {
		return nil, err
	}
	steps := c.StepsPerEpoch
	if steps == 0 {
		steps = d.Train.Steps()
	}
	r := &run.Result{Log: trace.Log, Tables: []run.Table{n.Updates()}, Numbers: run.Values{{Name: "steps", Number: float64(steps * c.Epochs)}}}
	for _, look := range looks {
		if err := look(n, r); err != nil {
			return nil, err
		}
	}
	if c.Rank > 0 || c.options().Draw > 0 {
		r.Ranking, err = run.Once(env.Dir, RankingFile, func() (*run.Ranking, error) { return rank(ctx, env, d, n, c) })
		if err != nil {
			return nil, fmt.Errorf("ranking: %w", err)
		}
	}
	if c.Evolution != nil {
		if r.Front, err = evolution(ctx, env, n, c, objectives, keep); err != nil {
			return nil, fmt.Errorf("evolution: %w", err)
		}
		path, err := s.Parse(r.Front.Best().Code)
		if err != nil {
			return nil, err
		}
		network, err := s.Network(path)
		if err != nil {
			return nil, err
		}
		r.Network, r.DerivedBy = &network, fmt.Sprintf("the path of the first front that is best by %s", objectives[0].Name)
	}
	return r, nil
}

// drawn are the codes of the networks that a seed draws.
func (s *Supernet) drawn() (codes []string) {
	random := rand.New(rand.NewPCG(s.config.Seed, 0xd7a3))
	for range s.config.options().Draw {
		codes = append(codes, s.Space.Code(s.sampler.Path(random)))
	}
	return codes
}

// rank measures networks on the trained supernet and, where their true accuracies are known, on the same one as it was
// before training.
func rank(ctx context.Context, env method.Env, d Data, s *Supernet, c Config) (ranking *run.Ranking, err error) {
	codes := s.drawn()
	if c.Rank > 0 {
		if codes, err = space.MacroSample(c.Rank); err != nil {
			return nil, err
		}
	}
	paths := make([][]int, len(codes))
	for i, code := range codes {
		if paths[i], err = s.Space.Parse(code); err != nil {
			return nil, err
		}
	}
	r := &run.Ranking{Name: c.Sampling, Codes: codes}
	type part struct {
		net *Supernet
		to  *[]float64
	}
	parts := []part{{s, &r.Trained}}
	if !c.TrainedOnly && c.Rank > 0 {
		var fresh *Supernet
		if fresh, err = NewSupernet(env.Engine, d, s.Space, c); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, fresh.Close()) }()
		parts = append(parts, part{fresh, &r.Untrained})
	}
	for i, p := range parts {
		*p.to, err = p.net.Measure(ctx, paths, func(done int) {
			env.Emit(run.Event{Kind: run.EventMeasure, Epoch: 1, Epochs: 1, Step: i*len(paths) + done, Steps: len(parts) * len(paths)})
		})
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// evolution searches the trained supernet; with a folder it goes on from the generation that it finds there.
func evolution(ctx context.Context, env method.Env, s *Supernet, c Config, objectives []Objective, keep Constraint) (*run.Front, error) {
	choices := evolve.DefaultChoices(s.Space.Choices()...)
	choices.Reinforced = c.Evolution.Reinforced
	from, err := run.LoadStage[*evolve.State[[]int]](env.Dir, EvolutionFile)
	if err != nil {
		return nil, err
	}
	generation := 0
	if from != nil {
		generation = from.Generation
	}
	measure := func(ctx context.Context, genomes [][]int) ([]evolve.Measured, error) {
		accuracy, err := s.Measure(ctx, genomes, func(done int) {
			env.Emit(run.Event{Kind: run.EventMeasure, Epoch: generation + 1, Epochs: c.Evolution.Generations, Step: done, Steps: len(genomes)})
		})
		if err != nil {
			return nil, err
		}
		out := make([]evolve.Measured, len(genomes))
		for i, g := range genomes {
			for _, o := range objectives {
				v, err := o.Of(g, accuracy[i])
				if err != nil {
					return nil, fmt.Errorf("%s of path %s: %w", o.Name, s.Space.Code(g), err)
				}
				out[i].Values = append(out[i].Values, v)
			}
			if keep != nil {
				out[i].Violation = keep(g)
			}
		}
		return out, nil
	}
	state, err := evolve.Run(ctx, c.evolve(objectives), choices, evolve.EvaluatorFunc[[]int](measure), from, func(state *evolve.State[[]int]) error {
		generation = state.Generation
		return run.SaveStage(env.Dir, EvolutionFile, state)
	})
	if ctx.Err() != nil {
		return nil, run.ErrInterrupted
	}
	if err != nil {
		return nil, err
	}
	f := &run.Front{Evaluations: state.Evaluations, Generations: state.History}
	for _, o := range objectives {
		f.Objectives = append(f.Objectives, o.Objective)
	}
	for _, m := range state.Front() {
		f.Members = append(f.Members, run.Member{Code: s.Space.Code(m.Genome), Values: m.Values})
	}
	slices.SortFunc(f.Members, func(a, b run.Member) int {
		for i, o := range f.Objectives {
			d := cmp.Compare(a.Values[i], b.Values[i])
			if o.Direction == evolve.Maximise {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return cmp.Compare(a.Code, b.Code)
	})
	return f, nil
}
