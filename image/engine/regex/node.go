package regex

// A node is a piece of a parsed pattern. The flags i, m and s are resolved while parsing, since a
// modifier group may change them within a pattern: no node asks for them later.
type node interface{ node() }

type (
	nodeEmpty struct{}
	nodeChar  struct{ c rune }
	nodeSet   struct{ set *charset }
	// nodeAnyChar is the dot under the flag s.
	nodeAnyChar struct{}
	nodeSeq     struct{ list []node }
	nodeAlt     struct{ list []node }
	// nodeGroup captures; index counts from 1.
	nodeGroup struct {
		body  node
		index int
	}
	// nodeBackref refers to one group by number, or to all groups of a name, of which at most one
	// has taken part.
	nodeBackref struct {
		groups []int
		name   string
		fold   fold
	}
	nodeAssert struct {
		kind assertion
		fold fold // for \b: whether the two letters that fold to s and k are of a word
	}
	nodeLook struct {
		body            node
		behind, negated bool
	}
	nodeRepeat struct {
		body     node
		min, max int // max is infinite below 0
		lazy     bool
		// The captures first ≤ n < last are inside, and are emptied at each turn.
		first, last int
	}
)

type assertion uint8

const (
	assertStart assertion = iota
	assertEnd
	assertLineStart
	assertLineEnd
	assertWord
	assertNotWord
)

func (nodeEmpty) node()    {}
func (nodeChar) node()     {}
func (nodeSet) node()      {}
func (nodeAnyChar) node()  {}
func (nodeSeq) node()      {}
func (nodeAlt) node()      {}
func (nodeGroup) node()    {}
func (*nodeBackref) node() {}
func (nodeAssert) node()   {}
func (nodeLook) node()     {}
func (nodeRepeat) node()   {}

// nullable reports whether n can match the empty string, or might.
func nullable(n node) bool {
	switch n := n.(type) {
	case nodeChar, nodeSet, nodeAnyChar:
		return false
	case nodeSeq:
		for _, c := range n.list {
			if !nullable(c) {
				return false
			}
		}
		return true
	case nodeAlt:
		for _, c := range n.list {
			if nullable(c) {
				return true
			}
		}
		return false
	case nodeGroup:
		return nullable(n.body)
	case nodeRepeat:
		return n.min == 0 || nullable(n.body)
	}
	return true
}
