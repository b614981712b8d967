package nb

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
)

// EnvRuns names the variable with the folder of all cached work; without it that is "runs" below the working folder.
const EnvRuns = "GONAS_RUNS"

// codeVersion is part of every key. It grows when equal configurations come to mean other results.
const codeVersion = 1

// doneFile holds a finished folder's key. It is written last: a folder without it is not finished.
const doneFile = "cached.json"

// key is what a folder is named by.
type key struct {
	Name   string          `json:"name"`
	Code   int             `json:"code"`
	Config json.RawMessage `json:"config"`
}

// Cached returns the folder that work filled for this name and configuration, and calls work only where there is none
// yet. The folder is NAME-HASH below runs, or below the folder that GONAS_RUNS names; the hash is of all of config that
// JSON shows. Code is no part of it: put into config what of yours the result depends on.
//
// A folder counts as finished once work has returned nil. What work left behind that failed or was killed stays, and the
// next call gets the same folder to go on from. Where another process works on it, Cached waits for that.
func Cached(name string, config any, work func(dir string) error) (dir string, err error) {
	k, dir, err := place(name, config)
	if err != nil {
		return "", err
	}
	return dir, cached(k, dir, func(f *runfolder.Folder) error { return work(f.Dir) })
}

// CachedValue is [Cached] for a value that JSON can hold: compute's value is kept in the folder and read from there the
// next time. compute may keep other files in dir, such as where to go on from.
func CachedValue[T any](name string, config any, compute func(dir string) (T, error)) (T, error) {
	const file = "value.json"
	var none, v T
	dir, err := Cached(name, config, func(dir string) error {
		v, err := compute(dir)
		if err != nil {
			return err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return evidence.WriteFile(filepath.Join(dir, file), append(text, '\n'))
	})
	if err != nil {
		return none, err
	}
	// Read even where it was just computed: both times the caller gets what JSON keeps of it.
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return none, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return none, fmt.Errorf("%s: %w", filepath.Join(dir, file), err)
	}
	return v, nil
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// place is the key of a configuration and its folder.
func place(name string, config any) (key, string, error) {
	if !plainName.MatchString(name) {
		return key{}, "", fmt.Errorf("cached %q: expected a name of letters, digits, dots, dashes and underscores", name)
	}
	text, err := canonical(config)
	if err != nil {
		return key{}, "", fmt.Errorf("cached %s: configuration: %w", name, err)
	}
	k := key{Name: name, Code: codeVersion, Config: text}
	whole, err := json.Marshal(k)
	if err != nil {
		return key{}, "", fmt.Errorf("cached %s: %w", name, err)
	}
	sum := sha256.Sum256(whole)
	root := os.Getenv(EnvRuns)
	if root == "" {
		root = "runs"
	}
	return k, filepath.Join(root, name+"-"+hex.EncodeToString(sum[:])[:12]), nil
}

// canonical is v's JSON with the fields of all objects sorted, so that their order in a struct is no difference.
func canonical(v any) (json.RawMessage, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var plain any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// finished tells whether dir holds finished work of this key.
func (k key) finished(dir string) (bool, error) {
	path := filepath.Join(dir, doneFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var was key
	if err := json.Unmarshal(text, &was); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	a, err := canonical(was)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	b, err := canonical(k)
	if err != nil {
		return false, err
	}
	if !bytes.Equal(a, b) {
		return false, fmt.Errorf("%s: expected the configuration that the folder is named by, got another", path)
	}
	return true, nil
}

func cached(k key, dir string, work func(*runfolder.Folder) error) error {
	if ok, err := k.finished(dir); ok || err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cached %s: %w", k.Name, err)
	}
	f, err := waitForFolder(dir)
	if err != nil {
		return fmt.Errorf("cached %s: %w", k.Name, err)
	}
	defer f.Unlock()
	// Whom we waited for may have finished it.
	if ok, err := k.finished(dir); ok || err != nil {
		return err
	}
	if err := work(f); err != nil {
		return fmt.Errorf("cached %s: %w", k.Name, err)
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = evidence.WriteFile(filepath.Join(dir, doneFile), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cached %s: %w", k.Name, err)
	}
	return nil
}

// waitForFolder takes hold of a folder, when whoever has it lets go.
func waitForFolder(dir string) (*runfolder.Folder, error) {
	for began, told := time.Now(), false; ; time.Sleep(50 * time.Millisecond) {
		f, err := runfolder.Lock(dir)
		if !errors.Is(err, runfolder.ErrLocked) {
			return f, err
		}
		if !told && time.Since(began) > time.Second {
			fmt.Printf("%s: waiting for another process that works on it\n", dir)
			told = true
		}
	}
}

// SaveWeights keeps a network's weights and statistics in dir.
func SaveWeights(dir string, m *engine.Model) error {
	state, err := m.State()
	if err != nil {
		return err
	}
	return checkpoint.Write(filepath.Join(dir, run.CheckpointFile), checkpoint.File{Tensors: state, Record: json.RawMessage("{}")})
}

// LoadWeights gives a network the weights and statistics that [SaveWeights], a search or a training has left in dir. Of
// a search's those of its supernet are there, as they were after the last epoch.
func LoadWeights(dir string, m *engine.Model) error {
	path := filepath.Join(dir, run.CheckpointFile)
	f, err := checkpoint.Read(path)
	if err != nil {
		return err
	}
	state := map[string][]float32{}
	for _, s := range m.Specs() {
		v, ok := f.Tensors[s.Name]
		if !ok {
			return fmt.Errorf("%s: expected a tensor %q, found none", path, s.Name)
		}
		state[s.Name] = v
	}
	if err := m.Load(state); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
