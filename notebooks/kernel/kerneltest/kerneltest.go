// Package kerneltest lets tests execute cells through the Jupyter kernel.
package kerneltest

import (
	"archive/zip"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/notebooks/kernel"
)

// start is the folder that the test began in; it may have gone elsewhere.
var start, _ = os.Getwd()

// Checkout is the root of this one.
func Checkout(t *testing.T) string {
	t.Helper()
	root := kernel.FindCheckout(start)
	require.NotEmpty(t, root)
	return root
}

// Tools is a folder with the kernel's programs; `make test` has built them before.
func Tools(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(Checkout(t), "bin")
	if missing := kernel.Missing(dir, kernel.Programs(false)); len(missing) > 0 {
		require.NoError(t, kernel.Build(t.Context(), dir, missing))
	}
	return dir
}

// Execute runs a notebook of these cells through the kernel of the default name, with these variables set, and returns
// what each has printed, errors included. Without Jupyter it skips the test.
func Execute(t *testing.T, env []string, cells ...string) []string {
	t.Helper()
	nbconvert := kernel.FindJupyter(t.Context(), Checkout(t), "jupyter-nbconvert")
	if nbconvert == "" {
		t.Skip("no Jupyter: `make notebook-tools` brings it")
	}
	type cell struct {
		Type     string         `json:"cell_type"`
		Source   string         `json:"source"`
		Metadata map[string]any `json:"metadata"`
		Outputs  []any          `json:"outputs"`
		Count    *int           `json:"execution_count"`
	}
	type notebook struct {
		Cells    []cell         `json:"cells"`
		Metadata map[string]any `json:"metadata"`
		Format   int            `json:"nbformat"`
		Minor    int            `json:"nbformat_minor"`
	}
	book := notebook{Format: 4, Minor: 4, Metadata: map[string]any{"kernelspec": map[string]any{"name": kernel.DefaultName, "display_name": "Go (gonas)"}}}
	for _, source := range cells {
		book.Cells = append(book.Cells, cell{Type: "code", Source: source, Metadata: map[string]any{}, Outputs: []any{}})
	}
	text, err := json.Marshal(book)
	require.NoError(t, err)
	// The kernel has a temporary folder of its own, so that what it leaves behind shows.
	dir, temp := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in.ipynb"), text, 0o644))
	cmd := exec.CommandContext(t.Context(), nbconvert, "--to", "notebook", "--execute", "--allow-errors", "--log-level=WARN",
		"--CoalesceStreamsPreprocessor.enabled=True", "--output", "out", "in.ipynb")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "TMPDIR="+temp, "IPYTHONDIR="+temp), env...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	text, err = os.ReadFile(filepath.Join(dir, "out.ipynb"))
	require.NoError(t, err)
	// nbformat splits texts into lines.
	var out struct {
		Cells []struct {
			Outputs []struct {
				Text      []string `json:"text"`
				Traceback []string `json:"traceback"`
			} `json:"outputs"`
		} `json:"cells"`
	}
	require.NoError(t, json.Unmarshal(text, &out))
	var printed []string
	for _, c := range out.Cells {
		var all string
		for _, o := range c.Outputs {
			all += strings.Join(o.Text, "") + strings.Join(o.Traceback, "\n")
		}
		printed = append(printed, all)
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, left, "the kernel leaves nothing behind")
	return printed
}

// Proxy makes a module proxy of files that has one version of a small module in the place of gonas, and a module cache
// of the test's own, so that this module does not get into the user's. Both are in use until the test ends.
func Proxy(t *testing.T, version string) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, filepath.FromSlash(kernel.ModulePath), "@v")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	mod := "module " + kernel.ModulePath + "\n\ngo 1.26\n"
	for name, text := range map[string]string{"list": version + "\n", version + ".mod": mod,
		version + ".info": `{"Version":"` + version + `","Time":"2026-01-01T00:00:00Z"}`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	file, err := os.Create(filepath.Join(dir, version+".zip"))
	require.NoError(t, err)
	archive := zip.NewWriter(file)
	for name, text := range map[string]string{"go.mod": mod,
		"datasets/datasets.go": "package datasets\n\n// List names nothing.\nfunc List(string) []string { return []string{\"published\"} }\n"} {
		w, err := archive.Create(kernel.ModulePath + "@" + version + "/" + name)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, file.Close())
	// Folders of a cache are read-only and cannot be removed.
	cache := t.TempDir()
	t.Cleanup(func() {
		_ = filepath.WalkDir(cache, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				err = os.Chmod(path, 0o755)
			}
			return err
		})
	})
	t.Setenv("GOMODCACHE", cache)
	t.Setenv("GOPROXY", "file://"+filepath.ToSlash(root))
	t.Setenv("GONOSUMDB", kernel.ModulePath)
}
