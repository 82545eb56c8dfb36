import { isDeepStrictEqual } from 'node:util'
import type { NodeNumbers } from '../../contract/index.ts'
import type { Adapter, EventSink, EventStream } from '../adapters/adapter.ts'
import type { Facts } from '../adapters/facts.ts'
import type { Reading } from '../adapters/reading.ts'
import type { NodeTarget } from '../adapters/registry.ts'
import { type Judgement, judgeStall, unknownJudgement } from '../judgement/judge.ts'
import type { NetworkDoubt } from '../judgement/network-doubt.ts'
import { type CountedBase, countedBase } from '../judgement/sample.ts'
import { NodeClock } from './node-clock.ts'
import { numbersOf } from './node-numbers.ts'

/** The newest good reading of a node. */
export interface Known {
  readonly facts: Facts
  /** The answer as it came, for people who want to see it. */
  readonly raw: unknown
  /** When it was read, epoch ms. */
  readonly at: number
}

/** One node as the collector holds it: where it is, what was read of it, and what is made of that. */
export class FleetNode {
  readonly id: string
  readonly region: string
  readonly embedded: boolean
  readonly clock = new NodeClock()
  readonly #adapter: Adapter<NodeTarget>
  readonly #ordinaryIntervalMs: number
  #target: NodeTarget
  #judgement: Judgement
  #reading: Reading | null = null
  #known: Known | null = null
  #counted: CountedBase | null = null
  #numbers: NodeNumbers | null = null
  #doubt: NetworkDoubt | null = null
  #stream: EventStream | null = null
  /** When its event stream broke, epoch ms: numbers measured before that are not of now. Null while it never did. */
  #brokeAt: number | null = null
  /** Largest gap reported by a registration since the last sample. */
  #gapMs: number | null = null
  /** Why its list of tunnels could not be read although it answered; null while it can. */
  #tunnelsUnread: string | null = null
  /** Ascends whenever its open connections are opened again. */
  #connection = 0
  /** It is watched no more. */
  #hasLeft = false
  /** A long list of tunnels costs the event loop: when it may be read again in passing, monotonic ms. */
  #tunnelsAgainAt = 0

  /**
   * @param at epoch ms since when nothing is known of it
   * @param ordinaryIntervalMs between two polls, where its target does not say otherwise
   */
  constructor(target: NodeTarget, adapter: Adapter<NodeTarget>, at: number, ordinaryIntervalMs: number) {
    this.id = target.id
    this.region = target.region
    this.embedded = target.embedded
    this.#target = target
    this.#adapter = adapter
    this.#ordinaryIntervalMs = ordinaryIntervalMs
    this.#judgement = unknownJudgement(at)
  }

  get target(): NodeTarget {
    return this.#target
  }

  get adapter(): Adapter<NodeTarget> {
    return this.#adapter
  }

  /** Milliseconds between two of its polls. */
  get intervalMs(): number {
    return this.#target.intervalMs ?? this.#ordinaryIntervalMs
  }

  get judgement(): Judgement {
    return this.#judgement
  }

  /** The newest reading, whatever its outcome. */
  get reading(): Reading | null {
    return this.#reading
  }

  get known(): Known | null {
    return this.#known
  }

  get facts(): Facts | null {
    return this.#known?.facts ?? null
  }

  /** The newest numbers as the node says them; worked out once a reading, since pages ask for them several times a second. */
  get numbers(): NodeNumbers {
    this.#numbers ??= this.#known === null ? {} : numbersOf(this.#known.facts)
    return this.#numbers
  }

  /** What increases are counted from. */
  get counted(): CountedBase | null {
    return this.#counted
  }

  /** Since when it is not known whether it, or our own way to it, is gone. */
  get doubt(): NetworkDoubt | null {
    return this.#doubt
  }

  get stream(): EventStream | null {
    return this.#stream
  }

  get tunnelsUnread(): string | null {
    return this.#tunnelsUnread
  }

  /**
   * Whether its numbers are of now. Those of a node that is down, not known, or did not answer its last poll are old; so are those from
   * before its event stream broke, because a process that dies ends its stream first.
   */
  get isMeasured(): boolean {
    return (
      this.#known !== null &&
      this.#reading?.outcome === 'ok' &&
      (this.#brokeAt === null || this.#known.at > this.#brokeAt) &&
      this.#judgement.state !== 'down' &&
      this.#judgement.state !== 'unknown'
    )
  }

  /** Asks it once. Null where it left, or what was open to it was closed by us meanwhile: the answer says nothing of it as it is now. */
  async ask(): Promise<Reading | null> {
    const connection = this.#connection
    const reading = await this.#adapter.probe(this.#target)
    return connection === this.#connection && !this.#hasLeft ? reading : null
  }

  /** A new reading, whatever it says. */
  take(reading: Reading): void {
    this.#reading = reading
    if (reading.saidAt !== undefined)
      this.clock.sawDate(reading.saidAt, reading.at + reading.durationMs, reading.durationMs)
  }

  judge(judgement: Judgement, doubt: NetworkDoubt | null): void {
    this.#judgement = judgement
    this.#doubt = doubt
  }

  /** The collector itself was away until `at` (epoch ms): nothing is known of the node any more. */
  stall(at: number): void {
    this.#judgement = judgeStall(this.#judgement, at)
  }

  /** A good reading of which the sample has been taken: the next one counts from here. */
  know(facts: Facts, reading: Reading): void {
    this.#counted = countedBase(this.#counted, facts)
    this.#numbers = null
    this.#known = { facts, raw: reading.raw, at: reading.at }
  }

  /** A host that registered here says how long it was away. */
  sawGap(ms: number): void {
    this.#gapMs = Math.max(this.#gapMs ?? 0, ms)
  }

  /** The largest gap since this was last asked; null where none was. */
  takeGap(): number | null {
    const gap = this.#gapMs
    this.#gapMs = null
    return gap
  }

  /** Begins to follow its events, where it has any. */
  follow(sink: EventSink): void {
    this.#stream = this.#adapter.follow?.(() => this.#target, sink) ?? null
    this.#stream?.start()
  }

  streamBroke(at: number): void {
    this.#brokeAt = at
  }

  /** Why its list of tunnels cannot be read, or null. Answers whether that is news. */
  setTunnelsUnread(why: string | null): boolean {
    const isNews = this.#tunnelsUnread !== why
    this.#tunnelsUnread = why
    return isNews
  }

  /** Its list of tunnels is left alone in passing until then, monotonic ms. */
  restTunnels(until: number): void {
    this.#tunnelsAgainAt = until
  }

  /** Whether its list of tunnels may be read in passing: its events flow, and the list had its rest. */
  get tunnelsAreDue(): boolean {
    return this.#stream?.state === 'live' && this.#tunnelsAgainAt <= performance.now()
  }

  /** True where this names the same node: another region, kind or home is another node of the same id. */
  is(target: NodeTarget): boolean {
    return (
      target.id === this.id &&
      target.region === this.region &&
      target.kind === this.#target.kind &&
      target.embedded === this.embedded
    )
  }

  /** Takes another address, or another secret for it. What is known of the node stays. Answers whether it differs. */
  retarget(target: NodeTarget): boolean {
    if (isDeepStrictEqual(this.#target, target)) return false
    const isSameWay = isDeepStrictEqual(wayOf(this.#target), wayOf(target))
    this.#target = target
    if (!isSameWay) this.reconnect()
    return true
  }

  /** Its connections are opened again, for example because other addresses are allowed now. */
  reconnect(): void {
    this.#connection += 1
    // Perhaps another program, or other places in its answer: what it counted before we asked, it did not count since. Our own nodes name
    // their runs, and one that was started again counted all of it since.
    if (this.#target.kind !== 'tidegate') this.#counted = null
    this.#adapter.forget(this.id)
    this.#stream?.restart()
  }

  /** It was started again at another address. */
  moveTo(address: { url: string; token: string }): void {
    if (this.#target.kind !== 'tidegate') return
    this.retarget({ ...this.#target, ...address })
  }

  /** It is watched no more: nothing is kept open to it, and an answer that is still under way is dropped. */
  leave(): void {
    this.#hasLeft = true
    this.#stream?.close()
    this.#adapter.forget(this.id)
  }

  /**
   * Where it is asked. A program that does not name its runs cannot be told from another one once it is asked anew, so that is another
   * place too; of our own process, which has another port with each start, it never is.
   */
  get place(): string {
    if (this.embedded) return 'embedded'
    return this.#target.kind === 'tidegate' ? this.#target.url : `${this.#target.url} #${this.#connection}`
  }

  get hasLeft(): boolean {
    return this.#hasLeft
  }
}

/** What it takes to reach it and to read it; how often it is asked, and who takes it out of service, changes neither. */
const wayOf = (target: NodeTarget): unknown => {
  const { intervalMs: _, timeoutMs: __, ...way } = target
  return { ...way, drain: undefined }
}
