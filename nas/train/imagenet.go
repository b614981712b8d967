package train

import (
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// ImageNetCellConfig is the recipe of DARTS's networks for ImageNet as the code of DARTS- (2009.01027) has it,
// src/eval/train_imagenet.py: 250 epochs of batch 256, SGD 0.1 falling linearly, momentum 0.9, decay 3e-5, clip 5, label
// smoothing 0.1, auxiliary head times 0.4, colour jitter.
func ImageNetCellConfig() Config {
	return Config{
		Profile: "paper", Image: 224, Epochs: 250, Batch: 256,
		Size:     space.Size{Cells: 14, Channels: 48, Classes: 1000, InputChannels: 3},
		Weights:  method.WeightsConfig{LearningRate: 0.1, Momentum: 0.9, WeightDecay: 3e-5, Clip: 5},
		Schedule: ScheduleLinear, LabelSmoothing: 0.1, AuxiliaryWeight: 0.4, Jitter: &[4]float64{0.4, 0.4, 0.4, 0.2},
		Granularity: nn.Operation.String(),
	}
}

// ImageNetMobileConfig is a recipe for the mobile networks (FairNAS, MoGA, SCARLET, NoisyDARTS-A, MobileNetV2). Their
// papers do not print one; this is the one of MnasNet (1807.11626), which they say or seem to follow: 350 epochs of
// batch 256, RMSProp with decay and momentum 0.9, rate 0.016 times 0.97 every 2.4 epochs after 5 of warm-up, decay 1e-5,
// label smoothing 0.1, the network's dropout, a moving average of 0.9999. All of it is from memory and unverified.
func ImageNetMobileConfig() Config {
	return Config{
		Profile: "paper", Image: 224, Epochs: 350, Batch: 256,
		Size:     space.Size{Cells: 1, Channels: 1, Classes: 1000, InputChannels: 3},
		Weights:  method.WeightsConfig{LearningRate: 0.016},
		RMSProp:  &engine.RMSProp{Alpha: 0.9, Epsilon: 1e-3, Momentum: 0.9, WeightDecay: 1e-5},
		Schedule: ScheduleExponential, DecayFactor: 0.97, DecayEpochs: 2.4, WarmupEpochs: 5,
		LabelSmoothing: 0.1, Average: 0.9999, Dropout: true,
		Granularity: nn.Operation.String(),
	}
}

// ConfigFor is the full recipe for an architecture: [DefaultConfig] for cells on CIFAR, and without drop-path and auxiliary
// head for other networks on images of at most 32 pixels; the ImageNet ones otherwise.
func ConfigFor(a arch.Network) Config {
	var c Config
	switch {
	case a.Features != nil:
		c = soundConfig(a)
	case a.Cells == nil && a.Input[0] <= 32:
		c = DefaultConfig()
		c.Size, c.DropPath, c.AuxiliaryWeight = space.Size{Cells: 1, Channels: 1}, 0, 0
	case a.Cells == nil:
		c = ImageNetMobileConfig()
	case a.Cells.Stem == arch.StemImageNet:
		c = ImageNetCellConfig()
	default:
		c = DefaultConfig()
	}
	if a.Cells != nil {
		c.Size.Cells, c.Size.Channels = a.Cells.Cells, a.Cells.Channels
	}
	c.Image, c.Size.Classes, c.Size.InputChannels = a.Input[0], a.Classes, a.Input[2]
	return c
}
