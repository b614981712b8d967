// Package method says what a search method is: a configuration, its profiles and controls as changes of that
// configuration, and a function that runs it. Commands, tests and the evidence of claims know methods by this alone.
package method

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/near"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/internal/strictjson"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
)

// Paper is where a method was published.
type Paper struct {
	ArXiv string `json:"arxiv"`
	Title string `json:"title"`
}

// Common is what the configurations of all methods have. A method's own embeds it.
type Common struct {
	Profile string `json:"profile"`
	Seed    uint64 `json:"seed"`
	// Space is one of the method's.
	Space string `json:"space"`
	// Image is the side of the images in pixels; larger ones are halved until they fit.
	Image  int `json:"image"`
	Epochs int `json:"epochs"`
	// StepsPerEpoch are steps of the search; 0 takes a pass over the samples that train the weights.
	StepsPerEpoch int `json:"steps_per_epoch"`
	Batch         int `json:"batch"`
	// Granularity is operation, edge, cell or network. It changes speed and rounding, not the mathematics.
	Granularity string `json:"granularity"`
	// Sound says how clips become arrays, nil for images.
	Sound *datasets.Sound `json:"sound,omitempty"`
}

// Shared implements [Config] for a configuration that embeds it.
func (c *Common) Shared() *Common { return c }

// Validate reports the first field out of range.
func (c Common) Validate() error {
	if err := cmp.Or(ranges.In("image", c.Image, 4, 4096), ranges.In("epochs", c.Epochs, 1, 1e6),
		ranges.In("steps_per_epoch", c.StepsPerEpoch, 0, 1e7), ranges.In("batch", c.Batch, 2, 1<<16)); err != nil {
		return fmt.Errorf("config: %w", err)
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

// WeightsConfig is the optimizer of a network's weights: SGD, its rate annealed by a cosine over the epochs.
type WeightsConfig struct {
	LearningRate    float64 `json:"learning_rate"`
	LearningRateMin float64 `json:"learning_rate_min"`
	Momentum        float64 `json:"momentum"`
	WeightDecay     float64 `json:"weight_decay"`
	// Clip is the largest global norm of the gradients, 0 for none.
	Clip float64 `json:"clip"`
}

// Validate reports the first field out of range.
func (c WeightsConfig) Validate() error {
	return cmp.Or(ranges.Above("weights.learning_rate", c.LearningRate, 0, 1e30), ranges.In("weights.learning_rate_min", c.LearningRateMin, 0, 1e30),
		ranges.Below("weights.momentum", c.Momentum, 0, 1), ranges.In("weights.weight_decay", c.WeightDecay, 0, 1000), ranges.In("weights.clip", c.Clip, 0, 1e9))
}

// Config is a method's configuration: a pointer, which encoding/json reads and writes.
type Config interface {
	// Validate reports the first field out of range.
	Validate() error
	// Shared is the part that all configurations have; changing it changes the configuration.
	Shared() *Common
}

// Profile is what a profile changes in the published protocol.
type Profile struct {
	// Set is JSON of the configuration's fields, Also what a method sets on top of a profile that it shares with others.
	Set, Also string
	// Note says in a sentence how the profile departs from the paper.
	Note string
	// Seconds is about how long a search takes on two cores without a GPU, compiling left out; 0 where it was not measured.
	Seconds float64
}

// Variant is a control or an experiment of the paper beside the method itself.
type Variant struct {
	// Label is short and lower-case; runs of the variant are named METHOD-LABEL. Title is for figures.
	Label string `json:"label"`
	Title string `json:"title"`
	// Set is JSON of the configuration's fields, At what else it sets in a profile.
	Set string            `json:"-"`
	At  map[string]string `json:"-"`
	// Seconds and Notes are those of [Profile] where the variant's differ, Data is that of [Method] where it does.
	Seconds map[string]float64 `json:"-"`
	Notes   map[string]string  `json:"-"`
	Data    string             `json:"-"`
}

// Method is a way of searching for architectures.
type Method struct {
	Name string `json:"name"`
	// Title is the name as people write it.
	Title  string   `json:"title"`
	Paper  Paper    `json:"paper"`
	Spaces []string `json:"spaces"`
	// Data names what the published protocol searches on, one of [datasets.Names].
	Data string `json:"data"`
	// New makes the published protocol's configuration, which its caller owns.
	New      func() Config      `json:"-"`
	Profiles map[string]Profile `json:"-"`
	Variants []Variant          `json:"variants,omitempty"`
	// Run searches. The configuration is of the type that New makes, and has been validated; it stays as it is.
	Run func(context.Context, Env, Config) (*run.Result, error) `json:"-"`
}

// From makes [Method].New of a package's default configuration.
func From[C any, P interface {
	*C
	Config
}](defaults func() C) func() Config {
	return func() Config {
		c := defaults()
		return P(&c)
	}
}

// Method is m itself: what searches can be asked to be one, such as a method of a user's own in a notebook.
func (m Method) Method() Method { return m }

// Env is where a search runs and on what.
type Env struct {
	Engine *engine.Engine
	// Train is what is searched on. No search sees what tests.
	Train datasets.Source
	// Spec is what the run is, filled in by [Method.Search].
	Spec run.Spec
	run.Options
}

// Variant finds a variant by its label; the empty label is the method itself. The error lists those that there are.
func (m Method) Variant(label string) (Variant, error) {
	var labels []string
	for _, v := range m.Variants {
		if v.Label == label {
			return v, nil
		}
		labels = append(labels, v.Label)
	}
	if label == "" {
		return Variant{Title: m.Title}, nil
	}
	if labels == nil {
		return Variant{}, fmt.Errorf("%s: variant %q: it has none", m.Name, label)
	}
	return Variant{}, fmt.Errorf("%s: variant %q: expected one of %s%s", m.Name, label, strings.Join(labels, ", "), near.Hint(label, labels))
}

// Config makes the method's configuration in a profile and a variant, with seed 0. The caller owns it.
func (m Method) Config(name, variant string) (Config, error) {
	if err := profile.Check(name); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	v, err := m.Variant(variant)
	if err != nil {
		return nil, err
	}
	c := m.New()
	for _, patch := range []struct{ from, set string }{{"profile " + name, m.Profiles[name].Set}, {"profile " + name, m.Profiles[name].Also}, {"variant " + variant, v.Set}, {"variant " + variant + " in profile " + name, v.At[name]}} {
		if patch.set == "" {
			continue
		}
		if err := Decode(patch.from, []byte(patch.set), c); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	c.Shared().Profile = name
	return c, nil
}

// dataSize is what a configuration that has a size says of its data: "size" in its JSON.
type dataSize struct {
	Classes       int `json:"classes"`
	InputChannels int `json:"input_channels"`
}

// sizeOf reads the size of a configuration; nil where it has none, as those of supernets of paths, which ask their data.
func sizeOf(c Config) (*dataSize, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var of struct {
		Size *dataSize `json:"size"`
	}
	err = json.Unmarshal(text, &of)
	return of.Size, err
}

// resize sets what a configuration says of its data.
func resize(c Config, size dataSize) error {
	text, err := json.Marshal(map[string]dataSize{"size": size})
	if err != nil {
		return err
	}
	return Decode("size", text, c)
}

// Fit makes the network of a configuration that has a size one for the classes and channels of samples, and numbers of samples
// that a profile takes no more than there are, and says what that changed; nothing where it is for such samples already.
func Fit(c Config, samples datasets.Source) (string, error) {
	fitted, err := fitSize(c, samples)
	if f, ok := c.(interface{ FitSamples(n int) string }); ok && err == nil {
		if more := f.FitSamples(samples.Len()); more != "" && fitted != "" {
			fitted += "; " + more
		} else {
			fitted += more
		}
	}
	return fitted, err
}

func fitSize(c Config, samples datasets.Source) (string, error) {
	was, err := sizeOf(c)
	now := dataSize{samples.Classes(), samples.Shape()[2]}
	if was != nil && c.Shared().Sound != nil {
		now.InputChannels = was.InputChannels // those of features, which the configuration names
	}
	if err != nil || was == nil || *was == now {
		return "", err
	}
	return fmt.Sprintf("%s has %d classes and %d channels, profile %s is for %d and %d: the network is made to fit",
		samples.Name(), now.Classes, now.InputChannels, c.Shared().Profile, was.Classes, was.InputChannels), resize(c, now)
}

// Note says in a sentence how a profile of the method departs from the paper.
func (m Method) Note(name string) string { return m.Profiles[name].Note }

// Seconds is about how long a search takes on two cores; 0 where it was not measured.
func (m Method) Seconds(name, variant string) float64 {
	if v, err := m.Variant(variant); err == nil && v.Seconds[name] > 0 {
		return v.Seconds[name]
	}
	return m.Profiles[name].Seconds
}

// Asks names the data set that the published protocol of a variant searches on, one of [datasets.Names].
func (m Method) Asks(variant string) string {
	v, _ := m.Variant(variant)
	return cmp.Or(v.Data, m.Data)
}

// Label is the name of a variant's runs.
func (m Method) Label(variant string) string {
	return run.Spec{Command: run.Search, Method: m.Name, Variant: variant}.Label()
}

// Spec is what a search is, and the note that says how it departs from the paper. A configuration that is not its
// profile's, apart from seed, granularity and what [Fit] sets, is of the profile custom, and so is the published protocol on other data than
// it asks for.
func (m Method) Spec(c Config, variant string, data datasets.Identity) (run.Spec, string, error) {
	common := c.Shared()
	s := run.Spec{Command: run.Search, Method: m.Name, Variant: variant, Profile: common.Profile, Seed: common.Seed, Space: common.Space, Data: data}
	v, err := m.Variant(variant)
	if err != nil {
		return s, "", err
	}
	note := cmp.Or(v.Notes[common.Profile], m.Note(common.Profile))
	if common.Profile != profile.Custom {
		changed, err := m.changes(c, variant)
		if err != nil {
			return s, "", err
		}
		if changed != "" {
			s.Profile, note = profile.Custom, fmt.Sprintf("profile %s, changed: %s; as it was: %s", common.Profile, changed, note)
		}
	}
	if s.Profile == profile.Paper {
		if reason := NotPublished(data, m.Asks(variant)); reason != "" {
			s.Profile, note = profile.Custom, reason+"; otherwise "+note
		}
	}
	config, err := withProfile(c, s.Profile)
	s.Config = config
	return s, note, err
}

// NotPublished says why data are not the published set that a protocol asks for, and nothing where they are.
func NotPublished(data datasets.Identity, wanted string) string {
	if data.Name == wanted && data.Published {
		return ""
	}
	return fmt.Sprintf("not the published protocol, which takes the whole of %s: on %s", published(wanted), data)
}

// published names a published data set for people.
func published(name string) string {
	switch name {
	case datasets.CIFAR10Name:
		return "CIFAR-10"
	case datasets.CIFAR100Name:
		return "CIFAR-100"
	case datasets.FolderName:
		return "ImageNet"
	case datasets.SpeechName:
		return "Speech Commands"
	case datasets.DomesticName:
		return "DCASE2018's task 5"
	}
	return name
}

// withProfile is a configuration's JSON under the name of a profile.
func withProfile(c Config, name string) (json.RawMessage, error) {
	common := c.Shared()
	was := common.Profile
	common.Profile = name
	defer func() { common.Profile = was }()
	return json.Marshal(c)
}

// changes names the fields in which a configuration is not its profile's, with the new values and the old ones.
func (m Method) changes(c Config, variant string) (string, error) {
	plain, err := m.Config(c.Shared().Profile, variant)
	if err != nil {
		return "", err
	}
	plain.Shared().Seed = c.Shared().Seed
	size, err := sizeOf(c)
	if err == nil && size != nil {
		err = resize(plain, *size)
	}
	if err != nil {
		return "", err
	}
	return Changes(c, plain)
}

// Changes names the fields in which a configuration differs from another, granularity apart, with its values and the
// other's.
func Changes(c, plain any) (string, error) {
	a, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(plain)
	if err != nil {
		return "", err
	}
	differ, err := run.Spec{Config: a}.Differences(run.Spec{Config: b})
	for i := range differ {
		differ[i] = strings.TrimPrefix(differ[i], "config.")
	}
	return strings.Join(differ, ", "), err
}

// Search runs the method. The environment's specification is made by [Method.Spec] of the same configuration.
func (m Method) Search(ctx context.Context, env Env, c Config) (*run.Result, error) {
	if err := m.Check(c); err != nil {
		return nil, err
	}
	result, err := m.Run(ctx, env, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	result.Spec = env.Spec
	end := run.Event{Kind: run.EventEnd, Epoch: c.Shared().Epochs, Epochs: c.Shared().Epochs}
	env.Emit(end)
	return result, nil
}

// Check refuses what is no configuration of the method.
func (m Method) Check(c Config) error {
	if want := m.New(); fmt.Sprintf("%T", want) != fmt.Sprintf("%T", c) {
		return fmt.Errorf("%s: expected a configuration of the type %T, got %T", m.Name, want, c)
	}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	if space := c.Shared().Space; !slices.Contains(m.Spaces, space) {
		return fmt.Errorf("%s: config: space: expected one of %s, got %q", m.Name, strings.Join(m.Spaces, ", "), space)
	}
	return nil
}

// Decode reads JSON over v, strictly: see [strictjson.Decode].
func Decode(from string, text []byte, v any) error { return strictjson.Decode(from, text, v) }
