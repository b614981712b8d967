package fairnas_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/datasetstest"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/method"
)

// The published protocol takes a step on images in ImageNet's layout, at the full size but for the batch, and measures
// paths of two generations.
func TestImageNetStep(t *testing.T) {
	if testing.Short() {
		t.Skip("the supernet for ImageNet")
	}
	folder, err := datasets.OpenImageFolder(datasetstest.ImageFolder(t, 2, 4, 240), "train")
	require.NoError(t, err)
	c := fairnas.DefaultConfig()
	c.Epochs, c.StepsPerEpoch, c.Batch, c.Recalibrate, c.Holdout = 1, 1, 2, 2, 0.5
	c.Evolution.Population, c.Evolution.Generations = 4, 1
	r, err := fairnas.Search(t.Context(), method.Env{Engine: newEngine(t), Train: folder.Source()}, c.Config)
	require.NoError(t, err)
	updates, ok := r.Table("updates")
	require.True(t, ok)
	require.Len(t, updates.Last().Values, 19)
	for _, layer := range updates.Last().Values {
		assert.Equal(t, []float64{1, 1, 1, 1, 1, 1}, layer)
	}
	// Two classes, and six paths that have not learned yet.
	assert.InDelta(t, math.Ln2, r.Log.Column("train_loss")[0], 0.5)
	assert.Len(t, r.Front.Best().Code, 19)
	assert.Equal(t, [3]int{224, 224, 3}, r.Network.Input)
}
