package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
)

// searchOf and trainingOf put together runs as the command line does.
func searchOf(t *testing.T, c searchCmd) job {
	t.Helper()
	j, err := c.job(&app{stderr: new(bytes.Buffer)})
	require.NoError(t, err)
	return j
}

func trainingOf(t *testing.T, c trainCmd) job {
	t.Helper()
	j, err := c.job(&app{stderr: new(bytes.Buffer)})
	require.NoError(t, err)
	return j
}

// TestPaperNeedsThePublishedData: the published protocol on a part of the data is another run, and says so before it
// starts.
func TestPaperNeedsThePublishedData(t *testing.T) {
	const why = "not the published protocol, which takes the whole of CIFAR-10: on embedded (4000 training and 1000 test samples)"
	for name, j := range map[string]job{
		"search": searchOf(t, searchCmd{Method: "darts", runFlags: runFlags{Profile: profile.Paper}}),
		"train":  trainingOf(t, trainCmd{Arch: randomArch, runFlags: runFlags{Profile: profile.Paper}}),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, profile.Custom, j.config.Profile)
			assert.Contains(t, j.config.Note, why)
			var said bytes.Buffer
			announce(&said, j.config, "runs/x")
			assert.Contains(t, said.String(), "profile custom, seed 0, in runs/x\nprofile custom: "+why)
			var config struct{ Profile string }
			require.NoError(t, json.Unmarshal(j.config.Spec.Config, &config))
			assert.Equal(t, profile.Custom, config.Profile)
		})
	}
}

// TestChangedConfiguration: what was changed is named with what it was; seed and granularity make no other experiment.
func TestChangedConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"epochs": 7, "profile": "paper", "seed": 3, "granularity": "cell"}`), 0o600))
	seed := uint64(4)
	c := searchOf(t, searchCmd{Method: "fairdarts", Variant: "w1", runFlags: runFlags{Profile: profile.Smoke, Config: file, Seed: &seed}}).config
	assert.Equal(t, profile.Custom, c.Profile)
	assert.Equal(t, seed, c.Seed)
	assert.Contains(t, c.Note, "profile smoke, changed: epochs (7, not 3); as it was: seconds")
	var said bytes.Buffer
	announce(&said, c, "x")
	assert.Contains(t, said.String(), "fairdarts-w1 on embedded (4000 training and 1000 test samples), space S0, profile custom, seed 4, in x\n")

	c = trainingOf(t, trainCmd{Arch: randomArch, runFlags: runFlags{Profile: profile.Smoke, Config: file}}).config
	assert.Equal(t, profile.Custom, c.Profile)
	assert.Contains(t, c.Note, "profile smoke, changed: epochs (7, not 2); as it was: seconds")

	require.NoError(t, os.WriteFile(file, []byte(`{"seed": 3, "granularity": "cell"}`), 0o600))
	c = searchOf(t, searchCmd{Method: "fairdarts", runFlags: runFlags{Profile: profile.Smoke, Config: file}}).config
	assert.Equal(t, profile.Smoke, c.Profile)
	assert.EqualValues(t, 3, c.Seed)
	said.Reset()
	announce(&said, c, "x")
	assert.NotContains(t, said.String(), "\nprofile", "nothing was changed")
	c = trainingOf(t, trainCmd{Arch: randomArch, runFlags: runFlags{Profile: profile.Smoke, Config: file}}).config
	assert.Equal(t, profile.Smoke, c.Profile)
	assert.Equal(t, randomNetwork(3, space.Size{Classes: 10, InputChannels: 3}).Cells.Genotype, c.Network.Cells.Genotype, "drawn by the seed of the file")
}

// TestResumedConfiguration: a run goes on with the very configuration that it began with, of every method, profile and
// variant.
func TestResumedConfiguration(t *testing.T) {
	for _, m := range nas.Methods() {
		for _, size := range profile.Names() {
			for _, v := range append(m.Variants, method.Variant{}) {
				for _, name := range m.Spaces {
					config, err := m.Config(size, v.Label)
					require.NoError(t, err)
					config.Shared().Space = name
					want, err := json.Marshal(config)
					require.NoError(t, err)
					again := m.New()
					require.NoError(t, method.Decode("", want, again))
					got, err := json.Marshal(again)
					require.NoError(t, err)
					assert.JSONEq(t, string(want), string(got))
				}
			}
		}
	}
	for _, recipe := range []train.Config{train.DefaultConfig(), train.ImageNetCellConfig(), train.ImageNetMobileConfig()} {
		text, err := json.Marshal(recipe)
		require.NoError(t, err)
		var again train.Config
		require.NoError(t, method.Decode("", text, &again))
		assert.Equal(t, recipe, again)
	}
}

// TestResumeRefusesOtherData: a run does not go on with images that it did not begin with.
func TestResumeRefusesOtherData(t *testing.T) {
	f := &runfolder.Folder{Dir: t.TempDir()}
	_, err := f.Begin(evidence.Run{Data: map[string]string{"a.bin": "1"}})
	require.NoError(t, err)
	_, err = f.Begin(evidence.Run{Data: map[string]string{"a.bin": "2"}})
	assert.ErrorContains(t, err, "data: a.bin had SHA-256 1 when the run began, now it has 2")

	c := searchOf(t, searchCmd{Method: "darts", runFlags: runFlags{Profile: profile.Smoke}}).config
	now := c.Spec.Data.SHA256[:12]
	c.Spec.Data.Train, c.Spec.Data.SHA256 = 50000, "0123456789abcdef"
	dir := t.TempDir()
	require.NoError(t, evidence.WriteConfig(dir, c))
	_, err = resume(&app{ctx: t.Context(), stderr: new(bytes.Buffer)}, dir, run.Search, resumedSearch)
	assert.EqualError(t, err, filepath.Join(dir, "config.json")+": data: the run began on embedded (50000 training and 1000 test samples), SHA-256 0123456789ab, "+
		"now there are embedded (4000 training and 1000 test samples), SHA-256 "+now)
	assert.NoFileExists(t, filepath.Join(dir, evidence.RunFile))
}
