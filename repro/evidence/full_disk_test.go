package evidence

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/run"
)

// fullFile takes some bytes of a line more while the disk is full.
type fullFile struct {
	*os.File
	full bool
}

func (f *fullFile) Write(p []byte) (int, error) {
	if !f.full {
		return f.File.Write(p)
	}
	n, err := f.File.Write(p[:len(p)/2])
	return n, errors.Join(err, syscall.ENOSPC)
}

// TestDiskFullForAMoment: no half line stays in the log, the next whole one says what is missing, and the run has no error.
func TestDiskFullForAMoment(t *testing.T) {
	dir := t.TempDir()
	e, err := OpenEvents(dir)
	require.NoError(t, err)
	disk := &fullFile{File: e.f.(*os.File)}
	e.f = disk
	listen := e.Listener(1)
	for epoch := range 5 {
		disk.full = epoch == 1 || epoch == 2
		listen(run.Event{Kind: run.EventEpoch, Epoch: epoch})
	}
	require.NoError(t, e.Close())
	events, err := ReadEvents(dir)
	require.NoError(t, err)
	var kinds []string
	for _, ev := range events {
		kinds = append(kinds, ev.Kind)
	}
	assert.Equal(t, []string{run.EventEpoch, EventLost, run.EventEpoch, run.EventEpoch}, kinds)
	assert.Contains(t, string(events[1].Data), `"lines":2,"why":"`+filepath.Join(dir, EventsFile))
	assert.Contains(t, string(events[1].Data), "no space left on device")

	// Where the disk stays full the run's end says so.
	e, err = OpenEvents(dir)
	require.NoError(t, err)
	e.f = &fullFile{File: e.f.(*os.File), full: true}
	e.Listener(1)(run.Event{Kind: run.EventEpoch})
	require.ErrorIs(t, e.Close(), syscall.ENOSPC)
	again, err := ReadEvents(dir)
	require.NoError(t, err)
	assert.Equal(t, events, again)
}

// TestEventsFollowNoLink: a log that leads elsewhere is refused, and what it leads to stays as it is.
func TestEventsFollowNoLink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("no end of a line"), 0o600))
	require.NoError(t, os.Symlink(victim, filepath.Join(dir, EventsFile)))
	_, err := OpenEvents(dir)
	require.ErrorContains(t, err, "expected a regular file, found a link")
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "no end of a line", string(text))
}
