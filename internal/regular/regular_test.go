package regular

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("pipes and devices are those of Linux")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("file"), []byte("text"), 0o600))
	require.NoError(t, os.Symlink("file", at("link")))
	require.NoError(t, syscall.Mkfifo(at("pipe"), 0o600))
	require.NoError(t, os.Symlink("/dev/zero", at("zero")))
	require.NoError(t, os.WriteFile(at("sparse"), nil, 0o600))
	require.NoError(t, os.Truncate(at("sparse"), 60<<30))
	for _, name := range []string{"file", "link"} {
		data, err := Read(at(name), 4)
		require.NoError(t, err)
		assert.Equal(t, "text", string(data))
	}
	for name, want := range map[string]string{
		"pipe": "expected a regular file, found a pipe", "zero": "expected a regular file, found a device",
		"sparse": "expected at most 67108864 bytes, got 64424509440", ".": "expected a regular file, found a folder",
	} {
		_, err := Read(at(name), Settings)
		assert.ErrorContains(t, err, at(name)+": "+want)
	}
	_, err := Read(at("file"), 3)
	assert.ErrorContains(t, err, "expected at most 3 bytes, got 4")
	_, err = Read(at("none"), 3)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestEdit(t *testing.T) {
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	require.NoError(t, os.Symlink(victim, link))
	_, err := Edit(link, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	assert.ErrorContains(t, err, link+": expected a regular file, found a link; remove it")
	data, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(data))
	f, err := Edit(filepath.Join(dir, "new"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
