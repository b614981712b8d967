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
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
	"github.com/gonas/gonas/repro/runfolder"
	"github.com/gonas/gonas/repro/runs"
	"github.com/gonas/gonas/repro/runs/runstest"
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

// maker makes a runner of the profile smoke on the embedded images.
func maker(t *testing.T) func(dir string, ids ...string) *Runner {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	data, err := datasets.Open(datasets.EmbeddedName, "")
	require.NoError(t, err)
	e := engine.New(b.Backend)
	return func(dir string, ids ...string) *Runner {
		return &Runner{Engine: e, Data: images(data), Record: recorder(b, profile.Smoke), Profile: profile.Smoke, Seeds: 1, Dir: dir, Claims: named(t, ids...)}
	}
}

// images are a data set by its kind.
func images(set *datasets.Set) map[datasets.Kind]*datasets.Set {
	return map[datasets.Kind]*datasets.Set{datasets.KindImages: set}
}

// recorder says what runs are on.
func recorder(b *backend.Backend, name string) func(datasets.Identity, []datasets.FileSum, ...uint64) evidence.Run {
	return func(on datasets.Identity, files []datasets.FileSum, seeds ...uint64) evidence.Run {
		record := runfolder.Describe(b, name, 0, on, files)
		record.Seeds = seeds
		return record
	}
}

// A run serves every claim that needs it, and nothing is run that no claim needs.
func TestJobsFollowTheClaims(t *testing.T) {
	r := &Runner{Profile: profile.Quick, Seeds: 1, Dir: t.TempDir()}
	jobs, err := r.Jobs()
	require.NoError(t, err)
	assert.Contains(t, labels(jobs), "search fairdarts-no01")
	for _, j := range jobs {
		assert.NotEmpty(t, j.Claims)
		assert.Positive(t, j.Expected, j.Kind+" "+j.Label)
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
	r.Profile, r.Claims = profile.Paper, named(t, "fd-a")
	jobs, err = r.Jobs()
	require.NoError(t, err)
	assert.Equal(t, []string{"train fairdarts-a"}, labels(jobs))
	odd := named(t, "fd-x-skips")
	measure := *odd[0].Measure
	measure.Of = "dorts"
	odd[0].Measure = &measure
	r.Profile, r.Claims = profile.Quick, odd
	_, err = r.Jobs()
	assert.ErrorContains(t, err, `no search is called "dorts"`)
}

// A runner that is stopped goes on with what is not finished, and finished runs stay as they are.
func TestRunResumes(t *testing.T) {
	dir := t.TempDir()
	r := maker(t)(dir, "fd-x-skips")
	ctx, cancel := context.WithCancel(context.Background())
	var started []string
	r.Started = func(n, total int, job Job) run.Listener {
		started = append(started, job.Label)
		assert.Equal(t, 2, total)
		if job.Label == "fairdarts" {
			return func(e run.Event) {
				if e.Kind == run.EventCheckpoint {
					cancel()
				}
			}
		}
		return nil
	}
	require.ErrorIs(t, r.Run(ctx), run.ErrInterrupted)
	first := filepath.Join(runs.Dir(dir, run.Search, "darts", 0), evidence.ResultFile)
	before, err := os.Stat(first)
	require.NoError(t, err)
	jobs, err := r.Jobs()
	require.NoError(t, err)
	assert.Equal(t, []bool{true, false}, []bool{jobs[0].Done, jobs[1].Done})
	require.NoError(t, r.Run(context.Background()))
	after, err := os.Stat(first)
	require.NoError(t, err)
	assert.Equal(t, before.ModTime(), after.ModTime(), "a finished run is not done again")
	assert.Equal(t, []string{"darts", "fairdarts", "fairdarts"}, started)
}

// TestRunFolders: each run's folder says what it is, on what it ran and what happened, and so does the evidence folder.
func TestRunFolders(t *testing.T) {
	dir := t.TempDir()
	makes := maker(t)
	r := makes(dir, "fd-x-random")
	identity, err := r.Data[datasets.KindImages].Identity()
	require.NoError(t, err)
	require.NoError(t, r.Run(t.Context()))
	jobs, err := makes(dir, "fd-x-random").Jobs()
	require.NoError(t, err)
	assert.Equal(t, []string{"search fairdarts", "train fairdarts", "train random"}, labels(jobs))
	for _, job := range jobs {
		assert.True(t, job.Done)
		var names []string
		entries, err := os.ReadDir(job.dir)
		require.NoError(t, err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		assert.Subset(t, names, []string{evidence.ConfigFile, evidence.RunFile, evidence.EventsFile, evidence.MetricsFile, evidence.ResultFile, run.CheckpointFile})
		record, err := evidence.ReadRun(job.dir)
		require.NoError(t, err)
		assert.Equal(t, identity, record.Set)
		assert.Equal(t, []uint64{0}, record.Seeds)
		assert.NotZero(t, record.End)
		c, err := evidence.ReadConfig(job.dir)
		require.NoError(t, err)
		assert.Equal(t, job.Label, c.Label())
		assert.NotEmpty(t, c.Note)
	}
	record, err := evidence.ReadRun(dir)
	require.NoError(t, err)
	assert.Equal(t, identity, record.Set)
	assert.NotZero(t, record.End)
	// Who only asks what is done needs no data: the folder says on which its runs are.
	asking := Runner{Profile: profile.Smoke, Seeds: 1, Dir: dir, Claims: r.Claims}
	jobs, err = asking.Jobs()
	require.NoError(t, err)
	assert.Equal(t, []bool{true, true, true}, []bool{jobs[0].Done, jobs[1].Done, jobs[2].Done})
	found, err := extract.Load(dir, profile.Smoke)
	require.NoError(t, err)
	assert.Empty(t, found.Strangers)
	// What was found is what is trained; where that is no network, another is, and it says so.
	search, trained := found.Search["fairdarts"][0], found.Train["fairdarts"][0]
	assert.Equal(t, search.Network == nil, trained.Spec.Instead != "")
	if search.Network != nil {
		assert.Equal(t, search.Network.Cells.Genotype, trained.Network.Cells.Genotype)
	}
}

// TestNothingFoundIsTrainedAsTold: of cells that keep nothing the two strongest edges a node are trained, and the run says so.
func TestNothingFoundIsTrainedAsTold(t *testing.T) {
	dir := t.TempDir()
	makes := maker(t)
	r := makes(dir, "fd-x-random")
	identity, err := r.Data[datasets.KindImages].Identity()
	require.NoError(t, err)
	runstest.Evidence(t, dir, profile.Smoke, identity)
	search := runstest.Search(t, "fairdarts", profile.Smoke, 0, identity)
	runstest.Weigh(&search, run.Sigmoid, 0.1, 0.1, 0.2, 0.3)
	search.Genotype = &arch.Genotype{}
	runstest.Write(t, dir, search)
	require.NoError(t, r.Run(t.Context()))
	trained, err := evidence.ReadResult(runs.Dir(dir, run.Train, "fairdarts", 0))
	require.NoError(t, err)
	assert.Contains(t, trained.Spec.Instead, "nothing was kept")
	assert.Equal(t, "fairdarts", trained.Spec.Label())
	c, err := evidence.ReadConfig(runs.Dir(dir, run.Train, "fairdarts", 0))
	require.NoError(t, err)
	assert.Equal(t, trained.Spec.Instead, c.Instead)
}

// TestAnotherRunIsLeftAlone: a result is not taken for done because it lies there, nor is it overwritten; nothing starts.
func TestAnotherRunIsLeftAlone(t *testing.T) {
	makes := maker(t)
	identity, err := makes("").Data[datasets.KindImages].Identity()
	require.NoError(t, err)
	other := identity
	other.SHA256 = "0"
	longer := func(t *testing.T) run.Result {
		m, c, _, err := runs.Search("fairdarts", profile.Smoke, 0, identity)
		require.NoError(t, err)
		c.Shared().Epochs = 7
		spec, _, err := m.Spec(c, "", identity)
		require.NoError(t, err)
		return run.Result{Spec: spec}
	}
	for name, tc := range map[string]struct {
		claim string
		lay   func(t *testing.T, dir string)
		want  []string
	}{
		"another configuration": {"fd-x-skips", func(t *testing.T, dir string) { runstest.Write(t, dir, longer(t)) },
			[]string{"fairdarts-seed0 holds another run; what differs, its value first: config.epochs (7, not 3)", "move what is there away, or choose another folder with --out"}},
		"another that was cut short": {"fd-x-skips", func(t *testing.T, dir string) {
			require.NoError(t, evidence.WriteConfig(runs.Dir(dir, run.Search, "fairdarts", 0), evidence.Config{Spec: longer(t).Spec}))
		}, []string{"fairdarts-seed0 holds another run; what differs, its value first: config.epochs (7, not 3)"}},
		"without a configuration": {"fd-x-skips", func(t *testing.T, dir string) {
			require.NoError(t, evidence.WriteResult(runs.Dir(dir, run.Search, "fairdarts", 0), runstest.Search(t, "fairdarts", profile.Smoke, 0, identity)))
		}, []string{"fairdarts-seed0 holds another run; what differs, its value first: there is no config.json"}},
		"a training of another search's": {"fd-x-random", func(t *testing.T, dir string) {
			r := runstest.Search(t, "fairdarts", profile.Smoke, 0, identity)
			runstest.Derive(&r, 3)
			runstest.Write(t, dir, runstest.Train(t, "fairdarts", profile.Smoke, 0, identity, &r, 0.5))
			runstest.Derive(&r, 4)
			runstest.Write(t, dir, r)
		}, []string{filepath.Join("train", "fairdarts-seed0") + " holds another run; what differs, its value first: network.cells.genotype.normal.edges"}},
		"runs on other data": {"fd-x-skips", func(t *testing.T, dir string) { runstest.Evidence(t, dir, profile.Smoke, other) },
			[]string{"run.json: data_set: the runs there are on embedded (4000 training and 1000 test samples), SHA-256 0, now there are embedded", "move it away, or choose another folder with --out"}},
		"runs of another profile": {"fd-x-skips", func(t *testing.T, dir string) { runstest.Evidence(t, dir, profile.Quick, identity) },
			[]string{"run.json: profile: the runs there are of quick, now smoke is asked for"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tc.lay(t, dir)
			r := makes(dir, tc.claim)
			r.Started = func(int, int, Job) run.Listener {
				t.Error("a run started")
				return nil
			}
			err := r.Run(t.Context())
			require.Error(t, err)
			for _, want := range tc.want {
				assert.ErrorContains(t, err, want)
			}
			assert.ErrorContains(t, err, dir)
		})
	}
}

// Runs side by side give the files of runs one after another, also where they are stopped and go on.
func TestParallel(t *testing.T) {
	makes := maker(t)
	made := func(dir string, parallel int) *Runner {
		r := makes(dir, "fd-x-skips")
		r.Parallel = parallel
		return r
	}
	results := func(dir string) (out []string) {
		for _, label := range []string{"darts", "fairdarts"} {
			text, err := os.ReadFile(filepath.Join(runs.Dir(dir, run.Search, label, 0), evidence.ResultFile))
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
		r.Started = func(int, int, Job) run.Listener {
			return func(e run.Event) {
				if e.Kind != run.EventStart {
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
		r.Started = func(int, int, Job) run.Listener {
			return func(e run.Event) {
				if e.Kind == run.EventCheckpoint {
					cancel()
				}
			}
		}
		require.ErrorIs(t, r.Run(ctx), run.ErrInterrupted)
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
				spoiled, err := spoil(runs.Dir(dir, run.Search, "darts", 0))
				require.NoError(t, err)
				err = made(dir, parallel).Run(t.Context())
				assert.ErrorContains(t, err, spoiled)
				assert.NotErrorIs(t, err, run.ErrInterrupted)
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
	data, err := datasets.Open(datasets.CIFAR10Name, folder)
	require.NoError(t, err)
	require.Equal(t, 50000, data.Train.Len())
	identity, err := data.Identity()
	require.NoError(t, err)
	require.False(t, identity.Published)
	for _, tc := range []struct {
		profile, granularity, claim, label string
	}{
		{profile.Paper, "", "fd-x-skips", "fairdarts"},
		{profile.Paper, "", "fd-a", "fairdarts-a"},
		{profile.GPU, "edge", "fd-x-skips", "fairdarts"}, // a program of the whole network compiles for minutes on a CPU
		{profile.Day, "", "fd-x-skips", "fairdarts"},
	} {
		t.Run(tc.profile+" "+tc.label, func(t *testing.T) {
			r := &Runner{Engine: engine.New(b.Backend), Data: images(data), Record: recorder(b, tc.profile), Profile: tc.profile, Seeds: 1, Granularity: tc.granularity, Dir: t.TempDir(), Claims: named(t, tc.claim)}
			jobs, err := r.Jobs()
			require.NoError(t, err)
			for _, job := range jobs {
				if job.Label != tc.label {
					continue
				}
				ctx, cancel := context.WithCancel(context.Background())
				steps := 0
				r.Started = func(int, int, Job) run.Listener {
					return func(e run.Event) {
						if e.Kind == run.EventStep {
							steps++
							cancel()
						}
					}
				}
				require.ErrorIs(t, r.one(ctx, 1, 1, job, identity), run.ErrInterrupted)
				assert.Equal(t, 1, steps)
				c, err := evidence.ReadConfig(job.dir)
				require.NoError(t, err)
				if tc.profile == profile.Paper { // random images are not what was published
					assert.Equal(t, profile.Custom, c.Profile)
					assert.Contains(t, c.Note, "not the published protocol, which takes the whole of CIFAR-10: on cifar10 (50000 training and 10000 test samples)")
				} else {
					assert.Equal(t, tc.profile, c.Profile)
				}
				if tc.granularity != "" {
					assert.Contains(t, string(c.Spec.Config), fmt.Sprintf("%q: %q", "granularity", tc.granularity))
				}
				return
			}
			t.Fatalf("no run of %s in %v", tc.label, labels(jobs))
		})
	}
}
