package console

import (
	"reflect"

	"github.com/dop251/goja"
	"github.com/dop251/goja/unistring"
)

// A kind is what an object is by its construction, whatever its prototype and tags claim.
type kind uint8

const (
	kindOther kind = iota
	kindArray
	kindSparseArray
	kindArguments
	kindFunction
	kindClass
	kindAsyncFunction
	kindGeneratorFunction
	kindError
	kindDate
	kindRegExp
	kindMap
	kindSet
	kindMapIterator
	kindSetIterator
	kindWeakMap
	kindWeakSet
	kindPromise
	kindProxy
	kindTypedArray
	kindArrayBuffer
	kindDataView
	kindPrimitive
	kindString
)

// A layout says how to read one of goja's object implementations.
type layout struct {
	kind      kind
	plain     bool  // own string properties all stand in values, and nowhere else
	values    []int // index of baseObject.values; nil where there is none
	propNames []int // index of baseObject.propNames
}

// internals reads, and never writes, what goja keeps unexported about an object. There is no other
// way to learn without running the script's code whether an object is a WeakMap or a generator,
// whether a property is a getter, or whether an array has a hole: the questions that JavaScript can
// ask (brand checks, descriptors) reach for Symbol.toStringTag or cost a list of a million keys.
//
// goja is pinned to a commit and TestInternals holds what is read here; where a field is missing the
// public API answers instead.
type internals struct {
	self    int // index of goja.Object.self, -1 where goja has changed
	layouts map[reflect.Type]layout
}

func newInternals() *internals {
	x := &internals{self: -1, layouts: make(map[reflect.Type]layout, 16)}
	if f, ok := reflect.TypeFor[goja.Object]().FieldByName("self"); ok && f.Type.Kind() == reflect.Interface {
		x.self = f.Index[0]
	}
	return x
}

// impl returns goja's implementation of the object as an addressable struct; ok is false where it
// cannot be had.
func (x *internals) impl(o *goja.Object) (v reflect.Value, l layout, ok bool) {
	if x.self < 0 {
		return v, l, false
	}
	v = reflect.ValueOf(o).Elem().Field(x.self).Elem()
	if v.Kind() != reflect.Pointer {
		return v, l, false
	}
	v = v.Elem()
	if v.Kind() != reflect.Struct {
		return v, l, false
	}
	t := v.Type()
	l, ok = x.layouts[t]
	if !ok {
		l = layoutOf(t)
		x.layouts[t] = l
	}
	return v, l, true
}

func layoutOf(t reflect.Type) layout {
	l := layout{kind: kindByName(t.Name())}
	if f, ok := t.FieldByName("values"); ok && f.Type == reflect.TypeFor[map[unistring.String]goja.Value]() {
		l.values = f.Index
	}
	if f, ok := t.FieldByName("propNames"); ok && f.Type == reflect.TypeFor[[]unistring.String]() {
		l.propNames = f.Index
	}
	switch t.Name() {
	// Properties of the others appear lazily, or live elsewhere too.
	case "baseObject", "errorObject", "mapObject", "setObject", "dateObject", "methodFuncObject",
		"arrowFuncObject", "nativeFuncObject", "generatorObject", "weakMapObject", "weakSetObject", "Promise":
		l.plain = l.values != nil
	}
	return l
}

func kindByName(name string) kind {
	switch name {
	case "arrayObject":
		return kindArray
	case "sparseArrayObject":
		return kindSparseArray
	case "argumentsObject":
		return kindArguments
	case "classFuncObject":
		return kindClass
	case "funcObject", "methodFuncObject", "arrowFuncObject", "nativeFuncObject", "wrappedFuncObject", "boundFuncObject",
		"templatedFuncObject":
		return kindFunction
	case "asyncFuncObject", "asyncMethodFuncObject", "asyncArrowFuncObject":
		return kindAsyncFunction
	case "generatorFuncObject", "generatorMethodFuncObject":
		return kindGeneratorFunction
	case "errorObject":
		return kindError
	case "dateObject":
		return kindDate
	case "regexpObject":
		return kindRegExp
	case "mapObject":
		return kindMap
	case "setObject":
		return kindSet
	case "mapIterObject":
		return kindMapIterator
	case "setIterObject":
		return kindSetIterator
	case "weakMapObject":
		return kindWeakMap
	case "weakSetObject":
		return kindWeakSet
	case "Promise":
		return kindPromise
	case "proxyObject":
		return kindProxy
	case "typedArrayObject":
		return kindTypedArray
	case "arrayBufferObject":
		return kindArrayBuffer
	case "dataViewObject":
		return kindDataView
	case "primitiveValueObject":
		return kindPrimitive
	case "stringObject":
		return kindString
	}
	return kindOther
}

// kindOf classifies the object without running any of the script's code.
func (x *internals) kindOf(o *goja.Object) kind {
	if _, l, ok := x.impl(o); ok && l.kind != kindOther {
		return l.kind
	}
	// An ordinary object, or one of the host's, or goja has changed: ask what the public API can tell.
	switch o.ExportType() {
	case reflect.TypeFor[goja.Proxy]():
		return kindProxy
	case reflect.TypeFor[*goja.Promise]():
		return kindPromise
	case reflect.TypeFor[goja.ArrayBuffer]():
		return kindArrayBuffer
	}
	switch o.ClassName() {
	case "Arguments": // those of strict functions
		return kindArguments
	case "Array":
		return kindArray
	case "Function":
		return kindFunction
	case "Error":
		return kindError
	case "Date":
		return kindDate
	}
	return kindOther
}

// field returns a field of the implementation; the zero Value where there is none.
func (x *internals) field(o *goja.Object, name string) reflect.Value {
	v, _, ok := x.impl(o)
	if !ok {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}

// intField returns an integer field of the implementation, 0 where there is none.
func (x *internals) intField(o *goja.Object, name string) int {
	f := x.field(o, name)
	if !f.IsValid() {
		return 0
	}
	if f.CanUint() {
		return int(f.Uint())
	}
	if f.CanInt() {
		return int(f.Int())
	}
	return 0
}

// slot looks a string property up. known is false where only a descriptor can tell.
func (x *internals) slot(o *goja.Object, name unistring.String) (s slot, known bool) {
	v, l, ok := x.impl(o)
	if !ok || l.values == nil {
		return slot{}, false
	}
	p := v.FieldByIndex(l.values).MapIndex(reflect.ValueOf(name))
	if !p.IsValid() {
		return slot{}, l.plain && !(l.kind == kindError && name == "stack")
	}
	return readSlot(p)
}

// A slot is what a property is, apart from its value.
type slot struct {
	exists, getter, setter, enumerable bool
}

func (s slot) accessor() bool { return s.getter || s.setter }

// readSlot reads one element of a table of properties: an interface that holds the value itself, or
// goja's valueProperty where the property is not an ordinary one.
func readSlot(p reflect.Value) (s slot, known bool) {
	if p.Kind() == reflect.Interface {
		if p.IsNil() {
			return slot{}, true
		}
		p = p.Elem()
	}
	if p.Kind() != reflect.Pointer || p.Elem().Kind() != reflect.Struct || p.Type().Elem().Name() != "valueProperty" {
		if p.Kind() == reflect.Pointer && p.Type().Elem().Name() == "mappedProperty" {
			return slot{}, false
		}
		return slot{exists: true, enumerable: true}, true
	}
	p = p.Elem()
	enumerable, accessor := p.FieldByName("enumerable"), p.FieldByName("accessor")
	getter, setter := p.FieldByName("getterFunc"), p.FieldByName("setterFunc")
	if !enumerable.IsValid() || !accessor.IsValid() || !getter.IsValid() || !setter.IsValid() {
		return slot{}, false
	}
	s = slot{exists: true, enumerable: enumerable.Bool()}
	if accessor.Bool() {
		s.getter, s.setter = !getter.IsNil(), !setter.IsNil()
	}
	return s, true
}

// ownCount returns about how many own string properties the object has, -1 where that is unknown.
func (x *internals) ownCount(o *goja.Object) int {
	v, l, ok := x.impl(o)
	if !ok || l.propNames == nil {
		return -1
	}
	return v.FieldByIndex(l.propNames).Len()
}

// extraNames returns up to limit own string properties of an array-like object that are not
// indices, without listing the indices; ok is false where goja keeps them in another way. Of an
// error it lists what there is without making goja write the stack.
func (x *internals) extraNames(o *goja.Object, limit int) (names []unistring.String, ok bool) {
	v, l, ok := x.impl(o)
	if !ok || l.propNames == nil {
		return nil, false
	}
	switch l.kind {
	case kindArray, kindSparseArray, kindTypedArray, kindString, kindError:
	default:
		return nil, false
	}
	list := v.FieldByIndex(l.propNames)
	for i := 0; i < list.Len() && len(names) < limit; i++ {
		names = append(names, unistring.String(list.Index(i).String()))
	}
	return names, true
}
