package notebooks

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/notebooks/kernel"
	"github.com/gonas/gonas/notebooks/kernel/kerneltest"
	"github.com/gonas/gonas/notebooks/nb"
)

// expectation is what a cell declares under "expect" in its metadata.
type expectation struct {
	// Text has to be in what the cell says.
	Text []string `json:"text"`
	// Values are expressions whose only group is a number, and its range.
	Values map[string][2]float64 `json:"values"`
	// Mime counts outputs by their form: exactly so many.
	Mime map[string]int `json:"mime"`
}

// installKernel puts the kernel in place for these tests alone, as a user does.
func installKernel(t *testing.T) {
	t.Helper()
	root := kerneltest.Checkout(t)
	if kernel.FindJupyter(t.Context(), root, "jupyter-nbconvert") == "" {
		t.Skip("no Jupyter: `make notebook-tools` brings it")
	}
	data := filepath.Join(temporary, "jupyter")
	t.Setenv(kernel.JupyterDataEnv, data)
	if _, err := os.Stat(data); err == nil {
		return
	}
	gonas := filepath.Join(temporary, "gonas")
	for _, command := range [][]string{{"go", "build", "-o", gonas, "./cmd/gonas"}, {gonas, "kernel", "install", "--no-completion"}} {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

// temporary is a folder for all tests.
var temporary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "notebooks")
	if err != nil {
		panic(err)
	}
	temporary = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// Every notebook runs from its first cell to its last, small, and says what its cells expect. As it is stored it has been
// executed in full.
func TestNotebooks(t *testing.T) {
	files, err := filepath.Glob("*.ipynb")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	installKernel(t)
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var stored kerneltest.Notebook
			require.NoError(t, json.Unmarshal(text, &stored))
			t.Run("stored", func(t *testing.T) { check(t, stored) })
			env := []string{nb.EnvRuns + "=" + t.TempDir()}
			for name, value := range parameters(t, stored) {
				env = append(env, name+"="+value)
			}
			executed := kerneltest.Run(t, env, text)
			check(t, executed)
			for i, c := range executed.Cells {
				if c.Type == "code" {
					t.Logf("cell %2d: %5.1f s", i, duration(t, c).Seconds())
				}
			}
		})
	}
}

// parameters are what makes a notebook small.
func parameters(t *testing.T, n kerneltest.Notebook) map[string]string {
	t.Helper()
	var m struct {
		Test map[string]string `json:"test"`
	}
	into(t, n.Metadata["gonas"], &m)
	require.NotEmpty(t, m.Test, "the notebook's metadata: gonas.test")
	return m.Test
}

func into(t *testing.T, from, to any) {
	t.Helper()
	text, err := json.Marshal(from)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, to))
}

func check(t *testing.T, n kerneltest.Notebook) {
	t.Helper()
	expected := 0
	for i, c := range n.Cells {
		if c.Type != "code" {
			continue
		}
		where := fmt.Sprintf("cell %d", i)
		assert.NotNil(t, c.Count, "%s was executed", where)
		words, mime := "", map[string]int{}
		for _, o := range c.Outputs {
			assert.NotEqual(t, "error", o.Type, "%s: %s", where, o.Words())
			// A failing shell command shows there and nowhere else.
			assert.NotEqual(t, "stderr", o.Name, "%s: %s", where, o.Words())
			words += o.Words() + "\n"
			for form := range o.Data {
				mime[form]++
			}
		}
		declared, ok := c.Metadata["expect"]
		if !ok {
			continue
		}
		expected++
		var want expectation
		into(t, declared, &want)
		for _, text := range want.Text {
			assert.Contains(t, words, text, where)
		}
		for form, count := range want.Mime {
			assert.Equal(t, count, mime[form], "%s: outputs of %s", where, form)
		}
		for expression, bounds := range want.Values {
			found := regexp.MustCompile(expression).FindStringSubmatch(words)
			if !assert.Len(t, found, 2, "%s: %s in %s", where, expression, words) {
				continue
			}
			v, err := strconv.ParseFloat(found[1], 64)
			if assert.NoError(t, err, where) {
				assert.True(t, bounds[0] <= v && v <= bounds[1], "%s: %s: expected %v to %v, got %v", where, expression, bounds[0], bounds[1], v)
			}
		}
	}
	assert.NotZero(t, expected, "cells that declare what they expect")
}

// duration is the time from a cell's start to the kernel's answer.
func duration(t *testing.T, c kerneltest.Cell) time.Duration {
	t.Helper()
	var at map[string]time.Time
	into(t, c.Metadata["execution"], &at)
	return at["shell.execute_reply"].Sub(at["iopub.execute_input"])
}

// What a test that cannot fail would let through.
func TestCheckFails(t *testing.T) {
	one := 1
	cell := func(o kerneltest.Output, expect any) kerneltest.Notebook {
		return kerneltest.Notebook{Cells: []kerneltest.Cell{{Type: "code", Count: &one, Outputs: []kerneltest.Output{o}, Metadata: map[string]any{"expect": expect}}}}
	}
	good := cell(kerneltest.Output{Type: "stream", Name: "stdout", Text: "loss 0.5"}, map[string]any{"text": []string{"loss"}, "values": map[string]any{`loss (\S+)`: []float64{0, 1}}})
	check(t, good)
	unexecuted := cell(kerneltest.Output{Type: "stream", Name: "stdout"}, map[string]any{})
	unexecuted.Cells[0].Count = nil
	for what, n := range map[string]kerneltest.Notebook{
		"text":       cell(kerneltest.Output{Type: "stream", Name: "stdout"}, map[string]any{"text": []string{"loss"}}),
		"value":      cell(kerneltest.Output{Type: "stream", Name: "stdout", Text: "loss 2"}, map[string]any{"values": map[string]any{`loss (\S+)`: []float64{0, 1}}}),
		"no value":   cell(kerneltest.Output{Type: "stream", Name: "stdout"}, map[string]any{"values": map[string]any{`loss (\S+)`: []float64{0, 1}}}),
		"picture":    cell(kerneltest.Output{Type: "display_data"}, map[string]any{"mime": map[string]int{"image/png": 1}}),
		"stderr":     cell(kerneltest.Output{Type: "stream", Name: "stderr", Text: "sh: no such file"}, map[string]any{}),
		"error":      cell(kerneltest.Output{Type: "error"}, map[string]any{}),
		"unexecuted": unexecuted,
		"nothing":    {},
	} {
		inner := &testing.T{}
		done := make(chan bool)
		go func() { defer close(done); check(inner, n) }()
		<-done
		assert.True(t, inner.Failed(), what)
	}
}

// blocks are the fenced Go blocks of a Markdown text behind a line that holds the mark.
func blocks(text, mark string) []string {
	var out []string
	for _, part := range strings.Split(text, "<!-- "+mark)[1:] {
		_, body, _ := strings.Cut(part, "```go\n")
		body, _, _ = strings.Cut(body, "\n```")
		out = append(out, body)
	}
	return out
}

// The worked example of docs/notebooks.md runs as a cell, and as the package that the text makes of it.
func TestWorkedExample(t *testing.T) {
	root := kerneltest.Checkout(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "notebooks.md"))
	require.NoError(t, err)
	cells := blocks(string(text), "cell -->")
	require.Len(t, cells, 1)
	assert.Less(t, strings.Count(cells[0], "\n"), 25)

	t.Run("cell", func(t *testing.T) {
		installKernel(t)
		printed := kerneltest.Execute(t, []string{nb.EnvRuns + "=" + t.TempDir(), nb.ParamPrefix + "PROFILE=smoke"}, cells...)
		for _, want := range []string{"sharp, profile smoke, seed 1: 12 steps", "sharp, profile smoke, seed 1: weights over the epochs", "Normal cell",
			"training sharp, profile smoke, seed 1: 2 epochs", "test accuracy"} {
			assert.Contains(t, printed[0], want)
		}
	})

	t.Run("package", func(t *testing.T) {
		const registry = "nas/methods.go"
		methods, err := os.ReadFile(filepath.Join(root, registry))
		require.NoError(t, err)
		const list, imports = "return []method.Method{\n", "\t\"github.com/gonas/gonas/nas/method\"\n"
		require.Contains(t, string(methods), list)
		entry := blocks(string(text), "entry -->")[0]
		changed := strings.Replace(strings.Replace(string(methods), list, list+entry+"\n", 1), imports, imports+"\t\"github.com/gonas/gonas/nas/sharp\"\n", 1)
		dir, replace := t.TempDir(), map[string]string{}
		for file, source := range map[string]string{"nas/sharp/sharp.go": blocks(string(text), "file nas/sharp/sharp.go -->")[0], registry: changed} {
			at := filepath.Join(dir, filepath.Base(file))
			require.NoError(t, os.WriteFile(at, []byte(source), 0o644))
			replace[filepath.Join(root, file)] = at
		}
		overlay := filepath.Join(dir, "overlay.json")
		listed, err := json.Marshal(map[string]any{"Replace": replace})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(overlay, listed, 0o644))
		cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-count=1", "-vet=off", "-run", "TestEveryMethod/sharp", "-v", "./nas")
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Contains(t, string(out), "--- PASS: TestEveryMethod/sharp")
	})
}
