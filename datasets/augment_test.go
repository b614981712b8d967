package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// referenceView does the augmentation step by step as torchvision and DARTS describe it: a padded
// copy, the crop, the mirror, to 0..1, normalise, multiply by a mask.
func referenceView(a Augment, src []uint8, size, channels int, v view) []float32 {
	side := size + 2*a.Pad
	padded := make([]uint8, side*side*channels)
	for y := range size {
		for x := range size {
			for c := range channels {
				padded[((y+a.Pad)*side+x+a.Pad)*channels+c] = src[(y*size+x)*channels+c]
			}
		}
	}
	crop := make([]uint8, size*size*channels)
	for y := range size {
		for x := range size {
			for c := range channels {
				crop[(y*size+x)*channels+c] = padded[((y+v.top)*side+x+v.left)*channels+c]
			}
		}
	}
	mirrored := crop
	if v.flip {
		mirrored = make([]uint8, len(crop))
		for y := range size {
			for x := range size {
				for c := range channels {
					mirrored[(y*size+x)*channels+c] = crop[(y*size+size-1-x)*channels+c]
				}
			}
		}
	}
	mask := make([]float32, size*size)
	for i := range mask {
		mask[i] = 1
	}
	clip := func(i int) int { return min(max(i, 0), size) }
	for y := clip(v.cutY - a.Cutout/2); y < clip(v.cutY+a.Cutout/2); y++ {
		for x := clip(v.cutX - a.Cutout/2); x < clip(v.cutX+a.Cutout/2); x++ {
			mask[y*size+x] = 0
		}
	}
	out := make([]float32, len(mirrored))
	for i, p := range mirrored {
		c := i % channels
		out[i] = (float32(p)/255 - a.Mean[c]) / a.Std[c] * mask[i/channels]
	}
	return out
}

func TestAugmentEqualsTheStepByStepReference(t *testing.T) {
	for _, size := range []int{8, 16, 32} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			a := DARTSAugment(size)
			im := smallImages(1, size, size, 3, 1)
			table := a.table(3)
			dst := make([]float32, len(im.Pixels))
			rng := rand.New(rand.NewPCG(1, uint64(size)))
			views := []view{{0, 0, false, 0, 0}, {2 * a.Pad, 2 * a.Pad, true, size - 1, size - 1}, {a.Pad, a.Pad, false, size / 2, 0}}
			for range 60 {
				views = append(views, a.draw(rng, size, size))
			}
			for _, v := range views {
				for i := range dst {
					dst[i] = float32(math.NaN()) // every value must be written
				}
				a.apply(dst, im.Pixels, size, size, 3, table, v)
				require.InDeltaSlice(t, referenceView(a, im.Pixels, size, 3, v), dst, 1e-7, "%+v", v)
			}
		})
	}
}

func TestDARTSAugmentScales(t *testing.T) {
	a := DARTSAugment(32)
	assert.Equal(t, []int{4, 16}, []int{a.Pad, a.Cutout})
	assert.True(t, a.Flip)
	a = DARTSAugment(16)
	assert.Equal(t, []int{2, 8}, []int{a.Pad, a.Cutout})
	assert.Equal(t, cifar100Mean, a.ForCIFAR100().Mean)
	assert.Equal(t, cifar10Mean, a.Mean, "the original keeps its own")
}

// Offsets, flips and cutout centres must be uniform over many samples: each count within five
// standard deviations of its expectation.
func TestDrawIsUniform(t *testing.T) {
	a := DARTSAugment(32)
	const n = 20000
	var pcg rand.PCG
	rng := rand.New(&pcg)
	top, left, cutY, cutX := map[int]int{}, map[int]int{}, map[int]int{}, map[int]int{}
	flips := map[int]int{}
	for i := range n {
		seedPCG(&pcg, streamAugment, 7, 3, i)
		v := a.draw(rng, 32, 32)
		top[v.top]++
		left[v.left]++
		cutY[v.cutY]++
		cutX[v.cutX]++
		if v.flip {
			flips[1]++
		} else {
			flips[0]++
		}
	}
	for name, c := range map[string]struct {
		got  map[int]int
		bins int
	}{"top": {top, 9}, "left": {left, 9}, "flip": {flips, 2}, "cutout y": {cutY, 32}, "cutout x": {cutX, 32}} {
		require.Len(t, c.got, c.bins, name)
		p := 1 / float64(c.bins)
		for k, got := range c.got {
			assert.Less(t, k, c.bins, name)
			assert.InDelta(t, n*p, got, 5*math.Sqrt(n*p*(1-p)), "%s %d", name, k)
		}
	}
}

func TestCutoutLastLeavesTheRestAlone(t *testing.T) {
	with, without := DARTSAugment(32), DARTSAugment(32)
	without.Cutout = 0
	for i := range 50 {
		var pcg rand.PCG
		rng := rand.New(&pcg)
		seedPCG(&pcg, streamAugment, 1, 0, i)
		a := with.draw(rng, 32, 32)
		seedPCG(&pcg, streamAugment, 1, 0, i)
		b := without.draw(rng, 32, 32)
		assert.Equal(t, []any{a.top, a.left, a.flip}, []any{b.top, b.left, b.flip})
	}
}

func TestEvalTransformIsPlainNormalisation(t *testing.T) {
	im := smallImages(3, 4, 4, 3, 3)
	b, err := NewBatches(im, BatchConfig{BatchSize: 3, Augment: EvalTransform()})
	require.NoError(t, err)
	x, y := b.At(5, 0)
	assert.Equal(t, im.Labels, y)
	for i, p := range im.Pixels {
		require.InDelta(t, (float64(p)/255-float64(cifar10Mean[i%3]))/float64(cifar10Std[i%3]), x[i], 1e-5)
	}
	b, err = NewBatches(im, BatchConfig{BatchSize: 3})
	require.NoError(t, err)
	x, _ = b.At(0, 0)
	assert.Equal(t, float32(im.Pixels[9])/255, x[9], "the zero Augment only scales")
}

func TestMeanStd(t *testing.T) {
	im := &Images{N: 2, Height: 1, Width: 2, Channels: 2, Classes: 1, Pixels: []uint8{0, 51, 255, 51, 0, 51, 255, 51}, Labels: []int32{0, 0}}
	mean, std := im.MeanStd()
	assert.InDeltaSlice(t, []float32{0.5, 0.2}, mean, 1e-7)
	assert.InDeltaSlice(t, []float32{0.5, 0}, std, 1e-7)
}
