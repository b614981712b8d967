package checkpoint

import (
	"bytes"
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
			require.Regexp(t, `offset|SHA-256`, err.Error())
		})
	}
	_, err = Read(filepath.Join(dir, "none"))
	require.True(t, errors.Is(err, fs.ErrNotExist))
}

// TestSumIsOverAll: every byte that says something counts, those of the header too.
func TestSumIsOverAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.safetensors")
	require.NoError(t, Write(path, File{Tensors: map[string][]float32{"first": {1, 2}, "other": {3, 4}}, Record: json.RawMessage(`{"epochs_done":2,"rate":0.25}`)}))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	changed := filepath.Join(dir, "changed")
	for i := range good {
		for _, bit := range []byte{1, 4} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			require.NoError(t, os.WriteFile(changed, bad, 0o600))
			got, err := Read(changed)
			if err == nil { // a space in front of the data, or the case of a digit of the sum
				want, err := Read(path)
				require.NoError(t, err)
				require.Equal(t, want, got, "byte %d of %q", i, bad)
			}
		}
	}
	for old, new := range map[string]string{`epochs_done\":2`: `epochs_done\":9`, `0.25`: `0.75`, `"first"`: `"frost"`} {
		require.Contains(t, string(good), old)
		require.NoError(t, os.WriteFile(changed, bytes.Replace(good, []byte(old), []byte(new), 1), 0o600))
		_, err := Read(changed)
		require.ErrorContains(t, err, changed+": SHA-256 of record and tensors is")
	}
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
