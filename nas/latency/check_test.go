package latency_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/latency"
)

func TestCheck(t *testing.T) {
	e, p := open(t), small()
	table, err := latency.Measure(t.Context(), e, p, latency.Options{Repeats: 3, Device: "d"}, nil)
	require.NoError(t, err)
	sums, err := table.Sums(p)
	require.NoError(t, err)
	c, err := latency.Check(t.Context(), e, table, p, latency.CheckOptions{Networks: 9, Repeats: 2}, nil)
	require.NoError(t, err)
	require.Len(t, c.Networks, 9, "all that there are")
	seen := map[string]bool{}
	var asSummed, scaled, gradient float64
	for _, n := range c.Networks {
		seen[n.Code] = true
		path, err := p.Parse(n.Code)
		require.NoError(t, err)
		assert.Equal(t, sums.Of(path), n.Sum)
		assert.Positive(t, n.Timed)
		asSummed += max(n.Sum-n.Timed, n.Timed-n.Sum) / 9
		off := c.Factor*n.Sum - n.Timed
		scaled += max(off, -off) / n.Timed * 100 / 9
		gradient += off * n.Sum
	}
	assert.Len(t, seen, 9)
	assert.InDelta(t, asSummed, c.AsSummed.MS, 1e-9)
	assert.InDelta(t, scaled, c.Scaled.Percent, 1e-9)
	assert.InDelta(t, 0, gradient, 1e-9, "no other factor has a smaller squared error")

	for n, want := range map[int]string{
		1:  "checking nasbenchmacro ×0.125: networks: expected at least 2, got 1",
		10: "random paths of nasbenchmacro ×0.125: expected from 1 to the 9 that there are, got 10",
	} {
		_, err = latency.Check(t.Context(), e, table, p, latency.CheckOptions{Networks: n}, nil)
		assert.EqualError(t, err, want)
	}
	_, err = latency.RandomPaths(p, 0, 0)
	assert.ErrorContains(t, err, "got 0")
	_, err = latency.Check(t.Context(), e, table[1:], p, latency.CheckOptions{Networks: 2}, nil)
	assert.ErrorContains(t, err, `the table has no row for the block "stem k3 s1 relu"`)
}
