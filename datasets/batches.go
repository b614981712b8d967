package datasets

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// SearchSplit cuts a random permutation of 0..n-1, drawn from seed, in two: the first
// floor(fraction·n) indices are for the weights, the rest for the architecture. DARTS uses the
// fraction 0.5. The classes are not balanced, as in DARTS; unlike there, the halves depend on the
// seed. Both must get at least one index.
func SearchSplit(n int, seed uint64, fraction float64) (weights, architecture []int, err error) {
	cut := int(math.Floor(fraction * float64(n)))
	if !(fraction > 0 && fraction < 1) || cut < 1 || cut >= n {
		return nil, nil, fmt.Errorf("search split: fraction %g of %d samples leaves one side empty", fraction, n)
	}
	var pcg rand.PCG
	seedPCG(&pcg, streamSplit, seed, 0, 0)
	perm := rand.New(&pcg).Perm(n)
	return perm[:cut:cut], perm[cut:], nil
}

// BatchConfig says how images are cut into batches.
type BatchConfig struct {
	// BatchSize is the number of images a batch.
	BatchSize int
	// Indices selects the images that take part, in order; nil takes all.
	Indices []int
	// Seed drives the order and the augmentation.
	Seed uint64
	// Augment is applied to every image.
	Augment Augment
	// Shuffle draws a new order for every epoch; without it the order is that of Indices.
	Shuffle bool
	// DropLast leaves out the last batch of an epoch where it would be smaller than BatchSize.
	DropLast bool
}

// Batches cuts images into batches. What it returns depends on (Seed, epoch, step) only; it may be
// used by several goroutines.
type Batches struct {
	images  *Images
	config  BatchConfig
	indices []int
	table   [][256]float32
	steps   int

	mu     sync.Mutex
	orders [2]epochOrder // the last two epochs: a prefetcher runs ahead into the next one
}

type epochOrder struct {
	epoch int
	order []int
}

// NewBatches checks the configuration against the images. It is an error if an index is out of
// range or if an epoch would have no batch.
func NewBatches(images *Images, config BatchConfig) (*Batches, error) {
	if images == nil {
		return nil, errors.New("batches: no images")
	}
	if err := images.Validate(); err != nil {
		return nil, fmt.Errorf("batches: %w", err)
	}
	if config.BatchSize < 1 {
		return nil, fmt.Errorf("batches of %s: BatchSize is %d, expected at least 1", images.Name, config.BatchSize)
	}
	if err := config.Augment.validate(images.Channels); err != nil {
		return nil, fmt.Errorf("batches of %s: %w", images.Name, err)
	}
	config.Augment.Mean, config.Augment.Std = slices.Clone(config.Augment.Mean), slices.Clone(config.Augment.Std)
	indices := slices.Clone(config.Indices)
	if config.Indices == nil {
		indices = make([]int, images.N)
		for i := range indices {
			indices[i] = i
		}
	}
	config.Indices = indices
	for at, i := range indices {
		if i < 0 || i >= images.N {
			return nil, fmt.Errorf("batches of %s: Indices[%d] is %d, expected 0 to %d", images.Name, at, i, images.N-1)
		}
	}
	b := &Batches{images: images, config: config, indices: indices, table: config.Augment.table(images.Channels)}
	b.steps = len(indices) / config.BatchSize
	if !config.DropLast && len(indices)%config.BatchSize != 0 {
		b.steps++
	}
	if b.steps == 0 {
		return nil, fmt.Errorf("batches of %s: %d images make no batch of %d", images.Name, len(indices), config.BatchSize)
	}
	b.orders = [2]epochOrder{{epoch: -1}, {epoch: -1}}
	return b, nil
}

// Steps is the number of batches an epoch.
func (b *Batches) Steps() int { return b.steps }

// Len is the number of images that take part.
func (b *Batches) Len() int { return len(b.indices) }

// Shape returns the shape of a full batch, [batch, height, width, channels].
func (b *Batches) Shape() [4]int {
	return [4]int{b.config.BatchSize, b.images.Height, b.images.Width, b.images.Channels}
}

// Classes is the number of classes of the images.
func (b *Batches) Classes() int { return b.images.Classes }

// At returns batch number step of an epoch: x with shape [batch, height, width, channels] and the
// labels y, [batch]. Both count from 0. A step past the end of its epoch is one of the epochs that
// follow, so At(0, s) runs through all epochs; a negative one goes back likewise. Only the last
// batch of an epoch can be smaller than BatchSize. The caller owns the slices.
func (b *Batches) At(epoch, step int) (x []float32, y []int32) {
	return b.fill(epoch, step, nil, nil)
}

// normal brings step into 0..Steps()-1.
func (b *Batches) normal(epoch, step int) (int, int) {
	over := step / b.steps
	if step%b.steps < 0 {
		over--
	}
	return epoch + over, step - over*b.steps
}

// fill is At into buffers, which are used where they are large enough.
func (b *Batches) fill(epoch, step int, x []float32, y []int32) ([]float32, []int32) {
	epoch, step = b.normal(epoch, step)
	order := b.order(epoch)
	order = order[step*b.config.BatchSize : min((step+1)*b.config.BatchSize, len(order))]
	im := b.images
	size := im.imageSize()
	x = slices.Grow(x[:0], len(order)*size)[:len(order)*size]
	y = slices.Grow(y[:0], len(order))[:len(order)]
	var pcg rand.PCG
	rng := rand.New(&pcg)
	for k, i := range order {
		seedPCG(&pcg, streamAugment, b.config.Seed, epoch, i)
		v := b.config.Augment.draw(rng, im.Height, im.Width)
		b.config.Augment.apply(x[k*size:(k+1)*size], im.Image(i), im.Height, im.Width, im.Channels, b.table, v)
		y[k] = im.Labels[i]
	}
	return x, y
}

// order returns the indices of an epoch in their order; nobody may change it.
func (b *Batches) order(epoch int) []int {
	if !b.config.Shuffle {
		return b.indices
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.orders {
		if o.order != nil && o.epoch == epoch {
			return o.order
		}
	}
	var pcg rand.PCG
	seedPCG(&pcg, streamShuffle, b.config.Seed, epoch, 0)
	order := slices.Clone(b.indices)
	rand.New(&pcg).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	b.orders[0], b.orders[1] = b.orders[1], epochOrder{epoch, order}
	return order
}
