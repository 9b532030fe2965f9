import { most, readAnswer } from './answer.js';
import { AnswerError, ConnectionError, QuotaExceededError } from './errors.js';
import type { ExecutionState } from './types.js';

/** One request of this client's. */
export interface Call {
  method?: string;
  path: string;
  body?: string;
  headers?: Record<string, string>;
  /** The most that the answer may hold. */
  bytes: number;
  signal?: AbortSignal | undefined;
}

/** What makes requests: `open` gives an answer as it comes, `ask` the document of one that is a success. */
export interface Caller {
  open(call: Call): Promise<Response>;
  ask(call: Call): Promise<unknown>;
}

export interface CallOptions {
  /** Aborting closes the connection, and with it the script's box; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface SubmitOptions extends CallOptions {
  /** The same key with the same request is one and the same, run once. */
  idempotencyKey?: string;
  /** For how many seconds to wait for the end before the answer tells how far it is; at most 60, by default 0. */
  waitSeconds?: number;
}

/** How a list is asked for, by how what is in it ended among others. */
export interface ListOptions<Code extends string> extends CallOptions {
  state?: ExecutionState;
  resultCode?: Code;
  /** Those that were accepted from `since` on, and before `until`. */
  since?: Date;
  until?: Date;
  /** How many a page may hold, from 1 to 200. */
  limit?: number;
  /** The `next` of an earlier page. */
  cursor?: string;
}

/** A Server-Sent Event. */
export interface Streamed {
  id: number;
  type: string;
  data: string;
}

/** For how long a server waits for an end at most, and after how long to ask one again that did not wait. */
const waitSeconds = 60;
const askAgainMs = 1000;

/** What was accepted, of one kind: `read` holds an answer against the contract. */
export class Resources<T extends { state: ExecutionState }> {
  constructor(
    readonly caller: Caller,
    readonly path: string,
    readonly read: (document: unknown) => T,
  ) {}

  accept(body: string, bytes: number, options: SubmitOptions, query = ''): Promise<unknown> {
    const prefer = options.waitSeconds === undefined ? 'respond-async' : `respond-async, wait=${Math.ceil(options.waitSeconds)}`;
    const headers = { Prefer: prefer, ...(options.idempotencyKey !== undefined && { 'Idempotency-Key': options.idempotencyKey }) };
    return this.caller.ask({ method: 'POST', path: this.path + query, body, headers, bytes, signal: options.signal });
  }

  async get(id: string, options: CallOptions & { waitSeconds?: number }): Promise<T> {
    const query = options.waitSeconds === undefined ? '' : `?wait=${options.waitSeconds}s`;
    return this.read(await this.caller.ask({ path: this.#of(id) + query, bytes: most.result, signal: options.signal }));
  }

  async wait(id: string, options: CallOptions): Promise<T> {
    for (;;) {
      const asked = Date.now();
      let pauseMs: number;
      try {
        const got = await this.get(id, { ...options, waitSeconds });
        if (got.state === 'ended') return got;
        pauseMs = askAgainMs - (Date.now() - asked);
      } catch (error) {
        // Who only waits does as it is told.
        if (!(error instanceof QuotaExceededError) || error.retryAfter === undefined) throw error;
        pauseMs = error.retryAfter * 1000;
      }
      await pause(pauseMs, options.signal);
    }
  }

  async cancel(id: string, options: CallOptions & { forget?: boolean }): Promise<T> {
    const path = this.#of(id) + (options.forget ? '?forget=true' : '');
    return this.read(await this.caller.ask({ method: 'DELETE', path, bytes: most.result, signal: options.signal }));
  }

  list<Code extends string>(options: ListOptions<Code>): Promise<unknown> {
    const { signal, since, until, ...rest } = options;
    const query = new URLSearchParams();
    const all = { ...rest, since: since?.toISOString(), until: until?.toISOString() };
    for (const [name, value] of Object.entries(all)) if (value !== undefined) query.set(name, String(value));
    return this.caller.ask({ path: `${this.path}?${query}`, bytes: most.batch, signal });
  }

  /** Tells events up to `end`. */
  async *events(id: string, options: CallOptions & { after?: number }): AsyncGenerator<Streamed, void, undefined> {
    const headers = { Accept: 'text/event-stream, application/problem+json', ...(options.after !== undefined && { 'Last-Event-ID': String(options.after) }) };
    const response = await this.caller.open({ path: `${this.#of(id)}/events`, headers, bytes: most.result, signal: options.signal });
    if (response.status === 204) return;
    if (response.status !== 200) await readAnswer(response, most.problem);
    if (response.headers.get('Content-Type')?.split(';')[0]?.trim() !== 'text/event-stream') {
      await response.body?.cancel();
      throw new AnswerError(response.status, 'it is no stream of events');
    }
    try {
      for await (const event of eventsOf(response)) {
        yield event;
        if (event.type === 'end') return;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error instanceof AnswerError ? error : new ConnectionError('the stream of events broke off', { cause: error });
    }
    throw new ConnectionError('the stream of events broke off before the end');
  }

  #of(id: string): string {
    if (!/^[0-9A-Za-z]{1,64}$/.test(id)) throw new TypeError('id: is none of what was accepted');
    return `${this.path}/${id}`;
  }
}

async function* eventsOf(response: Response): AsyncGenerator<Streamed> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const reader = response.body?.getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      if (text.length > most.result) throw new AnswerError(200, `an event is larger than ${most.result} bytes`);
      for (const part of parts) {
        const event = eventOf(part);
        if (event) yield event;
      }
    }
  } finally {
    await reader?.cancel();
  }
}

/** Reads an event; a comment is none. */
function eventOf(text: string): Streamed | undefined {
  const fields: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, name, value] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields[name] = value;
  }
  const { id, event, data } = fields;
  if (event === undefined && data === undefined) return undefined;
  if (id === undefined || !/^\d{1,9}$/.test(id)) throw new AnswerError(200, 'an event has no id');
  return { id: Number(id), type: event ?? '', data: data ?? '' };
}

/** Reads what an event of a known type tells. */
export function documentOf({ data }: Streamed): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new AnswerError(200, 'an event is not JSON');
  }
}

/** Waits, unless the signal is aborted. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
  });
}
