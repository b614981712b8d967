package figures

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/evidence"
)

// curved is a search of the variant curvature with these eigenvalues after its epochs, and a landscape.
func curved(method string, seed uint64, eigenvalues ...float64) run.Result {
	r := search(method, run.Softmax, seed, three, three)
	r.Spec.Variant, r.Spec.Space = "curvature", "S3"
	r.Log = run.Log{Columns: []string{"epoch", "train_loss", diff.Eigenvalue, diff.EigenvalueLowest, diff.EigenvalueResidual, diff.EigenvalueIterations}}
	for i, v := range eigenvalues {
		r.Log.Rows = append(r.Log.Rows, []float64{float64(i + 1), 2, v, -v, 0.01, 9})
	}
	r.Landscape = valley(0.5)
	return r
}

// valley is a landscape with an accuracy in the middle and a tenth around it.
func valley(accuracy float64) *run.Landscape {
	return &run.Landscape{Images: 16, Axis: []float64{-1, 0, 1}, Lengths: []float64{1, 1},
		Accuracy: [][]float64{{0.1, 0.1, 0.1}, {0.1, accuracy, 0.1}, {0.1, 0.1, 0.1}}, Loss: [][]float64{{2, 2, 2}, {2, 1, 2}, {2, 2, 2}}}
}

func TestEigenvalues(t *testing.T) {
	a, b, c := curved("darts", 0, 0.25, 0.5), curved("darts", 1, 0.5, 1), curved("dartsminus", 0, 0.125, 0.25)
	series, err := Eigenvalues(a, search("darts", run.Softmax, 0, three, three), b, c)
	require.NoError(t, err)
	assert.Equal(t, []plots.SpreadSeries{
		{Name: "DARTS in S3", Epochs: []int{1, 2}, Seeds: []uint64{0, 1}, Values: [][]float64{{0.25, 0.5}, {0.5, 1}}},
		{Name: "DARTS- in S3", Epochs: []int{1, 2}, Seeds: []uint64{0}, Values: [][]float64{{0.125, 0.25}}},
	}, series)
	list, err := named(t, "eigenvalue").Draw(Source{Profile: "quick", Searches: []run.Result{a, b, c}, Evidence: true})
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "eigenvalue", list[0].Stem)
	assert.Contains(t, csv(t, list[0].Figure), "DARTS in S3,mean,2,0.75\n")
	_, err = Eigenvalues(a, curved("darts", 2, 1))
	assert.ErrorContains(t, err, "DARTS in S3, seed 2, profile smoke: log: expected the epochs of the other seeds, [1 2], got [1]")
	// They have a figure of their own, and no panel among the losses.
	panels, err := Losses(a)
	require.NoError(t, err)
	require.Len(t, panels, 1)
	assert.Equal(t, "training loss", panels[0].Name)
}

// The skips of a method's variants are side by side, those of other methods and spaces in figures of their own.
func TestSkipsByEpoch(t *testing.T) {
	count := func(method, variant, space string, seed uint64, counts ...float64) run.Result {
		r := search(method, run.Softmax, seed, three, three)
		r.Spec.Variant, r.Spec.Space = variant, space
		r.Log = run.Log{Columns: []string{"epoch", "skips_normal"}}
		for i, n := range counts {
			r.Log.Rows = append(r.Log.Rows, []float64{float64(i + 1), n})
		}
		return r
	}
	list, err := named(t, "skips-by-epoch").Draw(Source{Profile: "quick", Evidence: true, Searches: []run.Result{
		count("rome", "", "S0", 0, 1, 2), count("rome", "", "S0", 1, 3, 4), count("rome", "none", "S0", 0, 5, 6), count("rome", "s2", "S2", 0, 7, 8),
		count("gdas", "", "S0", 0, 0, 1), search("darts", run.Softmax, 0, three, three)}})
	require.NoError(t, err)
	require.Len(t, list, 3)
	assert.Equal(t, []string{"rome-skips-by-epoch", "rome-skips-by-epoch-S2", "gdas-skips-by-epoch"}, []string{list[0].Stem, list[1].Stem, list[2].Stem})
	text := csv(t, list[0].Figure)
	assert.Contains(t, text, "ROME,mean,2,3\n")
	assert.Contains(t, text, "GDAS")
	assert.NotContains(t, text, "S2")
	_, err = named(t, "skips-by-epoch").Draw(Source{Searches: []run.Result{search("darts", run.Softmax, 0, three, three)}})
	assert.ErrorContains(t, err, "found none")
}

func TestLandscapes(t *testing.T) {
	a, b := curved("darts", 0, 1), curved("dartsminus", 0, 1)
	b.Landscape = valley(0.75)
	list, err := named(t, "landscape").Draw(Source{Profile: "quick", Searches: []run.Result{a, b, curved("darts", 1, 1), search("darts", run.Softmax, 0, three, three)}, Evidence: true})
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, []string{"landscape-seed0", "darts-landscape-seed1"}, []string{list[0].Stem, list[1].Stem})
	data := csv(t, list[0].Figure)
	assert.Contains(t, data, "DARTS in S3,0,0,50,1\n")
	assert.Contains(t, data, "DARTS- in S3,0,0,75,1\n")
}

// In a run folder the landscape that was measured last counts, one that is not whole yet does not, nor one behind another
// checkpoint.
func TestLastLandscape(t *testing.T) {
	dir := t.TempDir()
	r := curved("darts", 0, 1)
	r.Spec.Config = json.RawMessage("{}")
	require.NoError(t, evidence.WriteResult(dir, r))
	middle := func() float64 {
		t.Helper()
		s, err := Open(dir)
		require.NoError(t, err)
		require.Len(t, s.Searches, 1)
		accuracy, _ := s.Searches[0].Landscape.Centre()
		return accuracy
	}
	assert.Equal(t, 0.5, middle())
	checkpoint := filepath.Join(dir, run.CheckpointFile)
	require.NoError(t, os.WriteFile(checkpoint, []byte("weights"), 0o600))
	require.NoError(t, run.SaveStage(dir, run.LandscapeFile, valley(0.75)))
	assert.Equal(t, 0.75, middle())
	part := valley(1)
	part.Accuracy, part.Loss = part.Accuracy[:2], part.Loss[:2]
	require.NoError(t, run.SaveStage(dir, run.LandscapeFile, part))
	assert.Equal(t, 0.5, middle())
	wrong := valley(1)
	wrong.Accuracy[0][1] = 2
	require.NoError(t, run.SaveStage(dir, run.LandscapeFile, wrong))
	_, err := Open(dir)
	assert.ErrorContains(t, err, "landscape.json: landscape: accuracy[0][1]: expected at least 0 and at most 1, got 2")
	require.NoError(t, os.WriteFile(checkpoint, []byte("others"), 0o600))
	assert.Equal(t, 0.5, middle())
	require.NoError(t, os.Remove(checkpoint))
	assert.Equal(t, 0.5, middle())
}
