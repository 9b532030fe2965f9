// MemberJunction's service, as both the comparison and the bench start it.
import { CodeExecutionService } from '@memberjunction/code-execution';

/** Starts their service. A worker has five seconds to start, which a busy machine does not always grant: it is tried again. */
export async function startTheirs(options, tries, say) {
  const service = new CodeExecutionService(options);
  const workers = () => service.workerPool.workers.map((worker) => worker.process);
  try {
    await service.initialize();
    return { service, workers: workers() };
  } catch (error) {
    for (const worker of workers()) worker.kill('SIGKILL');
    if (tries <= 1) throw error;
    say(`${error.message}: once more`);
    return startTheirs(options, tries - 1, say);
  }
}

/** Ends it, with the workers that it leaves behind. */
export async function endTheirs({ service, workers }) {
  await service.shutdown();
  for (const worker of workers) worker.kill('SIGKILL');
}
