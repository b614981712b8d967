package datasets

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResolveDir(t *testing.T) {
	// Links resolved, since Getwd may resolve them too.
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	module := filepath.Join(base, "module")
	deep := filepath.Join(module, "a", "b")
	bare := filepath.Join(base, "bare")
	require.NoError(t, os.MkdirAll(deep, 0o755))
	require.NoError(t, os.MkdirAll(bare, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte("module m\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o644))
	for name, c := range map[string]struct{ cwd, env, flag, want, err string }{
		"flag, absolute":                     {deep, "/elsewhere", "/data/x", "/data/x", ""},
		"flag, from the working folder":      {deep, "", "data/x", filepath.Join(deep, "data", "x"), ""},
		"flag goes before the environment":   {deep, "other", "data", filepath.Join(deep, "data"), ""},
		"environment, absolute":              {deep, "/data/", "", "/data", ""},
		"environment, from the same":         {deep, "../../../data", "", filepath.Join(base, "data"), ""},
		"a go.mod does not matter":           {module, "data", "", filepath.Join(module, "data"), ""},
		"no module: from the working folder": {bare, "data", "", filepath.Join(bare, "data"), ""},
		"neither":                            {deep, "", "", "", ErrNoDataDir.Error()},
		"a file":                             {module, "../file", "", "", "is a file, expected a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(c.cwd)
			t.Setenv(DataEnv, c.env)
			got, err := ResolveDir(c.flag)
			if c.err != "" {
				assert.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestLoadByName(t *testing.T) {
	train, test, err := Load("embedded", "")
	require.NoError(t, err)
	assert.Equal(t, []int{4000, 1000}, []int{train.N, test.N})
	for _, name := range []string{"cifar10", "cifar100"} {
		_, _, err := Load(name, t.TempDir())
		assert.ErrorContains(t, err, name+": ")
	}
	_, _, err = Load("mnist", "")
	assert.ErrorContains(t, err, `"mnist": expected one of ["embedded" "cifar10" "cifar100"]`)
}
