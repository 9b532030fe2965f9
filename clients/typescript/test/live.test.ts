// Against a real server, where GLOVEBOX_SERVER names one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerError, Glovebox, InvalidRequestError } from '../src/index.js';
import { CodeExecutionService } from '../src/memberjunction.js';

const server = process.env['GLOVEBOX_SERVER'];
const live = { skip: server ? false : 'GLOVEBOX_SERVER names no server' };
const client = new Glovebox({ baseUrl: server ?? 'http://127.0.0.1:8080' });

test('a script runs', live, async () => {
  const result = await client.execute<{ sum: number }>({
    language: 'typescript', code: 'console.warn("rows:", input.length); const sum: number = require("lodash").sum(input); return { sum }', inputData: [1, 2, 39],
  });
  assert.ok(result.success, JSON.stringify(result));
  assert.equal(result.output.sum, 42);
  assert.equal(result.logs[0]?.message, 'rows: 3');
  assert.ok(result.isolation.layers.includes('self-seal'));
});

test('a script fails', live, async () => {
  const result = await client.execute({ code: '\nthrow new RangeError("so")' });
  assert.ok(!result.success);
  assert.deepEqual([result.resultCode, result.error?.name, result.error?.line], ['RUNTIME_ERROR', 'RangeError', 2]);
});

test('a request is refused', live, async () => {
  await assert.rejects(client.execute({ code: ' ' }), (error) => error instanceof InvalidRequestError && error.resultCode === 'MISSING_CODE');
  await assert.rejects(client.execute({ code: '1', timeoutSeconds: 301 }), { name: 'InvalidRequestError', field: 'timeoutSeconds' });
  await assert.rejects(new Glovebox({ baseUrl: `${server}/healthz` }).info(), { name: 'NotFoundError' });
});

test('the server tells of itself', live, async () => {
  const info = await client.info();
  assert.ok(info.libraries.some(({ name }) => name === 'lodash'));
  assert.ok(info.limits.timeoutSeconds.max === 300);
});

test('aborting ends the script on the server', live, async () => {
  const metric = async (name: string) => {
    const metrics = await (await fetch(`${server}/metrics`)).text();
    return Number(metrics.split('\n').find((line) => line.startsWith(name))?.split(' ').at(-1));
  };
  const inFlightBecomes = async (want: number) => {
    while ((await metric('glovebox_executions_in_flight')) !== want) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const ranOut = () => metric('glovebox_executions_total{code="TIMEOUT",');
  const before = await ranOut();
  assert.ok(before >= 0); // the metric is there
  await inFlightBecomes(0);
  const aborter = new AbortController();
  const run = client.execute({ code: 'for (;;) {}', timeoutSeconds: 120 }, { signal: aborter.signal });
  await inFlightBecomes(1);
  aborter.abort();
  await assert.rejects(run, { name: 'AbortError' });
  await inFlightBecomes(0);
  assert.equal(await ranOut(), before); // or else its time was up, and nobody has ended it
});

test('a MemberJunction host is served', live, async () => {
  const service = new CodeExecutionService();
  await service.initialize();
  const fine = await service.execute({ code: 'console.log("n is", input.n); output = input.n * 2', language: 'javascript', inputData: { n: 21 } });
  assert.deepEqual([fine.success, fine.output, fine.logs], [true, 42, ['[LOG] n is 21']]);
  const wrong = await service.execute({ code: 'let a = 1;\nlet a = 2;', language: 'javascript' });
  assert.equal(wrong.errorType, 'SYNTAX_ERROR');
  assert.match(wrong.error ?? '', /line 2/);
  const blocked = await service.execute({ code: 'require("fs")', language: 'javascript' });
  assert.equal(blocked.errorType, 'SECURITY_ERROR');
  await service.shutdown();
});

test('what is no Glovebox is told apart', live, async () => {
  // The server's own page stands for any other site.
  const page: typeof fetch = () => fetch(`${server}/`);
  await assert.rejects(new Glovebox({ baseUrl: server ?? '', fetch: page }).execute({ code: '1' }), AnswerError);
});

test('an execution is accepted, followed and ended', live, async () => {
  const { id } = await client.executions.submit({ code: 'console.log("one"); await new Promise((go) => setTimeout(go, 200)); console.log("two"); return 1' });
  const seen: string[] = [];
  for await (const event of client.executions.events<number>(id)) {
    if (event.type === 'log') seen.push(event.log.message);
    else if (event.type === 'end') seen.push(`${event.execution.result?.output}`);
  }
  assert.deepEqual(seen, ['one', 'two', '1']);
  const endless = await client.executions.submit({ code: 'for (;;) {}' });
  assert.equal((await client.executions.cancel(endless.id)).resultCode, 'CANCELLED');
  const key = `live-${Date.now()}`;
  const [first, again] = await Promise.all([1, 2].map(() => client.execute<number>({ code: 'return Math.random()' }, { idempotencyKey: key })));
  assert.equal(first?.id, again?.id);
});
