package audio

import (
	"fmt"
	"math"
)

// What the fields of a [Config] may say.
const (
	WindowHann    = "hann"    // 0.5 - 0.5 cos(2πi/n), periodic
	WindowHamming = "hamming" // 0.54 - 0.46 cos(2πi/n), periodic

	PadConstant  = "constant"  // zeros
	PadReflect   = "reflect"   // mirrored at the first and the last sample, which are not repeated
	PadSymmetric = "symmetric" // mirrored with the first and the last sample repeated
	PadEdge      = "edge"      // the first and the last sample, repeated; torch's "replicate"

	MelSlaney = "slaney" // linear below 1 kHz, logarithmic above (Slaney's Auditory Toolbox)
	MelHTK    = "htk"    // 2595 log10(1 + f/700)

	TrianglesHertz      = "hertz"      // slopes linear in frequency: librosa, torchaudio
	TrianglesMel        = "mel"        // slopes linear in mel: tf.signal
	TrianglesTensorFlow = "tensorflow" // the same, of the bins from int(1.5+low/width) to int(high/width) only: TensorFlow's Mfcc

	NormNone   = "none"
	NormSlaney = "slaney" // of filters: area 1, by the factor 2/(right edge - left edge) in Hz
	NormOrtho  = "ortho"  // of the cosine transform: orthonormal
	NormScaled = "scaled" // of the cosine transform: sqrt(2/n) for all coefficients, the first one too: TensorFlow

	LogNone        = "none"
	LogNatural     = "ln"
	LogTen         = "log10"
	LogDB          = "db"           // 10 log10
	LogDBMagnitude = "db_magnitude" // 20 log10

	FloorMax = "max" // log(max(x, floor))
	FloorAdd = "add" // log(x + floor)
)

// Config says how sound becomes features. Lengths are in samples at SampleRate. [TensorFlow], [Librosa], [Torchaudio] and
// [LogMel] give whole ones to start from; the zero value is not valid. The steps, in their order:
//
//	Pad, Center     zeros, then padding by PadMode so that frame i is centred on sample i·Hop
//	frames          1 + (samples - span)/Hop, where span is FFT with PadWindow, else Window
//	window          of Window samples, in the middle of the FFT's (PadWindow) or followed by zeros
//	spectrum        |FFT|^Power, bins 0 to FFT/2
//	mel filters     Mels triangles between Low and High
//	logarithm       Log of what Floor and FloorBy keep from 0, at most TopDB below the clip's loudest value
//	cosines         the first Coefficients of the DCT-II; none where that is 0
type Config struct {
	// SampleRate is that of the samples, in Hz.
	SampleRate int `json:"sample_rate"`
	// Pad is the number of zeros before and behind the sound: torchaudio's pad.
	Pad int `json:"pad,omitempty"`
	// Center pads half a span on both sides by PadMode.
	Center  bool   `json:"center"`
	PadMode string `json:"pad_mode,omitempty"`
	// Window is the length of the window, WindowShape its form, Hop the way from one frame to the next.
	Window      int    `json:"window"`
	WindowShape string `json:"window_shape"`
	Hop         int    `json:"hop"`
	// FFT is the length of the transform, at least Window. PadWindow has frames of FFT samples, as librosa and torch do;
	// else frames have Window samples and zeros behind, as TensorFlow's do.
	FFT       int  `json:"fft"`
	PadWindow bool `json:"pad_window"`
	// NormalizeWindow divides the spectrum before the power by the root of the window's energy: torchaudio's normalized.
	NormalizeWindow bool `json:"normalize_window,omitempty"`
	// Power is 1 for magnitudes, 2 for power.
	Power int `json:"power"`
	// Mels is the number of filters, from Low to High in Hz; a High of 0 is half the rate.
	Mels      int     `json:"mels"`
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	MelScale  string  `json:"mel_scale"`
	Triangles string  `json:"triangles"`
	MelNorm   string  `json:"mel_norm"`
	// Log is the logarithm, of values that Floor keeps from 0 by FloorBy.
	Log     string  `json:"log"`
	Floor   float64 `json:"floor"`
	FloorBy string  `json:"floor_by,omitempty"`
	// RelativeToMax has dB relative to the clip's largest value (librosa's ref=np.max), else to 1.
	RelativeToMax bool `json:"relative_to_max,omitempty"`
	// TopDB lifts values to at most so many dB below the clip's largest; 0 leaves them.
	TopDB float64 `json:"top_db,omitempty"`
	// Coefficients of the DCT-II are kept, none is 0: the result is log-mel.
	Coefficients int    `json:"coefficients"`
	DCTNorm      string `json:"dct_norm,omitempty"`
	// Lifter scales coefficient n by 1 + Lifter/2·sin(π(n+1)/Lifter); 0 leaves them: librosa's lifter.
	Lifter float64 `json:"lifter,omitempty"`
}

// Bounds of a Config, so that one read from a file cannot ask for unlimited memory.
const (
	maxFFT  = 1 << 16
	maxMels = 1 << 10

	leastFloor = 1e-100
)

// Validate says which field is wrong, and what was expected of it.
func (c Config) Validate() error {
	for _, f := range []struct {
		name        string
		value       float64
		least, most float64
	}{
		{name: "sample_rate", value: float64(c.SampleRate), least: 1, most: maxRate},
		{name: "pad", value: float64(c.Pad), least: 0, most: maxFFT},
		{name: "window", value: float64(c.Window), least: 1, most: maxFFT},
		{name: "hop", value: float64(c.Hop), least: 1, most: maxRate},
		{name: "fft", value: float64(c.FFT), least: math.Max(2, float64(c.Window)), most: maxFFT},
		{name: "power", value: float64(c.Power), least: 1, most: 2},
		{name: "mels", value: float64(c.Mels), least: 1, most: maxMels},
		{name: "low", value: c.Low, least: 0, most: float64(c.SampleRate) / 2},
		{name: "high", value: c.High, least: 0, most: float64(c.SampleRate) / 2},
		{name: "floor", value: c.Floor, least: 0, most: 1e6},
		{name: "top_db", value: c.TopDB, least: 0, most: math.MaxFloat32},
		{name: "coefficients", value: float64(c.Coefficients), least: 0, most: float64(c.Mels)},
		{name: "lifter", value: c.Lifter, least: 0, most: math.MaxFloat32},
	} {
		if !(f.value >= f.least && f.value <= f.most) {
			return fmt.Errorf("audio config: %s is %v, expected %v to %v", f.name, f.value, f.least, f.most)
		}
	}
	if c.Low >= c.high() {
		return fmt.Errorf("audio config: low is %v, expected less than high, %v", c.Low, c.high())
	}
	for _, f := range []struct {
		name, value string
		used        bool
		choices     []string
	}{
		{"pad_mode", c.PadMode, c.Center, []string{PadConstant, PadReflect, PadSymmetric, PadEdge}},
		{"window_shape", c.WindowShape, true, []string{WindowHann, WindowHamming}},
		{"mel_scale", c.MelScale, true, []string{MelSlaney, MelHTK}},
		{"triangles", c.Triangles, true, []string{TrianglesHertz, TrianglesMel, TrianglesTensorFlow}},
		{"mel_norm", c.MelNorm, true, []string{NormNone, NormSlaney}},
		{"log", c.Log, true, []string{LogNone, LogNatural, LogTen, LogDB, LogDBMagnitude}},
		{"floor_by", c.FloorBy, c.Log != LogNone, []string{FloorMax, FloorAdd}},
		{"dct_norm", c.DCTNorm, c.Coefficients > 0, []string{NormNone, NormOrtho, NormScaled}},
	} {
		if !f.used {
			continue
		}
		known := false
		for _, choice := range f.choices {
			known = known || f.value == choice
		}
		if !known {
			return fmt.Errorf("audio config: %s is %q, expected one of %q", f.name, f.value, f.choices)
		}
	}
	if c.Log != LogNone && c.Floor < leastFloor {
		return fmt.Errorf("audio config: floor is %v, expected at least %g: the logarithm of silence is not finite", c.Floor, leastFloor)
	}
	if c.Log != LogDB && c.Log != LogDBMagnitude && (c.TopDB != 0 || c.RelativeToMax) {
		return fmt.Errorf("audio config: top_db and relative_to_max go with log %q or %q, it is %q", LogDB, LogDBMagnitude, c.Log)
	}
	if c.Lifter != 0 && c.Coefficients == 0 {
		return fmt.Errorf("audio config: lifter is %v, without coefficients that it would scale", c.Lifter)
	}
	return nil
}

// high is the upper end of the filters in Hz.
func (c Config) high() float64 {
	if c.High == 0 {
		return float64(c.SampleRate) / 2
	}
	return c.High
}

// span is the number of samples that frames are cut of.
func (c Config) span() int {
	if c.PadWindow {
		return c.FFT
	}
	return c.Window
}

// margin is the padding on either side that Center asks for.
func (c Config) margin() int {
	if c.Center {
		return c.span() / 2
	}
	return 0
}

// Shape returns the shape of the features of a clip of so many samples. A clip that has no whole frame, or that is too short
// to be mirrored, is an error.
func (c Config) Shape(samples int) (frames, coefficients int, err error) {
	if err := c.Validate(); err != nil {
		return 0, 0, err
	}
	return c.shape(samples)
}

// shape is Shape of a valid Config.
func (c Config) shape(samples int) (frames, coefficients int, err error) {
	length := samples + 2*c.Pad
	least := 1
	if c.Center {
		switch c.PadMode {
		case PadReflect:
			least = c.margin() + 1
		case PadSymmetric:
			least = max(1, c.margin())
		}
	}
	if samples < 1 || length < least {
		return 0, 0, fmt.Errorf("audio: a clip of %d samples, expected at least %d", samples, max(1, least-2*c.Pad))
	}
	room := length + 2*c.margin() - c.span()
	if room < 0 {
		return 0, 0, fmt.Errorf("audio: a clip of %d samples, expected at least %d: a frame", samples, c.span()-2*c.margin()-2*c.Pad)
	}
	return 1 + room/c.Hop, c.width(), nil
}

// width is the number of values of a frame.
func (c Config) width() int {
	if c.Coefficients > 0 {
		return c.Coefficients
	}
	return c.Mels
}
