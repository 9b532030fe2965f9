import { asExecution, asLog, asPage, asRepeat, most } from './answer.js';
import { documentOf, Resources, type Caller, type ListOptions, type SubmitOptions, type CallOptions } from './resources.js';
import type { Execution, ExecutionEvent, ExecutionPage, ExecutionRequest, ResultCode } from './types.js';

export interface ExecutionSubmitOptions extends SubmitOptions {
  /** Whether the script may be run again where the server ended while it ran, and nobody knows how far it came. */
  safeToRepeat?: boolean;
}

/** Executions as resources. A call rejects as `execute` does. */
export class Executions {
  readonly #all: Resources<Execution>;

  constructor(caller: Caller) {
    this.#all = new Resources(caller, '/v1/executions', (document) => asExecution(document));
  }

  /** Has a script accepted. It runs whatever becomes of this client; aborting the call does not end it. */
  async submit<Output = unknown>(request: ExecutionRequest, options: ExecutionSubmitOptions = {}): Promise<Execution<Output>> {
    return asExecution<Output>(await this.#accept(encode(request), most.result, options));
  }

  /** Has up to a hundred scripts accepted, all or none. The executions are in the requests' order. */
  async submitBatch(requests: readonly ExecutionRequest[], options: ExecutionSubmitOptions = {}): Promise<Execution[]> {
    return asPage(await this.#accept(encode(requests), most.batch, options)).executions;
  }

  #accept(body: string, bytes: number, options: ExecutionSubmitOptions): Promise<unknown> {
    return this.#all.accept(body, bytes, options, options.safeToRepeat ? '?safeToRepeat=true' : '');
  }

  /** Tells how far an execution is, at once or once it has ended; `waitSeconds` is at most 60. */
  async get<Output = unknown>(id: string, options: CallOptions & { waitSeconds?: number } = {}): Promise<Execution<Output>> {
    return (await this.#all.get(id, options)) as Execution<Output>;
  }

  /** Gives an execution once it has ended. It asks until then, or until the signal is aborted. */
  async wait<Output = unknown>(id: string, options: CallOptions = {}): Promise<Execution<Output>> {
    return (await this.#all.wait(id, options)) as Execution<Output>;
  }

  /** Ends an execution; one that has ended stays as it is, or, with `forget`, loses its code, data and result at once. */
  cancel(id: string, options: CallOptions & { forget?: boolean } = {}): Promise<Execution> {
    return this.#all.cancel(id, options);
  }

  /** A page of the list of executions, newest first, without their results. */
  async list(options: ListOptions<ResultCode> = {}): Promise<ExecutionPage> {
    return asPage(await this.#all.list(options));
  }

  /**
   * Tells each log of an execution as it comes, that it is run again, and its end. Where the stream breaks off before the end it rejects with a
   * ConnectionError: go on from the last event that came, with `after`.
   */
  async *events<Output = unknown>(id: string, options: CallOptions & { after?: number } = {}): AsyncGenerator<ExecutionEvent<Output>, void, undefined> {
    for await (const event of this.#all.events(id, options)) {
      if (event.type === 'log') yield { id: event.id, type: event.type, log: asLog(documentOf(event)) };
      else if (event.type === 'repeat') yield { id: event.id, type: event.type, run: asRepeat(documentOf(event)).run };
      else if (event.type === 'end') yield { id: event.id, type: event.type, execution: asExecution<Output>(documentOf(event)) };
      // Another is of a later server's.
    }
  }
}

/** Writes a request. Half a surrogate pair would arrive as another character: the code that runs must be the code that was meant. */
export function encode(request: ExecutionRequest | readonly ExecutionRequest[]): string {
  for (const { code } of [request].flat()) {
    if (/\p{Surrogate}/u.test(code)) throw new TypeError('code: holds half a surrogate pair');
  }
  return JSON.stringify(request);
}
