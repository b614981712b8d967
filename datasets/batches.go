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
	images *Images
	config BatchConfig
	table  [][256]float32
	schedule
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
	if err := config.Augment.validate(images.Channels); err != nil {
		return nil, fmt.Errorf("batches of %s: %w", images.Name, err)
	}
	config.Augment.Mean, config.Augment.Std = slices.Clone(config.Augment.Mean), slices.Clone(config.Augment.Std)
	b := &Batches{images: images, config: config, table: config.Augment.table(images.Channels)}
	if err := b.schedule.set(images.Name, images.N, config.BatchSize, config.Indices, config.DropLast); err != nil {
		return nil, err
	}
	b.shuffle, b.seed = config.Shuffle, config.Seed
	b.config.Indices = b.indices
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

// fill is At into buffers, which are used where they are large enough.
func (b *Batches) fill(epoch, step int, x []float32, y []int32) ([]float32, []int32) {
	epoch, step = normal(b.steps, epoch, step)
	order := b.batch(epoch, step)
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

// Fill is [Batches.At] into buffers; it does not fail.
func (b *Batches) Fill(epoch, step int, x []float32, y []int32) ([]float32, []int32, error) {
	x, y = b.fill(epoch, step, x, y)
	return x, y, nil
}

// schedule says which images make which batch.
type schedule struct {
	indices     []int
	size, steps int
	shuffle     bool
	seed        uint64

	mu     sync.Mutex
	orders [2]epochOrder // the last two epochs: a prefetcher runs ahead into the next one
}

type epochOrder struct {
	epoch int
	order []int
}

// set cuts the n images of a name, or those of indices, into batches of a size.
func (s *schedule) set(name string, n, size int, indices []int, dropLast bool) error {
	if size < 1 {
		return fmt.Errorf("batches of %s: BatchSize is %d, expected at least 1", name, size)
	}
	s.indices, s.size = slices.Clone(indices), size
	if indices == nil {
		s.indices = make([]int, n)
		for i := range s.indices {
			s.indices[i] = i
		}
	}
	for at, i := range s.indices {
		if i < 0 || i >= n {
			return fmt.Errorf("batches of %s: Indices[%d] is %d, expected 0 to %d", name, at, i, n-1)
		}
	}
	s.steps = len(s.indices) / size
	if !dropLast && len(s.indices)%size != 0 {
		s.steps++
	}
	if s.steps == 0 {
		return fmt.Errorf("batches of %s: %d images make no batch of %d", name, len(s.indices), size)
	}
	s.orders = [2]epochOrder{{epoch: -1}, {epoch: -1}}
	return nil
}

// normal brings step into 0..steps-1.
func normal(steps, epoch, step int) (int, int) {
	over := step / steps
	if step%steps < 0 {
		over--
	}
	return epoch + over, step - over*steps
}

// batch returns the indices of a batch; nobody may change it. step lies in 0..steps-1.
func (s *schedule) batch(epoch, step int) []int {
	order := s.order(epoch)
	return order[step*s.size : min((step+1)*s.size, len(order))]
}

// order returns the indices of an epoch in their order; nobody may change it.
func (s *schedule) order(epoch int) []int {
	if !s.shuffle {
		return s.indices
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		if o.order != nil && o.epoch == epoch {
			return o.order
		}
	}
	var pcg rand.PCG
	seedPCG(&pcg, streamShuffle, s.seed, epoch, 0)
	order := slices.Clone(s.indices)
	rand.New(&pcg).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	s.orders[0], s.orders[1] = s.orders[1], epochOrder{epoch, order}
	return order
}
