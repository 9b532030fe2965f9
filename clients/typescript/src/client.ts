import { asInfo, asResult, most, readAnswer } from './answer.js';
import { ConnectionError, GloveboxError, ProblemError } from './errors.js';
import { encode, Executions } from './executions.js';
import { pause, type Call, type Caller, type CallOptions } from './resources.js';
import { Runs } from './runs.js';
import type { ExecutionRequest, ExecutionResult, Info } from './types.js';

export interface GloveboxOptions {
  /** Where the server is: http or https, and a path where one stands before the server's own. */
  baseUrl: string | URL;
  /** What makes requests; the platform's own fetch where it is left out. */
  fetch?: typeof globalThis.fetch;
  /**
   * A tenant's key (gbx_…), which goes with each request, or a function that gives it for each. It does not go over plain http to
   * another machine, unless `allowPlainHttp` is set. Keys are for servers: what a page holds, whoever sees the page holds too.
   */
  key?: string | (() => string);
  /** Lets the key travel over http to another machine, where anyone on the way can read it. */
  allowPlainHttp?: boolean;
  /** Further headers that say who asks, or a function that gives them for each request. */
  headers?: HeadersInit | (() => HeadersInit);
  /**
   * For how many milliseconds, in all, `execute` may go on asking a server that has no place now, each time after the
   * wait that the server asks for. 0, the default, asks once. A request that failed in another way is never repeated.
   */
  retryForMs?: number;
}

export interface ExecuteOptions extends CallOptions {
  /** `full` has the result come with every check of its container; the server's default is `short`. */
  attestation?: 'short' | 'full';
  /** The same key with the same request is the same execution, run once; it goes on when its client has gone. */
  idempotencyKey?: string;
}

/** Asks one Glovebox server. It keeps no state: one instance serves any number of calls at once. */
export class Glovebox {
  readonly #base: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #key: GloveboxOptions['key'];
  readonly #headers: GloveboxOptions['headers'];
  readonly #retryForMs: number;
  readonly #caller: Caller = { open: (call) => this.#open(call), ask: (call) => this.#ask(call) };
  /** Executions as resources: accepted, followed, ended. */
  readonly executions: Executions;

  constructor(options: GloveboxOptions) {
    this.#base = parseBase(options.baseUrl);
    // A browser's fetch must be called as a function of its window.
    this.#fetch = options.fetch ?? ((...call) => globalThis.fetch(...call));
    this.#key = options.key;
    if (this.#key !== undefined && options.allowPlainHttp !== true && !isPrivate(new URL(this.#base))) {
      throw new TypeError('the key would go over plain http to another machine, where anyone on the way can read it: use https, or allowPlainHttp');
    }
    this.#headers = options.headers;
    this.#retryForMs = options.retryForMs ?? 0;
    this.executions = new Executions(this.#caller);
  }

  /** The runs of an agent as resources: accepted, followed, ended. */
  runs(agent = 'codesmith'): Runs {
    return new Runs(this.#caller, agent);
  }

  /**
   * Has a script run and waits for its result. A script that failed is a result too. It rejects with a ProblemError (by
   * its class: why the server refused), a ConnectionError, an AnswerError, or the reason of an aborted signal. What
   * JSON cannot hold throws as JSON.stringify does.
   */
  async execute<Output = unknown>(request: ExecutionRequest, options: ExecuteOptions = {}): Promise<ExecutionResult<Output>> {
    const body = encode(request);
    const path = options.attestation === undefined ? '/v1/executions' : `/v1/executions?attestation=${options.attestation}`;
    const headers = options.idempotencyKey === undefined ? {} : { 'Idempotency-Key': options.idempotencyKey };
    const deadline = Date.now() + this.#retryForMs;
    for (;;) {
      try {
        return asResult<Output>(await this.#ask({ method: 'POST', path, body, headers, bytes: most.result, signal: options.signal }));
      } catch (error) {
        const waitMs = noPlaceForMs(error);
        // Not later than the deadline would allow a second try to one who asked for none, in the same millisecond.
        if (waitMs === undefined || Date.now() + waitMs >= deadline) throw error;
        await pause(waitMs, options.signal);
      }
    }
  }

  /** Asks what the server is and can do. It rejects as `execute` does. */
  async info(options: CallOptions = {}): Promise<Info> {
    return asInfo(await this.#ask({ path: '/v1/info', bytes: most.info, signal: options.signal }));
  }

  async #ask(call: Call): Promise<unknown> {
    return this.#guard(call.signal, async () => readAnswer(await this.#fetch(this.#base + call.path, this.#init(call)), call.bytes));
  }

  async #open(call: Call): Promise<Response> {
    return this.#guard(call.signal, () => this.#fetch(this.#base + call.path, this.#init(call)));
  }

  #init({ method = 'GET', body, headers: more = {}, signal }: Call): RequestInit {
    const headers = new Headers(typeof this.#headers === 'function' ? this.#headers() : this.#headers);
    const key = typeof this.#key === 'function' ? this.#key() : this.#key;
    if (key !== undefined) headers.set('Authorization', `Bearer ${keyText(key)}`);
    headers.set('Accept', 'application/json, application/problem+json');
    if (body !== undefined) headers.set('Content-Type', 'application/json');
    for (const [name, value] of Object.entries(more)) headers.set(name, value);
    return {
      method,
      headers,
      cache: 'no-store',
      redirect: 'error', // code and data go to the server that was named, and to no other
      ...(body !== undefined && { body }),
      ...(signal && { signal }),
    };
  }

  async #guard<T>(signal: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof GloveboxError) throw error;
      throw new ConnectionError(`no answer from ${this.#base}: ${reasonOf(error)}`, { cause: error });
    }
  }
}

function parseBase(base: string | URL): string {
  let url: URL;
  try {
    url = new URL(base);
  } catch {
    throw new TypeError('baseUrl is no URL such as http://127.0.0.1:8080');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError('baseUrl is no URL such as http://127.0.0.1:8080');
  if (url.username !== '' || url.password !== '') throw new TypeError('baseUrl holds a name or a password, which has no meaning there');
  if (url.search !== '' || url.hash !== '') throw new TypeError('baseUrl must end with its path');
  return url.href.replace(/\/$/, '');
}

/** Whether nobody on the way can read what is sent. */
function isPrivate(url: URL): boolean {
  return url.protocol === 'https:' || url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d+){3}$/.test(url.hostname);
}

/** What a platform would say of a header that it refuses holds the header. */
function keyText(key: string): string {
  if (!/^[!-~]+$/.test(key)) throw new TypeError('the key holds what no key holds, such as a blank or the end of a line, or is empty');
  return key;
}

/** For how long there is no place, where nothing ran and the server says so; else undefined. */
function noPlaceForMs(error: unknown): number | undefined {
  return error instanceof ProblemError && error.retryable ? (error.retryAfter ?? 0) * 1000 : undefined;
}

/** A platform's fetch says little itself: what happened is its cause. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return inner instanceof Error ? inner.message || inner.name : String(inner);
}
