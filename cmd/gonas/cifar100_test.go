package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/datasetstest"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
	"github.com/gonas/gonas/repro/evidence"
)

// sheetsOf100 is a folder of CIFAR-100 as sheets, with the pixels of the embedded images.
func sheetsOf100(t *testing.T) string {
	t.Helper()
	var sheets [2][]byte
	for i, name := range []string{"train_0.webp", "test_0.webp"} {
		var err error
		sheets[i], err = os.ReadFile(filepath.Join("..", "..", "datasets", "embedded", name))
		require.NoError(t, err)
	}
	dir := t.TempDir()
	datasetstest.CIFAR100(t, dir, sheets[0], 1000, sheets[1], 1000)
	return dir
}

// TestSizeFollowsTheData: a search has as many classes as its data, stays of its profile and says so; a configuration that
// asks for others is refused by name.
func TestSizeFollowsTheData(t *testing.T) {
	dir := sheetsOf100(t)
	for _, m := range nas.Methods() {
		if _, ok := m.New().(interface{ Diff() *diff.Config }); !ok {
			continue // a supernet of paths, which asks its data
		}
		if m.Data == datasets.SpeechName {
			continue // a search on words
		}
		t.Run(m.Name, func(t *testing.T) {
			var said bytes.Buffer
			j, err := searchCmd{Method: m.Name, runFlags: runFlags{Profile: profile.Smoke, Data: dir}}.job(&app{stderr: &said})
			require.NoError(t, err)
			assert.Equal(t, "cifar100 train has 100 classes and 3 channels, profile smoke is for 10 and 3: the network is made to fit\n", said.String())
			assert.Equal(t, profile.Smoke, j.config.Profile)
			assert.Equal(t, "cifar100 (1000 training and 1000 test samples)", j.config.Data.String())
			assert.Equal(t, dir, j.config.DataDir)
			var config struct{ Size space.Size }
			require.NoError(t, json.Unmarshal(j.config.Spec.Config, &config))
			assert.Equal(t, space.Size{Cells: 3, Channels: 4, Classes: 100, InputChannels: 3}, config.Size)
		})
	}

	j := searchOf(t, searchCmd{Method: "darts", runFlags: runFlags{Profile: profile.Paper, Data: dir}})
	assert.Equal(t, profile.Custom, j.config.Profile)
	assert.Contains(t, j.config.Note, "not the published protocol, which takes the whole of CIFAR-10: on cifar100 (1000 training and 1000 test samples)")

	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"size": {"classes": 10}}`), 0o600))
	cmd, log := command(t, environment(t), "search", "darts", "--profile", "smoke", "--data", dir, "--config", file, "--out", filepath.Join(t.TempDir(), "run"))
	require.Error(t, cmd.Run())
	assert.Contains(t, log.String(), "data cifar100 train have 100 classes and 3 channels, the configuration says 10 and 3")
}

// TestSearchesOnCIFAR100: DARTS searches every space of cells on real images of 100 classes; what it derives is trained on
// them, and a search that is cut off goes on.
func TestSearchesOnCIFAR100(t *testing.T) {
	if os.Getenv(datasets.DataEnv) == "" {
		t.Skipf("%s is not set: it names the folder that has cifar100", datasets.DataEnv)
	}
	data, err := datasets.ResolveDir("")
	require.NoError(t, err)
	data = filepath.Join(data, "cifar100")
	if _, err := os.Stat(data); err != nil {
		t.Skipf("no CIFAR-100: %v", err)
	}
	env, root := environment(t), t.TempDir()
	gonas := func(args ...string) string {
		t.Helper()
		cmd, log := command(t, env, args...)
		require.NoError(t, cmd.Run(), log)
		return log.String()
	}
	for _, name := range cells.Names() {
		dir := filepath.Join(root, name)
		gonas("search", "darts", "--profile", "smoke", "--space", name, "--data", data, "--out", dir)
		r, err := evidence.ReadResult(dir)
		require.NoError(t, err)
		assert.Equal(t, []any{name, datasets.CIFAR100Name, 10000, 2000, false}, []any{r.Spec.Space, r.Spec.Data.Name, r.Spec.Data.Train, r.Spec.Data.Test, r.Spec.Data.Published})
		require.NotNil(t, r.Network)
		assert.Equal(t, 100, r.Network.Classes)
		loss := r.Log.Last("train_loss")
		assert.Greater(t, loss, 3.0, "%s: chance among 100 classes is ln 100 = 4.6, among 10 it is 2.3", name)
	}
	dir := filepath.Join(root, "trained")
	assert.Contains(t, gonas("train", filepath.Join(root, "S2"), "--profile", "smoke", "--data", data, "--out", dir), "test accuracy ")
	r, err := evidence.ReadResult(dir)
	require.NoError(t, err)
	assert.Equal(t, []any{100, datasets.CIFAR100Name}, []any{r.Spec.Network.Classes, r.Spec.Data.Name})
	require.NoError(t, os.Remove(filepath.Join(root, "S2", evidence.ResultFile)))
	gonas("search", "--resume", filepath.Join(root, "S2"))
	assert.FileExists(t, filepath.Join(root, "S2", evidence.ResultFile))
}
