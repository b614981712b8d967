package oneshot

import (
	"math/rand/v2"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// extremes are updates as a way of sampling draws them hardly ever: paths that move as few blocks as can be and as many, and
// such that share a beginning or an end of any length, or all.
func extremes(sampling string, layers int) (out []Update) {
	path := func(n, first, rest int) []int {
		p := make([]int, layers)
		for l := range p {
			if p[l] = rest; l < n {
				p[l] = first
			}
		}
		return p
	}
	for n := range layers + 1 {
		for _, rest := range []int{1, 2} {
			switch sampling {
			case Strict:
				out = append(out, Sampler{Way: Strict, Choices: []int{3, 3, 3, 3, 3, 3, 3, 3}}.Step(rand.New(rand.NewPCG(uint64(n), uint64(rest))))...)
			case Random:
				out = append(out, Update{[][]int{path(n, 0, rest), path(n, 0, 3-rest), path(n, rest, 0)}, 1},
					Update{[][]int{path(n, rest, 0), path(n, rest, 0), path(n, rest, 3-rest)}, 1},
					Update{[][]int{path(n, 0, rest), path(n, 1, rest), path(n, 2, rest)}, 1})
			default:
				out = append(out, Update{[][]int{path(n, 0, rest)}, 1})
			}
		}
	}
	return out
}

// Under no way of sampling does the number of blocks that an update moves and clips, or what its paths share, compile
// anything once each kind of block has run.
func TestEverySamplingCompilesOnce(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	for _, sampling := range Samplings() {
		t.Run(sampling, func(t *testing.T) {
			c := Config{Common: method.Common{Image: 8, Epochs: 1, StepsPerEpoch: 16, Batch: 4, Granularity: "edge", Space: space.NASBenchMacroName},
				Sampling: sampling, Weights: method.WeightsConfig{LearningRate: 0.02, Momentum: 0.9, Clip: 5}, Holdout: 0.2, Recalibrate: 8, Measure: 20}
			e := engine.New(b.Backend)
			p, err := c.Paths(10)
			require.NoError(t, err)
			d, err := c.Split(images.Source())
			require.NoError(t, err)
			s, err := NewSupernet(e, d, p, c)
			require.NoError(t, err)
			_, err = s.Train(t.Context(), run.Spec{}, run.Options{})
			require.NoError(t, err)
			for _, layer := range s.Updates().Last().Values {
				require.NotContains(t, layer, 0.0, "each block has run")
			}
			made := e.Stats().Executables
			x, y, err := d.Train.Fill(0, 0, nil, nil)
			require.NoError(t, err)
			batch := run.Batch{X: tensors.FromFlatDataAndDimensions(x, 4, 8, 8, 3), Y: tensors.FromFlatDataAndDimensions(y, 4)}
			for _, u := range extremes(sampling, len(p.Layers)) {
				_, err := s.update(u, 0.01, batch)
				require.NoError(t, err)
				require.Equal(t, made, e.Stats().Executables, "paths %v compile", u.Paths)
			}
			assert.NoError(t, run.Finalize(batch.X, batch.Y))
			require.NoError(t, s.Close())
		})
	}
}
