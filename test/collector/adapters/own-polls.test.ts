import { describe, expect, it } from 'vitest'
import { OwnPolls } from '../../../server/collector/adapters/own-polls.ts'

/** Asks, and reads, one after the other: what is left of each number once ours is taken off. */
const played = (steps: readonly ('ask' | 'begin' | number)[], each = 1): number[] => {
  const polls = new OwnPolls()
  return steps.flatMap((step) => {
    if (typeof step === 'number') return [step - polls.of(step, each)]
    polls[step]()
    return []
  })
}

describe('what our own polls add to a number', () => {
  it.each<[string, readonly ('ask' | 'begin' | number)[], number[]]>([
    ['those that were answered', ['ask', 100, 'ask', 101, 'ask', 102], [99, 99, 99]],
    ['those that were not, and counted all the same', ['ask', 100, 'ask', 'ask', 'ask', 103], [99, 99]],
    ['traffic beside them stays', ['ask', 100, 'ask', 'ask', 109], [99, 106]],
    ['those that are counted after the next one', ['ask', 100, 'ask', 'ask', 101, 'ask', 103], [99, 99, 99]],
    [
      'those that are never counted hide no traffic later',
      ['ask', 100, 'ask', 'ask', 101, 'ask', 102, 'ask', 113],
      [99, 99, 99, 109],
    ],
    ['a number that fell', ['ask', 100, 'ask', 7, 'ask', 8], [99, 6, 6]],
    ['another process', ['ask', 100, 'ask', 'ask', 'begin', 5], [99, 4]],
    ['a number in which we do not stand', ['ask', 0, 'ask', 0, 'ask', 0], [0, 0, 0]],
  ])('%s', (_, steps, left) => {
    expect(played(steps)).toEqual(left)
  })

  it('may be more than one each, or none', () => {
    expect(played(['ask', 100, 'ask', 'ask', 109], 3)).toEqual([97, 100])
    expect(played(['ask', 100, 'ask', 105], 0)).toEqual([100, 105])
  })
})
