// MemberJunction's service for the bench (tools/bench): a request a line on stdin, an answer a line on stdout, and the time of
// each taken here, around the call that a user of the package makes. The service is as it is by default.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { endTheirs, startTheirs } from './theirs.mjs';

// The library talks on stdout, which is the bench's.
console.log = console.info = console.error = console.warn = () => {};
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const theirs = await startTheirs({}, 5, (text) => process.stderr.write(`bench: ${text}\n`));
const { version } = JSON.parse(readFileSync(new URL('../node_modules/@memberjunction/code-execution/package.json', import.meta.url), 'utf8'));
answer({ package: version, node: process.versions.node });
for await (const line of createInterface({ input: process.stdin })) {
  const params = JSON.parse(line);
  const began = performance.now();
  const result = await theirs.service.execute({ language: 'javascript', ...params }).catch((error) => ({ success: false, errorType: 'REJECTED', error: String(error) }));
  const ms = performance.now() - began;
  const { success, output, errorType, error } = result;
  answer({ ms, success, output, errorType: errorType ?? '', error: error ?? '' });
}
await endTheirs(theirs);
process.exit(0);
