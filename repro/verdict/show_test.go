package verdict

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/stats"
)

func TestShow(t *testing.T) {
	x := 97.204
	for name, c := range map[string]struct {
		v           Verdict
		paper, ours string
		seeds       string
	}{
		"nothing":           {Verdict{}, "–", "–", ""},
		"derived":           {Verdict{Derived: true}, "(derived from it)", "–", ""},
		"unverified":        {Verdict{Printed: "3.6", Unit: "M", Unverified: true}, "3.6 M (unverified)", "–", ""},
		"unverified, empty": {Verdict{Unverified: true}, "–", "–", ""},
		"level": {Verdict{Kind: claims.Level, Printed: "97.46 ± 0.05", Unit: "%", Measured: &x, Interval: &stats.Interval{Low: 97.1, High: 97.31}, Seeds: []uint64{0, 1, 2}},
			"97.46 ± 0.05 %", "97.2 % [97.1, 97.31]", "3 seeds"},
		"order, one seed": {Verdict{Kind: claims.Order, Measured: &x, Seeds: []uint64{4}}, "–", "difference 97.2", "1 seed"},
		"one check":       {Verdict{Kind: claims.Exact, Printed: "457.85", Unit: "M", Checks: []Check{{Got: 457.857142}}}, "457.85 M", "457.857 M", ""},
		"checks":          {Verdict{Kind: claims.Exact, Unit: "M", Checks: make([]Check, 15)}, "–", "15 values", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.v.Show()
			assert.Equal(t, c.paper, s.Paper())
			assert.Equal(t, c.ours, s.Ours())
			assert.Equal(t, c.seeds, s.Seeds)
			assert.Equal(t, strings.TrimSuffix(c.ours+", "+c.seeds, ", "), s.WithSeeds())
		})
	}
}

func TestStatuses(t *testing.T) {
	list := Statuses()
	assert.Equal(t, []Status{Reproduced, Consistent, Inconclusive, Underspecified, Stale, NotRun, PublishedInconsistently, NotReproduced}, list)
	list[0] = Stale
	assert.Equal(t, Reproduced, Statuses()[0], "the list is the caller's own")
}

func TestTally(t *testing.T) {
	assert.Equal(t, "2 reproduced, 1 not run", Tally([]Verdict{{Status: Reproduced}, {Status: NotRun}, {Status: Reproduced}}))
	assert.Empty(t, Tally(nil))
}
