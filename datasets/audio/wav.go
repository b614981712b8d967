package audio

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Format tags of a WAV file's fmt chunk (Microsoft's mmreg.h).
const (
	tagPCM        = 1
	tagFloat      = 3
	tagExtensible = 0xFFFE
)

// unknownSize is what programs write that do not know a size yet.
const unknownSize = math.MaxUint32

// subformatTail ends the GUID of an extensible format, whose first two bytes are a format tag.
const subformatTail = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

// wavFormat is what a fmt chunk says.
type wavFormat struct {
	tag, channels, bits int
	rate                int
	block               int // bytes of one sample of all channels
}

// decodeWAV reads a file that starts with RIFF.
func (d Decoder) decodeWAV(name string, data []byte) (Clip, error) {
	fail := func(offset int, format string, args ...any) (Clip, error) {
		return Clip{}, &FormatError{Name: name, Offset: int64(offset), Problem: fmt.Sprintf(format, args...)}
	}
	if len(data) < 12 {
		return fail(len(data), "the file ends, expected the 12 bytes of a RIFF header")
	}
	if form := string(data[8:12]); form != "WAVE" {
		return fail(8, "RIFF form %q, expected \"WAVE\"", form)
	}
	riff := binary.LittleEndian.Uint32(data[4:])
	if riff != 0 && riff != unknownSize {
		switch end := int64(riff) + 8; {
		case end > int64(len(data)):
			return fail(4, "RIFF size %d needs a file of %d bytes, this one has %d: truncated?", riff, end, len(data))
		case end < 12:
			return fail(4, "RIFF size %d, expected at least 4", riff)
		default:
			data = data[:end]
		}
	}
	var format *wavFormat
	for at := 12; ; {
		if len(data)-at < 8 {
			if format == nil {
				return fail(at, "the file ends, expected a fmt chunk")
			}
			return fail(at, "the file ends, expected a data chunk")
		}
		id, size := string(data[at:at+4]), binary.LittleEndian.Uint32(data[at+4:])
		body := data[at+8:]
		if id == "data" {
			if format == nil {
				return fail(at, "data chunk before any fmt chunk")
			}
			switch unknown := size == unknownSize || size == 0 && (riff == 0 || riff == unknownSize); {
			case unknown:
				body = body[:len(body)/format.block*format.block]
			case int64(size) > int64(len(body)):
				return fail(at+4, "data size %d, but %d bytes follow: truncated?", size, len(body))
			default:
				body = body[:size]
			}
			return d.samplesOfWAV(name, at+8, body, *format)
		}
		if int64(size) > int64(len(body)) {
			return fail(at+4, "size %d of chunk %q, but %d bytes follow", size, id, len(body))
		}
		if id == "fmt " {
			if format != nil {
				return fail(at, "a second fmt chunk")
			}
			f, problem, offset := parseFormat(body[:size])
			if problem != "" {
				return fail(at+8+offset, "%s", problem)
			}
			format = &f
		}
		at += 8 + int(size)
		if size%2 == 1 && at < len(data) {
			at++ // chunks start at even bytes
		}
	}
}

// parseFormat reads a fmt chunk. Where it cannot, problem is not empty, and offset is the byte within the chunk.
func parseFormat(b []byte) (f wavFormat, problem string, offset int) {
	if len(b) < 16 {
		return f, fmt.Sprintf("fmt chunk of %d bytes, expected 16 or more", len(b)), 0
	}
	u16 := func(at int) int { return int(binary.LittleEndian.Uint16(b[at:])) }
	rate := binary.LittleEndian.Uint32(b[4:])
	f = wavFormat{tag: u16(0), channels: u16(2), bits: u16(14), block: u16(12)}
	if f.tag == tagExtensible {
		if len(b) < 40 {
			return f, fmt.Sprintf("extensible fmt chunk of %d bytes, expected 40", len(b)), 0
		}
		if string(b[26:40]) != subformatTail {
			return f, fmt.Sprintf("subformat %x, expected PCM or float", b[24:40]), 24
		}
		f.tag = u16(24)
	}
	if f.channels == 0 {
		return f, "0 channels", 2
	}
	if rate == 0 || rate > maxRate {
		return f, fmt.Sprintf("rate of %d Hz, expected 1 to %d", rate, maxRate), 4
	}
	f.rate = int(rate)
	switch {
	case f.tag == tagPCM && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32):
	case f.tag == tagFloat && (f.bits == 32 || f.bits == 64):
	case f.tag == tagPCM || f.tag == tagFloat:
		return f, fmt.Sprintf("samples of %d bits in format %d, expected PCM (1) of 8, 16, 24 or 32 or float (3) of 32 or 64", f.bits, f.tag), 14
	default:
		return f, fmt.Sprintf("format 0x%04x, expected PCM (0x0001) or float (0x0003)", f.tag), 0
	}
	if want := f.channels * f.bits / 8; f.block != want {
		return f, fmt.Sprintf("block of %d bytes, %d channels of %d bits have %d", f.block, f.channels, f.bits, want), 12
	}
	return f, "", 0
}

// samplesOfWAV converts the body of a data chunk that starts at offset.
func (d Decoder) samplesOfWAV(name string, offset int, body []byte, f wavFormat) (Clip, error) {
	fail := func(offset int, format string, args ...any) (Clip, error) {
		return Clip{}, &FormatError{Name: name, Offset: int64(offset), Problem: fmt.Sprintf(format, args...)}
	}
	if len(body) == 0 {
		return fail(offset, "no samples")
	}
	if len(body)%f.block != 0 {
		return fail(offset+len(body)/f.block*f.block, "%d bytes of samples, expected a multiple of %d: the last one is not whole", len(body), f.block)
	}
	n := len(body) / f.block
	if err := d.admit(name, int64(offset), uint64(n), f.channels, f.rate); err != nil {
		return Clip{}, err
	}
	clip := Clip{Rate: f.rate, Channels: make([][]float32, f.channels)}
	width := f.bits / 8
	for c := range clip.Channels {
		samples := make([]float32, n)
		for i := range samples {
			at := i*f.block + c*width
			b := body[at:]
			switch {
			case f.tag == tagFloat && f.bits == 32:
				samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
			case f.tag == tagFloat:
				samples[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
			case f.bits == 8:
				samples[i] = (float32(b[0]) - 128) / (1 << 7)
			case f.bits == 16:
				samples[i] = float32(int16(binary.LittleEndian.Uint16(b))) / (1 << 15)
			case f.bits == 24:
				samples[i] = float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)>>8) / (1 << 23)
			default:
				samples[i] = float32(float64(int32(binary.LittleEndian.Uint32(b))) / (1 << 31))
			}
			if f.tag == tagFloat && !finite(samples[i]) {
				return fail(offset+at, "sample %d of channel %d is %v", i, c, samples[i])
			}
		}
		clip.Channels[c] = samples
	}
	return clip, nil
}

func finite(x float32) bool { return x-x == 0 }

// EncodeWAV returns a WAV file of 16 bit PCM. Samples are rounded to the nearest and cut to [-1, 1); what is no number
// becomes 0. A channel shorter than the longest is followed by silence.
func EncodeWAV(rate int, channels [][]float32) []byte {
	n := 0
	for _, c := range channels {
		n = max(n, len(c))
	}
	block := 2 * len(channels)
	out := make([]byte, 44+n*block)
	le := binary.LittleEndian
	copy(out, "RIFF")
	le.PutUint32(out[4:], uint32(len(out)-8))
	copy(out[8:], "WAVEfmt ")
	le.PutUint32(out[16:], 16)
	le.PutUint16(out[20:], tagPCM)
	le.PutUint16(out[22:], uint16(len(channels)))
	le.PutUint32(out[24:], uint32(rate))
	le.PutUint32(out[28:], uint32(rate*block))
	le.PutUint16(out[32:], uint16(block))
	le.PutUint16(out[34:], 16)
	copy(out[36:], "data")
	le.PutUint32(out[40:], uint32(n*block))
	for c, samples := range channels {
		for i, x := range samples {
			v := math.RoundToEven(float64(x) * (1 << 15))
			if math.IsNaN(v) {
				v = 0
			}
			le.PutUint16(out[44+i*block+2*c:], uint16(int16(max(math.MinInt16, min(math.MaxInt16, v)))))
		}
	}
	return out
}
