package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"
)

// scatter is what networks have beside their multiply-adds.
type scatter struct {
	// figure names it in errors.
	figure string
	// yName stands at the axis, yColumn over the column of the CSV.
	yName, yColumn string
	// unit stands behind numbers, expected is what they are to be; most is the largest that there can be.
	unit, expected string
	most           float64
	// unnamed and intro are title and beginning of the description.
	unnamed, intro string
	panels         []scatterPanel
}

type scatterPanel struct {
	name   string
	series []scatterSeries
}

type scatterSeries struct {
	name   string
	points []scatterPoint
}

// scatterPoint is a network: its multiply-adds in millions and what it has.
type scatterPoint struct {
	label   string
	macs, y float64
}

// Points of a scatter.
const (
	// mostSaid is how many points without a label a description says one by one.
	mostSaid = 20
	// fewPoints of a series have large marks.
	fewPoints = 60
)

// radius is that of a series' marks.
func (s scatterSeries) radius() float64 {
	if len(s.points) > fewPoints {
		return 1.7
	}
	return 2.9
}

// said are the points in words.
func (s scatterSeries) said(unit string) []string {
	if len(s.points) > mostSaid && !slices.ContainsFunc(s.points, func(p scatterPoint) bool { return p.label != "" }) {
		b := boundsOf(s.points)
		return []string{fmt.Sprintf("%s, %d points from %s to %s M and from %s to %s %s", s.name, len(s.points),
			number(b.x0, 3), number(b.x1, 3), number(b.y0, 2), number(b.y1, 2), unit)}
	}
	var words []string
	for _, p := range s.points {
		words = append(words, strings.TrimSpace(s.name+" "+p.label)+fmt.Sprintf(" %s M %s %s", number(p.macs, 3), number(p.y, 2), unit))
	}
	return words
}

// boundsOf is the range of points.
func boundsOf(points []scatterPoint) rect {
	b := rect{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, p := range points {
		b = b.union(rect{p.macs, p.y, p.macs, p.y})
	}
	return b
}

// names are those of the series of all panels, each once.
func (s scatter) names() ([]string, error) {
	if len(s.panels) == 0 {
		return nil, fmt.Errorf("expected at least one panel, got none")
	}
	var names []string
	for i, p := range s.panels {
		n := 0
		for k, of := range p.series {
			if of.name == "" {
				return nil, fmt.Errorf("panels[%d].series[%d]: name: expected one, got none", i, k)
			}
			if !slices.Contains(names, of.name) {
				names = append(names, of.name)
			}
			for j, pt := range of.points {
				if !(pt.macs > 0) || !finite(pt.macs) || !(pt.y >= 0 && pt.y <= s.most) || !finite(pt.y) {
					return nil, fmt.Errorf("%s[%d]: expected positive multiply-adds and %s, got %g and %g",
						strings.TrimPrefix(p.name+": "+of.name, ": "), j, s.expected, pt.macs, pt.y)
				}
				n++
			}
		}
		if n == 0 {
			return nil, fmt.Errorf("panels[%d] %q: expected points, got none", i, p.name)
		}
	}
	return names, nil
}

// draw draws the panels side by side, each with axes of its own.
func (s scatter) draw(title string) (Figure, error) {
	names, err := s.names()
	if err != nil {
		return Figure{}, fmt.Errorf("plots: %s: %w", s.figure, err)
	}
	const (
		gapX   = 18
		height = 190
	)
	palette := []color.NRGBA{blue, vermilion, green, purple, orange, skyBlue, ink}
	lookOf := func(name string) look {
		i := slices.Index(names, name)
		return look{color: palette[i%len(palette)], shape: shape(i) % shapes}
	}
	scales := make([][2]scale, len(s.panels))
	room, right := 0.0, 0.0
	for i, p := range s.panels {
		var all []scatterPoint
		for _, of := range p.series {
			all = append(all, of.points...)
		}
		b := boundsOf(all)
		padX, padY := max(0.08*(b.x1-b.x0), 0.01*b.x0), max(0.06*(b.y1-b.y0), 0.05)
		scales[i] = [2]scale{roundScale(b.x0-padX, b.x1+padX, 5, false), roundScale(max(b.y0-padY, 0), min(b.y1+padY, s.most), 6, false)}
		room, right = max(room, textSize+3+yTextWidth(scales[i][1])), overhang(scales[i][0])
	}
	n := float64(len(s.panels))
	width := min((contentWidth-right-(n-1)*gapX)/n-room, 300)
	headed := 0.0
	if len(s.panels) > 1 || s.panels[0].name != "" {
		headed = headerSize + 6
	}
	rows := [][]string{{"panel", "series", "label", "multiply_adds_millions", s.yColumn}}
	var words []string
	radii := map[string]float64{}
	var d Drawing
	for i, p := range s.panels {
		x0 := room + float64(i)*(width+gapX+room)
		c := chart{rect{x0, headed, x0 + width, headed + height}, scales[i][0], scales[i][1]}
		if headed > 0 {
			d.heading(x0+width/2, 0, p.name)
		}
		d.grid(c, true, true, false)
		d.axes(c)
		for _, of := range p.series {
			radii[of.name] = max(radii[of.name], of.radius())
			words = append(words, of.said(s.unit)...)
			for _, pt := range of.points {
				rows = append(rows, []string{p.name, of.name, pt.label, exact(pt.macs), exact(pt.y)})
			}
		}
		p.mark(&d, c, lookOf)
		d.yName(point{x0 - room, headed + height/2}, s.yName)
		d.xName(point{x0 + width/2, headed + height + tickDrop + tickSize + 3}, "multiply-adds (millions)")
	}
	var list []entry
	for _, name := range names {
		list = append(list, markerEntry(name, lookOf(name), radii[name]))
	}
	total := n*(width+room) + (n-1)*gapX
	d.entries(list, total/2, headed+height+tickDrop+tickSize+3+textSize+9, max(total, 200))
	return Figure{d.framed(title, s.unnamed, s.intro+": "+strings.Join(words, ", ")+"."), rows}, nil
}

// mark draws a panel's points, and their labels where nothing else stands.
func (p scatterPanel) mark(d *Drawing, c chart, lookOf func(string) look) {
	const around = 1.4 // of a mark's radius stays free of labels
	var taken []rect
	for _, of := range p.series {
		for _, pt := range of.points {
			at := c.at(pt.macs, pt.y)
			taken = append(taken, rect{at.x, at.y, at.x, at.y}.grown(around*of.radius()))
		}
	}
	for _, of := range p.series {
		for _, pt := range of.points {
			if pt.label != "" {
				taken = append(taken, d.label(pt.label, c, c.at(pt.macs, pt.y), around*of.radius(), taken))
			}
		}
	}
	for _, of := range p.series {
		for _, pt := range of.points {
			d.marker(lookOf(of.name), c.at(pt.macs, pt.y), of.radius())
		}
	}
}
