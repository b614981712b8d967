package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Mean and standard deviation of ImageNet's training images per channel, on the scale where a pixel
// runs from 0 to 1, as torchvision's reference training and the papers' code have them.
var (
	imagenetMean = [3]float32{0.485, 0.456, 0.406}
	imagenetStd  = [3]float32{0.229, 0.224, 0.225}
)

// ColorJitter varies the colours of an image as torchvision's ColorJitter does on PIL images. Each
// field says how far; 0 leaves that property alone.
type ColorJitter struct {
	// Brightness, Contrast and Saturation draw a factor from max(0, 1-v) to 1+v.
	Brightness, Contrast, Saturation float64
	// Hue draws a shift from -v to v of the colour circle; at most 0.5.
	Hue float64
}

// ImageTransform says how a decoded image of any size becomes normalised float32 of one size. It
// computes what torchvision's transforms compute on PIL images, to the bit where nothing is drawn.
type ImageTransform struct {
	// Size is the side of the result in pixels.
	Size int
	// Resize is what the shorter side of the image is scaled to before the centre crop of Size
	// pixels; at least Size. Where it is 0, a part of the image is drawn and scaled to Size instead.
	Resize int
	// Scale and Ratio are the least and the greatest area of the part drawn, as a fraction of the
	// image, and its width over height. Used only where Resize is 0.
	Scale, Ratio [2]float64
	// Flip mirrors the image left to right with probability one half.
	Flip bool
	// Jitter varies the colours, after the crop.
	Jitter ColorJitter
	// Mean and Std: a pixel p becomes (p/255 - Mean) / Std in its channel.
	Mean, Std [3]float32
}

// ImageNetEval is the usual transform for validation: Resize(256), CenterCrop(224), ToTensor,
// Normalize in torchvision's terms, bilinear with antialiasing.
func ImageNetEval() ImageTransform { return ImageNetEvalAt(224) }

// ImageNetEvalAt is [ImageNetEval] for images of another side: the shorter side is scaled to 8/7 of it first.
func ImageNetEvalAt(size int) ImageTransform {
	return ImageTransform{Size: size, Resize: (size*8 + 3) / 7, Mean: imagenetMean, Std: imagenetStd}
}

// ImageNetTrain is the usual transform for training: RandomResizedCrop(224), RandomHorizontalFlip,
// ToTensor, Normalize. DARTS's code sets Jitter to {0.4, 0.4, 0.4, 0.2} on top.
func ImageNetTrain() ImageTransform {
	return ImageTransform{Size: 224, Scale: [2]float64{0.08, 1}, Ratio: [2]float64{3. / 4, 4. / 3}, Flip: true,
		Mean: imagenetMean, Std: imagenetStd}
}

func (t *ImageTransform) validate() error {
	if t.Size < 1 {
		return fmt.Errorf("image transform: Size is %d, expected at least 1", t.Size)
	}
	if t.Resize != 0 && t.Resize < t.Size {
		return fmt.Errorf("image transform: Resize is %d, expected at least Size, which is %d, or 0 for a random crop", t.Resize, t.Size)
	}
	if t.Resize == 0 {
		if s := t.Scale; !(0 < s[0] && s[0] <= s[1] && s[1] <= 1) {
			return fmt.Errorf("image transform: Scale is %v, expected 0 < least <= greatest <= 1", s)
		}
		if r := t.Ratio; !(0 < r[0] && r[0] <= r[1] && !math.IsInf(r[1], 1)) {
			return fmt.Errorf("image transform: Ratio is %v, expected 0 < least <= greatest", r)
		}
	}
	for _, v := range []struct {
		name  string
		value float64
		most  float64
	}{{"Brightness", t.Jitter.Brightness, math.MaxFloat32}, {"Contrast", t.Jitter.Contrast, math.MaxFloat32},
		{"Saturation", t.Jitter.Saturation, math.MaxFloat32}, {"Hue", t.Jitter.Hue, 0.5}} {
		if !(v.value >= 0 && v.value <= v.most) {
			return fmt.Errorf("image transform: Jitter.%s is %g, expected 0 to %g", v.name, v.value, v.most)
		}
	}
	for c, s := range t.Std {
		if !(s > 0) {
			return fmt.Errorf("image transform: Std[%d] is %g, expected more than 0", c, s)
		}
	}
	return nil
}

// table gives the normalised value of every byte in every channel.
func (t *ImageTransform) table() (table [3][256]float32) {
	for c := range table {
		for v := range 256 {
			table[c][v] = (float32(v)/255 - t.Mean[c]) / t.Std[c]
		}
	}
	return table
}

// Apply returns the transformed image, [Size, Size, 3]. What is drawn depends on (seed, epoch,
// index) only; index is the image's number in its folder.
func (t ImageTransform) Apply(im *RGB, seed uint64, epoch, index int) ([]float32, error) {
	if err := t.validate(); err != nil {
		return nil, err
	}
	if err := im.validate(); err != nil {
		return nil, err
	}
	table := t.table()
	out := make([]float32, 3*t.Size*t.Size)
	var b imageBuffers
	t.apply(out, im, &table, seed, epoch, index, &b)
	return out, nil
}

// imageBuffers are what one image leaves for the next.
type imageBuffers struct {
	resizer resizer
	pix     []uint8
}

func (t *ImageTransform) apply(dst []float32, im *RGB, table *[3][256]float32, seed uint64, epoch, index int, b *imageBuffers) {
	n := 3 * t.Size * t.Size
	if cap(b.pix) < n {
		b.pix = make([]uint8, n)
	}
	pix := b.pix[:n]
	var pcg rand.PCG
	seedPCG(&pcg, streamAugment, seed, epoch, index)
	rng := rand.New(&pcg)
	if t.Resize > 0 {
		height, width := shorterSide(im.Height, im.Width, t.Resize)
		part := rect{centre(height, t.Size), centre(width, t.Size), t.Size, t.Size}
		b.resizer.resize(pix, im, rect{0, 0, im.Height, im.Width}, height, width, part)
	} else {
		part := t.drawCrop(rng, im.Height, im.Width)
		b.resizer.resize(pix, im, part, t.Size, t.Size, rect{0, 0, t.Size, t.Size})
	}
	flip := t.Flip && rng.IntN(2) == 1
	t.Jitter.draw(rng).apply(pix)
	for y := range t.Size {
		in, out := pix[3*y*t.Size:][:3*t.Size], dst[3*y*t.Size:][:3*t.Size]
		for x := range t.Size {
			from := x
			if flip {
				from = t.Size - 1 - x
			}
			p, q := in[3*from:][:3], out[3*x:][:3]
			q[0], q[1], q[2] = table[0][p[0]], table[1][p[1]], table[2][p[2]]
		}
	}
}

// uniform draws from low to high.
func uniform(rng *rand.Rand, low, high float64) float64 {
	return low + float64((high-low)*rng.Float64())
}

// drawCrop draws a part of an image as torchvision's RandomResizedCrop does: an area, and an aspect
// uniform in its logarithm, ten times at most until the part fits.
func (t *ImageTransform) drawCrop(rng *rand.Rand, height, width int) rect {
	low, high := math.Log(t.Ratio[0]), math.Log(t.Ratio[1])
	for range 10 {
		scale := uniform(rng, t.Scale[0], t.Scale[1])
		aspect := math.Exp(uniform(rng, low, high))
		if h, w, ok := cropSize(height, width, scale, aspect); ok {
			return rect{rng.IntN(height - h + 1), rng.IntN(width - w + 1), h, w}
		}
	}
	return fallbackCrop(height, width, t.Ratio)
}

// cropSize returns the size of a part that has the fraction scale of the area and is aspect times as
// wide as high; ok says whether it fits.
func cropSize(height, width int, scale, aspect float64) (h, w int, ok bool) {
	area := float64(float64(height*width) * scale)
	h = int(math.RoundToEven(math.Sqrt(area / aspect)))
	w = int(math.RoundToEven(math.Sqrt(float64(area * aspect))))
	return h, w, 0 < h && h <= height && 0 < w && w <= width
}

// fallbackCrop is the largest part in the middle whose aspect is allowed.
func fallbackCrop(height, width int, ratio [2]float64) rect {
	h, w := height, width
	switch aspect := float64(width) / float64(height); {
	case aspect < ratio[0]:
		h = int(math.RoundToEven(float64(w) / ratio[0]))
	case aspect > ratio[1]:
		w = int(math.RoundToEven(float64(float64(h) * ratio[1])))
	}
	// The rounding can go past the border only where ratios are no aspects of whole pixels.
	h, w = min(max(h, 1), height), min(max(w, 1), width)
	return rect{(height - h) / 2, (width - w) / 2, h, w}
}

// Properties in torchvision's order.
const (
	jitterBrightness = iota
	jitterContrast
	jitterSaturation
	jitterHue
)

// jitter is what was drawn for one image: what is changed in which order, and how far.
type jitter struct {
	order  []int
	factor [4]float64
}

// draw draws the order, then the factors of what is switched on.
func (j ColorJitter) draw(rng *rand.Rand) jitter {
	if j == (ColorJitter{}) {
		return jitter{}
	}
	var out jitter
	amounts := [4]float64{j.Brightness, j.Contrast, j.Saturation, j.Hue}
	for _, k := range rng.Perm(4) {
		if amounts[k] > 0 {
			out.order = append(out.order, k)
		}
	}
	for k, v := range amounts {
		switch {
		case v == 0:
		case k == jitterHue:
			out.factor[k] = uniform(rng, -v, v)
		default:
			out.factor[k] = uniform(rng, max(0, 1-v), 1+v)
		}
	}
	return out
}

// apply changes pixels, [n, 3], in place.
func (j jitter) apply(pix []uint8) {
	for _, k := range j.order {
		switch factor := j.factor[k]; k {
		case jitterBrightness:
			adjustBrightness(pix, factor)
		case jitterContrast:
			adjustContrast(pix, factor)
		case jitterSaturation:
			adjustSaturation(pix, factor)
		case jitterHue:
			adjustHue(pix, factor)
		}
	}
}

// blend returns base + factor·(v-base) as Pillow's Image.blend does: in float32, cut off to a byte.
// The conversion keeps compilers from fusing the operations.
func blend(base, v uint8, factor float32) uint8 {
	switch factor { // exact there
	case 0:
		return base
	case 1:
		return v
	}
	f := float32(int(base)) + float32(factor*float32(int(v)-int(base)))
	switch {
	case f <= 0:
		return 0
	case f >= 255:
		return 255
	}
	return uint8(f)
}

// luma is Pillow's conversion to grey (ITU-R 601-2 with 16 fractional bits).
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}

func adjustBrightness(pix []uint8, factor float64) {
	blendAll(pix, 0, float32(factor))
}

// blendAll blends all values with one.
func blendAll(pix []uint8, base uint8, factor float32) {
	var table [256]uint8
	for v := range table {
		table[v] = blend(base, uint8(v), factor)
	}
	for i, v := range pix {
		pix[i] = table[v]
	}
}

// adjustContrast blends with the mean of the image's grey, rounded.
func adjustContrast(pix []uint8, factor float64) {
	sum := 0
	for i := 0; i+2 < len(pix); i += 3 {
		sum += int(luma(pix[i], pix[i+1], pix[i+2]))
	}
	blendAll(pix, uint8(float64(sum)/float64(len(pix)/3)+0.5), float32(factor))
}

// adjustSaturation blends with the image's grey.
func adjustSaturation(pix []uint8, factor float64) {
	f := float32(factor)
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		grey := luma(p[0], p[1], p[2])
		p[0], p[1], p[2] = blend(grey, p[0], f), blend(grey, p[1], f), blend(grey, p[2], f)
	}
}

// adjustHue turns the hue by a fraction of the circle, through Pillow's HSV of bytes.
func adjustHue(pix []uint8, factor float64) {
	turn := uint8(int(factor * 255)) // around the circle: negative ones wrap
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		h, s, v := toHSV(p[0], p[1], p[2])
		p[0], p[1], p[2] = fromHSV(h+turn, s, v)
	}
}

// toHSV is Pillow's conversion; the mixture of float32 and float64 is its own.
func toHSV(r, g, b uint8) (h, s, v uint8) {
	most, least := max(r, g, b), min(r, g, b)
	if most == least {
		return 0, 0, most
	}
	span := float32(most - least)
	fromR, fromG, fromB := float32(most-r)/span, float32(most-g)/span, float32(most-b)/span
	var hue float32
	switch most {
	case r:
		hue = fromB - fromG
	case g:
		hue = float32(2 + float64(fromR) - float64(fromB))
	default:
		hue = float32(4 + float64(fromG) - float64(fromR))
	}
	hue = float32(math.Mod(float64(hue)/6+1, 1))
	saturation := span / float32(most)
	return clamp8(int32(float64(hue) * 255)), clamp8(int32(float64(saturation) * 255)), most
}

func fromHSV(h, s, v uint8) (r, g, b uint8) {
	if s == 0 {
		return v, v, v
	}
	place := float64(h) * 6 / 255
	sextant := int(place)
	f := float64(float32(place - float64(sextant)))
	saturation, value := float64(float32(float64(s)/255)), float64(v)
	round := func(x float64) uint8 { return clamp8(int32(math.Round(float64(float32(x))))) }
	p := round(value * (1 - saturation))
	q := round(value * (1 - float64(saturation*f)))
	t := round(value * (1 - float64(saturation*(1-f))))
	switch sextant % 6 {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}
