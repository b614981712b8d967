// Package fairdarts is FairDARTS (1911.12126): a sigmoid for each operation by itself, a loss that drives it to 0 or 1, and
// cells of what passes a threshold.
package fairdarts

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// Name of the method.
const Name = "fairdarts"

// Config is FairDARTS's configuration.
type Config struct {
	diff.Config
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
	c := Config{Config: diff.DefaultConfig(), ZeroOneWeight: DefaultLossWeight, ZeroOneForm: L2, Discretisation: MethodSparse, Threshold: DefaultThreshold}
	c.Batch, c.Primitives = 128, slices.Clone(space.FairDARTSPrimitives)
	c.Weights.LearningRate, c.Arch.LearningRate, c.Arch.Beta1 = 0.005, 3e-3, 0.9
	return c
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if err := ranges.In("zero_one_weight", c.ZeroOneWeight, 0, 1e6); err != nil {
		return fmt.Errorf("config: %w", err)
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

// quickRate says how quick departs from the other methods'.
const quickRate = "FairDARTS's architecture 0.1, for at 0.05 hardly a sigmoid reaches the threshold"

// Method is FairDARTS for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "FairDARTS", Paper: method.Paper{ArXiv: "1911.12126", Title: "Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search"},
		Spaces: diff.Spaces(), Data: datasets.CIFAR10Name,
		New:      method.From(DefaultConfig),
		Profiles: diff.Profiles(`{"arch": {"learning_rate": 0.1}}`, quickRate),
		Variants: []method.Variant{
			{Label: "no01", Title: "FairDARTS without zero-one loss", Set: `{"zero_one_weight": 0}`},
			{Label: "w1", Title: "FairDARTS with loss weight 1", Set: `{"zero_one_weight": 1}`},
			{Label: "l1", Title: "FairDARTS with L1 loss", Set: `{"zero_one_form": "l1"}`},
			diff.OnNASBench201("FairDARTS", quickRate),
		},
		Run: diff.Run(Search),
	}
}

// Search is what FairDARTS adds to the search of a configuration. Parameters start at 0, that is a weight of one half.
func Search(c *Config) diff.Method {
	m := diff.Method{
		Name: Name, Kind: run.Sigmoid,
		Relax: func(_ int, alpha *graph.Node, _ []*graph.Node) *graph.Node { return graph.Sigmoid(alpha) },
		Derive: func(s cells.Space, w [][][]float64) (arch.Genotype, string) {
			return Discretise(s, w[0], w[1], c.Discretisation, c.Threshold), fmt.Sprintf("%s, threshold %g", c.Discretisation, c.Threshold)
		},
	}
	if c.Discretisation != MethodDARTS {
		m.Threshold = c.Threshold
	}
	if c.ZeroOneWeight > 0 {
		m.Penalty = func(alphas []*graph.Node) *graph.Node { return ZeroOne(c.ZeroOneForm, c.ZeroOneWeight, alphas) }
	}
	return m
}

// ZeroOne is weight times the zero-one loss over all tables' parameters [14, operations], a scalar: -mean((σ(α)-1/2)²), or
// -mean(|σ(α)-1/2|) in the L1 form.
func ZeroOne(form Form, weight float64, alphas []*graph.Node) *graph.Node {
	distance := graph.AddScalar(graph.Sigmoid(graph.Concatenate(alphas, 0)), -0.5)
	if form == L1 {
		distance = graph.Abs(distance)
	} else {
		distance = graph.Mul(distance, distance)
	}
	return graph.MulScalar(graph.ReduceAllMean(distance), -weight)
}
