package runfolder

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/search"
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

// TestWorkWritesTheResultLast, and not at all where the run failed.
func TestWorkWritesTheResultLast(t *testing.T) {
	f := &Folder{Dir: t.TempDir()}
	run := Describe(&backend.Backend{}, nas.Smoke, 3, []datasets.FileSum{{Name: "a.bin", SHA256: "1"}})
	broken := errors.New("broken")
	for _, failure := range []error{broken, search.ErrInterrupted} {
		err := f.Work(run, func(search.Listener) (func() error, error) { return nil, failure })
		require.ErrorIs(t, err, failure)
		was, err := evidence.ReadRun(f.Dir)
		require.NoError(t, err)
		assert.Zero(t, was.End)
	}
	saved := false
	require.NoError(t, f.Work(run, func(log search.Listener) (func() error, error) {
		log(search.Event{Kind: search.EventStart})
		return func() error {
			was, err := evidence.ReadRun(f.Dir)
			require.NoError(t, err)
			assert.NotZero(t, was.End)
			assert.Equal(t, []uint64{3}, was.Seeds)
			assert.Equal(t, map[string]string{"a.bin": "1"}, was.Data)
			saved = true
			return nil
		}, nil
	}))
	assert.True(t, saved)
	events, err := evidence.ReadEvents(f.Dir)
	require.NoError(t, err)
	require.Len(t, events, 2)
	assert.Equal(t, []string{"interrupted", search.EventStart}, []string{events[0].Kind, events[1].Kind})
}

func TestChanged(t *testing.T) {
	for _, m := range nas.Methods() {
		c, err := m.Config(nas.Smoke)
		require.NoError(t, err)
		base, err := m.Base(c)
		require.NoError(t, err)
		base.Seed, base.Granularity = 7, "cell"
		changed, err := Changed(m, c, nas.Smoke)
		require.NoError(t, err)
		assert.False(t, changed, m.Name)
		base.Epochs++
		changed, err = Changed(m, c, nas.Smoke)
		require.NoError(t, err)
		assert.True(t, changed, m.Name)
	}
}
