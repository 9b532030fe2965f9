// Asks MemberJunction's service and Glovebox's the same things, side by side, and writes what differs:
// node compare.mjs OUT.md. It needs Node 22 or later for the one, and GLOVEBOX_SERVER for the other; `make compare` sees to both.
import { readFileSync, writeFileSync } from 'node:fs';
import { CodeExecutionService as Ours } from '../dist/memberjunction.js';
import { Glovebox } from '../dist/index.js';
import { probes } from './probes.mjs';
import { endTheirs, startTheirs } from './theirs.mjs';

const out = process.argv[2];
const patienceMs = 60_000;
// Both libraries talk on stdout; nothing of it belongs here.
console.log = console.info = console.error = console.warn = () => {};
const say = (text) => process.stderr.write(`compare: ${text}\n`);

/** Gives MemberJunction's service to use, and ends it whatever became of it. */
async function theirs(use) {
  const started = await startTheirs({ poolSize: 1 }, 5, say);
  try {
    return await use(started.service, started.workers);
  } finally {
    await endTheirs(started);
  }
}

async function ours(use) {
  const service = new Ours({ poolSize: 1 });
  try {
    return await use(service, []);
  } finally {
    await service.shutdown();
  }
}

/** Runs, and tells a rejection or a silence from a result. */
async function attempt(service, params) {
  let timer;
  const began = performance.now();
  const silence = new Promise((resolve) => { timer = setTimeout(resolve, patienceMs, { silent: true }); });
  const answer = await Promise.race([
    service.execute({ language: 'javascript', ...params }).catch((error) => ({ rejected: error })),
    silence,
  ]);
  clearTimeout(timer);
  return { ...answer, wallMs: performance.now() - began };
}

const cut = (text, most = 110) => (text.length > most ? `${text.slice(0, most)}…` : text);
// No path of the machine that this ran on goes into a document.
const clean = (text) => text.replaceAll(process.cwd().replace(/\/clients\/.*$/, ''), '').replace(/file:\/\/\S*\//g, 'file:///…/').split('\n')[0];
const type = (r) => (r.silent ? 'no answer' : r.rejected ? 'the call rejects' : r.success ? 'SUCCESS' : named(r));
// Glovebox's own code stands beside MemberJunction's name for it, where there is none that fits.
const named = ({ errorType: name, resultCode: own }) => (name && own && name !== own ? `${name} (${own})` : name ?? own ?? 'a failure of no type');
const detail = (r) => {
  if (r.rejected) return `${type(r)}: ${clean(String(r.rejected.message ?? r.rejected))}`;
  if (r.silent || (!r.success && !r.error)) return type(r);
  return r.success ? JSON.stringify(r.output) ?? 'undefined' : `${type(r)}: ${clean(r.error)}`;
};
const shows = {
  type,
  detail,
  // The service's own account of the time, where it gives one: the rest is waiting.
  typeAndSeconds: (r) => `${type(r)} after ${Math.round((r.executionTimeMs ?? r.wallMs) / 1000)} s`,
  logs: (r) => (r.logs ? r.logs.map((line) => JSON.stringify(line)).join(' ') : `${r.success ? 'nothing' : type(r) + ', no logs'}`),
  hasTime: (r) => (typeof r.executionTimeMs === 'number' ? 'told' : 'not told'),
  logSize: (r) => (r.logs ? `${r.logs.length} lines, ${(r.logs.reduce((n, line) => n + line.length, 0) / 2 ** 20).toFixed(1)} MB` : detail(r)),
  outputSize: (r) => (r.success ? `${Math.round(r.output.length / 2 ** 20)} MB` : type(r)),
};

/** Runs what needs more than one call. Each gives what is to be shown. */
const scenes = [
  {
    area: 'queue', what: 'limit 1 s, behind a run of 8 s', why: 'The clock of a script starts when it does: waiting is not its fault.',
    run: async (service) => {
      const first = attempt(service, { code: 'for (;;) {}', timeoutSeconds: 8 });
      const second = await attempt(service, { code: 'output = 1', timeoutSeconds: 1 });
      await first;
      return detail(second);
    },
  },
  {
    area: 'queue', what: 'behind a run whose worker is killed by memory', why: 'Boxes share nothing: nobody waits for what another has broken.',
    run: async (service) => {
      const first = attempt(service, { code: 'const a = []; for (;;) a.push(new Array(1e6).fill(1))', memoryLimitMB: 64, timeoutSeconds: 20 });
      const second = await attempt(service, { code: 'output = 1', timeoutSeconds: 10 });
      await first;
      return detail(second);
    },
  },
  {
    area: 'process', what: 'who runs the code', why: 'Each box has ids of its own, an empty environment, no capability and two seccomp filters.',
    run: async (service, workers) => {
      if (workers.length === 0) {
        const { details } = await service.execute({ code: 'output = 1', language: 'javascript' });
        return `a container of its own: ${details.isolation.layers.join(', ')}`;
      }
      const status = readFileSync(`/proc/${workers[0].pid}/status`, 'utf8');
      const field = (name) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1];
      const environment = readFileSync(`/proc/${workers[0].pid}/environ`, 'utf8').split('\0').filter(Boolean).length;
      return `a process with the uid of its parent (${Number(field('Uid')) === process.getuid()}), ${environment > 0 ? 'the environment of its parent' : 'no environment'}, ` +
        `seccomp ${field('Seccomp')}, no_new_privs ${field('NoNewPrivs')}`;
    },
  },
];

async function compare(probe) {
  if (probe.run) return [await theirs(probe.run), await ours(probe.run)];
  const { area: _area, what: _what, why: _why, show = 'detail', times = 1, ...params } = probe;
  const both = [];
  for (const side of [theirs, ours]) {
    both.push(await side(async (service) => {
      let last;
      for (let i = 0; i < times; i++) last = await attempt(service, params);
      return cut(shows[show](last));
    }));
  }
  return both;
}

/** The times of a code that succeeds, in milliseconds: the median as the caller sees it. */
async function speed(side, code, runs) {
  return side(async (service) => {
    const took = [];
    await attempt(service, { code });
    for (let i = 0; i < runs; i++) took.push((await attempt(service, { code, timeoutSeconds: 120 })).wallMs);
    return took.sort((a, b) => a - b)[Math.floor(runs / 2)];
  });
}

const different = [], alike = [], unexplained = [];
for (const probe of [...probes, ...scenes]) {
  const [their, our] = await compare(probe);
  say(`${probe.area}: ${probe.what}: ${their} | ${our}`);
  if (their === our) alike.push(probe);
  else if (probe.why) different.push({ ...probe, their, our });
  else unexplained.push({ ...probe, their, our });
}
const speeds = [];
for (const [what, code, runs] of [
  ['a trivial script', 'output = 1', 21],
  ['require lodash', 'output = require("lodash").sum([1, 2])', 11],
  ['a loop of 1e7 adds', 'let n = 0; for (let i = 0; i < 1e7; i++) n += i; output = n', 5],
]) {
  speeds.push([what, await speed(theirs, code, runs), await speed(ours, code, runs)]);
  say(speeds.at(-1).join(' | '));
}

const info = await new Glovebox({ baseUrl: process.env.GLOVEBOX_SERVER }).info();
const { details } = await ours((service) => service.execute({ code: 'output = 1', language: 'javascript' }));
const { version } = JSON.parse(readFileSync(new URL('../node_modules/@memberjunction/code-execution/package.json', import.meta.url), 'utf8'));
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ').replace(/[\x00-\x1f]/g, '\ufffd');
const code = (text) => `\`${cell(text).replaceAll('`', '’').replaceAll('&lt;', '<')}\``;
const ms = (n) => (n < 10 ? n.toFixed(1) : n.toFixed(0));

writeFileSync(out, `# Beside MemberJunction

The same things asked of \`@memberjunction/code-execution\` ${version} (Node ${process.versions.node}) and of Glovebox
${info.build.version.replace(/-dirty$/, '')} through \`glovebox-client/memberjunction\` (${details.isolation.driver}, ${details.isolation.runtime} ${details.isolation.runtimeVersion ?? ''}), on ${new Date().toISOString().slice(0, 10)}.
This page is written by \`make compare\`, from a real run of both; nothing in the table is written by hand but the last column.

A host moves by changing one import:

    import { CodeExecutionService } from 'glovebox-client/memberjunction'; // was '@memberjunction/code-execution'

and by naming the server, in \`GLOVEBOX_SERVER\` or as \`new CodeExecutionService({ baseUrl })\`.

## ${different.length} differences, and why Glovebox's answer is right

| | probe | MemberJunction | Glovebox | why |
|---|---|---|---|---|
${different.map((d) => `| ${d.area} | ${cell(d.what)} | ${code(d.their)} | ${code(d.our)} | ${cell(d.why)} |`).join('\n')}

## ${alike.length} on which both agree

${alike.map((a) => `${a.area}: ${cell(a.what)}`).join('; ')}.
${unexplained.length === 0 ? '' : `
## ${unexplained.length} that nobody has explained yet

| | probe | MemberJunction | Glovebox |
|---|---|---|---|
${unexplained.map((u) => `| ${u.area} | ${cell(u.what)} | ${code(u.their)} | ${code(u.our)} |`).join('\n')}
`}
## What it costs

The median time of a call, in milliseconds, on a machine that was busy with other things: to be compared with one another, not
with other machines. MemberJunction keeps a process and compiles with a JIT; Glovebox makes a new container for each run and
interprets. That is the price of the seal.

| | MemberJunction | Glovebox |
|---|---|---|
${speeds.map(([what, a, b]) => `| ${what} | ${ms(a)} | ${ms(b)} |`).join('\n')}
`);
say(`${different.length} differ, ${alike.length} agree, ${unexplained.length} unexplained; written to ${out}`);
process.exit(unexplained.length === 0 ? 0 : 1);
