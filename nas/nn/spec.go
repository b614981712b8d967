package nn

import (
	"fmt"
	"slices"
)

// Kind says how PyTorch's tensor lies in the engine.
type Kind int

// The kinds of tensors.
const (
	// Vector is kept as it is: batch norm, biases, running statistics.
	Vector Kind = iota
	// Conv is OIHW in PyTorch and [height, width, in, out] here.
	Conv
	// Depthwise is [channels, 1, height, width] in PyTorch and [height, width, 1, channels] here.
	Depthwise
	// Pointwise is [out, in, 1, 1] in PyTorch and [in, out] here.
	Pointwise
	// Dense is [out, in] in PyTorch and [in, out] here.
	Dense
)

// Spec describes one tensor of a module under its PyTorch state_dict name.
type Spec struct {
	Name string
	// Shape is PyTorch's.
	Shape []int
	Kind  Kind
	// Buffer is true for running statistics, which have no gradient.
	Buffer bool
	// Identity marks a square matrix that starts as the identity.
	Identity bool
	// Counter marks num_batches_tracked, a scalar that the engine does not hold.
	Counter bool
}

// Size is the number of elements.
func (s Spec) Size() int {
	n := 1
	for _, d := range s.Shape {
		n *= d
	}
	return n
}

// EngineShape is the tensor's shape inside graphs.
func (s Spec) EngineShape() []int {
	d := s.Shape
	switch s.Kind {
	case Conv:
		return []int{d[2], d[3], d[1], d[0]}
	case Depthwise:
		return []int{d[2], d[3], 1, d[0]}
	case Pointwise, Dense:
		return []int{d[1], d[0]}
	}
	return slices.Clone(d)
}

// axes tells which axis of PyTorch's shape each engine axis is.
func (s Spec) axes() []int {
	switch s.Kind {
	case Conv:
		return []int{2, 3, 1, 0}
	case Depthwise:
		return []int{2, 3, 1, 0}
	case Pointwise:
		return []int{1, 0, 2, 3}
	case Dense:
		return []int{1, 0}
	}
	return nil
}

// ToEngine reorders values from PyTorch's layout to the engine's.
func ToEngine[T any](s Spec, values []T) ([]T, error) {
	if len(values) != s.Size() {
		return nil, fmt.Errorf("tensor %q: expected %d values for shape %v, got %d", s.Name, s.Size(), s.Shape, len(values))
	}
	return permute(values, s.Shape, s.axes(), false), nil
}

// FromEngine is the inverse of [ToEngine].
func FromEngine[T any](s Spec, values []T) ([]T, error) {
	if len(values) != s.Size() {
		return nil, fmt.Errorf("tensor %q: expected %d values for shape %v, got %d", s.Name, s.Size(), s.Shape, len(values))
	}
	return permute(values, s.Shape, s.axes(), true), nil
}

// permute copies values of the given shape so that output axis i is input axis axes[i]; inverse copies back.
func permute[T any](values []T, shape, axes []int, inverse bool) []T {
	out := make([]T, len(values))
	if axes == nil {
		copy(out, values)
		return out
	}
	strides := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = n
		n *= shape[i]
	}
	index := make([]int, len(shape))
	for i := range out {
		src := 0
		for a, ax := range axes {
			src += index[a] * strides[ax]
		}
		if inverse {
			out[src] = values[i]
		} else {
			out[i] = values[src]
		}
		for a := len(axes) - 1; a >= 0; a-- {
			index[a]++
			if index[a] < shape[axes[a]] {
				break
			}
			index[a] = 0
		}
	}
	return out
}

// Params sums the trainable elements of specs, as PyTorch's parameters() would.
func Params(specs []Spec) int {
	n := 0
	for _, s := range specs {
		if !s.Buffer && !s.Counter {
			n += s.Size()
		}
	}
	return n
}
