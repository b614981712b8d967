package nb

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/gonas/gonas/datasets"
)

// Images shows a batch as a grid: pixels [batch, height, width, channels] of that shape, 3 channels or 1, with a label
// below each image or, where labels is nil, none. Bytes are shown as they are, and so are floats from 0 to 255; other
// floats are taken as normalised, and each channel is stretched from its least value in the batch to its greatest. Small
// images are enlarged to blocks of pixels. As text, their number, size and labels.
func Images[T uint8 | float32](pixels []T, shape [4]int, labels []string, columns int) {
	Check(images(pixels, shape, labels, columns))
}

// Examples shows the first n samples of a source of images, as they are in evaluation, with the names of their classes.
func Examples(s datasets.Source, n, columns int) { Check(examples(s, n, columns)) }

// folderSide is the side in pixels of images from a folder, which differ in size.
const folderSide = 224

func examples(s datasets.Source, n, columns int) error {
	if n < 1 || n > s.Len() {
		return fmt.Errorf("examples of %s: expected 1 to %d images, got %d", s.Name(), s.Len(), n)
	}
	side := s.Shape()[0]
	if side == 0 {
		side = folderSide
	}
	indices := make([]int, n)
	for i := range indices {
		indices[i] = i
	}
	batches, err := s.Batches(datasets.BatchRequest{Size: n, Indices: indices, Side: side})
	if err != nil {
		return err
	}
	x, y, err := batches.Fill(0, 0, nil, nil)
	if err != nil {
		return err
	}
	labels := make([]string, n)
	for i, class := range y {
		labels[i] = fmt.Sprintf("class %d", class)
		if names := s.ClassNames(); names != nil {
			labels[i] = names[class]
		}
	}
	return images(x, batches.Shape(), labels, columns)
}

func images[T uint8 | float32](pixels []T, shape [4]int, labels []string, columns int) error {
	n, channels := shape[0], shape[3]
	for _, d := range shape {
		if d < 1 {
			return fmt.Errorf("images: expected [batch, height, width, channels] of at least 1 each, got %v", shape)
		}
	}
	switch {
	case channels != 1 && channels != 3:
		return fmt.Errorf("images: expected 1 or 3 channels, got %d", channels)
	case len(pixels) != n*shape[1]*shape[2]*channels:
		return fmt.Errorf("images: %v has %d values, got %d", shape, n*shape[1]*shape[2]*channels, len(pixels))
	case labels != nil && len(labels) != n:
		return fmt.Errorf("images: expected %d labels, got %d", n, len(labels))
	case columns < 1:
		return fmt.Errorf("images: expected at least 1 column, got %d", columns)
	}
	values, err := bytesOf(pixels, channels)
	if err != nil {
		return err
	}
	grid, err := drawGrid(values, shape, labels, min(columns, n))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, grid); err != nil {
		return fmt.Errorf("images: %w", err)
	}
	text := fmt.Sprintf("%d images of %d×%d×%d", n, shape[1], shape[2], channels)
	if n == 1 {
		text = strings.Replace(text, "images", "image", 1)
	}
	if labels != nil {
		text += ": " + strings.Join(labels, ", ")
	}
	return show(output{text: text, png: b.Bytes(), metadata: map[string]any{"width": grid.Rect.Dx() / 2, "alt": text}})
}

// bytesOf brings values to 0 to 255.
func bytesOf[T uint8 | float32](pixels []T, channels int) ([]uint8, error) {
	if b, ok := any(pixels).([]uint8); ok {
		return b, nil
	}
	low, high := make([]float64, channels), make([]float64, channels)
	least, greatest := math.Inf(1), math.Inf(-1)
	for i := range channels {
		low[i], high[i] = math.Inf(1), math.Inf(-1)
	}
	for i, x := range pixels {
		v := float64(x)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("images: value %d is %g, expected a finite number", i, v)
		}
		c := i % channels
		low[c], high[c] = min(low[c], v), max(high[c], v)
		least, greatest = min(least, v), max(greatest, v)
	}
	if least >= 0 && greatest > 1 && greatest <= 255 {
		for i := range channels {
			low[i], high[i] = 0, 255
		}
	}
	out := make([]uint8, len(pixels))
	for i, x := range pixels {
		c := i % channels
		if high[c] > low[c] {
			out[i] = uint8(math.Round(255 * (float64(x) - low[c]) / (high[c] - low[c])))
		}
	}
	return out, nil
}

// Sizes of a grid in dots, two for each pixel of the page: labels stay sharp, and ten images of CIFAR fit beside
// JupyterLab's list of files.
const (
	leastSide   = 144 // an image's, by whole blocks
	gridGap     = 8
	labelHeight = 36
	labelBase   = 26 // of the text below an image
	labelSize   = 24
)

// drawGrid lays images out in rows.
func drawGrid(values []uint8, shape [4]int, labels []string, columns int) (*image.NRGBA, error) {
	n, height, width, channels := shape[0], shape[1], shape[2], shape[3]
	block := max(1, (leastSide+max(height, width)-1)/max(height, width))
	stepX, stepY := width*block+gridGap, height*block+gridGap
	if labels != nil {
		stepY += labelHeight
	}
	rows := (n + columns - 1) / columns
	const most = 1 << 26 // pixels of a picture that a browser can still show
	if columns*stepX*rows*stepY > most {
		return nil, fmt.Errorf("images: a grid of %d images of %d×%d pixels is too large to show: show fewer", n, height, width)
	}
	grid := image.NewNRGBA(image.Rect(0, 0, columns*stepX+gridGap, rows*stepY+gridGap))
	draw.Draw(grid, grid.Rect, image.White, image.Point{}, draw.Src)
	for i := range n {
		left, top := gridGap+i%columns*stepX, gridGap+i/columns*stepY
		for y := range height * block {
			for x := range width * block {
				at := ((i*height+y/block)*width + x/block) * channels
				c := color.NRGBA{values[at], values[at], values[at], 255}
				if channels == 3 {
					c.G, c.B = values[at+1], values[at+2]
				}
				grid.SetNRGBA(left+x, top+y, c)
			}
		}
		if labels != nil {
			if err := writeLabel(grid, labels[i], left, top+height*block+labelBase, width*block); err != nil {
				return nil, err
			}
		}
	}
	return grid, nil
}

var labelFace = sync.OnceValues(func() (font.Face, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, err
	}
	return opentype.NewFace(f, &opentype.FaceOptions{Size: labelSize, DPI: 72, Hinting: font.HintingFull})
})

// drawing is the lock of the face, which is for one user at a time.
var drawing sync.Mutex

// writeLabel centres a label of at most the given width; what is longer ends in dots.
func writeLabel(grid *image.NRGBA, label string, left, base, width int) error {
	drawing.Lock()
	defer drawing.Unlock()
	face, err := labelFace()
	if err != nil {
		return fmt.Errorf("images: %w", err)
	}
	d := font.Drawer{Dst: grid, Src: image.Black, Face: face}
	letters := []rune(strings.Join(strings.Fields(label), " "))
	text := string(letters)
	for len(letters) > 0 && d.MeasureString(text).Ceil() > width {
		letters = letters[:len(letters)-1]
		text = string(letters) + "…"
	}
	d.Dot = fixed.P(left+(width-d.MeasureString(text).Ceil())/2, base)
	d.DrawString(text)
	return nil
}
