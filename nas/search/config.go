package search

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// WeightsConfig is the optimizer of the supernet's weights: SGD, its rate annealed by a cosine over the epochs.
type WeightsConfig struct {
	LearningRate    float64 `json:"learning_rate"`
	LearningRateMin float64 `json:"learning_rate_min"`
	Momentum        float64 `json:"momentum"`
	WeightDecay     float64 `json:"weight_decay"`
	// Clip is the largest global norm of the gradients, 0 for none.
	Clip float64 `json:"clip"`
}

// ArchConfig is the optimizer of the architecture parameters: Adam with L2 decay, at a constant rate.
type ArchConfig struct {
	LearningRate float64 `json:"learning_rate"`
	Beta1        float64 `json:"beta1"`
	Beta2        float64 `json:"beta2"`
	WeightDecay  float64 `json:"weight_decay"`
}

// NoiseConfig is FairDARTS's control: standard normal noise on the skip connections of stride 1, its scale
// annealed from 1 to 0 by a cosine over Epochs.
type NoiseConfig struct {
	Epochs int `json:"epochs"`
}

// CellSpace is the space of DARTS's cells.
const CellSpace = "S0"

// Base is what every search needs.
type Base struct {
	Profile string `json:"profile"`
	Seed    uint64 `json:"seed"`
	// Space is S0 for a search over cells, or one of space.PathSpaces.
	Space string `json:"space"`
	// Image is the side of the images in pixels; larger ones are halved until they fit.
	Image  int `json:"image"`
	Epochs int `json:"epochs"`
	// StepsPerEpoch are steps of the search; 0 takes a pass over the images that train the weights.
	StepsPerEpoch int `json:"steps_per_epoch"`
	Batch         int `json:"batch"`
	// Granularity is operation, edge, cell or network. It changes speed and rounding, not the mathematics.
	Granularity string `json:"granularity"`
}

// Validate reports the first field out of range.
func (b Base) Validate() error {
	for _, f := range []struct {
		name       string
		value, min int
	}{{"image", b.Image, 4}, {"epochs", b.Epochs, 1}, {"steps_per_epoch", b.StepsPerEpoch, 0}, {"batch", b.Batch, 2}} {
		if f.value < f.min {
			return fmt.Errorf("config: %s: expected at least %d, got %d", f.name, f.min, f.value)
		}
	}
	if _, err := nn.ParseLevel(b.Granularity); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// Config is what every search over a cell supernet needs. A method's own configuration embeds it.
type Config struct {
	Base
	Size       space.Size    `json:"size"`
	Primitives []string      `json:"primitives"`
	Weights    WeightsConfig `json:"weights"`
	Arch       ArchConfig    `json:"arch"`
	// SecondOrder unrolls one step of the weights (DARTS's architecture gradient by finite differences).
	SecondOrder bool `json:"second_order,omitempty"`
	// SkipNoise is nil without the control.
	SkipNoise *NoiseConfig `json:"skip_noise,omitempty"`
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Size.Validate(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := c.Base.Validate(); err != nil {
		return err
	}
	if c.Space != CellSpace {
		return fmt.Errorf("config: space: expected %s, got %q", CellSpace, c.Space)
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"weights.learning_rate", c.Weights.LearningRate}, {"arch.learning_rate", c.Arch.LearningRate}} {
		if !(f.value > 0) {
			return fmt.Errorf("config: %s: expected more than 0, got %g", f.name, f.value)
		}
	}
	if c.SkipNoise != nil && c.SkipNoise.Epochs < 1 {
		return fmt.Errorf("config: skip_noise.epochs: expected at least 1, got %d", c.SkipNoise.Epochs)
	}
	for _, p := range c.Primitives {
		if !slices.Contains(nn.Primitives, p) {
			return fmt.Errorf("config: primitives: unknown operation %q, expected some of %v", p, nn.Primitives)
		}
	}
	if len(c.Primitives) == 0 {
		return fmt.Errorf("config: primitives: expected some of %v", nn.Primitives)
	}
	return nil
}

// Method is what a paper adds to the search over a cell supernet.
type Method struct {
	Name string
	// Relax is the leaf from parameters [14, primitives] to mixing weights of the same shape; Weights is the
	// same for plain numbers.
	Relax   nn.Module
	Weights func(alphas [][]float64) [][]float64
	// Regulariser is nil, or the leaf from normal and reduction parameters to a scalar that the architecture's
	// loss adds as it is.
	Regulariser nn.Module
	// InitialScale multiplies the standard normal numbers that the parameters start from; 0 starts at 0.
	InitialScale float64
	// Derive discretises mixing weights; the second result names the rule used.
	Derive func(primitives []string, normal, reduce [][]float64) (arch.Genotype, string)
}

// objective is the composite that a search differentiates: images [batch, height, width, channels], labels
// [batch], normal and reduction parameters [14, primitives] (and the noise's states and scale) to the loss,
// the number of correct samples and the regulariser's part of the loss.
func objective(c Config, m Method) (nn.Module, error) {
	net, err := space.Supernet(c.Size, c.Primitives, space.Options{SkipNoise: c.SkipNoise != nil})
	if err != nil {
		return nil, err
	}
	loss, add := engine.LossModule(0), nn.Sum()
	regulariser, name := m.Regulariser, "none"
	if regulariser == nil {
		regulariser = nn.NewLeaf("no_regulariser", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
			return []*graph.Node{graph.ScalarZero(in[0].Graph(), in[0].DType())}
		})
	} else {
		name = regulariser.Signature()
	}
	signature := fmt.Sprintf("objective|%s|%s|%s", net.Signature(), m.Relax.Signature(), name)
	return nn.NewComposite(signature, nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		normal, reduce := nn.Call1(e, "", m.Relax, in[2]), nn.Call1(e, "", m.Relax, in[3])
		logits := nn.Call1(e, "", net, append([]nn.Value{in[0], normal, reduce}, in[4:]...)...)
		entropy := e.Call("", loss, logits, in[1])
		extra := nn.Call1(e, "", regulariser, in[2], in[3])
		return []nn.Value{nn.Call1(e, "", add, entropy[0], extra), entropy[1], extra}
	}), nil
}
