package nas

import (
	"fmt"

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
	default:
		return c, nil
	}
	c.Weights.LearningRate = 0.05
	c.AuxiliaryWeight, c.DropPath = 0, 0
	return c, nil
}
