package regex

import (
	"strings"
	"unsafe"
)

// search looks for the first match that begins at or after from, or with sticky at from alone. The
// result lives until the next search of the same matcher: two positions a group, -1 where it took no
// part; nil where nothing matches.
func (m *matcher[C]) search(from int, sticky bool) ([]int32, error) {
	p := m.prog
	n := 2 * (p.groups + 1)
	if cap(m.caps) < n {
		m.caps = make([]int32, n)
	}
	m.caps = m.caps[:n]
	if cap(m.regs) < p.regs {
		m.regs = make([]int32, p.regs)
	}
	m.regs = m.regs[:p.regs]
	for i := range m.caps {
		m.caps[i] = -1
	}
	clear(m.regs)
	if p.anchor && from > 0 {
		return nil, nil
	}
	for pos := from; pos <= len(m.text); {
		if !sticky {
			if pos = m.candidate(pos); pos < 0 {
				return nil, nil
			}
		}
		ok, err := m.run(int32(pos))
		if err != nil {
			return nil, err
		}
		if ok {
			return m.caps, nil
		}
		if sticky || p.anchor {
			return nil, nil
		}
		if pos == len(m.text) {
			break
		}
		_, next := m.read(int32(pos), false)
		pos = int(next)
	}
	return nil, nil
}

// candidate gives the first place from pos on where a match may begin, or -1.
func (m *matcher[C]) candidate(pos int) int {
	p := m.prog
	if len(p.prefix) > 1 {
		if text, ok := any(m.text).([]uint8); ok {
			at := strings.Index(unsafe.String(unsafe.SliceData(text), len(text))[pos:], p.prefix)
			if at < 0 {
				return -1
			}
			return pos + at
		}
	}
	if p.first == nil {
		return pos
	}
	for ; pos < len(m.text); pos++ {
		if c := m.text[pos]; rune(c) < 256 {
			if p.first.has(uint8(c)) {
				return pos
			}
		} else if p.other {
			return pos
		}
	}
	return -1
}
