package native

import (
	"testing"

	"github.com/dop251/goja"
)

type box struct{ n int64 }

func install(t *testing.T) *goja.Runtime {
	t.Helper()
	rt := goja.New()
	made := 0
	Lazy(rt, "lazy", func() goja.Value { made++; return rt.ToValue(made) })
	Lazy(rt, "unused", func() goja.Value { t.Error("made without need"); return nil })
	k := NewClasses(rt)
	c := NewClass(k, Spec[*box]{Name: "Box", Length: 1, Construct: func(args []goja.Value) *box {
		if len(args) == 0 {
			panic(rt.NewTypeError("nothing to hold"))
		}
		return &box{n: args[0].ToInteger()}
	}})
	c.Method("add", 1, func(b *box, call goja.FunctionCall) goja.Value {
		b.n += call.Argument(0).ToInteger()
		return rt.ToValue(b.n)
	})
	c.Getter("n", func(b *box) goja.Value { return rt.ToValue(b.n) })
	shut := NewClass(k, Spec[*box]{Name: "Shut", Extends: c.Constructor})
	rt.Set("Box", c.Constructor)
	rt.Set("Shut", shut.Constructor)
	other := NewClass(k, Spec[*box]{Name: "Other"})
	rt.Set("other", other.New(&box{n: 9}))
	return rt
}

func TestScriptsSeeBuiltIns(t *testing.T) {
	rt := install(t)
	for code, want := range map[string]any{
		`Box.name + Box.length`: "Box1",
		`typeof Box`:            "function",
		`new Box(2).n`:          int64(2),
		`new Box(2).add(3)`:     int64(5),
		`Object.prototype.toString.call(new Box(1))`:                                     "[object Box]",
		`new Box(1) instanceof Box`:                                                      true,
		`Object.keys(Box.prototype).length`:                                              int64(0),
		`Reflect.ownKeys(new Box(1)).length`:                                             int64(0),
		`Box.prototype.add.name + Box.prototype.add.length`:                              "add1",
		`Object.getOwnPropertyDescriptor(Box.prototype, 'n').get.name`:                   "get n",
		`String(Box.prototype.add)`:                                                      "function add() { [native code] }",
		`new (class Sub extends Box { constructor() { super(4) } x = 1 })().n`:           int64(4),
		`(class Sub extends Box {}).name`:                                                "Sub",
		`try { Box(1) } catch (e) { e.name }`:                                            "TypeError",
		`try { new Box() } catch (e) { e.message }`:                                      "nothing to hold",
		`try { new Shut(1) } catch (e) { e.message }`:                                    "Illegal constructor",
		`try { Box.prototype.n } catch (e) { e.name }`:                                   "TypeError",
		`try { Box.prototype.add.call({}) } catch (e) { e.name }`:                        "TypeError",
		`try { Box.prototype.add.call(5) } catch (e) { e.name }`:                         "TypeError",
		`try { Box.prototype.add.call(other) } catch (e) { e.name }`:                     "TypeError",
		`try { Box.prototype.add.call(Object.create(new Box(1))) } catch (e) { e.name }`: "TypeError",
		`try { Box.prototype.add.call(new Proxy(new Box(1), {})) } catch (e) { e.name }`: "TypeError",
		`try { new Box.prototype.add() } catch (e) { e.name }`:                           "TypeError",
		`lazy + lazy`:                              int64(2),
		`lazy = 5; lazy`:                           int64(5),
		`typeof unused2`:                           "undefined",
		`'unused' in globalThis`:                   true,
		`unused = 3; unused`:                       int64(3),
		`var unused = 4; unused`:                   int64(4),
		`Object.keys(globalThis).includes('lazy')`: false,
	} {
		v, err := install(t).RunString(code)
		if err != nil || v.Export() != want {
			t.Errorf("%s = %v, %v; want %v", code, v, err, want)
		}
	}
	if v, err := rt.RunString(`lazy; lazy; JSON.stringify(Object.getOwnPropertyDescriptor(globalThis, 'lazy'))`); err != nil ||
		v.String() != `{"value":1,"writable":true,"enumerable":false,"configurable":true}` {
		t.Errorf("a lazy global settles as %v, %v", v, err)
	}
}

// The state belongs to the instance: two classes of the factory do not read each other's.
func TestStateIsPrivate(t *testing.T) {
	rt := goja.New()
	k := NewClasses(rt)
	a := NewClass(k, Spec[*box]{Name: "A"})
	b := NewClass(k, Spec[*box]{Name: "B", Extends: a.Constructor})
	if _, ok := b.State(a.New(&box{})); ok {
		t.Error("a B was seen in an A")
	}
	if _, ok := a.State(goja.Undefined()); ok {
		t.Error("an A was seen in undefined")
	}
	if s, ok := a.State(a.New(&box{n: 7})); !ok || s.n != 7 {
		t.Errorf("got %v, %v", s, ok)
	}
}
