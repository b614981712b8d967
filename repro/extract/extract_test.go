package extract

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
)

// result has the weights of four edges of two operations, and as many skips as asked for.
func result(seed uint64, skips int, weights ...float64) search.Result {
	table := func(w []float64) [][]float64 { return [][]float64{{w[0], w[1]}, {w[2], w[3]}} }
	r := search.Result{Method: "m", Profile: "quick", Seed: seed, Primitives: []string{"skip_connect", "sep_conv_3x3"}}
	start := []float64{0, 0, 0, 0}
	for epoch, w := range [][]float64{start, weights} {
		r.History = append(r.History, search.Alphas{Epoch: epoch, Normal: table(start), Reduce: table(start), NormalWeights: table(w), ReduceWeights: table(w)})
	}
	for range skips {
		r.Genotype.Normal.Edges = append(r.Genotype.Normal.Edges, arch.Edge{Op: "skip_connect", From: 0, To: 2})
	}
	r.Genotype.Reduce.Edges = []arch.Edge{{Op: "sep_conv_3x3", From: 0, To: 2}, {Op: "skip_connect", From: 0, To: 2}}
	return r
}

func TestQuantities(t *testing.T) {
	for _, c := range []struct {
		name                  string
		weights               []float64
		polarisation, bimodal float64
	}{
		{"halves", []float64{0.5, 0.5, 0.5, 0.5}, 0, 0},
		{"ends", []float64{0, 1, 1, 0}, 1, 1},
		{"at the ends' edges", []float64{0.15, 0.85, 0.16, 0.84}, 0.69, 0.5},
		{"one mode", []float64{0.01, 0.02, 0.03, 0.04}, 0.95, 0},
		{"other mode", []float64{0.99, 0.98, 0.97, 0.96}, 0.95, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := result(0, 0, c.weights...)
			assert.InDelta(t, c.polarisation, searchQuantities["polarisation"](r), 1e-12)
			assert.InDelta(t, c.bimodal, searchQuantities["bimodal_share"](r), 1e-12)
		})
	}
	assert.Equal(t, 4.0, searchQuantities["skips"](result(0, 3, 0, 0, 0, 0)))
	assert.Equal(t, 41.25, trainQuantities["test_accuracy_percent"](train.TrainResult{TestAccuracy: 0.4125}))
}

func TestChecksHold(t *testing.T) {
	for name, f := range checks {
		t.Run(name, func(t *testing.T) {
			list, err := f()
			require.NoError(t, err)
			require.NotEmpty(t, list)
			for _, c := range list {
				if name == "fairdarts_mean_macs" { // printed cut, not rounded
					assert.InDelta(t, 457.857142857, c.Got, 1e-9)
				}
				if c.Want == "0" {
					assert.InDelta(t, 0, c.Got, 1e-9, c.Name)
				}
			}
		})
	}
	list, err := parse()
	require.NoError(t, err)
	assert.Len(t, list, 12)
}

// TestChecksCanFail makes sure that the measures of error see an error.
func TestChecksCanFail(t *testing.T) {
	a, b := arch.Edge{Op: "a", From: 0, To: 2}, arch.Edge{Op: "b", From: 0, To: 2}
	assert.Equal(t, 0, differ([]arch.Edge{a, b}, []arch.Edge{a, b}))
	assert.Equal(t, 2, differ([]arch.Edge{a, b}, []arch.Edge{b, a}))
	assert.Equal(t, 3, differ([]arch.Edge{a}, []arch.Edge{b, a, b}))
	assert.Equal(t, 2.0, largest([]float64{1, -2}))
	exclusive := func(x []float64) []float64 { return []float64{x[0] - x[1], x[1]} }
	assert.InDeltaSlice(t, []float64{-1, 1}, move(exclusive, []float64{0, 0}, 1), 1e-9)
}

func TestEveryRecordCanBeMeasured(t *testing.T) {
	list, err := claims.All()
	require.NoError(t, err)
	for _, c := range list {
		m, err := Measure(c, Runs{})
		require.NoError(t, err, c.ID)
		assert.Len(t, m, len(c.Assertions()), c.ID)
	}
	for _, what := range []claims.Measure{{Check: "none"}, {Quantity: "none", Of: "darts"}} {
		_, err := Measure(claims.Claim{ID: "p-one", Assertion: claims.Assertion{Measure: &what}}, Runs{})
		assert.ErrorContains(t, err, `"none"`)
		assert.ErrorContains(t, err, "p-one")
	}
}

func TestMeasurePairs(t *testing.T) {
	runs := Runs{Search: map[string]map[uint64]search.Result{
		"darts":     {0: result(0, 5, 0, 0, 0, 0), 2: result(2, 7, 0, 0, 0, 0), 3: result(3, 1, 0, 0, 0, 0)},
		"fairdarts": {0: result(0, 1, 0, 0, 0, 0), 1: result(1, 2, 0, 0, 0, 0), 2: result(2, 3, 0, 0, 0, 0)},
	}}
	a := claims.Part{Assertion: claims.Assertion{Kind: claims.Order, Measure: &claims.Measure{Quantity: "skips", Of: "darts", Than: "fairdarts"}}}
	m, err := measure(a, runs)
	require.NoError(t, err)
	assert.Equal(t, []uint64{0, 2}, m.Seeds)
	assert.Equal(t, []float64{6, 8}, m.A)
	assert.Equal(t, []float64{2, 4}, m.B)
	assert.Contains(t, m.Note, "darts-seed3")
	assert.Contains(t, m.Note, "fairdarts-seed1")

	a.Kind = claims.Rank
	m, err = measure(a, runs)
	require.NoError(t, err)
	assert.Equal(t, []float64{6, 8, 2}, m.A)
	assert.Equal(t, []float64{2, 3, 4}, m.B)

	a.Measure = &claims.Measure{Quantity: "test_accuracy_percent", Of: "random"}
	m, err = measure(a, runs)
	require.NoError(t, err)
	assert.Empty(t, m.A)
	assert.Contains(t, m.Missing, "train runs of random")
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	want := result(7, 1, 0.1, 0.2, 0.3, 0.4)
	require.NoError(t, evidence.WriteResult(SearchDir(dir, LabelFairDARTSNo01, 7), want))
	trained := train.TrainResult{Name: "random", Seed: 7, Profile: "quick", TestAccuracy: 0.5}
	require.NoError(t, evidence.WriteTrainResult(TrainDir(dir, LabelRandom, 7), trained))
	require.NoError(t, os.MkdirAll(SearchDir(dir, LabelDARTS, 7), 0o755)) // killed before its end
	require.NoError(t, os.WriteFile(filepath.Join(dir, "search", "notes.txt"), []byte("x"), 0o600))
	runs, err := Load(dir, claims.Quick)
	require.NoError(t, err)
	assert.Equal(t, map[string]map[uint64]search.Result{"fairdarts-no01": {7: want}}, runs.Search)
	assert.Equal(t, map[string]map[uint64]train.TrainResult{"random": {7: trained}}, runs.Train)

	_, err = Load(dir, claims.Paper)
	assert.ErrorContains(t, err, `profile: expected "paper", got "quick"`)
	_, err = Load(filepath.Join(dir, "none"), claims.Quick)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		folder string
		change func(*search.Result)
		want   string
	}{
		"another seed":    {"darts-seed1", func(r *search.Result) { r.Seed = 2 }, "seed: expected 1"},
		"no history":      {"darts-seed1", func(r *search.Result) { r.History = nil }, "history"},
		"another name":    {"darts_1", func(*search.Result) {}, "<label>-seed<number>"},
		"a number so big": {"darts-seed99999999999999999999", func(*search.Result) {}, "seed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := result(1, 1, 0, 0, 0, 0)
			c.change(&r)
			require.NoError(t, evidence.WriteResult(filepath.Join(dir, "search", c.folder), r))
			_, err := Load(dir, claims.Quick)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, c.folder)
		})
	}
	dir := t.TempDir()
	require.NoError(t, evidence.WriteResult(SearchDir(dir, "darts", 1), result(1, 1, 0, 0, 0, 0)))
	require.NoError(t, evidence.WriteResult(filepath.Join(dir, "search", "darts-seed01"), result(1, 1, 0, 0, 0, 0)))
	_, err := Load(dir, claims.Quick)
	assert.ErrorContains(t, err, "twice")
	require.NoError(t, os.WriteFile(filepath.Join(SearchDir(dir, "darts", 1), evidence.ResultFile), []byte("{"), 0o600))
	_, err = Load(dir, claims.Quick)
	assert.ErrorContains(t, err, evidence.ResultFile)
}
