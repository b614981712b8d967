package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Evolution is how the first front of a multi-objective search moved.
type Evolution struct {
	// Objectives are at least two: the first is drawn upward, the second to the right, others are in the CSV alone.
	Objectives []Objective
	// Fronts are in ascending order of their generations.
	Fronts []Front
	// Chosen are the networks to mark, with their names; they need not be in a front.
	Chosen []Choice
}

// Objective is one of the numbers that a search improves.
type Objective struct {
	// Name stands at the axis, with the unit: "multiply-adds (millions)".
	Name string
	// Maximise tells that more is better; otherwise less is.
	Maximise bool
}

// Front is the first front after a generation.
type Front struct {
	Generation int
	// Values has the objectives of each network, in their order.
	Values [][]float64
}

// Choice is a network that was taken from a search.
type Choice struct {
	Name string
	// Values are its objectives, in their order.
	Values []float64
}

func (o Objective) better() string {
	if o.Maximise {
		return "more is better"
	}
	return "less is better"
}

func (e Evolution) check() error {
	if len(e.Objectives) < 2 {
		return fmt.Errorf("objectives: expected at least 2, got %d", len(e.Objectives))
	}
	for i, o := range e.Objectives {
		if o.Name == "" || slices.ContainsFunc(e.Objectives[:i], func(p Objective) bool { return p.Name == o.Name }) {
			return fmt.Errorf("objectives[%d]: name: expected one of its own, got %q", i, o.Name)
		}
	}
	values := func(field string, v []float64) error {
		if len(v) != len(e.Objectives) || slices.ContainsFunc(v, func(v float64) bool { return !finite(v) }) {
			return fmt.Errorf("%s: expected %d finite numbers, got %v", field, len(e.Objectives), v)
		}
		return nil
	}
	if len(e.Fronts) == 0 {
		return fmt.Errorf("fronts: expected at least one, got none")
	}
	for i, f := range e.Fronts {
		if i > 0 && f.Generation <= e.Fronts[i-1].Generation {
			return fmt.Errorf("fronts[%d]: generation: expected more than %d, got %d", i, e.Fronts[i-1].Generation, f.Generation)
		}
		if len(f.Values) == 0 {
			return fmt.Errorf("fronts[%d]: values: expected at least one network, got none", i)
		}
		for k, v := range f.Values {
			if err := values(fmt.Sprintf("fronts[%d].values[%d]", i, k), v); err != nil {
				return err
			}
		}
	}
	for i, c := range e.Chosen {
		if c.Name == "" {
			return fmt.Errorf("chosen[%d]: name: expected one, got none", i)
		}
		if err := values(fmt.Sprintf("chosen[%d].values", i), c.Values); err != nil {
			return err
		}
	}
	return nil
}

// joined are the networks of a front that nothing in it beats in the two objectives that are drawn, from left to right.
func (e Evolution) joined(front [][]float64) [][]float64 {
	cost := func(v []float64, i int) float64 {
		if e.Objectives[i].Maximise {
			return -v[i]
		}
		return v[i]
	}
	var list [][]float64
	for _, v := range front {
		beaten := slices.ContainsFunc(front, func(o []float64) bool {
			a, b := cost(o, 0)-cost(v, 0), cost(o, 1)-cost(v, 1)
			return a <= 0 && b <= 0 && (a < 0 || b < 0)
		})
		if !beaten {
			list = append(list, v)
		}
	}
	slices.SortStableFunc(list, func(a, b []float64) int {
		if a[1] < b[1] {
			return -1
		} else if a[1] > b[1] {
			return 1
		}
		return 0
	})
	return list
}

// sequence is a colour of an ordered scale, from orange to a dark blue; its lightness falls all the way.
func sequence(share float64) color.NRGBA {
	from, to := orange, color.NRGBA{0x00, 0x2B, 0x5C, 0xFF}
	mix := func(a, b uint8) uint8 { return uint8(float64(a) + share*(float64(b)-float64(a)) + 0.5) }
	return color.NRGBA{mix(from.R, to.R), mix(from.G, to.G), mix(from.B, to.B), 0xFF}
}

// Pareto draws the first fronts of a search in two objectives, coloured by generation, the last one joined, and marks
// the chosen networks.
func Pareto(e Evolution, title string) (Figure, error) {
	if err := e.check(); err != nil {
		return Figure{}, fmt.Errorf("plots: pareto: %w", err)
	}
	const (
		height   = 220
		radius   = 2.2
		barWidth = 8
		barGap   = 20
	)
	header := []string{"generation", "chosen"}
	for _, o := range e.Objectives {
		header = append(header, o.Name+", "+o.better())
	}
	rows := [][]string{header}
	row := func(generation, chosen string, values []float64) {
		r := []string{generation, chosen}
		for _, v := range values {
			r = append(r, exact(v))
		}
		rows = append(rows, r)
	}
	b := rect{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	total := 0
	for _, f := range e.Fronts {
		for _, v := range f.Values {
			b = b.union(rect{v[1], v[0], v[1], v[0]})
			row(strconv.Itoa(f.Generation), "", v)
		}
		total += len(f.Values)
	}
	for _, c := range e.Chosen {
		b = b.union(rect{c.Values[1], c.Values[0], c.Values[1], c.Values[0]})
		row("", c.Name, c.Values)
	}
	last := len(e.Fronts) - 1
	first, end := float64(e.Fronts[0].Generation), float64(e.Fronts[last].Generation)
	generations := fixedScale(0, 1, 1, true)
	right := 10.0
	if last > 0 {
		generations = fixedScale(first, end, 5, true)
		right = barGap + barWidth + 1 + yTextWidth(generations) + 8
	}
	const off = 0.02 // keeps points off the axes
	x, y := roundScale(b.x0-off*(b.x1-b.x0), b.x1+off*(b.x1-b.x0), 7, false), roundScale(b.y0-off*(b.y1-b.y0), b.y1+off*(b.y1-b.y0), 6, false)
	left := textSize + 3 + yTextWidth(y)
	width := min(contentWidth-left-right, 400)
	c := chart{rect{left, 0, left + width, height}, x, y}
	at := func(v []float64) point { return c.at(v[1], v[0]) }
	many := total > mostMarks
	var d Drawing
	d.grid(c, true, true, false)
	shade := func(generation int) color.NRGBA {
		if last == 0 {
			return sequence(1)
		}
		return sequence((float64(generation) - first) / (end - first))
	}
	for _, f := range e.Fronts[:last] {
		var points []point
		for _, v := range f.Values {
			points = append(points, at(v))
		}
		if many {
			d.marks = append(d.marks, mark{points: points, line: shade(f.Generation), lineWidth: 2, dots: true, backdrop: true})
		} else {
			d.cloud(points, shade(f.Generation), 0.8*radius, false)
		}
	}
	line := look{color: sequence(1), width: lineWidth}
	var path, ends []point
	for _, v := range e.joined(e.Fronts[last].Values) {
		path = append(path, at(v))
	}
	d.marks = append(d.marks, mark{points: path, line: line.color, lineWidth: line.width, backdrop: true})
	for _, v := range e.Fronts[last].Values {
		ends = append(ends, at(v))
	}
	d.cloud(ends, sequence(1), radius, false)
	d.axes(c)
	// Names stand off the points and the line.
	var taken []rect
	keep := func(p point, radius float64) { taken = append(taken, rect{p.x, p.y, p.x, p.y}.grown(radius)) }
	for _, f := range e.Fronts {
		for _, v := range f.Values {
			keep(at(v), radius)
		}
	}
	for i := 1; i < len(path); i++ {
		a, b := path[i-1], path[i]
		for t := 0.0; t < 1; t += 2 / max(math.Hypot(b.x-a.x, b.y-a.y), 2) {
			keep(point{a.x + t*(b.x-a.x), a.y + t*(b.y-a.y)}, 1)
		}
	}
	chosen := look{color: vermilion, shape: diamond}
	const size = 4.2
	for _, n := range e.Chosen {
		keep(at(n.Values), 1.3*size)
	}
	for _, n := range e.Chosen {
		taken = append(taken, d.label(n.Name, c, at(n.Values), 1.3*size, taken))
	}
	for _, n := range e.Chosen {
		d.marker(chosen, at(n.Values), size)
	}
	if last > 0 {
		bar := rect{c.x1 + barGap, 16, c.x1 + barGap + barWidth, height}
		d.colorBar(bar, generations, sequence, "generation")
	}
	d.yName(point{0, height / 2}, e.Objectives[0].Name+", "+e.Objectives[0].better())
	d.xName(point{left + width/2, height + tickDrop + tickSize + 3}, e.Objectives[1].Name+", "+e.Objectives[1].better())
	list := []entry{{fmt.Sprintf("front of generation %d", e.Fronts[last].Generation), func(d *Drawing, r rect) {
		y := (r.y0 + r.y1) / 2
		d.marks = append(d.marks, mark{points: []point{{r.x0, y}, {r.x1, y}}, line: line.color, lineWidth: line.width})
		d.cloud([]point{{(r.x0 + r.x1) / 2, y}}, sequence(1), radius, false)
	}}}
	if len(e.Chosen) > 0 {
		list = append(list, markerEntry("chosen", chosen, size-0.7))
	}
	d.entries(list, left+width/2, height+legendDrop, width)
	return Figure{d.framed(title, "First fronts", e.words()), rows}, nil
}

// words describes the fronts and what was chosen.
func (e Evolution) words() string {
	describe := func(f Front) string {
		var parts []string
		for i, o := range e.Objectives {
			low, high := math.Inf(1), math.Inf(-1)
			for _, v := range f.Values {
				low, high = min(low, v[i]), max(high, v[i])
			}
			parts = append(parts, fmt.Sprintf("%s from %s to %s", o.Name, number(low, 3), number(high, 3)))
		}
		return fmt.Sprintf("generation %d: %s, %s", f.Generation, plural(len(f.Values), "network"), strings.Join(parts, ", "))
	}
	var list []string
	for i, f := range e.Fronts {
		if i == 0 || i == len(e.Fronts)-1 {
			list = append(list, describe(f))
		}
	}
	for _, c := range e.Chosen {
		var values []string
		for i, o := range e.Objectives {
			values = append(values, o.Name+" "+number(c.Values[i], 3))
		}
		list = append(list, fmt.Sprintf("chosen %s: %s", c.Name, strings.Join(values, ", ")))
	}
	a, b := e.Objectives[0], e.Objectives[1]
	return fmt.Sprintf("First fronts of %s, %s (%s) over %s (%s). %s.", plural(len(e.Fronts), "generation"), a.Name, a.better(), b.Name, b.better(), capital(strings.Join(list, "; ")))
}
