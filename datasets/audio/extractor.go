package audio

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Extractor computes features. It may be used by several goroutines at once.
type Extractor struct {
	config  Config
	window  []float64
	filters []filter
	cosines [][]float64
	steps   steps
	pool    sync.Pool // of *workspace
}

// workspace is what one goroutine computes in.
type workspace struct {
	padded []float32
	mels   []float64 // [frames, mels]
}

// New returns an Extractor for a valid Config.
func New(c Config) (*Extractor, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := &Extractor{config: c, window: c.window(), filters: c.melFilters(), cosines: c.dct()}
	e.steps = newSteps(c, e.window, e.filters, e.cosines)
	e.pool.New = func() any { return new(workspace) }
	return e, nil
}

// Config is what the Extractor was made of.
func (e *Extractor) Config() Config { return e.config }

// Features returns the features of one clip at SampleRate, [frames, coefficients] in row-major order, of the shape that
// [Config.Shape] tells. A clip that is too short, or that has a sample which is no finite number, is an error.
func (e *Extractor) Features(samples []float32) ([]float32, error) {
	c := e.config
	frames, width, err := c.shape(len(samples))
	if err != nil {
		return nil, err
	}
	for i, x := range samples {
		if !finite(x) {
			return nil, fmt.Errorf("audio: sample %d is %v", i, x)
		}
	}
	w := e.pool.Get().(*workspace)
	defer e.pool.Put(w)
	sound := w.pad(c, samples)
	if cap(w.mels) < frames*c.Mels {
		w.mels = make([]float64, frames*c.Mels)
	}
	w.mels = w.mels[:frames*c.Mels]
	// Where the window lies in the transform turns phases only, so that it always comes first.
	e.steps.sums(sound[c.offset():], frames, w.mels)
	if c.Log != LogNone {
		c.limit(w.mels, e.steps.logarithms(w.mels))
	}
	out := make([]float32, frames*width)
	if e.cosines != nil {
		e.steps.product(w.mels, frames, out)
		return out, nil
	}
	for i, v := range w.mels {
		out[i] = float32(v)
	}
	return out, nil
}

// Batch returns the features of clips of any lengths, computed by as many goroutines as there are processors. An error names
// the clip by its number.
func (e *Extractor) Batch(clips [][]float32) ([][]float32, error) {
	out := make([][]float32, len(clips))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, clip := range clips {
		group.Go(func() (err error) {
			if out[i], err = e.Features(clip); err != nil {
				err = fmt.Errorf("clip %d: %w", i, err)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// pad returns the sound with what Pad and Center put around it; samples itself where they put nothing.
func (w *workspace) pad(c Config, samples []float32) []float32 {
	margin := c.margin()
	if c.Pad+margin == 0 {
		return samples
	}
	length := len(samples) + 2*c.Pad
	total := length + 2*margin
	if cap(w.padded) < total {
		w.padded = make([]float32, total)
	}
	w.padded = w.padded[:total]
	clear(w.padded)
	inner := w.padded[margin:][:length]
	copy(inner[c.Pad:], samples)
	if !c.Center || c.PadMode == PadConstant {
		return w.padded
	}
	for i := range margin {
		mirrored := c.mirrored(i)
		w.padded[margin-1-i] = inner[mirrored]
		w.padded[margin+length+i] = inner[length-1-mirrored]
	}
	return w.padded
}

// mirrored is the sample, counted from an end, that stands i samples beyond that end.
func (c Config) mirrored(i int) int {
	switch c.PadMode {
	case PadReflect:
		return i + 1
	case PadSymmetric:
		return i
	}
	return 0
}

// offset is where the window lies in a frame.
func (c Config) offset() int {
	if c.PadWindow {
		return (c.FFT - c.Window) / 2
	}
	return 0
}

// limit sets a clip's logarithms relative to the largest, and lifts those too far below it.
func (c Config) limit(values []float64, largest float64) {
	if c.RelativeToMax {
		for i := range values {
			values[i] -= largest
		}
		largest = 0
	}
	if c.TopDB > 0 {
		for i, v := range values {
			values[i] = max(v, largest-c.TopDB)
		}
	}
}

// logScale is what the natural logarithm is multiplied by.
func (c Config) logScale() float64 {
	switch c.Log {
	case LogTen:
		return 1 / math.Ln10
	case LogDB:
		return 10 / math.Ln10
	case LogDBMagnitude:
		return 20 / math.Ln10
	}
	return 1
}
