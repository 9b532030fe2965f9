package side

import (
	"runtime"
	"testing"

	"github.com/dop251/goja"
)

func TestTable(t *testing.T) {
	rt := goja.New()
	var table Table[int]
	a, b := rt.NewObject(), rt.NewObject()
	if _, ok := table.Get(a); ok {
		t.Error("an empty table knows an object")
	}
	table.Put(a, 1)
	table.Put(a, 2)
	if v, ok := table.Get(a); !ok || v != 2 {
		t.Errorf("got %d, %t", v, ok)
	}
	if _, ok := table.Get(b); ok {
		t.Error("the table knows an object that it was never told of")
	}
	runtime.KeepAlive(a)
}

// TestTableForgets holds that a table does not grow with objects that are gone.
func TestTableForgets(t *testing.T) {
	rt := goja.New()
	var table Table[int]
	for i := range 20 * minSweep {
		table.Put(rt.NewObject(), i)
		if i%minSweep == 0 {
			runtime.GC()
		}
	}
	if n := len(table.values); n > 5*minSweep {
		t.Errorf("%d objects are remembered, all but the last are gone", n)
	}
}
