// Package fairnas is FairNAS (1907.01845): a single-path supernet trained under strict fairness, so that it ranks
// networks, and an evolutionary search over it.
package fairnas

import (
	"context"
	"fmt"

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

// ranked is the variant that trains a supernet of NAS-Bench-Macro by a way of sampling and ranks by it.
func ranked(sampling, title string) method.Variant {
	return oneshot.MacroVariant(sampling, title, fmt.Sprintf(`"sampling": %q, "trained_only": %t`, sampling, sampling != oneshot.Strict))
}

// Method is FairNAS for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "FairNAS", Paper: method.Paper{ArXiv: "1907.01845", Title: "FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture Search"},
		Spaces: []string{space.NASBenchMacroName, space.CIFARMobileName, space.FairNASName}, Data: datasets.FolderName,
		New:      method.From(DefaultConfig),
		Profiles: oneshot.Reduced(space.CIFARMobileName, 15, 70),
		Variants: []method.Variant{
			ranked(oneshot.Strict, "FairNAS, strict fairness"),
			ranked(oneshot.Uniform, "FairNAS's supernet, uniform sampling"),
			ranked(oneshot.Expectation, "FairNAS's supernet, expectation fairness"),
			{Label: "front", Title: "FairNAS beside a random search", Seconds: map[string]float64{profile.Quick: 90}, Set: `{"evolution": {"random": true}}`},
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
