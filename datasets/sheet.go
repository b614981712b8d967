package datasets

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"

	"golang.org/x/image/webp"
)

// parseSheet cuts a lossless WebP sheet into the im.N images of im: image k at column k mod
// columns, row k div columns, where columns is the sheet's width / 32. The header is checked
// first, so a sheet that claims another size costs no memory.
func parseSheet(file string, sheet []byte, labelsFile string, labels []byte, l cifarLayout, im *Images) error {
	n := im.N
	if len(labels) != n {
		return &FormatError{File: labelsFile, Offset: int64(min(len(labels), n)), Field: "file length",
			Problem: fmt.Sprintf("the file has %d bytes, expected %d (one label an image)", len(labels), n)}
	}
	for i, label := range labels {
		if err := checkLabel(labelsFile, int64(i), "label", i, label, l.classes); err != nil {
			return err
		}
	}
	config, err := webp.DecodeConfig(bytes.NewReader(sheet))
	if err != nil {
		return &FormatError{File: file, Offset: 0, Field: "WebP header", Problem: "not a readable WebP file", Err: decoderError(err)}
	}
	if config.ColorModel != color.NRGBAModel {
		return &FormatError{File: file, Offset: 12, Field: "WebP chunk", Problem: "expected a lossless image (VP8L)"}
	}
	columns := config.Width / cifarSide
	rows := 0
	if columns > 0 {
		rows = (n + columns - 1) / columns
	}
	if config.Width%cifarSide != 0 || rows == 0 || columns > n || config.Height != rows*cifarSide {
		return &FormatError{File: file, Offset: 12, Field: "WebP size", Problem: fmt.Sprintf(
			"%d×%d pixels, expected a grid of %d images of %d×%d pixels", config.Width, config.Height, n, cifarSide, cifarSide)}
	}
	reader := bytes.NewReader(sheet)
	decoded, err := webp.Decode(reader)
	if err != nil {
		// The decoder reads front to back, so where it stopped is where it failed (or a buffer's length before).
		return &FormatError{File: file, Offset: int64(len(sheet) - reader.Len()), Field: "WebP pixels",
			Problem: "damaged or truncated", Err: decoderError(err)}
	}
	pix, ok := decoded.(*image.NRGBA)
	if !ok || pix.Bounds().Dx() != config.Width || pix.Bounds().Dy() != config.Height {
		return &FormatError{File: file, Offset: 12, Field: "WebP pixels",
			Problem: fmt.Sprintf("decoded to %T of %v, which is not what the header says", decoded, decoded.Bounds())}
	}
	for k := range n {
		im.Labels[k] = int32(labels[k])
		out := im.Image(k)
		x, y := k%columns*cifarSide, k/columns*cifarSide
		for row := range cifarSide {
			in := pix.Pix[(y+row)*pix.Stride+4*x:][:4*cifarSide]
			line := out[row*3*cifarSide:][:3*cifarSide]
			for p := range cifarSide {
				line[3*p], line[3*p+1], line[3*p+2] = in[4*p], in[4*p+1], in[4*p+2]
			}
		}
	}
	return nil
}

// decoderError keeps an end of file inside a file from looking like the end of a stream.
func decoderError(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
