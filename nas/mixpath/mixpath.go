// Package mixpath is MixPath (2001.05887): a supernet whose layers run up to m paths at once, with a batch norm for each
// number of them, so that it ranks networks; and NSGA-II over accuracy and cost on it.
package mixpath

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "mixpath"

// Ways of drawing a layer's expansion and paths.
const (
	// ByCount is the official code's: the number of paths from 1 to m uniformly, then so many different kernels.
	ByCount = "count"
	// ByCombination is a control: all sets of up to m kernels equally often, so that a single path is rare.
	ByCombination = "combination"
)

// Config is MixPath's configuration.
type Config struct {
	oneshot.Config
	// MaxPaths is m, the most paths of a layer.
	MaxPaths int `json:"max_paths"`
	// ShadowNorms has a last batch norm for each number of paths and each expansion; without them there is one for each
	// expansion, the paper's baseline.
	ShadowNorms bool `json:"shadow_norms"`
	// Paths is how a layer's paths are drawn, [ByCount] or [ByCombination].
	Paths string `json:"paths"`
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if most := len(space.MultiPathKernels()); c.MaxPaths < 1 || c.MaxPaths > most {
		return fmt.Errorf("config: max_paths: expected 1 to %d, got %d", most, c.MaxPaths)
	}
	if ways := []string{ByCount, ByCombination}; !slices.Contains(ways, c.Paths) {
		return fmt.Errorf("config: paths: expected one of %s, got %q", strings.Join(ways, ", "), c.Paths)
	}
	if c.Sampling == oneshot.Strict && c.Paths == ByCount {
		return fmt.Errorf("config: paths: expected %s under strict fairness, which trains all sets of paths equally often, got %s", ByCombination, c.Paths)
	}
	return nil
}

// DefaultConfig is MixPath's search on CIFAR-10 (S1/train_search.py): one path a step with up to m = 2 paths a layer, SGD with
// momentum 0.9 and a learning rate that a cosine takes from 0.025 to 1e-8, L2 decay 3e-4, norm of the gradients at most 5,
// cutout 16, batch 96, 200 epochs. The code trains on all 50,000 images and measures on the 10,000 that test; here a
// tenth of the training images is held out and no search sees those that test. That NSGA-II searches over accuracy and
// cost was quoted from memory and is unverified; population and generations are ours.
func DefaultConfig() Config {
	return Config{
		Config: oneshot.Config{
			Common:   method.Common{Profile: profile.Paper, Space: space.MixPathS1Name, Image: 32, Epochs: 200, Batch: 96, Granularity: nn.Edge.String()},
			Sampling: oneshot.Uniform, Options: &oneshot.Options{PathsPerStep: 1, Cutout: 16, Draw: 1000},
			Weights: method.WeightsConfig{LearningRate: 0.025, LearningRateMin: 1e-8, Momentum: 0.9, WeightDecay: 3e-4, Clip: 5},
			Holdout: 0.1, Recalibrate: 192,
			Evolution: &oneshot.EvolutionConfig{Population: 64, Generations: 100, Params: evolve.Minimise},
		},
		MaxPaths: 2, ShadowNorms: true, Paths: ByCount,
	}
}

// small is what the reduced profiles have in common: this project's own space for small images.
const small = `"space": "cifar_multipath", "weights": {"learning_rate": 0.05}`

// profiles are MixPath's.
var profiles = map[string]method.Profile{
	profile.Smoke: {
		Set:     `{` + small + `, "image": 8, "epochs": 2, "steps_per_epoch": 3, "batch": 8, "recalibrate": 16, "measure": 32, "options": {"cutout": 0, "draw": 8}, "evolution": {"population": 4, "generations": 2}}`,
		Note:    "seconds: cifar_multipath, 8×8 pixels, 2 epochs of 3 steps, batch 8, 8 networks drawn, 2 generations of 4 paths; rate 0.05; shows that everything works and nothing else",
		Seconds: 3,
	},
	profile.Quick: {
		Set:     `{` + small + `, "image": 16, "epochs": 10, "steps_per_epoch": 60, "batch": 32, "recalibrate": 64, "measure": 256, "options": {"cutout": 0, "draw": 100}, "evolution": {"population": 20, "generations": 5}}`,
		Note:    "minutes: cifar_multipath, 16×16 pixels, 10 epochs of 60 steps, batch 32, 100 networks drawn and 5 generations of 20 paths measured on 256 images; rate 0.05, no cutout",
		Seconds: 40,
	},
	profile.GPU: {
		Set:  `{` + small + `, "epochs": 40, "batch": 256, "recalibrate": 256, "measure": 2000, "options": {"draw": 500}, "evolution": {"population": 50, "generations": 20}}`,
		Note: "cifar_multipath on whole images, 40 epochs of batch 256, 500 networks drawn and 20 generations of 50 paths measured on 2,000 images; rate 0.05; its time was not measured",
	},
	profile.Day: {
		Set:  `{` + small + `, "epochs": 30, "batch": 64, "recalibrate": 128, "measure": 1000, "options": {"draw": 500}, "evolution": {"population": 50, "generations": 20}}`,
		Note: "cifar_multipath on whole images, 30 epochs of batch 64, 500 networks drawn and 20 generations of 50 paths measured on 1,000 images; rate 0.05; its time was not measured",
	},
	profile.Paper: {Note: "the published protocol of the supernet, as far as it is known, a tenth of the training images held out in the place of those that test"},
}

// Method is MixPath for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "MixPath", Paper: method.Paper{ArXiv: "2001.05887", Title: "MixPath: A Unified Approach for One-shot Neural Architecture Search"},
		Spaces: []string{space.MixPathS1Name, space.CIFARMultiPathName}, Data: datasets.CIFAR10Name,
		New:      method.From(DefaultConfig),
		Profiles: maps.Clone(profiles),
		Variants: []method.Variant{
			{Label: "single", Title: "MixPath, a single norm for any number of paths", Seconds: map[string]float64{profile.Quick: 30}, Set: `{"shadow_norms": false, "evolution": null}`},
			{Label: "shadow", Title: "MixPath, shadow norms", Seconds: map[string]float64{profile.Quick: 30}, Set: `{"evolution": null}`},
			{Label: "combination", Title: "MixPath, sets of paths drawn uniformly", Seconds: map[string]float64{profile.Quick: 30}, Set: `{"paths": "combination", "evolution": null}`},
		},
		Run: func(ctx context.Context, env method.Env, c method.Config) (*run.Result, error) {
			return Search(ctx, env, *c.(*Config))
		},
	}
}

// Space is the space of a configuration for its images and classes.
func (c Config) Space(classes int) (space.Paths, error) {
	p, err := c.Config.Paths(classes)
	p.ShadowNorms = c.ShadowNorms
	return p.AtMostPaths(c.MaxPaths), err
}

// drawnByCount is a space whose choices are drawn as the official code does.
type drawnByCount struct{ space.Paths }

// Weights implements [oneshot.Weighted].
func (s drawnByCount) Weights() [][]float64 { return s.ByCount() }

// Search trains the supernet, measures its norms and paths, draws networks and searches, as the configuration says.
func Search(ctx context.Context, env method.Env, c Config) (*run.Result, error) {
	p, err := c.Space(env.Train.Classes())
	if err != nil {
		return nil, err
	}
	objectives, keep, err := c.Goals(env.Engine, p)
	if err != nil {
		return nil, err
	}
	looks := []oneshot.Look{oneshot.Similarity(p, Similarity, func([2]string) bool { return true })}
	if c.ShadowNorms && c.MaxPaths > 1 {
		looks = append(looks, shadowNorms(p))
	}
	s := oneshot.Space(p)
	if c.Paths == ByCount {
		s = drawnByCount{p}
	}
	return oneshot.Search(ctx, env, s, c.Config, objectives, keep, looks...)
}
