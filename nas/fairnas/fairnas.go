// Package fairnas is FairNAS (1907.01845): a single-path supernet trained under strict fairness, so that it ranks
// networks, and an evolutionary search over it.
package fairnas

import (
	"context"
	"fmt"
	"maps"

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
const Name = "fairnas"

// Config is FairNAS's configuration.
type Config struct{ oneshot.Config }

// DefaultConfig is FairNAS's search on ImageNet: its supernet of 19 layers with 6 choices, strict fairness, SGD with
// momentum 0.9 and a learning rate that a cosine takes from 0.045 to 0, L2 decay 4e-5, batch 256, 150 epochs, 50 images
// a class held out; then NSGA-II with a population of 70 over accuracy, multiply-adds and parameters. But for the space,
// strict fairness and the momentum, all of this was quoted from memory and is unverified; the number of generations is
// ours. Sources are uncertain whether parameters count as good or as bad; the shares of the paper's mutator are
// unverified, and what they mean is ours (see [evolve.Reinforced]).
func DefaultConfig() Config {
	return Config{oneshot.Config{
		Common:      method.Common{Profile: profile.Paper, Space: space.FairNASName, Image: 224, Epochs: 150, Batch: 256, Granularity: nn.Edge.String()},
		Sampling:    oneshot.Strict,
		Weights:     method.WeightsConfig{LearningRate: 0.045, Momentum: 0.9, WeightDecay: 4e-5},
		Holdout:     50000.0 / 1281167,
		Recalibrate: 256,
		Evolution:   &oneshot.EvolutionConfig{Population: 70, Generations: 120, Params: evolve.Minimise, Reinforced: evolve.DefaultReinforced()},
	}}
}

// small is what the reduced profiles have in common: this project's own space for small images.
const small = `"space": "cifar_mobile", "holdout": 0.1, "weights": {"learning_rate": 0.1, "clip": 5}`

// profiles are FairNAS's.
var profiles = map[string]method.Profile{
	profile.Smoke: {
		Set:     `{` + small + `, "image": 8, "epochs": 2, "steps_per_epoch": 3, "batch": 8, "recalibrate": 16, "measure": 32, "evolution": {"population": 4, "generations": 2}}`,
		Note:    "seconds: cifar_mobile, 8×8 pixels, 2 epochs of 3 steps, batch 8, 2 generations of 4 paths; rate 0.1, clipped; shows that everything works and nothing else",
		Seconds: 2,
	},
	profile.Quick: {
		Set:     `{` + small + `, "image": 16, "epochs": 10, "steps_per_epoch": 15, "batch": 32, "recalibrate": 64, "measure": 256, "evolution": {"population": 24, "generations": 6}}`,
		Note:    "minutes: cifar_mobile, 16×16 pixels, 10 epochs of 15 steps, batch 32, 6 generations of 24 paths measured on 256 images; rate 0.1, clipped",
		Seconds: 70,
	},
	profile.GPU: {
		Set:  `{` + small + `, "image": 32, "epochs": 40, "batch": 256, "recalibrate": 256, "measure": 2000, "evolution": {"population": 50, "generations": 20}}`,
		Note: "cifar_mobile on whole images, 40 epochs of batch 256, 20 generations of 50 paths measured on 2,000 images; rate 0.1, clipped; its time was not measured",
	},
	profile.Day: {
		Set:  `{` + small + `, "image": 32, "epochs": 30, "batch": 64, "recalibrate": 128, "measure": 1000, "evolution": {"population": 50, "generations": 20}}`,
		Note: "cifar_mobile on whole images, 30 epochs of batch 64, 20 generations of 50 paths measured on 1,000 images; rate 0.1, clipped; its time was not measured",
	},
	profile.Paper: {Note: "the published protocol, as far as it is known"},
}

// rankOnly are the sizes of a supernet that ranks networks of NAS-Bench-Macro, whose accuracies are known, and searches
// none. At quick the supernet has a quarter of the channels: a whole one learns too little in half a minute (300 steps of
// batch 32 at 0.05: tau-b 0.15 and 0.04 for the seeds 0 and 1). Width, batch and rate were chosen with the seeds 0 to 2,
// which the profile runs.
var rankOnly = map[string]string{
	profile.Smoke: `{"rank": 20}`,
	profile.Quick: `{"width": 0.25, "weights": {"learning_rate": 0.2}, "steps_per_epoch": 80, "measure": 336, "rank": 400}`,
	profile.GPU:   `{"epochs": 8, "measure": 1024, "rank": 1000}`,
	profile.Day:   `{"rank": 6561}`,
	profile.Paper: `{"image": 32, "holdout": 0.1, "rank": 6561}`,
}

// rankNotes are the notes of the profiles with these sizes.
var rankNotes = map[string]string{
	profile.Smoke: "seconds: a supernet of NAS-Bench-Macro, 8×8 pixels, 2 epochs of 3 steps, batch 8; 20 networks ranked on 32 images; rate 0.1, clipped; shows that everything works and nothing else",
	profile.Quick: "half a minute: a supernet of NAS-Bench-Macro with a quarter of the channels, 16×16 pixels, 10 epochs of 80 steps, batch 32; 400 networks ranked on 336 images; rate 0.2, clipped",
	profile.GPU:   "minutes on one GPU: a supernet of NAS-Bench-Macro on whole images, 8 epochs of batch 256; 1,000 networks ranked on 1,024 images; rate 0.1, clipped",
	profile.Day:   "a supernet of NAS-Bench-Macro on whole images, 30 epochs of batch 64; all 6,561 networks ranked on 1,000 images; rate 0.1, clipped; its time was not measured",
	profile.Paper: "FairNAS's protocol, as far as it is known, with the space NAS-Bench-Macro on images of 32×32 pixels, a tenth of them held out; all 6,561 networks ranked",
}

// ranked is the variant that trains a supernet of NAS-Bench-Macro by a way of sampling and ranks by it.
func ranked(sampling, title string) method.Variant {
	return method.Variant{Label: sampling, Title: title, At: maps.Clone(rankOnly), Notes: maps.Clone(rankNotes), Data: datasets.CIFAR10Name, Seconds: map[string]float64{profile.Quick: 35},
		Set: fmt.Sprintf(`{"space": %q, "evolution": null, "sampling": %q, "trained_only": %t}`, space.NASBenchMacroName, sampling, sampling != oneshot.Strict)}
}

// Method is FairNAS for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "FairNAS", Paper: method.Paper{ArXiv: "1907.01845", Title: "FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture Search"},
		Spaces: []string{space.NASBenchMacroName, space.CIFARMobileName, space.FairNASName}, Data: datasets.FolderName,
		New:      method.From(DefaultConfig),
		Profiles: maps.Clone(profiles),
		Variants: []method.Variant{
			ranked(oneshot.Strict, "FairNAS, strict fairness"),
			ranked(oneshot.Uniform, "FairNAS's supernet, uniform sampling"),
			ranked(oneshot.Expectation, "FairNAS's supernet, expectation fairness"),
		},
		Run: func(ctx context.Context, env method.Env, c method.Config) (*run.Result, error) {
			return Search(ctx, env, c.(*Config).Config)
		},
	}
}

// Search trains the supernet, ranks networks by it and searches it over accuracy, multiply-adds and parameters, as the
// configuration says.
func Search(ctx context.Context, env method.Env, c oneshot.Config) (*run.Result, error) {
	p, err := c.Paths(env.Train.Classes())
	if err != nil {
		return nil, err
	}
	objectives, keep, err := c.Goals(env.Engine, p)
	if err != nil {
		return nil, err
	}
	return oneshot.Search(ctx, env, p, c, objectives, keep)
}
