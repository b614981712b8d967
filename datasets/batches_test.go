package datasets

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ExampleBatches() {
	train, _, err := Embedded()
	if err != nil {
		fmt.Println(err)
		return
	}
	weights, architecture, err := SearchSplit(train.N, 1, 0.5)
	if err != nil {
		fmt.Println(err)
		return
	}
	augment := DARTSAugment(32)
	augment.Cutout = 0 // DARTS searches without it
	batches, err := NewBatches(train, BatchConfig{
		BatchSize: 64, Indices: weights, Seed: 1, Augment: augment, Shuffle: true, DropLast: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	x, y := batches.At(0, 30) // first epoch, 31st batch
	fmt.Println(len(weights), len(architecture), batches.Steps())
	fmt.Println(len(x) == 64*32*32*3, len(y))
	// Output:
	// 2000 2000 31
	// true 64
}

func TestSearchSplit(t *testing.T) {
	for _, c := range []struct {
		n        int
		fraction float64
		first    int
	}{{50000, 0.5, 25000}, {7, 0.5, 3}, {10, 0.9, 9}, {2, 0.5, 1}} {
		a, b, err := SearchSplit(c.n, 3, c.fraction)
		require.NoError(t, err)
		assert.Len(t, a, c.first)
		all := slices.Sorted(slices.Values(append(slices.Clone(a), b...)))
		require.Len(t, all, c.n)
		for i, v := range all {
			require.Equal(t, i, v, "every index once")
		}
		again, _, err := SearchSplit(c.n, 3, c.fraction)
		require.NoError(t, err)
		assert.Equal(t, a, again)
	}
	a, _, _ := SearchSplit(1000, 1, 0.5)
	b, _, _ := SearchSplit(1000, 2, 0.5)
	assert.NotEqual(t, a, b)
	for _, fraction := range []float64{0, 1, -1, 2, 0.05} {
		_, _, err := SearchSplit(10, 1, fraction)
		assert.ErrorContains(t, err, "leaves one side empty")
	}
	_, _, err := SearchSplit(0, 1, 0.5)
	assert.Error(t, err)
}

// numbered makes n images of one pixel that holds the image's number.
func numbered(n int) *Images {
	im := smallImages(n, 1, 1, 1, 5)
	for i := range im.Pixels {
		im.Pixels[i] = uint8(i)
	}
	return im
}

// epochImages returns the numbers of the images of an epoch in their order.
func epochImages(b *Batches, epoch int) (ids []int, sizes []int) {
	for step := range b.Steps() {
		x, y := b.At(epoch, step)
		sizes = append(sizes, len(y))
		for _, v := range x {
			ids = append(ids, int(v*255+0.5))
		}
	}
	return ids, sizes
}

func TestBatchesCoverAnEpoch(t *testing.T) {
	im := numbered(23)
	for _, c := range []struct {
		shuffle, drop bool
		sizes         []int
	}{
		{false, false, []int{5, 5, 5, 5, 3}}, {false, true, []int{5, 5, 5, 5}},
		{true, false, []int{5, 5, 5, 5, 3}}, {true, true, []int{5, 5, 5, 5}},
	} {
		t.Run(fmt.Sprintf("shuffle %v drop %v", c.shuffle, c.drop), func(t *testing.T) {
			b, err := NewBatches(im, BatchConfig{BatchSize: 5, Seed: 4, Shuffle: c.shuffle, DropLast: c.drop})
			require.NoError(t, err)
			require.Equal(t, len(c.sizes), b.Steps())
			assert.Equal(t, [4]int{5, 1, 1, 1}, b.Shape())
			first, sizes := epochImages(b, 0)
			assert.Equal(t, c.sizes, sizes)
			seen := slices.Compact(slices.Sorted(slices.Values(first)))
			assert.Len(t, seen, len(first), "no image twice")
			second, _ := epochImages(b, 1)
			if c.shuffle {
				assert.NotEqual(t, first, second, "a new order each epoch")
			} else {
				assert.Equal(t, first, second)
				assert.True(t, slices.IsSorted(first))
			}
		})
	}
}

func TestBatchesOfIndices(t *testing.T) {
	im := numbered(20)
	indices := []int{19, 3, 11, 7}
	b, err := NewBatches(im, BatchConfig{BatchSize: 3, Indices: indices})
	require.NoError(t, err)
	indices[0] = 0 // the caller's slice is not kept
	ids, _ := epochImages(b, 0)
	assert.Equal(t, []int{19, 3, 11, 7}, ids)
	assert.Equal(t, 4, b.Len())
	_, y := b.At(0, 0)
	assert.Equal(t, []int32{19 % 5, 3, 11 % 5}, y)
}

func TestAtIsAFunctionOfEpochAndStep(t *testing.T) {
	im := smallImages(37, 16, 16, 3, 5)
	config := BatchConfig{BatchSize: 8, Seed: 9, Augment: DARTSAugment(16), Shuffle: true}
	b, err := NewBatches(im, config)
	require.NoError(t, err)
	x, y := b.At(3, 2)
	fresh, err := NewBatches(im, config)
	require.NoError(t, err)
	for epoch := range 6 { // other epochs in between must not matter
		fresh.At(epoch, 0)
	}
	x2, y2 := fresh.At(3, 2)
	assert.Equal(t, x, x2)
	assert.Equal(t, y, y2)
	x2, y2 = fresh.At(0, 3*b.Steps()+2)
	assert.Equal(t, x, x2, "a step past the end")
	assert.Equal(t, y, y2)
	x2, _ = fresh.At(4, 2-b.Steps())
	assert.Equal(t, x, x2, "a negative step")

	config.Seed++
	other, err := NewBatches(im, config)
	require.NoError(t, err)
	x2, _ = other.At(3, 2)
	assert.NotEqual(t, x, x2)

	// An image's augmentation does not depend on its place in the batch.
	config.Seed--
	config.Shuffle, config.BatchSize = false, 1
	single, err := NewBatches(im, config)
	require.NoError(t, err)
	order := b.order(3)
	want, _ := single.At(3, order[2*8+5])
	assert.Equal(t, want, x[5*16*16*3:6*16*16*3])

	// Within one epoch, and from one epoch to the next, views differ.
	next, _ := single.At(4, order[2*8+5])
	assert.NotEqual(t, want, next)
}

func TestNewBatchesErrors(t *testing.T) {
	for name, c := range map[string]struct {
		config BatchConfig
		want   string
	}{
		"batch size":  {BatchConfig{}, "BatchSize is 0"},
		"index":       {BatchConfig{BatchSize: 1, Indices: []int{1, 10}}, "Indices[1] is 10, expected 0 to 9"},
		"no index":    {BatchConfig{BatchSize: 1, Indices: []int{}}, "0 images make no batch of 1"},
		"all dropped": {BatchConfig{BatchSize: 11, DropLast: true}, "10 images make no batch of 11"},
		"pad":         {BatchConfig{BatchSize: 1, Augment: Augment{Pad: -1}}, "Pad -1"},
		"mean":        {BatchConfig{BatchSize: 1, Augment: Augment{Mean: []float32{0}}}, "expected 3 (one a channel)"},
		"std":         {BatchConfig{BatchSize: 1, Augment: Augment{Mean: []float32{0, 0, 0}, Std: []float32{1, 0, 1}}}, "Std[1] is 0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewBatches(smallImages(10, 2, 2, 3, 2), c.config)
			assert.ErrorContains(t, err, c.want)
		})
	}
	_, err := NewBatches(nil, BatchConfig{BatchSize: 1})
	assert.Error(t, err)
	_, err = NewBatches(&Images{}, BatchConfig{BatchSize: 1})
	assert.Error(t, err)
}

func TestPrefetcherEqualsAt(t *testing.T) {
	im := smallImages(50, 8, 8, 3, 5)
	b, err := NewBatches(im, BatchConfig{BatchSize: 8, Seed: 2, Augment: DARTSAugment(8), Shuffle: true})
	require.NoError(t, err)
	for _, workers := range []int{1, 2, 5} {
		for _, depth := range []int{1, 3, 9} {
			for _, release := range []bool{false, true} {
				p := NewPrefetcher(t.Context(), b, PrefetchConfig{Depth: depth, Workers: workers, Epoch: 2, Step: 5})
				for k := range 20 {
					got, err := p.Next()
					require.NoError(t, err)
					x, y := b.At(2, 5+k)
					require.Equal(t, x, got.X, "batch %d, %d workers, depth %d", k, workers, depth)
					require.Equal(t, y, got.Y)
					require.Equal(t, []int{2 + (5+k)/7, (5 + k) % 7}, []int{got.Epoch, got.Step})
					if release {
						got.Release()
						got.Release()
					}
				}
				assert.Equal(t, 20, p.Stats().Batches)
				p.Close()
			}
		}
	}
}

func TestReleaseReusesBuffers(t *testing.T) {
	b, err := NewBatches(smallImages(64, 8, 8, 3, 5), BatchConfig{BatchSize: 8})
	require.NoError(t, err)
	p := NewPrefetcher(t.Context(), b, PrefetchConfig{Depth: 2})
	defer p.Close()
	seen := map[*float32]bool{}
	for range 100 {
		got, err := p.Next()
		require.NoError(t, err)
		seen[&got.X[0]] = true
		got.Release()
		assert.Nil(t, got.X, "released buffers are out of reach")
	}
	assert.Less(t, len(seen), 10)
}

func TestPrefetcherStops(t *testing.T) {
	b, err := NewBatches(smallImages(64, 8, 8, 3, 5), BatchConfig{BatchSize: 8})
	require.NoError(t, err)
	t.Run("by its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := NewPrefetcher(ctx, b, PrefetchConfig{})
		_, err := p.Next()
		require.NoError(t, err)
		cancel()
		_, err = p.Next()
		assert.ErrorIs(t, err, context.Canceled)
		p.Close()
	})
	t.Run("by Close, twice, while the queue is full", func(t *testing.T) {
		p := NewPrefetcher(t.Context(), b, PrefetchConfig{Depth: 2, Workers: 3})
		p.Close()
		p.Close()
		_, err := p.Next()
		assert.ErrorIs(t, err, context.Canceled)
	})
	t.Run("while a consumer waits", func(t *testing.T) {
		p := NewPrefetcher(t.Context(), b, PrefetchConfig{Depth: 1})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := p.Next(); err != nil {
					return
				}
			}
		})
		time.Sleep(5 * time.Millisecond)
		p.Close()
		wg.Wait()
	})
}

// A step that takes longer than making a batch must find its batch ready, every time but the
// first. The step here is some twenty times as long as the batch, a search's is a thousand times.
func TestInputNeverStarvesASlowStep(t *testing.T) {
	train, _, err := Embedded()
	require.NoError(t, err)
	b, err := NewBatches(train, BatchConfig{BatchSize: 64, Seed: 1, Augment: DARTSAugment(32), Shuffle: true, DropLast: true})
	require.NoError(t, err)
	p := NewPrefetcher(t.Context(), b, PrefetchConfig{})
	defer p.Close()
	const steps = 100 // across an epoch's end at 62
	for range steps {
		got, err := p.Next()
		require.NoError(t, err)
		time.Sleep(15 * time.Millisecond)
		got.Release()
	}
	stats := p.Stats()
	assert.Equal(t, steps, stats.Batches)
	assert.LessOrEqual(t, stats.Starved, 1, "only the first batch may be waited for (waited %v)", stats.Waited)
}

func BenchmarkBatches(b *testing.B) {
	for _, size := range []int{16, 32} {
		b.Run(fmt.Sprintf("augment-%d", size), func(b *testing.B) {
			im := smallImages(1024, size, size, 3, 10)
			batches, err := NewBatches(im, BatchConfig{BatchSize: 64, Seed: 1, Augment: DARTSAugment(size), Shuffle: true})
			require.NoError(b, err)
			var x []float32
			var y []int32
			step := 0
			for b.Loop() {
				x, y = batches.fill(0, step, x, y)
				step++
			}
			b.ReportMetric(float64(64*step)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

func BenchmarkPrefetcher(b *testing.B) {
	im := smallImages(1024, 32, 32, 3, 10)
	batches, err := NewBatches(im, BatchConfig{BatchSize: 64, Seed: 1, Augment: DARTSAugment(32), Shuffle: true})
	require.NoError(b, err)
	p := NewPrefetcher(b.Context(), batches, PrefetchConfig{})
	defer p.Close()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		got, err := p.Next()
		require.NoError(b, err)
		n += len(got.Y)
		got.Release()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "images/s")
}
