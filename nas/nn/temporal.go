package nn

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// TemporalBlock is TC-ResNet's residual block over time (1904.03814): Kernel×1 convolution of the stride, batch norm, ReLU,
// Kernel×1 convolution, batch norm, and a gate where it has one; added to the input, or where shapes differ to a shortcut,
// a 1×1 convolution of the stride with batch norm and ReLU; ReLU. The gate, which AutoKWS (2009.03658) adds, stands before
// the sum, as in a residual block of squeeze-and-excitation (1709.01507).
type TemporalBlock struct {
	In, Out, Kernel, Stride int
	SqueezeExcite           *SqueezeExciteConfig
}

// TemporalGate is the gate of a block that puts out so many channels: a quarter of them, ReLU, sigmoid. No source at hand
// says how wide AutoKWS's is.
func TemporalGate(out int) *SqueezeExciteConfig {
	return &SqueezeExciteConfig{Squeeze: "se.squeeze", Excite: "se.excite", Reduced: max(1, out/4), Activation: "relu", Gate: "sigmoid"}
}

// Module is the block: [batch, frames, 1, In] to [batch, ceil(frames/Stride), 1, Out]. The padding is half the kernel on
// either side; TensorFlow's SAME pads one frame less before at stride 2.
func (b TemporalBlock) Module() (Module, error) {
	o, err := b.op(true)
	if err != nil {
		return nil, err
	}
	return o.leaf(b.signature()), nil
}

func (b TemporalBlock) signature() string {
	name := fmt.Sprintf("temporal|%d-%d|k%d|s%d", b.In, b.Out, b.Kernel, b.Stride)
	if s := b.SqueezeExcite; s != nil {
		name += fmt.Sprintf("|%+v", *s)
	}
	return name
}

func (b TemporalBlock) op(affine bool) (op, error) {
	project := b.In != b.Out || b.Stride != 1
	specs := slices.Concat([]Spec{convSpec("conv1.weight", b.In, b.Out, b.Kernel, 1)}, batchNormSpecs("bn1", b.Out, affine),
		[]Spec{convSpec("conv2.weight", b.Out, b.Out, b.Kernel, 1)}, batchNormSpecs("bn2", b.Out, affine))
	var squeeze, gate func(*Node) *Node
	if s := b.SqueezeExcite; s != nil {
		var err error
		if squeeze, err = Activation(s.Activation); err != nil {
			return op{}, err
		}
		if gate, err = Activation(s.Gate); err != nil {
			return op{}, err
		}
		specs = append(specs, s.specs(b.Out)...)
	}
	shortcut := convNormAct1x1(ConvNames{"shortcut", "shortcut_bn"}, b.In, b.Out, b.Stride, affine, ReLU)
	if project {
		specs = append(specs, shortcut.specs...)
	}
	return op{specs, func(c *Ctx, x, gain *Node) *Node {
		pad := [2]int{b.Kernel / 2, 0}
		y := ReLU(BatchNorm(c, "bn1", FullConv(x, c.Tensor("conv1.weight"), [2]int{b.Stride, 1}, pad)))
		y = BatchNorm(c, "bn2", FullConv(y, c.Tensor("conv2.weight"), [2]int{1, 1}, pad))
		if s := b.SqueezeExcite; s != nil {
			y = SqueezeExcite(c, s.Squeeze, s.Excite, y, squeeze, gate)
		}
		if project {
			x = shortcut.fn(c, x, nil)
		}
		return times(ReLU(Add(y, x)), gain)
	}}, nil
}

// TemporalOp is an operation of an edge of a chain of [TemporalBlock]s, whose input may have other channels than the edge
// puts out.
type TemporalOp struct {
	In, Kernel int
	Gate       bool
}

const (
	temporalForm  = "temporal_%dx1_from_%d"
	temporalGated = "_gated"
)

// Name is the operation's among those that [MixedOps] takes, such as temporal_9x1_from_16_gated.
func (o TemporalOp) Name() string {
	name := fmt.Sprintf(temporalForm, o.Kernel, o.In)
	if o.Gate {
		name += temporalGated
	}
	return name
}

// temporalOp is the inverse of [TemporalOp.Name]; false for other names.
func temporalOp(name string) (TemporalOp, bool) {
	var o TemporalOp
	if n, err := fmt.Sscanf(name, temporalForm, &o.Kernel, &o.In); err != nil || n != 2 {
		return o, false
	}
	if o.Name() != name {
		o.Gate = true
	}
	return o, o.Name() == name
}

// search is the operation of a supernet, without affine parameters of batch norm.
func (o TemporalOp) search(channels, stride int) (Module, error) {
	b := TemporalBlock{In: o.In, Out: channels, Kernel: o.Kernel, Stride: stride}
	if o.Gate {
		b.SqueezeExcite = TemporalGate(channels)
	}
	made, err := b.op(false)
	if err != nil {
		return nil, err
	}
	return made.leaf("search:" + b.signature()), nil
}

// temporalSkip is the skip of an edge that has temporal operations. It is the identity where the edge's input can be its
// output, and elsewhere what such a block has in the place of its identity: its shortcut, a 1×1 convolution of the stride
// with batch norm and ReLU. DARTS's skip of stride 2 is of images: it needs two pixels of either axis.
func temporalSkip(in, channels, stride int) (Module, error) {
	if in == channels && stride == 1 {
		return SearchPrimitive(SkipConnect, channels, stride)
	}
	return convNormAct1x1(ConvNames{"conv", "bn"}, in, channels, stride, false, ReLU).leaf(fmt.Sprintf("search:temporal_skip|%d-%d|s%d", in, channels, stride)), nil
}

// searchOps are the search primitives of an edge by name, of which [TemporalOp]s say what its skip is.
func searchOps(primitives []string) func(name string, channels, stride int) (Module, error) {
	for _, name := range primitives {
		if o, ok := temporalOp(name); ok {
			return func(name string, channels, stride int) (Module, error) {
				if name == SkipConnect {
					return temporalSkip(o.In, channels, stride)
				}
				if other, ok := temporalOp(name); ok {
					return other.search(channels, stride)
				}
				return SearchPrimitive(name, channels, stride)
			}
		}
	}
	return SearchPrimitive
}
