// Package latency holds tables of how long the blocks of networks take, one image a call unless a device's text says
// otherwise: what was measured on this machine, and what others published. The latency of a path of a space is the sum of
// its blocks' rows; [Check] says how far that is from the truth.
package latency

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/internal/atomicfile"
	"github.com/gonas/gonas/nas/arch"
)

// Key is a block on images of a size.
type Key struct {
	// Block is [BlockText], or that of a part that all paths share: [StemText], [LastText], [ClassifierText].
	Block string `json:"block"`
	// Input and Output are [ShapeText] of an image.
	Input  string `json:"input"`
	Output string `json:"output"`
}

// String names the block for errors.
func (k Key) String() string { return fmt.Sprintf("%q from %s to %s", k.Block, k.Input, k.Output) }

// Row is the latency of one block.
type Row struct {
	Key
	// MS is the time of a call in milliseconds: the median of those measured here, the mean of published ones.
	MS float64 `json:"ms"`
	// Spread is the interquartile range of the calls in milliseconds, 0 where it is not known.
	Spread float64 `json:"spread"`
	// Device is what computed, with the number of images of a call where that is not one.
	Device string `json:"device"`
}

// Table is latencies of blocks, each once.
type Table []Row

// header is the first line of a table's file.
var header = []string{"block", "input", "output", "ms", "spread", "device"}

// ShapeText writes the shape of an image as [Row] has it: height, width and channels, as in 56x56x24.
func ShapeText(height, width, channels int) string {
	return fmt.Sprintf("%dx%dx%d", height, width, channels)
}

var shapeForm = regexp.MustCompile(`^[1-9][0-9]*x[1-9][0-9]*x[1-9][0-9]*$`)

// BlockText writes all of a block but its names and the channels that come in and go out: equal texts on equal shapes are
// equal programs. An inverted bottleneck of kernel 3, 96 hidden channels and stride 2 with a squeeze-and-excitation of 24
// channels is "inverted_bottleneck k3 h96 s2 relu6 se24/relu/hsigmoid"; "residual" stands behind one that adds its input.
func BlockText(b arch.Block) string {
	words := []string{b.Op}
	if k := b.KernelText(); k != "" {
		words = append(words, "k"+k)
	}
	if b.Hidden > 0 {
		words = append(words, fmt.Sprintf("h%d", b.Hidden))
	}
	words = append(words, fmt.Sprintf("s%d", b.Stride))
	if b.Activation != "" {
		words = append(words, b.Activation)
	}
	if s := b.Squeeze; s != nil {
		words = append(words, fmt.Sprintf("se%d/%s/%s", s.Reduced, s.Activation, s.Gate))
	}
	if b.Residual {
		words = append(words, "residual")
	}
	return strings.Join(words, " ")
}

// StemText writes a chain's first convolution with its batch norm.
func StemText(c arch.Conv) string { return convText("stem", c) }

// LastText writes the 1×1 convolution with batch norm before the pool.
func LastText(c arch.Conv) string { return convText("last", c) }

// ClassifierText writes the global average pool and the linear layer behind it, with the 1×1 convolution between them
// where a chain has one.
func ClassifierText(hidden arch.Conv) string {
	if hidden.Out == 0 {
		return "classifier"
	}
	return strings.TrimSpace(fmt.Sprintf("classifier h%d %s", hidden.Out, hidden.Activation))
}

func convText(name string, c arch.Conv) string {
	return strings.TrimSpace(fmt.Sprintf("%s k%d s%d %s", name, c.Kernel, c.Stride, c.Activation))
}

// Validate reports the first row that is not one.
func (t Table) Validate() error {
	if len(t) == 0 {
		return errors.New("rows: expected at least one, got none")
	}
	seen := map[Key]int{}
	for i, r := range t {
		if err := r.validate(); err != nil {
			return fmt.Errorf("rows[%d]: %w", i, err)
		}
		if first, twice := seen[r.Key]; twice {
			return fmt.Errorf("rows[%d]: block: expected each block once, got %s again, which is rows[%d]", i, r.Key, first)
		}
		seen[r.Key] = i
	}
	return nil
}

func (r Row) validate() error {
	if r.Block == "" || r.Device == "" {
		return fmt.Errorf("block and device: expected a text each, got %q and %q", r.Block, r.Device)
	}
	for _, field := range []struct{ name, text string }{{"input", r.Input}, {"output", r.Output}} {
		if !shapeForm.MatchString(field.text) {
			return fmt.Errorf("%s: expected a shape such as 56x56x24, got %q", field.name, field.text)
		}
	}
	if !(r.MS > 0) || math.IsInf(r.MS, 0) {
		return fmt.Errorf("ms: expected a finite number above 0, got %g", r.MS)
	}
	if !(r.Spread >= 0) || math.IsInf(r.Spread, 0) {
		return fmt.Errorf("spread: expected a finite number of at least 0, got %g", r.Spread)
	}
	return nil
}

// ReadCSV reads a table of the form that [Table.WriteCSV] writes. Errors name the file, the line and the field, and what
// was expected there.
func ReadCSV(name string, from io.Reader) (Table, error) {
	r := csv.NewReader(from)
	r.FieldsPerRecord = len(header)
	first, err := r.Read()
	if err != nil && !errors.Is(err, csv.ErrFieldCount) {
		return nil, fmt.Errorf("%s: line 1: expected the header %s: %w", name, strings.Join(header, ","), err)
	}
	if !slices.Equal(first, header) {
		return nil, fmt.Errorf("%s: line 1: expected the header %s, got %s", name, strings.Join(header, ","), strings.Join(first, ","))
	}
	var t Table
	lines := map[Key]int{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // names its line
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := r.FieldPos(0)
		row, err := parseRow(record)
		if err == nil {
			err = row.validate()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", name, line, err)
		}
		if earlier, twice := lines[row.Key]; twice {
			return nil, fmt.Errorf("%s: line %d: block: expected each block once, got %s again, which is line %d", name, line, row.Key, earlier)
		}
		lines[row.Key] = line
		t = append(t, row)
	}
	if len(t) == 0 {
		return nil, fmt.Errorf("%s: expected at least one row below the header, got none", name)
	}
	return t, nil
}

func parseRow(record []string) (Row, error) {
	row := Row{Key: Key{record[0], record[1], record[2]}, Device: record[5]}
	for i, to := range []*float64{&row.MS, &row.Spread} {
		v, err := strconv.ParseFloat(record[3+i], 64)
		if err != nil {
			return row, fmt.Errorf("%s: expected a number of milliseconds, got %q", header[3+i], record[3+i])
		}
		*to = v
	}
	return row, nil
}

// WriteCSV writes the table with the header block,input,output,ms,spread,device.
func (t Table) WriteCSV(to io.Writer) error {
	w := csv.NewWriter(to)
	if err := w.Write(header); err != nil {
		return err
	}
	exact := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	for _, r := range t {
		if err := w.Write([]string{r.Block, r.Input, r.Output, exact(r.MS), exact(r.Spread), r.Device}); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// Save writes the table to a file, which is there whole or not at all. A table that is not valid is not written.
func (t Table) Save(path string) error {
	if err := t.Validate(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return atomicfile.Write(path, 0o644, t.WriteCSV)
}
