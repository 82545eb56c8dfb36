import type { Drain } from '../contract/drains.ts'
import { progressText } from './drain-text.ts'

/** How often a line comes where only numbers changed, so that a person who watches knows that both sides are still there. */
const HEARTBEAT_MS = 30_000
/** Numbers on their own, with what they count; digits within names belong to the names. */
const COUNTS = /(?<![\w-])\d[\d.]*(?: \d{3})*(?![\w-])(?: (\w+?)s?\b)?/g

const NAMES = /(register elsewhere): .*$/

/** Decides what is worth a line while a drain is followed: each change, and now and then how far it has got. */
export class SpokenProgress {
  #said = ''
  #saidAt = Number.NEGATIVE_INFINITY

  /** The line for what was just read; null where it says nothing new. `now` is monotonic ms. */
  next(drain: Drain, now: number): string | null {
    const what = changeable(drain)
    if (what === this.#said && now - this.#saidAt < HEARTBEAT_MS) return null
    this.#said = what
    this.#saidAt = now
    return progressText(drain)
  }
}

/** The text without numbers and names of tunnels on their way, which change with every look. */
const changeable = ({ version, steps, note }: Drain): string =>
  JSON.stringify([
    version,
    steps.map(({ phase, outcome }) => [phase, outcome]),
    note?.replace(NAMES, '$1').replace(COUNTS, '# $1'),
  ])
