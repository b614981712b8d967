// Package darts is DARTS (1806.09055), first and second order, the baseline of the other papers' searches over cells.
package darts

import (
	"fmt"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "darts"

// Config is DARTS's configuration.
type Config struct {
	diff.Config
	// SkipNoise is FairDARTS's control (1911.12126): nil without it.
	SkipNoise *SkipNoise `json:"skip_noise,omitempty"`
}

// SkipNoise is standard normal noise on the skip connections of stride 1, its scale annealed from 1 to 0 by a cosine over
// Epochs, 0 for all of the search.
type SkipNoise struct {
	Epochs int `json:"epochs"`
}

// DefaultConfig is [diff.DefaultConfig], the published search.
func DefaultConfig() Config { return Config{Config: diff.DefaultConfig()} }

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if n := c.SkipNoise; n != nil {
		if err := ranges.In("skip_noise.epochs", n.Epochs, 0, 1e6); err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	return nil
}

// Method is DARTS for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "DARTS", Paper: method.Paper{ArXiv: "1806.09055", Title: "DARTS: Differentiable Architecture Search"},
		Spaces: diff.Spaces(), Data: datasets.CIFAR10Name,
		New:      method.From(DefaultConfig),
		Profiles: diff.Profiles("", ""),
		Variants: []method.Variant{
			{Label: "second", Title: "DARTS, second order", Set: `{"second_order": true}`},
			{Label: "noise", Title: "DARTS with noise on skips", Set: `{"skip_noise": {"epochs": 0}}`},
			diff.OnNASBench201("DARTS", ""),
			diff.Curvature("DARTS"),
		},
		Run: diff.Run(Search),
	}
}

// Search is what DARTS adds to the search of a configuration: [diff.DARTS], with noise on the skips where it says so.
func Search(c *Config) diff.Method {
	m := diff.DARTS()
	if c.SkipNoise != nil {
		m.Inputs = []diff.Input{diff.States("skip_states", 0x5caff01d), diff.Schedule("skip_noise", c.SkipNoise.scale)}
		m.Edge = noisyEdge
	}
	return m
}

// scale is the noise's in an epoch, from 0.
func (n SkipNoise) scale(c diff.Config, epoch int) float64 {
	over := n.Epochs
	if over == 0 {
		over = c.Epochs
	}
	if epoch >= over {
		return 0
	}
	return engine.CosineRate(1, 0, epoch, over)
}

// noisyEdge is the weighted sum of operations with noise on a skip connection of stride 1: behind the weights it takes its
// random state and the scale.
func noisyEdge(at space.EdgeAt, ops []string) (nn.Module, error) {
	list, err := nn.MixedOps(ops, at.Channels, at.Stride)
	if err != nil {
		return nil, err
	}
	for k, name := range ops {
		if name == nn.SkipConnect && at.Stride == 1 {
			list[k] = nn.MixedOp{Module: nn.NoisySkip(), Inputs: []int{at.Own, at.Own + 1}}
		}
	}
	return nn.Mixed(list)
}
