package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

// WeightHistory are the weights of a search's operations over its epochs.
type WeightHistory struct {
	// Ops are the operations of the edges.
	Ops []string
	// Epochs ascend; 0 is before the first step.
	Epochs []int
	// Normal and Reduce are the weights from 0 to 1 of the two cells, [epoch][edge][op]; edges node by node, those of
	// a node by where they come from. NaN, in all epochs, stands for an operation that an edge does not have.
	Normal, Reduce [][][]float64
	// Cell are the weights of the one cell of NAS-Bench-201, [epoch][6 edges][op], in the place of Normal and Reduce.
	Cell [][][]float64
	// Layers names the layers of a chain, whose weights are then Cell's, [epoch][layer][op].
	Layers []string
	// Threshold is the weight that an operation must reach to be kept, 0 for none.
	Threshold float64
}

// side is one of the two cells.
type side struct {
	name, heading string
	weights       [][][]float64
}

func (h WeightHistory) sides() []side {
	if h.Layers != nil {
		return []side{{"chain", "Layers of the chain", h.Cell}}
	}
	if h.Cell != nil {
		return []side{{"cell", "Cell", h.Cell}}
	}
	return []side{{"normal", "Normal cell", h.Normal}, {"reduce", "Reduction cell", h.Reduce}}
}

// edgeName is the heading of an edge.
func (h WeightHistory) edgeName(edge [2]int, size float64) []run {
	if h.Layers != nil {
		return []run{{s: h.Layers[edge[0]], size: size}}
	}
	if h.Cell != nil {
		return []run{{s: fmt.Sprintf("%d → %d", edge[0], edge[1]), size: size}}
	}
	return edgeName(edge[0], edge[1], size)
}

// state names a state.
func (h WeightHistory) state(i int) string {
	if h.Cell != nil {
		return strconv.Itoa(i)
	}
	return stateText(i)
}

// check returns the edges, or what is wrong.
func (h WeightHistory) check(figure string, epochs int) ([][2]int, error) {
	fail := func(format string, args ...any) ([][2]int, error) {
		return nil, fmt.Errorf("plots: %s: %s", figure, fmt.Sprintf(format, args...))
	}
	if len(h.Ops) == 0 {
		return fail("ops: expected at least one operation, got none")
	}
	for i, op := range h.Ops {
		if op == "" || slices.Contains(h.Ops[:i], op) {
			return fail("ops[%d]: expected a name of its own, got %q", i, op)
		}
	}
	if len(h.Epochs) < epochs {
		return fail("epochs: expected at least %d, got %d", epochs, len(h.Epochs))
	}
	for i := 1; i < len(h.Epochs); i++ {
		if h.Epochs[i] <= h.Epochs[i-1] {
			return fail("epochs[%d]: expected more than %d, got %d", i, h.Epochs[i-1], h.Epochs[i])
		}
	}
	if !(h.Threshold >= 0 && h.Threshold <= 1) {
		return fail("threshold: expected from 0 to 1, got %g", h.Threshold)
	}
	edges := gridEdges[:]
	if h.Layers != nil {
		if err := checkNames(h.Layers, func(s string) string { return s }); err != nil {
			return fail("layers: %s", err)
		}
		edges = layerEdges(len(h.Layers))
	}
	if h.Cell != nil || h.Layers != nil {
		if len(h.Cell) != len(h.Epochs) {
			return fail("expected the weights of %d epochs, got %d of the cell", len(h.Epochs), len(h.Cell))
		}
	} else {
		if len(h.Normal) != len(h.Epochs) || len(h.Reduce) != len(h.Epochs) {
			return fail("expected the weights of %d epochs, got %d of the normal and %d of the reduction cell", len(h.Epochs), len(h.Normal), len(h.Reduce))
		}
		var ok bool
		if edges, ok = edgesOf(len(h.Normal[0])); !ok {
			return fail("normal[0]: expected 2, 5, 9, 14, … edges, got %d", len(h.Normal[0]))
		}
	}
	for _, s := range h.sides() {
		for i, table := range s.weights {
			if len(table) != len(edges) {
				return fail("%s[%d]: expected %d edges, got %d", s.name, i, len(edges), len(table))
			}
			for e, row := range table {
				if len(row) != len(h.Ops) {
					return fail("%s[%d][%d]: expected the weights of %d operations, got %d", s.name, i, e, len(h.Ops), len(row))
				}
				for k, w := range row {
					if missing := math.IsNaN(s.weights[0][e][k]); missing && !math.IsNaN(w) {
						return fail("%s[%d][%d][%d]: expected none, as in the first epoch, got %g", s.name, i, e, k, w)
					} else if !missing && !(w >= 0 && w <= 1) {
						return fail("%s[%d][%d][%d]: expected a weight from 0 to 1, got %g", s.name, i, e, k, w)
					}
				}
				if len(present(row)) == 0 {
					return fail("%s[%d][%d]: expected the weight of at least one operation, got none", s.name, i, e)
				}
			}
		}
	}
	return edges, nil
}

// layerEdges are a chain's layers as edges between its states.
func layerEdges(layers int) (edges [][2]int) {
	for l := range layers {
		edges = append(edges, [2]int{l, l + 1})
	}
	return edges
}

// present are the weights of the operations that an edge has.
func present(row []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(row), math.IsNaN)
}

// sumsToOne tells whether a row is a softmax, but for rounding.
func sumsToOne(row []float64) bool {
	sum := 0.0
	for _, w := range present(row) {
		sum += w
	}
	return math.Abs(sum-1) < 1e-4
}

// softmax tells whether all weights of a table are.
func softmax(table [][]float64) bool {
	return !slices.ContainsFunc(table, func(row []float64) bool { return !sumsToOne(row) })
}

// Sigmoids draws the weight of every operation over the epochs, one chart for each edge of the two cells, on a scale
// from 0 to 1.
func Sigmoids(h WeightHistory, title string) (Figure, error) {
	edges, err := h.check("sigmoids", 2)
	if err != nil {
		return Figure{}, err
	}
	return h.multiples(edges, fixedScale(0, 1, 2, false), "sigmoid weight", title, "Sigmoids"), nil
}

// Softmax draws the weight of every operation over the epochs, one chart for each edge of the two cells, on a scale
// from 0 to the highest weight. The weights of an edge must sum to 1.
func Softmax(h WeightHistory, title string) (Figure, error) {
	edges, err := h.check("softmax", 2)
	if err != nil {
		return Figure{}, err
	}
	highest := 0.0
	for _, s := range h.sides() {
		for i, table := range s.weights {
			for e, row := range table {
				if !sumsToOne(row) {
					return Figure{}, fmt.Errorf("plots: softmax: %s[%d][%d]: expected weights that sum to 1, got %v", s.name, i, e, present(row))
				}
				highest = max(highest, slices.Max(present(row)))
			}
		}
	}
	return h.multiples(edges, roundScale(0, highest, 4, false), "softmax weight", title, "Softmax"), nil
}

// multiples draws one small chart for each edge.
func (h WeightHistory) multiples(edges [][2]int, y scale, yName, title, unnamed string) Figure {
	const (
		gapX, gapY = 8, 15
		height     = 50
		nameSize   = 7
	)
	columns := min(len(edges), 7)
	left := textSize + 3 + yTextWidth(y)
	width := (contentWidth - left - float64(columns-1)*gapX) / float64(columns)
	x := fixedScale(float64(h.Epochs[0]), float64(h.Epochs[len(h.Epochs)-1]), 2, true)
	looks := opLooks(h.Ops)
	rows := [][]string{{"epoch", "cell", "from", "to", "op", "weight"}}
	var d Drawing
	var words []string
	top, middle := 0.0, left+(float64(columns)*(width+gapX)-gapX)/2
	for _, s := range h.sides() {
		d.heading(middle, top, s.heading)
		top += headerSize + 5
		first := top
		bottom := top
		for e, edge := range edges {
			column, line := e%columns, e/columns
			y0 := top + float64(line)*(height+gapY) + nameSize + 3
			x0 := left + float64(column)*(width+gapX)
			c := chart{rect{x0, y0, x0 + width, y0 + height}, x, y}
			// The last chart of a column has the numbers of its axis.
			d.grid(c, e+columns >= len(edges), column == 0, true)
			d.texts = append(d.texts, text{at: point{x0 + width/2, y0 - 4}, align: 0.5, runs: h.edgeName(edge, nameSize), color: ink, in: none})
			if h.Threshold > 0 && h.Threshold < y.high {
				d.marks = append(d.marks, mark{points: []point{c.at(x.low, h.Threshold), c.at(x.high, h.Threshold)}, line: muted, lineWidth: thinWidth, dash: dotted, backdrop: true})
			}
			for k := range h.Ops {
				if math.IsNaN(s.weights[0][e][k]) {
					continue
				}
				m := mark{line: looks[k].color, dash: looks[k].dash, lineWidth: 1}
				for i, epoch := range h.Epochs {
					m.points = append(m.points, c.at(float64(epoch), s.weights[i][e][k]))
				}
				d.marks = append(d.marks, m)
			}
			d.axes(c)
			bottom = max(bottom, c.y1)
			last := s.weights[len(h.Epochs)-1][e]
			best := slices.Index(last, slices.Max(present(last)))
			words = append(words, fmt.Sprintf("%s %s to %s: %s %.2f", s.name, h.state(edge[0]), h.state(edge[1]), h.Ops[best], last[best]))
		}
		d.yName(point{0, (first + nameSize + 3 + bottom) / 2}, yName)
		top = bottom + tickDrop + tickSize + 3
		d.xName(point{middle, top}, "epoch")
		top += textSize + 9
		for i, epoch := range h.Epochs {
			for e, edge := range edges {
				for k, op := range h.Ops {
					if w := s.weights[i][e][k]; !math.IsNaN(w) {
						rows = append(rows, []string{strconv.Itoa(epoch), s.name, h.state(edge[0]), h.state(edge[1]), op, exact(w)})
					}
				}
			}
		}
	}
	var list []entry
	for k, op := range h.Ops {
		list = append(list, lineEntry(op, looks[k]))
	}
	if h.Threshold > 0 && h.Threshold < y.high {
		list = append(list, lineEntry("threshold "+number(h.Threshold, 4), look{color: muted, dash: dotted, width: thinWidth}))
	}
	d.entries(list, middle, top, contentWidth-left)
	return Figure{d.framed(title, unnamed, fmt.Sprintf("%s of %d operations over epochs %d to %d, one chart an edge. Strongest at the end: %s.",
		capital(yName), len(h.Ops), h.Epochs[0], h.Epochs[len(h.Epochs)-1], strings.Join(words, ", "))), rows}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Dominant draws on how many edges each operation is the strongest, over the epochs, stacked, for the two cells. An
// edge whose strongest operations are equal counts for each of them in part.
func Dominant(h WeightHistory, title string) (Figure, error) {
	edges, err := h.check("dominant", 2)
	if err != nil {
		return Figure{}, err
	}
	const (
		gapX   = 26
		height = 150
	)
	// Skip connections stand at the bottom, where their number is read off the axis.
	var order []int
	for k, op := range h.Ops {
		if op == "skip_connect" {
			order = append([]int{k}, order...)
		} else {
			order = append(order, k)
		}
	}
	looks := opLooks(h.Ops)
	x := fixedScale(float64(h.Epochs[0]), float64(h.Epochs[len(h.Epochs)-1]), 5, true)
	y := fixedScale(0, float64(len(edges)), 7, true)
	left := textSize + 3 + yTextWidth(y)
	// One cell is drawn as wide as one of two.
	width := (contentWidth - left - gapX - overhang(x)) / 2
	middle := left + width + gapX/2
	if len(h.sides()) == 1 {
		middle = left + width/2
	}
	rows := [][]string{{"epoch", "cell", "op", "edges"}}
	seen := make([]bool, len(h.Ops))
	var words []string
	var d Drawing
	top := headerSize + 5.0
	for i, s := range h.sides() {
		x0 := left + float64(i)*(width+gapX)
		c := chart{rect{x0, top, x0 + width, top + height}, x, y}
		d.heading(x0+width/2, 0, s.heading)
		d.grid(c, true, i == 0, false)
		counts := make([][]float64, len(h.Epochs))
		for t, table := range s.weights {
			counts[t] = dominant(table, len(h.Ops))
			for _, k := range order {
				rows = append(rows, []string{strconv.Itoa(h.Epochs[t]), s.name, h.Ops[k], exact(counts[t][k])})
			}
		}
		below := make([]float64, len(h.Epochs))
		var ends []string
		for _, k := range order {
			var lower, upper []point
			any := false
			for t, epoch := range h.Epochs {
				lower = append(lower, c.at(float64(epoch), below[t]))
				below[t] += counts[t][k]
				upper = append(upper, c.at(float64(epoch), below[t]))
				any = any || counts[t][k] > 0
			}
			if any {
				seen[k] = true
				d.area(looks[k], lower, upper)
			}
			if n := counts[len(counts)-1][k]; n > 0 {
				ends = append(ends, fmt.Sprintf("%s %s", h.Ops[k], number(n, 2)))
			}
		}
		words = append(words, s.heading+": "+strings.Join(ends, ", "))
		d.axes(c)
		d.xName(point{x0 + width/2, c.y1 + tickDrop + tickSize + 3}, "epoch")
	}
	what := "edges on which it is strongest"
	if h.Layers != nil {
		what = "layers in which it is strongest"
	}
	d.yName(point{0, top + height/2}, what)
	var list []entry
	for _, k := range order {
		if seen[k] {
			list = append(list, areaEntry(h.Ops[k], looks[k]))
		}
	}
	d.entries(list, middle, top+height+tickDrop+tickSize+3+textSize+10, contentWidth)
	return Figure{d.framed(title, "Dominant operations", fmt.Sprintf("Stacked areas: on how many of %d edges each operation has the highest weight, over epochs %d to %d. At the end: %s.",
		len(edges), h.Epochs[0], h.Epochs[len(h.Epochs)-1], strings.Join(words, "; "))), rows}, nil
}

// dominant counts the edges on which each operation is the strongest.
func dominant(table [][]float64, ops int) []float64 {
	out := make([]float64, ops)
	for _, row := range table {
		highest, n := slices.Max(present(row)), 0
		for _, w := range row {
			if w == highest {
				n++
			}
		}
		for k, w := range row {
			if w == highest {
				out[k] += 1 / float64(n)
			}
		}
	}
	// Shares leave errors of rounding behind.
	for k := range out {
		out[k] = math.Round(out[k]*1e9) / 1e9
	}
	return out
}

// FinalWeights are the weights at the end of a search.
type FinalWeights struct {
	// Ops are the operations of the edges.
	Ops []string
	// Normal and Reduce are the weights from 0 to 1 of the two cells, [edge][op], edges and NaN as in [WeightHistory].
	Normal, Reduce [][]float64
	// Kept is what was derived from them; its operations are framed.
	Kept arch.Genotype
	// Cell are the weights of the one cell of NAS-Bench-201, [6 edges][op], in the place of Normal and Reduce, and KeptOps the
	// operation that each of its edges kept.
	Cell    [][]float64
	KeptOps [6]string
	// Layers names the layers of a chain, whose weights are then Cell's, [layer][op], and KeptLayers the operation that each
	// of them kept.
	Layers, KeptLayers []string
	// Threshold is the weight that an operation must reach to be kept, 0 for none.
	Threshold float64
}

// weighed are the weights of a cell with what was kept of them.
type weighed struct {
	side
	table [][]float64
	kept  []arch.Edge
}

// cells are the weights as a history of one epoch, and by cell.
func (w FinalWeights) cells() (WeightHistory, []weighed) {
	h := WeightHistory{Ops: w.Ops, Epochs: []int{0}, Threshold: w.Threshold}
	if w.Layers != nil {
		h.Cell, h.Layers = [][][]float64{w.Cell}, w.Layers
		var kept []arch.Edge
		for i, op := range w.KeptLayers {
			kept = append(kept, arch.Edge{Op: op, From: i, To: i + 1})
		}
		return h, []weighed{{h.sides()[0], w.Cell, kept}}
	}
	if w.Cell != nil {
		h.Cell = [][][]float64{w.Cell}
		var kept []arch.Edge
		for i, op := range w.KeptOps {
			kept = append(kept, arch.Edge{Op: op, From: gridEdges[i][0], To: gridEdges[i][1]})
		}
		return h, []weighed{{h.sides()[0], w.Cell, kept}}
	}
	h.Normal, h.Reduce = [][][]float64{w.Normal}, [][][]float64{w.Reduce}
	return h, []weighed{{h.sides()[0], w.Normal, w.Kept.Normal.Edges}, {h.sides()[1], w.Reduce, w.Kept.Reduce.Edges}}
}

// bins is the number of bars of a histogram.
const bins = 20

// Alphas draws the final weights: a heat map of edges and operations, and a histogram, for each cell.
func Alphas(w FinalWeights, title string) (Figure, error) {
	h, sides := w.cells()
	edges, err := h.check("alphas", 1)
	if err != nil {
		return Figure{}, err
	}
	const (
		cellHeight = 12
		gapX       = 22
		nodeGap    = 3
		valueSize  = 5.8
		histHeight = 62
		barWidth   = 8
	)
	// The weights of a softmax lie far below 1 mostly.
	top, highest := 1.0, 0.0
	for _, s := range sides {
		for _, row := range s.table {
			highest = max(highest, slices.Max(present(row)))
		}
	}
	if !slices.ContainsFunc(sides, func(s weighed) bool { return !softmax(s.table) }) {
		top = roundScale(0, highest, 5, false).high
	}
	value := fixedScale(0, top, 5, false)
	perBin := top / bins
	binOf := func(v float64) int { return min(int(v/perBin+1e-9), bins-1) } // 0.85 belongs to the bin that begins there

	names := 0.0
	for _, e := range edges {
		names = max(names, textWidth(h.edgeName(e, textSize-0.5)))
	}
	opsHeight := 0.0
	for _, op := range w.Ops {
		opsHeight = max(opsHeight, run{s: op, size: textSize - 1}.width())
	}
	left := max(names+5, textSize+3+22)
	right := barWidth + 8 + yTextWidth(value) + 2
	cellWidth := (contentWidth - left - gapX - right) / float64(2*len(w.Ops))
	width := cellWidth * float64(len(w.Ops))
	mapTop := headerSize + 6 + opsHeight + 4
	rows := [][]string{{"cell", "from", "to", "op", "weight", "kept", "bin"}}
	var words []string
	var d Drawing
	counts := make([][bins]int, len(sides))
	most, bottom := 0, 0.0
	for i, s := range sides {
		x0 := left + float64(i)*(width+gapX)
		d.heading(x0+width/2, 0, s.heading)
		for k, op := range w.Ops {
			d.texts = append(d.texts, text{at: point{x0 + (float64(k)+0.5)*cellWidth + 0.36*(textSize-1), mapTop - 4}, runs: []run{{s: op, size: textSize - 1}}, color: ink, in: none, upward: true})
		}
		kept := 0
		for e, row := range s.table {
			from, to := edges[e][0], edges[e][1]
			y0 := mapTop + float64(e)*cellHeight + float64(to-edges[0][1])*nodeGap
			bottom = y0 + cellHeight
			if i == 0 {
				d.texts = append(d.texts, text{at: point{x0 - 5, y0 + cellHeight/2 + 0.36*(textSize-0.5)}, align: 1, runs: h.edgeName(edges[e], textSize-0.5), color: ink, in: none})
			}
			for k, v := range row {
				if math.IsNaN(v) {
					continue
				}
				r := rect{x0 + float64(k)*cellWidth, y0, x0 + float64(k+1)*cellWidth, y0 + cellHeight}
				fill := heat(v / top)
				d.marks = append(d.marks, mark{points: corners(r), fill: fill, line: paper, lineWidth: 0.8, backdrop: true})
				d.write(point{(r.x0 + r.x1) / 2, (r.y0+r.y1)/2 + 0.36*valueSize}, 0.5, ink, digits(strconv.FormatFloat(v, 'f', 2, 64), valueSize)...)
				is := slices.Contains(s.kept, arch.Edge{Op: w.Ops[k], From: from, To: to})
				if is {
					kept++
				}
				counts[i][binOf(v)]++
				rows = append(rows, []string{s.name, h.state(from), h.state(to), w.Ops[k], exact(v), strconv.FormatBool(is), exact(math.Round(float64(binOf(v))*perBin*1e9) / 1e9)})
			}
		}
		// Frames lie over all cells.
		for e, row := range s.table {
			from, to := edges[e][0], edges[e][1]
			y0 := mapTop + float64(e)*cellHeight + float64(to-edges[0][1])*nodeGap
			for k := range row {
				if slices.Contains(s.kept, arch.Edge{Op: w.Ops[k], From: from, To: to}) {
					frame := rect{x0 + float64(k)*cellWidth, y0, x0 + float64(k+1)*cellWidth, y0 + cellHeight}.grown(-0.9)
					d.marks = append(d.marks, mark{points: corners(frame), line: vermilion, lineWidth: 1.5, backdrop: true})
				}
			}
		}
		most = max(most, slices.Max(counts[i][:]))
		low, high := spread(present(slices.Concat(s.table...)))
		words = append(words, fmt.Sprintf("%s: weights from %.3f to %.3f, %d kept", s.heading, low, high, kept))
	}
	// The scale of colours.
	// One cell is drawn as wide as one of two.
	end, middle, whose := left+2*width+gapX, left+width+gapX/2, "for each of two cells"
	if len(sides) == 1 {
		end, middle, whose = left+width, left+width/2, "for one cell"
		if w.Layers != nil {
			whose = "for the layers of a chain"
		}
	}
	bar := rect{end + 8, mapTop, end + 8 + barWidth, bottom}
	d.colorBar(bar, value, heat, "weight")
	// Histograms.
	histTop := bottom + 14
	y := roundScale(0, float64(most), 3, true)
	for i := range sides {
		x0 := left + float64(i)*(width+gapX)
		c := chart{rect{x0, histTop, x0 + width, histTop + histHeight}, value, y}
		d.grid(c, true, i == 0, false)
		for b, n := range counts[i] {
			if n > 0 {
				p, q := c.at(float64(b)*perBin, float64(n)), c.at(float64(b+1)*perBin, 0)
				d.marks = append(d.marks, mark{points: corners(rect{p.x + 0.6, p.y, q.x - 0.6, q.y}), fill: blue, backdrop: true})
			}
		}
		if w.Threshold > 0 && w.Threshold < top {
			d.marks = append(d.marks, mark{points: []point{c.at(w.Threshold, 0), c.at(w.Threshold, y.high)}, line: vermilion, lineWidth: lineWidth, dash: dashed, backdrop: true})
		}
		d.axes(c)
		d.xName(point{x0 + width/2, c.y1 + tickDrop + tickSize + 3}, "weight")
	}
	d.yName(point{left - yTextWidth(y) - textSize - 2, histTop + histHeight/2}, "operations")
	var list []entry
	if slices.ContainsFunc(sides, func(s weighed) bool { return len(s.kept) > 0 }) {
		list = append(list, entry{"kept in the derived cell", func(d *Drawing, r rect) {
			d.marks = append(d.marks, mark{points: corners(r.grown(-0.5)), line: vermilion, lineWidth: 1.5})
		}})
	}
	if w.Threshold > 0 && w.Threshold < top {
		list = append(list, lineEntry("threshold "+number(w.Threshold, 4), look{color: vermilion, dash: dashed, width: lineWidth}))
	}
	d.entries(list, middle, histTop+histHeight+tickDrop+tickSize+3+textSize+9, contentWidth)
	return Figure{d.framed(title, "Final weights", fmt.Sprintf("Heat map of the final weights of %d operations on %d edges, and their histogram, %s. %s.",
		len(w.Ops), len(edges), whose, strings.Join(words, "; "))), rows}, nil
}

// heat is the colour of a share of the highest weight. Text in ink has a contrast of at least 4.5:1 on all of them.
func heat(share float64) color.NRGBA { return tint(blue, 0.8*share) }

// corners is the closed outline of a rectangle.
func corners(r rect) []point {
	return []point{{r.x0, r.y0}, {r.x1, r.y0}, {r.x1, r.y1}, {r.x0, r.y1}, {r.x0, r.y0}}
}
