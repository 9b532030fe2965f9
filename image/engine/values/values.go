// Package values carries values over the border of a script: the input from JSON, the output to JSON.
//
// What JSON cannot hold is never lost in silence: it is converted as [Encoder.Encode] says, with a
// warning that names where it stood, or it is an error that names where.
package values

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// MaxDepth is how deep arrays and objects may nest, in the input and in the output.
const MaxDepth = 1000

// maxWarnings bounds how many warnings are spelled out; the rest are counted.
const maxWarnings = 100

// maxPath bounds, in bytes, how a place is spelled in a warning or an error.
const maxPath = 300

// ErrTooLarge says that the output, as JSON, is larger than allowed.
var ErrTooLarge = errors.New("the output is larger than allowed")

// A CycleError says that an object holds itself.
type CycleError struct {
	Path   string // where the object was met again, as output.b.c
	Parent string // where it stood first
}

func (e *CycleError) Error() string {
	return fmt.Sprintf("%s is a cycle: it is %s again, and JSON cannot hold that", e.Path, e.Parent)
}

// A DepthError says that the output nests too deep.
type DepthError struct{ Path string }

func (e *DepthError) Error() string {
	return fmt.Sprintf("the output is nested deeper than %d levels, at %s", MaxDepth, e.Path)
}

// A ThrownError says that the script's own code threw while the output was read: a getter, a toJSON or
// the trap of a proxy.
type ThrownError struct {
	Path  string
	Cause *goja.Exception
}

func (e *ThrownError) Error() string { return e.Path + " threw an error when it was read" }

func (e *ThrownError) Unwrap() error { return e.Cause }

// A step is one level of the path to a value: a key of an object or an index of an array.
type step struct {
	key   string
	index int // -1 where key counts
}

// path is where the encoder stands.
type path []step

func (p path) String() string { return p.cut(len(p)) }

// cut spells the first n steps.
func (p path) cut(n int) string {
	var b strings.Builder
	b.WriteString("output")
	for i, s := range p[:n] {
		if b.Len() > maxPath {
			fmt.Fprintf(&b, "… (%d levels more)", n-i)
			break
		}
		switch {
		case s.index >= 0:
			fmt.Fprintf(&b, "[%d]", s.index)
		case isIdentifier(s.key):
			b.WriteByte('.')
			b.WriteString(s.key)
		default:
			b.WriteByte('[')
			b.Write(appendString(nil, clip(s.key)))
			b.WriteByte(']')
		}
	}
	return b.String()
}

// clip shortens a long key for a message.
func clip(key string) string {
	const most = 60
	if len(key) <= most {
		return key
	}
	return strings.ToValidUTF8(key[:most], "") + "…"
}

func isIdentifier(s string) bool {
	if s == "" || len(s) > 60 {
		return false
	}
	for i, r := range s {
		letter := r == '_' || r == '$' || r|0x20 >= 'a' && r|0x20 <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return true
}

// warnings collects what was converted, and where.
type warnings struct {
	list []string
	more int
}

func (w *warnings) add(p path, what string) {
	if len(w.list) >= maxWarnings {
		w.more++
		return
	}
	w.list = append(w.list, p.String()+": "+what)
}

func (w *warnings) done() []string {
	if w.more > 0 {
		return append(w.list, fmt.Sprintf("and %d more such warnings", w.more))
	}
	return w.list
}
