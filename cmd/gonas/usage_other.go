//go:build !unix

package main

// cpuSeconds and peakRSS are not known on this system.
func cpuSeconds() float64 { return 0 }

func peakRSS() float64 { return 0 }
