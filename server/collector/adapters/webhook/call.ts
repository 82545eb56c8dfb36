import { Agent, type Dispatcher } from 'undici'
import { DeadlineError, within } from '../../../time/deadline.ts'
import { SIGNATURE_HEADER, signatureOf } from '../../../wire/signature.ts'
import type { Asked, WebhookTarget } from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import { failureOf } from '../http-probe.ts'
import { cleanText } from '../untrusted-json.ts'

/** One call may take so long, connecting and reading included, where its entry does not say. */
const DEFAULT_TIMEOUT_MS = 5_000
/** No call may take longer (`drain.webhook.timeoutMs`). */
const MAX_TIMEOUT_MS = 60_000
/** Of an answer only its sentence is wanted. */
const MAX_ANSWER_BYTES = 4_096
const MAX_WHY = 200
/** A receiver that asks us to wait longer (`Retry-After`) is still asked again after this long: a drain is waiting. */
const MAX_RETRY_AFTER_MS = 60_000

/** What came of one call; `retryAfterMs` where the receiver says when it wants the next one. */
export interface CallResult {
  readonly asked: Asked
  readonly retryAfterMs?: number
}

/** What is posted. The same key means the same wish: doing it once more changes nothing. */
export interface Deed {
  readonly key: string
  readonly body: string
}

/** Posts signed wishes to operators' URLs, each within its deadline. Follows no redirect and keeps no connection. */
export class WebhookCalls {
  readonly #rules: AddressRules
  readonly #now: () => number
  /** One for each call that is under way: calls are rare, and each may trust somebody else. */
  readonly #agents = new Set<Agent>()
  #isClosed = false

  /** @param now wall clock in epoch ms, for signatures */
  constructor(rules: AddressRules, now: () => number) {
    this.#rules = rules
    this.#now = now
  }

  /** Posts once. Resolves for every failure; never rejects. */
  async post(hook: WebhookTarget, deed: Deed): Promise<CallResult> {
    const place = placeOf(hook.url)
    const refusal = this.#rules.refusesUrl(hook.url, false)
    if (refusal !== null) return refused(`the webhook at ${place} may not be called: ${refusal}`)
    const timeoutMs = hook.timeoutMs ?? DEFAULT_TIMEOUT_MS
    if (this.#isClosed) return unheard('the collector ends')
    const agent = this.#agentFor(hook)
    try {
      return await within(timeoutMs, (signal) => this.#exchange(agent, hook, deed, place, signal))
    } catch (error) {
      if (error instanceof DeadlineError)
        return unheard(`the webhook at ${place} gave no answer within ${timeoutMs} ms`)
      const { outcome, reason } = failureOf(error, { ...hook, keysOf: 'drain.webhook' })
      if (outcome === 'blocked_address')
        return refused(`the webhook at ${place} may not be called: ${reason}`)
      return unheard(`the webhook at ${place} cannot be reached: ${reason}`)
    } finally {
      this.#agents.delete(agent)
      void agent.destroy()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#agents].map((agent) => agent.destroy()))
  }

  #agentFor({ tls }: WebhookTarget): Agent {
    const agent = new Agent({
      // No keep-alive: where a call may go is decided with each connection.
      pipelining: 0,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { ...tls, timeout: MAX_TIMEOUT_MS, lookup: this.#rules.lookup(false) },
    })
    this.#agents.add(agent)
    return agent
  }

  async #exchange(
    agent: Agent,
    hook: WebhookTarget,
    deed: Deed,
    place: string,
    signal: AbortSignal,
  ): Promise<CallResult> {
    const { origin, pathname, search } = new URL(hook.url)
    const answer = await agent.request({
      origin,
      path: `${pathname}${search}`,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': 'tidegate-collector',
        'idempotency-key': deed.key,
        [SIGNATURE_HEADER]: signatureOf(hook.secret, deed.body, this.#now()),
      },
      body: deed.body,
      signal,
    })
    const { statusCode: status } = answer
    // What is left unread fails when it is dropped, and that says nothing.
    answer.body.on('error', () => undefined)
    // What is so already need not be done: a receiver may answer a wish that it has fulfilled with 409 (Conflict).
    if ((status >= 200 && status < 300) || status === 409) {
      answer.body.destroy()
      return { asked: { kind: 'accepted' } }
    }
    const said = await sentenceOf(answer.body)
    const answered = `the webhook at ${place} answered ${status}`
    if (status >= 300 && status < 400) return refused(`${answered}; redirects are not followed`)
    const why = said === '' ? answered : `${answered}: ${said}`
    if (status < 500 && status !== 429 && status !== 408 && status !== 425) return refused(why)
    const retryAfterMs = retryAfterOf(answer.headers['retry-after'], this.#now())
    return { ...unheard(why), ...(retryAfterMs === null ? {} : { retryAfterMs }) }
  }
}

const refused = (why: string): CallResult => ({ asked: { kind: 'refused', why } })
const unheard = (why: string): CallResult => ({ asked: { kind: 'unheard', why } })

/** Where it is, without credentials and query, which may be secrets. */
export const placeOf = (url: string): string => {
  if (!URL.canParse(url)) return 'an address that is none'
  const { host, pathname } = new URL(url)
  return `${host}${pathname === '/' ? '' : pathname}`
}

/** What the receiver says, whatever form that has: the message of a JSON error, or the first line of a text. */
const sentenceOf = async (body: Dispatcher.ResponseData['body']): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    chunks.push(chunk)
    // Leaving the loop destroys the stream and with it the connection.
    if (bytes >= MAX_ANSWER_BYTES) break
  }
  const text = Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString('utf8')
  const message = messageIn(text) ?? text.trimStart().split(/\r?\n/, 1)[0] ?? ''
  return cleanText(message).slice(0, MAX_WHY).trim()
}

const messageIn = (text: string): string | null => {
  try {
    const value: unknown = JSON.parse(text)
    const error = fieldOf(value, 'error')
    return [fieldOf(error, 'message'), error, fieldOf(value, 'message')].find(isText) ?? ''
  } catch {
    return null
  }
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
const isText = (value: unknown): value is string => typeof value === 'string'

/** `Retry-After` in ms: seconds or a date (RFC 9110 §10.2.3); null where there is none that can be read. */
const retryAfterOf = (header: string | string[] | undefined, now: number): number | null => {
  if (typeof header !== 'string') return null
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS) : null
}
