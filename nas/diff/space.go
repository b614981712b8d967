package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// Space is what a method searches: tables of architecture parameters, the supernet whose edges they weigh, and the
// network that becomes of them.
type Space interface {
	// Tables are the tables of parameters, in the order of [Method].Relax.
	Tables() []TableSpec
	// Edges is the number of edges of all cells of a supernet, the rows of an input of [ToEdge].
	Edges(size space.Size) int
	// Supernet takes images, the tables' weights in turn, the inputs with a row for every edge and those that all share,
	// to logits [batch, classes].
	Supernet(size space.Size, takes space.SupernetInputs, edge space.EdgeFunc) (nn.Module, error)
	// Derive says what the tables' weights, [table][edge][operation], stand for; size is that of the search.
	Derive(m Method, size space.Size, weights [][][]float64) Derived
}

// TableSpec is a table of architecture parameters.
type TableSpec struct {
	Name string
	// Rows names its edges.
	Rows []string
	// Ops are the operations of each edge by the names of [nn.SearchPrimitive], all edges as many. A table that a method
	// adds may have rows of other things and of several lengths, of which the parameters behind a row's end count nowhere.
	Ops [][]string
	// Columns are the space's own names of the operations, the same for all edges; nil where they are those of Ops.
	Columns []string
	// ByMethod tells whether the method's rule derives from it, so that its threshold counts.
	ByMethod bool
}

// columns is the number of an edge's operations, of rows of several lengths that of the longest.
func (t TableSpec) columns() int {
	n := 0
	for _, ops := range t.Ops {
		n = max(n, len(ops))
	}
	return n
}

// fits reports where rows are not as long as the table's, full where they are not its whole tensor.
func (t TableSpec) fits(rows [][]float64) error {
	return t.sized(rows, "entries", func(row int) int { return len(t.Ops[row]) })
}

func (t TableSpec) full(rows [][]float64) error {
	columns := t.columns()
	return t.sized(rows, "columns", func(int) int { return columns })
}

func (t TableSpec) sized(rows [][]float64, what string, length func(row int) int) error {
	if len(rows) != len(t.Rows) {
		return fmt.Errorf("expected %d rows, got %d", len(t.Rows), len(rows))
	}
	for i, row := range rows {
		if n := length(i); len(row) != n {
			return fmt.Errorf("row %d: expected %d %s, got %d", i, n, what, len(row))
		}
	}
	return nil
}

// cut leaves out what stands behind a row's end.
func (t TableSpec) cut(rows [][]float64) [][]float64 {
	out := make([][]float64, len(rows))
	for i, row := range rows {
		out[i] = row[:len(t.Ops[i])]
	}
	return out
}

// named are the operations of each edge as results name them.
func (t TableSpec) named() [][]string {
	if t.Columns == nil {
		return t.Ops
	}
	return [][]string{t.Columns}
}

// Derived is what a search found.
type Derived struct {
	// Genotype are DARTS's cells, nil in other spaces. Network is nil where none can be built.
	Genotype *arch.Genotype
	Network  *arch.Network
	// Rule names how it was derived.
	Rule string
	// Skips are columns of the log: the skip connections of each cell.
	Skips run.Values
}

// Spaces are the names of the spaces that methods of this package search.
func Spaces() []string { return append(cells.Names(), space.NASBench201Name) }

// Over is the space that the configuration names.
func (c Config) Over() (Space, error) {
	switch c.Space {
	case space.NASBench201Name:
		return gridSpace{}, nil
	case space.TCResNetName:
		return newChainSpace(c)
	}
	if !slices.Contains(cells.Names(), c.Space) {
		return nil, fmt.Errorf("config: space %q: expected one of %s", c.Space, strings.Join(append(Spaces(), SpeechSpaces()...), ", "))
	}
	s, err := c.Cells()
	return cellSpace{s}, err
}

// edges is the number of edges of the configuration's supernet, 0 where it names no space.
func (c Config) edges() int {
	s, err := c.Over()
	if err != nil {
		return 0
	}
	return s.Edges(c.Size)
}

// cellTables name the tables of DARTS's cells.
var cellTables = []string{"normal", "reduce"}

// cellSpace is a space of DARTS's cells: a table for the normal cells and one for the reduction cells, derived by the
// method's rule.
type cellSpace struct{ cells.Space }

func (s cellSpace) Tables() []TableSpec {
	var out []TableSpec
	for i, name := range cellTables {
		out = append(out, TableSpec{Name: name, Rows: cells.EdgeNames(), Ops: s.Cell(i == 1), ByMethod: true})
	}
	return out
}

func (s cellSpace) Edges(size space.Size) int { return size.Cells * cells.Edges }

func (s cellSpace) Supernet(size space.Size, takes space.SupernetInputs, edge space.EdgeFunc) (nn.Module, error) {
	return space.Supernet(size, takes, edge)
}

func (s cellSpace) Derive(m Method, size space.Size, weights [][][]float64) Derived {
	g, rule := m.Derive(s.Space, weights)
	return Derived{Genotype: &g, Network: Network(g, size), Rule: rule, Skips: run.Values{
		{Name: "skips_normal", Number: float64(g.Normal.Count(nn.SkipConnect))}, {Name: "skips_reduce", Number: float64(g.Reduce.Count(nn.SkipConnect))}}}
}

// gridSpace is NAS-Bench-201 (2001.00326): one table of a cell's 6 edges and their 5 operations, which all cells share.
// An edge keeps its strongest operation, none among them, as the benchmark's own code does for every method (the function
// genotype of its supernets, D-X-Y/AutoDL-Projects): a cell has exactly one operation an edge, and none is a candidate
// with a weight of its own. A rule about how many edges or operations to keep, such as FairDARTS's threshold, has nothing
// to decide here.
type gridSpace struct{}

func (gridSpace) Tables() []TableSpec {
	return []TableSpec{{Name: space.GridTable, Rows: space.GridEdgeNames(), Columns: slices.Clone(arch.GridOps),
		Ops: slices.Repeat([][]string{slices.Clone(nn.GridPrimitives)}, len(arch.Grid{}.Cell))}}
}

func (gridSpace) Edges(size space.Size) int {
	return space.GridStages * size.Cells * len(arch.Grid{}.Cell)
}

func (gridSpace) Supernet(size space.Size, takes space.SupernetInputs, edge space.EdgeFunc) (nn.Module, error) {
	return space.GridSupernet(size, takes, edge)
}

func (gridSpace) Derive(_ Method, size space.Size, weights [][][]float64) Derived {
	d := Derived{Rule: "the strongest operation of every edge"}
	g, err := space.StrongestGrid(weights[0])
	if err != nil {
		return d // a relaxation of another shape, which a search refuses before
	}
	d.Network = &arch.Network{Input: [3]int{32, 32, size.InputChannels}, Classes: size.Classes, Grid: &g}
	d.Skips = run.Values{{Name: "skips", Number: float64(g.Count(nn.SkipConnect))}}
	return d
}
