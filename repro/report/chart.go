package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/repro/claims"
)

// Places in a chart, in its own units.
const (
	chartWidth  = 360.0
	chartMargin = 14.0
)

// chart is the picture of one interval: the mean, the seeds' values, and what they are compared with, on one axis.
type chart struct {
	ID, Title, Desc string
	// Name is the part's, empty for a claim of one value.
	Name             string
	Low, High, Width string
	Mean             string
	Values           []string
	Band             *band
	Marks            []mark
	Ticks            []mark
}

type band struct{ X, Width string }

// mark is a line on the axis; its label ends at Y and the line starts at Top.
type mark struct{ X, Label, Anchor, Y, Top string }

// reference is a number that the interval is compared with.
type reference struct {
	x    float64
	name string
}

// references are the numbers on the interval's axis: the printed value only where it is of the same quantity.
func references(p Part) (refs []reference, margin float64) {
	v := p.Verdict
	if v.Kind == claims.Order {
		return []reference{{0, "no difference"}}, 0
	}
	if x, err := (claims.Assertion{Printed: v.Printed}).Number(); err == nil && (v.Kind == claims.Level || v.Kind == claims.Rank) {
		refs = append(refs, reference{x, "printed " + strings.Fields(v.Printed)[0]})
	}
	switch {
	case p.Rule == nil:
	case v.Kind == claims.Level:
		margin = p.Rule.Margin
	case v.Kind == claims.Trend, v.Kind == claims.Rank && p.Record.Measure != nil && p.Record.Measure.Than == "":
		refs = append(refs, reference{p.Rule.Bound, "bound " + number(p.Rule.Bound)})
	}
	return refs, margin
}

// draw makes the chart of a part, nil where there is no interval.
func draw(id string, p Part) *chart {
	v := p.Verdict
	if v.Interval == nil || v.Measured == nil || !finite(append(slices.Clone(v.Values), v.Interval.Low, v.Interval.High, *v.Measured)...) {
		return nil
	}
	refs, margin := references(p)
	low, high := math.Min(v.Interval.Low, slices.Min(append(v.Values, *v.Measured))), math.Max(v.Interval.High, slices.Max(append(v.Values, *v.Measured)))
	for _, r := range refs {
		low, high = math.Min(low, r.x-margin), math.Max(high, r.x+margin)
	}
	pad := (high - low) * 0.05
	if pad <= 0 {
		pad = math.Max(math.Abs(high), 1) * 0.05
	}
	low, high = low-pad, high+pad
	at := func(x float64) float64 {
		return chartMargin + (x-low)/(high-low)*(chartWidth-2*chartMargin)
	}
	c := &chart{ID: id, Name: v.Part, Low: place(at(v.Interval.Low)), High: place(at(v.Interval.High)), Width: place(at(v.Interval.High) - at(v.Interval.Low)), Mean: place(at(*v.Measured))}
	for _, x := range v.Values {
		c.Values = append(c.Values, place(at(x)))
	}
	words := []string{fmt.Sprintf("Mean %.4g, 95 %% interval %.4g to %.4g", *v.Measured, v.Interval.Low, v.Interval.High)}
	if len(v.Values) > 0 {
		var list []string
		for _, x := range v.Values {
			list = append(list, fmt.Sprintf("%.4g", x))
		}
		words = append(words, "single seeds "+strings.Join(list, ", "))
	}
	for i, r := range refs {
		x := at(r.x)
		y := 11 + 13*float64(i)
		c.Marks = append(c.Marks, mark{place(x), r.name, anchor(x), place(y), place(y + 4)})
		if r.name == "no difference" {
			words = append(words, "no difference at 0")
		} else {
			words = append(words, r.name)
		}
		if margin > 0 && i == 0 {
			c.Band = &band{place(at(r.x - margin)), place(at(r.x+margin) - at(r.x-margin))}
			words = append(words, fmt.Sprintf("margin %.4g to %.4g", r.x-margin, r.x+margin))
		}
	}
	for _, x := range ticks(low, high) {
		c.Ticks = append(c.Ticks, mark{X: place(at(x)), Label: number(x), Anchor: anchor(at(x))})
	}
	c.Title, c.Desc = strings.TrimSpace("Interval of "+v.Claim+" "+v.Part), strings.Join(words, "; ")+"."
	return c
}

func number(x float64) string { return fmt.Sprintf("%.7g", x) }

func finite(list ...float64) bool {
	return !slices.ContainsFunc(list, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}

func place(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }

// anchor keeps text inside the picture.
func anchor(x float64) string {
	switch {
	case x < 60:
		return "start"
	case x > chartWidth-60:
		return "end"
	}
	return "middle"
}

// ticks are three to six round numbers between low and high.
func ticks(low, high float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/3)))
	for _, f := range []float64{5, 2} {
		if (high-low)/(step*f) >= 3 {
			step *= f
			break
		}
	}
	var out []float64
	for i := math.Ceil(low / step); i*step <= high && len(out) < 8; i++ {
		out = append(out, i*step+0) // + 0 makes -0 a 0
	}
	return out
}
