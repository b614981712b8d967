// Package train trains architectures from scratch, searched and random ones alike.
package train

import (
	"cmp"
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
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
	Weights method.WeightsConfig `json:"weights"`
	// Cutout is the side in pixels of the square that is set to zero in each training image, 0 for none.
	Cutout int `json:"cutout"`
	// AuxiliaryWeight multiplies the auxiliary head's loss; 0 leaves the head out.
	AuxiliaryWeight float64 `json:"auxiliary_weight"`
	// DropPath is the probability of dropping an edge for a sample, reached linearly: DropPath·epoch/Epochs with
	// epochs from 0.
	DropPath float64 `json:"drop_path"`
	// Schedule lets the rate fall over the epochs: cosine (also where it is empty), linear to 0, or exponential: times
	// DecayFactor every DecayEpochs epochs.
	Schedule    string  `json:"schedule,omitempty"`
	DecayFactor float64 `json:"decay_factor,omitempty"`
	DecayEpochs float64 `json:"decay_epochs,omitempty"`
	// WarmupEpochs raise the rate linearly at first.
	WarmupEpochs int `json:"warmup_epochs,omitempty"`
	// LabelSmoothing spreads this share of each target over all classes.
	LabelSmoothing float64 `json:"label_smoothing,omitempty"`
	// RMSProp takes the place of SGD; Weights then gives rate and clip only.
	RMSProp *engine.RMSProp `json:"rmsprop,omitempty"`
	// Average is the decay of the moving average that is tested in place of the weights, 0 for none.
	Average float64 `json:"average,omitempty"`
	// Dropout turns on the dropout that the architecture has before its classifier.
	Dropout bool `json:"dropout,omitempty"`
	// Jitter are the strengths of the colour jitter of images read from a folder: brightness, contrast, saturation, hue.
	Jitter *[4]float64 `json:"jitter,omitempty"`
	// Granularity is operation, edge, cell or network. At operation all architectures of a size share executables,
	// so that many short trainings compile once; on a CPU it is the fastest step as well.
	Granularity string `json:"granularity"`
	// Sound says how clips become arrays, nil for images.
	Sound *datasets.Sound `json:"sound,omitempty"`
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
		Weights:         method.WeightsConfig{LearningRate: 0.025, Momentum: 0.9, WeightDecay: 3e-4, Clip: 5},
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
	if err := cmp.Or(ranges.In("image", c.Image, 4, 4096), ranges.In("epochs", c.Epochs, 1, 1e6), ranges.In("steps_per_epoch", c.StepsPerEpoch, 0, 1e7),
		ranges.In("batch", c.Batch, 2, 1<<16), ranges.In("cutout", c.Cutout, 0, 4096), c.Weights.Validate(),
		ranges.In("auxiliary_weight", c.AuxiliaryWeight, 0, 1000), ranges.Below("label_smoothing", c.LabelSmoothing, 0, 1),
		ranges.Below("average", c.Average, 0, 1)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if c.WarmupEpochs < 0 || c.WarmupEpochs > c.Epochs {
		return fmt.Errorf("config: warmup_epochs: expected 0 to %d, got %d", c.Epochs, c.WarmupEpochs)
	}
	switch c.Schedule {
	case "", ScheduleCosine, ScheduleLinear:
	case ScheduleExponential:
		if !(c.DecayFactor > 0 && c.DecayFactor <= 1) || !(c.DecayEpochs > 0) {
			return fmt.Errorf("config: decay_factor and decay_epochs: expected a factor above 0 and at most 1 and epochs above 0, got %g and %g", c.DecayFactor, c.DecayEpochs)
		}
	default:
		return fmt.Errorf("config: schedule: expected %s, %s or %s, got %q", ScheduleCosine, ScheduleLinear, ScheduleExponential, c.Schedule)
	}
	if !(c.DropPath >= 0 && c.DropPath < 1) {
		return fmt.Errorf("config: drop_path: expected at least 0 and less than 1, got %g", c.DropPath)
	}
	if c.Sound != nil {
		if err := c.Sound.Validate(); err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	if _, err := nn.ParseLevel(c.Granularity); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// Schedules of the learning rate.
const (
	ScheduleCosine      = "cosine"
	ScheduleLinear      = "linear"
	ScheduleExponential = "exponential"
)

// rate is the learning rate of an epoch, which counts from 0.
func (c Config) rate(epoch int) float64 {
	w := c.Weights
	rate := engine.CosineRate(w.LearningRate, w.LearningRateMin, epoch, c.Epochs)
	switch c.Schedule {
	case ScheduleLinear:
		rate = w.LearningRate * float64(c.Epochs-epoch) / float64(c.Epochs)
	case ScheduleExponential:
		rate = w.LearningRate * math.Pow(c.DecayFactor, math.Floor(float64(epoch)/c.DecayEpochs))
	}
	if epoch < c.WarmupEpochs {
		rate *= float64(epoch+1) / float64(c.WarmupEpochs)
	}
	return rate
}

// rule is the optimizer's.
func (c Config) rule() engine.Rule {
	if c.RMSProp != nil {
		return *c.RMSProp
	}
	return engine.SGD{Momentum: c.Weights.Momentum, WeightDecay: c.Weights.WeightDecay}
}

// Network is the architecture of a genotype at the recipe's size.
func (c Config) Network(g arch.Genotype) arch.Network {
	return arch.Network{Input: [3]int{c.Image, c.Image, c.Size.InputChannels}, Classes: c.Size.Classes,
		Cells: &arch.CellNetwork{Stem: arch.StemCIFAR, Cells: c.Size.Cells, Channels: c.Size.Channels, Genotype: g}}
}

// parts says which inputs and outputs beside images and logits the training of an architecture has.
func (c Config) parts(a arch.Network) space.NetworkOptions {
	o := space.NetworkOptions{Auxiliary: c.AuxiliaryWeight > 0 && a.Cells != nil, DropPath: c.DropPath > 0 && a.Cells != nil,
		Dropout: c.Dropout && space.DropoutFeatures(a) > 0}
	if a.Cells != nil {
		g := a.Cells.Genotype
		o.Noise = g.Normal.Count(nn.Noise)+g.Reduce.Count(nn.Noise) > 0
	}
	return o
}

// objective is the composite that training differentiates: images [batch, height, width, channels], labels [batch] and
// the factors of drop-path [cells, edges, batch] or of dropout [batch, features] and the random states of noise [cells,
// edges, 3], where it has them, to the loss, the
// auxiliary head's share included, and the number of correct samples, both scalars.
func objective(c Config, a arch.Network) (nn.Module, error) {
	net, err := space.Network(a, c.parts(a))
	if err != nil {
		return nil, err
	}
	loss, weigh := engine.LossModule(c.LabelSmoothing), weighted(c.AuxiliaryWeight)
	signature := fmt.Sprintf("training|%s|%s|%s", net.Signature(), loss.Signature(), weigh.Signature())
	return nn.NewComposite(signature, nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		logits := e.Call("", net, append([]nn.Value{in[0]}, in[2:]...)...)
		out := e.Call("", loss, logits[0], in[1])
		if len(logits) > 1 {
			out[0] = nn.Call1(e, "", weigh, out[0], e.Call("", loss, logits[1], in[1])[0])
		}
		return out
	}), nil
}

// Fits reports what the recipe asks of an architecture that it cannot do.
func (c Config) Fits(a arch.Network) error {
	if c.parts(a).Auxiliary && !space.AuxiliaryHeadFits(a) {
		return fmt.Errorf("config: auxiliary_weight: the auxiliary head needs images of 29 to 40 pixels, of 193 to 224 in networks for ImageNet, they have %d: set it to 0", a.Input[0])
	}
	return nil
}

// weighted is the leaf from two scalars to a + weight·b.
func weighted(weight float64) nn.Module {
	return nn.NewLeaf(fmt.Sprintf("weighted|%g", weight), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.Add(in[0], graph.MulScalar(in[1], weight))}
	})
}
