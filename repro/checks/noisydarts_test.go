package checks

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/nn"
)

// What the checks of the noise would find where it were biased, or another one.
func TestNoisyDARTSChecksCanFail(t *testing.T) {
	c, err := noisyDARTSConfig("as-h")
	require.NoError(t, err)
	plus, err := noisyGradient(c, 1, 1, 0)
	require.NoError(t, err)
	minus, err := noisyGradient(c, 1, -1, 0)
	require.NoError(t, err)
	c.Noise.Mean = 0
	without, err := noisyGradient(c, 1, 0, 0)
	require.NoError(t, err)
	assert.Greater(t, math.Abs(((plus+minus)/2-without)/(plus-minus)), 1.0, "a mean of 1 biases the gradient")

	c.Noise.Mean, c.Noise.Kind = 0.01, "uniform"
	_, noise, err := noisySkip(c, nn.Mode{Train: true})
	require.NoError(t, err)
	assert.InDelta(t, 0.01, stat.Mean(noise, nil), 0.003)
	_, noise, err = noisySkip(c, nn.Mode{})
	require.NoError(t, err)
	assert.Zero(t, largest(noise))
}
