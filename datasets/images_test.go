package datasets

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smallImages makes n images of h×w pixels whose bytes count up.
func smallImages(n, h, w, channels, classes int) *Images {
	im := &Images{N: n, Height: h, Width: w, Channels: channels, Classes: classes, Name: "small",
		Pixels: make([]uint8, n*h*w*channels), Labels: make([]int32, n)}
	for i := range im.Pixels {
		im.Pixels[i] = uint8(i*7 + i/251)
	}
	for i := range im.Labels {
		im.Labels[i] = int32(i % classes)
	}
	return im
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*Images)
		want string
	}{
		"good":         {func(*Images) {}, ""},
		"no images":    {func(im *Images) { im.N = 0 }, "all must be at least 1"},
		"pixels":       {func(im *Images) { im.Pixels = im.Pixels[1:] }, "Pixels has 47 bytes, expected 48"},
		"labels":       {func(im *Images) { im.Labels = nil }, "Labels has 0 entries, expected 4"},
		"coarse":       {func(im *Images) { im.Coarse = []int32{1} }, "Coarse has 1 entries"},
		"class names":  {func(im *Images) { im.ClassNames = []string{"a"} }, "ClassNames has 1 entries, expected 3"},
		"label":        {func(im *Images) { im.Labels[2] = 3 }, "label of image 2 is 3, expected 0 to 2"},
		"lower labels": {func(im *Images) { im.Labels[1] = -1 }, "label of image 1 is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			im := smallImages(4, 2, 2, 3, 3)
			c.edit(im)
			if c.want == "" {
				assert.NoError(t, im.Validate())
			} else {
				assert.ErrorContains(t, im.Validate(), c.want)
			}
		})
	}
}

func TestSubset(t *testing.T) {
	im := smallImages(5, 2, 3, 3, 4)
	im.Coarse = []int32{5, 6, 7, 8, 9}
	s, err := im.Subset([]int{3, 0, 3})
	require.NoError(t, err)
	require.NoError(t, s.Validate())
	assert.Equal(t, im.Image(3), s.Image(0))
	assert.Equal(t, im.Image(0), s.Image(1))
	assert.Equal(t, []int32{3, 0, 3}, s.Labels)
	assert.Equal(t, []int32{8, 5, 8}, s.Coarse)
	s.Pixels[0]++
	assert.NotEqual(t, im.Image(3), s.Image(0), "a copy")
	_, err = im.Subset([]int{0, 5})
	assert.ErrorContains(t, err, "indices[1] is 5, expected 0 to 4")
	_, err = im.Subset(nil)
	assert.Error(t, err)
}

func TestFirstPerClass(t *testing.T) {
	im := smallImages(6, 1, 1, 1, 2)
	im.Labels = []int32{1, 1, 0, 1, 0, 0}
	got, err := im.FirstPerClass(2)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 2, 4}, got)
	_, err = im.FirstPerClass(4)
	assert.ErrorContains(t, err, "class 0 has 3 images, expected at least 4")
	_, err = im.FirstPerClass(0)
	assert.Error(t, err)
}

func TestHalve(t *testing.T) {
	im := &Images{N: 2, Height: 2, Width: 4, Channels: 1, Classes: 1, Labels: []int32{0, 0}, Pixels: []uint8{
		0, 1, 10, 20,
		2, 3, 30, 41,
		255, 255, 0, 0,
		255, 255, 0, 1,
	}}
	out, err := im.Halve()
	require.NoError(t, err)
	require.NoError(t, out.Validate())
	// 6/4 = 1.5 rounds to 2; 101/4 = 25.25; 1/4 rounds to 0.
	assert.Equal(t, []uint8{2, 25, 255, 0}, out.Pixels)

	colours := smallImages(2, 4, 6, 3, 2)
	out, err = colours.Halve()
	require.NoError(t, err)
	for i := range 2 {
		for y := range 2 {
			for x := range 3 {
				for c := range 3 {
					p := func(y, x int) int { return int(colours.Image(i)[(y*6+x)*3+c]) }
					want := (p(2*y, 2*x) + p(2*y, 2*x+1) + p(2*y+1, 2*x) + p(2*y+1, 2*x+1) + 2) / 4
					assert.EqualValues(t, want, out.Image(i)[(y*3+x)*3+c])
				}
			}
		}
	}
	_, err = smallImages(1, 3, 4, 1, 1).Halve()
	assert.ErrorContains(t, err, "must be even")
}

func TestResize(t *testing.T) {
	im := smallImages(1, 32, 32, 3, 1)
	out, err := im.Resize(8)
	require.NoError(t, err)
	require.NoError(t, out.Validate())
	assert.Equal(t, 8, out.Width)
	same, err := im.Resize(32)
	require.NoError(t, err)
	assert.Same(t, im, same)
	for _, size := range []int{64, 12, 0} {
		_, err = im.Resize(size)
		assert.Error(t, err, "%d", size)
	}
	_, err = smallImages(1, 2, 4, 1, 1).Resize(2)
	assert.ErrorContains(t, err, "not square")
}
