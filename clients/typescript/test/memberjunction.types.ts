// Compiles where a MemberJunction host can take Glovebox's service for its own; there is nothing to run.
import type * as theirs from '@memberjunction/code-execution';
import type * as ours from '../src/memberjunction.js';

/** Does not compile unless From can stand where To is wanted. */
type Fits<From extends To, To> = [From, To];

/** A class with private members is only itself: what a host can call is compared. */
type Callable<T> = Pick<T, keyof T>;

export type Checks = [
  // What a host writes for theirs it may give to ours.
  Fits<theirs.CodeExecutionParams, ours.CodeExecutionParams>,
  Fits<theirs.WorkerPoolOptions, ours.WorkerPoolOptions>,
  Fits<theirs.BridgeHandlerMap, ours.BridgeHandlerMap>,
  // What ours answers a host may take for theirs.
  Fits<ours.CodeExecutionResult, theirs.CodeExecutionResult>,
  Fits<ours.CodeExecutionService, Callable<theirs.CodeExecutionService>>,
  Fits<typeof ours.CodeExecutionService, new (options?: theirs.WorkerPoolOptions) => Callable<theirs.CodeExecutionService>>,
  // Theirs has no method that ours lacks.
  Fits<keyof theirs.CodeExecutionService, keyof ours.CodeExecutionService>,
];

/** A host's own code, with nothing but the import changed. */
export async function host(service: Callable<theirs.CodeExecutionService>): Promise<number | undefined> {
  const result: theirs.CodeExecutionResult = await service.execute({ code: 'output = 1', language: 'javascript', timeoutSeconds: 5 });
  return result.executionTimeMs;
}
export const moved = (service: ours.CodeExecutionService): Promise<number | undefined> => host(service);
