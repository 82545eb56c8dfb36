import type { LookupFunction } from 'node:net'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { type ClientOptions, WebSocket } from 'ws'
import { type FleetEvent, LIVE_ONLY_EVENT_TYPES, type NodeEvent } from '../../../contract/index.ts'
import type { Log } from '../../../observe/log.ts'
import type { EventInput, Store } from '../../../store/store.ts'
import type { NodeClock } from '../../fleet/node-clock.ts'
import type { AddressRules } from '../address.ts'
import type { Control, ControlTarget } from './control.ts'
import { EVENT_ALLOWANCE, type EventAllowance, EventBudget } from './event-budget.ts'
import { createGapTeller, type StreamGap } from './gap-teller.ts'
import { type Refusal, RefusedEvents, readNodeEvent } from './node-events.ts'

const HANDSHAKE_MS = 5_000
/** A node pings every 25 s; two misses and a little, and the connection is given up. */
const SILENCE_MS = 60_000
const MAX_FRAME_BYTES = 1_048_576
/** What may wait here while a hole is being filled or the store is slow. Beyond it the socket is not read: the node's ring holds the rest. */
const MAX_PENDING_FRAMES = 2_000
const MAX_PENDING_BYTES = 1_048_576
/** Frames taken in one turn of the event loop. */
const FRAMES_A_TURN = 100
const FILL_PAGE = 1_000
/** The same where a whole page is more than one answer may hold. */
const SMALL_PAGE = 50
/** After `hello` a node sends what it has; one that stays silent is asked over HTTP. */
const BACKLOG_WAIT_MS = 1_000
/** A connection that held so long was a good one: the next attempt comes at once again. */
const SOUND_MS = 10_000
/** A node that was gone no longer than this between two epochs has simply restarted: nothing happened that nobody read. */
const RESTART_MS = 10_000
/** Ten times the ring. A number that leaps further within one connection is a fault, and must not hide the events after it. */
const MAX_LEAP = 100_000
/** How long a node that was read more slowly is told to be. */
const THROTTLED_TOLD_MS = 60_000
const TOO_LARGE_CODE = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'

export interface StreamTarget extends ControlTarget {
  readonly region: string
}

export interface StreamPosition {
  epoch: string
  seq: number
}

export interface EventStream {
  readonly state: 'live' | 'connecting'
  /** The newest event that was taken in or skipped for good; null before the first contact. */
  readonly position: StreamPosition | null
  /** What is wrong with what the node sends, in sentences. */
  problems(): string[]
  /** Events that were refused since the start, by reason, and ms for which the node was read more slowly. */
  figures(): { refused: Record<Refusal, number>; throttledMs: number }
  start(): void
  /** Connects again at once, for example because the node moved. */
  restart(): void
  close(): void
}

export interface StreamOptions {
  target: () => StreamTarget
  clock: NodeClock
  store: Pick<Store, 'position'>
  control: Control
  rules: AddressRules
  log: Log
  maxBackoffMs: number
  allowance?: EventAllowance
  /** Wall clock in epoch ms. */
  now?: () => number
  /** Whether we ourselves were late just now, so that when an event was received says nothing of when it was sent. */
  isLagging?: () => boolean
  /** Takes an event; false where there is no room at the moment. */
  accept: (event: EventInput, bytes: number) => boolean
  /** Resolves when there may be room again. */
  room: () => Promise<void>
  /** An event that is told and not stored. */
  onLiveOnly: (event: Omit<FleetEvent, 'id'>) => void
  /** Part of the stream cannot be had any more. `fromMs` is null where it is not known since when. */
  onGap: (gap: StreamGap) => void
  onLive: () => void
  onChange: () => void
}

/** What waits for its turn, in order. */
type Pending = { text: string } | { fillTo: number } | { tooLarge: true }

/**
 * Follows one node's events over one WebSocket, resumed where the store ends. Every event is accepted in order and once; a
 * hole is filled from `GET /events`, and what cannot be filled is reported as a gap. A node that sends more than it may, or
 * than there is room for, is read more slowly: its own ring is the buffer.
 */
export const createEventStream = (options: StreamOptions): EventStream => {
  const now = options.now ?? Date.now
  const refused = new RefusedEvents()
  const budget = new EventBudget(performance.now(), options.allowance ?? EVENT_ALLOWANCE)
  const gaps = createGapTeller(options.onGap)
  let socket: WebSocket | null = null
  let position: StreamPosition | null = null
  /** The question to the store where the events end, asked once: a second answer would take back what was read since the first. */
  let resumed: Promise<void> | null = null
  let greeted = false
  /** Newest seq that existed when the connection began: later ones are live, and only they tell about clocks. */
  let helloSeq = Number.POSITIVE_INFINITY
  /** The newest hole that was given up: what comes from inside it all the same is no repeat. */
  let hole: { from: number; to: number } | null = null
  /** The newest number that was refused as a leap. */
  let leaptTo: number | null = null
  /** The newest event's time in our clock: the next one of the run did not happen before it. */
  let timeFloor = 0
  let state: 'live' | 'connecting' = 'connecting'
  let pending: Pending[] = []
  let pendingFrames = 0
  let pendingBytes = 0
  let pumping = false
  /** The connection has ended; what had come before is still taken. */
  let ended = false
  let attempt = 0
  let closed = true
  let disconnectedAt: number | null = null
  let throttledMs = 0
  let throttledAt = Number.NEGATIVE_INFINITY
  const timers = new Map<'reconnect' | 'silence' | 'backlog' | 'sound', NodeJS.Timeout>()

  const arm = (name: 'reconnect' | 'silence' | 'backlog' | 'sound', ms: number, work: () => void): void => {
    clearTimeout(timers.get(name))
    timers.set(
      name,
      setTimeout(() => {
        timers.delete(name)
        work()
      }, ms),
    )
  }
  const disarm = (...names: ('reconnect' | 'silence' | 'backlog' | 'sound')[]): void => {
    for (const name of names) {
      clearTimeout(timers.get(name))
      timers.delete(name)
    }
  }

  const setState = (next: 'live' | 'connecting'): void => {
    if (state === next) return
    state = next
    options.log.info({ node: options.target().id, state }, 'an event stream changed its state')
    options.onChange()
  }

  const hangUp = (): void => {
    const old = socket
    socket = null
    pending = []
    pendingFrames = 0
    pendingBytes = 0
    ended = false
    greeted = false
    disarm('silence', 'backlog', 'sound')
    if (old) {
      if (state === 'live') disconnectedAt = now()
      old.terminate()
    }
    setState('connecting')
  }

  const reconnect = (): void => {
    hangUp()
    if (closed || timers.has('reconnect')) return
    const ceiling = Math.min(250 * 2 ** Math.min(attempt, 10), options.maxBackoffMs)
    attempt += 1
    arm('reconnect', ceiling * (0.5 + Math.random() / 2), () => void connect())
  }

  const heard = (): void => arm('silence', SILENCE_MS, reconnect)

  const connect = async (): Promise<void> => {
    if (closed || socket) return
    const { id } = options.target()
    try {
      resumed ??= options.store.position(id).then((stored) => {
        position = stored
      })
      await resumed
    } catch (error) {
      resumed = null
      options.log.debug({ err: error, node: id }, 'the position of an event stream could not be read')
      return reconnect()
    }
    // Another connect, or close(), may have come while the store was asked.
    if (closed || socket) return
    // And the node may have moved meanwhile.
    const target = options.target()
    const refusal = options.rules.refusesUrl(target.url, target.embedded)
    if (refusal !== null) {
      options.log.debug({ node: target.id, reason: refusal }, 'an event stream is not opened')
      return reconnect()
    }
    const opened = open(target)
    socket = opened
    heard()
    opened.on('error', (error: Error & { code?: string }) => {
      options.log.debug({ err: error, node: target.id }, 'event stream failed')
      if (socket === opened && error.code === TOO_LARGE_CODE) queue(opened, { tooLarge: true })
    })
    opened.on('close', () => {
      if (socket !== opened) return
      if (pumping) ended = true
      else reconnect()
    })
    opened.on('ping', heard)
    opened.on('message', (data, isBinary) => {
      if (socket !== opened) return
      heard()
      if (!isBinary) queue(opened, { text: String(data) })
    })
  }

  const open = (target: StreamTarget): WebSocket => {
    const url = new URL(target.url)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/events`
    if (position) url.searchParams.set('after', `${position.epoch}:${position.seq}`)
    const clientOptions: ClientOptions & { lookup: LookupFunction } = {
      headers: { authorization: `Bearer ${target.token}` },
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
      handshakeTimeout: HANDSHAKE_MS,
      followRedirects: false,
      lookup: options.rules.lookup(target.embedded),
    }
    return new WebSocket(url, clientOptions)
  }

  const queue = (from: WebSocket, item: Pending): void => {
    pending.push(item)
    pendingFrames += 1
    if ('text' in item) pendingBytes += item.text.length
    if (!from.isPaused && (pendingFrames >= MAX_PENDING_FRAMES || pendingBytes >= MAX_PENDING_BYTES)) {
      from.pause()
      // Its pings are not read either.
      disarm('silence')
    }
    void pump(from)
  }

  const taken = (from: WebSocket, item: Pending): void => {
    pendingFrames -= 1
    if ('text' in item) pendingBytes -= item.text.length
    if (from.isPaused && pendingFrames <= MAX_PENDING_FRAMES / 2 && pendingBytes <= MAX_PENDING_BYTES / 2) {
      from.resume()
      heard()
    }
  }

  const pump = async (from: WebSocket): Promise<void> => {
    if (pumping) return
    pumping = true
    let failed = false
    let inTurn = 0
    try {
      while (socket === from && pending.length > 0) {
        const batch = pending
        pending = []
        for (const item of batch) {
          if (socket !== from) break
          await take(from, item)
          if (socket !== from) break
          taken(from, item)
          inTurn += 1
          if (inTurn % FRAMES_A_TURN === 0) await nextTurn()
        }
      }
    } catch (error) {
      failed = socket === from
      if (failed) {
        const node = options.target().id
        options.log.debug({ err: error, node }, 'an event stream is read again from its position')
      }
    } finally {
      pumping = false
    }
    if (socket === from) {
      if (failed || ended) reconnect()
    }
    // A new connection may have brought frames while the old one's last await ended.
    else if (socket && pending.length > 0) void pump(socket)
    // Or have ended already, when nobody could be told.
    else if (socket && ended) reconnect()
  }

  const take = async (from: WebSocket, item: Pending): Promise<void> => {
    if ('fillTo' in item) return fill(from, item.fillTo)
    if ('tooLarge' in item) return skipTooLarge()
    const frame = parseFrame(item.text)
    if (frame === null || frame.type === 'gap' || frame.type === 'ping') return spend(item.text.length)
    if (frame.type === 'hello') return greeted ? undefined : greet(from, frame)
    if (!greeted) throw new Error('events came before the hello frame')
    if (frame.type === 'events' && Array.isArray(frame.events)) {
      for (const event of frame.events) {
        await takeEvent(from, event, Math.ceil(item.text.length / frame.events.length))
        if (socket !== from) return
      }
      return
    }
    return takeEvent(from, frame.type === 'event' ? frame.event : frame, item.text.length)
  }

  /** A frame that is larger than any: which event it was is not known but that it is the next one. */
  const skipTooLarge = (): void => {
    refused.note('too_large', `a frame of more than ${MAX_FRAME_BYTES} bytes`, now())
    if (!position) return
    giveUp(position.seq + 1, position.seq + 1, 'an event was larger than any frame may be')
    position = { epoch: position.epoch, seq: position.seq + 1 }
  }

  const greet = (from: WebSocket, hello: Record<string, unknown>): void => {
    const { epoch, seq, oldest } = hello
    if (typeof epoch !== 'string' || epoch === '' || epoch.length > 64 || !isSeq(seq))
      throw new Error('the hello frame has no epoch and seq')
    greeted = true
    leaptTo = null
    helloSeq = seq
    enterEpoch(epoch, isSeq(oldest) ? oldest : 1, seq)
    setState('live')
    disconnectedAt = null
    options.onLive()
    arm('sound', SOUND_MS, () => {
      attempt = 0
    })
    const lookForBacklog = (): void => {
      if (socket !== from || !position || position.epoch !== epoch || position.seq >= seq) return
      // While something comes it is the backlog that comes.
      if (pumping) arm('backlog', BACKLOG_WAIT_MS, lookForBacklog)
      else queue(from, { fillTo: seq + 1 })
    }
    arm('backlog', BACKLOG_WAIT_MS, lookForBacklog)
  }

  /** Puts the position into the node's present run, and reports what lies between and is gone. */
  const enterEpoch = (epoch: string, oldest: number, newest: number): void => {
    const away = disconnectedAt === null ? null : now() - disconnectedAt
    if (position?.epoch !== epoch) {
      timeFloor = 0
      hole = null
    }
    if (!position) {
      // First contact: what the ring has already forgotten was never ours to read.
      position = { epoch, seq: oldest - 1 }
    } else if (position.epoch !== epoch) {
      const restarted = options.target().embedded || (away !== null && away < RESTART_MS)
      if (!restarted || oldest > 1) {
        gaps.tell({
          fromSeq: position.seq + 1,
          toSeq: null,
          fromMs: disconnectedAt,
          toMs: now(),
          reason: 'the node restarted; what its earlier run recorded last was not read',
        })
      }
      position = { epoch, seq: oldest - 1 }
    } else if (position.seq < oldest - 1) {
      giveUp(position.seq + 1, oldest - 1)
      position = { epoch, seq: oldest - 1 }
    } else if (position.seq > newest) position = { epoch, seq: newest }
  }

  const giveUp = (fromSeq: number, toSeq: number, why?: string): void => {
    hole = { from: fromSeq, to: toSeq }
    const reason = why ?? `${toSeq - fromSeq + 1} events were overwritten in the node before they were read`
    gaps.tell({ fromSeq, toSeq, fromMs: disconnectedAt, toMs: now(), reason })
  }

  const takeEvent = async (from: WebSocket, raw: unknown, bytes: number): Promise<void> => {
    await spend(bytes)
    const place = placeOf(raw)
    if (!place || !position) return refuse('malformed', 'an event without its place')
    if (place.epoch !== position.epoch) return refuse('malformed', 'an event of another run')
    if (place.seq > Math.max(position.seq, helloSeq) + MAX_LEAP) {
      refuse('implausible_seq', `${place.seq} after ${position.seq}`)
      // It goes on from there: these are its numbers now, and what it says when asked anew is believed.
      if (place.seq - 1 === leaptTo) throw new Error('the numbers of its events have leapt')
      leaptTo = place.seq
      return
    }
    if (place.seq > position.seq + 1) await fill(from, place.seq)
    if (socket !== from || !position) return
    if (place.seq > position.seq) {
      if (await accept(from, raw, place)) position = place
    } else if (hole && place.seq >= hole.from && place.seq <= hole.to) {
      hole = { from: place.seq + 1, to: hole.to }
      await accept(from, raw, place)
    }
  }

  const refuse = (refusal: Refusal, detail: string): void => {
    const node = options.target().id
    options.log.debug({ node, refusal, detail }, 'an event of a node was refused')
    refused.note(refusal, detail, now())
  }

  /** Takes from the node's budget, and waits where it is used up. */
  const spend = async (bytes: number): Promise<void> => {
    const waitMs = budget.take(bytes, performance.now())
    if (waitMs === 0) return
    throttledMs += waitMs
    throttledAt = now()
    await delay(Math.min(waitMs, 5_000))
  }

  const readPage = async (after: StreamPosition, limit: number): Promise<unknown[]> => {
    const answer = await options.control.call(
      options.target(),
      'GET',
      `/events?after=${encodeURIComponent(`${after.epoch}:${after.seq}`)}&limit=${limit}`,
    )
    if (answer.status !== 200) throw new Error(`GET /events answered ${answer.status}`)
    const events = (answer.body as { events?: unknown } | null)?.events
    return Array.isArray(events) ? events.slice(0, limit) : []
  }

  /** Reads what lies before `upTo` over HTTP; what the node no longer has is reported as a gap. */
  const fill = async (from: WebSocket, upTo: number): Promise<void> => {
    const epoch = position?.epoch
    while (socket === from && position && position.epoch === epoch && position.seq + 1 < upTo) {
      const before = position
      const page = await readPage(before, FILL_PAGE).catch(() => readPage(before, SMALL_PAGE))
      for (const raw of page) {
        if (socket !== from || !position) return
        const place = placeOf(raw)
        if (!place || place.epoch !== epoch || place.seq >= upTo || place.seq <= position.seq) continue
        if (place.seq > position.seq + 1) giveUp(position.seq + 1, place.seq - 1)
        if (await accept(from, raw, place)) position = place
      }
      if (position === before && socket === from) {
        giveUp(before.seq + 1, upTo - 1)
        position = { epoch: before.epoch, seq: upTo - 1 }
      }
      await nextTurn()
    }
  }

  /** Hands one event on; true when it is done with, false when the connection ended while there was no room for it. */
  const accept = async (from: WebSocket, raw: unknown, place: StreamPosition): Promise<boolean> => {
    const reading = readNodeEvent(raw)
    if ('refusal' in reading) {
      refuse(reading.refusal, reading.detail)
      return true
    }
    const { event } = reading
    const receivedAt = now()
    const live = place.seq > helloSeq
    const lagging = pendingFrames > FRAMES_A_TURN || receivedAt - throttledAt < THROTTLED_TOLD_MS
    if (live && !lagging && options.isLagging?.() !== true)
      options.clock.sawLive(Date.parse(event.at), receivedAt)
    const told = asTold(event, receivedAt)
    if (LIVE_ONLY_EVENT_TYPES.has(event.type)) {
      // What was counted while nobody read it is nothing to look at any more.
      if (live) options.onLiveOnly(told)
      return true
    }
    const input: EventInput = { ...told, origin: options.target().id }
    while (!options.accept(input, reading.bytes)) {
      await options.room()
      if (socket !== from) return false
    }
    return true
  }

  /** The event in our own clock. Who says it is what we connected to, not what it says. */
  const asTold = (event: NodeEvent, receivedAt: number): Omit<FleetEvent, 'id'> => {
    const target = options.target()
    const said = Date.parse(event.at)
    const at = options.clock.timeOf(said, receivedAt, timeFloor)
    timeFloor = at
    return {
      source: 'node',
      seq: event.seq,
      epoch: event.epoch,
      node: target.id,
      region: target.region,
      type: event.type,
      at: new Date(at).toISOString(),
      receivedAt: new Date(receivedAt).toISOString(),
      // Both times are kept where they differ by more than delivery explains.
      data: Math.abs(said - at) > 1_000 ? { ...event.data, nodeAt: event.at } : { ...event.data },
    }
  }

  return {
    get state() {
      return state
    },
    get position() {
      return position
    },
    problems() {
      const told = refused.problems(now())
      if (now() - throttledAt < THROTTLED_TOLD_MS) {
        const { eventsPerSecond, bytesPerSecond } = options.allowance ?? EVENT_ALLOWANCE
        told.push(
          `sends more events than a node may (${eventsPerSecond} and ${Math.round(bytesPerSecond / 1024)} KiB a second for long); they are read more slowly`,
        )
      }
      return told
    },
    figures: () => ({ refused: { ...refused.counts }, throttledMs }),
    start() {
      if (!closed) return
      closed = false
      void connect()
    },
    restart() {
      if (closed) return
      attempt = 0
      hangUp()
      disarm('reconnect')
      void connect()
    },
    close() {
      closed = true
      disarm('reconnect')
      hangUp()
      gaps.close()
    },
  }
}

const isSeq = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const parseFrame = (text: string): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

const placeOf = (raw: unknown): StreamPosition | null => {
  if (typeof raw !== 'object' || raw === null) return null
  const { epoch, seq } = raw as Record<string, unknown>
  return typeof epoch === 'string' && epoch !== '' && epoch.length <= 64 && isSeq(seq) ? { epoch, seq } : null
}
