package space

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
)

// A scaled space has valid networks at any width, and leaves the space that it came from alone.
func TestScaled(t *testing.T) {
	for _, name := range PathSpaces() {
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

// drawn is a space of random layers of 1 to 40 choices, of which only the numbers matter here.
func drawn(r *rand.Rand) Paths {
	p := Paths{Name: "drawn"}
	for range 1 + r.IntN(12) {
		p.Layers = append(p.Layers, make([]arch.Block, 1+r.IntN(40)))
	}
	return p
}

// A code reads back what it wrote, and no two paths have one code: [1,12] and [11,2] were both 112 once.
func TestCodesReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	wide := 0
	for range 200 {
		p := drawn(r)
		if slices.Max(p.Choices()) > 10 {
			wide++
		}
		path := func() []int {
			out := make([]int, len(p.Layers))
			for l, n := range p.Choices() {
				out[l] = r.IntN(n)
			}
			return out
		}
		codes := map[string][]int{}
		for range 50 {
			want := path()
			code := p.Code(want)
			got, err := p.Parse(code)
			require.NoError(t, err, "%v", want)
			require.Equal(t, want, got)
			if was, ok := codes[code]; ok {
				require.Equal(t, was, want, "both are %s", code)
			}
			codes[code] = want
		}
		// A layer more or less, and a choice that there is not, are no paths.
		some := path()
		for _, bad := range [][]int{append(slices.Clone(some), 0), some[1:]} {
			_, err := p.Parse(p.Code(bad))
			require.Error(t, err, "%v of %v", bad, p.Choices())
		}
		over := slices.Clone(some)
		l := r.IntN(len(over))
		over[l] = len(p.Layers[l])
		_, err := p.Parse(p.Code(over))
		require.Error(t, err, "%v of %v", over, p.Choices())
	}
	require.Greater(t, wide, 100)
	require.Less(t, wide, 200, "spaces of single digits as well")

	p := Paths{Name: "two", Layers: [][]arch.Block{make([]arch.Block, 12), make([]arch.Block, 13)}}
	assert.Equal(t, "1-12", p.Code([]int{1, 12}))
	assert.Equal(t, "11-2", p.Code([]int{11, 2}))
}

// All paths of a small space with a wide layer have codes of their own.
func TestCodesAreDistinct(t *testing.T) {
	p := Paths{Name: "small", Layers: [][]arch.Block{make([]arch.Block, 40), make([]arch.Block, 11), make([]arch.Block, 3)}}
	seen := map[string]bool{}
	for a := range 40 {
		for b := range 11 {
			for c := range 3 {
				seen[p.Code([]int{a, b, c})] = true
			}
		}
	}
	assert.Len(t, seen, 40*11*3)
}

// The codes of NAS-Bench-Macro's table are as they always were, a digit a layer.
func TestOldCodesRead(t *testing.T) {
	p := NASBenchMacro()
	all, err := MacroSample(6561)
	require.NoError(t, err)
	for _, code := range all {
		path, err := p.Parse(code)
		require.NoError(t, err)
		require.Len(t, path, 8)
		require.Equal(t, code, p.Code(path))
	}
	path, err := p.Parse("01201201")
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 2, 0, 1, 2, 0, 1}, path)
}

// Only what Code writes is read.
func TestCodesAreCanonical(t *testing.T) {
	narrow := Paths{Name: "narrow", Layers: [][]arch.Block{make([]arch.Block, 10), make([]arch.Block, 3)}}
	wide := Paths{Name: "wide", Layers: [][]arch.Block{make([]arch.Block, 20), make([]arch.Block, 20)}}
	for _, code := range []string{"", "0", "000", "0-1", "+1", "0x", " 1", "0٣"} {
		_, err := narrow.Parse(code)
		assert.EqualError(t, err, fmt.Sprintf("narrow: expected 2 digits from 0 to 9, got %q", code))
	}
	_, err := narrow.Parse("03")
	assert.EqualError(t, err, "narrow: layer 1: expected a choice from 0 to 2, got 3")
	for _, code := range []string{"", "12", "01-2", "1-02", "+1-2", "1--2", "1-2-", "-1-2", "1 -2", "0x1-2", "1_0-2", "1-20", "99999999999999999999-1"} {
		_, err := wide.Parse(code)
		assert.EqualError(t, err, fmt.Sprintf("wide: expected 2 numbers with dashes between them from 0 to 19, got %q", code))
	}
}

func TestMacroSample(t *testing.T) {
	all, err := MacroSample(6561)
	require.NoError(t, err)
	assert.Len(t, all, 6561)
	assert.Equal(t, "00000000", all[0])
	some, err := MacroSample(400)
	require.NoError(t, err)
	distinct := map[string]bool{}
	for _, code := range some {
		distinct[code] = true
	}
	assert.Len(t, distinct, 400)
	for _, n := range []int{0, -1, 7000} {
		_, err = MacroSample(n)
		assert.ErrorContains(t, err, "expected 1 to 6561 networks")
	}
}

// The truth is known of one space, and of its networks alone.
func TestTrueAccuracies(t *testing.T) {
	for _, name := range PathSpaces() {
		assert.Equal(t, name == NASBenchMacroName, HasTruth(name), name)
	}
	table, err := datasets.NASBenchMacro()
	require.NoError(t, err)
	got, err := TrueAccuracies(NASBenchMacroName, []string{"22222222", "00000000"})
	require.NoError(t, err)
	assert.Equal(t, []float64{table["22222222"].MeanAccuracy, table["00000000"].MeanAccuracy}, got)
	_, err = TrueAccuracies(NASBenchMacroName, []string{"33333333"})
	assert.ErrorContains(t, err, `has no network "33333333"`)
	_, err = TrueAccuracies(CIFARMobileName, nil)
	assert.ErrorContains(t, err, "of cifar_mobile are not known")
}
