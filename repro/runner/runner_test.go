package runner

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
)

func named(t *testing.T, ids ...string) []claims.Claim {
	t.Helper()
	var out []claims.Claim
	for _, id := range ids {
		c, err := claims.Get(id)
		require.NoError(t, err)
		out = append(out, c)
	}
	return out
}

func labels(jobs []Job) (out []string) {
	for _, j := range jobs {
		out = append(out, j.Kind+" "+j.Label)
	}
	return out
}

// A run serves every claim that needs it, and nothing is run that no claim needs.
func TestJobsFollowTheClaims(t *testing.T) {
	r := &Runner{Profile: nas.Quick, Seeds: 1, Dir: t.TempDir()}
	jobs, err := r.Jobs()
	require.NoError(t, err)
	assert.Contains(t, labels(jobs), "search fairdarts-no01")
	for _, j := range jobs {
		assert.NotEmpty(t, j.Claims)
		assert.Positive(t, j.Expected)
		assert.False(t, j.Done)
	}
	r.Claims = named(t, "fd-x-skips")
	jobs, err = r.Jobs()
	require.NoError(t, err)
	assert.Equal(t, []string{"search darts", "search fairdarts"}, labels(jobs))
	r.Claims = named(t, "fd-x-skips", "fd-x-bimodal")
	jobs, err = r.Jobs()
	require.NoError(t, err)
	assert.Equal(t, []string{"search darts", "search fairdarts", "search fairdarts-no01"}, labels(jobs))
	assert.Equal(t, []string{"fd-x-skips", "fd-x-bimodal"}, jobs[1].Claims)
	r.Claims = named(t, "fd-coco", "fd-x-parse")
	jobs, err = r.Jobs()
	require.NoError(t, err)
	assert.Empty(t, jobs)
	// The published protocol trains the published networks too.
	r.Profile, r.Claims = nas.Full, named(t, "fd-a")
	jobs, err = r.Jobs()
	require.NoError(t, err)
	assert.Equal(t, []string{"train fairdarts-a"}, labels(jobs))
	odd := named(t, "fd-x-skips")
	measure := *odd[0].Measure
	measure.Of = "dorts"
	odd[0].Measure = &measure
	r.Profile, r.Claims = nas.Quick, odd
	_, err = r.Jobs()
	assert.ErrorContains(t, err, `no search is called "dorts"`)
}

// A runner that is stopped goes on with what is not finished, and finished runs stay as they are.
func TestRunResumes(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	train, test, err := datasets.Embedded()
	require.NoError(t, err)
	dir := t.TempDir()
	r := &Runner{Engine: engine.New(b.Backend), Train: train, Test: test, Profile: nas.Smoke, Seeds: 1, Dir: dir, Claims: named(t, "fd-x-skips")}
	ctx, cancel := context.WithCancel(context.Background())
	var started []string
	r.Started = func(n, total int, job Job) search.Listener {
		started = append(started, job.Label)
		assert.Equal(t, 2, total)
		if job.Label == extract.LabelFairDARTS {
			return func(e search.Event) {
				if e.Kind == search.EventCheckpoint {
					cancel()
				}
			}
		}
		return nil
	}
	require.ErrorIs(t, r.Run(ctx), search.ErrInterrupted)
	first := filepath.Join(extract.SearchDir(dir, extract.LabelDARTS, 0), evidence.ResultFile)
	before, err := os.Stat(first)
	require.NoError(t, err)
	jobs, err := r.Jobs()
	require.NoError(t, err)
	assert.Equal(t, []bool{true, false}, []bool{jobs[0].Done, jobs[1].Done})
	require.NoError(t, r.Run(context.Background()))
	after, err := os.Stat(first)
	require.NoError(t, err)
	assert.Equal(t, before.ModTime(), after.ModTime(), "a finished run is not done again")
	assert.Equal(t, []string{extract.LabelDARTS, extract.LabelFairDARTS, extract.LabelFairDARTS}, started)
}
