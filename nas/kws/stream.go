package kws

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/gonas/gonas/datasets"
)

// StreamConfig says how detections are made of the probabilities of windows, a second each.
type StreamConfig struct {
	// StepMS is the time from one window to the next in milliseconds; 100.
	StepMS float64 `json:"step_ms"`
	// Smooth is the number of windows whose probabilities are averaged; 5.
	Smooth int `json:"smooth"`
	// Threshold is what the average of a keyword must reach; 0.5.
	Threshold float64 `json:"threshold"`
	// RefractoryMS is how long nothing is detected behind a detection, in milliseconds; 700.
	RefractoryMS float64 `json:"refractory_ms"`
}

// DefaultStream is the configuration that the fields of [StreamConfig] name.
func DefaultStream() StreamConfig {
	return StreamConfig{StepMS: 100, Smooth: 5, Threshold: 0.5, RefractoryMS: 700}
}

// Validate reports the first field out of range.
func (c StreamConfig) Validate() error {
	if !(c.StepMS >= 1 && c.StepMS <= 1000) {
		return fmt.Errorf("stream: step_ms: expected 1 to 1000, got %g", c.StepMS)
	}
	if c.Smooth < 1 || c.Smooth > 1000 {
		return fmt.Errorf("stream: smooth: expected 1 to 1000, got %d", c.Smooth)
	}
	if !(c.Threshold > 0 && c.Threshold <= 1) {
		return fmt.Errorf("stream: threshold: expected more than 0 and at most 1, got %g", c.Threshold)
	}
	if !(c.RefractoryMS >= 0) || math.IsInf(c.RefractoryMS, 0) {
		return fmt.Errorf("stream: refractory_ms: expected at least 0, got %g", c.RefractoryMS)
	}
	return nil
}

// Detection is a keyword in a stream.
type Detection struct {
	// Second is the middle of the windows that were averaged, in seconds from the stream's start: about where the keyword is.
	Second  float64 `json:"second"`
	Keyword string  `json:"keyword"`
	// Probability is the average over the windows.
	Probability float64 `json:"probability"`
}

// StreamEnd says what a stream was.
type StreamEnd struct {
	Seconds float64
	Windows int
	// OddByte says that the stream ended in the middle of a sample, whose first byte was left out.
	OddByte bool
	// First is the time that the first window took, compiling included, and Median that of the others, of the latest where
	// they are many; features and network.
	First, Median time.Duration
}

// Stream listens to 16-bit numbers, little-endian, one channel, [datasets.SpeechRate] of them a second, until r ends or ctx
// does, and tells found of every keyword. The windows lie around the moments 0, step, 2·step and so on, with silence before
// the stream's start and behind its end, so that a keyword at either end is heard like any other, half a second behind its
// middle. A detection is where the average of a keyword over the last windows is the largest of all classes, reaches the
// threshold, and no detection lies within the refractory time.
//
// A stream that is a recording with a header is an error: its samples would be read wrong. Where ctx ends, the error is
// ctx's, and a read that waits for r goes on until r gives something.
func (s *Spotter) Stream(ctx context.Context, r io.Reader, c StreamConfig, found func(Detection) error) (end StreamEnd, err error) {
	if err := c.Validate(); err != nil {
		return end, err
	}
	hop := max(1, int(math.Round(c.StepMS*datasets.SpeechRate/1000)))
	l := listener{spotter: s, config: c, found: found, hop: hop, last: math.Inf(-1)}
	pieces := pump(ctx, r, 2*hop)
	// sound begins with the silence before the stream.
	sound := make([]float32, window/2, 2*window)
	total, left := 0, []byte(nil)
	for open := true; open; {
		var p piece
		select {
		case p, open = <-pieces:
		case <-ctx.Done():
			return end, ctx.Err()
		}
		if p.err != nil {
			return end, fmt.Errorf("stream: after %.2f s: %w", seconds(total), p.err)
		}
		data := append(left, p.data...)
		if total == 0 {
			if err := noHeader(data); err != nil {
				return end, err
			}
		}
		n := len(data) / 2
		for i := range n {
			sound = append(sound, float32(int16(binary.LittleEndian.Uint16(data[2*i:])))/-math.MinInt16)
		}
		total, left = total+n, slices.Clone(data[2*n:])
		if sound, err = l.hear(sound); err != nil {
			return end, err
		}
	}
	if total > 0 {
		// Behind the end come silence for the windows around its last moments.
		sound = append(sound, make([]float32, window/2)...)
		if _, err := l.hear(sound); err != nil {
			return end, err
		}
	}
	end = StreamEnd{Seconds: seconds(total), Windows: l.windows, OddByte: len(left) > 0}
	end.First, end.Median = Times(l.took)
	return end, nil
}

// Times are the first of some durations and the median of the others; 0 where there is none.
func Times(all []time.Duration) (first, median time.Duration) {
	if len(all) == 0 {
		return 0, 0
	}
	rest := slices.Sorted(slices.Values(all[1:]))
	if n := len(rest); n > 0 {
		median = (rest[(n-1)/2] + rest[n/2]) / 2
	}
	return all[0], median
}

// headers are how files of sound begin that are no plain samples.
var headers = map[string]string{"RIFF": "WAV", "fLaC": "FLAC", "OggS": "Ogg", "ID3": "MP3", "FORM": "AIFF", ".snd": "AU"}

func noHeader(data []byte) error {
	for head, kind := range headers {
		if bytes.HasPrefix(data, []byte(head)) {
			return fmt.Errorf("stream: offset 0: expected plain samples (16 bit, little-endian, 16 kHz, one channel), got the header %q of a %s file", head, kind)
		}
	}
	return nil
}

// piece is what was read of a stream.
type piece struct {
	data []byte
	err  error
}

// pump reads r in pieces of a size, in a goroutine of its own so that the reader can stop waiting; it ends with r, or with
// ctx once r gives something.
func pump(ctx context.Context, r io.Reader, size int) <-chan piece {
	read := make(chan piece)
	go func() {
		defer close(read)
		for {
			p := piece{data: make([]byte, size)}
			n, err := io.ReadFull(r, p.data)
			p.data = p.data[:n]
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				p.err = err
			}
			select {
			case read <- p:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return read
}

// mostTimes bounds the times that a listener keeps: the first and the latest.
const mostTimes = 1000

// listener turns windows into detections.
type listener struct {
	spotter *Spotter
	config  StreamConfig
	found   func(Detection) error
	// hop is the step in samples.
	hop     int
	windows int
	// recent are the probabilities of the last windows.
	recent [][]float64
	// last is the second of the last detection.
	last float64
	took []time.Duration
}

// hear listens to the windows that sound holds, whose first begins with it, and returns what further ones need.
func (l *listener) hear(sound []float32) ([]float32, error) {
	at := 0
	for ; at+window <= len(sound); at += l.hop {
		began := time.Now()
		p, err := l.spotter.probabilities(sound[at : at+window])
		if err != nil {
			return nil, err
		}
		if l.took = append(l.took, time.Since(began)); len(l.took) > mostTimes {
			l.took = slices.Delete(l.took, 1, 2)
		}
		if l.recent = append(l.recent, p); len(l.recent) > l.config.Smooth {
			l.recent = l.recent[1:]
		}
		middle := seconds(l.windows*l.hop) - seconds((len(l.recent)-1)*l.hop)/2
		l.windows++
		if err := l.detect(middle); err != nil {
			return nil, err
		}
	}
	return append(sound[:0], sound[at:]...), nil
}

// detect looks at the average of the last windows, the middle of which is given in seconds.
func (l *listener) detect(middle float64) error {
	mean := make([]float64, len(l.recent[0]))
	for _, p := range l.recent {
		for i, v := range p {
			mean[i] += v / float64(len(l.recent))
		}
	}
	best := largest(mean)
	if !l.spotter.keyword(best) || mean[best] < l.config.Threshold || middle-l.last < l.config.RefractoryMS/1000 {
		return nil
	}
	l.last = middle
	return l.found(Detection{Second: middle, Keyword: l.spotter.model.ClassNames[best], Probability: mean[best]})
}

// keyword tells whether a class is one: not silence, and no unknown word.
func (s *Spotter) keyword(class int) bool {
	name := s.model.ClassNames[class]
	return name != datasets.SpeechClasses[0] && name != datasets.SpeechClasses[1]
}
