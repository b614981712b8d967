//go:build !linux || !cgo

package backend

func openXLA(Found, Options) (*Backend, error) { return nil, errNoXLA }

// MallocTuned tells whether the C allocator runs with the settings that suit
// XLA's large buffers.
func MallocTuned() bool { return false }
