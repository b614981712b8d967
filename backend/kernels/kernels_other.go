//go:build !cgo

package kernels

import (
	"errors"
	"unsafe"
)

// Register fails: this binary was built without cgo.
func Register(unsafe.Pointer) error {
	return errors.New("kernels: built without cgo")
}

// InstructionSet returns "": this binary was built without cgo.
func InstructionSet() string { return "" }
