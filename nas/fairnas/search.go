// Package fairnas is FairNAS (1907.01845): a single-path supernet trained under strict fairness, so that it ranks
// networks, and an evolutionary search over it.
package fairnas

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/atomicfile"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "fairnas"

// Config is FairNAS's configuration.
type Config struct {
	search.PathsConfig
	// Rank is the number of networks whose one-shot accuracy is measured before and after training, to be compared with
	// their true accuracy: of NAS-Bench-Macro only, spread evenly over multiply-adds; 0 ranks none, 6561 all.
	Rank int `json:"rank,omitempty"`
	// TrainedOnly leaves the ranking before training out: it is the same under every way of sampling.
	TrainedOnly bool `json:"trained_only,omitempty"`
	// Evolution is nil where only the supernet is wanted. JSON says so, or reading it over the defaults would keep theirs.
	Evolution *EvolutionConfig `json:"evolution"`
}

// EvolutionConfig is the search for a network on the trained supernet, by NSGA-II.
type EvolutionConfig struct {
	Population  int `json:"population"`
	Generations int `json:"generations"`
	// Params says whether parameters count as good (maximise) or as bad (minimise). Sources are uncertain which the paper
	// does; underspecified.
	Params evolve.Direction `json:"params"`
	// MaxMACs bounds the multiply-adds of one image, 0 for no bound.
	MaxMACs int64 `json:"max_macs,omitempty"`
	// Reinforced is the paper's mutator; its shares are unverified and what they mean is ours (see [evolve.Reinforced]).
	Reinforced *evolve.Reinforced `json:"reinforced"`
}

// DefaultConfig is FairNAS's search on ImageNet: its supernet of 19 layers with 6 choices, strict fairness, SGD with
// momentum 0.9 and a learning rate that a cosine takes from 0.045 to 0, L2 decay 4e-5, batch 256, 150 epochs, 50 images
// a class held out; then NSGA-II with a population of 70 over accuracy, multiply-adds and parameters. But for the space,
// strict fairness and the momentum, all of this was quoted from memory and is unverified; the number of generations is
// ours.
func DefaultConfig() Config {
	return Config{
		PathsConfig: search.PathsConfig{
			Base:        search.Base{Profile: "paper", Space: space.FairNASName, Image: 224, Epochs: 150, Batch: 256, Granularity: nn.Edge.String()},
			Sampling:    search.Strict,
			Weights:     search.WeightsConfig{LearningRate: 0.045, Momentum: 0.9, WeightDecay: 4e-5},
			Holdout:     50000.0 / 1281167,
			Recalibrate: 256,
		},
		Evolution: &EvolutionConfig{Population: 70, Generations: 120, Params: evolve.Minimise, Reinforced: evolve.DefaultReinforced()},
	}
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.PathsConfig.Validate(); err != nil {
		return err
	}
	if c.Rank < 0 || c.Rank == 1 || (c.Rank > 0 && c.Space != space.NASBenchMacroName) {
		return fmt.Errorf("config: rank: expected 0, or at least 2 networks of %s, whose true accuracies are known, got %d of %s", space.NASBenchMacroName, c.Rank, c.Space)
	}
	if e := c.Evolution; e != nil {
		if c.Width != 0 && c.Width != 1 {
			return fmt.Errorf("config: width: expected 0 or 1 where networks are searched, which have the space's own channels, got %g", c.Width)
		}
		if e.Params != evolve.Minimise && e.Params != evolve.Maximise {
			return fmt.Errorf("config: evolution.params: expected %s or %s, got %q", evolve.Minimise, evolve.Maximise, e.Params)
		}
		if e.MaxMACs < 0 {
			return fmt.Errorf("config: evolution.max_macs: expected at least 0, got %d", e.MaxMACs)
		}
		if err := c.evolve().Validate(); err != nil {
			return fmt.Errorf("config: evolution: %w", err)
		}
	}
	return nil
}

func (c Config) evolve() evolve.Config {
	return evolve.Config{Population: c.Evolution.Population, Generations: c.Evolution.Generations, Seed: c.Seed, Objectives: []evolve.Objective{
		{Name: "accuracy", Direction: evolve.Maximise}, {Name: "multiply-adds", Direction: evolve.Minimise}, {Name: "parameters", Direction: c.Evolution.Params}}}
}

// EvolutionFile holds the state of the evolutionary search in a run folder.
const EvolutionFile = "evolution.json"

// Search trains the supernet on a part of the images, ranks networks by it and searches it, as the configuration says.
func Search(ctx context.Context, e *engine.Engine, images *datasets.Images, c Config, o search.Options) (*search.Result, error) {
	d, err := c.ImageData(images)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	return searchData(ctx, e, d, c, o)
}

// SearchFolder is [Search] on the images of a folder in ImageNet's layout.
func SearchFolder(ctx context.Context, e *engine.Engine, folder *datasets.ImageFolder, c Config, o search.Options) (*search.Result, error) {
	d, err := c.FolderData(folder)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	return searchData(ctx, e, d, c, o)
}

func searchData(ctx context.Context, e *engine.Engine, d search.PathsData, c Config, o search.Options) (*search.Result, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	s, err := search.NewSupernet(e, d, Name, c.PathsConfig, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Train(ctx); err != nil {
		return nil, err
	}
	r := &search.Result{Method: Name, Space: c.Space, Profile: c.Profile, Seed: c.Seed, Steps: s.Result.Steps, Supernet: &s.Result}
	emit := func(e search.Event) { search.Emit(o.Listeners, e) }
	if c.Rank > 0 {
		if r.Ranking, err = rank(ctx, e, d, s, c, emit); err != nil {
			return nil, fmt.Errorf("%s: ranking: %w", Name, err)
		}
	}
	if c.Evolution != nil {
		if r.Evolution, err = evolution(ctx, e, s, c, o.Dir, emit); err != nil {
			return nil, fmt.Errorf("%s: evolution: %w", Name, err)
		}
		r.DerivedBy = "the most accurate path of the first front"
	}
	emit(search.Event{Kind: search.EventEnd, Epoch: c.Epochs, Epochs: c.Epochs})
	return r, nil
}

// rank measures networks on the trained supernet, and on the same one as it was before training.
func rank(ctx context.Context, e *engine.Engine, d search.PathsData, s *search.Supernet, c Config, emit func(search.Event)) (*search.Ranking, error) {
	codes, err := MacroSample(c.Rank)
	if err != nil {
		return nil, err
	}
	paths := make([][]int, len(codes))
	for i, code := range codes {
		if paths[i], err = s.Space.Parse(code); err != nil {
			return nil, err
		}
	}
	r := &search.Ranking{Codes: codes}
	type part struct {
		net *search.Supernet
		to  *[]float64
	}
	parts := []part{{s, &r.Trained}}
	if !c.TrainedOnly {
		fresh, err := search.NewSupernet(e, d, Name, c.PathsConfig, search.Options{})
		if err != nil {
			return nil, err
		}
		defer fresh.Close()
		parts = append(parts, part{fresh, &r.Untrained})
	}
	for i, p := range parts {
		*p.to, err = p.net.Measure(ctx, paths, func(done int) {
			emit(search.Event{Kind: search.EventMeasure, Epoch: 1, Epochs: 1, Step: i*len(paths) + done, Steps: len(parts) * len(paths)})
		})
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// MacroSample are n networks of NAS-Bench-Macro by code, spread evenly over the order of their multiply-adds (equal ones
// in the order of their codes).
func MacroSample(n int) ([]string, error) {
	table, err := datasets.NASBenchMacro()
	if err != nil {
		return nil, err
	}
	if n < 1 || n > len(table) {
		return nil, fmt.Errorf("expected 1 to %d networks, got %d", len(table), n)
	}
	all := make([]string, 0, len(table))
	for code := range table {
		all = append(all, code)
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(table[a].FLOPs, table[b].FLOPs), cmp.Compare(a, b))
	})
	out := make([]string, n)
	for i := range out {
		out[i] = all[(2*i+1)*len(all)/(2*n)]
	}
	return out, nil
}

// TrueAccuracies are the mean accuracies of networks of NAS-Bench-Macro over three trainings, percent.
func TrueAccuracies(codes []string) ([]float64, error) {
	table, err := datasets.NASBenchMacro()
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(codes))
	for i, code := range codes {
		row, ok := table[code]
		if !ok {
			return nil, fmt.Errorf("NAS-Bench-Macro has no network %q", code)
		}
		out[i] = row.MeanAccuracy
	}
	return out, nil
}

// evolution searches the trained supernet; with a folder it goes on from the generation that it finds there.
func evolution(ctx context.Context, e *engine.Engine, s *search.Supernet, c Config, dir string, emit func(search.Event)) (*search.Evolution, error) {
	costs, err := CountPaths(e, s.Space)
	if err != nil {
		return nil, err
	}
	choices := evolve.DefaultChoices(s.Space.Choices()...)
	choices.Reinforced = c.Evolution.Reinforced
	path := filepath.Join(dir, EvolutionFile)
	var from *evolve.State[[]int]
	if dir != "" {
		text, err := os.ReadFile(path)
		if err == nil {
			from = &evolve.State[[]int]{}
			if err := json.Unmarshal(text, from); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	generation := 0
	if from != nil {
		generation = from.Generation
	}
	measure := func(ctx context.Context, genomes [][]int) ([]evolve.Measured, error) {
		accuracy, err := s.Measure(ctx, genomes, func(done int) {
			emit(search.Event{Kind: search.EventMeasure, Epoch: generation + 1, Epochs: c.Evolution.Generations, Step: done, Steps: len(genomes)})
		})
		if err != nil {
			return nil, err
		}
		out := make([]evolve.Measured, len(genomes))
		for i, g := range genomes {
			macs, params := costs.Of(g)
			out[i].Values = []float64{accuracy[i], float64(macs), float64(params)}
			if c.Evolution.MaxMACs > 0 {
				out[i].Violation = evolve.AtMost(float64(macs), float64(c.Evolution.MaxMACs))
			}
		}
		return out, nil
	}
	state, err := evolve.Run(ctx, c.evolve(), choices, evolve.EvaluatorFunc[[]int](measure), from, func(state *evolve.State[[]int]) error {
		generation = state.Generation
		if dir == "" {
			return nil
		}
		text, err := json.Marshal(state)
		if err != nil {
			return err
		}
		return atomicfile.WriteBytes(path, 0o644, text)
	})
	if ctx.Err() != nil {
		return nil, search.ErrInterrupted
	}
	if err != nil {
		return nil, err
	}
	r := &search.Evolution{Objectives: state.Config.Objectives, Evaluations: state.Evaluations, Generations: state.History}
	for _, m := range state.Front() {
		macs, params := costs.Of(m.Genome)
		r.Front = append(r.Front, search.Candidate{Code: space.Code(m.Genome), Accuracy: m.Values[0], MACs: macs, Params: params})
	}
	slices.SortFunc(r.Front, func(a, b search.Candidate) int {
		return cmp.Or(-cmp.Compare(a.Accuracy, b.Accuracy), cmp.Compare(a.MACs, b.MACs), cmp.Compare(a.Code, b.Code))
	})
	r.Chosen = r.Front[0]
	chosen, err := s.Space.Parse(r.Chosen.Code)
	if err != nil {
		return nil, err
	}
	r.Network, err = s.Space.Network(chosen)
	return r, err
}
