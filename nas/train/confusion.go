package train

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/floats"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

const (
	// ConfusionFile holds the counts of the test on sound in a run folder.
	ConfusionFile = "confusion.json"
	// ConfusionTable is the table of a training on sound that counts the samples of the test by class, a row each, and by what
	// they were taken for.
	ConfusionTable = "confusion"
)

// tested is what the test gives: the accuracy, and of sound also the confusion matrix and its macro F1.
func (t *trainer) tested(ctx context.Context, env Env) (*run.Result, error) {
	if t.network.Features == nil {
		accuracy, err := run.Once(env.Dir, TestFile, func() (*float64, error) { return t.evaluate(ctx) })
		if err != nil {
			return nil, err
		}
		return &run.Result{Numbers: run.Values{{Name: TestAccuracy, Number: *accuracy}}}, nil
	}
	m, err := run.Once(env.Dir, ConfusionFile, func() (*[][]int, error) { return t.confusion(ctx) })
	if err != nil {
		return nil, err
	}
	correct, total := rank.Correct(*m)
	if total != t.test.Len() {
		return nil, fmt.Errorf("test: expected to count %d samples, got %d", t.test.Len(), total)
	}
	table := run.Table{Name: ConfusionTable, Kind: run.Counts, Rows: env.Data.Test.ClassNames(), Columns: [][]string{env.Data.Test.ClassNames()},
		Epochs: []run.Snapshot{{Epoch: t.config.Epochs}}}
	for _, row := range *m {
		values := make([]float64, len(row))
		for i, n := range row {
			values[i] = float64(n)
		}
		table.Epochs[0].Values = append(table.Epochs[0].Values, values)
	}
	return &run.Result{Tables: []run.Table{table}, Numbers: run.Values{{Name: TestAccuracy, Number: float64(correct) / float64(total)}, {Name: TestMacroF1, Number: rank.MacroF1(*m)}}}, nil
}

// confusion counts the samples of the test, [label][prediction].
func (t *trainer) confusion(ctx context.Context) (*[][]int, error) {
	net, err := space.Network(t.network, t.parts)
	if err != nil {
		return nil, err
	}
	counts := nn.NewLeaf("confusion", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{nn.Confusion(in[0], in[1])}
	})
	root := nn.NewComposite("confusion|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		logits := e.Call("", net, append([]nn.Value{in[0]}, in[2:]...)...)
		return e.Call("", counts, logits[0], in[1])
	})
	sums := make([]float64, t.network.Classes*t.network.Classes)
	err = t.onTest(ctx, t.model.Path(root).Run, func(out []*tensors.Tensor) error {
		v, err := engine.Values(out[0])
		if err != nil {
			return err
		}
		floats.Add(sums, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return new(rank.FromCounts(sums, t.network.Classes)), nil
}
