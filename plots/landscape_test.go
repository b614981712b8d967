package plots

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleLandscapes are n hills of points steps to each side, each steeper than the one before.
func sampleLandscapes(n, points int) []LandscapeMap {
	var out []LandscapeMap
	for i := range n {
		m := LandscapeMap{Name: "method " + strconv.Itoa(i)}
		for k := range points {
			m.Axis = append(m.Axis, 2*float64(k)/float64(points-1)-1)
		}
		for _, y := range m.Axis {
			var accuracy, loss []float64
			for _, x := range m.Axis {
				r := (x*x + 0.5*y*y + 0.3*x*y) * float64(i+1)
				accuracy, loss = append(accuracy, 10+30*math.Exp(-r)), append(loss, 1.5+0.4*r)
			}
			m.Accuracy, m.Loss = append(m.Accuracy, accuracy), append(m.Loss, loss)
		}
		out = append(out, m)
	}
	return out
}

// sampleSpreads are three methods' numbers over epochs of so many seeds.
func sampleSpreads(seeds, epochs int) []SpreadSeries {
	var out []SpreadSeries
	for i, name := range []string{"DARTS in S3", "DARTS- in S3"} {
		s := SpreadSeries{Name: name}
		for e := range epochs {
			s.Epochs = append(s.Epochs, e+1)
		}
		for seed := range seeds {
			s.Seeds = append(s.Seeds, uint64(seed))
			var values []float64
			for e := range epochs {
				values = append(values, 0.2+0.1*math.Sin(float64(e*(i+1)+seed))+0.05*float64(seed+i))
			}
			s.Values = append(s.Values, values)
		}
		out = append(out, s)
	}
	return out
}

func data(t *testing.T, f Figure) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, f.WriteCSV(&b))
	return b.String()
}

// Lines of equal height lie where a plane has it, and there are none where it does not reach.
func TestContour(t *testing.T) {
	axis := []float64{-1, 0, 1, 3}
	var plane [][]float64
	for _, y := range axis {
		var row []float64
		for _, x := range axis {
			row = append(row, 2*x+y)
		}
		plane = append(plane, row)
	}
	lines := contour(axis, plane, 1.5)
	require.NotEmpty(t, lines)
	for _, line := range lines {
		for _, p := range line {
			assert.InDelta(t, 1.5, 2*p[0]+p[1], 1e-12)
		}
	}
	assert.Empty(t, contour(axis, plane, 10))
}

func TestLandscapesShowTheirNumbers(t *testing.T) {
	maps := sampleLandscapes(2, 3)
	maps[1].Accuracy[0][2], maps[1].Loss[0][2] = 12.5, 3.25
	f, err := Landscapes(maps, "")
	require.NoError(t, err)
	assert.Contains(t, data(t, f), "series,second,first,accuracy_percent,loss\n")
	assert.Contains(t, data(t, f), "method 1,-1,1,12.5,3.25\n")
	assert.Contains(t, f.Description(), "method 0: accuracy 40 % in the middle")
	for want, change := range map[string]func([]LandscapeMap) []LandscapeMap{
		"axis: expected at least 3 steps, got 2":                            func(m []LandscapeMap) []LandscapeMap { m[0].Axis = m[0].Axis[:2]; return m },
		"axis[1]: expected ascending finite numbers":                        func(m []LandscapeMap) []LandscapeMap { m[0].Axis[1] = -2; return m },
		"loss: expected a row for each of 3 steps, got 2":                   func(m []LandscapeMap) []LandscapeMap { m[0].Loss = m[0].Loss[:2]; return m },
		"accuracy[1]: expected a number for each of 3 steps, got 1":         func(m []LandscapeMap) []LandscapeMap { m[0].Accuracy[1] = m[0].Accuracy[1][:1]; return m },
		"loss[2][0]: expected a finite number, a loss more than 0, got NaN": func(m []LandscapeMap) []LandscapeMap { m[0].Loss[2][0] = math.NaN(); return m },
		"accuracy":                  func(m []LandscapeMap) []LandscapeMap { m[0].Accuracy[0][0] = 101; return m },
		"expected at most 4, got 5": func([]LandscapeMap) []LandscapeMap { return sampleLandscapes(5, 3) },
	} {
		_, err := Landscapes(change(sampleLandscapes(1, 3)), "")
		assert.ErrorContains(t, err, want)
	}
	_, err = Landscapes(nil, "")
	assert.Error(t, err)
}

func TestSpreadsShowTheirNumbers(t *testing.T) {
	f, err := Spreads([]SpreadSeries{{"a", []int{1, 2}, []uint64{0, 7}, [][]float64{{1, 2}, {3, 5}}}}, "size", "")
	require.NoError(t, err)
	text := data(t, f)
	assert.Contains(t, text, "a,7,2,5\n")
	assert.Contains(t, text, "a,mean,2,3.5\n")
	assert.True(t, strings.HasPrefix(f.Description(), "Size over epochs 1 to 2, mean and range over seeds. a, 2 seeds: mean from 2 to 3.5"), f.Description())
	for want, s := range map[string]SpreadSeries{
		"a: seeds: expected at least one":            {Name: "a", Epochs: []int{1}},
		"a: seed 3: expected at least one epoch":     {"a", []int{1, 2}, []uint64{3}, [][]float64{{1}}},
		"a: seed 3: values[1]: expected a finite":    {"a", []int{1, 2}, []uint64{3}, [][]float64{{1, math.Inf(1)}}},
		"a: seed 3: epochs[1]: expected more than 2": {"a", []int{2, 2}, []uint64{3}, [][]float64{{1, 1}}},
	} {
		_, err := Spreads([]SpreadSeries{s}, "size", "")
		assert.ErrorContains(t, err, want)
	}
}
