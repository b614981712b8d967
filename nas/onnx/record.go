package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// errRecorded ends the compiling of a graph whose operations are all noted.
var errRecorded = errors.New("recorded")

// backend builds graphs on another one, for their shapes, and notes their operations.
type backend struct {
	compute.Backend
	record *recorder
}

func (b backend) Builder(name string) compute.Builder {
	inner := b.Backend.Builder(name)
	return &builder{inner, &function{inner.Main(), b.record, nil}}
}

type builder struct {
	compute.Builder
	main *function
}

func (b *builder) Main() compute.Function               { b.main.builder = b; return b.main }
func (b *builder) Compile() (compute.Executable, error) { return nil, errRecorded }

// recorder holds what was noted.
type recorder struct {
	names        map[compute.Value]string
	constants    map[string]string // of numbers that attributes became in later operators, by their values
	initializers []tensor
	nodes        []node
	output       string
	count        int
	err          error
}

// name is that of a value; one that no translated operation made is an error.
func (r *recorder) name(v compute.Value) string {
	name, ok := r.names[v]
	if !ok && r.err == nil {
		r.err = errors.New("an operation of the network has no translation")
	}
	return name
}

func (r *recorder) fresh(kind string) string {
	r.count++
	return fmt.Sprintf("%s_%d", strings.ToLower(kind), r.count)
}

// add notes an operator and returns the name of its output.
func (r *recorder) add(op string, inputs []string, attributes ...attribute) string {
	out := r.fresh(op)
	r.nodes = append(r.nodes, node{op, inputs, out, attributes})
	return out
}

// ints is a constant of whole numbers, such as a shape.
func (r *recorder) ints(values ...int) string {
	key := fmt.Sprint(values)
	if name, ok := r.constants[key]; ok {
		return name
	}
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	name := r.fresh("shape")
	r.initializers = append(r.initializers, tensor{name, typeInt64, []int{len(values)}, raw})
	r.constants[key] = name
	return name
}

func floats(name string, shape []int, values []float32) tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return tensor{name, typeFloat, shape, raw}
}

// function notes the operations of a graph. Those that it does not know go through, and their results have no name.
type function struct {
	compute.Function
	*recorder
	builder compute.Builder
}

func (f *function) Builder() compute.Builder { return f.builder }

// done names the result of an operation.
func (f *function) done(v compute.Value, err error, name func() string) (compute.Value, error) {
	if err == nil {
		if _, known := f.names[v]; !known { // equal operations are one value
			f.names[v] = name()
		}
	}
	return v, err
}

func (f *function) dims(v compute.Value) []int {
	s, err := f.Shape(v)
	if err != nil && f.err == nil {
		f.err = err
	}
	return s.Dimensions
}

func (f *function) Parameter(name string, shape shapes.Shape, sharding *compute.ShardingSpec) (compute.Value, error) {
	v, err := f.Function.Parameter(name, shape, sharding)
	return f.done(v, err, func() string { return name })
}

func (f *function) Constant(flat any, dims ...int) (compute.Value, error) {
	v, err := f.Function.Constant(flat, dims...)
	return f.done(v, err, func() string {
		name := f.fresh("constant")
		switch values := flat.(type) {
		case []float32:
			f.initializers = append(f.initializers, floats(name, dims, values))
		case []float64:
			raw := make([]byte, 0, 8*len(values))
			for _, x := range values {
				raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(x))
			}
			f.initializers = append(f.initializers, tensor{name, typeDouble, dims, raw})
		default:
			f.err = fmt.Errorf("a constant of %T has no translation", flat)
		}
		return name
	})
}

func (f *function) Return(outputs []compute.Value, shardings []*compute.ShardingSpec) error {
	f.output = f.name(outputs[0])
	return f.Function.Return(outputs, shardings)
}

func (f *function) unary(op string, x compute.Value, v compute.Value, err error) (compute.Value, error) {
	return f.done(v, err, func() string { return f.add(op, []string{f.name(x)}) })
}

func (f *function) binary(op string, a, b compute.Value, v compute.Value, err error) (compute.Value, error) {
	return f.done(v, err, func() string { return f.add(op, []string{f.name(a), f.name(b)}) })
}

func (f *function) Neg(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Neg(x)
	return f.unary("Neg", x, v, err)
}

func (f *function) Exp(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Exp(x)
	return f.unary("Exp", x, v, err)
}

func (f *function) Tanh(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Tanh(x)
	return f.unary("Tanh", x, v, err)
}

func (f *function) Sqrt(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Sqrt(x)
	return f.unary("Sqrt", x, v, err)
}

func (f *function) Rsqrt(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Rsqrt(x)
	return f.done(v, err, func() string { return f.add("Reciprocal", []string{f.add("Sqrt", []string{f.name(x)})}) })
}

func (f *function) Logistic(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Logistic(x)
	return f.unary("Sigmoid", x, v, err)
}

func (f *function) Identity(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Identity(x)
	return f.unary("Identity", x, v, err)
}

func (f *function) Add(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.Add(a, b)
	return f.binary("Add", a, b, v, err)
}

func (f *function) Sub(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.Sub(a, b)
	return f.binary("Sub", a, b, v, err)
}

func (f *function) Mul(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.Mul(a, b)
	return f.binary("Mul", a, b, v, err)
}

func (f *function) Div(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.Div(a, b)
	return f.binary("Div", a, b, v, err)
}

func (f *function) Max(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.Max(a, b)
	return f.binary("Max", a, b, v, err)
}

func (f *function) Min(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.Min(a, b)
	return f.binary("Min", a, b, v, err)
}

func (f *function) Abs(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Abs(x)
	return f.unary("Abs", x, v, err)
}

func (f *function) Log(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Log(x)
	return f.unary("Log", x, v, err)
}

func (f *function) Erf(x compute.Value) (compute.Value, error) {
	v, err := f.Function.Erf(x)
	return f.unary("Erf", x, v, err)
}

func (f *function) GreaterThan(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.GreaterThan(a, b)
	return f.binary("Greater", a, b, v, err)
}

func (f *function) GreaterOrEqual(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.GreaterOrEqual(a, b)
	return f.binary("GreaterOrEqual", a, b, v, err)
}

func (f *function) LessThan(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.LessThan(a, b)
	return f.binary("Less", a, b, v, err)
}

func (f *function) LessOrEqual(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.LessOrEqual(a, b)
	return f.binary("LessOrEqual", a, b, v, err)
}

func (f *function) Equal(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.Equal(a, b)
	return f.binary("Equal", a, b, v, err)
}

func (f *function) Pow(a, b compute.Value) (compute.Value, error) {
	v, err := f.Function.Pow(a, b)
	return f.binary("Pow", a, b, v, err)
}

func (f *function) Where(condition, yes, no compute.Value) (compute.Value, error) {
	v, err := f.Function.Where(condition, yes, no)
	return f.done(v, err, func() string { return f.add("Where", []string{f.name(condition), f.name(yes), f.name(no)}) })
}

func (f *function) Clamp(low, x, high compute.Value) (compute.Value, error) {
	v, err := f.Function.Clamp(low, x, high)
	return f.done(v, err, func() string {
		return f.add("Min", []string{f.add("Max", []string{f.name(x), f.name(low)}), f.name(high)})
	})
}

func (f *function) Reshape(x compute.Value, dims ...int) (compute.Value, error) {
	v, err := f.Function.Reshape(x, dims...)
	return f.done(v, err, func() string { return f.add("Reshape", []string{f.name(x), f.ints(dims...)}) })
}

func (f *function) Transpose(x compute.Value, permutation ...int) (compute.Value, error) {
	v, err := f.Function.Transpose(x, permutation...)
	return f.done(v, err, func() string { return f.transposed(f.name(x), permutation) })
}

func (r *recorder) transposed(x string, permutation []int) string {
	if slices.IsSorted(permutation) {
		return x
	}
	return r.add("Transpose", []string{x}, attribute{"perm", permutation})
}

func (f *function) BroadcastInDim(x compute.Value, shape shapes.Shape, axes []int) (compute.Value, error) {
	v, err := f.Function.BroadcastInDim(x, shape, axes)
	return f.done(v, err, func() string {
		between, from := make([]int, len(shape.Dimensions)), f.dims(x)
		for i := range between {
			between[i] = 1
		}
		for i, axis := range axes {
			between[axis] = from[i]
		}
		return f.add("Expand", []string{f.add("Reshape", []string{f.name(x), f.ints(between...)}), f.ints(shape.Dimensions...)})
	})
}

func (f *function) Concatenate(axis int, operands ...compute.Value) (compute.Value, error) {
	v, err := f.Function.Concatenate(axis, operands...)
	return f.done(v, err, func() string {
		names := make([]string, len(operands))
		for i, o := range operands {
			names[i] = f.name(o)
		}
		return f.add("Concat", names, attribute{"axis", axis})
	})
}

func (f *function) Slice(x compute.Value, starts, limits, strides []int) (compute.Value, error) {
	v, err := f.Function.Slice(x, starts, limits, strides)
	return f.done(v, err, func() string {
		axes := make([]int, len(starts))
		for i := range axes {
			axes[i] = i
		}
		inputs := []string{f.name(x), f.ints(starts...), f.ints(limits...), f.ints(axes...)}
		if len(strides) > 0 {
			inputs = append(inputs, f.ints(strides...))
		}
		return f.add("Slice", inputs)
	})
}

func (f *function) Pad(x, fill compute.Value, axes ...compute.PadAxis) (compute.Value, error) {
	v, err := f.Function.Pad(x, fill, axes...)
	return f.done(v, err, func() string {
		rank := len(f.dims(x))
		pads := make([]int, 2*rank)
		for i, a := range axes {
			if a.Interior != 0 {
				f.err = errors.New("padding between elements has no translation")
			}
			pads[i], pads[rank+i] = a.Start, a.End
		}
		return f.add("Pad", []string{f.name(x), f.ints(pads...), f.add("Reshape", []string{f.name(fill), f.ints(1)})})
	})
}

func (f *function) reduced(op string, x compute.Value, axes []int, v compute.Value, err error) (compute.Value, error) {
	return f.done(v, err, func() string {
		if op == "ReduceSum" { // of which the axes are an input, of the others an attribute in this opset
			return f.add(op, []string{f.name(x), f.ints(axes...)}, attribute{"keepdims", 0})
		}
		return f.add(op, []string{f.name(x)}, attribute{"axes", axes}, attribute{"keepdims", 0})
	})
}

func (f *function) ReduceSum(x compute.Value, axes ...int) (compute.Value, error) {
	v, err := f.Function.ReduceSum(x, axes...)
	return f.reduced("ReduceSum", x, axes, v, err)
}

func (f *function) ReduceMax(x compute.Value, axes ...int) (compute.Value, error) {
	v, err := f.Function.ReduceMax(x, axes...)
	return f.reduced("ReduceMax", x, axes, v, err)
}

func (f *function) BatchNormForInference(x, scale, offset, mean, variance compute.Value, epsilon float32, axis int) (compute.Value, error) {
	v, err := f.Function.BatchNormForInference(x, scale, offset, mean, variance, epsilon, axis)
	return f.done(v, err, func() string {
		rank := len(f.dims(x))
		if axis != rank-1 {
			f.err = fmt.Errorf("batch norm over axis %d of %d has no translation", axis, rank)
		}
		e := f.fresh("epsilon")
		f.initializers = append(f.initializers, floats(e, nil, []float32{epsilon}))
		// x times a and plus b, which are computed of constants once.
		a := f.add("Div", []string{f.name(scale), f.add("Sqrt", []string{f.add("Add", []string{f.name(variance), e})})})
		b := f.add("Sub", []string{f.name(offset), f.add("Mul", []string{f.name(mean), a})})
		return f.add("Add", []string{f.add("Mul", []string{f.name(x), a}), b})
	})
}

// pairs are paddings as ONNX has them: all starts, then all ends.
func pairs(paddings [][2]int, n int) []int {
	out := make([]int, 2*n)
	for i, p := range paddings {
		out[i], out[n+i] = p[0], p[1]
	}
	return out
}

func orOnes(values []int, n int) []int {
	if len(values) > 0 {
		return values
	}
	out := make([]int, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// inverse is the permutation that undoes another.
func inverse(permutation []int) []int {
	out := make([]int, len(permutation))
	for i, p := range permutation {
		out[p] = i
	}
	return out
}

func (f *function) ConvGeneral(x, kernel compute.Value, axes compute.ConvolveAxesConfig, strides []int, paddings [][2]int, inputDilations, kernelDilations []int, groups, batchGroups int) (compute.Value, error) {
	v, err := f.Function.ConvGeneral(x, kernel, axes, strides, paddings, inputDilations, kernelDilations, groups, batchGroups)
	return f.done(v, err, func() string {
		n := len(axes.InputSpatial)
		if batchGroups > 1 || slices.ContainsFunc(inputDilations, func(d int) bool { return d > 1 }) {
			f.err = errors.New("a convolution of a dilated input, or with groups of the batch, has no translation")
		}
		in := f.transposed(f.name(x), append([]int{axes.InputBatch, axes.InputChannels}, axes.InputSpatial...))
		// A kernel of groups has out channels over all of them, which is ONNX's order too.
		w := f.transposed(f.name(kernel), append([]int{axes.KernelOutputChannels, axes.KernelInputChannels}, axes.KernelSpatial...))
		kernelDims := make([]int, n)
		for i, axis := range axes.KernelSpatial {
			kernelDims[i] = f.dims(kernel)[axis]
		}
		out := f.add("Conv", []string{in, w}, attribute{"kernel_shape", kernelDims}, attribute{"strides", orOnes(strides, n)},
			attribute{"dilations", orOnes(kernelDilations, n)}, attribute{"pads", pairs(paddings, n)}, attribute{"group", max(groups, 1)})
		return f.transposed(out, inverse(append([]int{axes.OutputBatch, axes.OutputChannels}, axes.OutputSpatial...)))
	})
}

func (f *function) DotGeneral(a compute.Value, aContract, aBatch []int, b compute.Value, bContract, bBatch []int, config compute.DotGeneralConfig) (compute.Value, error) {
	v, err := f.Function.DotGeneral(a, aContract, aBatch, b, bContract, bBatch, config)
	return f.done(v, err, func() string {
		// What MatMul is, more readers know than Einsum.
		if rank := len(f.dims(a)); len(aBatch) == 0 && len(f.dims(b)) == 2 && slices.Equal(aContract, []int{rank - 1}) && slices.Equal(bContract, []int{0}) {
			return f.add("MatMul", []string{f.name(a), f.name(b)})
		}
		letters := "abcdefghijklmnop"
		next := 0
		label := func() byte { next++; return letters[next-1] }
		left, right, out := make([]byte, len(f.dims(a))), make([]byte, len(f.dims(b))), []byte{}
		for i := range aBatch {
			l := label()
			left[aBatch[i]], right[bBatch[i]] = l, l
			out = append(out, l)
		}
		for i := range aContract {
			l := label()
			left[aContract[i]], right[bContract[i]] = l, l
		}
		for _, side := range [][]byte{left, right} {
			for i := range side {
				if side[i] == 0 {
					side[i] = label()
					out = append(out, side[i])
				}
			}
		}
		return f.add("Einsum", []string{f.name(a), f.name(b)}, attribute{"equation", fmt.Sprintf("%s,%s->%s", left, right, out)})
	})
}

func (f *function) ReduceWindow(x compute.Value, kind compute.ReduceOpType, window, strides, inputDilations, windowDilations []int, paddings [][2]int) (compute.Value, error) {
	v, err := f.Function.ReduceWindow(x, kind, window, strides, inputDilations, windowDilations, paddings)
	return f.done(v, err, func() string {
		dilated := func(d int) bool { return d > 1 }
		if len(window) != 4 || window[0] != 1 || window[3] != 1 || slices.ContainsFunc(inputDilations, dilated) || slices.ContainsFunc(windowDilations, dilated) {
			f.err = fmt.Errorf("a window of %v has no translation", window)
			return ""
		}
		if len(strides) == 0 {
			strides = window
		}
		if len(paddings) == 0 {
			paddings = make([][2]int, 4)
		}
		attributes := []attribute{{"kernel_shape", window[1:3]}, {"strides", strides[1:3]}, {"pads", pairs(paddings[1:3], 2)}}
		in := f.transposed(f.name(x), []int{0, 3, 1, 2})
		var out string
		switch kind {
		case compute.ReduceOpMax:
			out = f.add("MaxPool", []string{in}, attributes...)
		case compute.ReduceOpSum:
			size := f.fresh("window")
			f.initializers = append(f.initializers, floats(size, nil, []float32{float32(window[1] * window[2])}))
			out = f.add("Mul", []string{f.add("AveragePool", []string{in}, append(attributes, attribute{"count_include_pad", 1})...), size})
		default:
			f.err = fmt.Errorf("a window's %s has no translation", kind)
		}
		return f.transposed(out, []int{0, 2, 3, 1})
	})
}

func (f *function) ConvertDType(x compute.Value, dtype dtypes.DType) (compute.Value, error) {
	v, err := f.Function.ConvertDType(x, dtype)
	return f.done(v, err, func() string {
		kind, ok := map[dtypes.DType]int{dtypes.Float32: typeFloat, dtypes.Float64: typeDouble, dtypes.Int64: typeInt64}[dtype]
		if !ok {
			f.err = fmt.Errorf("numbers of %s have no translation", dtype)
		}
		return f.add("Cast", []string{f.name(x)}, attribute{"to", kind})
	})
}
