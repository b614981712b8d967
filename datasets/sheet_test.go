package datasets

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testSheet(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

// labelBytes returns the first n labels as a .labels file has them.
func labelBytes(im *Images, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(im.Labels[i])
	}
	return out
}

func TestSheetEqualsTheImagesItWasMadeFrom(t *testing.T) {
	train, _, err := Embedded()
	require.NoError(t, err)
	labels := labelBytes(train, 7)
	im := cifar10Layout.empty("sheet", 7)
	require.NoError(t, parseSheet("seven.webp", testSheet(t, "seven.webp"), "seven.labels", labels, cifar10Layout, im))
	assert.Equal(t, train.Pixels[:7*cifarPixels], im.Pixels)
	assert.Equal(t, train.Labels[:7], im.Labels)
}

func TestSheetErrors(t *testing.T) {
	good := testSheet(t, "four.webp")
	labels := []byte{1, 2, 3, 4}
	// A VP8L header that claims 16384×16384 pixels, 1 GiB once decoded.
	huge := append([]byte(nil), good...)
	copy(huge[21:], []byte{0xff, 0xff, 0xff, 0x0f})
	damaged := append([]byte(nil), good...)
	for i := 30; i < 200; i++ {
		damaged[i] = 0xa5
	}
	for name, c := range map[string]struct {
		sheet, labels []byte
		n             int
		file          string
		want          []string
	}{
		"empty":             {nil, labels, 4, "x.webp", []string{"WebP header", "offset 0"}},
		"not WebP":          {[]byte("\x89PNG\r\n\x1a\n, and so on"), labels, 4, "x.webp", []string{"WebP header"}},
		"header only":       {good[:20], labels, 4, "x.webp", []string{"WebP header", "unexpected EOF"}},
		"truncated":         {good[:len(good)/2], labels, 4, "x.webp", []string{"WebP pixels", "damaged or truncated"}},
		"damaged":           {damaged, labels, 4, "x.webp", []string{"WebP pixels"}},
		"lossy":             {testSheet(t, "lossy.webp"), labels, 4, "x.webp", []string{"expected a lossless image"}},
		"claims to be huge": {huge, labels, 4, "x.webp", []string{"WebP size", "16384×16384", "grid of 4 images"}},
		"other grid":        {testSheet(t, "seven.webp"), labels, 4, "x.webp", []string{"WebP size", "128×64"}},
		"too few labels":    {good, labels[:3], 4, "x.labels", []string{"offset 3", "3 bytes, expected 4"}},
		"too many labels":   {good, append(labels, 1), 4, "x.labels", []string{"offset 4", "5 bytes, expected 4"}},
		"label 10":          {good, []byte{1, 2, 10, 4}, 4, "x.labels", []string{"offset 2", "label of image 2", "10, expected 0 to 9"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := parseSheet("x.webp", c.sheet, "x.labels", c.labels, cifar10Layout, cifar10Layout.empty("sheet", c.n))
			var format *FormatError
			require.ErrorAs(t, err, &format)
			assert.Equal(t, c.file, format.File)
			for _, w := range c.want {
				assert.ErrorContains(t, err, w)
			}
		})
	}
}

// writeTinySheets writes tinySet as sheets.
func writeTinySheets(t testing.TB, s *cifarSet, dir string) {
	t.Helper()
	train, test, err := Embedded()
	require.NoError(t, err)
	for _, b := range s.batches() {
		from, name := train, "seven.webp"
		if b == "test_batch" {
			from, name = test, "four.webp"
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, b+".webp"), testSheet(t, name), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, b+".labels"), labelBytes(from, s.records(b)), 0o644))
	}
}

func TestLoadSheets(t *testing.T) {
	s, dir := tinySet(), t.TempDir()
	writeTinySheets(t, s, dir)
	train, test, err := s.load(dir)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	want, wantTest, err := Embedded()
	require.NoError(t, err)
	assert.Equal(t, want.Pixels[:7*cifarPixels], train.Pixels[28*cifarPixels:], "the fifth batch")
	assert.Equal(t, wantTest.Labels[:4], test.Labels)
	assert.Len(t, train.Files, 10)
	assert.Equal(t, "data_batch_1.labels", train.Files[1].Name)

	t.Run("a .labels file missing", func(t *testing.T) {
		require.NoError(t, os.Remove(filepath.Join(dir, "data_batch_2.labels")))
		_, _, err := s.load(dir)
		assert.ErrorContains(t, err, dir+" lacks data_batch_2.labels")
	})
	t.Run("complete .bin files go first", func(t *testing.T) {
		writeTiny(t, s, filepath.Join(dir, "cifar-10-batches-bin"))
		train, _, err := s.load(dir)
		require.NoError(t, err)
		assert.Equal(t, "data_batch_1.bin", train.Files[0].Name)
	})
}

func FuzzCIFAR10Batch(f *testing.F)  { fuzzBatch(f, cifar10Layout) }
func FuzzCIFAR100Batch(f *testing.F) { fuzzBatch(f, cifar100Layout) }

// fuzzBatch: whatever parses is valid and is written back as it was.
func fuzzBatch(f *testing.F, l cifarLayout) {
	f.Add(randomBatch(l, 2, 1), 2)
	f.Add(randomBatch(l, 1, 1)[:1000], 1)
	f.Add([]byte{}, 1)
	f.Add([]byte{255, 255}, 3)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		n = 1 + n&3
		im := l.empty("fuzz", n)
		err := l.parse("fuzz.bin", data, im)
		if err != nil {
			var format *FormatError
			require.ErrorAs(t, err, &format)
			require.GreaterOrEqual(t, format.Offset, int64(0))
			require.LessOrEqual(t, format.Offset, int64(len(data)))
			return
		}
		require.NoError(t, im.Validate())
		require.Equal(t, data, im.appendBinary(nil, 0, n))
	})
}

func FuzzWebPSheet(f *testing.F) {
	good := testSheet(f, "four.webp")
	f.Add(good, []byte{0, 1, 2, 3})
	f.Add(good[:100], []byte{0, 1, 2, 3})
	f.Add(testSheet(f, "lossy.webp"), []byte{0, 1, 2, 3})
	f.Add([]byte("RIFF\x20\x00\x00\x00WEBPVP8L\x10\x00\x00\x00\x2f\xff\xff\xff\x0f"), []byte{9})
	f.Fuzz(func(t *testing.T, sheet, labels []byte) {
		n := len(labels)
		if n == 0 || n > 16 { // so that the largest sheet that gets past the header has 16 images
			return
		}
		im := cifar10Layout.empty("fuzz", n)
		if err := parseSheet("fuzz.webp", sheet, "fuzz.labels", labels, cifar10Layout, im); err != nil {
			var format *FormatError
			require.ErrorAs(t, err, &format)
			require.LessOrEqual(t, format.Offset, int64(max(len(sheet), len(labels))))
			return
		}
		require.NoError(t, im.Validate())
	})
}
