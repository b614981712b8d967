// Package ascnas is neural architecture search on acoustic scene classification (1912.12825): a hand-made baseline whose
// kernels look along time and along frequency in turn, a supernet of its kernels and expansions, and NSGA-II over macro F1 and
// multiply-adds.
package ascnas

import (
	"context"
	"fmt"
	"slices"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// Name of the method.
const Name = "ascnas"

// Config is the method's configuration. Image is not used: Sound says how large samples are.
type Config struct {
	oneshot.Config
	// MACsShare bounds the multiply-adds of the network that is chosen of the front, as a share of the baseline's.
	MACsShare float64 `json:"macs_share"`
	// Baseline derives the hand-made baseline and searches nothing, so that it is trained beside what was found.
	Baseline bool `json:"baseline"`
}

// Validate reports the first field out of range.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.Sound == nil {
		return fmt.Errorf("config: sound: expected how clips become arrays, got none")
	}
	if c.Sound.AsChannels {
		return fmt.Errorf("config: sound: as_channels: expected false, for kernels along frequency need it as an axis, got true")
	}
	if !(c.MACsShare > 0 && c.MACsShare <= 1) {
		return fmt.Errorf("config: macs_share: expected above 0 and at most 1, got %g", c.MACsShare)
	}
	if c.Baseline && c.Evolution != nil {
		return fmt.Errorf("config: evolution: expected none where the baseline is derived")
	}
	return nil
}

// DefaultConfig is the search at the size of DCASE2018's task 5. Of the paper only the abstract is at hand: a baseline in the
// manner of MobileNetV2 with kernels of one direction, one supernet, NSGA-II over F1 and FLOPs, and a network of 25 % fewer FLOPs
// than the baseline, whence MACsShare. Underspecified, and therefore ours: the space's channels and choices (see
// [space.Scenes]), strict fairness, front end, masks and shifts. Rate, decay, batch, epochs and population are those recalled for
// FairNAS, by the same authors, and unverified; holdout and generations are ours. Clips are held out at random, so that some of a
// recording's may train and others measure; the test's folds rule that out.
func DefaultConfig() Config {
	return Config{MACsShare: 0.75, Config: oneshot.Config{
		Common: method.Common{Profile: profile.Paper, Space: space.ScenesName, Image: 40, Epochs: 150, Batch: 256, Granularity: nn.Edge.String(),
			Sound: &datasets.Sound{Features: space.SceneFeatures(), ShiftMS: 500,
				SpecAugment: &datasets.SpecAugment{TimeMasks: 2, TimeWidth: 10, CoefficientMasks: 2, CoefficientWidth: 4}}},
		Sampling:    oneshot.Strict,
		Weights:     method.WeightsConfig{LearningRate: 0.045, Momentum: 0.9, WeightDecay: 4e-5},
		Metric:      oneshot.MetricMacroF1,
		Holdout:     0.1,
		Recalibrate: 256,
		Evolution:   &oneshot.EvolutionConfig{Population: 70, Generations: 120, Params: evolve.Minimise},
	}}
}

// Method is the search for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "ASC-NAS", Paper: method.Paper{ArXiv: "1912.12825", Title: "Neural Architecture Search on Acoustic Scene Classification"},
		Spaces: []string{space.SmallScenesName, space.ScenesName}, Data: datasets.DomesticName,
		New:      method.From(DefaultConfig),
		Profiles: profiles(),
		Variants: []method.Variant{
			{Label: "baseline", Title: "the hand-made baseline of one-way kernels", Set: `{"baseline": true, "evolution": null}`,
				Seconds: map[string]float64{profile.Quick: 1}, Notes: baselineNotes()},
			{Label: "uniform", Title: "ASC-NAS, uniform sampling", Set: `{"sampling": "uniform"}`},
			{Label: "front", Title: "ASC-NAS beside a random search", Set: `{"evolution": {"random": true}}`},
		},
		Run: func(ctx context.Context, env method.Env, c method.Config) (*run.Result, error) {
			return Search(ctx, env, *c.(*Config))
		},
	}
}

// Kernel and expansion of the baseline's blocks: those of MobileNetV2 (1801.04381), along one axis.
const (
	baselineKernel    = 3
	baselineExpansion = 6
)

// Baseline is the hand-made baseline as a path of a space: kernel 3 and expansion 6 in every layer. The paper's own is in no
// source at hand.
func Baseline(p space.Paths) ([]int, error) {
	path := make([]int, len(p.Layers))
	for l, choices := range p.Layers {
		path[l] = slices.IndexFunc(choices, func(b arch.Block) bool {
			return b.Direction != "" && b.Kernel == baselineKernel && b.Hidden == baselineExpansion*b.In
		})
		if path[l] < 0 {
			return nil, fmt.Errorf("%s: layer %d: expected a choice of kernel %d along one axis and expansion %d, for the baseline", p.Name, l, baselineKernel, baselineExpansion)
		}
	}
	return path, nil
}

// Names of a result's numbers beside those of every search of paths.
const (
	// BaselineMACs are the baseline's multiply-adds for one clip, BaselineScore its one-shot macro F1, 0 to 1.
	BaselineMACs  = "baseline_multiply_adds"
	BaselineScore = "baseline_macro_f1"
	// Saved is the share of the baseline's multiply-adds that the chosen network does without.
	Saved = "multiply_adds_saved"
	// FrontSaved is the largest such share of a network of the front whose one-shot score is at least the baseline's on the
	// same supernet; 0 where the front has none.
	FrontSaved = "front_saved"
)

// Search trains the supernet and searches it, as the configuration says. Of the front the network is chosen that scores best
// among those that keep MACsShare.
func Search(ctx context.Context, env method.Env, c Config) (*run.Result, error) {
	p, err := c.PathsFor(env.Train)
	if err != nil {
		return nil, err
	}
	baseline, err := Baseline(p)
	if err != nil {
		return nil, err
	}
	costs, err := oneshot.CountPaths(env.Engine, p)
	if err != nil {
		return nil, err
	}
	macs, _ := costs.Of(baseline)
	if c.Baseline {
		network, err := p.Network(baseline)
		return &run.Result{Network: &network, DerivedBy: "hand, for nothing is searched",
			Numbers: run.Values{{Name: "steps"}, {Name: BaselineMACs, Number: float64(macs)}}}, err
	}
	if c.Evolution == nil {
		return oneshot.Search(ctx, env, p, c.Config, nil, nil)
	}
	measure := func(s *oneshot.Supernet, r *run.Result) error {
		score, err := s.Measure(ctx, [][]int{baseline}, nil)
		if err == nil {
			r.Numbers = append(r.Numbers, run.Value{Name: BaselineMACs, Number: float64(macs)}, run.Value{Name: BaselineScore, Number: score[0]})
		}
		return err
	}
	if c.Evolution != nil {
		if err := costs.Within(c.Evolution.MaxMACs); err != nil {
			return nil, err
		}
	}
	r, err := oneshot.Search(ctx, env, p, c.Config, []oneshot.Objective{c.Score(), costs.MACs()}, costs.AtMost(c.Evolution.MaxMACs), measure)
	if err != nil {
		return nil, err
	}
	return r, c.choose(p, r)
}

// choose makes the front's best network within the bound the result's, and adds what is saved.
func (c Config) choose(p space.Paths, r *run.Result) error {
	f, of := r.Front, r.Numbers.Of(BaselineMACs)
	saved := func(m run.Member) float64 { return 1 - m.Values[1]/of }
	// Members are in the order of their scores, the best first.
	f.Chosen = slices.IndexFunc(f.Members, func(m run.Member) bool { return m.Values[1] <= c.MACsShare*of })
	r.DerivedBy = fmt.Sprintf("the path of the first front with at most %g of the baseline's multiply-adds that is best by %s", c.MACsShare, f.Objectives[0].Name)
	if f.Chosen < 0 {
		f.Chosen = len(f.Members) - 1
		r.DerivedBy = fmt.Sprintf("the lightest path of the first front, for none has at most %g of the baseline's multiply-adds", c.MACsShare)
	}
	path, err := p.Parse(f.Best().Code)
	if err != nil {
		return err
	}
	network, err := p.Network(path)
	if err != nil {
		return err
	}
	r.Network = &network
	most := 0.0
	for _, m := range f.Members {
		if m.Values[0] >= r.Numbers.Of(BaselineScore) {
			most = max(most, saved(m))
		}
	}
	r.Numbers = append(r.Numbers, run.Value{Name: Saved, Number: saved(f.Best())}, run.Value{Name: FrontSaved, Number: most})
	return nil
}
