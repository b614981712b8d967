package plots

import (
	"fmt"
	"image/color"
	"maps"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

// kernelColors are the colours of kernel sizes; others are purple.
var kernelColors = map[int]color.NRGBA{3: skyBlue, 5: green, 7: orange, 9: vermilion}

func kernelColor(kernel int) color.NRGBA {
	if c, ok := kernelColors[kernel]; ok {
		return c
	}
	return purple
}

// fillShare is how much of its colour a block's fill has.
const fillShare = 0.45

// Measures of the blocks of a chain.
const (
	// A block has a column to itself. It is baseWidth wide, and perExpansion more for each multiple of its input's channels
	// inside, to a limit; stem, head and classifier are plainWidth wide.
	columnWidth  = 46
	blockGap     = 8
	blockHeight  = 34
	plainWidth   = 39
	baseWidth    = 22
	perExpansion = 3
	maxExpansion = 8
	badgeHeight  = smallSize + 2
	rowGap       = 20
)

// piece is one box of a chain.
type piece struct {
	// lines stand in the box, under below it.
	lines [2]string
	under string
	// kernel of a searched block, whose colour it gets; 0 for stem, head and classifier.
	kernel    int
	expansion float64
	identity  bool
	se        bool
	stride    int
	words     string
}

// blockPiece is the box of a block.
func blockPiece(b arch.Block, temporal bool) piece {
	p := piece{kernel: b.Kernel, expansion: 1, stride: b.Stride, se: b.Squeeze != nil}
	window := kernelName(b.Kernel, temporal)
	if b.Direction != "" {
		window = b.KernelText()
	}
	switch b.Op {
	case arch.OpBottleneck:
		p.expansion = float64(b.Hidden) / float64(max(b.In, 1))
		p.lines = [2]string{"MB" + number(p.expansion, 1), window}
		p.words = fmt.Sprintf("inverted bottleneck %s, expansion %s", window, number(p.expansion, 2))
	case arch.OpMultiPath:
		p.kernel = slices.Max(b.Kernels)
		p.expansion = float64(b.Hidden) / float64(max(b.In, 1))
		p.lines = [2]string{"MP" + number(p.expansion, 1), b.KernelText()}
		p.words = fmt.Sprintf("multi-path inverted bottleneck, kernels %s, expansion %s", b.KernelText(), number(p.expansion, 2))
	case arch.OpSeparable:
		p.lines = [2]string{"Sep", window}
		p.words = "depthwise-separable convolution " + window
	case arch.OpTemporal:
		p.lines = [2]string{"Res", window}
		p.words = "residual block over time " + window
	case arch.OpProjection:
		p.kernel, p.lines = 1, [2]string{"Conv", kernelName(1, temporal)}
		p.words = "1×1 convolution"
	default:
		p.kernel, p.identity, p.lines = 0, true, [2]string{"Identity"}
		p.words = "identity"
	}
	return p
}

func kernelName(kernel int, temporal bool) string {
	if temporal {
		return fmt.Sprintf("%d×1", kernel)
	}
	return fmt.Sprintf("%d×%d", kernel, kernel)
}

func convPiece(c arch.Conv, name string, temporal bool) piece {
	window := kernelName(c.Kernel, temporal)
	return piece{lines: [2]string{"Conv", window}, expansion: 1, stride: c.Stride, words: fmt.Sprintf("%s %s convolution", name, window)}
}

// pieces are the boxes of a chain from the input to the classifier.
func pieces(n arch.Network) []piece {
	c := n.Chain
	temporal := n.Input[1] == 1
	height, width := n.Input[0], n.Input[1]
	size := func(channels int) string {
		if temporal {
			return fmt.Sprintf("%d×%d", height, channels)
		}
		return fmt.Sprintf("%d×%d×%d", height, width, channels)
	}
	var list []piece
	put := func(p piece, channels int) {
		// Convolutions pad by half their kernel, so a stride rounds up.
		if s := max(p.stride, 1); s > 1 {
			height, width = (height+s-1)/s, (width+s-1)/s
		}
		p.under = size(channels)
		if p.stride > 1 {
			p.words += fmt.Sprintf(", stride %d", p.stride)
		}
		if p.se {
			p.words += ", squeeze-and-excitation"
		}
		p.words += " to " + p.under
		list = append(list, p)
	}
	put(piece{lines: [2]string{"Input"}, expansion: 1, words: "input"}, n.Input[2])
	list[0].words = "input of " + list[0].under
	put(convPiece(c.Stem, "stem", temporal), c.Stem.Out)
	channels := c.Stem.Out
	for _, b := range c.Blocks {
		put(blockPiece(b, temporal), b.Out)
		channels = b.Out
	}
	if c.Last.Out > 0 {
		put(convPiece(c.Last, "last", temporal), c.Last.Out)
		channels = c.Last.Out
	}
	put(piece{lines: [2]string{"Pool"}, expansion: 1, words: "global average pool"}, channels)
	last := &list[len(list)-1]
	last.under = fmt.Sprint(channels)
	last.words = "global average pool to " + last.under
	if c.Hidden.Out > 0 {
		list = append(list, piece{lines: [2]string{"Conv", kernelName(1, temporal)}, expansion: 1, under: fmt.Sprint(c.Hidden.Out), words: fmt.Sprintf("1×1 convolution to %d", c.Hidden.Out)})
	}
	return append(list, piece{lines: [2]string{"FC"}, expansion: 1, under: fmt.Sprint(n.Classes), words: fmt.Sprintf("classifier of %d classes", n.Classes)})
}

// Chain draws the blocks of a chain: from the input to the classifier, in rows of a page's width. A block's colour is
// its kernel size, its width the expansion; marks above it tell stride and squeeze-and-excitation; below it stands
// what it puts out, height×width×channels (time×channels for sound). n.Chain must be set, or the drawing has no blocks.
func Chain(n arch.Network, title string) Drawing {
	const unnamed = "Chain"
	if n.Chain == nil {
		return Drawing{}.framed(title, unnamed, "No blocks.")
	}
	list := pieces(n)
	var d Drawing
	perRow := int((pageWidth - 2*margin + blockGap) / (columnWidth + blockGap))
	rows := (len(list) + perRow - 1) / perRow
	perRow = (len(list) + rows - 1) / rows // rows of about the same length
	var words []string
	y, previous := 0.0, none
	for start := 0; start < len(list); start += perRow {
		row := list[start:min(start+perRow, len(list))]
		badges := 0.0
		for _, p := range row {
			if p.stride > 1 || p.se {
				badges = badgeHeight + 2
			}
		}
		axis := y + badges + blockHeight/2
		for i, p := range row {
			x := float64(i) * (columnWidth + blockGap)
			at := d.block(p, x, axis)
			d.write(point{x + columnWidth/2, axis + blockHeight/2 + 3 + ascent*smallSize}, 0.5, muted, digits(p.under, smallSize)...)
			if previous != none {
				d.follow(previous, at, axis, y-rowGap/2)
			}
			previous = at
			words = append(words, p.words)
		}
		y = axis + blockHeight/2 + 3 + smallSize + rowGap
	}
	d.legend(list, y-rowGap/2+4, float64(perRow)*(columnWidth+blockGap)-blockGap)
	return d.framed(title, unnamed, "Chain of blocks: "+strings.Join(words, "; ")+".")
}

func (p piece) width() float64 {
	if p.kernel == 0 {
		return plainWidth
	}
	own := run{s: p.lines[1], size: textSize}.width() + 4 // four kernels need more than a small expansion gives
	return max(own, baseWidth+perExpansion*min(max(p.expansion, 1), maxExpansion))
}

// block adds a block's box and its marks, centred on the axis in the column that begins at x, and returns the box's index.
func (d *Drawing) block(p piece, x, axis float64) int {
	left := x + (columnWidth-p.width())/2
	b := box{rect: rect{left, axis - blockHeight/2, left + p.width(), axis + blockHeight/2}, round: rounding, fill: panel, line: muted, lineWidth: lineWidth}
	switch {
	case p.identity:
		b.fill, b.line, b.dash = paper, ink, dashed
	case p.kernel > 0:
		c := kernelColor(p.kernel)
		b.fill, b.line = tint(c, fillShare), c
	}
	lines := [][]run{{{s: p.lines[0], size: textSize, bold: p.kernel > 0}}}
	if p.lines[1] != "" {
		lines = append(lines, plainName(p.lines[1]))
	}
	at := d.put(b, ink, lines...)
	top := b.y0 - 2 - badgeHeight
	if p.stride > 1 {
		d.badge(x+1, top, strideMark(p.stride), ink, paper)
	}
	if p.se {
		d.badge(x+columnWidth-1-badgeWidth("SE"), top, "SE", paper, ink)
	}
	return at
}

func strideMark(stride int) string { return fmt.Sprintf("↓%d", stride) }

func badgeRun(s string) run { return run{s: s, size: smallSize, bold: true} }

func badgeWidth(s string) float64 { return badgeRun(s).width() + 6 }

// badge adds a small mark.
func (d *Drawing) badge(x, y float64, s string, fill, text color.NRGBA) {
	d.put(box{rect: rect{x, y, x + badgeWidth(s), y + badgeHeight}, round: badgeHeight / 2, fill: fill, line: ink, lineWidth: thinWidth}, text, []run{badgeRun(s)})
}

// follow adds the arrow from a box to the next, by way of the gap above its row where that begins a new one.
func (d *Drawing) follow(from, to int, axis, between float64) {
	a, b := d.boxes[from], d.boxes[to]
	c := curve{color: muted, lineWidth: lineWidth, arrow: true, touches: []int{from, to}}
	c.from = point{a.x1, (a.y0 + a.y1) / 2}
	end := point{b.x0 - arrowSize, axis}
	if b.x0 > a.x1 {
		c.line(end)
	} else {
		const r, k = 6, 6 * 0.5523
		right, left := a.x1+r+1, b.x0-arrowSize-r-2
		corner := func(c1, c2, to point) { c.segments = append(c.segments, [3]point{c1, c2, to}) }
		c.line(point{right - r, c.from.y})
		corner(point{right - r + k, c.from.y}, point{right, c.from.y + r - k}, point{right, c.from.y + r})
		c.line(point{right, between - r})
		corner(point{right, between - r + k}, point{right - r + k, between}, point{right - r, between})
		c.line(point{left + r, between})
		corner(point{left + r - k, between}, point{left, between + r - k}, point{left, between + r})
		c.line(point{left, end.y - r})
		corner(point{left, end.y - r + k}, point{left + r - k, end.y}, point{left + r, end.y})
		c.line(end)
	}
	d.curves = append(d.curves, c)
}

// legend explains what occurs, in lines of the given width.
func (d *Drawing) legend(list []piece, y, width float64) {
	const (
		swatch  = 10
		entry   = 14
		line    = 14
		toLabel = 4
	)
	x := 0.0
	put := func(w float64, label string, draw func(x, y float64)) {
		name := run{s: label, size: smallSize + 0.5}
		if x > 0 && x+w+toLabel+name.width() > width {
			x, y = 0, y+line
		}
		draw(x, y)
		d.write(point{x + w + toLabel, y + swatch/2 + 0.36*name.size}, 0, ink, name)
		x += w + toLabel + name.width() + entry
	}
	colored := func(fill, stroke color.NRGBA, dash []float64) func(x, y float64) {
		return func(x, y float64) {
			d.put(box{rect: rect{x, y, x + swatch, y + swatch}, round: 2, fill: fill, line: stroke, lineWidth: lineWidth, dash: dash}, ink)
		}
	}
	kernels, strides, expansion := map[int]bool{}, map[int]bool{}, 0.0
	var se, identity, bottleneck, multiPath, separable, residual bool
	for _, p := range list {
		if p.kernel > 0 {
			kernels[p.kernel] = true
			expansion = max(expansion, p.expansion)
		}
		if p.stride > 1 {
			strides[p.stride] = true
		}
		se, identity = se || p.se, identity || p.identity
		multiPath = multiPath || strings.HasPrefix(p.lines[0], "MP")
		bottleneck, separable, residual = bottleneck || strings.HasPrefix(p.lines[0], "MB"), separable || p.lines[0] == "Sep", residual || p.lines[0] == "Res"
	}
	for _, k := range slices.Sorted(maps.Keys(kernels)) {
		c := kernelColor(k)
		put(swatch, fmt.Sprintf("kernel %d", k), colored(tint(c, fillShare), c, nil))
	}
	put(swatch, "stem, head, classifier", colored(panel, muted, nil))
	if identity {
		put(swatch, "identity", colored(paper, ink, dashed[:1]))
	}
	for _, s := range slices.Sorted(maps.Keys(strides)) {
		put(badgeWidth(strideMark(s)), fmt.Sprintf("stride %d", s), func(x, y float64) {
			d.badge(x, y+(swatch-badgeHeight)/2, strideMark(s), ink, paper)
		})
	}
	if se {
		put(badgeWidth("SE"), "squeeze-and-excitation", func(x, y float64) { d.badge(x, y+(swatch-badgeHeight)/2, "SE", paper, ink) })
	}
	term := func(s, meaning string) {
		r := run{s: s, size: smallSize + 0.5, bold: true}
		put(r.width(), meaning, func(x, y float64) { d.write(point{x, y + swatch/2 + 0.36*r.size}, 0, ink, r) })
	}
	if bottleneck {
		term("MB"+number(expansion, 1), "inverted bottleneck; its number and width: expansion")
	}
	if multiPath {
		term("MP"+number(expansion, 1), "inverted bottleneck of several kernels at once, the largest as colour; its number and width: expansion")
	}
	if separable {
		term("Sep", "depthwise-separable convolution")
	}
	if residual {
		term("Res", "residual block over time")
	}
}
