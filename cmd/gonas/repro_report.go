package main

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/report"
)

type reproReportCmd struct {
	Dir    string `arg:"" help:"Evidence folder, with the verdicts.json of \"gonas repro run\"."`
	Format string `default:"html" enum:"html,md,json,table" help:"html: one page that works offline; md: Markdown; json: the verdicts; table: plain text."`
	Out    string `placeholder:"FILE" help:"Where to write; - for the standard output. Default: report.html in DIR for html, else the standard output."`
}

// Run shows what an evidence folder says.
func (c reproReportCmd) Run(a *app) error {
	r, err := report.Load(c.Dir)
	if err != nil {
		return err
	}
	switch v, err := repro.Verify(c.Dir); {
	case err != nil:
		r.Unsound = []string{oneLine(err)}
	case v.Sound():
		r.Verified = fmt.Sprintf("Verified when this page was made: all %d verdicts follow from the raw logs.", len(v.Verdicts))
	default:
		r.Unsound = v.Problems()
	}
	for _, problem := range r.Unsound {
		fmt.Fprintf(a.stderr, "%s: %s\n", c.Dir, problem)
	}
	out := c.Out
	switch {
	case out == "" && c.Format == "html":
		out = filepath.Join(c.Dir, report.PageFile)
	case out == "-":
		out = ""
	}
	base := c.Dir // links of what has no place start in the evidence folder
	if out != "" {
		base = filepath.Dir(out)
	}
	var b bytes.Buffer
	switch c.Format {
	case "html":
		err = r.HTML(&b, base)
	case "md":
		err = r.Markdown(&b, base)
	case "json":
		err = r.JSON(&b)
	case "table":
		err = r.Table(&b)
	}
	if err != nil {
		return err
	}
	if out == "" {
		_, err = a.stdout.Write(b.Bytes())
		return err
	}
	if err := evidence.WriteFile(out, b.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s\n", out, r.Summary())
	return err
}
