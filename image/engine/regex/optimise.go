package regex

// A starts is what a piece of a program may begin with.
type starts struct {
	low   bitmap
	other bool // some character of 256 and up
	all   bool // anything, the empty string too
}

func (s *starts) add(set *charset) {
	for i, w := range set.low {
		s.low[i] |= w
	}
	if n := len(set.set); n > 0 && set.set[n-1].hi > 0xFF {
		s.other = true
	}
}

// beginnings follows the program from pc up to the first character that it reads. budget bounds the
// work: a program that branches much just is not optimised.
func (p *program) beginnings(pc int32, s *starts, budget *int) {
	for !s.all {
		if *budget--; *budget < 0 {
			s.all = true
			return
		}
		i := &p.code[pc]
		switch i.op {
		case opChar:
			if i.c < 256 {
				s.low.add(uint8(i.c))
			} else {
				s.other = true
			}
			return
		case opSet:
			s.add(i.set)
			return
		case opRun:
			if i.set == nil {
				s.all = true
				return
			}
			s.add(i.set)
			if i.min > 0 {
				return
			}
			pc++
		case opSplit:
			p.beginnings(i.x, s, budget)
			pc = i.y
		case opJump:
			pc = i.x
		case opLoop:
			if i.min == 0 {
				p.beginnings(i.y, s, budget)
			}
			pc++
		case opAssert, opSave, opReset, opLoopInit, opMark:
			// They read nothing: what follows decides. An assertion only takes away from it.
			pc++
		case opLook:
			if i.negated {
				pc = i.y
				continue
			}
			s.all = true
		default:
			s.all = true
		}
		if i.back {
			s.all = true
		}
	}
}

// startsBudget is how many instructions one question about beginnings may look at.
const startsBudget = 64

// optimise finds what lets the matcher skip places and branches that cannot match.
func (p *program) optimise() {
	var s starts
	budget := 4 * startsBudget
	if p.beginnings(0, &s, &budget); !s.all {
		p.first, p.other = &s.low, s.other
	}
	pc := 1
	for ; pc < len(p.code) && p.code[pc].op == opSave; pc++ {
	}
	if pc < len(p.code) {
		p.anchor = p.code[pc].op == opAssert && p.code[pc].kind == assertStart && p.anchored(int32(pc))
	}
	for i := 1; i < len(p.code) && p.code[i].op == opChar && p.code[i].c < 0x80; i++ {
		p.prefix += string(p.code[i].c)
	}
	for i := range p.code {
		if in := &p.code[i]; in.op == opSplit && !in.back {
			in.firstX, in.otherX = p.branchStarts(in.x)
			in.firstY, in.otherY = p.branchStarts(in.y)
		}
	}
}

// anchored reports whether no split lies before pc, so that every match passes it.
func (p *program) anchored(pc int32) bool {
	for i := range pc {
		if op := p.code[i].op; op != opSave {
			return false
		}
	}
	return true
}

func (p *program) branchStarts(pc int32) (*bitmap, bool) {
	var s starts
	budget := startsBudget
	if p.beginnings(pc, &s, &budget); s.all {
		return nil, true
	}
	return &s.low, s.other
}
