package datasets

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gonas/gonas/datasets/audio"
)

// Clips are labelled recordings of one length and rate.
type Clips struct {
	Name string
	// Rate is in samples a second; Samples is the length to which clips are cut or, with silence, filled up.
	Rate, Samples int
	ClassNames    []string
	// Labels are those of the clips, Keys their names, each once: they tell clips apart in records.
	Labels []int32
	Keys   []string
	Files  []FileSum
	// Noise are recordings without labels, [-1, 1], to be mixed into training clips.
	Noise [][]float32
	// Read gives a clip's samples, [-1, 1], of any length. Several goroutines may call it.
	Read func(i int) ([]float32, error)

	// silent is the number of the last clips that are silence: nothing is read for them, but a piece of the noise taken.
	silent int
	// version tells releases of a data set apart in its identity.
	version string
}

// Validate reports the first field that cannot be.
func (c *Clips) Validate() error {
	if c.Rate < 1 || c.Samples < 1 || len(c.Labels) == 0 || len(c.ClassNames) == 0 || c.Read == nil {
		return fmt.Errorf("clips of %s: expected a rate, a length, classes and at least one clip that can be read, got rate %d, %d samples, %d classes, %d clips",
			c.Name, c.Rate, c.Samples, len(c.ClassNames), len(c.Labels))
	}
	if c.silent > len(c.Labels) || c.silent > 0 && len(c.Noise) == 0 {
		return fmt.Errorf("clips of %s: %d of silence among %d clips, expected no more, and noise that it is made of", c.Name, c.silent, len(c.Labels))
	}
	if len(c.Keys) != len(c.Labels) {
		return fmt.Errorf("clips of %s: keys: expected one for each of the %d labels, got %d", c.Name, len(c.Labels), len(c.Keys))
	}
	for i, y := range c.Labels {
		if y < 0 || int(y) >= len(c.ClassNames) {
			return fmt.Errorf("clips of %s: labels[%d]: expected 0 to %d, got %d", c.Name, i, len(c.ClassNames)-1, y)
		}
	}
	return nil
}

// Clip is the samples of a clip, of the common length. One that is silence is the same every time.
func (c *Clips) Clip(i int) ([]float32, error) {
	if c.isSilence(i) {
		var pcg rand.PCG
		seedPCG(&pcg, streamSilence, 0, 0, i)
		return c.silence(rand.New(&pcg)), nil
	}
	x, err := c.Read(i)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	return fitted(x, c.Samples), nil
}

func (c *Clips) isSilence(i int) bool { return i >= len(c.Labels)-c.silent }

// silence is a piece of the noise times a volume between 0 and 1, as in TensorFlow's Speech Commands example, in training
// and in tests.
func (c *Clips) silence(r *rand.Rand) []float32 {
	out := slices.Clone(fitted(piece(r, c.Noise, c.Samples), c.Samples))
	volume := float32(r.Float64())
	for i := range out {
		out[i] *= volume
	}
	return out
}

// piece is a random piece of a random recording, of n samples or, where that is shorter, less.
func piece(r *rand.Rand, from [][]float32, n int) []float32 {
	x := from[r.IntN(len(from))]
	first := r.IntN(max(len(x)-n, 0) + 1)
	return x[first:min(first+n, len(x))]
}

// fitted cuts samples, or fills them up with silence.
func fitted(x []float32, n int) []float32 {
	if len(x) >= n {
		return x[:n]
	}
	return append(slices.Clone(x), make([]float32, n-len(x))...)
}

// Source makes a source of clips.
func (c *Clips) Source() Source { return clipSource{c} }

type clipSource struct{ clips *Clips }

func (s clipSource) Name() string         { return s.clips.Name }
func (s clipSource) Files() []FileSum     { return s.clips.Files }
func (s clipSource) Len() int             { return len(s.clips.Labels) }
func (s clipSource) Classes() int         { return len(s.clips.ClassNames) }
func (s clipSource) ClassNames() []string { return s.clips.ClassNames }

// Shape implements [Source]: clips have none before features are taken.
func (s clipSource) Shape() [3]int { return [3]int{} }

func (s clipSource) identify(w io.Writer) {
	if s.clips.version != "" {
		fmt.Fprintln(w, s.clips.version)
	}
	for i, key := range s.clips.Keys {
		fmt.Fprintf(w, "%s %d\n", key, s.clips.Labels[i])
	}
}

func (s clipSource) Batches(r BatchRequest) (BatchSource, error) {
	if err := s.clips.Validate(); err != nil {
		return nil, err
	}
	if r.Sound == nil {
		return nil, fmt.Errorf("batches of %s: %w", s.clips.Name, errNoSound)
	}
	if err := r.Sound.Validate(); err != nil {
		return nil, fmt.Errorf("batches of %s: %w", s.clips.Name, err)
	}
	if want := r.Sound.Features.SampleRate; want != s.clips.Rate {
		return nil, fmt.Errorf("batches of %s: sound: features: sample_rate: expected the %d samples a second that the clips have, got %d", s.clips.Name, s.clips.Rate, want)
	}
	b := &clipBatches{clips: s.clips, sound: *r.Sound, training: r.Training}
	var err error
	if b.shape, err = b.sound.Shape(s.clips.Samples); err != nil {
		return nil, fmt.Errorf("batches of %s: %w", s.clips.Name, err)
	}
	if b.extractor, err = audio.New(b.sound.Features); err != nil {
		return nil, fmt.Errorf("batches of %s: %w", s.clips.Name, err)
	}
	if err := b.set(s.clips.Name, len(s.clips.Labels), r.Size, r.Indices, r.Training); err != nil {
		return nil, err
	}
	b.shuffle, b.seed = r.Training, r.Seed
	return b, nil
}

// clipBatches cuts clips into batches of features.
type clipBatches struct {
	clips     *Clips
	sound     Sound
	extractor *audio.Extractor
	shape     [3]int
	training  bool
	schedule
}

func (b *clipBatches) Steps() int    { return b.steps }
func (b *clipBatches) Len() int      { return len(b.indices) }
func (b *clipBatches) Shape() [4]int { return [4]int{b.size, b.shape[0], b.shape[1], b.shape[2]} }
func (b *clipBatches) Classes() int  { return len(b.clips.ClassNames) }

// Fill implements [BatchSource].
func (b *clipBatches) Fill(epoch, step int, x []float32, y []int32) ([]float32, []int32, error) {
	order := b.batch(epoch, step)
	size := b.shape[0] * b.shape[1] * b.shape[2]
	x = slices.Grow(x[:0], len(order)*size)[:len(order)*size]
	y = slices.Grow(y[:0], len(order))[:len(order)]
	err := inParallel(len(order), func(k int) error {
		i := order[k]
		y[k] = b.clips.Labels[i]
		var pcg rand.PCG
		random := rand.New(&pcg)
		seedPCG(&pcg, streamAugment, b.seed, epoch, i)
		var samples []float32
		if b.training && b.clips.isSilence(i) {
			samples = b.clips.silence(random)
		} else {
			var err error
			if samples, err = b.clips.Clip(i); err != nil {
				return err
			}
			if b.training {
				samples = b.sound.vary(random, samples, b.clips.Rate, b.clips.Noise)
			}
		}
		features, err := b.extractor.Features(samples)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", b.clips.Name, b.clips.Keys[i], err)
		}
		if b.training && b.sound.SpecAugment != nil {
			b.sound.SpecAugment.mask(random, features, len(features)/b.shape[0])
		}
		copy(x[k*size:(k+1)*size], features)
		return nil
	})
	return x, y, err
}

// pcm keeps samples in 16 bit, as recordings have them.
func pcm(x []float32) []int16 {
	out := make([]int16, len(x))
	for i, v := range x {
		out[i] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(float64(v)*-math.MinInt16))))
	}
	return out
}

// floats are samples of 16 bit in [-1, 1).
func floats(x []int16) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v) / -math.MinInt16
	}
	return out
}
