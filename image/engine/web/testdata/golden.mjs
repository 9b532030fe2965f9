// Writes what Node answers to each line of cases.js, as golden.json: node golden.mjs
// The test makes it run with -update; it needs Node 20.
import { readFileSync, writeFileSync } from 'node:fs'

const here = (name) => new URL(name, import.meta.url)
const harness = readFileSync(here('harness.js'), 'utf8')
const cases = readFileSync(here('cases.js'), 'utf8').split('\n').filter((l) => l !== '' && !l.startsWith('//'))
process.removeAllListeners('warning')

const golden = cases.map((code) => ({ code, want: JSON.stringify(new Function(harness + '\nreturn ' + code)()) ?? 'undefined' }))
writeFileSync(here('golden.json'), JSON.stringify({ node: process.versions.node.split('.')[0], golden }, null, 1) + '\n')
process.exit(0)
