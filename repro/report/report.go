// Package report shows an evidence folder to people: one static page, Markdown, a table or JSON, with every claim's
// printed value beside the measured one. It decides nothing: verdicts come from verdicts.json, the rest from the claims'
// records, the run.json files and the figures of the folder. Equal folders give equal reports.
package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
	"github.com/gonas/gonas/repro/verdict"
)

// PageFile is the page's usual name in an evidence folder.
const PageFile = "report.html"

// Report is an evidence folder, read.
type Report struct {
	Profile profile.Name
	// Papers hold every claim of the records once.
	Papers []Paper
	// Machines are the distinct sets of versions and devices that the run.json files name.
	Machines []Machine
	// Figures are those that belong to no paper of the records.
	Figures []Figure
	// Unknown names recorded verdicts of claims that the records no longer have.
	Unknown []string
	// Verified says what came of recomputing the verdicts from the raw logs before the report was made, Unsound what disagrees.
	Verified string
	Unsound  []string
	dir      string
}

// Paper is one paper's claims.
type Paper struct {
	ID, Title, ArXiv, Version string
	Claims                    []Claim
	Figures                   []Figure
}

// Claim is a record with its verdict.
type Claim struct {
	Record  claims.Claim
	Verdict verdict.Verdict
	// Parts has one entry for a claim of one value.
	Parts []Part
	// Changed is true if the verdict is missing, or of another edition of the record.
	Changed bool
}

// Part is one value of a claim.
type Part struct {
	Record  claims.Part
	Verdict verdict.Verdict
	// Rule is nil where the profile has none, or another one than the verdict was decided by.
	Rule *claims.Rule
	// Runs are the folders of the runs that it rests on, below the evidence folder, with slashes. Only existing ones.
	Runs []string
}

var kinds = []claims.Kind{claims.Exact, claims.Golden, claims.Order, claims.Rank, claims.Trend, claims.Level, claims.Cost}

// Load reads an evidence folder.
func Load(dir string) (*Report, error) {
	all, err := claims.All()
	if err != nil {
		return nil, err
	}
	heads, err := claims.Papers()
	if err != nil {
		return nil, err
	}
	recorded, err := evidence.ReadVerdicts(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; `gonas repro run --out %s` makes it", err, dir)
	}
	if err != nil {
		return nil, err
	}
	byID, err := index(recorded)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, evidence.VerdictsFile), err)
	}
	r := &Report{Profile: recorded.Profile, dir: dir}
	for _, h := range heads {
		r.Papers = append(r.Papers, Paper{ID: h.ID, Title: h.Title, ArXiv: h.ArXiv, Version: h.Version})
	}
	for _, c := range all {
		p := &r.Papers[slices.IndexFunc(r.Papers, func(p Paper) bool { return p.ID == c.Paper })]
		v, ok := byID[c.ID]
		delete(byID, c.ID)
		p.Claims = append(p.Claims, r.join(c, v, ok))
	}
	for _, v := range recorded.Verdicts {
		if _, ok := byID[v.Claim]; ok {
			r.Unknown = append(r.Unknown, v.Claim)
		}
	}
	if r.Machines, err = readMachines(dir); err != nil {
		return nil, err
	}
	return r, r.readFigures()
}

// index checks what the page relies on.
func index(recorded evidence.Verdicts) (map[string]verdict.Verdict, error) {
	if err := profile.Check(recorded.Profile); err != nil {
		return nil, err
	}
	byID, statuses := map[string]verdict.Verdict{}, verdict.Statuses()
	for _, v := range recorded.Verdicts {
		if _, ok := byID[v.Claim]; ok {
			return nil, fmt.Errorf("claim %q: expected once, found twice", v.Claim)
		}
		byID[v.Claim] = v
		for _, x := range append([]verdict.Verdict{v}, v.Parts...) {
			name := strings.TrimSpace(v.Claim + " " + x.Part)
			if !slices.Contains(statuses, x.Status) {
				return nil, fmt.Errorf("claim %q: status: expected one of %v, got %q", name, statuses, x.Status)
			}
			if !slices.Contains(kinds, x.Kind) {
				return nil, fmt.Errorf("claim %q: kind: expected one of %v, got %q", name, kinds, x.Kind)
			}
		}
	}
	return byID, nil
}

// join puts a record and its verdict side by side, part by part.
func (r *Report) join(c claims.Claim, v verdict.Verdict, found bool) Claim {
	out := Claim{Record: c, Verdict: v, Changed: !found}
	if !found {
		out.Verdict = r.undecided(c, claims.Part{Assertion: c.Assertion})
	}
	left := slices.Clone(v.Parts)
	if found && len(v.Parts) == 0 {
		left = []verdict.Verdict{v}
	}
	for _, record := range c.Assertions() {
		part := Part{Record: record}
		i := slices.IndexFunc(left, func(x verdict.Verdict) bool { return x.Part == record.Name })
		if i < 0 {
			part.Verdict = r.undecided(c, record)
			out.Changed = true
		} else {
			part.Verdict = left[i]
			left = slices.Delete(left, i, i+1)
			out.Changed = out.Changed || differs(record, part.Verdict)
		}
		rule, ok := record.Rule(r.Profile)
		if ok && rule.Says == part.Verdict.Rule {
			part.Rule = &rule
		}
		part.Runs = r.runs(record.Measure, part.Verdict)
		out.Parts = append(out.Parts, part)
	}
	for _, x := range left { // the record has no such part any more
		out.Parts = append(out.Parts, Part{Record: claims.Part{Name: x.Part, Assertion: claims.Assertion{Kind: x.Kind}}, Verdict: x})
		out.Changed = true
	}
	if found && len(c.Parts) > 0 {
		out.Verdict.Parts = nil
		for _, p := range out.Parts {
			out.Verdict.Parts = append(out.Verdict.Parts, p.Verdict)
		}
	}
	return out
}

// differs says whether the record has another value or rule than the verdict was decided by.
func differs(record claims.Part, v verdict.Verdict) bool {
	if record.Kind != v.Kind || record.Printed != v.Printed || record.Unit != v.Unit {
		return true
	}
	rule, _ := record.Rule(v.Profile) // without words where there is none
	return rule.Says != v.Rule
}

// undecided stands where verdicts.json has no verdict.
func (r *Report) undecided(c claims.Claim, a claims.Part) verdict.Verdict {
	v := verdict.Verdict{Claim: c.ID, Part: a.Name, Paper: c.Paper, Derived: c.Derived, Kind: a.Kind, Status: verdict.NotRun, Profile: r.Profile,
		Printed: a.Printed, Unit: a.Unit, Confidence: c.Confidence, Unverified: a.Unverified, Reason: "lacks a verdict: " + evidence.VerdictsFile + " has none"}
	if a.Name == "" {
		for _, p := range c.Parts {
			v.Parts = append(v.Parts, r.undecided(c, p))
		}
	}
	return v
}

// runs finds the run folders that a measurement was taken from: of the claim's runs those of its seeds, of the runs it is
// compared with the same, or all where they have seeds of their own.
func (r *Report) runs(m *claims.Measure, v verdict.Verdict) []string {
	if len(v.Seeds) == 0 {
		return nil
	}
	var out []string
	for i, side := range m.Sides() {
		kind := extract.RunKind(side.Quantity)
		patterns := []string{side.Label + "-seed*"}
		if i == 0 || v.Kind == claims.Order {
			patterns = nil
			for _, seed := range v.Seeds {
				patterns = append(patterns, fmt.Sprintf("%s-seed%d", side.Label, seed))
			}
		}
		for _, pattern := range patterns {
			for _, run := range glob(r.dir, kind, pattern) {
				if !slices.Contains(out, run) { // both sides may be of the same runs
					out = append(out, run)
				}
			}
		}
	}
	return out
}

// folders of an evidence folder that may hold runs, in order.
func folders(dir string) []string {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

// glob finds finished runs by the name of their folder, in order.
func glob(dir, kind, pattern string) []string {
	entries, err := os.ReadDir(filepath.Join(dir, kind))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if ok, err := path.Match(pattern, e.Name()); !ok || err != nil || !e.IsDir() {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, kind, e.Name(), evidence.ResultFile)); err == nil {
			out = append(out, path.Join(kind, e.Name()))
		}
	}
	return out
}

// Verdicts are the claims' verdicts in the order of the records; a claim that verdicts.json lacks is not run.
func (r *Report) Verdicts() []verdict.Verdict {
	var out []verdict.Verdict
	for _, c := range r.claims() {
		out = append(out, c.Verdict)
	}
	return out
}

func (r *Report) claims() []Claim {
	var out []Claim
	for _, p := range r.Papers {
		out = append(out, p.Claims...)
	}
	return out
}

// Table writes the verdicts as repro.Table does.
func (r *Report) Table(w io.Writer) error { return repro.Table(w, r.Verdicts()) }

// JSON writes the verdicts as repro.JSON does.
func (r *Report) JSON(w io.Writer) error { return repro.JSON(w, r.Verdicts()) }

// Caveat is the sentence that belongs below every count.
const Caveat = "A reduced profile never reproduces a paper's result: at best it is consistent with it. Only the published protocol reproduces, " +
	"and arithmetic or a comparison with official code, which need none."

// count is how many claims, and how many single values, have a status.
type count struct {
	Status         verdict.Status
	Claims, Values int
}

// counts lists the statuses that occur.
func (r *Report) counts() []count {
	var out []count
	for _, s := range verdict.Statuses() {
		n := count{Status: s}
		for _, c := range r.claims() {
			if c.Verdict.Status == s {
				n.Claims++
			}
			for _, p := range c.Parts {
				if p.Verdict.Status == s {
					n.Values++
				}
			}
		}
		if n.Claims+n.Values > 0 {
			out = append(out, n)
		}
	}
	return out
}

// Summary is the line with the counts.
func (r *Report) Summary() string {
	return fmt.Sprintf("%s of %s at profile %s: %s.", plural(len(r.claims()), "claim"), plural(len(r.Papers), "paper"), r.Profile, verdict.Tally(r.Verdicts()))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// inconsistency is one value that is published inconsistently.
type inconsistency struct {
	Claim Claim
	Part  Part
	// Other is the number that the printed one disagrees with; empty where only Text has it.
	Other, Text string
}

func (r *Report) inconsistencies() []inconsistency {
	var out []inconsistency
	for _, c := range r.claims() {
		if len(c.Record.Parts) > 0 && c.Record.Inconsistent != "" {
			out = append(out, inconsistency{Claim: c, Part: Part{Verdict: c.Verdict}, Text: c.Record.Inconsistent})
		}
		for _, p := range c.Parts {
			i := inconsistency{Claim: c, Part: p, Text: p.Record.Inconsistent}
			if i.Text == "" && p.Verdict.Status == verdict.PublishedInconsistently {
				i.Text = p.Verdict.Reason
			}
			if i.Text == "" {
				continue
			}
			if len(p.Verdict.Checks) > 0 {
				i.Other = p.Verdict.Show().Measured
			}
			out = append(out, i)
		}
	}
	return out
}
