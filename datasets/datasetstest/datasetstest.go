// Package datasetstest makes data for the tests of other packages.
package datasetstest

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// CIFAR100 writes CIFAR-100's folder of sheets from a sheet for each split, in WebP, and the numbers of their images: image
// k is of class k modulo 100.
func CIFAR100(t testing.TB, dir string, train []byte, nTrain int, test []byte, nTest int) {
	t.Helper()
	var classes, index strings.Builder
	for k := range 100 {
		fmt.Fprintf(&classes, "class %02d\n", k)
	}
	fmt.Fprintln(&index, "split,k,label,class,original_filename")
	files := map[string]string{"train.webp": string(train), "test.webp": string(test), "classes.txt": classes.String()}
	for _, split := range []struct {
		name string
		n    int
	}{{"train", nTrain}, {"test", nTest}} {
		labels := make([]byte, split.n)
		for k := range labels {
			labels[k] = byte(k % 100)
			fmt.Fprintf(&index, "%s,%d,%d,class %02d,%d.png\n", split.name, k, k%100, k%100, k)
		}
		files[split.name+".labels"] = string(labels)
	}
	files["index.csv"] = index.String()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}
