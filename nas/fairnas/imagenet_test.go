package fairnas_test

import (
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/search"
)

// The published protocol takes a step on images in ImageNet's layout, at the full size but for the batch, and measures
// paths of two generations.
func TestImageNetStep(t *testing.T) {
	if testing.Short() {
		t.Skip("the supernet for ImageNet")
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 1))
	for class := range 2 {
		folder := filepath.Join(dir, "train", "n"+strconv.Itoa(10000000+class))
		require.NoError(t, os.MkdirAll(folder, 0o755))
		for i := range 4 {
			im := image.NewRGBA(image.Rect(0, 0, 240+8*i, 240))
			for p := range im.Bounds().Dx() * im.Bounds().Dy() {
				im.Set(p%im.Bounds().Dx(), p/im.Bounds().Dx(), color.RGBA{uint8(200 * class), uint8(random.IntN(256)), uint8(random.IntN(256)), 255})
			}
			f, err := os.Create(filepath.Join(folder, strconv.Itoa(i)+".JPEG"))
			require.NoError(t, err)
			require.NoError(t, jpeg.Encode(f, im, nil))
			require.NoError(t, f.Close())
		}
	}
	folder, err := datasets.OpenImageFolder(dir, "train")
	require.NoError(t, err)
	e, _ := open(t)
	c := fairnas.DefaultConfig()
	c.Epochs, c.StepsPerEpoch, c.Batch, c.Recalibrate, c.Holdout = 1, 1, 2, 2, 0.5
	c.Evolution.Population, c.Evolution.Generations = 4, 1
	r, err := fairnas.SearchFolder(t.Context(), e, folder, c, search.Options{})
	require.NoError(t, err)
	require.Len(t, r.Supernet.Updates, 19)
	for _, layer := range r.Supernet.Updates {
		assert.Equal(t, []int{1, 1, 1, 1, 1, 1}, layer)
	}
	// Two classes, and six paths that have not learned yet.
	assert.InDelta(t, math.Ln2, r.Supernet.Epochs[0].TrainLoss, 0.5)
	assert.Len(t, r.Evolution.Chosen.Code, 19)
	assert.Equal(t, [3]int{224, 224, 3}, r.Evolution.Network.Input)
}
