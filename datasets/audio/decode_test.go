package audio_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets/audio"
)

// wav is a WAV file in parts, each of which a test can break.
type wav struct {
	riff           *uint32 // nil: what is right
	form           string
	before         []byte // chunks between fmt and data
	tag, bits      uint16
	channels       uint16
	rate           uint32
	block          *uint16
	extensible     []byte // what follows the 16 bytes of fmt
	dataSize       *uint32
	data           []byte
	after          []byte // what follows the data chunk
	noFormat, twin bool
}

// sound is a WAV file of 8 samples of 16 bits.
func sound() wav {
	return wav{tag: 1, bits: 16, channels: 1, rate: 16000, data: bytes.Repeat([]byte{0, 64}, 8)}
}

func (w wav) bytes() []byte {
	le := binary.LittleEndian
	chunk := func(id string, size int, body []byte) []byte {
		return append(le.AppendUint32([]byte(id), uint32(size)), body...)
	}
	format := le.AppendUint16(nil, w.tag)
	format = le.AppendUint16(format, w.channels)
	format = le.AppendUint32(format, w.rate)
	block := w.channels * w.bits / 8
	if w.block != nil {
		block = *w.block
	}
	format = le.AppendUint32(format, w.rate*uint32(block))
	format = le.AppendUint16(format, block)
	format = le.AppendUint16(format, w.bits)
	format = append(format, w.extensible...)
	out := []byte("WAVE")
	if w.form != "" {
		out = []byte(w.form)
	}
	if !w.noFormat {
		out = append(out, chunk("fmt ", len(format), format)...)
	}
	if w.twin {
		out = append(out, chunk("fmt ", len(format), format)...)
	}
	out = append(out, w.before...)
	size := len(w.data)
	if w.dataSize != nil {
		size = int(*w.dataSize)
	}
	out = append(out, chunk("data", size, w.data)...)
	out = append(out, w.after...)
	riff := uint32(len(out))
	if w.riff != nil {
		riff = *w.riff
	}
	return append(le.AppendUint32([]byte("RIFF"), riff), out...)
}

// with is sound, changed.
func with(change func(*wav)) []byte {
	w := sound()
	change(&w)
	return w.bytes()
}

// guid is the end of an extensible fmt chunk: its size, valid bits, channel mask, subformat.
func guid(bits, tag uint16) []byte {
	b := []byte{22, 0}
	b = binary.LittleEndian.AppendUint16(b, bits)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, tag)
	return append(b, "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"...)
}

func floats(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func TestDecodeWAV(t *testing.T) {
	huge := bytes.Repeat([]byte{0, 128, 255, 127}, 6) // 12 channels, 2 samples
	for _, test := range []struct {
		name string
		data []byte
		want [][]float32
	}{
		{"8 bit", with(func(w *wav) { w.bits, w.data = 8, []byte{0, 128, 255, 64} }), [][]float32{{-1, 0, 127. / 128, -0.5}}},
		{"16 bit", with(func(w *wav) { w.data = []byte{0, 128, 255, 127, 0, 0, 255, 255} }), [][]float32{{-1, 32767. / 32768, 0, -1. / 32768}}},
		{"24 bit", with(func(w *wav) { w.bits, w.data = 24, []byte{0, 0, 128, 255, 255, 127, 255, 255, 255} }),
			[][]float32{{-1, 8388607. / 8388608, -1. / 8388608}}},
		{"32 bit", with(func(w *wav) { w.bits, w.data = 32, []byte{0, 0, 0, 128, 0, 0, 0, 64, 255, 255, 255, 255} }),
			[][]float32{{-1, 0.5, -1. / (1 << 31)}}},
		{"float", with(func(w *wav) { w.tag, w.bits, w.data = 3, 32, floats(-1, 0.25, 1.5) }), [][]float32{{-1, 0.25, 1.5}}},
		{"float of 64 bits", with(func(w *wav) {
			w.tag, w.bits, w.data = 3, 64, binary.LittleEndian.AppendUint64(nil, math.Float64bits(-0.125))
		}), [][]float32{{-0.125}}},
		{"stereo", with(func(w *wav) { w.channels, w.data = 2, []byte{0, 64, 0, 192, 0, 32, 0, 224} }), [][]float32{{0.5, 0.25}, {-0.5, -0.25}}},
		{"12 channels", with(func(w *wav) { w.channels, w.data = 12, huge[:24] }), [][]float32{
			{-1}, {32767. / 32768}, {-1}, {32767. / 32768}, {-1}, {32767. / 32768}, {-1}, {32767. / 32768}, {-1}, {32767. / 32768}, {-1}, {32767. / 32768}}},
		{"extensible", with(func(w *wav) { w.tag, w.extensible, w.data = 0xFFFE, guid(16, 1), []byte{0, 64} }), [][]float32{{0.5}}},
		{"extensible float", with(func(w *wav) { w.tag, w.bits, w.extensible, w.data = 0xFFFE, 32, guid(32, 3), floats(0.75) }), [][]float32{{0.75}}},
		{"odd chunk and its pad", with(func(w *wav) { w.before, w.data = []byte("LIST\x03\x00\x00\x00abc\x00"), []byte{0, 64} }), [][]float32{{0.5}}},
		{"chunk behind", with(func(w *wav) { w.after, w.data = []byte("LIST\x02\x00\x00\x00ab"), []byte{0, 64} }), [][]float32{{0.5}}},
		{"bytes behind the RIFF size", append(with(func(w *wav) { w.data = []byte{0, 64} }), "junk"...), [][]float32{{0.5}}},
		{"sizes not known", with(func(w *wav) {
			w.riff, w.dataSize, w.data = ptr[uint32](math.MaxUint32), ptr[uint32](math.MaxUint32), []byte{0, 64, 1}
		}), [][]float32{{0.5}}},
		{"data size not known", with(func(w *wav) { w.dataSize, w.data = ptr[uint32](math.MaxUint32), []byte{0, 64} }), [][]float32{{0.5}}},
		{"sizes of 0", with(func(w *wav) { w.riff, w.dataSize, w.data = ptr[uint32](0), ptr[uint32](0), []byte{0, 64} }), [][]float32{{0.5}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			clip, err := audio.Decode("x.wav", test.data)
			require.NoError(t, err)
			assert.Equal(t, 16000, clip.Rate)
			assert.Equal(t, test.want, clip.Channels)
		})
	}
}

func ptr[T any](v T) *T { return &v }

// broken are files that Decode has to refuse, and the offset and the words of the error.
func broken(t testing.TB) []brokenFile {
	flac := readTestFile(t, "stop_135c6841_nohash_0.flac")
	flip := func(at int, bit byte) []byte {
		data := bytes.Clone(flac)
		data[at] ^= bit
		return data
	}
	whole := sound().bytes()
	return []brokenFile{
		{"empty", nil, 0, "an empty file"},
		{"text", []byte("file,label\nyes.wav,yes\n"), 0, `starts with "file", expected WAV`},
		{"three bytes", []byte("RIF"), 0, `starts with "RIF"`},
		{"RF64", []byte("RF64\xff\xff\xff\xffWAVE"), 0, `starts with "RF64"`},
		{"RIFF header cut", whole[:10], 10, "the file ends, expected the 12 bytes of a RIFF header"},
		{"not WAVE", with(func(w *wav) { w.form = "AVI " }), 8, `RIFF form "AVI ", expected "WAVE"`},
		{"cut in the samples", whole[:50], 4, "RIFF size 52 needs a file of 60 bytes, this one has 50: truncated?"},
		{"RIFF size too small", with(func(w *wav) { w.riff = ptr[uint32](40) }), 40, "data size 16, but 4 bytes follow"},
		{"RIFF size of nothing", with(func(w *wav) { w.riff = ptr[uint32](3) }), 4, "RIFF size 3, expected at least 4"},
		{"RIFF size too large", with(func(w *wav) { w.riff = ptr[uint32](1 << 30) }), 4, "RIFF size 1073741824 needs a file of 1073741832 bytes"},
		{"data size too large", with(func(w *wav) { w.dataSize = ptr[uint32](18) }), 40, "data size 18, but 16 bytes follow: truncated?"},
		{"10 hours in 100 bytes", with(func(w *wav) {
			w.dataSize, w.data = ptr[uint32](10*3600*16000*2), make([]byte, 56)
		}), 40, "data size 1152000000, but 56 bytes follow"},
		{"data size 0", with(func(w *wav) { w.data = nil }), 44, "no samples"},
		{"size not known, nothing follows", with(func(w *wav) { w.dataSize, w.data = ptr[uint32](math.MaxUint32), []byte{7} }), 44, "no samples"},
		{"last sample not whole", with(func(w *wav) { w.data = w.data[:7] }), 50, "7 bytes of samples, expected a multiple of 2"},
		{"no fmt chunk", with(func(w *wav) { w.noFormat = true }), 12, "data chunk before any fmt chunk"},
		{"two fmt chunks", with(func(w *wav) { w.twin = true }), 36, "a second fmt chunk"},
		{"no data chunk", with(func(w *wav) { w.riff = ptr[uint32](28) }), 36, "the file ends, expected a data chunk"},
		{"nothing but WAVE", with(func(w *wav) { w.riff = ptr[uint32](4) }), 12, "the file ends, expected a fmt chunk"},
		{"chunk too large", with(func(w *wav) { w.before = []byte("LIST\xff\xff\xff\x00ab") }), 40, `size 16777215 of chunk "LIST", but 26 bytes follow`},
		{"fmt too short", []byte("RIFF\x14\x00\x00\x00WAVEfmt \x08\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00"), 20, "fmt chunk of 8 bytes"},
		{"unknown codec", with(func(w *wav) { w.tag = 0x0055 }), 20, "format 0x0055, expected PCM"},
		{"A-law", with(func(w *wav) { w.tag, w.bits = 6, 8 }), 20, "format 0x0006"},
		{"0 Hz", with(func(w *wav) { w.rate = 0 }), 24, "rate of 0 Hz"},
		{"4 GHz", with(func(w *wav) { w.rate = 4e9 }), 24, "rate of 4000000000 Hz"},
		{"0 channels", with(func(w *wav) { w.channels = 0 }), 22, "0 channels"},
		{"0 bits", with(func(w *wav) { w.bits = 0 }), 34, "samples of 0 bits"},
		{"12 bits", with(func(w *wav) { w.bits = 12 }), 34, "samples of 12 bits"},
		{"float of 16 bits", with(func(w *wav) { w.tag = 3 }), 34, "samples of 16 bits in format 3"},
		{"block of another size", with(func(w *wav) { w.block = ptr[uint16](4) }), 32, "block of 4 bytes, 1 channels of 16 bits have 2"},
		{"extensible, cut", with(func(w *wav) { w.tag, w.extensible = 0xFFFE, []byte{0, 0} }), 20, "extensible fmt chunk of 18 bytes, expected 40"},
		{"extensible, other", with(func(w *wav) {
			w.tag, w.extensible = 0xFFFE, guid(16, 1)
			w.extensible[12] = 9
		}), 44, "subformat 01000000"},
		{"not a number", with(func(w *wav) { w.tag, w.bits, w.data = 3, 32, floats(0, float32(math.NaN())) }), 48, "sample 1 of channel 0 is NaN"},
		{"too large for a float", with(func(w *wav) {
			w.tag, w.bits, w.data = 3, 64, binary.LittleEndian.AppendUint64(nil, math.Float64bits(1e300))
		}), 44, "sample 0 of channel 0 is +Inf"},
		{"FLAC, header cut", flac[:20], 20, "header of a FLAC file: unexpected EOF"},
		{"FLAC, signature alone", flac[:4], 4, "header of a FLAC file: unexpected EOF"},
		{"FLAC, no streaminfo", []byte("fLaC\x81\x00\x00\x02\x00\x00"), 10, "header of a FLAC file"},
		{"FLAC, cut in a frame", flac[:len(flac)-100], -1, "unexpected EOF"},
		{"FLAC, bad CRC of a frame", flip(len(flac)-200, 1), -1, "frame at sample"},
		{"FLAC, bad CRC of the header", flip(len(flac)-1, 1), -1, "CRC-16 checksum mismatch"},
		{"FLAC, bad MD5", flip(26, 1), int64(len(flac)), "MD5 of the sound"},
		{"FLAC, 0 Hz", func() []byte {
			data := bytes.Clone(flac)
			data[18], data[19], data[20] = 0, 0, data[20]&0x0f
			return data
		}(), -1, "invalid sample rate (0)"},
		{"FLAC, 10 hours", func() []byte {
			data := bytes.Clone(flac)
			binary.BigEndian.PutUint32(data[22:], 10*3600*16000)
			return data
		}(), 0, "576000000 samples at 16000 Hz are 36000.0 s, at most 600 s are read"},
		{"FLAC, more samples said than there are", func() []byte {
			data := bytes.Clone(flac)
			binary.BigEndian.PutUint32(data[22:], 17000)
			return data
		}(), int64(len(flac)), "the file ends after 16000 samples, its header says 17000: truncated?"},
		{"FLAC, junk behind", append(bytes.Clone(flac), "junk"...), int64(len(flac)), "header of the frame at sample 16000"},
		{"ID3 alone", []byte("ID3\x04\x00\x00\x00\x00\x00\x01x"), 11, "header of a FLAC file"},
	}
}

type brokenFile struct {
	name   string
	data   []byte
	offset int64 // -1: anywhere within the file
	words  string
}

func readTestFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

func TestDecodeRefusesBrokenFiles(t *testing.T) {
	for _, test := range broken(t) {
		t.Run(test.name, func(t *testing.T) {
			clip, err := audio.Decode("some/clip", test.data)
			var format *audio.FormatError
			require.ErrorAs(t, err, &format)
			assert.Zero(t, clip)
			assert.ErrorContains(t, err, "some/clip: offset ")
			assert.ErrorContains(t, err, test.words)
			if test.offset >= 0 {
				assert.Equal(t, test.offset, format.Offset)
			}
			assert.LessOrEqual(t, format.Offset, int64(len(test.data)))
		})
	}
}

func TestDecodeBounds(t *testing.T) {
	long := audio.EncodeWAV(10, [][]float32{make([]float32, 6010)})
	_, err := audio.Decode("long.wav", long)
	require.EqualError(t, err, "long.wav: offset 44: 6010 samples at 10 Hz are 601.0 s, at most 600 s are read (a larger bound is Decoder.MaxSeconds)")
	clip, err := audio.Decoder{MaxSeconds: 601}.Decode("long.wav", long)
	require.NoError(t, err)
	assert.Equal(t, 6010, clip.Samples())

	_, err = audio.Decoder{MaxSeconds: 601, MaxValues: 6000}.Decode("long.wav", long)
	require.ErrorContains(t, err, "6010 samples of 1 channels, at most 6000 values are read")
	_, err = audio.Decoder{MaxValues: 15999}.ReadFile(filepath.Join("testdata", "stop_135c6841_nohash_0.flac"))
	require.ErrorContains(t, err, "16000 samples of 1 channels")
	_, err = audio.Decoder{MaxSeconds: math.NaN()}.Decode("x", long)
	require.ErrorContains(t, err, "bounds of NaN seconds")
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	_, err := audio.ReadFile(dir)
	require.ErrorContains(t, err, "not a regular file")
	_, err = audio.ReadFile(filepath.Join(dir, "none.wav"))
	require.ErrorIs(t, err, os.ErrNotExist)

	large := filepath.Join(dir, "large.wav")
	require.NoError(t, os.WriteFile(large, make([]byte, 121), 0o600))
	_, err = audio.Decoder{MaxValues: 10}.ReadFile(large)
	require.EqualError(t, err, large+": 121 bytes, at most 120 are read")

	text := filepath.Join(dir, "notes.wav")
	require.NoError(t, os.WriteFile(text, []byte("no sound"), 0o600))
	_, err = audio.ReadFile(text)
	require.ErrorContains(t, err, text+": offset 0: ")
}

func TestFLACIsWhatWasRecorded(t *testing.T) {
	clip, err := audio.ReadFile(filepath.Join("testdata", "go_0c40e715_nohash_1.flac"))
	require.NoError(t, err)
	// The same clip by way of 16 bit PCM: nothing is lost, so that its samples are whole 1/32768.
	again, err := audio.Decode("again.wav", audio.EncodeWAV(clip.Rate, clip.Channels))
	require.NoError(t, err)
	assert.Equal(t, clip, again)
	assert.Equal(t, 16000, clip.Samples())
}

func TestMonoIsTheMean(t *testing.T) {
	clip := audio.Clip{Rate: 8000, Channels: [][]float32{{1, 0.5, 0}, {0, 0.5, -0.5}, {-0.25, 0.5, 0.125}}}
	assert.Equal(t, []float32{0.25, 0.5, -0.125}, clip.Mono())
	assert.Empty(t, audio.Clip{}.Mono())
}

func TestEncodeWAV(t *testing.T) {
	clip, err := audio.Decode("x", audio.EncodeWAV(16000, [][]float32{{2, -2, float32(math.NaN())}, {0.5}}))
	require.NoError(t, err)
	assert.Equal(t, [][]float32{{32767. / 32768, -1, 0}, {0.5, 0, 0}}, clip.Channels)
}

func FuzzDecode(f *testing.F) {
	f.Add(sound().bytes())
	f.Add(with(func(w *wav) { w.tag, w.bits, w.data = 3, 32, floats(1, -1) }))
	for _, b := range broken(f) {
		f.Add(b.data)
	}
	for _, name := range []string{"s24.wav", "double.wav", "extensible.wav", "s8.flac", "s16.flac", "s24.flac"} {
		f.Add(readTestFile(f, filepath.Join("formats", name)))
	}
	// A bound of a second at 16 kHz keeps the fuzzer fast; what memory a file can ask for is part of the test.
	decoder := audio.Decoder{MaxSeconds: 2, MaxValues: 1 << 17}
	f.Fuzz(func(t *testing.T, data []byte) {
		clip, err := decoder.Decode("fuzz", data)
		if err != nil {
			var format *audio.FormatError
			if !errors.As(err, &format) {
				t.Fatalf("%T: %v", err, err)
			}
			if format.Offset < 0 || format.Offset > int64(len(data)) {
				t.Fatalf("offset %d of %d bytes: %v", format.Offset, len(data), err)
			}
			return
		}
		if clip.Samples() == 0 || clip.Rate < 1 || clip.Samples()*len(clip.Channels) > 1<<17 {
			t.Fatalf("%d samples of %d channels at %d Hz", clip.Samples(), len(clip.Channels), clip.Rate)
		}
		for _, channel := range clip.Channels {
			if len(channel) != clip.Samples() {
				t.Fatalf("channels of %d and %d samples", len(channel), clip.Samples())
			}
			for _, x := range channel {
				if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
					t.Fatalf("sample %v", x)
				}
			}
		}
	})
}

func TestDecodeAsLibsndfile(t *testing.T) {
	var read map[string]audio.Clip
	require.NoError(t, json.Unmarshal(readTestFile(t, filepath.Join("formats", "formats.json")), &read))
	require.Len(t, read, 10)
	for name, want := range read {
		clip, err := audio.ReadFile(filepath.Join("testdata", "formats", name))
		require.NoError(t, err)
		assert.Equal(t, want, clip, name)
	}
}
