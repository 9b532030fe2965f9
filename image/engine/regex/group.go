package regex

import (
	"slices"
	"unicode"
	"unicode/utf16"
)

// group reads what follows an opening bracket. Lookbehinds, and with the flag u lookaheads too, take
// no quantifier.
func (p *parser) group() (n node, quantifiable bool) {
	quantifiable = true
	switch {
	case p.eatString("?:"):
		n = p.disjunction()
	case p.eatString("?="):
		n, quantifiable = nodeLook{body: p.disjunction()}, !p.uni
	case p.eatString("?!"):
		n, quantifiable = nodeLook{body: p.disjunction(), negated: true}, !p.uni
	case p.eatString("?<="):
		n, quantifiable = nodeLook{body: p.disjunction(), behind: true}, false
	case p.eatString("?<!"):
		n, quantifiable = nodeLook{body: p.disjunction(), behind: true, negated: true}, false
	case p.eatString("?<"):
		n = p.capture(p.groupName())
	case p.peek() == '?':
		p.pos++
		n = p.modified()
	default:
		n = p.capture("")
	}
	if !p.eat(')') {
		p.fail("Unterminated group")
	}
	return n, quantifiable
}

func (p *parser) capture(name string) node {
	p.count++
	index := p.count
	if name != "" {
		if len(p.paths[name]) >= maxNamesakes {
			p.fail("Too many captures")
		}
		for _, path := range p.paths[name] {
			if !exclusive(path, p.path) {
				p.fail("Duplicate capture group name")
			}
		}
		if p.paths == nil {
			p.paths = map[string][][]branch{}
		}
		p.paths[name] = append(p.paths[name], slices.Clone(p.path))
		p.names[index] = name
	}
	return nodeGroup{p.disjunction(), index}
}

// exclusive reports whether two places lie in different alternatives of one disjunction.
func exclusive(a, b []branch) bool {
	for i := range min(len(a), len(b)) {
		if a[i].choice != b[i].choice {
			return false
		}
		if a[i].alternative != b[i].alternative {
			return true
		}
	}
	return false
}

// modified reads a group as (?i-s:…).
func (p *parser) modified() node {
	var on, off []rune
	list := &on
	for p.peek() != ':' {
		c := p.peek()
		switch {
		case c == '-' && list == &on:
			list = &off
		case c != 'i' && c != 'm' && c != 's':
			p.fail("Invalid group")
		case slices.Contains(on, c) || slices.Contains(off, c):
			p.fail("Repeated flag in modifiers")
		default:
			*list = append(*list, c)
		}
		p.pos++
	}
	p.pos++
	if len(on)+len(off) == 0 {
		p.fail("Invalid group")
	}
	i, m, s := p.icase, p.multi, p.dotAll
	p.icase = (i || slices.Contains(on, 'i')) && !slices.Contains(off, 'i')
	p.multi = (m || slices.Contains(on, 'm')) && !slices.Contains(off, 'm')
	p.dotAll = (s || slices.Contains(on, 's')) && !slices.Contains(off, 's')
	n := p.disjunction()
	p.icase, p.multi, p.dotAll = i, m, s
	return n
}

// groupName reads a name and its closing angle bracket.
func (p *parser) groupName() string {
	var name []rune
	for !p.eat('>') {
		c := p.peek()
		p.pos++
		switch {
		case c == -1:
			p.fail("Invalid capture group name")
		case c == '\\':
			if !p.eat('u') {
				p.fail("Invalid Unicode escape")
			}
			// In a name an escape is a code point, whatever the flags.
			var ok bool
			if c, ok = p.unicodeEscape(true); !ok {
				p.fail("Invalid Unicode escape")
			}
		case utf16.IsSurrogate(c):
			if r := utf16.DecodeRune(c, p.peek()); r != unicode.ReplacementChar {
				c = r
				p.pos++
			}
		}
		if !(isIDStart(c) || len(name) > 0 && isIDPart(c)) {
			p.fail("Invalid capture group name")
		}
		name = append(name, c)
	}
	if len(name) == 0 {
		p.fail("Invalid capture group name")
	}
	return string(name)
}

func isIDStart(r rune) bool {
	return r == '$' || r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) || unicode.Is(unicode.Other_ID_Start, r)
}

func isIDPart(r rune) bool {
	return isIDStart(r) || r == 0x200C || r == 0x200D ||
		unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue)
}

// resolve finds the groups that named references mean.
func (p *parser) resolve() {
	groups := map[string][]int{}
	for i, name := range p.names {
		groups[name] = append(groups[name], i)
	}
	for _, ref := range p.refs {
		if ref.groups = groups[ref.name]; ref.groups == nil {
			p.fail("Invalid named capture referenced")
		}
	}
}
