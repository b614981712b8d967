package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/run"
)

// standInROME plays one process of the suite rome.
func standInROME(log string, args []string) int {
	return standInStep(log, args, sample{
		Batch: romeBatch, Steps: []float64{2.4, 2.6, 2.5}, CPUPerStep: 5, Parameters: 1930618,
		PathLosses: [][]float64{{2.33, 2.34}, {2.44, 2.45}}, Architecture: [][]float64{{0.001, -0.001}},
		Profile: &profile{Wall: 1, Passes: 0.9, BusyPasses: []float64{0.1, 0.1, 0.7},
			Rows: []profileRow{{"gradient", "search:sep_conv_5x5 C16 s1", 2, 0.5}, {"gradient", "search:sep_conv_5x5 C32 s1", 1, 0.25}, {"forward", "sum", 9, 0.25}}},
	})
}

func TestROMESuite(t *testing.T) {
	order, out, r := standInReport(t, "rome")
	assert.Equal(t, []string{"gonas", "channels_last", "default", "gonas", "profile"}, order)
	for _, line := range []string{
		"8 cells, 16 channels, 7 operations an edge, images of 32×32, 1930618 weights",
		"| gonas | 1.00 | 1.00–1.00 | 0.40 | 0.40 | 4.00 | 5.00 | 1.00 |",
		"| step / PyTorch channels-last | 0.40 | 0.5 | met |",
		"| step's processor time / PyTorch channels-last | 0.40 | 0.5 | met |",
		"| programs compiled by the cached processes | 0 | 0 | met |",
		"| forward and gradients, reading losses, optimizer | 900.0 | 90.0 % |",
		"| gradient of sep_conv_5x5 | 3 | 750.0 | 75.0 % |",
	} {
		assert.Contains(t, out, line)
	}
	assert.Len(t, r.Samples, 4, "the profile's process is none of the timed ones")
}

func TestROMERefusesAnotherComputation(t *testing.T) {
	for what, want := range map[string]string{"losses": "step 1, loss 1: expected 2.45", "architecture": "architecture, table 0: expected parameters within"} {
		t.Setenv("BENCH_STAND_IN_FAIL", what)
		o, _ := standInOptions(t, "-suite", "rome", "-rounds", "1")
		require.ErrorContains(t, bench(context.Background(), o, io.Discard, io.Discard), want)
	}
}

// TestROMENoise compares with numbers of rome_step.py.
func TestROMENoise(t *testing.T) {
	got := romeNoise(diff.Pass{Position: run.Position{Step: 1}, Half: 1, Draw: 6, Draws: 7}, 2, 4, 5)
	require.Len(t, got, 4)
	assert.InDeltaSlice(t, []float64{-0.8800547, 1.6003401, -0.6254259, 0.6182917}, slices.Concat(got[0][:2], got[3][3:]), 1e-6)
}

// TestROMEStep does the step itself, with few images and a small supernet: losses and the architecture move.
func TestROMEStep(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	if b.Info.Kind == backend.KindGo {
		t.Skip("takes minutes without a plug-in")
	}
	var out bytes.Buffer
	require.NoError(t, romeProcess(t.Context(), []string{"-cells", "3", "-channels", "4", "-image", "8", "-batch", "2", "-draws", "2",
		"-steps", "2", "-warmup", "0", "-profile"}, &out))
	s, err := parseSample(out.Bytes())
	require.NoError(t, err)
	require.Len(t, s.PathLosses, 3)
	assert.NotEqual(t, s.PathLosses[0], s.PathLosses[1])
	require.Len(t, s.Architecture, 4)
	assert.Equal(t, []int{14 * 7, 14 * 7, 4 * 5, 4 * 5}, []int{len(s.Architecture[0]), len(s.Architecture[1]), len(s.Architecture[2]), len(s.Architecture[3])})
	require.NotNil(t, s.Profile)
	p := s.Profile
	assert.InDelta(t, p.Wall, p.Planning+p.Passes+p.Freeing, 1e-6)
	calls := map[string]float64{}
	for _, r := range p.Rows {
		if strings.HasPrefix(r.Block, "search:") {
			calls[r.Kind] += r.Calls
		}
	}
	// Two draws in each half, of three cells with four nodes of two inputs.
	assert.Equal(t, 2*2*3*4*2.0, calls["forward"])
}
