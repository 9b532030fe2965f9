import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as glovebox from '../src/index.js';
import { fakeFetch, good, held, json, problem } from './fake.js';

const { Glovebox, AnswerError, ConnectionError, InsufficientScopeError, ProblemError, UnauthorizedError } = glovebox;
const baseUrl = 'http://127.0.0.1:8080';

test('a request goes out as it was given, and its result comes back', async () => {
  const { fetch, asked } = fakeFetch(() => json({ ...good, laterMember: 1 }));
  const client = new Glovebox({ baseUrl: `${baseUrl}/behind/`, fetch, headers: () => ({ Authorization: 'Bearer so' }) });
  const result = await client.execute<number>({ code: "return '😀'", inputData: { a: '\ud800' }, seed: 7, now: new Date(0) });
  assert.ok(result.success);
  assert.equal(result.output + 1, 43);
  const [one] = asked;
  assert.ok(one);
  assert.equal(one.url, `${baseUrl}/behind/v1/executions`);
  assert.equal(one.init.method, 'POST');
  assert.equal(one.init.redirect, 'error');
  assert.deepEqual(one.body, { code: "return '😀'", inputData: { a: '\ud800' }, seed: 7, now: '1970-01-01T00:00:00.000Z' });
  const headers = new Headers(one.init.headers);
  assert.equal(headers.get('content-type'), 'application/json');
  assert.equal(headers.get('authorization'), 'Bearer so');
});

test('a key goes with each request, and over plain http to this machine alone', async () => {
  const key = 'gbx_id_secret';
  for (const option of [key, () => key]) {
    const { fetch, asked } = fakeFetch(() => json(good));
    const client = new Glovebox({ baseUrl, fetch, key: option, headers: { Authorization: 'Basic x', 'X-More': '1' } });
    await client.execute({ code: '1' });
    await client.executions.get('1').catch(() => undefined);
    assert.equal(asked.length, 2);
    for (const { init } of asked) {
      const headers = new Headers(init.headers);
      assert.equal(headers.get('authorization'), `Bearer ${key}`);
      assert.equal(headers.get('x-more'), '1');
    }
  }
  const made = (url: string, more: object = {}) => () => new Glovebox({ baseUrl: url, key, ...more });
  for (const url of ['http://127.9.9.9:1', 'http://[::1]:1', 'http://LOCALHOST', 'https://box.test']) made(url)();
  made('http://box.test', { allowPlainHttp: true })();
  for (const url of ['http://box.test', 'http://localhost.box.test', 'http://127.0.0.1.box.test']) assert.throws(made(url), TypeError, url);
  for (const wrong of ['', `${key}\n`, `Bearer ${key}`]) {
    const { fetch, asked } = fakeFetch(() => json(good));
    await assert.rejects(new Glovebox({ baseUrl, fetch, key: wrong }).execute({ code: '1' }), (error: Error) => !`${error.message} ${String(error.cause)}`.includes('secret'));
    assert.equal(asked.length, 0);
  }
});

test('a server that asks for a key is told from one that refuses its scope', async () => {
  const { fetch } = fakeFetch(() => problem(401, 'unauthorized'), () => problem(403, 'insufficient-scope'));
  const client = new Glovebox({ baseUrl, fetch });
  await assert.rejects(client.execute({ code: '1' }), UnauthorizedError);
  await assert.rejects(client.execute({ code: '1' }), InsufficientScopeError);
});

test('the whole attestation is asked for by the query', async () => {
  const { fetch, asked } = fakeFetch(() => json(good));
  await new Glovebox({ baseUrl, fetch }).execute({ code: '1' }, { attestation: 'full' });
  assert.equal(asked[0]?.url, `${baseUrl}/v1/executions?attestation=full`);
});

test('addresses that are none are refused, and no password is repeated', () => {
  for (const wrong of ['', 'localhost', '127.0.0.1:8080', 'ftp://localhost', 'http://u:hunter2@localhost', 'http://localhost/?a', 'http://localhost/#a', 'http://']) {
    assert.throws(() => new Glovebox({ baseUrl: wrong }), (error: Error) => error instanceof TypeError && !error.message.includes('hunter2'), wrong);
  }
});

test('what JSON cannot hold never leaves', async () => {
  const { fetch, asked } = fakeFetch(() => json(good));
  const client = new Glovebox({ baseUrl, fetch });
  const circular: { self?: unknown } = {};
  circular.self = circular;
  for (const request of [{ code: "return '\ud800'" }, { code: '1', inputData: 1n }, { code: '1', inputData: circular }]) {
    await assert.rejects(client.execute(request), TypeError);
  }
  assert.equal(asked.length, 0);
});

test('each class of problem is a class of error', async () => {
  for (const [status, kind, name] of [
    [400, 'invalid-request', 'InvalidRequestError'], [403, 'forbidden-origin', 'ForbiddenOriginError'], [404, 'not-found', 'NotFoundError'],
    [405, 'method-not-allowed', 'MethodNotAllowedError'], [408, 'slow-body', 'SlowBodyError'], [413, 'too-large', 'TooLargeError'],
    [415, 'unsupported-media-type', 'UnsupportedMediaTypeError'], [410, 'forgotten', 'ForgottenError'],
    [422, 'idempotency-conflict', 'IdempotencyConflictError'], [500, 'internal', 'InternalError'], [503, 'busy', 'BusyError'],
    [503, 'unavailable', 'UnavailableError'], [503, 'unrecorded', 'UnrecordedError'], [403, 'quota-forbidden', 'QuotaForbiddenError'], [429, 'quota-exceeded', 'QuotaExceededError'],
  ] as const) {
    const { fetch } = fakeFetch(() => problem(status, kind, { field: 'code', resultCode: 'MISSING_CODE' }, { 'Retry-After': '7' }));
    await assert.rejects(new Glovebox({ baseUrl, fetch }).execute({ code: '1' }), (error) => {
      assert.ok(error instanceof glovebox[name] && error instanceof ProblemError && error instanceof glovebox.GloveboxError);
      assert.deepEqual(
        [error.name, error.message, error.status, error.field, error.resultCode, error.requestId, error.retryAfter],
        [name, 'D', status, 'code', 'MISSING_CODE', 'R', 7],
      );
      return true;
    });
  }
});

test('a quota is named with its limit and what is used', async () => {
  const { fetch } = fakeFetch(() => problem(429, 'quota-exceeded', { quota: 'requestsPerMinute', limit: 60, used: 60 }, { 'Retry-After': '1' }));
  await assert.rejects(new Glovebox({ baseUrl, fetch }).execute({ code: '1' }), (error) => {
    assert.ok(error instanceof glovebox.QuotaError);
    assert.deepEqual([error.quota, error.limit, error.used, error.retryAfter], ['requestsPerMinute', 60, 60, 1]);
    return true;
  });
});

test('a problem of a later server is a problem', async () => {
  for (const kind of ['quota', '__proto__', 'constructor']) {
    const { fetch } = fakeFetch(() => json({ type: kind, title: 'T', status: 429, detail: 'D', requestId: 'R' }, 429));
    await assert.rejects(new Glovebox({ baseUrl, fetch }).execute({ code: '1' }), { name: 'ProblemError', status: 429 });
  }
});

test('an answer that no Glovebox gives is told from those it gives', async () => {
  const wrong: Record<string, () => Response> = {
    'a page': () => new Response('<h1>', { headers: { 'Content-Type': 'text/html' } }),
    'a page of a proxy': () => new Response('<h1>', { status: 502, headers: { 'Content-Type': 'text/html' } }),
    'no type': () => new Response(new TextEncoder().encode(JSON.stringify(good))),
    nothing: () => new Response(null, { headers: { 'Content-Type': 'application/json' } }),
    half: () => new Response('{"id"', { headers: { 'Content-Type': 'application/json' } }),
    'bad UTF-8': () => new Response(Uint8Array.of(0x22, 0xff, 0x22), { headers: { 'Content-Type': 'application/json' } }),
    'no object': () => json([]),
    'no id': () => json({ ...good, id: '' }),
    'an unknown code': () => json({ ...good, resultCode: 'toString' }),
    'a refusal': () => json({ ...good, success: false, output: undefined, resultCode: 'MISSING_CODE' }),
    'a failed success': () => json({ ...good, success: false }),
    'no output': () => json({ ...good, output: undefined }),
    'an output of a failure': () => json({ ...good, success: false, resultCode: 'TIMEOUT' }),
    'a success with an error': () => json({ ...good, error: { name: 'E', message: 'm' } }),
    'no logs': () => json({ ...good, logs: undefined }),
    'a wrong log': () => json({ ...good, logs: [{ level: 'toString', message: '', atMs: 0 }] }),
    'too many logs': () => json({ ...good, logs: Array(10_001).fill({ level: 'log', message: '', atMs: 0 }) }),
    'no time': () => json({ ...good, executionTimeMs: '1' }),
    'no usage': () => json({ ...good, usage: null }),
    'too large': () => json({ ...good, output: 'x'.repeat(31 << 20) }),
    'a problem of another status': () => json({ type: 'a', detail: 'd', status: 400 }, 500),
    'a problem without a type': () => json({ detail: 'd', status: 500 }, 500),
    'a large problem': () => problem(500, 'internal', { detail: 'x'.repeat(1 << 20) }),
  };
  for (const [name, answer] of Object.entries(wrong)) {
    const { fetch } = fakeFetch(answer);
    await assert.rejects(new Glovebox({ baseUrl, fetch }).execute({ code: '1' }), AnswerError, name);
  }
});

test('an endless answer is left', async () => {
  let left = false;
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(1 << 20).fill(0x20)),
    cancel: () => { left = true; },
  });
  const { fetch } = fakeFetch(() => new Response(body, { headers: { 'Content-Type': 'application/json' } }));
  await assert.rejects(new Glovebox({ baseUrl, fetch }).execute({ code: '1' }), AnswerError);
  assert.ok(left);
});

test('a server that is not there is a ConnectionError that says why', async () => {
  const failing: typeof fetch = () => Promise.reject(new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }));
  await assert.rejects(new Glovebox({ baseUrl, fetch: failing }).execute({ code: '1' }), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.match(error.message, /127\.0\.0\.1:8080.*ECONNREFUSED/);
    return error.cause instanceof TypeError;
  });
});

test('aborting rejects with the reason, before, during and after the answer has begun', async () => {
  const reason = new Error('enough');
  const waiting = held();
  const { fetch } = fakeFetch(waiting.answer);
  const client = new Glovebox({ baseUrl, fetch });
  await assert.rejects(new Glovebox({ baseUrl }).execute({ code: '1' }, { signal: AbortSignal.abort(reason) }), reason);
  const aborter = new AbortController();
  const during = client.execute({ code: '1' }, { signal: aborter.signal });
  aborter.abort(reason);
  await assert.rejects(during, reason);
  assert.ok(waiting.aborted);
  const later = new AbortController();
  const begun = fakeFetch(({ init }) => new Response(new ReadableStream({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode('{"id"'));
      init.signal?.addEventListener('abort', () => controller.error(init.signal?.reason));
      setImmediate(() => later.abort(reason));
    },
  }), { headers: { 'Content-Type': 'application/json' } }));
  await assert.rejects(new Glovebox({ baseUrl, fetch: begun.fetch }).execute({ code: '1' }, { signal: later.signal }), reason);
});

test('retryForMs of 0 asks once, also within one tick of the clock', async (t) => {
  t.mock.method(Date, 'now', () => 1000);
  const { fetch, asked } = fakeFetch(() => problem(503, 'busy', {}, { 'Retry-After': '0' }), () => json(good));
  await assert.rejects(new Glovebox({ baseUrl, fetch }).execute({ code: '1' }), ProblemError);
  assert.equal(asked.length, 1);
});

test('a busy server is asked again only where that was asked for', async () => {
  const busy = (seconds: string, more: object = {}) => () => problem(503, 'busy', more, { 'Retry-After': seconds });
  const fine = () => json(good);
  const unrecorded = (more: object = {}) => () => problem(503, 'unrecorded', more, { 'Retry-After': '0' });
  for (const [name, retryForMs, first, tries] of [
    ['not recorded, and so not run', 5000, unrecorded(), 2],
    ['not recorded, and run', 5000, unrecorded({ resultCode: 'EXECUTION_FAILED' }), 1],
    ['not asked for', 0, busy('0'), 1],
    ['asked for', 5000, busy('0'), 2],
    ['for longer than allowed', 5000, busy('6'), 1],
    ['without a time', 5000, busy('soon'), 1],
    ['what may have run', 5000, busy('0', { resultCode: 'CANCELLED' }), 1],
  ] as const) {
    const { fetch, asked } = fakeFetch(first, fine);
    const call = new Glovebox({ baseUrl, fetch, retryForMs }).execute({ code: '1' });
    if (tries === 1) await assert.rejects(call, (error) => error instanceof ProblemError && error.retryable === /not asked for|longer/.test(name), name);
    else assert.ok((await call).success, name);
    assert.equal(asked.length, tries, name);
  }
  // The wait ends with its signal.
  const { fetch } = fakeFetch(busy('3600'));
  const aborter = new AbortController();
  const call = new Glovebox({ baseUrl, fetch, retryForMs: 1e9 }).execute({ code: '1' }, { signal: aborter.signal });
  setImmediate(() => setImmediate(() => aborter.abort(new Error('enough'))));
  await assert.rejects(call, { message: 'enough' });
});

test('info tells of a Glovebox, and of nothing else', async () => {
  const info = { build: { version: 'v', commit: 'c' }, languages: ['javascript'], libraries: [], limits: {}, resultCodes: [] };
  const { fetch, asked } = fakeFetch(() => json(info), () => json({ status: 'ok' }));
  const client = new Glovebox({ baseUrl, fetch });
  assert.equal((await client.info()).build.version, 'v');
  assert.equal(asked[0]?.init.method, 'GET');
  await assert.rejects(client.info(), AnswerError);
});
