package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// LabVersion is the JupyterLab that InstallLab brings, LabOldest the oldest one that serves.
const (
	LabVersion = "4.6.6"
	LabOldest  = 4
)

// FindJupyter is the path of one of Jupyter's programs, "jupyter-lab" or "jupyter-nbconvert", that starts: the
// checkout's own, or else that of PATH; "" where there is none.
func FindJupyter(ctx context.Context, checkout, program string) string {
	for _, path := range jupyterPaths(checkout, program) {
		if exec.CommandContext(ctx, path, "--version").Run() == nil {
			return path
		}
	}
	return ""
}

// jupyterPaths are the places where one of Jupyter's programs may be.
func jupyterPaths(checkout, program string) []string {
	var paths []string
	if checkout != "" {
		paths = append(paths, filepath.Join(checkout, ".venv", "bin", program))
	}
	if path, err := exec.LookPath(program); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// FindLab is the path of a JupyterLab that serves, and its version. Where there is none, the path is empty and the
// version is that of the last one that is too old, or empty.
func FindLab(ctx context.Context, checkout string) (path, version string) {
	for _, path := range jupyterPaths(checkout, "jupyter-lab") {
		output, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			continue
		}
		version = strings.TrimSpace(string(output))
		major, _, _ := strings.Cut(version, ".")
		if n, err := strconv.Atoi(major); err == nil && n >= LabOldest {
			return path, version
		}
	}
	return "", version
}

// InstallLab installs JupyterLab into the checkout's .venv, which it makes where there is none, and returns its path.
// Each step is said before it is taken.
func InstallLab(ctx context.Context, checkout string, say func(string)) (path string, err error) {
	venv := filepath.Join(checkout, ".venv")
	python := filepath.Join(venv, "bin", "python")
	// A half-made environment, of a setup that was cut short, has no pip that runs.
	if exec.CommandContext(ctx, python, "-m", "pip", "--version").Run() != nil {
		system, err := exec.LookPath("python3")
		if err != nil {
			return "", errors.New("no Jupyter, and no Python 3 to install it with: apt install python3 python3-venv")
		}
		say("making " + venv)
		if output, err := exec.CommandContext(ctx, system, "-m", "venv", "--clear", venv).CombinedOutput(); err != nil {
			return "", fmt.Errorf("no Jupyter, and Python's venv does not work: apt install python3-venv: %s", strings.TrimSpace(string(output)))
		}
	}
	say("installing JupyterLab " + LabVersion + " into " + venv)
	install := []string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "jupyterlab==" + LabVersion}
	if output, err := exec.CommandContext(ctx, python, install...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("JupyterLab could not be installed; again with `%s %s`: %s",
			python, strings.Join(install, " "), strings.TrimSpace(string(output)))
	}
	path = filepath.Join(venv, "bin", "jupyter-lab")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("jupyterlab %s is installed but has no program: %w", LabVersion, err)
	}
	return path, nil
}
