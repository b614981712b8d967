package scarlet_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/scarlet"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
)

// noise are standard normal numbers.
func noise(seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1908))
	out := make([]float64, n)
	for i := range out {
		out[i] = r.NormFloat64()
	}
	return out
}

func identity(n int) []float64 {
	out := make([]float64, n*n)
	for i := range n {
		out[i*(n+1)] = 1
	}
	return out
}

// outputs runs a module with some weights, of PyTorch's layout.
func outputs(t *testing.T, e *engine.Engine, root nn.Module, state map[string][]float64, x *tensors.Tensor) []float64 {
	t.Helper()
	m, err := e.NewModel(root, nn.Edge)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Finalize()) }()
	require.NoError(t, m.LoadFloat64(state))
	out, err := m.Path(root).Run(nn.Mode{}, x)
	require.NoError(t, err)
	v, err := engine.Values(out[0])
	require.NoError(t, err)
	return v
}

// distance is the largest difference over the largest magnitude.
func distance(t *testing.T, want, got []float64) float64 {
	t.Helper()
	require.Equal(t, len(want), len(got))
	far, size := 0.0, 0.0
	for i := range want {
		far, size = max(far, math.Abs(want[i]-got[i])), max(size, math.Abs(want[i]))
	}
	require.Positive(t, size)
	return far / size
}

// A linear 1×1 convolution and the one behind it are one convolution: of every kernel and stride, at the image's rim too.
func TestMerge(t *testing.T) {
	e := goldentest.Float64Engine(t)
	const in, out, side = 5, 7, 9
	x := e.Tensor(noise(1, 2*side*side*in), 2, side, side, in)
	for _, kernel := range []int{1, 3, 5, 7} {
		for _, stride := range []int{1, 2} {
			t.Run(fmt.Sprintf("kernel %d, stride %d", kernel, stride), func(t *testing.T) {
				conv := nn.Convolution("conv", in, out, kernel, kernel, [2]int{stride, stride})
				linear := nn.Convolution("linear", in, in, 1, 1, [2]int{1, 1})
				both := nn.NewComposite("both|"+conv.Signature(), nn.Network, []nn.Child{{Module: linear}, {Module: conv}}, func(e nn.Env, v []nn.Value) []nn.Value {
					return e.Call("", conv, nn.Call1(e, "", linear, v[0]))
				})
				shape := [4]int{out, in, kernel, kernel}
				w, s := noise(2, out*in*kernel*kernel), noise(3, in*in)
				merged, err := scarlet.Merge(w, shape, s)
				require.NoError(t, err)
				alone := nn.NewComposite("alone|"+conv.Signature(), nn.Network, []nn.Child{{Module: conv}}, func(e nn.Env, v []nn.Value) []nn.Value { return e.Call("", conv, v[0]) })
				want := outputs(t, e, both, map[string][]float64{"conv.weight": w, "linear.weight": s}, x)
				assert.Less(t, distance(t, want, outputs(t, e, alone, map[string][]float64{"conv.weight": merged}, x)), 1e-13)
				assert.Greater(t, distance(t, want, outputs(t, e, alone, map[string][]float64{"conv.weight": w}, x)), 0.1, "the linear convolution does something")
				same, err := scarlet.Merge(w, shape, identity(in))
				require.NoError(t, err)
				assert.Equal(t, w, same, "the identity changes nothing")
			})
		}
	}
	_, err := scarlet.Merge(make([]float64, 3), [4]int{1, 2, 1, 1}, make([]float64, 4))
	assert.ErrorContains(t, err, "expected 2 weights of shape [1 2 1 1] and 4 of a linear convolution, got 3 and 4")
}

// pathOf is a path of a space whose chosen choices are identities in some layers and a bottleneck elsewhere.
func pathOf(p space.Paths, bottleneck int, identities ...int) []int {
	path := make([]int, len(p.Layers))
	for l := range path {
		path[l] = bottleneck
	}
	for _, l := range identities {
		for k, b := range p.Layers[l] {
			if b.Op == arch.OpIdentity {
				path[l] = k
			}
		}
	}
	return path
}

// compare runs a path in the supernet and its network by itself with the weights derived from it. change, where it is not
// nil, sets weights of the supernet before.
func compare(t *testing.T, p space.Paths, path []int, change func(map[string][]float64)) (float64, error) {
	t.Helper()
	e := goldentest.Float64Engine(t)
	root, err := p.Tree([][]int{path})
	require.NoError(t, err)
	state := map[string][]float64{}
	for _, s := range root.Specs() {
		if s.Counter {
			continue
		}
		values := noise(uint64(len(s.Name)), s.Size())
		for i := range values {
			if s.Buffer || len(s.Shape) == 1 { // norms near the identity
				values[i] = 1 + 0.1*math.Tanh(values[i])
			}
		}
		state[s.Name] = values
	}
	if change != nil {
		change(state)
	}
	derived, err := scarlet.Derive(p, path, state)
	if err != nil {
		return 0, err
	}
	network, err := p.Network(path)
	require.NoError(t, err)
	alone, err := space.Network(network, space.NetworkOptions{})
	require.NoError(t, err)
	in := p.Input()
	x := e.Tensor(noise(9, 2*in[0]*in[1]*in[2]), 2, in[0], in[1], in[2])
	return distance(t, outputs(t, e, root, state, x), outputs(t, e, alone, derived, x)), nil
}

// A path of the supernet and its network with merged weights put out the same. Behind identities of the space come blocks
// without a residual branch or the last convolution, so that all merge exactly.
func TestDerive(t *testing.T) {
	p := space.CIFARSCARLET().Resized(8, 10)
	for _, path := range [][]int{pathOf(p, 2, 1), pathOf(p, 0, 1, 3, 5), pathOf(p, 7, 3), pathOf(p, 4)} {
		far, err := compare(t, p, path, nil)
		require.NoError(t, err)
		assert.Less(t, far, 1e-12, "%v", path)
	}
}

// Before a block with a residual branch the linear convolution cannot be merged, unless it is the identity: there two of
// them in a row are one.
func TestDeriveResidual(t *testing.T) {
	p := space.NASBenchMacro().Resized(8, 10)
	p.Linear = true
	path := []int{1, 0, 2, 0, 1, 2, 0, 0} // layer 4 has a residual branch and an identity before it; the last two end the layers
	_, err := compare(t, p, path, nil)
	assert.EqualError(t, err, "layer 4: the linear convolution before it cannot be merged into a block with a residual branch, unless it is the identity")
	far, err := compare(t, p, path, func(state map[string][]float64) { state["layers.3.0.weight"] = identity(128) })
	require.NoError(t, err)
	assert.Less(t, far, 1e-12)
	_, err = scarlet.Derive(p, path, map[string][]float64{"layers.3.0.weight": identity(128)})
	assert.ErrorContains(t, err, "layers.4.conv1.weight: merge: expected 49152 weights")
	_, err = scarlet.Derive(p, []int{1, 2, 2, 1, 1, 2, 1, 1}, nil)
	assert.ErrorContains(t, err, "numbers in the supernet's weights, got 0")
}

// The space: 13 choices where an identity can stand, 12 elsewhere; the paper counts 13 in each of 19 layers.
func TestSpace(t *testing.T) {
	p := space.SCARLET()
	require.Len(t, p.Layers, 19)
	for l, choices := range p.Layers {
		first := choices[0]
		want := 12
		if first.Stride == 1 && first.In == first.Out {
			want = 13
		}
		assert.Len(t, choices, want, "layer %d", l)
	}
	size := new(big.Int).Mul(new(big.Int).Exp(big.NewInt(13), big.NewInt(13), nil), new(big.Int).Exp(big.NewInt(12), big.NewInt(6), nil))
	assert.Equal(t, size, p.Size())
	for _, name := range []string{"scarlet-a", "scarlet-b", "scarlet-c"} {
		net, err := zoo.Get(name)
		require.NoError(t, err)
		path, err := p.PathOf(net.Network)
		require.NoError(t, err, name)
		network, err := p.Network(path)
		require.NoError(t, err)
		assert.Equal(t, net.Network, network, name)
	}
}

// The supernet has a square of weights more for each identity, and networks of the space cost the same either way.
func TestStabilisers(t *testing.T) {
	p := space.CIFARSCARLET()
	root, err := p.Supernet()
	require.NoError(t, err)
	p.Linear = false
	plain, err := p.Supernet()
	require.NoError(t, err)
	assert.Equal(t, 24*24+40*40+80*80, nn.Params(root.Specs())-nn.Params(plain.Specs()))
	for _, s := range plain.Specs() {
		assert.NotContains(t, s.Name, ".12.")
	}
}

// tiny is the smoke profile with a change.
func tiny(t testing.TB, change func(c *scarlet.Config)) scarlet.Config {
	t.Helper()
	c, err := scarlet.Method().Config(profile.Smoke, "")
	require.NoError(t, err)
	own := *c.(*scarlet.Config)
	if change != nil {
		change(&own)
	}
	require.NoError(t, own.Validate())
	return own
}

func search(t testing.TB, e *engine.Engine, c scarlet.Config) *run.Result {
	t.Helper()
	images, _, err := datasets.Embedded()
	require.NoError(t, err)
	r, err := scarlet.Search(t.Context(), method.Env{Engine: e, Train: images.Source()}, c)
	require.NoError(t, err)
	return r
}

// What is found has identities and costs what it costs by itself; each choice was trained equally often, as far as whole
// rounds go.
func TestSearch(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	r := search(t, e, tiny(t, func(c *scarlet.Config) { c.Epochs, c.StepsPerEpoch = 2, 6 }))
	require.NotNil(t, r.Network)
	net, err := space.Network(*r.Network, space.NetworkOptions{})
	require.NoError(t, err)
	assert.Equal(t, float64(nn.Params(net.Specs())), r.Front.Best().Values[2])
	updates, _ := r.Table("updates")
	for l, counts := range updates.Last().Values {
		for _, n := range counts {
			want := 12.0
			if len(counts) == 12 {
				want = 13 // 12 steps of 13 paths
			}
			assert.Equal(t, want, n, "layer %d", l)
		}
	}
	table, ok := r.Table(oneshot.SimilarityTable)
	require.True(t, ok)
	require.Len(t, table.Rows, 6)
	skips := 0
	for _, pair := range table.Columns[1] {
		if strings.Contains(pair, space.Identity) {
			skips++
		}
	}
	assert.Equal(t, []int{66, 78, 12}, []int{len(table.Columns[0]), len(table.Columns[1]), skips})
	cosine := r.Numbers.Of(scarlet.SkipSimilarity)
	assert.True(t, cosine > -1 && cosine < 1 && cosine != 0, cosine)
}

// Without the stabiliser the supernet is another one, and the same networks are found in it.
func TestIdentity(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	ranked := func(stabiliser bool) *run.Result {
		c, err := scarlet.Method().Config(profile.Smoke, map[bool]string{true: "stabiliser", false: "identity"}[stabiliser])
		require.NoError(t, err)
		own := *c.(*scarlet.Config)
		assert.Equal(t, stabiliser, own.Stabiliser)
		return search(t, e, own)
	}
	with, without := ranked(true), ranked(false)
	assert.Equal(t, with.Ranking.Codes, without.Ranking.Codes)
	assert.NotEqual(t, with.Ranking.Trained, without.Ranking.Trained)
	assert.NotEqual(t, with.Numbers.Of(scarlet.SkipSimilarity), without.Numbers.Of(scarlet.SkipSimilarity))
}

func ExampleMerge() {
	// A convolution of two channels into one, behind a linear one that swaps them.
	merged, err := scarlet.Merge([]float64{1, 2}, [4]int{1, 2, 1, 1}, []float64{0, 1, 1, 0})
	fmt.Println(merged, err)
	// Output: [2 1] <nil>
}
