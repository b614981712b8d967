// Package noisydarts is NoisyDARTS (2005.03566): DARTS with noise on the skip connections while the supernet trains, so that
// the optimizer of the architecture sees noisy gradients for them and leans on them less. Noise of mean 0 leaves the
// expected gradient as it is.
package noisydarts

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "noisydarts"

// Kinds of noise, and how it meets the skip's output.
const (
	Gaussian, Uniform        = "gaussian", "uniform"
	Additive, Multiplicative = "additive", "multiplicative"
)

// Config is NoisyDARTS's configuration.
type Config struct {
	diff.Config
	Noise Noise `json:"noise"`
	// DropPath is the probability with which a sample loses a skip's output in training, scaled up where it stays. The
	// paper does not have it. The official code (train_search.py) leaves Network's default of 0.3 as it is, so that it acts
	// on every skip of a search; there it acts in evaluation too, and in place, on the edge's own input.
	DropPath float64 `json:"drop_path,omitempty"`
}

// Noise says what the skips get, as the official code (model_search.py, NoiseOp) has it.
type Noise struct {
	// Kind is gaussian or uniform, Mixture additive or multiplicative.
	Kind    string `json:"kind"`
	Mixture string `json:"mixture"`
	// Factor is λ: additive Gaussian noise on x has λ times the standard deviation of all of x, multiplicative one λ itself.
	// Uniform noise has the variance λ, whatever x is.
	Factor float64 `json:"factor"`
	Mean   float64 `json:"mean"`
	// Decay fades noise by a cosine over the search, which has 50 epochs in the official code as its cosine has; a
	// multiplicative noise takes the output of the skip with it.
	Decay bool `json:"decay"`
}

// At are mean and scale of an epoch, from 0, of a search of so many. Scale multiplies the raw numbers: standard normal ones,
// for additive noise times the standard deviation of x, or ones uniform between -1 and 1.
func (n Noise) At(epoch, epochs int) (mean, scale float64) {
	mean, scale = n.Mean, n.Factor
	if n.Kind == Uniform {
		scale = math.Sqrt(3 * n.Factor)
	}
	if n.Decay {
		rate := engine.CosineRate(1, 0, epoch, epochs)
		return mean * rate, scale * rate
	}
	return mean, scale
}

// DefaultConfig is the search of NoisyDARTS-a (2005.03566) on CIFAR-10 from the official code: DARTS's, but for batch 128, a
// rate of the weights from 0.05, and operations without none; additive Gaussian noise, λ 0.2.
func DefaultConfig() Config {
	c := Config{Config: diff.DefaultConfig(), Noise: Noise{Kind: Gaussian, Mixture: Additive, Factor: 0.2}}
	c.Batch, c.Weights.LearningRate, c.Primitives = 128, 0.05, slices.Clone(space.FairDARTSPrimitives)
	return c
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	n := c.Noise
	switch err := c.Config.Validate(); {
	case err != nil:
		return err
	case n.Kind != Gaussian && n.Kind != Uniform:
		return fmt.Errorf("config: noise.kind: expected %q or %q, got %q", Gaussian, Uniform, n.Kind)
	case n.Mixture != Additive && n.Mixture != Multiplicative:
		return fmt.Errorf("config: noise.mixture: expected %q or %q, got %q", Additive, Multiplicative, n.Mixture)
	}
	if err := cmp.Or(ranges.In("noise.factor", n.Factor, 0, 1000), ranges.In("noise.mean", n.Mean, -5, 5), ranges.Below("drop_path", c.DropPath, 0, 1)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// variant is one whose noise differs in these fields.
func variant(label, title, noise string) method.Variant {
	return method.Variant{Label: label, Title: "NoisyDARTS" + title, Set: `{"noise": {` + noise + `}}`}
}

// Method is NoisyDARTS for the registry. Its variants are those of the paper's ablation, NoisyDARTS-a being the method
// itself: as-b searches as b was searched for, while noisydarts-b is the published network of the zoo. Of e and f the
// README exchanges the two λ; here they are as in the script that made them, and so is the decay of g to j.
func Method() method.Method {
	const times = `"mixture": "multiplicative", "mean": 1`
	return method.Method{
		Name: Name, Title: "NoisyDARTS", Paper: method.Paper{ArXiv: "2005.03566", Title: "Noisy Differentiable Architecture Search"},
		Spaces: diff.Spaces(), Data: datasets.CIFAR10Name,
		New:      method.From(DefaultConfig),
		Profiles: diff.Profiles("", ""),
		Variants: []method.Variant{
			variant("none", " without noise", `"factor": 0`),
			variant("as-b", ", λ 0.1", `"factor": 0.1`),
			variant("as-c", ", uniform, λ 0.2", `"kind": "uniform"`),
			variant("as-d", ", uniform, λ 0.1", `"kind": "uniform", "factor": 0.1`),
			variant("as-e", ", multiplicative, λ 0.2", times),
			variant("as-f", ", multiplicative, λ 0.1", times+`, "factor": 0.1`),
			variant("as-g", ", mean 0.5", `"mean": 0.5, "decay": true`),
			variant("as-h", ", mean 1", `"mean": 1, "decay": true`),
			variant("as-i", ", λ 0.1, mean 0.5", `"factor": 0.1, "mean": 0.5, "decay": true`),
			variant("as-j", ", λ 0.1, mean 1", `"factor": 0.1, "mean": 1, "decay": true`),
			{Label: "drop-path", Title: "NoisyDARTS, drop path on skips", Set: `{"drop_path": 0.3}`},
			diff.OnNASBench201("NoisyDARTS", ""),
			diff.OverLandscape("NoisyDARTS"),
		},
		Run: diff.Run(Search),
	}
}

// Search is what NoisyDARTS adds to DARTS: noise on the outputs of skip connections. The derived cells have none.
func Search(c *Config) diff.Method {
	m := diff.DARTS()
	m.Name = Name
	m.Inputs = []diff.Input{
		diff.States("skip_states", 0x401575),
		diff.Schedule("noise_mean", func(of diff.Config, epoch int) float64 { mean, _ := c.Noise.At(epoch, of.Epochs); return mean }),
		diff.Schedule("noise_scale", func(of diff.Config, epoch int) float64 { _, scale := c.Noise.At(epoch, of.Epochs); return scale }),
	}
	m.Edge = func(at space.EdgeAt, ops []string) (nn.Module, error) { return Edge(at, ops, *c, Drawn(c.Noise.Kind)) }
	return m
}

// Edge is the weighted sum of operations with noise on the skip connection, of raw numbers from a source such as [Drawn].
// Behind the weights it takes a random state, uint64 [3], and mean and scale of the noise.
func Edge(at space.EdgeAt, ops []string, c Config, source nn.Module) (nn.Module, error) {
	list, err := nn.MixedOps(ops, at.Channels, at.Stride)
	if err != nil {
		return nil, err
	}
	for k, name := range ops {
		if name == nn.SkipConnect {
			list[k] = nn.MixedOp{Module: Skip(list[k].Module, c, source), Inputs: []int{at.Own, at.Own + 1, at.Own + 2}}
		}
	}
	return nn.Mixed(list)
}

// Drawn is the source of a kind's raw numbers, of the shape of x: inputs x and a random state uint64 [3].
func Drawn(kind string) nn.Module {
	return nn.NewLeaf("drawn "+kind, nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		if kind == Uniform {
			_, u := graph.RandomUniform(in[1], in[0].Shape())
			return []*graph.Node{graph.AddScalar(graph.MulScalar(u, -2), 1)}
		}
		return []*graph.Node{nn.StandardNormal(in[1], in[0].Shape())}
	})
}

// Skip is gain·(op(x) + noise), or gain·op(x)·noise, in training, and gain·op(x) in evaluation. Inputs: x [batch, height,
// width, channels], gain, a scalar, a random state uint64 [3], mean and scale of the noise, scalars.
func Skip(op nn.Module, c Config, source nn.Module) nn.Module {
	scaled := c.Noise.Kind == Gaussian && c.Noise.Mixture == Additive
	noisy := nn.NewLeaf(fmt.Sprintf("noisy|%s|scaled=%t|drop=%g", c.Noise.Mixture, scaled, c.DropPath), nil, func(ctx *nn.Ctx, in []*graph.Node) []*graph.Node {
		y, raw, gain, state, mean, scale := in[0], in[1], in[2], in[3], in[4], in[5]
		if !ctx.Train {
			return []*graph.Node{graph.Mul(y, gain)}
		}
		if scaled {
			scale = graph.Mul(scale, nn.StandardDeviation(y))
		}
		// As in the official code, the noise is a constant in the backward pass.
		noise := graph.StopGradient(graph.Add(graph.Mul(raw, scale), mean))
		if c.Noise.Mixture == Additive {
			y = graph.Add(y, noise)
		} else {
			y = graph.Mul(y, noise)
		}
		if c.DropPath > 0 {
			_, state = graph.RNGStateSplit(state)
			y = nn.DropPath(y, nn.DropPathScale(state, y, c.DropPath))
		}
		return []*graph.Node{graph.Mul(y, gain)}
	})
	signature := fmt.Sprintf("noisy|%s|%s|%s", op.Signature(), source.Signature(), noisy.Signature())
	return nn.NewComposite(signature, nn.Operation, []nn.Child{{Module: op}}, func(e nn.Env, in []nn.Value) []nn.Value {
		y := nn.Call1(e, "", op, in[0])
		return e.Call("", noisy, append([]nn.Value{y, nn.Call1(e, "", source, y, in[2])}, in[1:]...)...)
	})
}
