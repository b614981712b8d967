package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"

	"github.com/gonas/gonas/backend"
)

// TestMain makes this binary a command "gonas" in the PATH of scripts and of os/exec.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gonas": func() { os.Exit(execute(os.Args[1:])) }})
}

// environment lets a gonas that runs elsewhere find this checkout's plug-in and cache.
func environment(t testing.TB) []string {
	t.Helper()
	var env []string
	found, err := backend.Find()
	if err != nil {
		t.Fatal(err)
	}
	if found.Path != "" {
		env = append(env, backend.EnvBackend+"=xla:"+found.Path+found.Options)
	}
	if status := backend.CacheInfo(); status.Dir != "" && status.Error == "" {
		env = append(env, backend.EnvCacheDir+"="+status.Dir)
	}
	return env
}

// TestScripts runs the command lines of testdata/script.
func TestScripts(t *testing.T) {
	env := environment(t)
	testscript.Run(t, testscript.Params{Dir: filepath.Join("testdata", "script"), RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"clips": clipsCommand, "images": imagesCommand},
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, env...)
			e.Vars = append(e.Vars, "GONAS_DATA=")
			return nil
		}})
}

func TestDoubleDashes(t *testing.T) {
	for _, tc := range []struct{ in, want []string }{
		{[]string{"data", "list", "-data", "x"}, []string{"data", "list", "--data", "x"}},
		{[]string{"-data=x", "--seed", "-1", "-h", "-"}, []string{"--data=x", "--seed", "-1", "-h", "-"}},
		{[]string{"--", "-data"}, []string{"--", "-data"}},
		{[]string{"-Data"}, []string{"-Data"}},
		{nil, []string{}},
	} {
		assert.Equal(t, tc.want, doubleDashes(tc.in))
	}
}

func TestMedian(t *testing.T) {
	assert.Equal(t, 2.0, median([]float64{3, 1, 2}))
	assert.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	assert.Equal(t, 7.0, median([]float64{7}))
}
