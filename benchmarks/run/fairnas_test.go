package main

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/space"
)

// standInFairNAS plays one process of the suite fairnas.
func standInFairNAS(log string, args []string) int {
	return standInStep(log, args, sample{
		Batch: fairnasBatch, Steps: []float64{2, 2.2, 2.1}, Parameters: 1912074, PathLosses: [][]float64{{2.33, 2.34}, {2.44, 2.45}},
		PathParameters: map[string]int{"00000000": 221514, "55555555": 503034, fairnasPath: 321834},
		Profile: &profile{Wall: 1, Passes: 0.8, Update: 0.1, BusyPasses: []float64{0, 0.1, 0.7},
			Rows: []profileRow{{"gradient", "5×5, 16→48→24, stride 1, 32×32", 1, 0.75}, {"update", "weights", 53, 0.25}}},
	})
}

func TestFairNASSuite(t *testing.T) {
	order, out, r := standInReport(t, "fairnas")
	assert.Equal(t, []string{"gonas", "gonas " + fairnasPath, "channels_last", "default", "gonas " + fairnasPath, "gonas", "profile"},
		order)
	for _, line := range []string{
		"| gonas | 1.00 | 1.00–1.00 | 0.48 | 0.48 | 4.00 | 5.00 | 1.00 |",
		"| step / PyTorch channels-last | 0.48 | 1.2 (goal 0.9) | met |",
		"| cold, until the end of the last step that compiles anything | 5.00 s | 20 s | met |",
		"path 55555555 503034",
		"| gradient of bottlenecks | 1 | 750.0 | 75.0 % |",
		"| 16→24, stride 1, 32×32 | 0.0 + 750.0 | 750.0 | 75.0 % |",
	} {
		assert.Contains(t, out, line)
	}
	assert.Len(t, r.Samples, 6, "the profile's process is none of the timed ones")
	assert.Equal(t, 1912074, r.Parameters)
}

func TestFairNASRefusesAnotherNetwork(t *testing.T) {
	t.Setenv("BENCH_STAND_IN_FAIL", "losses")
	o, _ := standInOptions(t, "-suite", "fairnas", "-rounds", "1")
	require.ErrorContains(t, bench(context.Background(), o, io.Discard, io.Discard), "step 1, loss 1: expected 2.45")
}

func TestStrictPathsTakeEveryChoiceOnce(t *testing.T) {
	choices := space.CIFARMobile().Choices()
	for step := range 7 {
		for l := range choices {
			seen := map[int]bool{}
			for _, path := range strictPaths(choices, step) {
				seen[path[l]] = true
			}
			assert.Len(t, seen, choices[l])
		}
	}
}

// TestFairNASStep does the step itself, with few images: losses fall and every part of the profile is there.
func TestFairNASStep(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	if b.Info.Kind == backend.KindGo {
		t.Skip("takes minutes without a plug-in")
	}
	var out bytes.Buffer
	require.NoError(t, fairnasProcess(t.Context(), []string{"-batch", "2", "-steps", "2", "-warmup", "0", "-path", fairnasPath, "-profile"}, &out))
	s, err := parseSample(out.Bytes())
	require.NoError(t, err)
	require.Len(t, s.PathLosses, 3)
	assert.NotEqual(t, s.PathLosses[0], s.PathLosses[1])
	assert.Positive(t, s.Compilations+s.CacheHits)
	assert.GreaterOrEqual(t, s.FirstCall, s.Ready, "the same path compiles nothing anew")
	require.NotNil(t, s.Profile)
	p := s.Profile
	assert.InDelta(t, p.Wall, p.Planning+p.Passes+p.Reading+p.Update+p.Freeing, 1e-6)
	kinds := map[string]float64{}
	for _, r := range p.Rows {
		if bottleneckName.MatchString(r.Block) {
			kinds[r.Kind] += r.Calls
		}
	}
	assert.InDeltaMapValues(t, map[string]float64{"forward": 8, "gradient": 8}, kinds, 1e-9, "a path of eight layers")
	assert.Contains(t, p.bottlenecks(), "| 16→24, stride 1, 32×32 |")
}

func TestAddBusy(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	calls := []engine.Call{{Begin: at(0), End: at(3)}, {Begin: at(2), End: at(5)}, {Begin: at(7), End: at(20)}}
	assert.Equal(t, []float64{2, 6, 1}, addBusy(nil, 1, calls, at(1), at(10)))
}
