package train

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/floats"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

const (
	// ConfusionFile holds the counts of the test on sound, and of words the curve of their detection, in a run folder.
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
	h, err := run.Once(env.Dir, ConfusionFile, func() (*heard, error) { return t.hear(ctx, env.Data.Test.ClassNames()) })
	if err != nil {
		return nil, err
	}
	m := h.Confusion
	correct, total := rank.Correct(m)
	if total != t.test.Len() {
		return nil, fmt.Errorf("test: expected to count %d samples, got %d", t.test.Len(), total)
	}
	table := run.Table{Name: ConfusionTable, Kind: run.Counts, Rows: env.Data.Test.ClassNames(), Columns: [][]string{env.Data.Test.ClassNames()},
		Epochs: []run.Snapshot{{Epoch: t.config.Epochs}}}
	for _, row := range m {
		values := make([]float64, len(row))
		for i, n := range row {
			values[i] = float64(n)
		}
		table.Epochs[0].Values = append(table.Epochs[0].Values, values)
	}
	numbers := run.Values{{Name: TestAccuracy, Number: float64(correct) / float64(total)}, {Name: TestMacroF1, Number: rank.MacroF1(m)}}
	if h.ROC != nil {
		numbers = append(numbers, run.Value{Name: TestFalseRejects, Number: h.ROC.Area()})
	}
	return &run.Result{Tables: []run.Table{table}, ROC: h.ROC, Numbers: numbers}, nil
}

// heard is what the test on sound gives: the samples counted, [label][prediction], and of words how they are detected.
type heard struct {
	Confusion [][]int  `json:"confusion"`
	ROC       *run.ROC `json:"roc,omitempty"`
}

// hear measures the samples of the test.
func (t *trainer) hear(ctx context.Context, classNames []string) (*heard, error) {
	net, err := space.Network(t.network, t.parts)
	if err != nil {
		return nil, err
	}
	counts := nn.NewLeaf("confusion", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{nn.Confusion(in[0], in[1])}
	})
	root := nn.NewComposite("confusion|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		logits := e.Call("", net, append([]nn.Value{in[0]}, in[2:]...)...)
		return append(e.Call("", counts, logits[0], in[1]), e.Call("", answers, logits[0], in[1])...)
	})
	classes := t.network.Classes
	sums := make([]float64, classes*classes)
	var scores [][]float64
	var labels []int32
	err = t.onTest(ctx, t.model.Path(root).Run, func(out []*tensors.Tensor) error {
		v, err := engine.Values(out[0])
		if err != nil {
			return err
		}
		floats.Add(sums, v)
		if v, err = engine.Values(out[1]); err != nil {
			return err
		}
		for row := range slices.Chunk(v, classes+1) {
			if label := int32(row[classes]); label >= 0 { // none fills up a batch
				scores, labels = append(scores, row[:classes]), append(labels, label)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h := &heard{Confusion: rank.FromCounts(sums, classes)}
	if Kind(t.network) == datasets.KindSpeech {
		h.ROC, err = detection(scores, labels, classNames)
	}
	return h, err
}

// answers is the leaf from logits [batch, classes] and labels [batch] to probabilities and label, [batch, classes+1].
var answers = nn.NewLeaf("answers", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
	labels := graph.InsertAxes(graph.ConvertDType(in[1], in[0].DType()), -1)
	return []*graph.Node{graph.Concatenate([]*graph.Node{nn.SoftmaxRows(in[0]), labels}, -1)}
})

// rates is the number of rates of false alarms at which a curve is measured, from 0 to 1.
const rates = 201

// detection measures how words are detected by their probabilities [samples][classes]; what is silence or unknown is to be
// rejected. It is nil where no word is there to be found.
func detection(probabilities [][]float64, labels []int32, classNames []string) (*run.ROC, error) {
	var words []int
	for k, name := range classNames {
		if !strings.HasPrefix(name, "_") {
			words = append(words, k)
		}
	}
	at := floats.Span(make([]float64, rates), 0, 1)
	mean, counted, err := rank.MeanFalseRejects(probabilities, labels, words, at)
	if errors.Is(err, rank.ErrOneSided) {
		return nil, nil
	}
	return &run.ROC{Words: counted, FalseAlarms: at, FalseRejects: mean}, err
}
