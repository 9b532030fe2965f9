import { Glovebox } from './client.js';
import { ConnectionError, ProblemError } from './errors.js';
import type { ExecutionRequest, ExecutionResult, Failure, ResultCode } from './types.js';

/** As MemberJunction has it; see {@link CodeExecutionParams.bridgeHandlers}. */
export type BridgeHandler = (args: unknown) => Promise<unknown> | unknown;
export type BridgeHandlerMap = Record<string, BridgeHandler>;

/** What MemberJunction's service is given to run. */
export interface CodeExecutionParams {
  code: string;
  language: 'javascript' | 'typescript';
  /** The script's `input`: whatever JSON can hold. */
  inputData?: any;
  /** From 0.1 to 300; 30 where it is left out. */
  timeoutSeconds?: number;
  /** From 16 to 2048; 128 where it is left out. */
  memoryLimitMB?: number;
  /** Not to be had: a box cannot call its host, which is the point of it. A run that is given any is a SECURITY_ERROR. */
  bridgeHandlers?: BridgeHandlerMap;
  maxBridgeCalls?: number;
  /** Aborting ends the run, and destroys its box. */
  abortSignal?: AbortSignal;
}

/** What MemberJunction's service answers, and beside it what Glovebox knows more. */
export interface CodeExecutionResult {
  success: boolean;
  output?: any;
  /** What was printed, each as `[LEVEL] text`; also when the run failed. */
  logs?: string[];
  error?: string;
  /** Left out where Glovebox itself failed, or could not be reached: then the script is not to blame. */
  errorType?: 'TIMEOUT' | 'MEMORY_LIMIT' | 'SYNTAX_ERROR' | 'RUNTIME_ERROR' | 'SECURITY_ERROR';
  executionTimeMs?: number;
  /** Glovebox's own code, of which there are more. */
  resultCode?: ResultCode;
  /** The whole of Glovebox's result, where there is one. */
  details?: ExecutionResult;
}

/** MemberJunction's options, and where Glovebox is. */
export interface WorkerPoolOptions {
  /** How many runs are with the server at once (2). */
  poolSize?: number;
  /** How many may wait here for that (100). */
  maxQueueSize?: number;
  /** Without a meaning here: there are no workers that could crash. */
  maxCrashesPerWorker?: number;
  crashTimeWindow?: number;
  /** Where the server is; the environment's GLOVEBOX_SERVER, or else http://127.0.0.1:8080, where it is left out. */
  baseUrl?: string | URL;
  fetch?: typeof globalThis.fetch;
  headers?: HeadersInit | (() => HeadersInit);
}

/** How long a run may wait for a place on a busy server. MemberJunction's pool is not shared, and so has no such wait. */
const retryForMs = 60_000;

/**
 * MemberJunction's CodeExecutionService, on Glovebox: the same calls, the same shape of results. `execute` never rejects.
 */
export class CodeExecutionService {
  readonly #glovebox: Glovebox;
  readonly #poolSize: number;
  readonly #maxQueueSize: number;
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #initialized = false;
  #ending = new AbortController();

  constructor(options: WorkerPoolOptions = {}) {
    const { poolSize = 2, maxQueueSize = 100, baseUrl = defaultServer(), fetch, headers } = options;
    this.#glovebox = new Glovebox({ baseUrl, retryForMs, ...(fetch && { fetch }), ...(headers && { headers }) });
    this.#poolSize = poolSize;
    this.#maxQueueSize = maxQueueSize;
  }

  /** Makes sure that a Glovebox answers; rejects where none does. It need not be called. */
  async initialize(): Promise<void> {
    await this.#glovebox.info({ signal: this.#ending.signal });
    this.#initialized = true;
  }

  /** Runs a script. Whatever goes wrong is in the result. */
  async execute(params: CodeExecutionParams): Promise<CodeExecutionResult> {
    const refused = this.#refuse(params);
    if (refused) return refused;
    const ending = this.#ending.signal;
    const signal = params.abortSignal ? AbortSignal.any([params.abortSignal, ending]) : ending;
    try {
      await this.#takePlace(signal);
    } catch (error) {
      return failure(error, signal);
    }
    try {
      return asResult(await this.#glovebox.execute(asRequest(params), { signal }));
    } catch (error) {
      return failure(error, signal);
    } finally {
      this.#givePlace();
    }
  }

  getStats(): { totalWorkers: number; activeWorkers: number; busyWorkers: number; queueLength: number } {
    return {
      totalWorkers: this.#poolSize,
      activeWorkers: this.#initialized ? this.#poolSize : 0,
      busyWorkers: this.#busy,
      queueLength: this.#waiting.length,
    };
  }

  /** Ends what runs and what waits, each as a TIMEOUT, as MemberJunction calls what is aborted. */
  async shutdown(): Promise<void> {
    this.#ending.abort(new Error('the service is shut down'));
    this.#ending = new AbortController();
    this.#initialized = false;
  }

  /** Says what cannot be sent at all. */
  #refuse(params: CodeExecutionParams): CodeExecutionResult | undefined {
    if (params.bridgeHandlers && Object.keys(params.bridgeHandlers).length > 0) {
      return {
        success: false, errorType: 'SECURITY_ERROR', resultCode: 'SECURITY_ERROR',
        error: 'bridgeHandlers are not supported: a script in Glovebox cannot call its host. Fetch what it needs first, and pass it as inputData.',
      };
    }
    if (this.#waiting.length >= this.#maxQueueSize) {
      return { success: false, errorType: 'RUNTIME_ERROR', error: `${this.#maxQueueSize} runs are waiting already: try again later` };
    }
    return undefined;
  }

  async #takePlace(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#busy < this.#poolSize) {
      this.#busy++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        reject(signal.reason);
      };
      const begin = () => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      this.#waiting.push(begin);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  /** A place goes to whoever waits longest. */
  #givePlace(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#busy--;
  }
}

function defaultServer(): string {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.['GLOVEBOX_SERVER'] || 'http://127.0.0.1:8080';
}

function asRequest(params: CodeExecutionParams): ExecutionRequest {
  const { code, language, inputData, timeoutSeconds, memoryLimitMB } = params;
  return {
    code,
    language,
    ...(inputData !== undefined && { inputData }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    ...(memoryLimitMB !== undefined && { memoryLimitMB }),
  };
}

type ErrorType = NonNullable<CodeExecutionResult['errorType']>;

/** Their name for each of our codes; where they have none, the nearest. What is our own fault has none. */
const errorTypes: Record<Exclude<ResultCode, 'SUCCESS'>, ErrorType | undefined> = {
  TIMEOUT: 'TIMEOUT',
  MEMORY_LIMIT: 'MEMORY_LIMIT',
  SYNTAX_ERROR: 'SYNTAX_ERROR',
  RUNTIME_ERROR: 'RUNTIME_ERROR',
  SECURITY_ERROR: 'SECURITY_ERROR',
  MISSING_CODE: 'RUNTIME_ERROR',
  INVALID_INPUT_DATA: 'RUNTIME_ERROR',
  OUTPUT_LIMIT: 'RUNTIME_ERROR',
  CANCELLED: 'TIMEOUT',
  EXECUTION_FAILED: undefined,
};

function errorType(code: Exclude<ResultCode, 'SUCCESS'>): { errorType?: ErrorType } {
  const type = errorTypes[code];
  return type ? { errorType: type } : {};
}

function asResult(result: ExecutionResult): CodeExecutionResult {
  const { resultCode, executionTimeMs } = result;
  const logs = result.logs.map(({ level, message }) => `[${level.toUpperCase()}] ${message}`);
  const both = { resultCode, executionTimeMs, details: result, ...(logs.length > 0 && { logs }) };
  if (result.success) return { success: true, output: result.output, ...both };
  return { success: false, error: describe(result), ...errorType(result.resultCode), ...both };
}

/** The error as their callers show it, with the place, which theirs does not know. */
function describe({ error, resultCode }: Failure): string {
  if (!error) return resultCode;
  const place = error.line === undefined ? '' : ` (line ${error.line}, column ${error.column ?? 1})`;
  return error.message + place;
}

/** What went wrong without a result of a script. */
function failure(error: unknown, signal: AbortSignal): CodeExecutionResult {
  const message = error instanceof Error ? error.message : String(error);
  if (signal.aborted) {
    return { success: false, error: message, errorType: 'TIMEOUT', resultCode: 'CANCELLED' };
  }
  if (error instanceof ProblemError && error.status < 500) {
    const code = error.resultCode;
    return { success: false, error: message, errorType: 'RUNTIME_ERROR', ...(code && { resultCode: code }) };
  }
  if (error instanceof ProblemError || error instanceof ConnectionError) {
    return { success: false, error: message, resultCode: 'EXECUTION_FAILED' };
  }
  if (error instanceof TypeError) { // what JSON cannot hold
    return { success: false, error: message, errorType: 'RUNTIME_ERROR', resultCode: 'INVALID_INPUT_DATA' };
  }
  return { success: false, error: message, resultCode: 'EXECUTION_FAILED' };
}
