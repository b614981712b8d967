package claims

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNumber(t *testing.T) {
	for printed, want := range map[string]float64{"97.50": 97.5, "97.46 ± 0.049": 97.46, "2.55 +- 0.1": 2.55, "-0.5": -0.5} {
		got, err := Assertion{Printed: printed}.Number()
		require.NoError(t, err, printed)
		assert.Equal(t, want, got, printed)
	}
	for _, printed := range []string{"", "about 0.9", "97.12 < 97.28", "none 96.52 ± 0.07; all 97.42 ± 0.07", "3.5 M"} {
		_, err := Assertion{Printed: printed}.Number()
		assert.ErrorContains(t, err, "printed: expected a number", printed)
	}
}

// TestClaimNumber refuses what is not there or prints no number.
func TestClaimNumber(t *testing.T) {
	for id, part := range map[string]string{"mg-A": "none", "akws-v1": "parameters", "mg-C-aware": ""} {
		c, err := Get(id)
		require.NoError(t, err)
		_, err = c.Number(part)
		assert.ErrorContains(t, err, "claim "+id)
	}
	c, err := Get("rome-t2-v2-avg")
	require.NoError(t, err)
	x, err := c.Number("error")
	require.NoError(t, err)
	assert.Equal(t, 2.58, x)
	p, err := c.Part("error")
	require.NoError(t, err)
	assert.Equal(t, "error", p.Name)
}
