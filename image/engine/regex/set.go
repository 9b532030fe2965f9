package regex

import (
	"slices"
	"unicode"
)

const maxRune = 0x10FFFF

// A span is an inclusive range of code points (of code units, without the flags u and v).
type span struct{ lo, hi rune }

// A runeSet is a set of code points as sorted, disjoint and non-adjacent spans. It is never changed
// after it was made: the operations return new ones.
type runeSet []span

func setOf(runes ...rune) runeSet {
	spans := make([]span, len(runes))
	for i, r := range runes {
		spans[i] = span{r, r}
	}
	return normalise(spans)
}

// normalise sorts and merges spans; it owns them from then on.
func normalise(spans []span) runeSet {
	if len(spans) < 2 {
		return spans
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.lo) - int(b.lo) })
	out := spans[:1]
	for _, s := range spans[1:] {
		last := &out[len(out)-1]
		if s.lo <= last.hi+1 {
			last.hi = max(last.hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (s runeSet) union(t runeSet) runeSet {
	if len(s) == 0 {
		return t
	}
	if len(t) == 0 {
		return s
	}
	return normalise(slices.Concat(s, t))
}

func (s runeSet) negate() runeSet {
	out := make(runeSet, 0, len(s)+1)
	next := rune(0)
	for _, sp := range s {
		if sp.lo > next {
			out = append(out, span{next, sp.lo - 1})
		}
		next = sp.hi + 1
	}
	if next <= maxRune {
		out = append(out, span{next, maxRune})
	}
	return out
}

func (s runeSet) intersect(t runeSet) runeSet {
	var out runeSet
	for i, j := 0, 0; i < len(s) && j < len(t); {
		lo, hi := max(s[i].lo, t[j].lo), min(s[i].hi, t[j].hi)
		if lo <= hi {
			out = append(out, span{lo, hi})
		}
		if s[i].hi < t[j].hi {
			i++
		} else {
			j++
		}
	}
	return out
}

func (s runeSet) subtract(t runeSet) runeSet { return s.intersect(t.negate()) }

func (s runeSet) has(r rune) bool {
	lo, hi := 0, len(s)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s[mid].hi < r {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(s) && s[lo].lo <= r
}

// fromTable turns one of Go's Unicode tables into a set.
func fromTable(t *unicode.RangeTable) runeSet {
	spans := make([]span, 0, len(t.R16)+len(t.R32))
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			spans = append(spans, span{lo, hi})
			return
		}
		for r := lo; r <= hi; r += stride {
			spans = append(spans, span{r, r})
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return normalise(spans)
}

func fromTables(tables ...*unicode.RangeTable) runeSet {
	var out runeSet
	for _, t := range tables {
		out = out.union(fromTable(t))
	}
	return out
}

// A bitmap holds one bit for each of the first 256 code points.
type bitmap [4]uint64

func (b *bitmap) has(c uint8) bool { return b[c>>6]&(1<<(c&63)) != 0 }
func (b *bitmap) add(c uint8)      { b[c>>6] |= 1 << (c & 63) }

// A charset is a runeSet prepared for matching.
type charset struct {
	low bitmap  // the code points under 256
	set runeSet // all of them
}

func newCharset(s runeSet) *charset {
	cs := &charset{set: s}
	for _, sp := range s {
		if sp.lo > 0xFF {
			break
		}
		for r := sp.lo; r <= min(sp.hi, 0xFF); r++ {
			cs.low.add(uint8(r))
		}
	}
	return cs
}

func (c *charset) has(r rune) bool {
	if r < 256 {
		return c.low.has(uint8(r))
	}
	return c.set.has(r)
}

func digitSet() runeSet { return runeSet{{'0', '9'}} }

// spaceSet is WhiteSpace and LineTerminator of ECMAScript.
func spaceSet() runeSet {
	return runeSet{{'\t', '\r'}, {' ', ' '}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A},
		{0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}}
}

// wordSet is \w. With the flags u (or v) and i the two letters that fold to s and k belong to it.
func wordSet(f fold) runeSet {
	s := runeSet{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}
	if f == foldUnicode {
		s = s.union(setOf(0x17F, 0x212A))
	}
	return s
}

func lineEndSet() runeSet { return runeSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}} }
