package train

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/zoo"
)

// published is the identity of a whole data set.
func published(name string) datasets.Identity { return datasets.Identity{Name: name, Published: true} }

// Every profile has a note and a recipe for every kind of network, which fits it.
func TestAt(t *testing.T) {
	cells := DefaultConfig().Network(genotype)
	full, err := zoo.Get("fairnas-a")
	require.NoError(t, err)
	imageNetCells, err := zoo.Get("fairdarts-b-imagenet")
	require.NoError(t, err)
	for _, name := range profile.Names() {
		assert.NotEmpty(t, Config{Profile: name}.note(), name)
		for what, a := range map[string]arch.Network{"cells": cells, "chain": smallChain(), "mobile": full.Network, "cells on ImageNet": imageNetCells.Network} {
			was, err := json.Marshal(a)
			require.NoError(t, err)
			c, sized, err := At(name, a)
			require.NoError(t, err, "%s at %s", what, name)
			now, err := json.Marshal(a)
			require.NoError(t, err)
			assert.Equal(t, string(was), string(now), "%s at %s: the network given stays as it is", what, name)
			require.NoError(t, c.Validate(), "%s at %s", what, name)
			require.NoError(t, sized.Validate(), "%s at %s", what, name)
			require.NoError(t, c.Fits(sized), "%s at %s", what, name)
			assert.Equal(t, [3]int{c.Image, c.Image, 3}, sized.Input)
			assert.Equal(t, name, c.Profile)
			if name == profile.Paper {
				assert.Equal(t, a, sized, what)
			}
			s, note, err := Spec("x", sized, c, published(map[bool]string{true: datasets.FolderName, false: datasets.CIFAR10Name}[a.Input[0] > 32]))
			require.NoError(t, err)
			assert.Equal(t, name, s.Profile, "%s at %s: %s", what, name, note)
			assert.Equal(t, c.note(), note, what)
			var back Config
			require.NoError(t, json.Unmarshal(s.Config, &back))
			assert.Equal(t, c, back)
		}
	}
	c, sized, err := At(profile.Smoke, cells)
	require.NoError(t, err)
	assert.Equal(t, [3]int{3, 4, 8}, [3]int{sized.Cells.Cells, sized.Cells.Channels, c.Image})
	assert.Zero(t, c.AuxiliaryWeight)
	_, _, err = At("huge", cells)
	assert.ErrorContains(t, err, `train: profile "huge": expected one of smoke, quick, gpu, day, paper`)
}

// A changed recipe, and the published one on other data, are of the profile custom, and the note says why.
func TestSpec(t *testing.T) {
	a := DefaultConfig().Network(genotype)
	for _, tc := range []struct {
		name    string
		profile string
		change  func(*Config)
		data    datasets.Identity
		want    string
		note    string
	}{
		{"as it is", profile.Quick, func(*Config) {}, datasets.Identity{Name: "embedded"}, profile.Quick, (Config{Profile: profile.Quick}).note()},
		{"seed and granularity", profile.Quick, func(c *Config) { c.Seed, c.Granularity = 3, "cell" }, datasets.Identity{}, profile.Quick, (Config{Profile: profile.Quick}).note()},
		{"epochs", profile.Quick, func(c *Config) { c.Epochs++ }, datasets.Identity{}, profile.Custom, "profile quick, changed: epochs (5, not 4); as it was: minutes: "},
		{"paper", profile.Paper, func(*Config) {}, published(datasets.CIFAR10Name), profile.Paper, "the published recipe"},
		{"less data", profile.Paper, func(*Config) {}, datasets.Identity{Name: datasets.CIFAR10Name, Train: 4000, Test: 1000}, profile.Custom,
			"not the published protocol, which takes the whole of CIFAR-10: on cifar10 (4000 training and 1000 test samples); otherwise the published recipe"},
		{"other data", profile.Paper, func(*Config) {}, published(datasets.CIFAR100Name), profile.Custom, "not the published protocol, which takes the whole of CIFAR-10: on cifar100"},
		{"custom", profile.Paper, func(c *Config) { c.Profile = profile.Custom }, datasets.Identity{}, profile.Custom, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, sized, err := At(tc.profile, a)
			require.NoError(t, err)
			tc.change(&c)
			s, note, err := Spec("x", sized, c, tc.data)
			require.NoError(t, err)
			assert.Equal(t, tc.want, s.Profile)
			assert.Contains(t, note, tc.note)
			var back Config
			require.NoError(t, json.Unmarshal(s.Config, &back))
			assert.Equal(t, tc.want, back.Profile, "the recipe says so too")
			back.Profile = c.Profile
			assert.Equal(t, c, back)
		})
	}
}
