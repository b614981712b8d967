package latency

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"golang.org/x/sync/errgroup"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Options say how to measure.
type Options struct {
	// Repeats is how often each block is timed; 0 is [DefaultRepeats].
	Repeats int
	// Seed gives weights and images.
	Seed uint64
	// Device says what computes, for the rows.
	Device string
}

// DefaultRepeats is enough for a median that the next measurement repeats.
const DefaultRepeats = 50

// Progress is told how far a measurement is; it is called by one goroutine at a time.
type Progress func(stage string, done, total int)

// Stages of a measurement.
const (
	// StageCompile makes each block's program and calls it for the first time, which is its warm-up.
	StageCompile = "compile"
	// StageTime is a round over all blocks for each repeat.
	StageTime = "time"
)

// Measure times each distinct block of a space once compiled by itself, in evaluation on one image at the size of the
// space, and the parts that all paths share: stem, blocks before the layers, last convolution and classifier. The time is
// that of a call by the engine until its outputs are computed; weights and input lie on the device before. Each repeat is
// a round over all blocks, so that a drift of the machine's speed does not land on one of them, and before every timed call
// stands an untimed one, as a block in a network finds its program loaded. Nothing else should run meanwhile.
func Measure(ctx context.Context, e *engine.Engine, p space.Paths, o Options, progress Progress) (t Table, err error) {
	l, err := layoutOf(p)
	if err != nil {
		return nil, err
	}
	if o.Device == "" {
		return nil, fmt.Errorf("latency: device: expected a text, got none")
	}
	list := l.distinct()
	s := stopwatch{engine: e, seed: o.Seed, progress: progress}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, b := range list {
		s.programs = append(s.programs, program{name: b.String(), module: b.module, in: b.in, out: b.out})
	}
	times, err := s.times(ctx, o.Repeats)
	if err != nil {
		return nil, fmt.Errorf("measuring %s: %w", p.Name, err)
	}
	for i, b := range list {
		median, spread := spreadOf(times[i])
		t = append(t, Row{Key: b.Key, MS: median, Spread: spread, Device: o.Device})
	}
	return t, nil
}

// stopwatch times programs side by side: one call of each a round.
type stopwatch struct {
	engine   *engine.Engine
	seed     uint64
	progress Progress
	programs []program
}

// program is a module compiled as one, with its weights and its input on the device.
type program struct {
	name    string
	module  nn.Module
	in, out [3]int
	model   *engine.Model
	image   *tensors.Tensor
}

// times are milliseconds, [program][repeat] in rising order; 0 repeats are the default.
func (s *stopwatch) times(ctx context.Context, repeats int) ([][]float64, error) {
	if repeats = cmp.Or(repeats, DefaultRepeats); repeats < 1 {
		return nil, fmt.Errorf("repeats: expected at least 1, got %d", repeats)
	}
	if err := s.compile(ctx); err != nil {
		return nil, err
	}
	times := make([][]float64, len(s.programs))
	for r := range repeats {
		for i := range s.programs {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			p := &s.programs[i]
			if _, err := p.call(); err != nil {
				return nil, err
			}
			took, err := p.call()
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], 1e3*took.Seconds())
		}
		s.tell(StageTime, r+1, repeats)
	}
	for _, list := range times {
		slices.Sort(list)
	}
	return times, nil
}

func (s *stopwatch) tell(stage string, done, total int) {
	if s.progress != nil {
		s.progress(stage, done, total)
	}
}

// compile makes all programs, some side by side, and calls each once.
func (s *stopwatch) compile(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2) // compiling one program keeps several processors busy
	done := make(chan struct{})
	told := make(chan struct{})
	go func() {
		defer close(told)
		n := 0
		for range done {
			n++
			s.tell(StageCompile, n, len(s.programs))
		}
	}()
	for i := range s.programs {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.programs[i].open(s.engine, s.seed+uint64(i)); err != nil {
				return fmt.Errorf("%s: %w", s.programs[i].name, err)
			}
			done <- struct{}{}
			return nil
		})
	}
	err := group.Wait()
	close(done)
	<-told
	return err
}

// open makes a program's weights and image of a seed, and calls it for the first time.
func (p *program) open(e *engine.Engine, seed uint64) (err error) {
	if p.model, err = e.StartModel(p.module, nn.Network.String(), seed); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	pixels := make([]float64, p.in[0]*p.in[1]*p.in[2])
	for i := range pixels {
		pixels[i] = random.NormFloat64()
	}
	p.image = e.Tensor(pixels, 1, p.in[0], p.in[1], p.in[2])
	_, err = p.call()
	return err
}

// call is one evaluation; its outputs are computed when the engine returns, and freed outside the time.
func (p *program) call() (took time.Duration, err error) {
	began := time.Now()
	out, err := p.model.Run(nn.Mode{}, p.image)
	took = time.Since(began)
	if err != nil {
		return 0, err
	}
	// A classifier's second output is what its hidden layer puts out.
	size, want := out[0].Shape().Size(), p.out[0]*p.out[1]*p.out[2]
	for _, t := range out {
		err = errors.Join(err, t.FinalizeAll())
	}
	if err == nil && size != want {
		err = fmt.Errorf("%s: expected %d numbers, the program puts out %d", p.name, want, size)
	}
	return took, err
}

// close frees what is on the device.
func (s *stopwatch) close() error {
	var errs []error
	for _, p := range s.programs {
		errs = append(errs, p.model.Finalize())
		if p.image != nil {
			errs = append(errs, p.image.FinalizeAll())
		}
	}
	return errors.Join(errs...)
}

// spreadOf is the median and the interquartile range of milliseconds in rising order, to the nanosecond.
func spreadOf(sorted []float64) (median, spread float64) {
	round := func(ms float64) float64 { return math.Round(1e6*ms) / 1e6 }
	return round(quantile(sorted, 0.5)), round(quantile(sorted, 0.75) - quantile(sorted, 0.25))
}

// quantile is that of values in rising order, between two of them where it falls there.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	next := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[next]-sorted[i])
}
