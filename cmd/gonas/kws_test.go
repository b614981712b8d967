package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/audio"
)

// clipsCommand is a command of scripts: for each word the first clip in the binary that tests becomes WORD.flac. The first
// word becomes wide.wav too, in two channels of 32 kHz, and long.wav, with 1.5 s of silence on both sides; all of them, with
// half a second of silence between them, talk.raw.
func clipsCommand(ts *testscript.TestScript, neg bool, words []string) {
	_, test, err := datasets.EmbeddedSpeech()
	ts.Check(err)
	files, err := readTar("../../datasets/embedded/speech_commands/clips.tar")
	ts.Check(err)
	write := func(name string, data []byte) { ts.Check(os.WriteFile(ts.MkAbs(name), data, 0o644)) }
	pause := func(s float64) []float32 { return make([]float32, int(s*datasets.SpeechRate)) }
	var talk []float32
	for i, word := range words {
		at := slices.Index(test.Labels, int32(slices.Index(test.ClassNames, word)))
		if at < 0 {
			ts.Fatalf("no clip of %q", word)
		}
		x, err := test.Clip(at)
		ts.Check(err)
		write(word+".flac", files[test.Keys[at]])
		talk = append(append(talk, pause(0.5)...), x...)
		if i == 0 {
			wide, err := audio.Resample(x, datasets.SpeechRate, 32000)
			ts.Check(err)
			write("wide.wav", wavFile(32000, wide, wide))
			write("long.wav", wavFile(datasets.SpeechRate, slices.Concat(pause(1.5), x, pause(1.5))))
		}
	}
	write("talk.raw", pcm16(talk))
}

// readTar has the files of an archive by name.
func readTar(name string) (map[string][]byte, error) {
	f, err := os.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files := map[string][]byte{}
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if files[path.Clean(h.Name)], err = io.ReadAll(t); err != nil {
			return nil, err
		}
	}
}

// pcm16 are the samples of channels of one length, side by side, in 16 bit.
func pcm16(channels ...[]float32) []byte {
	var out []byte
	for i := range channels[0] {
		for _, c := range channels {
			out = binary.LittleEndian.AppendUint16(out, uint16(int16(math.Round(math.MaxInt16*float64(max(-1, min(1, c[i])))))))
		}
	}
	return out
}

func wavFile(rate int, channels ...[]float32) []byte {
	data := pcm16(channels...)
	var b bytes.Buffer
	b.WriteString("RIFF")
	width := uint16(2 * len(channels))
	for _, v := range []any{uint32(36 + len(data)), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(len(channels)), uint32(rate),
		uint32(rate) * uint32(width), width, uint16(16), []byte("data"), uint32(len(data)), data} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	return b.Bytes()
}
