import { Pool } from 'undici'
import { AppError } from '../../../contract/index.ts'
import type { TlsMaterial } from '../../../contract/kinds/entry.ts'
import type { AddressRules } from '../address.ts'
import { failureOf } from '../http-probe.ts'
import { pathBelow } from '../request-path.ts'

const MAX_ANSWER_BYTES = 4 * 1024 * 1024
const DEFAULT_TIMEOUT_MS = 5_000

export interface ControlTarget {
  readonly id: string
  readonly url: string
  readonly token: string
  readonly embedded: boolean
  readonly tls?: TlsMaterial | undefined
}

export interface ControlAnswer {
  status: number
  /** Parsed JSON; null for an empty or other body. */
  body: unknown
}

export interface ControlLimits {
  timeoutMs?: number
  maxBytes?: number
}

/** Authenticated calls to nodes' control listeners, apart from polls so that neither waits for the other. */
export class Control {
  readonly #rules: AddressRules
  readonly #pools = new Map<string, { url: string; tls: TlsMaterial | undefined; pool: Pool }>()

  constructor(rules: AddressRules) {
    this.#rules = rules
  }

  /** Any HTTP answer but a redirect resolves. Rejects with `ERR_NODE_UNREACHABLE` for everything else; `facts.limit` where it was too large. */
  async call(
    target: ControlTarget,
    method: string,
    path: string,
    body?: unknown,
    limits: ControlLimits = {},
  ): Promise<ControlAnswer> {
    const timeoutMs = limits.timeoutMs ?? DEFAULT_TIMEOUT_MS
    const limit = limits.maxBytes ?? MAX_ANSWER_BYTES
    const unreachable = (why: string, cause?: unknown) =>
      new AppError(
        'ERR_NODE_UNREACHABLE',
        `${target.id} could not be asked for ${method} ${path.split('?')[0]}: ${why}`,
        { node: target.id, method, path },
        { cause },
      )
    const refusal = this.#rules.refusesUrl(target.url, target.embedded)
    if (refusal !== null) throw unreachable(refusal)
    const headers: Record<string, string> = {
      authorization: `Bearer ${target.token}`,
      accept: 'application/json',
      'accept-encoding': 'identity',
    }
    if (body !== undefined) headers['content-type'] = 'application/json'
    try {
      const answer = await this.#poolOf(target).request({
        method,
        path: pathBelow(target.url, path),
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      })
      const text = await readText(answer.body, limit)
      if (text === null) {
        const refused = unreachable(`the answer is larger than ${limit} bytes`)
        throw new AppError(refused.code, refused.message, { ...refused.facts, limit })
      }
      if (answer.statusCode >= 300 && answer.statusCode < 400) {
        throw unreachable(`it answered ${answer.statusCode}; redirects are not followed`)
      }
      return { status: answer.statusCode, body: parseOrNull(text) }
    } catch (error) {
      if (error instanceof AppError) throw error
      const timedOut = error instanceof Error && error.name === 'TimeoutError'
      throw unreachable(
        timedOut ? `no answer within ${timeoutMs} ms` : failureOf(error, target).reason,
        error,
      )
    }
  }

  /** Ends the connections to a node that is no longer asked. */
  forget(id: string): void {
    const entry = this.#pools.get(id)
    this.#pools.delete(id)
    entry?.pool.destroy().catch(() => {
      // Already destroyed; its connections are gone either way.
    })
  }

  async close(): Promise<void> {
    for (const id of [...this.#pools.keys()]) this.forget(id)
  }

  #poolOf(target: ControlTarget): Pool {
    const known = this.#pools.get(target.id)
    if (known && known.url === target.url && known.tls === target.tls) return known.pool
    this.forget(target.id)
    const lookup = this.#rules.lookup(target.embedded)
    const pool = new Pool(new URL(target.url).origin, {
      connections: 4,
      pipelining: 1,
      keepAliveTimeout: 4_000,
      allowH2: false,
      connect: { ...target.tls, timeout: DEFAULT_TIMEOUT_MS, lookup },
    })
    this.#pools.set(target.id, { url: target.url, tls: target.tls, pool })
    return pool
  }
}

const readText = async (body: AsyncIterable<Buffer>, limit: number): Promise<string | null> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    // Leaving the loop destroys the stream and with it the connection.
    if (bytes > limit) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const parseOrNull = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
