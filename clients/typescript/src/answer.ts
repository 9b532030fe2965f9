import { AnswerError, problemError, type ProblemError } from './errors.js';
import type { AgentRun, AgentRunPage, AgentStep, Execution, ExecutionPage, ExecutionResult, ExecutionState, Info, Log, LogLevel, Problem, Repeat, ResultCode } from './types.js';

const mebi = 1024 * 1024;

/**
 * The most that answers may hold, in bytes. A result is its output (16 MiB) and its logs (1 MiB, in which a byte may be
 * written as six), and a few MiB for all the rest.
 */
export const most = { result: (16 + 6 + 8) * mebi, batch: 512 * mebi, info: mebi, problem: 64 * 1024 };

const day = 24 * 60 * 60;

/** Reads the body of a success, or throws: a ProblemError, an AnswerError, or whatever the connection throws. */
export async function readAnswer(response: Response, bytes: number): Promise<unknown> {
  const ok = response.status === 200 || response.status === 202;
  const wanted = ok ? 'application/json' : 'application/problem+json';
  const mediaType = response.headers.get('Content-Type')?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== wanted) {
    await response.body?.cancel();
    throw new AnswerError(response.status, `its Content-Type is not ${wanted}`);
  }
  const document = parse(response.status, await readBytes(response, ok ? bytes : most.problem));
  if (ok) return document;
  throw readProblem(response, document);
}

async function readBytes(response: Response, bytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) break;
    size += value.byteLength;
    if (size > bytes) {
      await reader?.cancel();
      throw new AnswerError(response.status, `it is larger than ${bytes} bytes`);
    }
    chunks.push(value);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return body;
}

function parse(status: number, body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new AnswerError(status, 'it is not JSON');
  }
}

function readProblem(response: Response, document: unknown): ProblemError {
  if (!isObject(document) || typeof document['type'] !== 'string' || typeof document['detail'] !== 'string' || document['status'] !== response.status) {
    throw new AnswerError(response.status, 'its problem document is of another status, or lacks its type or detail');
  }
  const header = response.headers.get('Retry-After');
  const retryAfter = header !== null && /^\d{1,9}$/.test(header) ? Math.min(Number(header), day) : undefined;
  return problemError(document as Problem, retryAfter);
}

const levels: Record<LogLevel, true> = { log: true, info: true, warn: true, error: true, debug: true };

/** Whether a script that ran may end with the code. */
const ran: Record<ResultCode, boolean> = {
  SUCCESS: true, SYNTAX_ERROR: true, RUNTIME_ERROR: true, TIMEOUT: true, MEMORY_LIMIT: true, SECURITY_ERROR: true,
  OUTPUT_LIMIT: true, CANCELLED: true,
  MISSING_CODE: false, INVALID_INPUT_DATA: false, EXECUTION_FAILED: false,
};

/** Holds a result against what the contract says of results. */
export function asResult<Output>(document: unknown): ExecutionResult<Output> {
  const reason = fault(document);
  if (reason !== undefined) throw new AnswerError(200, reason);
  return document as ExecutionResult<Output>;
}

function fault(result: unknown): string | undefined {
  if (!isObject(result)) return 'it is no object';
  const { id, success, resultCode, logs, warnings, error } = result;
  if (typeof id !== 'string' || id === '') return 'the result has no id';
  if (typeof resultCode !== 'string' || !Object.hasOwn(ran, resultCode)) return 'the result code is none that this client knows';
  if (!ran[resultCode as ResultCode]) return 'the result code is not one of a script that ran';
  if (success !== (resultCode === 'SUCCESS')) return 'success and the result code contradict each other';
  if (success !== Object.hasOwn(result, 'output')) return 'an output is there on success, and then alone';
  if (success === true && error !== undefined) return 'a success has no error';
  if (error !== undefined && (!isObject(error) || typeof error['name'] !== 'string' || typeof error['message'] !== 'string')) return 'the error is none';
  if (!Array.isArray(logs) || logs.length > 10_000 || !logs.every(isLog)) return 'the logs are none, or too many';
  if (!Array.isArray(warnings) || !warnings.every((warning) => typeof warning === 'string')) return 'the warnings are none';
  for (const name of ['executionTimeMs', 'queueTimeMs']) {
    if (typeof result[name] !== 'number') return `${name} is not a number`;
  }
  for (const name of ['usage', 'truncated', 'isolation']) {
    if (!isObject(result[name])) return `${name} is not an object`;
  }
  return undefined;
}

function isLog(entry: unknown): entry is Log {
  return isObject(entry) && typeof entry['message'] === 'string' && typeof entry['atMs'] === 'number' &&
    typeof entry['level'] === 'string' && Object.hasOwn(levels, entry['level']);
}

const states: Record<ExecutionState, true> = { queued: true, running: true, ended: true };

/** Holds an execution against what the contract says of executions. */
export function asExecution<Output>(document: unknown): Execution<Output> {
  if (!isObject(document)) throw new AnswerError(200, 'the execution is no object');
  const { id, state, createdAt, result } = document;
  if (typeof id !== 'string' || id === '' || typeof createdAt !== 'string') throw new AnswerError(200, 'the execution has no id, or no time');
  if (typeof state !== 'string' || !Object.hasOwn(states, state)) throw new AnswerError(200, 'the state is none that this client knows');
  if (result !== undefined) {
    const failed = isObject(result) && result['resultCode'] === 'EXECUTION_FAILED' && result['success'] === false;
    const reason = state !== 'ended' ? 'a result is there before the end' : failed ? undefined : fault(result);
    if (reason !== undefined) throw new AnswerError(200, reason);
  }
  return document as unknown as Execution<Output>;
}

/** Holds a list of executions against the contract. */
export function asPage(document: unknown): ExecutionPage {
  if (!isObject(document) || !Array.isArray(document['executions'])) throw new AnswerError(200, 'it is no list of executions');
  for (const execution of document['executions']) asExecution(execution);
  return document as unknown as ExecutionPage;
}

/** Holds a run of an agent against what the contract says of runs. */
export function asRun<Results>(document: unknown): AgentRun<Results> {
  if (!isObject(document)) throw new AnswerError(200, 'the run is no object');
  const { id, agent, state, createdAt, resultCode, outcome } = document;
  if (typeof id !== 'string' || id === '' || typeof agent !== 'string' || typeof createdAt !== 'string') throw new AnswerError(200, 'the run has no id, no agent, or no time');
  if (typeof state !== 'string' || !Object.hasOwn(states, state)) throw new AnswerError(200, 'the state is none that this client knows');
  if ((state === 'ended') !== (typeof resultCode === 'string')) throw new AnswerError(200, 'a run has a result code once it has ended, and not before');
  if (outcome !== undefined) {
    const whole = isObject(outcome) && outcome['code'] === resultCode && outcome['success'] === (resultCode === 'COMPLETE') && isObject(outcome['payload']) && isObject(outcome['spent']);
    if (!whole) throw new AnswerError(200, 'the outcome is none, or another run\'s');
  }
  return document as unknown as AgentRun<Results>;
}

/** Holds a list of runs against the contract. */
export function asRunPage(document: unknown): AgentRunPage {
  if (!isObject(document) || !Array.isArray(document['runs'])) throw new AnswerError(200, 'it is no list of runs');
  for (const run of document['runs']) asRun(run);
  return document as unknown as AgentRunPage;
}

/** Holds a step of a run against the contract, as far as a wrong server would be noticed. */
export function asStep(document: unknown): AgentStep {
  if (!isObject(document) || typeof document['seq'] !== 'number' || typeof document['type'] !== 'string') throw new AnswerError(200, 'a step is none');
  return document as unknown as AgentStep;
}

/** Holds an entry of the logs against the contract. */
export function asLog(document: unknown): Log {
  if (!isLog(document)) throw new AnswerError(200, 'an entry of the logs is none');
  return document;
}

export function asRepeat(document: unknown): Repeat {
  const run = isObject(document) ? document['run'] : undefined;
  if (typeof run !== 'number' || !(run >= 2)) throw new AnswerError(200, 'a repeat is of no run');
  return { run };
}

/** Holds an answer of /v1/info against the contract, as far as a wrong server would be noticed. */
export function asInfo(document: unknown): Info {
  if (!isObject(document) || !isObject(document['build']) || !isObject(document['limits']) || !Array.isArray(document['libraries'])) {
    throw new AnswerError(200, 'it does not tell of a Glovebox');
  }
  return document as Info;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
