package regex

// flags are the flags of a RegExp.
type flags struct {
	hasIndices, global, ignoreCase, multiline, dotAll, unicode, sets, sticky bool
}

// parseFlags reads a flags string; ok is false where one is unknown, given twice or at odds with
// another.
func parseFlags(s string) (f flags, ok bool) {
	for _, c := range s {
		var b *bool
		switch c {
		case 'd':
			b = &f.hasIndices
		case 'g':
			b = &f.global
		case 'i':
			b = &f.ignoreCase
		case 'm':
			b = &f.multiline
		case 's':
			b = &f.dotAll
		case 'u':
			b = &f.unicode
		case 'v':
			b = &f.sets
		case 'y':
			b = &f.sticky
		default:
			return f, false
		}
		if *b {
			return f, false
		}
		*b = true
	}
	return f, !f.unicode || !f.sets
}

// fullUnicode reports whether matching goes by code point.
func (f flags) fullUnicode() bool { return f.unicode || f.sets }

// String gives the flags in the order of RegExp.prototype.flags.
func (f flags) String() string {
	b := make([]byte, 0, 8)
	add := func(on bool, c byte) {
		if on {
			b = append(b, c)
		}
	}
	add(f.hasIndices, 'd')
	add(f.global, 'g')
	add(f.ignoreCase, 'i')
	add(f.multiline, 'm')
	add(f.dotAll, 's')
	add(f.unicode, 'u')
	add(f.sets, 'v')
	add(f.sticky, 'y')
	return string(b)
}

// set turns one flag on.
func (f *flags) set(c byte) {
	switch c {
	case 'd':
		f.hasIndices = true
	case 'g':
		f.global = true
	case 'i':
		f.ignoreCase = true
	case 'm':
		f.multiline = true
	case 's':
		f.dotAll = true
	case 'u':
		f.unicode = true
	case 'v':
		f.sets = true
	case 'y':
		f.sticky = true
	}
}
