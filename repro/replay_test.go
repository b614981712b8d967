package repro_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
	"github.com/gonas/gonas/repro/runner"
	"github.com/gonas/gonas/repro/verdict"
)

// TestClaims replays the smoke profile and asserts each claim, a sub-test each with the claim's id. Arithmetic must agree
// or be published inconsistently; of what depends on seeds so small a size says nothing, and what cannot be decided is
// skipped with its reason.
func TestClaims(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	dir := t.TempDir()
	began := time.Now()
	r := &runner.Runner{Engine: engine.New(b.Backend), Data: embedded(t), Profile: profile.Smoke, Seeds: 3, Dir: dir, Record: func(on datasets.Identity, files []datasets.FileSum, seeds ...uint64) evidence.Run {
		record := runfolder.Describe(b, profile.Smoke, 0, on, files)
		record.Seeds = seeds
		return record
	}}
	require.NoError(t, r.Run(context.Background()))
	t.Logf("runs: %.1f s", time.Since(began).Seconds())
	jobs, err := r.Jobs()
	require.NoError(t, err)
	require.NotEmpty(t, jobs)
	for _, j := range jobs {
		assert.True(t, j.Done, "%s %s seed %d", j.Kind, j.Label, j.Seed)
	}
	list, err := repro.Decide(dir, profile.Smoke)
	require.NoError(t, err)
	for _, v := range list {
		t.Run(v.Claim, func(t *testing.T) {
			parts := v.Parts
			if len(parts) == 0 {
				parts = []verdict.Verdict{v}
			}
			decided := 0
			for _, p := range parts {
				name := p.Part
				if name == "" {
					name = "value"
				}
				switch p.Status {
				case verdict.NotRun, verdict.Underspecified:
					t.Logf("%s: %s: %s", name, p.Status, p.Reason)
					continue
				}
				decided++
				if p.Kind == claims.Exact || p.Kind == claims.Golden {
					assert.Contains(t, []verdict.Status{verdict.Reproduced, verdict.PublishedInconsistently}, p.Status, "%s: %s", name, p.Reason)
				} else {
					assert.Contains(t, []verdict.Status{verdict.Inconclusive, verdict.PublishedInconsistently}, p.Status, "%s: %s", name, p.Reason)
				}
			}
			if decided == 0 {
				t.Skipf("%s: %s", v.Status, v.Reason)
			}
		})
	}
	found, err := repro.Verify(dir)
	require.NoError(t, err)
	assert.Empty(t, found.Problems())
}

// embedded are the data sets of the binary, by kind.
func embedded(t *testing.T) map[datasets.Kind]*datasets.Set {
	t.Helper()
	sets := map[datasets.Kind]*datasets.Set{}
	for _, kind := range []datasets.Kind{datasets.KindImages, datasets.KindSpeech, datasets.KindScenes} {
		set, err := datasets.OpenKind(kind, "")
		require.NoError(t, err)
		sets[kind] = set
	}
	return sets
}
