// Package plots draws architectures, the graphs of cells and the blocks of chains as the papers print them, and the
// results of searches and trainings as figures. Everything is made from plain data.
package plots

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"html"
	"image/color"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Drawing is a finished figure. Its methods may be called any number of times.
type Drawing struct {
	noPaper            bool
	title, description string
	width, height      float64
	// Drawn in this order.
	marks  []mark
	curves []curve
	boxes  []box
	texts  []text
}

// Coordinates are points of 1/72 inch from the top left corner.
type point struct{ x, y float64 }

type rect struct{ x0, y0, x1, y1 float64 }

func (r rect) moved(dx, dy float64) rect { return rect{r.x0 + dx, r.y0 + dy, r.x1 + dx, r.y1 + dy} }

func (r rect) grown(by float64) rect { return rect{r.x0 - by, r.y0 - by, r.x1 + by, r.y1 + by} }

func (r rect) union(o rect) rect {
	return rect{min(r.x0, o.x0), min(r.y0, o.y0), max(r.x1, o.x1), max(r.y1, o.y1)}
}

func (r rect) contains(p point) bool { return p.x > r.x0 && p.x < r.x1 && p.y > r.y0 && p.y < r.y1 }

func (r rect) overlaps(o rect) bool {
	return r.x0 < o.x1 && o.x0 < r.x1 && r.y0 < o.y1 && o.y0 < r.y1
}

// box is a rectangle with round corners.
type box struct {
	rect
	round      float64
	fill, line color.NRGBA
	lineWidth  float64
	dash       []float64
}

// run is a piece of text in one font.
type run struct {
	s            string
	size         float64
	bold, italic bool
	// rise of the baseline.
	rise float64
}

func (r run) width() float64 {
	f := face(r.size, r.bold, r.italic)
	return f.Width(r.s).Points()
}

// draw writes a run. Viewers of SVG drop spaces at the ends of a text, so that they are left out.
func (r run) draw(c vg.Canvas, at vg.Point) {
	f := face(r.size, r.bold, r.italic)
	trimmed := strings.TrimLeft(r.s, " ")
	at.X += f.Width(r.s) - f.Width(trimmed)
	if trimmed = strings.TrimRight(trimmed, " "); trimmed != "" {
		c.FillString(f, at, trimmed)
	}
}

// digits is a run for numbers, in pieces that keep two ones apart: the font's kerning would join them.
func digits(s string, size float64) []run {
	var runs []run
	for {
		i := strings.Index(s, "11")
		if i < 0 {
			return append(runs, run{s: s, size: size})
		}
		runs = append(runs, run{s: s[:i+1], size: size})
		s = s[i+1:]
	}
}

// text is a line of text.
type text struct {
	// at is on the baseline: the left end for align 0, the centre for 0.5, the right end for 1.
	at    point
	align float64
	runs  []run
	color color.NRGBA
	// in is the index of the box that holds the text, none for free text.
	in int
	// upward text is read from below; align counts from its lower end.
	upward bool
}

// none is the index of no box.
const none = -1

// Height of letters above and below the baseline, in sizes of the font.
const (
	ascent  = 0.74
	descent = 0.22
)

func textWidth(runs []run) float64 {
	w := 0.0
	for _, r := range runs {
		w += r.width()
	}
	return w
}

func (t text) bounds() rect {
	w := textWidth(t.runs)
	b := rect{t.at.x - t.align*w, math.Inf(1), t.at.x + (1-t.align)*w, math.Inf(-1)}
	for _, r := range t.runs {
		b.y0, b.y1 = min(b.y0, t.at.y-r.rise-ascent*r.size), max(b.y1, t.at.y-r.rise+descent*r.size)
	}
	if t.upward { // a quarter turn to the left around t.at
		return rect{t.at.x + b.y0 - t.at.y, t.at.y - (b.x1 - t.at.x), t.at.x + b.y1 - t.at.y, t.at.y - (b.x0 - t.at.x)}
	}
	return b
}

// mark is a line of straight pieces, or a polygon where it has a fill.
type mark struct {
	points []point
	// fill is not drawn where it is the zero colour, line not where lineWidth is 0.
	fill, line color.NRGBA
	lineWidth  float64
	dash       []float64
	// backdrop may lie under texts.
	backdrop bool
	// dots draws a square of side lineWidth around each point instead of joining them. Where squares overlap the
	// colour is no darker.
	dots bool
}

func (m mark) bounds() rect {
	r := rect{m.points[0].x, m.points[0].y, m.points[0].x, m.points[0].y}
	for _, p := range m.points[1:] {
		r = r.union(rect{p.x, p.y, p.x, p.y})
	}
	return r.grown(m.lineWidth / 2)
}

// curve is a path of cubic Bézier segments.
type curve struct {
	from      point
	segments  [][3]point
	color     color.NRGBA
	lineWidth float64
	dash      []float64
	// arrow puts a head at the end, which must run left to right.
	arrow bool
	// touches are the indices of the boxes that the curve may meet: its ends and its label.
	touches []int
}

// line appends a straight segment.
func (c *curve) line(to point) {
	at := c.end()
	third := point{(to.x - at.x) / 3, (to.y - at.y) / 3}
	c.segments = append(c.segments, [3]point{{at.x + third.x, at.y + third.y}, {to.x - third.x, to.y - third.y}, to})
}

// level appends a segment that is level at both ends.
func (c *curve) level(to point) { c.segments = append(c.segments, levelSegment(c.end(), to)) }

func levelSegment(from, to point) [3]point {
	half := (to.x - from.x) / 2
	return [3]point{{from.x + half, from.y}, {to.x - half, to.y}, to}
}

func (c *curve) end() point {
	if len(c.segments) == 0 {
		return c.from
	}
	return c.segments[len(c.segments)-1][2]
}

// sampled calls f at points along a segment until it returns false.
func sampled(from point, s [3]point, f func(point) bool) bool {
	const steps = 24
	for i := range steps + 1 {
		t := float64(i) / steps
		u := 1 - t
		a, b, c, d := u*u*u, 3*u*u*t, 3*u*t*t, t*t*t
		if !f(point{a*from.x + b*s[0].x + c*s[1].x + d*s[2].x, a*from.y + b*s[0].y + c*s[1].y + d*s[2].y}) {
			return false
		}
	}
	return true
}

// Size is the natural size, in points of 1/72 inch.
func (d Drawing) Size() (width, height float64) { return d.width, d.height }

// Title is the title; a drawing that was made without one is named after what it shows.
func (d Drawing) Title() string { return d.title }

// Description says in words what the drawing shows.
func (d Drawing) Description() string { return d.description }

// WriteSVG writes the drawing as SVG with its title and description as text alternatives. Equal drawings give equal
// files.
func (d Drawing) WriteSVG(w io.Writer) error {
	c := vgsvg.New(vg.Points(d.width), vg.Points(d.height))
	d.draw(c)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return fmt.Errorf("plots: SVG of %q: %w", d.title, err)
	}
	data, err := annotate(b.Bytes(), d.title, d.description)
	if err != nil {
		return fmt.Errorf("plots: SVG of %q: %w", d.title, err)
	}
	_, err = w.Write(data)
	return err
}

// WithoutPaper is the drawing on a transparent background, for a page of one's own. Its ink is dark.
func (d Drawing) WithoutPaper() Drawing {
	d.noPaper = true
	return d
}

// annotate puts in what vgsvg leaves out: text alternatives, and fonts of equal widths for viewers without Liberation.
func annotate(svg []byte, title, description string) ([]byte, error) {
	open := bytes.Index(svg, []byte("<svg "))
	if open < 0 {
		return nil, fmt.Errorf("no <svg> in what vgsvg wrote")
	}
	end := bytes.IndexByte(svg[open:], '>')
	if end < 0 {
		return nil, fmt.Errorf("no end of <svg> in what vgsvg wrote")
	}
	end += open
	var b bytes.Buffer
	b.Write(svg[:end])
	b.WriteString("\n\trole=\"img\">\n<title>")
	if err := xml.EscapeText(&b, []byte(title)); err != nil {
		return nil, err
	}
	b.WriteString("</title>\n<desc>")
	if err := xml.EscapeText(&b, []byte(description)); err != nil {
		return nil, err
	}
	b.WriteString("</desc>")
	b.Write(svgText.ReplaceAllFunc(svg[end+1:], fixedWidth))
	return b.Bytes(), nil
}

// svgText is a text as vgsvg writes it: its place, the style, what is in the style, the text itself.
var svgText = regexp.MustCompile(`(<text [^>]*?)(\s+style="font-family:)[^;]*(;[^"]*font-weight:(\w+);font-style:(\w+);font-size:([0-9.]+)px[^"]*">)([^<]*)</text>`)

// fixedWidth gives a text of vgsvg the width that it was laid out for, whatever font the viewer has.
func fixedWidth(element []byte) []byte {
	m := svgText.FindSubmatch(element)
	size, err := strconv.ParseFloat(string(m[6]), 64)
	if err != nil {
		return element
	}
	r := run{s: html.UnescapeString(string(m[7])), size: size, bold: string(m[4]) == "bold", italic: string(m[5]) == "italic"}
	return fmt.Appendf(nil, `%s textLength="%s" lengthAdjust="spacingAndGlyphs"%s'Liberation Sans',Arial,Helvetica,sans-serif%s%s</text>`, m[1], number(r.width(), 2), m[2], m[3], m[7])
}

// maxPixels bounds the size of an image, 400 MB of memory.
const maxPixels = 100e6

// WritePNG writes the drawing as PNG, on white unless it is one without paper, with dpi pixels an inch, rounded to a whole number.
func (d Drawing) WritePNG(w io.Writer, dpi float64) error {
	dots := math.Round(dpi)
	if !(dots >= 1) || d.width*d.height*dots*dots/(72*72) > maxPixels {
		return fmt.Errorf("plots: PNG of %q: dpi: expected at least 1 and at most %.0g pixels in all, got %g", d.title, maxPixels, dpi)
	}
	ground := color.Color(color.White)
	if d.noPaper {
		ground = color.Transparent
	}
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(vg.Points(d.width), vg.Points(d.height)), vgimg.UseDPI(int(dots)), vgimg.UseBackgroundColor(ground))}
	d.draw(c)
	if _, err := c.WriteTo(w); err != nil {
		return fmt.Errorf("plots: PNG of %q: %w", d.title, err)
	}
	return nil
}

// draw puts the drawing on a canvas of its size.
func (d Drawing) draw(c vg.Canvas) {
	at := func(p point) vg.Point { return vg.Point{X: vg.Points(p.x), Y: vg.Points(d.height - p.y)} }
	pen := func(col color.NRGBA, width float64, dash []float64) {
		lengths := make([]vg.Length, len(dash))
		for i, l := range dash {
			lengths[i] = vg.Points(l)
		}
		c.SetColor(col)
		c.SetLineWidth(vg.Points(width))
		c.SetLineDash(lengths, 0)
	}
	// Ink needs paper, also in a viewer with a dark background.
	if !d.noPaper {
		c.SetColor(paper)
		c.Fill(outline(box{rect: rect{0, 0, d.width, d.height}}, at))
	}
	for _, m := range d.marks {
		var path vg.Path
		if m.dots { // a short line of that width each, which makes for the smallest SVG
			for _, p := range m.points {
				p = point{math.Round(p.x*10) / 10, math.Round(p.y*10) / 10}
				path.Move(at(point{p.x - m.lineWidth/2, p.y}))
				path.Line(at(point{p.x + m.lineWidth/2, p.y}))
			}
			pen(m.line, m.lineWidth, nil)
			c.Stroke(path)
			continue
		}
		path.Move(at(m.points[0]))
		for _, p := range m.points[1:] {
			path.Line(at(p))
		}
		if m.fill.A > 0 {
			path.Close()
			c.SetColor(m.fill)
			c.Fill(path)
		}
		if m.lineWidth > 0 {
			pen(m.line, m.lineWidth, m.dash)
			c.Stroke(path)
		}
	}
	for _, s := range d.curves {
		var path vg.Path
		path.Move(at(s.from))
		for _, p := range s.segments {
			path.CubeTo(at(p[0]), at(p[1]), at(p[2]))
		}
		pen(s.color, s.lineWidth, s.dash)
		c.Stroke(path)
		if s.arrow {
			// The head reaches beyond the end of the curve, so that its tip is sharp.
			tip := point{s.end().x + arrowSize, s.end().y}
			var head vg.Path
			head.Move(at(tip))
			head.Line(at(point{tip.x - 1.2*arrowSize, tip.y - arrowSize/2.3}))
			head.Line(at(point{tip.x - 1.2*arrowSize, tip.y + arrowSize/2.3}))
			head.Close()
			c.Fill(head)
		}
	}
	for _, b := range d.boxes {
		path := outline(b, at)
		c.SetColor(b.fill)
		c.Fill(path)
		pen(b.line, b.lineWidth, b.dash)
		c.Stroke(path)
	}
	for _, t := range d.texts {
		c.SetColor(t.color)
		if t.upward {
			c.Push()
			c.Translate(at(point{t.at.x, t.bounds().y1}))
			c.Rotate(math.Pi / 2)
			x := 0.0
			for _, r := range t.runs {
				r.draw(c, vg.Point{X: vg.Points(x), Y: vg.Points(r.rise)})
				x += r.width()
			}
			c.Pop()
			continue
		}
		x := t.bounds().x0
		for _, r := range t.runs {
			r.draw(c, at(point{x, t.at.y - r.rise}))
			x += r.width()
		}
	}
}

// outline is the path of a box.
func outline(b box, at func(point) vg.Point) vg.Path {
	r := min(b.round, (b.x1-b.x0)/2, (b.y1-b.y0)/2)
	k := r * (1 - 0.5523) // a quarter of a circle as a cubic
	var p vg.Path
	p.Move(at(point{b.x0 + r, b.y0}))
	p.Line(at(point{b.x1 - r, b.y0}))
	p.CubeTo(at(point{b.x1 - k, b.y0}), at(point{b.x1, b.y0 + k}), at(point{b.x1, b.y0 + r}))
	p.Line(at(point{b.x1, b.y1 - r}))
	p.CubeTo(at(point{b.x1, b.y1 - k}), at(point{b.x1 - k, b.y1}), at(point{b.x1 - r, b.y1}))
	p.Line(at(point{b.x0 + r, b.y1}))
	p.CubeTo(at(point{b.x0 + k, b.y1}), at(point{b.x0, b.y1 - k}), at(point{b.x0, b.y1 - r}))
	p.Line(at(point{b.x0, b.y0 + r}))
	p.CubeTo(at(point{b.x0, b.y0 + k}), at(point{b.x0 + k, b.y0}), at(point{b.x0 + r, b.y0}))
	p.Close()
	return p
}

// put adds a box with lines of text in its middle and returns its index.
func (d *Drawing) put(b box, col color.NRGBA, lines ...[]run) int {
	d.boxes = append(d.boxes, b)
	in := len(d.boxes) - 1
	total := 0.0
	for _, l := range lines {
		total += 1.15 * l[0].size
	}
	y := (b.y0 + b.y1 - total) / 2
	for _, l := range lines {
		// The middle of capitals, at 0.36 of the size above the baseline, is the middle of the line.
		d.texts = append(d.texts, text{at: point{(b.x0 + b.x1) / 2, y + 1.15*l[0].size/2 + 0.36*l[0].size}, align: 0.5, runs: l, color: col, in: in})
		y += 1.15 * l[0].size
	}
	return in
}

// write adds free text.
func (d *Drawing) write(at point, align float64, col color.NRGBA, runs ...run) {
	d.texts = append(d.texts, text{at: at, align: align, runs: runs, color: col, in: none})
}

// add puts another drawing's content at an offset.
func (d *Drawing) add(o Drawing, dx, dy float64) {
	first := len(d.boxes)
	for _, b := range o.boxes {
		b.rect = b.moved(dx, dy)
		d.boxes = append(d.boxes, b)
	}
	for _, m := range o.marks {
		m.points = slices.Clone(m.points)
		for i := range m.points {
			m.points[i].x += dx
			m.points[i].y += dy
		}
		d.marks = append(d.marks, m)
	}
	for _, t := range o.texts {
		t.at.x, t.at.y = t.at.x+dx, t.at.y+dy
		if t.in != none {
			t.in += first
		}
		d.texts = append(d.texts, t)
	}
	for _, c := range o.curves {
		c.from.x, c.from.y = c.from.x+dx, c.from.y+dy
		c.segments = slices.Clone(c.segments)
		for i := range c.segments {
			for k := range c.segments[i] {
				c.segments[i][k].x += dx
				c.segments[i][k].y += dy
			}
		}
		c.touches = slices.Clone(c.touches)
		for i := range c.touches {
			c.touches[i] += first
		}
		d.curves = append(d.curves, c)
	}
}

// framed moves the content below a title, into the margins, and sets the size.
func (d Drawing) framed(title, unnamed, description string) Drawing {
	content := d.extent()
	out := Drawing{title: title, description: description}
	width, top := content.x1-content.x0, float64(margin)
	if title != "" {
		heading := run{s: title, size: titleSize, bold: true}
		width = max(width, heading.width())
		out.write(point{margin + width/2, margin + ascent*titleSize}, 0.5, ink, heading)
		top += titleSize + 9
	} else {
		out.title = unnamed
	}
	out.add(d, margin-content.x0+(width-(content.x1-content.x0))/2, top-content.y0)
	out.width, out.height = math.Ceil(width+2*margin), math.Ceil(top+content.y1-content.y0+margin)
	return out
}

// headed puts a name above the content, which then starts at the origin, and sets the size.
func (d Drawing) headed(name string) Drawing {
	content := d.extent()
	heading := run{s: name, size: headerSize, bold: true}
	width := max(content.x1-content.x0, heading.width())
	var out Drawing
	out.write(point{width / 2, ascent * headerSize}, 0.5, muted, heading)
	const top = headerSize + 5
	out.add(d, (width-content.x1+content.x0)/2-content.x0, top-content.y0)
	out.width, out.height = width, top+content.y1-content.y0
	return out
}

// extent is the rectangle around the content.
func (d Drawing) extent() rect {
	var content rect
	for i, r := range d.bounds() {
		if i == 0 {
			content = r
		}
		content = content.union(r)
	}
	return content
}

// bounds are the rectangles of all that is drawn.
func (d Drawing) bounds() []rect {
	var list []rect
	for _, b := range d.boxes {
		list = append(list, b.grown(b.lineWidth/2))
	}
	for _, m := range d.marks {
		list = append(list, m.bounds())
	}
	for _, t := range d.texts {
		list = append(list, t.bounds())
	}
	for _, c := range d.curves {
		from := c.from
		for _, s := range c.segments {
			sampled(from, s, func(p point) bool {
				list = append(list, rect{p.x, p.y, p.x, p.y}.grown(c.lineWidth/2))
				return true
			})
			from = s[2]
		}
	}
	return list
}
