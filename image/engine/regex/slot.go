package regex

import (
	"unsafe"

	"github.com/dop251/goja"
)

// slotOf gives the place where obj is remembered, if it is: only its address decides.
func (h *host) slotOf(obj *goja.Object) *slot {
	return &h.recent[uintptr(unsafe.Pointer(obj))>>5%uintptr(len(h.recent))]
}
