package plots

import (
	"bytes"
	"encoding/csv"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleRanking are networks whose one-shot accuracy follows the true one by a noise, in points, for each series.
func sampleRanking(n int, noises ...float64) []RankingSeries {
	random := rand.New(rand.NewPCG(1, 2))
	var series []RankingSeries
	for i, noise := range noises {
		s := RankingSeries{Name: []string{"strict", "uniform", "untrained", "expectation"}[i%4], Tau: &Tau{Value: 0.71 - 0.35*float64(i), Low: 0.68 - 0.35*float64(i), High: 0.74 - 0.35*float64(i), Level: 0.95}}
		for range n {
			accuracy := 93 - 8*math.Pow(random.ExpFloat64()/2, 1.5)
			s.True = append(s.True, max(accuracy, 45))
			s.OneShot = append(s.OneShot, min(max(accuracy-20-5*float64(i)+noise*random.NormFloat64(), 0), 100))
		}
		series = append(series, s)
	}
	return series
}

func sampleSamples() []Sample {
	var samples []Sample
	for _, s := range sampleRanking(400, 1, 3, 6) {
		samples = append(samples, Sample{s.Name, s.OneShot})
	}
	return samples
}

// sampleUpdates are flat and uniform counts of layers of m choices after n paths.
func sampleUpdates(layers, m, n int) []Updates {
	random := rand.New(rand.NewPCG(3, 4))
	strict, uniform := Updates{Name: "strict"}, Updates{Name: "uniform"}
	for range layers {
		flat, drawn := make([]int, m), make([]int, m)
		for i := range n {
			flat[i%m]++
			drawn[random.IntN(m)]++
		}
		strict.Counts, uniform.Counts = append(strict.Counts, flat), append(uniform.Counts, drawn)
	}
	return []Updates{strict, uniform}
}

func sampleAccuracies(epochs int) []AccuracySeries {
	var series []AccuracySeries
	for i, name := range []string{"strict", "uniform"} {
		s := AccuracySeries{Name: name}
		for e := range epochs {
			mean := 75 - 10*float64(i) - 50*math.Exp(-float64(e)/6)
			s.Epochs, s.Mean = append(s.Epochs, e+1), append(s.Mean, mean)
			s.Lowest, s.Highest = append(s.Lowest, mean-8-6*float64(i)), append(s.Highest, mean+9+3*math.Sin(float64(e)))
		}
		series = append(series, s)
	}
	return series
}

func sampleEvolution(generations, size int) Evolution {
	e := Evolution{Objectives: []Objective{{"one-shot accuracy (%)", true}, {"multiply-adds (millions)", false}, {"parameters (millions)", false}}}
	for g := range generations {
		f := Front{Generation: g}
		for i := range size {
			macs := 20 + 80*float64(i)/float64(max(size-1, 1)) + 3*math.Sin(float64(7*i+g))
			f.Values = append(f.Values, []float64{70 - 14*math.Exp(-macs/30) - 6*math.Exp(-float64(g)/4), macs, macs / 25})
		}
		e.Fronts = append(e.Fronts, f)
	}
	last := e.Fronts[generations-1].Values
	e.Chosen = []Choice{{"A", last[size-1]}, {"B", last[size/2]}, {"C", last[size/4]}}
	return e
}

func sampleEqual() RankingSeries {
	return RankingSeries{Name: "untrained", OneShot: []float64{10, 10, 10}, True: []float64{90, 90, 90}}
}

// One series, one network, equal values, limits of the range, many choices and many generations fit too.
func TestSupernetFiguresOfOtherSizes(t *testing.T) {
	single := sampleRanking(1, 1)
	single[0].Tau = nil
	negative := sampleRanking(50, 1)
	negative[0].Tau = &Tau{Value: -0.62, Low: -0.7, High: -0.5, Level: 0.9}
	for name, draw := range map[string]func() (Figure, error){
		"one network":  func() (Figure, error) { return Ranking(single, "") },
		"equal":        func() (Figure, error) { return Ranking([]RankingSeries{sampleEqual()}, "") },
		"negative":     func() (Figure, error) { return Ranking(negative, "") },
		"two":          func() (Figure, error) { return Ranking(sampleRanking(13, 1, 2), "") },
		"four":         func() (Figure, error) { return Ranking(sampleRanking(30, 1, 2, 3, 4), "") },
		"equal values": func() (Figure, error) { return Histograms([]Sample{{"a", []float64{10, 10}}}, "") },
		"limits":       func() (Figure, error) { return Histograms([]Sample{{"a", []float64{100}}, {"b", []float64{0}}}, "") },
		"five": func() (Figure, error) {
			return Histograms([]Sample{{"a", []float64{1}}, {"b", []float64{2}}, {"c", []float64{3}}, {"d", []float64{4}}, {"e", []float64{5}}}, "")
		},
		"one path":     func() (Figure, error) { return UpdateCounts(sampleUpdates(1, 2, 1), nil, "") },
		"one choice":   func() (Figure, error) { return UpdateCounts(sampleUpdates(3, 1, 9), []string{"only"}, "") },
		"many choices": func() (Figure, error) { return UpdateCounts(sampleUpdates(40, 13, 1300), nil, "") },
		"uneven":       func() (Figure, error) { return UpdateCounts([]Updates{{"a", [][]int{{2, 2, 2}, {3, 3}}}}, nil, "") },
		"one epoch":    func() (Figure, error) { return AccuracyRanges(sampleAccuracies(1), "") },
		"many epochs":  func() (Figure, error) { return AccuracyRanges(sampleAccuracies(150)[:1], "") },
		"flat": func() (Figure, error) {
			return AccuracyRanges([]AccuracySeries{{"a", []int{0, 5}, []float64{10, 10}, []float64{10, 10}, []float64{10, 10}}}, "")
		},
		"one point":     func() (Figure, error) { return Pareto(sampleEvolution(1, 1), "") },
		"two fronts":    func() (Figure, error) { return Pareto(sampleEvolution(2, 3), "") },
		"many networks": func() (Figure, error) { return Pareto(sampleEvolution(100, 70), "") },
	} {
		f, err := draw()
		require.NoError(t, err, name)
		assert.Empty(t, problems(f.Drawing), name)
		width, height := f.Size()
		assert.LessOrEqual(t, width, float64(pageWidth), name)
		assert.LessOrEqual(t, height, 640.0, name)
		var svg, picture bytes.Buffer
		require.NoError(t, f.WriteSVG(&svg))
		assert.NotContains(t, svg.String(), "NaN", name)
		assert.Less(t, svg.Len(), 600_000, name)
		require.NoError(t, f.WritePNG(&picture, 72))
	}
}

// All 6,561 networks of NAS-Bench-Macro for three series make an SVG that a page can hold.
func TestRankingOfManyNetworksIsSmall(t *testing.T) {
	f, err := Ranking(sampleRanking(6561, 1, 3, 8), "")
	require.NoError(t, err)
	assert.Empty(t, problems(f.Drawing))
	var svg bytes.Buffer
	require.NoError(t, f.WriteSVG(&svg))
	assert.Less(t, svg.Len(), 600_000)
	points := 0
	for _, m := range f.marks {
		if m.dots {
			points += len(m.points)
		}
	}
	assert.Equal(t, 3*6561+3, points) // three are in the legend
}

// Points of one path do not overlap, for there they would be no darker.
func TestCloudLayersOverlaps(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var points []point
	for range 400 {
		points = append(points, point{20 * random.Float64(), 20 * random.Float64()})
	}
	var d Drawing
	d.cloud(points, blue, 0.7, true)
	n := 0
	for _, m := range d.marks {
		n += len(m.points)
		for i, p := range m.points {
			for _, q := range m.points[:i] {
				assert.False(t, math.Abs(p.x-q.x) < 1.4 && math.Abs(p.y-q.y) < 1.4, "%v and %v", p, q)
			}
		}
	}
	assert.Equal(t, len(points), n)
	assert.Greater(t, len(d.marks), 1)
}

// Dots are as large in both formats: a square of the width around each point.
func TestDots(t *testing.T) {
	d := Drawing{width: 10, height: 10, marks: []mark{{points: []point{{3, 3}, {7, 7}}, line: blue, lineWidth: 2, dots: true}}}
	var picture, svg bytes.Buffer
	require.NoError(t, d.WritePNG(&picture, 72))
	img, err := png.Decode(&picture)
	require.NoError(t, err)
	var filled []image.Point
	for y := range 10 {
		for x := range 10 {
			if color.NRGBAModel.Convert(img.At(x, y)) == blue {
				filled = append(filled, image.Point{x, y})
			}
		}
	}
	assert.Equal(t, []image.Point{{2, 2}, {3, 2}, {2, 3}, {3, 3}, {6, 6}, {7, 6}, {6, 7}, {7, 7}}, filled)
	require.NoError(t, d.WriteSVG(&svg))
	assert.Contains(t, svg.String(), `<path d="M2,7L4,7M6,3L8,3"`)
}

func TestFit(t *testing.T) {
	intercept, slope, ok := fit([]float64{1, 2, 4}, []float64{5, 7, 11})
	assert.True(t, ok)
	assert.InDelta(t, 3, intercept, 1e-9)
	assert.InDelta(t, 2, slope, 1e-9)
	for _, x := range [][]float64{{1}, {1, 1}} {
		_, _, ok := fit(x, []float64{1, 2}[:len(x)])
		assert.False(t, ok)
	}
	// What leaves the chart is cut off.
	var d Drawing
	c := chart{rect{0, 0, 100, 100}, scale{low: 0, high: 10}, scale{low: 0, high: 10}}
	d.straight(c, -5, 2, 0, 10, look{width: 1})
	assert.Equal(t, []point{{25, 100}, {75, 0}}, d.marks[0].points)
}

// Twelve draws of three choices: mean 4, variance 12 (1/3) (2/3).
func TestDrawn(t *testing.T) {
	mean, sd := drawn(12, 3)
	assert.InDelta(t, 4, mean, 1e-12)
	assert.InDelta(t, math.Sqrt(8.0/3), sd, 1e-12)
	mean, sd = drawn(5, 1)
	assert.Equal(t, []float64{5, 0}, []float64{mean, sd})
}

// The line joins what nothing beats in the objectives that are drawn, by their directions.
func TestJoined(t *testing.T) {
	e := Evolution{Objectives: []Objective{{"accuracy", true}, {"multiply-adds", false}, {"parameters", false}}}
	front := [][]float64{{70, 9, 1}, {60, 3, 2}, {59, 4, 1}, {65, 9, 0}, {66, 5, 3}}
	assert.Equal(t, [][]float64{{60, 3, 2}, {66, 5, 3}, {70, 9, 1}}, e.joined(front))
	e.Objectives[0].Maximise, e.Objectives[1].Maximise = false, true
	assert.Equal(t, [][]float64{{59, 4, 1}, {65, 9, 0}}, e.joined(front))
}

// Later generations are darker, also to those who see no colours.
func TestSequenceDarkens(t *testing.T) {
	before := 256.0
	for i := range 11 {
		c := sequence(float64(i) / 10)
		light := 0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B)
		assert.Less(t, light, before)
		before = light
	}
}

func TestPercentScale(t *testing.T) {
	for _, v := range [][2]float64{{0, 0}, {100, 100}, {0, 100}, {99.9, 100}, {45.36, 93.13}, {10, 10}} {
		s := percentScale(v[0], v[1], 0.02, 6)
		assert.GreaterOrEqual(t, s.low, 0.0)
		assert.LessOrEqual(t, s.high, 100+1e-9)
		assert.True(t, s.low <= v[0] && v[1] <= s.high+1e-9 && s.low < s.high, "%v", v)
	}
}

// The figures can be drawn anew from their data.
func TestSupernetFigureData(t *testing.T) {
	read := func(f Figure, err error) [][]string {
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, f.WriteCSV(&b))
		rows, err := csv.NewReader(&b).ReadAll()
		require.NoError(t, err)
		return rows
	}
	ranked := sampleRanking(3, 1)
	ranked[0].OneShot, ranked[0].True, ranked[0].Networks = []float64{60, 61.5, 62}, []float64{90, 91, 92.25}, []string{"000", "012", "222"}
	rows := read(Ranking(append(ranked, sampleEqual()), ""))
	assert.Equal(t, []string{"series", "network", "one_shot_accuracy_percent", "true_accuracy_percent", "tau_b", "tau_b_low", "tau_b_high", "tau_b_level"}, rows[0])
	assert.Equal(t, []string{"strict", "012", "61.5", "91", "0.71", "0.68", "0.74", "0.95"}, rows[2])
	assert.Equal(t, []string{"untrained", "", "10", "90", "", "", "", ""}, rows[4])
	assert.Len(t, rows, 7)
	// A value at an edge is in the bin that begins there, the last but one; 100 % in the last.
	rows = read(Histograms([]Sample{{"a", []float64{0, 4, 100}}}, ""))
	assert.Equal(t, [][]string{{"a", "0", "0", "4"}, {"a", "4", "4", "8"}, {"a", "100", "96", "100"}}, rows[1:])
	rows = read(UpdateCounts([]Updates{{"u", [][]int{{1, 3}, {2, 2}}}}, []string{"identity", "3x3"}, ""))
	assert.Equal(t, [][]string{
		{"series", "layer", "choice", "name", "updates", "paths", "mean", "standard_deviation"},
		{"u", "1", "0", "identity", "1", "4", "2", "1"}, {"u", "1", "1", "3x3", "3", "4", "2", "1"},
		{"u", "2", "0", "identity", "2", "4", "2", "1"}, {"u", "2", "1", "3x3", "2", "4", "2", "1"},
	}, rows)
	rows = read(AccuracyRanges([]AccuracySeries{{"s", []int{4, 8}, []float64{20, 30}, []float64{10, 12.5}, []float64{40, 50}}}, ""))
	assert.Equal(t, [][]string{{"series", "epoch", "mean_percent", "lowest_percent", "highest_percent"}, {"s", "4", "20", "10", "40"}, {"s", "8", "30", "12.5", "50"}}, rows)
	rows = read(Pareto(sampleEvolution(2, 2), ""))
	assert.Equal(t, []string{"generation", "chosen", "one-shot accuracy (%), more is better", "multiply-adds (millions), less is better", "parameters (millions), less is better"}, rows[0])
	assert.Len(t, rows, 1+4+3)
	assert.Equal(t, []string{"0", ""}, rows[1][:2])
	assert.Equal(t, []string{"", "A"}, rows[5][:2])
	assert.Equal(t, rows[4][2:], rows[5][2:]) // A is the last of the last front
}

func TestBadSupernetFigures(t *testing.T) {
	nan := math.NaN()
	for want, change := range map[string]func([]RankingSeries){
		`series[1]: name: expected one of its own, got "strict"`:                            func(s []RankingSeries) { s[1].Name = "strict" },
		`series[0]: name: expected one of its own, got ""`:                                  func(s []RankingSeries) { s[0].Name = "" },
		"strict: expected as many true as one-shot accuracies, at least one, got 4 and 5":   func(s []RankingSeries) { s[0].True = s[0].True[1:] },
		"uniform: expected as many true as one-shot accuracies, at least one, got 0 and 0":  func(s []RankingSeries) { s[1].True, s[1].OneShot = nil, nil },
		"uniform: networks: expected none or 5, got 1":                                      func(s []RankingSeries) { s[1].Networks = []string{"a"} },
		"strict: one-shot[2]: expected from 0 to 100 %, got NaN":                            func(s []RankingSeries) { s[0].OneShot[2] = nan },
		"strict: true[4]: expected from 0 to 100 %, got 101":                                func(s []RankingSeries) { s[0].True[4] = 101 },
		"strict: tau: value: expected from -1 to 1, got NaN":                                func(s []RankingSeries) { s[0].Tau.Value = nan },
		"strict: tau: level: expected at least 0 and less than 1, got 95":                   func(s []RankingSeries) { s[0].Tau.Level = 95 },
		"uniform: tau: low and high: expected an interval within -1 and 1, got 0.5 and 0.3": func(s []RankingSeries) { s[1].Tau.Low, s[1].Tau.High = 0.5, 0.3 },
	} {
		s := sampleRanking(5, 1, 2)
		change(s)
		_, err := Ranking(s, "")
		assert.ErrorContains(t, err, "plots: ranking: "+want)
	}
	_, err := Ranking(nil, "")
	assert.ErrorContains(t, err, "plots: ranking: series: expected at least one, got none")

	for want, s := range map[string][]Sample{
		"series: expected at least one, got none":           nil,
		`series[1]: name: expected one of its own, got "a"`: {{"a", []float64{1}}, {"a", []float64{1}}},
		"a: values: expected at least one, got none":        {{"a", nil}},
		"b: values[1]: expected from 0 to 100 %, got -1":    {{"a", []float64{1}}, {"b", []float64{1, -1}}},
	} {
		_, err := Histograms(s, "")
		assert.ErrorContains(t, err, "plots: histograms: "+want)
	}

	for want, u := range map[string][]Updates{
		"series: expected at least one, got none":                                           nil,
		"a: counts: expected as many layers for each series, at least one, got 0 and 0":     {{"a", nil}},
		"b: counts: expected as many layers for each series, at least one, got 1 and 2":     {{"a", [][]int{{1, 1}}}, {"b", [][]int{{1, 1}, {1, 1}}}},
		"b: counts[0]: expected as many choices for each series, at least one, got 2 and 3": {{"a", [][]int{{1, 1}}}, {"b", [][]int{{1, 1, 1}}}},
		"a: counts[1]: expected the sum of every layer, 2, got 3":                           {{"a", [][]int{{1, 1}, {1, 2}}}},
		"a: counts[0][1]: expected at least 0, got -1":                                      {{"a", [][]int{{3, -1}}}},
		"a: counts: expected updates, got none":                                             {{"a", [][]int{{0, 0}}}},
		"choices: expected the names of 3, got 2":                                           {{"a", [][]int{{1, 1, 1}}}},
	} {
		_, err := UpdateCounts(u, []string{"one", "two"}, "")
		assert.ErrorContains(t, err, "plots: updates: "+want)
	}

	for want, change := range map[string]func([]AccuracySeries){
		`series[1]: name: expected one of its own, got "strict"`:                   func(s []AccuracySeries) { s[1].Name = "strict" },
		"strict: epochs: expected at least one, got none":                          func(s []AccuracySeries) { s[0].Epochs = nil },
		"strict: epochs[1]: expected more than 1, got 1":                           func(s []AccuracySeries) { s[0].Epochs[1] = 1 },
		"uniform: lowest: expected one for each of 3 epochs, got 2":                func(s []AccuracySeries) { s[1].Lowest = s[1].Lowest[1:] },
		"uniform: highest[2]: expected from 0 to 100 %, got NaN":                   func(s []AccuracySeries) { s[1].Highest[2] = nan },
		"strict: mean[0]: expected from the lowest, 17, to the highest, 34, got 3": func(s []AccuracySeries) { s[0].Mean[0] = 3 },
	} {
		s := sampleAccuracies(3)
		change(s)
		_, err := AccuracyRanges(s, "")
		assert.ErrorContains(t, err, "plots: accuracy-ranges: "+want)
	}
	_, err = AccuracyRanges(nil, "")
	assert.ErrorContains(t, err, "series: expected at least one, got none")

	for want, change := range map[string]func(*Evolution){
		"objectives: expected at least 2, got 1":                                    func(e *Evolution) { e.Objectives = e.Objectives[:1] },
		`objectives[1]: name: expected one of its own, got "one-shot accuracy (%)"`: func(e *Evolution) { e.Objectives[1].Name = e.Objectives[0].Name },
		"fronts: expected at least one, got none":                                   func(e *Evolution) { e.Fronts = nil },
		"fronts[2]: generation: expected more than 1, got 0":                        func(e *Evolution) { e.Fronts[2].Generation = 0 },
		"fronts[1]: values: expected at least one network, got none":                func(e *Evolution) { e.Fronts[1].Values = nil },
		"fronts[1].values[2]: expected 3 finite numbers, got [1]":                   func(e *Evolution) { e.Fronts[1].Values[2] = []float64{1} },
		"fronts[0].values[0]: expected 3 finite numbers, got [NaN 1 1]":             func(e *Evolution) { e.Fronts[0].Values[0] = []float64{nan, 1, 1} },
		"chosen[0]: name: expected one, got none":                                   func(e *Evolution) { e.Chosen[0].Name = "" },
		"chosen[1].values: expected 3 finite numbers, got []":                       func(e *Evolution) { e.Chosen[1].Values = nil },
	} {
		e := sampleEvolution(3, 4)
		change(&e)
		_, err := Pareto(e, "")
		assert.ErrorContains(t, err, "plots: pareto: "+want)
	}
}
