package datasets

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// ImageBatchConfig says how image files are cut into batches.
type ImageBatchConfig struct {
	// BatchSize is the number of images a batch.
	BatchSize int
	// Indices selects the images that take part, in order; nil takes all.
	Indices []int
	// Seed drives the order and what the transform draws.
	Seed uint64
	// Transform is applied to every image.
	Transform ImageTransform
	// Shuffle draws a new order for every epoch; without it the order is that of Indices.
	Shuffle bool
	// DropLast leaves out the last batch of an epoch where it would be smaller than BatchSize.
	DropLast bool
	// Workers is the number of goroutines that decode the images of one batch; 0 means one a
	// processor. The batches do not depend on it.
	Workers int
}

// ImageBatches cuts image files into batches, decoding them as they are asked for. What it returns
// depends on (Seed, epoch, step) only; it may be used by several goroutines. A [Prefetcher] makes
// its batches ahead; one worker there is enough, since each batch is decoded in parallel.
type ImageBatches struct {
	folder  *ImageFolder
	config  ImageBatchConfig
	table   [3][256]float32
	buffers sync.Pool
	schedule
}

// NewImageBatches checks the configuration. It is an error if an index is out of range or if an
// epoch would have no batch. No image is decoded.
func NewImageBatches(folder *ImageFolder, config ImageBatchConfig) (*ImageBatches, error) {
	if folder == nil {
		return nil, errors.New("image batches: no folder")
	}
	if err := config.Transform.validate(); err != nil {
		return nil, fmt.Errorf("batches of %s: %w", folder.Name, err)
	}
	if config.Workers < 1 {
		config.Workers = runtime.GOMAXPROCS(0)
	}
	b := &ImageBatches{folder: folder, config: config, table: config.Transform.table()}
	b.buffers.New = func() any { return new(imageBuffers) }
	if err := b.schedule.set(folder.Name, folder.Len(), config.BatchSize, config.Indices, config.DropLast); err != nil {
		return nil, err
	}
	b.shuffle, b.seed = config.Shuffle, config.Seed
	return b, nil
}

// Steps is the number of batches an epoch.
func (b *ImageBatches) Steps() int { return b.steps }

// Len is the number of images that take part.
func (b *ImageBatches) Len() int { return len(b.indices) }

// Shape returns the shape of a full batch, [batch, height, width, channels].
func (b *ImageBatches) Shape() [4]int {
	return [4]int{b.config.BatchSize, b.config.Transform.Size, b.config.Transform.Size, 3}
}

// Classes is the number of classes of the images.
func (b *ImageBatches) Classes() int { return len(b.folder.Classes) }

// At returns batch number step of an epoch: x with shape [batch, Size, Size, 3] and the labels y,
// [batch]. Both count from 0; a step outside its epoch is one of the epochs that follow or precede,
// as in [Batches.At]. Only the last batch of an epoch can be smaller than BatchSize. An image that
// cannot be read or decoded is an error that names its file; of several, the first of the batch.
func (b *ImageBatches) At(epoch, step int) (x []float32, y []int32, err error) {
	return b.Fill(epoch, step, nil, nil)
}

// Fill is [ImageBatches.At] into buffers.
func (b *ImageBatches) Fill(epoch, step int, x []float32, y []int32) ([]float32, []int32, error) {
	epoch, step = normal(b.steps, epoch, step)
	order := b.batch(epoch, step)
	size := 3 * b.config.Transform.Size * b.config.Transform.Size
	x = slices.Grow(x[:0], len(order)*size)[:len(order)*size]
	y = slices.Grow(y[:0], len(order))[:len(order)]
	errs := make([]error, len(order))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(b.config.Workers, len(order)) {
		wg.Go(func() {
			buffers := b.buffers.Get().(*imageBuffers)
			defer b.buffers.Put(buffers)
			for k := int(next.Add(1)) - 1; k < len(order); k = int(next.Add(1)) - 1 {
				i := order[k]
				im, err := b.folder.Decode(i)
				if err != nil {
					errs[k] = err
					continue
				}
				b.config.Transform.apply(x[k*size:(k+1)*size], im, &b.table, b.config.Seed, epoch, i, buffers)
				y[k] = b.folder.Labels[i]
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return x, y, fmt.Errorf("batch %d of epoch %d: %w", step, epoch, err)
		}
	}
	return x, y, nil
}
