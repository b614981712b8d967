package runfolder_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/runfolder"
)

// TestDo: a folder is made when all is known to fit, holds one run, and a training takes what its search has found.
func TestDo(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	images, err := datasets.OpenKind(datasets.KindImages, "")
	require.NoError(t, err)
	m, err := nas.Lookup("darts")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "new", "run")
	search := func(seed uint64, epochs int) error {
		c, err := m.Config(profile.Smoke, "")
		require.NoError(t, err)
		c.Shared().Seed, c.Shared().Epochs = seed, epochs
		_, err = runfolder.Search(context.Background(), b, dir, images, m, c)
		return err
	}
	require.ErrorContains(t, search(0, -1), "epochs")
	assert.NoDirExists(t, filepath.Dir(dir))

	require.NoError(t, search(0, 1))
	require.NoError(t, search(0, 1), "it has been done")
	require.ErrorContains(t, search(1, 1), "seed (0, not 1)")

	c, err := m.Config(profile.Smoke, "")
	require.NoError(t, err)
	c.Shared().Epochs = 1
	found, err := runfolder.Search(context.Background(), b, dir, images, m, c)
	require.NoError(t, err)
	recipe, network, err := train.At(profile.Smoke, *found.Network)
	require.NoError(t, err)
	trained, err := runfolder.Train(context.Background(), b, filepath.Join(t.TempDir(), "train"), images, "darts", network, recipe)
	require.NoError(t, err)
	_, measured := trained.Numbers.Get(train.TestAccuracy)
	assert.True(t, measured)
	_, err = runfolder.Train(context.Background(), b, dir, images, "darts", network, recipe)
	require.ErrorContains(t, err, `command ("search", not "train")`)
}
