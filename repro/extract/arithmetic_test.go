package extract

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// TestEveryCheckExists also makes sure that no check is left over.
func TestEveryCheckExists(t *testing.T) {
	list, err := claims.All()
	require.NoError(t, err)
	used := map[string]bool{}
	for _, c := range list {
		for _, p := range c.Assertions() {
			if p.Measure == nil || p.Measure.Check == "" {
				continue
			}
			used[p.Measure.Check] = true
			_, err := named(p.Measure.Check, p.Printed, p.Unit)
			assert.NoError(t, err, "%s %s", c.ID, p.Name)
		}
	}
	for _, name := range Checks() {
		assert.True(t, used[name], "no record names the check %q", name)
	}
	for _, name := range []string{"none", "count none: all parameters", "count scarlet-a: all", "operations none: identity", "operations nasbench201-0: none"} {
		_, err := named(name, "1", "")
		assert.Error(t, err, name)
	}
}

// TestEveryCheckedRecord decides each record that arithmetic decides: reproduced, or inconsistent where it says so.
func TestEveryCheckedRecord(t *testing.T) {
	list, err := claims.All()
	require.NoError(t, err)
	decided := 0
	for _, c := range list {
		m, err := Measure(c, Runs{})
		require.NoError(t, err, c.ID)
		v, err := verdict.Decide(c, claims.Smoke, m)
		require.NoError(t, err)
		parts := v.Parts
		if len(parts) == 0 {
			parts = []verdict.Verdict{v}
		}
		for i, p := range c.Assertions() {
			if p.Measure == nil || p.Measure.Check == "" {
				continue
			}
			decided++
			want := verdict.Reproduced
			if p.Inconsistent != "" {
				want = verdict.PublishedInconsistently
			}
			assert.Equal(t, want, parts[i].Status, "%s %s: %s", c.ID, p.Name, parts[i].Reason)
		}
	}
	assert.Greater(t, decided, 100)
}

// TestClosedFormAgainstGumbel draws the noise that the closed form is about.
func TestClosedFormAgainstGumbel(t *testing.T) {
	p := []float64{0.5, 0.3, 0.15, 0.05}
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 200000
	hits := make([]float64, len(p))
	for range n {
		order := []int{0, 1, 2, 3}
		score := make([]float64, len(p))
		for i := range p {
			score[i] = math.Log(p[i]) - math.Log(rng.ExpFloat64())
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(score[b], score[a]) })
		hits[order[0]]++
		hits[order[1]]++
	}
	for i := range p {
		assert.InDelta(t, inclusion(p, i), hits[i]/n, 0.005)
	}
}

func TestTau(t *testing.T) {
	a := []float64{1, 2, 3, 4}
	assert.InDelta(t, 1, tau(a, a), 1e-12)
	assert.InDelta(t, -1, tau(a, []float64{4, 3, 2, 1}), 1e-12)
	assert.InDelta(t, 5/math.Sqrt(6*5), tau(a, []float64{1, 1, 2, 3}), 1e-12)
	for pairs := range 79 {
		assert.InDelta(t, 1-2*float64(pairs)/78, tau(swapped(models, pairs)), 1e-12)
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		count   int64
		printed string
		want    bool
	}{{3_257_108, "3.25", true}, {3_257_108, "3.26", true}, {3_257_108, "3.24", false}, {534_000_000, "534", true}, {533_999_000, "533", true}, {1, "one", false}} {
		assert.Equal(t, c.want, fits(c.count, c.printed), "%d %s", c.count, c.printed)
	}
}

func TestSmallSpaces(t *testing.T) {
	assert.Equal(t, 1, orders(1, 3))
	assert.Equal(t, 2, orders(2, 2))
	assert.InDelta(t, 0.5, fairnas.EqualProbability(2, 2), 1e-12)
	assert.Equal(t, 8, draws(3, 2, func(counts []int) { assert.Len(t, counts, 2) }))
	assert.Equal(t, 4096.0, power(2, 12))
	assert.InDelta(t, 0.5, macroF1([][]int{{1, 0}, {0, 0}}), 1e-12)
	kernel, image := newVolume(3, 3, 2, 1), newVolume(4, 4, 1, 2)
	assert.Greater(t, math.Abs(convolve(image, kernel, 2, 1)[0][0][0]-convolve(image, newVolume(3, 3, 2, 1.01), 2, 1)[0][0][0]), 1e-6)
}

// TestPrintedValue refuses what prints no number.
func TestPrintedValue(t *testing.T) {
	for claim, part := range map[string]string{"p-none": "", "mg-A": "none", "akws-v1": "parameters"} {
		_, err := printedValue(claim, part)
		require.Error(t, err)
		assert.True(t, strings.Contains(err.Error(), claim), err)
	}
	x, err := printedValue("rome-t2-v2-avg", "error")
	require.NoError(t, err)
	assert.Equal(t, 2.58, x)
}
