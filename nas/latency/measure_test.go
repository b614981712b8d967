package latency_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/space"
)

func open(t *testing.T) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

// small is a space that compiles in seconds: the first layers of NAS-Bench-Macro, of few channels.
func small() space.Paths {
	p := space.NASBenchMacro().Scaled(0.125).Resized(8, 10)
	p.Layers = p.Layers[:2]
	return p
}

func TestMeasure(t *testing.T) {
	e := open(t)
	p := small()
	stages := map[string][2]int{}
	table, err := latency.Measure(t.Context(), e, p, latency.Options{Repeats: 3, Device: "this one"}, func(stage string, done, total int) {
		stages[stage] = [2]int{done, total}
	})
	require.NoError(t, err)
	require.NoError(t, table.Validate())
	var keys []latency.Key
	for _, r := range table {
		keys = append(keys, r.Key)
		assert.Equal(t, "this one", r.Device)
	}
	assert.Equal(t, []latency.Key{
		{Block: "stem k3 s1 relu", Input: "8x8x3", Output: "8x8x4"},
		{Block: "last k1 s1 relu", Input: "4x4x8", Output: "4x4x160"},
		{Block: "classifier", Input: "4x4x160", Output: "1x1x10"},
		{Block: "projection s2", Input: "8x8x4", Output: "4x4x8"},
		{Block: "inverted_bottleneck k3 h12 s2 relu", Input: "8x8x4", Output: "4x4x8"},
		{Block: "inverted_bottleneck k5 h24 s2 relu", Input: "8x8x4", Output: "4x4x8"},
		{Block: "inverted_bottleneck k3 h24 s1 relu residual", Input: "4x4x8", Output: "4x4x8"},
		{Block: "inverted_bottleneck k5 h48 s1 relu residual", Input: "4x4x8", Output: "4x4x8"},
	}, keys)
	assert.Equal(t, map[string][2]int{latency.StageCompile: {8, 8}, latency.StageTime: {3, 3}}, stages)

	sums, err := table.Sums(p)
	require.NoError(t, err)
	shared := table[0].MS + table[1].MS + table[2].MS
	assert.InDelta(t, shared+table[3].MS, sums.Of([]int{0, 0}), 1e-9, "an identity takes no time")
	assert.InDelta(t, shared+table[4].MS+table[7].MS, sums.Of([]int{1, 2}), 1e-9)

	// A table that was written is the same when it is read.
	file := filepath.Join(t.TempDir(), "table.csv")
	require.NoError(t, table.Save(file))
	read, err := latency.Open(file)
	require.NoError(t, err)
	assert.Equal(t, table, read)
}

func TestMeasureFails(t *testing.T) {
	e := open(t)
	_, err := latency.Measure(t.Context(), e, small(), latency.Options{Repeats: -1, Device: "d"}, nil)
	assert.ErrorContains(t, err, "measuring nasbenchmacro ×0.125: repeats: expected at least 1, got -1")
	_, err = latency.Measure(t.Context(), e, small(), latency.Options{}, nil)
	assert.ErrorContains(t, err, "device: expected a text")
	_, err = latency.Measure(t.Context(), e, space.Paths{Name: "empty"}, latency.Options{Device: "d"}, nil)
	assert.ErrorContains(t, err, "empty: expected a chain with layers")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = latency.Measure(ctx, e, small(), latency.Options{Device: "d"}, nil)
	assert.ErrorIs(t, err, context.Canceled)
}
