package runfolder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runs"
)

// Search searches by a method on the training samples of set, in the folder dir, which it makes: programs that import gonas
// get by it what the command gonas search leaves. The configuration's classes and channels become those of the data. A
// search that was cut short goes on from its last whole epoch, one that has ended there is not done again, and a folder that
// holds another run is refused. Nothing is written before configuration and data are known to fit.
func Search(ctx context.Context, b *backend.Backend, dir string, set *datasets.Set, m method.Method, c method.Config) (*run.Result, error) {
	on, err := set.Identity()
	if err != nil {
		return nil, err
	}
	fitted, err := method.Fit(c, set.Train)
	if err != nil {
		return nil, err
	}
	if err := m.Check(c); err != nil {
		return nil, err
	}
	spec, note, err := m.Spec(c, "", on)
	if err != nil {
		return nil, err
	}
	if fitted != "" {
		note = fitted + "; " + note
	}
	return do(dir, b, evidence.Config{Spec: spec, Note: note}, set.Train.Files(), func(o run.Options) (*run.Result, error) {
		return m.Search(ctx, method.Env{Engine: engine.New(b.Backend), Train: set.Train, Spec: spec, Options: o}, c)
	})
}

// Train trains a network, such as a search's result has, from scratch on set and tests it once, in a folder as [Search] does;
// label says what the network is. The network gets as many classes as the data have.
func Train(ctx context.Context, b *backend.Backend, dir string, set *datasets.Set, label string, network arch.Network, c train.Config) (*run.Result, error) {
	on, err := set.Identity()
	if err != nil {
		return nil, err
	}
	network.Classes = set.Train.Classes()
	network = c.Sized(network)
	if err := errors.Join(network.Validate(), c.Validate(), c.Fits(network)); err != nil {
		return nil, fmt.Errorf("train %s: %w", label, err)
	}
	spec, note, err := train.Spec(label, network, c, on)
	if err != nil {
		return nil, err
	}
	return do(dir, b, evidence.Config{Spec: spec, Note: note}, set.Files(), func(o run.Options) (*run.Result, error) {
		return train.Train(ctx, train.Env{Engine: engine.New(b.Backend), Data: set, Spec: spec, Options: o}, network, c)
	})
}

// do does a run in a folder, unless it has been done there.
func do(dir string, b *backend.Backend, c evidence.Config, files []datasets.FileSum, work func(run.Options) (*run.Result, error)) (*run.Result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := Lock(dir)
	if err != nil {
		return nil, err
	}
	defer f.Unlock()
	result, stranger, err := runs.Finished(dir, c.Spec)
	if errors.Is(err, fs.ErrNotExist) {
		begun, err := evidence.ReadConfig(dir)
		if err == nil {
			stranger, err = begun.Spec.Differences(c.Spec)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	switch {
	case len(stranger) > 0:
		return nil, fmt.Errorf("%s: holds another run; what differs, its value first: %s", dir, run.Differing(stranger))
	case err == nil:
		return &result, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return f.Work(c, Describe(b, c.Profile, c.Seed, c.Data, files), work)
}
