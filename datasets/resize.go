package datasets

import (
	"fmt"
	"math"
	"slices"
)

// RGB is one image of any size.
type RGB struct {
	Height, Width int
	// Pix holds the pixels in order [Height, Width, 3].
	Pix []uint8
}

// validate reports a size below 1 and pixels that do not fit the size.
func (im *RGB) validate() error {
	if im == nil || im.Height < 1 || im.Width < 1 {
		return fmt.Errorf("image: no pixels, expected height and width of at least 1")
	}
	if want := 3 * im.Height * im.Width; len(im.Pix) != want {
		return fmt.Errorf("image: Pix has %d bytes, expected %d (%d×%d×3)", len(im.Pix), want, im.Height, im.Width)
	}
	return nil
}

// Resize returns the image at height×width pixels as Pillow's Image.resize with BILINEAR does it, bit
// for bit (Pillow's Resample.c; compared with Pillow 13.0.0): a triangle filter that widens with the
// ratio where the image shrinks, columns before rows, each with weights of 22 fractional bits and
// rounded to bytes.
func (im *RGB) Resize(height, width int) (*RGB, error) {
	if err := im.validate(); err != nil {
		return nil, err
	}
	if height < 1 || width < 1 {
		return nil, fmt.Errorf("resize to %d×%d: expected height and width of at least 1", height, width)
	}
	out := &RGB{Height: height, Width: width, Pix: make([]uint8, 3*height*width)}
	var r resizer
	r.resize(out.Pix, im, rect{0, 0, im.Height, im.Width}, height, width, rect{0, 0, height, width})
	return out, nil
}

// rect is a part of an image, in pixels.
type rect struct{ top, left, height, width int }

const (
	weightBits = 32 - 8 - 2 // a byte and two bits of head-room are left of 32
	weightHalf = 1 << (weightBits - 1)
)

// taps holds the weights of some neighbouring output positions along one axis.
type taps struct {
	first  []int   // the first input position of each output position
	count  []int   // how many follow
	weight []int32 // [positions, stride], of weightBits fractional bits
	stride int
	row    []float64
}

// set makes the weights of the output positions from..from+n-1 of an axis that goes from `in` to
// `out` positions. The conversions to float64 keep compilers from fusing operations, so that the
// weights are the same on every processor.
func (t *taps) set(in, out, from, n int) {
	scale := float64(in) / float64(out)
	support := max(scale, 1)
	inverse := 1 / support
	t.stride = 2*int(math.Ceil(support)) + 1
	t.first, t.count = slices.Grow(t.first[:0], n)[:n], slices.Grow(t.count[:0], n)[:n]
	t.weight = slices.Grow(t.weight[:0], n*t.stride)[:n*t.stride]
	t.row = slices.Grow(t.row[:0], t.stride)[:t.stride]
	for i := range n {
		centre := float64((float64(from+i) + 0.5) * scale)
		first := max(int(centre-support+0.5), 0)
		last := min(int(centre+support+0.5), in)
		sum := 0.0
		row := t.row[:last-first]
		for k := range row {
			w := 1 - math.Abs(float64((float64(first+k)-centre+0.5)*inverse))
			row[k] = max(w, 0)
			sum += row[k]
		}
		weights := t.weight[i*t.stride:]
		for k, w := range row {
			if sum != 0 {
				w /= sum
			}
			weights[k] = int32(float64(w*(1<<weightBits)) + 0.5)
		}
		t.first[i], t.count[i] = first, len(row)
	}
}

// resizer keeps the buffers of one resize for the next.
type resizer struct {
	columns, rows taps
	between       []uint8
	sums          []int32
}

// resize scales the part `from` of im to height×width pixels as if im had nothing around it, and
// writes the part `part` of the result to dst, [part.height, part.width, 3]. Both parts must lie
// inside. What is not asked for is not computed, so the cost depends on part only.
func (r *resizer) resize(dst []uint8, im *RGB, from rect, height, width int, part rect) {
	// The rows of the image that the result needs.
	top, bottom := part.top, part.top+part.height
	scaleRows := from.height != height
	if scaleRows {
		r.rows.set(from.height, height, part.top, part.height)
		last := part.height - 1
		top, bottom = r.rows.first[0], r.rows.first[last]+r.rows.count[last]
	}
	n := 3 * part.width
	between := dst
	if scaleRows {
		r.between = slices.Grow(r.between[:0], (bottom-top)*n)[:(bottom-top)*n]
		between = r.between
	}
	if from.width != width {
		r.columns.set(from.width, width, part.left, part.width)
	}
	for y := top; y < bottom; y++ {
		in := im.Pix[3*((from.top+y)*im.Width+from.left):][:3*from.width]
		out := between[(y-top)*n:][:n]
		if from.width == width {
			copy(out, in[3*part.left:])
			continue
		}
		scaleRow(out, in, &r.columns)
	}
	if !scaleRows {
		return
	}
	r.sums = slices.Grow(r.sums[:0], n)[:n]
	for y := range part.height {
		sums := r.sums
		for i := range sums {
			sums[i] = weightHalf
		}
		weights := r.rows.weight[y*r.rows.stride:][:r.rows.count[y]]
		for k, w := range weights {
			in := between[(r.rows.first[y]-top+k)*n:][:len(sums)]
			for i := range sums {
				sums[i] += int32(in[i]) * w
			}
		}
		out := dst[y*n:][:len(sums)]
		for i, s := range sums {
			out[i] = clamp8(s >> weightBits)
		}
	}
}

// scaleRow scales one row of pixels.
func scaleRow(out, in []uint8, t *taps) {
	for x := range t.first {
		red, green, blue := int32(weightHalf), int32(weightHalf), int32(weightHalf)
		pixels := in[3*t.first[x]:][:3*t.count[x]]
		for _, w := range t.weight[x*t.stride:][:t.count[x]] {
			red += int32(pixels[0]) * w
			green += int32(pixels[1]) * w
			blue += int32(pixels[2]) * w
			pixels = pixels[3:]
		}
		pixel := out[3*x:][:3]
		pixel[0], pixel[1], pixel[2] = clamp8(red>>weightBits), clamp8(green>>weightBits), clamp8(blue>>weightBits)
	}
}

// clamp8 brings v into 0..255.
func clamp8(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	if v < 0 {
		return 0
	}
	return 255
}

// shorterSide returns the size of an image of height×width once its shorter side has `size` pixels,
// the longer one rounded down, as torchvision's Resize does.
func shorterSide(height, width, size int) (int, int) {
	if width <= height {
		return int(int64(size) * int64(height) / int64(width)), size
	}
	return size, int(int64(size) * int64(width) / int64(height))
}

// centre returns where a crop of `size` pixels begins in `all`, halves rounded to even as in
// torchvision's CenterCrop.
func centre(all, size int) int { return int(math.RoundToEven(float64(all-size) / 2)) }
