// Package moga is MoGA (1908.01314): a strictly fair supernet searched for networks that are accurate, fast by a table of
// block latencies, and large, by NSGA-II whose crowding distance weighs the three.
package moga

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "moga"

// LatencyFile has the latencies that a search rests on, in its run folder.
const LatencyFile = "latency.csv"

// Config is MoGA's configuration.
type Config struct {
	oneshot.Config
	// Latency is a table of block latencies: the name of one in the program ([latency.Names]), or a CSV file as
	// gonas latency measure writes it. The run folder keeps its rows.
	Latency string `json:"latency"`
	// MaxLatency bounds the sum of a path's blocks, in milliseconds; 0 for no bound.
	MaxLatency float64 `json:"max_latency_ms"`
	// Crowding are the weights of accuracy, latency and parameters in the crowding distance; equal ones make it NSGA-II's own.
	Crowding []float64 `json:"crowding_weights"`
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.Evolution == nil {
		return nil
	}
	if c.Latency == "" {
		return fmt.Errorf("config: latency: expected one of %v, or a file of gonas latency measure, got none", latency.Names())
	}
	if err := ranges.In("max_latency_ms", c.MaxLatency, 0, 1e9); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if len(c.Crowding) != 3 || !(slices.Min(c.Crowding) >= 0) || !(slices.Max(c.Crowding) > 0) || slices.Max(c.Crowding) > 1e6 {
		return fmt.Errorf("config: crowding_weights: expected three numbers from 0 to a million, not all 0, of accuracy, latency and parameters, got %v", c.Crowding)
	}
	return nil
}

// DefaultConfig is MoGA's search on ImageNet: its supernet of 14 layers with 12 choices, trained by strict fairness as
// FairNAS trains, and NSGA-II over accuracy, latency and parameters, of which more are better. Underspecified: the sources
// at hand have no rate, batch, epochs, population or generations (those recalled for FairNAS, unverified; the generations
// are ours), the weights of the crowding distance are from memory, and its formula is ours (see [evolve.Crowding]). The
// paper's table of a phone's GPU is not published: the latencies are those of a processor.
func DefaultConfig() Config {
	return Config{Latency: DefaultTable, Crowding: evolve.MoGAWeights(), Config: oneshot.Config{
		Common:      method.Common{Profile: profile.Paper, Space: space.MoGAName, Image: 224, Epochs: 150, Batch: 256, Granularity: nn.Edge.String()},
		Sampling:    oneshot.Strict,
		Weights:     method.WeightsConfig{LearningRate: 0.045, Momentum: 0.9, WeightDecay: 4e-5},
		Holdout:     50000.0 / 1281167,
		Recalibrate: 256,
		Evolution:   &oneshot.EvolutionConfig{Population: 70, Generations: 120, Params: evolve.Maximise},
	}}
}

// DefaultTable is the table that the published space and the small one are searched with.
const DefaultTable = "cpu"

// profiles are the reduced ones; at smoke the population is large enough for the weights of the crowding distance to matter.
func profiles() map[string]method.Profile {
	p := oneshot.Reduced(space.CIFARMoGAName, 10, 65)
	s := p[profile.Smoke]
	s.Also, s.Note = `{"evolution": {"population": 12, "generations": 6}}`, strings.Replace(s.Note, "2 generations of 4 paths", "6 generations of 12 paths", 1)
	p[profile.Smoke] = s
	return p
}

// Method is MoGA for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "MoGA", Paper: method.Paper{ArXiv: "1908.01314", Title: "MoGA: Searching Beyond MobileNetV3"},
		Spaces: []string{space.CIFARMoGAName, space.MoGAName}, Data: datasets.FolderName,
		New:      method.From(DefaultConfig),
		Profiles: profiles(),
		Variants: []method.Variant{
			{Label: "unweighted", Title: "MoGA, NSGA-II's own crowding distance", Set: `{"crowding_weights": [1, 1, 1]}`},
			{Label: "front", Title: "MoGA beside a random search", Set: `{"evolution": {"random": true}}`},
		},
		Run: func(ctx context.Context, env method.Env, c method.Config) (*run.Result, error) {
			return Search(ctx, env, *c.(*Config))
		},
	}
}

// Search trains the supernet and searches it, as the configuration says.
func Search(ctx context.Context, env method.Env, c Config) (*run.Result, error) {
	p, err := c.Paths(env.Train.Classes())
	if err != nil {
		return nil, err
	}
	objectives, keep, err := c.Goals(env.Engine, p)
	if err != nil {
		return nil, err
	}
	if c.Evolution == nil {
		return oneshot.Search(ctx, env, p, c.Config, nil, nil)
	}
	sums, err := c.latencies(env.Dir, p)
	if err != nil {
		return nil, err
	}
	objectives[1] = oneshot.Cost(run.Objective{Name: "latency", Unit: "ms", Scale: 1, Direction: evolve.Minimise}, sums.Shared, sums.Layers)
	for i := range objectives {
		objectives[i].Weight = c.Crowding[i]
	}
	if err := c.within(sums); err != nil {
		return nil, err
	}
	return oneshot.Search(ctx, env, p, c.Config, objectives, c.atMost(sums, keep))
}

// within returns an error where no path is as fast as the configuration wants.
func (c Config) within(sums latency.Sums) error {
	least, path := sums.Shared, make([]int, len(sums.Layers))
	for l, choices := range sums.Layers {
		path[l] = slices.Index(choices, slices.Min(choices))
		least += choices[path[l]]
	}
	if c.MaxLatency > 0 && least > c.MaxLatency {
		return fmt.Errorf("config: max_latency_ms: no path of the space keeps %g: the fastest, choices %v, takes %.4g ms", c.MaxLatency, path, least)
	}
	return nil
}

// atMost adds the bound on the latency to one on the multiply-adds.
func (c Config) atMost(sums latency.Sums, keep oneshot.Constraint) oneshot.Constraint {
	if c.MaxLatency == 0 {
		return keep
	}
	return func(path []int) float64 {
		over := evolve.AtMost(sums.Of(path), c.MaxLatency)
		if keep != nil {
			over += keep(path)
		}
		return over
	}
}

// latencies are those of the space's blocks. A run folder keeps the rows, so that what was found can be looked at; a resumed
// search takes the same or none.
func (c Config) latencies(dir string, p space.Paths) (latency.Sums, error) {
	table, err := latency.Open(c.Latency)
	if err != nil {
		return latency.Sums{}, fmt.Errorf("config: latency: %w", err)
	}
	sums, err := table.Sums(p)
	if err != nil {
		return sums, fmt.Errorf("config: latency: %s: %w; gonas latency measure --space %s --image %d --out FILE makes a table of this machine", c.Latency, err, p.Name, p.Shared.Input[0])
	}
	if dir == "" {
		return sums, nil
	}
	of, err := table.Cover(p)
	if err != nil {
		return sums, err
	}
	file := filepath.Join(dir, LatencyFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return sums, of.Matched.Save(file)
	}
	was, err := latency.Open(file)
	if err != nil {
		return sums, err
	}
	if !slices.Equal(was, of.Matched) {
		return sums, fmt.Errorf("%s: the search began with other latencies than those of %s now: give it that table again, or another folder", file, c.Latency)
	}
	return sums, nil
}
