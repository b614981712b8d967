package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
)

type landscapeCmd struct {
	Folder string  `arg:"" name:"run" help:"Folder of a finished search by gradient (--out of gonas search)."`
	Points int     `default:"11" help:"Points along each of two random directions, an odd number: 51 in DARTS-, 11 for a CPU."`
	Images int     `default:"256" help:"The first of so many validation images, without augmentation; more than 64 in whole batches of 64."`
	Radius float64 `default:"1" help:"Longest step along a direction; one of 1 is as long as the parameters are."`
	JSON   bool    `help:"Print the landscape as JSON."`
}

// Help is the text of --help between the usage and the flags.
func (landscapeCmd) Help() string {
	return "Validation accuracy and loss around the parameters that a search ended with, on its weights: Figure 3 of DARTS-. Batch norm takes its running statistics.\n" +
		"The numbers go to RUN/" + run.LandscapeFile + "; rows that are there are not measured again. gonas plot landscape --from RUN draws them."
}

// Run measures.
func (c landscapeCmd) Run(a *app) error {
	config, m, settings, err := c.open()
	if err != nil {
		return fmt.Errorf("landscape %s: %w", c.Folder, err)
	}
	set, err := sameData(a.stderr, filepath.Join(c.Folder, evidence.ConfigFile), config)
	if err != nil {
		return err
	}
	folder, err := runfolder.Lock(c.Folder)
	if err != nil {
		return err
	}
	defer folder.Unlock()
	b, err := backend.Open()
	if err != nil {
		return err
	}
	env := method.Env{Engine: engine.New(b.Backend), Train: set.Train, Spec: config.Spec,
		Options: run.Options{Dir: c.Folder, Listeners: []run.Listener{showProgress(a.stderr)}}}
	// The search goes on behind its last epoch, where only the landscape is left to do.
	r, err := m.Search(a.ctx, env, settings)
	if errors.Is(err, run.ErrInterrupted) {
		return fmt.Errorf("%w; the same command goes on", errInterrupted)
	}
	if err != nil {
		return fmt.Errorf("landscape %s: %w", c.Folder, err)
	}
	if c.JSON {
		return writeJSON(a.stdout, r.Landscape)
	}
	accuracy, loss := r.Landscape.Centre()
	_, err = fmt.Fprintf(a.stdout, "accuracy %.1f %%, loss %.4f on %d validation images where the search ended; %d × %d points in %s: gonas plot landscape --from %s\n",
		100*accuracy, loss, r.Landscape.Images, c.Points, c.Points, filepath.Join(c.Folder, run.LandscapeFile), shellWord(c.Folder))
	return err
}

// open reads what a finished search was, and asks for its landscape.
func (c landscapeCmd) open() (evidence.Config, method.Method, method.Config, error) {
	var m method.Method
	var settings method.Config
	fail := func(err error) (evidence.Config, method.Method, method.Config, error) {
		return evidence.Config{}, m, nil, err
	}
	where := filepath.Join(c.Folder, evidence.ConfigFile)
	config, err := evidence.ReadConfig(c.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(fmt.Errorf("expected the folder of a finished search, there is no %s in it", evidence.ConfigFile))
	}
	if err != nil {
		return fail(err)
	}
	if config.Command != run.Search {
		return fail(fmt.Errorf("%s: command: expected %q, got %q", where, run.Search, config.Command))
	}
	if m, err = nas.Lookup(config.Method); err != nil {
		return fail(fmt.Errorf("%s: %w", where, err))
	}
	settings = m.New()
	if err := method.Decode(where+": config", config.Spec.Config, settings); err != nil {
		return fail(err)
	}
	relaxed, ok := settings.(interface{ Diff() *diff.Config })
	if !ok {
		return fail(fmt.Errorf("%s: method: expected one that searches by gradient, whose parameters can be moved, got %q", where, m.Name))
	}
	relaxed.Diff().Landscape = &diff.LandscapeConfig{Points: c.Points, Images: c.Images, Radius: c.Radius}
	if err := settings.Validate(); err != nil {
		return fail(err)
	}
	return config, m, settings, c.finished(settings.Shared().Epochs)
}

// finished reports what is missing of a search that has ended: the result, and the state behind its last epoch.
func (c landscapeCmd) finished(epochs int) error {
	if _, err := os.Stat(filepath.Join(c.Folder, evidence.ResultFile)); err != nil {
		return fmt.Errorf("the search has not ended: go on with `gonas search --resume %s`", shellWord(c.Folder))
	}
	path := filepath.Join(c.Folder, run.CheckpointFile)
	var record map[string]any // of which this is one number
	tensors, err := checkpoint.Resume(path, &record)
	switch {
	case err != nil:
		return err
	case tensors == nil:
		return fmt.Errorf("there is no %s in it, which holds the weights that the search ended with", run.CheckpointFile)
	case record["epochs_done"] != float64(epochs):
		return fmt.Errorf("%s: record: epochs_done: expected %d, got %v", path, epochs, record["epochs_done"])
	}
	return nil
}

// sameData opens the data that a run was on; others than they were are an error. where is the path of its config.json.
func sameData(say io.Writer, where string, c evidence.Config) (*datasets.Set, error) {
	set, err := openSet(say, c.Spec.Data.Name, "", c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	now, err := set.Identity()
	if err != nil {
		return nil, err
	}
	if was := c.Spec.Data; now != was {
		return nil, fmt.Errorf("%s: data: the run began on %s, SHA-256 %.12s, now there are %s, SHA-256 %.12s%s", where, was, was.SHA256, now, now.SHA256, changedData(filepath.Dir(where), set))
	}
	return set, nil
}
