package regex

import (
	"errors"
	"unicode"
	"unicode/utf16"
)

// errTooComplex is what a match ends with whose backtracking needs more memory than maxFrames.
var errTooComplex = errors.New("regular expression too complex: it backtracks over too much text")

// maxFrames bounds the backtracking stack: 16 bytes a frame.
const maxFrames = 4 << 20

// pollEvery is how much work is done, in instructions and in characters that one of them runs over,
// between two looks at whether the script was stopped: about a millisecond.
const pollEvery = 1 << 18

// A frame is an entry of the backtracking stack: a place to go on from, or a value to put back.
type frame struct {
	kind frameKind
	pc   int32 // or the slot of what is put back
	pos  int32
	aux  int32
}

type frameKind int32

const (
	frameChoice   frameKind = iota // go on at pc and pos
	frameCapture                   // put pos back into capture slot pc
	frameRegister                  // put pos back into register pc
	frameRun                       // give one character back, down to aux
	frameLazy                      // take one character more; aux counts those that may still come
	frameLook                      // bottom of a lookaround
)

// A matcher runs a program over text of one width: bytes of ASCII, or UTF-16 code units.
type matcher[C uint8 | uint16] struct {
	prog  *program
	text  []C
	caps  []int32
	regs  []int32
	stack []frame
	fuel  int
	// poll is called now and then; a panic of its own passes through the matcher.
	poll func()
}

// read gives the character at pos in the direction asked for, and the position behind it. The caller
// has checked that there is one.
func (m *matcher[C]) read(pos int32, back bool) (rune, int32) {
	if !back {
		r := rune(m.text[pos])
		if m.prog.uni && r&0xFC00 == 0xD800 && int(pos)+1 < len(m.text) {
			if low := rune(m.text[pos+1]); low&0xFC00 == 0xDC00 {
				return utf16.DecodeRune(r, low), pos + 2
			}
		}
		return r, pos + 1
	}
	r := rune(m.text[pos-1])
	if m.prog.uni && r&0xFC00 == 0xDC00 && pos > 1 {
		if high := rune(m.text[pos-2]); high&0xFC00 == 0xD800 {
			return utf16.DecodeRune(high, r), pos - 2
		}
	}
	return r, pos - 1
}

func (m *matcher[C]) more(pos int32, back bool) bool {
	if back {
		return pos > 0
	}
	return int(pos) < len(m.text)
}

// may reports whether a branch that begins with first and other can go on at pos.
func (m *matcher[C]) may(first *bitmap, other bool, pos int32) bool {
	if first == nil {
		return true
	}
	if int(pos) >= len(m.text) {
		return false
	}
	if c := m.text[pos]; rune(c) < 256 {
		return first.has(uint8(c))
	}
	return other
}

// burn counts work, and looks now and then whether the script was stopped.
func (m *matcher[C]) burn(n int32) {
	if m.fuel -= int(n); m.fuel < 0 {
		m.fuel = pollEvery
		m.poll()
	}
}

func (m *matcher[C]) push(f frame) error {
	if len(m.stack) >= maxFrames {
		return errTooComplex
	}
	m.stack = append(m.stack, f)
	return nil
}

func (m *matcher[C]) saveCapture(slot, pos int32) error {
	if err := m.push(frame{kind: frameCapture, pc: slot, pos: m.caps[slot]}); err != nil {
		return err
	}
	m.caps[slot] = pos
	return nil
}

func (m *matcher[C]) saveRegister(reg, v int32) error {
	if err := m.push(frame{kind: frameRegister, pc: reg, pos: m.regs[reg]}); err != nil {
		return err
	}
	m.regs[reg] = v
	return nil
}

// run tries to match at pos alone.
func (m *matcher[C]) run(pos int32) (bool, error) {
	m.stack = m.stack[:0]
	code := m.prog.code
	pc := int32(0)
	for {
		m.burn(1)
		i := &code[pc]
		pc++
		ok := true
		var err error
		switch i.op {
		case opMatch:
			return true, nil
		case opChar:
			if ok = m.more(pos, i.back); ok {
				var c rune
				c, pos = m.read(pos, i.back)
				ok = c == i.c
			}
		case opSet:
			if ok = m.more(pos, i.back); ok {
				var c rune
				c, pos = m.read(pos, i.back)
				ok = i.set.has(c)
			}
		case opAnyChar:
			if ok = m.more(pos, i.back); ok {
				_, pos = m.read(pos, i.back)
			}
		case opSplit:
			switch {
			case !m.may(i.firstX, i.otherX, pos):
				pc = i.y
			case !m.may(i.firstY, i.otherY, pos):
				pc = i.x
			default:
				err = m.push(frame{kind: frameChoice, pc: i.y, pos: pos})
				pc = i.x
			}
		case opJump:
			pc = i.x
		case opSave:
			err = m.saveCapture(i.x, pos)
		case opReset:
			for g := i.x; g < i.y && err == nil; g++ {
				if m.caps[2*g] >= 0 || m.caps[2*g+1] >= 0 {
					if err = m.saveCapture(2*g, -1); err == nil {
						err = m.saveCapture(2*g+1, -1)
					}
				}
			}
		case opLoopInit:
			err = m.saveRegister(i.x, 0)
		case opLoop:
			pc, err = m.loop(i, pc, pos)
		case opLoopNext:
			ok = m.regs[i.x] <= code[i.y].min || m.regs[i.x+1] != pos
			pc = i.y
		case opMark:
			err = m.saveRegister(i.x, pos)
		case opProgress:
			ok = m.regs[i.x] != pos
		case opRun:
			pos, ok, err = m.repeat(i, pc, pos)
		case opBackref:
			pos, ok = m.backref(i, pos)
		case opAssert:
			ok = m.assert(i, pos)
		case opLook:
			if err = m.saveRegister(i.x, int32(len(m.stack)+1)); err == nil {
				f := frame{kind: frameLook, pos: pos, aux: -1}
				if i.negated {
					f.aux = i.y
				}
				err = m.push(f)
			}
		case opLookEnd:
			pos = m.keep(m.regs[i.x])
		case opLookNegEnd:
			m.unwind(m.regs[i.x])
			ok = false
		default:
			ok = false
		}
		if err != nil {
			return false, err
		}
		if ok {
			continue
		}
		if pc, pos, ok = m.backtrack(); !ok {
			return false, nil
		}
	}
}

// loop decides at the head of a counted loop whether another turn begins.
func (m *matcher[C]) loop(i *inst, body, pos int32) (pc int32, err error) {
	count := m.regs[i.x]
	if count >= i.min {
		if i.max >= 0 && count >= i.max {
			return i.y, nil
		}
		if i.lazy {
			// The turn that is put off must still be counted when it comes: aux says so.
			return i.y, m.push(frame{kind: frameChoice, pc: body, pos: pos, aux: i.x + 1})
		}
		if err := m.push(frame{kind: frameChoice, pc: i.y, pos: pos}); err != nil {
			return 0, err
		}
	}
	return body, m.turn(i.x, pos)
}

// turn counts a turn of the loop in register reg, which begins at pos.
func (m *matcher[C]) turn(reg, pos int32) error {
	if err := m.saveRegister(reg, m.regs[reg]+1); err != nil {
		return err
	}
	return m.saveRegister(reg+1, pos)
}

// backtrack goes back to the last place that left a choice, putting back what changed since.
func (m *matcher[C]) backtrack() (pc, pos int32, ok bool) {
	for len(m.stack) > 0 {
		top := len(m.stack) - 1
		f := &m.stack[top]
		switch f.kind {
		case frameCapture:
			m.caps[f.pc] = f.pos
		case frameRegister:
			m.regs[f.pc] = f.pos
		case frameChoice:
			pc, pos, reg := f.pc, f.pos, f.aux-1
			m.stack = m.stack[:top]
			if reg >= 0 && m.turn(reg, pos) != nil {
				return 0, 0, false
			}
			return pc, pos, true
		case frameRun:
			i := &m.prog.code[f.pc-1]
			_, f.pos = m.read(f.pos, !i.back)
			pc, pos := f.pc, f.pos
			if pos == f.aux {
				m.stack = m.stack[:top]
			}
			return pc, pos, true
		case frameLazy:
			i := &m.prog.code[f.pc-1]
			if m.more(f.pos, i.back) {
				c, next := m.read(f.pos, i.back)
				if i.set == nil || i.set.has(c) {
					f.pos = next
					pc := f.pc
					if f.aux > 0 {
						if f.aux--; f.aux == 0 {
							m.stack = m.stack[:top]
						}
					}
					return pc, next, true
				}
			}
		case frameLook:
			if f.aux >= 0 {
				pc, pos := f.aux, f.pos
				m.stack = m.stack[:top]
				return pc, pos, true
			}
		}
		m.stack = m.stack[:top]
	}
	return 0, 0, false
}

// repeat matches one character as often as i says.
func (m *matcher[C]) repeat(i *inst, pc, pos int32) (int32, bool, error) {
	n := int32(0)
	limit := i.max
	if i.lazy {
		limit = i.min
	}
	least := pos
	for (limit < 0 || n < limit) && m.more(pos, i.back) {
		c, next := m.read(pos, i.back)
		if i.set != nil && !i.set.has(c) {
			break
		}
		pos = next
		if n++; n == i.min {
			least = pos
		}
	}
	m.burn(n)
	if n < i.min {
		return pos, false, nil
	}
	var err error
	switch {
	case i.lazy && i.max < 0:
		err = m.push(frame{kind: frameLazy, pc: pc, pos: pos})
	case i.lazy && i.max > i.min:
		err = m.push(frame{kind: frameLazy, pc: pc, pos: pos, aux: i.max - i.min})
	case !i.lazy && pos != least:
		err = m.push(frame{kind: frameRun, pc: pc, pos: pos, aux: least})
	}
	return pos, true, err
}

// keep ends a lookaround that matched: its choices go, what it captured stays, and so does the way
// to put that back.
func (m *matcher[C]) keep(bottom int32) (pos int32) {
	pos = m.stack[bottom].pos
	kept := m.stack[:bottom]
	for _, f := range m.stack[bottom+1:] {
		if f.kind == frameCapture || f.kind == frameRegister {
			kept = append(kept, f)
		}
	}
	m.stack = kept
	return pos
}

// unwind puts back everything that changed since the lookaround at bottom, and drops it.
func (m *matcher[C]) unwind(bottom int32) {
	for top := len(m.stack) - 1; top > int(bottom); top-- {
		switch f := &m.stack[top]; f.kind {
		case frameCapture:
			m.caps[f.pc] = f.pos
		case frameRegister:
			m.regs[f.pc] = f.pos
		}
	}
	m.stack = m.stack[:bottom]
}

func (m *matcher[C]) backref(i *inst, pos int32) (int32, bool) {
	for _, g := range i.refs {
		start, end := m.caps[2*g], m.caps[2*g+1]
		if start < 0 || end < 0 {
			continue
		}
		m.burn(end - start)
		if !i.back {
			for start < end {
				if !m.more(pos, false) {
					return pos, false
				}
				var a, b rune
				a, start = m.read(start, false)
				b, pos = m.read(pos, false)
				if a != b && i.fold.canonical(a) != i.fold.canonical(b) {
					return pos, false
				}
			}
			return pos, true
		}
		for end > start {
			if !m.more(pos, true) {
				return pos, false
			}
			var a, b rune
			a, end = m.read(end, true)
			b, pos = m.read(pos, true)
			if a != b && i.fold.canonical(a) != i.fold.canonical(b) {
				return pos, false
			}
		}
		return pos, true
	}
	return pos, true
}

func (m *matcher[C]) assert(i *inst, pos int32) bool {
	switch i.kind {
	case assertStart:
		return pos == 0
	case assertEnd:
		return int(pos) == len(m.text)
	case assertLineStart:
		return pos == 0 || isLineEnd(rune(m.text[pos-1]))
	case assertLineEnd:
		return int(pos) == len(m.text) || isLineEnd(rune(m.text[pos]))
	}
	before := pos > 0 && isWord(rune(m.text[pos-1]), i.fold)
	after := int(pos) < len(m.text) && isWord(rune(m.text[pos]), i.fold)
	return (before != after) == (i.kind == assertWord)
}

func isLineEnd(r rune) bool {
	return r == '\n' || r == '\r' || r == 0x2028 || r == 0x2029
}

func isWord(r rune, f fold) bool {
	if r < unicode.MaxASCII {
		return r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z'
	}
	return f == foldUnicode && (r == 0x17F || r == 0x212A)
}
