package nb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/claims"
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
	data, err := pickImages()
	if err != nil {
		return "", err
	}
	// The records say how a claim is decided.
	config := map[string]any{"profile": profile, "seeds": seeds, "claims": wanted, "data": data.Name}
	return Cached("evidence-"+profile, config, func(dir string) error {
		r := &runner.Runner{Profile: profile, Seeds: seeds, Dir: dir, Claims: wanted}
		jobs, err := r.Jobs()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(jobs, func(j runner.Job) bool { return !j.Done }) {
			if r.Engine, err = Open(); err != nil {
				return err
			}
			if r.Train, r.Test, err = LoadImages(); err != nil {
				return err
			}
			what := fmt.Sprintf("evidence for %d claims, profile %s, %d seeds", len(ids), profile, seeds)
			show := newProgress(what, nil)
			r.Started = func(n, total int, job runner.Job) search.Listener {
				show.what = fmt.Sprintf("run %d of %d: %s of %s, seed %d", n, total, job.Kind, job.Label, job.Seed)
				return show.listen
			}
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			err := r.Run(ctx)
			show.what = what
			if errors.Is(err, search.ErrInterrupted) {
				show.end("interrupted; running this again goes on with the run that is not finished")
			}
			if err != nil {
				return err
			}
			show.end(fmt.Sprintf("%d runs", len(jobs)))
		}
		_, err = repro.Decide(dir, claims.Profile(profile))
		return err
	})
}
