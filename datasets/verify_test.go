package datasets

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVerifyEmbedded(t *testing.T) {
	results := Verify("")
	require.Len(t, results, 4)
	assert.NoError(t, failed(results))
}

func TestVerifyFindsTheDamage(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, s *cifarSet, folder string)
		want   []string // each in some failed result; none: everything is right
	}{
		"nothing": {func(*testing.T, *cifarSet, string) {}, nil},
		"a pixel": {func(t *testing.T, _ *cifarSet, folder string) { edit(t, folder, "data_batch_2.bin", 100, 1) },
			[]string{"data_batch_2.bin: binary sha256: SHA-256 is"}},
		"a label in range": {func(t *testing.T, _ *cifarSet, folder string) { edit(t, folder, "test_batch.bin", 0, 1) },
			[]string{"test_batch.bin: binary sha256", "expected the same number"}},
		"a label out of range": {func(t *testing.T, _ *cifarSet, folder string) { edit(t, folder, "test_batch.bin", 3073, 60) },
			[]string{"label of image 1", "cifar10 test: not counted"}},
		"truncated": {func(t *testing.T, _ *cifarSet, folder string) {
			require.NoError(t, os.Truncate(filepath.Join(folder, "data_batch_5.bin"), 77))
		}, []string{"data_batch_5.bin: content", "offset 77", "truncated"}},
		"missing": {func(t *testing.T, _ *cifarSet, folder string) {
			require.NoError(t, os.Remove(filepath.Join(folder, "data_batch_5.bin")))
		}, []string{"lacks data_batch_5.bin"}},
		"a sum that contradicts": {func(t *testing.T, s *cifarSet, folder string) {
			write(t, folder, binSumsFile, s.binSHA256["data_batch_1.bin"]+"  test_batch.bin\n")
		}, []string{"test_batch.bin: binary sha256"}},
		"a sum file out of shape": {func(t *testing.T, _ *cifarSet, folder string) { write(t, folder, binSumsFile, "abc  test_batch.bin\n") },
			[]string{"BIN_SHA256SUMS: line 1: expected a SHA-256"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, files := balancedSet()
			dir := t.TempDir()
			folder := filepath.Join(dir, "cifar10")
			require.NoError(t, os.Mkdir(folder, 0o755))
			for name, data := range files {
				require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
			}
			c.damage(t, s, folder)
			results := verify(dir, []*cifarSet{s})
			assert.Greater(t, len(results), 4)
			err := failed(results)
			if c.want == nil {
				require.NoError(t, err)
				assert.Len(t, results, 4+6+6+2)
			}
			for _, w := range c.want {
				assert.ErrorContains(t, err, w)
			}
		})
	}
}

func edit(t *testing.T, folder, name string, at int, add byte) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	data[at] += add
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
}

func TestVerifySums(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "clips")
	require.NoError(t, os.Mkdir(other, 0o755))
	write(t, other, "a.wav", "some sound")
	write(t, other, "b.wav", "other sound")
	sumA, sumB := sumOf("", []byte("some sound")).SHA256, sumOf("", []byte("other sound")).SHA256
	write(t, other, sumsFile, "# made by hand\n"+sumA+"  a.wav\n"+sumB+" *b.wav\n")
	results := Verify(dir)
	require.NoError(t, failed(results))
	assert.Len(t, results, 6)
	assert.Equal(t, VerifyResult{Dataset: "clips", File: filepath.Join(other, "b.wav"), Check: "sha256", OK: true}, results[5])

	write(t, other, "a.wav", "some sounds")
	assert.ErrorContains(t, failed(Verify(dir)), "a.wav: sha256: SHA-256 is")
	require.NoError(t, os.Remove(filepath.Join(other, "a.wav")))
	assert.ErrorContains(t, failed(Verify(dir)), "no such file")
	for _, bad := range []string{"", sumA, sumA + "  ../a.wav", "zz  a.wav", sumA[1:] + "  a.wav"} {
		write(t, other, sumsFile, bad)
		assert.ErrorContains(t, failed(Verify(dir)), "SHA256SUMS: ", "%q", bad)
	}
}

func TestVerifyNothing(t *testing.T) {
	dir := t.TempDir()
	assert.ErrorContains(t, failed(Verify(dir)), dir+": content: nothing to check")
	assert.ErrorContains(t, failed(Verify(filepath.Join(dir, "absent"))), "no such file")
}

func TestBalanceChecksSuperclasses(t *testing.T) {
	im := smallImages(4, 1, 1, 1, 2)
	im.Coarse = []int32{3, 4, 3, 4}
	require.NoError(t, checkBalance("x", []*Images{im}))
	im.Coarse[2] = 5
	assert.ErrorContains(t, checkBalance("x", []*Images{im}), "image 2: class 0 is under superclass 5, before it was under 3")
}

func TestVerifyTheDataFolder(t *testing.T) {
	dir := filepath.Join(dataFolder(t), "cifar10") // other folders there are other packages' business
	results := Verify(dir)
	require.NoError(t, failed(results))
	rebuilt := 0
	for _, r := range results {
		if r.Dataset == "cifar10" && r.Check == "binary sha256" {
			rebuilt++
		}
	}
	assert.Equal(t, 6, rebuilt)
	for _, status := range List(dir) {
		if status.Name == "cifar10" {
			assert.Equal(t, Present, status.State)
		}
	}
}
