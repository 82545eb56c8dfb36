import { randomBytes } from 'node:crypto'

const GIVEN = /^(.*?)seen-\d+-(?:([0-9a-f]{8})-)?\d+$/

/** Names for runs that were told apart here. Each says who gave it: another process of the collector gives another one to the same run. */
export class RunNames {
  readonly #giver = randomBytes(4).toString('hex')
  /** Two within one millisecond have two names. */
  #given = 0

  /** @param at when it was first seen, epoch ms */
  next(at: number): string {
    return `seen-${at}-${this.#giver}-${++this.#given}`
  }
}

/** Whether two epochs are names of one run; `unknown` where two processes of the collector gave them, and nothing before them differs. */
export const tellRuns = (one: string, other: string): 'same' | 'another' | 'unknown' => {
  if (one === other) return 'same'
  const name = GIVEN.exec(one)
  const otherName = GIVEN.exec(other)
  if (name === null || otherName === null || name[1] !== otherName[1]) return 'another'
  return name[2] !== undefined && name[2] === otherName[2] ? 'another' : 'unknown'
}
