import { asExecution, asLog, asPage, most, readAnswer } from './answer.js';
import type { CallOptions } from './client.js';
import { AnswerError, ConnectionError } from './errors.js';
import type { Execution, ExecutionEvent, ExecutionPage, ExecutionRequest, ExecutionState, ResultCode } from './types.js';

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

export interface SubmitOptions extends CallOptions {
  /** The same key with the same request is the same execution, run once. */
  idempotencyKey?: string;
  /** Whether the script may be run again where the server ended while it ran, and nobody knows how far it came. */
  safeToRepeat?: boolean;
  /** For how many seconds to wait for the end before the execution is returned as it is; at most 60, by default 0. */
  waitSeconds?: number;
}

export interface ListOptions extends CallOptions {
  state?: ExecutionState;
  resultCode?: ResultCode;
  /** Those that were accepted from `since` on, and before `until`. */
  since?: Date;
  until?: Date;
  /** How many a page may hold, from 1 to 200. */
  limit?: number;
  /** The `next` of an earlier page. */
  cursor?: string;
}

/** Executions as resources. A call rejects as `execute` does. */
export class Executions {
  readonly #open: (call: Call) => Promise<Response>;
  readonly #ask: (call: Call) => Promise<unknown>;

  constructor(open: (call: Call) => Promise<Response>, ask: (call: Call) => Promise<unknown>) {
    this.#open = open;
    this.#ask = ask;
  }

  /** Has a script accepted. It runs whatever becomes of this client; aborting the call does not end it. */
  async submit<Output = unknown>(request: ExecutionRequest, options: SubmitOptions = {}): Promise<Execution<Output>> {
    return asExecution<Output>(await this.#accept(encode(request), most.result, options));
  }

  /** Has up to a hundred scripts accepted, all or none. The executions are in the requests' order. */
  async submitBatch(requests: readonly ExecutionRequest[], options: SubmitOptions = {}): Promise<Execution[]> {
    return asPage(await this.#accept(encode(requests), most.batch, options)).executions;
  }

  #accept(body: string, bytes: number, options: SubmitOptions): Promise<unknown> {
    const prefer = options.waitSeconds === undefined ? 'respond-async' : `respond-async, wait=${Math.ceil(options.waitSeconds)}`;
    const headers = { Prefer: prefer, ...(options.idempotencyKey !== undefined && { 'Idempotency-Key': options.idempotencyKey }) };
    const path = options.safeToRepeat ? '/v1/executions?safeToRepeat=true' : '/v1/executions';
    return this.#ask({ method: 'POST', path, body, headers, bytes, signal: options.signal });
  }

  /** Tells how far an execution is, at once or once it has ended; `waitSeconds` is at most 60. */
  async get<Output = unknown>(id: string, options: CallOptions & { waitSeconds?: number } = {}): Promise<Execution<Output>> {
    const query = options.waitSeconds === undefined ? '' : `?wait=${options.waitSeconds}s`;
    return asExecution<Output>(await this.#ask({ path: pathOf(id) + query, bytes: most.result, signal: options.signal }));
  }

  /** Ends an execution; one that has ended stays as it is, or, with `forget`, loses its code, data and result at once. */
  async cancel(id: string, options: CallOptions & { forget?: boolean } = {}): Promise<Execution> {
    const path = pathOf(id) + (options.forget ? '?forget=true' : '');
    return asExecution(await this.#ask({ method: 'DELETE', path, bytes: most.result, signal: options.signal }));
  }

  /** A page of the list of executions, newest first, without their results. */
  async list(options: ListOptions = {}): Promise<ExecutionPage> {
    const { signal, since, until, ...rest } = options;
    const query = new URLSearchParams();
    const all = { ...rest, since: since?.toISOString(), until: until?.toISOString() };
    for (const [name, value] of Object.entries(all)) if (value !== undefined) query.set(name, String(value));
    return asPage(await this.#ask({ path: `/v1/executions?${query}`, bytes: most.batch, signal }));
  }

  /**
   * Tells each log of an execution as it comes, and its end. Where the stream breaks off before the end it rejects with a
   * ConnectionError: go on from the last event that came, with `after`.
   */
  async *events<Output = unknown>(id: string, options: CallOptions & { after?: number } = {}): AsyncGenerator<ExecutionEvent<Output>, void, undefined> {
    const headers = { Accept: 'text/event-stream, application/problem+json', ...(options.after !== undefined && { 'Last-Event-ID': String(options.after) }) };
    const response = await this.#open({ path: `${pathOf(id)}/events`, headers, bytes: most.result, signal: options.signal });
    if (response.status === 204) return;
    if (response.status !== 200) await readAnswer(response, most.problem);
    if (response.headers.get('Content-Type')?.split(';')[0]?.trim() !== 'text/event-stream') {
      await response.body?.cancel();
      throw new AnswerError(response.status, 'it is no stream of events');
    }
    try {
      for await (const event of eventsOf<Output>(response)) {
        yield event;
        if (event.type === 'end') return;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error instanceof AnswerError ? error : new ConnectionError('the stream of events broke off', { cause: error });
    }
    throw new ConnectionError('the stream of events broke off before the end');
  }
}

/** Writes a request. Half a surrogate pair would arrive as another character: the code that runs must be the code that was meant. */
export function encode(request: ExecutionRequest | readonly ExecutionRequest[]): string {
  for (const { code } of [request].flat()) {
    if (/\p{Surrogate}/u.test(code)) throw new TypeError('code: holds half a surrogate pair');
  }
  return JSON.stringify(request);
}

function pathOf(id: string): string {
  if (!/^[0-9A-Za-z]{1,64}$/.test(id)) throw new TypeError('id: is none of an execution');
  return `/v1/executions/${id}`;
}

async function* eventsOf<Output>(response: Response): AsyncGenerator<ExecutionEvent<Output>> {
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
        const event = eventOf<Output>(part);
        if (event) yield event;
      }
    }
  } finally {
    await reader?.cancel();
  }
}

/** Reads an event; a comment is none, nor is one of a later server's. */
function eventOf<Output>(text: string): ExecutionEvent<Output> | undefined {
  const fields: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, name, value] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields[name] = value;
  }
  const { id, event, data } = fields;
  if (event !== 'log' && event !== 'end') return undefined;
  if (id === undefined || !/^\d{1,9}$/.test(id)) throw new AnswerError(200, 'an event has no id');
  let document: unknown;
  try {
    document = JSON.parse(data ?? '');
  } catch {
    throw new AnswerError(200, 'an event is not JSON');
  }
  if (event === 'log') return { id: Number(id), type: 'log', log: asLog(document) };
  return { id: Number(id), type: 'end', execution: asExecution<Output>(document) };
}
