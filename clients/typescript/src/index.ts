export { Glovebox, type CallOptions, type ExecuteOptions, type GloveboxOptions } from './client.js';
export {
  AnswerError, BusyError, ConnectionError, ForbiddenOriginError, GloveboxError, InternalError, InvalidRequestError,
  MethodNotAllowedError, NotFoundError, ProblemError, SlowBodyError, TooLargeError, UnavailableError, UnsupportedMediaTypeError,
} from './errors.js';
export type {
  ExecutionRequest, ExecutionResult, Failure, Info, Isolation, Language, Log, LogLevel, Problem, ProblemType, ResultCode, ScriptError,
  Success, Truncation, Usage,
} from './types.js';
