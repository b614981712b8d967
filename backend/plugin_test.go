//go:build linux && cgo

package backend

import (
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
