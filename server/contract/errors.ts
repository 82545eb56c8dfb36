/**
 * Every error code that leaves the product, with its HTTP status and what it means. The code is the promise; sentences may
 * improve. `docs/errors.md` lists the same codes and a test keeps both equal.
 */
export const ERROR_CODES = {
  ERR_INVALID: {
    status: 400,
    meaning: 'The body, a parameter or the configuration is invalid; `facts.problems` lists every problem.',
  },
  ERR_UNAUTHENTICATED: {
    status: 401,
    meaning: 'No credentials, or credentials that are wrong, expired or revoked.',
  },
  ERR_FORBIDDEN: { status: 403, meaning: 'The role is too low for this call.' },
  ERR_ORIGIN: { status: 403, meaning: 'The request carries an Origin that is not this server.' },
  ERR_NOT_FOUND: { status: 404, meaning: 'No object with this id, or no such path.' },
  ERR_METHOD: { status: 405, meaning: 'The path exists, but not with this method.' },
  ERR_REQUEST_TIMEOUT: {
    status: 408,
    meaning: 'The request body stood still for too long, or was the slowest when room was needed.',
  },
  ERR_CONFLICT: { status: 409, meaning: 'The object is not in a state that allows this.' },
  ERR_VERSION_CONFLICT: {
    status: 409,
    meaning: 'Somebody changed the object first; facts say who, when and the version now.',
  },
  ERR_DRAIN_RUNNING: { status: 409, meaning: 'A drain of this region or node is active already.' },
  ERR_PORT_TAKEN: { status: 409, meaning: 'A port that is needed is in use by another process.' },
  ERR_TOO_LARGE: { status: 413, meaning: 'The body is larger than allowed.' },
  ERR_MEDIA_TYPE: {
    status: 415,
    meaning: 'A mutation needs a JSON body with Content-Type: application/json.',
  },
  ERR_CONFIRM_MISMATCH: {
    status: 422,
    meaning: '`confirm` is not the id of the region or node that would be drained.',
  },
  ERR_DRAIN_BLOCKED: { status: 422, meaning: 'Pre-flight found blockers; `facts.blockers` lists them.' },
  ERR_UNSUPPORTED: { status: 422, meaning: 'This node or this build cannot do what was asked.' },
  ERR_HOST: {
    status: 421,
    meaning: 'The Host header names no address of this server, or none for which its connection was made.',
  },
  ERR_RATE_LIMITED: { status: 429, meaning: 'Too many attempts; `Retry-After` says when to try again.' },
  ERR_INTERNAL: { status: 500, meaning: 'A fault of ours; the log has it under `facts.ref`.' },
  ERR_NODE_UNREACHABLE: { status: 502, meaning: 'The node could not be asked, or gave no usable answer.' },
  ERR_DRAINING: { status: 503, meaning: 'The node is draining or drained and takes no new work.' },
  ERR_STORE_UNAVAILABLE: { status: 503, meaning: 'The store cannot be written at the moment.' },
  ERR_TOO_SLOW: { status: 503, meaning: 'Reading what was asked for took longer than a read may take.' },
  ERR_STARTING: { status: 503, meaning: 'The server is still starting or already stopping.' },
  ERR_HOST_OFFLINE: { status: 503, meaning: 'The host has no tunnel here at the moment.' },
  ERR_TUNNEL_BUSY: { status: 503, meaning: 'Too many requests are pending on this tunnel.' },
  ERR_LOOP: { status: 503, meaning: 'The request was passed on once already; it is not passed on again.' },
  ERR_CAPACITY: { status: 503, meaning: 'A ceiling was reached; facts name it and its limit.' },
  ERR_BAD_GATEWAY: { status: 502, meaning: 'The target or host failed before it answered.' },
  ERR_GATEWAY_TIMEOUT: { status: 504, meaning: 'The target or host sent no response headers in time.' },
  ERR_CONFIG: { status: 500, meaning: 'The configuration file is missing, unreadable or invalid.' },
  ERR_DATA_FOLDER: {
    status: 500,
    meaning: 'The data folder cannot be written, or another collector holds it.',
  },
  ERR_DATABASE_NEWER: { status: 500, meaning: 'The database was made by a newer version.' },
} as const

export type ErrorCode = keyof typeof ERROR_CODES

export type ErrorFacts = Record<string, unknown>

/** One bad field: `path` as in `nodes[1].url`, `message` with what was seen and what is allowed. */
export interface Problem {
  path: string
  message: string
}

/** The body of every error answer. */
export interface ErrorBody {
  error: { code: ErrorCode; message: string; facts: ErrorFacts }
}

/** An error that callers branch on by `code`; the sentence says what was tried, seen and allowed. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly facts: ErrorFacts

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'AppError'
    this.code = code
    this.facts = facts
  }

  /** HTTP status of this code. */
  get status(): number {
    return ERROR_CODES[this.code].status
  }

  /** Seconds for `Retry-After` where trying again helps (429 and 503); null elsewhere. */
  get retryAfterSeconds(): number | null {
    if (this.status !== 429 && this.status !== 503) return null
    const told = this.facts.retryAfterSeconds
    return typeof told === 'number' ? told : this.status === 429 ? 60 : 5
  }

  toBody(): ErrorBody {
    return { error: { code: this.code, message: this.message, facts: this.facts } }
  }
}
