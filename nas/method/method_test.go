package method_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// config is a small method's.
type config struct {
	method.Common
	Rate   float64  `json:"rate"`
	List   []string `json:"list,omitempty"`
	Nested *nested  `json:"nested,omitempty"`
}

type nested struct {
	Depth int `json:"depth"`
}

// small is a method whose search does nothing.
func small() method.Method {
	return method.Method{
		Name: "small", Title: "Small", Spaces: []string{"S0", "S1"}, Data: datasets.CIFAR10Name,
		New: func() method.Config {
			return &config{Common: method.Common{Profile: profile.Paper, Space: "S0", Image: 32, Epochs: 10, Batch: 64, Granularity: "edge"}, Rate: 1, List: []string{"a", "b"}, Nested: &nested{1}}
		},
		Profiles: map[string]method.Profile{
			profile.Smoke: {Set: `{"epochs": 1, "rate": 2}`, Also: `{"rate": 3}`, Note: "small: 1 epoch", Seconds: 4},
			profile.Paper: {Note: "the published protocol"},
		},
		Variants: []method.Variant{{Label: "deep", Title: "Small, deep", Set: `{"nested": {"depth": 7}}`, At: map[string]string{profile.Smoke: `{"batch": 2}`}, Seconds: map[string]float64{profile.Smoke: 9}}},
		Run: func(_ context.Context, _ method.Env, c method.Config) (*run.Result, error) {
			return &run.Result{Numbers: run.Values{{Name: "rate", Number: c.(*config).Rate}}}, nil
		},
	}
}

// Patches go on top of each other: the profile's, what the method sets besides, the variant's, and the variant's there.
func TestConfig(t *testing.T) {
	m := small()
	for _, tc := range []struct {
		profile, variant string
		want             config
	}{
		{profile.Smoke, "", config{method.Common{Profile: "smoke", Space: "S0", Image: 32, Epochs: 1, Batch: 64, Granularity: "edge"}, 3, []string{"a", "b"}, &nested{1}}},
		{profile.Smoke, "deep", config{method.Common{Profile: "smoke", Space: "S0", Image: 32, Epochs: 1, Batch: 2, Granularity: "edge"}, 3, []string{"a", "b"}, &nested{7}}},
		{profile.Paper, "deep", config{method.Common{Profile: "paper", Space: "S0", Image: 32, Epochs: 10, Batch: 64, Granularity: "edge"}, 1, []string{"a", "b"}, &nested{7}}},
	} {
		got, err := m.Config(tc.profile, tc.variant)
		require.NoError(t, err)
		assert.Equal(t, &tc.want, got)
	}
	assert.Equal(t, 4.0, m.Seconds(profile.Smoke, ""))
	assert.Equal(t, 9.0, m.Seconds(profile.Smoke, "deep"))
	assert.Equal(t, 0.0, m.Seconds(profile.Paper, "deep"))
	assert.Equal(t, "small-deep", m.Label("deep"))
	assert.Equal(t, "small", m.Label(""))

	m.Profiles[profile.Smoke] = method.Profile{Set: `{"epoch": 1}`}
	_, err := m.Config(profile.Smoke, "")
	assert.ErrorContains(t, err, `small: profile smoke: unknown field "epoch"`)
	m.Variants[0].At[profile.Paper] = `{"nested": {"depth": "x"}}`
	_, err = m.Config(profile.Paper, "deep")
	assert.ErrorContains(t, err, "small: variant deep in profile paper: nested.depth: expected a whole number, got the text \"x\"")
	m.Variants = nil
	_, err = m.Variant("deep")
	assert.ErrorContains(t, err, `small: variant "deep": it has none`)
}

// A changed configuration, and the published protocol on other data than it asks for, are of the profile custom, and the note
// says what differs.
func TestSpec(t *testing.T) {
	m := small()
	whole := datasets.Identity{Name: datasets.CIFAR10Name, Train: 50000, Test: 10000, Published: true}
	less := datasets.Identity{Name: datasets.CIFAR10Name, Train: 4000, Test: 1000}
	for _, tc := range []struct {
		name             string
		profile, variant string
		change           func(*config)
		data             datasets.Identity
		want, note       string
	}{
		{"a profile on any data", profile.Smoke, "", func(*config) {}, less, profile.Smoke, "small: 1 epoch"},
		{"seed and granularity", profile.Smoke, "", func(c *config) { c.Seed, c.Granularity = 7, "cell" }, less, profile.Smoke, "small: 1 epoch"},
		{"changed", profile.Smoke, "", func(c *config) { c.Rate, c.Nested.Depth = 5, 2 }, less, profile.Custom, "profile smoke, changed: nested.depth (2, not 1), rate (5, not 3); as it was: small: 1 epoch"},
		{"a variant by hand", profile.Smoke, "", func(c *config) { c.Nested.Depth, c.Batch = 7, 2 }, less, profile.Custom, "profile smoke, changed: batch (2, not 64), nested.depth (7, not 1); as it was: small: 1 epoch"},
		{"a variant", profile.Smoke, "deep", func(*config) {}, less, profile.Smoke, "small: 1 epoch"},
		{"published", profile.Paper, "", func(*config) {}, whole, profile.Paper, "the published protocol"},
		{"less data", profile.Paper, "", func(*config) {}, less, profile.Custom,
			"not the published protocol, which takes the whole of CIFAR-10: on cifar10 (4000 training and 1000 test samples); otherwise the published protocol"},
		{"other data", profile.Paper, "", func(*config) {}, datasets.Identity{Name: datasets.CIFAR100Name, Published: true}, profile.Custom, "not the published protocol, which takes the whole of CIFAR-10: on cifar100"},
		{"custom", profile.Paper, "", func(c *config) { c.Profile = profile.Custom }, whole, profile.Custom, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			made, err := m.Config(tc.profile, tc.variant)
			require.NoError(t, err)
			c := made.(*config)
			tc.change(c)
			was := *c
			s, note, err := m.Spec(c, tc.variant, tc.data)
			require.NoError(t, err)
			assert.Equal(t, was, *c, "the configuration stays as it is")
			assert.Equal(t, tc.want, s.Profile)
			assert.Contains(t, note, tc.note)
			if tc.note == "" {
				assert.Empty(t, note)
			}
			var back config
			require.NoError(t, json.Unmarshal(s.Config, &back))
			assert.Equal(t, tc.want, back.Profile, "the specification's configuration says so too")
			s.Config, back.Profile = nil, c.Profile
			assert.Equal(t, *c, back)
			assert.Equal(t, run.Spec{Command: run.Search, Method: "small", Variant: tc.variant, Profile: tc.want, Seed: c.Seed, Space: "S0", Data: tc.data}, s)
		})
	}
}

// sized is a configuration with a size; the small one has none.
type sized struct {
	method.Common
	Size space.Size `json:"size"`
}

// A network is made to fit the data before it is a profile's own, and nothing else of it changes.
func TestFit(t *testing.T) {
	m := small()
	train, _, err := datasets.Embedded()
	require.NoError(t, err)
	was := m.New()
	said, err := method.Fit(was, train.Source())
	require.NoError(t, err)
	assert.Empty(t, said)
	assert.Equal(t, m.New(), was, "a configuration without a size asks its data")

	m.New = func() method.Config {
		return &sized{*small().New().Shared(), space.Size{Cells: 8, Channels: 16, Classes: 10, InputChannels: 3}}
	}
	m.Profiles = map[string]method.Profile{profile.Smoke: {Set: `{"size": {"cells": 3}}`, Note: "small: 3 cells"}}
	hundred := *train
	hundred.Classes, hundred.ClassNames, hundred.Name = 100, nil, "cifar100 train"
	for _, tc := range []struct {
		name       string
		data       *datasets.Images
		said       string
		size       space.Size
		change     func(*sized)
		want, note string
	}{
		{"as it is", train, "", space.Size{Cells: 3, Channels: 16, Classes: 10, InputChannels: 3}, func(*sized) {}, profile.Smoke, "small: 3 cells"},
		{"other classes", &hundred, "cifar100 train has 100 classes and 3 channels, profile smoke is for 10 and 3: the network is made to fit",
			space.Size{Cells: 3, Channels: 16, Classes: 100, InputChannels: 3}, func(*sized) {}, profile.Smoke, "small: 3 cells"},
		{"and changed", &hundred, "the network is made to fit", space.Size{Cells: 3, Channels: 16, Classes: 100, InputChannels: 3}, func(c *sized) { c.Size.Cells = 5 },
			profile.Custom, "profile smoke, changed: size.cells (5, not 3); as it was: small: 3 cells"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := m.Config(profile.Smoke, "")
			require.NoError(t, err)
			said, err := method.Fit(c, tc.data.Source())
			require.NoError(t, err)
			assert.Contains(t, said, tc.said)
			assert.Equal(t, tc.said == "", said == "")
			assert.Equal(t, tc.size, c.(*sized).Size)
			again, err := method.Fit(c, tc.data.Source())
			require.NoError(t, err)
			assert.Empty(t, again, "it fits now")
			tc.change(c.(*sized))
			s, note, err := m.Spec(c, "", datasets.Identity{Name: datasets.CIFAR100Name})
			require.NoError(t, err)
			assert.Equal(t, tc.want, s.Profile)
			assert.Equal(t, tc.note, note)
		})
	}
}

func TestNotPublished(t *testing.T) {
	assert.Empty(t, method.NotPublished(datasets.Identity{Name: datasets.FolderName, Published: true}, datasets.FolderName))
	assert.Equal(t, "not the published protocol, which takes the whole of ImageNet: on folder (3 training and 2 test samples)",
		method.NotPublished(datasets.Identity{Name: datasets.FolderName, Train: 3, Test: 2}, datasets.FolderName))
	assert.Contains(t, method.NotPublished(datasets.Identity{}, datasets.CIFAR100Name), "CIFAR-100")
	assert.Contains(t, method.NotPublished(datasets.Identity{}, "esc10"), "esc10")
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"rate": 1} {}`:            "f.json: invalid character '{' after top-level value",
		`{"rate": `:                 "f.json: the text ends in the middle of a value",
		``:                          "f.json: the text ends in the middle of a value",
		`{"rate": }`:                "f.json: rate: invalid character '}'",
		`{"rats": 1}`:               `f.json: unknown field "rats"`,
		`{"epochs": "three"}`:       `f.json: epochs: expected a whole number, got the text "three"`,
		`{"nested": {"depth": []}}`: "f.json: nested.depth: expected a whole number, got a list",
	} {
		var c config
		assert.ErrorContains(t, method.Decode("f.json", []byte(text), &c), want, text)
	}
	c := config{Rate: 1, Nested: &nested{3}}
	require.NoError(t, method.Decode("f.json", []byte("{\"nested\": {}, \"list\": []}\n"), &c))
	assert.Equal(t, config{Rate: 1, Nested: &nested{3}, List: []string{}}, c, "what is not named stays")
}

func TestCommonNamesTheField(t *testing.T) {
	for want, change := range map[string]func(*method.Common){
		"config: image: expected at least 4, got 3":            func(c *method.Common) { c.Image = 3 },
		"config: epochs: expected at least 1, got 0":           func(c *method.Common) { c.Epochs = 0 },
		"config: steps_per_epoch: expected at least 0, got -1": func(c *method.Common) { c.StepsPerEpoch = -1 },
		"config: batch: expected at least 2, got 1":            func(c *method.Common) { c.Batch = 1 },
		"granularity": func(c *method.Common) { c.Granularity = "house" },
	} {
		c := small().New().Shared()
		require.NoError(t, c.Validate())
		change(c)
		assert.ErrorContains(t, c.Validate(), want)
	}
}

// A search's result has its specification, and the end is told.
func TestSearch(t *testing.T) {
	m := small()
	c, err := m.Config(profile.Smoke, "")
	require.NoError(t, err)
	s, _, err := m.Spec(c, "", datasets.Identity{})
	require.NoError(t, err)
	var events []run.Event
	r, err := m.Search(t.Context(), method.Env{Spec: s, Options: run.Options{Listeners: []run.Listener{func(e run.Event) { events = append(events, e) }}}}, c)
	require.NoError(t, err)
	assert.Equal(t, s, r.Spec)
	assert.Equal(t, []run.Event{{Kind: run.EventEnd, Epoch: 1, Epochs: 1}}, events)

	c.Shared().Space = "S2"
	_, err = m.Search(t.Context(), method.Env{}, c)
	assert.ErrorContains(t, err, `small: config: space: expected one of S0, S1, got "S2"`)
	_, err = m.Search(t.Context(), method.Env{}, darts.Method().New())
	assert.ErrorContains(t, err, "small: expected a configuration of the type *method_test.config, got *darts.Config")
	m.Run = func(context.Context, method.Env, method.Config) (*run.Result, error) { return nil, run.ErrInterrupted }
	c.Shared().Space = "S0"
	_, err = m.Search(t.Context(), method.Env{}, c)
	assert.ErrorIs(t, err, run.ErrInterrupted)
	assert.ErrorContains(t, err, "small: ")
}

// A search in a profile: the configuration, what the run is, and the run.
func ExampleMethod_Search() {
	b, err := backend.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := datasets.Open(datasets.EmbeddedName, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := data.Identity()
	if err != nil {
		fmt.Println(err)
		return
	}
	m := darts.Method()
	c, err := m.Config("smoke", "noise")
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, note, err := m.Spec(c, "noise", id)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(note[:29])
	result, err := m.Search(context.Background(), method.Env{Engine: engine.New(b.Backend), Train: data.Train, Spec: spec}, c)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Spec.Label(), "at", result.Spec.Profile, "derived", len(result.Genotype.Normal.Edges), "edges in", len(result.Log.Rows), "epochs")
	// Output:
	// seconds: 3 cells, 4 channels,
	// darts-noise at smoke derived 8 edges in 3 epochs
}
