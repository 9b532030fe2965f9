export { Glovebox, type CallOptions, type ExecuteOptions, type GloveboxOptions } from './client.js';
export { Executions, type ListOptions, type SubmitOptions } from './executions.js';
export {
  AnswerError, BusyError, ConnectionError, ForbiddenOriginError, ForgottenError, GloveboxError, IdempotencyConflictError, InsufficientScopeError, InternalError, InvalidRequestError,
  MethodNotAllowedError, NotFoundError, ProblemError, QuotaError, QuotaExceededError, QuotaForbiddenError, SlowBodyError, TooLargeError, UnauthorizedError, UnavailableError, UnsupportedMediaTypeError,
} from './errors.js';
export type {
  Execution, ExecutionEvent, ExecutionPage, ExecutionRequest, ExecutionResult, ExecutionState, Failed, Failure, Info, Isolation, Language, Log, LogLevel, Problem, ProblemType, ResultCode, ScriptError,
  Success, Truncation, Usage, WebhookEvent,
} from './types.js';
