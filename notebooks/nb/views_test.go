package nb

import (
	"math"
	"strings"
	"testing"

	"github.com/janpfeifer/gonb/gonbui/protocol"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// supernetRun is a search that has a log, a ranking, a front and a network, made up.
func supernetRun() *Run {
	codes := Must(space.MacroSample(12))
	network := Must(space.NASBenchMacro().Network([]int{0, 1, 2, 0, 1, 2, 0, 1}))
	r := run.Result{Spec: run.Spec{Command: run.Search, Method: "paths", Space: space.NASBenchMacroName, Profile: profile.Smoke}, Network: &network,
		Numbers: run.Values{{Name: "steps", Number: 2}},
		Log: run.Log{Columns: []string{"epoch", "learning_rate", "train_loss", "train_accuracy", "lowest", "highest"},
			Rows: [][]float64{{1, 0.1, 2.5, 0.1, 0, 0.25}, {2, 0.05, 2.25, 0.2, 0.125, 0.375}}},
		Tables: []run.Table{{Name: "updates", Kind: run.Counts, Rows: []string{"layer 0", "layer 1"}, Columns: [][]string{{"0", "1", "2"}},
			Epochs: []run.Snapshot{{Epoch: 2, Values: [][]float64{{2, 2, 2}, {2, 2, 2}}}}}},
		Ranking: &run.Ranking{Name: "strict", Codes: codes}}
	for i, a := range Must(space.TrueAccuracies(space.NASBenchMacroName, codes)) {
		r.Ranking.Trained, r.Ranking.Untrained = append(r.Ranking.Trained, a/200), append(r.Ranking.Untrained, 0.1+0.01*float64(i%3))
	}
	r.Front = &run.Front{Evaluations: 8, Members: []run.Member{{Code: "22222222", Values: []float64{0.5, 9e6, 3e5}}, {Code: "00000000", Values: []float64{0.25, 4e6, 1e5}}},
		Objectives: []run.Objective{{Name: "accuracy", Unit: "%", Scale: 100, Direction: evolve.Maximise}, {Name: "multiply-adds", Unit: "M", Scale: 1e-6, Direction: evolve.Minimise},
			{Name: "parameters", Unit: "M", Scale: 1e-6, Direction: evolve.Minimise}}}
	for g := range 2 {
		r.Front.Generations = append(r.Front.Generations, evolve.Snapshot{Generation: g + 1, Front: [][]float64{{0.4 + 0.1*float64(g), 9e6, 3e5}, {0.25, 4e6, 1e5}}})
	}
	return &Run{"made-up", r, profile.Smoke}
}

// All that a supernet has is shown, each picture with a text in its place.
func TestSupernetInNotebook(t *testing.T) {
	var pictures, tables, words []string
	for _, d := range newNotebook(t).run(t, "supernet") {
		text, _ := d.Data[protocol.MIMETextPlain].(string)
		if _, ok := d.Data[protocol.MIMEImagePNG]; ok {
			_, meta := decodePNG(t, d)
			assert.NotEmpty(t, meta["alt"], text)
			pictures = append(pictures, strings.SplitN(text, "\n", 2)[0])
		} else if text != "" {
			tables = append(tables, strings.SplitN(text, "\n", 2)[0])
		}
		words = append(words, text)
	}
	of := "figure: paths, profile smoke, seed 0: "
	assert.Equal(t, []string{of + "losses", of + "training accuracy of paths", of + "updates of the blocks", of + "ranking", of + "one-shot accuracy",
		of + "first fronts", of + "what was found"}, pictures)
	require.Len(t, tables, 3)
	assert.Contains(t, tables[0], "train loss")
	assert.Contains(t, tables[1], "multiply-adds")
	assert.Contains(t, tables[2], "hidden channels")
	all := strings.Join(words, "\n")
	for _, want := range []string{"tau-b 1.000, 95 % interval from 1.000 to 1.000", "22222222           50                 9            0.3  chosen", "inverted bottleneck 5×5, expansion 6", "updates of a choice from 2 to 2"} {
		assert.Contains(t, all, want)
	}
}

// What a run does not have is left out, and asking for it says so.
func TestShowWithoutAll(t *testing.T) {
	r := supernetRun()
	r.Ranking, r.Result.Front = nil, nil
	assert.NoError(t, showAll(r))
	bare := &Run{Result: run.Result{Spec: run.Spec{Command: run.Search, Method: "cells", Profile: profile.Smoke}}}
	for want, err := range map[string]error{
		"epochs: cells, profile smoke, seed 0: expected a log, found none": epochs(bare),
		`figure "x": cells, seed 0, profile smoke: expected a table`:       updates("x", []*Run{bare}),
		`figure "x": expected at least one`:                                ranges("x", nil),
		"expected networks that it ranked, found none":                     ranking("x", []*Run{r}),
		`figure "y": paths, seed 0, profile smoke: expected networks`:      oneShot("y", []*Run{r}),
		"front: paths, profile smoke, seed 0: expected an evolutionary":    front(r),
		`figure "x": expected an evolutionary search, found none`:          pareto(r, "x"),
		`figure "w": expected a search over cells`:                         weights(bare, "w"),
		`figure "z": expected a search over cells`:                         final(bare, "z"),
		"network: cells, profile smoke, seed 0: expected one, found none":  found(bare),
		`network "x": `: network(arch.Network{}, "x"),
	} {
		assert.ErrorContains(t, err, want)
	}
}

// The state of a supernet's training goes on beside its measuring, in one output.
func TestSupernetProgress(t *testing.T) {
	got := newNotebook(t).run(t, "supernet's progress")
	var texts []string
	for _, d := range got {
		assert.Equal(t, got[0].DisplayID, d.DisplayID)
		texts = append(texts, d.Data[protocol.MIMETextPlain].(string))
	}
	assert.Equal(t, []string{"search: 0 of 2 steps; the first step compiles what the cache does not hold",
		"search: generation 1 of 3, 6 of 8 paths measured; train accuracy 0.2, lowest 0.05, highest 0.25",
		"search: generation 2 of 3, 6 of 8 paths measured; train accuracy 0.2, lowest 0.05, highest 0.25",
		"search: generation 3 of 3, 6 of 8 paths measured; train accuracy 0.2, lowest 0.05, highest 0.25",
		"search: done"}, texts)
	assert.Contains(t, got[2].Data[protocol.MIMETextHTML], `<progress value="14" max="24">`)
}

func TestSummary(t *testing.T) {
	assert.Equal(t, "2 steps, train loss 2.25, train accuracy 0.2, lowest 0.125, highest 0.375; 12 networks ranked; "+
		"8 paths measured in 2 generations, chosen of a front of 2: 22222222, accuracy 50 %, multiply-adds 9 M, parameters 0.3 M", summary(supernetRun().Result))
	assert.Equal(t, "1 epochs, train loss 1.5; test accuracy 0.25; parameters 1234", summary(run.Result{Log: run.Log{Columns: []string{"epoch", "train_loss"}, Rows: [][]float64{{1, 1.5}}},
		Numbers: run.Values{{Name: "test_accuracy", Number: 0.25}, {Name: "parameters", Number: 1234}}}))
}

// Real searches have what the views show.
func TestSearchOfASupernet(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	r, err := Search(Method("fairnas"), profile.Smoke)
	require.NoError(t, err)
	require.NoError(t, showAll(r))
	require.NotNil(t, r.Network)
	// What a search over paths has found is trained like cells.
	trained, err := Train(r)
	require.NoError(t, err)
	assert.Equal(t, "fairnas", trained.Spec.Name)
	assert.False(t, math.IsNaN(trained.Numbers.Of("test_accuracy")))

	r, err = Search(Method("fairnas"), profile.Smoke, Variant("uniform"))
	require.NoError(t, err)
	assert.Equal(t, "fairnas-uniform", r.Spec.Label())
	require.NoError(t, ranking("", []*Run{r}))
	assert.Nil(t, r.Result.Front)
}
