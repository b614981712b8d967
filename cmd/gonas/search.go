package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/figures"
	"github.com/gonas/gonas/repro/runfolder"
)

type searchCmd struct {
	Method      string  `arg:"" optional:"" help:"One of ${methods}."`
	Space       string  `help:"Search space (default: the profile's)." placeholder:"NAME"`
	Data        string  `help:"Folder with CIFAR-10 (default: the part of it inside this binary); for the space fairnas one with images in ImageNet's layout." placeholder:"DIR"`
	Profile     string  `help:"One of ${profiles} (default: quick)." placeholder:"NAME"`
	Seed        *uint64 `help:"Seed of weights, data split and batches (default: 0)." placeholder:"N"`
	Config      string  `help:"JSON file with fields of the configuration to set, as in config.json's \"config\"." placeholder:"FILE"`
	Out         string  `help:"Run folder to make (default: a new one in runs)." placeholder:"DIR"`
	Resume      string  `help:"Run folder to go on with; nothing else is needed." placeholder:"DIR"`
	Granularity string  `help:"Largest part of the network that is compiled as one: operation, edge, cell or network." placeholder:"LEVEL"`
	JSON        bool    `help:"Print what was found as JSON."`
}

const searchCommand = "search"

// Run searches, in a new run folder or in one that was cut short.
func (c searchCmd) Run(a *app) error {
	if c.Resume != "" {
		return c.resume(a)
	}
	if c.Method == "" {
		return fmt.Errorf("search: expected a method (%s) or --resume DIR", methodNames())
	}
	method, err := nas.Lookup(c.Method)
	if err != nil {
		return err
	}
	config, settings, err := c.settings(method)
	if err != nil {
		return err
	}
	base, err := method.Base(config)
	if err != nil {
		return err
	}
	f, err := createFolder(c.Out, fmt.Sprintf("%s-%s-s%d", method.Name, settings.Profile, base.Seed), settings)
	if err != nil {
		return err
	}
	defer f.Unlock()
	return c.run(a, f, method, config, settings)
}

// settings puts together what a new run does.
func (c searchCmd) settings(method nas.Method) (nas.Config, runConfig, error) {
	s := runConfig{Command: searchCommand, Method: method.Name, Profile: c.Profile}
	if s.Profile == "" {
		s.Profile = nas.Quick
	}
	profile, err := nas.LookupProfile(s.Profile)
	if err != nil {
		return nil, s, fmt.Errorf("--profile: %w", err)
	}
	s.Note = method.Note(profile)
	if s.Data, err = pickData(c.Data); err != nil {
		return nil, s, err
	}
	config, err := method.Config(s.Profile)
	if err != nil {
		return nil, s, err
	}
	base, err := method.Base(config)
	if err != nil {
		return nil, s, err
	}
	if c.Space != "" {
		if !slices.Contains(method.Spaces, c.Space) {
			return nil, s, fmt.Errorf("--space %s: %s searches %s", c.Space, method.Name, strings.Join(method.Spaces, ", "))
		}
		base.Space = c.Space
	}
	if c.Config != "" {
		text, err := os.ReadFile(c.Config)
		if err != nil {
			return nil, s, fmt.Errorf("--config: %w", err)
		}
		if err := decodeStrict(c.Config, text, config); err != nil {
			return nil, s, err
		}
		base.Profile = s.Profile
		changed, err := runfolder.Changed(method, config, s.Profile)
		if err != nil {
			return nil, s, err
		}
		if changed {
			s.Note = fmt.Sprintf("profile %s, changed: %s", s.Profile, s.Note)
			s.Profile, base.Profile = customProfile, customProfile
		}
	}
	if c.Seed != nil {
		base.Seed = *c.Seed
	}
	if c.Granularity != "" {
		if _, err := nn.ParseLevel(c.Granularity); err != nil {
			return nil, s, fmt.Errorf("--%w", err)
		}
		base.Granularity = c.Granularity
	}
	if err := config.Validate(); err != nil {
		if c.Config != "" {
			err = fmt.Errorf("%s: %w", c.Config, err)
		}
		return nil, s, err
	}
	if s.Space = base.Space; s.Space == space.FairNASName {
		if c.Data == "" {
			return nil, s, fmt.Errorf("search: space %s needs --data DIR with images in ImageNet's layout: DIR/train/CLASS/*.JPEG", s.Space)
		}
		s.Data.Name = imageFolderData
	}
	s.Config, err = json.Marshal(config)
	return config, s, err
}

// customProfile is the name of a profile that --config changed.
const customProfile = runfolder.CustomProfile

// resume goes on with the run of a folder, from its last checkpoint if there is one.
func (c searchCmd) resume(a *app) error {
	given := c
	given.Resume, given.JSON = "", false
	if given != (searchCmd{}) {
		return errors.New("--resume DIR takes everything from the folder: leave out method and settings")
	}
	f, settings, err := openFolder(c.Resume, searchCommand)
	if err != nil {
		return err
	}
	defer f.Unlock()
	result, err := evidence.ReadResult(f.Dir)
	if err == nil {
		fmt.Fprintf(a.stderr, "%s: the run has ended already\n", f.Dir)
		return c.report(a, f, &result)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	where := f.Dir + "/" + configFile
	method, err := nas.Lookup(settings.Method)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	config, err := method.Config(nas.Full)
	if err != nil {
		return err
	}
	if err := decodeStrict(where+": config", settings.Config, config); err != nil {
		return err
	}
	if err := config.Validate(); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return c.run(a, f, method, config, settings)
}

func (c searchCmd) run(a *app, f *folder, method nas.Method, config nas.Config, settings runConfig) error {
	base, err := method.Base(config)
	if err != nil {
		return err
	}
	var files []datasets.FileSum
	var name string
	var n int
	var do func(*engine.Engine, search.Options) (*search.Result, error)
	if settings.Data.Name == imageFolderData {
		images, err := datasets.OpenImageFolder(settings.Data.Dir, "train")
		if err != nil {
			return err
		}
		name, n = images.Name, images.Len()
		do = func(e *engine.Engine, o search.Options) (*search.Result, error) {
			return method.SearchFolder(a.ctx, e, images, config, o)
		}
	} else {
		images, _, err := datasets.Load(settings.Data.Name, settings.Data.Dir)
		if err != nil {
			return err
		}
		name, n, files = images.Name, images.N, images.Files
		do = func(e *engine.Engine, o search.Options) (*search.Result, error) {
			return method.Search(a.ctx, e, images, config, o)
		}
	}
	fmt.Fprintf(a.stderr, "%s on %s (%d images), space %s, profile %s, seed %d, in %s\n", method.Name, name, n, settings.Space, settings.Profile, base.Seed, f.Dir)
	var result *search.Result
	err = a.work(f, settings, base.Seed, files, func(e *engine.Engine, log search.Listener) (save func() error, err error) {
		result, err = do(e, search.Options{Dir: f.Dir, Listeners: []search.Listener{log, showProgress(a.stderr, searchEpoch)}})
		return func() error { return evidence.WriteResult(f.Dir, *result) }, err
	})
	if err != nil {
		return err
	}
	return c.report(a, f, result)
}

// report prints what was found.
func (c searchCmd) report(a *app, f *folder, r *search.Result) error {
	if r.Supernet != nil {
		return c.reportPaths(a, f, r)
	}
	skipsNormal, skipsReduce := r.Genotype.Normal.Count(nn.SkipConnect), r.Genotype.Reduce.Count(nn.SkipConnect)
	if c.JSON {
		return writeJSON(a.stdout, struct {
			Dir         string            `json:"dir"`
			Method      string            `json:"method"`
			Profile     string            `json:"profile"`
			Seed        uint64            `json:"seed"`
			Steps       int               `json:"steps"`
			Genotype    arch.Genotype     `json:"genotype"`
			DerivedBy   string            `json:"derived_by"`
			SkipsNormal int               `json:"skips_normal"`
			SkipsReduce int               `json:"skips_reduce"`
			Last        search.EpochStats `json:"last_epoch"`
		}{f.Dir, r.Method, r.Profile, r.Seed, r.Steps, r.Genotype, r.DerivedBy, skipsNormal, skipsReduce, r.Epochs[len(r.Epochs)-1]})
	}
	printGenotype(a.stdout, r.Genotype)
	_, err := fmt.Fprintf(a.stdout, "derived by %s after %d steps; skip connections: %d normal, %d reduce\nrun folder: %s\n",
		r.DerivedBy, r.Steps, skipsNormal, skipsReduce, f.Dir)
	return err
}

// reportPaths prints what came of a single-path supernet.
func (c searchCmd) reportPaths(a *app, f *folder, r *search.Result) error {
	if c.JSON {
		return writeJSON(a.stdout, struct {
			Dir string `json:"dir"`
			*search.Result
		}{f.Dir, r})
	}
	if r.Ranking != nil {
		series, err := figures.Ranking(*r)
		if err != nil {
			return err
		}
		for _, s := range series {
			fmt.Fprintf(a.stdout, "one-shot accuracy of %d networks, %s: %.1f to %.1f %%; with their true accuracy %s\n", len(s.OneShot), s.Name, slices.Min(s.OneShot), slices.Max(s.OneShot), s.Tau)
		}
	}
	if v := r.Evolution; v != nil {
		fmt.Fprintf(a.stdout, "%d paths measured in %d generations; the first front, * chosen:\n", v.Evaluations, len(v.Generations))
		fmt.Fprintf(a.stdout, "  %-*s  accuracy  multiply-adds  parameters\n", len(v.Chosen.Code), "code")
		for _, p := range v.Front {
			mark := " "
			if p == v.Chosen {
				mark = "*"
			}
			fmt.Fprintf(a.stdout, "%s %s  %8.4f  %13d  %10d\n", mark, p.Code, p.Accuracy, p.MACs, p.Params)
		}
		fmt.Fprintf(a.stdout, "the chosen network is in %s/%s: gonas train %[1]s\n", f.Dir, evidence.NetworkFile)
	}
	_, err := fmt.Fprintf(a.stdout, "%d steps, sampling %s; run folder: %s\n", r.Steps, r.Supernet.Sampling, f.Dir)
	return err
}

// printGenotype writes both cells for people.
func printGenotype(w io.Writer, g arch.Genotype) {
	for _, side := range []struct {
		name string
		cell arch.Cell
	}{{"normal", g.Normal}, {"reduce", g.Reduce}} {
		fmt.Fprintf(w, "%s cell:", side.name)
		for node := 2; node < 2+arch.Nodes; node++ {
			var parts []string
			for _, edge := range side.cell.Edges {
				if edge.To == node {
					parts = append(parts, fmt.Sprintf("%s from %d", edge.Op, edge.From))
				}
			}
			if parts != nil {
				fmt.Fprintf(w, "\n  node %d: %s", node, strings.Join(parts, ", "))
			}
		}
		if len(side.cell.Edges) == 0 {
			fmt.Fprint(w, " no edges")
		}
		fmt.Fprintln(w)
	}
}
