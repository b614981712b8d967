package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/notebooks/kernel"
)

type kernelCmd struct {
	Install   kernelInstallCmd   `cmd:"" help:"Put the Jupyter kernel \"Go (gonas)\" in place for this user."`
	Uninstall kernelUninstallCmd `cmd:"" help:"Remove it."`
}

// moduleFlag says where the packages that notebooks import come from.
type moduleFlag struct {
	Module string `help:"Checkout whose packages notebooks import. Without it the one around the working folder or this binary; outside any, the module at this binary's version, from the module proxy." placeholder:"DIR"`
}

// completionFlag says whether gopls runs beside notebooks.
type completionFlag struct {
	NoCompletion bool `help:"Leave out completion and help in cells: no gopls runs beside notebooks."`
}

// checkout is the checkout that is meant, or "" where there is none.
func (f moduleFlag) checkout() (string, error) {
	if f.Module != "" {
		dir, err := filepath.Abs(f.Module)
		if err == nil && !kernel.IsCheckout(dir) {
			err = fmt.Errorf("--module %s: expected a checkout: a folder with the go.mod of %s", f.Module, kernel.ModulePath)
		}
		return dir, err
	}
	return kernel.FindCheckout(nearFolders()...), nil
}

// nearFolders are the working folder and that of the binary.
func nearFolders() []string {
	var dirs []string
	if dir, err := os.Getwd(); err == nil {
		dirs = append(dirs, dir)
	}
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dirs = append(dirs, filepath.Dir(exe))
	}
	return dirs
}

type kernelInstallCmd struct {
	moduleFlag
	completionFlag
	Name string `help:"Name of the kernel, by which notebooks ask for it; without it gonas." placeholder:"NAME"`
}

// Run installs the kernel.
func (c kernelInstallCmd) Run(a *app) error {
	checkout, err := c.checkout()
	if err != nil {
		return err
	}
	if err := a.installKernel(checkout, c.Name, !c.NoCompletion); err != nil {
		return err
	}
	if kernel.FindJupyter(a.ctx, checkout, "jupyter") == "" {
		_, install := findJupyter(a.ctx)
		fmt.Fprintf(a.stderr, "gonas: no Jupyter found to use the kernel: `gonas lab` brings JupyterLab, `%s` what runs notebooks without a browser\n", install)
	}
	return nil
}

// installKernel puts a kernel in place for the packages of a checkout, or of this binary's version where there is none.
func (a *app) installKernel(checkout, name string, completion bool) error {
	say := func(text string) { fmt.Fprintln(a.stderr, "gonas: "+text) }
	env, err := kernelEnvironment(checkout)
	if err != nil {
		return err
	}
	config := kernel.Config{Name: name, Workspace: checkout, Tools: filepath.Join(checkout, "bin"), Completion: completion, Env: env}
	if checkout == "" {
		version := buildInfo().Version
		if config.Workspace, err = kernel.Published(version); errors.Is(err, kernel.ErrUnpublished) {
			return fmt.Errorf("no checkout here, and this binary's version, %q, is not a published one: name a checkout with --module DIR", version)
		} else if err != nil {
			return err
		}
		config.Tools = filepath.Join(config.Workspace, "bin")
		say("outside a checkout: taking the packages of " + version + " from the module proxy")
		if err := kernel.Publish(a.ctx, config.Workspace, version); err != nil {
			return fmt.Errorf("%w; or name a checkout with --module DIR", err)
		}
	}
	if missing := kernel.Missing(config.Tools, kernel.Programs(completion)); len(missing) > 0 {
		say("building " + strings.Join(missing, ", ") + " in " + config.Tools + ", once")
		if err := kernel.Build(a.ctx, config.Tools, missing); err != nil {
			return err
		}
	}
	dir, err := kernel.Install(a.ctx, config)
	if err != nil {
		return err
	}
	say("compiling the packages, so that the first cell need not")
	if err := kernel.Compile(a.ctx, config.Workspace); a.ctx.Err() != nil {
		return a.ctx.Err()
	} else if err != nil {
		say("not all of them compile: " + oneLine(err))
	}
	_, err = fmt.Fprintf(a.stdout, "the kernel is in %s, its packages come from %s\n", dir, config.Workspace)
	return err
}

// goVariables say where Go keeps and finds modules; a Jupyter that was not started from this shell would lack them.
var goVariables = []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOTOOLCHAIN"}

// kernelEnvironment is what cells run with: the backend, cache and data that gonas uses here, by absolute paths.
func kernelEnvironment(checkout string) (map[string]string, error) {
	env := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "GOMLX_") || strings.HasPrefix(name, "GONAS_") {
			env[name] = value
		}
	}
	for _, name := range append(goVariables, backend.EnvPluginPath) {
		if value := os.Getenv(name); value != "" {
			env[name] = value
		}
	}
	found, err := findPlugin(checkout)
	if err != nil {
		return nil, err
	}
	if found.Path != "" {
		env[backend.EnvBackend] = "xla:" + found.Path + found.Options
	}
	if dir := backend.CacheInfo().Dir; dir != "" {
		env[backend.EnvCacheDir] = dir
	}
	dir, err := datasets.ResolveDir("")
	if errors.Is(err, datasets.ErrNoDataDir) {
		return env, nil
	}
	env[datasets.DataEnv] = dir
	return env, err
}

// findPlugin looks for a plug-in as a gonas that runs in the checkout does.
func findPlugin(checkout string) (backend.Found, error) {
	if checkout == "" || os.Getenv(backend.EnvBackend) != "" {
		return backend.Find()
	}
	here, err := os.Getwd()
	if err != nil {
		return backend.Found{}, err
	}
	if err := os.Chdir(checkout); err != nil {
		return backend.Found{}, err
	}
	found, err := backend.Find()
	return found, errors.Join(err, os.Chdir(here))
}

type kernelUninstallCmd struct {
	Name string `help:"Name of the kernel; without it gonas." placeholder:"NAME"`
}

// Run removes the kernel.
func (c kernelUninstallCmd) Run(a *app) error {
	dir, err := kernel.Uninstall(c.Name)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = fmt.Fprintf(a.stdout, "no kernel is in %s\n", dir)
		return err
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "removed %s\n", dir)
	return err
}

// kernelStatus is the kernel's folder, and what is missing of it.
func kernelStatus() (dir string, missing []backend.Missing) {
	dir, _, err := kernel.Status("")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", []backend.Missing{{What: "the Jupyter kernel \"Go (gonas)\", for notebooks", Command: "gonas kernel install"}}
	case err != nil:
		return dir, []backend.Missing{{What: "a Jupyter kernel that starts: " + err.Error(), Command: "gonas kernel install"}}
	}
	return dir, nil
}
