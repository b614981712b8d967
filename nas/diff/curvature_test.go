package diff_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/engine/enginetest"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
)

// measured is a configuration that measures what there is.
func measured(c diff.Config) diff.Config {
	c.Curvature = &diff.CurvatureConfig{Batch: 4, Iterations: 3}
	c.Landscape = &diff.LandscapeConfig{Points: 3, Images: 16, Radius: 0.5}
	return c
}

// A search that measures gives the same bits as one that does not: tables, log and what its checkpoint goes on from. It
// resumes as every search does.
func TestMeasuringChangesNothing(t *testing.T) {
	e := newEngine(t)
	plain := onGrid(diff.DefaultConfig())
	dir := t.TempDir()
	want, err := diff.Search(t.Context(), environment(t, e, plain, run.Options{Dir: dir}), plain, diff.DARTS())
	require.NoError(t, err)
	c := measured(plain)
	got := searchAndResume(t, e, c, diff.DARTS())
	assert.Equal(t, want.Tables, got.Tables)
	assert.Equal(t, want.Network, got.Network)
	added := []string{diff.Eigenvalue, diff.EigenvalueLowest, diff.EigenvalueResidual, diff.EigenvalueIterations}
	require.Equal(t, append(want.Log.Columns, added...), got.Log.Columns)
	for i, row := range want.Log.Rows {
		assert.Equal(t, row, got.Log.Rows[i][:len(row)])
		measured := got.Log.Row(i)
		assert.Greater(t, measured.Of(diff.Eigenvalue), measured.Of(diff.EigenvalueLowest))
		assert.Equal(t, 3.0, measured.Of(diff.EigenvalueIterations))
		assert.Greater(t, measured.Of(diff.EigenvalueResidual), 0.0)
	}
	assert.Nil(t, want.Landscape)
	require.NotNil(t, got.Landscape)

	other := t.TempDir()
	_, err = diff.Search(t.Context(), environment(t, e, c, run.Options{Dir: other}), c, diff.DARTS())
	require.NoError(t, err)
	var record any
	one, err := checkpoint.Resume(filepath.Join(dir, run.CheckpointFile), &record)
	require.NoError(t, err)
	two, err := checkpoint.Resume(filepath.Join(other, run.CheckpointFile), &record)
	require.NoError(t, err)
	assert.Equal(t, one, two)

	// A configuration without has no trace of it, so that specifications stay as they are.
	text, err := json.Marshal(plain)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "curvature")
	assert.NotContains(t, string(text), "landscape")
}

// A finished search measures its landscape anew without a step: rows that are there stay, another grid is another landscape.
func TestLandscapeOfAFinishedSearch(t *testing.T) {
	e := newEngine(t)
	plain := onGrid(diff.DefaultConfig())
	dir := t.TempDir()
	env := environment(t, e, plain, run.Options{Dir: dir})
	want, err := diff.Search(t.Context(), env, plain, diff.DARTS())
	require.NoError(t, err)
	c := plain
	c.Landscape = &diff.LandscapeConfig{Points: 3, Images: 128, Radius: 1}
	measuredAt := 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	env.Listeners = []run.Listener{func(ev run.Event) {
		assert.NotEqual(t, run.EventStep, ev.Kind)
		if ev.Kind == run.EventMeasure {
			if measuredAt++; measuredAt == 4 {
				stop()
			}
		}
	}}
	_, err = diff.Search(ctx, env, c, diff.DARTS())
	require.ErrorIs(t, err, run.ErrInterrupted)
	got, err := diff.Search(t.Context(), env, c, diff.DARTS())
	require.NoError(t, err)
	assert.Equal(t, 4+6, measuredAt, "the first row was there")
	assert.Equal(t, want.Tables, got.Tables)
	l := got.Landscape
	require.NoError(t, l.Validate())
	assert.Equal(t, []float64{-1, 0, 1}, l.Axis)
	assert.Equal(t, 128, l.Images)
	assert.Len(t, l.Lengths, 1)
	assert.NotEqual(t, l.Loss[0][0], l.Loss[1][1])
	stored, err := run.LoadStage[*run.Landscape](dir, run.LandscapeFile)
	require.NoError(t, err)
	assert.Equal(t, l, stored)
	// The middle is the same whatever lies around it.
	c.Landscape = &diff.LandscapeConfig{Points: 5, Images: 128, Radius: 0.25}
	near, err := diff.Search(t.Context(), env, c, diff.DARTS())
	require.NoError(t, err)
	accuracy, loss := l.Centre()
	nearAccuracy, nearLoss := near.Landscape.Centre()
	assert.Equal(t, []float64{accuracy, loss}, []float64{nearAccuracy, nearLoss})
	assert.InDelta(t, 0.1, accuracy, 0.1)
}

func TestMeasuringNamesTheField(t *testing.T) {
	for want, change := range map[string]func(*diff.Config){
		"config: curvature.batch: expected at least 2, got 1":                                                func(c *diff.Config) { c.Curvature.Batch = 1 },
		"config: curvature.iterations: expected at least 1, got 0":                                           func(c *diff.Config) { c.Curvature.Iterations = 0 },
		"config: curvature.tolerance: expected less than 1, got 1":                                           func(c *diff.Config) { c.Curvature.Tolerance = 1 },
		"config: landscape.points: expected an odd number of 3 to 1001, got 4":                               func(c *diff.Config) { c.Landscape.Points = 4 },
		"config: landscape.images: expected 2 to 64, or a multiple of 64 of at most ten million, got 65":     func(c *diff.Config) { c.Landscape.Images = 65 },
		"config: landscape.radius: expected more than 0 and at most 1e6, got 0":                              func(c *diff.Config) { c.Landscape.Radius = 0 },
		"config: curvature.batch: expected at most the 2000 validation samples of embedded train, got 2001":  func(c *diff.Config) { c.Curvature.Batch = 2001 },
		"config: landscape.images: expected at most the 2000 validation samples of embedded train, got 2048": func(c *diff.Config) { c.Landscape.Images = 2048 },
	} {
		c := measured(tiny(diff.DefaultConfig()))
		require.NoError(t, c.Validate())
		change(&c)
		_, err := diff.Search(t.Context(), environment(t, newEngine(t), c, run.Options{}), c, diff.DARTS())
		assert.ErrorContains(t, err, want)
	}
}

// What measuring makes on the device it frees.
func TestMeasuringFreesTheDevice(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	counted, live := enginetest.Count(b.Backend)
	c := measured(onGrid(diff.DefaultConfig()))
	c.Epochs, c.StepsPerEpoch = 1, 1
	_, err = diff.Search(t.Context(), environment(t, engine.New(counted), c, run.Options{}), c, diff.DARTS())
	require.NoError(t, err)
	require.Zero(t, live.Bytes())
}

// The variants measure in S3, and a method with noise the landscape alone.
func TestCurvatureVariants(t *testing.T) {
	for _, v := range []string{"curvature", "landscape"} {
		variant := diff.Curvature("DARTS")
		if v == "landscape" {
			variant = diff.OverLandscape("NoisyDARTS")
		}
		assert.Equal(t, v, variant.Label)
		for name, at := range variant.At {
			c := diff.DefaultConfig()
			require.NoError(t, json.Unmarshal([]byte(variant.Set), &c))
			require.NoError(t, json.Unmarshal([]byte(at), &c))
			require.NoError(t, c.Validate(), name)
			assert.Equal(t, "S3", c.Space)
			assert.Equal(t, v == "curvature", c.Curvature != nil)
			assert.Equal(t, map[string]int{profile.Smoke: 3, profile.Quick: 11, profile.GPU: 21, profile.Day: 11}[name], c.Landscape.Points)
		}
	}
}
