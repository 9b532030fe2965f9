package regex

import (
	"fmt"
	"unicode"
	"unicode/utf16"
)

// atomEscape reads what follows a backslash outside of a class.
func (p *parser) atomEscape() node {
	c := p.peek()
	switch {
	case c == -1:
		p.fail("\\ at end of pattern")
	case c >= '1' && c <= '9':
		if n, ok := p.backref(); ok {
			return n
		}
	case c == 'k':
		if p.uni || p.named {
			p.pos++
			if !p.eat('<') {
				p.fail("Invalid named reference")
			}
			ref := &nodeBackref{name: p.groupName(), fold: p.fold()}
			p.refs = append(p.refs, ref)
			return ref
		}
	}
	if s, ok := p.classEscape(); ok {
		if len(s.strings) > 0 {
			return p.setNode(s)
		}
		return nodeSet{newCharset(s.runes)}
	}
	return p.char(p.charEscape(false))
}

// backref reads a reference by number. Without u or v a number beyond the groups is something else.
func (p *parser) backref() (node, bool) {
	start := p.pos
	n, _ := p.decimal()
	if n <= p.total {
		return &nodeBackref{groups: []int{n}, fold: p.fold()}, true
	}
	if p.uni {
		p.fail("Invalid escape")
	}
	p.pos = start
	return nil, false
}

// classEscape reads d D s S w W and, with u or v, p and P; the result is closed under the flag i.
func (p *parser) classEscape() (s classSet, ok bool) {
	c := p.peek()
	var runes runeSet
	switch c {
	case 'd', 'D':
		runes = digitSet()
	case 's', 'S':
		runes = spaceSet()
	case 'w', 'W':
		runes = wordSet(p.fold())
	case 'p', 'P':
		if !p.uni {
			return classSet{}, false
		}
		p.pos++
		return classSet{runes: p.property(c == 'P')}, true
	default:
		return classSet{}, false
	}
	p.pos++
	if c < 'a' {
		runes = runes.negate()
	}
	return classSet{runes: p.closed(runes)}, true
}

// closed adds what equals a member of s at this place of the pattern.
func (p *parser) closed(s runeSet) runeSet { return p.fold().close(s) }

// property reads the braces after \p or \P.
func (p *parser) property(negated bool) runeSet {
	letter := "p"
	if negated {
		letter = "P"
	}
	if !p.eat('{') {
		p.fail("Invalid property name \\" + letter)
	}
	start := p.pos
	for p.peek() != '}' {
		if p.peek() == -1 {
			p.fail("Invalid property name \\" + letter + "{" + string(p.src[start:]))
		}
		p.pos++
	}
	text := string(p.src[start:p.pos])
	p.pos++
	key := fmt.Sprint(letter, text, p.icase)
	if runes, ok := p.props[key]; ok {
		return runes
	}
	runes, err := lookUp(text)
	switch {
	case err != nil:
		p.fail(err.Error() + " \\" + letter + "{" + text + "}")
	case !negated:
		runes = p.closed(runes)
	case p.flags.sets:
		// With v the complement is taken after folding, with u before.
		runes = p.closed(runes).negate()
	default:
		runes = p.closed(runes.negate())
	}
	if p.props == nil {
		p.props = map[string]runeSet{}
	}
	p.props[key] = runes
	return runes
}

// charEscape reads an escape that stands for one character.
func (p *parser) charEscape(inClass bool) rune {
	c := p.peek()
	p.pos++
	switch c {
	case -1:
		p.fail("\\ at end of pattern")
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'v':
		return '\v'
	case 'c':
		return p.controlEscape(inClass)
	case 'x':
		if r, ok := p.hex(2); ok {
			return r
		}
		if p.uni {
			p.fail("Invalid escape")
		}
		return 'x'
	case 'u':
		if r, ok := p.unicodeEscape(p.uni); ok {
			return r
		}
		if p.uni {
			p.fail("Invalid Unicode escape")
		}
		return 'u'
	case '0', '1', '2', '3', '4', '5', '6', '7':
		digit := p.peek() >= '0' && p.peek() <= '9'
		if c == '0' && !digit {
			return 0
		}
		if p.uni {
			if inClass {
				p.fail("Invalid class escape")
			}
			p.fail("Invalid decimal escape")
		}
		return p.octal(c)
	}
	if !p.uni {
		if c == 'k' && p.named {
			p.fail("Invalid escape")
		}
		return c
	}
	if c < 0x80 && isSyntaxChar(c) || c == '/' || inClass && c == '-' {
		return c
	}
	p.fail("Invalid escape")
	return 0
}

func isSyntaxChar(c rune) bool {
	switch c {
	case '^', '$', '\\', '.', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|':
		return true
	}
	return false
}

// octal reads the rest of an octal escape of Annex B, up to \377.
func (p *parser) octal(first rune) rune {
	v := first - '0'
	for i := 0; i < 2 && p.peek() >= '0' && p.peek() <= '7' && v*8+p.peek()-'0' <= 0377; i++ {
		v = v*8 + p.peek() - '0'
		p.pos++
	}
	return v
}

// controlEscape reads the letter of \cX. Where there is none Annex B takes the backslash for itself.
func (p *parser) controlEscape(inClass bool) rune {
	c := p.peek()
	letter := c < 0x80 && unicode.IsLetter(c)
	if !letter && !p.uni && inClass {
		letter = c >= '0' && c <= '9' || c == '_'
	}
	if letter {
		p.pos++
		return c & 0x1F
	}
	if p.uni {
		p.fail("Invalid unicode escape")
	}
	p.pos--
	return '\\'
}

func (p *parser) hex(digits int) (rune, bool) {
	v := rune(0)
	for i := range digits {
		d := hexDigit(p.peekAt(i))
		if d < 0 {
			return 0, false
		}
		v = v*16 + d
	}
	p.pos += digits
	return v, true
}

func hexDigit(c rune) rune {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return -1
}

// unicodeEscape reads what follows \u: four digits, and where full is set also braces and a second
// half of a surrogate pair.
func (p *parser) unicodeEscape(full bool) (rune, bool) {
	if full && p.peek() == '{' {
		v, i := rune(0), 1
		for ; hexDigit(p.peekAt(i)) >= 0; i++ {
			if v = v*16 + hexDigit(p.peekAt(i)); v > maxRune {
				return 0, false
			}
		}
		if i == 1 || p.peekAt(i) != '}' {
			return 0, false
		}
		p.pos += i + 1
		return v, true
	}
	r, ok := p.hex(4)
	if !ok || !full || !utf16.IsSurrogate(r) || p.peek() != '\\' || p.peekAt(1) != 'u' {
		return r, ok
	}
	start := p.pos
	p.pos += 2
	if low, ok := p.hex(4); ok {
		if pair := utf16.DecodeRune(r, low); pair != unicode.ReplacementChar {
			return pair, true
		}
	}
	p.pos = start
	return r, true
}
