import type { Drain } from '../contract/drains.ts'
import { progressText } from './drain-text.ts'

/** Where nothing but numbers changed, a line comes so often: somebody who watches knows that both sides are still there. */
const HEARTBEAT_MS = 30_000
/** Numbers that stand alone, with what they count: those within names are names. */
const COUNTS = /(?<![\w-])\d[\d.]*(?: \d{3})*(?![\w-])(?: (\w+?)s?\b)?/g

const NAMES = /(register elsewhere): .*$/

/** What is worth a line of its own while a drain is followed: each change, and now and then how far it is. */
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

/** All but numbers, and but names of tunnels that are on their way: these change with every look. */
const changeable = ({ version, steps, note }: Drain): string =>
  JSON.stringify([
    version,
    steps.map(({ phase, outcome }) => [phase, outcome]),
    note?.replace(NAMES, '$1').replace(COUNTS, '# $1'),
  ])
