// The value of this script is a function that lists what changed among the built-ins since it was last called: one
// line for each property, "+ PATH NAME KIND/FLAGS", where PATH leads to the owner.
(function () {
	var gopd = Object.getOwnPropertyDescriptor, keysOf = Reflect.ownKeys, protoOf = Object.getPrototypeOf, str = String;
	var forEach = Function.prototype.call.bind(Array.prototype.forEach);
	var M = Map, mget = Function.prototype.call.bind(M.prototype.get), mset = Function.prototype.call.bind(M.prototype.set), mhas = Function.prototype.call.bind(M.prototype.has);
	var meach = Function.prototype.call.bind(M.prototype.forEach);
	var is = Object.is;
	function keyName(k) { return typeof k === 'symbol' ? '[' + (k.description || str(k)) + ']' : k; }
	function roots() {
		var r = [['Function.prototype', Function.prototype], ['%IteratorPrototype%', protoOf(protoOf([][Symbol.iterator]()))],
			['%TypedArray%', protoOf(Int8Array)],
			['%GeneratorFunction%', protoOf(function* () {})], ['%AsyncFunction%', protoOf(async function () {})],
			['%MapIterator%', protoOf(new Map()[Symbol.iterator]())], ['%SetIterator%', protoOf(new Set()[Symbol.iterator]())],
			['%ArrayIterator%', protoOf([][Symbol.iterator]())],
			['%StringIterator%', protoOf(''[Symbol.iterator]())], ['globalThis', globalThis]];
		return r;
	}
	function walk() {
		var seen = new M(), out = new M();
		function visit(path, o) {
			if (o === null || (typeof o !== 'object' && typeof o !== 'function') || mhas(seen, o)) return;
			mset(seen, o, path);
			var props = new M();
			mset(out, o, { path: path, props: props, proto: protoOf(o) });
			forEach(keysOf(o), function (k) {
				var d = gopd(o, k);
				mset(props, k, d);
			});
			meach(props, function (d, k) {
				var p = path === 'globalThis' ? keyName(k) : path + '.' + keyName(k);
				if ('value' in d) visit(p, d.value);
				else { visit('get ' + p, d.get); visit('set ' + p, d.set); }
			});
			visit(path + '.__proto__', protoOf(o));
		}
		forEach(roots(), function (r) { visit(r[0], r[1]); });
		return out;
	}
	function show(d) {
		if (!d) return '-';
		var f = (d.writable ? 'w' : '') + (d.enumerable ? 'e' : '') + (d.configurable ? 'c' : '');
		return ('value' in d ? typeof d.value : 'accessor') + '/' + f;
	}
	var before = walk();
	return function () {
		var after = walk(), lines = [];
		meach(after, function (a, o) {
			var b = mget(before, o);
			if (!b) return; // new objects show as the property that leads to them
			meach(a.props, function (d, k) {
				var p = mget(b.props, k);
				if (!p) lines.push('+ ' + a.path + ' ' + keyName(k) + ' ' + show(d));
				else if (!is(p.value, d.value) || p.get !== d.get || p.set !== d.set || p.writable !== d.writable || p.enumerable !== d.enumerable || p.configurable !== d.configurable)
					lines.push('~ ' + a.path + ' ' + keyName(k) + ' ' + show(p) + ' -> ' + show(d));
			});
			meach(b.props, function (d, k) { if (!mhas(a.props, k)) lines.push('- ' + a.path + ' ' + keyName(k)); });
			if (a.proto !== b.proto) lines.push('^ ' + a.path + ' has another prototype');
		});
		before = after;
		return lines.join('\n');
	};
})();
