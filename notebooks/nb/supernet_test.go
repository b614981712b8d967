package nb

import (
	"strings"
	"testing"

	"github.com/janpfeifer/gonb/gonbui/protocol"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

// supernetRun is a search that has everything, made up.
func supernetRun() *Run {
	codes := Must(fairnas.MacroSample(12))
	r := search.Result{Method: fairnas.Name, Space: space.NASBenchMacroName, Profile: nas.Smoke, Steps: 2,
		Supernet: &search.PathsResult{Sampling: search.Strict, Steps: 2, Updates: [][]int{{2, 2, 2}, {2, 2, 2}}, Epochs: []search.PathsEpoch{
			{Epoch: 1, LearningRate: 0.1, TrainLoss: 2.5, TrainAccuracy: 0.1, Highest: 0.25}, {Epoch: 2, LearningRate: 0.05, TrainLoss: 2.25, TrainAccuracy: 0.2, Lowest: 0.125, Highest: 0.375}}},
		Ranking: &search.Ranking{Codes: codes}}
	for i, a := range Must(fairnas.TrueAccuracies(codes)) {
		r.Ranking.Trained, r.Ranking.Untrained = append(r.Ranking.Trained, a/200), append(r.Ranking.Untrained, 0.1+0.01*float64(i%3))
	}
	chosen := search.Candidate{Code: "22222222", Accuracy: 0.5, MACs: 9e6, Params: 3e5}
	r.Evolution = &search.Evolution{Evaluations: 8, Front: []search.Candidate{chosen, {Code: "00000000", Accuracy: 0.25, MACs: 4e6, Params: 1e5}}, Chosen: chosen,
		Objectives: []evolve.Objective{{Name: "accuracy", Direction: evolve.Maximise}, {Name: "multiply-adds", Direction: evolve.Minimise}, {Name: "parameters", Direction: evolve.Minimise}},
		Network:    Must(space.NASBenchMacro().Network([]int{0, 1, 2, 0, 1, 2, 0, 1}))}
	for g := range 2 {
		r.Evolution.Generations = append(r.Evolution.Generations, evolve.Snapshot{Generation: g + 1, Front: [][]float64{{0.4 + 0.1*float64(g), 9e6, 3e5}, {0.25, 4e6, 1e5}}})
	}
	return &Run{"made-up", r}
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
	of := "nasbenchmacro, profile smoke, seed 0"
	assert.Equal(t, []string{"figure: Training accuracy of paths: " + of, "figure: Updates of the blocks: " + of, "figure: Ranking: " + of, "figure: One-shot accuracy: " + of,
		"figure: First fronts: " + of, "figure: Chosen: 22222222"}, pictures)
	require.Len(t, tables, 3)
	assert.Contains(t, tables[0], "training loss")
	assert.Contains(t, tables[1], "multiply-adds")
	assert.Contains(t, tables[2], "hidden channels")
	all := strings.Join(words, "\n")
	for _, want := range []string{"tau-b 1.000, 95 % interval from 1.000 to 1.000", "22222222                0.5        9000000      300000  chosen", "inverted bottleneck 5×5, expansion 6", "updates of a choice from 2 to 2"} {
		assert.Contains(t, all, want)
	}
}

// What a search has not done is left out, and asking for it says so.
func TestSupernetWithoutAll(t *testing.T) {
	run := supernetRun()
	run.Ranking, run.Evolution = nil, nil
	assert.NoError(t, supernet(run))
	cells := &Run{"made-up", search.Result{Method: "darts"}}
	for want, err := range map[string]error{
		"epochs: darts: expected a search over a single-path supernet":  supernet(cells),
		`figure "x": darts, profile , seed 0: expected a search over`:   updates("x", []*Run{cells}),
		`figure "x": expected at least one search`:                      ranges("x", nil),
		"expected networks that it ranked, found none":                  ranking("x", []*Run{run}),
		`figure "y": fairnas, profile smoke, seed 0, sampling strict: `: oneShot("y", []*Run{run}),
		"front: fairnas: expected an evolutionary search":               front(run),
		"expected an evolutionary search over a supernet, found none":   pareto(run, "x"),
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
		"search: generation 1 of 3, 6 of 8 paths measured; training accuracy of a path 0.200, from 0.050 to 0.250 ▁█",
		"search: generation 2 of 3, 6 of 8 paths measured; training accuracy of a path 0.200, from 0.050 to 0.250 ▁█",
		"search: generation 3 of 3, 6 of 8 paths measured; training accuracy of a path 0.200, from 0.050 to 0.250 ▁█",
		"search: done"}, texts)
	assert.Contains(t, got[2].Data[protocol.MIMETextHTML], `<progress value="14" max="24">`)
}

func TestSummary(t *testing.T) {
	assert.Equal(t, "2 steps, sampling strict, loss 2.2500, training accuracy of a path 0.200, from 0.125 to 0.375; 12 networks ranked; "+
		"8 paths measured in 2 generations, chosen of a front of 2: 22222222, accuracy 0.500, 9.00 M multiply-adds", summary(supernetRun().Result))
	assert.Equal(t, "3 steps, loss 1.5000, accuracy 0.250 on the weights' half; skip connections: 1 normal, 2 reduce",
		summary(search.Result{Steps: 3, Epochs: []search.EpochStats{{TrainLoss: 1.5, TrainAccuracy: 0.25, SkipsNormal: 1, SkipsReduce: 2}}}))
}

// A real search has what the views show.
func TestSearchOfASupernet(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	run, err := Search(fairnas.Name, nas.Smoke)
	require.NoError(t, err)
	require.NoError(t, supernet(run))
	_, asFound := run.Buildable()
	assert.False(t, asFound)
	m, err := nas.Lookup(fairnas.Name)
	require.NoError(t, err)
	c, err := m.Config(nas.Smoke)
	require.NoError(t, err)
	nas.RankOnly(c.(*fairnas.Config))
	run, err = SearchConfig(fairnas.Name, c)
	require.NoError(t, err)
	require.NoError(t, ranking("", []*Run{run}))
	assert.Nil(t, run.Evolution)
}
