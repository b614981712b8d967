package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/regular"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
)

// runFlags are those of the commands that do one run.
type runFlags struct {
	Data        string   `help:"Folder with CIFAR-10, CIFAR-100, or images of your own, DIR/train/CLASS/* and DIR/val/CLASS/*, or DIR/CLASS/* (default: the part of CIFAR-10 inside this binary)." placeholder:"DIR"`
	Dataset     string   `help:"Which data set lies in --data, where there could be several: one of ${datasets}." placeholder:"NAME"`
	Classes     string   `help:"File with the classes of a folder of images in the order of their labels, a name a line (default: sorted as text, numbers as numbers)." placeholder:"FILE"`
	Damaged     string   `help:"What becomes of images that cannot be read: error, or skip, which leaves out up to a tenth." enum:",error,skip" default:"" placeholder:"POLICY"`
	Profile     string   `help:"One of ${profiles} (default: quick)." placeholder:"NAME"`
	Seed        *uint64  `help:"Seed of all that is random: weights, batches, what is drawn (default: 0)." placeholder:"N"`
	Config      string   `help:"JSON file with fields of the configuration to set, as in config.json's \"config\", a run's config.json itself, or - for standard input." placeholder:"FILE"`
	Set         []string `help:"Set a field of the configuration, after --config: weights.learning_rate=0.2. May be given several times." placeholder:"FIELD=VALUE" sep:"none"`
	Quiet       bool     `help:"Say nothing while the run goes on, but errors."`
	Out         string   `help:"Run folder to make (default: a new one in runs)." placeholder:"DIR"`
	Resume      string   `help:"Run folder to go on with; nothing else is needed." placeholder:"DIR"`
	Granularity string   `help:"Largest part of the network that is compiled as one: operation, edge, cell or network." placeholder:"LEVEL"`
	JSON        bool     `help:"Print what came out as JSON."`

	// from is the run whose data are taken where none are named.
	from *evidence.Config
}

// resuming are the flags that a resumed run takes, the others at their defaults.
func (f runFlags) resuming() runFlags {
	return runFlags{Resume: f.Resume, JSON: f.JSON, Quiet: f.Quiet}
}

// profile is the one that is asked for.
func (f runFlags) profile() (string, error) {
	name := cmp.Or(f.Profile, profile.Quick)
	if err := profile.Check(name); err != nil {
		return name, wrongUsage(fmt.Errorf("--profile: %w", err))
	}
	return name, nil
}

// change makes the changes of the flags in a configuration, whose profile, seed and granularity the pointers are.
func (f runFlags) change(config any, name *string, seed *uint64, granularity *string) error {
	if f.Config != "" {
		was := *name
		text, err := readConfig(f.Config)
		if err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		if err := method.Decode(f.Config, text, config); err != nil {
			return err
		}
		*name = was
	}
	for _, set := range f.Set {
		was := *name
		text, err := fieldAsJSON(set)
		if err != nil {
			return err
		}
		if err := method.Decode("--set "+set, text, config); err != nil {
			return wrongUsage(err)
		}
		*name = was
	}
	if f.Seed != nil {
		*seed = *f.Seed
	}
	if f.Granularity != "" {
		if _, err := nn.ParseLevel(f.Granularity); err != nil {
			return fmt.Errorf("--%w", err)
		}
		*granularity = f.Granularity
	}
	return nil
}

// readConfig reads fields of a configuration, from a run's own config.json its configuration.
func readConfig(path string) (text []byte, err error) {
	if path == "-" {
		text, err = io.ReadAll(io.LimitReader(os.Stdin, regular.Settings))
	} else {
		text, err = regular.Read(path, regular.Settings)
	}
	var whole struct {
		Command string          `json:"command"`
		Config  json.RawMessage `json:"config"`
	}
	if err == nil && json.Unmarshal(text, &whole) == nil && whole.Command != "" && whole.Config != nil {
		return whole.Config, nil
	}
	return text, err
}

// fieldAsJSON makes JSON of FIELD=VALUE, where a field is a path such as weights.learning_rate; a value that is no JSON is a text.
func fieldAsJSON(set string) ([]byte, error) {
	field, value, found := strings.Cut(set, "=")
	if !found || field == "" {
		return nil, wrongUsage(fmt.Errorf("--set %s: expected FIELD=VALUE, such as weights.learning_rate=0.2", set))
	}
	text := []byte(value)
	if !json.Valid(text) {
		text, _ = json.Marshal(value)
	}
	for parts := strings.Split(field, "."); len(parts) > 0; parts = parts[:len(parts)-1] {
		name, err := json.Marshal(parts[len(parts)-1])
		if err != nil {
			return nil, err
		}
		text = slices.Concat([]byte("{"), name, []byte(":"), text, []byte("}"))
	}
	return text, nil
}

// blame names the file of --config before an error of a configuration that it changed.
func (f runFlags) blame(err error) error {
	if err != nil && f.Config != "" {
		return fmt.Errorf("%s: %w", f.Config, err)
	}
	return err
}

// openData finds the data of a kind that the flags name, or those in the binary where none are named, and says where they lie:
// of a run's config.json what tells how to find them again. What a user has to know of them goes to standard error.
func (f runFlags) openData(a *app, command string, kind datasets.Kind) (set *datasets.Set, at evidence.Config, err error) {
	if f.Data == "" && f.from != nil && f.from.DataDir != "" && f.Dataset == "" && f.Classes == "" {
		fmt.Fprintf(a.stderr, "data: %s, as the search had them; --data takes others\n", f.from.DataDir)
		at.DataDir, at.Classes, at.SkipDamaged, at.Command = f.from.DataDir, f.from.Classes, f.from.SkipDamaged || f.Damaged == "skip", command
		set, err = openSet(a.stderr, f.from.Spec.Data.Name, kind, at)
		return set, at, err
	}
	if f.Data == "" {
		if f.Dataset != "" && f.Dataset != datasets.EmbeddedName || f.Classes != "" || f.Damaged != "" {
			return nil, at, errors.New("--dataset, --classes and --damaged say how to take the folder of --data: give --data DIR")
		}
		set, err = datasets.OpenKind(kind, "")
		return set, at, err
	}
	if at.DataDir, err = datasets.ResolveDir(f.Data); err != nil {
		return nil, at, err
	}
	if _, err := os.Stat(at.DataDir); err != nil {
		return nil, at, fmt.Errorf("--data %s: expected a folder: %w", f.Data, err)
	}
	if f.Classes != "" {
		if at.Classes, err = readClasses(f.Classes); err != nil {
			return nil, at, err
		}
	}
	at.SkipDamaged, at.Command = f.Damaged == "skip", command
	set, err = openSet(a.stderr, f.Dataset, kind, at)
	return set, at, err
}

// openSet opens the data of a config.json: those of a name, or without one of a kind.
func openSet(say io.Writer, name string, kind datasets.Kind, c evidence.Config) (set *datasets.Set, err error) {
	if name == "" && kind == datasets.KindImages {
		name = datasets.Guess(c.DataDir)
	}
	switch {
	case name == datasets.FolderName:
		o := datasets.FolderOptions{Classes: c.Classes, SkipDamaged: c.SkipDamaged, TrainOnly: c.Command == run.Search}
		const many = 50000
		last := time.Now()
		o.Progress = func(done, total int) {
			if total >= many && (done%many == 0 || done == total) && time.Since(last) > time.Second {
				fmt.Fprintf(say, "looked at %d of %d images\n", done, total)
				last = time.Now()
			}
		}
		set, err = datasets.OpenFolder(c.DataDir, o)
	case c.Classes != nil || c.SkipDamaged:
		return nil, fmt.Errorf("--classes and --damaged are for folders of images, %s holds %s", c.DataDir, cmp.Or(name, string(kind)))
	case name == "":
		set, err = datasets.OpenKind(kind, c.DataDir)
	default:
		set, err = datasets.Open(name, c.DataDir)
	}
	if err != nil {
		return nil, err
	}
	for _, note := range set.Notes {
		fmt.Fprintln(say, note)
	}
	return set, nil
}

// readClasses reads a class a line.
func readClasses(path string) ([]string, error) {
	text, err := regular.Read(path, regular.Settings)
	if err != nil {
		return nil, fmt.Errorf("--classes: %w", err)
	}
	var names []string
	for i, line := range strings.Split(strings.TrimRight(strings.TrimPrefix(string(text), "\ufeff"), "\r\n"), "\n") {
		name := strings.TrimRight(line, "\r")
		if name == "" {
			return nil, fmt.Errorf("--classes %s: line %d: expected the name of a class, found nothing", path, i+1)
		}
		names = append(names, name)
	}
	return names, nil
}

// work is what a run does.
type work func(ctx context.Context, e *engine.Engine, set *datasets.Set, o run.Options) (*run.Result, error)

// job is a run: what it is, on what, and what it does.
type job struct {
	config evidence.Config
	data   *datasets.Set
	work   work
}

// do does a new run or, where the flags say so, goes on with the one of a folder, and prints what came out. again makes the
// work of a run from its config.json, whose path is where.
func (f runFlags) do(a *app, command string, fresh func() (job, error), again func(where string, c evidence.Config) (work, error), report func(io.Writer, string, run.Result) error) error {
	if f.Quiet {
		silent := *a
		silent.stderr = io.Discard
		a = &silent
	}
	var dir string
	var result *run.Result
	var err error
	if f.Resume == "" {
		dir, result, err = f.begin(a, fresh)
	} else {
		dir = f.Resume
		result, err = resume(a, dir, command, again)
	}
	if err != nil {
		return err
	}
	if f.JSON {
		return writeJSON(a.stdout, struct {
			Dir string `json:"dir"`
			run.Result
		}{dir, *result})
	}
	if err := report(a.stdout, dir, *result); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "run folder: %s\n", dir)
	return err
}

func (f runFlags) begin(a *app, fresh func() (job, error)) (string, *run.Result, error) {
	j, err := fresh()
	if err != nil {
		return "", nil, err
	}
	folder, err := createFolder(a.stderr, f.Out, j.config.Spec)
	if err != nil {
		return "", nil, err
	}
	defer folder.Unlock()
	result, err := a.work(folder, j)
	if err != nil && !errors.Is(err, errInterrupted) && !stepped(folder.Dir) {
		// What failed before its first step leaves nothing that could be in the way of the next try.
		err = errors.Join(err, emptied(folder.Dir))
		_ = os.Remove(folder.Dir) // where it is empty; it may have been there before
	}
	return folder.Dir, result, err
}

// stepped tells whether a run has done a step.
func stepped(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, run.CheckpointFile)); err == nil {
		return true
	}
	events, err := evidence.ReadEvents(dir)
	return err == nil && slices.ContainsFunc(events, func(e evidence.Event) bool { return e.Kind == run.EventStep })
}

// emptied removes what every run writes at its start.
func emptied(dir string) error {
	for _, name := range []string{evidence.EventsFile, evidence.RunFile, dataFile, evidence.ConfigFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// resume goes on with the run of a folder, from its last checkpoint if there is one.
func resume(a *app, dir, command string, again func(string, evidence.Config) (work, error)) (*run.Result, error) {
	f, c, err := openFolder(dir, command)
	if err != nil {
		return nil, err
	}
	defer f.Unlock()
	where := filepath.Join(dir, evidence.ConfigFile)
	result, err := evidence.ReadResult(dir)
	if err == nil {
		if _, gone := os.Stat(c.DataDir); c.Data.Name == datasets.FolderName && gone == nil {
			if _, err := sameData(io.Discard, where, c); err != nil {
				return nil, fmt.Errorf("%w (the run has ended, on what was there before)", err)
			}
		}
		fmt.Fprintf(a.stderr, "%s: the run has ended already\n", dir)
		return &result, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	do, err := again(where, c)
	if err != nil {
		return nil, err
	}
	set, err := sameData(a.stderr, where, c)
	if err != nil {
		return nil, err
	}
	return a.work(f, job{c, set, do})
}

// announce says on what a run starts and, where it is not its profile as it stands, what is different.
func announce(w io.Writer, c evidence.Config, dir string) {
	what := c.Label()
	if c.Command == run.Train {
		what = "training " + what
	}
	fmt.Fprintf(w, "%s on %s", what, c.Data)
	if c.Space != "" {
		fmt.Fprintf(w, ", space %s", c.Space)
	}
	fmt.Fprintf(w, ", profile %s, seed %d, in %s\n", c.Profile, c.Seed, dir)
	if c.Instead != "" {
		fmt.Fprintf(w, "instead of what was found: %s\n", c.Instead)
	}
	if c.Profile == profile.Custom {
		fmt.Fprintf(w, "profile %s: %s\n", c.Profile, c.Note)
	}
}

// work does a folder's run; an interrupt's message says how to go on.
func (a *app) work(f *runfolder.Folder, j job) (*run.Result, error) {
	announce(a.stderr, j.config, f.Dir)
	b, err := backend.Open()
	if err != nil {
		return nil, err
	}
	record := describeRun(a, b, j.config.Profile, j.config.Data, j.data.Files(), j.config.Seed)
	if err := keepListing(f.Dir, j.data); err != nil {
		return nil, err
	}
	result, err := f.Work(j.config, record, func(o run.Options) (*run.Result, error) {
		o.Listeners = append(o.Listeners, showProgress(a.stderr))
		result, err := j.work(a.ctx, engine.New(b.Backend), j.data, o)
		if err == nil && j.config.Data.Name == datasets.FolderName {
			result.Classes = j.data.Train.ClassNames()
		}
		return result, err
	})
	if errors.Is(err, run.ErrInterrupted) {
		return nil, fmt.Errorf("%w; go on with `gonas %s --resume %s`", errInterrupted, j.config.Command, shellWord(f.Dir))
	}
	return result, err
}

// dataFile lists the images of a run on a folder, so that a resumed run can say what has changed.
const dataFile = "data.csv"

func keepListing(dir string, set *datasets.Set) error {
	path := filepath.Join(dir, dataFile)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	list := set.Listing()
	if list == nil {
		return nil
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	if err := w.WriteAll(append([][]string{{"path", "class", "bytes"}}, list...)); err != nil {
		return err
	}
	return evidence.WriteFile(path, text.Bytes())
}

// changedData says what has become of the images of a run's folder, as far as it was kept.
func changedData(dir string, set *datasets.Set) string {
	text, err := regular.Read(filepath.Join(dir, dataFile), regular.Results)
	if err != nil {
		return ""
	}
	was, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	now := set.Listing()
	if err != nil || len(was) == 0 || len(was[0]) != 3 || now == nil {
		return ""
	}
	if changes := datasets.Changes(was[1:], now); changes != "" {
		return ": " + changes
	}
	return ""
}

// createFolder makes the folder of a run. With an empty dir it is a new one in runs, named by time, run, profile and seed.
func createFolder(say io.Writer, dir string, s run.Spec) (*runfolder.Folder, error) {
	if dir == "" {
		of := s.Label()
		if s.Command == run.Train {
			of = s.Command
		}
		name := filepath.Join("runs", fmt.Sprintf("%s-%s-%s-s%d", time.Now().UTC().Format("20060102-150405"), of, s.Profile, s.Seed))
		dir = name
		for n := 2; ; n++ {
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				break
			}
			dir = fmt.Sprintf("%s-%d", name, n)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--out %s: expected a folder: %w", dir, err)
	}
	holds := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name })
	}
	if holds(evidence.ConfigFile) && !holds(run.CheckpointFile) && !holds(evidence.ResultFile) {
		return startAnew(say, dir)
	}
	if holds(evidence.ConfigFile) {
		return nil, fmt.Errorf("--out %s: holds a run already: go on with `gonas %s --resume %s`, or name another folder", dir, s.Command, shellWord(dir))
	}
	for _, e := range entries {
		if !runfolder.Temporary(e.Name()) {
			return nil, fmt.Errorf("--out %s: expected a new or empty folder, it holds %s", dir, e.Name())
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("--out %s: %w", dir, err)
	}
	return runfolder.Lock(dir)
}

// startAnew empties the folder of a run of which no epoch has ended, so that nothing of worth is in it, for another start.
func startAnew(say io.Writer, dir string) (*runfolder.Folder, error) {
	f, err := runfolder.Lock(dir)
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	fmt.Fprintf(say, "%s: of the run that was started there no epoch has ended: it is started anew\n", dir)
	if err := emptied(dir); err != nil {
		f.Unlock()
		return nil, err
	}
	return f, nil
}

// openFolder reads what the run of a folder is and takes hold of the folder.
func openFolder(dir, command string) (*runfolder.Folder, evidence.Config, error) {
	c, err := evidence.ReadConfig(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, dirErr := os.Stat(dir); dirErr != nil {
			return nil, c, fmt.Errorf("--resume %s: no such folder", dir)
		}
		return nil, c, fmt.Errorf("--resume %s: there is no %s in it, so nothing of a run was kept: start it with `gonas %s … --out %s`",
			dir, evidence.ConfigFile, command, shellWord(dir))
	}
	if oldForm(dir) {
		return nil, c, fmt.Errorf("%s: of an earlier version's form, whose runs don't go on: start the run anew in another folder", filepath.Join(dir, evidence.ConfigFile))
	}
	if err != nil {
		return nil, c, err
	}
	if c.Command != command {
		return nil, c, fmt.Errorf("%s: command: expected %q, got %q: go on with `gonas %s --resume %s`", filepath.Join(dir, evidence.ConfigFile), command, c.Command, c.Command, shellWord(dir))
	}
	f, err := runfolder.Lock(dir)
	return f, c, err
}

// oldForm tells whether a config.json is of the form that says of its data where they are and not what they hold.
func oldForm(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, evidence.ConfigFile))
	var c struct {
		Data *struct {
			SHA256 *string `json:"sha256"`
		} `json:"data"`
	}
	return err == nil && json.Unmarshal(text, &c) == nil && c.Data != nil && c.Data.SHA256 == nil
}

// shellWord quotes a path where a shell would cut it.
func shellWord(s string) string {
	if strings.ContainsAny(s, " \t\n'\"\\$`*?[]{}()<>|&;#~!") || s == "" {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// describeRun is what run.json says at the start of runs.
func describeRun(a *app, b *backend.Backend, name string, set datasets.Identity, files []datasets.FileSum, seeds ...uint64) evidence.Run {
	record, built := runfolder.Describe(b, name, 0, set, files), buildInfo()
	record.Version, record.GitHash, record.Dirty, record.GoSumSHA256, record.GoMLX = built.Version, built.Commit, built.Dirty, built.GoSumSHA256, built.GoMLX
	record.Args, record.Seeds = a.args, seeds
	return record
}
