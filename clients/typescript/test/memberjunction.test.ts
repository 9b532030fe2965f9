import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodeExecutionService, type CodeExecutionParams } from '../src/memberjunction.js';
import { fakeFetch, good, held, json, problem } from './fake.js';

const params: CodeExecutionParams = { code: 'output = 1', language: 'javascript' };
const failed = { ...good, success: false, output: undefined };

test('a result has the shape that MemberJunction gives it', async () => {
  const logs = [{ level: 'log', message: 'a', atMs: 1 }, { level: 'warn', message: 'b', atMs: 2 }];
  const { fetch, asked } = fakeFetch(() => json({ ...good, logs }));
  const { details, ...result } = await new CodeExecutionService({ fetch }).execute({ ...params, inputData: null, timeoutSeconds: 5, memoryLimitMB: 64 });
  assert.deepEqual(result, { success: true, output: 42, logs: ['[LOG] a', '[WARN] b'], executionTimeMs: 1, resultCode: 'SUCCESS' });
  assert.equal(details?.isolation.driver, 'oci');
  assert.deepEqual(asked[0]?.body, { ...params, inputData: null, timeoutSeconds: 5, memoryLimitMB: 64 });
});

test('a failure keeps its logs and its time, and says where', async () => {
  const error = { name: 'TypeError', message: 'no', line: 3, column: 7 };
  const { fetch } = fakeFetch(() => json({ ...failed, resultCode: 'RUNTIME_ERROR', error, logs: [{ level: 'debug', message: 'd', atMs: 0 }] }));
  const { details, ...result } = await new CodeExecutionService({ fetch }).execute(params);
  assert.deepEqual(result, {
    success: false, error: 'no (line 3, column 7)', errorType: 'RUNTIME_ERROR', resultCode: 'RUNTIME_ERROR', logs: ['[DEBUG] d'], executionTimeMs: 1,
  });
  assert.equal(details?.error?.name, 'TypeError');
});

test('every code of ours is one of theirs, or our own failure', async () => {
  for (const [resultCode, errorType] of [
    ['TIMEOUT', 'TIMEOUT'], ['MEMORY_LIMIT', 'MEMORY_LIMIT'], ['SYNTAX_ERROR', 'SYNTAX_ERROR'], ['SECURITY_ERROR', 'SECURITY_ERROR'],
    ['OUTPUT_LIMIT', 'RUNTIME_ERROR'], ['CANCELLED', 'TIMEOUT'],
  ]) {
    const { fetch } = fakeFetch(() => json({ ...failed, resultCode }));
    const result = await new CodeExecutionService({ fetch }).execute(params);
    assert.deepEqual([result.errorType, result.resultCode, result.error], [errorType, resultCode, resultCode]);
  }
});

test('nothing is thrown: what fails on the way is in the result', async () => {
  const unreachable: typeof fetch = () => Promise.reject(new TypeError('fetch failed'));
  for (const [fetch, more, want] of [
    [unreachable, {}, { errorType: undefined, resultCode: 'EXECUTION_FAILED' }],
    [fakeFetch(() => problem(500, 'internal', { resultCode: 'EXECUTION_FAILED' })).fetch, {}, { errorType: undefined, resultCode: 'EXECUTION_FAILED' }],
    [fakeFetch(() => new Response('<h1>')).fetch, {}, { errorType: undefined, resultCode: 'EXECUTION_FAILED' }],
    [fakeFetch(() => problem(400, 'invalid-request', { resultCode: 'MISSING_CODE' })).fetch, { code: '' }, { errorType: 'RUNTIME_ERROR', resultCode: 'MISSING_CODE' }],
    [fakeFetch(() => problem(400, 'invalid-request', { field: 'memoryLimitMB' })).fetch, { memoryLimitMB: -5 }, { errorType: 'RUNTIME_ERROR', resultCode: undefined }],
    [unreachable, { inputData: 1n }, { errorType: 'RUNTIME_ERROR', resultCode: 'INVALID_INPUT_DATA' }],
    [unreachable, { bridgeHandlers: { run: () => 1 } }, { errorType: 'SECURITY_ERROR', resultCode: 'SECURITY_ERROR' }],
  ] as const) {
    const { success, error, errorType, resultCode } = await new CodeExecutionService({ fetch }).execute({ ...params, ...more });
    assert.deepEqual({ success, errorType, resultCode }, { success: false, ...want });
    assert.ok(error);
  }
});

test('as many run at once as the pool has, in order, and the rest wait', async () => {
  const first = held(), second = held(), third = held();
  const { fetch, asked } = fakeFetch(first.answer, second.answer, third.answer);
  const service = new CodeExecutionService({ fetch, poolSize: 2, maxQueueSize: 1 });
  const runs = [1, 2, 3].map((n) => service.execute({ ...params, inputData: n }));
  assert.match((await service.execute(params)).error ?? '', /1 runs are waiting/);
  assert.deepEqual(service.getStats(), { totalWorkers: 2, activeWorkers: 0, busyWorkers: 2, queueLength: 1 });
  assert.equal(asked.length, 2);
  second.release(json(good));
  assert.ok((await runs[1])?.success);
  await new Promise(setImmediate);
  assert.equal(asked.length, 3);
  assert.deepEqual(service.getStats(), { totalWorkers: 2, activeWorkers: 0, busyWorkers: 2, queueLength: 0 });
  first.release(json(good));
  third.release(json(good));
  for (const run of runs) assert.ok((await run).success);
  assert.equal(service.getStats().busyWorkers, 0);
});

test('aborting ends a run, and one that waits', async () => {
  const running = held();
  const { fetch, asked } = fakeFetch(running.answer);
  const service = new CodeExecutionService({ fetch, poolSize: 1 });
  const aborters = [new AbortController(), new AbortController()];
  const runs = aborters.map(({ signal }) => service.execute({ ...params, abortSignal: signal }));
  assert.equal(service.getStats().queueLength, 1);
  aborters[1]?.abort(new Error('not wanted'));
  assert.deepEqual(await runs[1], { success: false, error: 'not wanted', errorType: 'TIMEOUT', resultCode: 'CANCELLED' });
  assert.equal(service.getStats().queueLength, 0);
  aborters[0]?.abort(new Error('enough'));
  assert.deepEqual(await runs[0], { success: false, error: 'enough', errorType: 'TIMEOUT', resultCode: 'CANCELLED' });
  assert.ok(running.aborted);
  assert.equal(asked.length, 1);
  assert.equal(service.getStats().busyWorkers, 0);
});

test('shutdown ends everything, and what comes after it runs', async () => {
  const running = held();
  const { fetch } = fakeFetch(running.answer, () => json(good));
  const service = new CodeExecutionService({ fetch, poolSize: 1 });
  const runs = [service.execute(params), service.execute(params)];
  await new Promise(setImmediate);
  await service.shutdown();
  for (const run of runs) assert.equal((await run).errorType, 'TIMEOUT');
  assert.ok((await service.execute(params)).success);
});

test('initialize rejects where no Glovebox answers', async () => {
  const info = { build: {}, languages: ['javascript'], libraries: [], limits: {}, resultCodes: [] };
  const { fetch } = fakeFetch(() => json(info), () => json({ status: 'ok' }));
  const service = new CodeExecutionService({ fetch });
  await service.initialize();
  assert.equal(service.getStats().activeWorkers, 2);
  await service.shutdown();
  assert.equal(service.getStats().activeWorkers, 0);
  await assert.rejects(service.initialize());
});
