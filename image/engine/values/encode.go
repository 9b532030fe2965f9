package values

import (
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"

	"github.com/dop251/goja"
)

// An Encoder writes values of one runtime as JSON. It is made before any code of a user's runs, since
// it keeps the built-in functions that it needs, out of reach of a script that replaces them. It is as
// little safe for concurrent use as its runtime.
type Encoder struct {
	rt *goja.Runtime
	in *intrinsics
}

// NewEncoder returns an encoder for values of the runtime.
func NewEncoder(rt *goja.Runtime) *Encoder { return &Encoder{rt: rt, in: newIntrinsics(rt)} }

// Encode writes the value as JSON, in at most limit bytes, and says in warnings what was converted.
//
// Objects and arrays are written as JSON.stringify does, toJSON honoured. Beyond that: a Map whose keys
// are all strings becomes an object, any other the array of its pairs; a Set an array; a BigInt its
// decimal string; typed arrays and ArrayBuffer arrays of numbers; an Error {name, message}; a
// RegExp its source; NaN and the infinities null. Functions and symbols are left out of objects and are
// null in arrays and alone, as undefined is. What would come out as {} though it holds something (a
// promise, a WeakMap, an iterator) is null. Each conversion that JSON.stringify would not make, or that
// loses something, adds a warning.
//
// stop is asked every now and then, and ends the work with the error that it returns. The errors are
// *CycleError, *DepthError, *ThrownError, ErrTooLarge and those of stop. Encode panics with what goja
// panics with where the script is interrupted in a getter.
func (e *Encoder) Encode(v goja.Value, limit int, stop func() error) (json []byte, warned []string, err error) {
	w := &writer{Encoder: e, limit: limit, stop: stop}
	if thrown := e.rt.Try(func() { err = w.root(v) }); thrown != nil {
		err = &ThrownError{Path: w.path.String(), Cause: thrown}
	}
	if err != nil {
		return nil, w.warnings.done(), err
	}
	return w.buf, w.warnings.done(), nil
}

// A writer is the state of one Encode.
type writer struct {
	*Encoder
	buf   []byte
	limit int
	stop  func() error
	count int

	path  path
	stack []*goja.Object // the objects around the current one, one for each step of path
	open  map[*goja.Object]int

	warnings warnings
}

var null = []byte("null")

func (w *writer) put(b []byte) error {
	if len(b) > w.limit-len(w.buf) {
		return ErrTooLarge
	}
	w.buf = append(w.buf, b...)
	return nil
}

func (w *writer) putByte(c byte) error {
	if len(w.buf) >= w.limit {
		return ErrTooLarge
	}
	w.buf = append(w.buf, c)
	return nil
}

func (w *writer) putString(s goja.String) error {
	// A unit of a string takes at least one byte: do not even begin what cannot fit.
	if s.Length() > w.limit-len(w.buf) {
		return ErrTooLarge
	}
	w.buf = appendJSString(w.buf, s)
	return w.checkSize()
}

func (w *writer) putText(s string) error {
	if len(s) > w.limit-len(w.buf) {
		return ErrTooLarge
	}
	w.buf = appendString(w.buf, s)
	return w.checkSize()
}

func (w *writer) checkSize() error {
	if len(w.buf) > w.limit {
		return ErrTooLarge
	}
	return nil
}

// root writes the whole output.
func (w *writer) root(v goja.Value) error {
	v, err := w.prepare(v, "")
	if err != nil {
		return err
	}
	if leaves, what := leftOut(v); leaves {
		if what != "" {
			w.warn(what + " was written as null")
		}
		return w.put(null)
	}
	return w.value(v)
}

func (w *writer) warn(what string) { w.warnings.add(w.path, what) }

// tick asks now and then whether to go on.
func (w *writer) tick() error {
	if w.count++; w.count&0x3FF != 0 {
		return nil
	}
	return w.stop()
}

// prepare applies toJSON and unwraps boxed primitives.
func (w *writer) prepare(v goja.Value, key string) (goja.Value, error) {
	var holder *goja.Object
	switch x := v.(type) {
	case nil:
		return goja.Undefined(), nil
	case *goja.Object:
		holder = x
	default:
		if !isBigInt(v) {
			return v, nil
		}
		holder = w.in.bigIntPrototype
	}
	if method := holder.Get("toJSON"); method != nil {
		if _, isObject := method.(*goja.Object); isObject {
			if call, ok := goja.AssertFunction(method); ok {
				out, err := call(v, w.rt.ToValue(key))
				if err != nil {
					return nil, w.thrown(err)
				}
				v = out
			}
		}
	}
	if o, ok := v.(*goja.Object); ok {
		return w.unbox(o), nil
	}
	return v, nil
}

// unbox returns the primitive in a Number, String, Boolean, BigInt or Symbol object.
func (w *writer) unbox(o *goja.Object) goja.Value {
	switch o.ClassName() {
	case "Number":
		return o.ToNumber()
	case "String":
		return o.ToString()
	case "Boolean":
		return w.rt.ToValue(o.Export())
	case "Object":
		switch o.ExportType() {
		case typeBigInt, typeString:
			return w.in.valueOf(o)
		}
	}
	return o
}

var (
	typeBigInt  = reflect.TypeFor[*big.Int]()
	typeString  = reflect.TypeFor[string]()
	typeTime    = reflect.TypeFor[time.Time]()
	typeMap     = reflect.TypeFor[[][2]any]()
	typeList    = reflect.TypeFor[[]any]()
	typePromise = reflect.TypeFor[*goja.Promise]()
	typeProxy   = reflect.TypeFor[goja.Proxy]()
	typeBuffer  = reflect.TypeFor[goja.ArrayBuffer]()
)

func isBigInt(v goja.Value) bool {
	return v.ExportType() == typeBigInt
}

// leftOut reports whether JSON has no place for the value, which must have been prepared, and what to
// call it in a warning: nothing for undefined, which JSON.stringify leaves out as well known.
func leftOut(v goja.Value) (out bool, what string) {
	switch x := v.(type) {
	case nil:
		return true, ""
	case *goja.Symbol:
		return true, "a symbol"
	case *goja.Object:
		if isFunction(x) {
			return true, "a function"
		}
		return false, ""
	}
	return goja.IsUndefined(v), ""
}

func isFunction(o *goja.Object) bool {
	_, ok := goja.AssertFunction(o)
	return ok
}

// value writes a value that was prepared and that is not left out.
func (w *writer) value(v goja.Value) error {
	if err := w.tick(); err != nil {
		return err
	}
	switch x := v.(type) {
	case *goja.Object:
		return w.object(x)
	case goja.String:
		return w.putString(x)
	}
	switch x := v.Export().(type) {
	case nil:
		return w.put(null)
	case bool:
		return w.put(strconv.AppendBool(nil, x))
	case int64:
		return w.put(strconv.AppendInt(nil, x, 10))
	case float64:
		return w.number(x, v)
	case *big.Int:
		w.warn("a BigInt was written as a string")
		if x.BitLen() > 3*w.limit { // about 3.3 bits a digit
			return ErrTooLarge
		}
		return w.putText(x.String())
	}
	return w.put(null)
}

func (w *writer) number(f float64, v goja.Value) error {
	switch {
	case math.IsNaN(f):
		w.warn("NaN was written as null")
		return w.put(null)
	case math.IsInf(f, 0):
		w.warn(v.String() + " was written as null")
		return w.put(null)
	case f == 0:
		return w.putByte('0') // −0 too
	}
	return w.put([]byte(v.String()))
}

// object writes an object of any kind.
func (w *writer) object(o *goja.Object) error {
	switch o.ClassName() {
	case "Array":
		return w.nested(o, w.array)
	case "Error":
		w.warn("an Error was written as {name, message}")
		return w.errorObject(o)
	case "RegExp":
		w.warn("a RegExp was written as its source")
		return w.put(appendAny(w.in.regexpSource(o)))
	}
	switch o.ExportType() {
	case typeTime:
		// Only where the script took away Date.prototype.toJSON.
		if t, ok := o.Export().(time.Time); ok {
			return w.putText(t.UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		return w.put(null)
	case typeMap:
		return w.nested(o, w.mapObject)
	case typeList:
		w.warn("a Set was written as an array")
		return w.nested(o, w.setObject)
	case typePromise:
		w.warn("a Promise was written as null: await it first")
		return w.put(null)
	case typeBuffer:
		if buffer, ok := o.Export().(goja.ArrayBuffer); ok {
			return w.bytes(buffer.Bytes())
		}
	case typeProxy:
		if w.in.isArray(o) {
			return w.nested(o, w.array)
		}
		return w.nested(o, w.plain)
	}
	if done, err := w.typedArray(o); done {
		return err
	}
	return w.nested(o, w.plain)
}

func appendAny(v goja.Value) []byte {
	if s, ok := v.(goja.String); ok {
		return appendJSString(nil, s)
	}
	return appendString(nil, v.String())
}

// nested writes an object that holds others, seeing to cycles and depth.
func (w *writer) nested(o *goja.Object, write func(*goja.Object) error) error {
	if at := w.find(o); at >= 0 {
		return &CycleError{Path: w.path.String(), Parent: w.path.cut(at)}
	}
	if len(w.stack) >= MaxDepth {
		return &DepthError{Path: w.path.String()}
	}
	w.stack = append(w.stack, o)
	if w.open != nil {
		w.open[o] = len(w.stack) - 1
	}
	err := write(o)
	if err == nil { // an error ends all, and its path is still wanted
		w.stack = w.stack[:len(w.stack)-1]
		if w.open != nil {
			delete(w.open, o)
		}
	}
	return err
}

// find returns the level at which the object is open, or -1. Few levels are searched one by one; only
// deep outputs pay for a map.
func (w *writer) find(o *goja.Object) int {
	const few = 32
	if w.open == nil && len(w.stack) > few {
		w.open = make(map[*goja.Object]int)
		for i, x := range w.stack {
			w.open[x] = i
		}
	}
	if w.open != nil {
		if at, ok := w.open[o]; ok {
			return at
		}
		return -1
	}
	for i, x := range w.stack {
		if x == o {
			return i
		}
	}
	return -1
}

func (w *writer) push(s step) { w.path = append(w.path, s) }

func (w *writer) pop() { w.path = w.path[:len(w.path)-1] }

// array writes an array, or a proxy of one.
func (w *writer) array(o *goja.Object) error {
	if err := w.putByte('['); err != nil {
		return err
	}
	length := o.Get("length").ToInteger()
	for i := int64(0); i < length; i++ {
		if err := w.element(int(i), o.Get(strconv.FormatInt(i, 10))); err != nil {
			return err
		}
	}
	return w.putByte(']')
}

// element writes one element of an array with the comma before it.
func (w *writer) element(i int, v goja.Value) error {
	if i > 0 {
		if err := w.putByte(','); err != nil {
			return err
		}
	}
	w.push(step{index: i})
	key := ""
	if _, isObject := v.(*goja.Object); isObject {
		key = strconv.Itoa(i)
	}
	v, err := w.prepare(v, key)
	if err != nil {
		return err
	}
	if leaves, what := leftOut(v); leaves {
		if what != "" {
			w.warn(what + " was written as null")
		}
		if err = w.tick(); err == nil {
			err = w.put(null)
		}
	} else {
		err = w.value(v)
	}
	if err == nil {
		w.pop()
	}
	return err
}

// plain writes the own enumerable properties of an object.
func (w *writer) plain(o *goja.Object) error {
	keys := o.Keys()
	if len(keys) == 0 {
		if what := w.in.opaque(o); what != "" {
			w.warn(what + " was written as null")
			return w.put(null)
		}
	}
	if err := w.putByte('{'); err != nil {
		return err
	}
	first := true
	for _, key := range keys {
		w.push(step{key: key, index: -1})
		if err := w.member(&first, key, o.Get(key)); err != nil {
			return err
		}
		w.pop()
	}
	return w.putByte('}')
}

// member writes one member of an object with the comma before it, unless it is left out. The path
// stands on it.
func (w *writer) member(first *bool, key string, v goja.Value) error {
	v, err := w.prepare(v, key)
	if err != nil {
		return err
	}
	if leaves, what := leftOut(v); leaves {
		if what != "" {
			w.warn(what + " was left out")
		}
		return w.tick()
	}
	if !*first {
		if err := w.putByte(','); err != nil {
			return err
		}
	}
	*first = false
	if err := w.putText(key); err != nil {
		return err
	}
	if err := w.putByte(':'); err != nil {
		return err
	}
	return w.value(v)
}
