package plots

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

// Figure is a drawing of results together with the data that it shows.
type Figure struct {
	Drawing
	// rows are the data, the names of the columns first.
	rows [][]string
}

// WriteCSV writes the data that the figure shows, so that it can be drawn anew elsewhere. Equal figures give equal
// files.
func (f Figure) WriteCSV(w io.Writer) error {
	if err := csv.NewWriter(w).WriteAll(f.rows); err != nil {
		return fmt.Errorf("plots: CSV of %q: %w", f.title, err)
	}
	return nil
}

// exact prints the shortest decimal that reads back as v; zero has no sign.
func exact(v float64) string { return strconv.FormatFloat(v+0, 'g', -1, 64) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Cells draws the cells of a genotype as [Genotype] does; the data are the edges.
func Cells(g arch.Genotype, title string) (Figure, error) {
	if len(g.Normal.Edges)+len(g.Reduce.Edges) == 0 {
		return Figure{}, fmt.Errorf("plots: cells: expected a genotype with edges, got none")
	}
	rows := [][]string{{"cell", "from", "to", "op"}}
	for _, side := range []struct {
		name string
		cell arch.Cell
	}{{"normal", g.Normal}, {"reduce", g.Reduce}} {
		for i, e := range side.cell.Edges {
			if e.Op == "" || e.From < 0 || e.To < 2 || e.From >= e.To {
				return Figure{}, fmt.Errorf("plots: cells: %s.edges[%d]: expected an operation from a state to a later node, got %q from %d to %d", side.name, i, e.Op, e.From, e.To)
			}
			rows = append(rows, []string{side.name, stateText(e.From), stateText(e.To), e.Op})
		}
		for _, n := range side.cell.Concat {
			rows = append(rows, []string{side.name, stateText(n), "c_{k}", "concat"})
		}
	}
	return Figure{Genotype(g, title), rows}, nil
}

// GridCell draws the cell of a network of NAS-Bench-201 as [Grid] does; the data are the edges.
func GridCell(g arch.Grid, title string) (Figure, error) {
	if err := (arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Grid: &g}).Validate(); err != nil {
		return Figure{}, fmt.Errorf("plots: grid cell: %w", err)
	}
	rows := [][]string{{"from", "to", "op"}}
	for i, op := range g.Cell {
		rows = append(rows, []string{strconv.Itoa(gridEdges[i][0]), strconv.Itoa(gridEdges[i][1]), op})
	}
	return Figure{Grid(g, title), rows}, nil
}

// Blocks draws a chain of blocks as [Chain] does; the data are the blocks.
func Blocks(n arch.Network, title string) (Figure, error) {
	if err := n.Validate(); err != nil {
		return Figure{}, fmt.Errorf("plots: blocks: %w", err)
	}
	if n.Chain == nil {
		return Figure{}, fmt.Errorf("plots: blocks: expected a chain, got a network of cells")
	}
	rows := [][]string{{"block", "op", "kernel", "stride", "in", "hidden", "out"}}
	for i, b := range n.Chain.Blocks {
		row := []string{strconv.Itoa(i + 1), b.Op, cmp.Or(b.KernelText(), "0")}
		for _, v := range []int{b.Stride, b.In, b.Hidden, b.Out} {
			row = append(row, strconv.Itoa(v))
		}
		rows = append(rows, row)
	}
	return Figure{Chain(n, title), rows}, nil
}

// stateText names a state as in the drawings of cells.
func stateText(state int) string {
	switch state {
	case 0:
		return "c_{k-2}"
	case 1:
		return "c_{k-1}"
	}
	return strconv.Itoa(state - 2)
}

// edgeName is the heading of an edge.
func edgeName(from, to int, size float64) []run {
	var runs []run
	switch from {
	case 0, 1:
		runs = []run{{s: "c", size: size, italic: true}, {s: "k−" + strconv.Itoa(2-from), size: size - 1.5, italic: true, rise: -1.5}}
	default:
		runs = []run{{s: strconv.Itoa(from - 2), size: size}}
	}
	return append(runs, run{s: " → " + strconv.Itoa(to-2), size: size})
}

// edgesOf lists the edges of a table with n rows, node by node as in a search; false if no number of nodes has n.
func edgesOf(n int) ([][2]int, bool) {
	var list [][2]int
	for to := 2; len(list) < n; to++ {
		for from := range to {
			list = append(list, [2]int{from, to})
		}
	}
	return list, n > 0 && len(list) == n
}

// scale is the range of an axis and its marks.
type scale struct {
	low, high float64
	ticks     []float64
}

// step is the smallest round distance of at least span/count; a whole number where whole is set.
func step(span float64, count int, whole bool) float64 {
	raw := span / float64(count)
	if whole {
		raw = max(raw, 1)
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if s := m * power; s >= raw*(1-1e-9) && (!whole || s == math.Round(s)) {
			return s
		}
	}
	return 10 * power
}

// fixedScale has marks at round numbers between low and high, about count of them.
func fixedScale(low, high float64, count int, whole bool) scale {
	return markedScale(low, high, step(high-low, count, whole))
}

// markedScale has marks at the multiples of by.
func markedScale(low, high, by float64) scale {
	s := scale{low: low, high: high}
	for i := math.Ceil(low/by - 1e-9); i*by <= high+1e-9*by; i++ {
		s.ticks = append(s.ticks, i*by+0) // without the sign of a zero
	}
	return s
}

// roundScale widens low and high to round numbers.
func roundScale(low, high float64, count int, whole bool) scale {
	if high <= low {
		pad := max(math.Abs(low)*0.05, 0.5)
		low, high = low-pad, high+pad
	}
	by := step(high-low, count, whole)
	return markedScale(by*math.Floor(low/by+1e-9), by*math.Ceil(high/by-1e-9), by)
}

func (s scale) share(v float64) float64 { return (v - s.low) / (s.high - s.low) }

// tickText prints a number of an axis.
func tickText(v float64) string { return strings.ReplaceAll(number(v, 9), "-", "−") }

// chart is the rectangle between two axes.
type chart struct {
	rect
	x, y scale
}

func (c chart) at(x, y float64) point {
	return point{c.x0 + c.x.share(x)*(c.x1-c.x0), c.y1 - c.y.share(y)*(c.y1-c.y0)}
}

// contentWidth is the width between the margins, less half a line at each side.
const contentWidth = pageWidth - 2*margin - 1

// overhang is how far the last number of an axis reaches beyond it.
func overhang(s scale) float64 {
	last := s.ticks[len(s.ticks)-1]
	return textWidth(digits(tickText(last), tickSize)) / 2
}

// tickSize is the size of the numbers at axes; tickGap is their distance from a chart to the left, tickDrop from one
// above, more so that the numbers of both axes have room at the corner.
const (
	tickSize = smallSize
	tickGap  = 3
	tickDrop = 4.5
)

// gridColor is of the lines behind data.
var gridColor = color.NRGBA{0xE4, 0xE4, 0xE4, 0xFF}

// grid draws the lines behind the data, with numbers on the axes where they are asked for; inward keeps those of the
// x axis within the chart's width.
func (d *Drawing) grid(c chart, xNumbers, yNumbers, inward bool) {
	for _, t := range c.x.ticks {
		p := c.at(t, c.y.low)
		d.marks = append(d.marks, mark{points: []point{p, {p.x, c.y0}}, line: gridColor, lineWidth: thinWidth, backdrop: true})
		if xNumbers {
			name, align := digits(tickText(t), tickSize), 0.5
			if half := textWidth(name) / 2; inward && p.x-half < c.x0 {
				align = 0
			} else if inward && p.x+half > c.x1 {
				align = 1
			}
			d.write(point{p.x, c.y1 + tickDrop + ascent*tickSize}, align, ink, name...)
		}
	}
	for _, t := range c.y.ticks {
		p := c.at(c.x.low, t)
		d.marks = append(d.marks, mark{points: []point{p, {c.x1, p.y}}, line: gridColor, lineWidth: thinWidth, backdrop: true})
		if yNumbers {
			d.write(point{c.x0 - tickGap, p.y + 0.36*tickSize}, 1, ink, digits(tickText(t), tickSize)...)
		}
	}
}

// axes draws the two axes over the data.
func (d *Drawing) axes(c chart) {
	d.marks = append(d.marks, mark{points: []point{{c.x0, c.y0}, {c.x0, c.y1}, {c.x1, c.y1}}, line: muted, lineWidth: thinWidth, backdrop: true})
}

// yTextWidth is the room for the numbers of an axis, with the gap.
func yTextWidth(s scale) float64 {
	w := 0.0
	for _, t := range s.ticks {
		w = max(w, textWidth(digits(tickText(t), tickSize)))
	}
	return w + tickGap
}

// axisName writes what an axis shows: below a chart, or upward at its left end.
func (d *Drawing) xName(at point, s string) {
	d.write(point{at.x, at.y + ascent*textSize}, 0.5, ink, run{s: s, size: textSize})
}

func (d *Drawing) yName(at point, s string) {
	d.texts = append(d.texts, text{at: point{at.x + ascent*textSize, at.y}, align: 0.5, runs: []run{{s: s, size: textSize}}, color: ink, in: none, upward: true})
}

// heading writes a bold name above a part, its top at y.
func (d *Drawing) heading(x, y float64, s string) {
	d.write(point{x, y + ascent*headerSize}, 0.5, muted, run{s: s, size: headerSize, bold: true})
}

// look is how an operation or another series is drawn.
type look struct {
	color color.NRGBA
	dash  []float64
	width float64
	// striped areas are pale with lines across.
	striped bool
	// shape of markers.
	shape shape
}

// opLooks are the looks of operations, each another: the colours of the cells' edges, with 5x5 dashed.
func opLooks(ops []string) []look {
	dashes := [][]float64{nil, dashed, dotted, {6, 2, 1, 2}, {3, 1.5}}
	colors := []color.NRGBA{blue, vermilion, green, orange, skyBlue, purple, ink, muted}
	var looks []look
	taken := func(l look) bool {
		return slices.ContainsFunc(looks, func(o look) bool { return o.color == l.color && slices.Equal(o.dash, l.dash) })
	}
	for _, op := range ops {
		base := lineOf(op)
		l := look{color: base.color, dash: base.dash, width: lineWidth}
		if l.color == faint { // too faint for a line among others
			l.color = muted
		}
		if strings.HasSuffix(op, "5x5") {
			l.dash, l.striped = []float64{3.2, 1.8}, true
		}
		if kernel, gate, ok := blockOf(op); ok {
			l = look{color: kernelColor(kernel), width: lineWidth}
			if gate {
				l.dash, l.striped = []float64{3.2, 1.8}, true
			}
		}
		for n := 0; taken(l) && n < len(dashes)*len(colors); n++ {
			l.color, l.dash, l.striped = colors[n%len(colors)], dashes[n/len(colors)], n/len(colors)%2 == 1
		}
		looks = append(looks, l)
	}
	return looks
}

// blockOf reads the name of a block of a chain, such as k9 gate: kernel, and whether it has a gate.
func blockOf(op string) (kernel int, gate, ok bool) {
	rest, gate := strings.CutSuffix(op, " gate")
	digits, ok := strings.CutPrefix(rest, "k")
	kernel, err := strconv.Atoi(digits)
	return kernel, gate, ok && err == nil
}

// fillOf is the colour of an area.
func (l look) fillOf() color.NRGBA {
	switch {
	case l.striped:
		return tint(l.color, 0.35)
	case l.color == muted:
		return tint(muted, 0.5)
	}
	return tint(l.color, 0.85)
}

// shape is a marker's.
type shape int

const (
	circle shape = iota
	square
	triangle
	diamond
	wedge
	shapes
)

// marker draws a series' mark of a radius around p.
func (d *Drawing) marker(l look, p point, radius float64) {
	var outline []point
	switch l.shape {
	case square:
		outline = regular(p, 4, math.Pi/4, 1.25*radius)
	case triangle:
		outline = regular(p, 3, -math.Pi/2, 1.3*radius)
	case wedge:
		outline = regular(p, 3, math.Pi/2, 1.3*radius)
	case diamond:
		outline = regular(p, 4, 0, 1.3*radius)
	default:
		outline = regular(p, 24, 0, radius)
	}
	d.marks = append(d.marks, mark{points: outline, fill: l.color, line: paper, lineWidth: 0.5})
}

// regular is the closed outline of a regular polygon of n corners, the first at an angle, at a distance from p.
func regular(p point, n int, angle, radius float64) []point {
	var outline []point
	for i := range n {
		a := angle + 2*math.Pi*float64(i)/float64(n)
		outline = append(outline, point{p.x + radius*math.Cos(a), p.y + radius*math.Sin(a)})
	}
	return append(outline, outline[0])
}

// area draws the area between two lines of equal x.
func (d *Drawing) area(l look, lower, upper []point) {
	d.marks = append(d.marks, mark{points: ring(lower, upper), fill: l.fillOf(), line: paper, lineWidth: thinWidth, backdrop: true})
	if !l.striped {
		return
	}
	const every = 4.0
	for x := lower[0].x + every/2; x < lower[len(lower)-1].x; x += every {
		low, high := heightAt(lower, x), heightAt(upper, x)
		if low-high > 1 {
			d.marks = append(d.marks, mark{points: []point{{x, low - 0.5}, {x, high + 0.5}}, line: l.color, lineWidth: 0.8, backdrop: true})
		}
	}
}

// colorBar draws a scale of colours, from below, with its name above it and numbers to the right.
func (d *Drawing) colorBar(bar rect, s scale, shade func(share float64) color.NRGBA, name string) {
	const pieces = 100
	for i := range pieces {
		y0, y1 := bar.y1-float64(i+1)*(bar.y1-bar.y0)/pieces, bar.y1-float64(i)*(bar.y1-bar.y0)/pieces
		c := shade((float64(i) + 0.5) / pieces)
		d.marks = append(d.marks, mark{points: corners(rect{bar.x0, y0, bar.x1, y1}), fill: c, line: c, lineWidth: 0.3, backdrop: true})
	}
	for _, t := range s.ticks {
		y := bar.y1 - s.share(t)*(bar.y1-bar.y0)
		d.marks = append(d.marks, mark{points: []point{{bar.x1, y}, {bar.x1 + 2, y}}, line: muted, lineWidth: thinWidth})
		d.write(point{bar.x1 + tickGap + 1, y + 0.36*tickSize}, 0, ink, digits(tickText(t), tickSize)...)
	}
	d.write(point{(bar.x0 + bar.x1) / 2, bar.y0 - 5}, 0.5, ink, run{s: name, size: textSize - 1})
}

// ring is the closed outline between two lines of ascending x.
func ring(lower, upper []point) []point {
	outline := slices.Clone(upper)
	for _, p := range slices.Backward(lower) {
		outline = append(outline, p)
	}
	return append(outline, upper[0])
}

// heightAt is the y of a line of ascending x.
func heightAt(line []point, x float64) float64 {
	for i := 1; i < len(line); i++ {
		if a, b := line[i-1], line[i]; x <= b.x && b.x > a.x {
			return a.y + (b.y-a.y)*(x-a.x)/(b.x-a.x)
		}
	}
	return line[len(line)-1].y
}

// entry is one entry of a legend; draw fills a swatch.
type entry struct {
	name string
	draw func(d *Drawing, r rect)
}

const (
	swatchWidth  = 17
	swatchHeight = 8
)

func lineEntry(name string, l look) entry {
	return entry{name, func(d *Drawing, r rect) {
		y := (r.y0 + r.y1) / 2
		d.marks = append(d.marks, mark{points: []point{{r.x0, y}, {r.x1, y}}, line: l.color, lineWidth: l.width, dash: l.dash})
	}}
}

func areaEntry(name string, l look) entry {
	return entry{name, func(d *Drawing, r rect) {
		d.area(l, []point{{r.x0, r.y1}, {r.x1, r.y1}}, []point{{r.x0, r.y0}, {r.x1, r.y0}})
	}}
}

func markerEntry(name string, l look, radius float64) entry {
	return entry{name, func(d *Drawing, r rect) {
		d.marker(l, point{r.x1 - radius*1.3, (r.y0 + r.y1) / 2}, radius)
	}}
}

// entries draws a legend in lines of at most the given width, each centred on x; it returns where it ends.
func (d *Drawing) entries(list []entry, x, y, width float64) float64 {
	const (
		size    = textSize - 0.5
		between = 13
		toName  = 4
		line    = 13
	)
	name := func(e entry) []run { return digits(e.name, size) }
	wide := func(e entry) float64 { return swatchWidth + toName + textWidth(name(e)) }
	fit := func(list []entry, width float64) (n int, w float64) {
		n, w = 1, wide(list[0])
		for n < len(list) && w+between+wide(list[n]) <= width {
			w += between + wide(list[n])
			n++
		}
		return n, w
	}
	lines := func(width float64) (lines int) {
		for at := 0; at < len(list); lines++ {
			n, _ := fit(list[at:], width)
			at += n
		}
		return lines
	}
	// As many lines as it takes, and those of about the same length.
	for most := lines(width); width > swatchWidth && lines(width-4) == most; {
		width -= 4
	}
	for len(list) > 0 {
		n, w := fit(list, width)
		at := x - w/2
		for _, e := range list[:n] {
			e.draw(d, rect{at, y, at + swatchWidth, y + swatchHeight})
			d.write(point{at + swatchWidth + toName, y + swatchHeight/2 + 0.36*size}, 0, ink, name(e)...)
			at += wide(e) + between
		}
		list, y = list[n:], y+line
	}
	return y - line + swatchHeight
}
