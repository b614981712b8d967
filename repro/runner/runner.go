// Package runner makes the runs that claims are decided from: searches, and trainings of what they derived beside
// random architectures. Each run has a folder of its own and is done once; a runner that was killed goes on where it
// was. What the runs mean is decided elsewhere, from the folders alone.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
)

// Job is one run.
type Job struct {
	// Kind is search or train.
	Kind  string `json:"kind"`
	Label string `json:"label"`
	Seed  uint64 `json:"seed"`
	// Done is true where the evidence folder has its result already.
	Done bool `json:"done"`
	// Claims are those that need the run.
	Claims []string `json:"claims"`
	// Expected is about how long it takes on two cores, in seconds; 0 where it was not measured.
	Expected float64 `json:"expected_s"`

	dir string
	run func(ctx context.Context, r *Runner, dir string, listen []search.Listener) error
}

// Runner runs the jobs of a profile.
type Runner struct {
	Engine      *engine.Engine
	Train, Test *datasets.Images
	Profile     string
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
	// (nil for none) hears the job's events. With Parallel its calls do not
	// overlap, but those of the listeners do.
	Started func(n, total int, job Job) search.Listener

	starting sync.Mutex
}

// searchRun is a search by label.
type searchRun struct {
	label, method string
	change        func(nas.Config)
}

// fair changes a configuration of FairDARTS.
func fair(change func(*fairdarts.Config)) func(nas.Config) {
	return func(c nas.Config) {
		if f, ok := c.(*fairdarts.Config); ok {
			change(f)
		}
	}
}

// searches are the searches that claims may be decided by: the methods, and the paper's controls beside them.
var searches = []searchRun{
	{extract.LabelDARTS, darts.Name, nil},
	{extract.LabelFairDARTS, fairdarts.Name, nil},
	{extract.LabelFairDARTSNo01, fairdarts.Name, fair(func(c *fairdarts.Config) { c.ZeroOneWeight = 0 })},
	{extract.LabelFairDARTSWeight1, fairdarts.Name, fair(func(c *fairdarts.Config) { c.ZeroOneWeight = 1 })},
	{extract.LabelFairDARTSL1, fairdarts.Name, fair(func(c *fairdarts.Config) { c.ZeroOneForm = fairdarts.L1 })},
	{extract.LabelDARTSNoise, darts.Name, func(c nas.Config) {
		if d, ok := c.(*darts.Config); ok {
			d.SkipNoise = &search.NoiseConfig{Epochs: d.Epochs}
		}
	}},
	{extract.LabelFairNAS, fairnas.Name, ranked(search.Strict)},
	{extract.LabelFairNASUniform, fairnas.Name, ranked(search.Uniform)},
	{extract.LabelFairNASExpectation, fairnas.Name, ranked(search.Expectation)},
}

// ranked makes FairNAS's configuration one that ranks NAS-Bench-Macro under a way of sampling.
func ranked(sampling string) func(nas.Config) {
	return func(c nas.Config) {
		if f, ok := c.(*fairnas.Config); ok {
			nas.RankOnly(f)
			f.Sampling, f.TrainedOnly = sampling, sampling != search.Strict
		}
	}
}

// expected are seconds a search of a method, or a training, on two cores without a GPU, compiling left out: measured in
// November 2026, for the paper's protocol computed from a step's time.
var expected = map[string]map[string]float64{
	nas.Smoke: {darts.Name: 1, fairdarts.Name: 1, fairnas.Name: 2, "train": 1},
	nas.Quick: {darts.Name: 20, fairdarts.Name: 20, fairnas.Name: 35, "train": 7},
	nas.Day:   {darts.Name: 2000 * 1.05, fairdarts.Name: 2000 * 1.05},
	nas.Full:  {darts.Name: 50 * 390 * 4.4, fairdarts.Name: 50 * 390 * 4.4, "train": 600 * 520 * 9},
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
			if _, ok := part.Rule(claims.Profile(r.Profile)); !ok || part.Measure == nil || part.Measure.Quantity == "" {
				continue
			}
			kind := extract.RunKind(part.Measure.Quantity)
			for _, label := range []string{part.Measure.Of, part.Measure.Than} {
				if label == "" {
					continue
				}
				label = extract.RunLabel(label)
				add(need{kind, label}, c.ID)
				if kind == "train" && isSearch(label) {
					add(need{"search", label}, c.ID)
				}
			}
		}
	}
	return out, nil
}

func isSearch(label string) bool {
	return slices.ContainsFunc(searches, func(s searchRun) bool { return s.label == label })
}

// Jobs lists what the runner will do, in order: all searches, then the trainings.
func (r *Runner) Jobs() ([]Job, error) {
	needs, err := r.needs()
	if err != nil {
		return nil, err
	}
	var trained []string
	for n := range needs {
		switch {
		case n.kind == "train":
			trained = append(trained, n.label)
		case !isSearch(n.label):
			return nil, fmt.Errorf("claims %v: no search is called %q", needs[n], n.label)
		}
	}
	slices.Sort(trained)
	var jobs []Job
	for seed := range uint64(r.Seeds) {
		for _, s := range searches {
			if ids, ok := needs[need{"search", s.label}]; ok {
				jobs = append(jobs, Job{Kind: "search", Label: s.label, Seed: seed, Claims: ids, Expected: expected[r.Profile][s.method], dir: extract.SearchDir(r.Dir, s.label, seed),
					run: func(ctx context.Context, r *Runner, dir string, listen []search.Listener) error {
						return r.search(ctx, dir, s.method, s.change, seed, listen)
					}})
			}
		}
	}
	for seed := range uint64(r.Seeds) {
		for _, label := range trained {
			jobs = append(jobs, Job{Kind: "train", Label: label, Seed: seed, Claims: needs[need{"train", label}], Expected: expected[r.Profile]["train"], dir: extract.TrainDir(r.Dir, label, seed),
				run: func(ctx context.Context, r *Runner, dir string, listen []search.Listener) error {
					return r.train(ctx, dir, label, seed, listen)
				}})
		}
	}
	for i := range jobs {
		switch _, err := os.Stat(filepath.Join(jobs[i].dir, evidence.ResultFile)); {
		case err == nil:
			jobs[i].Done = true
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return jobs, nil
}

// Run does the jobs that are not done.
func (r *Runner) Run(ctx context.Context) error {
	jobs, err := r.Jobs()
	if err != nil {
		return err
	}
	// What a training trains, a search has found before.
	for _, kind := range []string{"search", "train"} {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(max(r.Parallel, 1))
		for i, job := range jobs {
			if job.Done || job.Kind != kind {
				continue
			}
			g.Go(func() error {
				// After an error or an interrupt no further run begins.
				if ctx.Err() != nil {
					return search.ErrInterrupted
				}
				if err := r.one(ctx, i+1, len(jobs), job); err != nil {
					return fmt.Errorf("%s %s, seed %d: %w", job.Kind, job.Label, job.Seed, err)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) one(ctx context.Context, n, total int, job Job) (err error) {
	log, err := evidence.OpenEvents(job.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	listen := []search.Listener{log.Listener(0)}
	if r.Started != nil {
		r.starting.Lock()
		l := r.Started(n, total, job)
		r.starting.Unlock()
		if l != nil {
			listen = append(listen, l)
		}
	}
	return job.run(ctx, r, job.dir, listen)
}

func (r *Runner) search(ctx context.Context, dir, name string, change func(nas.Config), seed uint64, listen []search.Listener) error {
	method, err := nas.Lookup(name)
	if err != nil {
		return err
	}
	c, err := method.Config(r.Profile)
	if err != nil {
		return err
	}
	base, err := method.Base(c)
	if err != nil {
		return err
	}
	base.Seed = seed
	if r.Granularity != "" {
		base.Granularity = r.Granularity
	}
	if change != nil {
		change(c)
	}
	result, err := method.Search(ctx, r.Engine, r.Train, c, search.Options{Dir: dir, Listeners: listen})
	if err != nil {
		return err
	}
	return evidence.WriteResult(dir, *result)
}

// train trains what the search of a label and seed derived, a random architecture of two skips, or a network of the zoo.
func (r *Runner) train(ctx context.Context, dir, label string, seed uint64, listen []search.Listener) error {
	o := train.Options{Dir: dir, Listeners: listen}
	if label != extract.LabelRandom && !isSearch(label) {
		return r.trainPublished(ctx, label, seed, o)
	}
	g, name, err := r.architecture(label, seed)
	if err != nil {
		return err
	}
	c, err := nas.TrainConfig(r.Profile)
	if err != nil {
		return err
	}
	c.Seed, o.Name = seed, name
	result, err := train.Train(ctx, r.Engine, r.Train, r.Test, g, c, o)
	if err != nil {
		return err
	}
	return evidence.WriteTrainResult(dir, *result)
}

// trainPublished trains a network of the zoo by the recipe of its kind.
func (r *Runner) trainPublished(ctx context.Context, name string, seed uint64, o train.Options) error {
	n, err := zoo.Get(name)
	if err != nil {
		return err
	}
	network := n.Network
	c, err := nas.TrainNetworkConfig(r.Profile, &network)
	if err != nil {
		return err
	}
	c.Seed, o.Name = seed, name
	network.Input[0], network.Input[1], network.Classes = c.Image, c.Image, r.Train.Classes
	d, err := c.ImageData(r.Train, r.Test)
	if err != nil {
		return err
	}
	result, err := train.TrainNetwork(ctx, r.Engine, d, network, c, o)
	if err != nil {
		return err
	}
	return evidence.WriteTrainResult(o.Dir, *result)
}

// randomSkips is the number of skip connections of FairDARTS's random control.
const randomSkips = 2

func (r *Runner) architecture(label string, seed uint64) (arch.Genotype, string, error) {
	if label == extract.LabelRandom {
		c := darts.DefaultConfig()
		return train.Random(seed, c.Primitives, randomSkips), fmt.Sprintf("random, %d skips, seed %d", randomSkips, seed), nil
	}
	found, err := evidence.ReadResult(extract.SearchDir(r.Dir, label, seed))
	if err != nil {
		return arch.Genotype{}, "", err
	}
	name := fmt.Sprintf("%s, seed %d", label, seed)
	g, asFound := nas.Buildable(found)
	if !asFound {
		name += " (a cell had nothing above the threshold: two edges a node instead)"
	}
	return g, name, nil
}
