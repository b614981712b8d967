package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEvaluationEqualsTorchvision(t *testing.T) {
	cases := readReference(t).Eval
	require.Len(t, cases, 10)
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s %v", c.Kind, c.From), func(t *testing.T) {
			im := pattern(c.Kind, c.From[0], c.From[1])
			height, width := shorterSide(im.Height, im.Width, c.Resize)
			assert.Equal(t, c.Resized, []int{height, width})
			transform := ImageNetEval()
			transform.Resize, transform.Size = c.Resize, c.Size
			var b imageBuffers
			table := transform.table()
			x := make([]float32, 3*c.Size*c.Size)
			transform.apply(x, im, &table, 0, 0, 0, &b)
			assert.Equal(t, c.SHA256, hexSum(b.pix), "bytes")
			assert.Equal(t, c.FloatSHA256, floatSum(x), "float32")
			var sum [3]float64
			for i, v := range x {
				sum[i%3] += float64(v)
			}
			for k := range 3 {
				assert.InDelta(t, c.Mean[k], sum[k]/float64(len(x)/3), 1e-9)
			}
			again, err := transform.Apply(im, 5, 6, 7)
			require.NoError(t, err)
			assert.Equal(t, x, again, "nothing is drawn")
		})
	}
}

func TestJitterEqualsTorchvision(t *testing.T) {
	cases := readReference(t).Jitter
	require.Len(t, cases, 72)
	adjust := map[string]func([]uint8, float64){
		"brightness": adjustBrightness, "contrast": adjustContrast, "saturation": adjustSaturation, "hue": adjustHue,
	}
	for _, c := range cases {
		im := pattern(c.Kind, c.From[0], c.From[1])
		adjust[c.Op](im.Pix, c.Factor)
		assert.Equal(t, c.SHA256, hexSum(im.Pix), "%s of %s by %g", c.Op, c.Kind, c.Factor)
	}
}

func TestCropSizesEqualTorchvision(t *testing.T) {
	cases := readReference(t).Crops
	require.Len(t, cases, 54)
	fallbacks, retries := 0, 0
	for _, c := range cases {
		found := false
		for try, scale := range c.Scales {
			h, w, ok := cropSize(c.Height, c.Width, scale, c.Aspects[try])
			if last := try == len(c.Scales)-1; !last || len(c.Place) == 0 {
				require.False(t, ok, "%v try %d", c, try)
				retries++
				continue
			}
			require.True(t, ok)
			found = true
			assert.Equal(t, c.Crop, []int{c.Place[0], c.Place[1], h, w})
		}
		if !found {
			fallbacks++
			require.Len(t, c.Scales, 10)
			r := fallbackCrop(c.Height, c.Width, ImageNetTrain().Ratio)
			assert.Equal(t, c.Crop, []int{r.top, r.left, r.height, r.width})
		}
	}
	assert.Positive(t, fallbacks)
	assert.Positive(t, retries)
}

// A crop, scaled, mirrored and with all colours changed, as torchvision does it.
func TestTrainingEqualsTorchvision(t *testing.T) {
	c := readReference(t).Train
	im := pattern("photo", c.From[0], c.From[1])
	pix := make([]uint8, 3*c.Size*c.Size)
	var r resizer
	r.resize(pix, im, rect{c.Crop[0], c.Crop[1], c.Crop[2], c.Crop[3]}, c.Size, c.Size, rect{0, 0, c.Size, c.Size})
	jitter{order: c.Order, factor: [4]float64(c.Factors)}.apply(pix)
	mirrored := make([]uint8, 0, len(pix)) // the order of mirroring and colours does not matter
	for y := range c.Size {
		for x := range c.Size {
			mirrored = append(mirrored, pix[3*(y*c.Size+c.Size-1-x):][:3]...)
		}
	}
	assert.Equal(t, c.SHA256, hexSum(mirrored))
}

func TestTrainingDraws(t *testing.T) {
	transform := ImageNetTrain()
	transform.Size = 16
	transform.Jitter = ColorJitter{0.4, 0.4, 0.4, 0.2}
	im := pattern("photo", 50, 70)
	x, err := transform.Apply(im, 1, 2, 3)
	require.NoError(t, err)
	again, err := transform.Apply(im, 1, 2, 3)
	require.NoError(t, err)
	assert.Equal(t, x, again)
	for _, other := range [][3]int{{2, 2, 3}, {1, 3, 3}, {1, 2, 4}} {
		y, err := transform.Apply(im, uint64(other[0]), other[1], other[2])
		require.NoError(t, err)
		assert.NotEqual(t, x, y, "%v", other)
	}
	// A uniform image shows that nothing but the image enters.
	flat := &RGB{Height: 9, Width: 31, Pix: make([]uint8, 3*9*31)}
	transform.Jitter = ColorJitter{}
	for i := range flat.Pix {
		flat.Pix[i] = 77
	}
	y, err := transform.Apply(flat, 1, 2, 3)
	require.NoError(t, err)
	for i, v := range y {
		require.Equal(t, (float32(77)/255-imagenetMean[i%3])/imagenetStd[i%3], v)
	}
}

// A mirrored image is the other one from right to left, and about half are.
func TestFlip(t *testing.T) {
	transform := ImageTransform{Size: 8, Resize: 8, Flip: true, Std: [3]float32{1, 1, 1}}
	im := pattern("noise", 8, 8)
	mirrored := 0
	for index := range 400 {
		x, err := transform.Apply(im, 1, 0, index)
		require.NoError(t, err)
		at := 0
		if x[0] != float32(im.Pix[0])/255 {
			at = 7
			mirrored++
		}
		for k := range 8 {
			from := k
			if at == 7 {
				from = 7 - k
			}
			require.Equal(t, float32(im.Pix[3*from+1])/255, x[3*k+1])
		}
	}
	assert.InDelta(t, 200, mirrored, 50)
}

func TestDrawnCropsLieInside(t *testing.T) {
	transform := ImageNetTrain()
	rng := rand.New(rand.NewPCG(1, 2))
	var areas, logs float64
	const n = 4000
	for range n {
		r := transform.drawCrop(rng, 400, 400)
		require.True(t, r.top >= 0 && r.left >= 0 && r.top+r.height <= 400 && r.left+r.width <= 400, "%v", r)
		aspect := float64(r.width) / float64(r.height)
		require.InDelta(t, 0, math.Log(aspect), math.Log(4./3)+0.02)
		areas += float64(r.height*r.width) / (400 * 400)
		logs += math.Log(aspect)
	}
	assert.InDelta(t, 0.477, areas/n, 0.015) // torchvision's mean over 20,000 draws: large parts fit less often
	assert.InDelta(t, 0, logs/n, 0.02)
	for _, size := range [][2]int{{1, 1}, {1, 500}, {500, 1}, {2, 3}} {
		r := transform.drawCrop(rng, size[0], size[1])
		assert.True(t, r.height >= 1 && r.width >= 1 && r.top+r.height <= size[0] && r.left+r.width <= size[1], "%v", r)
	}
}

func TestJitterDraws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	orders := map[string]int{}
	for range 2000 {
		j := ColorJitter{0.4, 2, 0.1, 0.2}.draw(rng)
		require.Len(t, j.order, 4)
		orders[fmt.Sprint(j.order)]++
		for k, bounds := range [4][2]float64{{0.6, 1.4}, {0, 3}, {0.9, 1.1}, {-0.2, 0.2}} {
			require.True(t, bounds[0] <= j.factor[k] && j.factor[k] <= bounds[1], "%d: %g", k, j.factor[k])
		}
	}
	assert.Len(t, orders, 24, "all orders occur")
	assert.Equal(t, []int{jitterContrast}, ColorJitter{Contrast: 0.3}.draw(rng).order)
	assert.Empty(t, ColorJitter{}.draw(rng).order)
}

func TestImageTransformErrors(t *testing.T) {
	im := pattern("noise", 4, 4)
	for want, change := range map[string]func(*ImageTransform){
		"Size is 0":               func(t *ImageTransform) { t.Size = 0 },
		"Resize is 223":           func(t *ImageTransform) { t.Resize = 223 },
		"Resize is -1":            func(t *ImageTransform) { t.Resize = -1 },
		"Scale is [0 1]":          func(t *ImageTransform) { t.Scale[0] = 0 },
		"Scale is [0.08 1.1]":     func(t *ImageTransform) { t.Scale[1] = 1.1 },
		"Scale is [NaN 1]":        func(t *ImageTransform) { t.Scale[0] = math.NaN() },
		"Ratio is [2 1]":          func(t *ImageTransform) { t.Ratio = [2]float64{2, 1} },
		"Ratio is [1 +Inf]":       func(t *ImageTransform) { t.Ratio = [2]float64{1, math.Inf(1)} },
		"Jitter.Hue is 0.6":       func(t *ImageTransform) { t.Jitter.Hue = 0.6 },
		"Jitter.Brightness is -1": func(t *ImageTransform) { t.Jitter.Brightness = -1 },
		"Jitter.Contrast is NaN":  func(t *ImageTransform) { t.Jitter.Contrast = math.NaN() },
		"Std[1] is 0":             func(t *ImageTransform) { t.Std[1] = 0 },
	} {
		transform := ImageNetTrain()
		change(&transform)
		_, err := transform.Apply(im, 0, 0, 0)
		assert.ErrorContains(t, err, want)
	}
	_, err := ImageNetTrain().Apply(&RGB{}, 0, 0, 0)
	assert.ErrorContains(t, err, "no pixels")
}

func FuzzImageNetTrain(f *testing.F) {
	f.Add(uint16(50), uint16(70), uint16(20), uint64(1))
	f.Add(uint16(1), uint16(299), uint16(1), uint64(2))
	f.Fuzz(func(t *testing.T, h, w, size uint16, seed uint64) {
		height, width := int(h%300)+1, int(w%300)+1
		im := &RGB{Height: height, Width: width, Pix: make([]uint8, 3*height*width)}
		for i := range im.Pix {
			im.Pix[i] = uint8(i)
		}
		transform := ImageNetTrain()
		transform.Size, transform.Jitter = int(size%64)+1, ColorJitter{0.4, 0.4, 0.4, 0.2}
		x, err := transform.Apply(im, seed, 0, 0)
		require.NoError(t, err)
		for i, v := range x {
			low, high := -imagenetMean[i%3]/imagenetStd[i%3], (1-imagenetMean[i%3])/imagenetStd[i%3]
			if !(v >= low && v <= high) {
				t.Fatalf("%g lies outside %g to %g", v, low, high)
			}
		}
	})
}
