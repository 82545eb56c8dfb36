import { setTimeout as delay } from 'node:timers/promises'
import { CLOSE, closeCode } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import { HOST_ID_PATTERN } from '../../contract/ids.ts'
import type { Log } from '../../observe/log.ts'
import type { Backoff } from '../../time/backoff.ts'
import { HostLink, type Registered } from './host-link.ts'
import { HostTarget } from './host-target.ts'
import { HOST_TIMINGS, type HostTimings, hostBackoff } from './host-timings.ts'
import { RelayChoice, tunnelUrl } from './relay-choice.ts'

export type HostState = 'idle' | 'connecting' | 'waiting' | 'registered' | 'draining' | 'replaced' | 'closed'

export type HostEvent =
  | {
      type: 'registered'
      relay: string
      node: string | null
      region: string | null
      fence: number | null
      /** Milliseconds without any tunnel before this one; 0 when the old one was still up; null on the first. */
      gapMs: number | null
      previousNode: string | null
      previousCloseCode: number | null
      attempt: number
    }
  | { type: 'lost'; relay: string; node: string | null; code: number; reason: string; heldMs: number }
  | { type: 'draining'; relay: string; node: string | null }
  | { type: 'attempt_failed'; relay: string; code: number; reason: string; attempt: number }
  | { type: 'replaced'; relay: string; node: string | null }

export interface HostClientOptions {
  /** `ws://` or `wss://` addresses in order of preference; `/tunnel` is appended where it is missing. */
  relays: readonly string[]
  hostId: string
  /** A provider is asked at every attempt. */
  token: string | (() => Promise<string>)
  /** Where requests go, for example `http://localhost:8080`. */
  to: string
  log: Log
  onEvent?: (event: HostEvent) => void
  random?: () => number
  /** Monotonic clock in milliseconds. */
  now?: () => number
  timings?: Partial<HostTimings>
}

export interface HostClient {
  start(): void
  state(): HostState
  /** The relay node that holds the tunnel now. */
  node(): string | null
  /**
   * Takes no new work: the relay learns of it, requests in flight finish within `budgetMs`, WebSockets are then closed with 1001, and the
   * tunnel with 1000. The client stays stopped. Safe to call twice.
   */
  drain(options?: { budgetMs?: number }): Promise<void>
  /** Closes the tunnel with 1000, now; the client stays stopped. */
  close(): Promise<void>
}

/** How long requests in flight get when the host stops, unless set: as long as at a node. */
const DRAIN_BUDGET_MS = 45_000
/** How long the relay may take to read that the host is stopping. */
const LEAVE_WAIT_MS = 2_000
const DRAIN_CHECK_MS = 20
const CLOSE_GRACE_MS = 2_000

const targetOf = (to: string): URL => {
  const url = URL.canParse(to) ? new URL(to) : null
  if (url?.protocol === 'http:') return url
  throw new AppError('ERR_INVALID', `"${to}" is not a target; for example http://localhost:8080`, { to })
}

/** The client's state while it reconnects: which relay, when, and what is known of the tunnel before. */
class Search {
  readonly choice: RelayChoice
  readonly backoff: Backoff
  /** Attempts since a tunnel was last registered. */
  attempt = 0
  /** Monotonic, in ms; null while a tunnel is up, and before the first. */
  lostAtMs: number | null = null
  previous: { node: string | null; code: number | null } | null = null

  constructor(relays: readonly string[], timings: HostTimings, random: () => number, now: () => number) {
    this.choice = new RelayChoice(relays, timings.avoidMs, now)
    this.backoff = hostBackoff(timings, random)
  }

  /** Starts over, without the pauses of earlier failures. */
  restart(): void {
    this.choice.restart()
    this.backoff.reset()
  }
}

class TunnelHost implements HostClient {
  readonly #options: HostClientOptions
  readonly #log: Log
  readonly #random: () => number
  readonly #now: () => number
  readonly #timings: HostTimings
  readonly #urls: ReadonlyMap<string, string>
  readonly #target: HostTarget
  readonly #search: Search
  #state: HostState = 'idle'
  /** The tunnel that serves; an older one may finish its requests beside it. */
  #current: HostLink | null = null
  #dialing: HostLink | null = null
  readonly #retiring = new Set<HostLink>()
  #timer: NodeJS.Timeout | null = null
  #timerDueMs = 0
  #watchdog: NodeJS.Timeout | null = null
  /** 4409 came while a new tunnel was being dialled: perhaps that one replaced the old one, perhaps a stranger did. */
  #replacedBy: HostLink | null = null
  #draining: Promise<void> | null = null

  constructor(options: HostClientOptions) {
    const { hostId, relays } = options
    if (!HOST_ID_PATTERN.test(hostId)) {
      throw new AppError('ERR_INVALID', `"${hostId}" is not a host id; it must match [a-z0-9-]{1,63}`, {
        hostId,
      })
    }
    if (relays.length === 0) throw new AppError('ERR_INVALID', 'At least one relay is needed')
    this.#options = options
    this.#log = options.log
    this.#random = options.random ?? Math.random
    this.#now = options.now ?? (() => performance.now())
    this.#timings = { ...HOST_TIMINGS, ...options.timings }
    this.#urls = new Map(relays.map((relay) => [relay, tunnelUrl(relay, hostId)]))
    this.#target = new HostTarget(targetOf(options.to), options.log)
    this.#search = new Search([...this.#urls.keys()], this.#timings, this.#random, this.#now)
  }

  start(): void {
    if (this.#state !== 'idle') return
    this.#state = 'connecting'
    this.#watchdog = setInterval(() => this.#watch(), this.#timings.watchdogCheckMs)
    this.#dial()
  }

  state(): HostState {
    return this.#state
  }

  node(): string | null {
    return this.#current?.registered?.node ?? null
  }

  drain({ budgetMs = DRAIN_BUDGET_MS }: { budgetMs?: number } = {}): Promise<void> {
    this.#draining ??= this.#drain(budgetMs)
    return this.#draining
  }

  close(): Promise<void> {
    return this.#close(CLOSE_GRACE_MS)
  }

  /** No tunnel is wanted any more. */
  get #over(): boolean {
    return this.#state === 'draining' || this.#state === 'replaced' || this.#state === 'closed'
  }

  #report(event: HostEvent): void {
    try {
      this.#options.onEvent?.(event)
    } catch (error) {
      this.#log.error({ err: error }, 'a listener of the host client failed')
    }
  }

  #settleState(): void {
    if (this.#over) return
    if (this.#current) this.#state = 'registered'
    else this.#state = this.#dialing ? 'connecting' : 'waiting'
  }

  /** Schedules the next attempt; an earlier one that is already scheduled stays. */
  #armIn(ms: number): void {
    if (this.#over || this.#dialing) return
    const dueMs = this.#now() + ms
    if (this.#timer && this.#timerDueMs <= dueMs) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timerDueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#dial()
    }, ms)
    this.#settleState()
  }

  #armBackoff(): void {
    this.#armIn(this.#search.backoff.next())
  }

  #armSoon(): void {
    this.#armIn(this.#random() * this.#timings.drainJitterMs)
  }

  #dial(): void {
    if (this.#over || this.#dialing) return
    const relay = this.#search.choice.next()
    this.#search.attempt += 1
    this.#dialing = new HostLink({
      relay,
      url: this.#urls.get(relay) ?? '',
      token: this.#options.token,
      target: this.#target,
      timings: this.#timings,
      now: this.#now,
      log: this.#log,
      onRegistered: (link, registered) => this.#registered(link, registered),
      onDrain: (link) => this.#relayDrains(link),
      onEnded: (link, code, reason) => this.#ended(link, code, reason),
    })
    this.#settleState()
  }

  #registered(link: HostLink, { node, region, fence }: Registered): void {
    if (link !== this.#dialing) return
    this.#dialing = null
    this.#replacedBy = null
    const search = this.#search
    const old = this.#current
    let gapMs: number | null = null
    if (old) gapMs = 0
    else if (search.lostAtMs !== null) gapMs = Math.round(this.#now() - search.lostAtMs)
    // An announced drain is why the host moves, even if the new tunnel is up before the 4001 arrives.
    const previousCloseCode = old ? (old.draining ? CLOSE.drain : null) : (search.previous?.code ?? null)
    const previousNode = old ? (old.registered?.node ?? null) : (search.previous?.node ?? null)
    const { attempt } = search
    this.#current = link
    search.lostAtMs = null
    if (old) {
      old.retiredAtMs = this.#now()
      this.#retiring.add(old)
      // A relay that shares no directory with the new one can learn it only from the host.
      old.sendText({ type: 'moved', node })
    }
    const relay = link.relay
    link.sendText({ type: 'report', gapMs, previousNode, previousCloseCode, attempt })
    this.#log.info({ hostId: this.#options.hostId, relay, node, region, gapMs, attempt }, 'tunnel registered')
    this.#report({
      type: 'registered',
      relay,
      node,
      region,
      fence,
      gapMs,
      previousNode,
      previousCloseCode,
      attempt,
    })
    search.attempt = 0
    search.choice.restart()
    this.#settleState()
  }

  #relayDrains(link: HostLink): void {
    this.#search.choice.avoid(link.relay)
    if (link !== this.#current || this.#over) return
    this.#report({ type: 'draining', relay: link.relay, node: link.registered?.node ?? null })
    this.#search.restart()
    // The new tunnel first: then nothing is lost when the old one falls.
    this.#armSoon()
  }

  #ended(link: HostLink, code: number, reason: string): void {
    this.#retiring.delete(link)
    if (link === this.#dialing) this.#attemptFailed(link, code, reason)
    else if (link === this.#current) this.#tunnelLost(link, code, reason)
  }

  #attemptFailed(link: HostLink, code: number, reason: string): void {
    this.#dialing = null
    const { attempt, choice } = this.#search
    const { relay } = link
    this.#log.warn({ hostId: this.#options.hostId, relay, code, reason, attempt }, 'tunnel attempt failed')
    this.#report({ type: 'attempt_failed', relay, code, reason, attempt })
    if (this.#replacedBy) {
      this.#stop(this.#replacedBy)
      return
    }
    const reaction = closeCode(code)?.reaction ?? 'backoff'
    if (reaction === 'stop') {
      this.#stop(link)
      return
    }
    if (reaction === 'drain') choice.avoid(relay)
    // While the tunnel that it is to leave is still up, the others are tried without long pauses, each once.
    if (this.#current?.draining && choice.fresh) this.#armSoon()
    else this.#armBackoff()
    this.#settleState()
  }

  #tunnelLost(link: HostLink, code: number, reason: string): void {
    const search = this.#search
    this.#current = null
    search.lostAtMs = this.#now()
    const { relay } = link
    const node = link.registered?.node ?? null
    search.previous = { node, code }
    const heldMs = Math.round(this.#now() - link.registeredAtMs)
    this.#log.warn({ hostId: this.#options.hostId, relay, node, code, reason, heldMs }, 'tunnel lost')
    this.#report({ type: 'lost', relay, node, code, reason, heldMs })
    if (this.#over) return
    if (heldMs >= this.#timings.stableMs) search.backoff.reset()
    const reaction = closeCode(code)?.reaction ?? 'backoff'
    if (reaction === 'stop') {
      if (this.#dialing) this.#replacedBy = link
      else this.#stop(link)
      return
    }
    if (reaction === 'drain') {
      search.choice.avoid(relay)
      search.backoff.reset()
      // An announced drain has already begun its search, which goes on where it is.
      if (!link.draining) search.choice.restart()
      this.#armSoon()
    } else {
      search.choice.restart()
      // Two clients of one id would otherwise take the host from each other without a pause.
      if (reaction === 'reconnect_now' && heldMs >= this.#timings.flappingMs) this.#armSoon()
      else this.#armBackoff()
    }
    this.#settleState()
  }

  /** Another client holds the host now: this one stops for good. */
  #stop(link: HostLink): void {
    this.#stopTimers()
    this.#state = 'replaced'
    const node = link.registered?.node ?? null
    const sentence = 'Replaced by a newer tunnel of the same host'
    this.#log.warn({ hostId: this.#options.hostId, relay: link.relay, node }, sentence.toLowerCase())
    const unfinished = this.#dialing
    this.#dialing = null
    unfinished?.fail(CLOSE.normal, sentence)
    this.#report({ type: 'replaced', relay: link.relay, node })
  }

  #watch(): void {
    if (this.#over) return
    this.#current?.check()
    for (const link of this.#retiring) {
      link.check()
      if (link.pending > 0) link.retiredAtMs = this.#now()
      const idleMs = this.#now() - (link.retiredAtMs ?? this.#now())
      if (link.pending === 0 && idleMs >= this.#timings.retiredIdleMs)
        link.fail(CLOSE.normal, 'Its successor serves')
    }
    // The safety net below all other rules: whatever went wrong, another attempt is scheduled.
    if (!this.#current && !this.#dialing && !this.#timer) this.#armBackoff()
  }

  #stopTimers(): void {
    if (this.#timer) clearTimeout(this.#timer)
    if (this.#watchdog) clearInterval(this.#watchdog)
    this.#timer = null
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#stopTimers()
    const links = [this.#current, this.#dialing, ...this.#retiring].filter((link) => link !== null)
    await Promise.all(links.map((link) => link.close(CLOSE.normal, 'The host ends its tunnel', graceMs)))
    this.#current = null
    this.#dialing = null
    this.#target.close()
  }

  async #drain(budgetMs: number): Promise<void> {
    if (this.#state === 'closed') return
    const { hostId } = this.#options
    const target = this.#target
    const untilMs = this.#now() + budgetMs
    const leftMs = (): number => Math.max(0, untilMs - this.#now())
    const replaced = this.#state === 'replaced'
    this.#state = 'draining'
    this.#stopTimers()
    const unfinished = this.#dialing
    this.#dialing = null
    unfinished?.fail(CLOSE.normal, 'The host is stopping')
    this.#log.info({ hostId, pending: target.pending(), budgetMs }, 'the host takes no new requests')
    if (!replaced) await this.#current?.leave(Math.min(leftMs(), LEAVE_WAIT_MS))
    const ended = (): boolean => (this.#current === null || this.#current.ended) && this.#retiring.size === 0
    while (leftMs() > 0 && target.pending().requests > 0 && !ended()) await delay(DRAIN_CHECK_MS)
    target.goAway()
    const left = target.pending().requests
    if (left > 0) this.#log.warn({ hostId, requests: left }, 'requests that did not finish in time are cut')
    else this.#log.info({ hostId }, 'every request in flight has finished')
    // What is queued for a slow relay still leaves, as long as there is time.
    await this.#close(Math.max(CLOSE_GRACE_MS, leftMs()))
  }
}

/**
 * The far end of a tunnel: dials relays, serves what comes through from `to`, and finds its way back. Unless it was replaced or
 * closed, there is at every moment a tunnel, an attempt, or a timer for the next one. Throws `ERR_INVALID` for options that cannot
 * work.
 */
export const createHostClient = (options: HostClientOptions): HostClient => new TunnelHost(options)
