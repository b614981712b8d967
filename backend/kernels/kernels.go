package kernels

/*
#cgo CFLAGS: -O3 -std=gnu11 -Wno-psabi
#cgo LDFLAGS: -lm
#include "register.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Register makes the kernels known to the plug-in whose PJRT_Api is at api, for
// the platform "Host". It fails where the plug-in has no extension for that, as
// those for a GPU or of old versions; programs must then be left as they are.
// Registering twice does no harm.
func Register(api unsafe.Pointer) error {
	if api == nil {
		return errors.New("kernels: no PJRT API given")
	}
	message := make([]byte, 512)
	if C.gn_register(api, (*C.char)(unsafe.Pointer(&message[0])), C.size_t(len(message))) != 0 {
		return fmt.Errorf("kernels: %s", C.GoString((*C.char)(unsafe.Pointer(&message[0]))))
	}
	return nil
}

// InstructionSet names the processor's instructions that the kernels use:
// "avx512", "avx2" or "baseline".
func InstructionSet() string { return C.GoString(C.gn_set_name()) }
