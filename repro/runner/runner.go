// Package runner makes the runs that claims are decided from: searches, and trainings of what they derived beside
// random architectures. Each run has a folder of its own and is done once; a runner that was killed goes on where it
// was. What the runs mean is decided elsewhere, from the folders alone.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
	"github.com/gonas/gonas/repro/runfolder"
	"github.com/gonas/gonas/repro/runs"
)

// Job is one run.
type Job struct {
	// Kind is search or train.
	Kind  string `json:"kind"`
	Label string `json:"label"`
	Seed  uint64 `json:"seed"`
	// Done is true where the evidence folder has the result of this very run already.
	Done bool `json:"done"`
	// Stranger names what is different in another run that lies in its folder; the runner leaves it there and refuses.
	Stranger []string `json:"stranger,omitempty"`
	// Claims are those that need the run.
	Claims []string `json:"claims"`
	// Expected is about how long it takes on two cores, in seconds; 0 where it was not measured.
	Expected float64 `json:"expected_s"`

	dir string
}

// Runner runs the jobs of a profile.
type Runner struct {
	Engine *engine.Engine
	// Data are what the runs are on: the sets of [Runner.Kinds]. [Runner.Jobs] takes those that the evidence folder names
	// where it is nil.
	Data map[datasets.Kind]*datasets.Set
	// Record makes what run.json says at the start of runs of some seeds on a data set and its files, as
	// [runfolder.Describe] does.
	Record  func(on datasets.Identity, files []datasets.FileSum, seeds ...uint64) evidence.Run
	Profile string
	// Seeds is the number of paired seeds, from 0.
	Seeds int
	// Granularity, where it is not empty, takes the place of the searches' own: a profile for a GPU compiles the network
	// as one program, which takes minutes on a CPU.
	Granularity string
	// Parallel is how many runs of a kind go on at once on the engine, 0 for one: a GPU waits for the processor in small
	// networks. It changes no result on a processor.
	Parallel int
	// Dir is the evidence folder.
	Dir string
	// Claims are those to be decided: only the runs that they need are made, one run serving many. Nil takes all.
	Claims []claims.Claim
	// Started is called before each job that is not done, with its number from 1 of total; the listener it returns
	// (nil for none) hears the job's events. With Parallel its calls do not overlap, but those of the listeners do.
	Started func(n, total int, job Job) run.Listener

	starting sync.Mutex
}

// need is a run that a claim is decided by.
type need struct{ kind, label string }

// needs are the runs that the claims are decided by at the profile, with the ids of the claims.
func (r *Runner) needs() (map[need][]string, error) {
	list := r.Claims
	if list == nil {
		var err error
		if list, err = claims.All(); err != nil {
			return nil, err
		}
	}
	out := map[need][]string{}
	add := func(n need, id string) {
		if !slices.Contains(out[n], id) {
			out[n] = append(out[n], id)
		}
	}
	for _, c := range list {
		for _, part := range c.Assertions() {
			if _, ok := part.Rule(r.Profile); !ok {
				continue
			}
			for _, side := range part.Measure.Sides() {
				kind := extract.RunKind(side.Quantity)
				add(need{kind, side.Label}, c.ID)
				if kind == run.Train && runs.IsSearch(side.Label) {
					add(need{run.Search, side.Label}, c.ID)
				}
			}
		}
	}
	return out, nil
}

// searches are the labels of all searches, methods in the order of the registry.
func searches() []string {
	var out []string
	for _, m := range nas.Methods() {
		out = append(out, m.Name)
		for _, v := range m.Variants {
			out = append(out, m.Label(v.Label))
		}
	}
	return out
}

// Jobs lists what the runner will do, in order: all searches, then the trainings.
func (r *Runner) Jobs() ([]Job, error) {
	data, err := r.data()
	if err != nil {
		return nil, err
	}
	return r.jobs(data)
}

// Kinds are the kinds of data that the runs need.
func (r *Runner) Kinds() ([]datasets.Kind, error) {
	needs, err := r.needs()
	if err != nil {
		return nil, err
	}
	kinds := map[datasets.Kind]bool{}
	for n := range needs {
		kinds[runs.Kind(n.label)] = true
	}
	return slices.Sorted(maps.Keys(kinds)), nil
}

// data says what the runs are on; a kind that is not known yet is nameless.
func (r *Runner) data() (record evidence.Run, err error) {
	if r.Data == nil {
		record, err = evidence.ReadRun(r.Dir)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return record, err
	}
	kinds, err := r.Kinds()
	if err != nil {
		return record, err
	}
	for _, kind := range kinds {
		set := r.Data[kind]
		if set == nil {
			return record, fmt.Errorf("the runs need a data set of %s, and none was given", kind)
		}
		id, err := set.Identity()
		if err != nil {
			return record, err
		}
		record.SetOn(kind, id)
	}
	return record, nil
}

func (r *Runner) jobs(data evidence.Run) ([]Job, error) {
	needs, err := r.needs()
	if err != nil {
		return nil, err
	}
	wanted := map[string][]string{run.Search: searches()}
	for n := range needs {
		switch {
		case n.kind == run.Train:
			wanted[run.Train] = append(wanted[run.Train], n.label)
		case !runs.IsSearch(n.label):
			return nil, fmt.Errorf("claims %v: no search is called %q", needs[n], n.label)
		}
	}
	slices.Sort(wanted[run.Train])
	var jobs []Job
	for _, kind := range []string{run.Search, run.Train} {
		for seed := range uint64(r.Seeds) {
			for _, label := range wanted[kind] {
				ids, ok := needs[need{kind, label}]
				if !ok {
					continue
				}
				job := Job{Kind: kind, Label: label, Seed: seed, Claims: ids, Expected: runs.Seconds(kind, label, r.Profile), dir: runs.Dir(r.Dir, kind, label, seed)}
				if on := data.On(runs.Kind(label)); on.Name != "" {
					if err := r.look(&job, on); err != nil {
						return nil, err
					}
				}
				jobs = append(jobs, job)
			}
		}
	}
	return jobs, nil
}

// found is what the search of a label and seed has found.
func (r *Runner) found(job Job) func() (run.Result, error) {
	return func() (run.Result, error) {
		return evidence.ReadResult(runs.Dir(r.Dir, run.Search, job.Label, job.Seed))
	}
}

// look finds out whether a job is done, or whether another run lies in its folder. Of a training whose search has not
// finished yet, or which is not there and whose data are not either, neither can be known.
func (r *Runner) look(job *Job, data datasets.Identity) error {
	result, err := evidence.ReadResult(job.dir)
	finished := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	classes := 0
	switch {
	case r.Data != nil:
		classes = r.on(*job).Train.Classes()
	case result.Spec.Network != nil:
		classes = result.Spec.Network.Classes
	}
	if job.Kind == run.Train && classes == 0 {
		return nil
	}
	want, err := runs.Want(job.Kind, job.Label, r.Profile, job.Seed, data, classes, r.found(*job))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if finished {
		job.Stranger, err = runs.Stranger(job.dir, result, want)
		job.Done = err == nil && job.Stranger == nil
		return err
	}
	begun, err := evidence.ReadConfig(job.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		job.Stranger, err = begun.Spec.Differences(want)
	}
	return err
}

// strangers is an error that names the jobs in whose folders another run lies.
func strangers(jobs ...Job) error {
	var lines []string
	for _, job := range jobs {
		if len(job.Stranger) > 0 {
			lines = append(lines, fmt.Sprintf("%s holds another run; what differs, its value first: %s", job.dir, run.Differing(job.Stranger)))
		}
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("%s: move what is there away, or choose another folder with --out", strings.Join(lines, "\n"))
}

// Run does the jobs that are not done, and says in the evidence folder's run.json on what. Where another run lies in the
// place of one of them it refuses before anything starts.
func (r *Runner) Run(ctx context.Context) error {
	data, err := r.data()
	if err != nil {
		return err
	}
	jobs, err := r.jobs(data)
	if err != nil {
		return err
	}
	if err := strangers(jobs...); err != nil {
		return err
	}
	if !slices.ContainsFunc(jobs, func(j Job) bool { return !j.Done }) {
		return nil
	}
	if err := r.same(data); err != nil {
		return err
	}
	folder := runfolder.Folder{Dir: r.Dir}
	var seeds []uint64
	for seed := range uint64(r.Seeds) {
		seeds = append(seeds, seed)
	}
	var files []datasets.FileSum
	for _, kind := range slices.Sorted(maps.Keys(r.Data)) {
		files = append(files, r.Data[kind].Files()...)
	}
	made := r.Record(data.Set, files, seeds...)
	made.Sound = data.Sound
	record, err := folder.Begin(made)
	if err != nil {
		return err
	}
	// What a training trains, a search has found before.
	for _, kind := range []string{run.Search, run.Train} {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(max(r.Parallel, 1))
		for i, job := range jobs {
			if job.Done || job.Kind != kind {
				continue
			}
			g.Go(func() error {
				// After an error or an interrupt no further run begins.
				if ctx.Err() != nil {
					return run.ErrInterrupted
				}
				if err := r.one(ctx, i+1, len(jobs), job, data.On(runs.Kind(job.Label))); err != nil {
					return fmt.Errorf("%s %s, seed %d: %w", job.Kind, job.Label, job.Seed, err)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return folder.Finish(record)
}

// same refuses an evidence folder of another profile or on other data: its runs would be strangers there.
func (r *Runner) same(data evidence.Run) error {
	was, err := evidence.ReadRun(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	const do = "move it away, or choose another folder with --out"
	switch at := filepath.Join(r.Dir, evidence.RunFile); {
	case err != nil:
		return err
	case was.Profile != r.Profile:
		return fmt.Errorf("%s: profile: the runs there are of %s, now %s is asked for: %s", at, was.Profile, r.Profile, do)
	}
	for kind := range r.Data {
		if was, now := was.On(kind), data.On(kind); was.Name != "" && now.Name != "" && was != now {
			return fmt.Errorf("%s: data_set: the runs there are on %s, SHA-256 %.12s, now there are %s, SHA-256 %.12s: %s",
				filepath.Join(r.Dir, evidence.RunFile), was, was.SHA256, now, now.SHA256, do)
		}
	}
	return nil
}

// on is what a job's run is on.
func (r *Runner) on(job Job) *datasets.Set { return r.Data[runs.Kind(job.Label)] }

// one does a job in its folder.
func (r *Runner) one(ctx context.Context, n, total int, job Job, data datasets.Identity) error {
	if job.Kind == run.Train {
		// Now that its search has ended, it is known what the run is.
		if err := r.look(&job, data); err != nil {
			return err
		}
		if err := strangers(job); err != nil || job.Done {
			return err
		}
	}
	config, do, err := r.prepare(job, data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(job.dir, 0o755); err != nil {
		return err
	}
	folder, err := runfolder.Lock(job.dir)
	if err != nil {
		return err
	}
	defer folder.Unlock()
	_, err = folder.Work(config, r.Record(data, r.on(job).Files(), job.Seed), func(o run.Options) (*run.Result, error) {
		if r.Started != nil {
			r.starting.Lock()
			l := r.Started(n, total, job)
			r.starting.Unlock()
			if l != nil {
				o.Listeners = append(o.Listeners, l)
			}
		}
		return do(ctx, o)
	})
	return err
}

// prepare says what a job's run is, and makes the function that does it.
func (r *Runner) prepare(job Job, data datasets.Identity) (evidence.Config, func(context.Context, run.Options) (*run.Result, error), error) {
	if job.Kind == run.Train {
		c, network, config, err := runs.Train(job.Label, r.Profile, job.Seed, data, r.on(job).Train.Classes(), r.found(job))
		return config, func(ctx context.Context, o run.Options) (*run.Result, error) {
			return train.Train(ctx, train.Env{Engine: r.Engine, Data: r.on(job), Spec: config.Spec, Options: o}, network, c)
		}, err
	}
	m, c, config, err := runs.Search(job.Label, r.Profile, job.Seed, data)
	if err == nil && r.Granularity != "" {
		c.Shared().Granularity = r.Granularity
		config.Spec, config.Note, err = m.Spec(c, config.Variant, data)
	}
	return config, func(ctx context.Context, o run.Options) (*run.Result, error) {
		return m.Search(ctx, method.Env{Engine: r.Engine, Train: r.on(job).Train, Spec: config.Spec, Options: o}, c)
	}, err
}
