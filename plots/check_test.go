package plots

import (
	"fmt"
	"slices"
)

// problems lists what overlaps in a drawing: boxes, texts, marks and curves, each named by what stands in it, and what
// leaves the page.
func problems(d Drawing) []string {
	var list []string
	report := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	boxName := func(i int) string {
		name := ""
		for _, t := range d.texts {
			if t.in == i {
				name += spelled(t.runs) + " "
			}
		}
		return fmt.Sprintf("box %d %q", i, name)
	}
	page := rect{0, 0, d.width, d.height}
	inside := func(r, in rect) bool { return r.x0 >= in.x0 && r.y0 >= in.y0 && r.x1 <= in.x1 && r.y1 <= in.y1 }
	for i, b := range d.boxes {
		if !inside(b.grown(b.lineWidth/2), page) {
			report("%s leaves the page", boxName(i))
		}
		for k, o := range d.boxes[:i] {
			if b.grown(clearance / 2).overlaps(o.grown(clearance/2 - 0.01)) {
				report("%s overlaps %s", boxName(i), boxName(k))
			}
		}
	}
	for i, t := range d.texts {
		bounds := t.bounds()
		if !inside(bounds, page) {
			report("text %q leaves the page", spelled(t.runs))
		}
		for k, b := range d.boxes {
			if t.in == k && !inside(bounds, b.rect) {
				report("text %q leaves its box", spelled(t.runs))
			}
			if t.in != k && bounds.overlaps(b.rect) {
				report("text %q overlaps %s", spelled(t.runs), boxName(k))
			}
		}
		for _, o := range d.texts[:i] {
			other := o.bounds()
			if t.in != none && t.in == o.in { // lines of one box: capitals and digits only
				other.y1 -= descent * o.runs[0].size
			}
			if bounds.overlaps(other) {
				report("text %q overlaps text %q", spelled(t.runs), spelled(o.runs))
			}
		}
	}
	for i, m := range d.marks {
		if !inside(m.bounds(), page) {
			report("mark %d leaves the page", i)
		}
		if m.backdrop {
			continue
		}
		for _, t := range d.texts {
			bounds := t.bounds()
			crosses := m.fill.A > 0 && bounds.overlaps(m.bounds())
			for k := 1; k < len(m.points) && !crosses; k++ {
				a, b := m.points[k-1], m.points[k]
				sampled(a, [3]point{{a.x + (b.x-a.x)/3, a.y + (b.y-a.y)/3}, {b.x - (b.x-a.x)/3, b.y - (b.y-a.y)/3}, b}, func(p point) bool {
					crosses = crosses || bounds.contains(p)
					return !crosses
				})
			}
			if crosses {
				report("mark %d lies on text %q", i, spelled(t.runs))
			}
		}
	}
	for i, c := range d.curves {
		from := c.from
		for _, s := range c.segments {
			sampled(from, s, func(p point) bool {
				if !page.contains(p) {
					report("curve %d leaves the page at %v", i, p)
					return false
				}
				for k, b := range d.boxes {
					keepOut := b.grown(clearance)
					switch at := slices.Index(c.touches, k); {
					case at == 0 || at == 1: // its ends
						keepOut = b.grown(-0.1)
					case at > 1: // its label
						continue
					}
					if keepOut.contains(p) {
						report("curve %d (%v) passes through %s", i, c.touches, boxName(k))
						return false
					}
				}
				for _, t := range d.texts {
					if t.in == none && t.bounds().contains(p) {
						report("curve %d passes through text %q", i, spelled(t.runs))
						return false
					}
				}
				return true
			})
			from = s[2]
		}
	}
	return list
}
