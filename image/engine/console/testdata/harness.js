// What the cases may use, in Node and in goja alike: an error whose frames are the given ones.
const E = (error, ...frames) => {
  Object.defineProperty(error, 'stack', {
    value: String(error) + frames.map((f) => '\n    at ' + f).join(''), writable: true, configurable: true, enumerable: false,
  })
  return error
}
