package plots

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Updates counts how often a sampling has trained the blocks of a supernet.
type Updates struct {
	Name string
	// Counts are [layer][choice]; every layer has the same sum, for a path takes one choice of each.
	Counts [][]int
}

// drawn are the mean and the standard deviation of the updates of one of m choices after n paths drawn uniformly.
func drawn(n, m int) (mean, sd float64) {
	p := 1 / float64(m)
	return float64(n) * p, math.Sqrt(float64(n) * p * (1 - p))
}

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// UpdateCounts draws how often every choice of every layer was trained, one chart for each sampling below another.
// Behind the counts lies what n paths drawn uniformly give: the mean n/m of m choices, and two standard deviations
// sqrt(n (1/m) (1 - 1/m)) to each side. choices are the names of the choices by number; nil prints the numbers.
func UpdateCounts(series []Updates, choices []string, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: updates: %s", fmt.Sprintf(format, args...))
	}
	if err := checkNames(series, func(u Updates) string { return u.Name }); err != nil {
		return fail("%s", err)
	}
	most, layers := 0, len(series[0].Counts)
	// reach is how far a chart reaches to each side of the means.
	reach := 0.0
	for _, u := range series {
		if len(u.Counts) == 0 || len(u.Counts) != layers {
			return fail("%s: counts: expected as many layers for each series, at least one, got %d and %d", u.Name, layers, len(u.Counts))
		}
		for l, counts := range u.Counts {
			for k, c := range counts {
				if c < 0 {
					return fail("%s: counts[%d][%d]: expected at least 0, got %d", u.Name, l, k, c)
				}
			}
		}
		n := sum(u.Counts[0])
		if n < 1 {
			return fail("%s: counts: expected updates, got none", u.Name)
		}
		for l, counts := range u.Counts {
			if len(counts) == 0 || len(counts) != len(series[0].Counts[l]) {
				return fail("%s: counts[%d]: expected as many choices for each series, at least one, got %d and %d", u.Name, l, len(series[0].Counts[l]), len(counts))
			}
			if sum(counts) != n {
				return fail("%s: counts[%d]: expected the sum of every layer, %d, got %d", u.Name, l, n, sum(counts))
			}
			mean, sd := drawn(n, len(counts))
			reach = max(reach, 2*sd)
			for _, c := range counts {
				reach = max(reach, math.Abs(float64(c)-mean))
			}
			most = max(most, len(counts))
		}
	}
	if choices == nil {
		for k := range most {
			choices = append(choices, "choice "+strconv.Itoa(k))
		}
	}
	if len(choices) < most {
		return fail("choices: expected the names of %d, got %d", most, len(choices))
	}
	const (
		gapY     = 9
		top      = headerSize + 4
		noteSize = textSize - 0.5
	)
	height := max(70, 150-30*float64(len(series)-1))
	ys := make([]scale, len(series))
	room := 0.0
	for i, u := range series {
		n := sum(u.Counts[0])
		low, high := math.Inf(1), math.Inf(-1)
		for _, counts := range u.Counts {
			mean, _ := drawn(n, len(counts))
			low, high = min(low, mean-1.05*reach), max(high, mean+1.05*reach)
		}
		ys[i] = roundScale(max(low, 0), high, 4, true)
		room = max(room, yTextWidth(ys[i]))
	}
	left := textSize + 3 + room
	width := min(contentWidth-left, 44*float64(layers))
	width = max(width, 150)
	x := scale{low: 0.5, high: float64(layers) + 0.5}
	slot := width / float64(layers)
	between := 0.8 * slot / float64(most)
	radius := min(max(0.6*between, 1.6), 2.6)
	pale, middle := tint(muted, 0.25), look{color: muted, width: lineWidth}
	rows := [][]string{{"series", "layer", "choice", "name", "updates", "paths", "mean", "standard_deviation"}}
	var words []string
	var d Drawing
	bottom := 0.0
	for i, u := range series {
		y0 := float64(i)*(top+height+gapY) + top
		c := chart{rect{left, y0, left + width, y0 + height}, x, ys[i]}
		n := sum(u.Counts[0])
		d.write(point{left, y0 - 4 - descent*headerSize}, 0, muted, run{s: u.Name, size: headerSize, bold: true})
		var lower, upper, line []point
		furthest := 0.0
		for l, counts := range u.Counts {
			mean, sd := drawn(n, len(counts))
			for _, side := range []float64{-0.5, 0.5} {
				at := float64(l+1) + side
				lower, upper = append(lower, c.at(at, max(mean-2*sd, c.y.low))), append(upper, c.at(at, min(mean+2*sd, c.y.high)))
				line = append(line, c.at(at, mean))
			}
			for k, v := range counts {
				rows = append(rows, []string{u.Name, strconv.Itoa(l + 1), strconv.Itoa(k), choices[k], strconv.Itoa(v), strconv.Itoa(n), exact(mean), exact(sd)})
				furthest = max(furthest, math.Abs(float64(v)-mean))
			}
		}
		d.marks = append(d.marks, mark{points: ring(lower, upper), fill: pale, backdrop: true})
		d.grid(c, false, true, false)
		d.marks = append(d.marks, mark{points: line, line: middle.color, lineWidth: middle.width, backdrop: true})
		for l, counts := range u.Counts {
			for k, v := range counts {
				p := c.at(float64(l+1), float64(v))
				p.x += between * (float64(k) - float64(len(counts)-1)/2)
				d.marker(seriesLook(k), p, radius)
			}
		}
		d.axes(c)
		lowest, highest := u.Counts[0][0], u.Counts[0][0]
		for _, counts := range u.Counts {
			lowest, highest = min(lowest, slices.Min(counts)), max(highest, slices.Max(counts))
		}
		note := fmt.Sprintf("%s, furthest from the mean %s", plural(n, "path"), number(furthest, 1))
		d.write(point{left + width, y0 - 4 - descent*headerSize}, 1, ink, digits(note, noteSize)...)
		words = append(words, fmt.Sprintf("%s: %s, updates of a choice from %d to %d, furthest from the mean %s", u.Name, plural(n, "path"), lowest, highest, number(furthest, 1)))
		bottom = c.y1
	}
	widest := textWidth(digits(strconv.Itoa(layers), tickSize))
	every := int(math.Ceil((widest + 3) / slot))
	for l := 0; l < layers; l += every {
		d.write(point{left + (float64(l)+0.5)*slot, bottom + tickDrop + ascent*tickSize}, 0.5, ink, digits(strconv.Itoa(l+1), tickSize)...)
	}
	d.yName(point{0, (top + bottom) / 2}, "updates")
	d.xName(point{left + width/2, bottom + tickDrop + tickSize + 3}, "layer")
	var list []entry
	for k := range most {
		list = append(list, markerEntry(choices[k], seriesLook(k), 2.4))
	}
	list = append(list, entry{"uniform draws: mean, 2 standard deviations to each side", func(d *Drawing, r rect) {
		y := (r.y0 + r.y1) / 2
		d.marks = append(d.marks, mark{points: corners(r), fill: pale, backdrop: true},
			mark{points: []point{{r.x0, y}, {r.x1, y}}, line: middle.color, lineWidth: middle.width, backdrop: true})
	}})
	d.entries(list, left+width/2, bottom+legendDrop, max(width, 300))
	return Figure{d.framed(title, "Updates by choice", fmt.Sprintf("Updates of every choice in %s. %s.", plural(layers, "layer"), strings.Join(words, "; "))), rows}, nil
}

// AccuracySeries is the training accuracy of a supernet's paths under one sampling.
type AccuracySeries struct {
	Name string
	// Epochs ascend; Mean, Lowest and Highest are accuracies in percent, one of each for every epoch.
	Epochs                []int
	Mean, Lowest, Highest []float64
}

func (s AccuracySeries) check() error {
	n := len(s.Epochs)
	if n == 0 {
		return fmt.Errorf("epochs: expected at least one, got none")
	}
	for i := 1; i < n; i++ {
		if s.Epochs[i] <= s.Epochs[i-1] {
			return fmt.Errorf("epochs[%d]: expected more than %d, got %d", i, s.Epochs[i-1], s.Epochs[i])
		}
	}
	for _, part := range []struct {
		field  string
		values []float64
	}{{"mean", s.Mean}, {"lowest", s.Lowest}, {"highest", s.Highest}} {
		if len(part.values) != n {
			return fmt.Errorf("%s: expected one for each of %d epochs, got %d", part.field, n, len(part.values))
		}
		if err := checkPercent(part.field, part.values); err != nil {
			return err
		}
	}
	for i, m := range s.Mean {
		const rounding = 1e-6 // of a mean of equal values
		if m < s.Lowest[i]-rounding || m > s.Highest[i]+rounding {
			return fmt.Errorf("mean[%d]: expected from the lowest, %g, to the highest, %g, got %g", i, s.Lowest[i], s.Highest[i], m)
		}
	}
	return nil
}

// AccuracyRanges draws the mean training accuracy of paths over the epochs, with a band from the lowest to the highest,
// for each series.
func AccuracyRanges(series []AccuracySeries, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: accuracy-ranges: %s", fmt.Sprintf(format, args...))
	}
	if err := checkNames(series, func(s AccuracySeries) string { return s.Name }); err != nil {
		return fail("%s", err)
	}
	var all [][]float64
	first, last := math.MaxInt, math.MinInt
	for _, s := range series {
		if err := s.check(); err != nil {
			return fail("%s: %s", s.Name, err)
		}
		all = append(all, s.Lowest, s.Highest)
		first, last = min(first, s.Epochs[0]), max(last, s.Epochs[len(s.Epochs)-1])
	}
	low, high := spread(all...)
	y := percentScale(low, high, 0, 6)
	c := bandChart(first, last, y)
	rows := [][]string{{"series", "epoch", "mean_percent", "lowest_percent", "highest_percent"}}
	var words []string
	var list []entry
	var d Drawing
	d.grid(c, true, true, false)
	var means Drawing // over all bands
	for i, s := range series {
		l := seriesLook(i)
		band := translucent(l.color, 0.18)
		var lower, middle, upper []point
		for k, epoch := range s.Epochs {
			e := float64(epoch)
			lower, middle, upper = append(lower, c.at(e, s.Lowest[k])), append(middle, c.at(e, s.Mean[k])), append(upper, c.at(e, s.Highest[k]))
			rows = append(rows, []string{s.Name, strconv.Itoa(epoch), exact(s.Mean[k]), exact(s.Lowest[k]), exact(s.Highest[k])})
		}
		end := len(s.Epochs) - 1
		if end == 0 { // a bar, beside those of other series
			p := float64(5*i) - 2.5*float64(len(series)-1)
			bar := []point{{lower[0].x + p, lower[0].y}, {upper[0].x + p, upper[0].y}}
			d.marks = append(d.marks, mark{points: bar, line: l.color, lineWidth: l.width, backdrop: true})
			means.marker(l, point{middle[0].x + p, middle[0].y}, bandMarker)
		} else {
			d.marks = append(d.marks, mark{points: ring(lower, upper), fill: band, backdrop: true})
			for _, edge := range [][]point{lower, upper} {
				d.marks = append(d.marks, mark{points: edge, line: translucent(l.color, 0.6), lineWidth: thinWidth, backdrop: true})
			}
			means.marks = append(means.marks, mark{points: middle, line: l.color, lineWidth: l.width, dash: l.dash, backdrop: true})
		}
		list = append(list, entry{s.Name + ": mean, lowest to highest", func(d *Drawing, r rect) {
			y := (r.y0 + r.y1) / 2
			d.marks = append(d.marks, mark{points: corners(r), fill: band, line: translucent(l.color, 0.6), lineWidth: thinWidth},
				mark{points: []point{{r.x0, y}, {r.x1, y}}, line: l.color, lineWidth: l.width, dash: l.dash})
		}})
		at := func(k int) string {
			return fmt.Sprintf("%.2f %% (%.2f to %.2f) at epoch %d", s.Mean[k], s.Lowest[k], s.Highest[k], s.Epochs[k])
		}
		said := s.Name + ": mean " + at(0)
		if end > 0 {
			said += ", " + at(end)
		}
		words = append(words, said)
	}
	d.marks = append(d.marks, means.marks...)
	d.bandFrame(c, "training accuracy of paths (%)", list)
	return Figure{d.framed(title, "Training accuracy", fmt.Sprintf("Training accuracy of paths, mean and range (lowest to highest). %s.", strings.Join(words, "; "))), rows}, nil
}
