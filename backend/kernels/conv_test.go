package kernels_test

import (
	"fmt"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
)

var (
	nhwc = compute.ConvolveAxesConfig{
		InputBatch: 0, InputSpatial: []int{1, 2}, InputChannels: 3,
		KernelSpatial: []int{0, 1}, KernelInputChannels: 2, KernelOutputChannels: 3,
		OutputBatch: 0, OutputSpatial: []int{1, 2}, OutputChannels: 3,
	}
	kernelGradient = compute.ConvolveAxesConfig{
		InputBatch: 3, InputSpatial: []int{1, 2}, InputChannels: 0,
		KernelSpatial: []int{1, 2}, KernelInputChannels: 0, KernelOutputChannels: 3,
		OutputSpatial: []int{0, 1}, OutputBatch: 2, OutputChannels: 3,
	}
)

// window is a kernel along one axis: its size, stride, dilation, and low and high padding.
type window struct{ k, s, d, low, high int }

// same is the window of a size and stride whose padding is half of it, as the networks have.
func same(k, s int) window { return window{k, s, 1, k / 2, k / 2} }

func (v window) out(in int) int { return (in+v.low+v.high-v.d*(v.k-1)-1)/v.s + 1 }

// conv is one depthwise convolution: batch, height, width, channels, and the kernel along height and width.
type conv struct {
	n, h, w, c int
	y, x       window
}

func square(n, h, w, c int, v window) conv { return conv{n, h, w, c, v, v} }

func (v conv) String() string {
	if v.y == v.x {
		return fmt.Sprintf("n%d_%dx%dx%d_k%d_s%d_d%d_p%d,%d", v.n, v.h, v.w, v.c, v.y.k, v.y.s, v.y.d, v.y.low, v.y.high)
	}
	return fmt.Sprintf("n%d_%dx%dx%d_k%dx%d_s%d,%d_d%d,%d_p%d,%d,%d,%d", v.n, v.h, v.w, v.c, v.y.k, v.x.k, v.y.s, v.x.s, v.y.d, v.x.d,
		v.y.low, v.y.high, v.x.low, v.x.high)
}

func (v conv) inputs() []shapes.Shape {
	return []shapes.Shape{
		shapes.Make(dtypes.Float32, v.n, v.h, v.w, v.c), shapes.Make(dtypes.Float32, v.y.k, v.x.k, 1, v.c),
		shapes.Make(dtypes.Float32, v.n, v.y.out(v.h), v.x.out(v.w), v.c),
	}
}

// graph returns the convolution of x, and both its gradients for the upstream
// gradient g, in the forms that the kernels cover.
func (v conv) graph(x, kernel, g *Node) []*Node {
	ones, strides, dilations := []int{1, 1}, []int{v.y.s, v.x.s}, []int{v.y.d, v.x.d}
	pads := [][2]int{{v.y.low, v.y.high}, {v.x.low, v.x.high}}
	y := ConvGeneral(x, kernel, nhwc, strides, pads, ones, dilations, v.c, 1)
	var back, weights [][2]int
	for i, u := range []window{v.y, v.x} {
		in := []int{v.h, v.w}[i]
		span, reach := (u.out(in)-1)*u.s+1, u.d*(u.k-1)
		low := reach - u.low
		back = append(back, [2]int{low, in - span - low + reach})
		weights = append(weights, [2]int{u.low, reach + span - in - u.low})
	}
	dx := ConvGeneral(g, Reverse(kernel, 0, 1), nhwc, ones, back, strides, dilations, v.c, 1)
	dw := ConvGeneral(x, g, kernelGradient, dilations, weights, ones, strides, 1, v.c)
	return []*Node{y, dx, dw}
}

// squares are the convolutions of images.
func squares() []conv {
	var table []conv
	for _, k := range []int{3, 5, 7} {
		for _, s := range []int{1, 2} {
			for _, d := range []int{1, 2} {
				for i, c := range []int{1, 3, 16, 17, 40, 96} {
					p := d * (k - 1) / 2
					table = append(table, square(1+i%2, 9, 7+i, c, window{k, s, d, p, p}))
				}
			}
		}
	}
	return append(table,
		square(2, 32, 32, 16, window{3, 1, 1, 1, 1}),
		square(2, 31, 33, 24, window{5, 2, 1, 2, 2}),
		square(1, 8, 8, 8, window{3, 2, 1, 0, 1}),
		square(1, 8, 9, 36, window{5, 2, 1, 1, 2}),
		square(3, 5, 1, 4, window{3, 1, 1, 1, 1}),
		square(1, 1, 1, 20, window{5, 1, 2, 4, 4}),
		square(2, 6, 6, 5, window{3, 3, 1, 1, 1}),
		square(2, 12, 12, 64, window{1, 2, 1, 0, 0}),
		square(1, 13, 11, 9, window{9, 1, 1, 4, 4}),
		square(1, 10, 10, 16, window{2, 1, 3, 3, 0}),
	)
}

// unidirectional are kernels that look along one axis, those of sound: of time and frequency on images, and along time on
// images that are one pixel wide.
func unidirectional() []conv {
	one := func(s int) window { return same(1, s) }
	var table []conv
	for i, k := range []int{3, 5, 7, 9} {
		for j, s := range [][2]int{{1, 1}, {2, 1}, {1, 2}, {2, 2}} {
			c := []int{3, 16, 24, 40}[(i+j)%4]
			table = append(table, conv{2, 13, 11, c, same(k, s[0]), one(s[1])}, conv{2, 11, 13, c, one(s[0]), same(k, s[1])})
		}
		table = append(table, conv{3, 23, 1, 24, same(k, 1), one(1)}, conv{2, 22, 1, 36, same(k, 2), one(1)},
			conv{2, 1, 22, 20, one(1), same(k, 2)}, conv{2, 19, 1, 48, window{k, 1, 2, k - 1, k - 1}, one(1)})
	}
	return append(table,
		conv{2, 64, 5, 48, same(5, 1), one(1)},
		conv{1, 7, 64, 33, one(1), same(9, 1)},
		conv{2, 9, 7, 16, same(3, 1), same(5, 1)},
		conv{1, 10, 9, 17, same(7, 2), same(3, 1)},
		conv{1, 200, 1, 16, same(9, 1), one(1)},
		conv{2, 9, 1, 16, same(3, 1), one(2)},
		conv{2, 9, 1, 16, same(3, 1), same(3, 1)},
		conv{1, 2, 1, 8, same(9, 1), one(1)},
		conv{2, 12, 1, 16, window{3, 3, 1, 0, 2}, window{1, 1, 1, 1, 0}},
		conv{2, 5, 1, 3, same(3, 1), window{1, 1, 1, 1, -1}},
		conv{1, 20, 1, 40, window{4, 1, 3, 5, 4}, one(1)},
		conv{1, 1, 300, 9, one(1), window{13, 3, 1, 6, 6}},
	)
}

var convNames = []string{"forward", "input's gradient", "kernel's gradient"}

func TestDepthwise(t *testing.T) {
	t.Parallel()
	for i, v := range append(squares(), unidirectional()...) {
		t.Run(v.String(), func(t *testing.T) {
			s := v.inputs()
			in := []*tensors.Tensor{random(uint64(i), s[0], 0), random(uint64(i+1000), s[1], 0), random(uint64(i+2000), s[2], 0)}
			compare(t, convNames, func(x []*Node) []*Node { return v.graph(x[0], x[1], x[2]) }, in)
		})
	}
}

func TestUnidirectionalThreads(t *testing.T) {
	t.Parallel()
	for i, v := range []conv{
		{6, 64, 21, 36, same(7, 1), same(1, 1)}, {6, 61, 23, 36, same(1, 2), same(5, 2)}, {40, 98, 1, 24, same(9, 1), same(1, 1)},
		{1, 4000, 1, 40, same(5, 2), same(1, 1)},
	} {
		s := v.inputs()
		in := []*tensors.Tensor{random(uint64(i), s[0], 0), random(uint64(i+100), s[1], 0), random(uint64(i+200), s[2], 0)}
		sameBits(t, in, func(x []*Node) []*Node { return v.graph(x[0], x[1], x[2]) })
	}
}

// Every form of the unidirectional convolutions and of their gradients is one that Rewrite recognises.
func TestUnidirectionalFormsAreRecognised(t *testing.T) {
	b := open(t, true, 2)
	before := backend.CompileStats()
	table := unidirectional()
	g := NewGraph(b, "unidirectional")
	defer g.Finalize()
	var out []*Node
	for i, v := range table {
		var in []*Node
		for j, s := range v.inputs() {
			in = append(in, Parameter(g, fmt.Sprintf("input %d of %d", j, i), s))
		}
		out = append(out, v.graph(in[0], in[1], in[2])...)
	}
	require.NoError(t, g.Compile(out...))
	got := backend.CompileStats().Sub(before)
	require.Equal(t, map[string]int{"depthwise": 2 * len(table), "depthwise_kernel_gradient": len(table)}, got.Kernels)
	require.Zero(t, got.Fallbacks)
}

// Where a window reaches over the edge, XLA multiplies the padding by the kernel
// and not-a-number comes out; here the padding is left out. So not-a-number is
// asked for where the definition has it.
func TestDepthwiseSpecialValues(t *testing.T) {
	for _, v := range []conv{
		{2, 9, 7, 16, same(3, 1), same(1, 1)}, {1, 7, 12, 19, same(1, 2), same(5, 2)}, {2, 13, 1, 24, same(5, 2), same(1, 1)},
		{1, 9, 13, 20, same(9, 1), same(1, 1)}, {2, 31, 1, 24, same(7, 1), same(1, 1)},
		square(2, 9, 9, 16, window{3, 1, 1, 1, 1}),
		square(1, 9, 8, 19, window{5, 2, 1, 2, 2}),
		square(1, 9, 9, 3, window{3, 2, 2, 2, 2}),
	} {
		t.Run(v.String(), func(t *testing.T) {
			s := v.inputs()
			in := []*tensors.Tensor{special(random(1, s[0], 0)), random(2, s[1], 0), special(random(3, s[2], 0))}
			got := run(open(t, true, 2), in, func(x []*Node) []*Node { return v.graph(x[0], x[1], x[2]) })
			flat := func(i int) []float32 { return tensors.MustCopyFlatData[float32](in[i]) }
			for i, want := range v.definition(flat(0), flat(1), flat(2)) {
				near(t, want, got[i], convNames[i])
			}
		})
	}
}

// definition computes the convolution and its gradients by their sums.
func (v conv) definition(x, kernel, g []float32) [3][]float32 {
	oh, ow := v.y.out(v.h), v.x.out(v.w)
	y, dx, dw := make([]float64, len(g)), make([]float64, len(x)), make([]float64, len(kernel))
	for n := range v.n {
		for oy := range oh {
			for ox := range ow {
				for ky := range v.y.k {
					for kx := range v.x.k {
						iy, ix := oy*v.y.s+ky*v.y.d-v.y.low, ox*v.x.s+kx*v.x.d-v.x.low
						if iy < 0 || iy >= v.h || ix < 0 || ix >= v.w {
							continue
						}
						for c := range v.c {
							o, i, k := ((n*oh+oy)*ow+ox)*v.c+c, ((n*v.h+iy)*v.w+ix)*v.c+c, (ky*v.x.k+kx)*v.c+c
							y[o] += float64(x[i]) * float64(kernel[k])
							dx[i] += float64(g[o]) * float64(kernel[k])
							dw[k] += float64(x[i]) * float64(g[o])
						}
					}
				}
			}
		}
	}
	return [3][]float32{floats(y), floats(dx), floats(dw)}
}
