package space

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A scaled space has valid networks at any width, and leaves the space that it came from alone.
func TestScaled(t *testing.T) {
	for _, name := range PathSpaces {
		for _, width := range []float64{1e-3, 0.25, 0.3, 1} {
			t.Run(fmt.Sprintf("%s/%g", name, width), func(t *testing.T) {
				p, err := LookupPaths(name)
				require.NoError(t, err)
				fresh, err := LookupPaths(name)
				require.NoError(t, err)
				scaled := p.Scaled(width)
				require.Equal(t, fresh, p)
				require.Equal(t, p.Choices(), scaled.Choices())
				for l, choices := range scaled.Layers {
					for k := range choices {
						path := make([]int, len(scaled.Layers))
						path[l] = k
						_, err := scaled.Network(path)
						require.NoError(t, err, "layer %d, choice %d", l, k)
					}
				}
				scaled.Name = p.Name
				if width == 1 {
					assert.Equal(t, p, scaled)
				} else {
					assert.NotEqual(t, p, scaled)
				}
			})
		}
	}
}

// Channels by hand: a quarter of 32, 64, 128, 256 and 1280, and hidden ones 3 or 6 times as many as go in.
func TestScaledChannels(t *testing.T) {
	p := NASBenchMacro().Scaled(0.25)
	assert.Equal(t, 8, p.Shared.Chain.Stem.Out)
	assert.Equal(t, 320, p.Shared.Chain.Last.Out)
	channels := []int{8}
	for _, choices := range p.Layers {
		in := channels[len(channels)-1]
		for k, b := range choices {
			assert.Equal(t, in, b.In)
			assert.Equal(t, choices[0].Out, b.Out)
			assert.Equal(t, []int{0, 3, 6}[k]*in, b.Hidden)
		}
		if choices[0].Out != in {
			channels = append(channels, choices[0].Out)
		}
	}
	assert.Equal(t, []int{8, 16, 32, 64}, channels)
	assert.Equal(t, 3, p.Shared.Input[2], "an image's channels are none of the network's")
}
