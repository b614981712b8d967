package datasets

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// PrefetchConfig says from where and how far a [Prefetcher] runs ahead.
type PrefetchConfig struct {
	// Depth is the number of batches made ahead; 0 means 4.
	Depth int
	// Workers is the number of goroutines that make batches; 0 means 1. The batches do not depend
	// on it.
	Workers int
	// Epoch and Step are the first batch, 0 and 0 at the start of a run; a step past the end of its epoch is one of those that
	// follow.
	Epoch, Step int
}

// BatchSource is what a [Prefetcher] makes batches of: [Batches], [ImageBatches], or another type's.
type BatchSource interface {
	// Steps is the number of batches an epoch.
	Steps() int
	// Len is the number of samples that take part.
	Len() int
	// Shape is the shape of a full batch, [batch, height, width, channels].
	Shape() [4]int
	// Classes is the number of classes.
	Classes() int

	// Fill makes batch number step of an epoch, both from 0, in buffers that are used where they are large enough: x in the
	// shape of a batch, and its labels. step lies in 0 to Steps()-1. It depends on nothing else, and several goroutines
	// may call it.
	Fill(epoch, step int, x []float32, y []int32) ([]float32, []int32, error)
}

// Batch is one batch of a [Prefetcher].
type Batch struct {
	// Epoch and Step say which one it is; Step runs from 0 to Steps()-1.
	Epoch, Step int
	// X has shape [len(Y), height, width, channels].
	X []float32
	// Y has the labels.
	Y []int32

	err      error // why there is none
	pool     chan *Batch
	released atomic.Bool
}

// Full is X filled up with zeros to a batch of this shape, so that one program serves the last batch of an epoch too.
func (b *Batch) Full(shape [4]int) []float32 {
	return append(b.X, make([]float32, shape[0]*shape[1]*shape[2]*shape[3]-len(b.X))...)
}

// Release gives the buffers back for a later batch. X and Y must not be used afterwards. Not to
// call it is allowed and costs only an allocation; a second call does nothing.
func (b *Batch) Release() {
	if b.pool == nil || b.released.Swap(true) {
		return
	}
	fresh := &Batch{X: b.X, Y: b.Y, pool: b.pool}
	b.X, b.Y = nil, nil
	select {
	case b.pool <- fresh:
	default:
	}
}

// PrefetchStats counts how the input kept up.
type PrefetchStats struct {
	// Batches is the number that Next returned.
	Batches int
	// Starved counts the calls of Next that found their batch not ready, the first call included.
	Starved int
	// Waited is the time that those calls took.
	Waited time.Duration
}

// Prefetcher makes batches ahead of the step that consumes them, in order and without end: epoch
// follows epoch.
type Prefetcher struct {
	ctx    context.Context
	cancel context.CancelFunc
	order  chan chan *Batch // results in order; its capacity is the depth
	pool   chan *Batch
	wg     sync.WaitGroup

	mu    sync.Mutex
	stats PrefetchStats
}

type prefetchJob struct {
	epoch, step int
	result      chan *Batch
}

// NewPrefetcher starts making batches at once. Cancelling ctx or calling Close ends it.
func NewPrefetcher(ctx context.Context, batches BatchSource, config PrefetchConfig) *Prefetcher {
	depth, workers := config.Depth, config.Workers
	if depth < 1 {
		depth = 4
	}
	if workers < 1 {
		workers = 1
	}
	p := &Prefetcher{
		// One more is being offered to the queue beyond its capacity.
		order: make(chan chan *Batch, depth-1),
		pool:  make(chan *Batch, depth+workers+1),
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	jobs := make(chan prefetchJob)
	p.wg.Go(func() {
		defer close(jobs)
		epoch, step := config.Epoch, config.Step
		for {
			epoch, step = normal(batches.Steps(), epoch, step)
			job := prefetchJob{epoch, step, make(chan *Batch, 1)}
			// A worker first, so that the batch offered to a full queue is already made.
			select {
			case jobs <- job:
			case <-p.ctx.Done():
				return
			}
			select {
			case p.order <- job.result:
			case <-p.ctx.Done():
				return
			}
			step++
		}
	})
	for range workers {
		p.wg.Go(func() {
			for job := range jobs {
				var b *Batch
				select {
				case b = <-p.pool:
				default:
					b = &Batch{pool: p.pool}
				}
				b.Epoch, b.Step = job.epoch, job.step
				b.X, b.Y, b.err = batches.Fill(job.epoch, job.step, b.X, b.Y)
				job.result <- b
			}
		})
	}
	return p
}

// Next returns the next batch, waiting for it if need be. After Close or when the context given to
// NewPrefetcher is cancelled it returns the context's error. It is meant for one consumer; several
// get each batch once, in no certain order.
func (p *Prefetcher) Next() (*Batch, error) {
	if err := p.ctx.Err(); err != nil {
		return nil, err
	}
	start := time.Now()
	result, offered, err := receive(p.ctx, p.order)
	if err != nil {
		return nil, err
	}
	b, made, err := receive(p.ctx, result)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Batches++
	if !offered || !made {
		p.stats.Starved++
		p.stats.Waited += time.Since(start)
	}
	if b.err != nil {
		return nil, b.err
	}
	return b, nil
}

// receive takes a value from ch; ready says whether it was there without waiting.
func receive[T any](ctx context.Context, ch <-chan T) (v T, ready bool, err error) {
	select {
	case v = <-ch:
		return v, true, nil
	default:
	}
	select {
	case v = <-ch:
		return v, false, nil
	case <-ctx.Done():
		return v, false, ctx.Err()
	}
}

// Stats returns the counts so far.
func (p *Prefetcher) Stats() PrefetchStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close stops the goroutines and waits for them. Batches already handed out stay valid.
func (p *Prefetcher) Close() {
	p.cancel()
	p.wg.Wait()
}
