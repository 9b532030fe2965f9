import type { Problem, ProblemType, ResultCode } from './types.js';

/** What every error of this package is. An abort is none: it rejects with the signal's own reason. */
export class GloveboxError extends Error {
  override name = 'GloveboxError';
}

/** No whole answer came: the server is not there, or the connection broke. `cause` tells more. */
export class ConnectionError extends GloveboxError {
  override name = 'ConnectionError';
}

/** An answer that no Glovebox gives: another server is there, or a proxy answered in its place. */
export class AnswerError extends GloveboxError {
  override name = 'AnswerError';

  constructor(
    /** The HTTP status. */
    readonly status: number,
    reason: string,
  ) {
    super(`the answer (status ${status}) is not one of Glovebox: ${reason}`);
  }
}

/** The server refused the request, or could not carry it out: no script has a result. Its texts are the server's. */
export class ProblemError extends GloveboxError {
  override name = 'ProblemError';
  readonly status: number;
  /** The request's field at fault, where it is one field's fault. */
  readonly field: string | undefined;
  /** Set where the fault has a result code of its own. */
  readonly resultCode: ResultCode | undefined;
  /** The id under which the server's log tells more. */
  readonly requestId: string;

  /**
   * Whether nothing ran, and the server says when something may: the same request may be sent again after `retryAfter` seconds. A request that was
   * given a result code got further than that. Where it is false another try may help all the same, but the script may have run.
   */
  get retryable(): boolean {
    return this.retryAfter !== undefined && this.resultCode === undefined && (this.status === 503 || this.status === 429);
  }

  constructor(
    /** The problem document (RFC 9457), as it came. */
    readonly problem: Problem,
    /** How many seconds the server asks to wait before the next try, where it says so. */
    readonly retryAfter?: number,
  ) {
    super(problem.detail);
    this.status = problem.status;
    this.field = problem.field;
    this.resultCode = problem.resultCode;
    this.requestId = problem.requestId;
  }
}

/** A field is malformed or out of bounds (400). */
export class InvalidRequestError extends ProblemError {
  override name = 'InvalidRequestError';
}

/** The server asks for a key, and none came that opens anything (401): see the option `key`. */
export class UnauthorizedError extends ProblemError {
  override name = 'UnauthorizedError';
}

/** The key is good, and lacks the scope for this (403). */
export class InsufficientScopeError extends ProblemError {
  override name = 'InsufficientScopeError';
}

/** The Host or Origin header is not the server's (403): a browser may ask a server of its page's own origin alone. */
export class ForbiddenOriginError extends ProblemError {
  override name = 'ForbiddenOriginError';
}

/** A quota of the tenant that asks: the request asks for more than it may (403), or the quota is used up (429). */
export class QuotaError extends ProblemError {
  override name = 'QuotaError';

  /** The quota, as the tenant has it. */
  get quota(): Problem['quota'] {
    return this.problem.quota;
  }

  /** What the quota is, where it is a number. */
  get limit(): number | undefined {
    return this.problem.limit;
  }

  /** What is used of the quota, or what the request asks for. */
  get used(): number | undefined {
    return this.problem.used;
  }
}

/** The tenant may not ask for what the request asks for (403); no waiting helps. */
export class QuotaForbiddenError extends QuotaError {
  override name = 'QuotaForbiddenError';
}

/** The tenant has used up a quota (429); `retryAfter` says when to come again. */
export class QuotaExceededError extends QuotaError {
  override name = 'QuotaExceededError';
}

/** There is nothing at that path (404): no such execution, a `baseUrl` that is wrong, or a server older than this client. */
export class NotFoundError extends ProblemError {
  override name = 'NotFoundError';
}

/** The path does not take this method (405). */
export class MethodNotAllowedError extends ProblemError {
  override name = 'MethodNotAllowedError';
}

/** The request came too slowly (408). */
export class SlowBodyError extends ProblemError {
  override name = 'SlowBodyError';
}

/** The code, the data or the whole is larger than allowed (413). */
export class TooLargeError extends ProblemError {
  override name = 'TooLargeError';
}

/** The body was not plain JSON (415): something between changed it. */
export class UnsupportedMediaTypeError extends ProblemError {
  override name = 'UnsupportedMediaTypeError';
}

/** The execution has ended, and its result is not kept any more (410). */
export class ForgottenError extends ProblemError {
  override name = 'ForgottenError';
}

/** The idempotency key stands for another request (422): a new request needs a new key. */
export class IdempotencyConflictError extends ProblemError {
  override name = 'IdempotencyConflictError';
}

/** Glovebox itself failed (500). The same request may succeed. */
export class InternalError extends ProblemError {
  override name = 'InternalError';
}

/** Every place is taken (503); `retryAfter` says when to come again. */
export class BusyError extends ProblemError {
  override name = 'BusyError';
}

/**
 * The server cannot write its record now, as on a disk that is full (503); `retryAfter` says when to come again. Nothing has run, unless there is
 * a `resultCode`: then it has, and what came of it is withheld.
 */
export class UnrecordedError extends ProblemError {
  override name = 'UnrecordedError';
}

/** The server cannot run scripts now, or is stopping (503). */
export class UnavailableError extends ProblemError {
  override name = 'UnavailableError';
}

// A type of problem that the contract gains does not compile until it has a class here.
const classes: Record<ProblemType, typeof ProblemError> = {
  'urn:glovebox:problem:invalid-request': InvalidRequestError,
  'urn:glovebox:problem:unauthorized': UnauthorizedError,
  'urn:glovebox:problem:insufficient-scope': InsufficientScopeError,
  'urn:glovebox:problem:forbidden-origin': ForbiddenOriginError,
  'urn:glovebox:problem:quota-forbidden': QuotaForbiddenError,
  'urn:glovebox:problem:quota-exceeded': QuotaExceededError,
  'urn:glovebox:problem:not-found': NotFoundError,
  'urn:glovebox:problem:method-not-allowed': MethodNotAllowedError,
  'urn:glovebox:problem:slow-body': SlowBodyError,
  'urn:glovebox:problem:too-large': TooLargeError,
  'urn:glovebox:problem:unsupported-media-type': UnsupportedMediaTypeError,
  'urn:glovebox:problem:forgotten': ForgottenError,
  'urn:glovebox:problem:idempotency-conflict': IdempotencyConflictError,
  'urn:glovebox:problem:internal': InternalError,
  'urn:glovebox:problem:busy': BusyError,
  'urn:glovebox:problem:unrecorded': UnrecordedError,
  'urn:glovebox:problem:unavailable': UnavailableError,
};

/** Makes the error of a problem; a type that a later server has is a plain ProblemError. */
export function problemError(problem: Problem, retryAfter?: number): ProblemError {
  const known = Object.hasOwn(classes, problem.type) ? classes[problem.type] : ProblemError;
  return new known(problem, retryAfter);
}
