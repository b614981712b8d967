package kernel_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/notebooks/kernel"
	"github.com/gonas/gonas/notebooks/kernel/kerneltest"
)

// testConfig is a kernel of this checkout, in a Jupyter folder of the test's own.
func testConfig(t *testing.T) kernel.Config {
	t.Helper()
	t.Setenv(kernel.JupyterDataEnv, t.TempDir())
	return kernel.Config{Workspace: kerneltest.Checkout(t), Tools: kerneltest.Tools(t), RawErrors: true}
}

func TestNotebookNeedsNoSetUp(t *testing.T) {
	config := testConfig(t)
	config.Env = map[string]string{"GOPROXY": "off", "GONAS_PROBE": "set"}
	require.NoError(t, kernel.Compile(t.Context(), config.Workspace))
	_, err := kernel.Install(t.Context(), config)
	require.NoError(t, err)
	// What a user's shell may have set must not reach the cells' builds.
	printed := kerneltest.Execute(t, []string{"GOFLAGS=-mod=mod", "GOWORK=off"},
		"import \"github.com/gonas/gonas/datasets\"\n%%\nfmt.Println(len(datasets.List(\"\")) > 0, os.Getenv(\"GONAS_PROBE\"))",
		"%%\nfmt.Println(wrong)",
		"import \"example.com/not/there\"\n%%\nfmt.Println(there.X)")
	assert.Equal(t, "true set\n", printed[0])
	assert.Contains(t, printed[1], "undefined: wrong")
	assert.Contains(t, printed[2], "example.com/not/there", "what is in no module of the workspace is named")
}

func TestInstallAndUninstall(t *testing.T) {
	config := testConfig(t)
	t.Setenv("PATH", os.Getenv("PATH")+string(filepath.ListSeparator)+"/somewhere")
	_, _, err := kernel.Status("")
	require.ErrorIs(t, err, fs.ErrNotExist)

	dir, err := kernel.Install(t.Context(), config)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(os.Getenv(kernel.JupyterDataEnv), "kernels", "gonas"), dir)
	found, spec, err := kernel.Status("")
	require.NoError(t, err)
	assert.Equal(t, dir, found)
	assert.Equal(t, "Go (gonas)", spec.DisplayName)
	assert.Equal(t, filepath.Join(dir, "bin", "gonb"), spec.Argv[0])
	assert.Contains(t, spec.Argv, "{connection_file}")
	assert.True(t, strings.HasPrefix(spec.Env["PATH"], filepath.Join(dir, "bin")+":"), spec.Env["PATH"])
	assert.True(t, strings.HasSuffix(spec.Env["PATH"], ":/somewhere"), spec.Env["PATH"])
	assert.FileExists(t, filepath.Join(dir, "logo-svg.svg"))
	assert.NoFileExists(t, filepath.Join(dir, "bin", "gopls"), "without completion")

	shim := filepath.Join(dir, "bin", "go")
	output, err := exec.Command(shim, "version").CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(output), "go version go1.")
	bare := exec.Command(shim, "get")
	bare.Dir = t.TempDir()
	require.NoError(t, bare.Run(), "without a module go get fails, but it is not asked")
	named := exec.Command(shim, "get", "example.com/x")
	named.Dir = bare.Dir
	require.Error(t, named.Run())

	again, err := kernel.Install(t.Context(), config)
	require.NoError(t, err, "over the one that is there")
	assert.Equal(t, dir, again)

	config.Name = "other"
	other, err := kernel.Install(t.Context(), config)
	require.NoError(t, err)
	_, spec, err = kernel.Status("other")
	require.NoError(t, err)
	assert.Equal(t, "Go (gonas, other)", spec.DisplayName)

	removed, err := kernel.Uninstall("")
	require.NoError(t, err)
	assert.Equal(t, dir, removed)
	assert.NoDirExists(t, dir)
	assert.DirExists(t, other)
	_, err = kernel.Uninstall("")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestInstallSaysWhatIsWrong(t *testing.T) {
	config := testConfig(t)
	for _, name := range []string{"../up", ".", "a/b", "-x"} {
		_, err := kernel.Dir(name)
		assert.ErrorContains(t, err, "expected a name of letters", name)
	}

	empty := config
	empty.Tools = t.TempDir()
	_, err := kernel.Install(t.Context(), empty)
	assert.ErrorContains(t, err, "no gonb, goimports of the version wanted")
	assert.ErrorContains(t, err, "gonas kernel install")
	require.NoError(t, os.Symlink(filepath.Join(config.Tools, "gonb"), filepath.Join(empty.Tools, "goimports")))
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(empty.Tools, "gonb")), "a Go program, but another")
	assert.Equal(t, []string{"gonb", "goimports"}, kernel.Missing(empty.Tools, kernel.Programs(false)))

	dir, err := kernel.Install(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "bin", "goimports")))
	_, _, err = kernel.Status("")
	assert.ErrorContains(t, err, "no goimports of the version wanted")

	bin := t.TempDir()
	t.Setenv("PATH", bin)
	_, err = kernel.Install(t.Context(), config)
	assert.ErrorContains(t, err, "no Go in PATH")
	assert.ErrorContains(t, err, "install Go 1.26")
	old := "#!/bin/sh\necho 'go: go.mod requires go >= 1.26.5 (running go 1.21.0)' >&2\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "go"), []byte(old), 0o755))
	_, err = kernel.Install(t.Context(), config)
	assert.ErrorContains(t, err, "running go 1.21.0")
	assert.ErrorContains(t, err, "install Go 1.26")
}

func TestPublishedModule(t *testing.T) {
	config := testConfig(t)
	kerneltest.Proxy(t, "v0.1.0")
	t.Setenv("XDG_DATA_HOME", t.TempDir())

	dir, err := kernel.Published("v0.1.0")
	require.NoError(t, err)
	for _, version := range []string{"", "(devel)", "4acbe29", "v1"} {
		_, err := kernel.Published(version)
		assert.ErrorIs(t, err, kernel.ErrUnpublished, version)
	}
	assert.ErrorContains(t, kernel.Publish(t.Context(), dir, "v0.2.0"), "v0.2.0 from the module proxy")
	assert.NoDirExists(t, dir)
	require.NoError(t, kernel.Publish(t.Context(), dir, "v0.1.0"))
	require.NoError(t, kernel.Compile(t.Context(), dir))
	t.Setenv("GOPROXY", "off")
	require.NoError(t, kernel.Publish(t.Context(), dir, "v0.1.0"), "asks nobody for what is there")

	config.Workspace = dir
	_, err = kernel.Install(t.Context(), config)
	require.NoError(t, err)
	printed := kerneltest.Execute(t, nil, "import \"github.com/gonas/gonas/datasets\"\n%%\nfmt.Println(datasets.List(\"\"))")
	assert.Equal(t, []string{"[published]\n"}, printed)
}

func TestFindCheckout(t *testing.T) {
	root := kerneltest.Checkout(t)
	assert.Equal(t, root, kernel.FindCheckout(t.TempDir(), filepath.Join(root, "notebooks", "kernel")))
	assert.Empty(t, kernel.FindCheckout(t.TempDir(), ""))
	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "go.mod"), []byte("module "+kernel.ModulePath+"/tools\n"), 0o644))
	assert.False(t, kernel.IsCheckout(other))
}
