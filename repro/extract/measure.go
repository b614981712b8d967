package extract

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro/checks"
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

// side is a quantity of the runs of a label.
type side struct {
	quantity
	label  string
	values map[uint64]float64
	// left names the runs that lack the quantity, with what they lack.
	left []string
}

func (s side) seeds() []uint64 { return slices.Sorted(maps.Keys(s.values)) }

func (s side) name(seed uint64) string { return fmt.Sprintf("%s-seed%d", s.label, seed) }

// take computes one side of a comparison. Runs on other data than the published protocol's are of no profile: m says so.
func take(of claims.Side, runs Runs, m *verdict.Measured) (side, error) {
	q, err := lookup(of.Quantity)
	if err != nil {
		return side{}, err
	}
	s := side{quantity: q, label: of.Label, values: map[uint64]float64{}}
	list := runs.of(q.command)[of.Label]
	for _, seed := range slices.Sorted(maps.Keys(list)) {
		r := list[seed]
		x, lacks := q.of(r)
		if lacks != "" {
			s.left = append(s.left, fmt.Sprintf("%s (%s)", s.name(seed), lacks))
			continue
		}
		s.values[seed] = x
		if r.Spec.Profile == profile.Custom {
			m.OtherData = r.Spec.Data.String()
		}
	}
	m.Counts = q.counts
	return s, nil
}

func measure(a claims.Part, runs Runs) (verdict.Measured, error) {
	var m verdict.Measured
	if a.Measure == nil {
		return m, nil
	}
	if a.Measure.Check != "" {
		var err error
		m.Checks, err = checks.Run(a.Measure.Check, a.Printed, a.Unit)
		return m, err
	}
	var sides []side
	var labels, notes []string
	for _, of := range a.Measure.Sides() {
		s, err := take(of, runs, &m)
		if err != nil {
			return m, err
		}
		sides = append(sides, s)
		if !slices.Contains(labels, s.label) {
			labels = append(labels, s.label)
		}
		if len(s.left) > 0 {
			notes = append(notes, "left out: "+strings.Join(s.left, ", "))
		}
	}
	m.Missing = fmt.Sprintf("finished %s runs of %s", sides[0].command, strings.Join(labels, " and "))
	if len(labels) > 1 {
		m.Missing += " with the same seeds"
	}
	paired := a.Kind == claims.Order && len(sides) > 1
	var alone []string
	for _, seed := range sides[0].seeds() {
		if paired {
			b, ok := sides[1].values[seed]
			if !ok {
				alone = append(alone, sides[0].name(seed))
				continue
			}
			m.B = append(m.B, b)
		}
		m.Seeds, m.A = append(m.Seeds, seed), append(m.A, sides[0].values[seed])
	}
	if len(sides) > 1 {
		for _, seed := range sides[1].seeds() {
			if !paired { // a baseline of its own seeds
				m.B = append(m.B, sides[1].values[seed])
			} else if _, ok := sides[0].values[seed]; !ok {
				alone = append(alone, sides[1].name(seed))
			}
		}
	}
	if len(alone) > 0 {
		notes = append(notes, "left out for want of a partner: "+strings.Join(alone, ", "))
	}
	m.Note = strings.Join(notes, "; ")
	return m, nil
}
