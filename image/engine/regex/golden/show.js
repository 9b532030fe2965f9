// show writes any value as one line of ASCII, alike in every engine. It uses no regular expression
// and no formatting of the engine's, since those are what is compared.
function show(v, depth) {
  depth = depth || 0;
  const text = (s) => {
    let out = '"';
    for (let i = 0; i < s.length; i++) {
      const c = s.charCodeAt(i);
      if (c === 34 || c === 92) out += '\\' + s[i];
      else if (c >= 32 && c < 127) out += s[i];
      else out += '\\u' + (c + 0x10000).toString(16).slice(1);
    }
    return out + '"';
  };
  if (depth > 5) return '...';
  if (v === null) return 'null';
  if (typeof v === 'string') return text(v);
  if (typeof v === 'number') return Object.is(v, -0) ? '-0' : String(v);
  if (typeof v === 'bigint') return v + 'n';
  if (typeof v === 'symbol') return 'symbol';
  if (typeof v === 'function') return 'function';
  if (typeof v !== 'object') return String(v);
  const more = (keys) => keys.map((k) => k + ': ' + show(v[k], depth + 1)).join(', ');
  if (Array.isArray(v)) {
    const items = Array.prototype.map.call(v, (x) => show(x, depth + 1)).join(', ');
    const extra = Object.keys(v).slice(v.length).filter((k) => k !== 'input');
    return '[' + items + (extra.length ? ' | ' + more(extra) : '') + ']';
  }
  if (v instanceof Date) return 'Date ' + v.getTime();
  if (v instanceof RegExp) return 'RegExp /' + text(v.source) + '/' + v.flags + ' ' + show(v.lastIndex);
  return '{' + more(Object.keys(v)) + '}';
}
function evaluate(f) {
  try {
    return show(f());
  } catch (e) {
    return 'throws ' + (e && e.name);
  }
}
