package train

import (
	"fmt"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
)

// profiles are what a profile changes in the recipe of cells on CIFAR. The reduced ones have no auxiliary head and no
// drop-path: they are too short to gain from them.
var profiles = map[string]method.Profile{
	profile.Smoke: {
		Set:     `{"size": {"cells": 3, "channels": 4}, "image": 8, "epochs": 2, "steps_per_epoch": 4, "batch": 8, "cutout": 4, ` + reduced + `}`,
		Note:    "seconds: 3 cells, 4 channels, 8×8 pixels, 2 epochs of 4 steps, batch 8, cutout 4; rate 0.05; neither auxiliary head nor drop-path",
		Seconds: 1,
	},
	profile.Quick: {
		Set:     `{"size": {"cells": 5, "channels": 8}, "image": 16, "epochs": 4, "steps_per_epoch": 50, "batch": 32, "cutout": 8, ` + reduced + `}`,
		Note:    "minutes: 5 cells, 8 channels, 16×16 pixels, 4 epochs of 50 steps, batch 32, cutout 8; rate 0.05; neither auxiliary head (it needs larger images) nor drop-path (for so few steps)",
		Seconds: 7,
	},
	profile.GPU: {
		Set:  `{"size": {"cells": 8, "channels": 16}, "epochs": 30, ` + reduced + `}`,
		Note: "half an hour on one GPU, which was not measured: 8 cells, 16 channels, 32×32 pixels, 30 epochs of batch 96, cutout 16; rate 0.05; no drop-path",
	},
	profile.Day: {
		Set:  `{"size": {"cells": 8, "channels": 16}, "epochs": 10, ` + reduced + `}`,
		Note: "a day on two cores: 8 cells, 16 channels, 32×32 pixels, 10 epochs of batch 96, cutout 16; rate 0.05; no drop-path",
	},
	profile.Paper: {Note: "the published recipe", Seconds: 600 * 520 * 9},
}

const reduced = `"weights": {"learning_rate": 0.05}, "auxiliary_weight": 0, "drop_path": 0`

// note says in a sentence how the profile of a recipe departs from the published one.
func (c Config) note() string {
	if c.Sound != nil {
		return soundProfiles[c.kind()][c.Profile].Note
	}
	return profiles[c.Profile].Note
}

// Seconds is about how long a training on samples of a kind takes on two cores; 0 where it was not measured.
func Seconds(name string, kind datasets.Kind) float64 {
	if kind != datasets.KindImages {
		return soundProfiles[kind][name].Seconds
	}
	return profiles[name].Seconds
}

// Kind is what a network is for.
func Kind(a arch.Network) datasets.Kind {
	switch {
	case a.Features == nil:
		return datasets.KindImages
	case a.Input[1] == 1:
		return datasets.KindSpeech
	}
	return datasets.KindScenes
}

// At is the recipe for a network in a profile, with seed 0, and the network as it is trained there: the reduced profiles
// train smaller networks on smaller images. Cells on CIFAR get the profile's size; other networks stay as they are, on
// images of the profile's size or, ImageNet's, on fewer and smaller ones.
func At(name string, a arch.Network) (Config, arch.Network, error) {
	c := ConfigFor(a)
	if err := profile.Check(name); err != nil {
		return c, a, fmt.Errorf("train: %w", err)
	}
	c.Profile = name
	switch {
	case name == profile.Paper:
	case c.Sound != nil:
		if err := method.Decode("profile "+name, []byte(soundProfiles[Kind(a)][name].Set), &c); err != nil {
			return c, a, err
		}
	case a.Input[0] <= 32 || a.Cells != nil && a.Cells.Stem == arch.StemCIFAR:
		size := c.Size
		if err := method.Decode("profile "+name, []byte(profiles[name].Set), &c); err != nil {
			return c, a, err
		}
		if a.Cells == nil {
			c.Size = size
		}
	default:
		c.Epochs, c.StepsPerEpoch, c.Batch, c.WarmupEpochs, c.AuxiliaryWeight = 2, 20, 16, 0, 0
		if a.Input[0] > 32 {
			c.Image = 64
		}
		if name == profile.Smoke {
			c.StepsPerEpoch, c.Batch = 2, 4
			c.Image = min(c.Image, 32)
		}
		// The full recipes' rates are for batches of 256.
		c.Weights.LearningRate *= float64(c.Batch) / 256
	}
	return c, c.Sized(a), nil
}

// Sized is a network at the recipe's size: its images, and of cells their number and channels. What networks hear
// stays as it is.
func (c Config) Sized(a arch.Network) arch.Network {
	if a.Features != nil {
		return a
	}
	a.Input[0], a.Input[1] = c.Image, c.Image
	if a.Cells != nil && a.Cells.Stem == arch.StemCIFAR {
		cells := *a.Cells
		cells.Cells, cells.Channels = c.Size.Cells, c.Size.Channels
		a.Cells = &cells
	}
	return a
}

// imageNetSide is the side of the images of ImageNet's networks.
const imageNetSide = 224

// changes names the fields in which a recipe is not its profile's for a network, seed and granularity apart.
func (c Config) changes(a arch.Network) (string, error) {
	plain, _, err := At(c.Profile, a)
	if err != nil {
		return "", err
	}
	plain.Seed = c.Seed
	// The size of what is no cell is the network's own.
	plain.Size.Classes, plain.Size.InputChannels = c.Size.Classes, c.Size.InputChannels
	if c.Profile == profile.Paper && a.Cells != nil {
		plain.Size, plain.Image = c.Size, c.Image
	}
	return method.Changes(c, plain)
}

// custom is the note of a recipe for a network: its profile's own, or what makes it another.
func (c Config) custom(a arch.Network, data datasets.Identity) (string, error) {
	note := c.note()
	if c.Profile == profile.Custom {
		return note, nil
	}
	changed, err := c.changes(a)
	if err != nil {
		return "", err
	}
	if changed != "" && a.Features != nil {
		return fmt.Sprintf("profile %s, changed: %s; as it was: %s", c.Profile, changed, note), nil
	}
	if changed != "" {
		// The network of a profile for ImageNet's has smaller images, which may be as small as CIFAR's.
		own := a
		own.Input[0], own.Input[1] = imageNetSide, imageNetSide
		more, err := c.changes(own)
		if err != nil {
			return "", err
		}
		if more != "" {
			return fmt.Sprintf("profile %s, changed: %s; as it was: %s", c.Profile, changed, note), nil
		}
	}
	if c.Profile != profile.Paper {
		return note, nil
	}
	wanted := datasets.CIFAR10Name
	switch {
	case Kind(a) == datasets.KindSpeech:
		wanted = datasets.SpeechName
	case Kind(a) == datasets.KindScenes:
		wanted = datasets.DomesticName
	case a.Input[0] > 32:
		wanted = datasets.FolderName
	case a.Classes == 100:
		wanted = datasets.CIFAR100Name
	}
	if reason := method.NotPublished(data, wanted); reason != "" {
		note = reason + "; otherwise " + note
	}
	return note, nil
}
