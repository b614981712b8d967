// Package kernel puts the Jupyter kernel "Go (gonas)" in place: GoNB, started so that a notebook imports gonas's
// packages without a set-up cell, at the versions and checksums of a checkout or of a published module, and without
// network.
//
// A kernel is one folder in Jupyter's data folder of this user. Beside kernel.json it holds bin, which comes first in
// the kernel's PATH: links to the programs behind it, and a go that leaves out the one command that GoNB gives before
// every cell and that would ask the network, "go get" for whatever the cell imports. "go get MODULE" works as ever.
package kernel

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/gonas/gonas/internal/atomicfile"
)

// DefaultName is the kernel that notebooks of gonas name in their metadata.
const DefaultName = "gonas"

// JupyterDataEnv moves Jupyter's data folder of this user.
const JupyterDataEnv = "JUPYTER_DATA_DIR"

//go:embed logo-svg.svg
var logo []byte

// Config says what kernel to make.
type Config struct {
	// Name is that of its folder, by which notebooks ask for it; DefaultName if empty.
	Name string
	// Workspace is the folder of the module whose requirements the cells have: a checkout, or what Publish made.
	Workspace string
	// Tools is the folder of the programs that Build made.
	Tools string
	// Completion runs gopls beside every kernel, which loads the whole workspace.
	Completion bool
	// RawErrors prints compile errors as plain text instead of HTML.
	RawErrors bool
	// Env is set in the kernel and in its cells. PATH is put behind what the kernel needs; empty, it is this process's.
	Env map[string]string
}

// Spec is the contents of a kernel.json.
type Spec struct {
	Argv          []string          `json:"argv"`
	DisplayName   string            `json:"display_name"`
	Language      string            `json:"language"`
	InterruptMode string            `json:"interrupt_mode"`
	Env           map[string]string `json:"env"`
	Metadata      Metadata          `json:"metadata"`
}

// Metadata is our own part of a kernel.json.
type Metadata struct {
	// Workspace is the folder that cells take their modules from.
	Workspace string `json:"gonas_workspace"`
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Dir is the folder of the kernel of this name.
func Dir(name string) (string, error) {
	if name == "" {
		name = DefaultName
	}
	if !names.MatchString(name) {
		return "", fmt.Errorf("kernel %q: expected a name of letters, digits, dots, dashes and underscores", name)
	}
	data, err := dataDir()
	return filepath.Join(data, "kernels", name), err
}

// dataDir is Jupyter's data folder of this user, by the same rules as Jupyter's.
func dataDir() (string, error) {
	if dir := os.Getenv(JupyterDataEnv); dir != "" {
		return filepath.Abs(dir)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no Jupyter data folder for this user, set %s: %w", JupyterDataEnv, err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Jupyter"), nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "jupyter"), nil
	}
	return filepath.Join(home, ".local", "share", "jupyter"), nil
}

// Install puts the kernel in place, over one of the same name, and returns its folder. kernel.json, without which
// Jupyter sees no kernel, comes last.
func Install(ctx context.Context, c Config) (dir string, err error) {
	if runtime.GOOS == "windows" {
		return "", errors.New("install kernel: GoNB runs on Linux and macOS only")
	}
	if dir, err = Dir(c.Name); err != nil {
		return "", err
	}
	goPath, err := findGo(ctx, c.Workspace)
	if err != nil {
		return "", err
	}
	wanted := Programs(c.Completion)
	if missing := Missing(c.Tools, wanted); len(missing) > 0 {
		return "", fmt.Errorf("install kernel: %s: no %s of the version wanted in it: `gonas kernel install` builds what is missing",
			c.Tools, strings.Join(missing, ", "))
	}
	bin := filepath.Join(dir, "bin")
	// A gopls of an earlier kernel would be found.
	if err := os.RemoveAll(bin); err != nil {
		return "", fmt.Errorf("install kernel: %w", err)
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("install kernel: %w", err)
	}
	for _, program := range wanted {
		if err := os.Symlink(filepath.Join(c.Tools, program), filepath.Join(bin, program)); err != nil {
			return "", fmt.Errorf("install kernel: %w", err)
		}
	}
	text, err := json.MarshalIndent(c.spec(bin, goPath), "", "  ")
	if err != nil {
		return "", err
	}
	for _, file := range []struct {
		path string
		mode fs.FileMode
		text []byte
	}{
		{filepath.Join(bin, "go"), 0o755, goScript(goPath)},
		{filepath.Join(dir, "logo-svg.svg"), 0o644, logo},
		{filepath.Join(dir, "kernel.json"), 0o644, append(text, '\n')},
	} {
		if err := atomicfile.WriteBytes(file.path, file.mode, file.text); err != nil {
			return "", fmt.Errorf("install kernel: %w", err)
		}
	}
	return dir, nil
}

// spec is the kernel whose programs are in bin.
func (c Config) spec(bin, goPath string) Spec {
	display := "Go (gonas)"
	if c.Name != "" && c.Name != DefaultName {
		display = "Go (gonas, " + c.Name + ")"
	}
	env := map[string]string{
		// A go.work or -mod of the user's would take the place of the kernel's; without DWARF a cell links a third faster.
		"GOWORK": "", "GOFLAGS": "-buildvcs=false -ldflags=-w",
	}
	maps.Copy(env, c.Env)
	path := c.Env["PATH"]
	if path == "" {
		path = os.Getenv("PATH")
	}
	env["PATH"] = strings.Join([]string{bin, filepath.Dir(goPath), path}, string(filepath.ListSeparator))
	// GoNB logs every step to the server's terminal otherwise; what ends it still goes there.
	argv := []string{filepath.Join(bin, "gonb"), "--kernel", "{connection_file}", "--go_work=" + c.Workspace,
		"--logtostderr=false", "--log_file=" + os.DevNull, "--stderrthreshold=FATAL"}
	if c.RawErrors {
		argv = append(argv, "--raw_error")
	}
	return Spec{Argv: argv, DisplayName: display, Language: "go", InterruptMode: "message", Env: env,
		Metadata: Metadata{Workspace: c.Workspace}}
}

// goScript is the kernel's go.
func goScript(goPath string) []byte {
	quoted := "'" + strings.ReplaceAll(goPath, "'", `'\''`) + "'"
	return []byte(`#!/bin/sh
# GoNB runs a bare "go get" before each cell: everything is in the workspace, and asking the network takes time.
[ "$*" = get ] && exit 0
exec ` + quoted + ` "$@"
`)
}

// findGo returns the path of a go that can work in this module.
func findGo(ctx context.Context, workspace string) (string, error) {
	path, err := lookGo()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, "list", "-m", "-f", "{{.Path}}")
	cmd.Dir = workspace
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s cannot work with %s: %s: install %s", path, workspace, strings.TrimSpace(string(output)), wantGo)
	}
	return path, nil
}

const wantGo = "Go 1.26 or newer, https://go.dev/dl"

func lookGo() (string, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("no Go in PATH, which notebooks compile their cells with: install %s", wantGo)
	}
	return filepath.Abs(path)
}

// Uninstall removes the kernel of this name and returns the folder that it was in. That none is there is an
// error that wraps fs.ErrNotExist.
func Uninstall(name string) (dir string, err error) {
	if dir, err = Dir(name); err != nil {
		return "", err
	}
	// Without kernel.json there is no kernel any more, whatever happens next.
	if err := os.Remove(filepath.Join(dir, "kernel.json")); err != nil {
		return dir, fmt.Errorf("uninstall kernel: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return dir, fmt.Errorf("uninstall kernel: %w", err)
	}
	return dir, nil
}

// Status reads the kernel of this name; an error says what keeps it from starting, fs.ErrNotExist that there is none.
func Status(name string) (dir string, spec Spec, err error) {
	if dir, err = Dir(name); err != nil {
		return "", spec, err
	}
	path := filepath.Join(dir, "kernel.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return dir, spec, err
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		return dir, spec, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := os.Stat(filepath.Join(spec.Metadata.Workspace, "go.mod")); err != nil {
		return dir, spec, fmt.Errorf("%s: the workspace %s is gone", path, spec.Metadata.Workspace)
	}
	if missing := Missing(filepath.Join(dir, "bin"), Programs(false)); len(missing) > 0 {
		return dir, spec, fmt.Errorf("%s: no %s of the version wanted", path, strings.Join(missing, ", "))
	}
	return dir, spec, nil
}
