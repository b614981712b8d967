package plots

import (
	"image/color"
	"strconv"
	"sync"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
)

// One style for all figures. Lengths are points of 1/72 inch.
const (
	// pageWidth is the text width that drawings are laid out for.
	pageWidth = 504
	margin    = 8

	titleSize  = 11
	headerSize = 9
	textSize   = 8
	smallSize  = 6.5

	lineWidth = 1.1
	thinWidth = 0.6
	arrowSize = 4.5
	rounding  = 3

	// clearance is what stays free between a curve and a box that it does not touch.
	clearance = 2
)

// The colours of Okabe and Ito, which people with any form of colour blindness can tell apart.
var (
	orange    = color.NRGBA{0xE6, 0x9F, 0x00, 0xFF}
	skyBlue   = color.NRGBA{0x56, 0xB4, 0xE9, 0xFF}
	green     = color.NRGBA{0x00, 0x9E, 0x73, 0xFF}
	blue      = color.NRGBA{0x00, 0x72, 0xB2, 0xFF}
	vermilion = color.NRGBA{0xD5, 0x5E, 0x00, 0xFF}
	purple    = color.NRGBA{0xCC, 0x79, 0xA7, 0xFF}
)

// Neutral colours. On white, text in ink has a contrast of 16:1, in muted of 5:1.
var (
	ink   = color.NRGBA{0x22, 0x22, 0x22, 0xFF}
	muted = color.NRGBA{0x6E, 0x6E, 0x6E, 0xFF}
	faint = color.NRGBA{0xA8, 0xA8, 0xA8, 0xFF}
	panel = color.NRGBA{0xEE, 0xEE, 0xEE, 0xFF}
	paper = color.NRGBA{0xFF, 0xFF, 0xFF, 0xFF}
)

// Dashes of lines.
var (
	dashed = []float64{4, 2.2}
	dotted = []float64{1, 2}
)

// tint mixes the share of c with white.
func tint(c color.NRGBA, share float64) color.NRGBA {
	mix := func(v uint8) uint8 { return uint8(255 - share*float64(255-v) + 0.5) }
	return color.NRGBA{mix(c.R), mix(c.G), mix(c.B), 0xFF}
}

// shaded mixes the share of c with black.
func shaded(c color.NRGBA, share float64) color.NRGBA {
	mix := func(v uint8) uint8 { return uint8(share*float64(v) + 0.5) }
	return color.NRGBA{mix(c.R), mix(c.G), mix(c.B), 0xFF}
}

// fonts holds the Liberation fonts, which travel in the binary.
var fonts = sync.OnceValue(func() *font.Cache { return font.NewCache(liberation.Collection()) })

// face is a font of the style: Liberation Sans, which has the widths of Arial and Helvetica.
func face(size float64, bold, italic bool) font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if bold {
		f.Weight = xfont.WeightBold
	}
	if italic {
		f.Style = xfont.StyleItalic
	}
	return fonts().Lookup(f, vg.Points(size))
}

// number prints a number with as few digits as it needs, at most the given decimals.
func number(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	short, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(short, 'f', -1, 64)
}
