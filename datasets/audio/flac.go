package audio

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
)

// decodeFLAC reads a file that starts with fLaC, or with an ID3 tag before it.
func (d Decoder) decodeFLAC(name string, data []byte) (clip Clip, err error) {
	source := bytes.NewReader(data)
	// The library takes this reader as it is, so that what is left in it tells the offset.
	reader := bufio.NewReaderSize(source, 4096)
	offset := int64(0) // of the frame that is read
	here := func() int64 { return int64(len(data)) - int64(source.Len()) - int64(reader.Buffered()) }
	fail := func(err error, format string, args ...any) (Clip, error) {
		return Clip{}, &FormatError{Name: name, Offset: offset, Problem: fmt.Sprintf(format, args...), Err: err}
	}
	defer func() {
		// The library indexes by what a broken file says.
		if r := recover(); r != nil {
			clip, err = fail(fmt.Errorf("%v", r), "broken FLAC")
		}
	}()
	stream, err := flac.New(reader)
	if err != nil {
		offset = here()
		return fail(noEOF(err), "header of a FLAC file")
	}
	info := stream.Info
	channels, rate, bits := int(info.NChannels), int(info.SampleRate), uint(info.BitsPerSample)
	if bits < 4 || bits > 24 {
		return fail(nil, "samples of %d bits, expected 4 to 24", bits)
	}
	if err := d.admit(name, 0, info.NSamples, channels, rate); err != nil {
		return Clip{}, err
	}
	clip = Clip{Rate: rate, Channels: make([][]float32, channels)}
	sum, hashed := md5.New(), info.MD5sum != [md5.Size]byte{}
	for n := uint64(0); ; {
		offset = here()
		f, err := stream.Next()
		if errors.Is(err, io.EOF) && offset == int64(len(data)) {
			if n == 0 {
				return fail(nil, "no samples")
			}
			if info.NSamples != 0 && n != info.NSamples {
				return fail(nil, "the file ends after %d samples, its header says %d: truncated?", n, info.NSamples)
			}
			break
		}
		if err != nil {
			return fail(noEOF(err), "header of the frame at sample %d", n)
		}
		if f.BitsPerSample == 0 {
			f.BitsPerSample = info.BitsPerSample
		}
		if f.Channels.Count() != channels || uint(f.BitsPerSample) != bits || f.SampleRate != 0 && int(f.SampleRate) != rate {
			return fail(nil, "frame of %d channels, %d bits and %d Hz, the file's header says %d, %d and %d",
				f.Channels.Count(), f.BitsPerSample, f.SampleRate, channels, bits, rate)
		}
		n += uint64(f.BlockSize)
		if err := d.admit(name, offset, n, channels, rate); err != nil {
			return Clip{}, err
		}
		if err := f.Parse(); err != nil {
			return fail(noEOF(err), "frame at sample %d", n-uint64(f.BlockSize))
		}
		if err := appendFrame(clip.Channels, f, bits); err != nil {
			return fail(err, "frame at sample %d", n-uint64(f.BlockSize))
		}
		if hashed {
			hashFrame(sum, f, bits)
		}
	}
	if hashed && !bytes.Equal(sum.Sum(nil), info.MD5sum[:]) {
		return fail(nil, "MD5 of the sound is %x, the file's header says %x", sum.Sum(nil), info.MD5sum)
	}
	return clip, nil
}

// appendFrame appends a frame's samples to the channels.
func appendFrame(channels [][]float32, f *frame.Frame, bits uint) error {
	scale := 1 / float32(int32(1)<<(bits-1))
	for c, sub := range f.Subframes {
		if len(sub.Samples) != int(f.BlockSize) {
			return fmt.Errorf("%d samples in channel %d, expected %d", len(sub.Samples), c, f.BlockSize)
		}
		for _, s := range sub.Samples {
			channels[c] = append(channels[c], float32(s)*scale)
		}
	}
	return nil
}

// hashFrame adds a frame to the MD5 that the header states: samples of all channels in turn, little-endian, in whole bytes.
func hashFrame(sum hash.Hash, f *frame.Frame, bits uint) {
	width := int(bits+7) / 8
	buffer := make([]byte, 0, int(f.BlockSize)*len(f.Subframes)*width)
	for i := range int(f.BlockSize) {
		for _, sub := range f.Subframes {
			for b := range width {
				buffer = append(buffer, byte(sub.Samples[i]>>(8*b)))
			}
		}
	}
	sum.Write(buffer) //nolint:errcheck // a hash never fails
}

// noEOF makes an end of the file in the middle of something an error that says so.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
