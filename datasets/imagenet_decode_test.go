package datasets

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pixelDifference returns the largest and the mean absolute difference.
func pixelDifference(a, b []uint8) (largest int, mean float64) {
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		d = max(d, -d)
		largest = max(largest, d)
		sum += d
	}
	return largest, float64(sum) / float64(len(a))
}

// What Go's inverse cosine transform may differ from libjpeg-turbo's, on the scale 0 to 255: measured
// with Go 1.26.8, 3 at most and 0.07 on average in images of a thousand pixels and more. Without the
// filter for chroma it is tens and above 1.
func TestDecodeRGBBesidePillow(t *testing.T) {
	cases := readReference(t).Decode
	require.Len(t, cases, 19)
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			path := filepath.Join("testdata", "imagenet", "decode", c.File)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			got, err := DecodeRGB(path, data)
			require.NoError(t, err)
			require.Equal(t, c.Size, []int{got.Height, got.Width})
			if filepath.Ext(c.File) == ".png" {
				assert.Equal(t, c.SHA256, hexSum(got.Pix), "PNG is lossless")
				return
			}
			data, err = os.ReadFile(path[:len(path)-4] + ".pil.png")
			require.NoError(t, err)
			want, err := DecodeRGB(path, data)
			require.NoError(t, err)
			require.Equal(t, c.SHA256, hexSum(want.Pix), "Pillow's pixels")
			largest, mean := pixelDifference(want.Pix, got.Pix)
			t.Logf("largest difference %d, mean %.4f", largest, mean)
			assert.LessOrEqual(t, largest, 3)
			bound := 0.08
			if len(got.Pix) < 1000 {
				bound = 0.2
			}
			assert.LessOrEqual(t, mean, bound)
		})
	}
}

// The rules by which chroma is scaled up, worked out by hand.
func TestChromaRows(t *testing.T) {
	plane := []uint8{10, 20, 40, 99, 50, 60, 80, 99} // two rows of three samples
	for _, c := range []struct {
		name                string
		height, width, h, v int
		want                [][]uint8
	}{
		{"4:4:4", 2, 3, 1, 1, [][]uint8{{10, 20, 40}, {50, 60, 80}}},
		{"4:2:2", 2, 5, 2, 1, [][]uint8{{10, 13, 17, 25, 35}, {50, 53, 57, 65, 75}}},
		{"4:2:2, two samples wide", 2, 4, 2, 1, [][]uint8{{10, 10, 20, 20}, {50, 50, 60, 60}}},
		{"4:4:0", 3, 3, 1, 2, [][]uint8{{10, 20, 40}, {20, 30, 50}, {40, 50, 70}}},
		{"4:2:0", 3, 6, 2, 2, [][]uint8{{10, 12, 18, 25, 35, 40}, {20, 22, 28, 35, 45, 50}, {40, 42, 48, 55, 65, 70}}},
		{"4:2:0, two samples wide", 3, 3, 2, 2, [][]uint8{{10, 10, 20}, {10, 10, 20}, {50, 50, 60}}},
		{"4:1:1", 2, 10, 4, 1, [][]uint8{{10, 10, 10, 10, 20, 20, 20, 20, 40, 40}, {50, 50, 50, 50, 60, 60, 60, 60, 80, 80}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newChroma(plane, 4, &RGB{Height: c.height, Width: c.width}, c.h, c.v)
			row := make([]uint8, c.width+3)
			for y, want := range c.want {
				p.row(row, y)
				assert.Equal(t, want, row[:c.width], "row %d", y)
			}
		})
	}
}

func TestDecodeRGBErrors(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", "imagenet", "decode", name))
		require.NoError(t, err)
		return data
	}
	photo, picture := read("420.jpg"), read("420.pil.png")
	huge := bytes.Clone(photo)
	frame := bytes.Index(huge, []byte("\xff\xc0"))
	copy(huge[frame+5:], []byte{0xff, 0xff, 0xff, 0xff})
	hugePNG := bytes.Clone(picture)
	binary.BigEndian.PutUint32(hugePNG[16:], 20000) // width and height, then the header's checksum
	binary.BigEndian.PutUint32(hugePNG[20:], 20000)
	binary.BigEndian.PutUint32(hugePNG[29:], crc32.ChecksumIEEE(hugePNG[12:29]))
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, "the file is empty, expected an image"},
		"text":           {[]byte("<html>"), "the file begins with 3c 68 74 6d, expected an image in JPEG, PNG, WebP"},
		"one byte":       {[]byte{0xff}, "the file begins with ff,"},
		"only a start":   {[]byte{0xff, 0xd8}, "JPEG image: damaged, truncated or of an unknown kind"},
		"cut JPEG":       {photo[:len(photo)-40], "JPEG image: damaged, truncated or of an unknown kind"},
		"cut header":     {photo[:frame+6], "JPEG image: damaged"},
		"cut CMYK":       {read("cmyk.jpg")[:1500], "JPEG image: damaged"},
		"huge JPEG":      {huge, "image size: 65535×65535 pixels, expected 1 to 178956970"},
		"cut PNG":        {picture[:len(picture)/2], "PNG image: damaged or truncated: png:"},
		"only signature": {picture[:8], "PNG image: damaged or truncated"},
		"huge PNG":       {hugePNG, "image size: 20000×20000 pixels"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeRGB("class/some.JPEG", c.data)
			assert.ErrorContains(t, err, c.want)
			var format *FormatError
			require.ErrorAs(t, err, &format)
			assert.Equal(t, "class/some.JPEG", format.File)
		})
	}
}

func FuzzDecodeRGB(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "imagenet", "decode", "*"))
	require.NoError(f, err)
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Size() < 2000 {
			data, err := os.ReadFile(file)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if head, ok := readJPEGHead(data); ok && head.height*head.width > 1<<20 {
			return // slow, not wrong
		}
		im, err := DecodeRGB("fuzz", data)
		if err == nil {
			require.NoError(t, im.validate())
		}
	})
}
