package nb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/figures"
	"github.com/gonas/gonas/repro/runfolder"
)

// Run is a finished search.
type Run struct {
	// Dir is its run folder, of the layout that the gonas command knows.
	Dir string
	search.Result
}

// Trained is a finished training from scratch.
type Trained struct {
	// Dir is its run folder, of the layout that the gonas command knows.
	Dir string
	train.TrainResult
}

// LoadImages returns the images that [Search] and [Train] take: CIFAR-10 in the folder that the parameter "data" names
// (see [Param]), or without it the part of CIFAR-10 inside the program.
func LoadImages() (train, test *datasets.Images, err error) {
	pick, err := pickImages()
	if err != nil {
		return nil, nil, err
	}
	return datasets.Load(pick.Name, pick.Dir)
}

func pickImages() (runfolder.Data, error) {
	dir, err := param("data", "")
	if err != nil {
		return runfolder.Data{}, err
	}
	return runfolder.PickData(dir)
}

// Search runs a method of [nas.Methods] in a profile of [nas.Profiles], or gets what the same search has found before,
// and shows how far it is. changes set fields that the configurations of all methods have:
//
//	nb.Search("darts", "quick", func(c *search.Base) { c.Seed = 1 })
//
// It is [Cached] by its configuration and data. Where the cell was interrupted or the program killed, running it again
// goes on from the last whole epoch.
func Search(method, profile string, changes ...func(*search.Base)) (*Run, error) {
	m, err := nas.Lookup(method)
	if err != nil {
		return nil, err
	}
	c, err := m.Config(profile)
	if err != nil {
		return nil, err
	}
	base, err := m.Base(c)
	if err != nil {
		return nil, err
	}
	for _, change := range changes {
		change(base)
	}
	return SearchConfig(method, c)
}

// SearchConfig is [Search] with a configuration of the method's own, as [nas.Method.Config] makes it; c stays as it is.
func SearchConfig(method string, c nas.Config) (*Run, error) {
	m, err := nas.Lookup(method)
	if err != nil {
		return nil, err
	}
	if _, err := m.Base(c); err != nil {
		return nil, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	own, err := m.Config(nas.Full)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, own); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	if err := own.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	base, err := m.Base(own)
	if err != nil {
		return nil, err
	}
	s := runfolder.Config{Command: runfolder.Search, Method: m.Name, Space: base.Space, Profile: base.Profile}
	changed := false
	if base.Profile != runfolder.CustomProfile {
		p, err := nas.LookupProfile(base.Profile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", method, err)
		}
		s.Note = m.Note(p)
		if changed, err = runfolder.Changed(m, own, base.Profile); err != nil {
			return nil, err
		}
	}
	if changed {
		s.Note = fmt.Sprintf("profile %s, changed: %s", base.Profile, s.Note)
		s.Profile, base.Profile = runfolder.CustomProfile, runfolder.CustomProfile
	}
	if s.Config, err = json.Marshal(own); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return searchIn(s, *base, func(ctx context.Context, e *engine.Engine, images *datasets.Images, o search.Options) (*search.Result, error) {
		return m.Search(ctx, e, images, own, o)
	})
}

// SearchMethod is [Search] by a method of one's own over DARTS's cells, as [search.Bilevel] takes it. The method's code is
// no part of what a run is found again by, its name is: give it another when you change what it does.
func SearchMethod(m search.Method, c search.Config) (*Run, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	if _, err := nas.Lookup(m.Name); err == nil {
		return nil, fmt.Errorf("method %s: that name is taken by a method of gonas, give yours another", m.Name)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	s := runfolder.Config{Command: runfolder.Search, Method: m.Name, Space: "S0", Profile: c.Profile, Config: text}
	return searchIn(s, c.Base, func(ctx context.Context, e *engine.Engine, images *datasets.Images, o search.Options) (*search.Result, error) {
		return search.Bilevel(ctx, e, images, c, m, o)
	})
}

// searchIn does a search in its folder, unless that has been done.
func searchIn(s runfolder.Config, base search.Base, do func(context.Context, *engine.Engine, *datasets.Images, search.Options) (*search.Result, error)) (*Run, error) {
	var err error
	if s.Data, err = pickImages(); err != nil {
		return nil, err
	}
	show := newProgress(fmt.Sprintf("%s, profile %s, seed %d", s.Method, s.Profile, base.Seed), primitives(s.Config))
	dir, err := inFolder(fmt.Sprintf("%s-%s-s%d", s.Method, s.Profile, base.Seed), s, base.Seed, show,
		func(ctx context.Context, e *engine.Engine, images, _ *datasets.Images, dir string, listen []search.Listener) (func() error, error) {
			r, err := do(ctx, e, images, search.Options{Dir: dir, Listeners: listen})
			return func() error { return evidence.WriteResult(dir, *r) }, err
		})
	if err != nil {
		return nil, err
	}
	r, err := evidence.ReadResult(dir)
	if err != nil {
		return nil, err
	}
	show.end(summary(r) + "; run folder " + filepath.Base(dir))
	return &Run{dir, r}, nil
}

// primitives are the operations of an edge, by the JSON of a configuration; nil where it has none.
func primitives(config json.RawMessage) []string {
	var c struct {
		Primitives []string `json:"primitives"`
	}
	// What is not there is not shown.
	_ = json.Unmarshal(config, &c)
	return c.Primitives
}

// Train trains the network of a genotype from scratch by the recipe of a profile and tests it once, or gets what the same
// training has given before, and shows how far it is; name says where the genotype is from. See [Search] for the rest.
func Train(g arch.Genotype, name, profile string, changes ...func(*train.Config)) (*Trained, error) {
	p, err := nas.LookupProfile(profile)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	c, err := nas.TrainConfig(profile)
	if err != nil {
		return nil, err
	}
	plain := c
	for _, change := range changes {
		change(&c)
	}
	s := runfolder.Config{Command: runfolder.Train, Name: name, Genotype: &g, Profile: profile, Note: p.TrainNote}
	plain.Seed, plain.Granularity, c.Profile = c.Seed, c.Granularity, plain.Profile
	if !reflect.DeepEqual(c, plain) {
		s.Note = fmt.Sprintf("profile %s, changed: %s", profile, s.Note)
		s.Profile, c.Profile = runfolder.CustomProfile, runfolder.CustomProfile
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("train %s: %w", name, err)
	}
	if err := c.Fits(c.Network(g)); err != nil {
		return nil, fmt.Errorf("train %s: %w", name, err)
	}
	if s.Config, err = json.Marshal(c); err != nil {
		return nil, fmt.Errorf("train %s: %w", name, err)
	}
	if s.Data, err = pickImages(); err != nil {
		return nil, err
	}
	show := newProgress(fmt.Sprintf("training %s, profile %s, seed %d", name, s.Profile, c.Seed), nil)
	dir, err := inFolder(fmt.Sprintf("train-%s-s%d", s.Profile, c.Seed), s, c.Seed, show,
		func(ctx context.Context, e *engine.Engine, images, test *datasets.Images, dir string, listen []search.Listener) (func() error, error) {
			r, err := train.Train(ctx, e, images, test, g, c, train.Options{Name: name, Dir: dir, Listeners: listen})
			return func() error { return evidence.WriteTrainResult(dir, *r) }, err
		})
	if err != nil {
		return nil, err
	}
	r, err := evidence.ReadTrainResult(dir)
	if err != nil {
		return nil, err
	}
	how := fmt.Sprintf("test accuracy %.4f; run folder %s", r.TestAccuracy, filepath.Base(dir))
	if n := len(r.Epochs); n > 0 {
		how = fmt.Sprintf("%d epochs, loss %.4f; ", n, r.Epochs[n-1].Loss) + how
	}
	show.end(how)
	return &Trained{dir, r}, nil
}

// inFolder does a run in a cached folder, unless that has been done.
func inFolder(name string, s runfolder.Config, seed uint64, show *progress,
	do func(ctx context.Context, e *engine.Engine, images, test *datasets.Images, dir string, listen []search.Listener) (save func() error, err error)) (string, error) {
	// Where the data lie, and how a profile is described, makes no other run.
	named := s
	named.Data.Dir, named.Note = "", ""
	k, dir, err := place(name, named)
	if err != nil {
		return "", err
	}
	return dir, cached(k, dir, func(f *runfolder.Folder) error {
		// A kill between the result and the mark that says so leaves a run that has ended.
		if _, err := os.Stat(filepath.Join(dir, evidence.ResultFile)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		images, test, err := datasets.Load(s.Data.Name, s.Data.Dir)
		if err != nil {
			return err
		}
		if err := f.WriteConfig(s); err != nil {
			return err
		}
		e, err := Open()
		if err != nil {
			return err
		}
		b, err := backend.Open()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		files := slices.Concat(images.Files, test.Files)
		if s.Command == runfolder.Search {
			files = images.Files
		}
		err = f.Work(runfolder.Describe(b, s.Profile, seed, files), func(log search.Listener) (func() error, error) {
			return do(ctx, e, images, test, dir, []search.Listener{log, show.listen})
		})
		if errors.Is(err, search.ErrInterrupted) {
			show.end("interrupted; running this again goes on from the last whole epoch")
		}
		return err
	})
}

// History is the weights of the search's operations over its epochs, for figures.
func (r *Run) History() plots.WeightHistory { return figures.History(r.Result) }

// Final is the weights at the search's end beside what was derived from them, for figures.
func (r *Run) Final() plots.FinalWeights { return figures.Final(r.Result) }

// Buildable is what [Train] can train: the genotype that was found or, where no network can be built of it since a short
// search left a cell in which nothing reaches the threshold, the two strongest edges of every node; then asFound is false.
func (r *Run) Buildable() (g arch.Genotype, asFound bool) { return nas.Buildable(r.Result) }
