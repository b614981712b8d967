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
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
)

// configFile holds all that a run needs to go on.
const configFile = runfolder.ConfigFile

// runConfig is the contents of config.json, dataPick its images, folder one that this process alone works on.
type (
	runConfig = runfolder.Config
	dataPick  = runfolder.Data
	folder    = runfolder.Folder
)

func pickData(dir string) (dataPick, error) { return runfolder.PickData(dir) }

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
		if !runfolder.Temporary(e.Name()) {
			return nil, fmt.Errorf("--out %s: expected a new or empty folder, it holds %s", dir, e.Name())
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("--out %s: %w", dir, err)
	}
	f, err := runfolder.Lock(dir)
	if err != nil {
		return nil, err
	}
	if err := f.WriteConfig(c); err != nil {
		f.Unlock()
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
	f, err := runfolder.Lock(dir)
	return f, c, err
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
	run, built := runfolder.Describe(b, profile, seed, files), buildInfo()
	run.Version, run.GitHash, run.Dirty, run.GoSumSHA256, run.GoMLX = built.Version, built.Commit, built.Dirty, built.GoSumSHA256, built.GoMLX
	run.Args = a.args
	return run
}

// work does a folder's run; an interrupt's message says how to go on.
func (a *app) work(f *folder, c runConfig, seed uint64, files []datasets.FileSum, do func(*engine.Engine, search.Listener) (save func() error, err error)) error {
	b, err := backend.Open()
	if err != nil {
		return err
	}
	err = f.Work(describeRun(a, b, c.Profile, seed, files), func(log search.Listener) (func() error, error) { return do(engine.New(b.Backend), log) })
	if errors.Is(err, search.ErrInterrupted) {
		return fmt.Errorf("%w; go on with `gonas %s --resume %s`", errInterrupted, c.Command, shellWord(f.Dir))
	}
	return err
}
