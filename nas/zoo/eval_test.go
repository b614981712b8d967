package zoo

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
)

func TestAbove(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		logits []float32
		label  int
		want   int
	}{{[]float32{1, 3, 2}, 1, 0}, {[]float32{1, 3, 2}, 0, 2}, {[]float32{2, 2, 2}, 0, 0}, {[]float32{2, 2, 2}, 2, 2}, {[]float32{nan, 2}, 1, 0}, {[]float32{1, nan, 2}, 1, 2}} {
		assert.Equal(t, c.want, above(c.logits, c.label), "%v", c)
	}
}

// The shares are those that a loop over single images gives, the last batch not full.
func TestEvaluate(t *testing.T) {
	_, test, err := datasets.Embedded()
	require.NoError(t, err)
	small, err := test.Subset([]int{0, 101, 202, 303, 404, 505, 606})
	require.NoError(t, err)
	batches := func(size int) *datasets.Batches {
		b, err := datasets.NewBatches(small, datasets.BatchConfig{BatchSize: size, Augment: datasets.EvalTransform()})
		require.NoError(t, err)
		return b
	}
	n := get(t, "nasbenchmacro-10201202")
	n.Engine = newEngine(t)
	w, err := n.GoldenWeights(3)
	require.NoError(t, err)
	require.NoError(t, n.Use(w))
	var seen []int
	got, err := n.Evaluate(context.Background(), batches(4), func(done int) { seen = append(seen, done) })
	require.NoError(t, err)
	assert.Equal(t, []int{4, 7}, seen)
	one, err := n.Evaluate(context.Background(), batches(1), nil)
	require.NoError(t, err)
	assert.Equal(t, one, got)
	assert.Equal(t, 7, got.Images)
	assert.GreaterOrEqual(t, got.Top5, got.Top1)

	_, err = get(t, "dartsminus-cifar100-s0-0").Evaluate(context.Background(), batches(4), nil)
	assert.ErrorContains(t, err, "has 100 classes, the images have 10")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = n.Evaluate(ctx, batches(4), nil)
	assert.ErrorIs(t, err, context.Canceled)
}
