// Package arch holds architectures as plain data: cell genotypes and the networks made of them.
package arch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Edge applies the operation Op to the state From and adds the result to the node To. States 0 and 1 are
// the outputs of the two cells before; the intermediate nodes are 2 to 5 (2 to 6 in NASNet and AmoebaNet).
type Edge struct {
	Op   string
	From int
	To   int
}

// MarshalJSON writes an edge as [op, from, to].
func (e Edge) MarshalJSON() ([]byte, error) { return json.Marshal([]any{e.Op, e.From, e.To}) }

// UnmarshalJSON reads an edge from [op, from, to].
func (e *Edge) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return fmt.Errorf("edge: expected [op, from, to]: %w", err)
	}
	if len(parts) != 3 {
		return fmt.Errorf("edge: expected [op, from, to], got %d elements", len(parts))
	}
	for i, part := range []struct {
		to         any
		name, want string
	}{{&e.Op, "operation", "a text"}, {&e.From, "from", "a whole number"}, {&e.To, "to", "a whole number"}} {
		if err := json.Unmarshal(parts[i], part.to); err != nil || string(parts[i]) == "null" {
			return fmt.Errorf("%s: expected %s, got %s", part.name, part.want, parts[i])
		}
	}
	return nil
}

// Cell is one derived cell. A node's value is the sum of its edges; the output concatenates the nodes of
// Concat, in order, along the channels.
type Cell struct {
	Edges  []Edge `json:"edges"`
	Concat []int  `json:"concat"`
}

// Styles of a genotype. They differ in the names of their parameters and in how many edges a node has.
const (
	// StyleDARTS has exactly two edges a node (DARTS, 1806.09055).
	StyleDARTS = "darts"
	// StyleThreshold has any number of edges a node, nodes without edges do not exist (FairDARTS, 1911.12126).
	StyleThreshold = "threshold"
)

// Genotype is the pair of cells that a search in a DARTS-like space derives.
type Genotype struct {
	Style  string `json:"style"`
	Normal Cell   `json:"normal"`
	Reduce Cell   `json:"reduce"`
}

// Nodes is the number of intermediate nodes of a DARTS cell.
const Nodes = 4

// lastNode is the highest node that the cell may have: published cells of other spaces (NASNet, AmoebaNet) have
// five nodes, two edges each.
func (c Cell) lastNode(style string) int {
	if style == StyleDARTS {
		return 1 + max(Nodes, len(c.Edges)/2)
	}
	return 1 + Nodes
}

// Count returns the number of edges of the cell whose operation is op.
func (c Cell) Count(op string) int {
	n := 0
	for _, e := range c.Edges {
		if e.Op == op {
			n++
		}
	}
	return n
}

// Validate checks indices, order and style; known is the set of operations allowed, nil for any.
func (g Genotype) Validate(known []string) error {
	if g.Style != StyleDARTS && g.Style != StyleThreshold {
		return fmt.Errorf("genotype: style: expected %q or %q, got %q", StyleDARTS, StyleThreshold, g.Style)
	}
	for _, side := range []struct {
		name string
		cell Cell
	}{{"normal", g.Normal}, {"reduce", g.Reduce}} {
		perNode, last := map[int]int{}, side.cell.lastNode(g.Style)
		for i, e := range side.cell.Edges {
			if e.To < 2 || e.To > last || e.From < 0 || e.From >= e.To {
				return fmt.Errorf("genotype: %s.edges[%d]: from %d to %d is not an edge of a cell with nodes 2 to %d", side.name, i, e.From, e.To, last)
			}
			if known != nil && !slices.Contains(known, e.Op) {
				return fmt.Errorf("genotype: %s.edges[%d]: unknown operation %q, expected one of %v", side.name, i, e.Op, known)
			}
			perNode[e.To]++
		}
		if len(side.cell.Concat) == 0 {
			return fmt.Errorf("genotype: %s.concat: expected at least one node", side.name)
		}
		for i, n := range side.cell.Concat {
			if slices.Contains(side.cell.Concat[:i], n) {
				return fmt.Errorf("genotype: %s.concat: node %d stands twice", side.name, n)
			}
			if n < 2 || n > last {
				return fmt.Errorf("genotype: %s.concat: node %d out of range 2 to %d", side.name, n, last)
			}
			if g.Style == StyleThreshold && perNode[n] == 0 {
				return fmt.Errorf("genotype: %s.concat: node %d has no edges", side.name, n)
			}
		}
		if g.Style == StyleDARTS {
			for n := 2; n <= last; n++ {
				if perNode[n] != 2 {
					return fmt.Errorf("genotype: %s: node %d has %d edges, style %q needs 2", side.name, n, perNode[n], g.Style)
				}
			}
		}
	}
	return nil
}

// Reachable tells whether each cell joins at least one node that can be reached from its inputs: in the threshold style an
// edge may come from a node that has lost all of its own.
func (g Genotype) Reachable() bool { return len(g.Normal.Outputs()) > 0 && len(g.Reduce.Outputs()) > 0 }

// Exists tells for each state of a cell whether it has a value: 0 and 1 have, a node has where one of its edges comes from
// such a state.
func (c Cell) Exists() []bool {
	last := 1
	for _, e := range c.Edges {
		last = max(last, e.To)
	}
	exists := make([]bool, last+1)
	exists[0], exists[1] = true, true
	for node := 2; node <= last; node++ {
		for _, e := range c.Edges {
			exists[node] = exists[node] || e.To == node && exists[e.From]
		}
	}
	return exists
}

// Outputs are the nodes that the cell's output joins, in order: those of Concat that have a value.
func (c Cell) Outputs() []int {
	exists := c.Exists()
	return slices.DeleteFunc(slices.Clone(c.Concat), func(n int) bool { return n >= len(exists) || !exists[n] })
}

// String is the genotype as DARTS's code prints it; with thresholds, as FairDARTS's does, which names an edge's node and then where it comes from.
func (g Genotype) String() string {
	cell := func(name string, c Cell) string {
		edges := make([]string, len(c.Edges))
		for i, e := range c.Edges {
			edges[i] = fmt.Sprintf("('%s', %d)", e.Op, e.From)
			if g.Style == StyleThreshold {
				edges[i] = fmt.Sprintf("('%s', %d, %d)", e.Op, e.To, e.From)
			}
		}
		return fmt.Sprintf("%s=[%s], %s_concat=%s", name, strings.Join(edges, ", "), name, strings.ReplaceAll(fmt.Sprint(c.Concat), " ", ", "))
	}
	return fmt.Sprintf("Genotype(%s, %s)", cell("normal", g.Normal), cell("reduce", g.Reduce))
}
