package checkpoint

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.safetensors")
	want := File{
		Tensors: map[string][]float32{"a.weight": {1, -2.5, float32(math.Inf(1)), math.MaxFloat32}, "b": {}, "c": {math.SmallestNonzeroFloat32}},
		Record:  json.RawMessage(`{"epoch":3}`),
	}
	require.NoError(t, Write(path, want))
	got, err := Read(path)
	require.NoError(t, err)
	require.Equal(t, want, got)

	first, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, Write(path, want))
	second, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, first, second, "equal states give equal bytes")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "no temporary file stays")
}

func TestReadRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.safetensors")
	require.NoError(t, Write(path, File{Tensors: map[string][]float32{"w": {1, 2, 3}}, Record: json.RawMessage(`{}`)}))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, bad := range map[string][]byte{
		"empty":         {},
		"short length":  good[:4],
		"no header":     good[:8],
		"half a header": good[:20],
		"truncated":     good[:len(good)-1],
		"flipped bit":   append(append([]byte(nil), good[:len(good)-1]...), good[len(good)-1]^1),
		"huge header":   append([]byte{255, 255, 255, 255, 255, 255, 255, 127}, good[8:]...),
	} {
		t.Run(name, func(t *testing.T) {
			damaged := filepath.Join(dir, "bad")
			require.NoError(t, os.WriteFile(damaged, bad, 0o600))
			_, err := Read(damaged)
			require.ErrorContains(t, err, damaged)
			require.Regexp(t, `offset|data: SHA-256`, err.Error())
		})
	}
	_, err = Read(filepath.Join(dir, "none"))
	require.True(t, errors.Is(err, fs.ErrNotExist))
}

func FuzzRead(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	if err := Write(path, File{Tensors: map[string][]float32{"w": {1, 2}}, Record: json.RawMessage(`{}`)}); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "c")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		_, _ = Read(path) // must not panic
	})
}

func TestWriteKeepsTheOldFileOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c")
	require.NoError(t, Write(path, File{Record: json.RawMessage(`{"n":1}`)}))
	require.Error(t, Write(filepath.Join(dir, "missing", "c"), File{}))
	got, err := Read(path)
	require.NoError(t, err)
	require.JSONEq(t, `{"n":1}`, string(got.Record))
}
