package kws

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
)

// pcm are samples as a stream has them.
func pcm(samples []float32) []byte {
	var out []byte
	for _, v := range samples {
		out = binary.LittleEndian.AppendUint16(out, uint16(int16(math.Round(float64(v)*math.MaxInt16))))
	}
	return out
}

// talk is a stream of clips with silence between them, and what is said when: the middle of a clip's energy, in seconds.
func talk(t *testing.T, s *Spotter, words *datasets.Clips, n int) (sound []float32, said []Detection) {
	t.Helper()
	for i, label := range words.Labels {
		if label < 2 || len(said) == n {
			continue
		}
		x, err := words.Clip(i)
		require.NoError(t, err)
		heard, err := s.Classify(x)
		require.NoError(t, err)
		if heard.Keyword != words.ClassNames[label] || heard.Probability < 0.8 {
			continue // what it does not hear in a clip says nothing of streams
		}
		energy, moment := 0.0, 0.0
		for k, v := range x {
			energy += float64(v * v)
			moment += float64(v*v) * seconds(k)
		}
		sound = append(sound, make([]float32, 8000)...)
		said = append(said, Detection{Second: seconds(len(sound)) + moment/energy, Keyword: heard.Keyword})
		sound = append(sound, x...)
	}
	return sound, said
}

// listen collects the detections.
func listen(t *testing.T, s *Spotter, r io.Reader, c StreamConfig) ([]Detection, StreamEnd) {
	t.Helper()
	var all []Detection
	end, err := s.Stream(t.Context(), r, c, func(d Detection) error {
		all = append(all, d)
		return nil
	})
	require.NoError(t, err)
	return all, end
}

// Words in a stream are told where they are, and however the stream comes in pieces.
func TestStream(t *testing.T) {
	s, words := spotter(t)
	sound, said := talk(t, s, words, 10)
	require.Len(t, said, 10)
	data := pcm(sound)
	got, end := listen(t, s, bytes.NewReader(data), DefaultStream())
	found := 0
	for _, want := range said {
		for _, d := range got {
			if d.Keyword == want.Keyword && math.Abs(d.Second-want.Second) < 0.25 {
				found++
				assert.GreaterOrEqual(t, d.Probability, 0.5)
				break
			}
		}
	}
	assert.GreaterOrEqual(t, found, 8, "said %v, heard %v", said, got)
	assert.LessOrEqual(t, len(got), 12, "said %v, heard %v", said, got)
	assert.Equal(t, seconds(len(sound)), end.Seconds)
	assert.Equal(t, int(end.Seconds/0.1)+1, end.Windows)
	assert.False(t, end.OddByte)
	assert.Positive(t, end.Median)
	for i := 1; i < len(got); i++ {
		assert.Greater(t, got[i].Second-got[i-1].Second, 0.499)
	}

	short := pcm(sound[:40000])
	want, _ := listen(t, s, bytes.NewReader(short), DefaultStream())
	require.NotEmpty(t, want)
	for name, r := range map[string]io.Reader{
		"halves":     iotest.HalfReader(bytes.NewReader(short)),
		"single":     iotest.OneByteReader(bytes.NewReader(short)),
		"end early":  iotest.DataErrReader(bytes.NewReader(short)),
		"a byte too": io.MultiReader(bytes.NewReader(short), bytes.NewReader([]byte{7})),
	} {
		got, end := listen(t, s, r, DefaultStream())
		assert.Equal(t, want, got, name)
		assert.Equal(t, name == "a byte too", end.OddByte, name)
		assert.Equal(t, seconds(40000), end.Seconds, name)
	}
}

// A word at the very start and one at the very end are heard; silence and streams of a few bytes are none.
func TestStreamEnds(t *testing.T) {
	s, words := spotter(t)
	sound, said := talk(t, s, words, 1)
	got, _ := listen(t, s, bytes.NewReader(pcm(sound[8000:])), DefaultStream())
	require.Len(t, got, 1)
	assert.Equal(t, said[0].Keyword, got[0].Keyword)
	assert.InDelta(t, said[0].Second-0.5, got[0].Second, 0.25)
	for _, n := range []int{0, 1, 2, 3, 1600, 1601, 32000} {
		got, end := listen(t, s, bytes.NewReader(make([]byte, n)), DefaultStream())
		assert.Empty(t, got, n)
		assert.Equal(t, n%2 == 1, end.OddByte, n)
		assert.Equal(t, seconds(n/2), end.Seconds, n)
	}
}

func TestStreamRefuses(t *testing.T) {
	s, _ := spotter(t)
	none := func(Detection) error { return nil }
	for header, kind := range headers {
		_, err := s.Stream(t.Context(), bytes.NewReader(append([]byte(header), make([]byte, 100)...)), DefaultStream(), none)
		assert.ErrorContains(t, err, "offset 0: expected plain samples")
		assert.ErrorContains(t, err, kind)
	}
	_, err := s.Stream(t.Context(), io.MultiReader(bytes.NewReader(make([]byte, 6400)), iotest.ErrReader(errors.New("unplugged"))), DefaultStream(), none)
	assert.ErrorContains(t, err, "stream: after 0.20 s: unplugged")
	for want, change := range map[string]func(*StreamConfig){
		"step_ms: expected 1 to 1000, got 0":                     func(c *StreamConfig) { c.StepMS = 0 },
		"smooth: expected an odd number from 1 to 999, got 4":    func(c *StreamConfig) { c.Smooth = 4 },
		"threshold: expected more than 0 and at most 1, got NaN": func(c *StreamConfig) { c.Threshold = math.NaN() },
		"threshold: expected more than 0 and at most 1, got 1.5": func(c *StreamConfig) { c.Threshold = 1.5 },
		"refractory_ms: expected 0 to 100000, got -1":            func(c *StreamConfig) { c.RefractoryMS = -1 },
		"refractory_ms: expected 0 to 100000, got +Inf":          func(c *StreamConfig) { c.RefractoryMS = math.Inf(1) },
	} {
		c := DefaultStream()
		change(&c)
		_, err := s.Stream(t.Context(), bytes.NewReader(nil), c, none)
		assert.ErrorContains(t, err, "stream: "+want)
	}
}

// The end of the context ends a wait for a stream that gives nothing.
func TestStreamStops(t *testing.T) {
	s, _ := spotter(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := s.Stream(ctx, r, DefaultStream(), func(Detection) error { return nil })
	assert.ErrorIs(t, err, context.Canceled)
}

// What is decided of given probabilities: the windows say "yes" as the numbers do, and silence else.
func TestDecide(t *testing.T) {
	for name, tc := range map[string]struct {
		smooth     int
		threshold  float64
		refractory float64
		yes        []float64
		want       []Detection
	}{
		"a peak":              {1, 0.5, 300, []float64{0, .6, .9, .7, 0, 0}, []Detection{{0.2, "yes", 0.9}}},
		"too low":             {1, 0.95, 300, []float64{0, .6, .9, .7, 0, 0}, nil},
		"at the threshold":    {1, 0.9, 300, []float64{.9}, []Detection{{0, "yes", 0.9}}},
		"two, apart":          {1, 0.5, 200, []float64{.9, 0, 0, .8, 0}, []Detection{{0, "yes", 0.9}, {0.3, "yes", 0.8}}},
		"two, near":           {1, 0.5, 300, []float64{.9, 0, 0, .8, 0}, []Detection{{0, "yes", 0.9}}},
		"the later, larger":   {1, 0.5, 300, []float64{.8, 0, 0, .9, 0}, []Detection{{0.3, "yes", 0.9}}},
		"equal ones":          {1, 0.5, 300, []float64{0, .9, .9, .9, 0}, []Detection{{0.1, "yes", 0.9}}},
		"at the end":          {1, 0.5, 300, []float64{0, 0, 0, .9}, []Detection{{0.3, "yes", 0.9}}},
		"smoothed":            {3, 0.5, 300, []float64{0, .6, .9, .6, 0, 0}, []Detection{{0.2, "yes", 0.7}}},
		"smoothed away":       {3, 0.5, 300, []float64{0, 0, 1, 0, 0, 0}, nil},
		"smoothed at an end":  {3, 0.5, 300, []float64{.8, .8, 0, 0}, []Detection{{0, "yes", 0.8}}},
		"fewer than averaged": {9, 0.5, 300, []float64{.8, .6}, []Detection{{0, "yes", 0.7}}},
		"no refractory time":  {1, 0.5, 0, []float64{.9, .8}, []Detection{{0, "yes", 0.9}, {0.1, "yes", 0.8}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Detection
			l := listener{spotter: &Spotter{model: Model{ClassNames: datasets.SpeechClasses}}, config: StreamConfig{100, tc.smooth, tc.threshold, tc.refractory},
				hop: 1600, apart: int(tc.refractory / 100), found: func(d Detection) error { got = append(got, d); return nil }}
			for _, p := range tc.yes {
				window := make([]float64, 12)
				window[0], window[2] = 1-p, p
				l.recent, l.windows = append(l.recent, window), l.windows+1
				require.NoError(t, l.decide(false))
				assert.LessOrEqual(t, len(l.recent), tc.smooth+1)
				assert.LessOrEqual(t, len(l.peaks), 2*l.apart+2)
			}
			require.NoError(t, l.decide(true))
			require.Len(t, got, len(tc.want))
			for i, want := range tc.want {
				assert.Equal(t, want.Keyword, got[i].Keyword)
				assert.InDelta(t, want.Second, got[i].Second, 1e-9)
				assert.InDelta(t, want.Probability, got[i].Probability, 1e-9)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	for _, tc := range []struct {
		all           []time.Duration
		first, median time.Duration
	}{
		{nil, 0, 0}, {[]time.Duration{9}, 9, 0}, {[]time.Duration{9, 5, 1, 3}, 9, 3}, {[]time.Duration{9, 4, 2}, 9, 3},
	} {
		first, median := Times(tc.all)
		assert.Equal(t, tc.first, first)
		assert.Equal(t, tc.median, median)
	}
}
