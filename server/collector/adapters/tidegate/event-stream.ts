import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Log } from '../../../observe/log.ts'
import type { Store } from '../../../store/store.ts'
import { Backoff } from '../../../time/backoff.ts'
import type { EventSink, EventStream, StreamPosition } from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import type { Refusal } from '../refusals.ts'
import type { Control, ControlTarget } from './control.ts'
import type { EventAllowance } from './event-budget.ts'
import { EventReader } from './event-reader.ts'
import type { Frame } from './frame-queue.ts'
import { GapTeller } from './gap-teller.ts'
import { HoleFiller } from './hole-filler.ts'
import { MAX_FRAME_BYTES, StreamConnection } from './stream-connection.ts'
import { type Lost, StreamCursor } from './stream-cursor.ts'
import { type Hello, parseFrame, placeOf, readHello } from './stream-frames.ts'

const FIRST_BACKOFF_MS = 250
/** Frames taken in one turn of the event loop. */
const FRAMES_A_TURN = 100
/** After `hello` a node sends what it has; one that stays silent is asked over HTTP. */
const BACKLOG_WAIT_MS = 1_000
/** A connection that held so long was a good one: the next attempt comes at once again. */
const SOUND_MS = 10_000
/** A node that was gone no longer than this between two epochs has simply restarted: nothing happened that nobody read. */
const RESTART_MS = 10_000

export interface StreamTarget extends ControlTarget {
  readonly region: string
}

export interface TidegateStreamOptions {
  store: Pick<Store, 'position'>
  control: Pick<Control, 'call'>
  rules: AddressRules
  log: Log
  maxBackoffMs: number
  allowance?: EventAllowance
  /** Wall clock in epoch ms. */
  now?: () => number
}

/**
 * Follows one node's events over one WebSocket, resumed where the store ends. Every event is accepted in order and once; a
 * hole is filled from `GET /events`, and what cannot be filled is reported as a gap. A node that sends more than it may, or
 * than there is room for, is read more slowly: its own ring is the buffer.
 */
export class TidegateStream implements EventStream {
  readonly #target: () => StreamTarget
  readonly #sink: EventSink
  readonly #options: TidegateStreamOptions
  readonly #now: () => number
  readonly #cursor = new StreamCursor()
  readonly #reader: EventReader
  readonly #filler: HoleFiller
  readonly #gaps: GapTeller
  readonly #backoff: Backoff
  #connection: StreamConnection | null = null
  /** The question to the store where the events end, asked once: a second answer would take back what was read since the first. */
  #resumed: Promise<void> | null = null
  #state: 'live' | 'connecting' = 'connecting'
  #pumping = false
  #closed = true
  #disconnectedAt: number | null = null
  #again: NodeJS.Timeout | null = null

  /** @param target asked for each connection: a node may move */
  constructor(target: () => StreamTarget, sink: EventSink, options: TidegateStreamOptions) {
    const { control, log, allowance, now = Date.now } = options
    this.#target = target
    this.#sink = sink
    this.#options = options
    this.#now = now
    this.#reader = new EventReader({ target, sink, log, allowance, now })
    this.#gaps = new GapTeller((gap) => sink.onGap(gap))
    this.#backoff = new Backoff({ baseMs: FIRST_BACKOFF_MS, maxMs: options.maxBackoffMs })
    const onLost = (lost: Lost) => this.#lose(lost)
    this.#filler = new HoleFiller({ control, target, cursor: this.#cursor, onLost })
  }

  get state(): 'live' | 'connecting' {
    return this.#state
  }

  get position(): StreamPosition | null {
    return this.#cursor.position
  }

  problems(): string[] {
    return this.#reader.problems()
  }

  figures(): { refused: Record<Refusal, number>; throttledMs: number } {
    return this.#reader.figures()
  }

  start(): void {
    if (!this.#closed) return
    this.#closed = false
    void this.#connect()
  }

  restart(): void {
    if (this.#closed) return
    this.#backoff.reset()
    this.#hangUp()
    this.#cancelAgain()
    void this.#connect()
  }

  close(): void {
    this.#closed = true
    this.#cancelAgain()
    this.#hangUp()
    this.#gaps.close()
  }

  async #connect(): Promise<void> {
    if (this.#closed || this.#connection) return
    const { log, rules } = this.#options
    try {
      await this.#readPosition()
    } catch (error) {
      log.debug({ err: error, node: this.#target().id }, 'the position of an event stream could not be read')
      return this.#reconnect()
    }
    // Another connect, or close(), may have come while the store was asked.
    if (this.#closed || this.#connection) return
    // And the node may have moved meanwhile.
    const target = this.#target()
    const refusal = rules.refusesUrl(target.url, target.embedded)
    if (refusal !== null) {
      log.debug({ node: target.id, reason: refusal }, 'an event stream is not opened')
      return this.#reconnect()
    }
    this.#connection = new StreamConnection(target, this.#cursor.position, {
      rules,
      log,
      onFrame: () => void this.#pump(),
      onEnd: (connection) => {
        if (connection === this.#connection && !this.#pumping) this.#reconnect()
      },
      onSilence: () => this.#reconnect(),
    })
  }

  #readPosition(): Promise<void> {
    this.#resumed ??= this.#options.store.position(this.#target().id).then(
      (position) => this.#cursor.resumeAt(position),
      (error: unknown) => {
        this.#resumed = null
        throw error
      },
    )
    return this.#resumed
  }

  #hangUp(): void {
    const old = this.#connection
    this.#connection = null
    if (old) {
      if (this.#state === 'live') this.#disconnectedAt = this.#now()
      old.drop()
    }
    this.#setState('connecting')
  }

  #reconnect(): void {
    this.#hangUp()
    if (this.#closed || this.#again !== null) return
    this.#again = setTimeout(() => {
      this.#again = null
      void this.#connect()
    }, this.#backoff.next())
  }

  #cancelAgain(): void {
    if (this.#again !== null) clearTimeout(this.#again)
    this.#again = null
  }

  #setState(next: 'live' | 'connecting'): void {
    if (this.#state === next) return
    this.#state = next
    this.#options.log.info({ node: this.#target().id, state: next }, 'an event stream changed its state')
    this.#sink.onChange()
  }

  /**
   * Takes what waits, one frame after the other, also over a change of connections: what an old one's last frame still does must
   * have ended before the first of the new one.
   */
  async #pump(): Promise<void> {
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (let from = this.#connection; from !== null && !from.isIdle; from = this.#connection)
        await this.#takeAll(from)
    } finally {
      this.#pumping = false
    }
    // It ended while its frames were being taken, when nobody could be told.
    if (this.#connection?.hasEnded === true) this.#reconnect()
  }

  async #takeAll(from: StreamConnection): Promise<void> {
    let inTurn = 0
    try {
      for (let frame = from.take(); frame !== null; frame = from.take()) {
        await this.#take(from, frame)
        if (from.isDropped) return
        from.done(frame)
        inTurn += 1
        if (inTurn % FRAMES_A_TURN === 0) await nextTurn()
      }
    } catch (error) {
      if (from.isDropped) return
      const node = this.#target().id
      this.#options.log.debug({ err: error, node }, 'an event stream is read again from its position')
      this.#reconnect()
    }
  }

  async #take(from: StreamConnection, item: Frame): Promise<void> {
    if ('fillTo' in item) return this.#fill(from, item.fillTo)
    if ('tooLarge' in item) return this.#skipTooLarge()
    const bytes = item.text.length
    const frame = parseFrame(item.text)
    if (frame === null || frame.type === 'gap' || frame.type === 'ping') return this.#reader.spend(bytes)
    if (frame.type === 'hello') return from.greeted ? undefined : this.#greet(from, frame)
    if (!from.greeted) throw new Error('events came before the hello frame')
    if (frame.type !== 'events' || !Array.isArray(frame.events))
      return this.#takeEvent(from, frame.type === 'event' ? frame.event : frame, bytes)
    for (const event of frame.events) {
      await this.#takeEvent(from, event, Math.ceil(bytes / frame.events.length))
      if (from.isDropped) return
    }
  }

  /** A frame that is larger than any: which event it was is not known but that it is the next one. */
  #skipTooLarge(): void {
    this.#reader.refuse('too_large', `a frame of more than ${MAX_FRAME_BYTES} bytes`)
    const position = this.#cursor.position
    if (position)
      this.#lose(this.#cursor.giveUpTo(position.seq + 1, 'an event was larger than any frame may be'))
  }

  #greet(from: StreamConnection, frame: Record<string, unknown>): void {
    const hello = readHello(frame)
    if (hello === null) throw new Error('the hello frame has no epoch and seq')
    from.greeted = true
    const away = this.#disconnectedAt === null ? null : this.#now() - this.#disconnectedAt
    const isQuickRestart = this.#target().embedded || (away !== null && away < RESTART_MS)
    if (this.#cursor.position?.epoch !== hello.epoch) this.#reader.beginRun()
    const lost = this.#cursor.greet(hello, isQuickRestart)
    if (lost) this.#lose(lost)
    this.#setState('live')
    this.#disconnectedAt = null
    this.#sink.onLive()
    from.later(SOUND_MS, () => this.#backoff.reset())
    this.#lookForBacklog(from, hello)
  }

  #lookForBacklog(from: StreamConnection, hello: Hello): void {
    from.later(BACKLOG_WAIT_MS, () => {
      if (!this.#cursor.isBehind(hello)) return
      // While something comes it is the backlog that comes.
      if (this.#pumping) this.#lookForBacklog(from, hello)
      else from.push({ fillTo: hello.newest + 1 })
    })
  }

  async #takeEvent(from: StreamConnection, raw: unknown, bytes: number): Promise<void> {
    await this.#reader.spend(bytes)
    const place = placeOf(raw)
    if (!place) return this.#reader.refuse('malformed', 'an event without its place')
    const standing = this.#cursor.standingOf(place)
    if (standing === 'foreign') return this.#reader.refuse('malformed', 'an event of another run')
    if (standing === 'leap' || standing === 'leapt') {
      this.#reader.refuse('implausible_seq', `${place.seq} after ${this.#cursor.position?.seq}`)
      // It goes on from there: these are its numbers now, and what it says when asked again is believed.
      if (standing === 'leapt') throw new Error('the numbers of its events have leapt')
      return
    }
    if (standing === 'ahead') await this.#fill(from, place.seq)
    if (from.isDropped || standing === 'repeat') return
    if (standing === 'late') this.#cursor.takeLate(place.seq)
    const taken = await this.#hand(from, raw, place)
    if (taken && standing !== 'late') this.#cursor.advance(place)
  }

  /** Reads what lies before `upTo` over HTTP. */
  #fill(from: StreamConnection, upTo: number): Promise<void> {
    return this.#filler.fill(
      upTo,
      (raw, place) => this.#hand(from, raw, place),
      () => !from.isDropped,
    )
  }

  #hand(from: StreamConnection, raw: unknown, place: StreamPosition): Promise<boolean> {
    return this.#reader.take(raw, {
      isLive: this.#cursor.isLive(place.seq),
      isPrompt: from.waiting <= FRAMES_A_TURN,
      isWanted: () => !from.isDropped,
    })
  }

  #lose(lost: Lost): void {
    this.#gaps.tell({ ...lost, fromMs: this.#disconnectedAt, toMs: this.#now() })
  }
}
