package audio

import (
	"fmt"
	"io"
	"math"
	"os"
)

// What a [Decoder] accepts where it sets no bound of its own.
const (
	// DefaultMaxSeconds is the longest clip: ten minutes.
	DefaultMaxSeconds = 600
	// DefaultMaxValues bounds samples times channels, 512 MiB of memory, so that a few bytes of FLAC cannot ask for more.
	DefaultMaxValues = 1 << 27
)

// Clip is sound as it was recorded.
type Clip struct {
	// Rate is the number of samples a second.
	Rate int
	// Channels are [channel][sample], all of one length. Integers of b bits are divided by 2^(b-1), so that samples lie
	// from -1 to 1; floating-point samples are what the file says and may lie outside.
	Channels [][]float32
}

// Samples returns the number of samples of each channel.
func (c Clip) Samples() int {
	if len(c.Channels) == 0 {
		return 0
	}
	return len(c.Channels[0])
}

// Mono returns the mean of the channels. A clip of one channel gives that channel itself, not a copy.
func (c Clip) Mono() []float32 {
	if len(c.Channels) == 1 {
		return c.Channels[0]
	}
	mono := make([]float32, c.Samples())
	for i := range mono {
		sum := 0.0
		for _, channel := range c.Channels {
			sum += float64(channel[i])
		}
		mono[i] = float32(sum / float64(len(c.Channels)))
	}
	return mono
}

// At returns the mean of the channels at a rate, by [Resample].
func (c Clip) At(rate int) ([]float32, error) {
	return Resample(c.Mono(), c.Rate, rate)
}

// FormatError says where and why a recording cannot be read.
type FormatError struct {
	// Name is the file, or what [Decode] was told to call it.
	Name string
	// Offset is the byte at which the trouble lies.
	Offset int64
	// Problem says what was found and what was expected.
	Problem string
	// Err is the FLAC library's own error, if there is one.
	Err error
}

// Error puts name, offset and problem in one line.
func (e *FormatError) Error() string {
	text := fmt.Sprintf("%s: offset %d: %s", e.Name, e.Offset, e.Problem)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the FLAC library's own error.
func (e *FormatError) Unwrap() error { return e.Err }

// Decoder reads recordings within bounds of its own. Its zero value has the bounds of [Decode].
type Decoder struct {
	// MaxSeconds is the longest clip that is accepted; 0 is [DefaultMaxSeconds].
	MaxSeconds float64
	// MaxValues bounds samples times channels; 0 is [DefaultMaxValues].
	MaxValues int
}

// Decode reads a WAV or FLAC file, told by its content, of at most ten minutes; a [Decoder] takes longer ones. Errors are
// [*FormatError] with the name and the byte offset.
//
// WAV: PCM of 8 (unsigned), 16, 24 and 32 bits and floats of 32 and 64 bits, plain or extensible, any number of channels.
// FLAC: 4 to 24 bits, 1 to 8 channels; the checksums of all frames and of the whole sound are checked.
//
// Everything that contradicts itself is an error, with two exceptions. A RIFF or data size of 0 or 0xFFFFFFFF is what
// programs write that do not know it yet (into a pipe, or before they were killed): the sound then ends with the file, a
// last sample that is not whole left out. And bytes behind the end that the RIFF size states are ignored.
func Decode(name string, data []byte) (Clip, error) {
	return Decoder{}.Decode(name, data)
}

// ReadFile is [Decode] of a regular file, whose errors name the path.
func ReadFile(path string) (Clip, error) {
	return Decoder{}.ReadFile(path)
}

// Decode is the function [Decode] within these bounds.
func (d Decoder) Decode(name string, data []byte) (Clip, error) {
	if d.MaxSeconds < 0 || math.IsNaN(d.MaxSeconds) || d.MaxValues < 0 {
		return Clip{}, fmt.Errorf("%s: bounds of %v seconds and %d values, expected none below 0", name, d.MaxSeconds, d.MaxValues)
	}
	if d.MaxSeconds == 0 {
		d.MaxSeconds = DefaultMaxSeconds
	}
	if d.MaxValues == 0 {
		d.MaxValues = DefaultMaxValues
	}
	switch {
	case len(data) == 0:
		return Clip{}, &FormatError{Name: name, Problem: "an empty file, expected WAV or FLAC"}
	case hasPrefix(data, "RIFF"):
		return d.decodeWAV(name, data)
	case hasPrefix(data, "fLaC"), hasPrefix(data, "ID3"):
		return d.decodeFLAC(name, data)
	}
	return Clip{}, &FormatError{Name: name, Problem: fmt.Sprintf("starts with %q, expected WAV (\"RIFF\") or FLAC (\"fLaC\")", data[:min(4, len(data))])}
}

// ReadFile is the function [ReadFile] within these bounds. Files of more than 12 bytes for each value of MaxValues are
// refused before they are read.
func (d Decoder) ReadFile(path string) (Clip, error) {
	f, err := os.Open(path)
	if err != nil {
		return Clip{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Clip{}, err
	}
	if !info.Mode().IsRegular() {
		return Clip{}, fmt.Errorf("%s: not a regular file", path)
	}
	values := d.MaxValues
	if values == 0 {
		values = DefaultMaxValues
	}
	// Samples have at most 8 bytes; the rest is for pictures and tags.
	bound := 12 * int64(values)
	if info.Size() > bound {
		return Clip{}, fmt.Errorf("%s: %d bytes, at most %d are read", path, info.Size(), bound)
	}
	data, err := io.ReadAll(io.LimitReader(f, bound))
	if err != nil {
		return Clip{}, err
	}
	return d.Decode(path, data)
}

// admit refuses a clip that is out of bounds, by what its header says at offset.
func (d Decoder) admit(name string, offset int64, samples uint64, channels, rate int) error {
	if seconds := float64(samples) / float64(rate); seconds > d.MaxSeconds {
		return &FormatError{Name: name, Offset: offset, Problem: fmt.Sprintf(
			"%d samples at %d Hz are %.1f s, at most %g s are read (a larger bound is Decoder.MaxSeconds)", samples, rate, seconds, d.MaxSeconds)}
	}
	if samples > uint64(d.MaxValues)/uint64(channels) {
		return &FormatError{Name: name, Offset: offset, Problem: fmt.Sprintf(
			"%d samples of %d channels, at most %d values are read (a larger bound is Decoder.MaxValues)", samples, channels, d.MaxValues)}
	}
	return nil
}

func hasPrefix(data []byte, prefix string) bool {
	return len(data) >= len(prefix) && string(data[:len(prefix)]) == prefix
}
