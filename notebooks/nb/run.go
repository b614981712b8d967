package nb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
	"github.com/gonas/gonas/repro/runs"
)

// Run is a finished search or training.
type Run struct {
	// Dir is its run folder, of the layout that the gonas command knows.
	Dir string
	run.Result

	// profile is what was asked for, whatever options have made of it.
	profile string
}

// Searcher is a way of searching: one of gonas's methods (see [Method]), or a [diff.Method] of one's own.
type Searcher interface{ Method() method.Method }

// Method is one of [nas.Methods] by its name. An unknown one ends the program as [Check] does.
func Method(name string) method.Method { return Must(nas.Lookup(name)) }

// Option changes what is searched or trained.
type Option struct {
	// from names the option in errors, set is JSON over the configuration.
	from, set string
	variant   string
}

// Seed sets the seed, which is 0 without it.
func Seed(n uint64) Option { return Option{from: "nb.Seed", set: fmt.Sprintf(`{"seed": %d}`, n)} }

// Variant takes one of the method's controls, by its label.
func Variant(label string) Option { return Option{from: "nb.Variant", variant: label} }

// Space takes one of the method's spaces, by its name.
func Space(name string) Option {
	return Option{from: "nb.Space", set: fmt.Sprintf(`{"space": %q}`, name)}
}

// Set changes fields of the configuration, by JSON such as {"weights": {"clip": 3}}. A field that the configuration does
// not have is an error.
func Set(fields string) Option { return Option{from: "nb.Set", set: fields} }

// change applies options to a configuration in their order.
func change(config any, options []Option) error {
	for _, o := range options {
		if o.set == "" {
			continue
		}
		if err := method.Decode(o.from, []byte(o.set), config); err != nil {
			return err
		}
	}
	return nil
}

// Data returns what [Search] and [Train] take: the data set in the folder that the parameter "data" names (see [Param]),
// or without it the part of CIFAR-10 inside the program.
func Data() (*datasets.Set, error) {
	d, err := openData(datasets.KindImages)
	return d.set, err
}

// data is a data set with what tells it from others.
type data struct {
	set      *datasets.Set
	identity datasets.Identity
}

// opened are the data of this process by their kind and folder: reading them, and telling whether they are the whole of a
// published set, takes a second or two.
var opened sync.Map

func openData(kind datasets.Kind) (d data, err error) {
	dir, err := param("data", "")
	if err != nil {
		return d, err
	}
	at := [2]string{string(kind), dir}
	if was, ok := opened.Load(at); ok {
		return was.(data), nil
	}
	if d.set, err = datasets.OpenKind(kind, dir); err != nil {
		return d, err
	}
	if d.identity, err = d.set.Identity(); err != nil {
		return d, err
	}
	opened.Store(at, d)
	return d, nil
}

// Search searches by a method in a profile, or gets what the same search has found before, and shows how far it is. It
// starts from the profile's own configuration:
//
//	nb.Search(nb.Method("darts"), "quick", nb.Seed(1), nb.Set(`{"epochs": 5}`))
//
// It is found again by all that it is: method, configuration, data, and of a method of one's own what its functions give
// for some inputs, so that a changed constant is another search. Where the cell was interrupted or the program killed,
// running it again goes on from the last whole epoch.
func Search(s Searcher, profile string, options ...Option) (*Run, error) {
	m, variant := s.Method(), ""
	for _, o := range options {
		if o.variant != "" {
			variant = o.variant
		}
	}
	c, err := m.Config(profile, variant)
	if err != nil {
		return nil, err
	}
	on, err := openData(datasets.KindOf(m.Data))
	if err != nil {
		return nil, err
	}
	fitted, err := method.Fit(c, on.set.Train)
	if err != nil {
		return nil, err
	}
	if err := change(c, options); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	if err := m.Check(c); err != nil {
		return nil, err
	}
	t := task{profile: profile, files: on.set.Train.Files()}
	if t.spec, t.note, err = m.Spec(c, variant, on.identity); err != nil {
		return nil, err
	}
	if fitted != "" {
		t.note = fitted + "; " + t.note
	}
	if t.spec.Code, err = code(s, m, c); err != nil {
		return nil, err
	}
	t.do = func(ctx context.Context, e *engine.Engine, o run.Options) (*run.Result, error) {
		return m.Search(ctx, method.Env{Engine: e, Train: on.set.Train, Spec: t.spec, Options: o}, c)
	}
	return t.run(t.spec.Label())
}

// code tells a method of one's own from others of its name; it is empty for gonas's.
func code(s Searcher, m method.Method, c method.Config) (string, error) {
	_, err := nas.Lookup(m.Name)
	own, ok := s.(diff.Method)
	switch {
	case !ok:
		return "", err
	case err == nil:
		return "", fmt.Errorf("method %s: that name is taken by a method of gonas, give yours another", m.Name)
	}
	cells, ok := c.(interface{ Diff() *diff.Config })
	if !ok {
		return "", fmt.Errorf("method %s: expected a configuration of a search over cells, got %T", m.Name, c)
	}
	e, err := Open()
	if err != nil {
		return "", err
	}
	return own.Code(e, *cells.Diff())
}

// Architecture is what can be drawn and trained.
type Architecture interface {
	arch.Network | arch.Genotype
}

// Train trains the network that a search has found from scratch, in the search's profile and with its seed, and tests it
// once, or gets what the same training has given before. Where no network can be built of what was found, it trains the
// two strongest edges of every node and says so. See [Search] for the rest.
func Train(r *Run, options ...Option) (*Run, error) {
	if r.Spec.Command != run.Search {
		return nil, fmt.Errorf("train: %s: expected a search, got a training", r.name())
	}
	network, instead := r.Network, ""
	if network == nil {
		var err error
		if network, instead, err = diff.Substitute(r.Result); err != nil {
			return nil, fmt.Errorf("train: %s: %w", r.name(), err)
		}
	}
	return trainNetwork(*network, r.Spec.Label(), instead, r.profile, append([]Option{Seed(r.Spec.Seed)}, options...))
}

// TrainNetwork is [Train] of a network, or of cells at the profile's size; name says what it is.
func TrainNetwork[A Architecture](a A, name, profile string, options ...Option) (*Run, error) {
	g, cells := any(a).(arch.Genotype)
	if !cells {
		return trainNetwork(any(a).(arch.Network), name, "", profile, options)
	}
	on, err := Data()
	if err != nil {
		return nil, fmt.Errorf("train %s: %w", name, err)
	}
	network := diff.Network(g, space.Size{Classes: on.Train.Classes(), InputChannels: on.Train.Shape()[2]})
	if network == nil {
		return nil, fmt.Errorf("train %s: %w", name, run.ErrNothingDerived)
	}
	return trainNetwork(*network, name, "", profile, options)
}

func trainNetwork(network arch.Network, name, instead, profile string, options []Option) (*Run, error) {
	fail := func(err error) (*Run, error) { return nil, fmt.Errorf("train %s: %w", name, err) }
	for _, o := range options {
		if o.variant != "" {
			return fail(fmt.Errorf("%s: a training has no variants", o.from))
		}
	}
	on, err := openData(train.Kind(network))
	if err != nil {
		return fail(err)
	}
	network.Classes = on.set.Train.Classes()
	c, _, err := train.At(profile, network)
	if err != nil {
		return fail(err)
	}
	if err := change(&c, options); err != nil {
		return fail(err)
	}
	network = c.Sized(network)
	if err := errors.Join(network.Validate(), c.Validate(), c.Fits(network)); err != nil {
		return fail(err)
	}
	t := task{profile: profile, files: on.set.Files()}
	if t.spec, t.note, err = train.Spec(name, network, c, on.identity); err != nil {
		return fail(err)
	}
	t.spec.Instead = instead
	t.do = func(ctx context.Context, e *engine.Engine, o run.Options) (*run.Result, error) {
		return train.Train(ctx, train.Env{Engine: e, Data: on.set, Spec: t.spec, Options: o}, network, c)
	}
	return t.run(run.Train)
}

// task is a search or a training to be done in a folder of its own.
type task struct {
	spec          run.Spec
	note, profile string
	// files are those that the run reads.
	files []datasets.FileSum
	do    func(context.Context, *engine.Engine, run.Options) (*run.Result, error)
}

// run does the task, unless that has been done; folder begins its folder's name.
func (t task) run(folder string) (*Run, error) {
	show := newProgress(name(t.spec))
	k, dir, err := place(fmt.Sprintf("%s-%s-s%d", folder, t.spec.Profile, t.spec.Seed), t.spec)
	if err != nil {
		return nil, err
	}
	if err := cached(k, dir, func(f *runfolder.Folder) error { return t.work(f, show) }); err != nil {
		return nil, err
	}
	result, err := finished(dir, t.spec)
	if err != nil {
		return nil, err
	}
	show.end(summary(result) + "; run folder " + filepath.Base(dir))
	return &Run{dir, result, t.profile}, nil
}

// finished is the result in a folder, which has to be of this specification.
func finished(dir string, spec run.Spec) (run.Result, error) {
	result, stranger, err := runs.Finished(dir, spec)
	if err == nil && stranger != nil {
		err = fmt.Errorf("%s: holds another run; what differs, its value first: %s", dir, run.Differing(stranger))
	}
	return result, err
}

// work runs the task in its folder.
func (t task) work(f *runfolder.Folder, show *progress) error {
	// A kill between the result and the mark that says so leaves a run that has ended.
	if _, err := finished(f.Dir, t.spec); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	e, err := Open()
	if err != nil {
		return err
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	c := evidence.Config{Spec: t.spec, Note: t.note}
	if c.DataDir, err = param("data", ""); err == nil && c.DataDir != "" {
		c.DataDir, err = filepath.Abs(c.DataDir)
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, err = f.Work(c, runfolder.Describe(b, t.spec.Profile, t.spec.Seed, t.spec.Data, t.files), func(o run.Options) (*run.Result, error) {
		o.Listeners = append(o.Listeners, show.listen)
		return t.do(ctx, e, o)
	})
	if errors.Is(err, run.ErrInterrupted) {
		show.end("interrupted; running this again goes on from the last whole epoch")
	}
	return err
}

// name tells a run from others, for people.
func name(s run.Spec) string {
	text := fmt.Sprintf("%s, profile %s, seed %d", s.Label(), s.Profile, s.Seed)
	if s.Command == run.Train {
		return "training " + text
	}
	return text
}

func (r *Run) name() string { return name(r.Spec) }

// stepsName is what a search calls the number of its steps among what it measured.
const stepsName = "steps"

// summary says in one line what a run has given.
func summary(r run.Result) string {
	var parts []string
	if steps, ok := r.Numbers.Get(stepsName); ok {
		parts = append(parts, fmt.Sprintf("%g steps", steps))
	} else {
		parts = append(parts, fmt.Sprintf("%d epochs", len(r.Log.Rows)))
	}
	if row := rowText(r.Log.Row(-1)); row != "" {
		parts = append(parts, row)
	}
	text := strings.Join(parts, ", ")
	if k := r.Ranking; k != nil {
		text += fmt.Sprintf("; %d networks ranked", len(k.Codes))
	}
	if f := r.Front; f != nil {
		text += fmt.Sprintf("; %d paths measured in %d generations, chosen of a front of %d: %s", f.Evaluations, len(f.Generations), len(f.Members), f.Best().Code)
		for i, o := range f.Objectives {
			text += fmt.Sprintf(", %s %.4g %s", o.Name, f.Best().Values[i]*o.Scale, o.Unit)
		}
	}
	for _, v := range r.Numbers {
		if v.Name != stepsName {
			text += fmt.Sprintf("; %s %s", spaced(v.Name), fraction(v.Number, 64))
		}
	}
	if r.Spec.Instead != "" {
		text += "; trained instead of what was found: " + r.Spec.Instead
	}
	return text
}
