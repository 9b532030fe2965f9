import { asRun, asRunPage, asStep, most } from './answer.js';
import { documentOf, Resources, type Caller, type ListOptions, type SubmitOptions, type CallOptions } from './resources.js';
import type { AgentOutcomeCode, AgentRun, AgentRunEvent, AgentRunPage, AgentTask } from './types.js';

/** The runs of one agent as resources. A call rejects as `execute` does. */
export class Runs {
  readonly #all: Resources<AgentRun>;

  constructor(caller: Caller, agent: string) {
    this.#all = new Resources(caller, `/v1/agents/${encodeURIComponent(agent)}/runs`, (document) => asRun(document));
  }

  /** Has a task accepted. The agent works on it whatever becomes of this client; aborting the call does not end it. */
  async submit<Results = unknown>(task: AgentTask, options: SubmitOptions = {}): Promise<AgentRun<Results>> {
    return asRun<Results>(await this.#all.accept(JSON.stringify(task), most.result, options));
  }

  /** Tells how far a run is, at once or once it has ended; `waitSeconds` is at most 60. */
  async get<Results = unknown>(id: string, options: CallOptions & { waitSeconds?: number } = {}): Promise<AgentRun<Results>> {
    return (await this.#all.get(id, options)) as AgentRun<Results>;
  }

  /** Gives a run once it has ended. It asks until then, or until the signal is aborted. */
  async wait<Results = unknown>(id: string, options: CallOptions = {}): Promise<AgentRun<Results>> {
    return (await this.#all.wait(id, options)) as AgentRun<Results>;
  }

  /** Ends a run; one that has ended stays as it is, or, with `forget`, loses its task, steps and outcome at once. */
  cancel(id: string, options: CallOptions & { forget?: boolean } = {}): Promise<AgentRun> {
    return this.#all.cancel(id, options);
  }

  /** A page of the list of runs, newest first, without their outcomes. */
  async list(options: ListOptions<AgentOutcomeCode> = {}): Promise<AgentRunPage> {
    return asRunPage(await this.#all.list(options));
  }

  /**
   * Tells each step of a run as it comes, and its end. Pieces of answers (`text`) are told while they come alone. Where the stream breaks off
   * before the end it rejects with a ConnectionError: go on from the last event that came, with `after`.
   */
  async *events<Results = unknown>(id: string, options: CallOptions & { after?: number } = {}): AsyncGenerator<AgentRunEvent<Results>, void, undefined> {
    for await (const event of this.#all.events(id, options)) {
      const document = documentOf(event);
      if (event.type === 'end') yield { id: event.id, type: event.type, run: asRun<Results>(document) };
      else yield { id: event.id, type: 'step', step: asStep(document) };
    }
  }
}
