// Package golden makes the deterministic tensors that reference numbers of other implementations were computed
// with, so that a test needs the numbers alone and no weights.
//
// A value depends only on the tensor's name and the flat index: FNV-1a of the name starts a SplitMix64 stream,
// of which the upper 24 bits of output i give a number in [0, 1) that float32 holds exactly.
package golden

import (
	"math"
	"strings"
)

const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
	golden    = 0x9E3779B97F4A7C15
)

// hash is 64-bit FNV-1a of the name's bytes.
func hash(name string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * fnvPrime
	}
	return h
}

// mix is output i (from 0) of SplitMix64 started at h.
func mix(h uint64, i int) uint64 {
	z := h + (uint64(i)+1)*golden
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func unit(h uint64, i int) float64 { return float64(mix(h, i)>>40) / (1 << 24) }

// Uniform is the number in [0, 1) at flat index i (row-major, from 0) of the tensor called name.
func Uniform(name string, i int) float64 { return unit(hash(name), i) }

// Size is the number of elements of a shape; 1 for a scalar.
func Size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// fill evaluates f on the uniform numbers of name.
func fill(name string, n int, f func(u float64) float64) []float64 {
	h := hash(name)
	out := make([]float64, n)
	for i := range out {
		out[i] = f(unit(h, i))
	}
	return out
}

// Tensor fills the parameter or buffer called name, a PyTorch state_dict key, with its values in row-major order of
// its PyTorch shape (convolutions [out, in/groups, kh, kw], linear [out, in]). w is the gain of weights of rank 2
// and more, drawn from ±sqrt(w/fan_in); the other kinds do not use it. Computed in float64.
//
// A name that ends in none of weight, bias, running_mean, running_var, num_batches_tracked gives nil: there is no
// rule for it.
func Tensor(name string, shape []int, w float64) []float64 {
	n := Size(shape)
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "weight":
		if len(shape) < 2 {
			return fill(name, n, func(u float64) float64 { return 0.5 + u })
		}
		bound := math.Sqrt(w / float64(Size(shape[1:])))
		return fill(name, n, func(u float64) float64 { return (2*u - 1) * bound })
	case "running_var":
		return fill(name, n, func(u float64) float64 { return 0.5 + u })
	case "bias", "running_mean":
		return fill(name, n, func(u float64) float64 { return 0.2 * (2*u - 1) })
	case "num_batches_tracked":
		return make([]float64, n)
	}
	return nil
}

// Input fills the tensor called name with 2u-1, in row-major order of shape. Network inputs are called "input" and
// have the shape [batch, channels, height, width]; architecture parameters "alphas_normal" and "alphas_reduce",
// [edges, primitives], follow the same rule.
func Input(name string, shape []int) []float64 {
	return fill(name, Size(shape), func(u float64) float64 { return 2*u - 1 })
}

// Table is Input as rows, [rows][columns]: the form in which architecture parameters travel.
func Table(name string, rows, columns int) [][]float64 {
	flat := Input(name, []int{rows, columns})
	out := make([][]float64, rows)
	for r := range out {
		out[r] = flat[r*columns : (r+1)*columns : (r+1)*columns]
	}
	return out
}

// Labels draws n class labels in [0, classes).
func Labels(name string, n, classes int) []int {
	h := hash(name)
	out := make([]int, n)
	for i := range out {
		out[i] = int(unit(h, i) * float64(classes))
	}
	return out
}
