//go:build linux && cgo

package backend

import "github.com/gonas/gonas/backend/kernels"

func init() {
	ownKernels = &cpuKernels{
		version:      kernels.Version,
		instructions: kernels.InstructionSet(),
		register:     kernels.Register,
		rewrite: func(program string) (string, map[string]int) {
			rewritten, stats := kernels.Rewrite(program)
			return rewritten, stats
		},
	}
}
