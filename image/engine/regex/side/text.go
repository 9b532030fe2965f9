package side

import (
	"reflect"
	"unsafe"

	"github.com/dop251/goja"
)

// A View gives the characters of a string without copying them: bytes where all of it is ASCII, else
// UTF-16 code units.
type View struct {
	ASCII []uint8
	Units []uint16
}

// Len counts code units.
func (v View) Len() int { return len(v.ASCII) + len(v.Units) }

// At gives the code unit at a position.
func (v View) At(i int) rune {
	if v.Units != nil {
		return rune(v.Units[i])
	}
	return rune(v.ASCII[i])
}

// A Viewer makes views for one runtime. The zero Viewer is ready.
type Viewer struct {
	imported goja.String
	scanned  goja.String
}

// Of looks into one of goja's strings. goja keeps ASCII as a Go string and all else as code units behind
// a mark; their types are its own, so that only reflection sees what they are made of. A string that
// came from Go unscanned (importedString) is scanned once and remembered, as long as it is asked for
// again and again. The view is read only.
func (vr *Viewer) Of(s goja.String) View {
	v := reflect.ValueOf(s)
	if v.Kind() == reflect.Pointer {
		if vr.imported != s {
			vr.imported, vr.scanned = s, s.Substring(0, s.Length())
		}
		s = vr.scanned
		v = reflect.ValueOf(s)
	}
	switch v.Kind() {
	case reflect.String:
		text := v.String()
		return View{ASCII: unsafe.Slice(unsafe.StringData(text), len(text))}
	case reflect.Slice:
		if t := reflect.TypeFor[[]uint16](); v.CanConvert(t) && v.Len() > 0 {
			return View{Units: v.Convert(t).Interface().([]uint16)[1:]}
		}
	}
	// A kind of string that goja did not have when this was written.
	units := make([]uint16, s.Length())
	for i := range units {
		units[i] = s.CharAt(i)
	}
	return View{Units: units}
}

// Plain gives a string of which Substring is cheap: itself, or what it was scanned to.
func (vr *Viewer) Plain(s goja.String) goja.String {
	if vr.imported == s && s != nil {
		return vr.scanned
	}
	return s
}
