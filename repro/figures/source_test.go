package figures

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runs"
)

var data = datasets.Identity{Name: datasets.EmbeddedName, Train: 4000, Test: 1000, SHA256: "a"}

// searched writes the search of a label and seed into an evidence folder.
func searched(t *testing.T, dir, label, kind string, seed uint64, change func(*run.Result)) string {
	t.Helper()
	_, _, config, err := runs.Search(label, profile.Smoke, seed, data)
	require.NoError(t, err)
	r := search("", kind, 0, three, three)
	r.Spec = config.Spec
	if change != nil {
		change(&r)
	}
	folder := runs.Dir(dir, run.Search, label, seed)
	require.NoError(t, evidence.WriteConfig(folder, evidence.Config{Spec: r.Spec}))
	require.NoError(t, evidence.WriteResult(folder, r))
	return folder
}

func TestOpenEvidence(t *testing.T) {
	dir := t.TempDir()
	for _, seed := range []uint64{10, 9} {
		searched(t, dir, "fairdarts-no01", run.Sigmoid, seed, nil)
	}
	searched(t, dir, "darts", run.Softmax, 9, nil)
	searched(t, dir, "darts", run.Softmax, 10, func(r *run.Result) {
		_, _, config, err := runs.Search("darts", profile.Smoke, 11, data)
		require.NoError(t, err)
		r.Spec = config.Spec
	})
	require.NoError(t, evidence.WriteRun(dir, evidence.Run{Profile: profile.Smoke, Set: data}))
	s, err := Open(dir)
	require.NoError(t, err)
	var names []string
	for _, r := range s.Searches {
		names = append(names, folder(r))
	}
	assert.Equal(t, []string{"darts-seed9", "fairdarts-no01-seed9", "fairdarts-no01-seed10"}, names)
	assert.True(t, s.Evidence)
	assert.Equal(t, profile.Smoke, s.Profile)
	require.Len(t, s.Strangers, 1)
	assert.Contains(t, s.Strangers[0].String(), "search/darts-seed10: ")
	list, err := named(t, "alphas").Draw(s)
	require.NoError(t, err)
	assert.Equal(t, "fairdarts-alphas-fairdarts-no01-seed9", list[1].Stem)
	assert.Equal(t, "FairDARTS without zero-one loss, seed 9, profile smoke", list[1].Of)

	one, err := s.Only("fairdarts-no01-seed10")
	require.NoError(t, err)
	assert.Equal(t, s.Searches[2:], one.Searches)
	_, err = s.Only("darts-seed7")
	assert.EqualError(t, err, "expected one of darts-seed9, fairdarts-no01-seed9, fairdarts-no01-seed10")
}

func TestOpenRun(t *testing.T) {
	s, err := Open(searched(t, t.TempDir(), "fairdarts", run.Sigmoid, 1, nil))
	require.NoError(t, err)
	assert.False(t, s.Evidence)
	require.Len(t, s.Searches, 1)
	list, err := named(t, "sigmoids").Draw(s)
	require.NoError(t, err)
	assert.Equal(t, "fairdarts-sigmoids", list[0].Stem)
	_, err = s.Only("fairdarts-seed1")
	assert.ErrorContains(t, err, "expected an evidence folder, found that of a run")

	dir := t.TempDir()
	require.NoError(t, evidence.WriteResult(dir, run.Result{Spec: run.Spec{Command: run.Train, Name: "random", Profile: profile.Smoke}}))
	s, err = Open(dir)
	require.NoError(t, err)
	assert.Len(t, s.Trainings, 1)
	assert.Empty(t, s.Searches)
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(filepath.Join(dir, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(dir)
	assert.ErrorContains(t, err, "expected the folder of a finished run (with result.json) or an evidence folder (with run.json), found neither")
	require.NoError(t, evidence.WriteRun(dir, evidence.Run{Profile: profile.Smoke, Set: data}))
	_, err = Open(dir)
	assert.ErrorContains(t, err, "no finished run in it")
	require.NoError(t, os.WriteFile(filepath.Join(dir, evidence.ResultFile), []byte("{"), 0o600))
	_, err = Open(dir)
	assert.ErrorContains(t, err, evidence.ResultFile)
}
