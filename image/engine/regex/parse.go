package regex

import (
	"unicode/utf16"
)

// A syntaxError is why a pattern was refused; the caller adds the pattern itself.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// maxDepth bounds nested groups and classes: the parser and the compiler recurse, and Go's stack
// overflow cannot be caught. maxGroups bounds what one match array may hold.
const (
	maxDepth     = 1000
	maxGroups    = 1 << 15
	maxNamesakes = 1000 // groups of one name: each is compared with all
)

// A parsed is the outcome of parsing one pattern.
type parsed struct {
	root   node
	groups int      // capturing groups, without the whole match
	names  []string // names[i] is the name of group i, "" where it has none; nil where no group has
}

// parser reads patterns as ECMAScript 2025 has them: strictly with the flag u or v, else with the
// liberties of Annex B. Errors travel as panics of type syntaxError, caught in parse.
type parser struct {
	src []rune // code points with u or v, else code units
	pos int

	flags   flags
	uni     bool // u or v
	icase   bool // as modified by the group that is being read
	multi   bool
	dotAll  bool
	named   bool // a group has a name, which makes \k a reference
	total   int  // capturing groups in all
	count   int  // capturing groups so far
	names   []string
	paths   map[string][][]branch
	path    []branch
	choices int
	depth   int
	refs    []*nodeBackref
	props   map[string]runeSet // properties that were looked up, by how they were written
}

// A branch says in which alternative of which disjunction the parser is: two groups may share a
// name when no match can pass both.
type branch struct{ choice, alternative int }

// parse reads a pattern given in UTF-16 code units.
func parse(units []uint16, f flags) (p parsed, err error) {
	defer func() {
		if x := recover(); x != nil {
			se, ok := x.(syntaxError)
			if !ok {
				panic(x)
			}
			err = se
		}
	}()
	ps := parser{flags: f, uni: f.fullUnicode(), icase: f.ignoreCase, multi: f.multiline, dotAll: f.dotAll}
	if ps.uni {
		ps.src = decode(units)
	} else {
		ps.src = make([]rune, len(units))
		for i, u := range units {
			ps.src[i] = rune(u)
		}
	}
	ps.prescan()
	if ps.total > maxGroups {
		ps.fail("Too many captures")
	}
	ps.names = make([]string, ps.total+1)
	root := ps.disjunction()
	if ps.pos < len(ps.src) {
		ps.fail("Unmatched ')'")
	}
	ps.resolve()
	if !ps.named {
		ps.names = nil
	}
	return parsed{root: root, groups: ps.total, names: ps.names}, nil
}

// decode joins surrogate pairs and leaves lone surrogates as they are.
func decode(units []uint16) []rune {
	out := make([]rune, 0, len(units))
	for i := 0; i < len(units); i++ {
		if i+1 < len(units) {
			if r := utf16.DecodeRune(rune(units[i]), rune(units[i+1])); r != 0xFFFD {
				out = append(out, r)
				i++
				continue
			}
		}
		out = append(out, rune(units[i]))
	}
	return out
}

func (p *parser) fail(message string) { panic(syntaxError(message)) }

func (p *parser) peek() rune { return p.peekAt(0) }

func (p *parser) peekAt(n int) rune {
	if p.pos+n < len(p.src) {
		return p.src[p.pos+n]
	}
	return -1
}

func (p *parser) eat(r rune) bool {
	if p.peek() == r {
		p.pos++
		return true
	}
	return false
}

func (p *parser) eatString(s string) bool {
	for i, r := range []rune(s) {
		if p.peekAt(i) != r {
			return false
		}
	}
	p.pos += len([]rune(s))
	return true
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail("Regular expression too large")
	}
}

// fold is how characters compare at this place of the pattern.
func (p *parser) fold() fold {
	switch {
	case !p.icase:
		return foldNone
	case p.uni:
		return foldUnicode
	}
	return foldUpper
}

// prescan counts the groups, since what \3 and \k mean depends on groups that come later.
func (p *parser) prescan() {
	class := 0
	for i := 0; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == '\\':
			i++
		case c == '[' && (class == 0 || p.flags.sets):
			class++
		case c == ']' && class > 0:
			class--
		case c == '(' && class == 0:
			if i+1 < len(p.src) && p.src[i+1] == '?' {
				named := i+3 < len(p.src) && p.src[i+2] == '<' && p.src[i+3] != '=' && p.src[i+3] != '!'
				if !named {
					continue
				}
				p.named = true
			}
			p.total++
		}
	}
}

func (p *parser) disjunction() node {
	p.enter()
	defer func() { p.depth-- }()
	p.choices++
	p.path = append(p.path, branch{choice: p.choices})
	here := len(p.path) - 1
	list := []node{p.alternative()}
	for p.eat('|') {
		p.path[here].alternative++
		list = append(list, p.alternative())
	}
	p.path = p.path[:here]
	if len(list) == 1 {
		return list[0]
	}
	return alternatives(list)
}

// alternatives joins the branches of a disjunction; branches of one character each are a class.
func alternatives(list []node) node {
	var spans runeSet
	for _, n := range list {
		switch n := n.(type) {
		case nodeChar:
			spans = append(spans, span{n.c, n.c})
		case nodeSet:
			spans = append(spans, n.set.set...)
		default:
			return nodeAlt{list}
		}
	}
	return nodeSet{newCharset(normalise(spans))}
}

func (p *parser) alternative() node {
	var list []node
	for p.pos < len(p.src) && p.peek() != '|' && p.peek() != ')' {
		if n := p.term(); n != nil {
			list = append(list, n)
		}
	}
	switch len(list) {
	case 0:
		return nodeEmpty{}
	case 1:
		return list[0]
	}
	return nodeSeq{list}
}

func (p *parser) term() node {
	before := p.count
	var n node
	quantifiable := true
	switch c := p.peek(); c {
	case '^':
		p.pos++
		return nodeAssert{kind: pick(p.multi, assertLineStart, assertStart)}
	case '$':
		p.pos++
		return nodeAssert{kind: pick(p.multi, assertLineEnd, assertEnd)}
	case '(':
		p.pos++
		n, quantifiable = p.group()
	case '.':
		p.pos++
		if p.dotAll {
			n = nodeAnyChar{}
		} else {
			n = nodeSet{newCharset(lineEndSet().negate())}
		}
	case '[':
		p.pos++
		n = p.class()
	case '\\':
		p.pos++
		switch p.peek() {
		case 'b':
			p.pos++
			return nodeAssert{assertWord, p.fold()}
		case 'B':
			p.pos++
			return nodeAssert{assertNotWord, p.fold()}
		}
		n = p.atomEscape()
	case '*', '+', '?':
		p.fail("Nothing to repeat")
	case '{':
		if p.uni {
			p.fail("Nothing to repeat")
		}
		if _, _, ok := p.braces(); ok {
			p.fail("Nothing to repeat")
		}
		p.pos++
		n = p.char('{')
	case '}', ']':
		if p.uni {
			p.fail("Lone quantifier brackets")
		}
		fallthrough
	default:
		p.pos++
		n = p.char(c)
	}
	return p.quantifier(n, quantifiable, before)
}

func pick(cond bool, a, b assertion) assertion {
	if cond {
		return a
	}
	return b
}

// char makes the node of one character at this place of the pattern.
func (p *parser) char(c rune) node {
	if same := p.fold().equals(c); len(same) > 1 {
		return nodeSet{newCharset(setOf(same...))}
	}
	return nodeChar{c}
}

func (p *parser) quantifier(n node, quantifiable bool, before int) node {
	lo, hi := 0, -1
	switch p.peek() {
	case '*':
		p.pos++
	case '+':
		lo = 1
		p.pos++
	case '?':
		hi = 1
		p.pos++
	case '{':
		var ok bool
		start := p.pos
		if lo, hi, ok = p.braces(); !ok {
			if p.uni {
				p.fail("Incomplete quantifier")
			}
			p.pos = start
			return n
		}
		if hi >= 0 && lo > hi {
			p.fail("numbers out of order in {} quantifier")
		}
	default:
		return n
	}
	if !quantifiable {
		p.fail("Nothing to repeat")
	}
	return nodeRepeat{body: n, min: lo, max: hi, lazy: p.eat('?'), first: before + 1, last: p.count + 1}
}

// braces reads {n}, {n,} or {n,m}; where there is none it leaves the position as it was. Numbers
// beyond what a string can be long are cut to that.
func (p *parser) braces() (lo, hi int, ok bool) {
	start := p.pos
	p.pos++
	lo, ok = p.decimal()
	if !ok {
		p.pos = start
		return 0, 0, false
	}
	hi = lo
	if p.eat(',') {
		if hi, ok = p.decimal(); !ok {
			hi = -1
		}
	}
	if !p.eat('}') {
		p.pos = start
		return 0, 0, false
	}
	return lo, hi, true
}

func (p *parser) decimal() (n int, ok bool) {
	for '0' <= p.peek() && p.peek() <= '9' {
		n = min(n*10+int(p.peek()-'0'), 1<<30)
		ok = true
		p.pos++
	}
	return n, ok
}
