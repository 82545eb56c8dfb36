import { AppError } from '../../contract/errors.ts'
import type { Answer, Call } from './call.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** One documented call of a node. */
export interface ControlCall {
  method: Method
  /** Segments; `:name` matches any one segment. */
  path: string
  /** Answered without the control token: only health and metrics. */
  open?: boolean
  handle(call: Call): Answer | Promise<Answer>
}

export interface Matched {
  call: ControlCall
  params: Record<string, string>
}

/** Which call answers a method and a path. Of two that match, the earlier one does, so literal paths come before parameters. */
export class Router {
  readonly #table: readonly { call: ControlCall; pattern: readonly string[] }[]

  constructor(calls: readonly ControlCall[]) {
    this.#table = calls.map((call) => ({ call, pattern: call.path.split('/') }))
  }

  /** A GET answers HEAD too. Throws `ERR_NOT_FOUND`, and `ERR_METHOD` with `{allowed}`. */
  find(method: string, pathname: string): Matched {
    const segments = pathname.split('/')
    const allowed: string[] = []
    for (const { call, pattern } of this.#table) {
      const params = matchPath(pattern, segments)
      if (params === null) continue
      if (call.method === method || (method === 'HEAD' && call.method === 'GET')) return { call, params }
      allowed.push(call.method)
    }
    if (allowed.length === 0)
      throw new AppError('ERR_NOT_FOUND', 'There is no such path', { path: pathname.slice(0, 200) })
    throw new AppError('ERR_METHOD', `This path answers ${allowed.join(', ')}`, { allowed })
  }
}

const matchPath = (
  pattern: readonly string[],
  segments: readonly string[],
): Record<string, string> | null => {
  if (pattern.length !== segments.length) return null
  const params: Record<string, string> = {}
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? ''
    if (!part.startsWith(':')) {
      if (part !== segment) return null
      continue
    }
    try {
      params[part.slice(1)] = decodeURIComponent(segment)
    } catch {
      return null // Not a valid escape (RFC 3986 §2.1), so no such object.
    }
  }
  return params
}
