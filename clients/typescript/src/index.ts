export { Glovebox, type ExecuteOptions, type GloveboxOptions } from './client.js';
export { Executions, type ExecutionSubmitOptions } from './executions.js';
export type { CallOptions, ListOptions, SubmitOptions } from './resources.js';
export { Runs } from './runs.js';
export {
  AnswerError, BusyError, ConnectionError, ForbiddenOriginError, ForgottenError, GloveboxError, IdempotencyConflictError, InsufficientScopeError, InternalError, InvalidRequestError,
  MethodNotAllowedError, NotFoundError, ProblemError, QuotaError, QuotaExceededError, QuotaForbiddenError, SlowBodyError, TooLargeError, UnauthorizedError, UnavailableError, UnrecordedError, UnsupportedMediaTypeError,
} from './errors.js';
export type {
  AgentOutcome, AgentOutcomeCode, AgentRun, AgentRunEvent, AgentRunPage, AgentStep, AgentTask, Execution, ExecutionEvent, ExecutionPage, ExecutionRequest, ExecutionResult, ExecutionState, Failed, Failure, Info, Isolation, Language, Log, LogLevel, Problem, ProblemType, Repeat, ResultCode, ScriptError,
  Success, Truncation, Usage, WebhookEvent,
} from './types.js';
