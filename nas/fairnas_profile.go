package nas

import (
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/space"
)

// fairNASProfile changes FairNAS's published protocol to a profile. The reduced profiles search this project's own space for
// small images.
func fairNASProfile(c *fairnas.Config, p Profile) {
	if p.Name == Full {
		return
	}
	e := *c.Evolution
	c.Evolution = &e
	c.Space, c.Image, c.Holdout = space.CIFARMobileName, 32, 0.1
	c.Weights.LearningRate, c.Weights.Clip = 0.1, 5
	switch p.Name {
	case Smoke:
		c.Image, c.Epochs, c.StepsPerEpoch, c.Batch, c.Recalibrate, c.Measure = 8, 2, 3, 8, 16, 32
		e.Population, e.Generations = 4, 2
	case Quick:
		c.Image, c.Epochs, c.StepsPerEpoch, c.Batch, c.Recalibrate, c.Measure = 16, 10, 15, 32, 64, 256
		e.Population, e.Generations = 24, 6
	case GPU:
		c.Epochs, c.Batch, c.Recalibrate, c.Measure = 40, 256, 256, 2000
		e.Population, e.Generations = 50, 20
	case Day:
		c.Epochs, c.Batch, c.Recalibrate, c.Measure = 30, 64, 128, 1000
		e.Population, e.Generations = 50, 20
	}
}

// RankOnly makes a configuration of FairNAS one that ranks networks of NAS-Bench-Macro, whose accuracies are known, and
// searches none. At quick the supernet has a quarter of the channels: a whole one learns too little in half a minute (300
// steps of batch 32 at 0.05: tau-b 0.15 and 0.04 for the seeds 0 and 1). Width, batch and rate were chosen with the
// seeds 0 to 2, which the profile runs.
func RankOnly(c *fairnas.Config) {
	c.Space, c.Evolution = space.NASBenchMacroName, nil
	switch c.Profile {
	case Smoke:
		c.Rank = 20
	case Quick:
		c.Width, c.Weights.LearningRate = 0.25, 0.2
		c.StepsPerEpoch, c.Measure, c.Rank = 80, 336, 400
	case GPU:
		c.Epochs, c.Measure, c.Rank = 8, 1024, 1000
	case Day:
		c.Rank = 6561
	default:
		c.Image, c.Holdout, c.Rank = 32, 0.1, 6561
	}
}
