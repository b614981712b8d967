package plots

import (
	"cmp"
	"math"
	"slices"
)

// layered lays out a directed graph without cycles from left to right, after Sugiyama: nodes stand in columns, a
// label is a node of its own in a column between, and an edge that passes a column has a place there. So nothing
// overlaps by construction.
type layered struct {
	nodes []layeredNode
	edges []layeredEdge
	// fixed keeps the order of the nodes of column 0.
	fixed bool

	spots   []spot
	links   []link
	columns [][]int // spots from top to bottom
	x0, x1  []float64
}

// layeredNode is a node in an even column, or the last.
type layeredNode struct {
	column        int
	width, height float64
	// Results: the index of its spot, and its rectangle.
	spot int
	rect rect
}

// layeredEdge is an edge between nodes; without a label where labelWidth is 0.
type layeredEdge struct {
	from, to                int
	labelWidth, labelHeight float64
	// Results.
	label rect
	path  curve
	chain []int // links from the first column to the last
}

// spot is a place in a column: a node, a label, or an edge that passes.
type spot struct {
	kind          spotKind
	column        int
	width, height float64
	order         int
	y             float64
	left, right   []int // links
}

type spotKind int

const (
	spotNode spotKind = iota
	spotLabel
	spotPass
)

// link joins spots of neighbouring columns. The ports are offsets from the spots' middles.
type link struct {
	from, to         int
	fromPort, toPort float64
	weight           float64
}

// Distances.
const (
	portStep  = 5.5
	nodeGap   = 12
	labelGap  = 4.5
	passGap   = 5
	narrowest = 15
	widest    = 40
)

func gap(a, b spotKind) float64 {
	switch {
	case a == spotNode && b == spotNode:
		return nodeGap
	case a == spotNode || b == spotNode:
		return 7
	case a == spotLabel && b == spotLabel:
		return labelGap
	}
	return passGap
}

// run lays out the graph.
func (g *layered) run() {
	g.build()
	best, bestCost := [][]int(nil), math.Inf(1)
	random := uint64(1)
	for start := range 16 {
		crossings := g.order(start, &random)
		g.ports()
		g.assign()
		if cost := 60*float64(crossings) + g.length(); cost < bestCost-1e-6 {
			best, bestCost = cloneColumns(g.columns), cost
		}
	}
	g.restore(best)
	g.ports()
	g.assign()
	g.place()
}

// build makes the spots and the links.
func (g *layered) build() {
	last := 0
	for _, n := range g.nodes {
		last = max(last, n.column)
	}
	g.columns = make([][]int, last+1)
	put := func(s spot) int {
		g.spots = append(g.spots, s)
		i := len(g.spots) - 1
		g.columns[s.column] = append(g.columns[s.column], i)
		return i
	}
	in, out := make([]int, len(g.nodes)), make([]int, len(g.nodes))
	for _, e := range g.edges {
		out[e.from]++
		in[e.to]++
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		n.height = max(n.height, portStep*float64(max(in[i], out[i])-1)+8)
		n.spot = put(spot{kind: spotNode, column: n.column, width: n.width, height: n.height})
	}
	// Short edges have one column for their label; longer ones take the emptiest.
	order := make([]int, len(g.edges))
	for i := range order {
		order[i] = i
	}
	span := func(i int) int { return g.nodes[g.edges[i].to].column - g.nodes[g.edges[i].from].column }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(span(a), span(b)) })
	labels := make([]int, last+1)
	for _, i := range order {
		e := &g.edges[i]
		first, end := g.nodes[e.from].column+1, g.nodes[e.to].column
		at := none
		for c := first; c < end && e.labelWidth > 0; c++ {
			if c%2 == 1 && (at == none || labels[c] < labels[at]) {
				at = c
			}
		}
		if at != none {
			labels[at]++
		}
		previous := g.nodes[e.from].spot
		connect := func(next int) {
			w := 1.0
			for _, s := range []int{previous, next} {
				if g.spots[s].kind != spotNode {
					w *= 2
				}
			}
			g.links = append(g.links, link{from: previous, to: next, weight: w})
			l := len(g.links) - 1
			g.spots[previous].right = append(g.spots[previous].right, l)
			g.spots[next].left = append(g.spots[next].left, l)
			e.chain = append(e.chain, l)
			previous = next
		}
		for c := first; c < end; c++ {
			s := spot{kind: spotPass, column: c, height: 1}
			if c == at {
				s = spot{kind: spotLabel, column: c, width: e.labelWidth, height: e.labelHeight}
			}
			connect(put(s))
		}
		connect(g.nodes[e.to].spot)
	}
	g.number()
}

func (g *layered) number() {
	for _, column := range g.columns {
		for k, s := range column {
			g.spots[s].order = k
		}
	}
}

func cloneColumns(columns [][]int) [][]int {
	out := make([][]int, len(columns))
	for i, c := range columns {
		out[i] = slices.Clone(c)
	}
	return out
}

func (g *layered) restore(columns [][]int) {
	g.columns = cloneColumns(columns)
	g.number()
}

// order sorts the columns for few crossings, which it returns: means of neighbours, then swaps, from the given order
// at start 0 and from shuffled ones after.
func (g *layered) order(start int, random *uint64) int {
	for c, column := range g.columns {
		slices.Sort(column)
		if start > 0 && !(c == 0 && g.fixed) {
			for k := len(column) - 1; k > 0; k-- {
				*random = *random*6364136223846793005 + 1442695040888963407
				j := int(*random>>33) % (k + 1)
				column[k], column[j] = column[j], column[k]
			}
		}
	}
	g.number()
	best, fewest := cloneColumns(g.columns), g.crossings()
	for sweep := 0; sweep < 8 && fewest > 0; sweep++ {
		for k := range g.columns {
			c := k
			if sweep%2 == 1 {
				c = len(g.columns) - 1 - k
			}
			if c == 0 && g.fixed {
				continue
			}
			g.sortByMeans(c, sweep%2 == 0)
		}
		g.swap()
		if n := g.crossings(); n < fewest {
			best, fewest = cloneColumns(g.columns), n
		}
	}
	g.restore(best)
	return fewest
}

// sortByMeans sorts a column by the mean place of the neighbours in the column before or after.
func (g *layered) sortByMeans(column int, before bool) {
	means := map[int]float64{}
	for _, s := range g.columns[column] {
		links := g.spots[s].right
		if before {
			links = g.spots[s].left
		}
		sum := 0.0
		for _, l := range links {
			other := g.links[l].to
			if before {
				other = g.links[l].from
			}
			sum += float64(g.spots[other].order) / float64(len(g.columns[g.spots[other].column]))
		}
		if len(links) > 0 {
			means[s] = sum / float64(len(links))
		} else {
			means[s] = float64(g.spots[s].order) / float64(len(g.columns[column]))
		}
	}
	slices.SortStableFunc(g.columns[column], func(a, b int) int { return cmp.Compare(means[a], means[b]) })
	g.number()
}

// swap exchanges neighbours in a column while that removes crossings.
func (g *layered) swap() {
	for again := true; again; {
		again = false
		for c, column := range g.columns {
			if c == 0 && g.fixed {
				continue
			}
			for k := 1; k < len(column); k++ {
				a, b := column[k-1], column[k]
				if g.crossed(b, a) < g.crossed(a, b) {
					column[k-1], column[k] = b, a
					g.spots[a].order, g.spots[b].order = k, k-1
					again = true
				}
			}
		}
	}
}

// crossed counts the crossings between the links of two spots of a column when a stands above b.
func (g *layered) crossed(a, b int) int {
	n := 0
	for _, i := range g.spots[a].left {
		for _, j := range g.spots[b].left {
			if g.spots[g.links[i].from].order > g.spots[g.links[j].from].order {
				n++
			}
		}
	}
	for _, i := range g.spots[a].right {
		for _, j := range g.spots[b].right {
			if g.spots[g.links[i].to].order > g.spots[g.links[j].to].order {
				n++
			}
		}
	}
	return n
}

func (g *layered) crossings() int {
	n := 0
	for i, a := range g.links {
		for _, b := range g.links[:i] {
			if g.spots[a.from].column != g.spots[b.from].column {
				continue
			}
			from := g.spots[a.from].order - g.spots[b.from].order
			to := g.spots[a.to].order - g.spots[b.to].order
			if from*to < 0 {
				n++
			}
		}
	}
	return n
}

// ports spreads the links of each node along its sides, in the order of their other ends.
func (g *layered) ports() {
	for i := range g.nodes {
		s := g.spots[g.nodes[i].spot]
		spread := func(links []int, other func(link) int, set func(*link, float64)) {
			links = slices.Clone(links)
			slices.SortStableFunc(links, func(a, b int) int {
				return cmp.Compare(g.spots[other(g.links[a])].order, g.spots[other(g.links[b])].order)
			})
			for k, l := range links {
				set(&g.links[l], portStep*(float64(k)-float64(len(links)-1)/2))
			}
		}
		spread(s.left, func(l link) int { return l.from }, func(l *link, v float64) { l.toPort = v })
		spread(s.right, func(l link) int { return l.to }, func(l *link, v float64) { l.fromPort = v })
	}
}

// slope is the height between the ends of a link.
func (g *layered) slope(l link) float64 {
	return g.spots[l.to].y + l.toPort - g.spots[l.from].y - l.fromPort
}

// length is the cost of the heights that links overcome.
func (g *layered) length() float64 {
	sum := 0.0
	for _, l := range g.links {
		sum += l.weight * math.Abs(g.slope(l))
	}
	top, bottom := math.Inf(1), math.Inf(-1)
	for _, s := range g.spots {
		top, bottom = min(top, s.y-s.height/2), max(bottom, s.y+s.height/2)
	}
	return sum + 6*(bottom-top)
}

// assign chooses heights that keep the gaps and make the links level: the sum of their weighted heights is minimised
// by reweighted least squares, a column at a time.
func (g *layered) assign() {
	for c, column := range g.columns {
		y := 0.0
		for k, s := range column {
			if k > 0 {
				y += g.apart(column[k-1], s)
			}
			g.spots[s].y = y
		}
		for _, s := range g.columns[c] {
			g.spots[s].y -= y / 2
		}
	}
	for sweep := range 60 {
		soft := max(0.5, 20*math.Pow(0.9, float64(sweep)))
		for k := range g.columns {
			c := k
			if sweep%2 == 1 {
				c = len(g.columns) - 1 - k
			}
			g.settle(g.columns[c], soft)
		}
	}
	for i := range g.spots {
		g.spots[i].y = math.Round(2*g.spots[i].y) / 2
	}
}

// apart is the least distance between the middles of neighbours in a column.
func (g *layered) apart(above, below int) float64 {
	a, b := g.spots[above], g.spots[below]
	// Whole points, so that rounding keeps the gap.
	return math.Ceil((a.height+b.height)/2 + gap(a.kind, b.kind))
}

// settle moves a column's spots to the weighted means of what their links ask for, as far as the gaps allow: the
// pool-adjacent-violators algorithm.
func (g *layered) settle(column []int, soft float64) {
	type block struct{ sum, weight, n float64 }
	var blocks []block
	offset := 0.0
	offsets := make([]float64, len(column))
	for k, i := range column {
		s := g.spots[i]
		if k > 0 {
			offset += g.apart(column[k-1], i)
		}
		offsets[k] = offset
		// A weak pull to where it is keeps spots without links in place.
		sum, weight := 1e-4*s.y, 1e-4
		for _, l := range s.left {
			w := g.links[l].weight / (math.Abs(g.slope(g.links[l])) + soft)
			sum += w * (s.y - g.slope(g.links[l]))
			weight += w
		}
		for _, l := range s.right {
			w := g.links[l].weight / (math.Abs(g.slope(g.links[l])) + soft)
			sum += w * (s.y + g.slope(g.links[l]))
			weight += w
		}
		blocks = append(blocks, block{sum - weight*offset, weight, 1})
		for len(blocks) > 1 {
			a, b := blocks[len(blocks)-2], blocks[len(blocks)-1]
			if a.sum*b.weight < b.sum*a.weight {
				break
			}
			blocks = append(blocks[:len(blocks)-2], block{a.sum + b.sum, a.weight + b.weight, a.n + b.n})
		}
	}
	k := 0
	for _, b := range blocks {
		for range int(b.n) {
			g.spots[column[k]].y = b.sum/b.weight + offsets[k]
			k++
		}
	}
}

// place chooses the columns' places and makes rectangles and paths.
func (g *layered) place() {
	g.x0, g.x1 = make([]float64, len(g.columns)), make([]float64, len(g.columns))
	x := 0.0
	for c, column := range g.columns {
		width := 0.0
		for _, s := range column {
			width = max(width, g.spots[s].width)
		}
		if c > 0 {
			steepest := 0.0
			for _, l := range g.links {
				if g.spots[l.to].column == c {
					steepest = max(steepest, math.Abs(g.slope(l)))
				}
			}
			x += min(widest, max(narrowest, math.Round(0.45*steepest))) + arrowSize/2
		}
		g.x0[c], g.x1[c] = x, x+width
		x += width
	}
	var obstacles []rect
	rectOf := func(s spot) rect {
		middle := (g.x0[s.column] + g.x1[s.column]) / 2
		return rect{middle - s.width/2, s.y - s.height/2, middle + s.width/2, s.y + s.height/2}
	}
	for _, s := range g.spots {
		if s.kind != spotPass {
			obstacles = append(obstacles, rectOf(s).grown(clearance+1))
		}
	}
	for i := range g.nodes {
		g.nodes[i].rect = rectOf(g.spots[g.nodes[i].spot])
	}
	for i := range g.edges {
		g.route(&g.edges[i], obstacles, rectOf)
	}
}

// way is a level piece of an edge's path.
type way struct {
	x0, x1, y float64
	// must be passed.
	must bool
}

// route makes an edge's path: through its label, and through as few of its other places as keep it clear of boxes.
func (g *layered) route(e *layeredEdge, obstacles []rect, rectOf func(spot) rect) {
	from, to := g.nodes[e.from].rect, g.nodes[e.to].rect
	first, last := g.links[e.chain[0]], g.links[e.chain[len(e.chain)-1]]
	start := point{from.x1, g.spots[first.from].y + first.fromPort}
	end := point{to.x0 - arrowSize, g.spots[last.to].y + last.toPort}
	ways := []way{{start.x, start.x, start.y, true}}
	own := []rect{from.grown(clearance + 1), to.grown(clearance + 1)}
	for _, l := range e.chain[:len(e.chain)-1] {
		s := g.spots[g.links[l].to]
		w := way{g.x0[s.column], g.x1[s.column], s.y, false}
		if s.kind == spotLabel {
			e.label = rectOf(s)
			w.x0, w.x1, w.must = e.label.x0, e.label.x1, true
			own = append(own, e.label.grown(clearance+1))
		}
		ways = append(ways, w)
	}
	ways = append(ways, way{end.x, end.x, end.y, true})
	clear := func(a, b int) bool {
		for _, w := range ways[a+1 : b] {
			if w.must {
				return false
			}
		}
		p, q := point{ways[a].x1, ways[a].y}, point{ways[b].x0, ways[b].y}
		if b == a+1 {
			return true
		}
		return sampled(p, levelSegment(p, q), func(at point) bool {
			for _, r := range obstacles {
				if r.contains(at) && !slices.Contains(own, r) {
					return false
				}
			}
			for _, w := range ways[a+1 : b] {
				// Far from its place it would cross what it should pass.
				if at.x >= w.x0 && at.x <= w.x1 && math.Abs(at.y-w.y) > 5 {
					return false
				}
			}
			return true
		})
	}
	// The fewest pieces, from the end backwards.
	pieces, next := make([]int, len(ways)), make([]int, len(ways))
	for a := len(ways) - 2; a >= 0; a-- {
		pieces[a] = math.MaxInt
		for b := len(ways) - 1; b > a; b-- {
			if pieces[b] < math.MaxInt && pieces[b]+1 < pieces[a] && clear(a, b) {
				pieces[a], next[a] = pieces[b]+1, b
			}
		}
	}
	e.path = curve{from: start}
	for a := 0; a < len(ways)-1; a = next[a] {
		b := next[a]
		e.path.level(point{ways[b].x0, ways[b].y})
		if ways[b].x1 > ways[b].x0 {
			e.path.line(point{ways[b].x1, ways[b].y})
		}
	}
}
