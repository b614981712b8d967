package backend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The Python package whose plug-in Install takes, and its version that works
// with this version of go-xla.
const (
	PluginPackage        = "lammps-jax-pjrt-cpu"
	PluginPackageVersion = "0.11.2"
)

// Install installs the CPU plug-in for this user and returns its path: a
// Python virtual environment in the user's data folder takes the package, and
// a link to its plug-in appears, in one step, where Find looks. What is there
// already is kept; an interrupted run is mended by the next one. A backend
// that is already open does not change.
func Install(ctx context.Context) (path string, err error) {
	return newFinder().install(ctx, "python3")
}

func (f finder) install(ctx context.Context, python string) (string, error) {
	if runtime.GOOS != "linux" {
		return "", fmt.Errorf("install XLA plug-in: package %s is for Linux, this is %s: install a plug-in by hand and name it in %s=xla:/path",
			PluginPackage, runtime.GOOS, EnvBackend)
	}
	data := f.dataDir()
	if data == "" {
		return "", errors.New("install XLA plug-in: neither HOME nor XDG_DATA_HOME is set")
	}
	venv := filepath.Join(data, "venv")
	link := filepath.Join(data, "plugin", "pjrt_c_api_cpu_plugin.so")
	if target, err := filepath.EvalSymlinks(link); err == nil {
		if name, version := pythonPackage(target); name == PluginPackage && version == PluginPackageVersion {
			return link, nil
		}
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return "", fmt.Errorf("install XLA plug-in: %w", err)
	}
	inside := filepath.Join(venv, "bin", "python")
	if exec.CommandContext(ctx, inside, "-m", "pip", "--version").Run() != nil {
		if err := quiet(ctx, python, "-m", "venv", "--clear", venv); err != nil {
			if errors.Is(err, exec.ErrNotFound) {
				return "", fmt.Errorf("install XLA plug-in: Python 3 is missing (on Debian: apt install python3 python3-venv): %w", err)
			}
			return "", fmt.Errorf("install XLA plug-in: cannot make a virtual environment (on Debian: apt install python3-venv): %w", err)
		}
	}
	// Without its dependencies: the plug-in stands by itself, jax is not used.
	if err := quiet(ctx, inside, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet",
		"--no-deps", PluginPackage+"=="+PluginPackageVersion); err != nil {
		return "", fmt.Errorf("install XLA plug-in: %w", err)
	}
	path, note := f.search(candidate{Place: Place{Path: venv}, patterns: venvPatterns}, "cpu")
	if path == "" {
		return "", fmt.Errorf("install XLA plug-in: package %s is installed in %s but no plug-in is in it: %s", PluginPackage, venv, note)
	}
	if err := linkAtomic(path, link); err != nil {
		return "", fmt.Errorf("install XLA plug-in: %w", err)
	}
	return link, nil
}

// quiet runs a command; its output is part of the error only.
func quiet(ctx context.Context, name string, args ...string) error {
	output, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if text := strings.TrimSpace(string(output)); text != "" {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text)
	}
	return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
}

// linkAtomic makes link a symbolic link to target, in place of what is there.
func linkAtomic(target, link string) error {
	dir := filepath.Dir(link)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	made := filepath.Join(temp, "link")
	if err := os.Symlink(target, made); err != nil {
		return err
	}
	return os.Rename(made, link)
}
