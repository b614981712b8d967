package plots

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// SpreadSeries is a number over the epochs of runs that differ in their seed alone.
type SpreadSeries struct {
	Name string
	// Epochs ascend and are those of all seeds.
	Epochs []int
	// Seeds has names, Values are [seed][epoch].
	Seeds  []uint64
	Values [][]float64
}

func (s SpreadSeries) check() error {
	if len(s.Seeds) == 0 || len(s.Values) != len(s.Seeds) {
		return fmt.Errorf("seeds: expected at least one, and values for each, got %d and %d", len(s.Seeds), len(s.Values))
	}
	for i, values := range s.Values {
		if err := (EpochSeries{Epochs: s.Epochs, Values: values}).check(); err != nil {
			return fmt.Errorf("seed %d: %w", s.Seeds[i], err)
		}
	}
	return nil
}

// at are the values of all seeds at the kth epoch, ascending.
func (s SpreadSeries) at(k int) []float64 {
	var out []float64
	for _, values := range s.Values {
		out = append(out, values[k])
	}
	slices.Sort(out)
	return out
}

// Spreads draws the mean over the seeds with a band from the lowest to the highest, and each seed's own line, thin; yName
// says what the number is.
func Spreads(series []SpreadSeries, yName, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: spreads: %s", fmt.Sprintf(format, args...))
	}
	if err := checkNames(series, func(s SpreadSeries) string { return s.Name }); err != nil {
		return fail("%s", err)
	}
	var all [][]float64
	first, last := math.MaxInt, math.MinInt
	for _, s := range series {
		if err := s.check(); err != nil {
			return fail("%s: %s", s.Name, err)
		}
		all = append(all, s.Values...)
		first, last = min(first, s.Epochs[0]), max(last, s.Epochs[len(s.Epochs)-1])
	}
	low, high := spread(all...)
	y := roundScale(min(low, 0), high, 6, false)
	c := bandChart(first, last, y)
	rows := [][]string{{"series", "seed", "epoch", "value"}}
	var words []string
	var list []entry
	var d, means Drawing // means lie over all bands
	d.grid(c, true, true, false)
	for i, s := range series {
		l := seriesLook(i)
		band := translucent(l.color, 0.15)
		var lower, middle, upper []point
		mean := make([]float64, len(s.Epochs))
		for k, epoch := range s.Epochs {
			values := s.at(k)
			mean[k] = meanOf(values)
			e := float64(epoch)
			lower, middle, upper = append(lower, c.at(e, values[0])), append(middle, c.at(e, mean[k])), append(upper, c.at(e, values[len(values)-1]))
		}
		d.marks = append(d.marks, mark{points: ring(lower, upper), fill: band, backdrop: true})
		for k, values := range s.Values {
			var line []point
			for j, v := range values {
				line = append(line, c.at(float64(s.Epochs[j]), v))
				rows = append(rows, []string{s.Name, strconv.FormatUint(s.Seeds[k], 10), strconv.Itoa(s.Epochs[j]), exact(v)})
			}
			d.marks = append(d.marks, mark{points: line, line: translucent(l.color, 0.55), lineWidth: thinWidth, backdrop: true})
		}
		for k, v := range mean {
			rows = append(rows, []string{s.Name, "mean", strconv.Itoa(s.Epochs[k]), exact(v)})
		}
		if len(middle) == 1 {
			means.marker(l, middle[0], bandMarker)
		} else {
			means.marks = append(means.marks, mark{points: middle, line: l.color, lineWidth: l.width + 0.5, dash: l.dash, backdrop: true})
		}
		list = append(list, entry{fmt.Sprintf("%s: mean and range of %s", s.Name, plural(len(s.Seeds), "seed")), func(d *Drawing, r rect) {
			y := (r.y0 + r.y1) / 2
			d.marks = append(d.marks, mark{points: corners(r), fill: band}, mark{points: []point{{r.x0, y}, {r.x1, y}}, line: l.color, lineWidth: l.width + 0.5, dash: l.dash})
		}})
		end := len(mean) - 1
		words = append(words, fmt.Sprintf("%s, %s: mean from %s to %s", s.Name, plural(len(s.Seeds), "seed"), number(mean[0], 4), number(mean[end], 4)))
	}
	d.marks = append(d.marks, means.marks...)
	d.bandFrame(c, yName, list)
	return Figure{d.framed(title, capital(yName), fmt.Sprintf("%s over epochs %d to %d, mean and range over seeds. %s.", capital(yName), first, last, strings.Join(words, "; "))), rows}, nil
}

// bandMarker is the radius of a mean of one epoch alone.
const bandMarker = 2.6

// bandChart is the chart of bands over the epochs from first to last.
func bandChart(first, last int, y scale) chart {
	const height, width = 190, 400
	x := roundScale(float64(first), float64(last), 8, true)
	if last > first {
		x = fixedScale(float64(first), float64(last), 8, true)
	}
	left := textSize + 3 + yTextWidth(y)
	return chart{rect{left, 0, left + width, height}, x, y}
}

// bandFrame draws a [bandChart]'s axes with their names, and the legend.
func (d *Drawing) bandFrame(c chart, yName string, list []entry) {
	height, middle := c.rect.y1, (c.rect.x0+c.rect.x1)/2
	d.axes(c)
	d.yName(point{0, height / 2}, yName)
	d.xName(point{middle, height + tickDrop + tickSize + 3}, "epoch")
	d.entries(list, middle, height+legendDrop, c.rect.x1-c.rect.x0)
}

// meanOf is the mean of at least one number.
func meanOf(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
