package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gonas/gonas/notebooks/kernel"
)

type labCmd struct {
	Dir       string   `arg:"" optional:"" help:"Folder to open; without it the checkout's notebooks."`
	Flags     []string `arg:"" optional:"" help:"What follows a -- goes to JupyterLab as it is."`
	NoBrowser bool     `help:"Open no browser: JupyterLab prints the address."`
	moduleFlag
	completionFlag
}

// Run makes sure of JupyterLab and of the kernel and becomes JupyterLab.
func (c labCmd) Run(a *app) error {
	say := func(text string) { fmt.Fprintln(a.stderr, "gonas: "+text) }
	checkout, err := c.checkout()
	if err != nil {
		return err
	}
	dir, flags, err := c.split(checkout)
	if err != nil {
		return err
	}
	lab, version := kernel.FindLab(a.ctx, checkout)
	switch {
	case lab != "":
		say("JupyterLab " + version + ": " + lab)
	case checkout == "":
		what := "no JupyterLab in PATH"
		if version != "" {
			what = fmt.Sprintf("JupyterLab %s in PATH is older than %d", version, kernel.LabOldest)
		}
		return fmt.Errorf("%s, and no checkout here to install one into: `python3 -m pip install --user jupyterlab==%s`, or name a checkout with --module DIR",
			what, kernel.LabVersion)
	default:
		if lab, err = kernel.InstallLab(a.ctx, checkout, say); a.ctx.Err() != nil {
			return a.ctx.Err()
		} else if err != nil {
			return err
		}
	}
	if err := a.installKernel(checkout, "", !c.NoCompletion); err != nil {
		return err
	}
	if c.NoBrowser {
		flags = append([]string{"--no-browser"}, flags...)
	}
	// Jupyter refuses to run as root unless told to.
	if os.Geteuid() == 0 {
		flags = append([]string{"--allow-root"}, flags...)
	}
	args := append([]string{lab}, flags...)
	say("opening " + dir + ": " + strings.Join(args, " "))
	if err := os.Chdir(dir); err != nil {
		return err
	}
	// In place of this process, so that Ctrl-C and other signals are JupyterLab's own.
	return fmt.Errorf("%s: %w", lab, syscall.Exec(lab, args, os.Environ()))
}

// split is the folder to open and the flags for JupyterLab.
func (c labCmd) split(checkout string) (dir string, flags []string, err error) {
	dir, flags = c.Dir, c.Flags
	if strings.HasPrefix(dir, "-") { // only a -- went before
		dir, flags = "", append([]string{dir}, flags...)
	}
	switch {
	case dir != "":
	case checkout != "":
		dir = filepath.Join(checkout, "notebooks")
	default:
		dir = "."
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if info, err := os.Stat(dir); err != nil {
		return "", nil, fmt.Errorf("nothing to open: %w", err)
	} else if !info.IsDir() {
		return "", nil, fmt.Errorf("%s is a file, expected a folder of notebooks", dir)
	}
	return dir, flags, nil
}
