// Package cells holds the search spaces of DARTS's cells as data, and the rule that makes cells of weights.
package cells

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// Edges is the number of edges of a cell: node i has one from each of the i+2 states before it.
const Edges = arch.Nodes * (arch.Nodes + 3) / 2

// EdgeIndex is the row of an edge in a table, which lists node 2's edges first.
func EdgeIndex(from, to int) int {
	row := 0
	for n := 2; n < to; n++ {
		row += n
	}
	return row + from
}

// EdgeNames names the rows of a table, such as 0→2.
func EdgeNames() []string {
	var out []string
	for to := 2; to < 2+arch.Nodes; to++ {
		for from := range to {
			out = append(out, fmt.Sprintf("%d→%d", from, to))
		}
	}
	return out
}

// Space has the operations of every edge of the two cells, [14 edges][operations]; all edges of a cell have as many.
type Space struct {
	Name   string
	Normal [][]string `json:"normal"`
	Reduce [][]string `json:"reduce"`
}

// S0 is the name of the space in which every edge has the same operations, which the method chooses.
const S0 = "S0"

// Uniform is the space S0 of operations.
func Uniform(primitives []string) Space {
	rows := slices.Repeat([][]string{slices.Clone(primitives)}, Edges)
	return Space{S0, rows, rows}
}

//go:embed spaces.json
var reduced []byte

// Names are the spaces: S0, and the reduced ones of R-DARTS (1909.09656), in which DARTS collapses, as the code of DARTS-
// (2009.01027, src/spaces.py) has them.
func Names() []string { return []string{S0, "S1", "S2", "S3", "S4"} }

// Lookup makes a space by name; primitives are the operations of S0, and of no other.
func Lookup(name string, primitives []string) (Space, error) {
	if name == S0 {
		return Uniform(primitives), check(primitives)
	}
	if !slices.Contains(Names(), name) {
		return Space{}, fmt.Errorf("space %q: expected one of %s", name, strings.Join(Names(), ", "))
	}
	var all map[string]Space
	if err := json.Unmarshal(reduced, &all); err != nil {
		return Space{}, fmt.Errorf("spaces.json: %w", err)
	}
	s := all[name]
	s.Name = name
	return s, nil
}

func check(primitives []string) error {
	for _, p := range primitives {
		if !slices.Contains(nn.Primitives, p) {
			return fmt.Errorf("primitives: unknown operation %q, expected some of %v", p, nn.Primitives)
		}
	}
	if !slices.ContainsFunc(primitives, func(p string) bool { return p != nn.None }) {
		return fmt.Errorf("primitives: expected some of %v beside %s", nn.Primitives, nn.None)
	}
	return nil
}

// Cell are the operations of the edges of a kind of cell.
func (s Space) Cell(reduce bool) [][]string {
	if reduce {
		return s.Reduce
	}
	return s.Normal
}

// Has tells whether any edge has an operation.
func (s Space) Has(op string) bool {
	return slices.ContainsFunc(slices.Concat(s.Normal, s.Reduce), func(ops []string) bool { return slices.Contains(ops, op) })
}

// Columns are a cell's operations as a table names them: one list where all edges have the same, else one an edge.
func Columns(ops [][]string) [][]string {
	if !slices.ContainsFunc(ops, func(row []string) bool { return !slices.Equal(row, ops[0]) }) {
		return ops[:1]
	}
	return ops
}
