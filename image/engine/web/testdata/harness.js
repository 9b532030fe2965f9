// What the cases may use, in Node and in goja alike.
const b = (...n) => new Uint8Array(n)
const err = (f) => { try { return ['no error', f()] } catch (e) { return [e instanceof Error, e.name] } }
const hex = (text) => Array.from(text, (c) => c.codePointAt(0).toString(16)).join(' ')
const dec = (bytes, label, options) => hex(new TextDecoder(label, options).decode(bytes))
const log = []
const say = (...a) => { log.push(a.join(' ')) }
