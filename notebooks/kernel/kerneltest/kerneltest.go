// Package kerneltest lets tests execute cells through the Jupyter kernel.
package kerneltest

import (
	"archive/zip"
	"encoding/json"
	"fmt"
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

// Notebook is a notebook file.
type Notebook struct {
	Cells    []Cell         `json:"cells"`
	Metadata map[string]any `json:"metadata"`
	Format   int            `json:"nbformat"`
	Minor    int            `json:"nbformat_minor"`
}

// Cell is one of its cells; Outputs and Count are of cells with code.
type Cell struct {
	ID       string         `json:"id,omitempty"`
	Type     string         `json:"cell_type"`
	Source   Text           `json:"source"`
	Metadata map[string]any `json:"metadata"`
	Outputs  []Output       `json:"outputs"`
	Count    *int           `json:"execution_count"`
}

// Output is what a cell put out.
type Output struct {
	Type      string         `json:"output_type"`
	Name      string         `json:"name"`
	Text      Text           `json:"text"`
	Data      map[string]any `json:"data"`
	Traceback []string       `json:"traceback"`
}

// Text is a string that files also hold as a list of lines.
type Text string

// UnmarshalJSON takes both forms.
func (t *Text) UnmarshalJSON(data []byte) error {
	var lines []string
	if err := json.Unmarshal(data, &lines); err != nil {
		return json.Unmarshal(data, (*string)(t))
	}
	*t = Text(strings.Join(lines, ""))
	return nil
}

// Words is all that an output says: what was printed, the text of what was displayed, or the error.
func (o Output) Words() string {
	out := string(o.Text) + strings.Join(o.Traceback, "\n")
	for _, form := range []string{"text/plain", "text/markdown", "text/html"} {
		switch v := o.Data[form].(type) {
		case string:
			out += v
		case []any:
			for _, line := range v {
				out += fmt.Sprint(line)
			}
		}
	}
	return out
}

// Execute runs a notebook of these cells through the kernel of the default name, with these variables set, and returns
// what each has printed, errors included. Without Jupyter it skips the test.
func Execute(t *testing.T, env []string, cells ...string) []string {
	t.Helper()
	book := Notebook{Format: 4, Minor: 4, Metadata: map[string]any{"kernelspec": map[string]any{"name": kernel.DefaultName, "display_name": "Go (gonas)"}}}
	for _, source := range cells {
		book.Cells = append(book.Cells, Cell{Type: "code", Source: Text(source), Metadata: map[string]any{}, Outputs: []Output{}})
	}
	text, err := json.Marshal(book)
	require.NoError(t, err)
	out := Run(t, env, text)
	var printed []string
	for _, c := range out.Cells {
		all := ""
		for _, o := range c.Outputs {
			all += o.Words()
		}
		printed = append(printed, all)
	}
	return printed
}

// Run runs a notebook in a folder of its own through the kernel that it names, with these variables set, and returns it
// executed; a cell's error is in its outputs. Without Jupyter it skips the test.
func Run(t *testing.T, env []string, notebook []byte) Notebook {
	t.Helper()
	nbconvert := kernel.FindJupyter(t.Context(), Checkout(t), "jupyter-nbconvert")
	if nbconvert == "" {
		t.Skip("no Jupyter: `make notebook-tools` brings it")
	}
	// The kernel has a temporary folder of its own, so that what it leaves behind shows.
	dir, temp := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in.ipynb"), notebook, 0o644))
	cmd := exec.CommandContext(t.Context(), nbconvert, "--to", "notebook", "--execute", "--allow-errors", "--log-level=WARN",
		"--ExecutePreprocessor.timeout=600", "--KernelManager.shutdown_wait_time=60",
		"--CoalesceStreamsPreprocessor.enabled=True", "--output", "out", "in.ipynb")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "TMPDIR="+temp, "IPYTHONDIR="+temp), env...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	text, err := os.ReadFile(filepath.Join(dir, "out.ipynb"))
	require.NoError(t, err)
	var out Notebook
	require.NoError(t, json.Unmarshal(text, &out))
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, left, "the kernel leaves nothing behind")
	return out
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
