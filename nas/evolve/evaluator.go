package evolve

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Evaluator measures genomes, which it must not change. Equal genomes have to give equal measurements, in the order of
// the genomes: then the result of a search does not depend on how an evaluator divides the work.
type Evaluator[G any] interface {
	Evaluate(ctx context.Context, genomes []G) ([]Measured, error)
}

// EvaluatorFunc measures a whole batch of genomes.
type EvaluatorFunc[G any] func(ctx context.Context, genomes []G) ([]Measured, error)

// Evaluate calls f.
func (f EvaluatorFunc[G]) Evaluate(ctx context.Context, genomes []G) ([]Measured, error) {
	return f(ctx, genomes)
}

// Parallel makes an evaluator of a function that measures one genome and that goroutines may call side by side, as many
// as workers says; 0 means as many as there are processors. The error is that of the first genome, by index, that failed.
func Parallel[G any](workers int, measure func(ctx context.Context, genome G) (Measured, error)) Evaluator[G] {
	if workers < 1 {
		workers = runtime.NumCPU()
	}
	return EvaluatorFunc[G](func(ctx context.Context, genomes []G) ([]Measured, error) {
		measured, errs := make([]Measured, len(genomes)), make([]error, len(genomes))
		var next atomic.Int64
		var failed atomic.Bool
		var group sync.WaitGroup
		for range min(workers, len(genomes)) {
			group.Go(func() {
				// Indices are handed out in order, and one handed out is measured: so is all that comes before a failed one.
				for !failed.Load() {
					i := int(next.Add(1)) - 1
					if i >= len(genomes) {
						return
					}
					if errs[i] = ctx.Err(); errs[i] == nil {
						measured[i], errs[i] = measure(ctx, genomes[i])
					}
					if errs[i] != nil {
						failed.Store(true)
					}
				}
			})
		}
		group.Wait()
		for i, err := range errs {
			if err != nil {
				return nil, fmt.Errorf("genome %d of %d: %w", i, len(genomes), err)
			}
		}
		return measured, nil
	})
}
