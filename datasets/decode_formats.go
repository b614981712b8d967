package datasets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/gif"
	"image/png"
	"io"
	"regexp"
	"slices"

	"github.com/spakin/netpbm"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// codecs are those of the formats of [formatOf] but JPEG.
var codecs = map[string]struct {
	decode func(data []byte) (image.Image, error)
	config func(io.Reader) (image.Config, error)
}{
	"PNG": {decodePNG, png.DecodeConfig}, "GIF": {decodeGIF, gif.DecodeConfig}, "BMP": {from(bmp.Decode), bmp.DecodeConfig},
	"TIFF": {decodeTIFF, tiff.DecodeConfig}, "WebP": {from(webp.Decode), webp.DecodeConfig},
	"PNM": {decodePNM, netpbm.DecodeConfig},
}

func from(decode func(io.Reader) (image.Image, error)) func([]byte) (image.Image, error) {
	return func(data []byte) (image.Image, error) { return decode(bytes.NewReader(data)) }
}

var comment = regexp.MustCompile(`#[^\r\n]*`)

// decodePNM decodes a PBM, PGM or PPM image. Of text the library does not say that it ends early.
func decodePNM(data []byte) (image.Image, error) {
	im, err := netpbm.Decode(bytes.NewReader(data), nil)
	if err != nil || data[1] > '3' {
		return im, err
	}
	const bits, colours = '1', '3'
	fields := bytes.Fields(comment.ReplaceAll(data, nil))
	want, have := im.Bounds().Dx()*im.Bounds().Dy(), len(fields)-4 // behind kind, width, height and largest value
	switch data[1] {
	case bits: // blanks between them may be left out
		have = len(bytes.Join(fields[3:], nil))
	case colours:
		want *= 3
	}
	if have < want {
		return nil, fmt.Errorf("%d values, expected %d", have, want)
	}
	return im, nil
}

// decodePNG decodes a PNG image. Go's decoder has two forms for grey of 16 bits, of which this is one.
func decodePNG(data []byte) (image.Image, error) {
	im, err := png.Decode(bytes.NewReader(data))
	const kindAt, grey = 25, 0
	deep, ok := im.(*image.NRGBA64) // one value is transparent
	if !ok || data[kindAt] != grey {
		return im, err
	}
	out := image.NewGray16(deep.Rect)
	for i := range len(out.Pix) / 2 {
		copy(out.Pix[2*i:2*i+2], deep.Pix[8*i:])
	}
	return out, err
}

// mendPNG writes the right checksums to the chunks of pixels and to the end, which it adds where it is missing: Pillow reads
// no further than the pixels.
func mendPNG(data []byte) []byte {
	fixed := false
	ended, pixels := false, false
	at := 8
	for at+12 <= len(data) {
		n := int64(binary.BigEndian.Uint32(data[at:]))
		next := int64(at) + 12 + n
		if next > int64(len(data)) {
			break
		}
		kind, sum := string(data[at+4:at+8]), data[next-4:next]
		ended, pixels = kind == "IEND", pixels || kind == "IDAT"
		right := crc32.ChecksumIEEE(data[at+4 : next-4])
		if (kind == "IDAT" || kind == "IEND") && binary.BigEndian.Uint32(sum) != right {
			if !fixed {
				data, fixed = slices.Clone(data), true
			}
			binary.BigEndian.PutUint32(data[next-4:], right)
		}
		at = int(next)
		if ended {
			return data
		}
	}
	if pixels && !ended && at == len(data) {
		data = append(slices.Clip(data), 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82)
	}
	return data
}

// decodeTIFF decodes a TIFF image. Of the library's fax images black and white were the wrong way round.
func decodeTIFF(data []byte) (image.Image, error) {
	const compression, huffman, fax4 = 259, 2, 4
	if c := tagOfTIFF(data, compression); c >= huffman && c <= fax4 {
		return nil, errors.New("fax compression (CCITT), which is not read, expected none, LZW, deflate or PackBits")
	}
	return tiff.Decode(bytes.NewReader(data))
}

// tagOfTIFF is a tag's number of 16 bits in the first directory; 0 where it is not there.
func tagOfTIFF(data []byte, tag uint16) uint16 {
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	if len(data) < 8 {
		return 0
	}
	at := int64(order.Uint32(data[4:]))
	if at+2 > int64(len(data)) {
		return 0
	}
	for n := order.Uint16(data[at:]); n > 0; n-- {
		entry := at + 2 + 12*int64(n-1)
		if entry+12 <= int64(len(data)) && order.Uint16(data[entry:]) == tag {
			return order.Uint16(data[entry+8:])
		}
	}
	return 0
}

// decodeGIF decodes the first picture of a GIF file, on the whole of its canvas.
func decodeGIF(data []byte) (image.Image, error) {
	head, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	first, err := gif.Decode(bytes.NewReader(withoutTransparency(data)))
	if err != nil {
		return nil, err
	}
	picture, ok := first.(*image.Paletted)
	if !ok {
		return nil, errors.New("expected a palette")
	}
	whole := image.NewPaletted(image.Rect(0, 0, head.Width, head.Height), picture.Palette)
	for y := picture.Rect.Min.Y; y < picture.Rect.Max.Y; y++ {
		for x := picture.Rect.Min.X; x < picture.Rect.Max.X; x++ {
			whole.SetColorIndex(x, y, picture.ColorIndexAt(x, y))
		}
	}
	return whole, nil
}

// withoutTransparency clears the mark of a transparent colour before the first picture, which Go's decoder would take as black.
func withoutTransparency(data []byte) []byte {
	table := func(flags byte) int {
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	const label = 0xf9
	for at := 13 + table(data[10]); at+4 < len(data) && data[at] == 0x21; {
		if data[at+1] == label && data[at+3]&1 != 0 {
			data = slices.Clone(data)
			data[at+3] &^= 1
		}
		for at += 2; at < len(data) && data[at] != 0; { // blocks with their lengths
			at += int(data[at]) + 1
		}
		at++
	}
	return data
}

// fromVideo converts WebP's lossy images, of 4:2:0 samples on video's scale (16 to 235), as libwebp does: its filter for
// chroma, and its conversion with 14 fractional bits.
func (im *RGB) fromVideo(d *image.YCbCr) {
	width, height := (im.Width+1)/2, (im.Height+1)/2
	sample := func(plane []uint8, y, x int) int32 {
		return int32(plane[min(max(y, 0), height-1)*d.CStride+min(max(x, 0), width-1)])
	}
	at := 0
	for y := range im.Height {
		near, far := y/2, y/2-1+y%2*2
		for x := range im.Width {
			side := x/2 - 1 + x%2*2
			var uv [2]int32
			for k, plane := range [][]uint8{d.Cb, d.Cr} {
				own, beside := sample(plane, near, x/2), sample(plane, near, side)
				over, across := sample(plane, far, x/2), sample(plane, far, side)
				if x == 0 || side >= width { // the first and the last column are filtered vertically alone
					uv[k] = (3*own + over + 2) >> 2
					continue
				}
				diagonal := (own + beside + over + across + 8 + 2*(beside+over)) >> 3
				uv[k] = (diagonal + own) >> 1
			}
			luma := int32(d.Y[y*d.YStride+x]) * 19077 >> 8
			im.Pix[at] = clamp8((luma + uv[1]*26149>>8 - 14234) >> 6)
			im.Pix[at+1] = clamp8((luma - uv[0]*6419>>8 - uv[1]*13320>>8 + 8708) >> 6)
			im.Pix[at+2] = clamp8((luma + uv[0]*33050>>8 - 17685) >> 6)
			at += 3
		}
	}
}
