package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
)

type key struct {
	kernels bool
	threads int
}

var (
	opened   = map[key]*backend.Backend{}
	openLock sync.Mutex
)

// open returns a backend on the plug-in with or without the kernels; the test is
// skipped where there is no CPU plug-in.
func open(t testing.TB, withKernels bool, threads int) compute.Backend {
	t.Helper()
	found, err := backend.Find()
	if err != nil || found.Kind != backend.KindCPU {
		t.Skipf("no XLA plug-in for a CPU found (%v, %v)", found.Kind, err)
	}
	openLock.Lock()
	defer openLock.Unlock()
	k := key{withKernels, threads}
	if opened[k] == nil {
		b, err := backend.OpenWith(backend.Options{CacheDir: "off", NoKernels: !withKernels, Threads: threads})
		require.NoError(t, err)
		require.Equal(t, withKernels, b.Info.Kernels, b.Info.Warning)
		opened[k] = b
	}
	return opened[k].Backend
}

// random fills a tensor with normal numbers; rounded to steps where step is
// above 0, so that equal values occur.
func random(seed uint64, shape shapes.Shape, step float64) *tensors.Tensor {
	r := rand.New(rand.NewPCG(seed, 7))
	values := make([]float32, shape.Size())
	for i := range values {
		v := r.NormFloat64()
		if step > 0 {
			v = math.Round(v/step) * step
		}
		values[i] = float32(v)
	}
	return tensors.FromFlatDataAndDimensions(values, shape.Dimensions...)
}

// special puts not-a-number and both infinities into some places of a tensor.
func special(t *tensors.Tensor) *tensors.Tensor {
	t.MustMutableFlatData(func(flat any) {
		values := flat.([]float32)
		for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			values[(i+1)*len(values)/5] = float32(v)
		}
	})
	return t
}

// infinities is special without the not-a-number.
func infinities(t *tensors.Tensor) *tensors.Tensor {
	special(t).MustMutableFlatData(func(flat any) {
		values := flat.([]float32)
		values[len(values)/5] = 0
	})
	return t
}

func run(b compute.Backend, inputs []*tensors.Tensor, f func(x []*Node) []*Node) [][]float32 {
	return runEach(b, f, inputs)[0]
}

// runEach runs a graph, compiled once, on each set of inputs.
func runEach(b compute.Backend, f func(x []*Node) []*Node, sets ...[]*tensors.Tensor) [][][]float32 {
	exec := MustNewExec(b, f)
	defer exec.Finalize()
	all := make([][][]float32, len(sets))
	for s, inputs := range sets {
		args := make([]any, len(inputs))
		for i, t := range inputs {
			// A copy: a tensor belongs to the backend that it was first used with.
			args[i] = tensors.FromFlatDataAndDimensions(tensors.MustCopyFlatData[float32](t), t.Shape().Dimensions...)
		}
		for _, t := range exec.MustCall(args...) {
			all[s] = append(all[s], tensors.MustCopyFlatData[float32](t))
			t.FinalizeAll()
		}
	}
	return all
}

// near requires got to equal want within 1e-5 of want's largest finite
// magnitude, with the same not-a-numbers and infinities.
func near(t *testing.T, want, got []float32, name string) {
	t.Helper()
	require.Equal(t, len(want), len(got), name)
	largest := 0.0
	for _, v := range want {
		if a := math.Abs(float64(v)); a > largest && !math.IsInf(a, 0) {
			largest = a
		}
	}
	for i := range want {
		a, b := float64(want[i]), float64(got[i])
		if math.IsNaN(a) || math.IsNaN(b) || math.IsInf(a, 0) || math.IsInf(b, 0) {
			if a != b && !(math.IsNaN(a) && math.IsNaN(b)) {
				require.Failf(t, "different", "%s: element %d of %d: XLA %v, kernel %v", name, i, len(want), a, b)
			}
			continue
		}
		if math.Abs(a-b) > 1e-5*largest {
			require.Failf(t, "different", "%s: element %d of %d: XLA %v, kernel %v (largest %v)", name, i, len(want), a, b, largest)
		}
	}
}

// compare runs a graph on XLA alone and with the kernels, on each set of inputs,
// and requires equal results.
func compare(t *testing.T, names []string, f func(x []*Node) []*Node, sets ...[]*tensors.Tensor) {
	t.Helper()
	want := runEach(open(t, false, 2), f, sets...)
	got := runEach(open(t, true, 2), f, sets...)
	for set := range sets {
		require.Len(t, got[set], len(names))
		for i, name := range names {
			near(t, want[set][i], got[set][i], fmt.Sprintf("set %d, %s", set, name))
		}
	}
}

func floats(from []float64) []float32 {
	to := make([]float32, len(from))
	for i, v := range from {
		to[i] = float32(v)
	}
	return to
}

// pool is one max-pool: batch, height, width, channels, window, stride and
// padding.
type pool struct{ n, h, w, c, k, s, low, high int }

func (v pool) graph(x *Node) []*Node {
	p := [2]int{v.low, v.high}
	y := MaxPool(x).Window(v.k).Strides(v.s).PaddingPerDim([][2]int{p, p}).Done()
	weights := AddScalar(MulScalar(IotaFull(x.Graph(), y.Shape()), 1e-3), 1)
	return []*Node{y, Gradient(ReduceAllSum(Mul(y, weights)), x)[0]}
}

func TestMaxPool(t *testing.T) {
	t.Parallel()
	for i, v := range []pool{
		{2, 32, 32, 16, 3, 1, 1, 1}, {2, 32, 32, 16, 3, 2, 1, 1}, {1, 9, 7, 1, 3, 1, 1, 1}, {1, 9, 7, 3, 3, 2, 1, 1},
		{2, 8, 9, 17, 2, 2, 0, 0}, {1, 11, 13, 40, 5, 1, 2, 2}, {1, 7, 7, 96, 3, 2, 0, 1}, {3, 5, 5, 8, 5, 5, 0, 0},
		{20, 6, 4, 12, 3, 2, 1, 0}, {1, 40, 3, 4, 4, 3, 1, 2}, {1, 1, 1, 5, 3, 1, 1, 1}, {1, 64, 64, 2, 3, 2, 1, 1},
	} {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			shape := shapes.Make(dtypes.Float32, v.n, v.h, v.w, v.c)
			compare(t, []string{"forward", "gradient"}, func(x []*Node) []*Node { return v.graph(x[0]) },
				[]*tensors.Tensor{random(uint64(i), shape, 0)},
				[]*tensors.Tensor{random(uint64(i), shape, 1)}, // steps of 1 make ties in nearly every window
				[]*tensors.Tensor{tensors.FromShape(shape)},
				[]*tensors.Tensor{infinities(random(uint64(i), shape, 0.5))})
		})
	}
}

// A window that holds a not-a-number gives one, as the operation is defined and
// as PyTorch does; XLA's own code on a CPU passes it over.
func TestMaxPoolPassesNotANumberOn(t *testing.T) {
	v := pool{1, 6, 6, 17, 3, 2, 1, 1}
	x := special(random(1, shapes.Make(dtypes.Float32, v.n, v.h, v.w, v.c), 0))
	values := tensors.MustCopyFlatData[float32](x)
	got := run(open(t, true, 2), []*tensors.Tensor{x}, func(x []*Node) []*Node { return v.graph(x[0]) })[0]
	count := 0
	for oy := range 3 {
		for ox := range 3 {
			for c := range v.c {
				want := math.Inf(-1)
				for iy := max(0, 2*oy-1); iy <= min(5, 2*oy+1); iy++ {
					for ix := max(0, 2*ox-1); ix <= min(5, 2*ox+1); ix++ {
						want = math.Max(want, float64(values[(iy*6+ix)*v.c+c]))
					}
				}
				if math.IsNaN(want) {
					count++
					require.True(t, math.IsNaN(float64(got[(oy*3+ox)*v.c+c])))
					continue
				}
				require.Equal(t, float32(want), got[(oy*3+ox)*v.c+c])
			}
		}
	}
	require.Positive(t, count)
}

func normGraph(x []*Node) []*Node {
	y, mean, variance := InternalBatchNormForTraining(x[0], x[1], x[2], 1e-5, x[0].Rank()-1)
	g := Gradient(ReduceAllSum(Mul(y, x[3])), x[0], x[1], x[2])
	return append([]*Node{y, mean, variance}, g...)
}

var normNames = []string{"forward", "mean", "variance", "input's gradient", "scale's gradient", "offset's gradient"}

func TestBatchNorm(t *testing.T) {
	t.Parallel()
	for i, dims := range [][]int{
		{16, 32, 32, 16}, {2, 9, 7, 1}, {1, 5, 5, 3}, {2, 8, 8, 17}, {3, 7, 5, 40}, {1, 3, 3, 96}, {4, 1, 1, 16},
		{64, 10}, {5, 6, 144}, {3, 2, 2, 2, 8}, {33, 600},
	} {
		t.Run(fmt.Sprint(dims), func(t *testing.T) {
			full, channels := shapes.Make(dtypes.Float32, dims...), shapes.Make(dtypes.Float32, dims[len(dims)-1])
			in := func() []*tensors.Tensor {
				return []*tensors.Tensor{random(uint64(i), full, 0), random(102, channels, 0), random(103, channels, 0), random(104, full, 0)}
			}
			odd := in()
			special(odd[0])
			special(odd[3])
			compare(t, normNames, normGraph, in(), odd)
		})
	}
}

// A mean far above the spread must not cost the variance its digits.
func TestBatchNormFarFromZero(t *testing.T) {
	full, channels := shapes.Make(dtypes.Float32, 8, 16, 16, 20), shapes.Make(dtypes.Float32, 20)
	x := random(1, full, 0)
	var exact float64
	x.MustMutableFlatData(func(flat any) {
		var sum, square float64
		n := 0
		for i := range flat.([]float32) {
			p := &flat.([]float32)[i]
			*p += 1000
			if i%20 == 0 {
				sum, square, n = sum+float64(*p), square+float64(*p)*float64(*p), n+1
			}
		}
		exact = square/float64(n) - sum/float64(n)*sum/float64(n)
	})
	in := []*tensors.Tensor{x, random(2, channels, 0), random(3, channels, 0), random(4, full, 0)}
	got := run(open(t, true, 2), in, normGraph)
	require.InEpsilon(t, exact, got[2][0], 1e-5)
}

// products returns x times w, and the products that are its gradients for the
// upstream gradient g, the weights' in both orders.
func products(x, w, g *Node) []*Node {
	return []*Node{
		DotGeneral(x, []int{1}, nil, w, []int{0}, nil), DotGeneral(g, []int{1}, nil, w, []int{1}, nil),
		DotGeneral(x, []int{0}, nil, g, []int{0}, nil), DotGeneral(g, []int{0}, nil, x, []int{0}, nil),
	}
}

func TestProduct(t *testing.T) {
	t.Parallel()
	for i, v := range []struct{ m, k, n int }{
		{512, 16, 16}, {2051, 32, 48}, {1000, 16, 128}, {4096, 64, 80}, {600, 3, 16}, {777, 36, 36}, {1024, 1, 7}, {5000, 128, 128},
	} {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			in := []*tensors.Tensor{
				random(uint64(i), shapes.Make(dtypes.Float32, v.m, v.k), 0), random(uint64(i+100), shapes.Make(dtypes.Float32, v.k, v.n), 0),
				random(uint64(i+200), shapes.Make(dtypes.Float32, v.m, v.n), 0),
			}
			odd := []*tensors.Tensor{special(random(1, in[0].Shape(), 0)), in[1], special(random(2, in[2].Shape(), 0))}
			compare(t, []string{"forward", "input's gradient", "weights' gradient", "weights' gradient transposed"},
				func(x []*Node) []*Node { return products(x[0], x[1], x[2]) }, in, odd)
		})
	}
}

// Results are the same bits with any number of threads.
func TestThreads(t *testing.T) {
	t.Parallel()
	v := square(7, 31, 33, 36, window{5, 1, 1, 2, 2})
	s := v.inputs()
	channels := shapes.Make(dtypes.Float32, v.c)
	in := []*tensors.Tensor{random(1, s[0], 0), random(2, s[1], 0), random(3, s[2], 0), random(4, channels, 0), random(5, channels, 0),
		random(6, shapes.Make(dtypes.Float32, v.c, 48), 0), random(7, shapes.Make(dtypes.Float32, v.n*v.h*v.w, 48), 0)}
	f := func(x []*Node) []*Node {
		out := v.graph(x[0], x[1], x[2])
		out = append(out, pool{v.n, v.h, v.w, v.c, 3, 2, 1, 1}.graph(x[0])...)
		out = append(out, products(Reshape(x[0], -1, v.c), x[5], x[6])...)
		return append(out, normGraph([]*Node{x[0], x[3], x[4], x[2]})...)
	}
	sameBits(t, in, f)
}

// sameBits runs a graph with 1, 2 and 8 threads and requires the same bits.
func sameBits(t *testing.T, in []*tensors.Tensor, f func(x []*Node) []*Node) {
	t.Helper()
	want := run(open(t, true, 1), in, f)
	for _, threads := range []int{2, 8} {
		b := open(t, true, threads)
		for range 5 {
			for i, got := range run(b, in, f) {
				for j := range got {
					require.Equal(t, math.Float32bits(want[i][j]), math.Float32bits(got[j]), "%d threads, result %d, element %d", threads, i, j)
				}
			}
		}
	}
}

// Independent kernels that all want helpers must not wait for each other.
func TestManyKernelsEnd(t *testing.T) {
	const kernels = 200
	for _, threads := range []int{1, 2} {
		exec := MustNewExec(open(t, true, threads), func(x, kernel *Node) []*Node {
			out := make([]*Node, kernels)
			for i := range out {
				// Different paddings, or XLA makes one call of them all.
				p := [2]int{i % 15, i / 15}
				out[i] = ConvGeneral(x, kernel, nhwc, []int{1, 1}, [][2]int{p, p}, nil, nil, 16, 1)
			}
			return out
		})
		x, kernel := random(1, shapes.Make(dtypes.Float32, 4, 24, 24, 16), 0), random(2, shapes.Make(dtypes.Float32, 5, 5, 1, 16), 0)
		before := backend.CompileStats()
		for range 5 {
			for _, out := range exec.MustCall(x, kernel) {
				out.FinalizeAll()
			}
		}
		require.Equal(t, map[string]int{"depthwise": kernels}, backend.CompileStats().Sub(before).Kernels)
		exec.Finalize()
	}
}

// Every operation of the graphs above is one that Rewrite recognises.
func TestEveryFormIsRecognised(t *testing.T) {
	b := open(t, true, 2)
	before := backend.CompileStats()
	v := square(8, 8, 8, 16, window{3, 2, 1, 1, 1})
	s := v.inputs()
	channels := shapes.Make(dtypes.Float32, v.c)
	in := []*tensors.Tensor{random(1, s[0], 0), random(2, s[1], 0), random(3, s[2], 0), random(4, channels, 0), random(5, channels, 0), random(6, s[0], 0),
		random(7, shapes.Make(dtypes.Float32, v.c, v.c), 0)}
	run(b, in, func(x []*Node) []*Node {
		out := v.graph(x[0], x[1], x[2])
		out = append(out, pool{v.n, v.h, v.w, v.c, 3, 2, 1, 1}.graph(x[0])...)
		// The weights' gradient as GoMLX itself takes it.
		y := Dot(Reshape(x[0], -1, v.c), x[6]).Product()
		out = append(out, append(Gradient(ReduceAllSum(Square(y)), x[0], x[6]), y)...)
		return append(out, normGraph([]*Node{x[0], x[3], x[4], x[5]})...)
	})
	got := backend.CompileStats().Sub(before)
	require.Equal(t, map[string]int{
		"depthwise": 2, "depthwise_kernel_gradient": 1, "max_pool": 1, "max_pool_gradient": 1,
		"batch_norm": 1, "batch_norm_gradient": 1, "product": 3,
	}, got.Kernels)
	require.Zero(t, got.Fallbacks)
}
