package plots

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// SimilarityMatrix is how alike the choices of a supernet's layer are in what they put out.
type SimilarityMatrix struct {
	// Name is the layer's.
	Name    string
	Choices []string
	// Cosines are from -1 to 1, [choice][choice], the same both ways.
	Cosines [][]float64
}

func (m SimilarityMatrix) check() error {
	if len(m.Choices) < 2 || len(m.Cosines) != len(m.Choices) {
		return fmt.Errorf("choices: expected at least 2 and a row for each, got %d and %d", len(m.Choices), len(m.Cosines))
	}
	for i, row := range m.Cosines {
		if len(row) != len(m.Choices) {
			return fmt.Errorf("cosines[%d]: expected a number for each of %d choices, got %d", i, len(m.Choices), len(row))
		}
		for k, v := range row {
			if !(math.Abs(v) <= 1+1e-3) || k < i && v != m.Cosines[k][i] {
				return fmt.Errorf("cosines[%d][%d]: expected from -1 to 1, the same both ways, got %g", i, k, v)
			}
		}
	}
	return nil
}

// mean is over the pairs of different choices.
func (m SimilarityMatrix) mean() float64 {
	var of []float64
	for i, row := range m.Cosines {
		of = append(of, row[:i]...)
	}
	return meanOf(of)
}

// Similarities draws a heat map of the cosines for each layer, on one scale of colours, with the mean over its pairs.
func Similarities(layers []SimilarityMatrix, title string) (Figure, error) {
	fail := func(format string, args ...any) (Figure, error) {
		return Figure{}, fmt.Errorf("plots: similarities: %s", fmt.Sprintf(format, args...))
	}
	if err := checkNames(layers, func(m SimilarityMatrix) string { return m.Name }); err != nil {
		return fail("%s", err)
	}
	low, names := 0.0, 0.0
	for _, m := range layers {
		if err := m.check(); err != nil {
			return fail("%s: %s", m.Name, err)
		}
		for _, row := range m.Cosines {
			low = min(low, slices.Min(row))
		}
	}
	const (
		labelSize = 5.8
		gap       = 8
		barWidth  = 8
		columns   = 3
	)
	label := func(name string) run { return run{s: name, size: labelSize} }
	for _, m := range layers {
		for _, name := range m.Choices {
			names = max(names, label(name).width())
		}
	}
	values := roundScale(low, 1, 5, false)
	across := min(columns, len(layers))
	right := 8 + barWidth + yTextWidth(values) + 5
	room := names + 4 + gap
	side := min((contentWidth-right)/float64(across)-room, 150)
	head := headerSize + names + 6
	rows := [][]string{{"layer", "choice", "other", "cosine"}}
	var words []string
	var d Drawing
	bottom := 0.0
	for at, m := range layers {
		x0 := room - gap + float64(at%across)*(side+room)
		y0 := head + float64(at/across)*(side+head+gap)
		bottom = y0 + side
		cell := side / float64(len(m.Choices))
		d.heading(x0+side/2, y0-head, fmt.Sprintf("%s, mean %s", m.Name, number(m.mean(), 2)))
		for i, name := range m.Choices {
			middle := (float64(i) + 0.5) * cell
			d.texts = append(d.texts,
				text{at: point{x0 + middle + 0.36*labelSize, y0 - 3}, runs: []run{label(name)}, color: ink, in: none, upward: true},
				text{at: point{x0 - 3, y0 + middle + 0.36*labelSize}, align: 1, runs: []run{label(name)}, color: ink, in: none})
			for k, v := range m.Cosines[i] {
				r := rect{x0 + float64(k)*cell, y0 + float64(i)*cell, x0 + float64(k+1)*cell, y0 + float64(i+1)*cell}
				d.marks = append(d.marks, mark{points: corners(r), fill: heat(values.share(v)), line: paper, lineWidth: 0.4, backdrop: true})
				if cell >= 16 {
					d.write(point{(r.x0 + r.x1) / 2, (r.y0+r.y1)/2 + 0.36*labelSize}, 0.5, ink, digits(tickText(math.Round(v*100)/100), labelSize)...)
				}
				if k > i {
					rows = append(rows, []string{m.Name, name, m.Choices[k], exact(v)})
				}
			}
		}
		words = append(words, fmt.Sprintf("%s: mean %s over %s", m.Name, number(m.mean(), 3), plural(len(m.Choices)*(len(m.Choices)-1)/2, "pair")))
	}
	end := float64(across)*(side+room) - gap
	d.colorBar(rect{end + 8, head, end + 8 + barWidth, max(bottom, head+60)}, values, heat, "cosine")
	return Figure{d.framed(title, "Similarity of choices", fmt.Sprintf("Cosines of what every two choices of a layer put out for the same image, in %s layers. %s.",
		strconv.Itoa(len(layers)), strings.Join(words, "; "))), rows}, nil
}
