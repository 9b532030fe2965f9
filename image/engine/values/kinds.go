package values

import (
	"errors"
	"reflect"
	"strconv"

	"github.com/dop251/goja"
)

// thrown turns what calling into the script returned into an error of this package; what cannot be
// caught goes on its way up.
func (w *writer) thrown(err error) error {
	if ex, ok := err.(*goja.Exception); ok { //nolint:errorlint // errors.As would look into the script's own errors
		return &ThrownError{Path: w.path.String(), Cause: ex}
	}
	panic(err)
}

// mapObject writes a Map: as an object where all its keys are strings, else as an array of pairs.
func (w *writer) mapObject(o *goja.Object) error {
	var pairs [][2]goja.Value
	strings := true
	err := w.in.forEach(w.in.mapForEach, o, func(key, value goja.Value) error {
		if _, ok := key.(goja.String); !ok {
			strings = false
		}
		pairs = append(pairs, [2]goja.Value{key, value})
		return w.tick()
	})
	if err != nil {
		return w.orThrown(err)
	}
	if !strings {
		w.warn("a Map was written as an array of pairs")
		return w.pairs(pairs)
	}
	w.warn("a Map was written as an object")
	if err := w.putByte('{'); err != nil {
		return err
	}
	first := true
	for _, pair := range pairs {
		key := pair[0].String()
		w.push(step{key: key, index: -1})
		if err := w.member(&first, key, pair[1]); err != nil {
			return err
		}
		w.pop()
	}
	return w.putByte('}')
}

func (w *writer) pairs(pairs [][2]goja.Value) error {
	if err := w.putByte('['); err != nil {
		return err
	}
	for i, pair := range pairs {
		if i > 0 {
			if err := w.putByte(','); err != nil {
				return err
			}
		}
		w.push(step{index: i})
		if err := w.list(pair[:]); err != nil {
			return err
		}
		w.pop()
	}
	return w.putByte(']')
}

func (w *writer) list(elements []goja.Value) error {
	if err := w.putByte('['); err != nil {
		return err
	}
	for i, v := range elements {
		if err := w.element(i, v); err != nil {
			return err
		}
	}
	return w.putByte(']')
}

func (w *writer) setObject(o *goja.Object) error {
	var elements []goja.Value
	err := w.in.forEach(w.in.setForEach, o, func(_, value goja.Value) error {
		elements = append(elements, value)
		return w.tick()
	})
	if err != nil {
		return w.orThrown(err)
	}
	return w.list(elements)
}

// orThrown sorts an error of a forEach: stop's own goes through as it is.
func (w *writer) orThrown(err error) error {
	var stopped *stoppedError
	if errors.As(err, &stopped) {
		return stopped.cause
	}
	return w.thrown(err)
}

// errorObject writes an Error as its name and message.
func (w *writer) errorObject(o *goja.Object) error {
	if err := w.putByte('{'); err != nil {
		return err
	}
	for i, key := range [...]string{"name", "message"} {
		if i > 0 {
			if err := w.putByte(','); err != nil {
				return err
			}
		}
		if err := w.putText(key); err != nil {
			return err
		}
		if err := w.putByte(':'); err != nil {
			return err
		}
		w.push(step{key: key, index: -1})
		if err := w.text(o.Get(key)); err != nil {
			return err
		}
		w.pop()
	}
	return w.putByte('}')
}

// text writes a value that ought to be a string; another primitive is written as the string it makes.
func (w *writer) text(v goja.Value) error {
	switch x := v.(type) {
	case nil, *goja.Object, *goja.Symbol:
		return w.put([]byte(`""`))
	case goja.String:
		return w.putString(x)
	}
	return w.putText(v.String())
}

// typedArray writes a typed array; done is false where the object is none.
func (w *writer) typedArray(o *goja.Object) (done bool, err error) {
	switch t := o.ExportType(); {
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Interface && t.Elem().Kind() != reflect.Array:
	default:
		return false, nil
	}
	switch x := o.Export().(type) {
	case []uint8:
		return true, w.bytes(x)
	case []int8:
		return true, numbers(w, x, appendInt[int8])
	case []int16:
		return true, numbers(w, x, appendInt[int16])
	case []uint16:
		return true, numbers(w, x, appendInt[uint16])
	case []int32:
		return true, numbers(w, x, appendInt[int32])
	case []uint32:
		return true, numbers(w, x, appendInt[uint32])
	case []int64:
		w.warn("a BigInt64Array was written as an array of strings")
		return true, numbers(w, x, func(b []byte, n int64) []byte {
			return append(strconv.AppendInt(append(b, '"'), n, 10), '"')
		})
	case []uint64:
		w.warn("a BigUint64Array was written as an array of strings")
		return true, numbers(w, x, func(b []byte, n uint64) []byte {
			return append(strconv.AppendUint(append(b, '"'), n, 10), '"')
		})
	case []float32:
		return true, w.floats(len(x), func(i int) float64 { return float64(x[i]) })
	case []float64:
		return true, w.floats(len(x), func(i int) float64 { return x[i] })
	}
	return false, nil
}

func (w *writer) bytes(b []byte) error { return numbers(w, b, appendInt[byte]) }

func appendInt[T int8 | uint8 | int16 | uint16 | int32 | uint32](b []byte, n T) []byte {
	return strconv.AppendInt(b, int64(n), 10)
}

func numbers[T any](w *writer, list []T, appendOne func([]byte, T) []byte) error {
	if err := w.putByte('['); err != nil {
		return err
	}
	for i, n := range list {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = appendOne(w.buf, n)
		if err := w.checkSize(); err != nil {
			return err
		}
		if err := w.tick(); err != nil {
			return err
		}
	}
	return w.putByte(']')
}

func (w *writer) floats(n int, at func(int) float64) error {
	if err := w.putByte('['); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			if err := w.putByte(','); err != nil {
				return err
			}
		}
		if err := w.tick(); err != nil {
			return err
		}
		w.push(step{index: i})
		if err := w.number(at(i), w.rt.ToValue(at(i))); err != nil {
			return err
		}
		w.pop()
	}
	return w.putByte(']')
}

// intrinsics are the built-in functions that the encoder needs, as they were before any script ran.
type intrinsics struct {
	rt *goja.Runtime

	mapForEach, setForEach goja.Callable
	regexpSourceGetter     goja.Callable
	bigIntPrototype        *goja.Object
	valueOfBigInt          goja.Callable
	valueOfSymbol          goja.Callable
	weakMapHas, weakSetHas goja.Callable
	dataViewLength         goja.Callable
	arrayIsArray           goja.Callable
	objectPrototype        *goja.Object
	iteratorPrototype      *goja.Object
}

func newIntrinsics(rt *goja.Runtime) *intrinsics {
	in := &intrinsics{rt: rt}
	global := rt.GlobalObject()
	prototype := func(class string) *goja.Object {
		o, _ := global.Get(class).(*goja.Object)
		p, _ := o.Get("prototype").(*goja.Object)
		return p
	}
	method := func(o *goja.Object, name string) goja.Callable {
		call, _ := goja.AssertFunction(o.Get(name))
		return call
	}
	in.mapForEach = method(prototype("Map"), "forEach")
	in.setForEach = method(prototype("Set"), "forEach")
	in.bigIntPrototype = prototype("BigInt")
	in.valueOfBigInt = method(in.bigIntPrototype, "valueOf")
	in.valueOfSymbol = method(prototype("Symbol"), "valueOf")
	in.weakMapHas = method(prototype("WeakMap"), "has")
	in.weakSetHas = method(prototype("WeakSet"), "has")
	in.objectPrototype = prototype("Object")
	array, _ := global.Get("Array").(*goja.Object)
	in.arrayIsArray = method(array, "isArray")
	object, _ := global.Get("Object").(*goja.Object)
	describe := method(object, "getOwnPropertyDescriptor")
	in.regexpSourceGetter = in.getter(describe, prototype("RegExp"), "source")
	in.dataViewLength = in.getter(describe, prototype("DataView"), "byteLength")
	if values := method(prototype("Array"), "values"); values != nil {
		if it, err := values(rt.NewArray()); err == nil {
			in.iteratorPrototype = it.(*goja.Object).Prototype().Prototype()
		}
	}
	return in
}

func (in *intrinsics) getter(describe goja.Callable, o *goja.Object, name string) goja.Callable {
	descriptor, err := describe(goja.Undefined(), o, in.rt.ToValue(name))
	if err != nil {
		return nil
	}
	call, _ := goja.AssertFunction(descriptor.(*goja.Object).Get("get"))
	return call
}

// A stoppedError carries an error of ours through a forEach.
type stoppedError struct{ cause error }

func (e *stoppedError) Error() string { return e.cause.Error() }

// forEach calls f with each key and value of a Map, or with each value of a Set twice.
func (in *intrinsics) forEach(method goja.Callable, o *goja.Object, f func(key, value goja.Value) error) error {
	var stopped error
	halt := in.rt.NewTypeError("stopped")
	_, err := method(o, in.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		if stopped = f(call.Argument(1), call.Argument(0)); stopped != nil {
			panic(halt)
		}
		return goja.Undefined()
	}))
	if stopped != nil {
		return &stoppedError{stopped}
	}
	return err
}

func (in *intrinsics) valueOf(o *goja.Object) goja.Value {
	for _, method := range [...]goja.Callable{in.valueOfBigInt, in.valueOfSymbol} {
		if v, err := method(o); err == nil {
			return v
		}
	}
	return o
}

func (in *intrinsics) isArray(o *goja.Object) bool {
	v, err := in.arrayIsArray(goja.Undefined(), o)
	if err != nil {
		panic(err)
	}
	return v.ToBoolean()
}

func (in *intrinsics) regexpSource(o *goja.Object) goja.Value {
	v, err := in.regexpSourceGetter(o)
	if err != nil {
		panic(err)
	}
	return v
}

// opaque names what an object without properties of its own holds nevertheless, or "".
func (in *intrinsics) opaque(o *goja.Object) string {
	if p := o.Prototype(); p == nil || p == in.objectPrototype {
		return ""
	}
	const levels = 64 // a proxy may answer without end
	for p, i := o.Prototype(), 0; p != nil && i < levels; p, i = p.Prototype(), i+1 {
		if p == in.iteratorPrototype {
			return "an iterator"
		}
	}
	if _, err := in.weakMapHas(o, in.objectPrototype); err == nil {
		return "a WeakMap"
	}
	if _, err := in.weakSetHas(o, in.objectPrototype); err == nil {
		return "a WeakSet"
	}
	if _, err := in.dataViewLength(o); err == nil {
		return "a DataView"
	}
	return ""
}
