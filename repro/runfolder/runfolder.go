// Package runfolder does a run in its folder: one process at a time, what was asked for in config.json, what ran in
// run.json, what happened in events.jsonl, and the result last, so that where a result is, the run has ended.
package runfolder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
)

// ConfigFile holds all that a run needs to go on. It is written before anything else.
const ConfigFile = "config.json"

// The commands that make run folders.
const (
	Search = "search"
	Train  = "train"
)

// Config is the contents of config.json.
type Config struct {
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
	Note string `json:"note"`
	Data Data   `json:"data"`
	// Config is the method's own, or the training's recipe.
	Config json.RawMessage `json:"config"`
}

// Data names the images of a run.
type Data struct {
	Name string `json:"name"`
	// Dir is the absolute path of the data folder, empty for embedded images.
	Dir string `json:"dir,omitempty"`
}

// PickData is CIFAR-10 in a folder, or the embedded part of it where dir is empty.
func PickData(dir string) (Data, error) {
	if dir == "" {
		return Data{Name: "embedded"}, nil
	}
	resolved, err := datasets.ResolveDir(dir)
	return Data{"cifar10", resolved}, err
}

// CustomProfile is the name of a profile that was changed.
const CustomProfile = "custom"

// Changed tells whether a configuration is another experiment than its profile: seed and granularity don't make one.
func Changed(method nas.Method, config nas.Config, profile string) (bool, error) {
	base, err := method.Base(config)
	if err != nil {
		return false, err
	}
	plain, err := method.Config(profile)
	if err != nil {
		return false, err
	}
	plainBase, err := method.Base(plain)
	if err != nil {
		return false, err
	}
	plainBase.Seed, plainBase.Granularity = base.Seed, base.Granularity
	a, err := json.Marshal(plain)
	if err != nil {
		return false, err
	}
	b, err := json.Marshal(config)
	return !bytes.Equal(a, b), err
}

// Folder is a run folder that this process alone works on.
type Folder struct {
	Dir    string
	unlock func()
}

// ErrLocked says that another process works on a folder.
var ErrLocked = errors.New("another process works on this run")

// Lock makes this process the folder's only one, until Unlock or the process's end, and clears away what writes that
// never ended have left. It does not wait: where another process has the folder the error is ErrLocked.
func Lock(dir string) (*Folder, error) {
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		unlock()
		return nil, err
	}
	for _, e := range entries {
		if Temporary(e.Name()) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return &Folder{dir, unlock}, nil
}

// Unlock lets other processes have the folder.
func (f *Folder) Unlock() { f.unlock() }

// Temporary tells whether name is that of an unfinished write.
func Temporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".tmp")
}

// WriteConfig writes config.json, lastingly.
func (f *Folder) WriteConfig(c Config) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(f.Dir, ConfigFile), err)
	}
	return evidence.WriteFile(filepath.Join(f.Dir, ConfigFile), append(text, '\n'))
}

// modulePath is this project's.
const modulePath = "github.com/gonas/gonas"

// Describe is what run.json says at the start of a run on a backend and on these data files. Of the code it names the
// versions that the Go command recorded.
func Describe(b *backend.Backend, profile string, seed uint64, files []datasets.FileSum) evidence.Run {
	run := evidence.Run{
		XLA: b.Info.PluginVersion, XLAFlags: os.Getenv("XLA_FLAGS"), Device: b.Info.Kind + ": " + strings.Join(b.Info.Devices, ", "),
		Profile: claims.Profile(profile), Seeds: []uint64{seed}, Data: map[string]string{}, Args: os.Args[1:], Start: time.Now().UTC(),
	}
	for _, file := range files {
		run.Data[file.Name] = file.SHA256
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			at := m
			if m.Replace != nil {
				at = m.Replace
			}
			switch m.Path {
			case modulePath:
				run.Version = at.Version
			case "github.com/gomlx/gomlx":
				run.GoMLX = at.Version
			}
		}
	}
	return run
}

// Begin writes run.json. Where the folder has one of a run that was cut short, its start stays, and other data than it
// had is an error.
func (f *Folder) Begin(run evidence.Run) (evidence.Run, error) {
	earlier, err := evidence.ReadRun(f.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return run, err
	default:
		for name, sum := range run.Data {
			if was, ok := earlier.Data[name]; ok && was != sum {
				return run, fmt.Errorf("%s: data: %s had SHA-256 %s when the run began, now it has %s", filepath.Join(f.Dir, evidence.RunFile), name, was, sum)
			}
		}
		run.Start, run.Args, run.PeakMemory = earlier.Start, earlier.Args, earlier.PeakMemory
	}
	return run, evidence.WriteRun(f.Dir, run)
}

// Finish writes run.json once more, with end and memory.
func (f *Folder) Finish(run evidence.Run) error {
	run.End = time.Now().UTC()
	run.PeakMemory = max(run.PeakMemory, evidence.PeakMemory())
	return evidence.WriteRun(f.Dir, run)
}

// Work does a run between its beginning and its end. do gets the listener of the folder's log and returns what writes
// the result; that comes last. Where do was interrupted the log says so, and the error is search.ErrInterrupted.
func (f *Folder) Work(run evidence.Run, do func(log search.Listener) (save func() error, err error)) (err error) {
	run, err = f.Begin(run)
	if err != nil {
		return err
	}
	events, err := evidence.OpenEvents(f.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	save, err := do(events.Listener(1))
	if errors.Is(err, search.ErrInterrupted) {
		if logErr := events.Append("interrupted", nil); logErr != nil {
			return logErr
		}
	}
	if err != nil {
		return err
	}
	if err := f.Finish(run); err != nil {
		return err
	}
	return save()
}
