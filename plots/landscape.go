package plots

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// LandscapeMap is the accuracy and loss of one supernet on a grid around the parameters that its search ended with.
type LandscapeMap struct {
	// Name is the run's.
	Name string
	// Axis are the steps along both directions, ascending, at least 3.
	Axis []float64
	// Accuracy in percent and Loss are [step of the second direction][step of the first].
	Accuracy, Loss [][]float64
}

func (m LandscapeMap) check() error {
	n := len(m.Axis)
	if n < 3 {
		return fmt.Errorf("axis: expected at least 3 steps, got %d", n)
	}
	for i, v := range m.Axis {
		if !finite(v) || i > 0 && v <= m.Axis[i-1] {
			return fmt.Errorf("axis[%d]: expected ascending finite numbers, got %g", i, v)
		}
	}
	for _, part := range []struct {
		field  string
		values [][]float64
	}{{"accuracy", m.Accuracy}, {"loss", m.Loss}} {
		if len(part.values) != n {
			return fmt.Errorf("%s: expected a row for each of %d steps, got %d", part.field, n, len(part.values))
		}
		for i, row := range part.values {
			if len(row) != n {
				return fmt.Errorf("%s[%d]: expected a number for each of %d steps, got %d", part.field, i, n, len(row))
			}
			for k, v := range row {
				if !finite(v) || part.field == "loss" && v <= 0 {
					return fmt.Errorf("%s[%d][%d]: expected a finite number, a loss more than 0, got %g", part.field, i, k, v)
				}
			}
		}
		if part.field == "accuracy" {
			if err := checkPercent(part.field, slices.Concat(part.values...)); err != nil {
				return err
			}
		}
	}
	return nil
}

// logarithms are those of losses to base 10: far off, a loss can be many times that of the middle.
func logarithms(grid [][]float64) [][]float64 {
	out := make([][]float64, len(grid))
	for i, row := range grid {
		for _, v := range row {
			out[i] = append(out[i], math.Log10(v))
		}
	}
	return out
}

// Landscapes draws the accuracies of supernets side by side, below them logarithms of their losses: heat maps with lines of equal height
// at the marks of the scale, which all maps of a row share. A cross marks where the search ended.
func Landscapes(maps []LandscapeMap, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: landscapes: %s", fmt.Sprintf(format, args...))
	}
	if err := checkNames(maps, func(m LandscapeMap) string { return m.Name }); err != nil {
		return fail("%s", err)
	}
	const most = 4
	if len(maps) > most {
		return fail("expected at most %d, got %d", most, len(maps))
	}
	var all [2][][]float64
	for _, m := range maps {
		if err := m.check(); err != nil {
			return fail("%s: %s", m.Name, err)
		}
		all[0], all[1] = append(all[0], m.Accuracy...), append(all[1], logarithms(m.Loss)...)
	}
	const (
		gapX, gapY = 12, 16
		barWidth   = 8
		headed     = headerSize + 5
		largest    = 170
	)
	names := [2]string{"accuracy (%)", "log10 loss"}
	var values [2]scale
	right := 0.0
	for i := range values {
		low, high := spread(all[i]...)
		values[i] = roundScale(low, high, 6, false)
		right = max(right, yTextWidth(values[i]))
	}
	first := maps[0].Axis
	x := fixedScale(first[0], first[len(first)-1], 4, false)
	left := textSize + 3 + yTextWidth(x)
	n := float64(len(maps))
	side := min((contentWidth-left-(n-1)*gapX-8-barWidth-right-5)/n, largest)
	rows := [][]string{{"series", "second", "first", "accuracy_percent", "loss"}}
	var words []string
	var d Drawing
	for i := range values {
		y0 := headed + float64(i)*(side+gapY+6)
		for k, m := range maps {
			x0 := left + float64(k)*(side+gapX)
			if i == 0 {
				d.heading(x0+side/2, 0, m.Name)
			}
			grid := m.Accuracy
			if i == 1 {
				grid = logarithms(m.Loss)
			}
			axis := fixedScale(m.Axis[0], m.Axis[len(m.Axis)-1], 4, false)
			d.heatMap(chart{rect{x0, y0, x0 + side, y0 + side}, axis, axis}, m.Axis, grid, values[i], k == 0, i == len(values)-1)
		}
		d.yName(point{0, y0 + side/2}, "second direction")
		end := left + n*(side+gapX) - gapX
		d.colorBar(rect{end + 8, y0 + 4, end + 8 + barWidth, y0 + side}, values[i], heat, names[i])
	}
	bottom := headed + 2*side + gapY + 6
	middle := left + (n*(side+gapX)-gapX)/2
	d.entries([]entry{{"where the search ended", func(d *Drawing, r rect) { d.cross(point{(r.x0 + r.x1) / 2, (r.y0 + r.y1) / 2}) }}},
		middle, bottom+legendDrop, max(n*side, 300))
	for k, m := range maps {
		d.xName(point{left + float64(k)*(side+gapX) + side/2, bottom + tickDrop + tickSize + 3}, "first direction")
		for i, second := range m.Axis {
			for j, step := range m.Axis {
				rows = append(rows, []string{m.Name, exact(second), exact(step), exact(m.Accuracy[i][j]), exact(m.Loss[i][j])})
			}
		}
		c := len(m.Axis) / 2
		lowest, highest := spread(m.Accuracy...)
		least, worst := spread(m.Loss...)
		words = append(words, fmt.Sprintf("%s: accuracy %s %% in the middle, from %s to %s; loss %s, from %s to %s", m.Name,
			number(m.Accuracy[c][c], 1), number(lowest, 1), number(highest, 1), number(m.Loss[c][c], 3), number(least, 3), number(worst, 3)))
	}
	return Figure{d.framed(title, "Landscape", fmt.Sprintf("Heat maps of validation accuracy and loss on %s by %s points over two random directions of the parameters. %s.",
		strconv.Itoa(len(first)), strconv.Itoa(len(first)), strings.Join(words, "; "))), rows}, nil
}

// heatMap draws a grid as areas around its points, lines of equal height at the marks of the scale, and a cross at 0, 0.
func (d *Drawing) heatMap(c chart, axis []float64, grid [][]float64, s scale, yNumbers, xNumbers bool) {
	edges := make([]float64, len(axis)+1)
	for i := range edges {
		switch i {
		case 0:
			edges[i] = axis[0]
		case len(axis):
			edges[i] = axis[i-1]
		default:
			edges[i] = (axis[i-1] + axis[i]) / 2
		}
	}
	for i, row := range grid {
		for k, v := range row {
			p, q := c.at(edges[k], edges[i+1]), c.at(edges[k+1], edges[i])
			fill := heat(s.share(v))
			// A line of the same colour leaves no seams.
			d.marks = append(d.marks, mark{points: corners(rect{p.x, p.y, q.x, q.y}), fill: fill, line: fill, lineWidth: 0.3, backdrop: true})
		}
	}
	for _, level := range s.ticks {
		for _, line := range contour(axis, grid, level) {
			d.marks = append(d.marks, mark{points: []point{c.at(line[0][0], line[0][1]), c.at(line[1][0], line[1][1])}, line: muted, lineWidth: thinWidth, backdrop: true})
		}
	}
	d.cross(c.at(0, 0))
	d.marks = append(d.marks, mark{points: corners(c.rect), line: muted, lineWidth: thinWidth, backdrop: true})
	for _, t := range c.x.ticks {
		if xNumbers {
			align := 0.5
			if t == c.x.low {
				align = 0
			} else if t == c.x.high {
				align = 1
			}
			d.write(point{c.at(t, 0).x, c.y1 + tickDrop + ascent*tickSize}, align, ink, digits(tickText(t), tickSize)...)
		}
		if yNumbers {
			d.write(point{c.x0 - tickGap, c.at(0, t).y + 0.36*tickSize}, 1, ink, digits(tickText(t), tickSize)...)
		}
	}
}

// cross marks a point.
func (d *Drawing) cross(at point) {
	for _, way := range []point{{3, 0}, {0, 3}} {
		d.marks = append(d.marks, mark{points: []point{{at.x - way.x, at.y - way.y}, {at.x + way.x, at.y + way.y}}, line: vermilion, lineWidth: 1.3, backdrop: true})
	}
}

// contour are the lines of a height over a grid, [step of y][step of x]: in every triangle of a square and its middle, one
// at most.
func contour(axis []float64, grid [][]float64, level float64) [][2][2]float64 {
	var out [][2][2]float64
	type corner struct{ x, y, v float64 }
	for i := range len(axis) - 1 {
		for k := range len(axis) - 1 {
			at := func(di, dk int) corner { return corner{axis[k+dk], axis[i+di], grid[i+di][k+dk]} }
			ring := []corner{at(0, 0), at(0, 1), at(1, 1), at(1, 0)}
			middle := corner{(axis[k] + axis[k+1]) / 2, (axis[i] + axis[i+1]) / 2, (ring[0].v + ring[1].v + ring[2].v + ring[3].v) / 4}
			for e := range ring {
				triangle := []corner{ring[e], ring[(e+1)%4], middle}
				var cut [][2]float64
				for a := range triangle {
					p, q := triangle[a], triangle[(a+1)%3]
					if p.v >= level == (q.v >= level) {
						continue
					}
					share := (level - p.v) / (q.v - p.v)
					cut = append(cut, [2]float64{p.x + share*(q.x-p.x), p.y + share*(q.y-p.y)})
				}
				if len(cut) == 2 {
					out = append(out, [2][2]float64{cut[0], cut[1]})
				}
			}
		}
	}
	return out
}
