package datasets

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"slices"

	"github.com/spakin/netpbm/npcolor"
)

// maxPixels bounds the images that DecodeRGB takes: what Pillow refuses as a decompression bomb.
const maxPixels = 178_956_970

// DecodeRGB decodes an image in JPEG, PNG, WebP, GIF (its first picture), BMP, TIFF or PNM, told apart by its first bytes, as
// Pillow's Image.open(...).convert("RGB") does: grey becomes three equal channels, CMYK is taken in Adobe's
// polarity, alpha is dropped, an orientation in EXIF data is ignored. Of 16-bit colours the high byte is taken; 16-bit grey is
// cut off at 255, so that of an image that uses all 16 bits nothing is left, as in Pillow. A wrong checksum of a PNG's pixels is
// passed over. file is used in errors only, which are of type [*FormatError]; docs/data.md has a table
// of what is read how.
//
// JPEG's coefficients are decoded by Go's image/jpeg; chroma is scaled up with libjpeg's triangle
// filter ("fancy upsampling") and converted to RGB with libjpeg's 16-bit constants. What is left is
// the inverse cosine transform, whose rounding is not libjpeg-turbo's. Measured over the 1,000 images
// of the one-image-a-class sample with Go 1.26.8, on the scale 0 to 255, the values differ from those
// of Pillow 12.3.0 (libjpeg-turbo 3.1.4.1) by 3 at most and 0.034 on average, 2.9 % of them at all;
// with Go's own conversion it would be 94, 0.99 and 46 %.
// Chroma planes of ratios that libjpeg does not filter (4:1:1, 4:1:0) are repeated, as there. Sampling
// factors that Go's decoder does not know are an error.
func DecodeRGB(file string, data []byte) (*RGB, error) {
	switch format := formatOf(data); format {
	case "JPEG":
		return decodeJPEG(file, data)
	case "":
		if len(data) == 0 {
			return nil, &FormatError{File: file, Offset: 0, Field: "image", Problem: "the file is empty, expected an image"}
		}
		return nil, &FormatError{File: file, Offset: 0, Field: "image signature",
			Problem: fmt.Sprintf("the file begins with % x, expected an image in JPEG, PNG, WebP, GIF, BMP, TIFF or PNM", data[:min(len(data), 4)])}
	default:
		return decodeOther(file, format, data)
	}
}

// newRGB makes an empty image if its size is allowed.
func newRGB(file string, height, width int) (*RGB, error) {
	if height < 1 || width < 1 || int64(height)*int64(width) > maxPixels {
		return nil, &FormatError{File: file, Offset: -1, Field: "image size",
			Problem: fmt.Sprintf("%d×%d pixels, expected 1 to %d", height, width, maxPixels)}
	}
	return &RGB{Height: height, Width: width, Pix: make([]uint8, 3*height*width)}, nil
}

// decodeOther decodes what is no JPEG.
func decodeOther(file, format string, data []byte) (out *RGB, err error) {
	if format == "PNG" {
		data = mendPNG(data)
	}
	fail := func(err error) error {
		return &FormatError{File: file, Offset: -1, Field: format + " image", Problem: "damaged or truncated", Err: decoderError(err)}
	}
	// A decoder that a damaged file makes panic is no reason to end.
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fail(fmt.Errorf("%v", r))
		}
	}()
	codec := codecs[format]
	config, err := codec.config(bytes.NewReader(data))
	if err != nil {
		return nil, fail(err)
	}
	if out, err = newRGB(file, config.Height, config.Width); err != nil {
		return nil, err
	}
	decoded, err := codec.decode(data)
	if err != nil {
		return nil, fail(err)
	}
	bounds := decoded.Bounds()
	if bounds.Dy() != out.Height || bounds.Dx() != out.Width {
		return nil, fail(fmt.Errorf("%d×%d pixels, its header says %d×%d", bounds.Dy(), bounds.Dx(), out.Height, out.Width))
	}
	switch d := decoded.(type) { // lossy WebP
	case *image.YCbCr:
		out.fromVideo(d)
		return out, nil
	case *image.NYCbCrA:
		out.fromVideo(&d.YCbCr)
		return out, nil
	}
	at := 0
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			switch c := decoded.At(x, y).(type) {
			case color.NRGBA: // also of palettes; RGBA() would lose colours under alpha
				out.Pix[at], out.Pix[at+1], out.Pix[at+2] = c.R, c.G, c.B
			case color.NRGBA64:
				out.Pix[at], out.Pix[at+1], out.Pix[at+2] = uint8(c.R>>8), uint8(c.G>>8), uint8(c.B>>8)
			case color.Gray16:
				v := uint8(min(c.Y, math.MaxUint8))
				out.Pix[at], out.Pix[at+1], out.Pix[at+2] = v, v, v
			case npcolor.GrayM32:
				v := uint8(min(share(c.Y, c.M, math.MaxUint16), math.MaxUint8))
				out.Pix[at], out.Pix[at+1], out.Pix[at+2] = v, v, v
			case npcolor.GrayM:
				v := uint8(share(uint16(c.Y), uint16(c.M), math.MaxUint8))
				out.Pix[at], out.Pix[at+1], out.Pix[at+2] = v, v, v
			case npcolor.RGBM:
				for k, v := range []uint8{c.R, c.G, c.B} {
					out.Pix[at+k] = uint8(share(uint16(v), uint16(c.M), math.MaxUint8))
				}
			case npcolor.RGBM64:
				for k, v := range []uint16{c.R, c.G, c.B} {
					out.Pix[at+k] = uint8(share(v, c.M, math.MaxUint8))
				}
			default:
				r, g, b, _ := c.RGBA()
				out.Pix[at], out.Pix[at+1], out.Pix[at+2] = uint8(r>>8), uint8(g>>8), uint8(b>>8)
			}
			at += 3
		}
	}
	return out, nil
}

// share scales a value of PNM from 0 to largest to one from 0 to whole.
func share(value, largest uint16, whole float64) float64 {
	return min(math.RoundToEven(float64(value)/float64(largest)*whole), whole)
}

// jpegHead is what is needed of a JPEG file's markers.
type jpegHead struct {
	height, width, components int
	subsampled                bool  // the first component has more samples than the second
	odd                       bool  // restart markers, or sampling factors that not every decoder knows
	adobe                     []int // offsets of the transform byte in Adobe's markers
	transform                 uint8 // of the last of them
}

// readJPEGHead reads the markers up to the first scan. What it does not understand it leaves to the
// decoder to complain of; ok says that a frame header was found.
func readJPEGHead(data []byte) (head jpegHead, ok bool) {
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			at++
			continue
		}
		marker := data[at+1]
		if marker == 0xff { // fill byte
			at++
			continue
		}
		if marker == 0 || marker == 1 || marker >= 0xd0 && marker <= 0xd8 { // without a segment
			at += 2
			continue
		}
		if marker == 0xd9 || marker == 0xda { // end of image, scan
			break
		}
		length := int(binary.BigEndian.Uint16(data[at+2:]))
		if length < 2 || at+2+length > len(data) {
			break
		}
		segment := data[at+4 : at+2+length]
		switch {
		case marker >= 0xc0 && marker <= 0xc2 && len(segment) >= 6 && len(segment) >= 6+3*int(segment[5]):
			ok = true
			head.height, head.width = int(binary.BigEndian.Uint16(segment[1:])), int(binary.BigEndian.Uint16(segment[3:]))
			head.components = int(segment[5])
			head.subsampled = head.components > 1 && segment[7] != segment[10]
			head.odd = head.odd || head.components > 1 && (segment[10] != 0x11 || !slices.Contains([]uint8{0x11, 0x12, 0x21, 0x22, 0x41, 0x42}, segment[7]))
		case marker == 0xdd:
			head.odd = true
		case marker == 0xee && len(segment) >= 12 && bytes.HasPrefix(segment, []byte("Adobe")):
			head.adobe = append(head.adobe, at+4+11)
			head.transform = segment[11]
		}
		at += 2 + length
	}
	return head, ok
}

func decodeJPEG(file string, data []byte) (*RGB, error) {
	head, ok := readJPEGHead(data)
	if ok && int64(head.height)*int64(head.width) > maxPixels {
		_, err := newRGB(file, head.height, head.width)
		return nil, err
	}
	stream := data
	if head.components == 4 {
		stream = rawPlanes(data, head)
	}
	decoded, err := jpeg.Decode(bytes.NewReader(stream))
	if err != nil {
		return nil, &FormatError{File: file, Offset: -1, Field: "JPEG image", Problem: "damaged, truncated or of an unknown kind", Err: decoderError(err)}
	}
	bounds := decoded.Bounds()
	out, err := newRGB(file, bounds.Dy(), bounds.Dx())
	if err != nil {
		return nil, err
	}
	switch d := decoded.(type) {
	case *image.Gray:
		for y := range out.Height {
			row := out.Pix[3*y*out.Width:][:3*out.Width]
			for x, v := range d.Pix[y*d.Stride:][:out.Width] {
				row[3*x], row[3*x+1], row[3*x+2] = v, v, v
			}
		}
	case *image.YCbCr:
		out.fromYCbCr(d)
	case *image.RGBA: // stored as RGB
		for y := range out.Height {
			row := out.Pix[3*y*out.Width:][:3*out.Width]
			for x := range out.Width {
				copy(row[3*x:3*x+3], d.Pix[y*d.Stride+4*x:])
			}
		}
	case *image.CMYK:
		if head.components != 4 {
			return nil, &FormatError{File: file, Offset: -1, Field: "JPEG markers", Problem: "no frame header of four components found before the scan"}
		}
		out.fromCMYK(d, head)
	default:
		return nil, &FormatError{File: file, Offset: -1, Field: "JPEG image",
			Problem: fmt.Sprintf("decoded to %T, expected grey, YCbCr, RGB or CMYK", decoded)}
	}
	return out, nil
}

// rawPlanes returns the stream of a JPEG image of four components with Adobe markers that say that
// nothing is to be converted: Go's decoder then gives the four planes as they are stored, inverted,
// and scaled up by repetition, which leaves every sample to be found.
func rawPlanes(data []byte, head jpegHead) []byte {
	out := slices.Clone(data)
	for _, at := range head.adobe {
		out[at] = 0
	}
	if len(head.adobe) == 0 {
		out = slices.Insert(out, 2, []byte("\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00")...)
	}
	return out
}

// libjpeg's conversion from YCbCr, with 16 fractional bits.
const (
	fixHalf = 1 << 15
	fixCrR  = 91881  // 1.40200
	fixCbB  = 116130 // 1.77200
	fixCrG  = 46802  // 0.71414
	fixCbG  = 22554  // 0.34414
)

var ycc = func() (t struct{ crR, cbB, crG, cbG [256]int32 }) {
	for i := range int32(256) {
		v := i - 128
		t.crR[i] = (fixCrR*v + fixHalf) >> 16
		t.cbB[i] = (fixCbB*v + fixHalf) >> 16
		t.crG[i] = -fixCrG * v
		t.cbG[i] = -fixCbG*v + fixHalf
	}
	return t
}()

// convertYCC writes a row of n pixels, [n, 3], from n samples of each plane.
func convertYCC(out, y, cb, cr []uint8) {
	cb, cr, out = cb[:len(y)], cr[:len(y)], out[:3*len(y)]
	for x, v := range y {
		luma, b, r := int32(v), cb[x], cr[x]
		pixel := out[3*x:][:3]
		pixel[0] = clamp8(luma + ycc.crR[r])
		pixel[1] = clamp8(luma + (ycc.cbG[b]+ycc.crG[r])>>16)
		pixel[2] = clamp8(luma + ycc.cbB[b])
	}
}

// chroma is a plane with fewer samples than the image has pixels.
type chroma struct {
	pix           []uint8
	stride        int
	height, width int // in samples, without what the blocks of the file add
	h, v          int // pixels a sample in each direction
	sums          []int32
}

func newChroma(pix []uint8, stride int, im *RGB, h, v int) *chroma {
	return &chroma{pix: pix, stride: stride, h: h, v: v, height: (im.Height + v - 1) / v, width: (im.Width + h - 1) / h}
}

// row writes row y of the image, [width·h] values, to dst. Where there are two pixels a sample, a
// pixel is 3/4 the near sample and 1/4 the far one in that direction, with libjpeg's alternating
// rounding; the first and last stand alone. Planes of up to two columns are repeated where libjpeg
// filters columns.
func (c *chroma) row(dst []uint8, y int) {
	line := func(cy int) []uint8 { return c.pix[cy*c.stride:][:c.width] }
	near := line(y / c.v)
	filterColumns := c.h == 2 && c.width > 2
	if c.v == 2 && (filterColumns || c.h == 1) {
		far := line(max(y/2-1, 0))
		if y%2 == 1 {
			far = line(min(y/2+1, c.height-1))
		}
		if c.h == 1 {
			bias := int32(1 + y%2)
			for x, v := range near {
				dst[x] = uint8((3*int32(v) + int32(far[x]) + bias) >> 2)
			}
			return
		}
		c.sums = slices.Grow(c.sums[:0], c.width)[:c.width]
		for x, v := range near {
			c.sums[x] = 3*int32(v) + int32(far[x])
		}
		stretch(dst, c.sums, 4, 8, 7)
		return
	}
	if filterColumns {
		c.sums = slices.Grow(c.sums[:0], c.width)[:c.width]
		for x, v := range near {
			c.sums[x] = int32(v)
		}
		stretch(dst, c.sums, 2, 1, 2)
		return
	}
	for x, v := range near {
		for k := range c.h {
			dst[x*c.h+k] = v
		}
	}
}

// stretch doubles a row of sums of shift-2 fractional bits: even pixels lean to the left and are
// rounded with one bias, odd ones to the right with the other.
func stretch(dst []uint8, sums []int32, shift int, even, odd int32) {
	last := len(sums) - 1
	dst = dst[:2*len(sums)]
	dst[0] = uint8((4*sums[0] + even) >> shift)
	for x := range last {
		dst[2*x+1] = uint8((3*sums[x] + sums[x+1] + odd) >> shift)
		dst[2*x+2] = uint8((3*sums[x+1] + sums[x] + even) >> shift)
	}
	dst[2*last+1] = uint8((4*sums[last] + odd) >> shift)
}

// ratios are the pixels a chroma sample, horizontally and vertically.
var ratios = map[image.YCbCrSubsampleRatio][2]int{
	image.YCbCrSubsampleRatio444: {1, 1}, image.YCbCrSubsampleRatio422: {2, 1}, image.YCbCrSubsampleRatio420: {2, 2},
	image.YCbCrSubsampleRatio440: {1, 2}, image.YCbCrSubsampleRatio411: {4, 1}, image.YCbCrSubsampleRatio410: {4, 2},
}

func (im *RGB) fromYCbCr(d *image.YCbCr) {
	ratio := ratios[d.SubsampleRatio]
	cb, cr := newChroma(d.Cb, d.CStride, im, ratio[0], ratio[1]), newChroma(d.Cr, d.CStride, im, ratio[0], ratio[1])
	cbRow, crRow := make([]uint8, im.Width+3), make([]uint8, im.Width+3)
	for y := range im.Height {
		cb.row(cbRow, y)
		cr.row(crRow, y)
		convertYCC(im.Pix[3*y*im.Width:][:3*im.Width], d.Y[y*d.YStride:][:im.Width], cbRow, crRow)
	}
}

// fromCMYK takes the planes that rawPlanes made the decoder give.
func (im *RGB) fromCMYK(d *image.CMYK, head jpegHead) {
	step := 1
	if head.subsampled {
		step = 2
	}
	plane := func(channel, step int) *chroma {
		c := newChroma(nil, 0, im, step, step)
		c.stride = c.width
		for y := range c.height {
			for x := range c.width {
				c.pix = append(c.pix, ^d.Pix[y*step*d.Stride+4*x*step+channel])
			}
		}
		return c
	}
	planes := [4]*chroma{plane(0, 1), plane(1, step), plane(2, step), plane(3, 1)}
	var rows [4][]uint8
	for i := range rows {
		rows[i] = make([]uint8, im.Width+1)
	}
	for y := range im.Height {
		for i, p := range planes {
			p.row(rows[i], y)
		}
		out := im.Pix[3*y*im.Width:][:3*im.Width]
		if head.transform != 0 { // YCCK: the conversion's RGB is the ink
			convertYCC(out, rows[0][:im.Width], rows[1], rows[2])
		} else {
			for x := range im.Width {
				out[3*x], out[3*x+1], out[3*x+2] = ^rows[0][x], ^rows[1][x], ^rows[2][x]
			}
		}
		for x := range im.Width {
			light := int32(rows[3][x]) // what the black ink leaves
			for c := range 3 {
				t := int32(out[3*x+c])*light + 128
				out[3*x+c] = uint8(light - (t>>8+t)>>8)
			}
		}
	}
}

// formatOf is the format of an image by its first bytes, "" where it is none that is read.
func formatOf(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8")):
		return "JPEG"
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return "PNG"
	case bytes.HasPrefix(data, []byte("GIF87a")), bytes.HasPrefix(data, []byte("GIF89a")):
		return "GIF"
	case bytes.HasPrefix(data, []byte("BM")):
		return "BMP"
	case bytes.HasPrefix(data, []byte("II*\x00")), bytes.HasPrefix(data, []byte("MM\x00*")):
		return "TIFF"
	case len(data) >= 12 && bytes.HasPrefix(data, []byte("RIFF")) && string(data[8:12]) == "WEBP":
		return "WebP"
	case len(data) >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6' && (data[2] == ' ' || data[2] == '\n' || data[2] == '\r' || data[2] == '\t' || data[2] == '#'):
		return "PNM"
	}
	return ""
}

// CheckImage looks whether a file is an image that [DecodeRGB] reads, of an allowed size and with its end; where that leaves a
// doubt it decodes.
func CheckImage(file string, data []byte) error {
	switch formatOf(data) {
	case "JPEG":
		head, ok := readJPEGHead(data)
		if ok && head.height > 0 && head.width > 0 && int64(head.height)*int64(head.width) <= maxPixels && !head.odd &&
			bytes.Contains(data[max(0, len(data)-64):], []byte("\xff\xd9")) {
			return nil
		}
	case "PNG":
		config, err := png.DecodeConfig(bytes.NewReader(data))
		if err == nil && int64(config.Height)*int64(config.Width) <= maxPixels && bytes.HasSuffix(data, []byte("IEND\xaeB`\x82")) {
			return nil
		}
	}
	_, err := DecodeRGB(file, data)
	return err
}
