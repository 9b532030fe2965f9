// Package side keeps Go values beside JavaScript objects, where a script cannot see them.
package side

import (
	"weak"

	"github.com/dop251/goja"
)

// A Table says what stands behind each of a runtime's objects. It keeps no object alive. It belongs to
// one goroutine at a time, like the runtime. The zero Table is empty and ready.
type Table[V any] struct {
	values  map[weak.Pointer[goja.Object]]V
	sweepAt int
}

// minSweep is how many objects a table holds before it looks for dead ones.
const minSweep = 1000

// Put sets what stands behind obj. Now and then it forgets the objects that are gone, so that a table
// holds at most about twice as many as live.
func (t *Table[V]) Put(obj *goja.Object, v V) {
	if t.values == nil {
		t.values, t.sweepAt = map[weak.Pointer[goja.Object]]V{}, minSweep
	}
	if len(t.values) >= t.sweepAt {
		for p := range t.values {
			if p.Value() == nil {
				delete(t.values, p)
			}
		}
		t.sweepAt = 2*len(t.values) + minSweep
	}
	t.values[weak.Make(obj)] = v
}

// Get gives what stands behind obj.
func (t *Table[V]) Get(obj *goja.Object) (v V, ok bool) {
	if len(t.values) == 0 {
		return v, false
	}
	v, ok = t.values[weak.Make(obj)]
	return v, ok
}
