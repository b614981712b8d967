// Package verdict decides claims: measured values in, a status word out. It knows nothing of files, runs or networks,
// and the same input always gives the same verdict.
package verdict

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/stats"
)

// Status is one of the words below.
type Status string

// Status words.
const (
	// Reproduced: agrees, at the published protocol or by arithmetic.
	Reproduced Status = "reproduced"
	// Consistent: a reduced profile agrees.
	Consistent Status = "consistent"
	// NotReproduced: disagrees, beyond the seeds' scatter.
	NotReproduced Status = "not reproduced"
	// Inconclusive: interval too wide, too few seeds, or a value that is not asserted.
	Inconclusive Status = "inconclusive"
	// NotRun: names what it lacks.
	NotRun Status = "not run"
	// Underspecified: the paper lacks a setting.
	Underspecified Status = "underspecified"
	// PublishedInconsistently: what is printed disagrees with itself.
	PublishedInconsistently Status = "published inconsistently"
	// Stale: code, configuration or data changed since.
	Stale Status = "stale"
)

// weakness orders the words from strong to weak: a claim of several parts is as weak as its weakest part.
var weakness = []Status{Reproduced, Consistent, Inconclusive, Underspecified, Stale, NotRun, PublishedInconsistently, NotReproduced}

// MinSeeds is how many seeds a claim about a random quantity needs at least.
const MinSeeds = 3

// Level is the confidence level of every interval.
const Level = 0.95

// Check compares one value exactly or within the rule's tolerance.
type Check struct {
	Name string  `json:"name"`
	Got  float64 `json:"got"`
	// Want is the expected value with its digits.
	Want string `json:"want"`
}

// Measured is what was taken from the raw logs for one assertion.
type Measured struct {
	// Seeds, A and B go together by index: A is the quantity of the runs that the claim is about, B that of the runs
	// it is compared with (order, and rank against a baseline).
	Seeds []uint64
	A, B  []float64
	// Counts says that A and B are whole numbers of things, such as a cell's skip connections.
	Counts bool
	// OtherData names the data of the runs where they are not those of the published protocol.
	OtherData string
	// Checks are for exact and golden claims.
	Checks []Check
	// Missing says what was not found, if there is nothing to decide on.
	Missing string
	// Note is added to the reason: what was left out.
	Note string
}

// Verdict is a decided claim, or one of its parts.
type Verdict struct {
	Claim   string         `json:"claim"`
	Part    string         `json:"part,omitempty"`
	Paper   string         `json:"paper"`
	Derived bool           `json:"derived,omitempty"`
	Kind    claims.Kind    `json:"kind"`
	Status  Status         `json:"status"`
	Profile claims.Profile `json:"profile"`
	Seeds   []uint64       `json:"seeds,omitempty"`
	// Values are the seeds' values: differences for order, the quantity itself otherwise.
	Values []float64 `json:"values,omitempty"`
	// Measured is their mean, Interval its 95 % interval; nil where there is none.
	Measured *float64        `json:"measured,omitempty"`
	Interval *stats.Interval `json:"interval,omitempty"`
	Checks   []Check         `json:"checks,omitempty"`
	Printed  string          `json:"printed,omitempty"`
	Unit     string          `json:"unit,omitempty"`
	// Confidence is how sure the source of the printed value is.
	Confidence string `json:"confidence"`
	Unverified bool   `json:"unverified,omitempty"`
	// Rule is the rule applied, Reason what came of it, both in words.
	Rule   string    `json:"rule,omitempty"`
	Reason string    `json:"reason"`
	Parts  []Verdict `json:"parts,omitempty"`
}

// outcome is a decider's answer before profile and number of seeds are considered.
type outcome int

const (
	unsure outcome = iota
	agrees
	disagrees
)

// finding is what a decider returns.
type finding struct {
	outcome  outcome
	values   []float64
	mean     float64
	interval *stats.Interval
	reason   string
}

// decider judges one assertion by its rule. It is called with at least one value or check, all finite.
type decider func(r claims.Rule, m Measured) finding

var deciders = map[claims.Kind]decider{
	claims.Exact: exact, claims.Golden: exact, claims.Order: order, claims.Rank: rank, claims.Trend: trend,
	claims.Level: level, claims.Cost: cost,
}

// Decide judges a claim; measured has one entry for each of its assertions, in order.
func Decide(c claims.Claim, p claims.Profile, measured []Measured) (Verdict, error) {
	parts := c.Assertions()
	if len(measured) != len(parts) {
		return Verdict{}, fmt.Errorf("claim %s: expected %d measurements, got %d", c.ID, len(parts), len(measured))
	}
	if err := profile.Check(p); err != nil {
		return Verdict{}, fmt.Errorf("claim %s: %w", c.ID, err)
	}
	var judged []Verdict
	for i, part := range parts {
		v := decidePart(c, part, p, measured[i])
		v.Claim, v.Part, v.Paper, v.Derived, v.Confidence = c.ID, part.Name, c.Paper, c.Derived, c.Confidence
		judged = append(judged, v)
	}
	if len(c.Parts) == 0 {
		return judged[0], nil
	}
	weakest := slices.MaxFunc(judged, func(a, b Verdict) int {
		return slices.Index(weakness, a.Status) - slices.Index(weakness, b.Status)
	})
	whole := Verdict{
		Claim: c.ID, Paper: c.Paper, Derived: c.Derived, Kind: c.Kind, Status: weakest.Status, Profile: p, Printed: c.Printed,
		Unit: c.Unit, Confidence: c.Confidence, Parts: judged, Reason: weakest.Part + ": " + weakest.Reason,
	}
	return whole, nil
}

func decidePart(c claims.Claim, a claims.Part, p claims.Profile, m Measured) Verdict {
	v := Verdict{Kind: a.Kind, Profile: p, Printed: a.Printed, Unit: a.Unit, Unverified: a.Unverified}
	rule, ok := a.Rule(p)
	switch {
	case a.Inconsistent != "" && a.Measure == nil:
		v.Status, v.Reason = PublishedInconsistently, a.Inconsistent
		return v
	case a.Underspecified != "" && a.Measure == nil:
		v.Status, v.Reason = Underspecified, a.Underspecified
		return v
	case !ok && len(a.Accept) == 0:
		v.Status, v.Reason = NotRun, "lacks "+a.Lacks
		return v
	case !ok:
		v.Status, v.Reason = NotRun, fmt.Sprintf("not part of profile %s", p)
		if a.Lacks != "" {
			v.Reason += "; lacks " + a.Lacks
		}
		return v
	case len(m.A) == 0 && len(m.Checks) == 0:
		v.Status, v.Reason, v.Rule = NotRun, join("lacks "+m.Missing, m.Note), rule.Says
		return v
	case a.Kind == claims.Rank && a.Measure != nil && a.Measure.Than != "" && rule.Bound == 0 && len(m.B) == 0:
		// Without its baseline the correlation would be compared with 0.
		v.Status, v.Reason, v.Rule = NotRun, "lacks finished runs of the baseline "+a.Measure.Than, rule.Says
		return v
	}
	v.Rule, v.Seeds, v.Checks = rule.Says, m.Seeds, m.Checks
	if problem := unusable(a.Kind, m); problem != "" {
		v.Status, v.Reason = Inconclusive, problem
		return v
	}
	f := deciders[a.Kind](rule, m)
	v.Reason = f.reason
	if len(f.values) > 0 {
		v.Values, v.Measured, v.Interval = f.values, &f.mean, f.interval
	}
	var why string
	v.Status, why = settle(a.Kind, p, rule, m, f.outcome)
	v.Reason = join(v.Reason, why, m.Note)
	if v.Status == NotReproduced && a.Inconsistent != "" {
		v.Status, v.Reason = PublishedInconsistently, a.Inconsistent
	}
	if !c.Derived && (a.Unverified || a.Printed == "") {
		v.Status = Inconclusive
		v.Reason += "; the printed value is not verified, so it is shown and not asserted"
	}
	return v
}

// join puts what is not empty side by side.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// settle turns an outcome into a status word, and says why where the word is weaker than the outcome. The rules that no
// decider may bend are here: what depends on seeds is not decided by the profile smoke nor by few seeds, and a reduced
// profile, or the published one on other data, reproduces nothing but exact and golden claims.
func settle(k claims.Kind, p claims.Profile, rule claims.Rule, m Measured, o outcome) (Status, string) {
	if random(k) {
		few, smoke := "", ""
		if need := max(MinSeeds, rule.Seeds); len(m.A) < need {
			few = fmt.Sprintf("%d of the %d seeds needed", len(m.A), need)
		}
		if p == profile.Smoke {
			smoke = "runs of the profile smoke are too short to decide anything"
		}
		if why := join(few, smoke); why != "" {
			return Inconclusive, why
		}
	}
	switch {
	case o == disagrees:
		return NotReproduced, ""
	case o == unsure:
		return Inconclusive, ""
	case k == claims.Exact || k == claims.Golden:
		return Reproduced, ""
	case p == profile.Paper && m.OtherData != "":
		return Consistent, fmt.Sprintf("the runs are on %s, not on the data of the published protocol", m.OtherData)
	case p == profile.Paper:
		return Reproduced, ""
	}
	return Consistent, ""
}

// random kinds depend on seeds.
func random(k claims.Kind) bool { return k != claims.Exact && k != claims.Golden && k != claims.Cost }

// unusable says why the measurement can't be judged, if so.
func unusable(k claims.Kind, m Measured) string {
	if k == claims.Exact || k == claims.Golden {
		for _, c := range m.Checks {
			if _, err := strconv.ParseFloat(c.Want, 64); err != nil {
				return fmt.Sprintf("check %s: expected a number, got %q", c.Name, c.Want)
			}
		}
		if len(m.Checks) == 0 {
			return "no checks were made"
		}
		return ""
	}
	if len(m.Seeds) != len(m.A) || (k == claims.Order && len(m.B) != len(m.A)) {
		return fmt.Sprintf("values are not paired: %d seeds, %d and %d values", len(m.Seeds), len(m.A), len(m.B))
	}
	for i, s := range m.Seeds {
		// The same run counted twice would make the interval too narrow.
		if slices.Contains(m.Seeds[:i], s) {
			return fmt.Sprintf("seed %d is there twice", s)
		}
	}
	for _, x := range append(slices.Clone(m.A), m.B...) {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Sprintf("a value is %g", x)
		}
	}
	return ""
}

// exact compares with the printed digits, or within the tolerance where the rule has one.
func exact(r claims.Rule, m Measured) finding {
	var off []string
	for _, c := range m.Checks {
		want, _ := strconv.ParseFloat(c.Want, 64) // checked before
		equal := round(c.Got, digits(c.Want)) == want
		if r.Tolerance > 0 {
			equal = math.Abs(c.Got-want) <= r.Tolerance // NaN is not
		}
		if !equal {
			off = append(off, fmt.Sprintf("%s is %.6g, expected %s", c.Name, c.Got, c.Want))
		}
	}
	if len(off) > 0 {
		return finding{outcome: disagrees, reason: fmt.Sprintf("%d of %d values differ: %s", len(off), len(m.Checks), strings.Join(off, "; "))}
	}
	if len(m.Checks) == 1 {
		return finding{outcome: agrees, reason: fmt.Sprintf("%s is %.6g", m.Checks[0].Name, m.Checks[0].Got)}
	}
	return finding{outcome: agrees, reason: fmt.Sprintf("all %d values agree", len(m.Checks))}
}

// digits counts the decimals that a number is printed with.
func digits(s string) int {
	_, after, _ := strings.Cut(s, ".")
	return len(after)
}

// round goes through the decimal form, so that the result is the float64 that parsing the printed digits gives.
func round(x float64, decimals int) float64 {
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', decimals, 64), 64)
	if err != nil {
		return math.NaN()
	}
	return y
}

// order asks whether A is above B on the same seeds.
func order(_ claims.Rule, m Measured) finding {
	d, _ := stats.Differences(m.A, m.B) // equal lengths were checked before
	if m.Counts {
		return signs(d)
	}
	return against(d, m, 0, false, "the mean difference")
}

// signs asks by the sign test whether differences of counts lie above 0: of counts many are equal, so that an interval of
// their mean is narrow by chance.
func signs(d []float64) finding {
	f := finding{values: d, mean: mean(d)}
	s, _ := stats.SignTest(d) // finite values were checked before
	const alpha = 1 - Level
	f.reason = fmt.Sprintf("of %d differences of counts %d are above 0 and %d below, sign test p %.2g", len(d), s.Above, s.Below, s.P)
	switch need := stats.SignTestNeeds(alpha); {
	case s.Above+s.Below < need:
		f.reason += fmt.Sprintf(": it needs at least %d seeds that differ", need)
	case s.P < alpha && s.Above > s.Below:
		f.outcome = agrees
	case s.P < alpha:
		f.outcome = disagrees
	}
	return f
}

// rank asks whether the correlation is above the number that the rule states, or, where it states none, above the upper
// end of the baseline's interval.
func rank(r claims.Rule, m Measured) finding {
	if len(m.B) == 0 || r.Bound != 0 {
		return against(m.A, m, r.Bound, r.Below, "the rank correlation")
	}
	f := summarise(m.A, m)
	base := summarise(m.B, m)
	switch {
	case len(m.B) < MinSeeds:
		f.reason = fmt.Sprintf("the baseline has %d of the %d seeds needed", len(m.B), MinSeeds)
		return f
	case base.reason != "":
		f.reason = "the baseline: " + base.reason
		return f
	}
	f = against(m.A, m, base.interval.High, false, "the rank correlation")
	if f.outcome == disagrees && f.interval.High >= base.interval.Low {
		f.outcome = unsure
		f.reason += ", but overlaps the baseline's interval"
	}
	return f
}

// trend asks whether a slope or a count lies on one side of a bound.
func trend(r claims.Rule, m Measured) finding { return against(m.A, m, r.Bound, r.Below, "the mean") }

// level asks whether a mean equals the printed value within a margin.
func level(r claims.Rule, m Measured) finding {
	f := summarise(m.A, m)
	if f.reason != "" {
		return f
	}
	p, err := stats.Equivalence(m.A, r.Target, r.Margin)
	switch {
	case err != nil:
		f.reason = err.Error()
	case p < 1-Level:
		f.outcome = agrees
		f.reason = fmt.Sprintf("%s is within %g of %g (p %.2g)", f.show(), r.Margin, r.Target, p)
	case f.interval.Low > r.Target+r.Margin || f.interval.High < r.Target-r.Margin:
		f.outcome = disagrees
		f.reason = fmt.Sprintf("%s is further than %g from %g", f.show(), r.Margin, r.Target)
	default:
		f.reason = fmt.Sprintf("%s is neither within %g of %g (p %.2g) nor clearly further", f.show(), r.Margin, r.Target, p)
	}
	return f
}

// cost is reported beside the paper's: hardware differs, so it is never asserted.
func cost(_ claims.Rule, m Measured) finding {
	f := summarise(m.A, m)
	f.reason = f.show() + " on this machine, reported and not asserted"
	return f
}

// summarise gives mean and interval of x, which was computed from m, undecided: its reason is empty where the interval can
// decide something.
func summarise(x []float64, m Measured) finding {
	f := finding{values: x, mean: mean(x)}
	s, err := stats.Mean(x, Level)
	if err != nil {
		f.reason = fmt.Sprintf("one value, %.4g, has no interval", f.mean)
		return f
	}
	f.mean, f.interval = s.Mean, &s.Interval
	largest := 0.0
	for _, v := range slices.Concat(m.A, m.B) {
		largest = math.Max(largest, math.Abs(v))
	}
	if s.Interval.High-s.Interval.Low <= rounding*largest {
		f.reason = fmt.Sprintf("all %d values are %.4g: an interval without width says nothing of how much runs differ", len(x), f.mean)
	}
	return f
}

// rounding is how far equal numbers may lie apart after a subtraction, as a part of the largest.
const rounding = 1e-12

// against compares the interval of the mean of x, which was computed from m, with a bound.
func against(x []float64, m Measured, bound float64, below bool, name string) finding {
	f := summarise(x, m)
	if f.reason != "" {
		return f
	}
	above, under := f.interval.Low > bound, f.interval.High < bound
	if below {
		above, under = under, above
	}
	side := map[bool]string{false: "above", true: "below"}
	switch {
	case above:
		f.outcome = agrees
		f.reason = fmt.Sprintf("%s, %s, lies %s %.4g", name, f.show(), side[below], bound)
	case under:
		f.outcome = disagrees
		f.reason = fmt.Sprintf("%s, %s, lies %s %.4g", name, f.show(), side[!below], bound)
	default:
		f.reason = fmt.Sprintf("the interval of %s, %s, holds %.4g", name, f.show(), bound)
	}
	return f
}

func (f finding) show() string {
	if f.interval == nil {
		return fmt.Sprintf("%.4g", f.mean)
	}
	return fmt.Sprintf("%.4g [%.4g, %.4g]", f.mean, f.interval.Low, f.interval.High)
}

func mean(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s / float64(len(x))
}
