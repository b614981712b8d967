package search_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/search"
)

// tiny makes a configuration that runs in seconds.
func tiny(c search.Config) search.Config {
	c.Profile = "test"
	c.Size.Cells, c.Size.Channels, c.Image, c.Batch = 3, 4, 8, 8
	c.Epochs, c.StepsPerEpoch, c.Granularity = 3, 2, "edge"
	return c
}

// TestVariantsResume runs DARTS's second order and FairDARTS's controls, stops each after an epoch, and compares the
// resumed run with an unbroken one, checkpoint bytes included.
func TestVariantsResume(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	images, _, err := datasets.Embedded()
	require.NoError(t, err)

	plain := tiny(fairdarts.DefaultConfig().Config)
	noisy := plain
	noisy.SkipNoise = &search.NoiseConfig{Epochs: 2}
	second := tiny(darts.DefaultConfig().Config)
	second.SecondOrder = true
	first := second
	first.SecondOrder = false
	fair := fairdarts.DefaultConfig()
	unregularised := fair
	unregularised.ZeroOneWeight = 0

	losses := map[string]float64{}
	for _, tc := range []struct {
		name   string
		config search.Config
		method search.Method
	}{
		{"first order", first, darts.Method()},
		{"second order", second, darts.Method()},
		{"fairdarts", plain, fairdarts.Method(fair)},
		{"no zero-one loss", plain, fairdarts.Method(unregularised)},
		{"skip noise", noisy, fairdarts.Method(fair)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			whole, broken := t.TempDir(), t.TempDir()
			want, err := search.Bilevel(context.Background(), e, images, tc.config, tc.method, search.Options{Dir: whole})
			require.NoError(t, err)
			require.Len(t, want.History, tc.config.Epochs+1)
			losses[tc.name] = want.Epochs[1].TrainLoss

			ctx, stop := context.WithCancel(context.Background())
			_, err = search.Bilevel(ctx, e, images, tc.config, tc.method, search.Options{Dir: broken, Listeners: []search.Listener{func(ev search.Event) {
				if ev.Kind == search.EventStep && ev.Epoch == 2 {
					stop()
				}
			}}})
			require.ErrorIs(t, err, search.ErrInterrupted)
			got, err := search.Bilevel(context.Background(), e, images, tc.config, tc.method, search.Options{Dir: broken})
			require.NoError(t, err)
			require.Equal(t, want, got)
			one, err := os.ReadFile(filepath.Join(whole, search.CheckpointFile))
			require.NoError(t, err)
			two, err := os.ReadFile(filepath.Join(broken, search.CheckpointFile))
			require.NoError(t, err)
			require.Equal(t, one, two, "checkpoints differ")
		})
	}
	for _, pair := range [][2]string{{"first order", "second order"}, {"fairdarts", "no zero-one loss"}, {"fairdarts", "skip noise"}} {
		require.NotEqual(t, losses[pair[0]], losses[pair[1]], "%s does nothing", pair[1])
	}
}

func TestBilevelRefusesAnotherConfiguration(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	dir := t.TempDir()
	c := tiny(darts.DefaultConfig().Config)
	c.Epochs, c.StepsPerEpoch = 1, 1
	_, err = search.Bilevel(context.Background(), e, images, c, darts.Method(), search.Options{Dir: dir})
	require.NoError(t, err)
	c.Seed = 7
	_, err = search.Bilevel(context.Background(), e, images, c, darts.Method(), search.Options{Dir: dir})
	require.ErrorContains(t, err, filepath.Join(dir, search.CheckpointFile))
	require.ErrorContains(t, err, "another configuration")

	require.NoError(t, os.WriteFile(filepath.Join(dir, search.CheckpointFile), []byte("damaged"), 0o600))
	_, err = search.Bilevel(context.Background(), e, images, c, darts.Method(), search.Options{Dir: dir})
	require.ErrorContains(t, err, "offset")
}

func TestConfigNamesTheField(t *testing.T) {
	for field, change := range map[string]func(*search.Config){
		"cells":                 func(c *search.Config) { c.Size.Cells = 0 },
		"image":                 func(c *search.Config) { c.Image = 1 },
		"batch":                 func(c *search.Config) { c.Batch = 1 },
		"epochs":                func(c *search.Config) { c.Epochs = 0 },
		"weights.learning_rate": func(c *search.Config) { c.Weights.LearningRate = 0 },
		"primitives":            func(c *search.Config) { c.Primitives = []string{"conv_9x9"} },
		"granularity":           func(c *search.Config) { c.Granularity = "galaxy" },
		"skip_noise.epochs":     func(c *search.Config) { c.SkipNoise = &search.NoiseConfig{} },
	} {
		c := tiny(darts.DefaultConfig().Config)
		require.NoError(t, c.Validate())
		change(&c)
		require.ErrorContains(t, c.Validate(), field)
	}
}
