// Package dartsminus is DARTS- (2009.01027): DARTS with an auxiliary skip beside every mixed edge, whose coefficient β
// fades out over the search, so that the candidate skip need not stabilise the gradients and does not win for that.
package dartsminus

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "dartsminus"

// Schedules of β over the epochs, as the official code has them (src/utils.py, DecayScheduler).
const (
	// Linear falls in a line, Cosine along half a wave and SlowCosine along a quarter of one.
	Linear     = "linear"
	Cosine     = "cosine"
	SlowCosine = "slow_cosine"
	// Constant does not fall: None in the official code.
	Constant = "constant"
)

var schedules = []string{Linear, Cosine, SlowCosine, Constant}

// Auxiliary operations.
const (
	// Skip is the identity at stride 1 and a factorised reduction without affine parameters at stride 2.
	Skip = "skip"
	// Conv1 is a 1×1 convolution that starts as the identity.
	Conv1 = "conv1"
)

// Config is DARTS-'s configuration.
type Config struct {
	diff.Config
	// Beta is how the auxiliary skip's coefficient falls.
	Beta BetaConfig `json:"beta"`
	// Auxiliary is skip or conv1.
	Auxiliary string `json:"auxiliary"`
}

// BetaConfig is β's schedule.
type BetaConfig struct {
	// First is β at the start, β0 in the paper.
	First float64 `json:"first"`
	// Schedule is linear, cosine, slow_cosine or constant.
	Schedule string `json:"schedule"`
	// Start and Stop are the epochs between which β moves; a Stop of 0 is the end of the search.
	Start int `json:"start,omitempty"`
	Stop  int `json:"stop,omitempty"`
}

// At is β in an epoch, from 0, of a search of so many: linear β0 (T - e) / (T - start), cosine β0 (1 + cos(π e / (T -
// start))) / 2, slow cosine β0 cos(π e / 2(T - start)), where e is the epoch itself and not what has passed since the start.
// Before the start it is 1, whatever β0 is, and behind the stop it stays. The last epoch is T-1, so that a linear β never
// reaches 0.
func (b BetaConfig) At(epoch, epochs int) float64 {
	if b.Schedule == Constant {
		return b.First
	}
	if epoch < b.Start {
		return 1
	}
	if b.Stop > 0 {
		epoch = min(epoch, b.Stop)
	}
	e, over := float64(epoch), float64(epochs-b.Start)
	switch b.Schedule {
	case Cosine:
		return b.First * (1 + math.Cos(math.Pi*e/over)) / 2
	case SlowCosine:
		return b.First * math.Cos(math.Pi/2*e/over)
	}
	return b.First * (float64(epochs) - e) / over
}

// DefaultConfig is the search of DARTS- (2009.01027) on CIFAR-10 in S0, from the official code: DARTS's protocol, β from 1
// to 0 in a line over the 50 epochs, set at the start of each.
func DefaultConfig() Config {
	return Config{Config: diff.DefaultConfig(), Beta: BetaConfig{First: 1, Schedule: Linear}, Auxiliary: Skip}
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if !(c.Beta.First >= 0 && c.Beta.First <= 1) {
		return fmt.Errorf("config: beta.first: expected 0 to 1, got %g", c.Beta.First)
	}
	if !slices.Contains(schedules, c.Beta.Schedule) {
		return fmt.Errorf("config: beta.schedule: expected one of %s, got %q", strings.Join(schedules, ", "), c.Beta.Schedule)
	}
	if c.Beta.Start < 0 || c.Beta.Start >= c.Epochs {
		return fmt.Errorf("config: beta.start: expected 0 to %d, got %d", c.Epochs-1, c.Beta.Start)
	}
	if s := c.Beta.Stop; s != 0 && (s < c.Beta.Start || s > c.Epochs) {
		return fmt.Errorf("config: beta.stop: expected 0, or %d to %d, got %d", c.Beta.Start, c.Epochs, s)
	}
	if c.Auxiliary != Skip && c.Auxiliary != Conv1 {
		return fmt.Errorf("config: auxiliary: expected %q or %q, got %q", Skip, Conv1, c.Auxiliary)
	}
	return nil
}

// first is the variant with another β0.
func first(label string, beta float64) method.Variant {
	return method.Variant{Label: label, Title: fmt.Sprintf("DARTS-, β0 = %g", beta), Set: fmt.Sprintf(`{"beta": {"first": %g}}`, beta)}
}

// Method is DARTS- for the registry; its variants are those of the paper's ablation of β0.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "DARTS-", Paper: method.Paper{ArXiv: "2009.01027", Title: "DARTS-: Robustly Stepping out of Performance Collapse Without Indicators"},
		Spaces: diff.Spaces(), Data: datasets.CIFAR10Name,
		New:      method.From(DefaultConfig),
		Profiles: diff.Profiles("", ""),
		Variants: []method.Variant{
			first("beta0", 0), first("beta01", 0.1), first("beta04", 0.4), first("beta07", 0.7),
			{Label: "constant", Title: "DARTS-, constant β", Set: `{"beta": {"schedule": "constant"}}`},
			diff.OnNASBench201("DARTS-", ""),
			diff.Curvature("DARTS-"),
		},
		Run: diff.Run(Search),
	}
}

// Search is what DARTS- adds to DARTS: an edge's output is β·auxiliary(x) + Σ softmax(α)_o o(x). The auxiliary operation
// plays no part in the derived cells.
func Search(c *Config) diff.Method {
	m := diff.DARTS()
	m.Name = Name
	m.Inputs = []diff.Input{diff.Schedule("beta", func(of diff.Config, epoch int) float64 { return c.Beta.At(epoch, of.Epochs) })}
	m.Edge = func(at space.EdgeAt, ops []string) (nn.Module, error) { return Edge(at, ops, c.Auxiliary) }
	return m
}

// Edge is the weighted sum of operations and, beside it, β times the auxiliary operation; β is the first of the method's
// own inputs.
func Edge(at space.EdgeAt, ops []string, auxiliary string) (nn.Module, error) {
	mixed, err := nn.MixedEdge(ops, at.Channels, at.Stride)
	if err != nil {
		return nil, err
	}
	beside, err := auxiliaryOp(at.Channels, at.Stride, auxiliary)
	if err != nil {
		return nil, err
	}
	return nn.Beside(mixed, "auxiliary_op", beside, at.Own), nil
}

// auxiliaryOp takes x [batch, height, width, channels] and β, a scalar, to β times the operation of x.
func auxiliaryOp(channels, stride int, auxiliary string) (nn.Module, error) {
	if auxiliary == Conv1 {
		return nn.IdentityConv(channels, stride), nil
	}
	return nn.SearchPrimitive(nn.SkipConnect, channels, stride)
}
