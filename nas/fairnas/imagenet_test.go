package fairnas_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/datasetstest"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/search"
)

// The published protocol takes a step on images in ImageNet's layout, at the full size but for the batch, and measures
// paths of two generations.
func TestImageNetStep(t *testing.T) {
	if testing.Short() {
		t.Skip("the supernet for ImageNet")
	}
	folder, err := datasets.OpenImageFolder(datasetstest.ImageFolder(t, 2, 4, 240), "train")
	require.NoError(t, err)
	e, _ := open(t)
	c := fairnas.DefaultConfig()
	c.Epochs, c.StepsPerEpoch, c.Batch, c.Recalibrate, c.Holdout = 1, 1, 2, 2, 0.5
	c.Evolution.Population, c.Evolution.Generations = 4, 1
	r, err := fairnas.SearchFolder(t.Context(), e, folder, c, search.Options{})
	require.NoError(t, err)
	require.Len(t, r.Supernet.Updates, 19)
	for _, layer := range r.Supernet.Updates {
		assert.Equal(t, []int{1, 1, 1, 1, 1, 1}, layer)
	}
	// Two classes, and six paths that have not learned yet.
	assert.InDelta(t, math.Ln2, r.Supernet.Epochs[0].TrainLoss, 0.5)
	assert.Len(t, r.Evolution.Chosen.Code, 19)
	assert.Equal(t, [3]int{224, 224, 3}, r.Evolution.Network.Input)
}
