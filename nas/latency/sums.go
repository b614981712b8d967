package latency

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/space"
)

// Sums are the latencies of a space's paths as sums of a table's rows.
type Sums struct {
	// Shared is the sum of the parts that all paths have, in milliseconds.
	Shared float64
	// Layers are the milliseconds of each choice, [layer][choice]; an identity takes none.
	Layers [][]float64
	// Clamps counts the space's distinct blocks whose row is that of the other clamp, see [Table.Find].
	Clamps int
}

// Sums finds the rows of all blocks of a space at its image size. The error names the first block that the table lacks.
func (t Table) Sums(p space.Paths) (Sums, error) {
	var s Sums
	l, err := layoutOf(p)
	if err != nil {
		return s, err
	}
	x := t.index()
	of := func(b part) (float64, error) {
		if b.module == nil {
			return 0, nil
		}
		row, _, ok := x.find(b.Key)
		if !ok {
			return 0, fmt.Errorf("%s: the table has no row for the block %s", p.Name, b.Key)
		}
		return row.MS, nil
	}
	for _, b := range l.shared {
		ms, err := of(b)
		if err != nil {
			return s, err
		}
		s.Shared += ms
	}
	for _, choices := range l.layers {
		row := make([]float64, len(choices))
		for k, b := range choices {
			if row[k], err = of(b); err != nil {
				return s, err
			}
		}
		s.Layers = append(s.Layers, row)
	}
	for _, b := range l.distinct() {
		if _, clamp, _ := x.find(b.Key); clamp {
			s.Clamps++
		}
	}
	return s, nil
}

// Of is the latency of a path in milliseconds, NaN for what is no path of the space.
func (s Sums) Of(path []int) float64 {
	if len(path) != len(s.Layers) {
		return math.NaN()
	}
	sum := s.Shared
	for l, k := range path {
		if k < 0 || k >= len(s.Layers[l]) {
			return math.NaN()
		}
		sum += s.Layers[l][k]
	}
	return sum
}

// Coverage is what of a space a table has rows for.
type Coverage struct {
	// Matched are the rows of the space's distinct blocks, under the block's own key, shared parts first.
	Matched Table `json:"matched"`
	// Clamps are those of them whose row is that of the other clamp, see [Table.Find].
	Clamps []Key `json:"clamps,omitempty"`
	// Missing are the blocks without a row.
	Missing []Key `json:"missing,omitempty"`
}

// Cover looks up every distinct block of a space at its image size, and every part that its paths share.
func (t Table) Cover(p space.Paths) (Coverage, error) {
	var c Coverage
	l, err := layoutOf(p)
	if err != nil {
		return c, err
	}
	x := t.index()
	for _, b := range l.distinct() {
		row, clamp, ok := x.find(b.Key)
		if !ok {
			c.Missing = append(c.Missing, b.Key)
			continue
		}
		row.Key = b.Key
		c.Matched = append(c.Matched, row)
		if clamp {
			c.Clamps = append(c.Clamps, b.Key)
		}
	}
	return c, nil
}

// Find is the row of a block: the one with its text and shapes. Where there is none, relu and relu6 stand for each other,
// for both clamp every number; clamp tells that this was done. Nothing else is taken in the place of a block, so that
// swish is not hswish, and a squeeze-and-excitation has to have the same channels and functions.
func (t Table) Find(k Key) (row Row, clamp, ok bool) { return t.index().find(k) }

type index map[Key]Row

func (t Table) index() index {
	x := make(index, len(t))
	for _, r := range t {
		x[r.Key] = r
	}
	return x
}

func (x index) find(k Key) (row Row, clamp, ok bool) {
	if row, ok = x[k]; ok {
		return row, false, true
	}
	k.Block = otherClamp(k.Block)
	row, ok = x[k]
	return row, ok, ok
}

// otherClamp is a block's text with relu for relu6 and relu6 for relu.
func otherClamp(block string) string {
	words := strings.Fields(block)
	for i, w := range words {
		if at := slices.Index(clamps, w); at >= 0 {
			words[i] = clamps[1-at]
		}
	}
	return strings.Join(words, " ")
}

var clamps = []string{"relu", "relu6"}
