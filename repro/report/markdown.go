package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report as plain Markdown; its links start at the folder base.
func (r *Report) Markdown(w io.Writer, base string) error {
	to, err := r.linker(base)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# What the papers print, and what was measured\n\n%s\n\n%s\n\n", r.Summary(), Caveat)
	b.WriteString("| status | claims | single values |\n|---|---:|---:|\n")
	for _, n := range r.counts() {
		fmt.Fprintf(&b, "| %s %s | %d | %d |\n", symbol(n.Status), n.Status, n.Claims, n.Values)
	}
	for _, p := range r.Papers {
		title := p.Title
		if title == "" {
			title = p.ID
		}
		fmt.Fprintf(&b, "\n## %s\n\n", escape(title))
		if p.ArXiv != "" {
			fmt.Fprintf(&b, "[%s](https://arxiv.org/abs/%s), ", p.ArXiv, p.ArXiv)
		}
		fmt.Fprintf(&b, "%s\n\n| claim | kind | status | the paper prints | measured (95 %% interval) | why | evidence |\n|---|---|---|---|---|---|---|\n", escape(p.Version))
		for _, c := range p.Claims {
			if len(c.Record.Parts) > 0 {
				fmt.Fprintf(&b, "| **%s** | | %s %s | %s | | | |\n", c.Record.ID, symbol(c.Verdict.Status), c.Verdict.Status, escape(c.Verdict.Show().Printed))
			}
			for _, part := range c.Parts {
				v := part.Verdict
				name := "**" + c.Record.ID + "**"
				if len(c.Record.Parts) > 0 {
					name = "– " + escape(v.Part)
				}
				var links []string
				for _, run := range part.Runs {
					if l, ok := to(run + "/"); ok {
						links = append(links, fmt.Sprintf("[%s](<%s>)", escape(run), l.Href))
					}
				}
				fmt.Fprintf(&b, "| %s | %s | %s %s | %s | %s | %s | %s |\n", name, v.Kind, symbol(v.Status), v.Status, escape(v.Show().Paper()),
					escape(v.Show().WithSeeds()), escape(v.Reason), strings.Join(links, ", "))
			}
		}
	}
	b.WriteString("\n## Published inconsistently\n\n")
	if odd := r.inconsistencies(); len(odd) > 0 {
		b.WriteString("| claim | printed | found instead | status | what disagrees |\n|---|---|---|---|---|\n")
		for _, i := range odd {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", escape(strings.TrimSpace(i.Claim.Record.ID+" "+i.Part.Verdict.Part)), escape(i.Part.Verdict.Show().Printed), escape(i.Other),
				i.Part.Verdict.Status, escape(i.Text))
		}
	} else {
		b.WriteString("Nothing in the records.\n")
	}
	b.WriteString("\n## Machine and versions\n")
	for _, m := range r.Machines {
		fmt.Fprintf(&b, "\n| | %s |\n|---|---|\n", escape(strings.Join(m.Files, ", ")))
		for _, f := range m.Facts {
			fmt.Fprintf(&b, "| %s | %s |\n", escape(f.Name), escape(f.Value))
		}
		for _, f := range m.Data {
			fmt.Fprintf(&b, "| %s, SHA-256 | %s |\n", escape(f.Name), escape(f.Value))
		}
	}
	if len(r.Machines) == 0 {
		b.WriteString("\nThe folder has no run.json: it is not known what the runs ran on.\n")
	}
	if len(r.Unknown) > 0 {
		fmt.Fprintf(&b, "\nLeft out: verdicts of claims that the records no longer have: %s.\n", escape(strings.Join(r.Unknown, ", ")))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

var escaper = strings.NewReplacer("\\", "\\\\", "|", "\\|", "\r", " ", "\n", " ", "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", "\\*", "_", "\\_",
	"[", "\\[", "]", "\\]", "~", "\\~")

// escape makes text safe in a cell of a table.
func escape(s string) string { return escaper.Replace(s) }
