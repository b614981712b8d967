package nn

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

var activations = map[string]func(*Node) *Node{
	"":         func(x *Node) *Node { return x },
	"relu":     ReLU,
	"relu6":    ReLU6,
	"hsigmoid": HardSigmoid,
	"hswish":   HardSwish,
	"swish":    Swish,
	"sigmoid":  Sigmoid,
}

// Activation is the function of a name that architectures use: relu, relu6, hsigmoid, hswish, swish, sigmoid, or
// nothing for none. Any shape.
func Activation(name string) (func(*Node) *Node, error) {
	f, ok := activations[name]
	if !ok {
		return nil, fmt.Errorf("unknown activation %q, expected relu, relu6, hsigmoid, hswish, swish, sigmoid or nothing", name)
	}
	return f, nil
}

// ConvNames are the names of a convolution and of the batch norm behind it.
type ConvNames struct {
	Conv, Norm string
}

// Convolution is a convolution without batch norm: [batch, height, width, in] to [batch, height/stride, width/stride,
// out], kernel kh×kw with a padding of half of it.
func Convolution(name string, in, out, kh, kw int, stride [2]int) Module {
	weight := Join(name, "weight")
	spec := convSpec(weight, in, out, kh, kw)
	if kh == 1 && kw == 1 {
		spec = pointwiseSpec(weight, in, out)
	}
	return NewLeaf(fmt.Sprintf("conv|%s|%d-%d|%dx%d|s%v", name, in, out, kh, kw, stride), []Spec{spec}, func(c *Ctx, x []*Node) []*Node {
		return []*Node{convolve(c.Tensor(weight), x[0], kh, kw, stride)}
	})
}

// DepthwiseConvolution is a depthwise convolution without batch norm: [batch, height, width, channels] to [batch, height/stride,
// width/stride, channels], kernel kh×kw with a padding of half of it. A kernel of 1 along an axis looks along the other alone.
func DepthwiseConvolution(name string, channels, kh, kw int, stride [2]int) Module {
	weight := Join(name, "weight")
	return NewLeaf(fmt.Sprintf("depthwise|%s|%d|%dx%d|s%v", name, channels, kh, kw, stride), []Spec{depthwiseSpec(weight, channels, kh, kw)}, func(c *Ctx, x []*Node) []*Node {
		return []*Node{DepthwiseConv(x[0], c.Tensor(weight), stride, square(1), [2]int{kh / 2, kw / 2})}
	})
}

func convolve(w, x *Node, kh, kw int, stride [2]int) *Node {
	if kh == 1 && kw == 1 {
		return PointwiseConv(x, w, stride[0])
	}
	return FullConv(x, w, stride, [2]int{kh / 2, kw / 2})
}

// NormAct is batch norm and an activation: any shape with the channels last.
func NormAct(norm string, channels int, activation string) (Module, error) {
	act, err := Activation(activation)
	if err != nil {
		return nil, err
	}
	return NewLeaf(fmt.Sprintf("norm|%s|%d|%s", norm, channels, activation), batchNormSpecs(norm, channels, true), func(c *Ctx, x []*Node) []*Node {
		return []*Node{act(BatchNorm(c, norm, x[0]))}
	}), nil
}

// ConvNorm is a 1×1 convolution and batch norm: [batch, height, width, in] to [batch, height/stride, width/stride, out].
func ConvNorm(names ConvNames, in, out, stride int) Module {
	specs := append([]Spec{pointwiseSpec(Join(names.Conv, "weight"), in, out)}, batchNormSpecs(names.Norm, out, true)...)
	return NewLeaf(fmt.Sprintf("conv_norm|%v|%d-%d|s%d", names, in, out, stride), specs, func(c *Ctx, x []*Node) []*Node {
		return []*Node{BatchNorm(c, names.Norm, PointwiseConv(x[0], c.Tensor(Join(names.Conv, "weight")), stride))}
	})
}

// ConvNormAct is [ConvNorm] with an activation behind it.
func ConvNormAct(names ConvNames, in, out, stride int, activation string) (Module, error) {
	act, err := Activation(activation)
	if err != nil {
		return nil, err
	}
	o := convNormAct1x1(names, in, out, stride, true, act)
	return o.leaf(fmt.Sprintf("conv_norm|%v|%d-%d|s%d|%s", names, in, out, stride, activation)), nil
}

func convNormAct1x1(names ConvNames, in, out, stride int, affine bool, act func(*Node) *Node) op {
	specs := append([]Spec{pointwiseSpec(Join(names.Conv, "weight"), in, out)}, batchNormSpecs(names.Norm, out, affine)...)
	return op{specs, func(c *Ctx, x, gain *Node) *Node {
		return times(act(BatchNorm(c, names.Norm, PointwiseConv(x, c.Tensor(Join(names.Conv, "weight")), stride))), gain)
	}}
}

// SqueezeExciteConfig is the gate of a [Bottleneck] or a [TemporalBlock].
type SqueezeExciteConfig struct {
	// Squeeze and Excite name its two 1×1 convolutions with bias.
	Squeeze, Excite  string
	Reduced          int
	Activation, Gate string
}

// specs are the tensors of a gate on so many channels.
func (s SqueezeExciteConfig) specs(channels int) []Spec {
	return []Spec{pointwiseSpec(Join(s.Squeeze, "weight"), channels, s.Reduced), {Name: Join(s.Squeeze, "bias"), Shape: []int{s.Reduced}},
		pointwiseSpec(Join(s.Excite, "weight"), s.Reduced, channels), {Name: Join(s.Excite, "bias"), Shape: []int{channels}}}
}

// Bottleneck is the inverted bottleneck of MobileNetV2 (1801.04381): 1×1 to Hidden, batch norm, activation, depthwise
// Kernel[0]×Kernel[1], batch norm, activation, squeeze-and-excitation where it has one, 1×1 to Out, batch norm, and the
// input where it is a residual. Without a name for Expand it starts with the depthwise convolution, on Hidden = In
// channels. The padding is half the kernel of either axis, so that a kernel of 1 along an axis reads every Stride-th position there
// and no other.
type Bottleneck struct {
	Expand, Depthwise, Project ConvNames
	In, Hidden, Out            int
	Kernel                     [2]int
	Stride                     int
	Activation                 string
	SqueezeExcite              *SqueezeExciteConfig
	Residual                   bool
}

// Module is the block: [batch, height, width, In] to [batch, height/Stride, width/Stride, Out].
func (b Bottleneck) Module() (Module, error) {
	act, err := Activation(b.Activation)
	if err != nil {
		return nil, err
	}
	expand := b.Expand.Conv != ""
	if !expand && b.Hidden != b.In {
		return nil, fmt.Errorf("bottleneck: without an expansion hidden must be the %d channels of the input, got %d", b.In, b.Hidden)
	}
	var specs []Spec
	if expand {
		specs = append([]Spec{pointwiseSpec(Join(b.Expand.Conv, "weight"), b.In, b.Hidden)}, batchNormSpecs(b.Expand.Norm, b.Hidden, true)...)
	}
	specs = slices.Concat(specs, []Spec{depthwiseSpec(Join(b.Depthwise.Conv, "weight"), b.Hidden, b.Kernel[0], b.Kernel[1])}, batchNormSpecs(b.Depthwise.Norm, b.Hidden, true))
	signature := fmt.Sprintf("bottleneck|%+v", b)
	var squeeze, gate func(*Node) *Node
	if s := b.SqueezeExcite; s != nil {
		signature = fmt.Sprintf("bottleneck|%+v|%+v", b.withoutGate(), *s)
		if squeeze, err = Activation(s.Activation); err != nil {
			return nil, err
		}
		if gate, err = Activation(s.Gate); err != nil {
			return nil, err
		}
		specs = append(specs, s.specs(b.Hidden)...)
	}
	specs = slices.Concat(specs, []Spec{pointwiseSpec(Join(b.Project.Conv, "weight"), b.Hidden, b.Out)}, batchNormSpecs(b.Project.Norm, b.Out, true))
	return NewLeaf(signature, specs, func(c *Ctx, in []*Node) []*Node {
		x := in[0]
		if expand {
			x = act(BatchNorm(c, b.Expand.Norm, PointwiseConv(x, c.Tensor(Join(b.Expand.Conv, "weight")), 1)))
		}
		x = act(BatchNorm(c, b.Depthwise.Norm, DepthwiseConv(x, c.Tensor(Join(b.Depthwise.Conv, "weight")), square(b.Stride), square(1), [2]int{b.Kernel[0] / 2, b.Kernel[1] / 2})))
		if s := b.SqueezeExcite; s != nil {
			x = SqueezeExcite(c, s.Squeeze, s.Excite, x, squeeze, gate)
		}
		x = BatchNorm(c, b.Project.Norm, PointwiseConv(x, c.Tensor(Join(b.Project.Conv, "weight")), 1))
		if b.Residual {
			x = Add(x, in[0])
		}
		return []*Node{x}
	}), nil
}

func (b Bottleneck) withoutGate() Bottleneck {
	b.SqueezeExcite = nil
	return b
}

// ReLUConvNorm is the operation of NAS-Bench-201 (2001.00326): ReLU, kernel×kernel convolution, batch norm.
func ReLUConvNorm(in, out, kernel, stride int) Module {
	specs := []Spec{convSpec("op.1.weight", in, out, kernel, kernel)}
	if kernel == 1 {
		specs[0] = pointwiseSpec("op.1.weight", in, out)
	}
	specs = append(specs, batchNormSpecs("op.2", out, true)...)
	return NewLeaf(fmt.Sprintf("relu_conv_norm|%d-%d|k%d|s%d", in, out, kernel, stride), specs, func(c *Ctx, x []*Node) []*Node {
		return []*Node{BatchNorm(c, "op.2", convolve(c.Tensor("op.1.weight"), ReLU(x[0]), kernel, kernel, square(stride)))}
	})
}

// GridPool is NAS-Bench-201's average pool, 3×3 with stride 1 on the pixels inside the image.
func GridPool() Module {
	return NewLeaf("grid_pool", nil, func(_ *Ctx, x []*Node) []*Node { return []*Node{AvgPoolImages(x[0], 3, 1, 1, false)} })
}

// GridReduction is the residual block between the stages of NAS-Bench-201: twice ReLU, 3×3 and batch norm, the first
// of stride 2, added to a 2×2 average pool and a 1×1 convolution.
func GridReduction(in, out int) Module {
	specs := slices.Concat([]Spec{convSpec("conv_a.op.1.weight", in, out, 3, 3)}, batchNormSpecs("conv_a.op.2", out, true),
		[]Spec{convSpec("conv_b.op.1.weight", out, out, 3, 3)}, batchNormSpecs("conv_b.op.2", out, true),
		[]Spec{pointwiseSpec("downsample.1.weight", in, out)})
	return NewLeaf(fmt.Sprintf("grid_reduction|%d-%d", in, out), specs, func(c *Ctx, x []*Node) []*Node {
		y := BatchNorm(c, "conv_a.op.2", FullConv(ReLU(x[0]), c.Tensor("conv_a.op.1.weight"), square(2), square(1)))
		y = BatchNorm(c, "conv_b.op.2", FullConv(ReLU(y), c.Tensor("conv_b.op.1.weight"), square(1), square(1)))
		shortcut := PointwiseConv(AvgPoolImages(x[0], 2, 2, 0, false), c.Tensor("downsample.1.weight"), 1)
		return []*Node{Add(shortcut, y)}
	})
}

// PooledClassifier is a global average pool, a 1×1 convolution without batch norm to hidden channels with an
// activation (left out for hidden 0), and a linear layer: [batch, height, width, channels] to [batch, classes]. In
// training with dropout the second input holds each feature's factor, [batch, channels or hidden].
func PooledClassifier(name, hiddenName string, channels, hidden, classes int, activation string, bias, dropout bool) (Module, error) {
	act, err := Activation(activation)
	if err != nil {
		return nil, err
	}
	var specs []Spec
	width := channels
	if hidden > 0 {
		specs = append(specs, pointwiseSpec(Join(hiddenName, "weight"), channels, hidden))
		width = hidden
	}
	dense := denseSpecs(name, width, classes)
	if !bias {
		dense = dense[:1]
	}
	specs = append(specs, dense...)
	return NewLeaf(fmt.Sprintf("pooled_classifier|%s|%s|%d-%d-%d|%s|bias=%t|dropout=%t", name, hiddenName, channels, hidden, classes, activation, bias, dropout), specs,
		func(c *Ctx, in []*Node) []*Node {
			x := GlobalAvgPool(in[0])
			if hidden > 0 {
				x = act(Dot(x, c.Tensor(Join(hiddenName, "weight"))).Product())
			}
			features := x
			if dropout {
				x = Mul(x, in[1])
			}
			return []*Node{DenseLayer(c.In(name), x), features}
		}), nil
}
