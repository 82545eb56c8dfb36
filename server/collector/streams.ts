import type { LookupFunction } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import { type FleetEvent, parseEvent } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { EventInput, Store } from '../store/store.ts'
import type { Control, ControlTarget } from './control.ts'
import type { AddressRules } from './probe/address.ts'
import { cleanValue } from './probe/document.ts'

const HANDSHAKE_MS = 5_000
/** A node pings every 25 s; two misses and a little, and the connection is given up. */
const SILENCE_MS = 60_000
const MAX_FRAME_BYTES = 1_048_576
/** Frames that may wait while a hole is being filled; beyond it the stream is read again from its position. */
const MAX_PENDING = 20_000
const FILL_PAGE = 1_000
/** After `hello` a node sends what it has; one that stays silent is asked over HTTP. */
const BACKLOG_WAIT_MS = 1_000
/** A node that was gone no longer than this between two epochs has simply restarted: nothing happened that nobody read. */
const RESTART_MS = 10_000
const SKEW_SAMPLES = 20

export interface StreamTarget extends ControlTarget {
  readonly region: string
}

export interface EventStream {
  readonly state: 'live' | 'connecting'
  /** Milliseconds by which the node's clock is ahead of ours; null before the first live event. */
  readonly clockSkewMs: number | null
  start(): void
  /** Connects again at once, for example because the node moved. */
  restart(): void
  close(): void
}

export interface StreamOptions {
  target: () => StreamTarget
  store: Pick<Store, 'position'>
  control: Control
  rules: AddressRules
  log: Log
  maxBackoffMs: number
  /** Takes an event; false where there is no room at the moment. */
  accept: (event: EventInput) => boolean
  /** Part of the stream cannot be had any more. `fromMs` is null where it is not known since when. */
  onGap: (gap: {
    fromSeq: number
    toSeq: number | null
    fromMs: number | null
    toMs: number
    reason: string
  }) => void
  onLive: () => void
  onChange: () => void
}

interface Position {
  epoch: string
  seq: number
}

/**
 * Follows one node's events over one WebSocket, resumed where the store ends. Every event is accepted in order and once; a
 * hole is filled from `GET /events`, and what cannot be filled is reported as a gap.
 */
export const createEventStream = (options: StreamOptions): EventStream => {
  let socket: WebSocket | null = null
  let position: Position | null = null
  let positionKnown = false
  /** Newest seq that existed when the connection began: later ones are live, and only they tell about clocks. */
  let helloSeq = Number.POSITIVE_INFINITY
  let state: 'live' | 'connecting' = 'connecting'
  let pending: unknown[] = []
  let pumping = false
  let attempt = 0
  let closed = true
  let disconnectedAt: number | null = null
  let reconnectTimer: NodeJS.Timeout | null = null
  let silenceTimer: NodeJS.Timeout | null = null
  let backlogTimer: NodeJS.Timeout | null = null
  let skews: number[] = []

  const setState = (next: 'live' | 'connecting'): void => {
    if (state === next) return
    state = next
    options.onChange()
  }

  const hangUp = (): void => {
    const old = socket
    socket = null
    pending = []
    for (const timer of [silenceTimer, backlogTimer]) if (timer) clearTimeout(timer)
    silenceTimer = null
    backlogTimer = null
    if (old) {
      if (state === 'live') disconnectedAt = Date.now()
      old.terminate()
    }
    setState('connecting')
  }

  const reconnect = (): void => {
    hangUp()
    if (closed || reconnectTimer) return
    const ceiling = Math.min(250 * 2 ** Math.min(attempt, 10), options.maxBackoffMs)
    attempt += 1
    reconnectTimer = setTimeout(
      () => {
        reconnectTimer = null
        void connect()
      },
      ceiling * (0.5 + Math.random() / 2),
    )
  }

  const heard = (): void => {
    if (silenceTimer) clearTimeout(silenceTimer)
    silenceTimer = setTimeout(reconnect, SILENCE_MS)
  }

  const connect = async (): Promise<void> => {
    if (closed || socket) return
    const target = options.target()
    try {
      if (!positionKnown) {
        position = await options.store.position(target.id)
        positionKnown = true
      }
    } catch (error) {
      options.log.warn({ err: error, node: target.id }, 'the position of an event stream could not be read')
      return reconnect()
    }
    // Another connect, or close(), may have come while the store was asked.
    if (closed || socket) return
    const refusal = options.rules.refusesUrl(target.url, target.embedded)
    if (refusal !== null) {
      options.log.warn({ node: target.id, reason: refusal }, 'an event stream is not opened')
      return reconnect()
    }
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
    const opened = new WebSocket(url, clientOptions)
    socket = opened
    heard()
    opened.on('error', (error) => options.log.debug({ err: error, node: target.id }, 'event stream failed'))
    opened.on('close', () => {
      if (socket === opened) reconnect()
    })
    opened.on('ping', heard)
    opened.on('message', (data, isBinary) => {
      if (socket !== opened) return
      heard()
      if (isBinary) return
      const frame = parseFrame(String(data))
      if (frame === null) return
      if (pending.length >= MAX_PENDING) return reconnect()
      pending.push(frame)
      void pump(opened)
    })
  }

  const pump = async (from: WebSocket): Promise<void> => {
    if (pumping) return
    pumping = true
    try {
      while (socket === from && pending.length > 0) {
        const batch = pending
        pending = []
        for (const frame of batch) {
          if (socket !== from) break
          await take(frame)
        }
      }
    } catch (error) {
      options.log.warn(
        { err: error, node: options.target().id },
        'an event stream is read again from its position',
      )
      if (socket === from) reconnect()
    } finally {
      pumping = false
    }
    // A new connection may have brought frames while the old one's last await ended.
    if (socket && socket !== from && pending.length > 0) void pump(socket)
  }

  const take = async (frame: unknown): Promise<void> => {
    const fields = frame as Record<string, unknown>
    if (fields.type === 'hello') return greet(fields)
    if (fields.type === 'gap' || fields.type === 'ping') return
    if (fields.type === 'event') return takeEvent(fields.event)
    if (fields.type === 'events' && Array.isArray(fields.events)) {
      for (const event of fields.events) await takeEvent(event)
      return
    }
    return takeEvent(fields)
  }

  const greet = async (hello: Record<string, unknown>): Promise<void> => {
    const { epoch, seq, oldest } = hello
    if (typeof epoch !== 'string' || typeof seq !== 'number')
      throw new Error('the hello frame has no epoch and seq')
    const first = typeof oldest === 'number' ? oldest : 1
    attempt = 0
    helloSeq = seq
    enterEpoch(epoch, first, seq)
    setState('live')
    disconnectedAt = null
    options.onLive()
    backlogTimer = setTimeout(() => {
      if (!position || position.epoch !== epoch || position.seq >= seq) return
      fill(seq + 1).catch((error: unknown) => {
        options.log.debug({ err: error }, 'the backlog of an event stream could not be read')
        reconnect()
      })
    }, BACKLOG_WAIT_MS)
  }

  /** Puts the position into the node's present run, and reports what lies between and is gone. */
  const enterEpoch = (epoch: string, oldest: number, newest: number): void => {
    const away = disconnectedAt === null ? null : Date.now() - disconnectedAt
    if (!position) {
      // First contact: what the ring has already forgotten was never ours to read.
      position = { epoch, seq: oldest - 1 }
    } else if (position.epoch !== epoch) {
      const restarted = options.target().embedded || (away !== null && away < RESTART_MS)
      if (!restarted || oldest > 1) {
        options.onGap({
          fromSeq: position.seq + 1,
          toSeq: null,
          fromMs: disconnectedAt,
          toMs: Date.now(),
          reason: 'the node restarted; what its earlier run recorded last was not read',
        })
      }
      position = { epoch, seq: oldest - 1 }
    } else if (position.seq < oldest - 1) {
      reportHole(position.seq + 1, oldest - 1)
      position = { epoch, seq: oldest - 1 }
    } else if (position.seq > newest) position = { epoch, seq: newest }
  }

  const reportHole = (fromSeq: number, toSeq: number): void =>
    options.onGap({
      fromSeq,
      toSeq,
      fromMs: disconnectedAt,
      toMs: Date.now(),
      reason: `${toSeq - fromSeq + 1} events were overwritten in the node before they were read`,
    })

  const takeEvent = async (raw: unknown): Promise<void> => {
    const place = placeOf(raw)
    if (!place) return
    if (!position || position.epoch !== place.epoch) enterEpoch(place.epoch, place.seq, place.seq)
    if (!position || place.seq <= position.seq) return
    if (place.seq > position.seq + 1) await fill(place.seq)
    if (!position || place.seq <= position.seq) return
    accept(raw, place)
  }

  /** Reads what lies before `upTo` over HTTP; what the node no longer has is reported as a gap. */
  const fill = async (upTo: number): Promise<void> => {
    const epoch = position?.epoch
    while (position && position.epoch === epoch && position.seq + 1 < upTo) {
      const after = position.seq
      const answer = await options.control.call(
        options.target(),
        'GET',
        `/events?after=${encodeURIComponent(`${epoch}:${after}`)}&limit=${FILL_PAGE}`,
      )
      if (answer.status !== 200) throw new Error(`GET /events answered ${answer.status}`)
      const events = (answer.body as { events?: unknown } | null)?.events
      for (const raw of Array.isArray(events) ? events : []) {
        const place = placeOf(raw)
        if (!place || place.epoch !== epoch || place.seq >= upTo || place.seq <= position.seq) continue
        if (place.seq > position.seq + 1) {
          reportHole(position.seq + 1, place.seq - 1)
          position = { epoch, seq: place.seq - 1 }
        }
        accept(raw, place)
      }
      if (position.seq === after) {
        reportHole(after + 1, upTo - 1)
        position = { epoch: position.epoch, seq: upTo - 1 }
      }
    }
  }

  const accept = (raw: unknown, place: Position): void => {
    const target = options.target()
    const event = parseEvent(cleanValue(raw))
    if (!event) {
      // A newer node may know types that we do not; its place in the stream counts all the same.
      options.log.debug(
        { node: target.id, seq: place.seq },
        'an event that is not in the contract was skipped',
      )
      position = place
      return
    }
    const receivedAt = Date.now()
    const input: EventInput = {
      origin: target.id,
      source: 'node',
      seq: event.seq,
      epoch: event.epoch,
      // Who it is, is what we connected to, not what it says.
      node: target.id,
      region: target.region,
      type: event.type,
      at: new Date(event.at).toISOString(),
      receivedAt: new Date(receivedAt).toISOString(),
      data: event.data as FleetEvent['data'],
    }
    if (!options.accept(input)) {
      // No room: forget where we are in memory, and come back to where the store is.
      positionKnown = false
      position = null
      throw new Error('no room for events until the store has taken those that wait')
    }
    position = place
    if (place.seq > helloSeq) {
      skews = [...skews.slice(-(SKEW_SAMPLES - 1)), Date.parse(event.at) - receivedAt]
    }
  }

  return {
    get state() {
      return state
    },
    get clockSkewMs() {
      // Delivery only ever makes an event look older, so the largest difference is the one with the least delay in it.
      return skews.length === 0 ? null : Math.max(...skews)
    },
    start() {
      if (!closed) return
      closed = false
      void connect()
    },
    restart() {
      if (closed) return
      attempt = 0
      hangUp()
      if (reconnectTimer) clearTimeout(reconnectTimer)
      reconnectTimer = null
      void connect()
    },
    close() {
      closed = true
      if (reconnectTimer) clearTimeout(reconnectTimer)
      reconnectTimer = null
      hangUp()
    },
  }
}

const parseFrame = (text: string): unknown => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : null
  } catch {
    return null
  }
}

const placeOf = (raw: unknown): Position | null => {
  if (typeof raw !== 'object' || raw === null) return null
  const { epoch, seq } = raw as Record<string, unknown>
  return typeof epoch === 'string' && epoch !== '' && typeof seq === 'number' && Number.isSafeInteger(seq)
    ? { epoch: epoch.slice(0, 64), seq }
    : null
}
