package datasets

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEmbeddedSpeech(t *testing.T) {
	train, test, err := EmbeddedSpeech()
	require.NoError(t, err)
	set, err := Open(EmbeddedSpeechName, "")
	require.NoError(t, err)
	for _, part := range []struct {
		clips  *Clips
		source Source
		n      int
	}{{train, set.Train, 144}, {test, set.Test, 48}} {
		require.NoError(t, part.clips.Validate())
		assert.Len(t, part.clips.Labels, part.n)
		assert.Equal(t, part.n, part.source.Len())
		assert.Equal(t, SpeechClasses, part.clips.ClassNames)
		x, err := part.clips.Clip(0)
		require.NoError(t, err)
		assert.Len(t, x, SpeechRate)
	}
}
