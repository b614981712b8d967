package datasets

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patternFolder makes a folder of n grey images of three classes and of several sizes.
func patternFolder(t testing.TB, n int) *ImageFolder {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("train/c%d/%03d.jpg", i%3, i)] = string(jpegOf(t, pattern([]string{"noise", "photo"}[i%2], 20+3*i%40, 20+7*i%40)))
	}
	f, err := OpenImageFolder(writeFiles(t, files), "train")
	require.NoError(t, err)
	require.Equal(t, n, f.Len())
	return f
}

func smallTrain() ImageTransform {
	transform := ImageNetTrain()
	transform.Size, transform.Jitter = 12, ColorJitter{0.4, 0.4, 0.4, 0.2}
	return transform
}

func TestImageBatchesCoverAnEpoch(t *testing.T) {
	f := patternFolder(t, 11)
	transform := ImageNetEval()
	transform.Size, transform.Resize = 8, 10
	b, err := NewImageBatches(f, ImageBatchConfig{BatchSize: 4, Transform: transform})
	require.NoError(t, err)
	assert.Equal(t, 3, b.Steps())
	assert.Equal(t, 11, b.Len())
	assert.Equal(t, 3, b.Classes())
	assert.Equal(t, [4]int{4, 8, 8, 3}, b.Shape())
	var labels []int32
	for step := range b.Steps() {
		x, y, err := b.At(0, step)
		require.NoError(t, err)
		require.Len(t, x, len(y)*8*8*3)
		for k := range y {
			im, err := f.Decode(len(labels) + k)
			require.NoError(t, err)
			want, err := transform.Apply(im, 0, 0, 0)
			require.NoError(t, err)
			require.Equal(t, want, x[k*8*8*3:(k+1)*8*8*3])
		}
		labels = append(labels, y...)
	}
	assert.Equal(t, f.Labels, labels, "the last, smaller batch included")
	b, err = NewImageBatches(f, ImageBatchConfig{BatchSize: 4, Transform: transform, DropLast: true})
	require.NoError(t, err)
	assert.Equal(t, 2, b.Steps())
}

func TestImageBatchesDoNotDependOnWorkers(t *testing.T) {
	f := patternFolder(t, 23)
	config := ImageBatchConfig{BatchSize: 5, Seed: 3, Transform: smallTrain(), Shuffle: true, Indices: []int{22, 1, 4, 9, 3, 17, 12, 8, 0, 5, 6, 2}, Workers: 1}
	single, err := NewImageBatches(f, config)
	require.NoError(t, err)
	x, y, err := single.At(1, 2)
	require.NoError(t, err)
	assert.Len(t, y, 2)
	for k, i := range single.order(1)[10:] { // a view belongs to its image, not to its place
		im, err := f.Decode(i)
		require.NoError(t, err)
		want, err := config.Transform.Apply(im, config.Seed, 1, i)
		require.NoError(t, err)
		require.Equal(t, want, x[k*12*12*3:(k+1)*12*12*3])
	}
	for _, workers := range []int{0, 2, 7} {
		config.Workers = workers
		b, err := NewImageBatches(f, config)
		require.NoError(t, err)
		for _, at := range [][2]int{{1, 2}, {0, 5}, {2, -1}} {
			x2, y2, err := b.At(at[0], at[1])
			require.NoError(t, err)
			require.Equal(t, x, x2, "%d workers", workers)
			require.Equal(t, y, y2)
		}
		// Ahead, from a position in the middle.
		for _, prefetch := range []int{1, 3} {
			p := NewPrefetcher(t.Context(), b, PrefetchConfig{Depth: 2, Workers: prefetch, Epoch: 1, Step: 2})
			for k := range 6 {
				got, err := p.Next()
				require.NoError(t, err)
				x2, y2, err := single.At(1, 2+k)
				require.NoError(t, err)
				require.Equal(t, x2, got.X)
				require.Equal(t, y2, got.Y)
				require.Equal(t, []int{1 + (2+k)/3, (2 + k) % 3}, []int{got.Epoch, got.Step})
				got.Release()
			}
			p.Close()
		}
	}
	config.Seed++
	other, err := NewImageBatches(f, config)
	require.NoError(t, err)
	x2, _, err := other.At(1, 2)
	require.NoError(t, err)
	assert.NotEqual(t, x, x2)
	x2, _, err = single.At(2, 2)
	require.NoError(t, err)
	assert.NotEqual(t, x, x2)
}

func TestImageBatchesNameTheDamagedFile(t *testing.T) {
	f := patternFolder(t, 6)
	for _, i := range []int{2, 3} {
		require.NoError(t, os.WriteFile(f.path(i), []byte("\xff\xd8text"), 0o644))
	}
	require.NoError(t, os.Remove(f.path(5)))
	b, err := NewImageBatches(f, ImageBatchConfig{BatchSize: 2, Transform: smallTrain(), Workers: 2})
	require.NoError(t, err)
	p := NewPrefetcher(t.Context(), b, PrefetchConfig{})
	defer p.Close()
	_, err = p.Next()
	require.NoError(t, err)
	_, err = p.Next()
	assert.ErrorContains(t, err, "batch 1 of epoch 0")
	assert.ErrorContains(t, err, f.path(2), "the first of the batch")
	_, err = p.Next()
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, filepath.Base(f.Files[5]))
	next, err := p.Next()
	require.NoError(t, err, "it goes on")
	assert.Equal(t, []int{1, 0}, []int{next.Epoch, next.Step})
}

func TestNewImageBatchesErrors(t *testing.T) {
	f := patternFolder(t, 3)
	for want, config := range map[string]ImageBatchConfig{
		"BatchSize is 0, expected at least 1":   {Transform: ImageNetEval()},
		"Indices[1] is 3, expected 0 to 2":      {Transform: ImageNetEval(), BatchSize: 1, Indices: []int{0, 3}},
		"3 images make no batch of 4":           {Transform: ImageNetEval(), BatchSize: 4, DropLast: true},
		"image transform: Size is 0":            {BatchSize: 1},
		"Scale is [0 0], expected 0 < least <=": {BatchSize: 1, Transform: ImageTransform{Size: 3}},
	} {
		_, err := NewImageBatches(f, config)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "batches of "+f.Name)
	}
	_, err := NewImageBatches(nil, ImageBatchConfig{BatchSize: 1, Transform: ImageNetEval()})
	assert.ErrorContains(t, err, "no folder")
}

// Images a second from files of 500×375 pixels, the usual size of ImageNet's.
func BenchmarkImageBatches(b *testing.B) {
	im := pattern("photo", 375, 500)
	picture := image.NewRGBA(image.Rect(0, 0, im.Width, im.Height))
	for i := range im.Height * im.Width {
		picture.SetRGBA(i%im.Width, i/im.Width, color.RGBA{im.Pix[3*i], im.Pix[3*i+1], im.Pix[3*i+2], 255})
	}
	var file bytes.Buffer
	require.NoError(b, jpeg.Encode(&file, picture, &jpeg.Options{Quality: 90}))
	files := map[string]string{}
	for i := range 32 {
		files[fmt.Sprintf("val/c/%02d.JPEG", i)] = file.String()
	}
	f, err := OpenImageFolder(writeFiles(b, files), "val")
	require.NoError(b, err)
	train := ImageNetTrain()
	train.Jitter = ColorJitter{0.4, 0.4, 0.4, 0.2}
	for _, c := range []struct {
		name      string
		transform ImageTransform
	}{{"eval", ImageNetEval()}, {"train", ImageNetTrain()}, {"train-jitter", train}} {
		b.Run(c.name, func(b *testing.B) {
			batches, err := NewImageBatches(f, ImageBatchConfig{BatchSize: 32, Transform: c.transform})
			require.NoError(b, err)
			var x []float32
			var y []int32
			n := 0
			for b.Loop() {
				x, y, err = batches.Fill(0, n, x, y)
				require.NoError(b, err)
				n++
			}
			b.ReportMetric(float64(32*n)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(float64(file.Len())/1024, "KiB/file")
		})
	}
}
