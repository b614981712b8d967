// Package diff searches cells by gradient, as DARTS does: parameters of the architecture are relaxed to weights of
// operations, and they and the network's weights move in turn, each on images of its own. A method is a [Method]: how
// parameters become weights, what the loss adds, what the supernet takes besides, and how cells are derived.
package diff

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// ArchConfig is the optimizer of the architecture parameters: Adam with L2 decay, at a constant rate.
type ArchConfig struct {
	LearningRate float64 `json:"learning_rate"`
	Beta1        float64 `json:"beta1"`
	Beta2        float64 `json:"beta2"`
	WeightDecay  float64 `json:"weight_decay"`
}

// validate reports the first field out of range.
func (c ArchConfig) validate() error {
	return cmp.Or(ranges.Above("arch.learning_rate", c.LearningRate, 0, 1000), ranges.Below("arch.beta1", c.Beta1, 0, 1),
		ranges.Below("arch.beta2", c.Beta2, 0, 1), ranges.In("arch.weight_decay", c.WeightDecay, 0, 1000))
}

// Config is what every search over a supernet of cells needs. A method's own configuration embeds it.
type Config struct {
	method.Common
	Size space.Size `json:"size"`
	// Primitives are the operations of space S0; the other spaces have their own, and do not read it.
	Primitives []string             `json:"primitives,omitempty"`
	Weights    method.WeightsConfig `json:"weights"`
	Arch       ArchConfig           `json:"arch"`
	// SecondOrder unrolls one step of the weights (DARTS's architecture gradient by finite differences).
	SecondOrder bool `json:"second_order,omitempty"`
	// Curvature and Landscape measure the validation loss over the parameters, nil for not: they change no search.
	Curvature *CurvatureConfig `json:"curvature,omitempty"`
	Landscape *LandscapeConfig `json:"landscape,omitempty"`
}

// DefaultConfig is the search of DARTS (1806.09055) on CIFAR-10: 8 cells, 16 channels, 50 epochs, batch 64; SGD
// 0.025 to 0.001 by a cosine, momentum 0.9, decay 3e-4, clip 5; Adam 3e-4 with betas 0.5 and 0.999, decay 1e-3.
func DefaultConfig() Config {
	return Config{
		Common:     method.Common{Profile: profile.Paper, Space: cells.S0, Image: 32, Epochs: 50, Batch: 64, Granularity: nn.Edge.String()},
		Size:       space.Size{Cells: 8, Channels: 16, Classes: 10, InputChannels: 3},
		Primitives: slices.Clone(space.DARTSPrimitives),
		Weights:    method.WeightsConfig{LearningRate: 0.025, LearningRateMin: 0.001, Momentum: 0.9, WeightDecay: 3e-4, Clip: 5},
		Arch:       ArchConfig{LearningRate: 3e-4, Beta1: 0.5, Beta2: 0.999, WeightDecay: 1e-3},
	}
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Size.Validate(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := c.Common.Validate(); err != nil {
		return err
	}
	if err := cmp.Or(c.Weights.Validate(), c.Arch.validate()); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := errors.Join(c.Curvature.validate(), c.Landscape.validate()); err != nil {
		return err
	}
	_, err := c.Over()
	return err
}

// Input is [height, width, channels] of a sample of a batch: of images as the configuration says, of speech what its features
// make of a clip of one second.
func (c Config) Input() ([3]int, error) {
	if c.Sound == nil {
		return [3]int{c.Image, c.Image, c.Size.InputChannels}, nil
	}
	in, err := c.Sound.Shape(datasets.SpeechRate)
	if err != nil {
		return in, fmt.Errorf("config: sound: %w", err)
	}
	if in[2] != c.Size.InputChannels {
		return in, fmt.Errorf("config: size: input_channels: expected the %d that the features of sound have, got %d", in[2], c.Size.InputChannels)
	}
	return in, nil
}

// Cells is the space of DARTS's cells that the configuration names.
func (c Config) Cells() (cells.Space, error) {
	s, err := cells.Lookup(c.Space, c.Primitives)
	if err != nil {
		err = fmt.Errorf("config: %w", err)
	}
	return s, err
}

// Diff is the part of a method's configuration that all searches over cells have; changing it changes the configuration.
func (c *Config) Diff() *Config { return c }

// Profiles are those of a search over cells. The reduced ones raise the rates, which lets the architecture decide itself
// in few steps: Adam moves a parameter by at most about its rate in a step, so that 0.05 takes a sigmoid from one half
// to 0.9 in 45 steps of one sign, of the quick profile's 150, 0.3 in 8 of the smoke profile's 12, 0.02 in 110 of the GPU
// profile's 1,000, and 0.01 in 220 of the day profile's 2,000. The papers' 3e-4 and 3e-3 have ten to twenty thousand
// steps. quick is JSON that a method sets on top at quick, and why in words; both may be empty.
func Profiles(quick, why string) map[string]method.Profile {
	rates := func(arch string) string {
		return `"weights": {"learning_rate": 0.05, "learning_rate_min": 0.01}, "arch": {"learning_rate": ` + arch + `}`
	}
	if why != "" {
		why = "; " + why
	}
	const step = 1.05 // seconds of a step of batch 16, 4.4 of batch 64
	return map[string]method.Profile{
		profile.Smoke: {
			Set:     `{"size": {"cells": 3, "channels": 4}, "image": 8, "epochs": 3, "steps_per_epoch": 4, "batch": 8, ` + rates("0.3") + `}`,
			Note:    "seconds: 3 cells, 4 channels, 8×8 pixels, 3 epochs of 4 steps, batch 8; rates raised: weights 0.05 to 0.01, architecture 0.3 (Adam); shows that everything works and nothing else",
			Seconds: 1,
		},
		profile.Quick: {
			Set:     `{"size": {"cells": 5, "channels": 8}, "image": 16, "epochs": 10, "steps_per_epoch": 15, "batch": 16, ` + rates("0.05") + `}`,
			Also:    quick,
			Note:    "minutes: 5 cells, 8 channels, 16×16 pixels, 10 epochs of 15 steps, batch 16; because 150 steps are some hundredth of the paper's, rates are raised: weights 0.05 to 0.01, architecture 0.05 (Adam)" + why,
			Seconds: 20,
		},
		profile.GPU: {
			Set:  `{"epochs": 10, "steps_per_epoch": 100, "batch": 64, "granularity": "network", ` + rates("0.02") + `}`,
			Note: "half an hour on one GPU, which was not measured: the supernet of the paper on whole images, 8 cells, 16 channels, 32×32 pixels, 10 epochs of 100 steps, batch 64" + oneProgram + "; rates raised: weights 0.05 to 0.01, architecture 0.02 (Adam)",
		},
		profile.Day: {
			Set:     `{"epochs": 20, "steps_per_epoch": 100, "batch": 16, ` + rates("0.01") + `}`,
			Note:    "a day on two cores: the supernet of the paper on whole images, 8 cells, 16 channels, 32×32 pixels, 20 epochs of 100 steps, batch 16; rates raised: weights 0.05 to 0.01, architecture 0.01 (Adam)",
			Seconds: 2000 * step,
		},
		profile.Paper: {Note: "the published protocol", Seconds: 50 * 390 * 4.4},
	}
}

// ReducedSpaces are the variants of a method, called title, that search S1 to S4.
func ReducedSpaces(title string) []method.Variant {
	var out []method.Variant
	for _, s := range cells.Names()[1:] {
		out = append(out, method.Variant{Label: strings.ToLower(s), Title: title + " in " + s, Set: fmt.Sprintf(`{"space": %q}`, s)})
	}
	return out
}

// OnNASBench201 is the variant of a method, called title, that searches NAS-Bench-201: three stages of 5 cells, 16 channels
// at first, and fewer in the reduced profiles. why is what [Profiles] says of quick.
func OnNASBench201(title, why string) method.Variant {
	if why != "" {
		why = "; " + why
	}
	return method.Variant{
		Label: "nb201", Title: title + " on NAS-Bench-201",
		Set: `{"space": "` + space.NASBench201Name + `", "size": {"cells": 5, "channels": 16}}`,
		At: map[string]string{
			profile.Smoke: `{"size": {"cells": 1, "channels": 4}}`,
			profile.Quick: `{"size": {"cells": 1, "channels": 8}}`,
		},
		Seconds: map[string]float64{profile.Quick: 10},
		Notes: map[string]string{
			profile.Smoke: "seconds: NAS-Bench-201 with stages of 1 cell, 4 channels, 8×8 pixels, 3 epochs of 4 steps, batch 8; rates raised: weights 0.05 to 0.01, architecture 0.3 (Adam); shows that everything works and nothing else",
			profile.Quick: "seconds: NAS-Bench-201 with stages of 1 cell, 8 channels, 16×16 pixels, 10 epochs of 15 steps, batch 16; because 150 steps are some hundredth of the paper's, rates are raised: weights 0.05 to 0.01, architecture 0.05 (Adam)" + why,
			profile.GPU:   "minutes on one GPU, which was not measured: NAS-Bench-201 with stages of 5 cells, 16 channels, 32×32 pixels, 10 epochs of 100 steps, batch 64" + oneProgram + "; rates raised: weights 0.05 to 0.01, architecture 0.02 (Adam)",
			profile.Day:   "hours on two cores: NAS-Bench-201 with stages of 5 cells, 16 channels, 32×32 pixels, 20 epochs of 100 steps, batch 16; rates raised: weights 0.05 to 0.01, architecture 0.01 (Adam)",
		},
	}
}
