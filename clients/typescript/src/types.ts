import type { components } from './schema.js';

type Schemas = components['schemas'];

export type Language = Schemas['Language'];
export type ResultCode = Schemas['ResultCode'];
export type LogLevel = Schemas['LogLevel'];
export type Log = Schemas['Log'];
export type Repeat = Schemas['Repeat'];
export type ScriptError = Schemas['ScriptError'];
export type Usage = Schemas['Usage'];
export type Truncation = Schemas['Truncation'];
export type Isolation = Schemas['Isolation'];
export type Problem = Schemas['Problem'];
export type ProblemType = Problem['type'];
export type Info = Schemas['Info'];

/** What is asked: one script, its data and its limits. Only `code` must be given. MB means 1,048,576 bytes. */
export interface ExecutionRequest extends Omit<Schemas['Request'], 'now'> {
  /** Makes the clock stand still at this instant (RFC 3339). */
  now?: string | Date;
}

type Ended = Omit<Schemas['Result'], 'success' | 'resultCode' | 'output' | 'error'>;

/** A script that ran to its end. */
export interface Success<Output = unknown> extends Ended {
  success: true;
  resultCode: 'SUCCESS';
  /** What the script gave; null where it gave nothing. What it really is only the script knows. */
  output: Output;
  error?: never;
}

/** A script that did not. */
export interface Failure extends Ended {
  success: false;
  resultCode: Exclude<ResultCode, 'SUCCESS'>;
  output?: never;
  /** What stopped it. Every text may be the script's own. */
  error?: ScriptError;
}

/** How one execution ended. */
export type ExecutionResult<Output = unknown> = Success<Output> | Failure;

export type ExecutionState = Schemas['ExecutionState'];

/** An execution as a resource. `result` is there once it has ended, until it is forgotten. */
export interface Execution<Output = unknown> extends Omit<Schemas['Execution'], 'result'> {
  result?: ExecutionResult<Output> | Failed;
}

/** Glovebox itself failed: the script is not to blame, and may not have run. */
export interface Failed extends Ended {
  success: false;
  resultCode: 'EXECUTION_FAILED';
  output?: never;
  error?: ScriptError;
}

/** A part of a list of executions, newest first. */
export interface ExecutionPage {
  executions: Execution[];
  /** The cursor of the next page; it is left out on the last. A page may be short, or empty, and have one. */
  next?: string;
}

/**
 * What happened to an execution: an entry of its logs, that it is run again, or its end. A `repeat` voids every log that came before it: they are those of
 * a run in which the server ended. `id` says where to go on; ids grow, and have gaps.
 */
export type ExecutionEvent<Output = unknown> =
  | { id: number; type: 'log'; log: Log }
  | { id: number; type: 'repeat'; run: number }
  | { id: number; type: 'end'; execution: Execution<Output> };

/** What a tenant's webhook is told: `type` says what `data` is. It is to be verified first; standardwebhooks.com names libraries that do. */
export type WebhookEvent = Schemas['WebhookEvent'];

export type AgentOutcomeCode = Schemas['AgentOutcomeCode'];

/** What an agent is to do. Only `task` must be given. */
export interface AgentTask extends Omit<Schemas['AgentTask'], 'inputData'> {
  /** The data, whatever JSON can hold. The model sees a sample of it; the code gets all of it as `input`. */
  inputData?: unknown;
}

/** How a run of an agent ended. `payload.results` is there where its code succeeded. */
export interface AgentOutcome<Results = unknown> extends Omit<Schemas['AgentOutcome'], 'payload'> {
  payload: Omit<Schemas['AgentPayload'], 'results'> & { results?: Results };
}

/** A run of an agent as a resource. `outcome` is there once it has ended, until it is forgotten. */
export interface AgentRun<Results = unknown> extends Omit<Schemas['AgentRun'], 'outcome'> {
  outcome?: AgentOutcome<Results>;
}

/** A part of a list of runs, newest first. */
export interface AgentRunPage {
  runs: AgentRun[];
  /** The cursor of the next page; it is left out on the last. A page may be short, or empty, and have one. */
  next?: string;
}

/** A step of a run: beside seq, atMs and type it has one member, named as its type is. */
export type AgentStep = Schemas['AgentEvent'];

/** What happened to a run: a step, or its end. `id` says where to go on; ids grow, and have gaps. */
export type AgentRunEvent<Results = unknown> =
  | { id: number; type: 'step'; step: AgentStep }
  | { id: number; type: 'end'; run: AgentRun<Results> };
