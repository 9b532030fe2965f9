// Writes what Node's console says to each line of cases.js, as golden.json: node golden.mjs
// The test makes it run with -update; it needs Node 20.
import { Console } from 'node:console'
import { readFileSync, writeFileSync } from 'node:fs'
import { Writable } from 'node:stream'

const here = (name) => new URL(name, import.meta.url)
const harness = readFileSync(here('harness.js'), 'utf8')
const cases = readFileSync(here('cases.js'), 'utf8').split('\n').filter((l) => l !== '' && !l.startsWith('//'))

const golden = cases.map((code) => {
  let text = ''
  const sink = new Writable({ decodeStrings: false, write(chunk, _, done) { text += chunk; done() } })
  const console = new Console({ stdout: sink, stderr: sink })
  process.emitWarning = (message) => { text += message + '\n' }
  new Function('console', harness + '\n' + code)(console)
  return { code, want: text.replace(/\n$/, '') }
})
writeFileSync(here('golden.json'), JSON.stringify({ node: process.versions.node.split('.')[0], golden }, null, 1) + '\n')
