package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
	"github.com/gonas/gonas/repro/runner"
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
	if _, err := nas.LookupProfile(c.Profile); err != nil {
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
	jobs, err := r.Jobs()
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.plan(a, jobs)
	}
	left, expected := 0, 0.0
	for _, j := range jobs {
		if !j.Done {
			left, expected = left+1, expected+j.Expected
		}
	}
	if left > 0 {
		if err := c.make(a, r, left, expected); err != nil {
			return err
		}
	}
	verdicts, err := repro.Decide(dir, claims.Profile(c.Profile))
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

// wanted are the claims that the command line chooses.
func (c reproRunCmd) wanted() ([]claims.Claim, error) {
	all, err := claims.All()
	if err != nil {
		return nil, err
	}
	papers, kinds := map[string]bool{}, map[string]bool{}
	var out []claims.Claim
	for _, claim := range all {
		papers[claim.Paper] = true
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
	for _, p := range c.Papers {
		if !papers[p] {
			return nil, fmt.Errorf("paper %q: expected one of %v", p, slices.Sorted(maps.Keys(papers)))
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
		if !j.Done {
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

// make does the runs that are left and records what they ran on.
func (c reproRunCmd) make(a *app, r *runner.Runner, left int, expected float64) (err error) {
	pick, err := pickData(c.Data)
	if err != nil {
		return err
	}
	if r.Train, r.Test, err = datasets.Load(pick.Name, pick.Dir); err != nil {
		return err
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	r.Engine = engine.New(b.Backend)
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return err
	}
	f, err := runfolder.Lock(r.Dir)
	if err != nil {
		return err
	}
	defer f.Unlock()
	record := describeRun(a, b, c.Profile, 0, slices.Concat(r.Train.Files, r.Test.Files))
	record.Seeds = seedList(c.Seeds)
	if record, err = f.Begin(record); err != nil {
		return err
	}
	start := time.Now()
	fmt.Fprintf(a.stderr, "%d runs to do on %s, %d training and %d test images of %s; about %s on two cores, compiling left out\n",
		left, b.Info.Kind, r.Train.N, r.Test.N, r.Train.Name, time.Duration(expected)*time.Second)
	r.Started = func(n, total int, job runner.Job) search.Listener {
		fmt.Fprintf(a.stderr, "[%d/%d, %s] %s %s, seed %d\n", n, total, time.Since(start).Round(time.Second), job.Kind, job.Label, job.Seed)
		return nil
	}
	if err := r.Run(a.ctx); err != nil {
		if errors.Is(err, search.ErrInterrupted) {
			return fmt.Errorf("%w; the same command goes on from here", errInterrupted)
		}
		return err
	}
	return f.Finish(record)
}

func seedList(n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = uint64(i)
	}
	return list
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
	Dir  string `arg:"" help:"Evidence folder: of a run that was cut short, say, or of one whose claims were written anew."`
	JSON bool   `name:"json" help:"Print the verdicts as JSON."`
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
	verdicts, err := repro.Decide(c.Dir, record.Profile)
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
