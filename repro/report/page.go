package report

import (
	"crypto/sha256"
	_ "embed" // page, style and script
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/verdict"
)

var (
	//go:embed page.html.tmpl
	pageText string
	//go:embed style.css
	style string
	//go:embed script.js
	script string
)

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"symbol": symbol, "add": func(a, b int) int { return a + b }, "class": class, "seeds": seeds, "number": number, "kind": explain, "plural": plural, "again": again,
	"paperName": func(p Paper) string {
		if p.Title != "" {
			return p.Title
		}
		return p.ID
	},
}).Parse(pageText))

// symbol stands before a status word.
func symbol(s verdict.Status) string {
	return map[verdict.Status]string{verdict.Reproduced: "✓", verdict.Consistent: "≈", verdict.NotReproduced: "✗", verdict.PublishedInconsistently: "≠",
		verdict.Inconclusive: "?", verdict.Underspecified: "…", verdict.Stale: "↻", verdict.NotRun: "○"}[s]
}

func class(s verdict.Status) string { return strings.ReplaceAll(string(s), " ", "-") }

// explain says what a kind means.
func explain(k claims.Kind) string {
	return map[claims.Kind]string{
		claims.Exact: "arithmetic: equal to the printed digit", claims.Golden: "equal to the official code on the same weights and input",
		claims.Order: "one above the other, paired over seeds", claims.Rank: "a rank correlation against a bound", claims.Trend: "a slope or count on one side of a bound",
		claims.Level: "a mean equal to the printed value within a margin", claims.Cost: "reported, never asserted"}[k]
}

// page is what the template shows.
type page struct {
	*Report
	CSP    string
	Style  template.CSS
	Script template.JS
	Total  int
	Counts []countRow
	Kinds  []kindCount
	Odd    []oddRow
	Groups []group
	// Findings are what the runs showed, the firmest first; Open names the values that they left open.
	Findings []finding
	Open     []finding
	// Loose are the figures of no paper.
	Loose []figureView
	Boxes []machineView
	// Verdicts links to verdicts.json.
	VerdictsLink link
	Caveat       string
}

type link struct{ Href, Text string }

type countRow struct {
	count
	Width, Share string
}

type kindCount struct {
	Kind claims.Kind
	N    int
}

type oddRow struct {
	inconsistency
	Printed string
}

// finding is a value that runs were made for.
type finding struct {
	ID, Name, Metric, Reason string
	Status                   verdict.Status
}

// findings are the values of all claims that rest on runs, those that were decided and those that were left open.
func (r *Report) findings() (decided, open []finding) {
	order := []verdict.Status{verdict.NotReproduced, verdict.PublishedInconsistently, verdict.Reproduced, verdict.Consistent}
	for _, c := range r.claims() {
		for _, p := range c.Parts {
			v := p.Verdict
			if len(v.Seeds) == 0 || v.Kind == claims.Cost {
				continue
			}
			f := finding{c.Record.ID, v.Part, c.Record.Metric, v.Reason, v.Status}
			switch {
			case slices.Contains(order, v.Status):
				decided = append(decided, f)
			case v.Status == verdict.Inconclusive:
				open = append(open, f)
			}
		}
	}
	slices.SortStableFunc(decided, func(a, b finding) int { return slices.Index(order, a.Status) - slices.Index(order, b.Status) })
	return decided, open
}

type group struct {
	Paper
	Counts  []countRow
	Cards   []card
	Figures []figureView
}

type card struct {
	Claim
	// AllKinds of its values, for the filter.
	AllKinds string
	Rows     []row
}

// Decided says how many of several values were decided, since the claim's own status is that of the weakest.
func (c card) Decided() string {
	if len(c.Parts) < 2 {
		return ""
	}
	n := 0
	for _, p := range c.Parts {
		if p.Verdict.Status != verdict.NotRun {
			n++
		}
	}
	return fmt.Sprintf("%d of %d decided", n, len(c.Parts))
}

type row struct {
	Part
	verdict.Shown
	Name  string
	Chart *chart
	// Arithmetic names the check that needs no run.
	Arithmetic string
	Links      []runLink
}

type runLink struct {
	Name   string
	Folder link
	Files  []link
}

type figureView struct {
	Figure
	// Links to the picture and to the data that it shows.
	Links []link
}

type machineView struct {
	Machine
	Links []link
}

// files of a run folder that a page links to.
var runFiles = []string{evidence.ConfigFile, evidence.ResultFile, evidence.GenotypeFile, evidence.NetworkFile, evidence.MetricsFile, evidence.TablesFile, evidence.EventsFile, evidence.RunFile}

// HTML writes the page; its links start at the folder base, where the page will lie.
func (r *Report) HTML(w io.Writer, base string) error {
	sum := sha256.Sum256([]byte(script))
	to, err := r.linker(base)
	if err != nil {
		return err
	}
	p := page{Report: r, Style: template.CSS(style), Script: template.JS(script), Total: len(r.claims()), Caveat: Caveat,
		// Nothing is loaded and no script but ours runs, whatever the evidence holds.
		CSP: "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; script-src 'sha256-" +
			base64.StdEncoding.EncodeToString(sum[:]) + "'"}
	p.Counts = bars(r.counts(), p.Total)
	p.VerdictsLink, _ = to(evidence.VerdictsFile)
	for _, k := range kinds {
		n := 0
		for _, c := range r.claims() {
			if slices.Contains(allKinds(c), string(k)) {
				n++
			}
		}
		if n > 0 {
			p.Kinds = append(p.Kinds, kindCount{k, n})
		}
	}
	for _, i := range r.inconsistencies() {
		p.Odd = append(p.Odd, oddRow{i, i.Part.Verdict.Show().Printed})
	}
	for _, paper := range r.Papers {
		g := group{Paper: paper, Figures: views(paper.Figures, to), Counts: bars((&Report{Papers: []Paper{paper}}).counts(), len(paper.Claims))}
		for _, c := range paper.Claims {
			g.Cards = append(g.Cards, cardOf(c, to))
		}
		p.Groups = append(p.Groups, g)
	}
	p.Findings, p.Open = r.findings()
	p.Loose = views(r.Figures, to)
	for _, m := range r.Machines {
		v := machineView{Machine: m}
		for _, f := range m.Files {
			if l, ok := to(f); ok {
				v.Links = append(v.Links, l)
			}
		}
		p.Boxes = append(p.Boxes, v)
	}
	return pageTemplate.Execute(w, p)
}

func bars(list []count, total int) []countRow {
	var out []countRow
	for _, n := range list {
		out = append(out, countRow{n, place(100 * float64(n.Claims) / float64(max(total, 1))), fmt.Sprintf("%d of %d claims", n.Claims, total)})
	}
	return out
}

func allKinds(c Claim) []string {
	var out []string
	for _, p := range c.Parts {
		if k := string(p.Verdict.Kind); !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

func cardOf(c Claim, to linker) card {
	out := card{Claim: c, AllKinds: strings.Join(allKinds(c), " ")}
	for i, p := range c.Parts {
		w := row{Part: p, Shown: p.Verdict.Show(), Name: p.Verdict.Part, Chart: draw(fmt.Sprintf("chart-%s-%d", c.Record.ID, i), p)}
		if m := p.Record.Measure; m != nil && m.Check != "" && len(p.Verdict.Checks) > 0 {
			w.Arithmetic = m.Check
		}
		for _, folder := range p.Runs {
			l, ok := to(folder + "/")
			if !ok {
				continue
			}
			rl := runLink{Name: folder, Folder: l}
			for _, name := range runFiles {
				if l, ok := to(folder + "/" + name); ok {
					l.Text = name
					rl.Files = append(rl.Files, l)
				}
			}
			w.Links = append(w.Links, rl)
		}
		out.Rows = append(out.Rows, w)
	}
	return out
}

func views(list []Figure, to linker) []figureView {
	var out []figureView
	for _, f := range list {
		v := figureView{Figure: f}
		stem := strings.TrimSuffix(f.File, ".svg")
		for _, file := range []struct{ name, text string }{{f.File, "picture"}, {stem + ".csv", "data"}} {
			if l, ok := to(file.name); ok {
				l.Text = file.text
				v.Links = append(v.Links, l)
			}
		}
		out = append(out, v)
	}
	return out
}

// again are the pictures of further seeds.
func again(list []figureView) []figureView {
	return slices.DeleteFunc(slices.Clone(list), func(f figureView) bool { return !f.Again })
}

// linker makes a relative link to what lies in the evidence folder; false if it is not there.
type linker func(place string) (link, bool)

func (r *Report) linker(base string) (linker, error) {
	from, err := filepath.Abs(base)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(r.dir)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(from, dir)
	if err != nil {
		return nil, fmt.Errorf("links from %s to %s: %w", base, r.dir, err)
	}
	return func(place string) (link, bool) {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(place))); err != nil {
			return link{Text: place}, false
		}
		target := filepath.ToSlash(rel) + "/" + place
		target = strings.TrimPrefix(target, "./")
		return link{(&url.URL{Path: target}).String(), place}, true
	}, nil
}
