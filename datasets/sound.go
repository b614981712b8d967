package datasets

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/internal/ranges"
)

// Sound says how clips become arrays, and how clips are varied in training.
type Sound struct {
	// Features are what is taken of a clip: [frames, coefficients].
	Features audio.Config `json:"features"`
	// AsChannels makes the coefficients channels, [frames, 1, coefficients], for networks over time; else a sample is an
	// image of one channel, [frames, coefficients, 1].
	AsChannels bool `json:"as_channels,omitempty"`
	// ShiftMS moves training clips by up to so many milliseconds, earlier or later; silence comes in at the other end.
	ShiftMS float64 `json:"shift_ms,omitempty"`
	// Speed plays training clips faster or slower by up to this share, 0.1 for a tenth, between linearly interpolated samples.
	Speed float64 `json:"speed,omitempty"`
	// Noise mixes background noise into training clips, nil for none.
	Noise *Noise `json:"noise,omitempty"`
	// SpecAugment masks features of training clips, nil for none.
	SpecAugment *SpecAugment `json:"spec_augment,omitempty"`
}

// Noise is background noise in training clips, as TensorFlow's Speech Commands example mixes it: a random piece of a random
// recording, times a volume drawn from 0 to Volume.
type Noise struct {
	// Share is the share of clips that get noise.
	Share  float64 `json:"share"`
	Volume float64 `json:"volume"`
}

// SpecAugment masks bands of time and of coefficients (1904.08779): widths are drawn from 0 to the largest, and what is
// masked takes the clip's mean of its coefficient.
type SpecAugment struct {
	TimeMasks        int `json:"time_masks"`
	TimeWidth        int `json:"time_width"`
	CoefficientMasks int `json:"coefficient_masks"`
	CoefficientWidth int `json:"coefficient_width"`
}

// Validate reports the first field out of range.
func (s Sound) Validate() error {
	if err := s.Features.Validate(); err != nil {
		return fmt.Errorf("sound: features: %w", err)
	}
	err := cmp.Or(ranges.In("shift_ms", s.ShiftMS, 0, 1e6), ranges.Below("speed", s.Speed, 0, 1))
	if n := s.Noise; n != nil && err == nil {
		err = cmp.Or(ranges.In("noise.share", n.Share, 0, 1), ranges.In("noise.volume", n.Volume, 0, 1000))
	}
	if a := s.SpecAugment; a != nil && err == nil {
		const most = 1 << 16
		err = cmp.Or(ranges.In("spec_augment.time_masks", a.TimeMasks, 0, most), ranges.In("spec_augment.time_width", a.TimeWidth, 0, most),
			ranges.In("spec_augment.coefficient_masks", a.CoefficientMasks, 0, most), ranges.In("spec_augment.coefficient_width", a.CoefficientWidth, 0, most))
	}
	if err != nil {
		return fmt.Errorf("sound: %w", err)
	}
	return nil
}

// Shape is [height, width, channels] of the arrays that clips of a number of samples become.
func (s Sound) Shape(samples int) ([3]int, error) {
	frames, coefficients, err := s.Features.Shape(samples)
	if err != nil {
		return [3]int{}, err
	}
	if s.AsChannels {
		return [3]int{frames, 1, coefficients}, nil
	}
	return [3]int{frames, coefficients, 1}, nil
}

// vary changes the samples of a training clip.
func (s Sound) vary(r *rand.Rand, x []float32, rate int, noise [][]float32) []float32 {
	speed := 1 + s.Speed*(2*r.Float64()-1)
	most := int(s.ShiftMS * float64(rate) / 1000)
	shift := r.IntN(2*most+1) - most
	out := make([]float32, len(x))
	for i := range out {
		// Faster and slower clips keep their middle.
		at := float64(len(x))/2 + (float64(i-shift)-float64(len(x))/2)*speed
		k := int(math.Floor(at))
		if k < 0 || k >= len(x) {
			continue
		}
		out[i] = x[k]
		if k+1 < len(x) {
			out[i] += float32(at-float64(k)) * (x[k+1] - x[k])
		}
	}
	if s.Noise == nil || len(noise) == 0 || r.Float64() >= s.Noise.Share {
		return out
	}
	background := piece(r, noise, len(out))
	volume := float32(s.Noise.Volume * r.Float64())
	for i, v := range background {
		out[i] = max(-1, min(1, out[i]+volume*v))
	}
	return out
}

// mask changes the features [frames, coefficients] of a training clip.
func (a SpecAugment) mask(r *rand.Rand, x []float32, coefficients int) {
	frames := len(x) / coefficients
	means := make([]float32, coefficients)
	for i, v := range x {
		means[i%coefficients] += v / float32(frames)
	}
	band := func(width, n int) (first, last int) {
		w := min(r.IntN(width+1), n)
		first = r.IntN(n - w + 1)
		return first, first + w
	}
	for range a.TimeMasks {
		first, last := band(a.TimeWidth, frames)
		for f := first; f < last; f++ {
			copy(x[f*coefficients:], means)
		}
	}
	for range a.CoefficientMasks {
		first, last := band(a.CoefficientWidth, coefficients)
		for f := range frames {
			copy(x[f*coefficients+first:f*coefficients+last], means[first:last])
		}
	}
}

// errNoSound is the error of clips that are asked for without a word on what they become.
var errNoSound = errors.New("sound: the samples are clips, and the configuration says not which features are taken of them")
