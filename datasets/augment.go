package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Mean and standard deviation of the training images of CIFAR-10 and CIFAR-100 per channel, on the
// scale where a pixel runs from 0 to 1. CIFAR-100's are the values in common use, of the whole set
// also where a folder has a part of it.
var (
	cifar10Mean  = []float32{0.49139968, 0.48215841, 0.44653091}
	cifar10Std   = []float32{0.24703223, 0.24348513, 0.26158784}
	cifar100Mean = []float32{0.50707516, 0.48654887, 0.44091784}
	cifar100Std  = []float32{0.26733429, 0.25643846, 0.27615047}
)

// Augment says how bytes become normalised float32 and what is varied at random on the way. The
// zero value only scales pixels to 0..1.
type Augment struct {
	// Pad is the number of zero pixels added on every side before a random crop back to the
	// image's size; 0 leaves the image where it is.
	Pad int
	// Flip mirrors the image left to right with probability one half.
	Flip bool
	// Cutout is the side of a square that is set to zero after normalisation; 0 for none. Its
	// centre is uniform over the pixels, so the square may be clipped at the border. The square
	// reaches Cutout/2 pixels to each side of the centre, as in DARTS's code.
	Cutout int
	// Mean and Std have one value a channel: a pixel p becomes (p/255 - Mean) / Std. Both nil: no
	// normalisation.
	Mean, Std []float32
}

// DARTSAugment is DARTS's training augmentation for square CIFAR-10 images: pad, random crop,
// flip, normalisation, cutout. At 32 pixels it pads 4 and cuts out 16; both scale with size, so at
// 16 pixels it pads 2 and cuts out 8. The searches of the papers use it with Cutout set to 0, the
// trainings from scratch as it is.
func DARTSAugment(size int) Augment {
	return Augment{Pad: size / 8, Flip: true, Cutout: size / 2, Mean: slices.Clone(cifar10Mean), Std: slices.Clone(cifar10Std)}
}

// EvalTransform is CIFAR-10's normalisation with nothing random: for validation and test.
func EvalTransform() Augment {
	return Augment{Mean: slices.Clone(cifar10Mean), Std: slices.Clone(cifar10Std)}
}

// ForCIFAR100 returns a with CIFAR-100's mean and standard deviation.
func (a Augment) ForCIFAR100() Augment {
	a.Mean, a.Std = slices.Clone(cifar100Mean), slices.Clone(cifar100Std)
	return a
}

// MeanStd returns mean and standard deviation (of the population) of every channel over all
// pixels, on the scale 0 to 1.
func (im *Images) MeanStd() (mean, std []float32) {
	sum, square := make([]int64, im.Channels), make([]int64, im.Channels)
	for at := 0; at < len(im.Pixels); at += im.Channels {
		for c := range im.Channels {
			v := int64(im.Pixels[at+c])
			sum[c] += v
			square[c] += v * v
		}
	}
	n := float64(im.N * im.Height * im.Width)
	for c := range im.Channels {
		m := float64(sum[c]) / n
		mean = append(mean, float32(m/255))
		std = append(std, float32(math.Sqrt(float64(square[c])/n-m*m)/255))
	}
	return mean, std
}

func (a Augment) validate(channels int) error {
	if a.Pad < 0 || a.Cutout < 0 {
		return fmt.Errorf("augmentation: Pad %d, Cutout %d: expected at least 0", a.Pad, a.Cutout)
	}
	if a.Mean == nil && a.Std == nil {
		return nil
	}
	if len(a.Mean) != channels || len(a.Std) != channels {
		return fmt.Errorf("augmentation: Mean has %d and Std %d values, expected %d (one a channel)", len(a.Mean), len(a.Std), channels)
	}
	for c, s := range a.Std {
		if !(s > 0) {
			return fmt.Errorf("augmentation: Std[%d] is %g, expected more than 0", c, s)
		}
	}
	return nil
}

// table gives the normalised value of every byte in every channel, [channels][256].
func (a Augment) table(channels int) [][256]float32 {
	t := make([][256]float32, channels)
	for c := range t {
		mean, std := float32(0), float32(1)
		if a.Mean != nil {
			mean, std = a.Mean[c], a.Std[c]
		}
		for v := range 256 {
			t[c][v] = (float32(v)/255 - mean) / std
		}
	}
	return t
}

// view is what was drawn for one sample.
type view struct {
	top, left int // of the crop in the padded image
	flip      bool
	cutY      int // centre of the cutout
	cutX      int
}

// draw draws a view. Whatever is switched off draws nothing, and the cutout comes last, so that
// switching it off leaves crop and flip as they were.
func (a Augment) draw(rng *rand.Rand, height, width int) view {
	v := view{top: a.Pad, left: a.Pad}
	if a.Pad > 0 {
		v.top, v.left = rng.IntN(2*a.Pad+1), rng.IntN(2*a.Pad+1)
	}
	if a.Flip {
		v.flip = rng.IntN(2) == 1
	}
	if a.Cutout > 0 {
		v.cutY, v.cutX = rng.IntN(height), rng.IntN(width)
	}
	return v
}

// apply writes the view of an image, src [height, width, channels] bytes, to dst, the same shape.
func (a Augment) apply(dst []float32, src []uint8, height, width, channels int, table [][256]float32, v view) {
	top, left := v.top-a.Pad, v.left-a.Pad // of the crop in the image without padding
	at := 0
	for y := range height {
		sy := y + top
		inside := sy >= 0 && sy < height
		for x := range width {
			sx := x + left
			if v.flip {
				sx = width - 1 - x + left
			}
			if !inside || sx < 0 || sx >= width {
				for c := range channels { // padding is black before normalisation
					dst[at+c] = table[c][0]
				}
			} else {
				pixel := src[(sy*width+sx)*channels:][:channels]
				for c, p := range pixel {
					dst[at+c] = table[c][p]
				}
			}
			at += channels
		}
	}
	if a.Cutout == 0 {
		return
	}
	half := a.Cutout / 2
	x0, x1 := max(v.cutX-half, 0), min(v.cutX+half, width)
	for y := max(v.cutY-half, 0); y < min(v.cutY+half, height); y++ {
		clear(dst[(y*width+x0)*channels : (y*width+x1)*channels])
	}
}

// mix spreads the bits of x over all 64 (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Purposes of a random stream, so that equal seeds do not give related permutations and crops.
const (
	streamAugment = iota + 1
	streamShuffle
	streamSplit
	streamSilence
	streamUnknown
)

// seedPCG sets pcg to the stream of (purpose, seed, epoch, index).
func seedPCG(pcg *rand.PCG, purpose int, seed uint64, epoch, index int) {
	pcg.Seed(mix(mix(seed)+mix(uint64(epoch))*3), mix(uint64(index))+uint64(purpose))
}
