// Package claims holds what the papers claim, as records: what is printed where, and by which rule a measurement
// agrees with it. The records are YAML, one file a paper, embedded and checked by a JSON Schema.
package claims

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gonas/gonas/nas/profile"
)

// Kind says how a claim is decided.
type Kind string

// Kinds of claims.
const (
	// Exact values equal after rounding to the printed digit, or within the rule's tolerance.
	Exact Kind = "exact"
	// Golden values agree with the official code on the same weights and input.
	Golden Kind = "golden"
	// Order: A is above B, paired over seeds.
	Order Kind = "order"
	// Rank: a rank correlation lies above a bound, or above a baseline's.
	Rank Kind = "rank"
	// Trend: a slope or a count lies on one side of a bound.
	Trend Kind = "trend"
	// Level: a mean equals the printed value within a margin.
	Level Kind = "level"
	// Cost is reported, never asserted.
	Cost Kind = "cost"
)

// Profile is one of [profile.Names], or [Any] as the key of a rule.
type Profile = profile.Name

// Any is the key of a rule that holds for every profile without one of its own.
const Any Profile = "any"

// Rule says when a measurement agrees; which numbers it has depends on the kind.
type Rule struct {
	// Says is the rule in words, for people.
	Says string `yaml:"says" json:"says"`
	// Tolerance is the largest error of exact and golden checks; exact checks without one compare printed digits.
	Tolerance float64 `yaml:"tolerance" json:"tolerance,omitempty"`
	// Bound is what a trend or rank must lie above, or below if Below.
	Bound float64 `yaml:"bound" json:"bound,omitempty"`
	Below bool    `yaml:"below" json:"below,omitempty"`
	// Seeds is how many seeds it takes, where those that every claim needs are too few.
	Seeds int `yaml:"seeds" json:"seeds,omitempty"`
	// Target and Margin are a level's printed value and how far from it counts as the same.
	Target float64 `yaml:"target" json:"target,omitempty"`
	Margin float64 `yaml:"margin" json:"margin,omitempty"`
}

// Measure says what is taken from the raw logs: either a named check of exact or golden values, or a quantity of the
// runs labelled Of, compared with the runs labelled Than where the kind compares two.
type Measure struct {
	Check    string `yaml:"check" json:"check,omitempty"`
	Quantity string `yaml:"quantity" json:"quantity,omitempty"`
	Of       string `yaml:"of" json:"of,omitempty"`
	Than     string `yaml:"than" json:"than,omitempty"`
	// ThanQuantity is what is taken of the runs labelled Than where that is another quantity.
	ThanQuantity string `yaml:"than_quantity" json:"than_quantity,omitempty"`
}

// Side is a quantity of the runs of a label.
type Side struct{ Quantity, Label string }

// Sides are what the measure takes of runs: nothing, one side, or the one compared and the one that it is compared with.
func (m *Measure) Sides() []Side {
	if m == nil || m.Quantity == "" {
		return nil
	}
	out := []Side{{m.Quantity, m.Of}}
	if m.Than != "" {
		than := Side{m.Quantity, m.Than}
		if m.ThanQuantity != "" {
			than.Quantity = m.ThanQuantity
		}
		out = append(out, than)
	}
	return out
}

// Assertion is one thing that can be decided by itself.
type Assertion struct {
	Kind Kind `yaml:"kind" json:"kind"`
	// Printed is the value as printed, with its digits; empty where the sources have none.
	Printed string `yaml:"printed" json:"printed,omitempty"`
	Unit    string `yaml:"unit" json:"unit,omitempty"`
	// Unverified values are from memory or of unknown origin: shown, never asserted.
	Unverified bool `yaml:"unverified" json:"unverified,omitempty"`
	// Inconsistent shows both numbers where what is published disagrees with itself.
	Inconsistent string           `yaml:"inconsistent" json:"inconsistent,omitempty"`
	Measure      *Measure         `yaml:"measure" json:"measure,omitempty"`
	Accept       map[Profile]Rule `yaml:"accept" json:"accept,omitempty"`
	// Lacks names the data, device, budget or code without which the assertion can't be run.
	Lacks string `yaml:"lacks" json:"lacks,omitempty"`
	// Underspecified names the setting or value without which nobody could run the assertion: no source has it.
	Underspecified string `yaml:"underspecified" json:"underspecified,omitempty"`
}

// Rule is the rule for a profile; false if the profile has none.
func (a Assertion) Rule(p Profile) (Rule, bool) {
	if r, ok := a.Accept[p]; ok {
		return r, true
	}
	r, ok := a.Accept[Any]
	return r, ok
}

// printedNumber is a number as papers print it, with or without its spread.
var printedNumber = regexp.MustCompile(`^\s*(-?[0-9]+(?:\.[0-9]+)?)\s*(?:(?:±|\+-)\s*[0-9.]+)?\s*$`)

// Number is the printed number, without the spread behind it.
func (a Assertion) Number() (float64, error) {
	m := printedNumber.FindStringSubmatch(a.Printed)
	if m == nil {
		return 0, fmt.Errorf("printed: expected a number, got %q", a.Printed)
	}
	return strconv.ParseFloat(m[1], 64)
}

// Part is one of several values that a claim prints.
type Part struct {
	Name      string `yaml:"name" json:"name"`
	Assertion `yaml:",inline"`
}

// Protocol is how the paper got its number; empty fields are not stated.
type Protocol struct {
	Data      string `yaml:"data" json:"data,omitempty"`
	Split     string `yaml:"split" json:"split,omitempty"`
	Epochs    int    `yaml:"epochs" json:"epochs,omitempty"`
	Batch     int    `yaml:"batch" json:"batch,omitempty"`
	Selection string `yaml:"selection" json:"selection,omitempty"`
}

// Claim is one record.
type Claim struct {
	ID string `yaml:"id" json:"id"`
	// Paper and Version are the paper's id and edition, filled in from the file's head.
	Paper   string `yaml:"-" json:"paper"`
	Version string `yaml:"-" json:"version"`
	// Derived claims are ours: the paper implies them but does not print them.
	Derived bool   `yaml:"derived" json:"derived,omitempty"`
	Where   string `yaml:"where" json:"where"`
	Dataset string `yaml:"dataset" json:"dataset"`
	Metric  string `yaml:"metric" json:"metric"`
	// PaperRuns is how many runs the number is from; 0 where not stated.
	PaperRuns int      `yaml:"paper_runs" json:"paper_runs,omitempty"`
	Protocol  Protocol `yaml:"protocol" json:"protocol"`
	// Cost is the cheapest profile that can decide the whole claim as the paper means it, or none where arithmetic does.
	Cost string `yaml:"cost" json:"cost"`
	// Source is where the record has the value from, Confidence how sure that is.
	Source     string `yaml:"source" json:"source"`
	Confidence string `yaml:"confidence" json:"confidence"`
	Notes      string `yaml:"notes" json:"notes,omitempty"`
	// A claim of one value is an assertion itself; with Parts, only Kind and Printed are set here.
	Assertion `yaml:",inline"`
	Parts     []Part `yaml:"parts" json:"parts,omitempty"`
}

// Assertions are the claim's parts, or itself as the only one, without a name.
func (c Claim) Assertions() []Part {
	if len(c.Parts) > 0 {
		return c.Parts
	}
	return []Part{{Assertion: c.Assertion}}
}

// Part is the claim's part of a name; the name of a claim of one value is empty.
func (c Claim) Part(name string) (Part, error) {
	for _, p := range c.Assertions() {
		if p.Name == name {
			return p, nil
		}
	}
	return Part{}, fmt.Errorf("claim %s: no part %q", c.ID, name)
}

// Number is the number that the claim prints in the part of a name.
func (c Claim) Number(part string) (float64, error) {
	p, err := c.Part(part)
	if err != nil {
		return 0, err
	}
	x, err := p.Number()
	if err != nil {
		return 0, fmt.Errorf("claim %s: %w", strings.TrimSpace(c.ID+" "+part), err)
	}
	return x, nil
}

// Head says which paper a file of records is of.
type Head struct {
	ID    string `yaml:"id"`
	Title string `yaml:"title"`
	// ArXiv is the paper's number there.
	ArXiv   string `yaml:"arxiv"`
	Version string `yaml:"version"`
}

type file struct {
	Paper  Head    `yaml:"paper"`
	Claims []Claim `yaml:"claims"`
}

//go:embed *.yaml
var records embed.FS

//go:embed schema.json
var schemaJSON []byte

var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaJSON))
	if err != nil {
		return nil, fmt.Errorf("schema.json: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, fmt.Errorf("schema.json: %w", err)
	}
	return c.Compile("schema.json")
})

// Parse reads one paper's records and checks them; name is used in errors.
func Parse(name string, data []byte) ([]Claim, error) {
	f, err := parse(name, data)
	return f.Claims, err
}

func parse(name string, data []byte) (f file, err error) {
	s, err := schema()
	if err != nil {
		return f, err
	}
	asJSON, err := yaml.YAMLToJSON(data)
	if err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	if err := s.Validate(doc); err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.DisallowUnknownField()); err != nil {
		return file{}, fmt.Errorf("%s: %w", name, err)
	}
	for i := range f.Claims {
		f.Claims[i].Paper, f.Claims[i].Version = f.Paper.ID, f.Paper.Version
		if err := f.Claims[i].checkProfiles(); err != nil {
			return file{}, fmt.Errorf("%s: claim %s: %w", name, f.Claims[i].ID, err)
		}
	}
	return f, unique(name, f.Claims)
}

// noCost is the cost of a claim that arithmetic decides.
const noCost = "none"

func (c Claim) checkProfiles() error {
	if c.Cost != noCost {
		if err := profile.Check(c.Cost); err != nil {
			return fmt.Errorf("cost: %w, or %s", err, noCost)
		}
	}
	for _, part := range c.Assertions() {
		for p := range part.Accept {
			if p == Any {
				continue
			}
			if err := profile.Check(p); err != nil {
				return fmt.Errorf("accept: %w, or %s", err, Any)
			}
		}
	}
	return nil
}

func unique(name string, list []Claim) error {
	seen := map[string]bool{}
	for _, c := range list {
		if seen[c.ID] {
			return fmt.Errorf("%s: claim id %q: expected once, found again", name, c.ID)
		}
		seen[c.ID] = true
	}
	return nil
}

// library is all that is on record.
type library struct {
	papers []Head
	claims []Claim
}

var all = sync.OnceValues(func() (library, error) {
	var l library
	names, err := fs.Glob(records, "*.yaml")
	if err != nil {
		return l, err
	}
	for _, name := range names {
		data, err := records.ReadFile(name)
		if err != nil {
			return l, err
		}
		f, err := parse(path.Base(name), data)
		if err != nil {
			return l, err
		}
		l.papers = append(l.papers, f.Paper)
		l.claims = append(l.claims, f.Claims...)
	}
	return l, unique("claims", l.claims)
})

// All returns every claim, papers in the order of their file names, claims in the order of their file.
func All() ([]Claim, error) {
	l, err := all()
	return slices.Clone(l.claims), err
}

// Papers returns the papers that have claims, in the order of [All].
func Papers() ([]Head, error) {
	l, err := all()
	return slices.Clone(l.papers), err
}

// Get returns the claim called id.
func Get(id string) (Claim, error) {
	l, err := all()
	if err != nil {
		return Claim{}, err
	}
	for _, c := range l.claims {
		if c.ID == id {
			return c, nil
		}
	}
	return Claim{}, fmt.Errorf("claim %q: not found", id)
}
