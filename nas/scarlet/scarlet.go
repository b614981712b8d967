// Package scarlet is SCARLET-NAS (1908.06022): a strictly fair supernet whose depth is searched too, stabilised by a linear
// 1×1 convolution in the place of each identity, and an evolutionary search over it.
package scarlet

import (
	"context"
	"slices"

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
const Name = "scarlet"

// SkipSimilarity is a number of the result: the cosine of what an identity, or what stands in for it, and a bottleneck of
// the same layer put out, -1 to 1, as a mean over images, layers and bottlenecks.
const SkipSimilarity = "skip_similarity"

// Config is SCARLET-NAS's configuration.
type Config struct {
	oneshot.Config
	// Stabiliser has a linear 1×1 convolution, without bias, norm or activation, in the place of each identity while the
	// supernet trains and is measured; without it the identity stands there, the paper's baseline.
	Stabiliser bool `json:"stabiliser"`
}

// DefaultConfig is SCARLET-NAS's search on ImageNet: its supernet of 19 layers with up to 13 choices, trained by strict
// fairness as FairNAS trains, and NSGA-II over accuracy, multiply-adds and parameters, of which more are better. The
// sources at hand give no rate, batch or epochs: they are those recalled for FairNAS, unverified, and the number of
// generations is ours; so are the shares of the reinforced mutation (see [evolve.Reinforced]).
func DefaultConfig() Config {
	return Config{Stabiliser: true, Config: oneshot.Config{
		Common:      method.Common{Profile: profile.Paper, Space: space.SCARLETName, Image: 224, Epochs: 150, Batch: 256, Granularity: nn.Edge.String()},
		Sampling:    oneshot.Strict,
		Weights:     method.WeightsConfig{LearningRate: 0.045, Momentum: 0.9, WeightDecay: 4e-5},
		Holdout:     50000.0 / 1281167,
		Recalibrate: 256,
		Evolution:   &oneshot.EvolutionConfig{Population: 70, Generations: 120, Params: evolve.Maximise, Reinforced: evolve.DefaultReinforced()},
	}}
}

// Method is SCARLET-NAS for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "SCARLET-NAS", Paper: method.Paper{ArXiv: "1908.06022", Title: "SCARLET-NAS: Bridging the Gap between Stability and Scalability in Weight-sharing Neural Architecture Search"},
		Spaces: []string{space.NASBenchMacroName, space.CIFARSCARLETName, space.SCARLETName}, Data: datasets.FolderName,
		New:      method.From(DefaultConfig),
		Profiles: oneshot.Reduced(space.CIFARSCARLETName, 10, 65),
		Variants: []method.Variant{
			oneshot.MacroVariant("stabiliser", "SCARLET-NAS, linear 1×1 convolutions", `"trained_only": true`),
			oneshot.MacroVariant("identity", "SCARLET-NAS's supernet, plain identities", `"trained_only": true, "stabiliser": false`),
		},
		Run: func(ctx context.Context, env method.Env, c method.Config) (*run.Result, error) {
			return Search(ctx, env, *c.(*Config))
		},
	}
}

// Search trains the supernet, ranks networks by it and searches it, as the configuration says. What networks cost, and what
// is found, is with the identity.
func Search(ctx context.Context, env method.Env, c Config) (*run.Result, error) {
	p, err := c.Paths(env.Train.Classes())
	if err != nil {
		return nil, err
	}
	p.Linear = false
	objectives, keep, err := c.Goals(env.Engine, p)
	if err != nil {
		return nil, err
	}
	p.Linear = c.Stabiliser
	skip := oneshot.Similarity(p, SkipSimilarity, func(pair [2]string) bool { return slices.Contains(pair[:], space.Identity) })
	return oneshot.Search(ctx, env, p, c.Config, objectives, keep, skip)
}
