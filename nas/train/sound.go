package train

import (
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
)

// SpeechConfig is TC-ResNet's recipe for Speech Commands (1904.03814, by the scripts of its official code): 30,000 steps of
// batch 100, SGD 0.1, a tenth of it at each third, momentum 0.9, decay 1e-3, dropout; clips shifted by up to 100 ms, four of
// five with background noise. There the largest volume of the noise is in the scripts of TensorFlow's example, 0.1.
func SpeechConfig() Config {
	return Config{
		Profile:       profile.Paper,
		Size:          space.Size{Cells: 1, Channels: 1, Classes: len(datasets.SpeechClasses), InputChannels: 40},
		Image:         98,
		Epochs:        120,
		StepsPerEpoch: 250,
		Batch:         100,
		Weights:       method.WeightsConfig{LearningRate: 0.1, Momentum: 0.9, WeightDecay: 1e-3},
		Schedule:      ScheduleExponential,
		DecayFactor:   0.1,
		DecayEpochs:   40,
		Dropout:       true,
		Granularity:   nn.Operation.String(),
		Sound:         &datasets.Sound{AsChannels: true, ShiftMS: 100, Noise: &datasets.Noise{Share: 0.8, Volume: 0.1}},
	}
}

// ScenesConfig is our recipe for networks of acoustic scenes: 1912.12825 gives none in the sources at hand.
func ScenesConfig() Config {
	return Config{
		Profile:     profile.Paper,
		Size:        space.Size{Cells: 1, Channels: 1, Classes: 1, InputChannels: 1},
		Image:       64,
		Epochs:      100,
		Batch:       64,
		Weights:     method.WeightsConfig{LearningRate: 0.05, Momentum: 0.9, WeightDecay: 1e-4, Clip: 5},
		Dropout:     true,
		Granularity: nn.Operation.String(),
		Sound: &datasets.Sound{ShiftMS: 500,
			SpecAugment: &datasets.SpecAugment{TimeMasks: 2, TimeWidth: 10, CoefficientMasks: 2, CoefficientWidth: 4}},
	}
}

// soundConfig is the published recipe for a network that hears.
func soundConfig(a arch.Network) Config {
	c := ScenesConfig()
	if Kind(a) == datasets.KindSpeech {
		c = SpeechConfig()
	}
	c.Sound.Features = *a.Features
	return c
}

// kind is what the recipe is for.
func (c Config) kind() datasets.Kind {
	switch {
	case c.Sound == nil:
		return datasets.KindImages
	case c.Sound.AsChannels:
		return datasets.KindSpeech
	}
	return datasets.KindScenes
}

// paperSound is the note of the full recipes.
const paperSound = "the published recipe where there is one: of speech TC-ResNet's; for scenes ours"

// soundProfiles are what a profile changes in the recipes for sound. The parts of ESC-10 at hand have a hundred clips or
// fewer, so that epochs of scenes are numbers of steps.
var soundProfiles = map[datasets.Kind]map[string]method.Profile{
	datasets.KindSpeech: {
		profile.Smoke: {
			Set:     `{"epochs": 2, "steps_per_epoch": 3, "batch": 8, "decay_epochs": 1}`,
			Note:    "seconds: 2 epochs of 3 steps, batch 8",
			Seconds: 1,
		},
		profile.Quick: {
			Set:     `{"epochs": 30, "steps_per_epoch": 20, "batch": 64, "decay_epochs": 10}`,
			Note:    "minutes: 30 epochs of 20 steps, batch 64, the rate falls to a tenth every 10",
			Seconds: 18,
		},
		profile.Day: {
			Set:  `{"epochs": 300, "steps_per_epoch": 0, "batch": 64, "decay_epochs": 100}`,
			Note: "300 epochs of batch 64, the rate falls to a tenth every 100; the full data set takes longer than a day on two cores",
		},
		profile.GPU: {
			Set:  `{"epochs": 30, "steps_per_epoch": 0, "decay_epochs": 10}`,
			Note: "30 epochs, the rate falls to a tenth every 10; not measured",
		},
		profile.Paper: {Note: paperSound},
	},
	datasets.KindScenes: {
		profile.Smoke: {
			Set:     `{"epochs": 2, "steps_per_epoch": 3, "batch": 8}`,
			Note:    "seconds: 2 epochs of 3 steps, batch 8",
			Seconds: 1,
		},
		profile.Quick: {
			Set:     `{"epochs": 40, "steps_per_epoch": 10, "batch": 16}`,
			Note:    "minutes: 40 epochs of 10 steps, batch 16",
			Seconds: 20,
		},
		profile.Day: {
			Set:  `{"epochs": 300, "steps_per_epoch": 20, "batch": 32}`,
			Note: "300 epochs of 20 steps, batch 32; its time was not measured",
		},
		profile.GPU: {
			Set:  `{"epochs": 100, "steps_per_epoch": 20, "batch": 32}`,
			Note: "100 epochs of 20 steps, batch 32; not measured",
		},
		profile.Paper: {Note: paperSound},
	},
}
