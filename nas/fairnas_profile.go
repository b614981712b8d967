package nas

import (
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/space"
)

// fairNASNotes are the notes of [fairNASProfile].
var fairNASNotes = map[string]string{
	Smoke: "seconds: cifar_mobile, 8×8 pixels, 2 epochs of 3 steps, batch 8, 2 generations of 4 paths; rate 0.1, clipped; shows that everything works and nothing else",
	Quick: "minutes: cifar_mobile, 16×16 pixels, 10 epochs of 15 steps, batch 32, 6 generations of 24 paths measured on 256 images; rate 0.1, clipped",
	GPU:   "cifar_mobile on whole images, 40 epochs of batch 256, 20 generations of 50 paths measured on 2,000 images; rate 0.1, clipped; its time was not measured",
	Day:   "cifar_mobile on whole images, 30 epochs of batch 64, 20 generations of 50 paths measured on 1,000 images; rate 0.1, clipped; its time was not measured",
	Full:  "the published protocol, as far as it is known",
}

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
