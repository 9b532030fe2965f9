package regex

import (
	"reflect"
	"unsafe"

	"github.com/dop251/goja"
)

// A view gives the characters of a string without copying them: bytes where all of it is ASCII, else
// UTF-16 code units.
type view struct {
	ascii []uint8
	units []uint16
}

func (v view) len() int { return len(v.ascii) + len(v.units) }

func (v view) at(i int) rune {
	if v.units != nil {
		return rune(v.units[i])
	}
	return rune(v.ascii[i])
}

var unitsType = reflect.TypeFor[[]uint16]()

// viewOf looks into one of goja's strings. goja keeps ASCII as a Go string and all else as code units
// behind a mark; their types are its own, so that only reflection sees what they are made of. A string
// that came from Go unscanned (importedString) is scanned once and remembered, as long as it is asked
// for again and again.
func (h *host) viewOf(s goja.String) view {
	v := reflect.ValueOf(s)
	if v.Kind() == reflect.Pointer {
		if h.imported != s {
			h.imported, h.scanned = s, s.Substring(0, s.Length())
		}
		s = h.scanned
		v = reflect.ValueOf(s)
	}
	switch v.Kind() {
	case reflect.String:
		text := v.String()
		return view{ascii: unsafe.Slice(unsafe.StringData(text), len(text))}
	case reflect.Slice:
		if v.CanConvert(unitsType) && v.Len() > 0 {
			return view{units: v.Convert(unitsType).Interface().([]uint16)[1:]}
		}
	}
	// A kind of string that goja did not have when this was written.
	units := make([]uint16, s.Length())
	for i := range units {
		units[i] = s.CharAt(i)
	}
	return view{units: units}
}

// unitsOf copies the code units of a string.
func (h *host) unitsOf(s goja.String) []uint16 {
	v := h.viewOf(s)
	if v.units != nil {
		return v.units
	}
	units := make([]uint16, len(v.ascii))
	for i, c := range v.ascii {
		units[i] = uint16(c)
	}
	return units
}

// text is ToString. goja leaves undefined and null as they are.
func (h *host) text(v goja.Value) goja.String {
	if s, ok := v.ToString().(goja.String); ok {
		return s
	}
	if _, ok := v.(*goja.Symbol); ok {
		h.typeError("Cannot convert a Symbol value to a string")
	}
	var b goja.StringBuilder
	for _, r := range v.String() {
		b.WriteRune(r)
	}
	return b.String()
}

// advance gives the next position behind i: of a code point where full is set.
func (v view) advance(i int, full bool) int {
	if full && i+1 < len(v.units) && v.units[i]&0xFC00 == 0xD800 && v.units[i+1]&0xFC00 == 0xDC00 {
		return i + 2
	}
	return i + 1
}

// escapeSource writes a pattern as it can stand between slashes.
func escapeSource(units []uint16) string {
	if len(units) == 0 {
		return "(?:)"
	}
	out := make([]rune, 0, len(units))
	inClass, escaped := false, false
	for _, r := range decode(units) {
		switch {
		case r == '\n', r == '\r', r == 0x2028, r == 0x2029:
			if !escaped {
				out = append(out, '\\')
			}
			name := map[rune]string{'\n': "n", '\r': "r", 0x2028: "u2028", 0x2029: "u2029"}[r]
			out = append(out, []rune(name)...)
			escaped = false
			continue
		case escaped:
			escaped = false
			out = append(out, r)
			continue
		case r == '\\':
			escaped = true
		case r == '[':
			inClass = true
		case r == ']':
			inClass = false
		case r == '/' && !inClass:
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
