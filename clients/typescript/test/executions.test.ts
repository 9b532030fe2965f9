import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerError, ConnectionError, Glovebox, NotFoundError, QuotaExceededError } from '../src/index.js';
import { fakeFetch, good, json, problem, stream } from './fake.js';

const baseUrl = 'http://127.0.0.1:8080';
const id = '01JZ8Q6V9T3YB5C2N7K4M1XH0D';
const queued = { id, state: 'queued', createdAt: '2026-11-29T12:00:00Z' };
const ended = { ...queued, state: 'ended', resultCode: 'SUCCESS', result: { ...good, id } };

function client(...answers: Parameters<typeof fakeFetch>) {
  const { fetch, asked } = fakeFetch(...answers);
  const of = (i: number) => ({ url: asked[i]?.url, method: asked[i]?.init.method, headers: new Headers(asked[i]?.init.headers), body: asked[i]?.body });
  return { executions: new Glovebox({ baseUrl, fetch }).executions, glovebox: new Glovebox({ baseUrl, fetch }), of };
}

test('a script is accepted', async () => {
  const { executions, of } = client(() => json(queued, 202), () => json(ended), () => json({ executions: [queued, ended] }, 202));
  assert.equal((await executions.submit({ code: '1' })).state, 'queued');
  assert.deepEqual([of(0).url, of(0).method, of(0).headers.get('prefer'), of(0).headers.get('idempotency-key')], [`${baseUrl}/v1/executions`, 'POST', 'respond-async', null]);
  const one = await executions.submit<number>({ code: '1' }, { idempotencyKey: 'k', safeToRepeat: true, waitSeconds: 9.5 });
  assert.equal(one.result?.output, 42);
  assert.deepEqual([of(1).url, of(1).headers.get('prefer'), of(1).headers.get('idempotency-key')], [`${baseUrl}/v1/executions?safeToRepeat=true`, 'respond-async, wait=10', 'k']);
  assert.equal((await executions.submitBatch([{ code: '1' }, { code: '2' }])).length, 2);
  assert.deepEqual(of(2).body, [{ code: '1' }, { code: '2' }]);
  await assert.rejects(executions.submitBatch([{ code: '1' }, { code: '\ud800' }]), TypeError);
});

test('an idempotency key goes with a call that waits', async () => {
  const { glovebox, of } = client(() => json(good));
  await glovebox.execute({ code: '1' }, { idempotencyKey: 'k' });
  assert.deepEqual([of(0).headers.get('idempotency-key'), of(0).headers.get('prefer')], ['k', null]);
});

test('an execution is told of, listed and ended', async () => {
  const { executions, of } = client(() => json(ended), () => json({ ...ended, resultCode: 'CANCELLED', result: undefined }), () => json({ executions: [queued], next: 'c' }), () => problem(404, 'not-found'));
  await executions.get(id, { waitSeconds: 10 });
  assert.equal(of(0).url, `${baseUrl}/v1/executions/${id}?wait=10s`);
  assert.equal((await executions.cancel(id, { forget: true })).resultCode, 'CANCELLED');
  assert.deepEqual([of(1).method, of(1).url], ['DELETE', `${baseUrl}/v1/executions/${id}?forget=true`]);
  assert.equal((await executions.list({ state: 'queued', since: new Date(0), limit: 1, cursor: 'b' })).next, 'c');
  assert.equal(of(2).url, `${baseUrl}/v1/executions?state=queued&limit=1&cursor=b&since=1970-01-01T00%3A00%3A00.000Z`);
  await assert.rejects(executions.get(id), NotFoundError);
  for (const wrong of ['', '../info', 'a/b', 'a?b']) await assert.rejects(executions.get(wrong), TypeError, wrong);
});

test('Glovebox that failed is told as a result of an execution', async () => {
  const failed = { ...good, success: false, resultCode: 'EXECUTION_FAILED', output: undefined, error: { name: 'E', message: 'M' } };
  const { executions } = client(() => json({ ...ended, resultCode: 'EXECUTION_FAILED', result: failed }));
  assert.equal((await executions.get(id)).result?.resultCode, 'EXECUTION_FAILED');
});

test('what is no execution is refused', async () => {
  for (const wrong of [[], {}, { ...queued, state: 'gone' }, { ...queued, id: 1 }, { ...queued, result: good }, { ...ended, result: { ...good, logs: 1 } }]) {
    const { executions } = client(() => json(wrong));
    await assert.rejects(executions.get(id), AnswerError, JSON.stringify(wrong));
  }
  const { executions } = client(() => json({ executions: [{}] }));
  await assert.rejects(executions.list(), AnswerError);
});

test('who waits comes again when it is told to', async () => {
  const over = () => problem(429, 'quota-exceeded', { quota: 'readsPerMinute', limit: 6000, used: 6000 }, { 'Retry-After': '1' });
  const answers = [over(), json(ended)];
  const { executions, of } = client(() => answers.shift() ?? json(queued));
  const began = Date.now();
  assert.equal((await executions.wait(id)).state, 'ended');
  assert.ok(Date.now() - began >= 990 && of(1).url?.endsWith('?wait=60s'));
  await assert.rejects(client(() => problem(429, 'quota-exceeded')).executions.wait(id), QuotaExceededError);
});

const log = { level: 'log', message: 'hé', atMs: 1 };

test('events come one by one, however they are cut', async () => {
  const text = `: events follow\n\nid: 1\nevent: log\ndata: ${JSON.stringify(log)}\n\nid: 2\nevent: later\ndata: ?\n\nid: 100000\nevent: repeat\ndata: {"run":2,"later":1}\n\n: still at work\n\nid: 1000000\nevent: end\ndata: ${JSON.stringify(ended)}\n\n`;
  for (const size of [1, 7, text.length]) {
    const { executions, of } = client(() => stream(...(text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [])));
    const seen = [];
    for await (const event of executions.events(id, { after: 0 })) seen.push(event);
    assert.deepEqual(seen, [{ id: 1, type: 'log', log }, { id: 100_000, type: 'repeat', run: 2 }, { id: 1_000_000, type: 'end', execution: ended }]);
    assert.equal(of(0).headers.get('last-event-id'), '0');
  }
});

test('a stream that breaks off, or is none, is told apart from an end', async () => {
  const all = async (answer: () => Response) => {
    for await (const _ of client(answer).executions.events(id));
  };
  await all(() => new Response(null, { status: 204 }));
  await assert.rejects(all(() => stream(`id: 1\nevent: log\ndata: ${JSON.stringify(log)}\n\n`)), ConnectionError);
  await assert.rejects(all(() => stream('id: 1\nevent: log\ndata: {\n\n')), AnswerError);
  await assert.rejects(all(() => stream('event: log\ndata: {}\n\n')), AnswerError);
  await assert.rejects(all(() => stream('id: 100000\nevent: repeat\ndata: {"run":1}\n\n')), AnswerError);
  await assert.rejects(all(() => json(queued)), AnswerError);
  await assert.rejects(all(() => problem(404, 'not-found')), NotFoundError);
});
