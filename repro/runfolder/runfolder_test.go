package runfolder

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
)

func TestLockIsForOne(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, ".x.1.tmp")
	require.NoError(t, os.WriteFile(left, nil, 0o600))
	f, err := Lock(dir)
	require.NoError(t, err)
	assert.NoFileExists(t, left)
	_, err = Lock(dir)
	require.ErrorIs(t, err, ErrLocked)
	assert.ErrorContains(t, err, dir)
	f.Unlock()
	f, err = Lock(dir)
	require.NoError(t, err)
	f.Unlock()
	_, err = Lock(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestWorkWritesTheResultLast, and not at all where the run failed; what is run is there before anything else.
func TestWorkWritesTheResultLast(t *testing.T) {
	f := &Folder{Dir: t.TempDir()}
	set := datasets.Identity{Name: "embedded", Train: 4, Test: 2, SHA256: "3"}
	record := Describe(&backend.Backend{}, profile.Smoke, 3, set, []datasets.FileSum{{Name: "a.bin", SHA256: "1"}})
	config := evidence.Config{Spec: run.Spec{Command: run.Search, Method: "m", Seed: 3, Data: set, Config: json.RawMessage(`{}`)}, Note: "reduced"}
	broken := errors.New("broken")
	for _, failure := range []error{broken, run.ErrInterrupted} {
		_, err := f.Work(config, record, func(run.Options) (*run.Result, error) {
			c, err := evidence.ReadConfig(f.Dir)
			require.NoError(t, err)
			assert.Equal(t, config.Note, c.Note)
			return nil, failure
		})
		require.ErrorIs(t, err, failure)
		was, err := evidence.ReadRun(f.Dir)
		require.NoError(t, err)
		assert.Zero(t, was.End)
		assert.NoFileExists(t, filepath.Join(f.Dir, evidence.ResultFile))
	}
	want := &run.Result{Spec: config.Spec}
	got, err := f.Work(config, record, func(o run.Options) (*run.Result, error) {
		assert.Equal(t, f.Dir, o.Dir)
		o.Emit(run.Event{Kind: run.EventStart})
		o.Emit(run.Event{Kind: run.EventStep, Step: 1})
		return want, nil
	})
	require.NoError(t, err)
	assert.Same(t, want, got)
	was, err := evidence.ReadRun(f.Dir)
	require.NoError(t, err)
	assert.NotZero(t, was.End)
	assert.Equal(t, []uint64{3}, was.Seeds)
	assert.Equal(t, map[string]string{"a.bin": "1"}, was.Data)
	assert.Equal(t, set, was.Set)
	_, err = evidence.ReadResult(f.Dir)
	require.NoError(t, err)
	events, err := evidence.ReadEvents(f.Dir)
	require.NoError(t, err)
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	assert.Equal(t, []string{"interrupted", run.EventStart, run.EventStep}, kinds)
}

// TestBeginGoesOn: the start stays that of the first time, and other data are refused.
func TestBeginGoesOn(t *testing.T) {
	f := &Folder{Dir: t.TempDir()}
	files := []datasets.FileSum{{Name: "a.bin", SHA256: "1"}}
	first, err := f.Begin(Describe(&backend.Backend{}, profile.Smoke, 3, datasets.Identity{}, files))
	require.NoError(t, err)
	again, err := f.Begin(Describe(&backend.Backend{}, profile.Smoke, 3, datasets.Identity{}, files))
	require.NoError(t, err)
	assert.Equal(t, first.Start, again.Start)
	files[0].SHA256 = "2"
	_, err = f.Begin(Describe(&backend.Backend{}, profile.Smoke, 3, datasets.Identity{}, files))
	assert.ErrorContains(t, err, "data: a.bin had SHA-256 1 when the run began, now it has 2")
}
