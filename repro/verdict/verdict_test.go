package verdict

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro/claims"
)

var seeds = []uint64{0, 1, 2}

// claim makes a claim of one assertion with a rule for every profile.
func claim(k claims.Kind, r claims.Rule) claims.Claim {
	r.Says = "the rule in words"
	return claims.Claim{ID: "p-one", Paper: "p", Confidence: "high", Assertion: claims.Assertion{
		Kind: k, Printed: "1", Measure: &claims.Measure{}, Accept: map[claims.Profile]claims.Rule{claims.Any: r},
	}}
}

func decide(t testing.TB, c claims.Claim, p claims.Profile, m ...Measured) Verdict {
	t.Helper()
	v, err := Decide(c, p, m)
	require.NoError(t, err)
	return v
}

func TestDecide(t *testing.T) {
	none := claims.Rule{}
	ten := []float64{10, 10.1, 9.9}
	for _, c := range []struct {
		name    string
		kind    claims.Kind
		rule    claims.Rule
		m       Measured
		reduced Status
		full    Status
	}{
		{"order above", claims.Order, none, Measured{Seeds: seeds, A: []float64{3, 4, 5}, B: []float64{1, 1.5, 3.5}}, Consistent, Reproduced},
		{"order below", claims.Order, none, Measured{Seeds: seeds, A: []float64{1, 1.5, 3.5}, B: []float64{3, 4, 5}}, NotReproduced, NotReproduced},
		{"order, wide", claims.Order, none, Measured{Seeds: seeds, A: []float64{3, 1, 9}, B: []float64{1, 1.5, 3.5}}, Inconclusive, Inconclusive},
		{"order, no difference", claims.Order, none, Measured{Seeds: seeds, A: ten, B: ten}, Inconclusive, Inconclusive},
		{"order, equal differences", claims.Order, none, Measured{Seeds: seeds, A: []float64{0.3, 0.5, 0.7}, B: []float64{0.1, 0.3, 0.5}}, Inconclusive, Inconclusive},
		{"order, three counts", claims.Order, none, Measured{Counts: true, Seeds: seeds, A: []float64{9, 8, 9}, B: []float64{1, 2, 1}}, Inconclusive, Inconclusive},
		{"order, two seeds", claims.Order, none, Measured{Seeds: seeds[:2], A: []float64{30, 30.01}, B: []float64{1, 1}}, Inconclusive, Inconclusive},
		{"order, one seed", claims.Order, none, Measured{Seeds: seeds[:1], A: []float64{30}, B: []float64{1}}, Inconclusive, Inconclusive},
		{"order, a seed twice", claims.Order, none, Measured{Seeds: []uint64{1, 1, 2}, A: []float64{3, 4, 5}, B: []float64{1, 1.5, 3.5}}, Inconclusive, Inconclusive},
		{"order, unpaired", claims.Order, none, Measured{Seeds: seeds, A: []float64{3, 4, 5}, B: []float64{1}}, Inconclusive, Inconclusive},
		{"order, NaN", claims.Order, none, Measured{Seeds: seeds, A: []float64{3, 4, math.NaN()}, B: []float64{1, 1, 1}}, Inconclusive, Inconclusive},
		{"trend above", claims.Trend, claims.Rule{Bound: 9}, Measured{Seeds: seeds, A: ten}, Consistent, Reproduced},
		{"trend not above", claims.Trend, claims.Rule{Bound: 11}, Measured{Seeds: seeds, A: ten}, NotReproduced, NotReproduced},
		{"trend at the bound", claims.Trend, claims.Rule{Bound: 10}, Measured{Seeds: seeds, A: ten}, Inconclusive, Inconclusive},
		{"trend, equal values", claims.Trend, claims.Rule{Bound: 9}, Measured{Seeds: seeds, A: []float64{10.1, 10.1, 10.1}}, Inconclusive, Inconclusive},
		{"trend below", claims.Trend, claims.Rule{Bound: 11, Below: true}, Measured{Seeds: seeds, A: ten}, Consistent, Reproduced},
		{"trend not below", claims.Trend, claims.Rule{Bound: 9, Below: true}, Measured{Seeds: seeds, A: ten}, NotReproduced, NotReproduced},
		{"rank above a number", claims.Rank, claims.Rule{Bound: 0.5}, Measured{Seeds: seeds, A: []float64{0.7, 0.71, 0.69}}, Consistent, Reproduced},
		{"rank above the baseline", claims.Rank, none, Measured{Seeds: seeds, A: []float64{0.7, 0.71, 0.69}, B: []float64{0.4, 0.41, 0.39}}, Consistent, Reproduced},
		{"rank below the baseline", claims.Rank, none, Measured{Seeds: seeds, A: []float64{0.4, 0.41, 0.39}, B: []float64{0.7, 0.71, 0.69}}, NotReproduced, NotReproduced},
		{"rank among the baseline's", claims.Rank, none, Measured{Seeds: seeds, A: []float64{0.5, 0.501, 0.499}, B: []float64{0.4, 0.5, 0.6}}, Inconclusive, Inconclusive},
		{"rank, baseline of two", claims.Rank, none, Measured{Seeds: seeds, A: []float64{0.9, 0.91, 0.89}, B: []float64{0.4, 0.401}}, Inconclusive, Inconclusive},
		{"rank, baseline of one", claims.Rank, none, Measured{Seeds: seeds, A: []float64{0.9, 0.91, 0.89}, B: []float64{0.4}}, Inconclusive, Inconclusive},
		{"rank, equal values", claims.Rank, none, Measured{Seeds: seeds, A: []float64{0.9, 0.9, 0.9}, B: []float64{0.4, 0.41, 0.39}}, Inconclusive, Inconclusive},
		{"rank, baseline of equal values", claims.Rank, none, Measured{Seeds: seeds, A: []float64{0.9, 0.91, 0.89}, B: []float64{0.4, 0.4, 0.4}}, Inconclusive, Inconclusive},
		{"level within", claims.Level, claims.Rule{Target: 97.46, Margin: 0.3}, Measured{Seeds: seeds, A: []float64{97.45, 97.46, 97.5}}, Consistent, Reproduced},
		{"level outside", claims.Level, claims.Rule{Target: 90, Margin: 0.3}, Measured{Seeds: seeds, A: []float64{97.45, 97.46, 97.5}}, NotReproduced, NotReproduced},
		{"level, wide", claims.Level, claims.Rule{Target: 97.46, Margin: 0.3}, Measured{Seeds: seeds, A: []float64{97.1, 97.6, 97.9}}, Inconclusive, Inconclusive},
		{"level, equal values", claims.Level, claims.Rule{Target: 97.46, Margin: 0.3}, Measured{Seeds: seeds, A: []float64{97.46, 97.46, 97.46}}, Inconclusive, Inconclusive},
		{"level, one seed", claims.Level, claims.Rule{Target: 97.46, Margin: 0.3}, Measured{Seeds: seeds[:1], A: []float64{97.46}}, Inconclusive, Inconclusive},
		{"cost", claims.Cost, none, Measured{Seeds: seeds, A: ten}, Inconclusive, Inconclusive},
		{"exact to the digit", claims.Exact, none, Measured{Checks: []Check{{"a", 3.3229, "3.32"}, {"b", 14, "14"}}}, Reproduced, Reproduced},
		{"exact, cut instead of rounded", claims.Exact, none, Measured{Checks: []Check{{"a", 457.857, "457.85"}}}, NotReproduced, NotReproduced},
		{"exact, one of two", claims.Exact, none, Measured{Checks: []Check{{"a", 3.3229, "3.32"}, {"b", 15, "14"}}}, NotReproduced, NotReproduced},
		{"exact, NaN", claims.Exact, none, Measured{Checks: []Check{{"a", math.NaN(), "3.32"}}}, NotReproduced, NotReproduced},
		{"exact, within", claims.Exact, claims.Rule{Tolerance: 1e-9}, Measured{Checks: []Check{{"a", -0.25 + 1e-10, "-0.25"}}}, Reproduced, Reproduced},
		{"exact, NaN within", claims.Exact, claims.Rule{Tolerance: 1e-9}, Measured{Checks: []Check{{"a", math.NaN(), "-0.25"}}}, NotReproduced, NotReproduced},
		{"exact, no number", claims.Exact, none, Measured{Checks: []Check{{"a", 1, "one"}}}, Inconclusive, Inconclusive},
		{"golden within", claims.Golden, claims.Rule{Tolerance: 1e-4}, Measured{Checks: []Check{{"a", 9e-5, "0"}}}, Reproduced, Reproduced},
		{"golden beyond", claims.Golden, claims.Rule{Tolerance: 1e-4}, Measured{Checks: []Check{{"a", 2e-4, "0"}}}, NotReproduced, NotReproduced},
		{"nothing found", claims.Order, none, Measured{Missing: "runs of darts"}, NotRun, NotRun},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := decide(t, claim(c.kind, c.rule), profile.Quick, c.m)
			assert.Equal(t, c.reduced, v.Status, v.Reason)
			assert.NotEmpty(t, v.Reason)
			assert.Equal(t, profile.Quick, v.Profile)
			v = decide(t, claim(c.kind, c.rule), profile.Paper, c.m)
			assert.Equal(t, c.full, v.Status, v.Reason)
			// Not even on the way to it does the profile smoke say anything of what depends on seeds.
			v = decide(t, claim(c.kind, c.rule), profile.Smoke, c.m)
			if random(c.kind) && c.reduced != NotRun {
				assert.Equal(t, Inconclusive, v.Status)
				if len(v.Values) > 0 {
					assert.Contains(t, v.Reason, "runs of the profile smoke are too short to decide anything")
				}
			} else {
				assert.Equal(t, c.reduced, v.Status)
			}
			// The published protocol on other data is a reduced one.
			c.m.OtherData = "embedded (4000 training and 1000 test samples)"
			v = decide(t, claim(c.kind, c.rule), profile.Paper, c.m)
			assert.Equal(t, c.reduced, v.Status, v.Reason)
			assert.Equal(t, c.reduced == Consistent, strings.Contains(v.Reason, "the runs are on embedded (4000 training and 1000 test samples), not on the data of the published protocol"), v.Reason)
		})
	}
}

// A rule may ask for more seeds than every claim needs, and never for fewer.
func TestRuleAsksForSeeds(t *testing.T) {
	m := Measured{Seeds: []uint64{0, 1, 2, 3, 4}, A: []float64{3, 4, 5, 4, 4.5}, B: []float64{1, 1.5, 3.5, 2, 2}}
	for _, asked := range []int{0, 2, 5, 6} {
		v := decide(t, claim(claims.Order, claims.Rule{Seeds: asked}), profile.Quick, m)
		want := Consistent
		if asked > 5 {
			want = Inconclusive
			assert.Contains(t, v.Reason, "5 of the 6 seeds needed")
		}
		assert.Equal(t, want, v.Status, v.Reason)
	}
	few := Measured{Seeds: seeds[:2], A: m.A[:2], B: m.B[:2]}
	assert.Contains(t, decide(t, claim(claims.Order, claims.Rule{Seeds: 1}), profile.Quick, few).Reason, "2 of the 3 seeds needed")
}

func TestVerdictCarriesWhatItRestsOn(t *testing.T) {
	v := decide(t, claim(claims.Order, claims.Rule{}), profile.Quick, Measured{Seeds: seeds, A: []float64{3, 4, 5}, B: []float64{1, 1.5, 3.5}})
	assert.Equal(t, "p-one", v.Claim)
	assert.Equal(t, seeds, v.Seeds)
	assert.Equal(t, []float64{2, 2.5, 1.5}, v.Values)
	assert.InDelta(t, 2, *v.Measured, 1e-12)
	assert.InDelta(t, 0.757931, v.Interval.Low, 1e-5)
	assert.Equal(t, "1", v.Printed)
	assert.Equal(t, "high", v.Confidence)
	assert.Equal(t, "the rule in words", v.Rule)
}

// TestCountsTakeTheSignTest: of counts many are equal, so that an interval is narrow by chance.
func TestCountsTakeTheSignTest(t *testing.T) {
	for _, c := range []struct {
		name   string
		d      []float64
		want   Status
		reason string
	}{
		{"five agree", []float64{8, 7, 8, 8, 7}, Inconclusive, "of 5 differences of counts 5 are above 0 and 0 below, sign test p 0.062: it needs at least 6 seeds that differ"},
		{"six agree", []float64{1, 7, 8, 8, 7, 1}, Consistent, "6 are above 0 and 0 below, sign test p 0.031"},
		{"six disagree", []float64{-1, -7, -8, -8, -7, -1}, NotReproduced, "0 are above 0 and 6 below, sign test p 0.031"},
		{"six that are equal", []float64{2, 2, 2, 2, 2, 2}, Consistent, "p 0.031"},
		{"five of six differ", []float64{1, 7, 8, 8, 7, 0}, Inconclusive, "it needs at least 6 seeds that differ"},
		{"none differs", make([]float64, 9), Inconclusive, "0 are above 0 and 0 below, sign test p 1"},
		{"seven of eight", []float64{9, 9, 9, 9, 9, 9, 9, -1}, Inconclusive, "7 are above 0 and 1 below, sign test p 0.07"},
		{"eight of nine", []float64{9, 9, 9, 9, 9, 9, 9, 9, -1}, Consistent, "p 0.039"},
		{"three", []float64{8, 7, 8}, Inconclusive, "it needs at least 6 seeds that differ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Measured{Counts: true, B: make([]float64, len(c.d))}
			for i, d := range c.d {
				m.Seeds, m.A = append(m.Seeds, uint64(i)), append(m.A, 10+d)
				m.B[i] = 10
			}
			v := decide(t, claim(claims.Order, claims.Rule{}), profile.Quick, m)
			assert.Equal(t, c.want, v.Status, v.Reason)
			assert.Contains(t, v.Reason, c.reason)
			assert.Equal(t, c.d, v.Values)
			assert.InDelta(t, mean(c.d), *v.Measured, 1e-12)
			assert.Nil(t, v.Interval, "it is not what decides")
		})
	}
}

// TestNoWidthNoVerdict: equal differences would be an interval of width 0, but for rounding, and so a verdict.
func TestNoWidthNoVerdict(t *testing.T) {
	for _, m := range []Measured{
		{Seeds: seeds, A: []float64{5, 5, 5}, B: []float64{1, 1, 1}},
		{Seeds: seeds, A: []float64{0.3, 0.4, 0.7}, B: []float64{0.2, 0.3, 0.6}}, // 0.1 three times, rounded in three ways
		{Seeds: seeds, A: []float64{0.1 + 0.2, 0.3, 0.3}, B: []float64{0.3, 0.1 + 0.2, 0.3}},
	} {
		v := decide(t, claim(claims.Order, claims.Rule{}), profile.Quick, m)
		assert.Equal(t, Inconclusive, v.Status, v.Reason)
		assert.Contains(t, v.Reason, "an interval without width says nothing of how much runs differ")
	}
}

func TestNotRunNamesWhatItLacks(t *testing.T) {
	c := claim(claims.Level, claims.Rule{Target: 1, Margin: 1})
	c.Accept = map[claims.Profile]claims.Rule{profile.Paper: c.Accept[claims.Any]}
	c.Lacks = "budget: 600 epochs"
	m := Measured{Seeds: seeds, A: []float64{1, 1.01, 0.99}}
	v := decide(t, c, profile.Quick, m)
	assert.Equal(t, NotRun, v.Status)
	assert.Contains(t, v.Reason, "600 epochs")
	assert.Contains(t, v.Reason, "quick")
	assert.Equal(t, Reproduced, decide(t, c, profile.Paper, m).Status)
	c.Accept = nil
	assert.Equal(t, NotRun, decide(t, c, profile.Paper, m).Status)
	v = decide(t, claim(claims.Order, claims.Rule{}), profile.Quick, Measured{Missing: "runs of darts", Note: "left out: darts-seed1 (no edge)"})
	assert.Equal(t, "lacks runs of darts; left out: darts-seed1 (no edge)", v.Reason)
}

func TestRankWithoutItsBaseline(t *testing.T) {
	m := Measured{Seeds: seeds, A: []float64{0.6, 0.7, 0.8}}
	c := claim(claims.Rank, claims.Rule{})
	c.Measure = &claims.Measure{Quantity: "one_shot_tau", Of: "strict", Than: "uniform"}
	v := decide(t, c, profile.GPU, m)
	assert.Equal(t, NotRun, v.Status, v.Reason)
	assert.Contains(t, v.Reason, "uniform")
	c.Accept[claims.Any] = claims.Rule{Bound: 0.3, Says: "a number stands in for the baseline"}
	assert.Equal(t, Consistent, decide(t, c, profile.GPU, m).Status)
}

func TestUnverifiedIsNeverAsserted(t *testing.T) {
	for name, change := range map[string]func(*claims.Claim){
		"unverified": func(c *claims.Claim) { c.Unverified = true },
		"no value":   func(c *claims.Claim) { c.Printed = "" },
	} {
		for _, a := range [][]float64{{1, 1.01, 0.99}, {50, 50.01, 49.99}} {
			c := claim(claims.Level, claims.Rule{Target: 1, Margin: 0.3})
			m := Measured{Seeds: seeds, A: a}
			assert.NotEqual(t, Inconclusive, decide(t, c, profile.Paper, m).Status)
			change(&c)
			v := decide(t, c, profile.Paper, m)
			assert.Equal(t, Inconclusive, v.Status, name)
			assert.Contains(t, v.Reason, "not asserted")
		}
	}
	c := claim(claims.Order, claims.Rule{})
	c.Derived, c.Printed = true, "" // derived claims print nothing and are asserted
	assert.Equal(t, Consistent, decide(t, c, profile.Quick, Measured{Seeds: seeds, A: []float64{3, 4, 5}, B: []float64{1, 1.5, 3.5}}).Status)
}

func TestPublishedInconsistently(t *testing.T) {
	c := claim(claims.Exact, claims.Rule{})
	c.Inconsistent = "457.857 against 457.85"
	v := decide(t, c, profile.Quick, Measured{Checks: []Check{{"mean", 457.857, "457.85"}}})
	assert.Equal(t, PublishedInconsistently, v.Status)
	assert.Equal(t, c.Inconsistent, v.Reason)
	assert.Equal(t, Reproduced, decide(t, c, profile.Quick, Measured{Checks: []Check{{"mean", 457.851, "457.85"}}}).Status)
	c = claims.Claim{ID: "p-cost", Assertion: claims.Assertion{Kind: claims.Cost, Printed: "0.25 / 0.4", Inconsistent: "two sources"}}
	assert.Equal(t, PublishedInconsistently, decide(t, c, profile.Quick, Measured{}).Status)
}

func TestUnderspecified(t *testing.T) {
	c := claims.Claim{ID: "p-one", Assertion: claims.Assertion{Kind: claims.Level, Printed: "75.1", Lacks: "data", Underspecified: "the layers are not published"}}
	v := decide(t, c, profile.Quick, Measured{})
	assert.Equal(t, Underspecified, v.Status)
	assert.Equal(t, "the layers are not published", v.Reason)
	c.Inconsistent = "two sources"
	assert.Equal(t, PublishedInconsistently, decide(t, c, profile.Quick, Measured{}).Status)
	measured := claim(claims.Exact, claims.Rule{})
	measured.Underspecified = "a setting"
	assert.Equal(t, Reproduced, decide(t, measured, profile.Quick, Measured{Checks: []Check{{"x", 1, "1"}}}).Status)
	whole := claims.Claim{ID: "p-parts", Assertion: claims.Assertion{Kind: claims.Level}, Parts: []claims.Part{
		{Name: "open", Assertion: claims.Assertion{Kind: claims.Level, Underspecified: "a setting"}}, {Name: "lacking", Assertion: claims.Assertion{Kind: claims.Level, Lacks: "data"}},
	}}
	assert.Equal(t, NotRun, decide(t, whole, profile.Quick, Measured{}, Measured{}).Status)
}

func TestPartsGiveTheWeakest(t *testing.T) {
	good, bad, lacking := claim(claims.Exact, claims.Rule{}).Assertion, claim(claims.Exact, claims.Rule{}).Assertion, claims.Assertion{Kind: claims.Level, Lacks: "budget"}
	c := claims.Claim{ID: "p-parts", Paper: "p", Assertion: claims.Assertion{Kind: claims.Level}, Parts: []claims.Part{{Name: "good", Assertion: good}, {Name: "bad", Assertion: bad}, {Name: "lacking", Assertion: lacking}}}
	ok, off := Measured{Checks: []Check{{"x", 1, "1"}}}, Measured{Checks: []Check{{"x", 2, "1"}}}
	v := decide(t, c, profile.Quick, ok, ok, Measured{})
	assert.Equal(t, NotRun, v.Status)
	require.Len(t, v.Parts, 3)
	assert.Equal(t, Reproduced, v.Parts[0].Status)
	assert.Equal(t, "p-parts", v.Parts[0].Claim)
	v = decide(t, c, profile.Quick, ok, off, Measured{})
	assert.Equal(t, NotReproduced, v.Status)
	assert.Contains(t, v.Reason, "bad: ")
	c.Parts = c.Parts[:2]
	assert.Equal(t, Reproduced, decide(t, c, profile.Quick, ok, ok).Status)
}

func TestDecideRefuses(t *testing.T) {
	_, err := Decide(claim(claims.Exact, claims.Rule{}), profile.Quick, nil)
	assert.ErrorContains(t, err, "p-one")
	_, err = Decide(claim(claims.Exact, claims.Rule{}), "quicker", []Measured{{}})
	assert.ErrorContains(t, err, "quicker")
}

func cases(n int, visit func(name string, c claims.Claim, m Measured)) {
	rng := rand.New(rand.NewPCG(7, 11))
	kinds := []claims.Kind{claims.Order, claims.Rank, claims.Trend, claims.Level}
	for i := range n {
		k := kinds[i%len(kinds)]
		size := 1 + rng.IntN(6)
		sd, centre := math.Exp(rng.NormFloat64()*2-2), rng.NormFloat64()
		m := Measured{}
		for s := range size {
			m.Seeds = append(m.Seeds, uint64(s))
			m.A = append(m.A, centre+sd*rng.NormFloat64())
			if k == claims.Order {
				m.B = append(m.B, sd*rng.NormFloat64())
			}
		}
		if k == claims.Rank && rng.IntN(2) == 0 {
			for range 1 + rng.IntN(4) {
				m.B = append(m.B, sd*rng.NormFloat64())
			}
		}
		r := claims.Rule{Bound: 0.2 * rng.NormFloat64(), Below: rng.IntN(2) == 0, Target: rng.NormFloat64(), Margin: 0.1 + rng.Float64()}
		visit(fmt.Sprintf("case %d: %s %+v %+v", i, k, r, m), claim(k, r), m)
	}
}

// spread scales the seeds' deviations about their mean.
func spread(x []float64, by float64) []float64 {
	mid, out := mean(x), make([]float64, len(x))
	for i, v := range x {
		out[i] = mid + by*(v-mid)
	}
	return out
}

func TestMoreScatterNeverImproves(t *testing.T) {
	counts := map[Status]int{}
	cases(8000, func(name string, c claims.Claim, m Measured) {
		before := decide(t, c, profile.Paper, m).Status
		counts[before]++
		for _, by := range []float64{1.01, 2, 10} {
			noisy := m
			if c.Kind == claims.Order {
				// the differences' deviations are what counts: B is kept, A moves with the wider differences
				d := make([]float64, len(m.A))
				for i := range d {
					d[i] = m.A[i] - m.B[i]
				}
				noisy.A = spread(d, by)
				for i := range noisy.A {
					noisy.A[i] += m.B[i]
				}
			} else {
				noisy.A = spread(m.A, by)
				noisy.B = spread(m.B, by)
			}
			// Scatter takes certainty away in both directions: a verdict stays or becomes inconclusive.
			after := decide(t, c, profile.Paper, noisy).Status
			if after != before {
				require.Equal(t, Inconclusive, after, "%s: was %s, with deviations times %g it is %s", name, before, by, after)
			}
		}
	})
	for _, s := range []Status{Reproduced, NotReproduced, Inconclusive} {
		assert.Greater(t, counts[s], 100, "the cases hardly try %s", s)
	}
}

func TestReducedProfilesNeverReproduce(t *testing.T) {
	agreed := 0
	cases(4000, func(name string, c claims.Claim, m Measured) {
		full := decide(t, c, profile.Paper, m).Status
		for _, p := range profile.Names() {
			if p == profile.Paper {
				continue
			}
			got := decide(t, c, p, m).Status
			if p == profile.Smoke {
				require.Equal(t, Inconclusive, got, name)
			} else if full == Reproduced {
				agreed++
				require.Equal(t, Consistent, got, name)
			} else {
				require.Equal(t, full, got, name)
			}
		}
	})
	assert.Greater(t, agreed, 200)
}

func TestFewSeedsDecideNothing(t *testing.T) {
	few := 0
	cases(4000, func(name string, c claims.Claim, m Measured) {
		if len(m.A) < MinSeeds {
			few++
			require.Equal(t, Inconclusive, decide(t, c, profile.Paper, m).Status, name)
		}
	})
	assert.Greater(t, few, 500)
}
