package nn

import (
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors/images"
)

// Batch norm's constants in PyTorch.
const (
	BatchNormEpsilon  = 1e-5
	BatchNormMomentum = 0.1
)

// ReLU is max(x, 0); its gradient at 0 is 0 and NaN passes on, as in PyTorch. Any shape.
func ReLU(x *Node) *Node {
	zero := ScalarZero(x.Graph(), x.DType())
	return Where(LessOrEqual(x, zero), ZerosLike(x), x)
}

// ReLU6 is min(max(x, 0), 6), with gradient 1 strictly inside (0, 6) as in PyTorch. Any shape.
func ReLU6(x *Node) *Node {
	six := Scalar(x.Graph(), x.DType(), 6)
	return Where(GreaterOrEqual(x, six), AddScalar(ZerosLike(x), 6), ReLU(x))
}

// HardSigmoid is ReLU6(x+3)/6. Any shape.
func HardSigmoid(x *Node) *Node { return MulScalar(ReLU6(AddScalar(x, 3)), 1.0/6) }

// HardSwish is x·ReLU6(x+3)/6. Any shape.
func HardSwish(x *Node) *Node { return Mul(x, HardSigmoid(x)) }

// Swish is x·sigmoid(x). Any shape.
func Swish(x *Node) *Node { return Mul(x, Sigmoid(x)) }

// withGradient returns y as a function of xs whose gradient is vjp; y must be built from StopGradient of xs.
// GoMLX offers custom gradients for one input, so the inputs travel flattened in one vector, which XLA removes.
func withGradient(xs []*Node, y *Node, vjp func(v *Node) []*Node) *Node {
	parts := make([]*Node, 0, len(xs)+1)
	sizes := make([]int, 0, len(xs)+1)
	for _, x := range xs {
		parts = append(parts, Reshape(x, x.Shape().Size()))
		sizes = append(sizes, x.Shape().Size())
	}
	parts = append(parts, Reshape(y, y.Shape().Size()))
	start := 0
	for _, s := range sizes {
		start += s
	}
	size := y.Shape().Size()
	all := IdentityWithCustomGradient(Concatenate(parts, 0), func(_, v *Node) *Node {
		grads := vjp(Reshape(Slice(v, AxisRange(start, start+size)), y.Shape().Dimensions...))
		flat := make([]*Node, 0, len(grads)+1)
		for _, g := range grads {
			flat = append(flat, Reshape(g, g.Shape().Size()))
		}
		flat = append(flat, Zeros(v.Graph(), shapes.Make(v.DType(), size)))
		return Concatenate(flat, 0)
	})
	return Reshape(Slice(all, AxisRange(start, start+size)), y.Shape().Dimensions...)
}

var nhwc = compute.ConvolveAxesConfig{
	InputBatch: 0, InputSpatial: []int{1, 2}, InputChannels: 3,
	KernelSpatial: []int{0, 1}, KernelInputChannels: 2, KernelOutputChannels: 3,
	OutputBatch: 0, OutputSpatial: []int{1, 2}, OutputChannels: 3,
}

// dwAxes makes one convolution of a kernel's gradient: channels are the batch, in groups for a depthwise one.
var dwAxes = compute.ConvolveAxesConfig{
	InputBatch: 3, InputSpatial: []int{1, 2}, InputChannels: 0,
	KernelSpatial: []int{1, 2}, KernelInputChannels: 0, KernelOutputChannels: 3,
	OutputSpatial: []int{0, 1}, OutputBatch: 2, OutputChannels: 3,
}

// DepthwiseConv convolves each channel of x [batch, height, width, channels] with its own kernel
// [kh, kw, 1, channels]; padding is symmetric, for height and width. The forms of the result and of its two
// gradients are those that package backend runs with its own kernels on a CPU and cuDNN on a GPU.
func DepthwiseConv(x, kernel *Node, stride, dilation [2]int, padding [2]int) *Node {
	dims := x.Shape().Dimensions
	channels := dims[3]
	k := kernel.Shape().Dimensions[:2]
	strides, dilations := stride[:], dilation[:]
	y := ConvGeneral(StopGradient(x), StopGradient(kernel), nhwc, strides,
		[][2]int{{padding[0], padding[0]}, {padding[1], padding[1]}}, []int{1, 1}, dilations, channels, 1)
	return withGradient([]*Node{x, kernel}, y, func(v *Node) []*Node {
		return []*Node{
			convInputGradient(kernel, v, dims[1:3], k, strides, dilations, padding, nhwc, channels),
			convKernelGradient(x, v, k, strides, dilations, padding, channels),
		}
	})
}

func convInputGradient(kernel, v *Node, in, k, strides, dilations []int, padding [2]int, axes compute.ConvolveAxesConfig, channelGroups int) *Node {
	pads := make([][2]int, 2)
	for i := range pads {
		span := dilations[i] * (k[i] - 1)
		low := span - padding[i]
		spread := (v.Shape().Dimensions[1+i]-1)*strides[i] + 1
		pads[i] = [2]int{low, in[i] + span - spread - low}
	}
	return ConvGeneral(v, Reverse(kernel, 0, 1), axes, []int{1, 1}, pads, strides, dilations, channelGroups, 1)
}

func convKernelGradient(x, v *Node, k, strides, dilations []int, padding [2]int, batchGroups int) *Node {
	if batchGroups > 1 && !supports(x, compute.OpTypeBatchNormForTraining) {
		// The pure-Go backend, which has no batch norm either, miscounts groups along the batch.
		return kernelGradientByShifts(x, v, k, strides, dilations, padding)
	}
	pads := make([][2]int, 2)
	for i := range pads {
		spread := (v.Shape().Dimensions[1+i]-1)*strides[i] + 1
		pads[i] = [2]int{padding[i], (k[i]-1)*dilations[i] + spread - x.Shape().Dimensions[1+i] - padding[i]}
	}
	return ConvGeneral(x, v, dwAxes, dilations, pads, []int{1, 1}, strides, 1, batchGroups)
}

// kernelGradientByShifts sums, for each element of the kernel, the product of v and the pixels it met.
func kernelGradientByShifts(x, v *Node, k, strides, dilations []int, padding [2]int) *Node {
	out := v.Shape().Dimensions
	padded := x
	for i := range 2 {
		low := padding[i]
		high := max((out[1+i]-1)*strides[i]+(k[i]-1)*dilations[i]+1-x.Shape().Dimensions[1+i]-low, 0)
		parts := []*Node{padded}
		zeros := func(n int) *Node {
			d := padded.Shape().Clone()
			d.Dimensions[1+i] = n
			return Zeros(x.Graph(), d)
		}
		if low > 0 {
			parts = append([]*Node{zeros(low)}, parts...)
		}
		if high > 0 {
			parts = append(parts, zeros(high))
		}
		if len(parts) > 1 {
			padded = Concatenate(parts, 1+i)
		}
	}
	var rows []*Node
	for i := range k[0] {
		for j := range k[1] {
			y, z := i*dilations[0], j*dilations[1]
			met := Slice(padded, AxisRange(), AxisRange(y, y+(out[1]-1)*strides[0]+1).Stride(strides[0]),
				AxisRange(z, z+(out[2]-1)*strides[1]+1).Stride(strides[1]), AxisRange())
			rows = append(rows, Reshape(ReduceSum(Mul(met, v), 0, 1, 2), 1, 1, 1, out[3]))
		}
	}
	return Reshape(Concatenate(rows, 0), k[0], k[1], 1, out[3])
}

// FullConv convolves x [batch, height, width, in] with kernel [kh, kw, in, out]; padding is symmetric. Its gradients
// are written here because GoMLX's with respect to x is wrong for kernels of even size.
func FullConv(x, kernel *Node, stride, padding [2]int) *Node {
	in, k, ones := x.Shape().Dimensions[1:3], kernel.Shape().Dimensions[:2], []int{1, 1}
	y := ConvGeneral(StopGradient(x), StopGradient(kernel), nhwc, stride[:],
		[][2]int{{padding[0], padding[0]}, {padding[1], padding[1]}}, ones, ones, 1, 1)
	swapped := nhwc
	swapped.KernelInputChannels, swapped.KernelOutputChannels = nhwc.KernelOutputChannels, nhwc.KernelInputChannels
	return withGradient([]*Node{x, kernel}, y, func(v *Node) []*Node {
		return []*Node{
			convInputGradient(kernel, v, in, k, stride[:], ones, padding, swapped, 1),
			convKernelGradient(x, v, k, stride[:], ones, padding, 1),
		}
	})
}

// PointwiseConv is the 1×1 convolution of x [batch, height, width, in] with w [in, out], stride first.
func PointwiseConv(x, w *Node, stride int) *Node {
	if stride != 1 {
		x = Slice(x, AxisRange(), AxisRange().Stride(stride), AxisRange().Stride(stride), AxisRange())
	}
	d := x.Shape().Dimensions
	y := Dot(Reshape(x, d[0]*d[1]*d[2], d[3]), w).Product()
	return Reshape(y, d[0], d[1], d[2], w.Shape().Dimensions[1])
}

// MaxPoolImages takes windows of size×size over x [batch, height, width, channels]; padding never wins.
func MaxPoolImages(x *Node, size, stride, padding int) *Node {
	return MaxPool(x).ChannelsAxis(images.ChannelsLast).Window(size).Strides(stride).
		PaddingPerDim([][2]int{{padding, padding}, {padding, padding}}).Done()
}

// AvgPoolImages averages windows of size×size over x [batch, height, width, channels]. With countPadding the
// divisor is size², otherwise the number of pixels inside the image (count_include_pad=False).
func AvgPoolImages(x *Node, size, stride, padding int, countPadding bool) *Node {
	g := x.Graph()
	channels := x.Shape().Dimensions[3]
	kernel := Ones(g, shapes.Make(x.DType(), size, size, 1, channels))
	sums := DepthwiseConv(x, kernel, [2]int{stride, stride}, [2]int{1, 1}, [2]int{padding, padding})
	if countPadding || padding == 0 {
		return MulScalar(sums, 1/float64(size*size))
	}
	d := sums.Shape().Dimensions
	rows := poolCounts(x.Shape().Dimensions[1], d[1], size, stride, padding)
	cols := poolCounts(x.Shape().Dimensions[2], d[2], size, stride, padding)
	inverse := make([][]float64, d[1])
	for i := range inverse {
		inverse[i] = make([]float64, d[2])
		for j := range inverse[i] {
			inverse[i][j] = 1 / (rows[i] * cols[j])
		}
	}
	divisors := ConvertDType(Const(g, inverse), x.DType())
	return Mul(sums, BroadcastToDims(Reshape(divisors, 1, d[1], d[2], 1), d...))
}

// poolCounts is the number of valid elements of each window along one axis.
func poolCounts(in, out, size, stride, padding int) []float64 {
	counts := make([]float64, out)
	for i := range counts {
		low := max(i*stride-padding, 0)
		high := min(i*stride-padding+size, in)
		counts[i] = float64(high - low)
	}
	return counts
}

// GlobalAvgPool averages x [batch, height, width, channels] to [batch, channels].
func GlobalAvgPool(x *Node) *Node { return ReduceMean(x, 1, 2) }

// BatchNorm normalises x [..., channels] with the context's tensors weight and bias (where it has them),
// running_mean and running_var under name. In training it uses the batch's statistics, biased, and puts
// 0.9·old + 0.1·batch into the running ones, with the unbiased variance.
func BatchNorm(c *Ctx, name string, x *Node) *Node { return batchNorm(c, name, x, nil) }

// batchNorm multiplies the result by gain, a scalar, where it is not nil. The factor goes into the scale, so
// that a mixed operation costs no pass over the image and gain's gradient comes with the scale's.
func batchNorm(c *Ctx, name string, x, gain *Node) *Node {
	c = c.In(name)
	g, dtype := x.Graph(), x.DType()
	c.shared.normalised += int64(x.Shape().Size())
	channels := x.Shape().Dimensions[x.Rank()-1]
	vector := shapes.Make(dtype, channels)
	scale, offset := Ones(g, vector), Zeros(g, vector)
	if c.Has("weight") {
		scale, offset = c.Tensor("weight"), c.Tensor("bias")
	}
	if gain != nil {
		if c.Has("weight") {
			scale, offset = Mul(scale, gain), Mul(offset, gain)
		} else {
			scale = BroadcastToDims(gain, channels)
		}
	}
	if !c.Train {
		mean, variance := c.Tensor("running_mean"), c.Tensor("running_var")
		if c.Recalibrate > 0 {
			head := Slice(x, AxisRange(0, c.Recalibrate))
			_, mean, variance = normalise(head, Ones(g, vector), Zeros(g, vector))
			variance = unbiased(variance, head)
		}
		inverse := Mul(scale, Reciprocal(Sqrt(AddScalar(variance, BatchNormEpsilon))))
		shift := Sub(offset, Mul(mean, inverse))
		return Add(Mul(x, alongChannels(inverse, x)), alongChannels(shift, x))
	}
	y, mean, variance := normalise(x, scale, offset)
	mean, variance = StopGradient(mean), unbiased(StopGradient(variance), x)
	c.Update("running_mean", Add(MulScalar(c.Tensor("running_mean"), 1-BatchNormMomentum), MulScalar(mean, BatchNormMomentum)))
	c.Update("running_var", Add(MulScalar(c.Tensor("running_var"), 1-BatchNormMomentum), MulScalar(variance, BatchNormMomentum)))
	return y
}

// unbiased makes x's variance [channels] unbiased. PyTorch refuses a single value a channel, which has none.
func unbiased(variance, x *Node) *Node {
	n := float64(x.Shape().Size() / variance.Shape().Size())
	return MulScalar(variance, n/math.Max(n-1, 1))
}

// supports tells whether the backend of the graph has an operation; the pure-Go one lacks some.
func supports(x *Node, op compute.OpType) bool {
	return x.Graph().Backend().Capabilities().Operations[op]
}

// normalise is batch norm with the statistics of x itself: the result, mean and biased variance [channels].
func normalise(x, scale, offset *Node) (y, mean, variance *Node) {
	if supports(x, compute.OpTypeBatchNormForTraining) {
		return InternalBatchNormForTraining(x, scale, offset, BatchNormEpsilon, -1)
	}
	axes := make([]int, x.Rank()-1)
	for i := range axes {
		axes[i] = i
	}
	mean = ReduceMean(x, axes...)
	centred := Sub(x, alongChannels(mean, x))
	variance = ReduceMean(Mul(centred, centred), axes...)
	factor := Mul(scale, Reciprocal(Sqrt(AddScalar(variance, BatchNormEpsilon))))
	return Add(Mul(centred, alongChannels(factor, x)), alongChannels(offset, x)), mean, variance
}

func alongChannels(v, x *Node) *Node {
	d := make([]int, x.Rank())
	for i := range d {
		d[i] = 1
	}
	d[len(d)-1] = v.Shape().Dimensions[0]
	return BroadcastToDims(Reshape(v, d...), x.Shape().Dimensions...)
}

// SqueezeExcite scales x [batch, height, width, channels] by a gate computed from its means:
// gate(expand(squeeze(reduce(mean x)))), with tensors reduceName and expandName (1×1 convolutions with bias).
func SqueezeExcite(c *Ctx, reduceName, expandName string, x *Node, squeeze, gate func(*Node) *Node) *Node {
	d := x.Shape().Dimensions
	s := GlobalAvgPool(x)
	s = squeeze(DenseLayer(c.In(reduceName), s))
	s = gate(DenseLayer(c.In(expandName), s))
	return Mul(x, BroadcastToDims(Reshape(s, d[0], 1, 1, d[3]), d...))
}

// DenseLayer is x [batch, in] times the context's weight [in, out], plus its bias where it has one.
func DenseLayer(c *Ctx, x *Node) *Node {
	y := Dot(x, c.Tensor("weight")).Product()
	if c.Has("bias") {
		y = Add(y, BroadcastToDims(Reshape(c.Tensor("bias"), 1, y.Shape().Dimensions[1]), y.Shape().Dimensions...))
	}
	return y
}

// DropPath multiplies each sample of x [batch, height, width, channels] by its entry of scale [batch], which
// is 0 (dropped) or 1/(1-p) (kept).
func DropPath(x, scale *Node) *Node {
	d := x.Shape().Dimensions
	return Mul(x, BroadcastToDims(Reshape(scale, d[0], 1, 1, 1), d...))
}

// DropPathScale draws the scale of [DropPath] for the samples of x [batch, ...] from a random state uint64 [3]: 0 with a
// probability, else 1/(1 - probability), [batch].
func DropPathScale(state, x *Node, probability float64) *Node {
	_, u := RandomUniform(state, shapes.Make(x.DType(), x.Shape().Dimensions[0]))
	stays := LessThan(u, Scalar(u.Graph(), u.DType(), 1-probability))
	return DivScalar(ConvertDType(stays, u.DType()), 1-probability)
}

// StandardDeviation is that of all numbers of x, whose squared deviations are divided by one less than there are; a scalar.
func StandardDeviation(x *Node) *Node {
	d := Sub(x, ReduceAllMean(x))
	return Sqrt(DivScalar(ReduceAllSum(Mul(d, d)), float64(x.Shape().Size()-1)))
}

// CrossEntropy is the mean over the batch of -log softmax(logits)[label], with the targets smoothed by
// smoothing: (1-smoothing) on the label and smoothing/classes on every class. logits [batch, classes],
// labels int32 [batch]; a scalar.
func CrossEntropy(logits, labels *Node, smoothing float64) *Node {
	classes := logits.Shape().Dimensions[1]
	shifted := Sub(logits, BroadcastToDims(StopGradient(ReduceAndKeep(logits, ReduceMax, -1)), logits.Shape().Dimensions...))
	logSum := Log(ReduceAndKeep(Exp(shifted), ReduceSum, -1))
	logProbabilities := Sub(shifted, BroadcastToDims(logSum, logits.Shape().Dimensions...))
	targets := OneHot(labels, classes, logits.DType())
	if smoothing > 0 {
		targets = AddScalar(MulScalar(targets, 1-smoothing), smoothing/float64(classes))
	}
	return Neg(ReduceAllMean(ReduceSum(Mul(logProbabilities, StopGradient(targets)), -1)))
}

// Correct counts the samples whose largest logit is the label's: logits [batch, classes], labels int32
// [batch]; a float32 scalar.
func Correct(logits, labels *Node) *Node {
	hits := Equal(ArgMax(logits, -1, labels.DType()), labels)
	return ReduceAllSum(ConvertDType(hits, dtypes.Float32))
}

// Confusion counts the samples by label and largest logit: logits [batch, classes] and labels int32 [batch], of which -1 is
// none, to float32 [classes, classes], labels first. Its trace is [Correct].
func Confusion(logits, labels *Node) *Node {
	classes := logits.Shape().Dimensions[1]
	label := ExpandAxes(OneHot(labels, classes, dtypes.Float32), -1)
	said := ExpandAxes(OneHot(ArgMax(logits, -1, labels.DType()), classes, dtypes.Float32), 1)
	// A sum and no product, so that no device rounds its counts.
	return ReduceSum(Mul(label, said), 0)
}
