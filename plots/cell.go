package plots

import (
	"fmt"
	"image/color"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

// opLine is the line of an operation.
type opLine struct {
	prefix string
	color  color.NRGBA
	dash   []float64
}

// opLines are the lines by the start of an operation's name; the first that fits counts.
var opLines = []opLine{
	{"sep_conv", blue, nil},
	{"dil_conv", vermilion, nil},
	{"max_pool", green, nil},
	{"avg_pool", orange, nil},
	{"skip_connect", ink, dashed},
	{"none", faint, dotted},
	{"noise", skyBlue, dotted},
	{"nor_conv_1x1", skyBlue, nil},
	{"", purple, nil}, // other convolutions
}

func lineOf(op string) opLine {
	for _, l := range opLines {
		if strings.HasPrefix(op, l.prefix) {
			return l
		}
	}
	return opLines[len(opLines)-1]
}

// Names of nodes.
func plainName(s string) []run { return []run{{s: s, size: textSize}} }

func stateName(index string) []run {
	return []run{{s: "c", size: textSize + 1, italic: true}, {s: index, size: smallSize, italic: true, rise: -2}}
}

// spelled is a text without its fonts, with subscripts as in TeX.
func spelled(runs []run) string {
	var b strings.Builder
	for _, r := range runs {
		if r.rise < 0 {
			b.WriteString("_{" + strings.ReplaceAll(r.s, "−", "-") + "}")
		} else {
			b.WriteString(r.s)
		}
	}
	return b.String()
}

// cellNode is a node of a cell's graph.
type cellNode struct {
	name []run
	// ends are the inputs and the output.
	end    bool
	column int
}

// cellEdge is an edge between nodes by index; op "" joins a node to the output.
type cellEdge struct {
	op       string
	from, to int
}

// graph draws the graph of a cell.
func graph(nodes []cellNode, edges []cellEdge) Drawing {
	g := layered{fixed: true}
	label := func(op string) []run { return []run{{s: op, size: textSize}} }
	for _, n := range nodes {
		g.nodes = append(g.nodes, layeredNode{column: n.column, width: max(18, textWidth(n.name)+9), height: 18})
	}
	for _, e := range edges {
		le := layeredEdge{from: e.from, to: e.to}
		if e.op != "" {
			le.labelWidth, le.labelHeight = textWidth(label(e.op))+7, textSize+4
		}
		g.edges = append(g.edges, le)
	}
	g.run()
	var d Drawing
	for i, n := range nodes {
		b := box{rect: g.nodes[i].rect, round: 9, fill: paper, line: ink, lineWidth: lineWidth}
		if n.end {
			b.round, b.fill = rounding, panel
		}
		d.put(b, ink, n.name)
	}
	for i, e := range edges {
		c := g.edges[i].path
		c.arrow, c.color, c.lineWidth, c.touches = true, muted, thinWidth, []int{e.from, e.to}
		if e.op != "" {
			l := lineOf(e.op)
			c.color, c.dash, c.lineWidth = l.color, l.dash, lineWidth
			at := d.put(box{rect: g.edges[i].label, round: rounding, fill: tint(l.color, 0.12), line: l.color, lineWidth: thinWidth}, ink, label(e.op))
			c.touches = append(c.touches, at)
		}
		d.curves = append(d.curves, c)
	}
	return d
}

// cellGraph draws a cell without title, and says in words what it is.
func cellGraph(c arch.Cell) (Drawing, string) {
	// A node has a value where one of its edges comes from a state with a value; others do not exist, nor do edges
	// from them. depth is the longest way from an input, for the states that exist.
	depth := map[int]int{0: 0, 1: 0}
	index := map[int]int{0: 0, 1: 1}
	nodes := []cellNode{{name: stateName("k−2"), end: true}, {name: stateName("k−1"), end: true}}
	deepest := 0
	edgesOf := map[int][]arch.Edge{}
	for _, e := range c.Edges {
		if e.To > 1 && e.From < e.To {
			edgesOf[e.To] = append(edgesOf[e.To], e)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(edgesOf)) {
		for _, e := range edgesOf[n] {
			if before, exists := depth[e.From]; exists {
				depth[n] = max(depth[n], before+1)
			}
		}
		if depth[n] > 0 {
			index[n] = len(nodes)
			nodes = append(nodes, cellNode{name: plainName(strconv.Itoa(n - 2)), column: 2 * depth[n]})
			deepest = max(deepest, depth[n])
		} else {
			delete(depth, n)
		}
	}
	output := len(nodes)
	nodes = append(nodes, cellNode{name: stateName("k"), end: true, column: 2*deepest + 1})
	var edges []cellEdge
	var words, lost []string
	for _, e := range c.Edges {
		from, ok := index[e.From]
		to, there := index[e.To]
		if !ok || !there || e.To < 2 || e.From >= e.To {
			lost = append(lost, fmt.Sprintf("%s from %d to %d", e.Op, e.From-2, e.To-2))
			continue
		}
		edges = append(edges, cellEdge{e.Op, from, to})
		words = append(words, fmt.Sprintf("%s from %s to %s", e.Op, spelled(nodes[from].name), spelled(nodes[to].name)))
	}
	var joined []string
	for _, n := range c.Concat {
		if from, ok := index[n]; ok && n > 1 {
			edges = append(edges, cellEdge{"", from, output})
			joined = append(joined, spelled(nodes[from].name))
		}
	}
	description := fmt.Sprintf("%s; c_{k} concatenates %s.", strings.Join(words, ", "), strings.Join(joined, ", "))
	if len(lost) > 0 {
		description += fmt.Sprintf(" Not drawn, since nothing arrives where it starts: %s.", strings.Join(lost, ", "))
	}
	return graph(nodes, edges), description
}

// Cell draws the graph of a cell: inputs c_{k-2} and c_{k-1}, intermediate nodes from 0, output c_{k}. Nodes without
// edges are left out, and so are edges that come from them.
func Cell(c arch.Cell, title string) Drawing {
	d, description := cellGraph(c)
	return d.framed(title, "Cell", "Graph of a cell: "+description)
}

// Genotype draws the normal and the reduction cell, side by side where a page is wide enough.
func Genotype(g arch.Genotype, title string) Drawing {
	normal, normalWords := cellGraph(g.Normal)
	reduce, reduceWords := cellGraph(g.Reduce)
	for _, side := range []struct {
		cell  arch.Cell
		drawn *Drawing
		words *string
	}{{g.Normal, &normal, &normalWords}, {g.Reduce, &reduce, &reduceWords}} {
		if len(side.cell.Edges) == 0 {
			*side.drawn, *side.words = Drawing{}, "none, nothing was kept."
			side.drawn.write(point{}, 0.5, muted, run{s: "no operation was kept", size: textSize, italic: true})
		}
	}
	normal, reduce = normal.headed("Normal cell"), reduce.headed("Reduction cell")
	const between = 22
	var d Drawing
	if normal.width+between+reduce.width <= pageWidth-2*margin {
		d.add(normal, 0, 0)
		d.add(reduce, normal.width+between, 0)
	} else {
		wide := max(normal.width, reduce.width)
		d.add(normal, (wide-normal.width)/2, 0)
		d.add(reduce, (wide-reduce.width)/2, normal.height+between)
	}
	return d.framed(title, "Genotype", fmt.Sprintf("Graphs of two cells. Normal cell: %s Reduction cell: %s", normalWords, reduceWords))
}

// Network draws a network by its kind: as [Genotype], [Chain] or [Grid].
func Network(n arch.Network, title string) Drawing {
	switch {
	case n.Cells != nil:
		return Genotype(n.Cells.Genotype, title)
	case n.Grid != nil:
		return Grid(*n.Grid, title)
	}
	return Chain(n, title)
}

// gridEdges are the edges of a NAS-Bench-201 cell in the order of arch.Grid.Cell.
var gridEdges = [6][2]int{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}

// Grid draws the cell of a NAS-Bench-201 network: input 0, output 3. Edges without operation are dotted.
func Grid(g arch.Grid, title string) Drawing {
	nodes := make([]cellNode, 4)
	for i := range nodes {
		nodes[i] = cellNode{name: plainName(strconv.Itoa(i)), end: i == 0 || i == 3, column: 2 * i}
	}
	var edges []cellEdge
	var words []string
	for i, op := range g.Cell {
		edges = append(edges, cellEdge{op, gridEdges[i][0], gridEdges[i][1]})
		words = append(words, fmt.Sprintf("%s from %d to %d", op, gridEdges[i][0], gridEdges[i][1]))
	}
	return graph(nodes, edges).framed(title, "NAS-Bench-201 cell", "Graph of a cell of NAS-Bench-201: "+strings.Join(words, ", ")+".")
}
