import type { LivePublisher, RoomCheck, RoomProblem } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import { REFUSALS } from '../adapters/refusals.ts'
import type { EventSink } from '../events/event-sink.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { CLOCK_PROBLEM_MS } from '../fleet/node-clock.ts'
import { roomLooks } from './room-looks.ts'
import { Pulse, SelfWatch } from './self-watch.ts'
import { StreamLag } from './stream-lag.ts'
import type { Watch } from './watch.ts'

export interface ControlRoomOptions {
  fleet: Fleet
  sink: Pick<EventSink, 'figures'>
  watch: Watch
  store: Pick<Store, 'health'>
  live: LivePublisher
  drains: { progress(): { longestWithoutTickMs: number | null } }
  history: { readonly figures: RoomCheck['history'] }
  detector: { readonly faults: number }
  /** What others found wrong with the room. */
  told: () => readonly RoomProblem[]
  log: Log
  /** Wall clock in epoch ms. */
  now: () => number
}

/** How the collector itself is doing: no part of it stops without a word. */
export class ControlRoom {
  readonly #options: ControlRoomOptions
  readonly #selfWatch: SelfWatch
  readonly #detection = new Pulse()
  readonly #live = new Pulse()
  #liveSeq: number

  constructor(options: ControlRoomOptions) {
    this.#options = options
    this.#liveSeq = options.live.seq
    const { fleet, sink, watch, store, live, drains } = options
    // A part that is stuck is reported at the pace of the node that is polled most often.
    const pollIntervalMs = () => watch.shortestIntervalMs
    const streams = new StreamLag(fleet)
    this.#selfWatch = new SelfWatch({
      watched: roomLooks({
        pollIntervalMs,
        storeHealth: () => store.health(),
        intake: () => sink.figures(),
        polls: () => watch.figures(),
        behind: () => streams.behind(),
        networkLost: () => watch.networkLost(),
        detectionAgeMs: () => this.#detection.ageMs,
        drainsAgeMs: () => drains.progress().longestWithoutTickMs,
        liveAgeMs: () => this.#liveAgeMs(),
        skews: () => skewsOf(fleet),
        overflowed: () => fleet.hosts.overflowed,
      }),
      graceMs: () => Math.max(5_000, 2 * pollIntervalMs()),
      log: options.log,
      onChange: () => live.changed('overview'),
      now: options.now,
    })
  }

  start(): void {
    this.detected()
    this.#selfWatch.start()
  }

  close(): void {
    this.#selfWatch.close()
  }

  /** The conditions have just been looked at. */
  detected(): void {
    this.#detection.beat()
  }

  /** What was told from outside is not told a second time: of the store its own room knows more. */
  problems(): RoomProblem[] {
    const told = this.#options.told()
    const own = this.#selfWatch.problems()
    return [...told, ...own.filter(({ code }) => !told.some((each) => each.code === code))]
  }

  check(): RoomCheck {
    const { fleet, sink, watch, drains, history, detector } = this.#options
    const { queued, queuedBytes, dropped, stored, oldestAgeMs, lastStoredAt } = sink.figures()
    const streams = fleet.members().flatMap((node) => node.stream?.figures() ?? [])
    const refused = Object.fromEntries(
      REFUSALS.map((reason) => [reason, streams.reduce((sum, stream) => sum + stream.refused[reason], 0)]),
    )
    const ages = {
      polls: watch.figures().startedAgeMs,
      detection: this.#detection.ageMs,
      drains: drains.progress().longestWithoutTickMs,
      live: this.#live.ageMs,
    }
    const parts = Object.entries(ages).flatMap(([part, age]) => (age === null ? [] : [[part, age] as const]))
    return {
      problems: this.problems(),
      events: {
        queued,
        queuedBytes,
        dropped,
        stored,
        oldestAgeMs,
        lastStoredAt: lastStoredAt === null ? null : new Date(lastStoredAt).toISOString(),
        refused,
        throttledMs: streams.reduce((sum, stream) => sum + stream.throttledMs, 0),
      },
      hosts: {
        known: fleet.hosts.size,
        overflowed: fleet.hosts.overflowed,
        forgotten: fleet.hosts.forgotten,
      },
      ...(history.figures === undefined ? {} : { history: history.figures }),
      signals: { faults: detector.faults },
      parts: Object.fromEntries(parts),
    }
  }

  #liveAgeMs(): number | null {
    const { live, watch } = this.#options
    if (live.seq !== this.#liveSeq) this.#live.beat()
    this.#liveSeq = live.seq
    // Every poll is published: where none begins, nothing is due.
    const polls = watch.figures().startedAgeMs
    return polls !== null && polls < 2 * watch.shortestIntervalMs ? this.#live.ageMs : null
  }
}

/** Nodes that answer, and whose clock is wrong by enough to be a problem. */
const skewsOf = (fleet: Fleet): { node: string; ms: number }[] =>
  fleet.members().flatMap((node) => {
    const ms = node.clock.skewMs ?? 0
    return node.reading?.outcome === 'ok' && Math.abs(ms) >= CLOCK_PROBLEM_MS ? [{ node: node.id, ms }] : []
  })
