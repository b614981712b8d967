// Package kernels makes XLA fast on a CPU where it is slow: depthwise
// convolutions, max-pools, batch norm in training and products of long matrices
// with short ones (1x1 convolutions), with their gradients.
//
// The kernels are C, called by the programs that XLA compiles: [Register] makes
// them known to a plug-in, [Rewrite] puts calls of them into a program's text.
// All are for float32 tensors with channels last. Their results do not depend
// on the number of threads: work is cut by shape, and sums are taken in a fixed
// order.
package kernels

// Version changes whenever the kernels' results or what their calls carry do: a
// program compiled for another version must not be used.
const Version = "3"
