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

// torchPython returns the Python of dir, an environment of its own with PyTorch in it, and makes the environment
// when it is missing or incomplete. The commands it runs are written to log, so that a person can repeat them.
func torchPython(ctx context.Context, dir, requirements string, log io.Writer) (string, error) {
	python := filepath.Join(dir, "bin", "python")
	if usable(ctx, python) == nil {
		return python, nil
	}
	fmt.Fprintf(log, "PyTorch's environment %s is missing or incomplete; making it (a download of about 2.5 GB, 5 GB on disk):\n", dir)
	var commands [][]string
	if _, err := os.Stat(python); err != nil {
		commands = append(commands, []string{"python3", "-m", "venv", dir})
	}
	commands = append(commands, []string{python, "-m", "pip", "install", "--quiet", "-r", requirements})
	for _, c := range commands {
		fmt.Fprintln(log, "  "+strings.Join(c, " "))
		cmd := exec.CommandContext(ctx, c[0], c[1:]...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("cannot set PyTorch up: %s: %w; it needs Python 3.8 to 3.12 with the venv module, "+
				"access to a package index and 5 GB of disk (-ours measures without PyTorch)", strings.Join(c, " "), err)
		}
	}
	if err := usable(ctx, python); err != nil {
		return "", fmt.Errorf("%s was set up but cannot import torch and numpy: %w; delete the folder and try again", dir, err)
	}
	return python, nil
}

// usable tells whether python runs and has what the scripts import.
func usable(ctx context.Context, python string) error {
	out, err := exec.CommandContext(ctx, python, "-c", "import torch, numpy").CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	return nil
}
