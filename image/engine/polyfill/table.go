package polyfill

// An owner is the object that a built-in belongs to.
type owner int

const (
	global owner = iota
	arrayStatics
	dataViewProto
	dateProto
	iteratorProto
	jsonStatics
	mapStatics
	mapProto
	mathStatics
	objectStatics
	objectProto
	promiseStatics
	regexpStatics
	stringProto
	weakMapProto
	owners // how many there are
)

// A group is built-ins that are loaded together: the first touch of one brings all.
type group struct {
	keys    []key
	modules []string // of core-js, in the order of loading
	needs   []int    // groups that must be there first
}

// A key is one property that a group adds.
type key struct {
	owner owner
	name  string // "@@dispose" means Symbol.dispose
}

// The groups that others need, by their place in the table.
const (
	iteratorGroup = iota
	disposalGroup
	domExceptionGroup
)

// groups is everything of ECMAScript 2015–2026 and of the web's small interfaces that goja lacks and core-js's
// `actual` gives. TestTableIsWhatCoreJSAdds keeps it so: it names what is missing here or no longer needed.
// Constant data: it costs nothing before it is read.
var groups = [...]group{
	iteratorGroup: {
		keys: []key{
			{global, "Iterator"},
			{iteratorProto, "@@dispose"}, {iteratorProto, "chunks"}, {iteratorProto, "drop"}, {iteratorProto, "every"},
			{iteratorProto, "filter"}, {iteratorProto, "find"}, {iteratorProto, "flatMap"}, {iteratorProto, "forEach"},
			{iteratorProto, "includes"}, {iteratorProto, "join"}, {iteratorProto, "map"}, {iteratorProto, "reduce"},
			{iteratorProto, "some"}, {iteratorProto, "take"}, {iteratorProto, "toArray"}, {iteratorProto, "windows"},
		},
		modules: []string{
			"es.iterator.constructor", "es.iterator.chunks", "es.iterator.concat", "es.iterator.dispose", "es.iterator.drop",
			"es.iterator.every", "es.iterator.filter", "es.iterator.find", "es.iterator.flat-map", "es.iterator.for-each",
			"es.iterator.from", "es.iterator.includes", "es.iterator.join", "es.iterator.map", "es.iterator.reduce",
			"es.iterator.some", "es.iterator.take", "es.iterator.to-array", "es.iterator.windows", "es.iterator.zip",
			"es.iterator.zip-keyed",
		},
	},
	disposalGroup: {
		keys: []key{{global, "SuppressedError"}, {global, "DisposableStack"}, {global, "AsyncDisposableStack"}},
		modules: []string{
			"es.suppressed-error.constructor", "es.disposable-stack.constructor", "es.async-disposable-stack.constructor",
		},
	},
	domExceptionGroup: {
		keys:    []key{{global, "DOMException"}},
		modules: []string{"web.dom-exception.constructor", "web.dom-exception.stack", "web.dom-exception.to-string-tag"},
	},
	{
		keys: []key{{global, "AsyncIterator"}, {iteratorProto, "toAsync"}},
		modules: []string{
			"esnext.async-iterator.constructor", "es.async-iterator.async-dispose", "esnext.async-iterator.drop",
			"esnext.async-iterator.every", "esnext.async-iterator.filter", "esnext.async-iterator.find",
			"esnext.async-iterator.flat-map", "esnext.async-iterator.for-each", "esnext.async-iterator.from",
			"esnext.async-iterator.map", "esnext.async-iterator.reduce", "esnext.async-iterator.some",
			"esnext.async-iterator.take", "esnext.async-iterator.to-array", "esnext.iterator.to-async",
		},
		needs: []int{iteratorGroup},
	},
	{keys: []key{{objectStatics, "groupBy"}}, modules: []string{"es.object.group-by"}},
	{keys: []key{{mapStatics, "groupBy"}}, modules: []string{"es.map.group-by"}},
	{
		keys:    []key{{mapProto, "getOrInsert"}, {mapProto, "getOrInsertComputed"}},
		modules: []string{"es.map.get-or-insert", "es.map.get-or-insert-computed"},
	},
	{
		keys:    []key{{weakMapProto, "getOrInsert"}, {weakMapProto, "getOrInsertComputed"}},
		modules: []string{"es.weak-map.get-or-insert", "es.weak-map.get-or-insert-computed"},
	},
	{keys: []key{{promiseStatics, "withResolvers"}}, modules: []string{"es.promise.with-resolvers"}},
	{keys: []key{{promiseStatics, "try"}}, modules: []string{"es.promise.try"}},
	{
		keys:    []key{{promiseStatics, "allKeyed"}, {promiseStatics, "allSettledKeyed"}},
		modules: []string{"esnext.promise.all-keyed", "esnext.promise.all-settled-keyed"},
	},
	{keys: []key{{arrayStatics, "fromAsync"}}, modules: []string{"es.array.from-async"}},
	{keys: []key{{regexpStatics, "escape"}}, modules: []string{"es.regexp.escape"}},
	{keys: []key{{stringProto, "isWellFormed"}}, modules: []string{"es.string.is-well-formed"}},
	{keys: []key{{stringProto, "toWellFormed"}}, modules: []string{"es.string.to-well-formed"}},
	{keys: []key{{mathStatics, "f16round"}}, modules: []string{"es.math.f16round"}},
	{keys: []key{{mathStatics, "sumPrecise"}}, modules: []string{"es.math.sum-precise"}},
	{
		keys:    []key{{dataViewProto, "getFloat16"}, {dataViewProto, "setFloat16"}},
		modules: []string{"es.data-view.get-float16", "es.data-view.set-float16"},
	},
	{
		keys:    []key{{dateProto, "getYear"}, {dateProto, "setYear"}},
		modules: []string{"es.date.get-year", "es.date.set-year"},
	},
	{
		keys: []key{
			{objectProto, "__defineGetter__"}, {objectProto, "__defineSetter__"},
			{objectProto, "__lookupGetter__"}, {objectProto, "__lookupSetter__"},
		},
		modules: []string{
			"es.object.define-getter", "es.object.define-setter", "es.object.lookup-getter", "es.object.lookup-setter",
		},
	},
	{
		keys: []key{
			{stringProto, "anchor"}, {stringProto, "big"}, {stringProto, "blink"}, {stringProto, "bold"},
			{stringProto, "fixed"}, {stringProto, "fontcolor"}, {stringProto, "fontsize"}, {stringProto, "italics"},
			{stringProto, "link"}, {stringProto, "small"}, {stringProto, "strike"}, {stringProto, "sub"}, {stringProto, "sup"},
		},
		modules: []string{
			"es.string.anchor", "es.string.big", "es.string.blink", "es.string.bold", "es.string.fixed",
			"es.string.fontcolor", "es.string.fontsize", "es.string.italics", "es.string.link", "es.string.small",
			"es.string.strike", "es.string.sub", "es.string.sup",
		},
	},
	{keys: []key{{global, "atob"}, {global, "btoa"}}, modules: []string{"web.atob", "web.btoa"}, needs: []int{domExceptionGroup}},
	{keys: []key{{global, "queueMicrotask"}}, modules: []string{"web.queue-microtask"}},
	{keys: []key{{global, "structuredClone"}}, modules: []string{"web.structured-clone"}, needs: []int{domExceptionGroup}},
	{
		keys: []key{{global, "URL"}, {global, "URLSearchParams"}},
		modules: []string{
			"web.url.constructor", "web.url.can-parse", "web.url.parse", "web.url.to-json",
			"web.url-search-params.constructor", "web.url-search-params.delete", "web.url-search-params.has",
			"web.url-search-params.size",
		},
	},
}
