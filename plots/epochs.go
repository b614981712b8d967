package plots

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// EpochPanel is one chart of [Epochs]: a number of several runs over their epochs.
type EpochPanel struct {
	// Name says what the number is.
	Name   string
	Series []EpochSeries
	// Lines are what the runs are compared with.
	Lines []EpochLine
}

// EpochLine is a number that no run changes, such as an optimum.
type EpochLine struct {
	// Name is the same in all panels that have the line.
	Name  string
	Value float64
}

// EpochSeries is a number of one run.
type EpochSeries struct {
	// Name is the run's, the same in all panels.
	Name string
	// Epochs ascend; Values belong to them.
	Epochs []int
	Values []float64
}

func (s EpochSeries) check() error {
	if len(s.Epochs) == 0 || len(s.Values) != len(s.Epochs) {
		return fmt.Errorf("expected at least one epoch, and a value for each, got %d and %d", len(s.Epochs), len(s.Values))
	}
	for i, v := range s.Values {
		if i > 0 && s.Epochs[i] <= s.Epochs[i-1] {
			return fmt.Errorf("epochs[%d]: expected more than %d, got %d", i, s.Epochs[i-1], s.Epochs[i])
		}
		if !finite(v) {
			return fmt.Errorf("values[%d]: expected a finite number, got %g", i, v)
		}
	}
	return nil
}

// Epochs draws numbers over the epochs, one chart for each number, two or three side by side; a run has the same line in
// all of them.
func Epochs(panels []EpochPanel, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: epochs: %s", fmt.Sprintf(format, args...))
	}
	if len(panels) == 0 {
		return fail("panels: expected at least one, got none")
	}
	var names, lines []string
	first, last := math.MaxInt, math.MinInt
	ys := make([]scale, len(panels))
	room := 0.0
	for i, p := range panels {
		if p.Name == "" || slices.ContainsFunc(panels[:i], func(o EpochPanel) bool { return o.Name == p.Name }) {
			return fail("panels[%d]: name: expected one of its own, got %q", i, p.Name)
		}
		if err := checkNames(p.Series, func(s EpochSeries) string { return s.Name }); err != nil {
			return fail("%s: %s", p.Name, err)
		}
		var all [][]float64
		for _, s := range p.Series {
			if err := s.check(); err != nil {
				return fail("%s: %s: %s", p.Name, s.Name, err)
			}
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
			all = append(all, s.Values)
			first, last = min(first, s.Epochs[0]), max(last, s.Epochs[len(s.Epochs)-1])
		}
		for k, l := range p.Lines {
			if l.Name == "" || !finite(l.Value) {
				return fail("%s: lines[%d]: expected a name and a finite number, got %q and %g", p.Name, k, l.Name, l.Value)
			}
			if !slices.Contains(lines, l.Name) {
				lines = append(lines, l.Name)
			}
			all = append(all, []float64{l.Value})
		}
		low, high := spread(all...)
		ys[i] = roundScale(low, high, 5, false)
		room = max(room, yTextWidth(ys[i]))
	}
	const (
		gapX, gapY = 14, 12
		height     = 120
		radius     = 2.2
		headed     = headerSize + 5
	)
	x := roundScale(float64(first), float64(last), 4, true)
	if last > first {
		x = fixedScale(float64(first), float64(last), 4, true)
	}
	columns := min(len(panels), 3)
	if len(panels) == 4 {
		columns = 2
	}
	width := min((contentWidth-overhang(x)-float64(columns-1)*gapX)/float64(columns)-room, 260)
	rows := [][]string{{"panel", "series", "epoch", "value"}}
	var words []string
	var d Drawing
	bottom := 0.0
	for i, p := range panels {
		x0 := float64(i%columns)*(room+width+gapX) + room
		y0 := float64(i/columns)*(headed+height+tickDrop+tickSize+3+textSize+gapY) + headed
		c := chart{rect{x0, y0, x0 + width, y0 + height}, x, ys[i]}
		d.heading(x0+width/2, y0-headed, p.Name)
		d.grid(c, true, true, true)
		var ends []string
		for _, l := range p.Lines {
			look := referenceLook(slices.Index(lines, l.Name))
			d.marks = append(d.marks, mark{points: []point{c.at(x.low, l.Value), c.at(x.high, l.Value)}, line: look.color, lineWidth: look.width, dash: look.dash, backdrop: true})
			rows = append(rows, []string{p.Name, l.Name, "", exact(l.Value)})
			ends = append(ends, fmt.Sprintf("%s %s", l.Name, number(l.Value, 4)))
		}
		for _, s := range p.Series {
			l := seriesLook(slices.Index(names, s.Name))
			var line []point
			for k, epoch := range s.Epochs {
				line = append(line, c.at(float64(epoch), s.Values[k]))
				rows = append(rows, []string{p.Name, s.Name, strconv.Itoa(epoch), exact(s.Values[k])})
			}
			if len(line) == 1 {
				d.marker(l, line[0], radius)
			} else {
				d.marks = append(d.marks, mark{points: line, line: l.color, lineWidth: l.width, dash: l.dash, backdrop: true})
			}
			ends = append(ends, fmt.Sprintf("%s from %s to %s", s.Name, number(s.Values[0], 4), number(s.Values[len(s.Values)-1], 4)))
		}
		words = append(words, fmt.Sprintf("%s: %s", capital(p.Name), strings.Join(ends, ", ")))
		d.axes(c)
		d.xName(point{x0 + width/2, c.y1 + tickDrop + tickSize + 3}, "epoch")
		bottom = c.y1
	}
	var list []entry
	for i, name := range names {
		list = append(list, lineEntry(name, seriesLook(i)))
	}
	for i, name := range lines {
		list = append(list, lineEntry(name, referenceLook(i)))
	}
	total := float64(columns)*(room+width+gapX) - gapX
	d.entries(list, total/2, bottom+legendDrop, max(total, 300))
	return Figure{d.framed(title, "Over the epochs", fmt.Sprintf("Numbers over epochs %d to %d, one chart each. %s.", first, last, strings.Join(words, "; "))), rows}, nil
}

// referenceLook is that of a line that no run changes.
func referenceLook(i int) look {
	return look{color: muted, dash: [][]float64{dashed, dotted, {6, 2, 1, 2}}[i%3], width: thinWidth + 0.3}
}
