package regex

import (
	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
)

// unitsOf copies the code units of a string.
func (h *host) unitsOf(s goja.String) []uint16 {
	v := h.texts.Of(s)
	if v.Units != nil {
		return v.Units
	}
	units := make([]uint16, len(v.ASCII))
	for i, c := range v.ASCII {
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
func advance(v side.View, i int, full bool) int {
	if u := v.Units; full && i+1 < len(u) && u[i]&0xFC00 == 0xD800 && u[i+1]&0xFC00 == 0xDC00 {
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
