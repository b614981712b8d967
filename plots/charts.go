package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
)

// PairedCounts are the numbers of skip connections that several methods kept with the same seeds.
type PairedCounts struct {
	// Names of the methods, at least two.
	Names []string
	Seeds []uint64
	// Counts of both cells together, [method][seed].
	Counts [][]int
}

func (p PairedCounts) check() error {
	if len(p.Seeds) == 0 {
		return fmt.Errorf("seeds: expected at least one, got none")
	}
	for k, s := range p.Seeds {
		if slices.Contains(p.Seeds[:k], s) {
			return fmt.Errorf("seeds[%d]: expected each once, got %d again", k, s)
		}
	}
	if len(p.Names) < 2 || len(p.Counts) != len(p.Names) {
		return fmt.Errorf("names: expected at least two, and counts for each, got %d and %d", len(p.Names), len(p.Counts))
	}
	for i, name := range p.Names {
		if name == "" || slices.Contains(p.Names[:i], name) {
			return fmt.Errorf("names: expected different ones, got %q", p.Names)
		}
		if len(p.Counts[i]) != len(p.Seeds) {
			return fmt.Errorf("counts of %s: expected one for each of %d seeds, got %d", name, len(p.Seeds), len(p.Counts[i]))
		}
		for k, c := range p.Counts[i] {
			if c < 0 {
				return fmt.Errorf("counts of %s[%d]: expected at least 0, got %d", name, k, c)
			}
		}
	}
	return nil
}

// Skips draws the numbers of skip connections seed by seed, those of a seed joined, and their means.
func Skips(p PairedCounts, title string) (Figure, error) {
	if err := p.check(); err != nil {
		return Figure{}, fmt.Errorf("plots: skips: %w", err)
	}
	n, most := len(p.Seeds), slices.Max(slices.Concat(p.Counts...))
	const (
		height = 150
		radius = 3.2
	)
	// apart is half the distance of two marks, in slots.
	apart := min(0.13, 0.36/float64(len(p.Names)-1))
	offset := func(i int) float64 { return apart * float64(2*i-(len(p.Names)-1)) }
	var looks []look
	for i := range p.Names {
		colors := []color.NRGBA{vermilion, blue, green, purple, orange, skyBlue, ink}
		looks = append(looks, look{color: colors[i%len(colors)], shape: shape(i) % shapes})
	}
	y := roundScale(0, float64(most)+0.5, 6, true)
	left := textSize + 3 + yTextWidth(y)
	widest := 0.0
	for _, s := range p.Seeds {
		widest = max(widest, textWidth(digits(strconv.FormatUint(s, 10), tickSize)))
	}
	slot := max(32+9*float64(len(p.Names)), widest+8)
	width := min(contentWidth-left, slot*float64(n+2))
	slot = width / float64(n+2) // but for the means' gap
	// Of seeds that stand close, some are named.
	every := int(math.Ceil((widest + 4) / slot))
	// The means stand behind a gap.
	mean := float64(n-1) + max(1.25, (widest/2+16)/slot)
	x := scale{low: -max(0.6, (widest/2+1)/slot), high: mean + max(0.65, 11/slot)}
	c := chart{rect{left, 0, left + width, height}, x, y}
	var d Drawing
	d.grid(c, false, true, false)
	divide := (float64(n-1) + mean) / 2
	d.marks = append(d.marks, mark{points: []point{c.at(divide, y.low), c.at(divide, y.high)}, line: muted, lineWidth: thinWidth, dash: dotted, backdrop: true})
	// group draws the numbers of all methods at a place, joined.
	group := func(at float64, values []float64) {
		var line []point
		for i, v := range values {
			line = append(line, c.at(at+offset(i), v))
		}
		d.marks = append(d.marks, mark{points: line, line: muted, lineWidth: lineWidth, backdrop: true})
		for i, p := range line {
			d.marker(looks[i], p, radius)
		}
	}
	means := make([]float64, len(p.Names))
	rows := [][]string{{"seed", "method", "skip_connections"}}
	var words []string
	for k, seed := range p.Seeds {
		values, said := make([]float64, len(p.Names)), make([]string, len(p.Names))
		for i, name := range p.Names {
			values[i], said[i] = float64(p.Counts[i][k]), strconv.Itoa(p.Counts[i][k])
			means[i] += values[i] / float64(n)
			rows = append(rows, []string{strconv.FormatUint(seed, 10), name, said[i]})
		}
		group(float64(k), values)
		if k%every == 0 {
			d.write(point{c.at(float64(k), 0).x, c.y1 + tickDrop + ascent*tickSize}, 0.5, ink, digits(strconv.FormatUint(seed, 10), tickSize)...)
		}
		words = append(words, fmt.Sprintf("seed %d: %s", seed, listed(said)))
	}
	group(mean, means)
	d.write(point{c.at(mean, 0).x, c.y1 + tickDrop + ascent*tickSize}, 0.5, ink, run{s: "mean", size: tickSize, bold: true})
	d.axes(c)
	seeds := (c.at(0, 0).x + c.at(float64(n-1), 0).x) / 2
	d.xName(point{seeds, c.y1 + tickDrop + tickSize + 3}, "seed")
	d.yName(point{0, height / 2}, "skip connections, both cells")
	var list []entry
	said := make([]string, len(means))
	for i, name := range p.Names {
		list = append(list, markerEntry(name, looks[i], radius))
		said[i] = number(means[i], 2)
	}
	d.entries(list, left+width/2, height+legendDrop, max(width, 300))
	return Figure{d.framed(title, "Skip connections", fmt.Sprintf("Skip connections in both derived cells of %s, paired by seed. %s. Means %s.",
		listed(p.Names), capital(strings.Join(words, "; ")), listed(said))), rows}, nil
}

// listed joins words as a sentence does: a, b and c.
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// LossCurve is a loss of one architecture parameter with its gradient.
type LossCurve struct {
	Name string
	// Formula stands beside the name in the legend; it may be empty.
	Formula string
	// Alphas ascend; Losses and Gradients belong to them.
	Alphas, Losses, Gradients []float64
}

// ZeroOneLoss draws losses and their gradients as functions of the architecture parameter.
func ZeroOneLoss(curves []LossCurve, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: zero-one-loss: %s", fmt.Sprintf(format, args...))
	}
	if len(curves) == 0 {
		return fail("expected at least one curve, got none")
	}
	low, high := math.Inf(1), math.Inf(-1)
	var ranges [2][2]float64
	for i, c := range curves {
		if c.Name == "" || slices.ContainsFunc(curves[:i], func(o LossCurve) bool { return o.Name == c.Name }) {
			return fail("curves[%d]: name: expected one of its own, got %q", i, c.Name)
		}
		if len(c.Alphas) < 2 || len(c.Losses) != len(c.Alphas) || len(c.Gradients) != len(c.Alphas) {
			return fail("%s: expected at least 2 parameters, as many losses and gradients, got %d, %d and %d", c.Name, len(c.Alphas), len(c.Losses), len(c.Gradients))
		}
		for k, a := range c.Alphas {
			if !finite(a) || k > 0 && a <= c.Alphas[k-1] {
				return fail("%s: alphas[%d]: expected ascending finite numbers, got %g", c.Name, k, a)
			}
			if !finite(c.Losses[k]) || !finite(c.Gradients[k]) {
				return fail("%s: [%d]: expected a finite loss and gradient, got %g and %g", c.Name, k, c.Losses[k], c.Gradients[k])
			}
			for part, v := range []float64{c.Losses[k], c.Gradients[k]} {
				ranges[part][0], ranges[part][1] = min(ranges[part][0], v), max(ranges[part][1], v)
			}
		}
		low, high = min(low, c.Alphas[0]), max(high, c.Alphas[len(c.Alphas)-1])
	}
	const (
		gapX   = 20
		height = 140
	)
	looks := []look{}
	for i := range curves {
		looks = append(looks, look{color: []color.NRGBA{blue, vermilion, green, purple}[i%4], dash: [][]float64{nil, dashed, dotted}[i%3], width: 1.3})
	}
	x := fixedScale(low, high, 8, false)
	var d Drawing
	// Both charts are equally wide; each has its own numbers at its left.
	ys := [2]scale{roundScale(ranges[0][0], ranges[0][1], 5, false), roundScale(ranges[1][0], ranges[1][1], 5, false)}
	room := textSize + 3 + max(yTextWidth(ys[0]), yTextWidth(ys[1]))
	width := (contentWidth - 2*room - gapX - overhang(x)) / 2
	for part, name := range []string{"loss", "gradient"} {
		x0 := room + float64(part)*(width+gapX+room)
		c := chart{rect{x0, 0, x0 + width, height}, x, ys[part]}
		d.grid(c, true, true, false)
		if low < 0 && high > 0 {
			d.marks = append(d.marks, mark{points: []point{c.at(0, c.y.low), c.at(0, c.y.high)}, line: faint, lineWidth: thinWidth, backdrop: true})
		}
		for i, curve := range curves {
			m := mark{line: looks[i].color, dash: looks[i].dash, lineWidth: looks[i].width}
			for k, a := range curve.Alphas {
				m.points = append(m.points, c.at(a, [][]float64{curve.Losses, curve.Gradients}[part][k]))
			}
			d.marks = append(d.marks, m)
		}
		d.axes(c)
		d.yName(point{x0 - room, height / 2}, name)
		d.write(point{x0 + width/2, height + tickDrop + tickSize + 3 + ascent*textSize}, 0.5, ink,
			run{s: "architecture parameter ", size: textSize}, run{s: "α", size: textSize, italic: true})
	}
	rows := [][]string{{"form", "alpha", "loss", "gradient"}}
	var list []entry
	var names []string
	for i, c := range curves {
		for k, a := range c.Alphas {
			rows = append(rows, []string{c.Name, exact(a), exact(c.Losses[k]), exact(c.Gradients[k])})
		}
		name := c.Name
		if c.Formula != "" {
			name += ": " + c.Formula
		}
		list = append(list, lineEntry(name, looks[i]))
		names = append(names, fmt.Sprintf("%s: loss from %.3g to %.3g, gradient from %.3g to %.3g", c.Name,
			slices.Min(c.Losses)+0, slices.Max(c.Losses)+0, slices.Min(c.Gradients)+0, slices.Max(c.Gradients)+0))
	}
	d.entries(list, (2*width+gapX+2*room)/2, height+tickDrop+tickSize+3+textSize+9, contentWidth)
	return Figure{d.framed(title, "Zero-one loss", fmt.Sprintf("Loss and gradient of one architecture parameter from %g to %g. %s.", low, high, strings.Join(names, "; "))), rows}, nil
}

// MACsPanel is one chart of [MACs]: points that were measured under one protocol.
type MACsPanel struct {
	// Name says what the points have in common.
	Name   string
	Series []MACsSeries
}

// MACsSeries are the networks of one kind.
type MACsSeries struct {
	Name   string
	Points []MACsPoint
}

// MACsPoint is one network.
type MACsPoint struct {
	// Label stands beside the point; empty for none.
	Label string
	// MACs are its multiply-adds in millions, Accuracy its test accuracy in percent.
	MACs, Accuracy float64
}

// MACs draws test accuracy against multiply-adds, one chart for each protocol, side by side: what was trained
// differently does not share axes.
func MACs(panels []MACsPanel, title string) (Figure, error) {
	s := scatter{figure: "macs", yName: "test accuracy (%)", yColumn: "accuracy_percent", unit: "%", most: 100,
		expected: "an accuracy from 0 to 100 %", unnamed: "Accuracy against multiply-adds", intro: "Test accuracy against multiply-adds"}
	for _, p := range panels {
		panel := scatterPanel{name: p.Name}
		for _, of := range p.Series {
			series := scatterSeries{name: of.Name}
			for _, pt := range of.Points {
				series.points = append(series.points, scatterPoint{pt.Label, pt.MACs, pt.Accuracy})
			}
			panel.series = append(panel.series, series)
		}
		s.panels = append(s.panels, panel)
	}
	return s.draw(title)
}

// label writes a name beside a point where nothing else stands, the nearest free place; a line leads to a far one.
func (d *Drawing) label(s string, c chart, p point, radius float64, taken []rect) rect {
	const size = tickSize
	w := textWidth(digits(s, size))
	const h = (ascent + descent) * size
	best, bestCost := rect{}, math.Inf(1)
	for _, distance := range []float64{1, 5, 10, 16, 24} {
		for turn := range 16 {
			a := 2 * math.Pi * float64(turn) / 16
			// The middle of a text that begins at the given distance.
			m := point{p.x + math.Cos(a)*(radius+distance+w/2), p.y + math.Sin(a)*(radius+distance+h/2)}
			r := rect{m.x - w/2, m.y - h/2, m.x + w/2, m.y + h/2}
			// To the right reads best, then left, then above and below.
			cost := 8*distance + 4*math.Abs(math.Sin(a)) + 1.5*(1-math.Cos(a))
			for _, t := range taken {
				if t.overlaps(r.grown(0.5)) {
					cost += 1000
				}
			}
			if r.x0 < c.x0+1 || r.x1 > c.x1 || r.y0 < c.y0 || r.y1 > c.y1-1 {
				cost += 1000
			}
			if cost < bestCost {
				best, bestCost = r, cost
			}
		}
	}
	// A line leads where the name stands off.
	nearest := point{min(max(p.x, best.x0), best.x1), min(max(p.y, best.y0), best.y1)}
	if math.Hypot(nearest.x-p.x, nearest.y-p.y) > radius+3 {
		d.marks = append(d.marks, mark{points: []point{p, nearest}, line: faint, lineWidth: thinWidth, backdrop: true})
	}
	d.write(point{best.x0, best.y0 + ascent*size}, 0, ink, digits(s, size)...)
	return best
}
