package plots

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Detection is how networks that differ in their seed alone detect words, over all thresholds.
type Detection struct {
	Name string
	// FalseAlarms are rates from 0 to 1, rising; FalseRejects are those of each seed there, [seed][rate].
	FalseAlarms  []float64
	FalseRejects [][]float64
}

func (s Detection) check() error {
	if len(s.FalseAlarms) < 2 || len(s.FalseRejects) == 0 {
		return fmt.Errorf("expected at least 2 rates and one seed, got %d and %d", len(s.FalseAlarms), len(s.FalseRejects))
	}
	for k, rate := range s.FalseAlarms {
		if !(rate >= 0 && rate <= 1) || k > 0 && rate <= s.FalseAlarms[k-1] {
			return fmt.Errorf("false alarms[%d]: expected rates from 0 to 1 that rise, got %g", k, rate)
		}
	}
	for i, values := range s.FalseRejects {
		if len(values) != len(s.FalseAlarms) {
			return fmt.Errorf("false rejects[%d]: expected %d rates, got %d", i, len(s.FalseAlarms), len(values))
		}
		for k, v := range values {
			if !(v >= 0 && v <= 1) {
				return fmt.Errorf("false rejects[%d][%d]: expected a rate from 0 to 1, got %g", i, k, v)
			}
		}
	}
	return nil
}

// at are mean, least and largest rate of false rejects of the seeds at rate k of false alarms.
func (s Detection) at(k int) (mean, low, high float64) {
	var all []float64
	for _, values := range s.FalseRejects {
		all = append(all, values[k])
	}
	low, high = spread(all)
	return meanOf(all), low, high
}

// Detections draws false rejects over false alarms, from 0 to 1 both: the mean over the seeds, with a band from the lowest to
// the highest. The lower, the better; the dotted diagonal is chance.
func Detections(series []Detection, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: detections: %s", fmt.Sprintf(format, args...))
	}
	if err := checkNames(series, func(s Detection) string { return s.Name }); err != nil {
		return fail("%s", err)
	}
	for _, s := range series {
		if err := s.check(); err != nil {
			return fail("%s: %s", s.Name, err)
		}
	}
	const side = 250
	unit := fixedScale(0, 1, 5, false)
	left := textSize + 3 + yTextWidth(unit)
	c := chart{rect{left, 0, left + side, side}, unit, unit}
	rows := [][]string{{"network", "seeds", "false_alarms", "false_rejects", "lowest", "highest"}}
	var words []string
	var list []entry
	var d, means Drawing // means lie over all bands
	d.grid(c, true, true, false)
	d.marks = append(d.marks, mark{points: []point{c.at(0, 1), c.at(1, 0)}, line: muted, lineWidth: thinWidth, dash: dotted, backdrop: true})
	for i, s := range series {
		l := seriesLook(i)
		band := translucent(l.color, 0.2)
		var lower, middle, upper []point
		area, before := 0.0, 0.0
		for k, rate := range s.FalseAlarms {
			mean, low, high := s.at(k)
			if k > 0 {
				area += (rate - s.FalseAlarms[k-1]) * (mean + before) / 2
			}
			before = mean
			lower, middle, upper = append(lower, c.at(rate, low)), append(middle, c.at(rate, mean)), append(upper, c.at(rate, high))
			rows = append(rows, []string{s.Name, strconv.Itoa(len(s.FalseRejects)), exact(rate), exact(mean), exact(low), exact(high)})
		}
		if len(s.FalseRejects) > 1 {
			d.marks = append(d.marks, mark{points: ring(lower, upper), fill: band, backdrop: true})
		}
		means.marks = append(means.marks, mark{points: middle, line: l.color, lineWidth: l.width + 0.3, dash: l.dash, backdrop: true})
		what := fmt.Sprintf("%s: area %s", s.Name, number(area, 3))
		if n := len(s.FalseRejects); n > 1 {
			what += ", mean and range of " + plural(n, "seed")
		}
		list = append(list, lineEntry(what, l))
		words = append(words, what)
	}
	d.marks = append(d.marks, means.marks...)
	d.axes(c)
	middle := left + side/2.0
	d.yName(point{0, side / 2}, "false rejects")
	d.xName(point{middle, side + tickDrop + tickSize + 3}, "false alarms")
	list = append(list, lineEntry("chance", look{color: muted, dash: dotted, width: thinWidth}))
	d.entries(list, middle, side+legendDrop, contentWidth)
	return Figure{d.framed(title, "Detection of words", fmt.Sprintf("Rate of false rejects over that of false alarms, both from 0 to 1, as a mean over words. Area under the curve, of chance one half: %s.",
		strings.Join(words, "; "))), rows}, nil
}

// ConfusionMatrix counts samples by class and by what they were taken for.
type ConfusionMatrix struct {
	Classes []string
	// Counts are [class][taken for].
	Counts [][]int
}

func (m ConfusionMatrix) check() error {
	if err := checkNames(m.Classes, func(s string) string { return s }); err != nil {
		return err
	}
	if len(m.Counts) != len(m.Classes) {
		return fmt.Errorf("counts: expected a row for each of %d classes, got %d", len(m.Classes), len(m.Counts))
	}
	total := 0
	for i, row := range m.Counts {
		if len(row) != len(m.Classes) {
			return fmt.Errorf("counts[%d]: expected a number for each of %d classes, got %d", i, len(m.Classes), len(row))
		}
		for k, n := range row {
			if n < 0 {
				return fmt.Errorf("counts[%d][%d]: expected at least 0, got %d", i, k, n)
			}
			total += n
		}
	}
	if total == 0 {
		return fmt.Errorf("counts: expected at least one sample, got none")
	}
	return nil
}

// Confusion draws the counts, a row for each class and a column for each answer; the colour is the share of the class's
// samples. A row says how many of its samples are right.
func Confusion(m ConfusionMatrix, title string) (Figure, error) {
	if err := m.check(); err != nil {
		return Figure{}, fmt.Errorf("plots: confusion: %w", err)
	}
	const (
		labelSize = 6.5
		valueSize = 6.2
		barWidth  = 8
	)
	label := func(s string) run { return run{s: s, size: labelSize} }
	names := 0.0
	for _, name := range m.Classes {
		names = max(names, label(name).width())
	}
	n := len(m.Classes)
	left := textSize + 6 + names + 4
	recall := label("100 %").width() + 8
	cell := min((contentWidth-left-recall-barWidth-30)/float64(n), 26)
	side := cell * float64(n)
	top := names + 6 + textSize + 4
	rows := [][]string{{"class", "taken_for", "samples", "share"}}
	var d Drawing
	right, total := 0, 0
	for i, row := range m.Counts {
		of := 0
		for _, count := range row {
			of += count
		}
		right, total = right+row[i], total+of
		y0 := top + float64(i)*cell
		middle := y0 + cell/2 + 0.36*labelSize
		x := left + (float64(i)+0.5)*cell
		d.texts = append(d.texts,
			text{at: point{left - 4, middle}, align: 1, runs: []run{label(m.Classes[i])}, color: ink, in: none},
			text{at: point{x + 0.36*labelSize, top - 4}, runs: []run{label(m.Classes[i])}, color: ink, in: none, upward: true})
		if of > 0 {
			d.texts = append(d.texts, text{at: point{left + side + recall - 2, middle}, align: 1, runs: digits(number(100*float64(row[i])/float64(of), 0)+" %", labelSize), color: muted, in: none})
		}
		for k, count := range row {
			share := 0.0
			if of > 0 {
				share = float64(count) / float64(of)
			}
			r := rect{left + float64(k)*cell, y0, left + float64(k+1)*cell, y0 + cell}
			d.marks = append(d.marks, mark{points: corners(r), fill: heat(share), line: gridColor, lineWidth: 0.5, backdrop: true})
			if count > 0 {
				d.write(point{(r.x0 + r.x1) / 2, (r.y0+r.y1)/2 + 0.36*valueSize}, 0.5, ink, digits(strconv.Itoa(count), valueSize)...)
			}
			rows = append(rows, []string{m.Classes[i], m.Classes[k], strconv.Itoa(count), exact(math.Round(share*1e9) / 1e9)})
		}
	}
	d.yName(point{0, top + side/2}, "class")
	d.xName(point{left + side/2, 0}, "taken for")
	d.colorBar(rect{left + side + recall + 8, top, left + side + recall + 8 + barWidth, top + side}, fixedScale(0, 1, 5, false), heat, "share of the class")
	return Figure{d.framed(title, "Confusion matrix", fmt.Sprintf("Counts of %s of %d classes by what they were taken for: %d right, %s %%.",
		plural(total, "sample"), n, right, number(100*float64(right)/float64(total), 1))), rows}, nil
}
