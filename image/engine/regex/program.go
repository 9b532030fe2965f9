package regex

// A program is a compiled pattern: instructions for the backtracking matcher. It is never changed
// after it was made, so that many objects share one.
type program struct {
	code   []inst
	groups int      // capturing groups, without the whole match
	names  []string // as parsed.names
	regs   int      // registers that loops and lookarounds use
	uni    bool     // positions advance by code point
	first  *bitmap  // what a match may begin with, of the first 256; nil means anything
	other  bool     // whether a match may begin with a character beyond those
	prefix string   // ASCII text that every match begins with
	anchor bool     // every match begins where the string begins
}

type opcode uint8

const (
	opMatch opcode = iota
	opChar
	opSet
	opAnyChar
	opSplit      // try x, then y
	opJump       // go to x
	opSave       // capture slot x
	opReset      // empty the captures x ≤ n < y
	opLoopInit   // register x: how often; x+1: where the turn began
	opLoop       // test of the loop in register x; y is the way out
	opLoopNext   // end of a turn of the loop in register x; y is its test
	opMark       // register x: where the turn began
	opProgress   // fail where register x is the position still
	opRun        // one character, min to max times
	opBackref    // the groups in refs
	opAssert     // kind
	opLook       // register x holds the stack's height; y is where it goes on, for a negated one
	opLookEnd    // end of the lookaround in register x
	opFail       // never matches
	opLookNegEnd // end of a negated lookaround in register x
)

// An inst is one instruction.
type inst struct {
	op       opcode
	back     bool // reads towards the start, within a lookbehind
	lazy     bool
	negated  bool
	fold     fold
	kind     assertion
	x, y     int32
	min, max int32
	c        rune
	set      *charset
	refs     []int
	// firstX and firstY say which of the first 256 characters the branches x and y of a split may
	// begin with; otherX and otherY the same for those beyond. nil means anything, or nothing at all.
	firstX, firstY *bitmap
	otherX, otherY bool
}

// maxProgram bounds the instructions of one pattern: counted repetitions of anything but a single
// character loop, so that only the pattern's own length adds to them.
const maxProgram = 1 << 20

type compiler struct {
	code []inst
	regs int32
	back bool
}

// compile turns a parsed pattern into a program.
func compile(p parsed, f flags) (*program, error) {
	c := compiler{}
	c.emit(inst{op: opSave, x: 0})
	c.node(p.root)
	c.emit(inst{op: opSave, x: 1})
	c.emit(inst{op: opMatch})
	if len(c.code) > maxProgram {
		return nil, syntaxError("Regular expression too large")
	}
	prog := &program{code: c.code, groups: p.groups, names: p.names, regs: int(c.regs), uni: f.fullUnicode()}
	prog.optimise()
	return prog, nil
}

func (c *compiler) emit(i inst) int32 {
	i.back = c.back
	c.code = append(c.code, i)
	return int32(len(c.code) - 1)
}

func (c *compiler) here() int32 { return int32(len(c.code)) }

func (c *compiler) register(n int32) int32 {
	c.regs += n
	return c.regs - n
}

func (c *compiler) node(n node) {
	switch n := n.(type) {
	case nodeEmpty:
	case nodeChar:
		c.emit(inst{op: opChar, c: n.c})
	case nodeSet:
		c.emit(inst{op: opSet, set: n.set})
	case nodeAnyChar:
		c.emit(inst{op: opAnyChar})
	case nodeSeq:
		if c.back {
			for i := len(n.list) - 1; i >= 0; i-- {
				c.node(n.list[i])
			}
			return
		}
		for _, m := range n.list {
			c.node(m)
		}
	case nodeAlt:
		c.alternatives(n.list)
	case nodeGroup:
		open, end := int32(2*n.index), int32(2*n.index+1)
		if c.back {
			open, end = end, open
		}
		c.emit(inst{op: opSave, x: open})
		c.node(n.body)
		c.emit(inst{op: opSave, x: end})
	case *nodeBackref:
		c.emit(inst{op: opBackref, refs: n.groups, fold: n.fold})
	case nodeAssert:
		c.emit(inst{op: opAssert, kind: n.kind, fold: n.fold})
	case nodeLook:
		c.look(n)
	case nodeRepeat:
		c.repeat(n)
	}
}

func (c *compiler) alternatives(list []node) {
	var ends []int32
	for i, n := range list {
		if i == len(list)-1 {
			c.node(n)
			break
		}
		split := c.emit(inst{op: opSplit})
		c.code[split].x = c.here()
		c.node(n)
		ends = append(ends, c.emit(inst{op: opJump}))
		c.code[split].y = c.here()
	}
	for _, e := range ends {
		c.code[e].x = c.here()
	}
}

func (c *compiler) look(n nodeLook) {
	reg := c.register(1)
	outer := c.back
	look := c.emit(inst{op: opLook, x: reg, negated: n.negated})
	c.back = n.behind
	c.node(n.body)
	c.back = outer
	if n.negated {
		c.emit(inst{op: opLookNegEnd, x: reg})
	} else {
		c.emit(inst{op: opLookEnd, x: reg})
	}
	c.code[look].y = c.here()
}

func (c *compiler) repeat(n nodeRepeat) {
	if n.max == 0 {
		return
	}
	switch body := n.body.(type) {
	case nodeChar:
		c.emit(inst{op: opRun, set: newCharset(setOf(body.c)), min: int32(n.min), max: int32(n.max), lazy: n.lazy})
		return
	case nodeSet:
		c.emit(inst{op: opRun, set: body.set, min: int32(n.min), max: int32(n.max), lazy: n.lazy})
		return
	case nodeAnyChar:
		c.emit(inst{op: opRun, min: int32(n.min), max: int32(n.max), lazy: n.lazy})
		return
	}
	empty := nullable(n.body)
	body := func() {
		if n.last > n.first {
			c.emit(inst{op: opReset, x: int32(n.first), y: int32(n.last)})
		}
		c.node(n.body)
	}
	branch := func(split, first, second int32) {
		if n.lazy {
			first, second = second, first
		}
		c.code[split].x, c.code[split].y = first, second
	}
	switch {
	case n.min == 1 && n.max == 1:
		body()
	case n.min == 0 && n.max == 1:
		split := c.emit(inst{op: opSplit})
		start := c.here()
		c.guarded(empty, body)
		branch(split, start, c.here())
	case n.min == 0 && n.max < 0:
		split := c.emit(inst{op: opSplit})
		start := c.here()
		c.guarded(empty, body)
		c.emit(inst{op: opJump, x: split})
		branch(split, start, c.here())
	case n.min == 1 && n.max < 0 && !empty:
		start := c.here()
		body()
		split := c.emit(inst{op: opSplit})
		branch(split, start, c.here())
	default:
		reg := c.register(2)
		c.emit(inst{op: opLoopInit, x: reg})
		test := c.emit(inst{op: opLoop, x: reg, min: int32(n.min), max: int32(n.max), lazy: n.lazy})
		body()
		c.emit(inst{op: opLoopNext, x: reg, y: test})
		c.code[test].y = c.here()
	}
}

// guarded emits the body of an optional turn, which must not be empty.
func (c *compiler) guarded(empty bool, body func()) {
	if !empty {
		body()
		return
	}
	reg := c.register(1)
	c.emit(inst{op: opMark, x: reg})
	body()
	c.emit(inst{op: opProgress, x: reg})
}
