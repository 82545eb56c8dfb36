import { AppError, ERROR_CODES, type ErrorBody, type ErrorCode } from '../contract/errors.ts'

const TIMEOUT_MS = 15_000

/** What the command was given is wrong, found before any request: exit code 2. */
export class CommandLineError extends AppError {
  constructor(message: string) {
    super('ERR_INVALID', message)
  }
}

/** The collector's address, without a slash at its end. It is shown only where it contains no user and password. */
const placeIn = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new CommandLineError(
      `TIDEGATE_URL ${/^[\x21-\x3f\x41-\x7e]{1,80}$/.test(text) ? `is ${JSON.stringify(text)}` : 'is no URL'}; it must be an http or https URL, for example http://127.0.0.1:3000`,
    )
  if (url.username !== '' || url.password !== '')
    throw new CommandLineError(
      'TIDEGATE_URL must hold no user and password; set TIDEGATE_TOKEN to an API token instead',
    )
  return text.replace(/\/+$/, '')
}

/**
 * Speaks to a running collector: `TIDEGATE_URL` (default http://127.0.0.1:3000) with the API token of `TIDEGATE_TOKEN`. The constructor
 * throws {@link CommandLineError} where either cannot be used.
 */
export class ApiClient {
  readonly url: string
  readonly #token: string | undefined

  constructor(env: Record<string, string | undefined>) {
    // An empty variable counts as one that is not set.
    const set = (name: string) => (env[name] === '' ? undefined : env[name])
    this.url = placeIn(set('TIDEGATE_URL') ?? `http://127.0.0.1:${set('PORT') ?? '3000'}`)
    this.#token = set('TIDEGATE_TOKEN') ?? set('TIDEGATE_API_TOKEN')
    if (this.#token !== undefined && !/^[\x21-\x7e]+$/.test(this.#token))
      throw new CommandLineError(
        'TIDEGATE_TOKEN is not a token: it contains a blank, a line break or another character that no token has',
      )
  }

  get<T>(path: string): Promise<T> {
    return this.#call<T>('GET', path)
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.#call<T>('POST', path, body)
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.#call<T>('PATCH', path, body)
  }

  delete(path: string): Promise<null> {
    return this.#call<null>('DELETE', path)
  }

  /** The answer's text, for exports. */
  async text(path: string): Promise<string> {
    return (await this.#fetch('GET', path)).text()
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.#fetch(method, path, body)
    const text = await response.text()
    try {
      return (text === '' ? null : JSON.parse(text)) as T
    } catch (error) {
      throw new AppError(
        'ERR_NODE_UNREACHABLE',
        `What answers at ${this.url} is no collector; is TIDEGATE_URL right?`,
        {},
        { cause: error },
      )
    }
  }

  async #fetch(method: string, path: string, body?: unknown): Promise<Response> {
    let response: Response
    try {
      response = await fetch(`${this.url}/api/v1${path}`, {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    } catch (error) {
      const reason =
        error instanceof Error && error.name === 'TimeoutError'
          ? `gave no answer within ${TIMEOUT_MS / 1000} s`
          : 'cannot be reached'
      throw new AppError(
        'ERR_NODE_UNREACHABLE',
        `The collector at ${this.url} ${reason}; is it running, and is TIDEGATE_URL right?`,
        {},
        { cause: error },
      )
    }
    if (response.ok) return response
    throw await refusalOf(response)
  }
}

const refusalOf = async (response: Response): Promise<AppError> => {
  try {
    const { error } = (await response.json()) as ErrorBody
    const code: ErrorCode = error.code in ERROR_CODES ? error.code : 'ERR_INTERNAL'
    const hint = code === 'ERR_UNAUTHENTICATED' ? '; set TIDEGATE_TOKEN to an API token' : ''
    return new AppError(code, `${error.message}${hint}`, error.facts ?? {})
  } catch {
    return new AppError('ERR_INTERNAL', `The collector answered ${response.status} without a reason`, {})
  }
}
