// Package oneshot searches spaces of paths by one supernet that has all their weights: it samples paths to train, measures
// paths with the weights that they share, ranks networks by that and searches them by NSGA-II.
package oneshot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Config is what every search over a space of paths needs. A method's own configuration embeds it.
type Config struct {
	method.Common
	// Sampling is one of [Samplings].
	Sampling string               `json:"sampling"`
	Weights  method.WeightsConfig `json:"weights"`
	// Width multiplies the numbers of channels of the space's blocks, as a smaller model of it; 0 leaves them.
	Width float64 `json:"width,omitempty"`
	// Holdout is the part of the training images, between 0 and 1, that measures paths and trains nothing.
	Holdout float64 `json:"holdout"`
	// Recalibrate are the training images whose statistics batch norm takes in a path that is measured, Measure the
	// held-out images that it is measured on; 0 takes all of them.
	Recalibrate int `json:"recalibrate"`
	Measure     int `json:"measure"`
	// Metric is what paths are measured by, one of [Metrics]; empty for accuracy.
	Metric string `json:"metric,omitempty"`
	// Rank is the number of networks whose one-shot accuracy is measured before and after training, to be compared with
	// their true accuracy: of a space whose true accuracies are known, spread evenly over multiply-adds; 0 ranks none.
	Rank int `json:"rank,omitempty"`
	// TrainedOnly leaves the ranking before training out: it is the same under every way of sampling.
	TrainedOnly bool `json:"trained_only,omitempty"`
	// Options are nil in methods that have none, whose configurations are then written as before there were any.
	Options *Options `json:"options,omitempty"`
	// Evolution is nil where only the supernet is wanted. JSON says so, or reading it over the defaults would keep theirs.
	Evolution *EvolutionConfig `json:"evolution"`
}

// Options are further settings of a supernet. JSON has all of them, or reading it over the defaults would keep theirs.
type Options struct {
	// PathsPerStep is the number of paths a step; 0 takes the largest number of choices of a layer, as strict fairness does.
	PathsPerStep int `json:"paths_per_step"`
	// Cutout is the side of the square that is set to zero in training images, in pixels; 0 for none.
	Cutout int `json:"cutout"`
	// Draw is the number of networks drawn from the space, as the steps draw theirs, whose one-shot accuracy is measured
	// after training; 0 draws none.
	Draw int `json:"draw"`
}

// options are the configuration's, all zero where it has none.
func (c Config) options() Options {
	if c.Options == nil {
		return Options{}
	}
	return *c.Options
}

// EvolutionConfig is the search for a network on the trained supernet, by NSGA-II.
type EvolutionConfig struct {
	Population  int `json:"population"`
	Generations int `json:"generations"`
	// Params says whether parameters count as good (maximise) or as bad (minimise).
	Params evolve.Direction `json:"params"`
	// MaxMACs bounds the multiply-adds of one image, 0 for no bound.
	MaxMACs int64 `json:"max_macs,omitempty"`
	// Reinforced, where it is not nil, takes the place of crossover and mutation.
	Reinforced *evolve.Reinforced `json:"reinforced"`
	// Random measures as many random paths on the same supernet, to compare their front with the one that was found.
	Random bool `json:"random,omitempty"`
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Common.Validate(); err != nil {
		return err
	}
	if c.Granularity == nn.Network.String() {
		return fmt.Errorf("config: granularity: expected operation, edge or cell, for a path's network is put together anew in every step")
	}
	if !slices.Contains(Samplings(), c.Sampling) {
		return fmt.Errorf("config: sampling: expected one of %s, got %q", strings.Join(Samplings(), ", "), c.Sampling)
	}
	if err := c.Weights.Validate(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if !(c.Width >= 0 && c.Width <= 1) {
		return fmt.Errorf("config: width: expected 0 for the space's own channels, or up to 1 times as many, got %g", c.Width)
	}
	if !(c.Holdout > 0 && c.Holdout < 1) {
		return fmt.Errorf("config: holdout: expected between 0 and 1, got %g", c.Holdout)
	}
	if err := cmp.Or(ranges.In("recalibrate", c.Recalibrate, 2, 1e7), ranges.In("measure", c.Measure, 0, 1e9)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if c.Metric != "" && !slices.Contains(Metrics(), c.Metric) {
		return fmt.Errorf("config: metric: expected one of %s, got %q", strings.Join(Metrics(), ", "), c.Metric)
	}
	if c.Metric != "" && c.Metric != MetricAccuracy && (c.Rank > 0 || c.options().Draw > 0) {
		return fmt.Errorf("config: metric: expected %s where networks are ranked, got %q", MetricAccuracy, c.Metric)
	}
	if c.Rank < 0 || c.Rank == 1 || (c.Rank > 0 && !space.HasTruth(c.Space)) {
		return fmt.Errorf("config: rank: expected 0, or at least 2 networks of %s, whose true accuracies are known, got %d of %s", space.NASBenchMacroName, c.Rank, c.Space)
	}
	o := c.options()
	if err := cmp.Or(ranges.In("rank", c.Rank, 0, 1e6), ranges.In("options.draw", o.Draw, 0, 1e6), ranges.In("options.paths_per_step", o.PathsPerStep, 0, 1000)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := c.validateOptions(); err != nil {
		return err
	}
	e := c.Evolution
	if e == nil {
		return nil
	}
	if c.Width != 0 && c.Width != 1 {
		return fmt.Errorf("config: width: expected 0 or 1 where networks are searched, which have the space's own channels, got %g", c.Width)
	}
	if e.Params != evolve.Minimise && e.Params != evolve.Maximise {
		return fmt.Errorf("config: evolution.params: expected %s or %s, got %q", evolve.Minimise, evolve.Maximise, e.Params)
	}
	if e.MaxMACs < 0 {
		return fmt.Errorf("config: evolution.max_macs: expected at least 0, got %d", e.MaxMACs)
	}
	if e.Reinforced != nil {
		if err := e.Reinforced.Validate(); err != nil {
			return fmt.Errorf("config: evolution: %w", err)
		}
	}
	if err := c.evolve([]Objective{Accuracy()}).Validate(); err != nil {
		return fmt.Errorf("config: evolution: %w", err)
	}
	return nil
}

func (c Config) validateOptions() error {
	o := c.options()
	if o.PathsPerStep < 0 || o.PathsPerStep > 0 && c.Sampling == Strict {
		return fmt.Errorf("config: options.paths_per_step: expected at least 0, and 0 under strict fairness, got %d", o.PathsPerStep)
	}
	if o.Cutout < 0 || o.Cutout > c.Image {
		return fmt.Errorf("config: options.cutout: expected 0 to the image's %d pixels, got %d", c.Image, o.Cutout)
	}
	if o.Draw < 0 || o.Draw == 1 || o.Draw > 0 && c.Rank > 0 {
		return fmt.Errorf("config: options.draw: expected 0, or at least 2 networks where rank is 0, got %d and rank %d", o.Draw, c.Rank)
	}
	return nil
}

// evolve is the configuration of NSGA-II.
func (c Config) evolve(objectives []Objective) evolve.Config {
	e := evolve.Config{Population: c.Evolution.Population, Generations: c.Evolution.Generations, Seed: c.Seed}
	weights := make([]float64, len(objectives))
	for i, o := range objectives {
		e.Objectives = append(e.Objectives, evolve.Objective{Name: o.Name, Direction: o.Direction})
		weights[i] = o.Weight
	}
	if slices.Max(weights) > 0 {
		e.CrowdingWeights = weights
	}
	return e
}
