//go:build unix

package main

import (
	"runtime"
	"syscall"
)

func usage() syscall.Rusage {
	var u syscall.Rusage
	// It fails only for arguments that it does not know.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u
}

// cpuSeconds is the processor time of this process so far, its own and the system's for it.
func cpuSeconds() float64 {
	u := usage()
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peakRSS is the largest resident size so far, in MiB.
func peakRSS() float64 {
	size := float64(usage().Maxrss)
	if runtime.GOOS == "darwin" { // counts bytes, the others KiB
		size /= 1024
	}
	return size / 1024
}
