package oneshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// Objective is one that the evolutionary search improves.
type Objective struct {
	run.Objective
	// Low and High are the least and the most that a path of the space can have.
	Low, High float64
	// Weight is that in MoGA's crowding distance; where it is 0 in all objectives they count alike.
	Weight float64
	// Of is a path's value beside its one-shot accuracy, or what else the configuration measures by (0 to 1).
	Of func(path []int, score float64) (float64, error)
}

// Accuracy is the one-shot accuracy, to be maximised.
func Accuracy() Objective { return score("accuracy") }

// Score is what the configuration measures paths by, to be maximised.
func (c Config) Score() Objective {
	if c.Metric == MetricMacroF1 {
		return score("macro F1")
	}
	return Accuracy()
}

func score(name string) Objective {
	return Objective{Objective: run.Objective{Name: name, Unit: "%", Scale: 100, Direction: evolve.Maximise}, High: 1,
		Of: func(_ []int, score float64) (float64, error) { return score, nil }}
}

// Cost is an objective that is a sum over a path's layers: what all paths have, and what each choice adds, [layer][choice].
func Cost(o run.Objective, shared float64, layers [][]float64) Objective {
	cost := Objective{Objective: o, Low: shared, High: shared, Of: func(path []int, _ float64) (float64, error) {
		sum := shared
		for l, k := range path {
			sum += layers[l][k]
		}
		return sum, nil
	}}
	for _, choices := range layers {
		cost.Low, cost.High = cost.Low+slices.Min(choices), cost.High+slices.Max(choices)
	}
	return cost
}

// millions is an objective that is a count.
func (c Costs) millions(name string, direction evolve.Direction, of func(cost) int64) Objective {
	layers := make([][]float64, len(c.more))
	for l, choices := range c.more {
		for _, more := range choices {
			layers[l] = append(layers[l], float64(of(more)))
		}
	}
	return Cost(run.Objective{Name: name, Unit: "M", Scale: 1e-6, Direction: direction}, float64(of(c.first)), layers)
}

// MACs are the multiply-adds of one image, to be minimised.
func (c Costs) MACs() Objective {
	return c.millions("multiply-adds", evolve.Minimise, func(c cost) int64 { return c.macs })
}

// Params are the parameters, better in a direction.
func (c Costs) Params(direction evolve.Direction) Objective {
	return c.millions("parameters", direction, func(c cost) int64 { return c.params })
}

// Constraint is by how much a path breaks what it has to keep; 0 if it keeps it.
type Constraint func(path []int) float64

// Goals are what a search of a space of paths improves: the configuration's score, multiply-adds and parameters, below the configuration's
// bound; none where nothing is searched.
func (c Config) Goals(e *engine.Engine, p space.Paths) ([]Objective, Constraint, error) {
	if c.Evolution == nil {
		return nil, nil, nil
	}
	costs, err := CountPaths(e, p)
	if err == nil {
		err = costs.Within(c.Evolution.MaxMACs)
	}
	return []Objective{c.Score(), costs.MACs(), costs.Params(c.Evolution.Params)}, costs.AtMost(c.Evolution.MaxMACs), err
}

// Look adds to the result what a method measures of its trained supernet beside paths: numbers and tables.
type Look func(*Supernet, *run.Result) error

// Files in a run folder beside the checkpoint.
const (
	// RankingFile holds the ranking, EvolutionFile the state of the evolutionary search, RandomFile that of the random one
	// beside it.
	RankingFile   = "ranking.json"
	EvolutionFile = "evolution.json"
	RandomFile    = "random.json"
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

// PathsFor is the space of a configuration for the samples of a source: images of the configuration's side, or the features
// that it takes of sound.
func (c Config) PathsFor(s datasets.Source) (space.Paths, error) {
	p, err := c.Paths(s.Classes())
	if err != nil || c.Sound == nil {
		return p, err
	}
	b, err := s.Batches(datasets.BatchRequest{Size: 1, Sound: c.Sound})
	if err != nil {
		return p, err
	}
	shape := b.Shape()
	return p.Heard(c.Sound.Features, [3]int(shape[1:]), s.Classes()), nil
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
		r.Ranking, err = run.Once(env.Dir, RankingFile, func() (*run.Ranking, error) { return rankNetworks(ctx, env, d, n, c) })
		if err != nil {
			return nil, fmt.Errorf("ranking: %w", err)
		}
	}
	if c.Evolution != nil {
		if r.Front, err = evolution(ctx, env, n, c, objectives, keep, false); err != nil {
			return nil, fmt.Errorf("evolution: %w", err)
		}
		numbers, err := beside(ctx, env, n, c, objectives, keep, *r.Front)
		if err != nil {
			return nil, fmt.Errorf("random search: %w", err)
		}
		r.Numbers = append(r.Numbers, numbers...)
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

// rankNetworks measures networks on the trained supernet and, where their true accuracies are known, on the same one as it was
// before training.
func rankNetworks(ctx context.Context, env method.Env, d Data, s *Supernet, c Config) (ranking *run.Ranking, err error) {
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

// Numbers of a result: how much of the box of all objectives, from the worst to the best that a path of the space could
// have, is no better than the front, from 0 to 1; and the same of the front of as many random paths.
const (
	FrontHypervolume  = "front_hypervolume"
	RandomHypervolume = "random_hypervolume"
)

// beside are the hypervolumes of the front that was found and, where the configuration wants it, of a random search's.
func beside(ctx context.Context, env method.Env, s *Supernet, c Config, objectives []Objective, keep Constraint, found run.Front) (run.Values, error) {
	if len(objectives) != 2 && len(objectives) != 3 {
		return nil, nil
	}
	share, err := hypervolume(found, objectives)
	if err != nil {
		return nil, err
	}
	out := run.Values{{Name: FrontHypervolume, Number: share}}
	if !c.Evolution.Random {
		return out, nil
	}
	random, err := evolution(ctx, env, s, c, objectives, keep, true)
	if err != nil {
		return nil, err
	}
	share, err = hypervolume(*random, objectives)
	return append(out, run.Value{Name: RandomHypervolume, Number: share}), err
}

func hypervolume(f run.Front, objectives []Objective) (float64, error) {
	unit := func(o Objective, v float64) float64 { return (v - o.Low) / (o.High - o.Low) }
	var of []evolve.Objective
	worst := make([]float64, len(objectives))
	values := make([][]float64, len(f.Members))
	for i, o := range objectives {
		if !(o.High > o.Low) {
			return 0, fmt.Errorf("hypervolume: %s: expected a range over the space, got %g to %g", o.Name, o.Low, o.High)
		}
		of = append(of, evolve.Objective{Name: o.Name, Direction: o.Direction})
		if o.Direction == evolve.Minimise {
			worst[i] = 1
		}
		for k, m := range f.Members {
			values[k] = append(values[k], unit(o, m.Values[i]))
		}
	}
	return evolve.Hypervolume(values, worst, of)
}

// randomly is a space whose children are random paths: a search of it is a random one that keeps the best.
type randomly struct{ evolve.Choices }

// Vary implements [evolve.Space].
func (s randomly) Vary(r *rand.Rand, _, _ []int, _ []evolve.Individual[[]int]) ([]int, []int) {
	return s.Random(r), s.Random(r)
}

// evolution searches the trained supernet, or draws as many random paths; with a folder it goes on from the generation that
// it finds there.
func evolution(ctx context.Context, env method.Env, s *Supernet, c Config, objectives []Objective, keep Constraint, random bool) (*run.Front, error) {
	choices := evolve.DefaultChoices(s.Space.Choices()...)
	choices.Reinforced = c.Evolution.Reinforced
	drawn, file := evolve.Space[[]int](choices), EvolutionFile
	if random {
		drawn, file = randomly{choices}, RandomFile
	}
	from, err := run.LoadStage[*evolve.State[[]int]](env.Dir, file)
	if err != nil {
		return nil, err
	}
	generation := 0
	if from != nil {
		generation = from.Generation
	}
	measure := func(ctx context.Context, genomes [][]int) ([]evolve.Measured, error) {
		scores, err := s.Measure(ctx, genomes, func(done int) {
			env.Emit(run.Event{Kind: run.EventMeasure, Epoch: generation + 1, Epochs: c.Evolution.Generations, Step: done, Steps: len(genomes)})
		})
		if err != nil {
			return nil, err
		}
		out := make([]evolve.Measured, len(genomes))
		for i, g := range genomes {
			for _, o := range objectives {
				v, err := o.Of(g, scores[i])
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
	state, err := evolve.Run(ctx, c.evolve(objectives), drawn, evolve.EvaluatorFunc[[]int](measure), from, func(state *evolve.State[[]int]) error {
		generation = state.Generation
		return run.SaveStage(env.Dir, file, state)
	})
	if ctx.Err() != nil {
		return nil, run.ErrInterrupted
	}
	if err != nil {
		return nil, err
	}
	front := state.Front()
	if least := front[0]; least.Violation > 0 {
		texts := make([]string, len(objectives))
		for i, o := range objectives {
			texts[i] = fmt.Sprintf("%s %.4g %s", o.Name, least.Values[i]*o.Scale, o.Unit)
		}
		return nil, fmt.Errorf("none of the %d paths that were measured keeps the configuration's limits; the nearest, %s, is beyond them by %.3g times a limit: %s; raise the limit, or search longer",
			state.Evaluations, s.Space.Code(least.Genome), least.Violation, strings.Join(texts, ", "))
	}
	f := &run.Front{Evaluations: state.Evaluations, Generations: state.History}
	for _, o := range objectives {
		f.Objectives = append(f.Objectives, o.Objective)
	}
	for _, m := range front {
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
