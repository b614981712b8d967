package darts

import (
	"context"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "darts"

// Config is DARTS's configuration: that of the loop, nothing more.
type Config struct {
	search.Config
}

// DefaultConfig is the search of DARTS (1806.09055) on CIFAR-10: 8 cells, 16 channels, 50 epochs, batch 64; SGD
// 0.025 to 0.001 by a cosine, momentum 0.9, decay 3e-4, clip 5; Adam 3e-4 with betas 0.5 and 0.999, decay 1e-3.
func DefaultConfig() Config {
	return Config{search.Config{
		Base:       search.Base{Profile: "paper", Space: search.CellSpace, Image: 32, Epochs: 50, Batch: 64, Granularity: nn.Edge.String()},
		Size:       space.Size{Cells: 8, Channels: 16, Classes: 10, InputChannels: 3},
		Primitives: space.DARTSPrimitives,
		Weights:    search.WeightsConfig{LearningRate: 0.025, LearningRateMin: 0.001, Momentum: 0.9, WeightDecay: 3e-4, Clip: 5},
		Arch:       search.ArchConfig{LearningRate: 3e-4, Beta1: 0.5, Beta2: 0.999, WeightDecay: 1e-3},
	}}
}

// Validate reports the first field out of range.
func (c Config) Validate() error { return c.Config.Validate() }

// initialScale is the standard deviation of the parameters at the start in the official code.
const initialScale = 1e-3

// Method is what DARTS adds to the loop: softmax over an edge's operations, and two edges a node.
func Method() search.Method {
	return search.Method{
		Name:         Name,
		Relax:        nn.SoftmaxWeights(),
		InitialScale: initialScale,
		Weights: func(alphas [][]float64) [][]float64 {
			rows := make([][]float64, len(alphas))
			for i, a := range alphas {
				rows[i] = Softmax(a)
			}
			return rows
		},
		Derive: func(primitives []string, normal, reduce [][]float64) (arch.Genotype, string) {
			return Discretise(primitives, normal, reduce), "two edges a node"
		},
	}
}

// Search searches space S0 by DARTS on one half of images for the weights and the other for the architecture.
func Search(ctx context.Context, e *engine.Engine, images *datasets.Images, c Config, o search.Options) (*search.Result, error) {
	return search.Bilevel(ctx, e, images, c.Config, Method(), o)
}
