package fairdarts

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/golden"
)

func TestZeroOneLossGolden(t *testing.T) {
	b, err := os.ReadFile("testdata/zero_one_loss.json")
	require.NoError(t, err)
	var ref struct {
		Losses map[string]struct {
			Weight float64     `json:"weight"`
			Loss   float64     `json:"loss2_unweighted"`
			Normal [][]float64 `json:"d_weighted_loss2_only_d_alphas_normal"`
			Reduce [][]float64 `json:"d_weighted_loss2_only_d_alphas_reduce"`
		} `json:"losses"`
	}
	require.NoError(t, json.Unmarshal(b, &ref))
	alphas := Flatten(golden.Table("alphas_normal", 14, 7), golden.Table("alphas_reduce", 14, 7))
	for name, form := range map[string]Form{"l2_ConvSeparateLoss": L2, "l1_TriSeparateLoss": L1} {
		t.Run(string(form), func(t *testing.T) {
			want, ok := ref.Losses[name]
			require.True(t, ok)
			assert.Equal(t, DefaultLossWeight, want.Weight)
			assert.InEpsilon(t, want.Loss, ZeroOneLoss(form, alphas), 1e-8)
			grad := ZeroOneGradient(form, alphas)
			wantGrad := Flatten(want.Normal, want.Reduce)
			require.Len(t, wantGrad, len(grad))
			for i := range grad {
				assert.InEpsilon(t, wantGrad[i], want.Weight*grad[i], 1e-6, "entry %d", i)
			}
		})
	}
}

func TestZeroOneGradientIsTheDerivative(t *testing.T) {
	alphas := []float64{-30, -3, -1, -0.2, 0.4, 2, 5, 40}
	const h = 1e-5
	for _, form := range []Form{L2, L1} {
		grad := ZeroOneGradient(form, alphas)
		for i := range alphas {
			up, down := append([]float64(nil), alphas...), append([]float64(nil), alphas...)
			up[i] += h
			down[i] -= h
			assert.InDelta(t, (ZeroOneLoss(form, up)-ZeroOneLoss(form, down))/(2*h), grad[i], 1e-9, "%s entry %d", form, i)
		}
	}
}

func TestZeroOneLossEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		alphas []float64
		l2, l1 float64
	}{
		{"none", nil, 0, 0},
		{"halves", []float64{0, 0}, 0, 0},
		{"saturated", []float64{800, -800}, -0.25, -0.5},
		{"one of two", []float64{0, 800}, -0.125, -0.25},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.l2, ZeroOneLoss(L2, c.alphas))
			assert.Equal(t, c.l1, ZeroOneLoss(L1, c.alphas))
			for _, form := range []Form{L2, L1} {
				for i, g := range ZeroOneGradient(form, c.alphas) {
					assert.Zero(t, g, "%s entry %d", form, i)
				}
			}
		})
	}
}

func TestSigmoid(t *testing.T) {
	assert.Equal(t, 0.5, Sigmoid(0))
	assert.Equal(t, 1.0, Sigmoid(math.Inf(1)))
	assert.Equal(t, 0.0, Sigmoid(math.Inf(-1)))
	assert.InDelta(t, 0.75, Sigmoid(math.Log(3)), 1e-15)
	assert.InDelta(t, 0.25, Sigmoid(-math.Log(3)), 1e-15)
}
