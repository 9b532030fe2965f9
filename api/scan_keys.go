package api

import (
	"bytes"
	"hash/maphash"
	"strconv"
)

// A keySet finds the second of two equal keys. Most objects are small: a few keys are compared one by
// one. In a large one each key costs eight bytes of a map, whatever its length: it is known by a keyed
// hash, whose seed an attacker cannot know, so that a false duplicate among millions of keys is less
// likely than one in a million.
type keySet struct {
	few  [][]byte
	many map[uint64]struct{}
	seed maphash.Seed
}

const fewKeys = 16

// add takes a key as it is written; false means that an equal one was there.
func (k *keySet) add(raw []byte) bool {
	key := canonicalKey(raw)
	if k.many == nil && len(k.few) < fewKeys {
		for _, other := range k.few {
			if bytes.Equal(other, key) {
				return false
			}
		}
		k.few = append(k.few, key)
		return true
	}
	if k.many == nil {
		k.seed = maphash.MakeSeed()
		k.many = make(map[uint64]struct{}, 4*fewKeys)
		for _, other := range k.few {
			k.many[maphash.Bytes(k.seed, other)] = struct{}{}
		}
		k.few = nil
	}
	hash := maphash.Bytes(k.seed, key)
	if _, there := k.many[hash]; there {
		return false
	}
	k.many[hash] = struct{}{}
	return true
}

// canonicalKey undoes escapes, so that "a" and "\u0061" are one key. A surrogate half is kept as it
// is written (in lower case): a pair that is escaped twice alike compares equal, and one that is
// escaped once and plain once is compared by its rune.
func canonicalKey(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(raw[i+1:])
			i += 4
			if r >= 0xd800 && r < 0xdc00 && i+6 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
				if low := hex4(raw[i+3:]); low >= 0xdc00 && low < 0xe000 {
					r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
					i += 6
				}
			}
			out = appendCodePoint(out, r)
		default:
			out = append(out, raw[i])
		}
	}
	return out
}

// hex4 reads four hexadecimal digits that the scanner has already checked.
func hex4(b []byte) rune {
	n, _ := strconv.ParseUint(string(b[:4]), 16, 32)
	return rune(n)
}

// appendCodePoint writes a code point as UTF-8 does, lone surrogates too (utf8.AppendRune would turn
// them all into U+FFFD, and so into one another).
func appendCodePoint(out []byte, r rune) []byte {
	switch {
	case r < 0x80:
		return append(out, byte(r))
	case r < 0x800:
		return append(out, 0xc0|byte(r>>6), 0x80|byte(r&0x3f))
	case r < 0x10000:
		return append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	default:
		return append(out, 0xf0|byte(r>>18), 0x80|byte(r>>12&0x3f), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
}

// shortKey shows a key in an error: quoted, escaped and cut.
func shortKey(raw []byte) string {
	const most = 40
	if len(raw) > most {
		return strconv.QuoteToASCII(string(raw[:most])) + "…"
	}
	return strconv.QuoteToASCII(string(raw))
}
