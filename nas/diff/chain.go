package diff

import (
	"fmt"
	"slices"

	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// SpeechSpaces are the names of the spaces of sound that methods of this package search.
func SpeechSpaces() []string { return []string{space.TCResNetName} }

// chainSpace is AutoKWS's space of TC-ResNet's chains (2009.03658): one table with a row for every layer, each of which keeps
// one operation.
//
// A chain has one operation a layer, while a threshold on sigmoids, FairDARTS's, may let several pass, or none. Then a layer
// keeps the strongest of those that pass, and where none does the strongest of all, since a chain without a layer is none.
// Both are the strongest operation; the rule that results name says in how many layers anything passed, and the log how many
// operations did.
type chainSpace struct{ space.Paths }

// newChainSpace makes the space of a configuration.
func newChainSpace(c Config) (chainSpace, error) {
	if c.Sound == nil || !c.Sound.AsChannels {
		return chainSpace{}, fmt.Errorf("config: sound: the space %s needs features of sound as channels", c.Space)
	}
	in, err := c.Input()
	if err != nil {
		return chainSpace{}, err
	}
	p, err := space.TCResNet(c.Size, in[0])
	if err != nil {
		return chainSpace{}, fmt.Errorf("config: %w", err)
	}
	features := c.Sound.Features
	p.Shared.Features = &features
	return chainSpace{p}, nil
}

func (s chainSpace) Tables() []TableSpec {
	table := TableSpec{Name: space.ChainTable, Rows: s.LayerNames(), Columns: space.TemporalColumns()}
	// The skip has DARTS's name, by which figures and quantities of claims find it.
	table.Columns[len(table.Columns)-1] = nn.SkipConnect
	for _, choices := range s.Layers {
		table.Ops = append(table.Ops, space.TemporalOps(choices))
	}
	table.ByMethod = true
	return []TableSpec{table}
}

func (s chainSpace) Edges(space.Size) int { return len(s.Layers) }

func (s chainSpace) Supernet(size space.Size, takes space.SupernetInputs, edge space.EdgeFunc) (nn.Module, error) {
	return space.TCResNetSupernet(size, takes, edge)
}

func (s chainSpace) Derive(m Method, _ space.Size, weights [][][]float64) Derived {
	d := Derived{Rule: "the strongest operation of every layer"}
	path, err := s.StrongestPath(weights[0])
	if err != nil {
		return d // a relaxation of another shape, which a search refuses before
	}
	n, err := s.Network(path)
	if err != nil {
		return d
	}
	d.Network = &n
	skips := 0
	for _, b := range n.Chain.Blocks {
		if space.IsSkip(b) {
			skips++
		}
	}
	d.Skips = run.Values{{Name: "skips", Number: float64(skips)}}
	if m.Threshold > 0 {
		layers, operations := 0, 0
		for _, row := range weights[0] {
			passed := len(row) - len(slices.DeleteFunc(slices.Clone(row), func(w float64) bool { return w >= m.Threshold }))
			operations += passed
			layers += min(passed, 1)
		}
		d.Rule = fmt.Sprintf("the strongest operation of every layer, threshold %g passed in %d of %d layers", m.Threshold, layers, len(path))
		d.Skips = append(d.Skips, run.Value{Name: "passed", Number: float64(operations)})
	}
	return d
}
