package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tinySet is a data set of CIFAR-10's layout with few images, for tests of the files around it.
func tinySet() *cifarSet {
	s := cifar10Set
	s.perTrain, s.perTest = 7, 4
	s.binSHA256 = nil
	return &s
}

// randomBatch makes a well-formed batch file.
func randomBatch(l cifarLayout, n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, n*l.recordBytes())
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	for i := range n {
		at := i * l.recordBytes()
		if l.coarse > 0 {
			data[at] = byte(rng.IntN(l.coarse))
			at++
		}
		data[at] = byte(rng.IntN(l.classes))
	}
	return data
}

// writeTiny writes the .bin files of s.
func writeTiny(t testing.TB, s *cifarSet, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for i, b := range s.batches() {
		require.NoError(t, os.WriteFile(filepath.Join(dir, b+".bin"), randomBatch(s.layout, s.records(b), uint64(i)), 0o644))
	}
}

// dataFolder returns GONAS_DATA or skips.
func dataFolder(t testing.TB) string {
	t.Helper()
	if os.Getenv(DataEnv) == "" {
		t.Skipf("%s is not set: it names the folder that has cifar10 and cifar100", DataEnv)
	}
	dir, err := ResolveDir("")
	require.NoError(t, err)
	return dir
}

func TestParseReadsPlanes(t *testing.T) {
	for name, l := range map[string]cifarLayout{"cifar10": cifar10Layout, "cifar100": cifar100Layout} {
		t.Run(name, func(t *testing.T) {
			data := randomBatch(l, 3, 5)
			im := l.empty("batch", 3)
			require.NoError(t, l.parse("batch.bin", data, im))
			require.NoError(t, im.Validate())
			// Pixel (y, x) of channel c lies in plane c, by the format's definition.
			record, lb := l.recordBytes(), l.labelBytes()
			for _, at := range [][4]int{{0, 0, 0, 0}, {1, 3, 30, 1}, {2, 31, 31, 2}, {2, 17, 4, 0}} {
				i, y, x, c := at[0], at[1], at[2], at[3]
				assert.Equal(t, data[i*record+lb+c*1024+y*32+x], im.Image(i)[(y*32+x)*3+c], "%v", at)
			}
			for i := range 3 {
				assert.EqualValues(t, data[i*record+lb-1], im.Labels[i])
				if l.coarse > 0 {
					assert.EqualValues(t, data[i*record], im.Coarse[i])
				}
			}
			assert.Equal(t, data, im.appendBinary(nil, 0, 3), "writing what was read")
			require.Len(t, im.Files, 1)
			sum := sha256.Sum256(data)
			assert.Equal(t, FileSum{"batch.bin", hex.EncodeToString(sum[:])}, im.Files[0])
		})
	}
}

func TestParseErrors(t *testing.T) {
	edit := func(l cifarLayout, at int, v byte) []byte {
		data := randomBatch(l, 4, 1)
		data[at] = v
		return data
	}
	for name, c := range map[string]struct {
		layout cifarLayout
		data   []byte
		offset int64
		want   []string
	}{
		"empty":               {cifar10Layout, nil, 0, []string{"image 0", "truncated", "0 bytes", "expected 12292"}},
		"ends in an image":    {cifar10Layout, randomBatch(cifar10Layout, 4, 1)[:3*3073+100], 3*3073 + 100, []string{"image 3", "truncated"}},
		"an image short":      {cifar10Layout, randomBatch(cifar10Layout, 3, 1), 3 * 3073, []string{"image 3", "truncated"}},
		"too long":            {cifar10Layout, append(randomBatch(cifar10Layout, 4, 1), 0), 4 * 3073, []string{"file length", "12293 bytes", "expected 12292"}},
		"label 10":            {cifar10Layout, edit(cifar10Layout, 2*3073, 10), 2 * 3073, []string{"label of image 2", "10, expected 0 to 9"}},
		"fine label 100":      {cifar100Layout, edit(cifar100Layout, 3074+1, 100), 3075, []string{"label of image 1", "100, expected 0 to 99"}},
		"coarse label 20":     {cifar100Layout, edit(cifar100Layout, 3*3074, 20), 3 * 3074, []string{"coarse label of image 3", "20, expected 0 to 19"}},
		"CIFAR-10 for 100":    {cifar100Layout, randomBatch(cifar10Layout, 4, 1), 4 * 3073, []string{"truncated"}},
		"CIFAR-100 for CIFAR": {cifar10Layout, randomBatch(cifar100Layout, 4, 1), 4 * 3073, []string{"file length"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.layout.parse("some/batch.bin", c.data, c.layout.empty("batch", 4))
			var format *FormatError
			require.ErrorAs(t, err, &format)
			assert.Equal(t, c.offset, format.Offset)
			for _, w := range append(c.want, "some/batch.bin", "offset ") {
				assert.ErrorContains(t, err, w)
			}
		})
	}
}

func TestLoadFindsTheFolder(t *testing.T) {
	for name, sub := range map[string]string{
		"the folder itself": "", "beside": "cifar-10-batches-bin", "by name": "cifar10", "both": "cifar10/cifar-10-batches-bin",
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := tinySet(), t.TempDir()
			writeTiny(t, s, filepath.Join(dir, sub))
			train, test, err := s.load(dir)
			require.NoError(t, err)
			require.NoError(t, train.Validate())
			require.NoError(t, test.Validate())
			assert.Equal(t, 35, train.N)
			assert.Equal(t, 4, test.N)
			assert.Equal(t, "cifar10 train", train.Name)
			assert.Len(t, train.Files, 5)
			assert.Equal(t, "data_batch_3.bin", train.Files[2].Name, "official order")
			assert.Equal(t, randomBatch(s.layout, 7, 2), train.appendBinary(nil, 14, 21))
		})
	}
}

func TestLoadErrors(t *testing.T) {
	s := tinySet()
	t.Run("no folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "absent")
		_, _, err := s.load(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
		assert.ErrorContains(t, err, dir)
	})
	t.Run("nothing in it", func(t *testing.T) {
		dir := t.TempDir()
		_, _, err := s.load(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
		for _, w := range []string{dir, filepath.Join(dir, "data_batch_1.bin"), filepath.Join(dir, "cifar10", "data_batch_1.webp"),
			filepath.Join(dir, "cifar-10-batches-bin", "data_batch_1.bin"), "gonas data fetch cifar10"} {
			assert.ErrorContains(t, err, w)
		}
	})
	t.Run("the Python version", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "cifar-10-batches-py"), 0o755))
		_, _, err := s.load(dir)
		assert.ErrorContains(t, err, "binary version is needed")
	})
	t.Run("files missing", func(t *testing.T) {
		dir := t.TempDir()
		writeTiny(t, s, dir)
		require.NoError(t, os.Remove(filepath.Join(dir, "data_batch_4.bin")))
		require.NoError(t, os.Remove(filepath.Join(dir, "test_batch.bin")))
		_, _, err := s.load(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
		assert.ErrorContains(t, err, dir+" lacks data_batch_4.bin, test_batch.bin")
	})
	t.Run("truncated", func(t *testing.T) {
		dir := t.TempDir()
		writeTiny(t, s, dir)
		path := filepath.Join(dir, "data_batch_2.bin")
		require.NoError(t, os.Truncate(path, 10000))
		_, _, err := s.load(dir)
		var format *FormatError
		require.ErrorAs(t, err, &format)
		assert.Equal(t, path, format.File)
		assert.EqualValues(t, 10000, format.Offset)
	})
	t.Run("a label out of range", func(t *testing.T) {
		dir := t.TempDir()
		writeTiny(t, s, dir)
		data := randomBatch(s.layout, 4, 9)
		data[3*3073] = 200
		require.NoError(t, os.WriteFile(filepath.Join(dir, "test_batch.bin"), data, 0o644))
		_, _, err := s.load(dir)
		assert.ErrorContains(t, err, "test_batch.bin: offset 9219: label of image 3: 200, expected 0 to 9")
	})
	t.Run("a file in place of the folder", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		_, _, err := s.load(path)
		require.Error(t, err)
		assert.ErrorContains(t, err, path)
	})
}

func TestLoadCIFAR100Layout(t *testing.T) {
	s := cifar100Set
	s.perTrain, s.perTest = 9, 5
	dir := t.TempDir()
	writeTiny(t, &s, filepath.Join(dir, "cifar-100-binary"))
	train, test, err := s.load(dir)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	assert.Equal(t, 100, train.Classes)
	assert.Len(t, train.Coarse, 9)
	assert.Equal(t, 5, test.N)
	_, _, err = LoadCIFAR100(dir)
	assert.ErrorContains(t, err, "expected 153700000 (50000 images of 3074 bytes)", "the exported loader wants the official size")
}

// The sheets of the data folder must give the official files bit for bit.
func TestSheetsRebuildTheOfficialFiles(t *testing.T) {
	dir := dataFolder(t)
	train, test, err := LoadCIFAR10(dir)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	require.NoError(t, test.Validate())
	require.Equal(t, 50000, train.N)
	require.Equal(t, 10000, test.N)
	for i, batch := range cifar10Set.batches() {
		im, first := train, i*10000
		if batch == "test_batch" {
			im, first = test, 0
		}
		sum := sha256.Sum256(im.appendBinary(nil, first, first+10000))
		assert.Equal(t, cifar10Set.binSHA256[batch+".bin"], hex.EncodeToString(sum[:]), batch)
	}
	for _, set := range []*Images{train, test} {
		count := make([]int, 10)
		for _, label := range set.Labels {
			count[label]++
		}
		for class, n := range count {
			assert.Equal(t, set.N/10, n, "%s: class %d", set.Name, class)
		}
	}
	mean, std := train.MeanStd()
	assert.InDeltaSlice(t, cifar10Mean, mean, 1e-6)
	assert.InDeltaSlice(t, cifar10Std, std, 1e-6)
	checkEmbeddedAgainst(t, train, test)
}
