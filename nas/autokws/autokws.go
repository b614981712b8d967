// Package autokws is AutoKWS (2009.03658): DARTS, FairDARTS and NoisyDARTS, as they are, over a chain of TC-ResNet's blocks
// that hears single words.
package autokws

import (
	"fmt"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/noisydarts"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "autokws"

// Config is AutoKWS's configuration.
type Config struct {
	diff.Config
	// Relaxation is the method by whose rules the chain is searched: darts, fairdarts or noisydarts.
	Relaxation string `json:"relaxation"`
	// ZeroOneWeight and Threshold are FairDARTS's. The paper's threshold is 0.8.
	ZeroOneWeight float64 `json:"zero_one_weight"`
	Threshold     float64 `json:"threshold"`
	// Noise is what NoisyDARTS adds to the skips; the paper's has the mean 0 and a standard deviation that no source at hand
	// lists.
	Noise noisydarts.Noise `json:"noise"`
}

// DefaultConfig is the search of AutoKWS (2009.03658) as far as the sources at hand tell: TC-ResNet14's chain of 6 layers, 40
// coefficients of 98 frames of a second, 12 classes, FairDARTS's threshold 0.8, noise of mean 0. What they do not tell is
// from elsewhere: epochs, batch, rates and decays are DARTS's, the weight of the zero-one loss and the noise FairDARTS's and
// NoisyDARTS's own, shift and background noise of the clips TC-ResNet's.
func DefaultConfig() Config {
	c := Config{Config: diff.DefaultConfig(), Relaxation: noisydarts.Name,
		ZeroOneWeight: fairdarts.DefaultLossWeight, Threshold: 0.8, Noise: noisydarts.DefaultConfig().Noise}
	c.Space, c.Primitives, c.Image = space.TCResNetName, nil, 98
	c.Size = space.Size{Cells: 2, Channels: 16, Classes: len(datasets.SpeechClasses), InputChannels: 40}
	c.Sound = &datasets.Sound{Features: audio.TensorFlow(), AsChannels: true, ShiftMS: 100, Noise: &datasets.Noise{Share: 0.8, Volume: 0.1}}
	return c
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if _, ok := relaxations[c.Relaxation]; !ok {
		return fmt.Errorf("config: relaxation: expected %s, %s or %s, got %q", darts.Name, fairdarts.Name, noisydarts.Name, c.Relaxation)
	}
	if err := c.fair().Validate(); err != nil {
		return err
	}
	return c.noisy().Validate()
}

// fair and noisy are the configurations of the methods that take more than the search's own.
func (c Config) fair() *fairdarts.Config {
	f := fairdarts.DefaultConfig()
	f.Config, f.ZeroOneWeight, f.Threshold = c.Config, c.ZeroOneWeight, c.Threshold
	return &f
}

func (c Config) noisy() *noisydarts.Config {
	return &noisydarts.Config{Config: c.Config, Noise: c.Noise}
}

var relaxations = map[string]func(Config) diff.Method{
	darts.Name:      func(c Config) diff.Method { return darts.Search(&darts.Config{Config: c.Config}) },
	fairdarts.Name:  func(c Config) diff.Method { return fairdarts.Search(c.fair()) },
	noisydarts.Name: func(c Config) diff.Method { return noisydarts.Search(c.noisy()) },
}

// Search is the method of a configuration's relaxation.
func Search(c *Config) diff.Method { return relaxations[c.Relaxation](*c) }

// ours says in a note what comes from no source of the paper.
const ours = "; epochs, batch and rates are in no source at hand, here DARTS's"

// Method is AutoKWS for the registry: NoisyDARTS, by which the paper found its best network, with the two others as variants.
func Method() method.Method {
	rates := func(arch string) string {
		return `"weights": {"learning_rate": 0.05, "learning_rate_min": 0.01}, "arch": {"learning_rate": ` + arch + `}`
	}
	return method.Method{
		Name: Name, Title: "AutoKWS", Paper: method.Paper{ArXiv: "2009.03658", Title: "AutoKWS: Keyword Spotting with Differentiable Architecture Search"},
		Spaces: diff.SpeechSpaces(), Data: datasets.SpeechName,
		New: method.From(DefaultConfig),
		Profiles: map[string]method.Profile{
			profile.Smoke: {
				Set:     `{"size": {"cells": 1, "channels": 4}, "epochs": 3, "steps_per_epoch": 4, "batch": 8, ` + rates("0.3") + `}`,
				Note:    "seconds: TC-ResNet8's chain of 3 layers, 4 channels behind the stem, 3 epochs of 4 steps, batch 8; rates raised: weights 0.05 to 0.01, architecture 0.3 (Adam); shows that everything works and nothing else",
				Seconds: 2,
			},
			profile.Quick: {
				Set:     `{"epochs": 10, "steps_per_epoch": 20, "batch": 16, ` + rates("0.05") + `}`,
				Note:    "a minute: TC-ResNet14's chain of 6 layers at its own width, 10 epochs of 20 steps, batch 16; because 200 steps are few, rates are raised: weights 0.05 to 0.01, architecture 0.05 (Adam)",
				Seconds: 28,
			},
			profile.GPU: {
				Set:  `{"epochs": 20, "steps_per_epoch": 100, "granularity": "network", ` + rates("0.02") + `}`,
				Note: "minutes on one GPU, which was not measured: TC-ResNet14's chain, 20 epochs of 100 steps, batch 64, the whole supernet as one program; rates raised: weights 0.05 to 0.01, architecture 0.02 (Adam)",
			},
			profile.Day: {
				Set:  `{"epochs": 30, "steps_per_epoch": 100, ` + rates("0.01") + `}`,
				Note: "an hour on two cores, which was not measured: TC-ResNet14's chain, 30 epochs of 100 steps, batch 64; rates raised: weights 0.05 to 0.01, architecture 0.01 (Adam)",
			},
			profile.Paper: {Note: "the published protocol as far as it is known" + ours},
		},
		Variants: []method.Variant{
			{Label: darts.Name, Title: "AutoKWS by DARTS", Set: `{"relaxation": "darts"}`},
			{Label: fairdarts.Name, Title: "AutoKWS by FairDARTS", Set: `{"relaxation": "fairdarts"}`},
		},
		Run: diff.Run(Search),
	}
}
