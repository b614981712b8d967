package backend

import "unsafe"

// cpuKernels is what this package needs of the CPU kernels.
type cpuKernels struct {
	version      string
	instructions string // of the processor, that the kernels use
	register     func(api unsafe.Pointer) error
	rewrite      func(program string) (string, map[string]int)
}

// ownKernels is nil where this binary has none.
var ownKernels *cpuKernels
