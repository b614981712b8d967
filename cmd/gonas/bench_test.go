package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/profile"
)

// TestDartsStepMeasures times a small network: as many steps as asked for, within the time that all took.
func TestDartsStepMeasures(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	made, err := darts.Method().Config(profile.Smoke, "")
	require.NoError(t, err)
	config := *made.(*darts.Config)
	c := dartsStepCmd{Steps: 3, Warmup: 1}
	config.Epochs, config.StepsPerEpoch = 1, 1+c.Warmup+c.Steps

	began := time.Now()
	times, err := c.measure(t.Context(), b, config)
	all := time.Since(began).Seconds()
	require.NoError(t, err)
	require.Len(t, times.Steps, 3)
	sum := times.FirstCall
	for _, s := range times.Steps {
		assert.Greater(t, s, 0.0)
		sum += s
	}
	assert.Greater(t, times.FirstCall, 0.0)
	assert.Less(t, sum, all)
	assert.Greater(t, times.CPUPerStep, 0.0)
	assert.Greater(t, times.PeakRSS, 10.0)
	if b.Info.Kind != backend.KindGo {
		assert.Positive(t, times.Compilations+times.CacheHits)
	}

	// benchmarks/run reads these keys.
	text, err := json.Marshal(times)
	require.NoError(t, err)
	var keys map[string]any
	require.NoError(t, json.Unmarshal(text, &keys))
	assert.Subset(t, slices.Collect(maps.Keys(keys)), []string{"framework", "granularity", "batch", "first_call_s", "compile_s",
		"load_s", "compilations", "cache_hits", "step_s", "cpu_s_per_step", "peak_rss_mb", "backend"})
	assert.Equal(t, "gonas", keys["framework"])
}

// TestNSGA2Measures searches two problems shortly.
func TestNSGA2Measures(t *testing.T) {
	var out bytes.Buffer
	c := nsga2Cmd{Problems: []string{"zdt1", "dtlz2"}, Population: 8, Generations: 3, Seed: 4, JSON: true}
	require.NoError(t, c.Run(&app{ctx: t.Context(), stdout: &out}))
	var got nsga2Times
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	assert.Equal(t, "gonas", got.Framework)
	assert.EqualValues(t, 4, got.Seed)
	require.Len(t, got.Runs, 2)
	for _, run := range got.Runs {
		assert.Equal(t, 24, run.Evaluations)
		assert.Greater(t, run.Seconds, 0.0)
		assert.NotEmpty(t, run.Front)
	}

	out.Reset()
	c.JSON = false
	require.NoError(t, c.Run(&app{ctx: t.Context(), stdout: &out}))
	assert.Contains(t, out.String(), "dtlz2: 24 evaluations in ")
	c.Problems = []string{"zdt9"}
	assert.ErrorContains(t, c.Run(&app{ctx: t.Context(), stdout: &out}), `got "zdt9"`)
}
