// TextEncoder
[...new TextEncoder().encode('aé漢😀')]
[...new TextEncoder().encode()]
[...new TextEncoder().encode(undefined), ...new TextEncoder().encode(null), ...new TextEncoder().encode(12)]
[...new TextEncoder().encode('\ud83d'), ...new TextEncoder().encode('a\udc00b')]
new TextEncoder().encode('x') instanceof Uint8Array
new TextEncoder().encoding
(() => { const d = new Uint8Array(4); return [new TextEncoder().encodeInto('aé漢', d), [...d]] })()
(() => { const d = new Uint8Array(4); return [new TextEncoder().encodeInto('😀x', d), [...d]] })()
(() => { const d = new Uint8Array(3); return [new TextEncoder().encodeInto('😀x', d), [...d]] })()
(() => { const d = new Uint8Array([9, 9, 9, 9]); return [new TextEncoder().encodeInto('ab', d.subarray(1, 3)), [...d]] })()
new TextEncoder().encodeInto('', new Uint8Array(0))
[err(() => TextEncoder()), err(() => TextEncoder.prototype.encode.call({})), err(() => TextEncoder.prototype.encoding), err(() => new TextEncoder().encode(Symbol()))]
[err(() => new TextEncoder().encodeInto('a')), err(() => new TextEncoder().encodeInto('a', [])), err(() => new TextEncoder().encodeInto('a', new Uint16Array(2)))]
[TextEncoder.name, TextEncoder.length, Object.prototype.toString.call(new TextEncoder()), typeof TextEncoder, new TextEncoder() instanceof TextEncoder]
// TextDecoder
dec(b(0x61, 0xc3, 0xa9, 0xe6, 0xbc, 0xa2, 0xf0, 0x9f, 0x98, 0x80))
dec(b(0xff, 0x61)) + '|' + dec(b(0xc3)) + '|' + dec(b(0xe6, 0xbc)) + '|' + dec(b(0xf0, 0x9f, 0x98))
dec(b(0xe2, 0x82, 0x41)) + '|' + dec(b(0xf0, 0x80, 0x80, 0x41)) + '|' + dec(b(0xed, 0xa0, 0x80)) + '|' + dec(b(0xf4, 0x90, 0x80, 0x80))
dec(b(0xc0, 0xaf)) + '|' + dec(b(0xe0, 0x80, 0xaf)) + '|' + dec(b(0x80, 0xbf)) + '|' + dec(b(0xf8, 0x88, 0x80, 0x80, 0x80)) + '|' + dec(b(0xf1, 0x80, 0xc3, 0xa9))
dec(b(0xef, 0xbb, 0xbf, 0x61)) + '|' + dec(b(0xef, 0xbb, 0xbf, 0x61), 'utf-8', { ignoreBOM: true }) + '|' + dec(b(0x61, 0xef, 0xbb, 0xbf))
[dec(), dec(b()), dec(new ArrayBuffer(2)), dec(new DataView(new ArrayBuffer(3), 1)), dec(new Uint16Array([0x6261]))]
dec(b(1, 2, 3, 4).subarray(1, 3))
(() => { const d = new TextDecoder(); return [d.decode(b(0xf0, 0x9f), { stream: true }), d.decode(b(0x98), { stream: true }), hex(d.decode(b(0x80), { stream: true })), d.decode()] })()
(() => { const d = new TextDecoder(); return [hex(d.decode(b(0xf0, 0x9f), { stream: true })), hex(d.decode(b(0x41), { stream: true })), hex(d.decode(b(0xc3)))] })()
(() => { const d = new TextDecoder(); return [hex(d.decode(b(0xef), { stream: true })), hex(d.decode(b(0xbb, 0xbf, 0x61), { stream: true })), hex(d.decode(b(0xef, 0xbb, 0xbf))), hex(d.decode(b(0xef, 0xbb, 0xbf, 0x62)))] })()
[err(() => new TextDecoder('utf-8', { fatal: true }).decode(b(0xff))), err(() => new TextDecoder('utf-8', { fatal: true }).decode(b(0xc3)))]
(() => { const d = new TextDecoder('utf-8', { fatal: true }); err(() => d.decode(b(0xff, 0xc3), { stream: true })); return d.decode(b(0x61)) })()
new TextDecoder('utf-8', { fatal: true }).decode(b(0xc3, 0xa9))
[new TextDecoder().encoding, new TextDecoder('UTF8').encoding, new TextDecoder(' utf-8\n').encoding, new TextDecoder('utf-16').encoding, new TextDecoder('utf-16be').encoding, new TextDecoder('latin1').encoding, new TextDecoder('ascii').encoding, new TextDecoder('ISO-8859-1').encoding]
[new TextDecoder().fatal, new TextDecoder('utf8', { fatal: 1 }).fatal, new TextDecoder().ignoreBOM, new TextDecoder('utf8', { ignoreBOM: true }).ignoreBOM]
dec(b(0x61, 0, 0x3d, 0xd8, 0, 0xde, 0xe9, 0), 'utf-16le') + '|' + dec(b(0, 0x61, 0xd8, 0x3d, 0xde, 0), 'utf-16be')
dec(b(0x3d, 0xd8), 'utf-16le') + '|' + dec(b(0x3d, 0xd8, 0x61, 0), 'utf-16le') + '|' + dec(b(0, 0xde, 0x61, 0), 'utf-16le') + '|' + dec(b(0x61), 'utf-16le')
dec(b(0xff, 0xfe, 0x61, 0), 'utf-16le') + '|' + dec(b(0xff, 0xfe, 0x61, 0), 'utf-16le', { ignoreBOM: true }) + '|' + dec(b(0xfe, 0xff, 0, 0x61), 'utf-16be')
(() => { const d = new TextDecoder('utf-16le'); return [d.decode(b(0x3d), { stream: true }), d.decode(b(0xd8, 0), { stream: true }), hex(d.decode(b(0xde)))] })()
(() => { const d = new TextDecoder('utf-16le'); return [hex(d.decode(b(0x3d, 0xd8), { stream: true })), hex(d.decode())] })()
[err(() => new TextDecoder('utf-16le', { fatal: true }).decode(b(0, 0xde))), err(() => new TextDecoder('utf-16le', { fatal: true }).decode(b(0x61)))]
dec(Uint8Array.from({ length: 256 }, (_, i) => i), 'windows-1252')
[err(() => new TextDecoder('nonsense')), err(() => new TextDecoder('')), err(() => new TextDecoder(Symbol())), err(() => TextDecoder())]
[err(() => new TextDecoder().decode('text')), err(() => new TextDecoder().decode(null)), err(() => new TextDecoder().decode({})), err(() => new TextDecoder().decode([1])), err(() => new TextDecoder().decode(new Proxy(b(1), {})))]
[TextDecoder.name, TextDecoder.length, Object.prototype.toString.call(new TextDecoder()), err(() => TextDecoder.prototype.decode.call({}))]
new TextDecoder().decode(new TextEncoder().encode('round trip ✓ 😀'))
// crypto
crypto.randomUUID().replace(/[0-9a-f]/g, 'x') + ' ' + crypto.randomUUID().length + ' ' + crypto.randomUUID()[14]
/^[89ab]$/.test(crypto.randomUUID()[19])
crypto.randomUUID() !== crypto.randomUUID()
(() => { const a = new Uint8Array(64); return [crypto.getRandomValues(a) === a, a.some((n) => n !== 0)] })()
(() => { const a = new Uint32Array(16); crypto.getRandomValues(a); return a.some((n) => n > 0xffffff) })()
(() => { const a = new BigInt64Array(4); crypto.getRandomValues(a); return a.some((n) => n !== 0n) })()
(() => { const a = new Uint8Array(300); crypto.getRandomValues(a.subarray(100, 200)); return [a.slice(0, 100).some((n) => n), a.slice(100, 200).some((n) => n), a.slice(200).some((n) => n)] })()
[crypto.getRandomValues(new Uint8Array(65536)).length, crypto.getRandomValues(new Uint8Array(0)).length, err(() => crypto.getRandomValues(new Uint8Array(65537))), err(() => crypto.getRandomValues(new Uint16Array(32769)))]
[err(() => crypto.getRandomValues(new Float32Array(1))), err(() => crypto.getRandomValues(new Float64Array(1))), err(() => crypto.getRandomValues(new DataView(new ArrayBuffer(1)))), err(() => crypto.getRandomValues(new ArrayBuffer(1)))]
[err(() => crypto.getRandomValues()), err(() => new Crypto()), err(() => crypto.randomUUID.call({}))]
[Object.prototype.toString.call(crypto), crypto instanceof Crypto, Crypto.name, Crypto.length]
// performance
[typeof performance.now(), performance.now() >= 0, performance.timeOrigin > 1.6e12, performance.now() <= performance.now()]
[performance.mark('a').name, performance.mark('b', { startTime: 5 }).startTime, performance.mark('c', { detail: { x: 1 } }).detail, performance.mark('d').entryType, performance.mark('e').duration]
(() => { performance.mark('p', { startTime: 10 }); performance.mark('q', { startTime: 25 }); const m = performance.measure('m', 'p', 'q'); return [m.name, m.entryType, m.startTime, m.duration, m.detail] })()
(() => { performance.mark('x1', { startTime: 3 }); performance.mark('x2', { startTime: 1 }); return [performance.getEntriesByName('x1').length, performance.getEntriesByName('x1', 'measure').length, performance.getEntriesByType('mark').filter((e) => e.name[0] === 'x').map((e) => e.name)] })()
(() => { performance.clearMarks(); performance.mark('k1'); performance.mark('k2'); performance.clearMarks('k1'); const l = performance.getEntriesByType('mark').length; performance.clearMarks(); return [l, performance.getEntriesByType('mark').length] })()
(() => { performance.mark('s', { startTime: 4 }); return [performance.measure('z', { start: 's', duration: 3 }).duration, performance.measure('z', { start: 2, end: 6, detail: 7 }).toJSON()] })()
[err(() => performance.measure('m', 'never')), err(() => performance.mark()), err(() => performance.mark('x', { startTime: -1 })), err(() => new PerformanceEntry())]
[performance.mark('i') instanceof PerformanceEntry, performance.mark('i') instanceof PerformanceMark, performance.measure('i') instanceof PerformanceMeasure, performance instanceof Performance, Object.prototype.toString.call(performance)]
// Event
(() => { const e = new Event('x'); return [e.type, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.target, e.currentTarget, e.srcElement, e.eventPhase, e.isTrusted, e.returnValue, e.cancelBubble, typeof e.timeStamp, e.composedPath()] })()
(() => { const e = new Event('x', { bubbles: true, cancelable: 1, composed: 'y' }); e.preventDefault(); return [e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.returnValue] })()
(() => { const e = new Event('x'); e.preventDefault(); e.cancelBubble = true; return [e.defaultPrevented, e.cancelBubble] })()
[new Event(5).type, new Event(null).type, new Event('').type, err(() => new Event()), err(() => Event('x')), err(() => new Event(Symbol()))]
[Event.NONE, Event.CAPTURING_PHASE, Event.AT_TARGET, Event.BUBBLING_PHASE, Event.name, Event.length, Object.prototype.toString.call(new Event('x'))]
[new CustomEvent('x').detail, new CustomEvent('x', { detail: 5 }).detail, new CustomEvent('x') instanceof Event, new CustomEvent('y', { cancelable: true }).cancelable, CustomEvent.name, Object.prototype.toString.call(new CustomEvent('x'))]
(() => { class My extends Event { constructor() { super('my'); this.extra = 1 } get both() { return this.type + this.extra } } const e = new My(); return [e.both, e instanceof My, e instanceof Event, e.constructor.name] })()
// EventTarget
(() => { const t = new EventTarget(); t.addEventListener('x', (e) => say('a', e.type, e.target === t, e.currentTarget === t, e.eventPhase)); return [t.dispatchEvent(new Event('x')), t.dispatchEvent(new Event('y')), log] })()
(() => { const t = new EventTarget(); const f = () => say('f'); t.addEventListener('x', f); t.addEventListener('x', f); t.addEventListener('x', f, true); t.dispatchEvent(new Event('x')); t.removeEventListener('x', f); t.dispatchEvent(new Event('x')); t.removeEventListener('x', f, { capture: true }); t.dispatchEvent(new Event('x')); return log })()
(() => { const t = new EventTarget(); t.addEventListener('x', () => say('once'), { once: true }); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); return log })()
(() => { const t = new EventTarget(); t.addEventListener('x', (e) => { say(1); e.stopImmediatePropagation() }); t.addEventListener('x', () => say(2)); t.dispatchEvent(new Event('x')); return log })()
(() => { const t = new EventTarget(); t.addEventListener('x', { handleEvent(e) { say('h', this.n, e.type) }, n: 7 }); t.dispatchEvent(new Event('x')); return log })()
(() => { const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault()); return [t.dispatchEvent(new Event('x', { cancelable: true })), t.dispatchEvent(new Event('x'))] })()
(() => { const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault(), { passive: true }); return t.dispatchEvent(new Event('x', { cancelable: true })) })()
(() => { const t = new EventTarget(); t.addEventListener('x', () => { say(1); t.addEventListener('x', () => say('late')) }); t.dispatchEvent(new Event('x')); say('-'); t.dispatchEvent(new Event('x')); return log })()
(() => { const t = new EventTarget(); const second = () => say(2); t.addEventListener('x', () => { say(1); t.removeEventListener('x', second) }); t.addEventListener('x', second); t.dispatchEvent(new Event('x')); return log })()
(() => { const t = new EventTarget(); const c = new AbortController(); t.addEventListener('x', () => say(1), { signal: c.signal }); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); return log })()
(() => { const t = new EventTarget(); t.addEventListener('x', () => say(1), { signal: AbortSignal.abort() }); t.dispatchEvent(new Event('x')); return log })()
(() => { const t = new EventTarget(); let again; t.addEventListener('x', (e) => { again = err(() => t.dispatchEvent(e)) }); t.dispatchEvent(new Event('x')); return again[0] })()
(() => { const t = new EventTarget(); const e = new Event('x'); t.dispatchEvent(e); return [e.target === t, e.currentTarget, e.eventPhase, t.dispatchEvent(e)] })()
[err(() => new EventTarget().dispatchEvent({})), err(() => new EventTarget().dispatchEvent()), err(() => new EventTarget().addEventListener('x')), err(() => EventTarget()), err(() => EventTarget.prototype.addEventListener.call({}, 'x', () => {}))]
(() => { new EventTarget().addEventListener('x', null); return err(() => new EventTarget().addEventListener('x', 5)) })()
(() => { class T extends EventTarget { constructor() { super(); this.n = 1 } fire() { return this.dispatchEvent(new CustomEvent('go', { detail: this.n })) } } const t = new T(); t.addEventListener('go', (e) => say(e.detail, e.target === t)); t.fire(); return log })()
[EventTarget.name, EventTarget.length, Object.prototype.toString.call(new EventTarget())]
// AbortController and AbortSignal
(() => { const c = new AbortController(); const s = c.signal; s.addEventListener('abort', (e) => say(e.type, e.target === s)); s.onabort = () => say('on'); const before = s.aborted; c.abort(); c.abort(); return [before, s.aborted, s.reason.name, s.reason.message, log, c.signal === s] })()
(() => { const c = new AbortController(); c.abort('why'); return [c.signal.reason, (() => { try { c.signal.throwIfAborted() } catch (e) { return e } })()] })()
(() => { const c = new AbortController(); return [c.signal.throwIfAborted(), c.signal.reason, c.signal.onabort] })()
(() => { const s = AbortSignal.abort(); return [s.aborted, s.reason.name, s.reason.code, s.reason instanceof Error, AbortSignal.abort(5).reason] })()
(() => { const c = new AbortController(); const any = AbortSignal.any([new AbortController().signal, c.signal]); any.addEventListener('abort', () => say('any')); const before = any.aborted; c.abort('r'); return [before, any.aborted, any.reason, log] })()
[AbortSignal.any([AbortSignal.abort(1), AbortSignal.abort(2)]).reason, AbortSignal.any([]).aborted, err(() => AbortSignal.any([{}])), err(() => AbortSignal.any(5))]
(() => { const c = new AbortController(); const one = AbortSignal.any([c.signal]); const two = AbortSignal.any([one]); c.signal.addEventListener('abort', () => say(one.aborted, two.aborted)); c.abort(); return log })()
[err(() => new AbortSignal()), err(() => AbortController()), err(() => AbortController.prototype.signal), err(() => AbortSignal.timeout(-1)), err(() => AbortSignal.timeout('x'))]
[AbortSignal.timeout(1e6).aborted, new AbortController().signal instanceof EventTarget, Object.prototype.toString.call(new AbortController()), Object.prototype.toString.call(new AbortController().signal), AbortController.name]
(() => { const s = new AbortController().signal; const f = () => {}; s.onabort = f; const had = s.onabort === f; s.onabort = null; return [had, s.onabort] })()
(() => { const c = new AbortController(); c.abort(undefined); return c.signal.reason.name })()
(() => { const c = new AbortController(); c.abort(null); return c.signal.reason })()
