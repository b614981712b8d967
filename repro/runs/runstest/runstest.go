// Package runstest makes results of runs without running anything, for tests of what reads evidence.
package runstest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runs"
)

// Data is a data set that does not exist: the whole of CIFAR-10 by what it says of itself.
func Data() datasets.Identity {
	return datasets.Identity{Name: datasets.CIFAR10Name, Train: 50000, Test: 10000, SHA256: "5", Published: true}
}

// classes of [Data].
const classes = 10

// Evidence writes an evidence folder's run.json.
func Evidence(t testing.TB, dir, profile string, data datasets.Identity) {
	t.Helper()
	require.NoError(t, evidence.WriteRun(dir, evidence.Run{Profile: profile, Set: data, Data: map[string]string{}, Start: time.Unix(0, 0).UTC()}))
}

// Search is the search of a label and a seed at a profile, which found nothing yet.
func Search(t testing.TB, label, profile string, seed uint64, data datasets.Identity) run.Result {
	t.Helper()
	_, _, c, err := runs.Search(label, profile, seed, data)
	require.NoError(t, err)
	return run.Result{Spec: c.Spec, Log: run.Log{Columns: []string{"epoch"}, Rows: [][]float64{{1}}}}
}

// Weigh gives a search over cells both its tables, with these weights of the operations of every edge, before the first
// epoch and after it.
func Weigh(r *run.Result, kind string, weights ...float64) {
	ops := space.DARTSPrimitives[:len(weights)]
	r.Tables = nil
	for _, name := range []string{"normal", "reduce"} {
		t := run.Table{Name: name, Kind: kind, Rows: cells.EdgeNames(), Columns: [][]string{ops}}
		for epoch := range 2 {
			s := run.Snapshot{Epoch: epoch}
			for range t.Rows {
				s.Values = append(s.Values, make([]float64, len(ops)))
				s.Weights = append(s.Weights, weights)
			}
			t.Epochs = append(t.Epochs, s)
		}
		r.Tables = append(r.Tables, t)
	}
}

// Derive gives a search over cells two cells of two edges a node, the first of them, in all, skip connections.
func Derive(r *run.Result, skips int) {
	cell := func() arch.Cell {
		var c arch.Cell
		for node := 2; node < 2+arch.Nodes; node++ {
			c.Concat = append(c.Concat, node)
			for from := range 2 {
				op := nn.SepConv3x3
				if skips > 0 {
					op, skips = nn.SkipConnect, skips-1
				}
				c.Edges = append(c.Edges, arch.Edge{Op: op, From: from, To: node})
			}
		}
		return c
	}
	g := arch.Genotype{Style: arch.StyleDARTS, Normal: cell(), Reduce: cell()}
	r.Genotype, r.Network = &g, diff.Network(g, space.Size{Classes: classes, InputChannels: 3})
}

// Train is the training of a label and a seed at a profile, of what a search found where the label is a search's, with an
// accuracy (0 to 1) on what tests.
func Train(t testing.TB, label, profile string, seed uint64, data datasets.Identity, found *run.Result, accuracy float64) run.Result {
	t.Helper()
	_, network, c, err := runs.Train(label, profile, seed, data, classes, func() (run.Result, error) { return *found, nil })
	require.NoError(t, err)
	return run.Result{Spec: c.Spec, Network: &network, Log: run.Log{Columns: []string{"epoch"}, Rows: [][]float64{{1}}},
		Numbers: run.Values{{Name: train.TestAccuracy, Number: accuracy}}}
}

// Write writes config.json and the result into the run's folder in an evidence folder.
func Write(t testing.TB, dir string, r run.Result) {
	t.Helper()
	WriteIn(t, runs.Dir(dir, r.Spec.Command, r.Spec.Label(), r.Spec.Seed), r)
}

// WriteIn writes config.json and the result into a folder.
func WriteIn(t testing.TB, dir string, r run.Result) {
	t.Helper()
	require.NoError(t, evidence.WriteConfig(dir, evidence.Config{Spec: r.Spec}))
	require.NoError(t, evidence.WriteResult(dir, r))
}
