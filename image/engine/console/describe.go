package console

import (
	"strings"

	"github.com/dop251/goja"
)

// describe decides how an object is printed: what it is called, what stands before its braces, and
// which members it has.
func (p *printer) describe(o *goja.Object, depth int, inTyped bool) form {
	k := p.kindOf(o)
	ctor, isNull := p.constructorName(o, depth)
	tag := p.tag(o)
	f := form{open: "{", end: "}"}
	if p.showHidden && depth <= p.depth {
		f.extra = p.prototypeProperties(o, depth)
	}
	name := func(fallback, size string) string { return prefix(ctor, isNull, tag, fallback, size) }
	f.class = strings.TrimSuffix(name(p.fallbackName(k, tag), ""), " ")
	if !isNull {
		f.class = "[" + f.class + "]"
	}
	limit := p.limit/4 + 1
	switch k {
	case kindArray, kindSparseArray, kindTypedArray:
		f.keys = p.extraKeys(o, p.showHidden, limit)
		p.describeArray(&f, o, k, name, ctor, tag)
		return f
	case kindString:
		f.keys = p.extraKeys(o, p.showHidden, limit)
	default:
		f.keys = p.keys(o, p.showHidden, limit)
	}
	empty := len(f.keys) == 0 && len(f.extra) == 0
	whole := func(base string) form { return form{base: base, done: true} }
	switch k {
	case kindMap, kindSet:
		size := p.sizeOf(o)
		f.open = name(className(k), "("+itoa(size)+")") + "{"
		f.members = func(depth int) []string { return p.collection(o, k, size, depth) }
		if size == 0 && empty {
			return whole(f.open + "}")
		}
		return f
	case kindMapIterator, kindSetIterator:
		// goja cannot look into an iterator without moving it on.
		f.open = "[" + tag + "] {"
		f.members = func(int) []string { return []string{p.take("<items unknown>")} }
		return f
	case kindFunction, kindClass, kindAsyncFunction, kindGeneratorFunction:
		f.base = p.functionBase(o, k, ctor, isNull, tag)
		f.done = empty
		return f
	}
	if ctor == "Object" && !isNull && k != kindError {
		if k == kindArguments {
			f.open = "[Arguments] {"
		} else if tag != "" {
			f.open = name("Object", "") + "{"
		}
		if empty {
			return whole(f.open + "}")
		}
		return f
	}
	return p.describeExotic(f, o, k, depth, inTyped, empty, name, ctor, isNull, tag)
}

// describeExotic is describe for what is neither a list, nor a function, nor a plain object.
func (p *printer) describeExotic(f form, o *goja.Object, k kind, depth int, inTyped, empty bool,
	name func(fallback, size string) string, ctor string, isNull bool, tag string) form {
	named := func(base, class string) {
		if pre := name(class, ""); pre != class+" " {
			base = pre + base
		}
		f.base, f.done = base, empty
	}
	switch {
	case k == kindRegExp:
		named(p.regexpText(o), "RegExp")
		f.done = f.done || depth > p.depth
	case k == kindDate:
		named(dateText(o), "Date")
	case p.isError(o, k):
		f.base = p.errorBase(o, ctor, isNull, tag, &f.keys)
		f.done = len(f.keys) == 0 && len(f.extra) == 0
	case k == kindArrayBuffer:
		p.describeBuffer(&f, o, name, inTyped)
	case k == kindDataView:
		f.open = name("DataView", "") + "{"
		f.members = func(depth int) []string { return p.dataView(o, depth) }
	case k == kindPromise:
		f.open = name("Promise", "") + "{"
		f.members = func(depth int) []string { return p.promise(o, depth) }
	case k == kindWeakMap, k == kindWeakSet:
		f.open = name(className(k), "") + "{"
		f.members = func(int) []string { return []string{p.take("<items unknown>")} }
	case k == kindPrimitive, k == kindString:
		f.base = p.boxedBase(o, k, ctor, isNull, tag)
		f.done = empty
	default:
		f.open = name(p.fallbackName(k, tag), "") + "{"
		if empty {
			return form{base: f.open + "}", done: true}
		}
	}
	return f
}

func (p *printer) describeArray(f *form, o *goja.Object, k kind, name func(fallback, size string) string, ctor, tag string) {
	n := p.lengthOf(o, k)
	size := "(" + itoa(n) + ")"
	f.end, f.style = "]", asArray
	if k == kindTypedArray {
		f.open = name(p.typedArrayName(o), size) + "["
		f.members = func(depth int) []string { return p.typedArray(o, n, depth) }
		f.done = n == 0 && len(f.keys) == 0 && !p.showHidden
	} else {
		f.open = "["
		if ctor != "Array" || tag != "" {
			f.open = name("Array", size) + "["
		}
		f.members = func(depth int) []string { return p.array(o, n, depth) }
		f.done = n == 0 && len(f.keys) == 0 && len(f.extra) == 0
	}
	f.elements = func(i int) goja.Value {
		if i >= n {
			return nil
		}
		return p.element(o, i).value
	}
	if f.done {
		f.base = f.open + "]"
	}
}

// describeBuffer prints the bytes of an ArrayBuffer, or, inside a typed array, only how many.
func (p *printer) describeBuffer(f *form, o *goja.Object, name func(fallback, size string) string, inTyped bool) {
	buf, _ := o.Export().(goja.ArrayBuffer)
	length := "byteLength: " + itoa(len(buf.Bytes()))
	f.open = name("ArrayBuffer", "") + "{"
	if inTyped && len(f.keys) == 0 && len(f.extra) == 0 {
		f.base, f.done = f.open+" "+length+" }", true
		return
	}
	f.members = func(int) []string {
		list := []string{p.take(length)}
		if inTyped {
			return list
		}
		if buf.Detached() {
			return append([]string{p.take("(detached)")}, list...)
		}
		return append([]string{p.take("[Uint8Contents]: <" + hexBytes(buf.Bytes(), p.maxArrayLength) + ">")}, list...)
	}
}

func className(k kind) string {
	switch k {
	case kindArray, kindSparseArray:
		return "Array"
	case kindFunction, kindClass, kindAsyncFunction, kindGeneratorFunction:
		return "Function"
	case kindMap:
		return "Map"
	case kindSet:
		return "Set"
	case kindWeakMap:
		return "WeakMap"
	case kindWeakSet:
		return "WeakSet"
	case kindError:
		return "Error"
	case kindDate:
		return "Date"
	case kindRegExp:
		return "RegExp"
	case kindPromise:
		return "Promise"
	case kindArrayBuffer:
		return "ArrayBuffer"
	case kindDataView:
		return "DataView"
	}
	return "Object"
}

// fallbackName is what an object is called that has no constructor.
func (p *printer) fallbackName(k kind, tag string) string {
	if name := className(k); name != tag {
		return name
	}
	return "Object"
}

// prefix names an object as it stands before its braces, with a space behind.
func prefix(ctor string, isNull bool, tag, fallback, size string) string {
	if isNull {
		ctor = "[" + fallback + size + ": null prototype]"
		if tag != "" && tag != fallback {
			return ctor + " [" + tag + "] "
		}
		return ctor + " "
	}
	if tag != "" && tag != ctor {
		return ctor + size + " [" + tag + "] "
	}
	return ctor + size + " "
}
