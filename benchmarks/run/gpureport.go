package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/golden"
)

// gpuReport is what gpu-check.json holds.
type gpuReport struct {
	Benchmark string `json:"benchmark"`
	Date      string `json:"date"`
	// Dry is true of small sizes on a CPU: the numbers then say nothing of a GPU.
	Dry bool `json:"dry_run"`
	// Complete is false when the check was cut off.
	Complete bool         `json:"complete"`
	Seconds  float64      `json:"seconds"`
	Machine  machine      `json:"machine"`
	Parts    []partResult `json:"parts"`
}

// A search of 50 epochs: half of CIFAR-10's 50,000 training images in whole batches of 64, and what it should take.
const (
	searchEpochs  = 50
	searchSteps   = 25000 / 64
	searchMinutes = 20
	// stepGoal is the part of eager PyTorch's time that a step should take.
	stepGoal = 1.0 / 3
)

// markdown is the report for people.
func (r gpuReport) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What a GPU shows, %s\n\n", r.Date)
	if r.Dry {
		b.WriteString("A dry run: small sizes on a CPU. It shows that everything runs through; its numbers say nothing of a GPU.\n\n")
	}
	if !r.Complete {
		b.WriteString("Not all parts have run: what follows is what was measured until then.\n\n")
	}
	fmt.Fprintf(&b, "%s %.0f s in all.\n", r.Machine.sentence(), r.Seconds)
	fmt.Fprintf(&b, "\n## 1. Device\n\n%s", r.device())
	fmt.Fprintf(&b, "\n## 2. Golden numbers\n\nThe quantity of each kind that is farthest from the official code's numbers, for its tolerance: largest difference over largest "+
		"magnitude, of the tolerance of the tests.\n\n%s", r.goldenTable())
	fmt.Fprintf(&b, "\n## 3. One bilevel step of the DARTS supernet\n\n%s", r.stepTable("darts"))
	fmt.Fprintf(&b, "\n## 4. One strict-fair step of FairNAS\n\n%s\nThe choices of this space are no larger than an edge, so that by cell is by edge; each step's six paths are "+
		"others, so that one program of all of them would be compiled anew at every step. Neither is measured.\n", r.stepTable("strict"))
	fmt.Fprintf(&b, "\n## 5. A search of %d epochs\n\n%s", searchEpochs, r.search())
	fmt.Fprintf(&b, "\n## 6. What bounds a step\n\n%s", r.boundTable())
	var rows [][]string
	for _, p := range r.Parts {
		rows = append(rows, []string{p.Name, p.Status, number(p.Seconds), number(p.Limit), cell(p.Reason)})
	}
	fmt.Fprintf(&b, "\n## Parts\n\n%s", table([]string{"part", "", "s", "limit, s", "why"}, rows))
	return b.String()
}

// cell keeps a text from ending its cell of a table.
func cell(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '|' || r == '\n' }), " ")
}

// missing says of parts whose name begins so why they show nothing.
func (r gpuReport) missing(prefix string) string {
	var why []string
	for _, p := range r.Parts {
		if strings.HasPrefix(p.Name, prefix) && p.Status != partDone {
			why = append(why, cell(strings.TrimSpace(p.Status+" "+p.Reason)))
		}
	}
	return "not measured: " + cmp.Or(strings.Join(slices.Compact(why), "; "), "no such part was asked for")
}

func (r gpuReport) device() string {
	for _, p := range r.Parts {
		d := p.Doctor
		if d == nil {
			continue
		}
		rows := [][]string{{"backend", "none opens: " + cell(d.Error)}}
		if d.Backend != nil {
			rows = [][]string{{"backend", d.Backend.Kind}, {"plug-in", d.Backend.PluginVersion}, {"devices", strings.Join(d.Backend.Devices, ", ")}}
		}
		driver := "nvidia-smi told nothing"
		if len(d.Driver) > 0 {
			driver = strings.Join(d.Driver, "; ")
		}
		rows = append(rows, []string{"GPU, driver, memory", driver}, []string{"processor", fmt.Sprintf("%s, %d usable", d.Processor, d.Processors)})
		return table([]string{"", ""}, rows)
	}
	return r.missing("doctor") + "\n"
}

// goldenKinds are the kinds of golden numbers: the beginnings of their tests' names.
var goldenKinds = []struct{ title, test string }{
	{"search network of DARTS", "TestSupernetGoldenFloat32/darts/"},
	{"search network of FairDARTS", "TestSupernetGoldenFloat32/fairdarts/"},
	{"unrolled step", "TestUnrolledGolden/"},
	{"operations", "TestOperationsGolden/"},
	{"mixed operation", "TestMixedOperationGolden/"},
	{"networks of the zoo", "zoo"},
}

func (r gpuReport) goldenTable() string {
	var rows [][]string
	for _, kind := range goldenKinds {
		row := []string{kind.title}
		for _, precision := range []string{inFloat32, inTF32} {
			count, far := 0, 0
			var worst golden.Deviation
			for _, p := range r.Parts {
				for _, d := range p.Deviations {
					if p.Precision != precision || !strings.HasPrefix(d.Test, kind.test) {
						continue
					}
					count++
					if outside(d) {
						far++
					}
					// What is not a number is farthest, and stays so.
					if count == 1 || !math.IsNaN(worst.Relative) && !(d.Relative/d.Tolerance <= worst.Relative/worst.Tolerance) {
						worst = d
					}
				}
			}
			within, farthest := "not measured", "–"
			if count > 0 {
				within, farthest = fmt.Sprintf("%d of %d", count-far, count), fmt.Sprintf("%.2g of %g: %s", worst.Relative, worst.Tolerance, cell(worst.Quantity))
			}
			row = append(row, within, farthest)
		}
		rows = append(rows, row)
	}
	return table([]string{"", "float32: within the tolerance", "farthest", "TF32: within the tolerance", "farthest"}, rows)
}

// contender names what a sample is of.
func (s sample) contender() string {
	switch {
	case s.Framework == "gonas":
		return "gonas by " + s.Granularity
	case s.Compiled != "":
		return "torch.compile by " + s.Compiled
	}
	return "PyTorch eager, " + s.Format
}

// steps are the samples of the parts of a network, ours first, as they were measured.
func (r gpuReport) steps(of string) (list []sample) {
	for _, prefix := range []string{of, "torch-" + of} {
		for _, p := range r.Parts {
			if strings.HasPrefix(p.Name, prefix) {
				list = append(list, p.Samples...)
			}
		}
	}
	return list
}

// eagerStep is the time of eager PyTorch's step in its default format at a precision, 0 where it was not measured.
func eagerStep(all []sample, precision string) float64 {
	for _, s := range all {
		if s.Framework == "torch" && s.Compiled == "" && s.Format == "default" && s.Precision == precision && len(s.Steps) > 0 {
			return median(s.Steps)
		}
	}
	return 0
}

func (r gpuReport) stepTable(of string) string {
	all := r.steps(of)
	ms := func(seconds float64) string { return number(1000 * seconds) }
	var rows [][]string
	for _, s := range all {
		step, span, ratio := "not measured", "–", "–"
		if len(s.Steps) > 0 {
			step, span = ms(median(s.Steps)), ms(slices.Min(s.Steps))+"–"+ms(slices.Max(s.Steps))
			if eager := eagerStep(all, s.Precision); eager > 0 {
				ratio = number(median(s.Steps) / eager)
			}
		}
		compile, host, launches := "–", "–", "–"
		if s.Framework == "gonas" {
			compile = fmt.Sprintf("%s (%d, %d from the cache)", number(s.CompileWall), s.Compilations, s.CacheHits)
		}
		if s.Profile != nil {
			host, launches = ms(s.Profile.Wall-s.Profile.busy()), fmt.Sprintf("%.0f", s.Profile.launches())
		}
		rows = append(rows, []string{s.contender(), s.Precision, fmt.Sprint(s.Batch), step, span, ratio, compile, number(s.FirstCall), host, launches, number(s.PeakDevice), number(s.PeakRSS)})
	}
	for _, p := range r.Parts {
		if (strings.HasPrefix(p.Name, of) || strings.HasPrefix(p.Name, "torch-"+of)) && p.Status != partDone {
			rows = append(rows, []string{p.Name, p.Precision, "–", cell(strings.TrimSpace(p.Status + ": " + p.Reason)), "–", "–", "–", "–", "–", "–", "–", "–"})
		}
	}
	if len(rows) == 0 {
		return r.missing(of) + "\n"
	}
	return table([]string{"", "precision", "batch", "step, ms", "range, ms", "/ eager PyTorch, default format", "compiling, s (programs)", "first step, s",
		"host between launches, ms", "launches a step", "GPU memory, MiB", "resident, MiB"}, rows)
}

// search computes how long a search takes, from the steps of the DARTS supernet.
func (r gpuReport) search() string {
	if r.Dry {
		return "Not computed: a dry run's network is another. A search is " + fmt.Sprint(searchEpochs*searchSteps) + " steps.\n"
	}
	var rows [][]string
	all := r.steps("darts")
	for _, s := range all {
		if len(s.Steps) == 0 {
			continue
		}
		minutes, verdict := median(s.Steps)*searchEpochs*searchSteps/60, "–"
		if s.Framework == "gonas" {
			verdict = fmt.Sprintf("%s (goal: under %d)", met(minutes < searchMinutes), searchMinutes)
			if eager := eagerStep(all, s.Precision); eager > 0 {
				verdict += fmt.Sprintf("; a step %s (goal: a third of eager PyTorch's)", met(median(s.Steps) <= stepGoal*eager))
			}
		}
		rows = append(rows, []string{s.contender(), s.Precision, number(minutes), verdict})
	}
	if len(rows) == 0 {
		return r.missing("darts") + "\n"
	}
	return fmt.Sprintf("%d steps of section 3, of the DARTS supernet, which has one operation an edge more than FairDARTS's and no zero-one loss; without loading images.\n\n%s",
		searchEpochs*searchSteps, table([]string{"", "precision", "minutes", ""}, rows))
}

func met(yes bool) string {
	if yes {
		return "met"
	}
	return "missed"
}

// bound is a part of a step's time.
type bound struct {
	what  string
	share float64
}

const (
	boundHost   = "host between launches"
	boundLaunch = "launching"
)

// busy is how long at least one executable ran, in seconds a step.
func (p profile) busy() float64 {
	total := 0.0
	for _, list := range [][]float64{p.BusyPasses, p.BusyUpdate} {
		for n, seconds := range list {
			if n > 0 {
				total += seconds
			}
		}
	}
	return total
}

// launches is how many executables a step calls.
func (p profile) launches() float64 {
	total := 0.0
	for _, r := range p.Rows {
		total += r.Calls
	}
	return total
}

// bounds divides a step's time, the largest part first: the time in which no executable ran, and the rest in proportion
// to the executables' own times, of each call of which launch seconds go to launching.
func (p profile) bounds(launch float64) []bound {
	total := 0.0
	for _, r := range p.Rows {
		total += r.Seconds
	}
	shares := map[string]float64{boundHost: (p.Wall - p.busy()) / p.Wall}
	for _, r := range p.Rows {
		starting := math.Min(r.Seconds, r.Calls*launch)
		shares[boundLaunch] += p.busy() / p.Wall * starting / total
		shares[r.Kind+" programs"] += p.busy() / p.Wall * (r.Seconds - starting) / total
	}
	var list []bound
	for _, what := range slices.Sorted(maps.Keys(shares)) {
		list = append(list, bound{what, shares[what]})
	}
	slices.SortStableFunc(list, func(a, b bound) int { return -cmp.Compare(a.share, b.share) })
	return list
}

// shortened keeps a table narrow.
func shortened(text string) string {
	const most = 60
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most]) + "…"
	}
	return text
}

func (r gpuReport) boundTable() string {
	var rows [][]string
	for _, of := range []struct{ name, title string }{{"darts", "DARTS"}, {"strict", "strict-fair"}} {
		for _, s := range r.steps(of.name) {
			if s.Profile == nil || len(s.Profile.Rows) == 0 {
				continue
			}
			list := s.Profile.bounds(s.Launch)
			var shares []string
			for _, b := range list {
				if b.share >= 0.005 {
					shares = append(shares, fmt.Sprintf("%s %.0f %%", b.what, 100*b.share))
				}
			}
			dearest := s.Profile.Rows[0]
			rows = append(rows, []string{of.title + ", by " + s.Granularity, s.Precision, list[0].what, strings.Join(shares, ", "), number(1e6 * s.Launch),
				fmt.Sprintf("%s of %s, %.0f calls, %.1f ms", dearest.Kind, shortened(cell(dearest.Block)), dearest.Calls, 1000*dearest.Seconds)})
		}
	}
	if len(rows) == 0 {
		return r.missing("darts") + "\n"
	}
	return "Of the clock: the time in which no executable ran is the host's; the rest is divided by the executables' own times, of which each call's launch (a program that adds 1 " +
		"to a number) is taken off. A call ends when the device is done, so that its time is both.\n\n" +
		table([]string{"step", "precision", "bound by", "shares", "a launch, µs", "dearest program"}, rows)
}
