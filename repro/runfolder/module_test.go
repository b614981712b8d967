package runfolder_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/repro/evidence"
)

// TestSecondModule builds and runs the README's program as a module of its own, twice: the second run finds what the first
// has left.
func TestSecondModule(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	require.NotNil(t, program, "README.md has a program")

	dir := t.TempDir()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	// The versions are ours: a module that go get makes has the same.
	own := strings.Replace(string(mod), "module github.com/gonas/gonas", "module example.org/mine", 1) +
		"\nrequire github.com/gonas/gonas v0.0.0\n\nreplace github.com/gonas/gonas => " + root + "\n"
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	for name, text := range map[string][]byte{"go.mod": []byte(own), "go.sum": sum, "main.go": program[1]} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	// The plug-in is found beside the module's go.mod.
	require.NoError(t, os.Symlink(filepath.Join(root, ".venv"), filepath.Join(dir, ".venv")))
	binary := filepath.Join(dir, "mine")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	var said [2][]byte
	for i := range said {
		run := exec.Command(binary)
		run.Dir = dir
		said[i], err = run.CombinedOutput()
		require.NoError(t, err, "%s", said[i])
	}
	assert.Contains(t, string(said[0]), "normal")
	assert.True(t, bytes.Equal(said[0], said[1]))
	result, err := evidence.ReadResult(filepath.Join(dir, "runs", "first"))
	require.NoError(t, err)
	assert.Equal(t, uint64(1), result.Spec.Seed)
}
