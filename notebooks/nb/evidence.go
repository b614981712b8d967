package nb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
	"github.com/gonas/gonas/repro/runner"
)

// Evidence makes the runs that the claims of these ids need in a profile, or gets those made before, with paired seeds
// from 0, decides all claims from them, and returns the evidence folder for [Verdict] and [Claims]. Claims that the runs
// say nothing of are in it as not run.
func Evidence(profile string, seeds int, ids ...string) (dir string, err error) {
	all, err := claims.All()
	if err != nil {
		return "", err
	}
	wanted := []claims.Claim{}
	for _, id := range ids {
		at := slices.IndexFunc(all, func(c claims.Claim) bool { return c.ID == id })
		if at < 0 {
			return "", fmt.Errorf("evidence: no claim is called %q; `gonas repro list` names them", id)
		}
		wanted = append(wanted, all[at])
	}
	r := &runner.Runner{Data: map[datasets.Kind]*datasets.Set{}, Profile: profile, Seeds: seeds, Claims: wanted}
	kinds, err := r.Kinds()
	if err != nil {
		return "", err
	}
	var identities []datasets.Identity
	for _, kind := range kinds {
		on, err := openData(kind)
		if err != nil {
			return "", err
		}
		r.Data[kind] = on.set
		identities = append(identities, on.identity)
	}
	config := struct {
		Profile string              `json:"profile"`
		Seeds   int                 `json:"seeds"`
		Data    []datasets.Identity `json:"data"`
		// Claims are the whole records: they say how a claim is decided.
		Claims []claims.Claim `json:"claims"`
	}{profile, seeds, identities, wanted}
	k, dir, err := place("evidence-"+profile, config)
	if err != nil {
		return "", err
	}
	r.Dir = dir
	err = cached(k, dir, func(*runfolder.Folder) error {
		if err := makeRuns(r, fmt.Sprintf("evidence for %d claims, profile %s, %d seeds", len(ids), profile, seeds)); err != nil {
			return err
		}
		_, err := repro.Decide(dir, profile)
		return err
	})
	if err != nil {
		return "", err
	}
	// A method or a recipe may have changed since.
	jobs, err := r.Jobs()
	for _, job := range jobs {
		if !job.Done {
			return "", fmt.Errorf("%s: %s of %s, seed %d: is not the run that the claims ask for now (%s): remove the folder", dir, job.Kind, job.Label, job.Seed, run.Differing(job.Stranger))
		}
	}
	return dir, err
}

// makeRuns does the runs that are not done, and shows how far they are.
func makeRuns(r *runner.Runner, what string) error {
	jobs, err := r.Jobs()
	if err != nil || !slices.ContainsFunc(jobs, func(j runner.Job) bool { return !j.Done }) {
		return err
	}
	if r.Engine, err = Open(); err != nil {
		return err
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	r.Record = func(on datasets.Identity, files []datasets.FileSum, seeds ...uint64) evidence.Run {
		record := runfolder.Describe(b, r.Profile, 0, on, files)
		record.Seeds = seeds
		return record
	}
	show := newProgress(what)
	r.Started = func(n, total int, job runner.Job) run.Listener {
		show.what = fmt.Sprintf("run %d of %d: %s of %s, seed %d", n, total, job.Kind, job.Label, job.Seed)
		return show.listen
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = r.Run(ctx)
	show.what = what
	switch {
	case errors.Is(err, run.ErrInterrupted):
		show.end("interrupted; running this again goes on with the run that is not finished")
	case err == nil:
		show.end(fmt.Sprintf("%d runs", len(jobs)))
	}
	return err
}
