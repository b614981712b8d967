package nb

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/plots"
)

// Metadata of a picture is a map inside a map.
func init() { gob.Register(map[string]any{}) }

// output is something to show, in the forms that a notebook chooses among.
type output struct {
	// text is what a plain program prints, and what a notebook keeps beside the rest.
	text string
	// png, html and markdown are empty where there is none.
	png            []byte
	html, markdown string
	// metadata of the picture: its width in pixels and its text alternative.
	metadata map[string]any
	// id makes the output replace the earlier one of the same id.
	id string
}

// patience is how long the notebook may take to accept an output.
var patience = 30 * time.Second

// show displays o in a notebook and waits until the notebook has it; elsewhere it prints the text.
func show(o output) error {
	if !gonbui.IsNotebook {
		_, err := fmt.Fprintln(os.Stdout, o.text)
		return err
	}
	data := &protocol.DisplayData{DisplayID: o.id, Data: map[protocol.MIMEType]any{protocol.MIMETextPlain: o.text}}
	if o.png != nil {
		data.Data[protocol.MIMEImagePNG] = o.png
		data.Metadata = map[string]any{string(protocol.MIMEImagePNG): o.metadata}
	}
	if o.html != "" {
		data.Data[protocol.MIMETextHTML] = o.html
	}
	if o.markdown != "" {
		data.Data[protocol.MIMETextMarkdown] = o.markdown
	}
	messages := []*protocol.DisplayData{data}
	if alt, _ := o.metadata["alt"].(string); alt != "" {
		// JupyterLab gives a picture no text alternative: a screen reader gets it from here.
		messages = append(messages, &protocol.DisplayData{Data: map[protocol.MIMEType]any{protocol.MIMETextHTML: unseen(alt)}})
	}
	taken := make(chan struct{})
	// GoNB's own functions wait for ever where the kernel is gone.
	go func() {
		for _, m := range messages {
			gonbui.SendData(m)
		}
		gonbui.Sync()
		close(taken)
	}()
	select {
	case <-taken:
		if err := gonbui.Error(); err != nil {
			return fmt.Errorf("show: %w", err)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("show: the notebook did not take an output within %s", patience)
	}
}

// unseen is text that is read out and takes no room, in styles that JupyterLab leaves even to what it does not trust.
func unseen(text string) string {
	return `<div style="position: absolute; width: 1px; height: 1px; overflow: hidden; clip: rect(0, 0, 0, 0)">` + html.EscapeString(text) + "</div>"
}

// Drawing is what package plots makes: a plots.Figure or a plots.Drawing.
type Drawing interface {
	Title() string
	Description() string
	Size() (width, height float64)
	WritePNG(w io.Writer, dpi float64) error
}

// screenDPI is what a browser takes an inch for; pictures have twice as many dots.
const screenDPI = 96

// Figure shows a figure as a PNG with its description as text alternative; as text, title and description.
func Figure(d Drawing) { Check(figure(d)) }

func figure(d Drawing) error {
	var b bytes.Buffer
	if err := d.WritePNG(&b, 2*screenDPI); err != nil {
		return fmt.Errorf("figure %q: %w", d.Title(), err)
	}
	text := d.Description()
	if d.Title() != "" {
		text = d.Title() + "\n" + text
	}
	width, _ := d.Size()
	return show(output{text: "figure: " + text, png: b.Bytes(),
		metadata: map[string]any{"width": int(math.Round(width * screenDPI / 72)), "alt": d.Description()}})
}

// Cells shows the graphs of a genotype's two cells; of one without any edge, as a short search with a threshold may find
// it, that nothing was kept.
func Cells(g arch.Genotype, title string) { Check(cellGraphs(g, title)) }

func cellGraphs(g arch.Genotype, title string) error {
	if len(g.Normal.Edges)+len(g.Reduce.Edges) == 0 {
		return show(output{text: strings.TrimPrefix(title+": nothing was kept in either cell", ": ")})
	}
	f, err := plots.Cells(g, title)
	if err != nil {
		return err
	}
	return figure(f)
}

// Markdown shows text with Markdown and LaTeX formulas, formatted as by [fmt.Sprintf]; as text, as it is.
func Markdown(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	Check(show(output{text: s, markdown: s}))
}

// Table shows rows below a header. Numbers stand at the right, fractions with four digits or all before the point; a cell
// that shall look otherwise is a string.
func Table(header []string, rows [][]any) { Check(table(header, rows)) }

func table(header []string, rows [][]any) error {
	if len(header) == 0 {
		return errors.New("table: expected at least one column")
	}
	cells := make([][]string, len(rows))
	right := make([]bool, len(header))
	for i, row := range rows {
		if len(row) != len(header) {
			return fmt.Errorf("table: row %d: expected %d cells, got %d", i, len(header), len(row))
		}
		for j, v := range row {
			s, number := cellText(v)
			cells[i] = append(cells[i], s)
			right[j] = number && (i == 0 || right[j])
		}
	}
	return show(output{text: textTable(header, cells, right), html: htmlTable(header, cells, right)})
}

// cellText is a cell's text, on one line, and whether it is a number.
func cellText(v any) (s string, number bool) {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return "", false
	case reflect.Float32, reflect.Float64:
		if _, ok := v.(fmt.Stringer); !ok {
			return fraction(r.Float(), r.Type().Bits()), true
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		number = true
	}
	return strings.Join(strings.Fields(fmt.Sprint(v)), " "), number
}

// fraction has four significant digits, and all of those before the point.
func fraction(v float64, bits int) string {
	const plain = 1e15 // what is longer needs an exponent
	switch size := math.Abs(v); {
	case v == math.Trunc(v) && size < plain:
		return strconv.FormatFloat(v+0, 'f', -1, bits)
	case size >= 1000 && size < plain:
		return strconv.FormatFloat(v, 'f', 0, bits)
	}
	return strconv.FormatFloat(v, 'g', 4, bits)
}

// textTable has two spaces between columns and a line below the header.
func textTable(header []string, cells [][]string, right []bool) string {
	width := make([]int, len(header))
	for _, row := range append([][]string{header}, cells...) {
		for j, s := range row {
			width[j] = max(width[j], utf8.RuneCountInString(s))
		}
	}
	rule := make([]string, len(header))
	for j := range rule {
		rule[j] = strings.Repeat("-", width[j])
	}
	var lines []string
	for _, row := range append([][]string{header, rule}, cells...) {
		var line strings.Builder
		for j, s := range row {
			gap := strings.Repeat(" ", width[j]-utf8.RuneCountInString(s))
			if right[j] {
				s = gap + s
			} else {
				s += gap
			}
			if j > 0 {
				line.WriteString("  ")
			}
			line.WriteString(s)
		}
		lines = append(lines, strings.TrimRight(line.String(), " "))
	}
	return strings.Join(lines, "\n")
}

func htmlTable(header []string, cells [][]string, right []bool) string {
	var b strings.Builder
	row := func(tag string, list []string) {
		b.WriteString("<tr>")
		for j, s := range list {
			align := "left"
			if right[j] {
				align = "right"
			}
			fmt.Fprintf(&b, `<%s style="text-align: %s">%s</%s>`, tag, align, html.EscapeString(s), tag)
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("<table>\n<thead>")
	row("th", header)
	b.WriteString("</thead>\n<tbody>\n")
	for _, r := range cells {
		row("td", r)
	}
	b.WriteString("</tbody>\n</table>")
	return b.String()
}
