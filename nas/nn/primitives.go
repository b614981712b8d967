package nn

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Names of the DARTS primitives.
const (
	None        = "none"
	MaxPool3x3  = "max_pool_3x3"
	AvgPool3x3  = "avg_pool_3x3"
	SkipConnect = "skip_connect"
	SepConv3x3  = "sep_conv_3x3"
	SepConv5x5  = "sep_conv_5x5"
	SepConv7x7  = "sep_conv_7x7"
	DilConv3x3  = "dil_conv_3x3"
	DilConv5x5  = "dil_conv_5x5"
	Conv7x1x1x7 = "conv_7x1_1x7"
	Noise       = "noise"
)

// Operations of NAS-Bench-201's supernet. Its pool is not DARTS's, which has a batch norm behind it.
const (
	NorConv1x1      = "nor_conv_1x1"
	NorConv3x3      = "nor_conv_3x3"
	PlainAvgPool3x3 = "plain_avg_pool_3x3"
)

// GridPrimitives are the operations of an edge of NAS-Bench-201, in the order of its code (and of arch.GridOps, where the
// pool is called avg_pool_3x3).
var GridPrimitives = []string{None, SkipConnect, NorConv1x1, NorConv3x3, PlainAvgPool3x3}

// Primitives are the operations of DARTS's cells.
var Primitives = []string{None, MaxPool3x3, AvgPool3x3, SkipConnect, SepConv3x3, SepConv5x5, SepConv7x7, DilConv3x3, DilConv5x5, Conv7x1x1x7, Noise}

func batchNormSpecs(name string, channels int, affine bool) []Spec {
	vector := func(n string, buffer bool) Spec {
		return Spec{Name: Join(name, n), Shape: []int{channels}, Buffer: buffer}
	}
	var specs []Spec
	if affine {
		specs = append(specs, vector("weight", false), vector("bias", false))
	}
	return append(specs, vector("running_mean", true), vector("running_var", true),
		Spec{Name: Join(name, "num_batches_tracked"), Shape: []int{}, Buffer: true, Counter: true})
}

func depthwiseSpec(name string, channels, kh, kw int) Spec {
	return Spec{Name: name, Shape: []int{channels, 1, kh, kw}, Kind: Depthwise}
}

func pointwiseSpec(name string, in, out int) Spec {
	return Spec{Name: name, Shape: []int{out, in, 1, 1}, Kind: Pointwise}
}

func convSpec(name string, in, out, kh, kw int) Spec {
	return Spec{Name: name, Shape: []int{out, in, kh, kw}, Kind: Conv}
}

func denseSpecs(name string, in, out int) []Spec {
	return []Spec{{Name: Join(name, "weight"), Shape: []int{out, in}, Kind: Dense}, {Name: Join(name, "bias"), Shape: []int{out}}}
}

// op is a graph function on one image that can take a factor: x [batch, height, width, in], gain a scalar or
// nil, to [batch, ceil(height/stride), ceil(width/stride), out].
type op struct {
	specs []Spec
	fn    func(c *Ctx, x, gain *Node) *Node
}

// primitive makes the operation of a DARTS cell on channels; poolNorm puts the batch norm without affine
// parameters behind a pool that the supernets have.
func primitive(name string, channels, stride int, affine, poolNorm bool) (op, error) {
	pool := func(f func(x *Node) *Node) op {
		if !poolNorm {
			return op{fn: func(_ *Ctx, x, gain *Node) *Node { return times(f(x), gain) }}
		}
		return op{batchNormSpecs("1", channels, false), func(c *Ctx, x, gain *Node) *Node {
			return batchNorm(c, "1", f(x), gain)
		}}
	}
	switch name {
	case None:
		return op{fn: func(_ *Ctx, x, _ *Node) *Node {
			if stride > 1 {
				x = Slice(x, AxisRange(), AxisRange().Stride(stride), AxisRange().Stride(stride), AxisRange())
			}
			return ZerosLike(x)
		}}, nil
	case MaxPool3x3:
		return pool(func(x *Node) *Node { return MaxPoolImages(x, 3, stride, 1) }), nil
	case AvgPool3x3:
		return pool(func(x *Node) *Node { return AvgPoolImages(x, 3, stride, 1, false) }), nil
	case SkipConnect:
		if stride == 1 {
			return op{fn: func(_ *Ctx, x, gain *Node) *Node { return times(x, gain) }}, nil
		}
		return factorizedReduce(channels, channels, affine), nil
	case SepConv3x3:
		return sepConv(channels, 3, stride, affine), nil
	case SepConv5x5:
		return sepConv(channels, 5, stride, affine), nil
	case SepConv7x7:
		return sepConv(channels, 7, stride, affine), nil
	case DilConv3x3:
		return dilConv(channels, 3, stride, affine), nil
	case DilConv5x5:
		return dilConv(channels, 5, stride, affine), nil
	case Conv7x1x1x7:
		return conv7x1(channels, stride, affine), nil
	case Noise:
		return op{fn: func(_ *Ctx, x, gain *Node) *Node { return times(noise(x, fixedState(x), stride), gain) }}, nil
	}
	if stride == 1 && !affine {
		switch name {
		case NorConv1x1:
			return biasedConvBN(channels, 1), nil
		case NorConv3x3:
			return biasedConvBN(channels, 3), nil
		case PlainAvgPool3x3:
			return op{fn: func(_ *Ctx, x, gain *Node) *Node { return times(AvgPoolImages(x, 3, 1, 1, false), gain) }}, nil
		}
	}
	return op{}, fmt.Errorf("unknown operation %q, expected one of %v", name, Primitives)
}

// noise is the operation of space S4 in R-DARTS (1909.09656) that ignores its input: standard normal numbers of the shape
// of x at the stride, drawn from a random state uint64 [3].
func noise(x, state *Node, stride int) *Node {
	d := x.Shape().Clone()
	d.Dimensions[1], d.Dimensions[2] = (d.Dimensions[1]+stride-1)/stride, (d.Dimensions[2]+stride-1)/stride
	return StopGradient(StandardNormal(state, d))
}

// StandardNormal draws standard normal numbers from a random state uint64 [3]. Unlike GoMLX's RandomNormal, of whose numbers
// it gives the others bit for bit, it gives no infinity where the uniform number behind one is 0, which happens once in
// 2^32 numbers: XLA takes the smallest float32 there is, which RandomNormal puts in its place, for 0.
func StandardNormal(state *Node, shape shapes.Shape) *Node {
	state, u1 := RandomUniform(state, shape)
	_, u2 := RandomUniform(state, shape)
	return boxMuller(u1, u2)
}

// boxMuller makes a standard normal number of two uniform ones in [0, 1), which are multiples of at least 2^-64.
func boxMuller(u1, u2 *Node) *Node {
	u1 = MaxScalar(u1, 0x1p-65)
	return Mul(Sqrt(MulScalar(Log(u1), -2)), Cos(MulScalar(u2, 2*math.Pi)))
}

// fixedState is for networks that are evaluated: the same noise at every call.
func fixedState(x *Node) *Node { return Const(x.Graph(), []uint64{1, 2, 3}) }

// NoiseOp is the operation noise of a derived cell that draws anew at every call: inputs x [batch, height, width,
// channels] and a random state uint64 [3].
func NoiseOp(stride int) Module {
	return NewLeaf(fmt.Sprintf("drawn:%s|s%d", Noise, stride), nil, func(_ *Ctx, in []*Node) []*Node {
		return []*Node{noise(in[0], in[1], stride)}
	})
}

func times(x, gain *Node) *Node {
	if gain == nil {
		return x
	}
	return Mul(x, gain)
}

func square(n int) [2]int { return [2]int{n, n} }

// sepConv is twice (ReLU, depthwise, 1×1, batch norm), the stride in the first.
func sepConv(channels, k, stride int, affine bool) op {
	specs := slices.Concat(
		[]Spec{depthwiseSpec("op.1.weight", channels, k, k), pointwiseSpec("op.2.weight", channels, channels)},
		batchNormSpecs("op.3", channels, affine),
		[]Spec{depthwiseSpec("op.5.weight", channels, k, k), pointwiseSpec("op.6.weight", channels, channels)},
		batchNormSpecs("op.7", channels, affine))
	return op{specs, func(c *Ctx, x, gain *Node) *Node {
		pad := square(k / 2)
		x = DepthwiseConv(ReLU(x), c.Tensor("op.1.weight"), square(stride), square(1), pad)
		x = batchNorm(c, "op.3", PointwiseConv(x, c.Tensor("op.2.weight"), 1), nil)
		x = DepthwiseConv(ReLU(x), c.Tensor("op.5.weight"), square(1), square(1), pad)
		return batchNorm(c, "op.7", PointwiseConv(x, c.Tensor("op.6.weight"), 1), gain)
	}}
}

// dilConv is ReLU, depthwise with dilation 2, 1×1, batch norm.
func dilConv(channels, k, stride int, affine bool) op {
	specs := slices.Concat(
		[]Spec{depthwiseSpec("op.1.weight", channels, k, k), pointwiseSpec("op.2.weight", channels, channels)},
		batchNormSpecs("op.3", channels, affine))
	return op{specs, func(c *Ctx, x, gain *Node) *Node {
		x = DepthwiseConv(ReLU(x), c.Tensor("op.1.weight"), square(stride), square(2), square(k-1))
		return batchNorm(c, "op.3", PointwiseConv(x, c.Tensor("op.2.weight"), 1), gain)
	}}
}

// conv7x1 is ReLU, 1×7 with stride (1, s), 7×1 with stride (s, 1), batch norm; officially without the prefix op.
func conv7x1(channels, stride int, affine bool) op {
	specs := slices.Concat(
		[]Spec{convSpec("1.weight", channels, channels, 1, 7), convSpec("2.weight", channels, channels, 7, 1)},
		batchNormSpecs("3", channels, affine))
	return op{specs, func(c *Ctx, x, gain *Node) *Node {
		x = FullConv(ReLU(x), c.Tensor("1.weight"), [2]int{1, stride}, [2]int{0, 3})
		x = FullConv(x, c.Tensor("2.weight"), [2]int{stride, 1}, [2]int{3, 0})
		return batchNorm(c, "3", x, gain)
	}}
}

// factorizedReduce halves the image with two 1×1 convolutions of stride 2, the second one pixel further.
func factorizedReduce(in, out int, affine bool) op {
	specs := slices.Concat(
		[]Spec{pointwiseSpec("conv_1.weight", in, out/2), pointwiseSpec("conv_2.weight", in, out-out/2)},
		batchNormSpecs("bn", out, affine))
	return op{specs, func(c *Ctx, x, gain *Node) *Node {
		x = ReLU(x)
		shifted := Slice(x, AxisRange(), AxisRange(1), AxisRange(1), AxisRange())
		y := Concatenate([]*Node{PointwiseConv(x, c.Tensor("conv_1.weight"), 2), PointwiseConv(shifted, c.Tensor("conv_2.weight"), 2)}, -1)
		return batchNorm(c, "bn", y, gain)
	}}
}

func reluConvBN(in, out int, affine bool) op {
	specs := append([]Spec{pointwiseSpec("op.1.weight", in, out)}, batchNormSpecs("op.2", out, affine)...)
	return op{specs, func(c *Ctx, x, gain *Node) *Node {
		return batchNorm(c, "op.2", PointwiseConv(ReLU(x), c.Tensor("op.1.weight"), 1), gain)
	}}
}

// biasedConvBN is the convolution of NAS-Bench-201's supernet: ReLU, kernel×kernel convolution with a bias, batch norm
// without affine parameters. Its code gives a convolution a bias where the norm has none.
func biasedConvBN(channels, kernel int) op {
	weight := convSpec("op.1.weight", channels, channels, kernel, kernel)
	if kernel == 1 {
		weight = pointwiseSpec("op.1.weight", channels, channels)
	}
	specs := append([]Spec{weight, {Name: "op.1.bias", Shape: []int{channels}}}, batchNormSpecs("op.2", channels, false)...)
	return op{specs, func(c *Ctx, x, gain *Node) *Node {
		y := convolve(c.Tensor("op.1.weight"), ReLU(x), kernel, kernel, square(1))
		return batchNorm(c, "op.2", Add(y, alongChannels(c.Tensor("op.1.bias"), y)), gain)
	}}
}

func (o op) leaf(signature string) Module {
	return NewLeaf(signature, o.specs, func(c *Ctx, in []*Node) []*Node {
		var gain *Node
		if len(in) > 1 {
			gain = in[1]
		}
		return []*Node{o.fn(c, in[0], gain)}
	})
}

// Primitive is an operation of a derived cell: x [batch, height, width, channels] to the same with height and
// width divided by stride.
func Primitive(name string, channels, stride int, affine bool) (Module, error) {
	o, err := primitive(name, channels, stride, affine, false)
	if err != nil {
		return nil, err
	}
	return o.leaf(fmt.Sprintf("%s|C%d|s%d|affine=%t", name, channels, stride, affine)), nil
}

// SearchPrimitive is an operation of a supernet, whose batch norms have no affine parameters and whose pools
// have one: inputs x [batch, height, width, channels] and its mixing weight, a scalar.
func SearchPrimitive(name string, channels, stride int) (Module, error) {
	o, err := primitive(name, channels, stride, false, true)
	if err != nil {
		return nil, err
	}
	return o.leaf(fmt.Sprintf("search:%s|C%d|s%d", name, channels, stride)), nil
}

// ReLUConvBN is ReLU, a 1×1 convolution and batch norm: [batch, height, width, in] to [..., out].
func ReLUConvBN(in, out int, affine bool) Module {
	return reluConvBN(in, out, affine).leaf(fmt.Sprintf("relu_conv_bn|%d-%d|affine=%t", in, out, affine))
}

// FactorizedReduce halves height and width: [batch, height, width, in] to [batch, height/2, width/2, out].
func FactorizedReduce(in, out int, affine bool) Module {
	return factorizedReduce(in, out, affine).leaf(fmt.Sprintf("factorized_reduce|%d-%d|affine=%t", in, out, affine))
}

// Stem is a 3×3 convolution and batch norm, [batch, height, width, in] to [batch, height, width, out], with
// PyTorch's names 0 and 1.
func Stem(in, out int) Module {
	specs := append([]Spec{convSpec("0.weight", in, out, 3, 3)}, batchNormSpecs("1", out, true)...)
	return NewLeaf(fmt.Sprintf("stem|%d-%d", in, out), specs, func(c *Ctx, x []*Node) []*Node {
		return []*Node{BatchNorm(c, "1", FullConv(x[0], c.Tensor("0.weight"), square(1), square(1)))}
	})
}

// ImageNetStem0 is DARTS's first stem for ImageNet: twice a 3×3 convolution of stride 2 and batch norm, to out/2 and out
// channels, with ReLU between them. [batch, height, width, in] to [batch, height/4, width/4, out].
func ImageNetStem0(in, out int) Module {
	specs := slices.Concat([]Spec{convSpec("0.weight", in, out/2, 3, 3)}, batchNormSpecs("1", out/2, true),
		[]Spec{convSpec("3.weight", out/2, out, 3, 3)}, batchNormSpecs("4", out, true))
	return NewLeaf(fmt.Sprintf("imagenet_stem0|%d-%d", in, out), specs, func(c *Ctx, x []*Node) []*Node {
		y := ReLU(BatchNorm(c, "1", FullConv(x[0], c.Tensor("0.weight"), square(2), square(1))))
		return []*Node{BatchNorm(c, "4", FullConv(y, c.Tensor("3.weight"), square(2), square(1)))}
	})
}

// ImageNetStem1 is the second stem: ReLU, a 3×3 convolution of stride 2, batch norm. [batch, height, width, channels] to
// [batch, height/2, width/2, channels].
func ImageNetStem1(channels int) Module {
	specs := append([]Spec{convSpec("1.weight", channels, channels, 3, 3)}, batchNormSpecs("2", channels, true)...)
	return NewLeaf(fmt.Sprintf("imagenet_stem1|%d", channels), specs, func(c *Ctx, x []*Node) []*Node {
		return []*Node{BatchNorm(c, "2", FullConv(ReLU(x[0]), c.Tensor("1.weight"), square(2), square(1)))}
	})
}

// Classifier is a global average pool and a linear layer named classifier: [batch, height, width, channels]
// to [batch, classes].
func Classifier(channels, classes int) Module {
	return NewLeaf(fmt.Sprintf("classifier|%d-%d", channels, classes), denseSpecs("classifier", channels, classes),
		func(c *Ctx, x []*Node) []*Node {
			return []*Node{DenseLayer(c.In("classifier"), GlobalAvgPool(x[0]))}
		})
}

// AuxiliaryHead is DARTS's for CIFAR: ReLU, 5×5 average pool of stride 3, 1×1 to 128, batch norm, ReLU, 2×2 to
// 768, batch norm, ReLU, linear. [batch, 8, 8, channels] to [batch, classes].
func AuxiliaryHead(channels, classes int) Module { return auxiliaryHead(channels, classes, 3, true) }

// ImageNetAuxiliaryHead is the one for ImageNet: its pool has stride 2 and looks at [batch, 7, 7, channels]. The
// official code of DARTS, FairDARTS and NoisyDARTS leaves the second batch norm out, that of DARTS- has it.
func ImageNetAuxiliaryHead(channels, classes int, secondNorm bool) Module {
	return auxiliaryHead(channels, classes, 2, secondNorm)
}

func auxiliaryHead(channels, classes, stride int, secondNorm bool) Module {
	specs := slices.Concat(
		[]Spec{pointwiseSpec("features.2.weight", channels, 128)}, batchNormSpecs("features.3", 128, true),
		[]Spec{convSpec("features.5.weight", 128, 768, 2, 2)})
	if secondNorm {
		specs = append(specs, batchNormSpecs("features.6", 768, true)...)
	}
	specs = append(specs, denseSpecs("classifier", 768, classes)...)
	return NewLeaf(fmt.Sprintf("auxiliary|%d-%d|s%d|second=%t", channels, classes, stride, secondNorm), specs, func(c *Ctx, in []*Node) []*Node {
		x := AvgPoolImages(ReLU(in[0]), 5, stride, 0, false)
		x = ReLU(BatchNorm(c, "features.3", PointwiseConv(x, c.Tensor("features.2.weight"), 1)))
		x = FullConv(x, c.Tensor("features.5.weight"), square(1), square(0))
		if secondNorm {
			x = BatchNorm(c, "features.6", x)
		}
		return []*Node{DenseLayer(c.In("classifier"), Reshape(ReLU(x), x.Shape().Dimensions[0], -1))}
	})
}

type sum struct{ Module }

func (sum) PassesGradient() bool { return true }

func (s sum) Graph(c *Ctx, in []*Node) []*Node { return s.Module.(Leaf).Graph(c, in) }

// Sum adds its inputs, equal shapes, from the first to the last.
func Sum() Module {
	return sum{NewLeaf("sum", nil, func(_ *Ctx, in []*Node) []*Node {
		total := in[0]
		for _, x := range in[1:] {
			total = Add(total, x)
		}
		return []*Node{total}
	})}
}

// Concat joins its inputs [batch, height, width, *] along the channels.
func Concat() Module {
	return NewLeaf("concat", nil, func(_ *Ctx, in []*Node) []*Node {
		if len(in) == 1 {
			return in
		}
		return []*Node{Concatenate(in, -1)}
	})
}

// Zero is zeros of its input's shape.
func Zero() Module {
	return NewLeaf("zero", nil, func(_ *Ctx, in []*Node) []*Node { return []*Node{ZerosLike(in[0])} })
}

// DropPathModule is [DropPath] as a leaf: inputs x [batch, height, width, channels] and scale [batch].
func DropPathModule() Module {
	return NewLeaf("drop_path", nil, func(_ *Ctx, in []*Node) []*Node { return []*Node{DropPath(in[0], in[1])} })
}

type rows struct{ Module }

func (rows) MayBeUnread() bool { return true }

func (r rows) Graph(c *Ctx, in []*Node) []*Node { return r.Module.(Leaf).Graph(c, in) }

// Rows cuts [n, ...] into n tensors [...].
func Rows() Module {
	return rows{NewLeaf("rows", nil, func(_ *Ctx, in []*Node) []*Node {
		d := in[0].Shape().Dimensions
		rows := make([]*Node, d[0])
		for i := range rows {
			spec := []SliceAxisSpec{AxisElem(i)}
			for range d[1:] {
				spec = append(spec, AxisRange())
			}
			rows[i] = Reshape(Slice(in[0], spec...), d[1:]...)
		}
		return rows
	})}
}

// MixedOp is one operation of a mixed edge.
type MixedOp struct {
	// Module takes x [batch, height, width, channels], its mixing weight, a scalar, and the edge's further inputs that
	// Inputs numbers from 0. Nil adds nothing.
	Module Module
	Inputs []int
}

// MixedOps are the search primitives of these names, or [TemporalOp]s and their skip. None is not computed, for it adds
// nothing. Noise takes the edge's first further input, a random state uint64 [3].
func MixedOps(primitives []string, channels, stride int) ([]MixedOp, error) {
	ops, primitive := make([]MixedOp, len(primitives)), searchOps(primitives)
	for k, name := range primitives {
		switch name {
		case None:
			continue
		case Noise:
			ops[k] = MixedOp{noiseOp(stride), []int{0}}
			continue
		}
		m, err := primitive(name, channels, stride)
		if err != nil {
			return nil, err
		}
		ops[k].Module = m
	}
	return ops, nil
}

// Mixed is the weighted sum of operations: inputs x [batch, height, width, channels], weights [operations], and what
// the operations take besides. An operation that is not computed has a weight whose gradient is 0.
func Mixed(ops []MixedOp) (Module, error) {
	var children []Child
	signature := "mixed"
	for k, op := range ops {
		if op.Module == nil {
			signature += "|"
			continue
		}
		children = append(children, Child{fmt.Sprintf("_ops.%d", k), op.Module})
		signature += fmt.Sprintf("|%s%v", op.Module.Signature(), op.Inputs)
	}
	if len(children) == 0 {
		return nil, fmt.Errorf("a mixed edge computes nothing: expected an operation beside %q", None)
	}
	rows, add := Rows(), Sum()
	return NewComposite(signature, Edge, children, func(e Env, in []Value) []Value {
		weights, further := e.Call("", rows, in[1]), in[2:]
		outs := make([]Value, 0, len(children))
		for k, op := range ops {
			if op.Module == nil {
				continue
			}
			opIn := []Value{in[0], weights[k]}
			for _, i := range op.Inputs {
				opIn = append(opIn, further[i])
			}
			outs = append(outs, Call1(e, fmt.Sprintf("_ops.%d", k), op.Module, opIn...))
		}
		return e.Call("", add, outs...)
	}), nil
}

// Drawn is an edge on which operations of some numbers run, each a block of its own however edges are cut, so that one that
// is not drawn costs nothing: inputs are those of [Mixed], but that the second is the edge's gate, a scalar, which each
// operation takes as its weight. Names are those of [Mixed]. It is nil where none of the operations computes anything.
func Drawn(ops []MixedOp, numbers ...int) Module {
	var children []Child
	signature := "drawn"
	for _, k := range numbers {
		if ops[k].Module == nil {
			continue
		}
		children = append(children, Child{fmt.Sprintf("_ops.%d", k), ops[k].Module})
		signature += fmt.Sprintf("|%d %s%v", k, ops[k].Module.Signature(), ops[k].Inputs)
	}
	if len(children) == 0 {
		return nil
	}
	add := Sum()
	return NewComposite(signature, Cell, children, func(e Env, in []Value) []Value {
		var outs []Value
		for _, k := range numbers {
			if ops[k].Module == nil {
				continue
			}
			opIn := in[:2:2]
			for _, i := range ops[k].Inputs {
				opIn = append(opIn, in[2+i])
			}
			outs = append(outs, Call1(e, fmt.Sprintf("_ops.%d", k), ops[k].Module, opIn...))
		}
		if len(outs) == 1 {
			return outs
		}
		return e.Call("", add, outs...)
	})
}

// MixedEdge is [Mixed] of [MixedOps].
func MixedEdge(primitives []string, channels, stride int) (Module, error) {
	ops, err := MixedOps(primitives, channels, stride)
	if err != nil {
		return nil, err
	}
	return Mixed(ops)
}

// Beside adds a module, named in the tensors' names, to an edge: x [batch, height, width, channels] and those of the
// edge's further inputs that numbers says go into it, and what it puts out is added to the edge's output.
func Beside(edge Module, name string, m Module, numbers ...int) Module {
	add := Sum()
	signature := fmt.Sprintf("beside|%s|%s|%s%v", edge.Signature(), name, m.Signature(), numbers)
	return NewComposite(signature, Edge, []Child{{Module: edge}, {Name: name, Module: m}}, func(e Env, in []Value) []Value {
		also := []Value{in[0]}
		for _, i := range numbers {
			also = append(also, in[2+i])
		}
		return e.Call("", add, Call1(e, "", edge, in...), Call1(e, name, m, also...))
	})
}

// IdentityConv is gain times a 1×1 convolution that starts as the identity: inputs x [batch, height, width, channels] and
// gain, a scalar, to [batch, height/stride, width/stride, channels].
func IdentityConv(channels, stride int) Module {
	spec := pointwiseSpec("weight", channels, channels)
	spec.Identity = true
	return NewLeaf(fmt.Sprintf("identity_conv|C%d|s%d", channels, stride), []Spec{spec}, func(c *Ctx, in []*Node) []*Node {
		return []*Node{Mul(PointwiseConv(in[0], c.Tensor("weight"), stride), in[1])}
	})
}

// noiseOp is gain·noise: inputs x [batch, height, width, channels], gain, a scalar, and a random state uint64 [3].
func noiseOp(stride int) Module {
	return NewLeaf(fmt.Sprintf("search:%s|s%d", Noise, stride), nil, func(_ *Ctx, in []*Node) []*Node {
		return []*Node{Mul(noise(in[0], in[2], stride), in[1])}
	})
}

// PartialEdge is PC-DARTS's mixed edge (1907.05737): the first channels/k of x take the [MixedEdge], the others pass
// by (a 2×2 max-pool where the stride is 2), and the joined channels are shuffled in k groups. Inputs: x [batch,
// height, width, channels], weights [primitives] and the edge's own weight, a scalar.
func PartialEdge(primitives []string, channels, stride, k int) (Module, error) {
	if k < 2 || channels%k != 0 {
		return nil, fmt.Errorf("partial channels: %d channels cannot be cut into %d equal parts", channels, k)
	}
	part := channels / k
	mixed, err := MixedEdge(primitives, part, stride)
	if err != nil {
		return nil, err
	}
	split := NewLeaf(fmt.Sprintf("partial_split|%d of %d|s%d", part, channels, stride), nil, func(_ *Ctx, in []*Node) []*Node {
		rest := Slice(in[0], AxisRange(), AxisRange(), AxisRange(), AxisRange(part))
		if stride == 2 {
			rest = MaxPoolImages(rest, 2, 2, 0)
		}
		return []*Node{Slice(in[0], AxisRange(), AxisRange(), AxisRange(), AxisRange(0, part)), rest}
	})
	join := NewLeaf(fmt.Sprintf("partial_join|%d", k), nil, func(_ *Ctx, in []*Node) []*Node {
		x := Concatenate(in[:2], -1)
		d := x.Shape().Dimensions
		x = Transpose(Reshape(x, d[0], d[1], d[2], k, d[3]/k), 3, 4)
		return []*Node{Mul(Reshape(x, d...), in[2])}
	})
	return NewComposite(fmt.Sprintf("partial|%d|%s", k, mixed.Signature()), Edge, []Child{{Module: mixed}}, func(e Env, in []Value) []Value {
		halves := e.Call("", split, in[0])
		return e.Call("", join, Call1(e, "", mixed, halves[0], in[1]), halves[1], in[2])
	}), nil
}

// NoisySkip is gain·(x + scale·noise), noise standard normal: inputs x [batch, height, width, channels], gain, a scalar, a
// random state uint64 [3], and the scale, a scalar.
func NoisySkip() Module {
	return NewLeaf("noisy_skip", nil, func(_ *Ctx, in []*Node) []*Node {
		noise := StandardNormal(in[2], in[0].Shape())
		return []*Node{Mul(Add(in[0], StopGradient(Mul(noise, in[3]))), in[1])}
	})
}

// SoftmaxRows is the softmax over the last axis of x [rows, columns].
func SoftmaxRows(x *Node) *Node {
	shifted := Exp(Sub(x, BroadcastToDims(StopGradient(ReduceAndKeep(x, ReduceMax, -1)), x.Shape().Dimensions...)))
	return Div(shifted, BroadcastToDims(ReduceAndKeep(shifted, ReduceSum, -1), shifted.Shape().Dimensions...))
}
