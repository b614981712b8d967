package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/near"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
	"github.com/gonas/gonas/repro/runfolder"
	"github.com/gonas/gonas/repro/runner"
	"github.com/gonas/gonas/repro/runs"
	"github.com/gonas/gonas/repro/verdict"
)

type reproCmd struct {
	List   reproListCmd   `cmd:"" help:"List the claims: id, paper, kind, value as printed."`
	Run    reproRunCmd    `cmd:"" help:"Make the runs that the claims need, then decide the claims."`
	Decide reproDecideCmd `cmd:"" help:"Decide the claims from what an evidence folder holds, without running anything."`
	Verify reproVerifyCmd `cmd:"" help:"Recompute every verdict of an evidence folder from its raw logs alone."`
	Report reproReportCmd `cmd:"" help:"Show an evidence folder: a page that works offline, Markdown, a table or JSON."`
}

type reproRunCmd struct {
	Papers  []string `arg:"" optional:"" name:"paper" help:"Papers whose claims are wanted (default: all)."`
	Only    string   `placeholder:"KIND" help:"Only claims of this kind: exact, golden, order, rank, trend, level, cost."`
	Profile string   `default:"quick" help:"How much to spend: ${profiles}."`
	Seeds   int      `default:"3" help:"Number of paired seeds; fewer than 3 decide nothing."`
	Out     string   `placeholder:"DIR" help:"Evidence folder; what is finished there is not done again. Default: runs/repro-PROFILE."`
	Data    string   `placeholder:"DIR" help:"Data folder with CIFAR-10, for all of its images; default: the embedded ones."`
	Level   string   `name:"granularity" placeholder:"LEVEL" help:"Largest part of a search's network that is compiled as one: operation, edge, cell or network (default: the profile's)."`
	Jobs    int      `default:"1" placeholder:"N" help:"Runs that go on at once, which makes better use of a GPU, and of processors where networks are small."`
	JSON    bool     `name:"json" help:"Print the verdicts as JSON."`
	DryRun  bool     `help:"Print the runs and stop."`
}

// Run makes what is missing and prints the verdicts.
func (c reproRunCmd) Run(a *app) (err error) {
	if c.Seeds < 1 {
		return fmt.Errorf("--seeds: expected at least 1, got %d", c.Seeds)
	}
	if c.Jobs < 1 {
		return fmt.Errorf("--jobs: expected at least 1, got %d", c.Jobs)
	}
	if err := profile.Check(c.Profile); err != nil {
		return err
	}
	if c.Level != "" {
		if _, err := nn.ParseLevel(c.Level); err != nil {
			return fmt.Errorf("--granularity: %w", err)
		}
	}
	dir := c.Out
	if dir == "" {
		dir = filepath.Join("runs", "repro-"+c.Profile)
	}
	wanted, err := c.wanted()
	if err != nil {
		return err
	}
	r := &runner.Runner{Profile: c.Profile, Seeds: c.Seeds, Granularity: c.Level, Parallel: c.Jobs, Dir: dir, Claims: wanted}
	// A plan without data is that of what the folder was begun on.
	if !c.DryRun || c.Data != "" {
		if r.Data, err = openKinds(a, r, c.Data); err != nil {
			return err
		}
	}
	jobs, err := r.Jobs()
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.plan(a, jobs)
	}
	left := slices.DeleteFunc(slices.Clone(jobs), func(j runner.Job) bool { return j.Done })
	if len(left) > 0 {
		if err := c.make(a, r, left); err != nil {
			return err
		}
	}
	verdicts, err := decide(a, dir, c.Profile, c.Papers)
	if err != nil {
		return err
	}
	if c.JSON {
		return repro.JSON(a.stdout, verdicts)
	}
	if err := repro.Table(a.stdout, verdicts); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\nProfile %s, %d seeds. Evidence and verdicts.json: %s\n", c.Profile, c.Seeds, dir)
	return nil
}

// checkPapers refuses papers without claims; the error lists those that have some.
func checkPapers(papers []string) error {
	known, err := claims.Papers()
	if err != nil {
		return err
	}
	var ids []string
	for _, p := range known {
		ids = append(ids, p.ID)
	}
	for _, p := range papers {
		if !slices.Contains(ids, p) {
			return wrongUsage(fmt.Errorf("paper %q: expected one of %v%s", p, ids, near.Hint(p, ids)))
		}
	}
	return nil
}

// wanted are the claims that the command line chooses.
func (c reproRunCmd) wanted() ([]claims.Claim, error) {
	if err := checkPapers(c.Papers); err != nil {
		return nil, err
	}
	all, err := claims.All()
	if err != nil {
		return nil, err
	}
	kinds := map[string]bool{}
	var out []claims.Claim
	for _, claim := range all {
		of := len(c.Papers) == 0 || slices.Contains(c.Papers, claim.Paper)
		fits := c.Only == ""
		for _, part := range claim.Assertions() {
			kinds[string(part.Kind)] = true
			fits = fits || string(part.Kind) == c.Only
		}
		if of && fits {
			out = append(out, claim)
		}
	}
	if c.Only != "" && !kinds[c.Only] {
		return nil, fmt.Errorf("--only %q: expected one of %v", c.Only, slices.Sorted(maps.Keys(kinds)))
	}
	return out, nil
}

// plan prints what would be done and how long that takes.
func (c reproRunCmd) plan(a *app, jobs []runner.Job) error {
	if c.JSON {
		return writeJSON(a.stdout, jobs)
	}
	total, unknown := 0.0, 0
	for _, j := range jobs {
		state := "done"
		switch {
		case len(j.Stranger) > 0:
			state = "another run there"
		case !j.Done:
			state = "not measured yet"
			if j.Expected > 0 {
				state = "about " + (time.Duration(j.Expected) * time.Second).String()
				total += j.Expected
			} else {
				unknown++
			}
		}
		fmt.Fprintf(a.stdout, "%-6s %-16s seed %d  %-20s for %s\n", j.Kind, j.Label, j.Seed, state, strings.Join(j.Claims, ", "))
	}
	fmt.Fprintf(a.stdout, "%d runs, about %s on two cores", len(jobs), time.Duration(total)*time.Second)
	if unknown > 0 {
		fmt.Fprintf(a.stdout, " and %d runs whose time was not measured", unknown)
	}
	_, err := fmt.Fprintln(a.stdout)
	return err
}

// openKinds opens what the runs are on.
func openKinds(a *app, r *runner.Runner, folder string) (map[datasets.Kind]*datasets.Set, error) {
	kinds, err := r.Kinds()
	if err != nil {
		return nil, err
	}
	sets := map[datasets.Kind]*datasets.Set{}
	for _, kind := range kinds {
		if sets[kind], _, err = (runFlags{Data: folder}).openData(a, "", kind); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// make does the runs that are left.
func (c reproRunCmd) make(a *app, r *runner.Runner, left []runner.Job) error {
	data := map[datasets.Kind]datasets.Identity{}
	for kind, set := range r.Data {
		id, err := set.Identity()
		if err != nil {
			return err
		}
		data[kind] = id
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	r.Engine = engine.New(b.Backend)
	r.Record = func(on datasets.Identity, files []datasets.FileSum, seeds ...uint64) evidence.Run {
		return describeRun(a, b, c.Profile, on, files, seeds...)
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return err
	}
	f, err := runfolder.Lock(r.Dir)
	if err != nil {
		return err
	}
	defer f.Unlock()
	start, expected := time.Now(), 0.0
	for _, j := range left {
		expected += j.Expected
	}
	var on []string
	for _, kind := range slices.Sorted(maps.Keys(data)) {
		on = append(on, data[kind].String())
	}
	fmt.Fprintf(a.stderr, "%d runs to do on %s, on %s; about %s on two cores, compiling left out\n",
		len(left), b.Info.Kind, strings.Join(on, ", "), time.Duration(expected)*time.Second)
	for _, reason := range unpublished(c.Profile, left, data) {
		fmt.Fprintln(a.stderr, reason)
	}
	r.Started = func(n, total int, job runner.Job) run.Listener {
		fmt.Fprintf(a.stderr, "[%d/%d, %s] %s %s, seed %d\n", n, total, time.Since(start).Round(time.Second), job.Kind, job.Label, job.Seed)
		return nil
	}
	err = r.Run(a.ctx)
	if errors.Is(err, run.ErrInterrupted) {
		return fmt.Errorf("%w; the same command goes on from here", errInterrupted)
	}
	return err
}

// unpublished says why runs at the profile paper are not those of the papers, each reason once.
func unpublished(name string, jobs []runner.Job, data map[datasets.Kind]datasets.Identity) []string {
	var out []string
	for _, job := range jobs {
		wanted := datasets.CIFAR10Name
		if m, variant, found := nas.Labelled(job.Label); found {
			wanted = m.Asks(variant)
		}
		if reason := method.NotPublished(data[runs.Kind(job.Label)], wanted); name == profile.Paper && reason != "" && !slices.Contains(out, reason) {
			out = append(out, reason)
		}
	}
	return out
}

// decide decides the claims from a folder and names the runs in it that no verdict rests on.
func decide(a *app, dir string, name claims.Profile, papers []string) ([]verdict.Verdict, error) {
	verdicts, err := repro.Decide(dir, name, papers...)
	if err != nil {
		return nil, err
	}
	found, err := extract.Load(dir, name)
	if err != nil {
		return nil, err
	}
	for _, s := range found.Strangers {
		fmt.Fprintf(a.stderr, "left out, for it is another run than its place asks for: %s\n", s)
	}
	return verdicts, nil
}

type reproListCmd struct {
	JSON bool `name:"json" help:"One JSON record a claim."`
}

// Run prints the claims.
func (c reproListCmd) Run(a *app) error {
	all, err := claims.All()
	if err != nil {
		return err
	}
	for _, claim := range all {
		if c.JSON {
			if err := writeJSONLine(a.stdout, listed(claim)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.stdout, "%-18s %-10s %-6s %s: %s\n", claim.ID, claim.Paper, claim.Kind, claim.Metric, claim.Printed)
	}
	return nil
}

type reproDecideCmd struct {
	Dir    string   `arg:"" help:"Evidence folder: of a run that was cut short, say, or of one whose claims were written anew."`
	Papers []string `arg:"" optional:"" name:"paper" help:"Papers whose claims are wanted (default: those decided there before, else all)."`
	JSON   bool     `name:"json" help:"Print the verdicts as JSON."`
}

// Run writes verdicts.json and prints the verdicts.
func (c reproDecideCmd) Run(a *app) error {
	record, err := evidence.ReadRun(c.Dir)
	if err != nil {
		return err
	}
	f, err := runfolder.Lock(c.Dir)
	if err != nil {
		return err
	}
	defer f.Unlock()
	papers := c.Papers
	if len(papers) == 0 {
		before, err := evidence.ReadVerdicts(c.Dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		papers = before.Papers
	}
	if err := checkPapers(papers); err != nil {
		return err
	}
	verdicts, err := decide(a, c.Dir, record.Profile, papers)
	if err != nil {
		return err
	}
	if c.JSON {
		return repro.JSON(a.stdout, verdicts)
	}
	return repro.Table(a.stdout, verdicts)
}

type reproVerifyCmd struct {
	Dir  string `arg:"" help:"Evidence folder."`
	JSON bool   `name:"json" help:"Print what was found as JSON."`
}

// Run fails where anything is not as recorded, and names it.
func (c reproVerifyCmd) Run(a *app) error {
	v, err := repro.Verify(c.Dir)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := writeJSON(a.stdout, v); err != nil {
			return err
		}
	}
	problems := v.Problems()
	if len(problems) == 0 {
		if !c.JSON {
			fmt.Fprintf(a.stdout, "%s: all %d verdicts follow from the raw logs\n", c.Dir, len(v.Verdicts))
		}
		return nil
	}
	for _, p := range problems {
		fmt.Fprintln(a.stderr, p)
	}
	return fmt.Errorf("%s: %d things are not as recorded", c.Dir, len(problems))
}

// listed is a claim as `repro list --json` prints it.
func listed(c claims.Claim) map[string]any {
	status := "not decided"
	if c.Lacks != "" {
		status = "not run"
	}
	return map[string]any{"id": c.ID, "paper": c.Paper, "kind": c.Kind, "value": c.Printed, "status": status, "derived": c.Derived,
		"confidence": c.Confidence, "lacks": c.Lacks}
}
