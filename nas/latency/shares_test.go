package latency_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/zoo"
)

func TestShares(t *testing.T) {
	p := small()
	c, err := latency.Table{}.Cover(p)
	require.NoError(t, err)
	var table latency.Table
	for i, k := range c.Missing {
		table = append(table, latency.Row{Key: k, MS: float64(int(1) << i), Device: "d"})
	}
	a, err := p.Network([]int{1, 2})
	require.NoError(t, err)
	got, err := table.Shares(a)
	require.NoError(t, err)
	assert.Equal(t, []latency.Share{{Kind: "stem", MS: 1}, {Kind: "k3 e3", MS: 16}, {Kind: "k5 e6", MS: 128}, {Kind: "head", MS: 6}}, got)
	a, err = p.Network([]int{0, 0})
	require.NoError(t, err)
	got, err = table.Shares(a)
	require.NoError(t, err)
	assert.Equal(t, []latency.Share{{Kind: "stem", MS: 1}, {Kind: "projection", MS: 8}, {Kind: "head", MS: 6}}, got, "an identity takes no time")
	_, err = table[1:].Shares(a)
	assert.EqualError(t, err, `the table has no row for the block "stem k3 s1 relu" from 8x8x3 to 8x8x4`)
	_, err = table.Shares(arch.Network{})
	assert.Error(t, err)
	assert.Equal(t, "d", table.Device())
	table[1].Device = "e"
	assert.Equal(t, "d; e", table.Device())
}

// The published networks of MoGA are of blocks of the table that was measured for its space.
func TestSharesOfPublishedNetworks(t *testing.T) {
	table, err := latency.Open("cpu")
	require.NoError(t, err)
	for _, name := range []string{"moga-a", "moga-b", "moga-c"} {
		n, err := zoo.Get(name)
		require.NoError(t, err)
		got, err := table.Shares(n.Network)
		require.NoError(t, err, name)
		assert.Equal(t, "stem", got[0].Kind)
		assert.Equal(t, "head", got[len(got)-1].Kind)
	}
}
