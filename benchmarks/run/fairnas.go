package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// fairnasBatch is the number of images of a step, at which the bars hold.
const fairnasBatch = 64

// fairnasPath is the path of the suite's single updates: every choice at least once.
const fairnasPath = "01234501"

// fairnasCounted are paths whose parameters both sides count.
var fairnasCounted = []string{"00000000", "55555555", fairnasPath}

// fairnasReport is what results/fairnas-*.json holds.
type fairnasReport struct {
	report
	// Parameters of the supernet, and of paths by code, on both sides.
	Parameters     int            `json:"parameters"`
	PathParameters map[string]int `json:"path_parameters"`
	// Profile is that of a process of ours after the timed ones, nil where none ran.
	Profile *profile `json:"profile,omitempty"`
}

// fairnasSuite compares a strict-fair step of FairNAS with PyTorch's.
func fairnasSuite(ctx context.Context, o options, python string, out, log io.Writer) error {
	caches, err := os.MkdirTemp("", "gonas-fairnas-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(caches)
	r := fairnasReport{report: report{
		Benchmark: "fairnas", Date: today(), Machine: describeMachine(o.Root), Threads: o.Threads, Warmup: o.Warmup, Allocator: allocator,
	}}
	if r.Parameters, r.PathParameters, err = fairnasParameters(space.CIFARMobile()); err != nil {
		return err
	}
	r.Network = fmt.Sprintf("FairNAS's supernet on the space %s: 8 layers of 6 choices, images of 32×32, %d weights.", space.CIFARMobileName, r.Parameters)

	check := sameNetwork(r.Parameters, r.PathParameters)
	strict, err := o.fairnasOurs(filepath.Join(caches, "strict"), check)
	if err != nil {
		return err
	}
	path, err := o.fairnasOurs(filepath.Join(caches, "path"), nil, "-path", fairnasPath)
	if err != nil {
		return err
	}
	strict.Name, path.Name = "gonas", "gonas, one path"
	contenders := []contender{strict, path}
	for _, format := range o.Formats {
		c := torchContender(python, filepath.Join(o.Root, "benchmarks", "torch", "fairnas_step.py"), format, fairnasBatch, o.settings)
		c.Check = check
		c.Command = append(c.Command, "--count", strings.Join(fairnasCounted, ","))
		for _, f := range []struct {
			flag  string
			value float64
		}{{"--rate", fairnasWeights.LearningRate}, {"--momentum", fairnasWeights.Momentum}, {"--decay", fairnasWeights.WeightDecay}, {"--clip", fairnasWeights.Clip}} {
			c.Command = append(c.Command, f.flag, strconv.FormatFloat(f.value, 'g', -1, 64))
		}
		contenders = append(contenders, c)
	}
	runErr := o.interleave(ctx, contenders, &r.report, log)
	if runErr == nil {
		strict.Command = append(strict.Command, "-profile")
		var s sample
		if s, runErr = strict.run(ctx, log); runErr == nil {
			r.Profile = s.Profile
		}
	}
	r.Complete = runErr == nil
	if len(r.Samples) == 0 {
		return runErr
	}
	r.Bars = fairnasBars(r.Summaries)
	return o.conclude(r, r.Benchmark, r.Date, r.Bars, runErr, out, log)
}

// fairnasOurs is a contender of ours; cache is its folder of compiled programs, made empty.
func (o options) fairnasOurs(cache string, check func(sample) error, arguments ...string) (contender, error) {
	command := o.pin(append([]string{o.Self, fairnasStepName, "-batch", strconv.Itoa(fairnasBatch),
		"-steps", strconv.Itoa(o.Steps), "-warmup", strconv.Itoa(o.Warmup)}, arguments...)...)
	return contender{Framework: "gonas", Variant: nn.Edge.String(), Batch: fairnasBatch, Command: command, Env: []string{"GONAS_CACHE_DIR=" + cache}, Check: check},
		os.Mkdir(cache, 0o700)
}

// fairnasParameters counts the weights of a supernet and of some paths.
func fairnasParameters(p space.Paths) (all int, paths map[string]int, err error) {
	root, err := p.Supernet()
	if err != nil {
		return 0, nil, err
	}
	paths = map[string]int{}
	for _, code := range fairnasCounted {
		path, err := p.Parse(code)
		if err != nil {
			return 0, nil, err
		}
		one, err := p.Tree([][]int{path})
		if err != nil {
			return 0, nil, err
		}
		paths[code] = nn.Params(one.Specs())
	}
	return nn.Params(root.Specs()), paths, nil
}

// sameNetwork makes a check that all processes train the same network: the number of parameters, where a process tells
// it, and the losses of the first two steps, before and after the first update.
func sameNetwork(parameters int, paths map[string]int) func(sample) error {
	const steps, tolerance = 2, 2e-3
	var first [][]float64
	return func(s sample) error {
		if s.Framework == "torch" {
			if s.Parameters != parameters {
				return fmt.Errorf("parameters of the supernet: expected %d, got %d", parameters, s.Parameters)
			}
			for code, n := range paths {
				if s.PathParameters[code] != n {
					return fmt.Errorf("parameters of path %s: expected %d, got %d", code, n, s.PathParameters[code])
				}
			}
		}
		if len(s.PathLosses) < steps {
			return fmt.Errorf("path_losses: expected those of at least %d steps, got %d", steps, len(s.PathLosses))
		}
		if first == nil {
			first = s.PathLosses[:steps]
			return nil
		}
		for i, want := range first {
			got := s.PathLosses[i]
			if len(got) != len(want) {
				return fmt.Errorf("step %d: expected losses of %d paths, got %d", i, len(want), len(got))
			}
			for k := range want {
				if !(math.Abs(got[k]-want[k]) <= tolerance*math.Abs(want[k])) {
					return fmt.Errorf("step %d, path %d: expected a loss of %g as the first process had, got %g", i, k, want[k], got[k])
				}
			}
		}
		return nil
	}
}

// fairnasBars checks the bounds.
func fairnasBars(all []summary) []bar {
	find := func(name string) *summary { return named(all, name, fairnasBatch) }
	ours, path, standard, last := find("gonas"), find("gonas, one path"), find("torch default"), find("torch channels_last")
	var out []bar
	against := func(b bar, theirs *summary, of func(*summary) float64) {
		value, err := ratio(ours, theirs, fairnasBatch, of)
		out = append(out, b.judged(value, err))
	}
	seconds := func(what string, limit float64, s *summary, of func(*summary) float64, lacks string) {
		value, err := 0.0, errors.New(lacks)
		if s != nil && of(s) > 0 {
			value, err = of(s), nil
		}
		out = append(out, bar{What: what, Limit: limit, Unit: "s"}.judged(value, err))
	}
	against(bar{What: "step / PyTorch default", Limit: 0.6}, standard, stepOf)
	against(bar{What: "step / PyTorch channels-last", Limit: 1.2, Goal: 0.9}, last, stepOf)
	seconds("cold, until the end of the last step that compiles anything", 20, ours, func(s *summary) float64 { return s.ReadyCold }, "a cold run")
	seconds("one path's first update, cold", 5, path, func(s *summary) float64 { return s.FirstCold }, "a cold run of one path")
	seconds("one path's first update, from the cache", 1.5, path, func(s *summary) float64 { return s.First }, "a cached run of one path")
	n, err := recompiled(all)
	return append(out, bar{What: "programs compiled by the cached processes"}.judged(n, err))
}

// markdown is the report for people.
func (r fairnasReport) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# FairNAS's strict-fair step beside PyTorch, %s\n\n", r.Date)
	if !r.Complete {
		b.WriteString("Stopped before the end: what follows is what was measured until then.\n\n")
	}
	fmt.Fprintf(&b, "%s One step takes %d images through six paths, in each layer every choice once, forwards and back, batch norm in "+
		"training mode; the gradients add up to one update by SGD (momentum %g, L2 decay %g, norm clipped to %g). Ours runs the stem once a "+
		"step for all six paths; PyTorch's natural code, and so this one, runs each path by itself, stem included, and holds one path's graph "+
		"at a time. Both start from the same weights: numbers of parameters (%s) and the six losses of the first two steps agreed in every process of a strict-fair step. "+
		"Processes of all contenders take turns; times are medians over all their timed steps (%d step(s) of warm-up after the first), "+
		"in seconds; memory is the largest resident size in MiB. A first call of ours begins with the making of the supernet.\n\n",
		r.Network, fairnasBatch, fairnasWeights.Momentum, fairnasWeights.WeightDecay, fairnasWeights.Clip, r.counts(), r.Warmup)
	fmt.Fprintf(&b, "%s %d threads for each side; %s.\n", r.Machine.sentence(), r.Threads, strings.Join(r.Allocator, " "))
	fmt.Fprintf(&b, "Backends: %s.\n%s", strings.Join(r.Backends, "; "), r.load())

	over := func(s summary, name string) string {
		other := named(r.Summaries, name, s.Batch)
		if other == nil || s.Name == "gonas, one path" {
			return "–"
		}
		return number(s.Step / other.Step)
	}
	var rows [][]string
	for _, s := range r.Summaries {
		compile, load := "–", "–"
		if s.Framework == "gonas" {
			if s.FirstCold > 0 {
				compile = fmt.Sprintf("%s, %s summed (%d)", number(s.CompileCold), number(s.CompileSum), s.Compilations)
			}
			load = number(s.Load)
		}
		rows = append(rows, []string{s.Name, number(s.Step), number(s.Quickest) + "–" + number(s.Slowest), over(s, "torch default"), over(s, "torch channels_last"),
			number(s.FirstCold), number(s.ReadyCold), number(s.First), compile, load, number(s.CPU), number(s.PeakCold), number(s.Peak)})
	}
	fmt.Fprintf(&b, "\n## Batch %d\n\n%s", fairnasBatch, table([]string{
		"", "step", "range", "/ default", "/ channels-last", "first call, cold", "nothing compiles any more, cold", "first call, cached or no compiler",
		"compiling, cold (programs)", "loading, cached", "CPU-s a step", "peak, cold", "peak"}, rows))
	fmt.Fprintf(&b, "\n## Bars (batch %d)\n\n%s", fairnasBatch, barTable(r.Bars))
	if r.Profile != nil {
		fmt.Fprintf(&b, "\n## Where a step's time goes\n\n%s", r.Profile.markdown())
	}
	return b.String()
}

// counts are the numbers of parameters that both sides have.
func (r fairnasReport) counts() string {
	list := []string{fmt.Sprintf("supernet %d", r.Parameters)}
	for _, code := range fairnasCounted {
		list = append(list, fmt.Sprintf("path %s %d", code, r.PathParameters[code]))
	}
	return strings.Join(list, ", ")
}

// bottleneckName is what describeKey calls an inverted bottleneck.
var bottleneckName = regexp.MustCompile(`^(\d)×\d, (\d+)→(\d+)→(\d+), (.*)$`)

// markdown is the profile as tables.
func (p profile) markdown() string {
	var b strings.Builder
	ms := func(seconds float64) string { return fmt.Sprintf("%.1f", 1000*seconds) }
	share := func(seconds, of float64) string { return fmt.Sprintf("%.1f %%", 100*seconds/of) }
	busy := func(list []float64) string {
		var parts []string
		for n, s := range list {
			parts = append(parts, fmt.Sprintf("%d at once %s ms", n, ms(s)))
		}
		return strings.Join(parts, ", ")
	}
	fmt.Fprintf(&b, "Of a process of its own after the timed ones, means over its steps. By the clock:\n\n%s", table([]string{"", "ms", "of the step", ""}, [][]string{
		{"planning: the six paths' plan, until the first executable runs", ms(p.Planning), share(p.Planning, p.Wall), ""},
		{"forward and gradients", ms(p.Passes), share(p.Passes, p.Wall), "executables: " + busy(p.BusyPasses)},
		{"reading losses", ms(p.Reading), share(p.Reading, p.Wall), ""},
		{"optimizer", ms(p.Update), share(p.Update, p.Wall), "executables: " + busy(p.BusyUpdate)},
		{"freeing", ms(p.Freeing), share(p.Freeing, p.Wall), ""},
		{"step", ms(p.Wall), "", ""},
	}))

	// Bottlenecks by layer and choice, all else by name.
	type cell struct{ forward, gradient float64 }
	layers, choices := []string{}, []string{}
	cells := map[[2]string]cell{}
	groups, order := map[string]profileRow{}, []string{}
	total := 0.0
	for _, r := range p.Rows {
		total += r.Seconds
		name := r.Kind + " of " + r.Block
		if m := bottleneckName.FindStringSubmatch(r.Block); m != nil {
			name = r.Kind + " of bottlenecks"
			in, _ := strconv.Atoi(m[2])
			hidden, _ := strconv.Atoi(m[3])
			layer, choice := fmt.Sprintf("%s→%s, %s", m[2], m[4], m[5]), fmt.Sprintf("%d·in, %s×%s", hidden/in, m[1], m[1])
			layers, choices = append(layers, layer), append(choices, choice)
			c := cells[[2]string{layer, choice}]
			if r.Kind == "forward" {
				c.forward += r.Seconds
			} else {
				c.gradient += r.Seconds
			}
			cells[[2]string{layer, choice}] = c
		}
		g, ok := groups[name]
		if !ok {
			order = append(order, name)
		}
		groups[name] = profileRow{Calls: g.Calls + r.Calls, Seconds: g.Seconds + r.Seconds}
	}
	slices.SortStableFunc(order, func(x, y string) int { return cmp.Compare(groups[y].Seconds, groups[x].Seconds) })
	var rows [][]string
	for _, name := range order {
		g := groups[name]
		rows = append(rows, []string{name, fmt.Sprintf("%.0f", g.Calls), ms(g.Seconds), share(g.Seconds, total)})
	}
	rows = append(rows, []string{"all", "", ms(total), ""})
	fmt.Fprintf(&b, "\nBy executable, each on its own thread (a gradient runs its block's forward again):\n\n%s", table([]string{"", "calls", "ms", "of all"}, rows))
	if len(layers) == 0 {
		return b.String()
	}

	for _, list := range []*[]string{&layers, &choices} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	// The first layers come first: larger images, then fewer channels.
	slices.SortStableFunc(layers, func(x, y string) int { return layerKey(x) - layerKey(y) })
	rows = nil
	for _, layer := range layers {
		row, sum := []string{layer}, 0.0
		for _, choice := range choices {
			c := cells[[2]string{layer, choice}]
			sum += c.forward + c.gradient
			row = append(row, ms(c.forward)+" + "+ms(c.gradient))
		}
		rows = append(rows, append(row, ms(sum), share(sum, total)))
	}
	headings := append(append([]string{"layer"}, choices...), "ms", "of all")
	fmt.Fprintf(&b, "\nBottlenecks, forward + gradient in ms, by layer (channels, stride, side of its images) and choice (expansion, kernel):\n\n%s", table(headings, rows))
	return b.String()
}

// layerKey orders names of layers.
func layerKey(layer string) int {
	var in, out, stride, side int
	_, _ = fmt.Sscanf(strings.ReplaceAll(layer, ",", ""), "%d→%d stride %d %d", &in, &out, &stride, &side)
	return -1000000*side + 1000*in + out
}
