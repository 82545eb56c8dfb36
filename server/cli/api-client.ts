import { AppError, ERROR_CODES, type ErrorBody, type ErrorCode } from '../contract/errors.ts'

const TIMEOUT_MS = 15_000

/** Speaks to a running collector: `TIDEGATE_URL` (default http://127.0.0.1:3000) with the API token of `TIDEGATE_TOKEN`. */
export class ApiClient {
  readonly url: string
  readonly #token: string | undefined

  constructor(env: Record<string, string | undefined>) {
    this.url = (env.TIDEGATE_URL ?? `http://127.0.0.1:${env.PORT ?? '3000'}`).replace(/\/$/, '')
    // An empty variable is one that was not set.
    this.#token = [env.TIDEGATE_TOKEN, env.TIDEGATE_API_TOKEN].find(
      (token) => token !== undefined && token !== '',
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
    return (text === '' ? null : JSON.parse(text)) as T
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
