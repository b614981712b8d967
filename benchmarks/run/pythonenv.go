package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// environment is a Python environment of its own, made when it is missing or incomplete.
type environment struct {
	// Library is what it is for.
	Library string
	Dir     string
	// Requirements is the file that pip installs from; Imports is what shows that it did.
	Requirements, Imports string
	// Size tells a person what making it takes, Needs what it takes it from.
	Size, Needs string
}

func torchEnvironment(dir, requirements string) environment {
	return environment{Library: "PyTorch", Dir: dir, Requirements: requirements, Imports: "torch, numpy",
		Size: "a download of about 2.5 GB, 5 GB on disk", Needs: "Python 3.8 to 3.12 with the venv module, access to a package index and 5 GB of disk"}
}

func pymooEnvironment(dir, requirements string) environment {
	return environment{Library: "pymoo", Dir: dir, Requirements: requirements, Imports: "pymoo, numpy, scipy",
		Size: "400 MB on disk", Needs: "Python 3.11 or newer with the venv module and access to a package index"}
}

func torchaudioEnvironment(dir, requirements string) environment {
	return environment{Library: "torchaudio", Dir: dir, Requirements: requirements, Imports: "torch, torchaudio, numpy, soundfile",
		Size: "a download of about 2.5 GB, 5 GB on disk", Needs: "Python 3.11 or newer with the venv module, access to a package index and 5 GB of disk"}
}

// python returns the environment's Python. The commands that make it are written to log, so that a person can repeat them.
func (e environment) python(ctx context.Context, log io.Writer) (string, error) {
	python := filepath.Join(e.Dir, "bin", "python")
	if e.usable(ctx, python) == nil {
		return python, nil
	}
	fmt.Fprintf(log, "%s's environment %s is missing or incomplete; making it (%s):\n", e.Library, e.Dir, e.Size)
	var commands [][]string
	if _, err := os.Stat(python); err != nil {
		commands = append(commands, []string{"python3", "-m", "venv", e.Dir})
	}
	commands = append(commands, []string{python, "-m", "pip", "install", "--quiet", "-r", e.Requirements})
	for _, c := range commands {
		fmt.Fprintln(log, "  "+strings.Join(c, " "))
		cmd := exec.CommandContext(ctx, c[0], c[1:]...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("cannot set %s up: %s: %w; it needs %s (-ours measures without it)", e.Library, strings.Join(c, " "), err, e.Needs)
		}
	}
	if err := e.usable(ctx, python); err != nil {
		return "", fmt.Errorf("%s was set up but cannot import %s: %w; delete the folder and try again", e.Dir, e.Imports, err)
	}
	// The folder keeps itself out of git, as those that Python 3.13 makes do.
	return python, os.WriteFile(filepath.Join(e.Dir, ".gitignore"), []byte("*\n"), 0o644)
}

// usable tells whether python runs and has what the scripts import.
func (e environment) usable(ctx context.Context, python string) error {
	out, err := exec.CommandContext(ctx, python, "-c", "import "+e.Imports).CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	return nil
}
