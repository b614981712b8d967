//go:build !unix

package main

import "os/exec"

// killWithChildren leaves cmd as it is: the end of its context ends the process alone.
func killWithChildren(*exec.Cmd) {}

// processorTime is that of this process so far in seconds.
func processorTime() float64 { return cpuSeconds() }
