package figures

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/runs"
)

// cellTables are the parameters of the two cells.
func cellTables(r run.Result) (normal, reduce run.Table, err error) {
	normal, hasNormal := r.Table("normal")
	reduce, hasReduce := r.Table("reduce")
	if !hasNormal || !hasReduce || len(normal.Epochs) == 0 {
		return normal, reduce, NoData("expected a search over cells, with the tables normal and reduce, found none")
	}
	if _, known := kinds[normal.Kind]; !known || reduce.Kind != normal.Kind {
		return normal, reduce, fmt.Errorf("tables normal and reduce: kind: expected both %q or both %q, got %q and %q", run.Softmax, run.Sigmoid, normal.Kind, reduce.Kind)
	}
	return normal, reduce, nil
}

// weightTables are those of the two cells, the one of NAS-Bench-201's, or that of a chain.
func weightTables(r run.Result) ([]run.Table, error) {
	for _, name := range []string{space.GridTable, space.ChainTable} {
		if t, ok := r.Table(name); ok && len(t.Epochs) > 0 {
			if _, known := kinds[t.Kind]; !known {
				return nil, fmt.Errorf("table %s: kind: expected %q or %q, got %q", t.Name, run.Softmax, run.Sigmoid, t.Kind)
			}
			return []run.Table{t}, nil
		}
	}
	normal, reduce, err := cellTables(r)
	return []run.Table{normal, reduce}, err
}

// kinds are the kinds of weights, for people.
var kinds = map[string]string{run.Softmax: "a softmax", run.Sigmoid: "sigmoids"}

// operations are those of all rows of tables, in the order in which they first occur.
func operations(tables ...run.Table) []string {
	var out []string
	for _, t := range tables {
		for _, op := range slices.Concat(t.Columns...) {
			if !slices.Contains(out, op) {
				out = append(out, op)
			}
		}
	}
	return out
}

// wide are the weights of a table with a column for each of the operations, NaN where a row does not have it.
func wide(t run.Table, ops []string, weights [][]float64) [][]float64 {
	out := make([][]float64, len(weights))
	for row, values := range weights {
		out[row] = slices.Repeat([]float64{math.NaN()}, len(ops))
		for k, op := range t.Ops(row) {
			out[row][slices.Index(ops, op)] = values[k]
		}
	}
	return out
}

// History is the weights of a search's operations over its epochs.
func History(r run.Result) (plots.WeightHistory, error) {
	tables, err := weightTables(r)
	if err != nil {
		return plots.WeightHistory{}, err
	}
	h := plots.WeightHistory{Ops: operations(tables...), Threshold: tables[0].Threshold}
	for _, s := range tables[0].Epochs {
		h.Epochs = append(h.Epochs, s.Epoch)
	}
	sides := []*[][][]float64{&h.Normal, &h.Reduce}
	if tables[0].Name == space.ChainTable {
		h.Layers = tables[0].Rows
	}
	if len(tables) == 1 {
		sides = []*[][][]float64{&h.Cell}
	}
	for i, t := range tables {
		for _, s := range t.Epochs {
			*sides[i] = append(*sides[i], wide(t, h.Ops, s.Weights))
		}
	}
	if n := len(h.Epochs); n < 2 {
		return h, NoData(fmt.Sprintf("expected the weights of at least 2 epochs, found %d", n))
	}
	return h, nil
}

// Weights draws the weights of a search's operations over its epochs, on the scale of their kind.
func Weights(r run.Result, title string) (plots.Figure, error) {
	h, err := History(r)
	if err != nil {
		return plots.Figure{}, err
	}
	draw := plots.Sigmoids
	if tables, err := weightTables(r); err == nil && tables[0].Kind == run.Softmax {
		draw = plots.Softmax
	}
	return draw(h, title)
}

// ofKind draws [Weights] of one kind.
func ofKind(kind string) func(run.Result, string) (plots.Figure, error) {
	return func(r run.Result, title string) (plots.Figure, error) {
		tables, err := weightTables(r)
		if err != nil {
			return plots.Figure{}, err
		}
		if tables[0].Kind != kind {
			return plots.Figure{}, NoData(fmt.Sprintf("expected a search with %s, found only searches with %s", kinds[kind], kinds[tables[0].Kind]))
		}
		return Weights(r, title)
	}
}

// Final draws the weights at a search's end, beside what was derived from them.
func Final(r run.Result, title string) (plots.Figure, error) {
	tables, err := weightTables(r)
	if err != nil {
		return plots.Figure{}, err
	}
	w := plots.FinalWeights{Ops: operations(tables...), Threshold: tables[0].Threshold}
	if len(tables) == 1 {
		w.Cell = wide(tables[0], w.Ops, tables[0].Last().Weights)
		if tables[0].Name == space.ChainTable {
			w.Layers, w.KeptLayers = tables[0].Rows, keptLayers(r)
		}
		if g, ok := gridOf(r); ok {
			w.KeptOps = g.Cell
		}
		return plots.Alphas(w, title)
	}
	normal, reduce := tables[0], tables[1]
	w.Normal, w.Reduce = wide(normal, w.Ops, normal.Last().Weights), wide(reduce, w.Ops, reduce.Last().Weights)
	if r.Genotype != nil {
		w.Kept = *r.Genotype
	}
	return plots.Alphas(w, title)
}

// Dominant draws on how many edges each operation is the strongest, over a search's epochs.
func Dominant(r run.Result, title string) (plots.Figure, error) {
	h, err := History(r)
	if err != nil {
		return plots.Figure{}, err
	}
	return plots.Dominant(h, title)
}

// Cells draws the cells that a search derived.
func Cells(r run.Result, title string) (plots.Figure, error) {
	if g, ok := gridOf(r); ok {
		return plots.GridCell(g, title)
	}
	if r.Genotype == nil || len(r.Genotype.Normal.Edges)+len(r.Genotype.Reduce.Edges) == 0 {
		return plots.Figure{}, NoData("expected a genotype with edges; nothing was derived")
	}
	return plots.Cells(*r.Genotype, title)
}

// Network draws the chain of blocks that a search derived.
func Network(r run.Result, title string) (plots.Figure, error) {
	if r.Network == nil || r.Network.Chain == nil {
		return plots.Figure{}, NoData("expected a search that derived a chain of blocks, found none")
	}
	return plots.Blocks(*r.Network, title)
}

// gridOf is the network of NAS-Bench-201 that a search derived; false where it derived none.
func gridOf(r run.Result) (arch.Grid, bool) {
	if r.Network == nil || r.Network.Grid == nil {
		return arch.Grid{}, false
	}
	return *r.Network.Grid, true
}

// keptLayers are the operations of the chain that a search derived, layer by layer, as its table's columns name them.
func keptLayers(r run.Result) (ops []string) {
	if r.Spec.Space != space.TCResNetName || r.Network == nil || r.Network.Chain == nil {
		return nil
	}
	for _, b := range r.Network.Chain.Blocks {
		op := space.ChoiceName(b)
		if space.IsSkip(b) {
			op = nn.SkipConnect
		}
		ops = append(ops, op)
	}
	return ops
}

// skipsOf counts the skip connections of derived cells, or of a chain; false where none were derived.
func skipsOf(r run.Result) (int, bool) {
	if g, ok := gridOf(r); ok {
		return g.Count(nn.SkipConnect), true
	}
	if layers := keptLayers(r); layers != nil {
		n := 0
		for _, op := range layers {
			if op == nn.SkipConnect {
				n++
			}
		}
		return n, true
	}
	if r.Genotype == nil {
		return 0, false
	}
	return r.Genotype.Normal.Count(nn.SkipConnect) + r.Genotype.Reduce.Count(nn.SkipConnect), true
}

// Skips are the skip connections of the cells that searches derived, by label, of the seeds that all labels have.
func Skips(list ...run.Result) (plots.PairedCounts, error) {
	counts, seeds := map[string]map[uint64]int{}, map[uint64]int{}
	for _, r := range list {
		n, ok := skipsOf(r)
		if !ok {
			continue
		}
		label := r.Spec.Label()
		if counts[label] == nil {
			counts[label] = map[uint64]int{}
		}
		counts[label][r.Spec.Seed] = n
		seeds[r.Spec.Seed]++
	}
	var p plots.PairedCounts
	for _, seed := range slices.Sorted(maps.Keys(seeds)) {
		if seeds[seed] == len(counts) {
			p.Seeds = append(p.Seeds, seed)
		}
	}
	var found []string
	for _, label := range slices.Sorted(maps.Keys(counts)) {
		var row []int
		for _, seed := range p.Seeds {
			row = append(row, counts[label][seed])
		}
		p.Names, p.Counts = append(p.Names, runs.Title(label)), append(p.Counts, row)
		found = append(found, fmt.Sprintf("%s with the seeds %v", label, slices.Sorted(maps.Keys(counts[label]))))
	}
	switch {
	case len(found) == 0:
		return p, NoData("expected searches over cells of at least two labels with a seed in common, found none")
	case len(found) < 2 || len(p.Seeds) == 0:
		return p, NoData("expected searches over cells of at least two labels with a seed in common, found " + strings.Join(found, ", "))
	}
	return p, nil
}

// drawSkips draws the searches over DARTS's cells and those over others, of another number of edges, apart.
func drawSkips(s Source) ([]Named, error) {
	var out []Named
	var why error
	for _, in := range []string{"", space.NASBench201Name, space.TCResNetName} {
		stem := strings.TrimSuffix("skips-"+in, "-")
		list := slices.DeleteFunc(slices.Clone(s.Searches), func(r run.Result) bool {
			of := ""
			if _, grid := gridOf(r); grid {
				of = space.NASBench201Name
			} else if keptLayers(r) != nil {
				of = space.TCResNetName
			}
			return of != in
		})
		pairs, err := Skips(list...)
		if err != nil {
			if why == nil {
				why = err
			}
			continue
		}
		of := fmt.Sprintf("%d seeds, profile %s", len(pairs.Seeds), s.Profile)
		if in != "" {
			of = in + ", " + of
		}
		f, err := plots.Skips(pairs, "Skip connections: "+of)
		if err != nil {
			return nil, err
		}
		out = append(out, Named{stem, of, f})
	}
	if len(out) == 0 {
		return nil, why
	}
	return out, nil
}
