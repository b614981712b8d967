package plots

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleClip is a tone that rises, with a map of its bands and one of coefficients.
func sampleClip(samples, rate int) Clip {
	c := Clip{Rate: rate}
	length := float64(samples) / float64(rate)
	loud := func(at float64) float64 { return math.Exp(-math.Pow((at-0.45*length)/(0.17*length), 2)) }
	for i := range samples {
		at := float64(i) / float64(rate)
		c.Samples = append(c.Samples, float32(0.42*loud(at)*math.Sin(2*math.Pi*(300*at+500*at*at))))
	}
	bands := FeatureMap{Name: "log-mel", Unit: "ln", First: 0.02, Step: 0.02}
	coefficients := FeatureMap{Name: "MFCC", First: 0.02, Step: 0.02}
	for m := range 24 {
		bands.Hertz = append(bands.Hertz, 700*(math.Pow(10, (80+float64(m)*85)/2595)-1))
	}
	for f := 0; 0.02*float64(f+2) <= length+1e-9; f++ {
		at := 0.02 * float64(f+1)
		var row, cepstrum []float64
		for m := range 24 {
			row = append(row, math.Log(1e-4+loud(at)*math.Exp(-math.Pow(float64(m)-5-12*at/length, 2)/6)))
		}
		for k := range 13 {
			sum := 0.0
			for m, v := range row {
				sum += v * math.Cos(math.Pi*float64(k)*(float64(m)+0.5)/24) / 5
			}
			cepstrum = append(cepstrum, sum)
		}
		bands.Values, coefficients.Values = append(bands.Values, row), append(coefficients.Values, cepstrum)
	}
	c.Maps = []FeatureMap{bands, coefficients}
	return c
}

func TestSoundShowsItsNumbers(t *testing.T) {
	c := sampleClip(16000, 16000)
	f, err := Sound(c, "")
	require.NoError(t, err)
	text := data(t, f)
	assert.Equal(t, len(c.Maps[0].Values)*(24+13), strings.Count(text, "\nlog-mel,")+strings.Count(text, "\nMFCC,"))
	assert.Contains(t, text, "panel,seconds,row,value\nwaveform,")
	assert.Contains(t, f.Description(), "1 s at 16000 samples a second, amplitude up to 0.42; log-mel of 49 frames from -9.21 to ")
	var texts []string
	for _, x := range f.texts {
		texts = append(texts, spelled(x.runs))
	}
	for _, want := range []string{"seconds", "hertz", "coefficient", "amplitude", "1000", "0.5", "ln"} {
		assert.Contains(t, texts, want)
	}

	// A frequency's number stands at its row: those of the filters themselves at their middles.
	m := FeatureMap{Values: [][]float64{make([]float64, 5)}, Hertz: []float64{100, 500, 1000, 2000, 4000}}
	name, marks := m.rows()
	assert.Equal(t, "hertz", name)
	assert.Equal(t, []rowMark{{0, "100"}, {0.5, "300"}, {1, "500"}, {1.5, "750"}, {2, "1000"}, {2.5, "1500"}, {3, "2000"}, {3.5, "3000"}, {4, "4000"}}, marks)

	// Few samples are a line, and each is in the data.
	f, err = Sound(Clip{Samples: []float32{0, 0.5, -0.25}, Rate: 4}, "")
	require.NoError(t, err)
	assert.Equal(t, "panel,seconds,row,value\nwaveform,0,,0\nwaveform,0.25,,0.5\nwaveform,0.5,,-0.25\n", data(t, f))
	_, err = Sound(Clip{Samples: make([]float32, 16000), Rate: 16000}, "Silence")
	require.NoError(t, err)
}

func TestSoundIsChecked(t *testing.T) {
	for want, change := range map[string]func(*Clip){
		"expected at least one sample and a rate, got 0 and 8000":                     func(c *Clip) { c.Samples = nil },
		"expected at least one sample and a rate, got 4000 and 0":                     func(c *Clip) { c.Rate = 0 },
		"samples[3]: expected a finite number, got NaN":                               func(c *Clip) { c.Samples[3] = float32(math.NaN()) },
		`maps[1]: name: expected one of its own, got "log-mel"`:                       func(c *Clip) { c.Maps[1].Name = "log-mel" },
		"log-mel: values: expected at least one frame":                                func(c *Clip) { c.Maps[0].Values = nil },
		"MFCC: values[2]: expected 13 rows, got 12":                                   func(c *Clip) { c.Maps[1].Values[2] = c.Maps[1].Values[2][:12] },
		"MFCC: values[2][1]: expected a finite number, got +Inf":                      func(c *Clip) { c.Maps[1].Values[2][1] = math.Inf(1) },
		"log-mel: hertz: expected one for each of 24 rows, got 23":                    func(c *Clip) { c.Maps[0].Hertz = c.Maps[0].Hertz[:23] },
		"log-mel: hertz[1]: expected finite numbers that rise, got 0":                 func(c *Clip) { c.Maps[0].Hertz[1] = 0 },
		"log-mel: step: expected seconds above 0, and a finite first, got 0 and 0.02": func(c *Clip) { c.Maps[0].Step = 0 },
	} {
		c := sampleClip(4000, 8000)
		change(&c)
		_, err := Sound(c, "")
		assert.ErrorContains(t, err, "plots: sound: ")
		assert.ErrorContains(t, err, strings.TrimPrefix(want, "maps"))
	}
}
