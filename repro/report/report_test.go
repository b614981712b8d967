package report

import (
	"bytes"
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/stats"
	"github.com/gonas/gonas/repro/verdict"
)

// hostile is a reason that breaks out of anything that does not escape it.
const hostile = `</td></table></script><script>document.title="broken"</script><img src=x onerror="document.title='broken'"> | a` + "\n| b `c` \"'&"

func number64(x float64) *float64 { return &x }

// folder makes an evidence folder with verdicts of four claims, three of its own runs, and two figures.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "with space #1")
	weights := verdict.Verdict{Claim: "fd-weights", Paper: "fairdarts", Kind: claims.Trend, Status: verdict.Inconclusive, Profile: profile.Quick, Seeds: []uint64{0, 1, 2},
		Values: []float64{0.58, 0.53, 0.57}, Measured: number64(0.56), Interval: &stats.Interval{Low: 0.49, High: 0.63}, Confidence: "high", Reason: "the interval holds 0.5"}
	c, err := claims.Get("fd-weights")
	require.NoError(t, err)
	weights.Printed, weights.Rule = c.Printed, c.Accept[profile.Quick].Says
	c, err = claims.Get("fd-x-parse")
	require.NoError(t, err)
	parse := verdict.Verdict{Claim: c.ID, Paper: c.Paper, Derived: true, Kind: c.Kind, Status: verdict.Reproduced, Profile: profile.Quick, Confidence: c.Confidence,
		Checks: []verdict.Check{{Name: "cells that differ", Got: 0, Want: "0"}}, Rule: c.Accept[claims.Any].Says, Reason: "cells that differ is 0"}
	means := verdict.Verdict{Claim: "fd-means", Paper: "fairdarts", Kind: claims.Exact, Status: verdict.PublishedInconsistently, Profile: profile.Quick, Confidence: "high",
		Printed: "457.85M / 3.32M", Reason: "multiply-adds: 457.86", Parts: []verdict.Verdict{
			{Claim: "fd-means", Part: "multiply-adds", Kind: claims.Exact, Status: verdict.PublishedInconsistently, Printed: "457.85", Unit: "M", Reason: "the mean is 457.857",
				Checks: []verdict.Check{{Name: "mean", Got: 457.857, Want: "457.85"}}},
			{Claim: "fd-means", Part: "no longer there", Kind: claims.Exact, Status: verdict.Reproduced, Printed: "1", Reason: "it was"},
		}}
	coco := verdict.Verdict{Claim: "fd-coco", Paper: "fairdarts", Kind: claims.Level, Status: verdict.NotRun, Profile: profile.Quick, Printed: "31.9", Unit: "%", Confidence: "medium", Unverified: true, Reason: hostile}
	gone := verdict.Verdict{Claim: "fd-gone", Kind: claims.Exact, Status: verdict.Reproduced}
	require.NoError(t, evidence.WriteVerdicts(dir, evidence.Verdicts{Profile: profile.Quick, Verdicts: []verdict.Verdict{weights, parse, means, coco, gone}}))
	run := evidence.Run{Version: "v9", GitHash: "abc", GoMLX: "v0", Device: "cpu", Profile: profile.Quick, Seeds: []uint64{0, 1, 2}, Args: []string{"repro", "run", "<b>"},
		Data: map[string]string{"test.bin": "12ab"}, Start: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), PeakMemory: 1 << 29}
	run.End = run.Start.Add(90 * time.Second)
	require.NoError(t, evidence.WriteRun(dir, run))
	write := func(name, text string) {
		require.NoError(t, evidence.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text)))
	}
	for _, name := range []string{"search/fairdarts-seed0", "search/fairdarts-seed1", "search/fairdarts-seed2", "search/fairdarts-seed9", "search/darts-seed0", "train/fairdarts-seed0"} {
		write(name+"/result.json", "{}")
		write(name+"/events.jsonl", "")
	}
	write("search/fairdarts-seed01/events.jsonl", "") // not finished
	run.GitHash, run.Args = "def", nil
	require.NoError(t, evidence.WriteRun(filepath.Join(dir, "search", "fairdarts-seed0"), run))
	require.NoError(t, evidence.WriteRun(filepath.Join(dir, "search", "fairdarts-seed1"), run))
	write("figures/fairdarts-skips.svg", `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><title>Skips &amp; more</title><desc>Two lines.</desc><script>parent.document.title="broken"</script><g><title>not this</title></g></svg>`)
	write("figures/fairdarts-skips.csv", "a,b\n")
	write("figures/other.svg", `<svg xmlns="http://www.w3.org/2000/svg"/>`)
	write("figures/fairdarts-huge.svg", "<svg>"+strings.Repeat(" ", maxFigure)+"</svg>")
	return dir
}

func load(t *testing.T, dir string) *Report {
	t.Helper()
	r, err := Load(dir)
	require.NoError(t, err)
	return r
}

func render(t *testing.T, r *Report, base string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.HTML(&b, base))
	return b.String()
}

func find(t *testing.T, r *Report, id string) Claim {
	t.Helper()
	i := slices.IndexFunc(r.claims(), func(c Claim) bool { return c.Record.ID == id })
	require.GreaterOrEqual(t, i, 0, id)
	return r.claims()[i]
}

func TestEveryClaimOnce(t *testing.T) {
	dir := folder(t)
	r := load(t, dir)
	page := render(t, r, dir)
	all, err := claims.All()
	require.NoError(t, err)
	require.Len(t, r.Verdicts(), len(all))
	for i, c := range all {
		assert.Equal(t, c.ID, r.Verdicts()[i].Claim)
		assert.Equal(t, 1, strings.Count(page, fmt.Sprintf(`id="claim-%s"`, c.ID)), c.ID)
		assert.Equal(t, 1, strings.Count(page, fmt.Sprintf(`<li data-claim="%s">`, c.ID)), c.ID)
		for _, p := range c.Parts {
			assert.True(t, slices.ContainsFunc(r.Verdicts()[i].Parts, func(v verdict.Verdict) bool { return v.Part == p.Name }), "%s %s", c.ID, p.Name)
		}
	}
	assert.Equal(t, []string{"fd-gone"}, r.Unknown)
	assert.NotContains(t, page, `id="claim-fd-gone"`)
}

func TestCounts(t *testing.T) {
	dir := folder(t)
	r := load(t, dir)
	claimsOf, values := map[verdict.Status]int{}, 0
	for _, n := range r.counts() {
		claimsOf[n.Status] = n.Claims
		values += n.Values
	}
	total := len(r.claims())
	assert.Equal(t, map[verdict.Status]int{verdict.Reproduced: 1, verdict.Inconclusive: 1, verdict.PublishedInconsistently: 1, verdict.NotRun: total - 3}, claimsOf)
	want := 1 // the part that the record no longer has
	for _, c := range r.claims() {
		want += len(c.Record.Assertions())
	}
	assert.Equal(t, want, values)
	assert.Contains(t, r.Summary(), fmt.Sprintf("%d claims of ", total))
	assert.Contains(t, r.Summary(), fmt.Sprintf("at profile quick: 1 reproduced, 1 inconclusive, %d not run, 1 published inconsistently.", total-3))
	page := render(t, r, dir)
	assert.Contains(t, page, html.EscapeString(r.Summary()))
	assert.Contains(t, page, "A reduced profile never reproduces")
	assert.Contains(t, page, fmt.Sprintf(`aria-label="1 of %d claims inconclusive"`, total))
	assert.Contains(t, page, fmt.Sprintf(`>%d of %d claims</output>`, total, total))
}

func TestRecordsThatChanged(t *testing.T) {
	r := load(t, folder(t))
	assert.False(t, find(t, r, "fd-weights").Changed)
	assert.False(t, find(t, r, "fd-x-parse").Changed)
	assert.True(t, find(t, r, "fd-x-skips").Changed, "no verdict")
	means := find(t, r, "fd-means")
	assert.True(t, means.Changed)
	var names []string
	for _, p := range means.Parts {
		names = append(names, p.Verdict.Part)
	}
	assert.Equal(t, []string{"multiply-adds", "parameters", "no longer there"}, names)
	assert.Equal(t, verdict.NotRun, means.Parts[1].Verdict.Status)
	assert.Equal(t, "3.32", means.Parts[1].Verdict.Printed)
}

func TestHostileTextIsEscaped(t *testing.T) {
	dir := folder(t)
	r := load(t, dir)
	page := render(t, r, dir)
	assert.Contains(t, page, "&lt;script&gt;document.title=")
	assert.Equal(t, 1, strings.Count(page, "<script"))
	assert.NotContains(t, page, "<img src=x")
	assert.NotContains(t, page, "<b>")
	var b bytes.Buffer
	require.NoError(t, r.Markdown(&b, dir))
	assert.NotContains(t, b.String(), "<script")
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "| **fd-coco**") {
			assert.Equal(t, 8, strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"), line)
			assert.Contains(t, line, `\| b`)
		}
	}
}

var hrefs = regexp.MustCompile(`(?:href|src)="([^"]*)"`)

func TestLinksAreRelativeAndExist(t *testing.T) {
	dir := folder(t)
	r := load(t, dir)
	elsewhere := filepath.Join(t.TempDir(), "a", "b")
	require.NoError(t, os.MkdirAll(elsewhere, 0o755))
	for _, base := range []string{dir, elsewhere} {
		files := 0
		page := render(t, r, base)
		for _, m := range hrefs.FindAllStringSubmatch(page, -1) {
			u, err := url.Parse(html.UnescapeString(m[1]))
			require.NoError(t, err)
			switch {
			case u.Scheme == "data":
			case u.Host == "arxiv.org":
			case u.Path == "":
				if !strings.Contains(u.Fragment, "=") {
					assert.Contains(t, page, fmt.Sprintf(`id="%s"`, u.Fragment))
				}
			default:
				files++
				assert.Empty(t, u.Scheme+u.Host, m[1])
				assert.False(t, filepath.IsAbs(u.Path), m[1])
				_, err := os.Stat(filepath.Join(base, filepath.FromSlash(u.Path)))
				assert.NoError(t, err)
			}
		}
		assert.Greater(t, files, 10)
		assert.NotContains(t, page, dir)
	}
	assert.Equal(t, []string{"search/fairdarts-seed0", "search/fairdarts-seed1", "search/fairdarts-seed2"}, find(t, r, "fd-weights").Parts[0].Runs)
}

// A baseline has seeds of its own, and may be another quantity of the same runs.
func TestRunsOfBothSides(t *testing.T) {
	r := load(t, folder(t))
	seeds := []uint64{1, 2}
	of := claims.Measure{Quantity: "skips", Of: "darts", Than: "fairdarts"}
	assert.Equal(t, []string{"search/fairdarts-seed1", "search/fairdarts-seed2"}, r.runs(&of, verdict.Verdict{Kind: claims.Order, Seeds: seeds}), "darts has the seed 0 alone")
	assert.Equal(t, []string{"search/fairdarts-seed0", "search/fairdarts-seed1", "search/fairdarts-seed2", "search/fairdarts-seed9"}, r.runs(&of, verdict.Verdict{Kind: claims.Rank, Seeds: seeds}))
	of = claims.Measure{Quantity: "skips", Of: "fairdarts", Than: "fairdarts", ThanQuantity: "skip_share"}
	assert.Equal(t, []string{"search/fairdarts-seed1", "search/fairdarts-seed2"}, r.runs(&of, verdict.Verdict{Kind: claims.Order, Seeds: seeds}))
	assert.Empty(t, r.runs(&of, verdict.Verdict{Kind: claims.Order}))
	assert.Empty(t, r.runs(nil, verdict.Verdict{Seeds: seeds}))
}

func TestPageIsSelfContained(t *testing.T) {
	dir := folder(t)
	page := render(t, load(t, dir), dir)
	for _, no := range []string{"<link", "@import", "url(", "<iframe", "<object", `src="http`} {
		assert.NotContains(t, page, no)
	}
	assert.Contains(t, page, "default-src &#39;none&#39;")
	assert.NotContains(t, page, "ZgotmplZ", "the template refused a value")
}

func TestEqualFoldersGiveEqualPages(t *testing.T) {
	a, b := folder(t), folder(t)
	assert.Equal(t, render(t, load(t, a), a), render(t, load(t, b), b))
	var x, y bytes.Buffer
	require.NoError(t, load(t, a).Markdown(&x, a))
	require.NoError(t, load(t, b).Markdown(&y, b))
	assert.Equal(t, x.String(), y.String())
}

func TestInconsistenciesShowBothNumbers(t *testing.T) {
	r := load(t, folder(t))
	list := r.inconsistencies()
	i := slices.IndexFunc(list, func(i inconsistency) bool { return i.Claim.Record.ID == "fd-means" })
	require.GreaterOrEqual(t, i, 0)
	assert.Equal(t, "457.85 M", list[i].Part.Verdict.Show().Printed)
	assert.Equal(t, "457.857 M", list[i].Other)
	assert.Contains(t, list[i].Text, "457.86")
	want := 0
	for _, c := range r.claims() {
		for _, p := range c.Record.Assertions() {
			if p.Inconsistent != "" {
				want++
			}
		}
	}
	assert.Len(t, list, want)
}

func TestMachines(t *testing.T) {
	r := load(t, folder(t))
	require.Len(t, r.Machines, 2)
	assert.Equal(t, []string{"run.json"}, r.Machines[0].Files)
	assert.Equal(t, []string{"search/fairdarts-seed0/run.json", "search/fairdarts-seed1/run.json"}, r.Machines[1].Files)
	assert.Contains(t, r.Machines[0].Facts, Fact{"time", "2026-01-02 03:04:05 UTC, 1m30s long"})
	assert.Contains(t, r.Machines[0].Facts, Fact{"peak memory", "0.50 GiB"})
	assert.Equal(t, []Fact{{"test.bin", "12ab"}}, r.Machines[0].Data)
}

func TestFigures(t *testing.T) {
	dir := folder(t)
	r := load(t, dir)
	var of []Figure
	for _, p := range r.Papers {
		if p.ID == "fairdarts" {
			of = p.Figures
		}
	}
	require.Len(t, of, 2)
	assert.Empty(t, of[0].Source, "too large")
	assert.Equal(t, "Skips & more. Two lines.", of[1].Alt())
	require.Len(t, r.Figures, 1)
	page := render(t, r, dir)
	assert.Contains(t, page, `alt="Skips &amp; more. Two lines."`)
	assert.Contains(t, page, `src="data:image/svg&#43;xml;base64,`)
	assert.NotContains(t, page, "<title>Skips")
	assert.Contains(t, page, `href="figures/fairdarts-skips.csv"`)

	seed1 := filepath.Join(dir, FiguresDir, "fairdarts-alphas-a-seed1.svg")
	require.NoError(t, os.WriteFile(seed1, []byte("<svg/>"), 0o600))
	further := render(t, load(t, dir), dir)
	assert.Contains(t, further, "1 figure of further seeds")
	assert.Contains(t, further, `href="figures/fairdarts-alphas-a-seed1.svg"`)
	assert.Equal(t, strings.Count(page, "<img"), strings.Count(further, "<img"), "linked, not shown")
	require.NoError(t, os.Remove(seed1))

	outside := filepath.Join(t.TempDir(), "x.svg")
	require.NoError(t, os.WriteFile(outside, []byte("<svg/>"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, FiguresDir, "fairdarts-link.svg")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, FiguresDir, "fairdarts-dir.svg"), 0o700))
	assert.Equal(t, page, render(t, load(t, dir), dir), "no links to elsewhere, no folders")
	for _, bad := range []string{"<html></html>", "<svg>", "", "text"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, FiguresDir, "z.svg"), []byte(bad), 0o600))
		_, err := Load(dir)
		assert.ErrorContains(t, err, "z.svg: expected an SVG picture", bad)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, filepath.Join(dir, evidence.VerdictsFile))
	assert.ErrorContains(t, err, "`gonas repro run --out "+dir+"` makes it")
	good := verdict.Verdict{Claim: "fd-coco", Kind: claims.Level, Status: verdict.NotRun}
	for want, v := range map[string]evidence.Verdicts{
		"found twice": {Profile: profile.Quick, Verdicts: []verdict.Verdict{good, good}},
		`profile "huge": expected one of smoke, quick, gpu, day, paper`: {Profile: "huge", Verdicts: []verdict.Verdict{good}},
		"status: ": {Profile: profile.Quick, Verdicts: []verdict.Verdict{{Claim: "fd-coco", Kind: claims.Level, Status: "passed"}}},
		"kind: ":   {Profile: profile.Quick, Verdicts: []verdict.Verdict{{Claim: "fd-coco", Kind: claims.Level, Status: verdict.NotRun, Parts: []verdict.Verdict{{Part: "a", Kind: "guess", Status: verdict.NotRun}}}}},
	} {
		require.NoError(t, evidence.WriteVerdicts(dir, v))
		_, err := Load(dir)
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, evidence.VerdictsFile)
	}
	require.NoError(t, evidence.WriteVerdicts(dir, evidence.Verdicts{Profile: profile.Quick}))
	assert.Contains(t, render(t, load(t, dir), dir), "has no run.json")
}

func TestChart(t *testing.T) {
	v := verdict.Verdict{Claim: "p-a", Kind: claims.Level, Printed: "97.46 ± 0.05", Values: []float64{97, 97.2, 97.4}, Measured: number64(97.2), Interval: &stats.Interval{Low: 96.7, High: 97.7}}
	c := draw("x", Part{Verdict: v, Rule: &claims.Rule{Target: 97.46, Margin: 0.3}})
	require.NotNil(t, c)
	require.Len(t, c.Marks, 1)
	assert.Equal(t, "printed 97.46", c.Marks[0].Label)
	require.NotNil(t, c.Band)
	assert.Contains(t, c.Desc, "Mean 97.2, 95 % interval 96.7 to 97.7; single seeds 97, 97.2, 97.4; printed 97.46; margin 97.16 to 97.76.")
	assert.GreaterOrEqual(t, len(c.Ticks), 3)

	v.Kind = claims.Order
	c = draw("x", Part{Verdict: v})
	assert.Equal(t, "no difference", c.Marks[0].Label, "a printed value is no difference")
	v.Kind, v.Printed = claims.Trend, "0.9"
	c = draw("x", Part{Verdict: v, Rule: &claims.Rule{Bound: 0.5}})
	require.Len(t, c.Marks, 1)
	assert.Equal(t, "bound 0.5", c.Marks[0].Label)

	v.Interval = &stats.Interval{Low: 97.2, High: 97.2}
	v.Values = []float64{97.2, 97.2, 97.2}
	require.NotNil(t, draw("x", Part{Verdict: v}), "an interval of no width")
	v.Interval = nil
	assert.Nil(t, draw("x", Part{Verdict: v}))
}

func TestTicks(t *testing.T) {
	for _, tc := range [][2]float64{{0, 1}, {-6.5, 7.7}, {0.49, 0.63}, {97.1999, 97.2001}, {-1e9, 3e9}, {1e-9, 2e-9}} {
		got := ticks(tc[0], tc[1])
		assert.GreaterOrEqual(t, len(got), 3, tc)
		assert.LessOrEqual(t, len(got), 8, tc)
		for _, x := range got {
			assert.True(t, tc[0] <= x && x <= tc[1], tc)
		}
	}
}
