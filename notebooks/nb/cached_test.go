package nb

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCachedWorksOnce(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	type config struct {
		Steps int      `json:"steps"`
		Names []string `json:"names"`
	}
	calls := 0
	work := func(dir string) error {
		calls++
		return os.WriteFile(filepath.Join(dir, "x"), []byte("y"), 0o600)
	}
	first, err := Cached("job", config{3, []string{"a"}}, work)
	require.NoError(t, err)
	again, err := Cached("job", config{3, []string{"a"}}, work)
	require.NoError(t, err)
	// The order of fields is no difference, nor is the type.
	same, err := Cached("job", map[string]any{"names": []string{"a"}, "steps": 3}, work)
	require.NoError(t, err)
	assert.Equal(t, []string{first, first}, []string{again, same})
	assert.Equal(t, 1, calls)

	other, err := Cached("job", config{4, []string{"a"}}, work)
	require.NoError(t, err)
	assert.NotEqual(t, first, other)
	named, err := Cached("work", config{3, []string{"a"}}, work)
	require.NoError(t, err)
	assert.NotEqual(t, first, named)
	assert.Equal(t, 3, calls)
	assert.True(t, strings.HasPrefix(filepath.Base(first), "job-"))
}

func TestCachedValue(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	calls := 0
	compute := func(string) (map[string]float64, error) {
		calls++
		return map[string]float64{"a": 0.1}, nil
	}
	for range 2 {
		v, err := CachedValue("value", 1, compute)
		require.NoError(t, err)
		assert.Equal(t, map[string]float64{"a": 0.1}, v)
	}
	assert.Equal(t, 1, calls)
	_, err := CachedValue("chan", 1, func(string) (chan int, error) { return make(chan int), nil })
	assert.ErrorContains(t, err, "cached chan: json")
	_, _, path := mustPlace(t, "value", 1)
	require.NoError(t, os.WriteFile(filepath.Join(path, "value.json"), []byte("{"), 0o600))
	_, err = CachedValue("value", 1, compute)
	assert.ErrorContains(t, err, filepath.Join(path, "value.json"))
}

func mustPlace(t *testing.T, name string, config any) (k key, root, dir string) {
	t.Helper()
	k, dir, err := place(name, config)
	require.NoError(t, err)
	return k, filepath.Dir(dir), dir
}

// TestCachedGoesOn: what failed is not finished, and gets its folder back.
func TestCachedGoesOn(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	broken := errors.New("broken")
	var dirs []string
	work := func(dir string) error {
		dirs = append(dirs, dir)
		if _, err := os.Stat(filepath.Join(dir, "half")); err == nil {
			return nil
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "half"), nil, 0o600))
		return broken
	}
	_, err := Cached("job", nil, work)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "cached job: ")
	for range 2 {
		dir, err := Cached("job", nil, work)
		require.NoError(t, err)
		assert.Equal(t, []string{dir, dir}, dirs)
	}
}

func TestCachedErrors(t *testing.T) {
	nothing := func(string) error { return nil }
	root := t.TempDir()
	t.Setenv(EnvRuns, root)
	for _, name := range []string{"", "../up", "a/b", ".hidden", "a b"} {
		_, err := Cached(name, nil, nothing)
		assert.ErrorContains(t, err, "expected a name", name)
	}
	_, err := Cached("job", func() {}, nothing)
	assert.ErrorContains(t, err, "cached job: configuration: ")

	// The mark that ends it cannot be written.
	_, err = Cached("blocked", nil, func(dir string) error { return os.MkdirAll(filepath.Join(dir, doneFile, "x"), 0o700) })
	require.ErrorContains(t, err, doneFile)

	// A mark that is no mark of this configuration.
	dir, err := Cached("job", 1, nothing)
	require.NoError(t, err)
	for text, want := range map[string]string{"{": doneFile, `{"name":"job","code":1,"config":2}`: "expected the configuration"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, doneFile), []byte(text), 0o600))
		_, err = Cached("job", 1, nothing)
		assert.ErrorContains(t, err, want)
	}

	// No folder can be made where a file is.
	file := filepath.Join(root, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Setenv(EnvRuns, file)
	_, err = Cached("job", nil, nothing)
	assert.ErrorContains(t, err, file)
}

func TestCachedOnAFullDisk(t *testing.T) {
	root := t.TempDir()
	out, err := cell(t, "full", EnvRuns+"="+root).CombinedOutput()
	require.Error(t, err, string(out))
	assert.Contains(t, string(out), "error: cached full: ")
	assert.Contains(t, string(out), doneFile)
	marks, err := filepath.Glob(filepath.Join(root, "*", doneFile))
	require.NoError(t, err)
	assert.Empty(t, marks)
}

// TestCachedAfterAKill: a killed program's work is not finished, its folder is free, and what it left is there.
func TestCachedAfterAKill(t *testing.T) {
	root := t.TempDir()
	cmd := cell(t, "slow", EnvRuns+"="+root)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "working\n", line)
	half, err := filepath.Abs(root)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		found, _ := filepath.Glob(filepath.Join(half, "slow-*", "half"))
		return len(found) == 1
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())

	t.Setenv(EnvRuns, root)
	worked := false
	dir, err := Cached("slow", nil, func(dir string) error {
		worked = true
		_, err := os.Stat(filepath.Join(dir, "half"))
		return err
	})
	require.NoError(t, err)
	assert.True(t, worked)
	assert.FileExists(t, filepath.Join(dir, doneFile))
}

// TestCachedBySeveral: of programs that want the same at the same time one works and the others wait for it.
func TestCachedBySeveral(t *testing.T) {
	root := t.TempDir()
	var outs [4][]byte
	var errs [4]error
	var all sync.WaitGroup
	for i := range outs {
		cmd := cell(t, "brief", EnvRuns+"="+root)
		all.Go(func() { outs[i], errs[i] = cmd.CombinedOutput() })
	}
	all.Wait()
	worked := 0
	for i := range outs {
		require.NoError(t, errs[i], string(outs[i]))
		worked += strings.Count(string(outs[i]), "working")
	}
	assert.Equal(t, 1, worked)
}
