package audio

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/dsp/fourier"
)

// Extractor computes features. It may be used by several goroutines at once.
type Extractor struct {
	config  Config
	window  []float64
	filters []filter
	cosines [][]float64
	pool    sync.Pool // of *workspace
}

// workspace is what one goroutine computes in.
type workspace struct {
	fft      *fourier.FFT
	frame    []float64
	spectrum []complex128
	power    []float64
	padded   []float32
	mels     []float64 // [frames, mels]
}

// New returns an Extractor for a valid Config.
func New(c Config) (*Extractor, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := &Extractor{config: c, window: c.window(), filters: c.melFilters(), cosines: c.dct()}
	e.pool.New = func() any {
		return &workspace{
			fft:      fourier.NewFFT(c.FFT),
			frame:    make([]float64, c.FFT),
			spectrum: make([]complex128, c.FFT/2+1),
			power:    make([]float64, c.FFT/2+1),
		}
	}
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
	offset := c.offset()
	for f := range frames {
		// Where the window lies in the transform turns phases only, so that it always comes first.
		for i, x := range sound[f*c.Hop+offset:][:c.Window] {
			w.frame[i] = float64(x) * e.window[i]
		}
		w.fft.Coefficients(w.spectrum, w.frame)
		for i, z := range w.spectrum {
			w.power[i] = real(z)*real(z) + imag(z)*imag(z)
			if c.Power == 1 {
				w.power[i] = math.Sqrt(w.power[i])
			}
		}
		row := w.mels[f*c.Mels:][:c.Mels]
		for m, filter := range e.filters {
			sum := 0.0
			for i, weight := range filter.weights {
				sum += weight * w.power[filter.first+i]
			}
			row[m] = sum
		}
	}
	c.logarithm(w.mels)
	out := make([]float32, frames*width)
	if e.cosines == nil {
		for i, v := range w.mels {
			out[i] = float32(v)
		}
		return out, nil
	}
	for f := range frames {
		row := w.mels[f*c.Mels:][:c.Mels]
		for k, cosine := range e.cosines {
			sum := 0.0
			for m, v := range row {
				sum += v * cosine[m]
			}
			out[f*width+k] = float32(sum)
		}
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

// logarithm takes the logarithm of a clip's values in place.
func (c Config) logarithm(values []float64) {
	if c.Log == LogNone {
		return
	}
	scale := c.logScale()
	largest := math.Inf(-1)
	for i, v := range values {
		if c.FloorBy == FloorAdd {
			v += c.Floor
		} else {
			v = math.Max(v, c.Floor)
		}
		values[i] = scale * math.Log(v)
		largest = math.Max(largest, values[i])
	}
	if c.RelativeToMax {
		for i := range values {
			values[i] -= largest
		}
		largest = 0
	}
	if c.TopDB > 0 {
		for i, v := range values {
			values[i] = math.Max(v, largest-c.TopDB)
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
