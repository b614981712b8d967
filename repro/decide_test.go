package repro

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runs"
	"github.com/gonas/gonas/repro/runs/runstest"
	"github.com/gonas/gonas/repro/verdict"
)

// searched makes a search's result with all sigmoids at the given ends, and so many skips among its 16 edges.
func searched(t *testing.T, label string, seed uint64, low, high float64, skips int) run.Result {
	t.Helper()
	r := runstest.Search(t, label, profile.Quick, seed, runstest.Data())
	runstest.Weigh(&r, run.Sigmoid, low, high, high, low)
	runstest.Derive(&r, skips)
	return r
}

// folder has the runs of the first issue's claims, for so many seeds.
func folder(t *testing.T, seeds uint64) string {
	t.Helper()
	dir := t.TempDir()
	runstest.Evidence(t, dir, profile.Quick, runstest.Data())
	for s := range seeds {
		wobble := 0.01 * float64(s)
		fair := searched(t, "fairdarts", s, 0.02+wobble, 0.97, 1)
		if s == 0 { // where the share is the same in every run, nothing is decided
			fair.Tables[0].Epochs[1].Weights[0] = []float64{0.5, 0.5, 0.5, 0.5}
		}
		for _, r := range []run.Result{
			searched(t, "darts", s, 0.4, 0.6, 5+int(s%2)),
			fair,
			searched(t, "fairdarts-no01", s, 0.3+wobble, 0.7, 3),
			runstest.Train(t, "fairdarts", profile.Quick, s, runstest.Data(), &fair, 0.4+3*wobble),
			runstest.Train(t, runs.Random, profile.Quick, s, runstest.Data(), nil, 0.41),
		} {
			runstest.Write(t, dir, r)
		}
	}
	return dir
}

func byID(list []verdict.Verdict) map[string]verdict.Verdict {
	out := map[string]verdict.Verdict{}
	for _, v := range list {
		out[v.Claim] = v
	}
	return out
}

func TestDecide(t *testing.T) {
	dir := folder(t, 3)
	list, err := Decide(dir, profile.Quick)
	require.NoError(t, err)
	all, err := claims.All()
	require.NoError(t, err)
	require.Len(t, list, len(all))
	got := byID(list)
	for id, want := range map[string]verdict.Status{
		"fd-weights": verdict.Consistent, "fd-x-bimodal": verdict.Consistent, "fd-x-skips": verdict.Consistent,
		"fd-x-random": verdict.Inconclusive, "fd-x-loss-algebra": verdict.Reproduced, "fd-x-parse": verdict.Reproduced,
		"fd-means": verdict.PublishedInconsistently, "fd-cost": verdict.PublishedInconsistently,
		"fd-7runs": verdict.NotRun, "fd-a": verdict.PublishedInconsistently, "fd-g": verdict.NotRun, "fd-coco": verdict.Underspecified, "fd-random": verdict.Underspecified,
	} {
		assert.Equal(t, want, got[id].Status, "%s: %s", id, got[id].Reason)
	}
	assert.Equal(t, verdict.Reproduced, got["fd-7runs"].Parts[1].Status)
	assert.Equal(t, verdict.Reproduced, got["fd-means"].Parts[1].Status)
	for _, part := range got["fd-g"].Parts[1:] {
		assert.Equal(t, verdict.Reproduced, part.Status, part.Part)
	}
	assert.InDelta(t, 4.333333/16, *got["fd-x-skips"].Measured, 1e-6)
	assert.Equal(t, []uint64{0, 1, 2}, got["fd-x-skips"].Seeds)
	assert.Equal(t, "low", got["fd-random"].Confidence)
	for _, v := range list {
		assert.NotEmpty(t, v.Reason, v.Claim)
		if v.Status == verdict.NotRun {
			assert.NotRegexp(t, "lacks *$", v.Reason, v.Claim)
		}
	}
}

func TestTwoSeedsAreTooFew(t *testing.T) {
	list, err := Decide(folder(t, 2), profile.Quick)
	require.NoError(t, err)
	got := byID(list)
	for _, id := range []string{"fd-weights", "fd-x-bimodal", "fd-x-skips", "fd-x-random"} {
		assert.Equal(t, verdict.Inconclusive, got[id].Status, id)
		assert.Contains(t, got[id].Reason, "2 of the 3 seeds needed", id)
	}
}

func TestAnEmptyFolderStillDecidesArithmetic(t *testing.T) {
	list, err := Decide(t.TempDir(), profile.Smoke)
	require.NoError(t, err)
	got := byID(list)
	assert.Equal(t, verdict.Reproduced, got["fd-x-parse"].Status)
	assert.Equal(t, verdict.NotRun, got["fd-x-skips"].Status)
	assert.Contains(t, got["fd-x-skips"].Reason, "darts and fairdarts")
	_, err = Decide(filepath.Join(t.TempDir(), "none"), profile.Smoke)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestVerify(t *testing.T) {
	dir := folder(t, 3)
	_, err := Verify(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	want, err := Decide(dir, profile.Quick)
	require.NoError(t, err)
	before, err := os.ReadFile(filepath.Join(dir, evidence.VerdictsFile))
	require.NoError(t, err)
	got, err := Verify(dir)
	require.NoError(t, err)
	assert.True(t, got.Sound(), got.Problems())
	assert.Empty(t, got.Problems())
	assert.Equal(t, want, got.Verdicts)

	// A log changed afterwards shows, and so does the verdict that followed from it.
	require.NoError(t, evidence.WriteResult(runs.Dir(dir, run.Search, "darts", 1), searched(t, "darts", 1, 0.4, 0.6, 0)))
	got, err = Verify(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"fd-x-skips"}, got.Differ)
	assert.Contains(t, got.Edited, "search/darts-seed1/result.json")
	assert.Contains(t, got.Problems(), "the raw logs give another verdict than recorded: fd-x-skips")
	assert.Equal(t, verdict.Inconclusive, byID(got.Verdicts)["fd-x-skips"].Status)
	after, err := os.ReadFile(filepath.Join(dir, evidence.VerdictsFile))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "verify writes nothing")
}

// Each kind of tampering is found and named.
func TestVerifyFindsTampering(t *testing.T) {
	decided := folder(t, 3)
	_, err := Decide(decided, profile.Quick)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		tamper  func(t *testing.T, dir string, recorded *evidence.Verdicts)
		problem string
	}{
		"a number in a verdict": {func(t *testing.T, _ string, r *evidence.Verdicts) {
			for i := range r.Verdicts {
				if r.Verdicts[i].Claim == "fd-weights" {
					*r.Verdicts[i].Measured += 1e-9
				}
			}
		}, "the raw logs give another verdict than recorded: fd-weights"},
		"a status": {func(t *testing.T, _ string, r *evidence.Verdicts) {
			for i := range r.Verdicts {
				if r.Verdicts[i].Claim == "fd-coco" {
					r.Verdicts[i].Status = verdict.Reproduced
				}
			}
		}, "the raw logs give another verdict than recorded: fd-coco"},
		"a claim that is not": {func(_ *testing.T, _ string, r *evidence.Verdicts) {
			r.Verdicts = append(r.Verdicts, verdict.Verdict{Claim: "fd-none"})
		}, "the raw logs give another verdict than recorded: fd-none"},
		"a missing file": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			require.NoError(t, os.Remove(filepath.Join(runs.Dir(dir, run.Search, "fairdarts", 0), evidence.TablesFile)))
		}, "missing file: search/fairdarts-seed0/tables.csv"},
		"a missing run": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			require.NoError(t, os.RemoveAll(runs.Dir(dir, run.Train, "random", 2)))
		}, "missing file: train/random-seed2/result.json"},
		"an edited log": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			path := filepath.Join(runs.Dir(dir, run.Search, "darts", 2), evidence.MetricsFile)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, append(data, '\n'), 0o644))
		}, "edited file: search/darts-seed2/metrics.csv"},
		"a run more": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			runstest.Write(t, dir, searched(t, "darts", 7, 0.4, 0.6, 5))
		}, "file that was not there: search/darts-seed7/result.json"},
		"another configuration": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			c, err := evidence.ReadConfig(runs.Dir(dir, run.Search, "darts", 2))
			require.NoError(t, err)
			c.Note = "another"
			require.NoError(t, evidence.WriteConfig(runs.Dir(dir, run.Search, "darts", 2), c))
		}, "edited file: search/darts-seed2/config.json"},
		"another record": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			r, err := evidence.ReadRun(dir)
			require.NoError(t, err)
			r.Device = "another"
			require.NoError(t, evidence.WriteRun(dir, r))
		}, "edited file: run.json"},
		"a claim's record": {func(_ *testing.T, _ string, r *evidence.Verdicts) {
			r.Claims["fd-x-skips"] = strings.Repeat("0", 64)
		}, "stale: the claim's record changed since: fd-x-skips"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(decided)))
			recorded, err := evidence.ReadVerdicts(dir)
			require.NoError(t, err)
			tc.tamper(t, dir, &recorded)
			require.NoError(t, evidence.WriteVerdicts(dir, recorded))
			got, err := Verify(dir)
			require.NoError(t, err)
			assert.False(t, got.Sound())
			assert.Contains(t, got.Problems(), tc.problem)
			if len(got.Stale) > 0 {
				assert.Equal(t, verdict.Stale, byID(got.Verdicts)[got.Stale[0]].Status)
			}
		})
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(decided)))
	recorded, err := evidence.ReadVerdicts(dir)
	require.NoError(t, err)
	recorded.Profile = profile.Paper
	require.NoError(t, evidence.WriteVerdicts(dir, recorded))
	got, err := Verify(dir)
	require.NoError(t, err)
	assert.Len(t, got.Strangers, 15, "runs of a reduced profile must not be judged as the paper's")
	assert.Equal(t, verdict.NotRun, byID(got.Verdicts)["fd-weights"].Status)

	// A log that cannot be read is named as edited, beside what is wrong with it.
	dir = t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(decided)))
	require.NoError(t, os.WriteFile(filepath.Join(runs.Dir(dir, run.Search, "darts", 1), evidence.ResultFile), []byte("{"), 0o644))
	_, err = Verify(dir)
	assert.ErrorContains(t, err, "edited file: search/darts-seed1/result.json; ")
}

// TestStrangersAreNamed: a run of another configuration in the place of one that a claim needs is no evidence for it, and
// a folder that holds one is not sound, whoever decided from it.
func TestStrangersAreNamed(t *testing.T) {
	dir := folder(t, 3)
	m, c, config, err := runs.Search("darts", profile.Quick, 1, runstest.Data())
	require.NoError(t, err)
	c.Shared().Epochs = 3
	stranger := searched(t, "darts", 1, 0.4, 0.6, 16)
	stranger.Spec, _, err = m.Spec(c, config.Variant, runstest.Data())
	require.NoError(t, err)
	runstest.Write(t, dir, stranger)
	list, err := Decide(dir, profile.Quick)
	require.NoError(t, err)
	v := byID(list)["fd-x-skips"]
	assert.Equal(t, []uint64{0, 2}, v.Seeds)
	assert.Equal(t, verdict.Inconclusive, v.Status)
	found, err := Verify(dir)
	require.NoError(t, err)
	assert.False(t, found.Sound())
	assert.Equal(t, []string{`another run than its place asks for, left out: search/darts-seed1: config.epochs (3, not 10), config.profile ("custom", not "quick"), profile ("custom", not "quick")`}, found.Problems())
}

// The verdicts in the repository follow from the raw logs beside them. A claim's record may have changed since.
func TestStoredEvidence(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("evidence", "*", evidence.VerdictsFile))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			v, err := Verify(filepath.Dir(file))
			require.NoError(t, err)
			require.NotEmpty(t, v.Verdicts)
			v.Stale = nil
			assert.Empty(t, v.Problems())
		})
	}
}

func TestTable(t *testing.T) {
	list, err := Decide(folder(t, 3), profile.Quick)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, Table(&b, list))
	text := b.String()
	for i, line := range strings.Split(text, "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), Width, "line %d: %s", i+1, line)
	}
	for _, v := range list {
		assert.Contains(t, text, v.Claim)
	}
	assert.Contains(t, text, "difference 0.2708 [0.1812,")
	assert.Contains(t, text, "about 0.93-0.95 or about")
	assert.Contains(t, text, "457.85 M")
	assert.Contains(t, text, "457.857 M")
	assert.Contains(t, text, "at profile quick")
	t.Log("\n" + text)
}

func TestJSON(t *testing.T) {
	list, err := Decide(folder(t, 3), profile.Quick)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, JSON(&b, list))
	var got []verdict.Verdict
	require.NoError(t, json.Unmarshal(b.Bytes(), &got))
	assert.Equal(t, list, got)
}

func TestWrap(t *testing.T) {
	assert.Equal(t, []string{"a bc", "def"}, wrap("a bc def", 4))
	assert.Equal(t, []string{"a", "bcde", "fg h"}, wrap("a bcdefg h", 4))
	assert.Empty(t, wrap("  ", 4))
}
