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
	// Smooth is the number of windows whose probabilities are averaged, around each one, an odd number; 5.
	Smooth int `json:"smooth"`
	// Threshold is what the average of a keyword must reach; 0.5.
	Threshold float64 `json:"threshold"`
	// RefractoryMS is the time in milliseconds before and behind a detection without another: of what reaches the threshold
	// the most probable is kept; 500. Windows that hold but a part of a word are taken for others and so give way to it.
	RefractoryMS float64 `json:"refractory_ms"`
}

// DefaultStream is the configuration that the fields of [StreamConfig] name.
func DefaultStream() StreamConfig {
	return StreamConfig{StepMS: 100, Smooth: 5, Threshold: 0.5, RefractoryMS: 500}
}

// Validate reports the first field out of range.
func (c StreamConfig) Validate() error {
	if !(c.StepMS >= 1 && c.StepMS <= 1000) {
		return fmt.Errorf("stream: step_ms: expected 1 to 1000, got %g", c.StepMS)
	}
	if c.Smooth < 1 || c.Smooth > 999 || c.Smooth%2 == 0 {
		return fmt.Errorf("stream: smooth: expected an odd number from 1 to 999, got %d", c.Smooth)
	}
	if !(c.Threshold > 0 && c.Threshold <= 1) {
		return fmt.Errorf("stream: threshold: expected more than 0 and at most 1, got %g", c.Threshold)
	}
	if !(c.RefractoryMS >= 0 && c.RefractoryMS <= 1e5) {
		return fmt.Errorf("stream: refractory_ms: expected 0 to 100000, got %g", c.RefractoryMS)
	}
	return nil
}

// Detection is a keyword in a stream.
type Detection struct {
	// Second is the middle of the windows that were averaged, in seconds from the stream's start: the middle of the keyword,
	// within a step or two.
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
// the stream's start and behind its end, so that a keyword at either end is heard like any other. A detection is where the
// average of a keyword is the largest of all classes, reaches the threshold, and is the largest within the refractory time
// on both sides. It is told half a second, the refractory time and half the averaged windows behind its moment: 1.2 s by
// the defaults.
//
// A stream that begins as a file of sound with a header is an error: its samples would be read wrong. Where ctx ends, the
// error is ctx's, and a read that waits for r goes on until r gives something.
func (s *Spotter) Stream(ctx context.Context, r io.Reader, c StreamConfig, found func(Detection) error) (end StreamEnd, err error) {
	if err := c.Validate(); err != nil {
		return end, err
	}
	hop := max(1, int(math.Round(c.StepMS*datasets.SpeechRate/1000)))
	l := listener{spotter: s, config: c, found: found, hop: hop, apart: int(math.Round(c.RefractoryMS / c.StepMS))}
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
		if err := l.decide(true); err != nil {
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
	// hop is the step in samples, apart the refractory time in steps.
	hop, apart int
	// windows, means and decided count the windows that were heard, averaged, and decided on.
	windows, means, decided int
	// recent are the probabilities of the last windows, peaks the largest averages.
	recent [][]float64
	peaks  []peak
	took   []time.Duration
}

// peak is the largest average at a window; a probability of 0 stands for silence and unknown words.
type peak struct {
	class       int
	probability float64
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
		l.recent, l.windows = append(l.recent, p), l.windows+1
		if err := l.decide(false); err != nil {
			return nil, err
		}
	}
	return append(sound[:0], sound[at:]...), nil
}

// decide averages and decides as far as the windows that were heard allow: those behind are waited for, except at the end.
func (l *listener) decide(end bool) error {
	side := l.config.Smooth / 2
	for ; l.means < l.windows && (end || l.means+side < l.windows); l.means++ {
		// recent ends with the last window and peaks with the last average.
		first := l.windows - len(l.recent)
		l.recent = l.recent[max(l.means-side-first, 0):]
		first = l.windows - len(l.recent)
		l.peaks = append(l.peaks, l.spotter.peak(l.recent[:min(l.means+side+1, l.windows)-first]))
	}
	for ; l.decided < l.means && (end || l.decided+l.apart < l.means); l.decided++ {
		first := l.means - len(l.peaks)
		l.peaks = l.peaks[max(l.decided-l.apart-first, 0):]
		at := l.decided - (l.means - len(l.peaks))
		own := l.peaks[at]
		if own.probability < l.config.Threshold || !isPeak(l.peaks[:min(at+l.apart+1, len(l.peaks))], at) {
			continue
		}
		if err := l.found(Detection{seconds(l.decided * l.hop), l.spotter.model.ClassNames[own.class], own.probability}); err != nil {
			return err
		}
	}
	return nil
}

// isPeak tells whether none before is as large and none behind is larger.
func isPeak(peaks []peak, at int) bool {
	for i, p := range peaks {
		if p.probability > peaks[at].probability || i < at && p.probability == peaks[at].probability {
			return false
		}
	}
	return true
}

// peak is the largest average of windows.
func (s *Spotter) peak(windows [][]float64) peak {
	mean := make([]float64, len(windows[0]))
	for _, p := range windows {
		for i, v := range p {
			mean[i] += v / float64(len(windows))
		}
	}
	best := largest(mean)
	if name := s.model.ClassNames[best]; name == datasets.SpeechClasses[0] || name == datasets.SpeechClasses[1] {
		return peak{class: best}
	}
	return peak{best, mean[best]}
}
