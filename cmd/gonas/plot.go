package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
	"github.com/gonas/gonas/repro/figures"
)

type plotCmd struct {
	Figure string  `arg:"" help:"One of the figures listed above, or all."`
	From   string  `required:"" placeholder:"DIR" help:"Folder of raw results: of a run (--out of gonas search or gonas train), or of evidence (--out of gonas repro run)."`
	Out    string  `placeholder:"FILE" help:"Picture to write; its ending, .svg or .png, is the format. The data that it shows go beside it as .csv. Default: all three, for every run that the figure is of, in DIR/figures."`
	Of     string  `name:"run" placeholder:"LABEL-seedK" help:"Only this run of an evidence folder, by the name of its folder below search."`
	DPI    float64 `default:"144" help:"Resolution of a PNG."`
}

// Help is the text of --help between the usage and the flags.
func (plotCmd) Help() string {
	var b strings.Builder
	b.WriteString("Figures:\n")
	for _, f := range plotFigures {
		fmt.Fprintf(&b, "  %-14s %s\n", f.name, f.help)
	}
	fmt.Fprintf(&b, "  %-14s %s", "all", "every figure that the folder has data for, as DIR/figures/PAPER-FIGURE[-LABEL-SEED].svg, .png and .csv")
	return b.String()
}

// plotFigures are the figures in the order to draw them.
var plotFigures = []struct {
	name, help string
	draw       func(plotSource) ([]namedFigure, error)
}{
	{"sigmoids", "weight of every operation over the epochs, edge by edge, of searches with sigmoids (FairDARTS)", eachSearch(overCells(drawSigmoids))},
	{"softmax", "the same of searches with a softmax (DARTS)", eachSearch(overCells(drawSoftmax))},
	{"alphas", "final weights: heat map of edges and operations, and histogram", eachSearch(overCells(drawAlphas))},
	{"dominant", "on how many edges each operation is the strongest, over the epochs", eachSearch(overCells(drawDominant))},
	{"skips", "skip connections over seeds, DARTS beside FairDARTS", drawSkips},
	{"zero-one-loss", "FairDARTS's zero-one loss in both forms, and its gradient", drawZeroOneLoss},
	{"macs", "accuracy against multiply-adds: what was trained here, and FairDARTS's table", drawMACs},
	{"cells", "graphs of the cells that a search found", eachSearch(overCells(drawCells))},
	{"ranking", "true accuracy over one-shot accuracy of the networks that a supernet ranked (FairNAS's figure 1)", eachSeed("ranking", "Ranking", hasRanking, ofSupernets(figures.Ranking, plots.Ranking))},
	{"histograms", "one-shot accuracies of those networks", eachSeed("histograms", "One-shot accuracy", hasRanking, ofSupernets(figures.OneShot, plots.Histograms))},
	{"updates", "how often each block of a supernet was trained, beside what uniform draws would give", eachSeed("updates", "Updates of the blocks", isSupernet, ofSupernets(figures.Updates, figures.DrawUpdates))},
	{"ranges", "training accuracy of a supernet's paths over the epochs, mean and range", eachSeed("ranges", "Training accuracy of paths", isSupernet, ofSupernets(figures.Ranges, plots.AccuracyRanges))},
	{"pareto", "first fronts over the generations of an evolutionary search", eachSearch(drawPareto)},
}

// noData is why a folder has nothing to draw a figure from.
type noData string

func (n noData) Error() string { return string(n) }

// namedFigure is a figure with the stem of its file's name.
type namedFigure struct {
	stem string
	// of says what it is of, for people.
	of     string
	figure plots.Figure
}

// plotSource are the raw results of a folder.
type plotSource struct {
	dir      string
	profile  string
	searches []plotSearch
	// trainings by label, in order of their seeds.
	trainings map[string][]train.TrainResult
}

// plotSearch is one search; label is empty in the folder of a single run.
type plotSearch struct {
	label  string
	result search.Result
}

// Run draws.
func (c plotCmd) Run(a *app) error {
	var names []string
	for _, f := range plotFigures {
		names = append(names, f.name)
	}
	if c.Figure != "all" && !slices.Contains(names, c.Figure) {
		return fmt.Errorf("plot %q: expected one of %s, all", c.Figure, strings.Join(names, ", "))
	}
	ending := strings.ToLower(filepath.Ext(c.Out))
	switch {
	case c.Out != "" && c.Figure == "all":
		return fmt.Errorf("plot all: writes into the folder's own figures, --out %s is for one figure", c.Out)
	case c.Out != "" && ending != ".svg" && ending != ".png":
		return fmt.Errorf("plot --out %s: expected a name ending in .svg or .png, got %q", c.Out, ending)
	}
	source, err := openPlotSource(c.From)
	if err != nil {
		return err
	}
	if c.Of != "" {
		if err := source.only(c.Of); err != nil {
			return err
		}
	}
	written := 0
	for _, f := range plotFigures {
		if c.Figure != "all" && c.Figure != f.name {
			continue
		}
		list, err := f.draw(source)
		var none noData
		if errors.As(err, &none) && c.Figure == "all" {
			fmt.Fprintf(a.stderr, "left out %s: %s\n", f.name, none)
			continue
		}
		if err != nil {
			return fmt.Errorf("plot %s --from %s: %w", f.name, c.From, err)
		}
		if c.Out != "" {
			stem := strings.TrimSuffix(c.Out, filepath.Ext(c.Out))
			if err := c.write(list[0].figure, map[string]string{ending: c.Out, ".csv": stem + ".csv"}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.stdout, "%s: %s\n", c.Out, list[0].of)
			return err
		}
		for _, n := range list {
			stem := filepath.Join(c.From, "figures", n.stem)
			if err := c.write(n.figure, map[string]string{".svg": stem + ".svg", ".png": stem + ".png", ".csv": stem + ".csv"}); err != nil {
				return err
			}
			written++
			if _, err := fmt.Fprintf(a.stdout, "%s.svg: %s\n", stem, n.of); err != nil {
				return err
			}
		}
	}
	if written == 0 {
		return fmt.Errorf("plot --from %s: there was nothing to draw", c.From)
	}
	return nil
}

// write writes a figure in the formats of the endings.
func (c plotCmd) write(f plots.Figure, files map[string]string) error {
	for _, ending := range slices.Sorted(maps.Keys(files)) {
		var b bytes.Buffer
		var err error
		switch ending {
		case ".svg":
			err = f.WriteSVG(&b)
		case ".png":
			err = f.WritePNG(&b, c.DPI)
		default:
			err = f.WriteCSV(&b)
		}
		if err != nil {
			return err
		}
		if err := evidence.WriteFile(files[ending], b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// openPlotSource reads the folder of a search, of a training, or of evidence.
func openPlotSource(dir string) (plotSource, error) {
	s := plotSource{dir: dir, trainings: map[string][]train.TrainResult{}}
	if _, err := os.Stat(dir); err != nil {
		return s, fmt.Errorf("plot --from: %w", err)
	}
	// Only an evidence folder has folders of runs; only a run's has a result.
	if r, err := evidence.ReadResult(dir); err == nil && (len(r.Primitives) > 0 || r.Supernet != nil) {
		if len(r.History) == 0 && r.Supernet == nil {
			return s, fmt.Errorf("%s: history: expected the parameters of every epoch, found none", filepath.Join(dir, evidence.ResultFile))
		}
		s.profile, s.searches = r.Profile, []plotSearch{{result: r}}
		return s, nil
	} else if err == nil {
		t, err := evidence.ReadTrainResult(dir)
		if err != nil {
			return s, err
		}
		if t.Network != nil {
			return s, fmt.Errorf("plot --from %s: expected a search, or the training of cells on CIFAR-10, found the training of %s", dir, t.Name)
		}
		s.profile, s.trainings[t.Name] = t.Profile, []train.TrainResult{t}
		return s, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	run, err := evidence.ReadRun(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("plot --from %s: expected the folder of a finished run (with %s) or an evidence folder (with %s), found neither", dir, evidence.ResultFile, evidence.RunFile)
	}
	if err != nil {
		return s, err
	}
	s.profile = string(run.Profile)
	runs, err := extract.Load(dir, run.Profile)
	if err != nil {
		return s, err
	}
	for _, label := range labelOrder(maps.Keys(runs.Search)) {
		for _, seed := range slices.Sorted(maps.Keys(runs.Search[label])) {
			s.searches = append(s.searches, plotSearch{label, runs.Search[label][seed]})
		}
	}
	for label, bySeed := range runs.Train {
		for _, seed := range slices.Sorted(maps.Keys(bySeed)) {
			s.trainings[label] = append(s.trainings[label], bySeed[seed])
		}
	}
	if len(s.searches)+len(s.trainings) == 0 {
		return s, fmt.Errorf("plot --from %s: no finished run in it", dir)
	}
	return s, nil
}

// labelOrder sorts labels: FairDARTS, DARTS, then the others by name.
func labelOrder(labels func(func(string) bool)) []string {
	first := []string{extract.LabelFairDARTS, extract.LabelDARTS}
	list := slices.Sorted(labels)
	slices.SortStableFunc(list, func(a, b string) int {
		rank := func(s string) int {
			if i := slices.Index(first, s); i >= 0 {
				return i
			}
			return len(first)
		}
		return rank(a) - rank(b)
	})
	return list
}

func (p plotSearch) folder() string { return fmt.Sprintf("%s-seed%d", p.label, p.result.Seed) }

// only leaves one search.
func (s *plotSource) only(name string) error {
	var names []string
	for _, p := range s.searches {
		if p.label != "" && p.folder() == name {
			s.searches, s.trainings = []plotSearch{p}, nil
			return nil
		}
		if p.label != "" {
			names = append(names, p.folder())
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("plot --run %s: %s is no evidence folder with searches", name, s.dir)
	}
	return fmt.Errorf("plot --run %s: expected one of %s", name, strings.Join(names, ", "))
}

// labelNames are labels of runs as figures print them.
var labelNames = map[string]string{
	extract.LabelDARTS: "DARTS", extract.LabelFairDARTS: "FairDARTS", extract.LabelFairDARTSNo01: "FairDARTS without zero-one loss",
	extract.LabelFairDARTSL1: "FairDARTS with L1 loss", extract.LabelFairDARTSWeight1: "FairDARTS with loss weight 1", extract.LabelDARTSNoise: "DARTS with noise on skips",
	extract.LabelRandom: "random", extract.LabelFairNAS: "FairNAS, strict fairness", extract.LabelFairNASUniform: "FairNAS's supernet, uniform sampling",
	extract.LabelFairNASExpectation: "FairNAS's supernet, expectation fairness",
}

func labelName(label string) string {
	if name, ok := labelNames[label]; ok {
		return name
	}
	return label
}

// title names a search.
func (p plotSearch) title() string {
	label := p.label
	if label == "" {
		label = p.result.Method
	}
	return fmt.Sprintf("%s, seed %d, profile %s", labelName(label), p.result.Seed, p.result.Profile)
}

// stem is the file name of a figure of one search.
func (p plotSearch) stem(figure string) string {
	stem := p.result.Method + "-" + figure
	if p.label != "" {
		stem += "-" + p.folder()
	}
	return stem
}

// eachSearch makes a figure of every search that has the data; it fails where none has.
func eachSearch(draw func(plotSearch) (stem string, f plots.Figure, err error)) func(plotSource) ([]namedFigure, error) {
	return func(s plotSource) ([]namedFigure, error) {
		if len(s.searches) == 0 {
			return nil, noData("expected a search, found none")
		}
		var out []namedFigure
		var why error
		for _, p := range s.searches {
			name, f, err := draw(p)
			var none noData
			switch {
			case errors.As(err, &none):
				why = err
			case err != nil:
				return nil, fmt.Errorf("%s: %w", p.title(), err)
			default:
				out = append(out, namedFigure{p.stem(name), p.title(), f})
			}
		}
		if len(out) == 0 {
			return nil, why
		}
		return out, nil
	}
}

// overCells is a figure of searches over cells.
func overCells(draw func(plotSearch) (string, plots.Figure, error)) func(plotSearch) (string, plots.Figure, error) {
	return func(p plotSearch) (string, plots.Figure, error) {
		if p.result.Supernet != nil {
			return "", plots.Figure{}, noData("expected a search over cells, found only searches over supernets of paths")
		}
		return draw(p)
	}
}

// history is what figures over epochs show; so many epochs must be there.
func (p plotSearch) history() (plots.WeightHistory, error) {
	if n := len(p.result.History); n < 2 {
		return plots.WeightHistory{}, noData(fmt.Sprintf("expected the weights of at least 2 epochs, found %d", n))
	}
	return figures.History(p.result), nil
}

func drawSigmoids(p plotSearch) (string, plots.Figure, error) {
	if p.result.Method == darts.Name {
		return "", plots.Figure{}, noData("expected a search with sigmoids, found only searches with a softmax")
	}
	h, err := p.history()
	if err != nil {
		return "", plots.Figure{}, err
	}
	f, err := plots.Sigmoids(h, "Sigmoids: "+p.title())
	return "sigmoids", f, err
}

func drawSoftmax(p plotSearch) (string, plots.Figure, error) {
	if p.result.Method != darts.Name {
		return "", plots.Figure{}, noData("expected a search with a softmax, found only searches with sigmoids")
	}
	h, err := p.history()
	if err != nil {
		return "", plots.Figure{}, err
	}
	f, err := plots.Softmax(h, "Softmax: "+p.title())
	return "softmax", f, err
}

func drawAlphas(p plotSearch) (string, plots.Figure, error) {
	f, err := plots.Alphas(figures.Final(p.result), "Final weights: "+p.title())
	return "alphas", f, err
}

func drawDominant(p plotSearch) (string, plots.Figure, error) {
	h, err := p.history()
	if err != nil {
		return "", plots.Figure{}, err
	}
	f, err := plots.Dominant(h, "Dominant operations: "+p.title())
	return "dominant", f, err
}

func drawCells(p plotSearch) (string, plots.Figure, error) {
	g := p.result.Genotype
	if len(g.Normal.Edges)+len(g.Reduce.Edges) == 0 {
		return "", plots.Figure{}, noData("expected a genotype with edges; nothing was derived")
	}
	f, err := plots.Cells(g, "Cells: "+p.title())
	return "cells", f, err
}

// skipOp is the operation whose number tells of a collapse.
const skipOp = "skip_connect"

func skipCount(g arch.Genotype) int { return g.Normal.Count(skipOp) + g.Reduce.Count(skipOp) }

func drawSkips(s plotSource) ([]namedFigure, error) {
	counts := map[string]map[uint64]int{}
	for _, p := range s.searches {
		if counts[p.label] == nil {
			counts[p.label] = map[uint64]int{}
		}
		counts[p.label][p.result.Seed] = skipCount(p.result.Genotype)
	}
	pairs := plots.PairedCounts{Names: [2]string{labelName(extract.LabelDARTS), labelName(extract.LabelFairDARTS)}}
	for _, seed := range slices.Sorted(maps.Keys(counts[extract.LabelDARTS])) {
		if fair, ok := counts[extract.LabelFairDARTS][seed]; ok {
			pairs.Seeds = append(pairs.Seeds, seed)
			pairs.Counts[0] = append(pairs.Counts[0], counts[extract.LabelDARTS][seed])
			pairs.Counts[1] = append(pairs.Counts[1], fair)
		}
	}
	if len(pairs.Seeds) == 0 {
		return nil, noData("expected an evidence folder with searches of DARTS and FairDARTS of the same seeds, found no pair")
	}
	of := fmt.Sprintf("%d seeds, profile %s", len(pairs.Seeds), s.profile)
	f, err := plots.Skips(pairs, "Skip connections: "+of)
	return []namedFigure{{fairdarts.Name + "-skips", of, f}}, err
}

func drawZeroOneLoss(s plotSource) ([]namedFigure, error) {
	if !slices.ContainsFunc(s.searches, func(p plotSearch) bool { return p.result.Method == fairdarts.Name }) {
		return nil, noData("expected a search of FairDARTS, whose loss it is, found none")
	}
	var curves []plots.LossCurve
	for _, form := range []struct {
		name, formula string
		form          fairdarts.Form
	}{{"L2", "−(σ(α) − ½)²", fairdarts.L2}, {"L1", "−|σ(α) − ½|", fairdarts.L1}} {
		c := plots.LossCurve{Name: form.name, Formula: form.formula}
		const steps = 50 // to a unit of the parameter
		for i := -8 * steps; i <= 8*steps; i++ {
			a := []float64{float64(i) / steps}
			c.Alphas = append(c.Alphas, a[0])
			c.Losses = append(c.Losses, fairdarts.ZeroOneLoss(form.form, a))
			c.Gradients = append(c.Gradients, fairdarts.ZeroOneGradient(form.form, a)[0])
		}
		curves = append(curves, c)
	}
	f, err := plots.ZeroOneLoss(curves, "Zero-one loss of one parameter, unweighted, and its gradient")
	return []namedFigure{{fairdarts.Name + "-zero-one-loss", "unweighted, from the method's own code", f}}, err
}

func drawMACs(s plotSource) ([]namedFigure, error) {
	if len(s.trainings) == 0 {
		return nil, noData("expected trainings from scratch, found none")
	}
	var here []plots.MACsSeries
	for _, label := range labelOrder(maps.Keys(s.trainings)) {
		series := plots.MACsSeries{Name: labelName(label)}
		for _, t := range s.trainings[label] {
			series.Points = append(series.Points, plots.MACsPoint{Label: fmt.Sprintf("seed %d", t.Seed), MACs: float64(t.MACs) / 1e6, Accuracy: 100 * t.TestAccuracy})
		}
		here = append(here, series)
	}
	published, err := publishedMACs()
	if err != nil {
		return nil, err
	}
	panels := []plots.MACsPanel{{Name: "Trained here, profile " + s.profile, Series: here}, {Name: "As published, 600 epochs", Series: published}}
	if s.profile == nas.Full {
		for i := range published {
			published[i].Name += ", as published"
		}
		panels = []plots.MACsPanel{{Name: "600 epochs", Series: slices.Concat(here, published)}}
	}
	f, err := plots.MACs(panels, "Accuracy on CIFAR-10 against multiply-adds")
	return []namedFigure{{fairdarts.Name + "-macs", "profile " + s.profile + ", beside FairDARTS's table", f}}, err
}

// publishedMACs are the networks of FairDARTS's table, as its claims have them.
func publishedMACs() ([]plots.MACsSeries, error) {
	own, others := plots.MACsSeries{Name: "FairDARTS A to G"}, plots.MACsSeries{Name: "its baselines"}
	for _, letter := range "abcdefg" {
		c, err := claims.Get("fd-" + string(letter))
		if err != nil {
			return nil, err
		}
		points, err := printedPoints(c, "")
		if err != nil {
			return nil, err
		}
		own.Points = append(own.Points, plots.MACsPoint{Label: strings.ToUpper(string(letter)), MACs: points[0], Accuracy: points[1]})
	}
	c, err := claims.Get("fd-baselines")
	if err != nil {
		return nil, err
	}
	for _, baseline := range []struct{ part, label string }{{"DARTS_V2 ", "DARTS"}, {"PC_DARTS ", "PC-DARTS"}, {"P_DARTS ", "P-DARTS"}} {
		points, err := printedPoints(c, baseline.part)
		if err != nil {
			return nil, err
		}
		others.Points = append(others.Points, plots.MACsPoint{Label: baseline.label, MACs: points[0], Accuracy: points[1]})
	}
	return []plots.MACsSeries{own, others}, nil
}

// printedPoints are the multiply-adds and the accuracy that a claim prints, in the parts whose names begin with prefix.
func printedPoints(c claims.Claim, prefix string) ([2]float64, error) {
	var out [2]float64
	for i, name := range []string{prefix + "multiply-adds", prefix + "accuracy"} {
		at := slices.IndexFunc(c.Parts, func(p claims.Part) bool { return p.Name == name })
		if at < 0 {
			return out, fmt.Errorf("claim %s: expected a part called %q", c.ID, name)
		}
		v, err := strconv.ParseFloat(c.Parts[at].Printed, 64)
		if err != nil {
			return out, fmt.Errorf("claim %s: %s: printed: %w", c.ID, name, err)
		}
		out[i] = v
	}
	return out, nil
}
