package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"
)

// LatencySeries are the networks of one kind.
type LatencySeries struct {
	Name   string
	Points []LatencyPoint
}

// LatencyPoint is one network.
type LatencyPoint struct {
	// Label stands beside the point; empty for none.
	Label string
	// MACs are its multiply-adds in millions, MS its latency in milliseconds.
	MACs, MS float64
}

// LatencyScatter draws the latencies of networks on one device against their multiply-adds.
func LatencyScatter(series []LatencySeries, title string) (Figure, error) {
	s := scatter{figure: "latency scatter", yName: "latency (ms)", yColumn: "latency_ms", unit: "ms", most: math.MaxFloat64,
		expected: "a finite latency of at least 0", unnamed: "Latency against multiply-adds", intro: "Latency against multiply-adds"}
	var panel scatterPanel
	for _, of := range series {
		one := scatterSeries{name: of.Name}
		for _, pt := range of.Points {
			one.points = append(one.points, scatterPoint{pt.Label, pt.MACs, pt.MS})
		}
		panel.series = append(panel.series, one)
	}
	s.panels = []scatterPanel{panel}
	return s.draw(title)
}

// LatencyParts are the latencies of networks, part by part.
type LatencyParts struct {
	// Networks and Kinds are names; those of kinds stand in a bar from left to right.
	Networks, Kinds []string
	// MS are milliseconds, [network][kind]; 0 where a network has none of a kind.
	MS [][]float64
}

func (p LatencyParts) check() error {
	for _, list := range []struct {
		name  string
		names []string
	}{{"networks", p.Networks}, {"kinds", p.Kinds}} {
		if len(list.names) == 0 || slices.Contains(list.names, "") || len(slices.Compact(slices.Sorted(slices.Values(list.names)))) != len(list.names) {
			return fmt.Errorf("%s: expected different names, at least one, got %q", list.name, list.names)
		}
	}
	if len(p.MS) != len(p.Networks) {
		return fmt.Errorf("ms: expected those of %d networks, got %d", len(p.Networks), len(p.MS))
	}
	for i, row := range p.MS {
		if len(row) != len(p.Kinds) {
			return fmt.Errorf("ms[%d]: expected one for each of %d kinds, got %d", i, len(p.Kinds), len(row))
		}
		sum := 0.0
		for k, v := range row {
			if !(v >= 0) || !finite(v) {
				return fmt.Errorf("ms[%d][%d]: expected a finite number of at least 0, got %g", i, k, v)
			}
			sum += v
		}
		if !(sum > 0) {
			return fmt.Errorf("ms[%d]: expected a sum above 0, got %g", i, sum)
		}
	}
	return nil
}

// kindColor is a kind's colour: after seven of full strength come lighter ones, then darker ones.
func kindColor(k int) color.NRGBA {
	palette := []color.NRGBA{blue, vermilion, green, purple, orange, skyBlue, muted}
	full := palette[k%len(palette)]
	return []color.NRGBA{full, tint(full, 0.5), shaded(full, 0.55)}[k/len(palette)%3]
}

// LatencyShares draws a bar for each network, as long as its latency, and in it the part of each kind with its share in
// percent where there is room for it.
func LatencyShares(p LatencyParts, title string) (Figure, error) {
	if err := p.check(); err != nil {
		return Figure{}, fmt.Errorf("plots: latency shares: %w", err)
	}
	const (
		bar = 24
		gap = 12
	)
	left, longest := 0.0, 0.0
	sums := make([]float64, len(p.Networks))
	for i, name := range p.Networks {
		left = max(left, textWidth(digits(name, textSize))+6)
		for _, v := range p.MS[i] {
			sums[i] += v
		}
		longest = max(longest, sums[i])
	}
	x := roundScale(0, longest, 8, false)
	height := float64(len(p.Networks))*(bar+gap) + gap
	c := chart{rect{left, 0, contentWidth - overhang(x), height}, x, scale{low: 0, high: height}}
	var d Drawing
	d.grid(c, true, false, false)
	rows := [][]string{{"network", "kind", "latency_ms", "share_percent"}}
	var words []string
	for i, name := range p.Networks {
		y := gap + float64(i)*(bar+gap)
		d.write(point{left - 6, y + bar/2 + 0.36*textSize}, 1, ink, digits(name, textSize)...)
		from := 0.0
		var said []string
		for k, v := range p.MS[i] {
			if v == 0 {
				continue
			}
			share := 100 * v / sums[i]
			r := rect{c.at(from, 0).x, y, c.at(from+v, 0).x, y + bar}
			d.part(r, kindColor(k), number(share, 0))
			rows = append(rows, []string{name, p.Kinds[k], exact(v), exact(share)})
			said = append(said, fmt.Sprintf("%s %s %%", p.Kinds[k], number(share, 1)))
			from += v
		}
		words = append(words, fmt.Sprintf("%s: %s ms, of which %s", name, number(sums[i], 2), strings.Join(said, ", ")))
	}
	d.axes(c)
	d.xName(point{(c.x0 + c.x1) / 2, c.y1 + tickDrop + tickSize + 3}, "latency (ms), shares in percent")
	var list []entry
	for k, name := range p.Kinds {
		if slices.ContainsFunc(p.MS, func(row []float64) bool { return row[k] > 0 }) {
			list = append(list, entry{name, func(d *Drawing, r rect) { d.part(r, kindColor(k), "") }})
		}
	}
	d.entries(list, contentWidth/2, height+legendDrop, contentWidth)
	return Figure{d.framed(title, "Latency by kind of block", strings.Join(words, "; ")+"."), rows}, nil
}

// part draws a part of a bar, and its text, if any, in white or ink where it fits.
func (d *Drawing) part(r rect, fill color.NRGBA, s string) {
	d.marks = append(d.marks, mark{points: []point{{r.x0, r.y0}, {r.x1, r.y0}, {r.x1, r.y1}, {r.x0, r.y1}, {r.x0, r.y0}}, fill: fill, line: paper, lineWidth: thinWidth, backdrop: true})
	text := digits(s, tickSize)
	if s == "" || textWidth(text)+3 > r.x1-r.x0 {
		return
	}
	col := ink
	if 3*int(fill.R)+6*int(fill.G)+int(fill.B) < 1280 { // half of the brightest
		col = paper
	}
	d.write(point{(r.x0 + r.x1) / 2, (r.y0+r.y1)/2 + 0.36*tickSize}, 0.5, col, text...)
}
