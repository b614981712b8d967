// Package runfolder does a run in its folder: one process at a time, what was asked for in config.json, what ran in
// run.json, what happened in events.jsonl, and the result last, so that where a result is, the run has ended.
package runfolder

import (
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
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
)

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

// modulePath is this project's.
const modulePath = "github.com/gonas/gonas"

// Describe is what run.json says at the start of a run on a backend and on these data files. Of the code it names the
// versions that the Go command recorded.
func Describe(b *backend.Backend, profile string, seed uint64, set datasets.Identity, files []datasets.FileSum) evidence.Run {
	out := evidence.Run{
		Set: set,
		XLA: b.Info.PluginVersion, XLAFlags: os.Getenv("XLA_FLAGS"), Device: b.Info.Kind + ": " + strings.Join(b.Info.Devices, ", "),
		Profile: profile, Seeds: []uint64{seed}, Data: map[string]string{}, Args: os.Args[1:], Start: time.Now().UTC(),
	}
	for _, file := range files {
		out.Data[file.Name] = file.SHA256
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			at := m
			if m.Replace != nil {
				at = m.Replace
			}
			switch m.Path {
			case modulePath:
				out.Version = at.Version
			case "github.com/gomlx/gomlx":
				out.GoMLX = at.Version
			}
		}
	}
	return out
}

// Begin writes run.json. Where the folder has one of a run that was cut short, its start stays, and other data than it
// had is an error.
func (f *Folder) Begin(now evidence.Run) (evidence.Run, error) {
	earlier, err := evidence.ReadRun(f.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return now, err
	default:
		for name, sum := range now.Data {
			if was, ok := earlier.Data[name]; ok && was != sum {
				return now, fmt.Errorf("%s: data: %s had SHA-256 %s when the run began, now it has %s", filepath.Join(f.Dir, evidence.RunFile), name, was, sum)
			}
		}
		now.Start, now.Args, now.PeakMemory = earlier.Start, earlier.Args, earlier.PeakMemory
	}
	return now, evidence.WriteRun(f.Dir, now)
}

// Finish writes run.json once more, with end and memory.
func (f *Folder) Finish(record evidence.Run) error {
	record.End = time.Now().UTC()
	record.PeakMemory = max(record.PeakMemory, evidence.PeakMemory())
	return evidence.WriteRun(f.Dir, record)
}

// Work does a run of a specification between its beginning and its end: config.json and run.json first, the log as it goes,
// the result last. do gets the options with the folder and the listener of its log. Where do was interrupted the log says
// so, and the error is run.ErrInterrupted.
func (f *Folder) Work(c evidence.Config, record evidence.Run, do func(run.Options) (*run.Result, error)) (result *run.Result, err error) {
	if err := evidence.WriteConfig(f.Dir, c); err != nil {
		return nil, err
	}
	if record, err = f.Begin(record); err != nil {
		return nil, err
	}
	events, err := evidence.OpenEvents(f.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	result, err = do(run.Options{Dir: f.Dir, Listeners: []run.Listener{events.Listener(1)}})
	if errors.Is(err, run.ErrInterrupted) {
		if logErr := events.Append("interrupted", nil); logErr != nil {
			return nil, logErr
		}
	}
	if err != nil {
		return nil, err
	}
	if err := f.Finish(record); err != nil {
		return nil, err
	}
	return result, evidence.WriteResult(f.Dir, *result)
}
