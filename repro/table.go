package repro

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro/verdict"
)

// Width is how many columns Table uses at most.
const Width = 100

// columns of the table; with two spaces between them they fill Width.
var columns = [...]int{20, 24, 24, 26}

// Table writes the verdicts for people: first what was decided by runs, with what the paper prints, what was measured with
// its interval, and the reason; then what is published inconsistently, with both numbers; then the claims that agree by
// arithmetic, and by paper those that could not be decided. What each of these lacks is in the report.
func Table(w io.Writer, verdicts []verdict.Verdict) error {
	var b strings.Builder
	sections := []struct {
		title string
		has   func(verdict.Verdict) bool
	}{
		{"decided by runs", byRuns},
		{"inconsistent", func(v verdict.Verdict) bool { return v.Status == verdict.PublishedInconsistently && !byRuns(v) }},
	}
	for i, section := range sections {
		if i > 0 {
			b.WriteString("\n")
		}
		row(&b, section.title, "status", "the paper prints", "measured (95 % interval)")
		b.WriteString(strings.Repeat("-", Width) + "\n")
		for _, v := range verdicts {
			for _, a := range assertions(v) {
				if !section.has(a) {
					continue
				}
				name := v.Claim
				if a.Part != "" {
					name += " " + a.Part
				}
				row(&b, name, string(a.Status), a.Show().Paper(), a.Show().WithSeeds())
				paragraph(&b, "    ", a.Reason)
			}
		}
	}
	byArithmetic(&b, verdicts)
	undecided(&b, verdicts)
	if len(verdicts) > 0 {
		b.WriteString("\n")
		paragraph(&b, "", fmt.Sprintf("%d claims at profile %s: %s. A claim of several values is as weak as the weakest.", len(verdicts), verdicts[0].Profile, verdict.Tally(verdicts)))
		if verdicts[0].Profile != profile.Paper {
			paragraph(&b, "", "A reduced profile can at best be consistent with a paper; only arithmetic is reproduced by it.")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// assertions are a verdict's parts, or itself as the only one.
func assertions(v verdict.Verdict) []verdict.Verdict {
	if len(v.Parts) > 0 {
		return v.Parts
	}
	return []verdict.Verdict{v}
}

// byRuns tells whether an assertion was decided by runs, or should have been and went wrong.
func byRuns(v verdict.Verdict) bool {
	return len(v.Seeds) > 0 || v.Status == verdict.NotReproduced || v.Status == verdict.Stale || v.Status == verdict.Inconclusive
}

// byArithmetic lists the claims whose values, or some of them, agree by arithmetic alone.
func byArithmetic(b *strings.Builder, verdicts []verdict.Verdict) {
	var ids []string
	for _, v := range verdicts {
		agree, all := 0, assertions(v)
		for _, a := range all {
			if a.Status == verdict.Reproduced && !byRuns(a) {
				agree++
			}
		}
		switch {
		case agree == len(all):
			ids = append(ids, v.Claim)
		case agree > 0:
			ids = append(ids, fmt.Sprintf("%s (%d of %d values)", v.Claim, agree, len(all)))
		}
	}
	if len(ids) > 0 {
		b.WriteString("\nreproduced by arithmetic or by comparison with the official code:\n")
		paragraph(b, "  ", strings.Join(ids, ", "))
	}
}

// undecided lists by paper the claims of which nothing could be decided.
func undecided(b *strings.Builder, verdicts []verdict.Verdict) {
	for _, status := range []verdict.Status{verdict.Underspecified, verdict.NotRun} {
		var papers []string
		ids := map[string][]string{}
		for _, v := range verdicts {
			if v.Status != status || slices.ContainsFunc(assertions(v), func(a verdict.Verdict) bool {
				return a.Status != verdict.NotRun && a.Status != verdict.Underspecified
			}) {
				continue
			}
			if ids[v.Paper] == nil {
				papers = append(papers, v.Paper)
			}
			ids[v.Paper] = append(ids[v.Paper], v.Claim)
		}
		if len(papers) > 0 {
			fmt.Fprintf(b, "\n%s:\n", status)
		}
		for _, p := range papers {
			paragraph(b, "  ", p+": "+strings.Join(ids[p], ", "))
		}
	}
}

// row writes cells side by side, each wrapped in its column; spaces before the first are kept on every line.
func row(b *strings.Builder, cells ...string) {
	var lines [][]string
	height := 0
	for i, c := range cells {
		indent := c[:len(c)-len(strings.TrimLeft(c, " "))]
		wrapped := wrap(c, columns[i]-len(indent))
		for j := range wrapped {
			wrapped[j] = indent + wrapped[j]
		}
		lines = append(lines, wrapped)
		height = max(height, len(wrapped))
	}
	for y := range height {
		var line strings.Builder
		for i := range lines {
			cell := ""
			if y < len(lines[i]) {
				cell = lines[i][y]
			}
			line.WriteString(cell + strings.Repeat(" ", columns[i]+2-utf8.RuneCountInString(cell)))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func paragraph(b *strings.Builder, indent, text string) {
	for _, line := range wrap(text, Width-len(indent)) {
		b.WriteString(indent + line + "\n")
	}
}

// wrap breaks text between words into lines of at most width runes, and inside a word that is longer.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for utf8.RuneCountInString(word) > width {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			runes := []rune(word)
			lines, word = append(lines, string(runes[:width])), string(runes[width:])
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
