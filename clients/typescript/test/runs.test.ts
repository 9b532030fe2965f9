import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerError, ConnectionError, Glovebox, NotFoundError } from '../src/index.js';
import type { WebhookEvent } from '../src/index.js';
import { fakeFetch, json, problem, stream } from './fake.js';

const baseUrl = 'http://127.0.0.1:8080';
const path = `${baseUrl}/v1/agents/codesmith/runs`;
const id = '01JZ8Q6V9T3YB5C2N7K4M1XH0D';
const queued = { id, agent: 'codesmith', state: 'queued', createdAt: '2026-11-29T12:00:00Z' };
const outcome = {
  code: 'COMPLETE', success: true, message: 'm', warnings: [], payload: { task: 't', code: 'c', failed: false, results: 3, iterations: 1, errors: [], logs: [] },
  spent: { answers: 1, runs: 2, usage: { inputTokens: 1, outputTokens: 1 }, costUSD: 0, durationMs: 1 },
};
const ended = { ...queued, state: 'ended', resultCode: 'COMPLETE', outcome };

function client(...answers: Parameters<typeof fakeFetch>) {
  const { fetch, asked } = fakeFetch(...answers);
  const of = (i: number) => ({ url: asked[i]?.url, method: asked[i]?.init.method, headers: new Headers(asked[i]?.init.headers), body: asked[i]?.body });
  return { runs: new Glovebox({ baseUrl, fetch }).runs(), of };
}

test('a task is accepted', async () => {
  const { runs, of } = client(() => json(queued, 202), () => json(ended));
  assert.equal((await runs.submit({ task: 't' })).state, 'queued');
  assert.deepEqual([of(0).url, of(0).method, of(0).headers.get('prefer'), of(0).body], [path, 'POST', 'respond-async', { task: 't' }]);
  const run = await runs.submit<number>({ task: 't', inputData: [1], maxIterations: 2 }, { idempotencyKey: 'k', waitSeconds: 10 });
  assert.equal(run.outcome?.payload.results, 3);
  assert.deepEqual([of(1).headers.get('prefer'), of(1).headers.get('idempotency-key')], ['respond-async, wait=10', 'k']);
});

test('a run is told of, waited for, listed and ended', async () => {
  const { runs, of } = client(() => json(queued), () => json(ended), () => json(ended), () => json({ runs: [queued], next: 'c' }), () => problem(404, 'not-found'));
  assert.equal((await runs.get(id)).state, 'queued');
  assert.equal((await runs.wait(id)).resultCode, 'COMPLETE');
  assert.equal(of(1).url, `${path}/${id}?wait=60s`);
  await runs.cancel(id, { forget: true });
  assert.deepEqual([of(2).method, of(2).url], ['DELETE', `${path}/${id}?forget=true`]);
  assert.equal((await runs.list({ resultCode: 'CANCELLED', limit: 1 })).next, 'c');
  assert.equal(of(3).url, `${path}?resultCode=CANCELLED&limit=1`);
  await assert.rejects(runs.get(id), NotFoundError);
  await assert.rejects(runs.get('../x'), TypeError);
});

test('another agent has its own', async () => {
  const { fetch, asked } = fakeFetch(() => json(queued));
  await new Glovebox({ baseUrl, fetch }).runs('a/b').get(id);
  assert.equal(asked[0]?.url, `${baseUrl}/v1/agents/a%2Fb/runs/${id}`);
});

test('whoever waits asks again, until an abort', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const aborter = new AbortController();
  let asked = 0;
  const { runs } = client(() => {
    asked += 1;
    return json(queued);
  });
  const waiting = runs.wait(id, { signal: aborter.signal });
  const settle = async () => {
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  await settle();
  assert.equal(asked, 1); // and not at once where the server does not wait
  context.mock.timers.tick(1000);
  await settle();
  assert.equal(asked, 2);
  aborter.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
});

test('what is no run is refused', async () => {
  for (const wrong of [[], {}, { ...queued, state: 'gone' }, { ...queued, agent: 1 }, { ...queued, resultCode: 'COMPLETE' }, { ...ended, resultCode: undefined },
    { ...ended, outcome: { ...outcome, code: 'CANCELLED' } }, { ...ended, outcome: { ...outcome, success: false } }, { ...ended, outcome: { ...outcome, payload: 1 } }]) {
    await assert.rejects(client(() => json(wrong)).runs.get(id), AnswerError, JSON.stringify(wrong));
  }
  await assert.rejects(client(() => json({ runs: [{}] })).runs.list(), AnswerError);
});

test('steps come one by one, and the end', async () => {
  const step = { seq: 1, atMs: 0, type: 'thinking', thinking: {} };
  const { runs, of } = client(() => stream(`: events follow\n\nid: 1\nevent: thinking\ndata: ${JSON.stringify(step)}\n\nid: 1000000\nevent: end\ndata: ${JSON.stringify(ended)}\n\n`));
  const seen = [];
  for await (const event of runs.events(id, { after: 0 })) seen.push(event);
  assert.deepEqual(seen, [{ id: 1, type: 'step', step }, { id: 1_000_000, type: 'end', run: ended }]);
  assert.deepEqual([of(0).url, of(0).headers.get('last-event-id')], [`${path}/${id}/events`, '0']);
  const all = async (text: string) => {
    for await (const _ of client(() => stream(text)).runs.events(id));
  };
  await assert.rejects(all(`id: 1\nevent: thinking\ndata: ${JSON.stringify(step)}\n\n`), ConnectionError);
  await assert.rejects(all('id: 1\nevent: thinking\ndata: {}\n\n'), AnswerError);
  await assert.rejects(all('id: 1\nevent: end\ndata: {}\n\n'), AnswerError);
});

test('the type of what a webhook is told says what it is of', () => {
  const where = (event: WebhookEvent) =>
    event.type === 'agent.run.ended' ? `/v1/agents/${event.data.agent}/runs/${event.data.id}` : `/v1/executions/${event.data.id}`;
  const timestamp = '2026-11-29T12:00:00Z';
  assert.equal(where({ type: 'agent.run.ended', timestamp, data: { id, agent: 'codesmith', state: 'ended', createdAt: timestamp } }), `/v1/agents/codesmith/runs/${id}`);
  assert.equal(where({ type: 'execution.ended', timestamp, data: { id, state: 'ended', createdAt: timestamp } }), `/v1/executions/${id}`);
  // @ts-expect-error: an execution is of no agent
  const wrong = (event: WebhookEvent) => event.type === 'execution.ended' && event.data.agent;
  assert.equal(typeof wrong, 'function');
});
