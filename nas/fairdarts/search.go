package fairdarts

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "fairdarts"

// Config is FairDARTS's configuration.
type Config struct {
	search.Config
	// ZeroOneWeight multiplies the zero-one loss (w01); 0 leaves it out.
	ZeroOneWeight float64 `json:"zero_one_weight"`
	// ZeroOneForm is l2 (the paper's loss) or l1 (its variant).
	ZeroOneForm Form `json:"zero_one_form"`
	// Discretisation is one of the methods of [Discretise], Threshold the weight that an operation must reach.
	Discretisation string  `json:"discretisation"`
	Threshold      float64 `json:"threshold"`
}

// DefaultConfig is the search of FairDARTS (1911.12126) on CIFAR-10, from the official code: 8 cells, 16 channels,
// 50 epochs, batch 128; SGD 0.005 to 0.001 by a cosine, momentum 0.9, decay 3e-4, clip 5; Adam 3e-3 with betas
// 0.9 and 0.999, decay 1e-3; zero-one loss times 10; threshold 0.85, at most two edges a node.
func DefaultConfig() Config {
	return Config{
		Config: search.Config{
			Base:       search.Base{Profile: "paper", Space: search.CellSpace, Image: 32, Epochs: 50, Batch: 128, Granularity: nn.Edge.String()},
			Size:       space.Size{Cells: 8, Channels: 16, Classes: 10, InputChannels: 3},
			Primitives: space.FairDARTSPrimitives,
			Weights:    search.WeightsConfig{LearningRate: 0.005, LearningRateMin: 0.001, Momentum: 0.9, WeightDecay: 3e-4, Clip: 5},
			Arch:       search.ArchConfig{LearningRate: 3e-3, Beta1: 0.9, Beta2: 0.999, WeightDecay: 1e-3},
		},
		ZeroOneWeight:  DefaultLossWeight,
		ZeroOneForm:    L2,
		Discretisation: MethodSparse,
		Threshold:      DefaultThreshold,
	}
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.ZeroOneWeight < 0 {
		return fmt.Errorf("config: zero_one_weight: expected at least 0, got %g", c.ZeroOneWeight)
	}
	if c.ZeroOneForm != L1 && c.ZeroOneForm != L2 {
		return fmt.Errorf("config: zero_one_form: expected %q or %q, got %q", L1, L2, c.ZeroOneForm)
	}
	if c.Discretisation != MethodDARTS && c.Discretisation != MethodSparse && c.Discretisation != MethodEdge {
		return fmt.Errorf("config: discretisation: expected %q, %q or %q, got %q", MethodDARTS, MethodSparse, MethodEdge, c.Discretisation)
	}
	if !(c.Threshold > 0 && c.Threshold < 1) {
		return fmt.Errorf("config: threshold: expected between 0 and 1, got %g", c.Threshold)
	}
	return nil
}

// Method is what FairDARTS adds to the loop: a sigmoid for each operation by itself, the zero-one loss, and
// discretisation by a threshold. Parameters start at 0, that is a weight of one half.
func Method(c Config) search.Method {
	m := search.Method{
		Name:  Name,
		Relax: nn.SigmoidWeights(),
		Weights: func(alphas [][]float64) [][]float64 {
			rows := make([][]float64, len(alphas))
			for i, a := range alphas {
				rows[i] = make([]float64, len(a))
				for k, v := range a {
					rows[i][k] = Sigmoid(v)
				}
			}
			return rows
		},
		Derive: func(primitives []string, normal, reduce [][]float64) (arch.Genotype, string) {
			return Discretise(primitives, normal, reduce, c.Discretisation, c.Threshold),
				fmt.Sprintf("%s, threshold %g", c.Discretisation, c.Threshold)
		},
	}
	if c.ZeroOneWeight > 0 {
		m.Regulariser = ZeroOne(c.ZeroOneForm, c.ZeroOneWeight)
	}
	return m
}

// ZeroOne is the leaf from normal and reduction parameters [14, primitives] to weight times the zero-one loss
// over all of them, a scalar: -mean((σ(α)-1/2)²), or -mean(|σ(α)-1/2|) in the L1 form.
func ZeroOne(form Form, weight float64) nn.Module {
	return nn.NewLeaf(fmt.Sprintf("zero_one|%s|%g", form, weight), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		distance := graph.AddScalar(graph.Sigmoid(graph.Concatenate(in, 0)), -0.5)
		if form == L1 {
			distance = graph.Abs(distance)
		} else {
			distance = graph.Mul(distance, distance)
		}
		return []*graph.Node{graph.MulScalar(graph.ReduceAllMean(distance), -weight)}
	})
}

// Search searches space S0 by FairDARTS on one half of images for the weights and the other for the architecture.
func Search(ctx context.Context, e *engine.Engine, images *datasets.Images, c Config, o search.Options) (*search.Result, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	return search.Bilevel(ctx, e, images, c.Config, Method(c), o)
}
