package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"
)

// RankingSeries are networks that one supernet has measured, beside what they reach when trained alone.
type RankingSeries struct {
	Name string
	// OneShot and True are accuracies in percent, one of each for every network.
	OneShot, True []float64
	// Networks are their codes, for the CSV alone; nil for none.
	Networks []string
	// Tau is the rank correlation of the two; nil where there is none, as between equal values.
	Tau *Tau
}

// Tau is a rank correlation, Kendall's tau-b, with its interval.
type Tau struct {
	Value, Low, High float64
	// Level of the interval from Low to High, 0.95 for 95 %; 0 where there is none, as of few networks.
	Level float64
}

// text prints tau-b for a chart.
func (t *Tau) text() string {
	switch {
	case t == nil:
		return "no tau-b"
	case t.Level == 0:
		return "tau-b " + minus(t.Value)
	}
	return fmt.Sprintf("tau-b %s [%s, %s]", minus(t.Value), minus(t.Low), minus(t.High))
}

// String is the value and its interval in words.
func (t *Tau) String() string {
	switch {
	case t == nil:
		return "no tau-b"
	case t.Level == 0:
		return fmt.Sprintf("tau-b %.3f", t.Value)
	}
	return fmt.Sprintf("tau-b %.3f, %s %% interval from %.3f to %.3f", t.Value, number(100*t.Level, 2), t.Low, t.High)
}

// columns are the cells of a CSV.
func (t *Tau) columns() []string {
	switch {
	case t == nil:
		return []string{"", "", "", ""}
	case t.Level == 0:
		return []string{exact(t.Value), "", "", ""}
	}
	return []string{exact(t.Value), exact(t.Low), exact(t.High), exact(t.Level)}
}

func (t *Tau) check() error {
	if t == nil {
		return nil
	}
	if !(t.Value >= -1 && t.Value <= 1) {
		return fmt.Errorf("tau: value: expected from -1 to 1, got %g", t.Value)
	}
	if !(t.Level >= 0 && t.Level < 1) {
		return fmt.Errorf("tau: level: expected at least 0 and less than 1, got %g", t.Level)
	}
	if t.Level > 0 && !(t.Low >= -1 && t.Low <= t.High && t.High <= 1) {
		return fmt.Errorf("tau: low and high: expected an interval within -1 and 1, got %g and %g", t.Low, t.High)
	}
	return nil
}

// minus prints two decimals with a minus sign where there is one.
func minus(v float64) string {
	return strings.ReplaceAll(strconv.FormatFloat(math.Round(v*100)/100+0, 'f', 2, 64), "-", "−")
}

// Charts of several series.
const (
	// mostMarks is how many points a drawing has as circles of their own; more are small squares in few paths, which
	// keeps an SVG small.
	mostMarks = 1500
	// legendDrop is from a chart's lower end, with numbers and a name below it, to its legend.
	legendDrop = tickDrop + tickSize + 3 + textSize + 9
)

// seriesLook is the look of the i-th series, the same in all figures.
func seriesLook(i int) look {
	colors := []color.NRGBA{blue, vermilion, green, purple, orange, skyBlue, ink}
	return look{color: colors[i%len(colors)], dash: [][]float64{nil, dashed, dotted, {6, 2, 1, 2}}[i%4], width: 1.3, shape: shape(i) % shapes}
}

// translucent is a colour through which others are seen.
func translucent(c color.NRGBA, share float64) color.NRGBA {
	c.A = uint8(255*share + 0.5)
	return c
}

// checkNames wants a name of its own for each of at least one series.
func checkNames[S any](series []S, name func(S) string) error {
	if len(series) == 0 {
		return fmt.Errorf("series: expected at least one, got none")
	}
	for i, s := range series {
		if n := name(s); n == "" || slices.ContainsFunc(series[:i], func(o S) bool { return name(o) == n }) {
			return fmt.Errorf("series[%d]: name: expected one of its own, got %q", i, n)
		}
	}
	return nil
}

// checkPercent wants accuracies.
func checkPercent(field string, values []float64) error {
	for i, v := range values {
		if !(v >= 0 && v <= 100) {
			return fmt.Errorf("%s[%d]: expected from 0 to 100 %%, got %g", field, i, v)
		}
	}
	return nil
}

// percentScale is a round scale within 0 and 100 %, a share of the range wider at each end.
func percentScale(low, high, wider float64, count int) scale {
	if low == high {
		low, high = low-1, high+1
	}
	low, high = low-wider*(high-low), high+wider*(high-low)
	return roundScale(max(low, 0), min(high, 100), count, false)
}

// spread is the lowest and the highest of a chart's values.
func spread(lists ...[]float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, list := range lists {
		for _, v := range list {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

// cloud draws many points, darker where they lie one over another.
func (d *Drawing) cloud(points []point, c color.NRGBA, radius float64, many bool) {
	if !many {
		for _, p := range points {
			d.marks = append(d.marks, mark{points: regular(p, 12, 0, radius), fill: c, backdrop: true})
		}
		return
	}
	// A path is no darker where it overlaps itself: each path has points that do not, by cells of a point's size.
	side := 2 * radius
	type cell struct{ x, y int }
	var layers []mark
	var filled []map[cell]point
	for _, p := range points {
		at := cell{int(math.Floor(p.x / side)), int(math.Floor(p.y / side))}
		free := func(taken map[cell]point) bool {
			for dx := -1; dx <= 1; dx++ {
				for dy := -1; dy <= 1; dy++ {
					if o, ok := taken[cell{at.x + dx, at.y + dy}]; ok && math.Abs(o.x-p.x) < side && math.Abs(o.y-p.y) < side {
						return false
					}
				}
			}
			return true
		}
		i := slices.IndexFunc(filled, free)
		if i < 0 {
			i = len(layers)
			layers = append(layers, mark{line: c, lineWidth: side, dots: true, backdrop: true})
			filled = append(filled, map[cell]point{})
		}
		filled[i][at] = p
		layers[i].points = append(layers[i].points, p)
	}
	d.marks = append(d.marks, layers...)
}

// fit is the least-squares line of y over x; false where there is none.
func fit(x, y []float64) (intercept, slope float64, ok bool) {
	if low, high := spread(x); !(high > low) {
		return 0, 0, false
	}
	intercept, slope = stat.LinearRegression(x, y, nil, false)
	return intercept, slope, finite(intercept) && finite(slope)
}

// straight draws the part of a line over the given x that lies within the chart.
func (d *Drawing) straight(c chart, intercept, slope, low, high float64, l look) {
	if slope != 0 {
		a, b := (c.y.low-intercept)/slope, (c.y.high-intercept)/slope
		low, high = max(low, min(a, b)), min(high, max(a, b))
	}
	if low < high {
		d.marks = append(d.marks, mark{points: []point{c.at(low, intercept+slope*low), c.at(high, intercept+slope*high)}, line: l.color, lineWidth: l.width, dash: l.dash, backdrop: true})
	}
}

// Ranking draws true accuracy over one-shot accuracy, one chart for each series, with the least-squares line and
// tau-b. All charts have the same range of true accuracies and each its own of one-shot accuracies.
func Ranking(series []RankingSeries, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: ranking: %s", fmt.Sprintf(format, args...))
	}
	if err := checkNames(series, func(s RankingSeries) string { return s.Name }); err != nil {
		return fail("%s", err)
	}
	var all [][]float64
	total := 0
	for _, s := range series {
		if len(s.OneShot) == 0 || len(s.True) != len(s.OneShot) {
			return fail("%s: expected as many true as one-shot accuracies, at least one, got %d and %d", s.Name, len(s.True), len(s.OneShot))
		}
		if s.Networks != nil && len(s.Networks) != len(s.OneShot) {
			return fail("%s: networks: expected none or %d, got %d", s.Name, len(s.OneShot), len(s.Networks))
		}
		for _, err := range []error{checkPercent("one-shot", s.OneShot), checkPercent("true", s.True), s.Tau.check()} {
			if err != nil {
				return fail("%s: %s", s.Name, err)
			}
		}
		all = append(all, s.True)
		total += len(s.OneShot)
	}
	const (
		gapX, gapY = 20, 16
		height     = 150
		noteSize   = textSize - 0.5
		top        = headerSize + 4 + noteSize + 5
		// off keeps points off the axes.
		off = 0.02
	)
	low, high := spread(all...)
	y := percentScale(low, high, off, 10)
	lines := (len(series) + 2) / 3
	columns := (len(series) + lines - 1) / lines
	left := textSize + 3 + yTextWidth(y)
	width := min((contentWidth-left-10-float64(columns-1)*gapX)/float64(columns), 230)
	line := look{color: ink, width: lineWidth}
	many := total > mostMarks
	radius, share := 2.0, 0.35
	switch {
	case many:
		radius, share = 0.7, 0.3
	case total < 100:
		radius, share = 2.6, 0.6
	}
	dot := func(i int) color.NRGBA { return translucent(seriesLook(i).color, share) }
	rows := [][]string{{"series", "network", "one_shot_accuracy_percent", "true_accuracy_percent", "tau_b", "tau_b_low", "tau_b_high", "tau_b_level"}}
	var words, levels []string
	var d Drawing
	bottom := 0.0
	fitted := false
	for i, s := range series {
		x0 := left + float64(i%columns)*(width+gapX)
		y0 := top + float64(i/columns)*(top+height+tickDrop+tickSize+3+textSize+gapY)
		low, high := spread(s.OneShot)
		c := chart{rect{x0, y0, x0 + width, y0 + height}, percentScale(low, high, off, 6), y}
		d.heading(x0+width/2, y0-top, s.Name)
		d.write(point{x0 + width/2, y0 - 5 - descent*noteSize}, 0.5, ink, digits(fmt.Sprintf("%s, n = %d", s.Tau.text(), len(s.OneShot)), noteSize)...)
		d.grid(c, true, i%columns == 0, false)
		var points []point
		for k, v := range s.OneShot {
			points = append(points, c.at(v, s.True[k]))
			network := ""
			if s.Networks != nil {
				network = s.Networks[k]
			}
			rows = append(rows, append([]string{s.Name, network, exact(v), exact(s.True[k])}, s.Tau.columns()...))
		}
		d.cloud(points, dot(i), radius, many)
		lowest, highest := spread(s.True)
		said := fmt.Sprintf("%s: %s, one-shot from %s to %s %%, true from %s to %s %%, %s", s.Name, plural(len(s.OneShot), "network"),
			number(low, 2), number(high, 2), number(lowest, 2), number(highest, 2), s.Tau)
		if intercept, slope, ok := fit(s.OneShot, s.True); ok {
			d.straight(c, intercept, slope, low, high, line)
			fitted = true
			said += fmt.Sprintf(", least-squares slope %.3g", slope)
		}
		d.axes(c)
		words = append(words, said)
		if i%columns == 0 {
			d.yName(point{0, y0 + height/2}, "true accuracy (%)")
		}
		d.xName(point{x0 + width/2, c.y1 + tickDrop + tickSize + 3}, "one-shot accuracy (%)")
		bottom = c.y1
		if s.Tau != nil && s.Tau.Level > 0 {
			if level := number(100*s.Tau.Level, 2) + " %"; !slices.Contains(levels, level) {
				levels = append(levels, level)
			}
		}
	}
	list := []entry{{"network", func(d *Drawing, r rect) {
		for i := range min(len(series), 3) { // one of each colour, side by side
			d.cloud([]point{{r.x1 - 2 - 6*float64(min(len(series), 3)-1-i), (r.y0 + r.y1) / 2}}, translucent(seriesLook(i).color, max(share, 0.6)), max(radius, 1.4), many)
		}
	}}}
	if fitted {
		list = append(list, lineEntry("least-squares line", line))
	}
	if len(levels) > 0 {
		list = append(list, entry{strings.Join(levels, " and ") + " interval of tau-b", func(d *Drawing, r rect) {
			d.write(point{(r.x0 + r.x1) / 2, (r.y0+r.y1)/2 + 0.36*noteSize}, 0.5, ink, run{s: "[ , ]", size: noteSize})
		}})
	}
	d.entries(list, left+(float64(columns)*(width+gapX)-gapX)/2, bottom+legendDrop, contentWidth-left)
	return Figure{d.framed(title, "True over one-shot accuracy", fmt.Sprintf("True over one-shot accuracy of networks, one chart a series. %s.", strings.Join(words, "; "))), rows}, nil
}

// Sample are the one-shot accuracies of networks in one supernet.
type Sample struct {
	Name string
	// Values are accuracies in percent.
	Values []float64
}

// Histograms draws the share of networks in each range of one-shot accuracy, one chart a sample below another, with
// bins and the axis of accuracies in common, and the means.
func Histograms(series []Sample, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: histograms: %s", fmt.Sprintf(format, args...))
	}
	if err := checkNames(series, func(s Sample) string { return s.Name }); err != nil {
		return fail("%s", err)
	}
	var all [][]float64
	for _, s := range series {
		if len(s.Values) == 0 {
			return fail("%s: values: expected at least one, got none", s.Name)
		}
		if err := checkPercent("values", s.Values); err != nil {
			return fail("%s: %s", s.Name, err)
		}
		all = append(all, s.Values)
	}
	const (
		gapY     = 9
		top      = headerSize + 4
		noteSize = textSize - 0.5
		width    = 400
	)
	height := 54.0
	if len(series) == 1 {
		height = 120
	}
	low, high := spread(all...)
	x := percentScale(low, high, 0, 6)
	// Five bins between two marks of the axis, which begins with one.
	perBin := (x.ticks[1] - x.ticks[0]) / 5
	edge := func(bin int) float64 { return math.Round((x.low+float64(bin)*perBin)*1e9) / 1e9 }
	count := int(math.Round((x.high - x.low) / perBin))
	ys := make([]scale, len(series))
	counts := make([][]int, len(series))
	room := 0.0
	rows := [][]string{{"series", "one_shot_accuracy_percent", "bin_low_percent", "bin_high_percent"}}
	for i, s := range series {
		counts[i] = make([]int, count)
		for _, v := range s.Values {
			bin := min(int((v-x.low)/perBin+1e-9), count-1)
			counts[i][bin]++
			rows = append(rows, []string{s.Name, exact(v), exact(edge(bin)), exact(edge(bin + 1))})
		}
		ys[i] = roundScale(0, 100*float64(slices.Max(counts[i]))/float64(len(s.Values)), 3, false)
		room = max(room, yTextWidth(ys[i]))
	}
	left := textSize + 3 + room
	mean := look{color: ink, dash: dashed, width: lineWidth}
	var words []string
	var d Drawing
	bottom := 0.0
	for i, s := range series {
		y0 := float64(i)*(top+height+gapY) + top
		c := chart{rect{left, y0, left + width, y0 + height}, x, ys[i]}
		m := stat.Mean(s.Values, nil)
		lowest, highest := spread(s.Values)
		d.write(point{left, y0 - 4 - descent*headerSize}, 0, muted, run{s: s.Name, size: headerSize, bold: true})
		d.write(point{left + width, y0 - 4 - descent*headerSize}, 1, ink, digits(fmt.Sprintf("mean %.2f %%, n = %d", m, len(s.Values)), noteSize)...)
		d.grid(c, i == len(series)-1, true, false)
		for bin, n := range counts[i] {
			if n > 0 {
				p, q := c.at(edge(bin), 100*float64(n)/float64(len(s.Values))), c.at(edge(bin+1), 0)
				d.marks = append(d.marks, mark{points: corners(rect{p.x + 0.4, p.y, q.x - 0.4, q.y}), fill: tint(seriesLook(i).color, 0.85), backdrop: true})
			}
		}
		d.marks = append(d.marks, mark{points: []point{c.at(m, 0), c.at(m, c.y.high)}, line: mean.color, lineWidth: mean.width, dash: mean.dash, backdrop: true})
		d.axes(c)
		words = append(words, fmt.Sprintf("%s: %s from %s to %s %%, mean %.2f %%", s.Name, plural(len(s.Values), "network"), number(lowest, 2), number(highest, 2), m))
		bottom = c.y1
	}
	d.yName(point{0, (top + bottom) / 2}, "share of networks (%)")
	d.xName(point{left + width/2, bottom + tickDrop + tickSize + 3}, "one-shot accuracy (%)")
	d.entries([]entry{lineEntry("mean", mean)}, left+width/2, bottom+legendDrop, width)
	return Figure{d.framed(title, "One-shot accuracy", fmt.Sprintf("Histograms of one-shot accuracy in bins of %s %%. %s.", number(perBin, 9), strings.Join(words, "; "))), rows}, nil
}
