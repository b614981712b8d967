package train

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

func TestRandomIsAnArchitecture(t *testing.T) {
	for skips := AnySkips; skips <= 8; skips++ {
		seen := map[string]bool{}
		for seed := range uint64(200) {
			g := Random(seed, space.DARTSPrimitives, skips)
			require.NoError(t, g.Validate(space.FairDARTSPrimitives), "none is never drawn")
			require.Equal(t, g, Random(seed, space.DARTSPrimitives, skips))
			for _, c := range []arch.Cell{g.Normal, g.Reduce} {
				require.Equal(t, []int{2, 3, 4, 5}, c.Concat)
				for i := 0; i < len(c.Edges); i += 2 {
					require.NotEqual(t, c.Edges[i].From, c.Edges[i+1].From, "two distinct inputs")
				}
				for _, e := range c.Edges {
					seen[e.Op] = true
				}
			}
			if skips >= 0 {
				require.Equal(t, skips, g.Normal.Count(nn.SkipConnect))
			}
		}
		assert.Len(t, seen, len(space.FairDARTSPrimitives), "all operations occur")
	}
	assert.NotEqual(t, Random(1, space.DARTSPrimitives, 2), Random(2, space.DARTSPrimitives, 2))
}

// Each operation and each pair of inputs comes up as often as the others, within 5 standard deviations.
func TestRandomIsUniform(t *testing.T) {
	const n = 4000
	ops, pairs, skipAt := map[string]int{}, map[[2]int]int{}, map[[2]int]int{}
	for seed := range uint64(n) {
		g := Random(seed, space.FairDARTSPrimitives, AnySkips)
		for _, e := range g.Reduce.Edges {
			ops[e.Op]++
			if e.To == 5 {
				pairs[[2]int{e.From, e.To}]++
			}
		}
		for i, e := range Random(seed, space.FairDARTSPrimitives, 2).Normal.Edges {
			if e.Op == nn.SkipConnect {
				skipAt[[2]int{i, 0}]++
			}
		}
	}
	for op, k := range ops {
		assert.InDelta(t, 8.0*n/7, k, 5*68, op)
	}
	assert.Len(t, pairs, 5)
	for pair, k := range pairs {
		assert.InDelta(t, 2.0*n/5, k, 5*31, "%v", pair)
	}
	assert.Len(t, skipAt, 8)
	for at, k := range skipAt {
		assert.InDelta(t, 2.0*n/8, k, 5*28, "%v", at)
	}
}

func TestRandomRefuses(t *testing.T) {
	for name, g := range map[string]arch.Genotype{
		"nothing to draw":     Random(0, []string{nn.None}, AnySkips),
		"too many skips":      Random(0, space.DARTSPrimitives, 9),
		"nothing beside skip": Random(0, []string{nn.SkipConnect}, 2),
	} {
		assert.Equal(t, arch.Genotype{}, g, name)
		assert.Error(t, g.Validate(nil), name)
	}
	assert.NoError(t, Random(0, []string{nn.SkipConnect}, 8).Validate(nil))
}
