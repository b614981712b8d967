package main

import (
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
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
)

// configFile holds all that a run needs to go on. It is written before anything else.
const configFile = "config.json"

// runConfig is the contents of config.json.
type runConfig struct {
	// Command is the one that made the folder.
	Command string `json:"command"`
	Method  string `json:"method,omitempty"`
	Space   string `json:"space,omitempty"`
	// Name and Genotype, or Network, are what a training trains.
	Name     string         `json:"name,omitempty"`
	Genotype *arch.Genotype `json:"genotype,omitempty"`
	Network  *arch.Network  `json:"network,omitempty"`
	Profile  string         `json:"profile"`
	// Note says how the profile departs from the paper.
	Note string   `json:"note"`
	Data dataPick `json:"data"`
	// Config is the method's own, or the training's recipe.
	Config json.RawMessage `json:"config"`
}

// dataPick names the images of a run.
type dataPick struct {
	Name string `json:"name"`
	// Dir is the absolute path of the data folder, empty for embedded images.
	Dir string `json:"dir,omitempty"`
}

// pickData is CIFAR-10 in a folder, or the embedded part of it.
func pickData(dir string) (dataPick, error) {
	if dir == "" {
		return dataPick{Name: "embedded"}, nil
	}
	resolved, err := datasets.ResolveDir(dir)
	return dataPick{"cifar10", resolved}, err
}

// folder is a run folder that this process alone works on.
type folder struct {
	dir    string
	unlock func()
}

// createFolder makes a run folder and writes its configuration, lastingly. With an empty dir it is a new folder in
// runs, named by time and stem.
func createFolder(dir, stem string, c runConfig) (*folder, error) {
	if dir == "" {
		name := filepath.Join("runs", time.Now().UTC().Format("20060102-150405")+"-"+stem)
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
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == configFile }) {
		return nil, fmt.Errorf("--out %s: holds a run already: go on with `gonas %s --resume %s`, or name another folder", dir, c.Command, shellWord(dir))
	}
	for _, e := range entries {
		if !temporary(e.Name()) {
			return nil, fmt.Errorf("--out %s: expected a new or empty folder, it holds %s", dir, e.Name())
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("--out %s: %w", dir, err)
	}
	f, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		err = evidence.WriteFile(filepath.Join(dir, configFile), append(text, '\n'))
	}
	if err != nil {
		f.unlock()
		return nil, err
	}
	return f, nil
}

// openFolder reads a run folder's configuration and takes hold of it.
func openFolder(dir, command string) (*folder, runConfig, error) {
	var c runConfig
	path := filepath.Join(dir, configFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, dirErr := os.Stat(dir); dirErr != nil {
			return nil, c, fmt.Errorf("--resume %s: no such folder", dir)
		}
		return nil, c, fmt.Errorf("--resume %s: there is no %s in it, so nothing of a run was kept: start it with `gonas %s … --out %s`",
			dir, configFile, command, shellWord(dir))
	}
	if err != nil {
		return nil, c, err
	}
	if err := decodeStrict(path, text, &c); err != nil {
		return nil, c, err
	}
	if c.Command != command {
		return nil, c, fmt.Errorf("%s: command: expected %q, got %q: go on with `gonas %s --resume %s`", path, command, c.Command, c.Command, shellWord(dir))
	}
	f, err := lockFolder(dir)
	return f, c, err
}

// lockFolder makes this process the folder's only one and clears away what writes that never ended have left.
func lockFolder(dir string) (*folder, error) {
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: another process works on this run: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		unlock()
		return nil, err
	}
	for _, e := range entries {
		if temporary(e.Name()) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return &folder{dir, unlock}, nil
}

// temporary tells whether name is that of an unfinished write.
func temporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".tmp")
}

// decodeStrict reads JSON; errors name file, place and field.
func decodeStrict(path string, text []byte, v any) error {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if err == nil {
		if decoder.More() {
			err = fmt.Errorf("offset %d: expected the end of the file", decoder.InputOffset())
		}
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%s: offset %d: the file ends in the middle of a value", path, len(text))
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: offset %d: %s", path, syntax.Offset, strings.TrimPrefix(err.Error(), "json: "))
	case errors.As(err, &kind):
		return fmt.Errorf("%s: offset %d: %s: expected %s, got %s", path, kind.Offset, fieldName(kind.Field), kind.Type, kind.Value)
	}
	return fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "json: "))
}

// fieldName leaves out the names of embedded structs, which encoding/json puts into a field's path though no file has
// them; those of our fields are in lower case.
func fieldName(path string) string {
	parts := slices.DeleteFunc(strings.Split(path, "."), func(p string) bool { return p != "" && p[0] >= 'A' && p[0] <= 'Z' })
	return strings.Join(parts, ".")
}

// shellWord quotes a path where a shell would cut it.
func shellWord(s string) string {
	if strings.ContainsAny(s, " \t\n'\"\\$`*?[]{}()<>|&;#~!") || s == "" {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// describeRun is what run.json says at the start of a run.
func describeRun(a *app, b *backend.Backend, profile string, seed uint64, files []datasets.FileSum) evidence.Run {
	built := buildInfo()
	run := evidence.Run{
		Version: built.Version, GitHash: built.Commit, Dirty: built.Dirty, GoSumSHA256: built.GoSumSHA256, GoMLX: built.GoMLX,
		XLA: b.Info.PluginVersion, XLAFlags: os.Getenv("XLA_FLAGS"), Device: b.Info.Kind + ": " + strings.Join(b.Info.Devices, ", "),
		Profile: claims.Profile(profile), Seeds: []uint64{seed}, Data: map[string]string{}, Args: a.args, Start: time.Now().UTC(),
	}
	for _, file := range files {
		run.Data[file.Name] = file.SHA256
	}
	return run
}

// begin writes run.json. Where the folder has one of a run that was cut short, its start stays, and other data than it
// had is an error.
func (f *folder) begin(run evidence.Run) (evidence.Run, error) {
	earlier, err := evidence.ReadRun(f.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return run, err
	default:
		for name, sum := range run.Data {
			if was, ok := earlier.Data[name]; ok && was != sum {
				return run, fmt.Errorf("%s: data: %s had SHA-256 %s when the run began, now it has %s", filepath.Join(f.dir, evidence.RunFile), name, was, sum)
			}
		}
		run.Start, run.Args, run.PeakMemory = earlier.Start, earlier.Args, earlier.PeakMemory
	}
	return run, evidence.WriteRun(f.dir, run)
}

// finish writes run.json once more, with end and memory.
func (f *folder) finish(run evidence.Run) error {
	run.End = time.Now().UTC()
	run.PeakMemory = max(run.PeakMemory, evidence.PeakMemory())
	return evidence.WriteRun(f.dir, run)
}

// work does a folder's run between its beginning and its end: run.json, the log of events, an interrupt's message.
// do gets an engine and the log's listener, and returns what writes the result; that comes last, so that where a
// result is, the run has ended.
func (f *folder) work(a *app, c runConfig, seed uint64, files []datasets.FileSum, do func(*engine.Engine, search.Listener) (save func() error, err error)) (err error) {
	b, err := backend.Open()
	if err != nil {
		return err
	}
	run, err := f.begin(describeRun(a, b, c.Profile, seed, files))
	if err != nil {
		return err
	}
	events, err := evidence.OpenEvents(f.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	save, err := do(engine.New(b.Backend), events.Listener(1))
	if errors.Is(err, search.ErrInterrupted) {
		if err := events.Append("interrupted", nil); err != nil {
			return err
		}
		return fmt.Errorf("%w; go on with `gonas %s --resume %s`", errInterrupted, c.Command, shellWord(f.dir))
	}
	if err != nil {
		return err
	}
	if err := f.finish(run); err != nil {
		return err
	}
	return save()
}
