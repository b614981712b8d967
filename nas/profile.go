package nas

import (
	"fmt"
	"strings"

	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
)

// Names of profiles: how much a run spends.
const (
	Smoke = "smoke"
	Quick = "quick"
	GPU   = "gpu"
	Day   = "day"
	Full  = "paper"
)

// Profile is a size of run.
type Profile struct {
	Name string `json:"name"`
	// Note says in a sentence how the profile of a search over cells departs from the paper; see [Method.Note].
	Note string `json:"note"`
	// TrainNote says the same of [TrainConfig].
	TrainNote string `json:"train_note"`

	// size sets the sizes of a search over a cell supernet.
	size func(*search.Config)
}

var profiles = []Profile{
	{Smoke, "seconds: 3 cells, 4 channels, 8×8 pixels, 3 epochs of 4 steps, batch 8; rates raised: weights 0.05 to 0.01, architecture 0.3 (Adam); shows that everything works and nothing else",
		"seconds: 3 cells, 4 channels, 8×8 pixels, 2 epochs of 4 steps, batch 8, cutout 4; rate 0.05; neither auxiliary head nor drop-path",
		func(c *search.Config) {
			c.Size.Cells, c.Size.Channels, c.Image = 3, 4, 8
			c.Epochs, c.StepsPerEpoch, c.Batch = 3, 4, 8
		}},
	{Quick, "minutes: 5 cells, 8 channels, 16×16 pixels, 10 epochs of 15 steps, batch 16; because 150 steps are some hundredth of the paper's, rates are raised: weights 0.05 to 0.01, architecture 0.05 (Adam; FairDARTS 0.1)",
		"minutes: 5 cells, 8 channels, 16×16 pixels, 4 epochs of 50 steps, batch 32, cutout 8; rate 0.05; neither auxiliary head (it needs larger images) nor drop-path (for so few steps)",
		func(c *search.Config) {
			c.Size.Cells, c.Size.Channels, c.Image = 5, 8, 16
			c.Epochs, c.StepsPerEpoch, c.Batch = 10, 15, 16
		}},
	{GPU, "half an hour on one GPU, which was not measured: the supernet of the paper on whole images, 8 cells, 16 channels, 32×32 pixels, 10 epochs of 100 steps, batch 64, compiled as one program; rates raised: weights 0.05 to 0.01, architecture 0.02 (Adam)",
		"half an hour on one GPU, which was not measured: 8 cells, 16 channels, 32×32 pixels, 30 epochs of batch 96, cutout 16; rate 0.05; no drop-path",
		func(c *search.Config) {
			c.Epochs, c.StepsPerEpoch, c.Batch = 10, 100, 64
			c.Granularity = nn.Network.String()
		}},
	{Day, "a day on two cores: the supernet of the paper on whole images, 8 cells, 16 channels, 32×32 pixels, 20 epochs of 100 steps, batch 16; rates raised: weights 0.05 to 0.01, architecture 0.01 (Adam)",
		"a day on two cores: 8 cells, 16 channels, 32×32 pixels, 10 epochs of batch 96, cutout 16; rate 0.05; no drop-path",
		func(c *search.Config) { c.Epochs, c.StepsPerEpoch, c.Batch = 20, 100, 16 }},
	{Full, "the published protocol", "the published recipe", func(*search.Config) {}},
}

// raiseRates lets the architecture decide itself in few steps. Adam moves a parameter by at most about its rate in a
// step: 0.05 takes a sigmoid from one half to 0.9 in 45 steps of one sign, of the quick profile's 150, 0.3 in 8 of the
// smoke profile's 12, 0.02 in 110 of the GPU profile's 1,000, and
// 0.01 in 220 of the day profile's 2,000. The papers' 3e-4 and 3e-3 have ten to twenty thousand steps.
func raiseRates(c *search.Config) {
	c.Weights.LearningRate, c.Weights.LearningRateMin = 0.05, 0.01
	c.Arch.LearningRate = 0.05
	switch c.Profile {
	case Smoke:
		c.Arch.LearningRate = 0.3
	case GPU:
		c.Arch.LearningRate = 0.02
	case Day:
		c.Arch.LearningRate = 0.01
	}
}

// cells makes the published protocol of a search over a cell supernet the profile's.
func (p Profile) cells(c *search.Config) {
	// The package's list of primitives is shared; a configuration that is read from JSON writes into its own.
	c.Primitives = append([]string(nil), c.Primitives...)
	p.size(c)
	if p.Name != Full {
		raiseRates(c)
	}
}

// Profiles lists the profiles, the shortest first. Every method has them all.
func Profiles() []Profile { return append([]Profile(nil), profiles...) }

// LookupProfile finds a profile by name; the error lists the names that there are.
func LookupProfile(name string) (Profile, error) {
	var names []string
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("profile %q: expected one of %s", name, strings.Join(names, ", "))
}

// Config makes the method's configuration in a profile, with seed 0. The caller owns it and may change it through its
// own type or through [Method.Base].
func (m Method) Config(profile string) (Config, error) {
	p, err := LookupProfile(profile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	c := m.defaults()
	base, err := m.Base(c)
	if err != nil {
		return nil, err
	}
	base.Profile = p.Name
	m.apply(c, p)
	return c, nil
}
