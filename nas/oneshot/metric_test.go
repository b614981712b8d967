package oneshot_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/run"
)

// On held-out images of one class a path that is right in a share a of them has the F1 2a/(1+a) there and 0 in the nine other
// classes, so that macro F1 follows from accuracy. The last batch is not full.
func TestMacroF1OfOneClass(t *testing.T) {
	e, source := open(t)
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	c := tinyPaths(oneshot.Strict)
	dir := t.TempDir()
	scores := map[string][]float64{}
	for _, metric := range []string{"", oneshot.MetricAccuracy, oneshot.MetricMacroF1} {
		d, err := c.Split(source)
		require.NoError(t, err)
		var ofClass []int
		for i, y := range images.Labels {
			if y == 3 && len(ofClass) < 21 {
				ofClass = append(ofClass, i)
			}
		}
		d.Measure, err = source.Batches(datasets.BatchRequest{Size: 8, Indices: ofClass, Side: c.Image})
		require.NoError(t, err)
		own := c
		own.Metric = metric
		s, err := oneshot.NewSupernet(e, d, paths(t, c), own)
		require.NoError(t, err)
		// The metric is none of the training's settings.
		_, err = s.Train(t.Context(), spec(t, c), run.Options{Dir: dir})
		require.NoError(t, err)
		scores[metric], err = s.Measure(t.Context(), randomPaths(s.Space.Choices(), 70), nil)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	assert.Equal(t, scores[""], scores[oneshot.MetricAccuracy])
	different := map[float64]bool{}
	for i, a := range scores[oneshot.MetricAccuracy] {
		different[a] = true
		assert.InDelta(t, 2*a/(1+a)/10, scores[oneshot.MetricMacroF1][i], 1e-12, "accuracy %g", a)
	}
	assert.Greater(t, len(different), 3)
}

func TestScore(t *testing.T) {
	for metric, name := range map[string]string{"": "accuracy", oneshot.MetricAccuracy: "accuracy", oneshot.MetricMacroF1: "macro F1"} {
		o := oneshot.Config{Metric: metric}.Score()
		assert.Equal(t, name, o.Name)
		v, err := o.Of(nil, 0.25)
		require.NoError(t, err)
		assert.Equal(t, 0.25, v)
	}
}
