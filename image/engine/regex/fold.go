package regex

import (
	"sync"
	"unicode"
)

// A fold is the way of comparing characters that the flag i asks for.
type fold uint8

const (
	foldNone    fold = iota
	foldUpper        // i alone: toUpperCase of one code unit
	foldUnicode      // i with u or v: simple case folding
)

// canonical is Canonicalize of ECMAScript: two characters are equal under the flag i when it gives
// the same for both.
func (f fold) canonical(r rune) rune {
	switch f {
	case foldUpper:
		return canonicalUpper(r)
	case foldUnicode:
		return canonicalFold(r)
	}
	return r
}

func canonicalUpper(r rune) rune {
	if r < 0x80 {
		if 'a' <= r && r <= 'z' {
			return r - 32
		}
		return r
	}
	if growsInUpperCase(r) {
		return r
	}
	u := unicode.ToUpper(r)
	if u < 0x80 || u > 0xFFFF {
		// A character outside of ASCII never equals one within; and without the flag u there are only
		// code units.
		return r
	}
	return u
}

// growsInUpperCase names the characters whose toUpperCase is longer than one code unit, though Go
// knows a simple mapping for them: ECMAScript leaves them alone.
func growsInUpperCase(r rune) bool {
	switch {
	case r == 0xDF, r == 0x1E9E:
		return true
	case r < 0x1F80 || r > 0x1FFC:
		return false
	case r <= 0x1FAF:
		return true
	}
	switch r {
	case 0x1FB3, 0x1FBC, 0x1FC3, 0x1FCC, 0x1FF3, 0x1FFC:
		return true
	}
	return false
}

// canonicalFold takes the smallest of the characters that fold together: which one it is does not
// matter, since it is only compared.
func canonicalFold(r rune) rune {
	if r < 0x80 && r != 'k' && r != 's' && r != 'K' && r != 'S' {
		if 'a' <= r && r <= 'z' {
			return r - 32
		}
		return r
	}
	least := r
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		least = min(least, o)
	}
	return least
}

// equals lists the characters that equal r under f, r among them.
func (f fold) equals(r rune) []rune {
	out := []rune{r}
	if f == foldNone {
		return out
	}
	c := f.canonical(r)
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		if f.canonical(o) == c {
			out = append(out, o)
		}
	}
	return out
}

// foldClasses lists every group of characters that fold together. It takes about a fifth of a
// millisecond to make, so it is made when a class beyond ASCII meets the flag i for the first time.
var foldClasses = sync.OnceValue(func() [][]rune {
	var out [][]rune
	seen := map[rune]bool{}
	visit := func(r rune) {
		if seen[r] {
			return
		}
		class := []rune{r}
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			class = append(class, o)
		}
		for _, m := range class {
			seen[m] = true
		}
		if len(class) > 1 {
			out = append(out, class)
		}
	}
	for _, cr := range unicode.CaseRanges {
		for r := rune(cr.Lo); r <= rune(cr.Hi); r++ {
			visit(r)
		}
	}
	return out
})

// close adds to s every character that equals one of its members under f.
func (f fold) close(s runeSet) runeSet {
	if f == foldNone || len(s) == 0 {
		return s
	}
	var extra []span
	if s[len(s)-1].hi < 0x80 || len(s) == 1 && s[0].hi-s[0].lo < 16 {
		for _, sp := range s {
			for r := sp.lo; r <= sp.hi; r++ {
				for _, e := range f.equals(r) {
					extra = append(extra, span{e, e})
				}
			}
		}
		return s.union(normalise(extra))
	}
	for _, class := range foldClasses() {
		for _, m := range class {
			if !s.has(m) {
				continue
			}
			c := f.canonical(m)
			for _, o := range class {
				if o != m && f.canonical(o) == c && !s.has(o) {
					extra = append(extra, span{o, o})
				}
			}
		}
	}
	return s.union(normalise(extra))
}
