package plots

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Clip is a sound with what was taken of it.
type Clip struct {
	// Samples, from -1 to 1, Rate of them a second.
	Samples []float32
	Rate    int
	// Maps are features, drawn below the waveform.
	Maps []FeatureMap
}

// FeatureMap are features of a sound over time.
type FeatureMap struct {
	// Name says what they are, Unit is that of the values; it may be empty.
	Name, Unit string
	// Values are [frame][row].
	Values [][]float64
	// First is the middle of the first frame, Step the way to the next, in seconds of the sound.
	First, Step float64
	// Hertz are the frequencies of the rows, which rise; nil for rows that have none, such as cepstral coefficients.
	Hertz []float64
}

func (c Clip) check() error {
	if len(c.Samples) == 0 || c.Rate < 1 {
		return fmt.Errorf("expected at least one sample and a rate, got %d and %d", len(c.Samples), c.Rate)
	}
	for i, v := range c.Samples {
		if !finite(float64(v)) {
			return fmt.Errorf("samples[%d]: expected a finite number, got %g", i, v)
		}
	}
	if len(c.Maps) == 0 {
		return nil
	}
	if err := checkNames(c.Maps, func(m FeatureMap) string { return m.Name }); err != nil {
		return err
	}
	for _, m := range c.Maps {
		if err := m.check(); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

func (m FeatureMap) check() error {
	if len(m.Values) == 0 || len(m.Values[0]) == 0 {
		return errors.New("values: expected at least one frame and one row")
	}
	if !(m.Step > 0) || !finite(m.Step) || !finite(m.First) {
		return fmt.Errorf("step: expected seconds above 0, and a finite first, got %g and %g", m.Step, m.First)
	}
	rows := len(m.Values[0])
	for f, row := range m.Values {
		if len(row) != rows {
			return fmt.Errorf("values[%d]: expected %d rows, got %d", f, rows, len(row))
		}
		for k, v := range row {
			if !finite(v) {
				return fmt.Errorf("values[%d][%d]: expected a finite number, got %g", f, k, v)
			}
		}
	}
	if m.Hertz == nil {
		return nil
	}
	if len(m.Hertz) != rows {
		return fmt.Errorf("hertz: expected one for each of %d rows, got %d", rows, len(m.Hertz))
	}
	for k, v := range m.Hertz {
		if !finite(v) || k > 0 && v <= m.Hertz[k-1] {
			return fmt.Errorf("hertz[%d]: expected finite numbers that rise, got %g", k, v)
		}
	}
	return nil
}

// Sound draws the waveform over the seconds and below it, on the same axis, the features as pictures: rows of a frequency
// with their hertz, others by their number. The data of a waveform with more samples than the figure has dots are the least
// and the largest sample of each.
func Sound(c Clip, title string) (Figure, error) {
	if err := c.check(); err != nil {
		return Figure{}, fmt.Errorf("plots: sound: %w", err)
	}
	const (
		waveHeight = 84
		mapHeight  = 112
		gap        = 20
		barGap     = 8
		barWidth   = 8
	)
	length := float64(len(c.Samples)) / float64(c.Rate)
	time := fixedScale(0, length, 10, false)
	wave := roundScale(0, c.peak(), 2, false)
	wave = markedScale(-wave.high, wave.high, wave.high/2)
	numbers := yTextWidth(wave)
	bars := 0.0
	for _, m := range c.Maps {
		_, marks := m.rows()
		for _, t := range marks {
			numbers = max(numbers, textWidth(digits(t.text, tickSize))+tickGap)
		}
		bars = max(bars, barGap+barWidth+yTextWidth(m.shades().scale)+4)
	}
	left := textSize + 3 + numbers
	right := contentWidth - max(bars, overhang(time))
	head := headerSize + 5.0
	y := head
	rows := [][]string{{"panel", "seconds", "row", "value"}}
	var d Drawing
	panel := func(name string, height float64, last bool) chart {
		d.heading((left+right)/2, y-head, name)
		box := chart{rect{left, y, right, y + height}, time, wave}
		if y += height; last {
			for _, t := range time.ticks {
				d.write(point{box.at(t, 0).x, box.y1 + tickDrop + ascent*tickSize}, 0.5, ink, digits(tickText(t), tickSize)...)
			}
			d.xName(point{(left + right) / 2, box.y1 + tickDrop + tickSize + 3}, "seconds")
		} else {
			y += gap
		}
		return box
	}
	box := panel("waveform", waveHeight, len(c.Maps) == 0)
	d.grid(box, false, true, false)
	d.yName(point{0, (box.y0 + box.y1) / 2}, "amplitude")
	rows = append(rows, d.waveform(box, c)...)
	d.axes(box)
	words := []string{fmt.Sprintf("%s s at %d samples a second, amplitude up to %s", number(length, 3), c.Rate, number(c.peak(), 3))}
	for i, m := range c.Maps {
		box := panel(m.Name, mapHeight, i == len(c.Maps)-1)
		rows = append(rows, d.features(box, m)...)
		s := m.shades()
		d.colorBar(rect{right + barGap, box.y0 + 4, right + barGap + barWidth, box.y1}, s.scale, s.color, m.Unit)
		low, high := spread(m.Values...)
		words = append(words, fmt.Sprintf("%s of %s from %s to %s", m.Name, plural(len(m.Values), "frame"), number(low, 2), number(high, 2)))
	}
	return Figure{d.framed(title, "Sound", "Waveform and features over time: "+strings.Join(words, "; ")+"."), rows}, nil
}

func (c Clip) peak() float64 {
	peak := 0.0
	for _, v := range c.Samples {
		peak = max(peak, math.Abs(float64(v)))
	}
	return peak
}

// waveform draws samples as a line, or of many the range of those that share a dot.
func (d *Drawing) waveform(c chart, clip Clip) (rows [][]string) {
	rate, n := float64(clip.Rate), len(clip.Samples)
	columns := int((c.x1 - c.x0) * 2)
	if n <= 2*columns {
		var line []point
		for i, v := range clip.Samples {
			at := float64(i) / rate
			line = append(line, c.at(at, float64(v)))
			rows = append(rows, []string{"waveform", exact(at), "", exact(float64(v))})
		}
		d.marks = append(d.marks, mark{points: line, line: blue, lineWidth: 0.7, backdrop: true})
		return rows
	}
	var lower, upper []point
	for k := range columns {
		first, end := k*n/columns, (k+1)*n/columns
		part := clip.Samples[first:end]
		low, high := float64(slices.Min(part)), float64(slices.Max(part))
		at := float64(first+end) / 2 / rate
		lower, upper = append(lower, c.at(at, low)), append(upper, c.at(at, high))
		rows = append(rows, []string{"waveform", exact(at), "lowest", exact(low)}, []string{"waveform", exact(at), "highest", exact(high)})
	}
	// The line around the area shows where the range is narrow.
	d.marks = append(d.marks, mark{points: ring(lower, upper), fill: blue, line: blue, lineWidth: 0.5, backdrop: true})
	return rows
}

// rowMark is a number at the axis of rows: at the middle of row number at, which may lie between two.
type rowMark struct {
	at   float64
	text string
}

// rows are the name of the axis of a map's rows and its marks.
func (m FeatureMap) rows() (name string, marks []rowMark) {
	n := len(m.Values[0])
	if m.Hertz == nil {
		for _, t := range fixedScale(0, float64(max(n-1, 1)), 5, true).ticks {
			marks = append(marks, rowMark{t, tickText(t)})
		}
		return "coefficient", marks
	}
	last := math.Inf(-1)
	for _, hertz := range []float64{50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 8000, 10000, 12000, 16000, 20000} {
		if hertz < m.Hertz[0] || hertz > m.Hertz[n-1] {
			continue
		}
		k, _ := slices.BinarySearch(m.Hertz, hertz)
		at := float64(k)
		if k > 0 && m.Hertz[k] != hertz {
			at = float64(k-1) + (hertz-m.Hertz[k-1])/(m.Hertz[k]-m.Hertz[k-1])
		}
		// Numbers that would touch are left out.
		if (at-last)/float64(n) >= 0.08 {
			marks, last = append(marks, rowMark{at, tickText(hertz)}), at
		}
	}
	return "hertz", marks
}

// shades are the colours of a map's values.
type shades struct {
	scale
	color func(share float64) color.NRGBA
}

// shades are those of values by their size or, of coefficients, by their size and sign. The rarest values, such as the floor
// of a logarithm and the coefficient that is the volume, take the colours of the ends.
func (m FeatureMap) shades() shades {
	all := slices.Concat(m.Values...)
	slices.Sort(all)
	quantile := func(q float64) float64 { return all[int(math.Round(q*float64(len(all)-1)))] }
	if m.Hertz == nil {
		most := max(-quantile(0.02), quantile(0.98), 1e-9)
		s := roundScale(0, most, 3, false)
		return shades{markedScale(-s.high, s.high, s.high/2), diverging}
	}
	return shades{roundScale(quantile(0.02), quantile(1), 5, false), deep}
}

// deep is the colour of a share from white over blue to nearly black.
func deep(share float64) color.NRGBA {
	const middle = 0.6
	if share < middle {
		return tint(blue, share/middle)
	}
	return shaded(blue, 1-0.85*(share-middle)/(1-middle))
}

// diverging is vermilion at 0, white at a half and blue at 1.
func diverging(share float64) color.NRGBA {
	if share < 0.5 {
		return tint(vermilion, 1-2*share)
	}
	return tint(blue, 2*share-1)
}

// features draws a map as areas around the middles of its frames, the first row lowest, as far as the sound reaches.
func (d *Drawing) features(c chart, m FeatureMap) (rows [][]string) {
	n := len(m.Values[0])
	c.y = scale{low: -0.5, high: float64(n) - 0.5}
	s := m.shades()
	d.marks = append(d.marks, mark{points: corners(c.rect), fill: panel, backdrop: true})
	for f, row := range m.Values {
		at := m.First + float64(f)*m.Step
		from, to := max(at-m.Step/2, c.x.low), min(at+m.Step/2, c.x.high)
		for k, v := range row {
			name := strconv.Itoa(k)
			if m.Hertz != nil {
				name = exact(m.Hertz[k])
			}
			rows = append(rows, []string{m.Name, exact(math.Round(at*1e9) / 1e9), name, exact(v)})
			if to <= from {
				continue
			}
			p, q := c.at(from, float64(k)+0.5), c.at(to, float64(k)-0.5)
			fill := s.color(max(0, min(1, s.share(v))))
			d.marks = append(d.marks, mark{points: corners(rect{p.x, p.y, q.x, q.y}), fill: fill, line: fill, lineWidth: 0.3, backdrop: true})
		}
	}
	d.marks = append(d.marks, mark{points: corners(c.rect), line: muted, lineWidth: thinWidth, backdrop: true})
	name, marks := m.rows()
	for _, t := range marks {
		y := c.at(0, t.at).y
		d.marks = append(d.marks, mark{points: []point{{c.x0 - 2, y}, {c.x0, y}}, line: muted, lineWidth: thinWidth, backdrop: true})
		d.write(point{c.x0 - tickGap, y + 0.36*tickSize}, 1, ink, digits(t.text, tickSize)...)
	}
	d.yName(point{0, (c.y0 + c.y1) / 2}, name)
	return rows
}
