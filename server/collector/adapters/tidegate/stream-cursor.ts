import { plural, verbFor } from '../../../contract/words.ts'
import type { StreamPosition } from '../adapter.ts'
import type { Hello } from './stream-frames.ts'

/** Ten times the ring. A number that leaps further within one connection is a fault, and must not hide the events after it. */
const MAX_LEAP = 100_000

/** Events that cannot be had any more. */
export interface Lost {
  fromSeq: number
  /** Null where it is not known how many they were. */
  toSeq: number | null
  reason: string
}

/**
 * How an event relates to what was read before. `foreign`: of another run. `leap`: so far ahead that it is a fault; `leapt`: the second
 * in a row, so these are its numbers now. `ahead`: others are missing before it. `next`: the one that is due. `late`: from inside a hole
 * that was given up. `repeat`: taken already.
 */
export type Standing = 'foreign' | 'leap' | 'leapt' | 'ahead' | 'next' | 'late' | 'repeat'

/** Where one node's events are read: every number is taken, skipped or given up once, in order. Knows no socket. */
export class StreamCursor {
  #position: StreamPosition | null = null
  /** Newest seq that existed when the connection began: later ones are live, and only they tell about clocks. */
  #helloSeq = Number.POSITIVE_INFINITY
  /** The newest hole that was given up: what still comes from inside it is no repeat. */
  #hole: { from: number; to: number } | null = null
  /** The newest number that was refused as a leap. */
  #leaptTo: number | null = null

  /** The newest event that was taken in or skipped for good; null before the first contact. */
  get position(): StreamPosition | null {
    return this.#position
  }

  /** Where the store ends. */
  resumeAt(position: StreamPosition | null): void {
    this.#position = position
  }

  /** True of events that happened after the connection began. */
  isLive(seq: number): boolean {
    return seq > this.#helloSeq
  }

  /** True while part of what the node had at its greeting has not come. */
  isBehind(hello: Hello): boolean {
    return this.#position?.epoch === hello.epoch && this.#position.seq < hello.newest
  }

  /**
   * Goes into the node's present run, and answers what lies between and is gone.
   *
   * @param isQuickRestart a new run began so soon after the last one that nothing can have happened which nobody read
   */
  greet(hello: Hello, isQuickRestart: boolean): Lost | null {
    const { epoch, newest, oldest } = hello
    const before = this.#position
    this.#leaptTo = null
    this.#helloSeq = newest
    const first = { epoch, seq: oldest - 1 }
    if (before?.epoch !== epoch) {
      this.#hole = null
      this.#position = first
      // First contact: what the ring has already forgotten was never ours to read.
      if (before === null || (isQuickRestart && oldest <= 1)) return null
      return {
        fromSeq: before.seq + 1,
        toSeq: null,
        reason: 'the node restarted; what its earlier run recorded last was not read',
      }
    }
    if (before.seq < first.seq) return this.giveUpTo(first.seq)
    if (before.seq > newest) this.#position = { epoch, seq: newest }
    return null
  }

  /** Remembers a leap: the second in a row is no fault. */
  standingOf({ epoch, seq }: StreamPosition): Standing {
    const position = this.#position
    if (position?.epoch !== epoch) return 'foreign'
    if (seq > Math.max(position.seq, this.#helloSeq) + MAX_LEAP) {
      if (seq - 1 === this.#leaptTo) return 'leapt'
      this.#leaptTo = seq
      return 'leap'
    }
    if (seq > position.seq) return seq === position.seq + 1 ? 'next' : 'ahead'
    return this.#hole !== null && seq >= this.#hole.from && seq <= this.#hole.to ? 'late' : 'repeat'
  }

  /** This one was taken in, or refused for good. */
  advance(place: StreamPosition): void {
    this.#position = place
  }

  /** One from inside the hole came after all; those before it will not. */
  takeLate(seq: number): void {
    if (this.#hole) this.#hole = { from: seq + 1, to: this.#hole.to }
  }

  /** Everything up to this number that was not read is given up. Only after a greeting. */
  giveUpTo(seq: number, why?: string): Lost {
    const from = (this.#position?.seq ?? 0) + 1
    this.#hole = { from, to: seq }
    if (this.#position) this.#position = { epoch: this.#position.epoch, seq }
    const reason =
      why ??
      `${plural(seq - from + 1, 'event')} ${verbFor(seq - from + 1, 'was', 'were')} overwritten in the node before ${verbFor(seq - from + 1, 'it was', 'they were')} read`
    return { fromSeq: from, toSeq: seq, reason }
  }
}
