package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/notebooks/kernel"
	"github.com/gonas/gonas/notebooks/kernel/kerneltest"
)

// TestKernelScripts runs the command lines of testdata/kernel, with as little in PATH as they need.
func TestKernelScripts(t *testing.T) {
	goPath, err := exec.LookPath("go")
	require.NoError(t, err)
	caches, err := exec.Command(goPath, "env", "GOCACHE", "GOMODCACHE").Output()
	require.NoError(t, err)
	cache := strings.Fields(string(caches))
	require.Len(t, cache, 2)
	tools := kerneltest.Tools(t)
	// Of the folder of Go alone: what else is beside it must not be found.
	goDir := t.TempDir()
	require.NoError(t, os.Symlink(goPath, filepath.Join(goDir, "go")))
	testscript.Run(t, testscript.Params{Dir: filepath.Join("testdata", "kernel"), RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			bin, _, _ := strings.Cut(e.Getenv("PATH"), string(filepath.ListSeparator))
			e.Vars = append(e.Vars, "BIN="+bin, "GODIR="+goDir, "TOOLS="+tools, "GOCACHE="+cache[0], "GOMODCACHE="+cache[1],
				"GOMLX_BACKEND=go", "GONAS_CACHE_DIR="+filepath.Join(e.WorkDir, "programs"),
				"GONAS_DATA="+filepath.Join(e.WorkDir, "images"), kernel.JupyterDataEnv+"="+filepath.Join(e.WorkDir, "jupyter"))
			return nil
		}})
}

// TestKernelOfPublishedModule installs as a released binary does outside a checkout.
func TestKernelOfPublishedModule(t *testing.T) {
	tools := kerneltest.Tools(t)
	kerneltest.Proxy(t, "v0.1.0")
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv(kernel.JupyterDataEnv, t.TempDir())
	t.Setenv("GOMLX_BACKEND", "go")
	t.Chdir(t.TempDir())
	released := version
	t.Cleanup(func() { version = released })

	var stdout, stderr bytes.Buffer
	a := &app{ctx: t.Context(), stdout: &stdout, stderr: &stderr}
	version = "v0.2.0"
	err := kernelInstallCmd{completionFlag: completionFlag{true}}.Run(a)
	assert.ErrorContains(t, err, "v0.2.0 from the module proxy")
	assert.ErrorContains(t, err, "or name a checkout with --module DIR")

	version = "v0.1.0"
	workspace := filepath.Join(data, "gonas", "kernel", version)
	require.NoError(t, kernel.Publish(t.Context(), workspace, version))
	require.NoError(t, os.Symlink(tools, filepath.Join(workspace, "bin")))
	require.NoError(t, kernelInstallCmd{completionFlag: completionFlag{true}}.Run(a))
	assert.Contains(t, stderr.String(), "outside a checkout: taking the packages of v0.1.0 from the module proxy")
	assert.Contains(t, stdout.String(), "its packages come from "+workspace)
	printed := kerneltest.Execute(t, nil, "import \"github.com/gonas/gonas/datasets\"\n%%\nfmt.Println(datasets.List(\"\"))")
	assert.Equal(t, []string{"[published]\n"}, printed)
}
