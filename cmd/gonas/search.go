package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/near"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/figures"
)

type searchCmd struct {
	Method  string `arg:"" optional:"" help:"One of ${methods}."`
	Variant string `help:"Control of the method's paper: ${variants}." placeholder:"LABEL"`
	Space   string `help:"Search space (default: the profile's)." placeholder:"NAME"`
	runFlags
}

// Run searches, in a new run folder or in one that was cut short.
func (c searchCmd) Run(a *app) error {
	switch {
	case c.Resume != "" && !reflect.DeepEqual(c, searchCmd{runFlags: c.resuming()}):
		return wrongUsage(errors.New("--resume DIR takes everything from the folder: leave out method and settings"))
	case c.Resume == "" && c.Method == "":
		return wrongUsage(fmt.Errorf("search: expected a method (%s) or --resume DIR", methodNames()))
	}
	return c.do(a, run.Search, func() (job, error) { return c.job(a) }, resumedSearch, reportSearch)
}

// job puts together what a new run does.
func (c searchCmd) job(a *app) (job, error) {
	m, err := nas.Lookup(c.Method)
	if err != nil {
		return job{}, wrongUsage(err)
	}
	name, err := c.profile()
	if err != nil {
		return job{}, err
	}
	if _, err := m.Variant(c.Variant); err != nil {
		return job{}, wrongUsage(fmt.Errorf("--variant: %w", err))
	}
	config, err := m.Config(name, c.Variant)
	if err != nil {
		return job{}, err
	}
	common := config.Shared()
	if c.Space != "" {
		if !slices.Contains(m.Spaces, c.Space) {
			return job{}, wrongUsage(fmt.Errorf("--space %s: %s searches %s%s", c.Space, m.Name, strings.Join(m.Spaces, ", "), near.Hint(c.Space, m.Spaces)))
		}
		common.Space = c.Space
	}
	set, at, err := c.openData(a, run.Search, datasets.KindOf(m.Data))
	if err != nil {
		return job{}, err
	}
	fitted, err := method.Fit(config, set.Train)
	if err != nil {
		return job{}, err
	}
	if fitted != "" {
		fmt.Fprintln(a.stderr, fitted)
	}
	if err := c.change(config, &common.Profile, &common.Seed, &common.Granularity); err != nil {
		return job{}, err
	}
	if err := m.Check(config); err != nil {
		return job{}, c.blame(err)
	}
	if common.Space == space.FairNASName && set.Name != datasets.FolderName {
		return job{}, fmt.Errorf("search: space %s needs --data DIR with images in ImageNet's layout: DIR/train/CLASS/*.JPEG", common.Space)
	}
	identity, err := set.Identity()
	if err != nil {
		return job{}, err
	}
	spec, note, err := m.Spec(config, c.Variant, identity)
	at.Spec, at.Note = spec, note
	return job{at, set, searching(m, config, spec)}, err
}

// resumedSearch is the work of a search from its config.json.
func resumedSearch(where string, c evidence.Config) (work, error) {
	m, err := nas.Lookup(c.Method)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	config := m.New()
	if err := method.Decode(where+": config", c.Spec.Config, config); err != nil {
		return nil, err
	}
	if err := m.Check(config); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return searching(m, config, c.Spec), nil
}

// searching is what a search of a configuration does.
func searching(m method.Method, config method.Config, spec run.Spec) work {
	return func(ctx context.Context, e *engine.Engine, set *datasets.Set, o run.Options) (*run.Result, error) {
		return m.Search(ctx, method.Env{Engine: e, Train: set.Train, Spec: spec, Options: o}, config)
	}
}

// reportSearch prints what was found.
func reportSearch(w io.Writer, dir string, r run.Result) error {
	if r.Genotype != nil {
		printGenotype(w, *r.Genotype)
	}
	if n := r.Network; n != nil && n.Grid != nil {
		fmt.Fprintf(w, "cell: %s\n", n.Grid.Code())
	}
	if n := r.Network; n != nil && r.Spec.Space == space.TCResNetName {
		var layers []string
		for _, b := range n.Chain.Blocks {
			layers = append(layers, space.ChoiceName(b))
		}
		fmt.Fprintf(w, "layers: %s\n", strings.Join(layers, ", "))
	}
	if err := printRanking(w, r); err != nil {
		return err
	}
	if r.Front != nil {
		if err := printFront(w, *r.Front); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%g steps", r.Numbers.Of("steps"))
	if r.DerivedBy != "" {
		text = fmt.Sprintf("derived by %s after %s", r.DerivedBy, text)
	}
	if g := r.Genotype; g != nil {
		text += fmt.Sprintf("; skip connections: %d normal, %d reduce", g.Normal.Count(nn.SkipConnect), g.Reduce.Count(nn.SkipConnect))
	}
	if n := r.Network; n != nil && n.Grid != nil {
		text += fmt.Sprintf("; skip connections: %d of %d edges", n.Grid.Count(nn.SkipConnect), len(n.Grid.Cell))
	}
	fmt.Fprintln(w, text)
	switch {
	case r.Network != nil:
		fmt.Fprintf(w, "the network is in %s/%s: gonas train %s\n", dir, evidence.NetworkFile, shellWord(dir))
	case r.Genotype != nil:
		fmt.Fprintf(w, "%s; lower the threshold (--set threshold=0.5), search longer, or train the two strongest edges of every node instead: gonas train %s --derive darts\n", run.ErrNothingDerived, shellWord(dir))
	}
	return nil
}

// printRanking writes what a supernet said of some networks, beside their true accuracies where these are known.
func printRanking(w io.Writer, r run.Result) error {
	switch {
	case r.Ranking == nil:
	case space.HasTruth(r.Spec.Space):
		series, err := figures.Ranking(r)
		if err != nil {
			return err
		}
		for _, s := range series {
			fmt.Fprintf(w, "one-shot accuracy of %d networks, %s: %.1f to %.1f %%; with their true accuracy %s\n", len(s.OneShot), s.Name, slices.Min(s.OneShot), slices.Max(s.OneShot), s.Tau)
		}
	default:
		samples, err := figures.OneShot(r)
		if err != nil {
			return err
		}
		for _, s := range samples {
			mean, deviation := stat.MeanStdDev(s.Values, nil)
			fmt.Fprintf(w, "one-shot accuracy of %d networks, %s: %.1f to %.1f %%, mean %.1f, standard deviation %.1f\n", len(s.Values), s.Name, slices.Min(s.Values), slices.Max(s.Values), mean, deviation)
		}
	}
	return nil
}

// printFront writes the members of a front, a column for each objective.
func printFront(w io.Writer, f run.Front) error {
	fmt.Fprintf(w, "%d paths measured in %d generations; the first front, * chosen:\n", f.Evaluations, len(f.Generations))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "code\t")
	for _, o := range f.Objectives {
		fmt.Fprintf(table, "%s\t", o.Label())
	}
	fmt.Fprintln(table)
	for i, m := range f.Members {
		mark := ""
		if i == f.Chosen {
			mark = "* "
		}
		fmt.Fprintf(table, "%s%s\t", mark, m.Code)
		for k, v := range m.Values {
			fmt.Fprintf(table, "%.4g\t", v*f.Objectives[k].Scale)
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// printGenotype writes both cells for people.
func printGenotype(w io.Writer, g arch.Genotype) {
	for _, side := range []struct {
		name string
		cell arch.Cell
	}{{"normal", g.Normal}, {"reduce", g.Reduce}} {
		fmt.Fprintf(w, "%s cell:", side.name)
		edges := slices.Clone(side.cell.Edges)
		slices.SortStableFunc(edges, func(a, b arch.Edge) int { return a.To - b.To })
		for i, edge := range edges {
			if i == 0 || edges[i-1].To != edge.To {
				fmt.Fprintf(w, "\n  node %d: ", edge.To)
			} else {
				fmt.Fprint(w, ", ")
			}
			fmt.Fprintf(w, "%s from %d", edge.Op, edge.From)
		}
		if len(edges) == 0 {
			fmt.Fprint(w, " no edges")
		}
		fmt.Fprintln(w)
	}
}
