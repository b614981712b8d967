package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/regular"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/evidence"
)

type trainCmd struct {
	Arch   string `arg:"" optional:"" help:"Network of the zoo, file of a network or genotype (JSON, or Genotype(…) as text, FILE:NAME of several), the run folder of a search, or \"random\" for one drawn by the seed."`
	Derive string `help:"What to train where a search kept nothing that a network could be built of: darts takes the two strongest edges of every node." enum:",darts" default:"" placeholder:"RULE"`
	runFlags
}

// randomArch names a random architecture.
const randomArch = "random"

// Run trains, in a new run folder or in one that was cut short.
func (c trainCmd) Run(a *app) error {
	switch {
	case c.Resume != "" && !reflect.DeepEqual(c, trainCmd{runFlags: c.resuming()}):
		return wrongUsage(errors.New("--resume DIR takes everything from the folder: leave out architecture and settings"))
	case c.Resume == "" && c.Arch == "":
		return wrongUsage(errors.New("train: expected the file of a genotype, the run folder of a search, \"random\", or --resume DIR"))
	}
	return c.do(a, run.Train, func() (job, error) { return c.job(a) }, resumedTraining, reportTraining)
}

// trained is what a training trains.
type trained struct {
	// name holds no path.
	name    string
	network arch.Network
	// instead is that of [run.Spec].
	instead string
}

// job puts together what a new run does.
func (c trainCmd) job(a *app) (job, error) {
	name, err := c.profile()
	if err != nil {
		return job{}, err
	}
	// What is trained says on which kind of data, and the data how large cells without a network around them become.
	what, err := c.find(io.Discard, space.Size{Classes: 2, InputChannels: 3})
	if err != nil {
		return job{}, err
	}
	kind := train.Kind(what.network)
	if info, err := os.Stat(c.Arch); err == nil && info.IsDir() && c.Data == "" {
		found, err := evidence.ReadConfig(c.Arch)
		if err != nil {
			return job{}, err
		}
		c.from = &found
	}
	set, at, err := c.openData(a, run.Train, kind)
	if err != nil {
		return job{}, err
	}
	size := space.Size{Classes: set.Train.Classes(), InputChannels: what.network.Input[2]}
	if kind == datasets.KindImages {
		size.InputChannels = set.Train.Shape()[2]
		if what, err = c.find(a.stderr, size); err != nil {
			return job{}, err
		}
	}
	if in := what.network.Input; kind == datasets.KindImages && in[0] > 32 && set.Name != datasets.FolderName {
		return job{}, errors.New("train: this network needs --data DIR with images in ImageNet's layout: DIR/train/CLASS/*.JPEG and DIR/val")
	}
	if n := what.network.Classes; n != size.Classes {
		fmt.Fprintf(a.stderr, "the data have %d classes, the network is for %d: its classifier is made to fit\n", size.Classes, n)
		what.network.Classes = size.Classes
	}
	config, _, err := train.At(name, what.network)
	if err != nil {
		return job{}, err
	}
	if err := c.change(&config, &config.Profile, &config.Seed, &config.Granularity); err != nil {
		return job{}, err
	}
	if c.Arch == randomArch {
		what.network = randomNetwork(config.Seed, size)
	}
	network := config.Sized(what.network)
	if err := config.Validate(); err != nil {
		return job{}, c.blame(err)
	}
	if err := config.Fits(network); err != nil {
		return job{}, c.blame(err)
	}
	identity, err := set.Identity()
	if err != nil {
		return job{}, err
	}
	spec, note, err := train.Spec(what.name, network, config, identity)
	spec.Instead = what.instead
	at.Spec, at.Note = spec, note
	return job{at, set, training(config, spec)}, err
}

// randomNetwork draws an architecture by a seed.
func randomNetwork(seed uint64, size space.Size) arch.Network {
	return *diff.Network(train.Random(seed, space.DARTSPrimitives, train.AnySkips), size)
}

// find looks for the network that the command line names. Cells without a network around them get one for images and
// classes of a size.
func (c trainCmd) find(say io.Writer, size space.Size) (trained, error) {
	if c.Arch == randomArch {
		return trained{name: randomArch, network: randomNetwork(0, size)}, nil
	}
	info, err := os.Stat(c.Arch)
	switch {
	case err == nil && info.IsDir():
		return foundBy(c.Arch, c.Derive != "")
	case err == nil:
		return readNetwork(say, c.Arch, "", size)
	}
	if i := strings.LastIndex(c.Arch, ":"); i > 0 {
		if info, err := os.Stat(c.Arch[:i]); err == nil && !info.IsDir() {
			return readNetwork(say, c.Arch[:i], c.Arch[i+1:], size)
		}
	}
	n, err := zoo.Get(c.Arch)
	if err != nil {
		return trained{}, wrongUsage(fmt.Errorf("train %s: expected %q, a file, a run folder or a network of the zoo: %w", c.Arch, randomArch, err))
	}
	return trained{name: c.Arch, network: n.Network}, nil
}

// foundBy is the network of a run folder or, where none can be built of the cells in it, what takes its place.
func foundBy(dir string, substitute bool) (trained, error) {
	r, err := evidence.ReadResult(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return trained{}, fmt.Errorf("train %s: expected the folder of a run that has ended: %w", dir, err)
	}
	if err != nil {
		return trained{}, err
	}
	t := trained{name: fmt.Sprintf("%s, profile %s, seed %d", r.Spec.Label(), r.Spec.Profile, r.Spec.Seed)}
	if r.Spec.Command == run.Train {
		t.name = r.Spec.Name
	}
	network := r.Network
	switch {
	case network == nil && r.Genotype == nil:
		return t, fmt.Errorf("train %s: expected a run that found a network, this one ranks networks", dir)
	case network == nil && !substitute:
		return t, fmt.Errorf("train %s: %w; --derive darts trains the two strongest edges of every node instead", dir, run.ErrNothingDerived)
	case network == nil:
		if network, t.instead, err = diff.Substitute(r); err != nil {
			return t, fmt.Errorf("train %s: %w", dir, err)
		}
	}
	t.network = *network
	return t, nil
}

// readNetwork reads a file of a network or of a genotype; name is that of one of several genotypes.
func readNetwork(say io.Writer, path, name string, size space.Size) (trained, error) {
	t := trained{name: cmp.Or(name, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))}
	text, err := regular.Read(path, regular.Settings)
	if err != nil {
		return t, err
	}
	var kind map[string]json.RawMessage
	if json.Unmarshal(text, &kind) == nil && kind["input"] != nil {
		if t.network, err = arch.ReadNetwork(text); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return t, err
	}
	g, note, err := arch.ReadGenotype(path, text, name)
	if err != nil {
		return t, err
	}
	if note != "" {
		fmt.Fprintf(say, "%s: %s\n", path, note)
	}
	if err := g.Validate(nn.Primitives); err != nil {
		return t, fmt.Errorf("%s: %w", path, err)
	}
	network := diff.Network(g, size)
	if network == nil {
		return t, fmt.Errorf("%s: genotype: expected in each cell a node of concat that edges join to the inputs", path)
	}
	t.network = *network
	return t, nil
}

// resumedTraining is the work of a training from its config.json.
func resumedTraining(where string, c evidence.Config) (work, error) {
	if c.Network == nil {
		return nil, fmt.Errorf("%s: network: expected one, found none", where)
	}
	var config train.Config
	if err := method.Decode(where+": config", c.Spec.Config, &config); err != nil {
		return nil, err
	}
	if err := errors.Join(config.Validate(), c.Network.Validate()); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return training(config, c.Spec), nil
}

// training is what a training by a recipe does.
func training(config train.Config, spec run.Spec) work {
	return func(ctx context.Context, e *engine.Engine, set *datasets.Set, o run.Options) (*run.Result, error) {
		return train.Train(ctx, train.Env{Engine: e, Data: set, Spec: spec, Options: o}, *spec.Network, config)
	}
}

// reportTraining prints what came out.
func reportTraining(w io.Writer, _ string, r run.Result) error {
	if r.Network != nil && r.Network.Cells != nil {
		printGenotype(w, r.Network.Cells.Genotype)
	}
	sample := "an image"
	if r.Network != nil && r.Network.Features != nil {
		sample = "a clip"
	}
	_, err := fmt.Fprintf(w, "test accuracy %.4f after %d epochs (training loss %.4f, accuracy %.4f)\n%.0f parameters, %.0f multiply-adds %s\n",
		r.Numbers.Of(train.TestAccuracy), len(r.Log.Rows), r.Log.Last("train_loss"), r.Log.Last("train_accuracy"), r.Numbers.Of(train.Params), r.Numbers.Of(train.MACs), sample)
	if f1, ok := r.Numbers.Get(train.TestMacroF1); ok && err == nil {
		_, err = fmt.Fprintf(w, "macro F1 of the test %.4f, by class in its confusion matrix (%s)\n", f1, evidence.TablesFile)
	}
	return err
}
