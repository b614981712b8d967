package audio_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
