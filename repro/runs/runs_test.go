package runs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runs"
	"github.com/gonas/gonas/repro/runs/runstest"
)

var few = datasets.Identity{Name: datasets.EmbeddedName, Train: 4000, Test: 1000, SHA256: "7"}

// TestSearch: every label of the registry at every profile is a run of that label, with a title and a note.
func TestSearch(t *testing.T) {
	for _, m := range nas.Methods() {
		for _, v := range append([]method.Variant{{}}, m.Variants...) {
			label := m.Label(v.Label)
			require.True(t, runs.IsSearch(label))
			assert.NotEmpty(t, runs.Title(label))
			assert.NotEqual(t, label, runs.Title(label))
			for _, name := range profile.Names() {
				_, c, config, err := runs.Search(label, name, 3, few)
				require.NoError(t, err, label)
				assert.EqualValues(t, 3, c.Shared().Seed)
				assert.Equal(t, []any{label, uint64(3), few}, []any{config.Label(), config.Seed, config.Data})
				assert.NotEmpty(t, config.Note, label)
				if name == profile.Paper { // the data are part of the published protocol
					assert.Equal(t, profile.Custom, config.Profile, label)
					assert.Contains(t, config.Note, "not the published protocol", label)
					assert.Contains(t, config.Note, few.String(), label)
				} else {
					assert.Equal(t, name, config.Profile, label)
				}
			}
		}
	}
	for _, label := range []string{"darts", "fairdarts-w1", "fairnas-strict"} { // these are on CIFAR-10
		_, _, config, err := runs.Search(label, profile.Paper, 0, runstest.Data())
		require.NoError(t, err)
		assert.Equal(t, profile.Paper, config.Profile, label)
	}
	_, _, _, err := runs.Search("dorts", profile.Quick, 0, few)
	assert.ErrorContains(t, err, `no search is called "dorts"`)
	_, _, _, err = runs.Search("darts", "quicker", 0, few)
	assert.ErrorContains(t, err, "quicker")
	assert.Equal(t, "random", runs.Title("random"))
}

// TestTrain: what is trained is what a search found, where that is a network, or else what stands in for it and says so; a
// random architecture of the seed; a network of the zoo.
func TestTrain(t *testing.T) {
	found := runstest.Search(t, "fairdarts", profile.Quick, 3, few)
	runstest.Weigh(&found, run.Sigmoid, 0.1, 0.2, 0.3, 0.4)
	empty := found
	empty.Genotype = &arch.Genotype{}
	runstest.Derive(&found, 2)
	train := func(label string, of run.Result, classes int) evidence.Config {
		_, network, config, err := runs.Train(label, profile.Quick, 3, few, classes, func() (run.Result, error) { return of, nil })
		require.NoError(t, err)
		assert.Equal(t, []any{label, uint64(3), profile.Quick, few}, []any{config.Label(), config.Seed, config.Profile, config.Data})
		assert.Equal(t, network, *config.Network)
		assert.Equal(t, classes, network.Classes)
		return config
	}
	config := train("fairdarts", found, 100)
	assert.Empty(t, config.Instead)
	assert.Equal(t, *found.Genotype, config.Network.Cells.Genotype)
	config = train("fairdarts", empty, 10)
	assert.Contains(t, config.Instead, "two edges a node")
	assert.Equal(t, 16, len(config.Network.Cells.Genotype.Normal.Edges)+len(config.Network.Cells.Genotype.Reduce.Edges))
	assert.Equal(t, 2, train(runs.Random, run.Result{}, 10).Network.Cells.Genotype.Normal.Count("skip_connect"))
	assert.Empty(t, train("fairdarts-a", run.Result{}, 10).Instead)
	_, _, _, err := runs.Train("fairdarts", profile.Quick, 3, few, 10, func() (run.Result, error) { return found, fs.ErrNotExist })
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, _, _, err = runs.Train("nothing", profile.Quick, 3, few, 10, nil)
	assert.ErrorContains(t, err, "training nothing, seed 3: ")
	assert.False(t, runs.IsSearch(runs.Random))
}

// TestFinished: a run is done where its whole specification is the wanted one's, not where a result lies.
func TestFinished(t *testing.T) {
	dir := runs.Dir(t.TempDir(), run.Search, "darts", 1)
	assert.Equal(t, filepath.Join("search", "darts-seed1"), filepath.Join(filepath.Base(filepath.Dir(dir)), filepath.Base(dir)))
	want := runstest.Search(t, "darts", profile.Quick, 1, few)
	_, _, err := runs.Finished(dir, want.Spec)
	require.ErrorIs(t, err, fs.ErrNotExist)
	runstest.WriteIn(t, dir, want)
	_, stranger, err := runs.Finished(dir, want.Spec)
	require.NoError(t, err)
	assert.Nil(t, stranger)

	other := runstest.Search(t, "darts-noise", profile.Quick, 2, few)
	_, stranger, err = runs.Finished(dir, other.Spec)
	require.NoError(t, err)
	assert.Equal(t, []string{"config.seed (1, not 2)", `config.skip_noise (none, not {"epochs":0})`, "seed (1, not 2)", `variant (none, not "noise")`}, stranger)

	require.NoError(t, os.Remove(filepath.Join(dir, evidence.ConfigFile)))
	_, stranger, err = runs.Finished(dir, want.Spec)
	require.NoError(t, err)
	assert.Equal(t, []string{"there is no config.json"}, stranger)
	require.NoError(t, evidence.WriteConfig(dir, evidence.Config{Spec: other.Spec}))
	_, stranger, err = runs.Finished(dir, want.Spec)
	require.NoError(t, err)
	assert.Contains(t, stranger, "config.json and result.json: seed (2, not 1)")
}
