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
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
)

type searchCmd struct {
	Method      string  `arg:"" optional:"" help:"One of ${methods}."`
	Space       string  `help:"Search space (default: the method's first)." placeholder:"NAME"`
	Data        string  `help:"Folder with CIFAR-10 (default: the part of it inside this binary)." placeholder:"DIR"`
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
	defer f.unlock()
	return c.run(a, f, method, config, settings)
}

// settings puts together what a new run does.
func (c searchCmd) settings(method nas.Method) (nas.Config, runConfig, error) {
	s := runConfig{Command: searchCommand, Method: method.Name, Space: c.Space, Profile: c.Profile}
	if s.Space == "" {
		s.Space = method.Spaces[0]
	}
	if !slices.Contains(method.Spaces, s.Space) {
		return nil, s, fmt.Errorf("--space %s: %s searches %s", s.Space, method.Name, strings.Join(method.Spaces, ", "))
	}
	if s.Profile == "" {
		s.Profile = nas.Quick
	}
	profile, err := nas.LookupProfile(s.Profile)
	if err != nil {
		return nil, s, fmt.Errorf("--profile: %w", err)
	}
	s.Note = profile.Note
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
	defer f.unlock()
	result, err := evidence.ReadResult(f.dir)
	if err == nil {
		fmt.Fprintf(a.stderr, "%s: the run has ended already\n", f.dir)
		return c.report(a, f, &result)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	where := f.dir + "/" + configFile
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
	images, _, err := datasets.Load(settings.Data.Name, settings.Data.Dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "%s on %s (%d images), profile %s, seed %d, in %s\n", method.Name, images.Name, images.N, settings.Profile, base.Seed, f.dir)
	var result *search.Result
	err = f.work(a, settings, base.Seed, images.Files, func(e *engine.Engine, log search.Listener) (save func() error, err error) {
		result, err = method.Search(a.ctx, e, images, config, search.Options{Dir: f.dir,
			Listeners: []search.Listener{log, showProgress(a.stderr, searchEpoch)}})
		return func() error { return evidence.WriteResult(f.dir, *result) }, err
	})
	if err != nil {
		return err
	}
	return c.report(a, f, result)
}

// report prints what was found.
func (c searchCmd) report(a *app, f *folder, r *search.Result) error {
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
		}{f.dir, r.Method, r.Profile, r.Seed, r.Steps, r.Genotype, r.DerivedBy, skipsNormal, skipsReduce, r.Epochs[len(r.Epochs)-1]})
	}
	printGenotype(a.stdout, r.Genotype)
	_, err := fmt.Fprintf(a.stdout, "derived by %s after %d steps; skip connections: %d normal, %d reduce\nrun folder: %s\n",
		r.DerivedBy, r.Steps, skipsNormal, skipsReduce, f.dir)
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
