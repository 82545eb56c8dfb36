import { AppError, ERROR_CODES, type ErrorCode } from '../../../contract/errors.ts'
import { type NodeConnection, nodeConnectionsSchema, nodeTunnelsSchema } from '../../../contract/node-api.ts'
import type { Log } from '../../../observe/log.ts'
import type { Store } from '../../../store/store.ts'
import type { Adapter, DrainVerbs, EventSink, EventStream, Target, TunnelsAnswer } from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import { HttpProbe } from '../http-probe.ts'
import type { Reading } from '../reading.ts'
import { pathBelow } from '../request-path.ts'
import { cleanText, cleanValue } from '../untrusted-json.ts'
import { Control, type ControlAnswer } from './control.ts'
import { readDocument } from './document.ts'
import { TidegateStream } from './event-stream.ts'
import { factsOf } from './facts.ts'
import { TidegateVerbs } from './verbs.ts'

/** The list of as many tunnels as a relay takes by default, with its part of the directory. */
const MAX_TUNNELS_BYTES = 16 * 1024 * 1024
const MAX_CONNECTIONS = 1_000

/** A Tidegate node by its control listener. */
export interface TidegateTarget extends Target {
  readonly kind: 'tidegate'
  /** Its control token: for everything but polls. */
  readonly token: string
}

export interface TidegateOptions {
  /** Deadline of a poll. */
  timeoutMs: number
  rules: AddressRules
  store: Pick<Store, 'position'>
  log: Log
  /** Longest pause between two attempts to follow a node's events. */
  maxBackoffMs: number
  /** Wall clock in epoch ms. */
  now: () => number
}

/** Tidegate's own nodes: polled by `GET /health` without a token, followed by `/events`, drained by their control listener. */
export class TidegateAdapter implements Adapter<TidegateTarget> {
  readonly kind = 'tidegate'
  readonly #options: TidegateOptions
  readonly #probe: HttpProbe
  readonly #control: Control

  constructor(options: TidegateOptions) {
    this.#options = options
    this.#probe = new HttpProbe(options)
    this.#control = new Control(options.rules)
  }

  async probe(target: TidegateTarget): Promise<Reading> {
    const { text, ...answer } = await this.#probe.ask(target, pathBelow(target.url, '/health'))
    if (text === undefined) return answer
    const { saidAt, ...rest } = answer
    const read = readDocument(text)
    if (!read.ok) return { ...rest, outcome: 'bad_body', reason: read.reason }
    const { document, partial } = read
    if (document.region !== target.region) {
      return {
        ...rest,
        outcome: 'wrong_region',
        reason: `answers for region ${document.region || '(none)'}, configured is ${target.region}`,
      }
    }
    if (document.node !== target.id) {
      return {
        ...rest,
        outcome: 'wrong_node',
        reason: `another node answers here: it says that it is ${document.node || '(nobody)'}, configured is ${target.id}; check this entry's url`,
      }
    }
    return {
      ...rest,
      facts: factsOf(document),
      raw: document,
      ...(saidAt === undefined ? {} : { saidAt }),
      ...(partial.length === 0 ? {} : { partial: partial.map(malformed) }),
    }
  }

  proves(): 'counted' {
    return 'counted'
  }

  follow(target: () => TidegateTarget, sink: EventSink): EventStream {
    const { store, rules, log, maxBackoffMs, now } = this.#options
    const control = this.#control
    return new TidegateStream(target, sink, { store, control, rules, log, maxBackoffMs, now })
  }

  drains(target: () => TidegateTarget): DrainVerbs {
    return new TidegateVerbs(this.#control, target)
  }

  async tunnels(target: TidegateTarget): Promise<TunnelsAnswer> {
    const limits = { maxBytes: MAX_TUNNELS_BYTES }
    try {
      const answer = await this.#control.call(target, 'GET', '/tunnels', undefined, limits)
      if (answer.status !== 200) return null
      const list = nodeTunnelsSchema.safeParse(cleanValue(answer.body))
      return list.success ? list.data : { unreadable: 'it is not what it should be' }
    } catch (error) {
      if (error instanceof AppError && typeof error.facts.limit === 'number')
        return { unreadable: `it is larger than ${error.facts.limit} bytes` }
      throw error
    }
  }

  async connections(
    target: TidegateTarget,
    limit: number,
  ): Promise<{ items: NodeConnection[]; total: number }> {
    const most = Math.min(MAX_CONNECTIONS, Math.max(1, Math.trunc(limit)))
    const answer = await this.#control.call(target, 'GET', `/connections?limit=${most}`)
    if (answer.status !== 200) throw errorOf(target.id, answer)
    const parsed = nodeConnectionsSchema.safeParse(cleanValue(answer.body))
    if (parsed.success) return parsed.data
    throw new AppError('ERR_NODE_UNREACHABLE', `${target.id} answered GET /connections with something else`, {
      node: target.id,
    })
  }

  kickTunnel(target: TidegateTarget, hostId: string, reason: string): Promise<void> {
    return this.#act(target, 'DELETE', `/tunnels/${encodeURIComponent(hostId)}?${because(reason)}`)
  }

  closeConnection(target: TidegateTarget, id: string, reason: string): Promise<void> {
    return this.#act(target, 'DELETE', `/connections/${encodeURIComponent(id)}?${because(reason)}`)
  }

  invalidatePushSession(target: TidegateTarget, reason: string): Promise<void> {
    return this.#act(target, 'POST', '/push/session/invalidate', { reason })
  }

  forget(id: string): void {
    this.#probe.forget(id)
    this.#control.forget(id)
  }

  async close(): Promise<void> {
    await Promise.all([this.#probe.close(), this.#control.close()])
  }

  async #act(target: TidegateTarget, method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.#control.call(target, method, path, body)
    if (answer.status >= 300) throw errorOf(target.id, answer)
  }
}

const malformed = (part: string): string => `the ${part} part of the health document is malformed`

const because = (reason: string): string => `reason=${encodeURIComponent(reason)}`

/** A node's own error, with its code where we know it; anything else is an answer that cannot be used. */
const errorOf = (node: string, answer: ControlAnswer): AppError => {
  const error = (answer.body as { error?: { code?: unknown; message?: unknown } } | null)?.error
  const code = typeof error?.code === 'string' && error.code in ERROR_CODES ? (error.code as ErrorCode) : null
  const message =
    typeof error?.message === 'string' ? cleanText(error.message) : `it answered ${answer.status}`
  // That we may not ask it is our fault with the node, not the caller's with us.
  const usable =
    code !== null && code !== 'ERR_UNAUTHENTICATED' && code !== 'ERR_FORBIDDEN' && code !== 'ERR_INTERNAL'
  return new AppError(usable ? code : 'ERR_NODE_UNREACHABLE', `${node}: ${message}`, {
    node,
    status: answer.status,
  })
}
