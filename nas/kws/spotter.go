// Package kws hears keywords: in clips and in a stream of sound, by a network that travels in the binary or by one of a
// training's run folder.
package kws

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/nas/zoo"
)

// window is the length in samples of what a network hears at once: a second.
const window = datasets.SpeechRate

// Spotter is a network with its weights. Its methods may be called by several goroutines, one runs at a time.
type Spotter struct {
	model     Model
	net       *zoo.Net
	extractor *audio.Extractor
	mu        sync.Mutex
}

// Default is the spotter whose network travels in the binary; README.md in this package's folder model says where it
// comes from.
func Default() (*Spotter, error) {
	files, err := fs.Sub(embedded, "model")
	if err != nil {
		return nil, err
	}
	m, w, err := readModel(files, "the binary's model")
	if err != nil {
		return nil, err
	}
	return newSpotter(m, w)
}

// Open makes a spotter of the run folder of a training on Speech Commands, or of a folder that [Export] wrote. Errors name
// the file and the field.
func Open(dir string) (*Spotter, error) {
	m, w, err := read(dir)
	if err != nil {
		return nil, err
	}
	return newSpotter(m, w)
}

func newSpotter(m Model, w zoo.Weights) (*Spotter, error) {
	extractor, err := audio.New(*m.Network.Features)
	if err != nil {
		return nil, err
	}
	net, err := zoo.New(m.Run.Name, m.Network)
	if err != nil {
		return nil, err
	}
	if err := net.Use(w); err != nil {
		return nil, err
	}
	return &Spotter{model: m, net: net, extractor: extractor}, nil
}

// Model says what the spotter is made of.
func (s *Spotter) Model() Model { return s.model }

// Classes are the names of the classes, in the order of probabilities.
func (s *Spotter) Classes() []string { return s.model.ClassNames }

// Heard is what a spotter says of a clip.
type Heard struct {
	// Keyword is the most probable class, which may be silence or an unknown word.
	Keyword     string  `json:"keyword"`
	Probability float64 `json:"probability"`
	// From and To bound what was listened to, in seconds of the clip.
	From float64 `json:"from_s"`
	To   float64 `json:"to_s"`
	// Probabilities of all classes, in their order.
	Probabilities []float64 `json:"-"`
	// Took is the time of features and network. That of the first clip has the compiling in it.
	Took time.Duration `json:"-"`
}

// Classify says what is heard in a clip of [datasets.SpeechRate] samples a second: in all of it where it is not longer than
// a second, as in training with silence behind it up to a second, else in its [Loudest] second.
func (s *Spotter) Classify(samples []float32) (Heard, error) {
	began := time.Now()
	if len(samples) == 0 {
		return Heard{}, errors.New("a clip without samples, expected at least one")
	}
	from := Loudest(samples, window)
	clip := samples[from:min(from+window, len(samples))]
	h := Heard{From: seconds(from), To: seconds(from + len(clip))}
	if len(clip) < window {
		clip = append(append(make([]float32, 0, window), clip...), make([]float32, window-len(clip))...)
	}
	p, err := s.probabilities(clip)
	if err != nil {
		return h, err
	}
	h.Probabilities = p
	best := largest(p)
	h.Keyword, h.Probability, h.Took = s.model.ClassNames[best], p[best], time.Since(began)
	return h, nil
}

// probabilities are those of a clip of a window's length.
func (s *Spotter) probabilities(clip []float32) ([]float64, error) {
	features, err := s.extractor.Features(clip)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.model.Network.Input
	x := tensors.FromFlatDataAndDimensions(features, 1, in[0], in[1], in[2])
	logits, err := s.net.Predict(x)
	if err := errors.Join(err, x.FinalizeAll()); err != nil {
		return nil, err
	}
	p := softmax(logits[0])
	for i, v := range p {
		if math.IsNaN(v) {
			return nil, fmt.Errorf("the network %s gives no number for the class %s: its weights are not finite", s.net.Name, s.model.ClassNames[i])
		}
	}
	return p, nil
}

func softmax(logits []float32) []float64 {
	most := math.Inf(-1)
	for _, v := range logits {
		most = math.Max(most, float64(v))
	}
	p, total := make([]float64, len(logits)), 0.0
	for i, v := range logits {
		p[i] = math.Exp(float64(v) - most)
		total += p[i]
	}
	for i := range p {
		p[i] /= total
	}
	return p
}

// largest is the index of the largest number, the first of equal ones.
func largest(p []float64) int {
	best := 0
	for i, v := range p {
		if v > p[best] {
			best = i
		}
	}
	return best
}

func seconds(samples int) float64 { return float64(samples) / datasets.SpeechRate }
