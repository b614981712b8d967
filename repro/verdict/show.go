package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/repro/claims"
)

// Statuses lists the words from strong to weak, the order in which people are shown them.
func Statuses() []Status { return slices.Clone(weakness) }

// Tally counts verdicts by status, such as "3 reproduced, 1 not run".
func Tally(list []Verdict) string {
	counts := map[Status]int{}
	for _, v := range list {
		counts[v.Status]++
	}
	var words []string
	for _, s := range weakness {
		if counts[s] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	return strings.Join(words, ", ")
}

// none stands where there is nothing to show.
const none = "–"

// Shown is a verdict's value for people: what the paper prints beside what was measured.
type Shown struct {
	// Printed is the value with its unit, Measured the mean over seeds or what arithmetic gave.
	Printed, Measured string
	// Interval is the 95 % interval in brackets, Seeds how many there are; both are empty where there is none.
	Interval, Seeds string
	// Unverified says that the printed value is shown and not asserted.
	Unverified bool
}

// Show writes the verdict's value for people.
func (v Verdict) Show() Shown {
	s := Shown{Printed: v.printed(), Measured: v.measured(), Unverified: v.Unverified && v.Printed != ""}
	if v.Measured != nil && v.Interval != nil {
		s.Interval = fmt.Sprintf("[%.4g, %.4g]", v.Interval.Low, v.Interval.High)
	}
	switch n := len(v.Seeds); {
	case n == 1:
		s.Seeds = "1 seed"
	case n > 1:
		s.Seeds = fmt.Sprintf("%d seeds", n)
	}
	return s
}

// Paper is the printed value, with a word where it is not asserted.
func (s Shown) Paper() string {
	if s.Unverified {
		return s.Printed + " (unverified)"
	}
	return s.Printed
}

// Ours is the measured value with its interval.
func (s Shown) Ours() string { return strings.TrimSpace(s.Measured + " " + s.Interval) }

// WithSeeds is [Shown.Ours] with the number of seeds.
func (s Shown) WithSeeds() string {
	if s.Seeds == "" {
		return s.Ours()
	}
	return s.Ours() + ", " + s.Seeds
}

func (v Verdict) printed() string {
	switch {
	case v.Printed == "" && v.Derived:
		return "(derived from it)"
	case v.Printed == "":
		return none
	}
	return withUnit(v.Printed, v.Unit)
}

func (v Verdict) measured() string {
	switch {
	case v.Measured != nil && v.Kind == claims.Order:
		return "difference " + withUnit(fmt.Sprintf("%.4g", *v.Measured), v.Unit)
	case v.Measured != nil:
		return withUnit(fmt.Sprintf("%.4g", *v.Measured), v.Unit)
	case len(v.Checks) == 1:
		return withUnit(fmt.Sprintf("%.6g", v.Checks[0].Got), v.Unit)
	case len(v.Checks) > 1:
		return fmt.Sprintf("%d values", len(v.Checks))
	}
	return none
}

func withUnit(text, unit string) string { return strings.TrimSpace(text + " " + unit) }
