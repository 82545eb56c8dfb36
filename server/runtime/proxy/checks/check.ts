import type { Link, LinkOwner, OnFault } from '../../listen/link.ts'
import { HeadError, HeadReader, parseResponse } from '../http/head.ts'
import type { Connector } from '../targets/connector.ts'
import { Dial } from '../targets/dial.ts'
import type { Target } from '../targets/target.ts'

/** `fault` null: it passed. `ms`: how long that took. Not called for what says nothing of the target. */
export type CheckDone = (fault: string | null, ms: number) => void

export interface CheckOptions {
  readonly connector: Connector
  readonly onFault: OnFault
  /** Of this path, which must be answered with 2xx or 3xx; null: connecting is the whole check. */
  readonly path: string | null
  /** Milliseconds for all of it; 0: no limit. */
  readonly limitMs: number
  /** It is over, in whatever way; before `done`. */
  readonly onOver: () => void
  readonly done: CheckDone
}

/** An interim response or two are read over; a target that sends more than this is not waited for. */
const MAX_INTERIM = 8

/** One connection of our own that asks whether a target is well; TLS and the PROXY header as its clients' connections have them. */
export class Check implements LinkOwner {
  readonly #target: Target
  readonly #options: CheckOptions
  readonly #reader = new HeadReader()
  readonly #startedAt = performance.now()
  readonly #dial: Dial
  #link: Link | null = null
  #interim = 0
  #over = false

  constructor(target: Target, options: CheckOptions) {
    this.#target = target
    this.#options = options
    const nothing = (): void => undefined
    const owner = {
      connector: options.connector,
      connectTimeoutMs: options.limitMs,
      onFault: options.onFault,
      connected: nothing,
      connectFailed: nothing,
      settle: nothing,
    }
    this.#dial = new Dial(
      owner,
      [target],
      (link, _target, failure) => {
        if (!link) this.#end(failure ?? 'backend_refused')
        else if (this.#over) link.destroy()
        else this.#connected(link)
      },
      null,
    )
  }

  start(): void {
    this.#dial.next()
  }

  #connected(link: Link): void {
    this.#link = link
    link.owner = this
    const { path } = this.#options
    if (path === null) {
      this.#end(null)
      return
    }
    const host = this.#target.tls?.servername ?? this.#target.name
    link.write(
      Buffer.from(
        `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: tidegate-health\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
        'latin1',
      ),
    )
    link.socket.resume()
  }

  #end(fault: string | null): void {
    if (this.#over) return
    this.#over = true
    this.#link?.destroy()
    this.#options.onOver()
    // What this machine lacks says nothing of the target.
    if (fault !== 'local_resources') this.#options.done(fault, performance.now() - this.#startedAt)
  }

  sweep(now: number): void {
    const { limitMs } = this.#options
    if (this.#over) return
    if (this.#link === null) this.#dial.sweep(now)
    else if (limitMs > 0 && now - this.#startedAt >= limitMs) this.#end('check_timeout')
  }

  /** Nobody wants to know any more. */
  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#dial.cancel()
    this.#link?.destroy()
    this.#options.onOver()
  }

  onBytes(_link: Link, buffer: Buffer, length: number): boolean {
    let at = 0
    while (!this.#over && at < length) {
      try {
        at = this.#reader.push(buffer, at, length)
        if (at < 0) return true
        const { status } = parseResponse(this.#reader.text, 'GET')
        if (status >= 200) this.#end(status < 400 ? null : 'check_status')
        else this.#interim += 1
      } catch (error) {
        if (!(error instanceof HeadError)) throw error
        this.#end('target_malformed')
      }
      if (this.#interim > MAX_INTERIM) this.#end('target_malformed')
    }
    return true
  }

  onEnd(): void {
    this.#end('target_incomplete')
  }
  onError(): void {
    this.#end('target_reset')
  }
  onFlushed(): void {
    // The request is on its way.
  }
  onFinish(): void {
    // We never end our half first.
  }
}
