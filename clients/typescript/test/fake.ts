import assert from 'node:assert/strict';

/** One request as a fake server got it. */
export interface Asked {
  url: string;
  init: RequestInit;
  body: unknown;
}

/** A fetch that gives answers in turn, the last one for ever, and keeps what was asked. */
export function fakeFetch(...answers: ((asked: Asked) => Response | Promise<Response>)[]): { fetch: typeof fetch; asked: Asked[] } {
  const asked: Asked[] = [];
  return {
    asked,
    fetch: async (url, init = {}) => {
      const one = { url: String(url), init, body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined };
      asked.push(one);
      const answer = answers[Math.min(asked.length, answers.length) - 1];
      assert.ok(answer);
      return answer(one);
    },
  };
}

export const good = {
  id: '1', success: true, resultCode: 'SUCCESS', output: 42, logs: [], executionTimeMs: 1, queueTimeMs: 2,
  usage: { cpuMs: 0, peakMemoryBytes: 0 }, truncated: { logs: false, output: false }, warnings: [],
  isolation: { driver: 'oci', runtime: 'runc', userNamespace: true, layers: [] },
};

export function json(document: unknown, status = 200, headers: Record<string, string> = {}): Response {
  const type = status < 300 ? 'application/json' : 'application/problem+json';
  return new Response(JSON.stringify(document), { status, headers: { 'Content-Type': type, ...headers } });
}

export function problem(status: number, kind: string, more: object = {}, headers: Record<string, string> = {}): Response {
  return json({ type: `urn:glovebox:problem:${kind}`, title: 'T', status, detail: 'D', requestId: 'R', ...more }, status, headers);
}

/** Answers when it is told to, and rejects as fetch does when its signal is aborted. */
export function held(): { answer: (asked: Asked) => Promise<Response>; release: (response: Response) => void; aborted: boolean } {
  const state = {
    aborted: false,
    release: (_: Response): void => assert.fail('nothing was asked'),
    answer: ({ init: { signal } }: Asked) =>
      new Promise<Response>((resolve, reject) => {
        state.release = resolve;
        signal?.addEventListener('abort', () => {
          state.aborted = true;
          reject(signal.reason);
        });
      }),
  };
  return state;
}

/** A stream of events, in these pieces. */
export function stream(...chunks: string[]): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
      controller.close();
    },
  });
  return new Response(body, { status: 200, headers: { 'Content-Type': 'text/event-stream' } });
}
