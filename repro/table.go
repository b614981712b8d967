package repro

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// Width is how many columns Table uses at most.
const Width = 100

// columns of the table; with two spaces between them they fill Width.
var columns = [...]int{20, 24, 24, 26}

// Table writes the verdicts for people: claim, status, what the paper prints and what was measured with its interval,
// the reason below. Claims of which nothing could be decided follow, grouped by what they lack.
func Table(w io.Writer, verdicts []verdict.Verdict) error {
	var b strings.Builder
	row(&b, "claim", "status", "the paper prints", "measured (95 % interval)")
	b.WriteString(strings.Repeat("-", Width) + "\n")
	var idle []verdict.Verdict
	counts := map[verdict.Status]int{}
	for _, v := range verdicts {
		counts[v.Status]++
		if !decided(v) {
			idle = append(idle, v)
			continue
		}
		row(&b, v.Claim, string(v.Status), printed(v), measured(v))
		if len(v.Parts) == 0 {
			paragraph(&b, "  ", v.Reason)
		}
		for _, p := range v.Parts {
			row(&b, "  "+p.Part, string(p.Status), printed(p), measured(p))
			paragraph(&b, "    ", p.Reason)
		}
	}
	if len(idle) > 0 {
		b.WriteString("\nnot run:\n")
		var reasons []string
		who := map[string][]string{}
		for _, v := range idle {
			why := lacks(v)
			if who[why] == nil {
				reasons = append(reasons, why)
			}
			who[why] = append(who[why], v.Claim)
		}
		for _, why := range reasons {
			paragraph(&b, "  ", strings.Join(who[why], ", ")+": "+why)
		}
	}
	if len(verdicts) > 0 {
		var sum []string
		for _, s := range []verdict.Status{verdict.Reproduced, verdict.Consistent, verdict.NotReproduced, verdict.Inconclusive,
			verdict.Underspecified, verdict.PublishedInconsistently, verdict.Stale, verdict.NotRun} {
			if counts[s] > 0 {
				sum = append(sum, fmt.Sprintf("%d %s", counts[s], s))
			}
		}
		b.WriteString("\n")
		paragraph(&b, "", fmt.Sprintf("%d claims at profile %s: %s.", len(verdicts), verdicts[0].Profile, strings.Join(sum, ", ")))
		if verdicts[0].Profile != claims.Paper {
			paragraph(&b, "", "A reduced profile can at best be consistent with a paper; only arithmetic is reproduced by it.")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// decided is false where neither the claim nor any part of it was run.
func decided(v verdict.Verdict) bool {
	if len(v.Parts) == 0 {
		return v.Status != verdict.NotRun
	}
	return slices.ContainsFunc(v.Parts, decided)
}

// lacks joins the parts' reasons, each once.
func lacks(v verdict.Verdict) string {
	if len(v.Parts) == 0 {
		return v.Reason
	}
	var out []string
	for _, p := range v.Parts {
		if !slices.Contains(out, p.Reason) {
			out = append(out, p.Reason)
		}
	}
	return strings.Join(out, "; ")
}

func printed(v verdict.Verdict) string {
	switch {
	case v.Printed == "" && v.Derived:
		return "(derived)"
	case v.Printed == "":
		return "-"
	}
	text := unit(v.Printed, v.Unit)
	if v.Unverified {
		text += " (unverified)"
	}
	return text
}

func measured(v verdict.Verdict) string {
	switch {
	case v.Measured != nil:
		text := fmt.Sprintf("%.4g", *v.Measured)
		if v.Interval != nil {
			text += fmt.Sprintf(" [%.4g, %.4g]", v.Interval.Low, v.Interval.High)
		}
		if v.Kind == claims.Order {
			text = "difference " + text
		}
		seeds := "seeds"
		if len(v.Seeds) == 1 {
			seeds = "seed"
		}
		return fmt.Sprintf("%s, %d %s", unit(text, v.Unit), len(v.Seeds), seeds)
	case len(v.Checks) == 1:
		return unit(fmt.Sprintf("%.6g", v.Checks[0].Got), v.Unit)
	case len(v.Checks) > 1:
		return fmt.Sprintf("%d values", len(v.Checks))
	}
	return "-"
}

func unit(text, unit string) string {
	if unit == "" {
		return text
	}
	return text + " " + unit
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
