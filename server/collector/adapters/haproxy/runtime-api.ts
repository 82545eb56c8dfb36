import { stat } from 'node:fs/promises'
import { connect, isIP, type NetConnectOpts, type Socket } from 'node:net'
import { hostAndPort } from '../../../contract/kinds/haproxy.ts'
import type { AddressRules } from '../address.ts'
import { failureOf } from '../http-probe.ts'
import type { Reading } from '../reading.ts'
import { cleanText } from '../untrusted-json.ts'

/** The statistics of some nine thousand servers. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
const BEGINNING = 60

/** How much a socket allows (management guide, `level`): only `admin` may take anything out of service. */
export type Level = 'user' | 'operator' | 'admin'

/** Asked last, so that an answer which was cut lacks what it says. */
const LAST = 'show cli level'
const LAST_SAID = /(?:^|\n)(user|operator|admin)\n\n$/

/** Where a runtime API listens: at one of both. */
export interface RuntimePlace {
  readonly socket?: string | undefined
  readonly address?: string | undefined
  readonly embedded: boolean
}

/** One exchange; `text` is there when, and only when, the outcome is `ok`. */
export type RuntimeAnswer = Pick<
  Reading,
  'at' | 'durationMs' | 'outcome' | 'status' | 'reason' | 'noRoute' | 'isAbsent'
> & {
  text?: string
  /** Of the socket; there with `text`. */
  level?: Level
  /** Something came, though perhaps not all of it. */
  isHeard: boolean
}

type Ending = Omit<RuntimeAnswer, 'at' | 'durationMs' | 'status'>

/**
 * HAProxy's runtime API: a line of commands is sent, and what comes until HAProxy closes the connection is the answer (management guide,
 * "Unix Socket commands"). One connection a question: the prompt of the interactive mode has no end that a text could not contain.
 */
export class RuntimeApi {
  readonly #rules: AddressRules
  readonly #open = new Set<Socket>()
  #isClosed = false

  constructor(rules: AddressRules) {
    this.#rules = rules
  }

  /** Sends commands in one line. Resolves for every failure, within `timeoutMs`; never rejects. */
  async ask(place: RuntimePlace, commands: readonly string[], timeoutMs: number): Promise<RuntimeAnswer> {
    const at = Date.now()
    const began = performance.now()
    const ending = await this.#ask(place, commands, timeoutMs)
    return {
      at,
      durationMs: Math.round((performance.now() - began) * 1_000) / 1_000,
      status: null,
      ...ending,
    }
  }

  close(): void {
    this.#isClosed = true
    for (const socket of this.#open) socket.destroy()
  }

  async #ask(place: RuntimePlace, commands: readonly string[], timeoutMs: number): Promise<Ending> {
    const way = await this.#wayTo(place)
    if ('outcome' in way) return way
    if (this.#isClosed) return { outcome: 'refused', reason: 'the collector ends', isHeard: false }
    return this.#exchange(way, `${[...commands, LAST].join(';')}\n`, timeoutMs)
  }

  /** How it is dialled, or why it is not. */
  async #wayTo({ socket, address, embedded }: RuntimePlace): Promise<NetConnectOpts | Ending> {
    if (socket !== undefined) {
      const fault = await socketFault(socket)
      return fault === null ? { path: socket } : { outcome: 'refused', isHeard: false, ...fault }
    }
    const place = hostAndPort(address ?? '')
    if (place === null)
      return { outcome: 'blocked_address', reason: 'the address is not host:port', isHeard: false }
    const refusal = isIP(place.host) === 0 ? null : this.#rules.refuses(place.host, embedded)
    if (refusal !== null) return { outcome: 'blocked_address', reason: refusal, isHeard: false }
    return { ...place, lookup: this.#rules.lookup(embedded) }
  }

  #exchange(way: NetConnectOpts, line: string, timeoutMs: number): Promise<Ending> {
    return new Promise((resolve) => {
      const chunks: Buffer[] = []
      let bytes = 0
      const socket = connect(way)
      this.#open.add(socket)
      const end = (ending: Omit<Ending, 'isHeard'>): void => {
        clearTimeout(timer)
        this.#open.delete(socket)
        socket.destroy()
        resolve({ ...ending, isHeard: bytes > 0 })
      }
      const timer = setTimeout(
        () => end({ outcome: 'timeout', reason: `no complete answer within ${timeoutMs} ms` }),
        timeoutMs,
      )
      socket.on('error', (error) => end(failed(error, way)))
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk)
        else end({ outcome: 'too_large', reason: `the answer is larger than ${MAX_ANSWER_BYTES} bytes` })
      })
      socket.on('end', () => end(answered(Buffer.concat(chunks).toString('utf8'))))
      socket.on('close', () => end({ outcome: 'refused', reason: 'the connection was closed' }))
      // HAProxy reads the line to its end before it looks at whether more could come: our side stays open until it has answered.
      socket.write(line)
    })
  }
}

const answered = (text: string): Omit<Ending, 'isHeard'> => {
  if (text === '') return { outcome: 'bad_body', reason: 'closed the connection without an answer' }
  if (text.startsWith('HTTP/') || /^\s*<(?:!doctype|html)/i.test(text))
    return {
      outcome: 'bad_body',
      reason:
        'a web server answers here; the runtime API is what a `stats socket` line opens, not the statistics page',
    }
  const level = LAST_SAID.exec(text)?.[1] as Level | undefined
  if (level === undefined)
    return {
      outcome: 'bad_body',
      reason: `the answer ends half-way; it begins with ${JSON.stringify(cleanText(text.slice(0, BEGINNING)))}`,
    }
  return { outcome: 'ok', reason: 'answered', text: text.slice(0, -level.length - 2), level }
}

const failed = (error: Error & { code?: string }, way: NetConnectOpts): Omit<Ending, 'isHeard'> => {
  // A socket that is gone since it was looked for is one at which nobody listens.
  const failure = { ...failureOf(error), ...(error.code === 'ENOENT' ? { isAbsent: true as const } : {}) }
  if (!('path' in way)) return failure
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return {
      ...failure,
      reason: `this process may not open ${way.path}; give its group the right with mode 660 in the \`stats socket\` line`,
    }
  if (error.code === 'ECONNREFUSED')
    return { ...failure, reason: `nobody listens at ${way.path}; HAProxy does not run` }
  return failure
}

/** Why this path cannot be asked, or null where it is worth trying. */
const socketFault = async (path: string): Promise<Pick<Ending, 'reason' | 'isAbsent'> | null> => {
  try {
    return (await stat(path)).isSocket()
      ? null
      : { reason: `${path} is not a socket; name the path of the \`stats socket\` line`, isAbsent: true }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM')
      return { reason: `this process may not reach ${path}: a folder above it is closed` }
    const reason = `there is no socket at ${path}; HAProxy does not run, or its \`stats socket\` line names another path`
    return { reason, isAbsent: true }
  }
}
