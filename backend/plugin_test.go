//go:build linux && cgo

package backend

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/go-xla/pjrt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A program that does not parse gives the plug-in's own error.
func TestCompileError(t *testing.T) {
	needXLA(t)
	_, err := OpenWith(Options{CacheDir: filepath.Join(t.TempDir(), "cache")})
	require.NoError(t, err)
	plugin, err := pjrt.GetPlugin(latest.Load().name)
	require.NoError(t, err)
	client, err := plugin.NewClient(nil)
	require.NoError(t, err)
	before := CompileStats()
	_, err = client.Compile().WithStableHLO([]byte("module @broken { nonsense }")).Done()
	require.ErrorContains(t, err, "nonsense")
	assert.Zero(t, CompileStats().Sub(before).Stored)
}

// A flag is set beside a user's others, and never in the place of the user's own.
func TestAddXLAFlags(t *testing.T) {
	for before, after := range map[string]string{
		"":            "--a=1",
		"--b=2":       "--b=2 --a=1",
		"--a=0":       "--a=0",
		"--b=2 --a=0": "--b=2 --a=0",
		"--a":         "--a",
		"flags.txt":   "flags.txt",
		"--a_more=1":  "--a_more=1 --a=1",
		"--b=--a=0":   "--b=--a=0 --a=1",
		"  --b=2\t":   "--b=2 --a=1",
	} {
		t.Setenv("XLA_FLAGS", before)
		require.NoError(t, addXLAFlags("--a", "--a=1"))
		assert.Equal(t, after, os.Getenv("XLA_FLAGS"), "after %q", before)
	}
}

// A plug-in for a CPU answers that it does not know: the question reaches the right entry of its table.
func TestPeakMemoryOfCPU(t *testing.T) {
	needXLA(t)
	b, err := Open()
	require.NoError(t, err)
	if b.Info.Kind != KindCPU {
		t.Skip("not a CPU")
	}
	_, err = b.PeakMemory()
	require.ErrorContains(t, err, "AllocatorStats")
}

// The option that asks for full precision speaks to NVIDIA's libraries too, unless the user did.
func TestSetTF32(t *testing.T) {
	for _, tc := range []struct{ options, before, after string }{
		{"", "", ""}, {",tf32=true", "", ""}, {",preallocate=false,tf32=false", "", "0"}, {",tf32=false", "1", "1"},
	} {
		t.Setenv(envTF32, tc.before)
		if tc.before == "" {
			require.NoError(t, os.Unsetenv(envTF32))
		}
		require.NoError(t, setTF32(tc.options))
		assert.Equal(t, tc.after, os.Getenv(envTF32), "%+v", tc)
	}
}
