// Package train trains architectures from scratch, searched and random ones alike.
package train

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

// Config is a recipe for training an architecture from scratch.
type Config struct {
	Profile string     `json:"profile"`
	Seed    uint64     `json:"seed"`
	Size    space.Size `json:"size"`
	// Image is the side of the images in pixels; larger ones are halved until they fit.
	Image  int `json:"image"`
	Epochs int `json:"epochs"`
	// StepsPerEpoch is the number of batches an epoch; 0 takes a pass over the training images, without the last
	// batch where it is not full.
	StepsPerEpoch int `json:"steps_per_epoch"`
	Batch         int `json:"batch"`
	// Weights is SGD, its rate annealed by a cosine over the epochs.
	Weights search.WeightsConfig `json:"weights"`
	// Cutout is the side in pixels of the square that is set to zero in each training image, 0 for none.
	Cutout int `json:"cutout"`
	// AuxiliaryWeight multiplies the auxiliary head's loss; 0 leaves the head out.
	AuxiliaryWeight float64 `json:"auxiliary_weight"`
	// DropPath is the probability of dropping an edge for a sample, reached linearly: DropPath·epoch/Epochs with
	// epochs from 0.
	DropPath float64 `json:"drop_path"`
	// Granularity is operation, edge, cell or network. At operation all architectures of a size share executables,
	// so that many short trainings compile once; on a CPU it is the fastest step as well.
	Granularity string `json:"granularity"`
}

// DefaultConfig is the recipe of DARTS (1806.09055) and FairDARTS (1911.12126) for CIFAR-10: 20 cells of 36
// channels, 600 epochs of batch 96, SGD 0.025 to 0 by a cosine, momentum 0.9, decay 3e-4, clip 5, cutout 16,
// auxiliary head times 0.4, drop-path up to 0.2.
func DefaultConfig() Config {
	return Config{
		Profile:         "paper",
		Size:            space.Size{Cells: 20, Channels: 36, Classes: 10, InputChannels: 3},
		Image:           32,
		Epochs:          600,
		Batch:           96,
		Weights:         search.WeightsConfig{LearningRate: 0.025, Momentum: 0.9, WeightDecay: 3e-4, Clip: 5},
		Cutout:          16,
		AuxiliaryWeight: 0.4,
		DropPath:        0.2,
		Granularity:     nn.Operation.String(),
	}
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Size.Validate(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	for _, f := range []struct {
		name       string
		value, min int
	}{{"image", c.Image, 4}, {"epochs", c.Epochs, 1}, {"steps_per_epoch", c.StepsPerEpoch, 0}, {"batch", c.Batch, 2}, {"cutout", c.Cutout, 0}} {
		if f.value < f.min {
			return fmt.Errorf("config: %s: expected at least %d, got %d", f.name, f.min, f.value)
		}
	}
	if !(c.Weights.LearningRate > 0) {
		return fmt.Errorf("config: weights.learning_rate: expected more than 0, got %g", c.Weights.LearningRate)
	}
	if !(c.AuxiliaryWeight >= 0) {
		return fmt.Errorf("config: auxiliary_weight: expected at least 0, got %g", c.AuxiliaryWeight)
	}
	if c.AuxiliaryWeight > 0 && !space.AuxiliaryFits(c.Image) {
		return fmt.Errorf("config: auxiliary_weight: the auxiliary head needs images of 29 to 40 pixels, they have %d: set it to 0", c.Image)
	}
	if !(c.DropPath >= 0 && c.DropPath < 1) {
		return fmt.Errorf("config: drop_path: expected at least 0 and less than 1, got %g", c.DropPath)
	}
	if _, err := nn.ParseLevel(c.Granularity); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// objective is the composite that training differentiates: images [batch, height, width, channels], labels [batch]
// and with drop-path its factors [cells, edges, batch] to the loss, the auxiliary head's share included, and the
// number of correct samples, both scalars.
func objective(c Config, g arch.Genotype) (nn.Module, error) {
	net, err := space.Derived(c.Size, g, space.DerivedOptions{Auxiliary: c.AuxiliaryWeight > 0, DropPath: c.DropPath > 0})
	if err != nil {
		return nil, err
	}
	loss, weigh := engine.LossModule(0), weighted(c.AuxiliaryWeight)
	signature := fmt.Sprintf("training|%s|%s", net.Signature(), weigh.Signature())
	return nn.NewComposite(signature, nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		logits := e.Call("", net, append([]nn.Value{in[0]}, in[2:]...)...)
		out := e.Call("", loss, logits[0], in[1])
		if len(logits) > 1 {
			out[0] = nn.Call1(e, "", weigh, out[0], e.Call("", loss, logits[1], in[1])[0])
		}
		return out
	}), nil
}

// weighted is the leaf from two scalars to a + weight·b.
func weighted(weight float64) nn.Module {
	return nn.NewLeaf(fmt.Sprintf("weighted|%g", weight), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.Add(in[0], graph.MulScalar(in[1], weight))}
	})
}
