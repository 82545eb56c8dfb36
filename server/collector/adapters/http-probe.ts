import { isIP, type Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { TlsMaterial } from '../../contract/kinds/entry.ts'
import { type AddressRules, BlockedAddressError } from './address.ts'
import { Charset } from './charset.ts'
import type { AnswerFields } from './http-answer.ts'
import { GivenUpError, HttpLine, type LineTaker } from './http-line.ts'
import type { PollOutcome, Reading } from './reading.ts'
import { closedByServer, plainReason, type TlsParty, tlsFailure } from './tls-failure.ts'

/** Bytes of a document on the wire. */
export const MAX_DOCUMENT_BYTES = 65_536

const LOOK_UP_AGAIN_MS = 60_000

/** Whom to ask, and for what. */
export interface ProbeTarget {
  readonly id: string
  readonly url: string
  readonly embedded: boolean
  /** Deadline of one exchange where it is not the ordinary one. */
  readonly timeoutMs?: number | undefined
  readonly tls?: TlsMaterial | undefined
}

/** How one answer is asked for, where that is not a small JSON document. Not changed once it was given. */
export interface AskOptions {
  /** Default `GET`. What is posted has no body, and may be sent twice: a connection that was idle may close under it. */
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  /** Default `application/json`. */
  readonly accept?: string
  /** Bytes on the wire that are read at most; default {@link MAX_DOCUMENT_BYTES}. */
  readonly maxBytes?: number
  /** Takes the body as it comes, so that a large one is never in memory as a whole; `text` is then empty. The bytes change once it returns. */
  readonly take?: (chunk: Buffer) => void
  /** Called before each attempt: the body is taken from its beginning. */
  readonly begin?: () => void
  /** Called when the request leaves: the node may count it from then on, whatever becomes of the answer. */
  readonly sent?: () => void
}

/** One answer, not read yet: `text` is there when, and only when, the outcome is `ok`. */
export type HttpAnswer = Omit<Reading, 'facts' | 'raw' | 'partial' | 'ownLagMs'> & { text?: string }

const NO_OPTIONS: AskOptions = {}

/** How one exchange ended. */
interface Exchange {
  outcome: PollOutcome
  /** When it was over, monotonic ms; absent where it did not begin. */
  endedAt?: number
  status: number | null
  reason: string
  text?: string
  saidAt?: number
  noRoute?: 'here' | 'beyond'
  isAbsent?: true
  /** The connection failed before any byte of an answer: a kept-alive one may just have been closed under us. */
  retryable?: boolean
}

/** The one connection to a target, and what is open over it. */
interface Line {
  url: string
  tls: TlsMaterial | undefined
  http: HttpLine
  used: boolean
  /** As `url` says. */
  host: string
  /** The newest connection over which an answer came. */
  answeredOn: Socket | null
  /** The name in its address, and null for a literal address, which leads nowhere else. */
  name: string | null
  isLookingUp: boolean
  /** When its name was looked up last, monotonic ms. */
  lookedUpAt: number
  underWay: number
  /** What was sent last, and what it was put together of. */
  sent: { path: string; options: AskOptions; request: string } | null
  /** Its name leads elsewhere now: it is not used again. */
  isStale: boolean
}

export interface HttpProbeOptions {
  /** Deadline over the whole exchange, connecting included. */
  timeoutMs: number
  rules: AddressRules
  /** An open connection is kept for so long until its name is looked up again; default 60 s. */
  lookUpAgainMs?: number
  now?: () => number
}

/** So many answers are made something of at once, before others have a turn of the event loop. */
const CAME_AT_ONCE = 32

/**
 * Answers that came and are nobody's yet. Many come in one turn of the event loop: all of them are read to their ends before the first is made
 * something of, so that what we make of one is not taken for slowness of the next.
 */
class Came {
  #waiting: { resolve: (exchange: Exchange) => void; exchange: Exchange }[] = []

  push(came: { resolve: (exchange: Exchange) => void; exchange: Exchange }): void {
    if (this.#waiting.push(came) === 1) setImmediate(() => this.#handOn())
  }

  #handOn(): void {
    const waiting = this.#waiting
    this.#waiting = waiting.length > CAME_AT_ONCE ? waiting.splice(CAME_AT_ONCE) : []
    if (this.#waiting.length > 0) setImmediate(() => this.#handOn())
    for (const { resolve, exchange } of waiting) resolve(exchange)
  }
}

/**
 * Polls nodes by GET over one kept-alive connection each.
 */
export class HttpProbe {
  readonly #options: HttpProbeOptions
  readonly #now: () => number
  readonly #lines = new Map<string, Line>()
  readonly #came = new Came()
  #isClosed = false

  constructor(options: HttpProbeOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** Asks once for `path` (with its query). Resolves with an answer for every failure; never rejects. */
  async ask(target: ProbeTarget, path: string, options: AskOptions = NO_OPTIONS): Promise<HttpAnswer> {
    const at = this.#now()
    const began = performance.now()
    const answered = (exchange: Exchange): HttpAnswer => {
      const tookMs = (exchange.endedAt ?? performance.now()) - began
      const { outcome, status, reason } = exchange
      const answer: HttpAnswer = {
        at,
        durationMs: Math.round(tookMs * 1000) / 1000,
        outcome,
        status,
        reason,
      }
      if (exchange.text !== undefined) answer.text = exchange.text
      if (exchange.saidAt !== undefined) answer.saidAt = exchange.saidAt
      if (exchange.noRoute !== undefined) answer.noRoute = exchange.noRoute
      if (exchange.isAbsent !== undefined) answer.isAbsent = exchange.isAbsent
      return answer
    }
    const { rules } = this.#options
    const timeoutMs = target.timeoutMs ?? this.#options.timeoutMs
    const refusal = rules.refusesUrl(target.url, target.embedded)
    if (refusal !== null) return answered({ outcome: 'blocked_address', status: null, reason: refusal })
    // Nobody would close what is opened now; who goes on asking was given up.
    if (this.#isClosed) return answered({ outcome: 'refused', status: null, reason: 'the collector ends' })

    let exchange = await this.#exchange(target, path, options, timeoutMs)
    // The node closed an idle connection in the moment we used it (RFC 9112 §9.5): once more on a new one, same deadline.
    if (exchange.retryable && exchange.outcome === 'refused' && !this.#isClosed) {
      exchange = await this.#exchange(target, path, options, timeoutMs - (performance.now() - began))
    }
    return answered(exchange)
  }

  /** Drops the connection to a target, for example because it moved. */
  forget(id: string): void {
    const line = this.#lines.get(id)
    if (!line) return
    this.#lines.delete(id)
    line.http.destroy()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const id of [...this.#lines.keys()]) this.forget(id)
  }

  #lineOf(target: ProbeTarget): Line {
    const known = this.#lines.get(target.id)
    if (
      known &&
      known.url === target.url &&
      known.tls === target.tls &&
      !known.http.isDestroyed &&
      !known.isStale
    ) {
      this.#lookUpAgain(known, target)
      return known
    }
    this.forget(target.id)
    const lookup = this.#options.rules.lookup(target.embedded)
    const url = new URL(target.url)
    const dial = (landing: object) =>
      buildConnector({
        ...target.tls,
        ...landing,
        // What is read is HTTP/1.1: bounds of heads and bodies hold for that.
        allowH2: false,
        timeout: target.timeoutMs ?? this.#options.timeoutMs,
        lookup: (name, options, done) => {
          line.isLookingUp = true
          lookup(name, options, (...found) => {
            line.isLookingUp = false
            line.lookedUpAt = performance.now()
            done(...found)
          })
        },
      })
    const line: Line = {
      url: target.url,
      tls: target.tls,
      host: url.host,
      used: false,
      answeredOn: null,
      name: isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0 ? url.hostname : null,
      isLookingUp: false,
      lookedUpAt: 0,
      underWay: 0,
      sent: null,
      isStale: false,
      http: new HttpLine(url, dial),
    }
    this.#lines.set(target.id, line)
    return line
  }

  /**
   * A connection that is kept alive outlives what its name leads to. Looked up beside the poll, so that a slow name server costs none; where the
   * address has left the answer, or may not be asked any more, the connection is given up.
   */
  #lookUpAgain(line: Line, target: ProbeTarget): void {
    if (line.name === null) return
    const address = line.http.socket?.remoteAddress
    const { lookUpAgainMs = LOOK_UP_AGAIN_MS, rules } = this.#options
    if (address === undefined || line.isLookingUp) return
    if (performance.now() - line.lookedUpAt < lookUpAgainMs) return
    line.lookedUpAt = performance.now()
    rules.lookup(target.embedded)(line.name, { all: true }, (error, found) => {
      // Who cannot be asked for it says nothing of where it leads.
      if (error !== null && !(error instanceof BlockedAddressError)) return
      const addresses = error === null && Array.isArray(found) ? found.map((each) => plain(each.address)) : []
      if (addresses.includes(plain(address))) return
      line.isStale = true
      if (line.underWay === 0 && this.#lines.get(target.id) === line) this.forget(target.id)
    })
  }

  #exchange(target: ProbeTarget, path: string, options: AskOptions, remainingMs: number): Promise<Exchange> {
    return new Promise((resolve) => {
      const line = this.#lineOf(target)
      const wasUsed = line.used
      let settled = false
      let status: number | null = null
      let saidAt = Number.NaN
      let bytes = 0
      let charset = NO_CHARSET
      const chunks: Buffer[] = []
      /** The whole body, where it came at once. */
      let atOnce: string | null = null
      let announced = Number.NaN
      const { maxBytes = MAX_DOCUMENT_BYTES, take } = options
      // What another exchange began to take is worth nothing to this one.
      options.begin?.()

      const settle = (result: Exchange, keepConnection: boolean): void => {
        if (settled) return
        settled = true
        clearTimeout(timer)
        line.underWay -= 1
        // A connection with an unread rest cannot be used again, and reading it would be doing what was refused. Another one may stand in
        // its place meanwhile.
        if ((!keepConnection || line.isStale) && this.#lines.get(target.id) === line) this.forget(target.id)
        result.endedAt = performance.now()
        this.#came.push({ resolve, exchange: result })
      }
      const refuse = (outcome: PollOutcome, reason: string) => settle({ outcome, status, reason }, false)
      const limitMs = target.timeoutMs ?? this.#options.timeoutMs
      line.underWay += 1
      const timer = setTimeout(
        () =>
          line.isLookingUp
            ? refuse('dns', `the name ${line.name} was not resolved within ${limitMs} ms`)
            : refuse('timeout', `no complete answer within ${limitMs} ms`),
        Math.max(1, remainingMs),
      )

      const taker: LineTaker = {
        onStart() {
          line.used = true
          options.sent?.()
        },
        onHead(statusCode, fields) {
          status = statusCode
          line.answeredOn = line.http.socket
          saidAt = timeOf(fields.date)
          announced = Number(fields['content-length'])
          const refusal = headerRefusal(statusCode, fields, maxBytes)
          if (refusal) refuse(refusal.outcome, refusal.reason)
          else charset = new Charset(fields['content-type'] ?? '')
        },
        onBody(landed) {
          if (settled) return
          bytes += landed.length
          if (bytes > maxBytes) return refuse('too_large', `the answer is larger than ${maxBytes} bytes`)
          const fault = charset.take(landed)
          if (fault !== null) refuse('bad_body', `the answer ${fault}`)
          else if (take !== undefined) take(landed)
          else if (landed.length === announced) atOnce = landed.toString('utf8')
          else chunks.push(Buffer.from(landed))
        },
        onEnd() {
          const fault = charset.end()
          if (fault !== null)
            return settle({ outcome: 'bad_body', status, reason: `the answer ${fault}` }, true)
          const text = withoutMark(atOnce ?? Buffer.concat(chunks).toString('utf8'))
          const exchange: Exchange = { outcome: 'ok', status, reason: 'answered', text }
          if (Number.isFinite(saidAt)) exchange.saidAt = saidAt
          settle(exchange, true)
        },
        onError(error) {
          if (settled) return
          // One that we closed is no reason to go there once more.
          const isOurs = error instanceof GivenUpError
          const failure = failureOf(error, target)
          const { socket } = line.http
          const isFirst = socket !== null && socket !== line.answeredOn
          if (isFirst && !isOurs && failure.outcome === 'refused' && /^https:/i.test(target.url))
            return settle({ outcome: 'tls', status, reason: closedByServer(target) }, false)
          if (status !== null && failure.outcome === 'refused')
            failure.reason = `the connection ended in the middle of the answer: ${failure.reason}`
          settle({ ...failure, status, retryable: wasUsed && status === null && !isOurs }, false)
        },
      }
      try {
        const isLast = options.headers?.connection === 'close'
        line.http.ask(requestBy(line, path, options), taker, isLast)
      } catch (error) {
        settle({ ...failureOf(error, target), status: null }, false)
      }
    })
  }
}

/** Until the head has come; nothing is taken by it. */
const NO_CHARSET = new Charset('')

/** The `Date` of the last answer: those of one second say the same. */
let lastDate = { text: '', at: Number.NaN }
/** Epoch ms; NaN where it is no time. */
const timeOf = (date: string | undefined): number => {
  if (date === undefined) return Number.NaN
  if (date !== lastDate.text) lastDate = { text: date, at: Date.parse(date) }
  return lastDate.at
}

const UNSENDABLE_PATH = /[^\x21-\x7e]/
const UNSENDABLE_FIELD = /[^\t\x20-\x7e\x80-\xff]/

/** The same question is asked again and again. What takes an answer itself is not kept until the next one. */
const requestBy = (line: Line, path: string, options: AskOptions): string => {
  if (line.sent?.path === path && line.sent.options === options) return line.sent.request
  const request = requestOf(line.host, path, options)
  if (options.take === undefined) line.sent = { path, options, request }
  return request
}

/** The head of a request that has no body. Throws where something in it cannot be sent as it is. */
const requestOf = (host: string, path: string, { method = 'GET', accept, headers }: AskOptions): string => {
  if (!path.startsWith('/') || UNSENDABLE_PATH.test(path)) throw new Error('the path cannot be sent')
  const fields: Record<string, string> = {
    host,
    connection: 'keep-alive',
    accept: accept ?? 'application/json',
    'accept-encoding': 'identity',
    'user-agent': 'tidegate-collector',
    ...(method === 'POST' ? { 'content-length': '0' } : {}),
    ...headers,
  }
  let head = `${method} ${path} HTTP/1.1\r\n`
  for (const name in fields) {
    const value = fields[name] ?? ''
    if (UNSENDABLE_FIELD.test(value)) throw new Error(`the header ${name} cannot be sent`)
    head += `${name}: ${value}\r\n`
  }
  return `${head}\r\n`
}

/** An IPv4 address is the same one in the form of IPv6. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')

/** A mark that says nothing of UTF-8 (RFC 8259 §8.1). */
const withoutMark = (text: string): string => (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)

const headerRefusal = (
  statusCode: number,
  headers: AnswerFields,
  maxBytes: number,
): Pick<Exchange, 'outcome' | 'reason'> | null => {
  if (statusCode >= 300 && statusCode < 400 && statusCode !== 304) {
    return { outcome: 'redirect', reason: `answered ${statusCode}; redirects are not followed` }
  }
  if (statusCode !== 200) return { outcome: 'bad_status', reason: `answered ${statusCode}` }
  const encoding = (headers['content-encoding'] ?? 'identity').toLowerCase()
  // Nothing is ever inflated: a kilobyte of gzip can be a gigabyte of zeros.
  if (encoding !== 'identity')
    return { outcome: 'bad_body', reason: `content encoding ${encoding.slice(0, 20)} is not accepted` }
  const length = Number(headers['content-length'])
  if (length > maxBytes) {
    return {
      outcome: 'too_large',
      reason: `announces ${length} bytes; at most ${maxBytes} are read`,
    }
  }
  return null
}

const CERTIFICATE_CODES =
  /^(?:CERT_|UNABLE_TO_|ERROR_IN_CERT_|INVALID_CA|DEPTH_ZERO|SELF_SIGNED|ERR_TLS_|ERR_SSL_|EPROTO|HOSTNAME_MISMATCH)/

/** This machine found no way before anything left it, or its own link is gone (connect(2), ip(7)). */
const NO_ROUTE_HERE = ['ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'ENONET', 'ENODEV']
/** A router, or the last link, says that the host is not there: its fault, or that of the way. */
const NO_ROUTE_BEYOND = ['EHOSTUNREACH', 'EHOSTDOWN']

/** The outcome for what undici or the socket threw; `party` is who was asked. */
export const failureOf = (
  error: unknown,
  party?: TlsParty,
): Pick<Exchange, 'outcome' | 'reason' | 'noRoute' | 'isAbsent'> => {
  const codes: string[] = []
  let message = ''
  // A dual-stack connect fails with an AggregateError whose parts say why.
  const pending: unknown[] = [error]
  while (pending.length > 0 && codes.length < 16) {
    const current = pending.shift()
    if (!(current instanceof Error)) continue
    const code: unknown = 'code' in current ? current.code : undefined
    if (typeof code === 'string') codes.push(code)
    // undici's parser error carries a code only for some faults.
    else if (current.name === 'HTTPParserError') codes.push('HPE_UNKNOWN')
    if (message === '' && current.message !== '') message = current.message
    // For a name Node's sentence lists what the certificate is for, for an address it does not.
    const { cert } = current as { cert?: { subjectaltname?: unknown } }
    if (typeof cert?.subjectaltname === 'string') message += ` altnames: ${cert.subjectaltname}`
    if (current instanceof AggregateError) pending.push(...current.errors)
    if (current.cause !== undefined) pending.push(current.cause)
  }
  const has = (...wanted: string[]) => codes.some((code) => wanted.includes(code))
  const reason = plainReason(message === '' ? (codes[0] ?? 'failed') : message)
  if (has('ERR_BLOCKED_ADDRESS')) return { outcome: 'blocked_address', reason }
  if (has('ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'ENODATA')) return { outcome: 'dns', reason }
  if (codes.some((code) => CERTIFICATE_CODES.test(code)))
    return { outcome: 'tls', reason: (party && tlsFailure(codes, message, party)) ?? reason }
  if (has('UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT')) {
    return { outcome: 'timeout', reason }
  }
  if (
    codes.some((code) => code.startsWith('HPE_')) ||
    has('UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
  ) {
    return { outcome: 'bad_body', reason: `the answer is not valid HTTP: ${reason}` }
  }
  if (party?.tls?.cert !== undefined && message.includes('before secure TLS connection'))
    return { outcome: 'tls', reason: closedByServer(party) }
  // Of several addresses each has to say so: one that is silent may still be served.
  const isAbsent = codes.length > 0 && codes.every((code) => code === 'ECONNREFUSED')
  const refused = { outcome: 'refused' as const, reason, ...(isAbsent ? { isAbsent } : {}) }
  if (has(...NO_ROUTE_HERE)) return { ...refused, noRoute: 'here' }
  return has(...NO_ROUTE_BEYOND) ? { ...refused, noRoute: 'beyond' } : refused
}
