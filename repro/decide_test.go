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

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
	"github.com/gonas/gonas/repro/verdict"
)

// searched makes a run's result with all sigmoids at the given ends and so many skips.
func searched(method string, seed uint64, low, high float64, skips int) search.Result {
	r := search.Result{Method: method, Profile: "quick", Seed: seed, Primitives: []string{"skip_connect", "sep_conv_3x3"}}
	table := [][]float64{{low, high}, {high, low}}
	r.History = []search.Alphas{{Normal: table, Reduce: table, NormalWeights: table, ReduceWeights: table}}
	for range skips {
		r.Genotype.Normal.Edges = append(r.Genotype.Normal.Edges, arch.Edge{Op: "skip_connect", From: 0, To: 2})
	}
	return r
}

// folder has the runs of the first issue's claims, for so many seeds.
func folder(t *testing.T, seeds uint64) string {
	t.Helper()
	dir := t.TempDir()
	for s := range seeds {
		wobble := 0.01 * float64(s)
		for label, r := range map[string]search.Result{
			extract.LabelDARTS:         searched("darts", s, 0.4, 0.6, 5+int(s%2)),
			extract.LabelFairDARTS:     searched("fairdarts", s, 0.02+wobble, 0.97, 1),
			extract.LabelFairDARTSNo01: searched("fairdarts", s, 0.3+wobble, 0.7, 3),
		} {
			require.NoError(t, evidence.WriteResult(extract.SearchDir(dir, label, s), r))
		}
		for label, accuracy := range map[string]float64{extract.LabelFairDARTS: 0.4 + 3*wobble, extract.LabelRandom: 0.41} {
			require.NoError(t, evidence.WriteTrainResult(extract.TrainDir(dir, label, s), train.TrainResult{Name: label, Seed: s, Profile: "quick", TestAccuracy: accuracy}))
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
	list, err := Decide(dir, claims.Quick)
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
	assert.InDelta(t, 4.333333, *got["fd-x-skips"].Measured, 1e-6)
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
	list, err := Decide(folder(t, 2), claims.Quick)
	require.NoError(t, err)
	got := byID(list)
	for _, id := range []string{"fd-weights", "fd-x-bimodal", "fd-x-skips", "fd-x-random"} {
		assert.Equal(t, verdict.Inconclusive, got[id].Status, id)
		assert.Contains(t, got[id].Reason, "2 of the 3 seeds needed", id)
	}
}

func TestAnEmptyFolderStillDecidesArithmetic(t *testing.T) {
	list, err := Decide(t.TempDir(), claims.Smoke)
	require.NoError(t, err)
	got := byID(list)
	assert.Equal(t, verdict.Reproduced, got["fd-x-parse"].Status)
	assert.Equal(t, verdict.NotRun, got["fd-x-skips"].Status)
	assert.Contains(t, got["fd-x-skips"].Reason, "darts and fairdarts")
	_, err = Decide(filepath.Join(t.TempDir(), "none"), claims.Smoke)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestVerify(t *testing.T) {
	dir := folder(t, 3)
	_, err := Verify(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	want, err := Decide(dir, claims.Quick)
	require.NoError(t, err)
	before, err := os.ReadFile(filepath.Join(dir, evidence.VerdictsFile))
	require.NoError(t, err)
	got, err := Verify(dir)
	require.NoError(t, err)
	assert.True(t, got.Sound(), got.Problems())
	assert.Empty(t, got.Problems())
	assert.Equal(t, want, got.Verdicts)

	// A log changed afterwards shows, and so does the verdict that followed from it.
	require.NoError(t, evidence.WriteResult(extract.SearchDir(dir, extract.LabelDARTS, 1), searched("darts", 1, 0.4, 0.6, 0)))
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
			require.NoError(t, os.Remove(filepath.Join(extract.SearchDir(dir, extract.LabelFairDARTS, 0), evidence.AlphasFile)))
		}, "missing file: search/fairdarts-seed0/alphas.csv"},
		"a missing run": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			require.NoError(t, os.RemoveAll(extract.TrainDir(dir, extract.LabelRandom, 2)))
		}, "missing file: train/random-seed2/result.json"},
		"an edited log": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			path := filepath.Join(extract.SearchDir(dir, extract.LabelDARTS, 2), evidence.MetricsFile)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, append(data, '\n'), 0o644))
		}, "edited file: search/darts-seed2/metrics.csv"},
		"a run more": {func(t *testing.T, dir string, _ *evidence.Verdicts) {
			require.NoError(t, evidence.WriteResult(extract.SearchDir(dir, extract.LabelDARTS, 7), searched("darts", 7, 0.4, 0.6, 5)))
		}, "file that was not there: search/darts-seed7/result.json"},
		"a claim's record": {func(_ *testing.T, _ string, r *evidence.Verdicts) {
			r.Claims["fd-x-skips"] = strings.Repeat("0", 64)
		}, "stale: the claim's record changed since: fd-x-skips"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, 3)
			_, err := Decide(dir, claims.Quick)
			require.NoError(t, err)
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
	dir := folder(t, 3)
	_, err := Decide(dir, claims.Quick)
	require.NoError(t, err)
	recorded, err := evidence.ReadVerdicts(dir)
	require.NoError(t, err)
	recorded.Profile = claims.Paper
	require.NoError(t, evidence.WriteVerdicts(dir, recorded))
	_, err = Verify(dir)
	assert.ErrorContains(t, err, "profile", "runs of a reduced profile must not be judged as the paper's")

	// A log that cannot be read is named as edited, beside what is wrong with it.
	dir = folder(t, 3)
	_, err = Decide(dir, claims.Quick)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(extract.SearchDir(dir, extract.LabelDARTS, 1), evidence.ResultFile), []byte("{"), 0o644))
	_, err = Verify(dir)
	assert.ErrorContains(t, err, "edited file: search/darts-seed1/result.json; ")
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
	list, err := Decide(folder(t, 3), claims.Quick)
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
	assert.Contains(t, text, "difference 4.333 [2.899,")
	assert.Contains(t, text, "about 0.93-0.95 or about")
	assert.Contains(t, text, "457.85 M")
	assert.Contains(t, text, "457.857 M")
	assert.Contains(t, text, "at profile quick")
	t.Log("\n" + text)
}

func TestJSON(t *testing.T) {
	list, err := Decide(folder(t, 3), claims.Quick)
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
