package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/notebooks/kernel"
)

type doctorCmd struct {
	JSON    bool `help:"Print JSON."`
	Install bool `help:"Install an XLA plug-in for this user first."`
	dataFlag
}

// diagnosis is what doctor prints as JSON.
type diagnosis struct {
	backend.Diagnosis
	Build   build             `json:"build"`
	DataDir string            `json:"data_dir,omitempty"`
	Data    []datasets.Status `json:"data"`
	// Jupyter is the path of jupyter, empty if there is none.
	Jupyter string `json:"jupyter,omitempty"`
	// Kernel is the folder of the kernel for notebooks, empty if there is none.
	Kernel string `json:"kernel,omitempty"`
}

// Run says what was found and what is missing. Only a machine on which nothing can be computed is an error.
func (c doctorCmd) Run(a *app) error {
	if c.Install {
		path, err := backend.Install(a.ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(a.stderr, "gonas: plug-in installed: "+path)
	}
	dir, err := c.folder()
	if err != nil {
		return err
	}
	d := diagnosis{Diagnosis: backend.Diagnose(), Build: buildInfo(), DataDir: dir, Data: datasets.List(dir)}
	for _, s := range d.Data {
		if s.Name == "cifar10" && s.State != datasets.Present {
			d.Missing = append(d.Missing, backend.Missing{What: "the whole of CIFAR-10 (searches use the embedded part of it without)",
				Command: "gonas data fetch cifar10 --data DIR"})
		}
	}
	var install string
	if d.Jupyter, install = findJupyter(a.ctx); d.Jupyter == "" {
		d.Missing = append(d.Missing, backend.Missing{What: "Jupyter, for notebooks", Command: install})
	}
	var missing []backend.Missing
	d.Kernel, missing = kernelStatus()
	d.Missing = append(d.Missing, missing...)
	if c.JSON {
		err = writeJSON(a.stdout, d)
	} else {
		d.print(a)
	}
	if err == nil && d.Error != "" {
		err = fmt.Errorf("no backend opens: %s", d.Error)
	}
	return err
}

// findJupyter looks for jupyter with nbconvert in the checkout's environment and in PATH; install brings it.
func findJupyter(ctx context.Context) (path, install string) {
	checkout := kernel.FindCheckout(nearFolders()...)
	if path := kernel.FindJupyter(ctx, checkout, "jupyter-nbconvert"); path != "" {
		return path, ""
	}
	if checkout != "" {
		return "", "make -C " + shellWord(checkout) + " notebook-tools"
	}
	return "", "python3 -m pip install --user nbconvert"
}

// print writes the diagnosis for people.
func (d diagnosis) print(a *app) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(a.stdout, "%-12s%s\n", name, fmt.Sprintf(format, args...))
	}
	line("gonas", "%s", strings.TrimPrefix(d.Build.String(), "gonas "))
	if b := d.Backend; b == nil {
		line("backend", "none opens: %s", d.Error)
	} else {
		line("backend", "%s", b.Kind)
		if b.PluginPath != "" {
			line("plug-in", "%s (%s; from %s)", b.PluginPath, b.PluginVersion, b.Source)
		}
		line("devices", "%d: %s", len(b.Devices), strings.Join(b.Devices, ", "))
		kernels := "none: XLA's own operations"
		if b.Kernels {
			kernels = "own CPU kernels for depthwise convolution, max-pool and batch norm"
		}
		line("kernels", "%s", kernels)
		if b.Warning != "" {
			line("warning", "%s", b.Warning)
		}
	}
	line("processor", "%s, %d usable", d.Processor, d.Processors)
	line("cache", "%s", cacheLine(d.Cache))
	for _, s := range d.Data {
		text := string(s.State)
		if s.State != datasets.Absent {
			text += ", " + s.Format + ", " + bytesText(s.Bytes)
		}
		if s.Path != "" {
			text += ", " + s.Path
		}
		line("data", "%s: %s", s.Name, text)
	}
	if d.Jupyter != "" {
		line("jupyter", "%s", d.Jupyter)
	} else {
		line("jupyter", "not found")
	}
	if d.Kernel != "" {
		line("kernel", "%s", d.Kernel)
	} else {
		line("kernel", "not installed")
	}
	if d.Backend == nil || d.Backend.Kind == backend.KindGo {
		for _, p := range d.Places {
			line("looked at", "%s: %s: %s", p.Source, p.Path, p.Note)
		}
	}
	if len(d.Missing) == 0 {
		line("missing", "nothing")
	}
	for _, m := range d.Missing {
		line("missing", "%s: `%s`", m.What, m.Command)
	}
}
