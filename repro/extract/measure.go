package extract

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// Measure takes what each of a claim's assertions needs, in their order. An error means that a record asks for what
// does not exist.
func Measure(c claims.Claim, runs Runs) ([]verdict.Measured, error) {
	var out []verdict.Measured
	for _, part := range c.Assertions() {
		m, err := measure(part, runs)
		if err != nil {
			return nil, fmt.Errorf("claim %s %s: %w", c.ID, part.Name, err)
		}
		out = append(out, m)
	}
	return out, nil
}

func measure(a claims.Part, runs Runs) (verdict.Measured, error) {
	what := a.Measure
	if what == nil {
		return verdict.Measured{}, nil
	}
	if what.Check != "" {
		c, err := named(what.Check, a.Printed, a.Unit)
		return verdict.Measured{Checks: c}, err
	}
	as, err := runs.values(what.Quantity, what.Of)
	if err != nil {
		return verdict.Measured{}, err
	}
	kind := kinds()[what.Quantity]
	m := verdict.Measured{Missing: fmt.Sprintf("finished %s runs of %s", kind, what.Of)}
	if what.Than == "" {
		for _, seed := range slices.Sorted(maps.Keys(as)) {
			m.Seeds, m.A = append(m.Seeds, seed), append(m.A, as[seed])
		}
		return m, nil
	}
	bs, err := runs.values(what.Quantity, what.Than)
	if err != nil {
		return verdict.Measured{}, err
	}
	m.Missing = fmt.Sprintf("finished %s runs of %s and %s with the same seeds", kind, what.Of, what.Than)
	if a.Kind != claims.Order { // a baseline of its own seeds
		for _, seed := range slices.Sorted(maps.Keys(as)) {
			m.Seeds, m.A = append(m.Seeds, seed), append(m.A, as[seed])
		}
		for _, seed := range slices.Sorted(maps.Keys(bs)) {
			m.B = append(m.B, bs[seed])
		}
		return m, nil
	}
	var alone []string
	for _, seed := range slices.Sorted(maps.Keys(as)) {
		if b, ok := bs[seed]; ok {
			m.Seeds, m.A, m.B = append(m.Seeds, seed), append(m.A, as[seed]), append(m.B, b)
		} else {
			alone = append(alone, fmt.Sprintf("%s-seed%d", what.Of, seed))
		}
	}
	for _, seed := range slices.Sorted(maps.Keys(bs)) {
		if _, ok := as[seed]; !ok {
			alone = append(alone, fmt.Sprintf("%s-seed%d", what.Than, seed))
		}
	}
	if len(alone) > 0 {
		m.Note = "left out for want of a partner: " + strings.Join(alone, ", ")
	}
	return m, nil
}
