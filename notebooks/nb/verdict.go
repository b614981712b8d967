package nb

import (
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro/report"
	"github.com/gonas/gonas/repro/verdict"
)

// Verdict shows the card of a claim as it was decided from the evidence folder dir: what the paper prints, what was
// measured with its interval, the status word, on which profile and seeds, and why.
func Verdict(dir, claim string) { Check(showVerdict(dir, claim)) }

// Claims shows a table of all claims of a paper, by its id in the records ("fairdarts"), as they were decided from the
// evidence folder dir.
func Claims(dir, paper string) { Check(showClaims(dir, paper)) }

func showVerdict(dir, id string) error {
	r, err := report.Load(dir)
	if err != nil {
		return err
	}
	for _, p := range r.Papers {
		at := slices.IndexFunc(p.Claims, func(c report.Claim) bool { return c.Record.ID == id })
		if at >= 0 {
			return show(card(p, p.Claims[at]))
		}
	}
	return fmt.Errorf("verdict: no claim is called %q; `gonas repro list` names them", id)
}

// card is a claim's, with a row for each of its values.
func card(p report.Paper, c report.Claim) output {
	v := c.Verdict
	paper := p.ID
	if p.ArXiv != "" {
		paper += ", arXiv " + p.ArXiv
	}
	head := fmt.Sprintf("%s (%s, %s): %s", c.Record.ID, paper, c.Record.Where, c.Record.Metric)
	header, right := []string{"the paper prints", "measured (95 % interval)"}, make([]bool, 4)
	if len(c.Record.Parts) > 0 {
		header = slices.Concat([]string{"value"}, header, []string{"status"})
	}
	var rows [][]string
	for _, part := range c.Parts {
		row := []string{part.Verdict.Show().Paper(), part.Verdict.Show().Ours()}
		if len(c.Record.Parts) > 0 {
			row = slices.Concat([]string{part.Verdict.Part}, row, []string{string(part.Verdict.Status)})
		}
		rows = append(rows, row)
	}
	foot := "profile " + profileText(v.Profile)
	if seeds := seedsOf(c); len(seeds) > 0 {
		foot += "; seeds " + strings.Trim(fmt.Sprint(seeds), "[]")
	}
	if v.Reason != "" {
		foot += "\n" + v.Reason
	}
	// White on a colour of its own is as readable in a dark page as in a light one.
	page := fmt.Sprintf(`<div style="border-left: 4px solid %[1]s; padding: 0 1em"><b style="background-color: %[1]s; color: #ffffff; padding: 2px 6px">%[2]s</b> %[3]s`+
		"\n%[4]s\n%[5]s</div>", statusColor(v.Status), html.EscapeString(statusText(c)), html.EscapeString(head), htmlTable(header, rows, right),
		strings.ReplaceAll(html.EscapeString(foot), "\n", "<br>\n"))
	return output{text: strings.Join([]string{statusText(c) + ": " + head, textTable(header, rows, right), foot}, "\n"), html: page}
}

func showClaims(dir, paper string) error {
	r, err := report.Load(dir)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(r.Papers, func(p report.Paper) bool { return p.ID == paper })
	if at < 0 {
		var ids []string
		for _, p := range r.Papers {
			ids = append(ids, p.ID)
		}
		return fmt.Errorf("claims: paper %q: expected one of %s", paper, strings.Join(ids, ", "))
	}
	p := r.Papers[at]
	if len(p.Claims) == 0 {
		return errors.New("claims: " + paper + " has none in the records")
	}
	var rows [][]any
	for _, c := range p.Claims {
		for _, part := range c.Parts {
			name, status := c.Record.ID, string(part.Verdict.Status)
			if part.Verdict.Part != "" {
				name += ", " + part.Verdict.Part
			} else {
				status = statusText(c)
			}
			rows = append(rows, []any{name, status, part.Verdict.Show().Paper(), part.Verdict.Show().Ours()})
		}
	}
	return table([]string{"claim", "status", "the paper prints", "measured (95 % interval), profile " + r.Profile}, rows)
}

// statusText is a claim's status word; of a record that changed since, with that.
func statusText(c report.Claim) string {
	if c.Changed {
		return string(c.Verdict.Status) + ", by an earlier edition of the claim's record"
	}
	return string(c.Verdict.Status)
}

func statusColor(s verdict.Status) string {
	switch s {
	case verdict.Reproduced, verdict.Consistent:
		return "#00795c"
	case verdict.NotReproduced, verdict.PublishedInconsistently:
		return "#b84700"
	}
	return "#666666"
}

func profileText(p profile.Name) string {
	if p == profile.Paper {
		return p
	}
	return p + " (reduced: at best consistent with the paper)"
}

// seedsOf are the seeds of all values of a claim.
func seedsOf(c report.Claim) []uint64 {
	var seeds []uint64
	for _, p := range c.Parts {
		seeds = append(seeds, p.Verdict.Seeds...)
	}
	slices.Sort(seeds)
	return slices.Compact(seeds)
}
