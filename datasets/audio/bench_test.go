package audio_test

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets/audio"
)

// BenchmarkFeatures is the convention of Speech Commands on one clip of a second and one processor.
func BenchmarkFeatures(b *testing.B) {
	e, err := audio.New(audio.TensorFlow())
	require.NoError(b, err)
	clip := testClip(b, "go_0c40e715_nohash_1.flac")
	for b.Loop() {
		if _, err := e.Features(clip); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGraph is a batch of 50 clips on XLA.
func BenchmarkGraph(b *testing.B) {
	b.Run("TensorFlow", func(b *testing.B) { benchmarkGraph(b, audio.TensorFlow()) })
	b.Run("torchaudio", func(b *testing.B) { benchmarkGraph(b, audio.Torchaudio()) })
}

func benchmarkGraph(b *testing.B, c audio.Config) {
	xla, err := backend.Open()
	require.NoError(b, err)
	e, err := audio.New(c)
	require.NoError(b, err)
	clips := make([][]float32, 50)
	for i := range clips {
		clips[i] = testClip(b, "go_0c40e715_nohash_1.flac")
	}
	exec, err := graph.NewExec(xla.Backend, e.Graph)
	require.NoError(b, err)
	input := tensors.FromValue(clips)
	for b.Loop() {
		out, err := exec.Call1(input)
		require.NoError(b, err)
		require.NoError(b, out.FinalizeAll())
	}
}
