// Package datasetstest makes data for the tests of other packages.
package datasetstest

import (
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// ImageFolder writes a folder in ImageNet's layout: train and val with so many classes, and images a class
// of side pixels and a little wider, noise with a colour for each class.
func ImageFolder(t testing.TB, classes, images, side int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	for _, split := range []string{"train", "val"} {
		for k := range classes {
			folder := filepath.Join(dir, split, "n"+strconv.Itoa(10000000+k))
			require.NoError(t, os.MkdirAll(folder, 0o755))
			for i := range images {
				im := image.NewRGBA(image.Rect(0, 0, side+8*i, side))
				for y := range side {
					for x := range side + 8*i {
						im.Set(x, y, color.RGBA{uint8(40*k + r.IntN(40)), uint8(r.IntN(256)), uint8(255 - 40*k), 255})
					}
				}
				f, err := os.Create(filepath.Join(folder, strconv.Itoa(i)+".JPEG"))
				require.NoError(t, err)
				require.NoError(t, jpeg.Encode(f, im, nil))
				require.NoError(t, f.Close())
			}
		}
	}
	return dir
}
