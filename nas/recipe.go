package nas

import (
	"fmt"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
)

// TrainConfig is the recipe for training from scratch in a profile, with seed 0. Reduced profiles have no auxiliary
// head and no drop-path: they are too short to gain from them.
func TrainConfig(profile string) (train.Config, error) {
	p, err := LookupProfile(profile)
	if err != nil {
		return train.Config{}, fmt.Errorf("train: %w", err)
	}
	c := train.DefaultConfig()
	c.Profile = p.Name
	switch p.Name {
	case Smoke:
		c.Size.Cells, c.Size.Channels, c.Image = 3, 4, 8
		c.Epochs, c.StepsPerEpoch, c.Batch, c.Cutout = 2, 4, 8, 4
	case Quick:
		c.Size.Cells, c.Size.Channels, c.Image = 5, 8, 16
		c.Epochs, c.StepsPerEpoch, c.Batch, c.Cutout = 4, 50, 32, 8
	case GPU, Day:
		c.Size.Cells, c.Size.Channels = 8, 16
		if c.Epochs = 30; p.Name == Day {
			c.Epochs = 10
		}
	default:
		return c, nil
	}
	c.Weights.LearningRate = 0.05
	c.AuxiliaryWeight, c.DropPath = 0, 0
	return c, nil
}

// TrainNetworkConfig is the recipe for training a published network in a profile, with seed 0. The reduced profiles train
// a smaller network on smaller images: cells on CIFAR get the profile's size, which changes network; other networks
// stay as they are, on images of the profile's size or, for ImageNet's, on fewer and smaller ones.
func TrainNetworkConfig(profile string, network *arch.Network) (train.Config, error) {
	p, err := LookupProfile(profile)
	if err != nil {
		return train.Config{}, fmt.Errorf("train: %w", err)
	}
	c := train.ConfigFor(*network)
	c.Profile = p.Name
	if p.Name == Full {
		return c, nil
	}
	if network.Cells != nil && network.Cells.Stem == arch.StemCIFAR {
		small, err := TrainConfig(p.Name)
		if err != nil {
			return c, err
		}
		cells := *network.Cells
		cells.Cells, cells.Channels = small.Size.Cells, small.Size.Channels
		network.Cells = &cells
		small.Size.Classes = network.Classes
		return small, nil
	}
	if network.Cells == nil && network.Input[0] <= 32 {
		small, err := TrainConfig(p.Name)
		if err != nil {
			return c, err
		}
		small.Size = c.Size
		return small, nil
	}
	c.Epochs, c.StepsPerEpoch, c.Batch, c.WarmupEpochs, c.AuxiliaryWeight = 2, 20, 16, 0, 0
	if network.Input[0] > 32 {
		c.Image = 64
	}
	if p.Name == Smoke {
		c.StepsPerEpoch, c.Batch = 2, 4
		c.Image = min(c.Image, 32)
	}
	// The full recipes' rates are for batches of 256.
	c.Weights.LearningRate *= float64(c.Batch) / 256
	return c, nil
}

// Buildable is the genotype of a search over cells or, where no network can be built of it since a short search left a
// cell in which nothing reaches the threshold, that of the two strongest edges of every node; then asFound is false.
func Buildable(r search.Result) (g arch.Genotype, asFound bool) {
	if _, err := space.Derived(train.DefaultConfig().Size, r.Genotype, space.DerivedOptions{}); err == nil || len(r.History) == 0 {
		return r.Genotype, err == nil
	}
	last := r.History[len(r.History)-1]
	return fairdarts.Discretise(r.Primitives, last.NormalWeights, last.ReduceWeights, fairdarts.MethodDARTS, fairdarts.DefaultThreshold), false
}
