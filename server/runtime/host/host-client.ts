import { setTimeout as delay } from 'node:timers/promises'
import { CLOSE, closeCode } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import { HOST_ID_PATTERN } from '../../contract/ids.ts'
import type { Log } from '../../observe/log.ts'
import { HostLink, type Registered } from './host-link.ts'
import { createHostTarget } from './host-target.ts'
import { backoffMs, HOST_TIMINGS, type HostTimings } from './host-timings.ts'
import { RelayChoice, tunnelUrl } from './relay-choice.ts'

export type HostState = 'idle' | 'connecting' | 'waiting' | 'registered' | 'draining' | 'replaced' | 'closed'

export type HostEvent =
  | {
      type: 'registered'
      relay: string
      node: string | null
      region: string | null
      fence: number | null
      /** Milliseconds without any tunnel before this one; 0 when the old one still stood; null on the first. */
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
   * Takes no new work: the relay is told, requests in flight finish within `budgetMs`, WebSockets are then closed with 1001, and the
   * tunnel with 1000. Nothing leads back after it. Safe to call twice.
   */
  drain(options?: { budgetMs?: number }): Promise<void>
  /** Closes the tunnel with 1000, now; nothing leads back after it. */
  close(): Promise<void>
}

/** What requests in flight get when the host stops, where nothing else is said: the same as a node's. */
const DRAIN_BUDGET_MS = 45_000
/** How long the relay may take to read that the host is stopping. */
const LEAVE_WAIT_MS = 2_000
const DRAIN_CHECK_MS = 20
const CLOSE_GRACE_MS = 2_000

/**
 * The far end of a tunnel: dials relays, serves what comes through from `to`, and finds its way back. Unless it was replaced or
 * closed, at every moment a timer is armed that leads back to a healthy tunnel. Throws `ERR_INVALID` for options that cannot work.
 */
export const createHostClient = (options: HostClientOptions): HostClient => {
  const { hostId, log } = options
  const random = options.random ?? Math.random
  const now = options.now ?? (() => performance.now())
  const timings: HostTimings = { ...HOST_TIMINGS, ...options.timings }
  if (!HOST_ID_PATTERN.test(hostId)) {
    throw new AppError('ERR_INVALID', `"${hostId}" is not a host id; it must match [a-z0-9-]{1,63}`, {
      hostId,
    })
  }
  if (options.relays.length === 0) throw new AppError('ERR_INVALID', 'At least one relay is needed')
  const urls = new Map(options.relays.map((relay) => [relay, tunnelUrl(relay, hostId)]))
  const to = URL.canParse(options.to) ? new URL(options.to) : null
  if (to?.protocol !== 'http:') {
    throw new AppError('ERR_INVALID', `"${options.to}" is not a target; for example http://localhost:8080`, {
      to: options.to,
    })
  }
  const target = createHostTarget(to, log)
  const choice = new RelayChoice([...urls.keys()], timings.avoidMs, now)

  let state: HostState = 'idle'
  /** The tunnel that serves; an older one may finish its requests beside it. */
  let current: HostLink | null = null
  let dialing: HostLink | null = null
  const retiring = new Set<HostLink>()
  let timer: NodeJS.Timeout | null = null
  let timerDueMs = 0
  let watchdog: NodeJS.Timeout | null = null
  let failures = 0
  let attempt = 0
  let lostAtMs: number | null = null
  let previous: { node: string | null; code: number | null } | null = null
  /** 4409 came while a new tunnel was being made: perhaps that one replaced the old one, perhaps a stranger did. */
  let replacedBy: HostLink | null = null
  let draining: Promise<void> | null = null

  const over = (): boolean => state === 'draining' || state === 'replaced' || state === 'closed'

  const tell = (event: HostEvent): void => {
    try {
      options.onEvent?.(event)
    } catch (error) {
      log.error({ err: error }, 'a listener of the host client failed')
    }
  }

  const settleState = (): void => {
    if (over()) return
    if (current) state = 'registered'
    else state = dialing ? 'connecting' : 'waiting'
  }

  /** Arms the next attempt; an earlier one that is armed already stays. */
  const armIn = (ms: number): void => {
    if (over() || dialing) return
    const dueMs = now() + ms
    if (timer && timerDueMs <= dueMs) return
    if (timer) clearTimeout(timer)
    timerDueMs = dueMs
    timer = setTimeout(() => {
      timer = null
      dial()
    }, ms)
    settleState()
  }

  const armBackoff = (): void => {
    const ms = backoffMs(failures, random(), timings)
    failures += 1
    armIn(ms)
  }

  const armSoon = (): void => armIn(random() * timings.drainJitterMs)

  const stop = (link: HostLink): void => {
    if (timer) clearTimeout(timer)
    timer = null
    if (watchdog) clearInterval(watchdog)
    state = 'replaced'
    const node = link.registered?.node ?? null
    log.warn({ hostId, relay: link.relay, node }, 'replaced by a newer tunnel of the same host')
    const unfinished = dialing
    dialing = null
    unfinished?.fail(CLOSE.normal, 'Replaced by a newer tunnel of the same host')
    tell({ type: 'replaced', relay: link.relay, node })
  }

  const dial = (): void => {
    if (over() || dialing) return
    const relay = choice.next()
    attempt += 1
    dialing = new HostLink({
      relay,
      url: urls.get(relay) ?? '',
      token: options.token,
      target,
      timings,
      now,
      log,
      onRegistered,
      onDrain,
      onEnded,
    })
    settleState()
  }

  const onRegistered = (link: HostLink, { node, region, fence }: Registered): void => {
    if (link !== dialing) return
    dialing = null
    replacedBy = null
    const old = current
    let gapMs: number | null = null
    if (old) gapMs = 0
    else if (lostAtMs !== null) gapMs = Math.round(now() - lostAtMs)
    // An announced drain is why the host moves, also where the new tunnel stands before the 4001 arrives.
    const previousCloseCode = old ? (old.draining ? CLOSE.drain : null) : (previous?.code ?? null)
    const previousNode = old ? (old.registered?.node ?? null) : (previous?.node ?? null)
    current = link
    lostAtMs = null
    if (old) {
      old.retiredAtMs = now()
      retiring.add(old)
      // A relay that shares no directory with the new one learns it from nobody else.
      old.sendText({ type: 'moved', node })
    }
    link.sendText({ type: 'report', gapMs, previousNode, previousCloseCode, attempt })
    log.info({ hostId, relay: link.relay, node, region, gapMs, attempt }, 'tunnel registered')
    tell({
      type: 'registered',
      relay: link.relay,
      node,
      region,
      fence,
      gapMs,
      previousNode,
      previousCloseCode,
      attempt,
    })
    attempt = 0
    choice.restart()
    settleState()
  }

  const onDrain = (link: HostLink): void => {
    choice.avoid(link.relay)
    if (link !== current || over()) return
    tell({ type: 'draining', relay: link.relay, node: link.registered?.node ?? null })
    failures = 0
    choice.restart()
    // The new tunnel first: then nothing is lost when the old one falls.
    armSoon()
  }

  const attemptFailed = (link: HostLink, code: number, reason: string): void => {
    dialing = null
    log.warn({ hostId, relay: link.relay, code, reason, attempt }, 'tunnel attempt failed')
    tell({ type: 'attempt_failed', relay: link.relay, code, reason, attempt })
    if (replacedBy) {
      stop(replacedBy)
      return
    }
    const reaction = closeCode(code)?.reaction ?? 'backoff'
    if (reaction === 'stop') {
      stop(link)
      return
    }
    if (reaction === 'drain') choice.avoid(link.relay)
    // While the tunnel that it is to leave still stands, the others are tried without long pauses, each once.
    if (current?.draining && choice.fresh) armSoon()
    else armBackoff()
    settleState()
  }

  const tunnelLost = (link: HostLink, code: number, reason: string): void => {
    current = null
    lostAtMs = now()
    const node = link.registered?.node ?? null
    previous = { node, code }
    const heldMs = Math.round(now() - link.registeredAtMs)
    log.warn({ hostId, relay: link.relay, node, code, reason, heldMs }, 'tunnel lost')
    tell({ type: 'lost', relay: link.relay, node, code, reason, heldMs })
    if (over()) return
    if (heldMs >= timings.stableMs) failures = 0
    const reaction = closeCode(code)?.reaction ?? 'backoff'
    if (reaction === 'stop') {
      if (dialing) replacedBy = link
      else stop(link)
      return
    }
    if (reaction === 'drain') {
      choice.avoid(link.relay)
      failures = 0
      // An announced drain has begun its search already, and that one goes on where it is.
      if (!link.draining) choice.restart()
      armSoon()
    } else {
      choice.restart()
      // Two clients of one id would otherwise take the host from each other without a pause.
      if (reaction === 'reconnect_now' && heldMs >= timings.flappingMs) armSoon()
      else armBackoff()
    }
    settleState()
  }

  const onEnded = (link: HostLink, code: number, reason: string): void => {
    retiring.delete(link)
    if (link === dialing) attemptFailed(link, code, reason)
    else if (link === current) tunnelLost(link, code, reason)
  }

  const watch = (): void => {
    if (over()) return
    current?.check()
    for (const link of retiring) {
      link.check()
      if (link.pending > 0) link.retiredAtMs = now()
      const idleMs = now() - (link.retiredAtMs ?? now())
      if (link.pending === 0 && idleMs >= timings.retiredIdleMs)
        link.fail(CLOSE.normal, 'Its successor serves')
    }
    // The net below all other rules: whatever went wrong, somebody leads back.
    if (!current && !dialing && !timer) armBackoff()
  }

  const stopTimers = (): void => {
    if (timer) clearTimeout(timer)
    if (watchdog) clearInterval(watchdog)
    timer = null
  }

  const close = async (graceMs: number): Promise<void> => {
    if (state === 'closed') return
    state = 'closed'
    stopTimers()
    const links = [current, dialing, ...retiring].filter((link) => link !== null)
    await Promise.all(links.map((link) => link.close(CLOSE.normal, 'The host ends its tunnel', graceMs)))
    current = null
    dialing = null
    target.close()
  }

  const drain = async (budgetMs: number): Promise<void> => {
    if (state === 'closed') return
    const untilMs = now() + budgetMs
    const leftMs = (): number => Math.max(0, untilMs - now())
    const replaced = state === 'replaced'
    state = 'draining'
    stopTimers()
    const unfinished = dialing
    dialing = null
    unfinished?.fail(CLOSE.normal, 'The host is stopping')
    log.info({ hostId, pending: target.pending(), budgetMs }, 'the host takes no new requests')
    if (!replaced) await current?.leave(Math.min(leftMs(), LEAVE_WAIT_MS))
    const ended = (): boolean => (current === null || current.ended) && retiring.size === 0
    while (leftMs() > 0 && target.pending().requests > 0 && !ended()) await delay(DRAIN_CHECK_MS)
    target.goAway()
    const left = target.pending().requests
    if (left > 0) log.warn({ hostId, requests: left }, 'requests that did not finish in time are cut')
    else log.info({ hostId }, 'every request in flight has finished')
    // What is queued for a slow relay still leaves, as long as there is time.
    await close(Math.max(CLOSE_GRACE_MS, leftMs()))
  }

  return {
    start() {
      if (state !== 'idle') return
      state = 'connecting'
      watchdog = setInterval(watch, timings.watchdogCheckMs)
      dial()
    },
    state: () => state,
    node: () => current?.registered?.node ?? null,
    drain({ budgetMs = DRAIN_BUDGET_MS } = {}) {
      draining ??= drain(budgetMs)
      return draining
    },
    close: () => close(CLOSE_GRACE_MS),
  }
}
