package runner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

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

// Runs side by side give the files of runs one after another, also where they are stopped and go on.
func TestParallel(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	train, test, err := datasets.Embedded()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	made := func(dir string, parallel int) *Runner {
		return &Runner{Engine: e, Train: train, Test: test, Profile: nas.Smoke, Seeds: 1, Parallel: parallel, Dir: dir, Claims: named(t, "fd-x-skips")}
	}
	results := func(dir string) (out []string) {
		for _, label := range []string{extract.LabelDARTS, extract.LabelFairDARTS} {
			text, err := os.ReadFile(filepath.Join(extract.SearchDir(dir, label, 0), evidence.ResultFile))
			require.NoError(t, err)
			out = append(out, string(text))
		}
		return out
	}
	dir := t.TempDir()
	require.NoError(t, made(dir, 1).Run(t.Context()))
	want := results(dir)

	t.Run("two at once", func(t *testing.T) {
		dir := t.TempDir()
		r := made(dir, 2)
		var here atomic.Int32
		met := make(chan struct{})
		r.Started = func(int, int, Job) search.Listener {
			return func(e search.Event) {
				if e.Kind != search.EventStart {
					return
				}
				if here.Add(1) == 2 {
					close(met)
				}
				// Nobody comes where runs wait for each other.
				select {
				case <-met:
				case <-time.After(time.Minute):
					t.Error("a run started alone")
				}
			}
		}
		require.NoError(t, r.Run(t.Context()))
		assert.EqualValues(t, 2, here.Load())
		assert.Equal(t, want, results(dir))
	})
	t.Run("interrupted", func(t *testing.T) {
		dir := t.TempDir()
		r := made(dir, 2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r.Started = func(int, int, Job) search.Listener {
			return func(e search.Event) {
				if e.Kind == search.EventCheckpoint {
					cancel()
				}
			}
		}
		require.ErrorIs(t, r.Run(ctx), search.ErrInterrupted)
		require.NoError(t, made(dir, 2).Run(t.Context()))
		assert.Equal(t, want, results(dir))
	})
	// What stopped the runs is the error, and not that the others were stopped by it.
	for name, spoil := range map[string]func(folder string) (spoiled string, err error){
		"file for a folder": func(folder string) (string, error) {
			return folder, errors.Join(os.MkdirAll(filepath.Dir(folder), 0o755), os.WriteFile(folder, nil, 0o644))
		},
		"folder for a file": func(folder string) (string, error) {
			log := filepath.Join(folder, evidence.EventsFile)
			return log, os.MkdirAll(log, 0o755)
		},
	} {
		for _, parallel := range []int{1, 2} {
			t.Run(fmt.Sprint(name, " ", parallel), func(t *testing.T) {
				dir := t.TempDir()
				spoiled, err := spoil(extract.SearchDir(dir, extract.LabelDARTS, 0))
				require.NoError(t, err)
				err = made(dir, parallel).Run(t.Context())
				assert.ErrorContains(t, err, spoiled)
				assert.NotErrorIs(t, err, search.ErrInterrupted)
			})
		}
	}
}

// The full profiles start: a step of each kind of run at its full size, on generated images in the official layout.
func TestFullProfilesStart(t *testing.T) {
	if testing.Short() {
		t.Skip("full-size networks")
	}
	b, err := backend.Open()
	require.NoError(t, err)
	folder := t.TempDir()
	random := rand.New(rand.NewPCG(1, 1))
	for name, images := range map[string]int{"data_batch_1.bin": 10000, "data_batch_2.bin": 10000, "data_batch_3.bin": 10000, "data_batch_4.bin": 10000, "data_batch_5.bin": 10000, "test_batch.bin": 10000} {
		data := make([]byte, images*(1+32*32*3))
		for i := range data {
			data[i] = byte(random.Uint32())
			if i%(1+32*32*3) == 0 {
				data[i] %= 10
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
	}
	train, test, err := datasets.Load("cifar10", folder)
	require.NoError(t, err)
	require.Equal(t, 50000, train.N)
	for _, tc := range []struct {
		profile, granularity, claim, label string
	}{
		{nas.Full, "", "fd-x-skips", extract.LabelFairDARTS},
		{nas.Full, "", "fd-a", "fairdarts-a"},
		{nas.GPU, "edge", "fd-x-skips", extract.LabelFairDARTS}, // a program of the whole network compiles for minutes on a CPU
		{nas.Day, "", "fd-x-skips", extract.LabelFairDARTS},
	} {
		t.Run(tc.profile+" "+tc.label, func(t *testing.T) {
			r := &Runner{Engine: engine.New(b.Backend), Train: train, Test: test, Profile: tc.profile, Seeds: 1, Granularity: tc.granularity, Dir: t.TempDir(), Claims: named(t, tc.claim)}
			jobs, err := r.Jobs()
			require.NoError(t, err)
			for _, job := range jobs {
				if job.Label != tc.label {
					continue
				}
				ctx, cancel := context.WithCancel(context.Background())
				steps := 0
				r.Started = func(int, int, Job) search.Listener {
					return func(e search.Event) {
						if e.Kind == search.EventStep {
							steps++
							cancel()
						}
					}
				}
				require.ErrorIs(t, r.one(ctx, 1, 1, job), search.ErrInterrupted)
				assert.Equal(t, 1, steps)
				return
			}
			t.Fatalf("no run of %s in %v", tc.label, labels(jobs))
		})
	}
}
