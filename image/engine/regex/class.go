package regex

import (
	"cmp"
	"slices"
)

// A classSet is what a class matches: characters and, with the flag v, strings.
type classSet struct {
	runes   runeSet
	strings [][]rune
}

// class reads what follows an opening square bracket.
func (p *parser) class() node {
	if p.flags.sets {
		return p.setNode(p.setClass())
	}
	negated := p.eat('^')
	var spans runeSet
	for !p.eat(']') {
		if p.peek() == -1 {
			p.fail("Unterminated character class")
		}
		lo, loSet := p.classAtom()
		if p.peek() == '-' && p.peekAt(1) != ']' && p.peekAt(1) != -1 {
			p.pos++
			hi, hiSet := p.classAtom()
			switch {
			case loSet == nil && hiSet == nil:
				if lo > hi {
					p.fail("Range out of order in character class")
				}
				spans = append(spans, span{lo, hi})
				continue
			case p.uni:
				p.fail("Invalid character class")
			}
			spans = append(spans, span{'-', '-'})
			spans = appendAtom(spans, lo, loSet)
			spans = appendAtom(spans, hi, hiSet)
			continue
		}
		spans = appendAtom(spans, lo, loSet)
	}
	runes := p.closed(normalise(spans))
	if negated {
		runes = runes.negate()
	}
	return nodeSet{newCharset(runes)}
}

func appendAtom(spans runeSet, r rune, set *runeSet) runeSet {
	if set != nil {
		return append(spans, *set...)
	}
	return append(spans, span{r, r})
}

// classAtom reads one character of a class, or one escape that stands for several.
func (p *parser) classAtom() (rune, *runeSet) {
	if !p.eat('\\') {
		c := p.peek()
		p.pos++
		return c, nil
	}
	switch c := p.peek(); {
	case c == 'b':
		p.pos++
		return '\b', nil
	case c >= '1' && c <= '9' && p.uni:
		p.fail("Invalid class escape")
	}
	if s, ok := p.classEscape(); ok {
		return 0, &s.runes
	}
	return p.charEscape(true), nil
}

// setClass reads a class of the flag v after its opening bracket.
func (p *parser) setClass() classSet {
	p.enter()
	defer func() { p.depth-- }()
	negated := p.eat('^')
	var out classSet
	if p.peek() != ']' {
		out = p.setUnion()
	}
	if !p.eat(']') {
		p.fail("Unterminated character class")
	}
	if !negated {
		return out
	}
	if len(out.strings) > 0 {
		p.fail("Negated character class may contain strings")
	}
	return classSet{runes: out.runes.negate()}
}

// setUnion reads operands: side by side, or joined by && or by --, but never both.
func (p *parser) setUnion() classSet {
	left, single := p.setOperand()
	for _, op := range []string{"&&", "--"} {
		if p.peek() != rune(op[0]) || p.peekAt(1) != rune(op[0]) {
			continue
		}
		for p.eatString(op) {
			if p.peek() == '&' && op == "&&" {
				p.fail("Invalid character in character class")
			}
			right, _ := p.setOperand()
			left = left.combine(right, op == "&&")
		}
		if p.peek() != ']' {
			p.fail("Invalid set operation in character class")
		}
		return left
	}
	out := p.setRange(left, single)
	spans := slices.Clone(out.runes)
	for p.peek() != ']' {
		if p.peek() == -1 {
			p.fail("Unterminated character class")
		}
		if p.peek() == '&' && p.peekAt(1) == '&' || p.peek() == '-' && p.peekAt(1) == '-' {
			p.fail("Invalid set operation in character class")
		}
		next, single := p.setOperand()
		next = p.setRange(next, single)
		spans = append(spans, next.runes...)
		out.strings = append(out.strings, next.strings...)
	}
	out.runes = normalise(spans)
	return out
}

// setRange turns the operand, where it is a character with a hyphen behind it, into a range.
func (p *parser) setRange(left classSet, single rune) classSet {
	if p.peek() != '-' || p.peekAt(1) == '-' {
		return left
	}
	if single < 0 {
		p.fail("Invalid character class")
	}
	p.pos++
	_, hi := p.setOperand()
	if hi < 0 {
		p.fail("Invalid character class")
	}
	if single > hi {
		p.fail("Range out of order in character class")
	}
	return classSet{runes: p.closed(runeSet{{single, hi}})}
}

// combine takes the intersection of two sets, or what t does not hold of s.
func (s classSet) combine(t classSet, and bool) classSet {
	var out classSet
	if and {
		out.runes = s.runes.intersect(t.runes)
	} else {
		out.runes = s.runes.subtract(t.runes)
	}
	for _, str := range s.strings {
		found := slices.ContainsFunc(t.strings, func(o []rune) bool { return slices.Equal(str, o) })
		if found == and {
			out.strings = append(out.strings, str)
		}
	}
	return out
}

// setOperand reads one operand; single is the character where it is just one, else negative.
func (p *parser) setOperand() (s classSet, single rune) {
	c := p.peek()
	switch c {
	case -1:
		p.fail("Unterminated character class")
	case '[':
		p.pos++
		return p.setClass(), -1
	case '\\':
		switch {
		case p.peekAt(1) == 'q' && p.peekAt(2) == '{':
			p.pos += 3
			return p.quoted(), -1
		case p.peekAt(1) == 'q':
			p.fail("Invalid escape")
		}
		p.pos++
		if s, ok := p.classEscape(); ok {
			return s, -1
		}
		p.pos--
	}
	r := p.setChar()
	return classSet{runes: p.closed(setOf(r))}, r
}

// setChar reads one character as the flag v has them: more of them must be escaped.
func (p *parser) setChar() rune {
	c := p.peek()
	p.pos++
	switch c {
	case -1:
		p.fail("Unterminated character class")
	case '\\':
		if p.peek() == 'b' {
			p.pos++
			return '\b'
		}
		if isSetPunctuator(p.peek()) {
			p.pos++
			return p.src[p.pos-1]
		}
		return p.charEscape(true)
	case '(', ')', '[', ']', '{', '}', '/', '-', '|':
		p.fail("Invalid character in character class")
	}
	if c == p.peek() && isDoubled(c) {
		p.fail("Invalid set operation in character class")
	}
	return c
}

func isSetPunctuator(c rune) bool {
	switch c {
	case '&', '-', '!', '#', '%', ',', ':', ';', '<', '=', '>', '@', '`', '~':
		return true
	}
	return false
}

// isDoubled names the characters whose doubling is kept for later versions of the language.
func isDoubled(c rune) bool {
	return c != '-' && isSetPunctuator(c) || c == '$' || c == '*' || c == '+' || c == '.' || c == '?' || c == '^'
}

// quoted reads the alternatives of \q{…}.
func (p *parser) quoted() classSet {
	var out classSet
	var str []rune
	flush := func() {
		if len(str) == 1 {
			out.runes = out.runes.union(p.closed(setOf(str[0])))
		} else {
			for i := range str {
				str[i] = p.fold().canonical(str[i])
			}
			out.strings = append(out.strings, str)
		}
		str = nil
	}
	for {
		switch p.peek() {
		case '}':
			p.pos++
			flush()
			return out
		case '|':
			p.pos++
			flush()
		default:
			str = append(str, p.setChar())
		}
	}
}

// setNode makes the node of a class: strings are tried before characters, the longest first.
func (p *parser) setNode(s classSet) node {
	single := nodeSet{newCharset(s.runes)}
	if len(s.strings) == 0 {
		return single
	}
	slices.SortStableFunc(s.strings, func(a, b []rune) int { return cmp.Compare(len(b), len(a)) })
	var list []node
	placed := false
	for _, str := range s.strings {
		if len(str) == 0 {
			list = append(list, single, nodeEmpty{})
			placed = true
			break
		}
		var seq nodeSeq
		for _, r := range str {
			seq.list = append(seq.list, p.char(r))
		}
		list = append(list, seq)
	}
	if !placed {
		list = append(list, single)
	}
	return nodeAlt{list}
}
