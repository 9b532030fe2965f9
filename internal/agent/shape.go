package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The bounds of a shape.
const (
	shapeKeys   = 40  // members of an object that are told one by one
	shapeNodes  = 400 // kinds of values that are told apart at all
	shapeLevels = 8
)

// A shape is what is known of all values that stand in one place of a document: of what types they are, and how
// many.
type shape struct {
	values                            int
	nulls, bools, numbers, texts      int
	objects, arrays                   int
	least, most                       float64 // of numbers
	whole                             bool    // every number is an integer
	longest                           int     // text, in bytes
	fewestItems, mostItems, itemCount int
	item                              *shape
	keys                              []string // in the order in which they first came
	members                           map[string]*shape
	moreKeys                          int // members beyond shapeKeys, counted each time
}

// A shaper reads a document once.
type shaper struct {
	dec   *json.Decoder
	nodes int
}

// shapeOf describes a document's structure in a compact notation like TypeScript's.
func shapeOf(raw json.RawMessage) string {
	s := &shaper{dec: json.NewDecoder(bytes.NewReader(raw))}
	s.dec.UseNumber()
	root := &shape{}
	if err := s.value(root, 0); err != nil {
		return "unknown"
	}
	var out strings.Builder
	root.write(&out, "")
	return out.String()
}

// value reads one value into what is known of its place; a nil shape is a place that nothing is noted of.
func (s *shaper) value(into *shape, level int) error {
	if into == nil || level > shapeLevels {
		var skipped json.RawMessage
		return s.dec.Decode(&skipped)
	}
	token, err := s.dec.Token()
	if err != nil {
		return err
	}
	into.values++
	switch v := token.(type) {
	case nil:
		into.nulls++
	case bool:
		into.bools++
	case json.Number:
		into.number(v)
	case string:
		into.texts++
		into.longest = max(into.longest, len(v))
	case json.Delim:
		if v == '{' {
			return s.object(into, level)
		}
		return s.array(into, level)
	}
	return nil
}

func (into *shape) number(v json.Number) {
	n, err := v.Float64()
	if err != nil {
		n = 0
	}
	if into.numbers == 0 {
		into.least, into.most, into.whole = n, n, true
	}
	into.numbers++
	into.least, into.most = min(into.least, n), max(into.most, n)
	into.whole = into.whole && n == float64(int64(n))
}

func (s *shaper) object(into *shape, level int) error {
	into.objects++
	for s.dec.More() {
		token, err := s.dec.Token()
		if err != nil {
			return err
		}
		if err := s.value(s.member(into, token.(string)), level+1); err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	return err
}

// member returns what is known of a member, or nil where it is one too many.
func (s *shaper) member(into *shape, key string) *shape {
	if known := into.members[key]; known != nil {
		return known
	}
	if len(into.keys) >= shapeKeys || s.nodes >= shapeNodes {
		into.moreKeys++
		return nil
	}
	if into.members == nil {
		into.members = map[string]*shape{}
	}
	s.nodes++
	into.keys = append(into.keys, key)
	into.members[key] = &shape{}
	return into.members[key]
}

func (s *shaper) array(into *shape, level int) error {
	if into.item == nil && s.nodes < shapeNodes {
		s.nodes++
		into.item = &shape{}
	}
	n := 0
	for ; s.dec.More(); n++ {
		if err := s.value(into.item, level+1); err != nil {
			return err
		}
	}
	if into.arrays == 0 {
		into.fewestItems, into.mostItems = n, n
	}
	into.arrays++
	into.itemCount += n
	into.fewestItems, into.mostItems = min(into.fewestItems, n), max(into.mostItems, n)
	_, err := s.dec.Token()
	return err
}

// write tells the shape; indent is that of the line it stands on.
func (into *shape) write(out *strings.Builder, indent string) {
	parts := 0
	part := func(n int, tell func()) {
		if n == 0 {
			return
		}
		if parts > 0 {
			out.WriteString(" | ")
		}
		parts++
		tell()
	}
	part(into.bools, func() { out.WriteString("boolean") })
	part(into.numbers, func() {
		kind := "number"
		if into.whole {
			kind = "integer"
		}
		fmt.Fprintf(out, "%s (%s to %s)", kind, plain(into.least), plain(into.most))
	})
	part(into.texts, func() { fmt.Fprintf(out, "string (up to %s)", sizeOf(into.longest)) })
	part(into.arrays, func() { into.writeArray(out, indent) })
	part(into.objects, func() { into.writeObject(out, indent) })
	part(into.nulls, func() { out.WriteString("null") })
	if parts == 0 {
		out.WriteString("…")
	}
}

func plain(n float64) string { return strconv.FormatFloat(n, 'g', 10, 64) }

func (into *shape) writeArray(out *strings.Builder, indent string) {
	count := grouped(into.mostItems)
	if into.fewestItems != into.mostItems {
		count = grouped(into.fewestItems) + " to " + count
	}
	fmt.Fprintf(out, "array of %s", count)
	if into.itemCount > 0 && into.item != nil {
		out.WriteString(": ")
		into.item.write(out, indent)
	}
}

func (into *shape) writeObject(out *strings.Builder, indent string) {
	out.WriteString("{\n")
	for _, key := range into.keys {
		member := into.members[key]
		fmt.Fprintf(out, "%s  %s", indent, quoteKey(key))
		if member.values > 0 && member.values < into.objects {
			fmt.Fprintf(out, "? (in %s of %s)", grouped(member.values), grouped(into.objects))
		}
		out.WriteString(": ")
		member.write(out, indent+"  ")
		out.WriteString("\n")
	}
	if into.moreKeys > 0 {
		fmt.Fprintf(out, "%s  … and further keys, met %s times\n", indent, grouped(into.moreKeys))
	}
	out.WriteString(indent + "}")
}
