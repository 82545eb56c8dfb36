import { describe, expect, it } from 'vitest'
import { EmptyProof } from '../../../server/collector/drains/empty-proof.ts'
import { Traffic } from '../../../server/collector/drains/traffic.ts'
import { factsWith } from '../signals/scripted-view.ts'

/** Second, counted by then, and the run that counted. */
type Look = [at: number, counted: number | undefined, epoch?: string]

const wordsAfter = (
  looks: readonly Look[],
  name: 'connections_accepted' | 'requests' = 'connections_accepted',
) => {
  let now = 0
  const traffic = new Traffic({ monotonic: () => now })
  for (const [at, counted, epoch = 'run1'] of looks) {
    now = at * 1_000
    traffic.see(factsWith({ epoch, counters: counted === undefined ? {} : { [name]: { all: counted } } }))
  }
  return traffic.words()
}

describe('what a node still takes', () => {
  it.each<[string, Look[], string | null]>([
    ['one look says nothing', [[0, 10]], null],
    [
      'nor does too short a time',
      [
        [0, 10],
        [3.9, 20],
      ],
      null,
    ],
    [
      'what is counted over a few seconds is a rate',
      [
        [0, 10],
        [4, 12],
      ],
      'takes 0.5 connections/s',
    ],
    [
      'one a second',
      [
        [0, 10],
        [5, 15],
      ],
      'takes 1 connection/s',
    ],
    [
      'many',
      [
        [0, 0],
        [5, 6_000],
      ],
      'takes 1 200 connections/s',
    ],
    [
      'very few are not none',
      [
        [0, 10],
        [10, 10.4],
      ],
      'takes 0.1 connections/s',
    ],
    [
      'nothing new',
      [
        [0, 10],
        [5, 10],
      ],
      null,
    ],
    [
      'what came long ago is over',
      [
        [0, 10],
        [5, 20],
        [16, 20],
        [21, 20],
      ],
      null,
    ],
    [
      'another run begins anew',
      [
        [0, 10],
        [5, 2_000, 'run2'],
      ],
      null,
    ],
    [
      'a counter that was missing once',
      [
        [0, 10],
        [2, undefined],
        [5, 15],
      ],
      'takes 1 connection/s',
    ],
  ])('%s', (_title, looks, words) => {
    expect(wordsAfter(looks)?.replace(/[\u00a0\u202f\u2009]/g, ' ') ?? null).toBe(words)
  })

  it('is requests where connections are not counted', () => {
    expect(
      wordsAfter(
        [
          [0, 10],
          [5, 20],
        ],
        'requests',
      ),
    ).toBe('answers 2 requests/s')
  })
})

describe('the proof that another program is empty', () => {
  const proved = (looks: readonly [at: number, open: number, accepted: number][]) => {
    let now = 0
    const proof = new EmptyProof({ monotonic: () => now })
    return looks.map(([at, connections, accepted]) => {
      now = at * 1_000
      return proof.see(
        factsWith({ gauges: { connections }, counters: { connections_accepted: { all: accepted } } }),
      )
    })
  }

  it('takes five seconds in which nothing is open and nothing came, not a byte less', () => {
    expect(
      proved([
        [0, 0, 7],
        [4.999, 0, 7],
        [5, 0, 7],
      ]),
    ).toEqual([false, false, true])
    expect(
      proved([
        [0, 0, 7],
        [4, 0, 8],
        [5, 0, 8],
        [9, 0, 8],
      ]),
    ).toEqual([false, false, false, true])
    expect(
      proved([
        [0, 0, 7],
        [4, 1, 7],
        [6, 0, 7],
        [10, 0, 7],
      ]),
    ).toEqual([false, false, false, false])
  })
})

describe('a node with connections that are kept alive', () => {
  it('says the requests that it answers, not the one connection that is new', () => {
    let now = 0
    const traffic = new Traffic({ monotonic: () => now })
    for (const [at, accepted, requests] of [
      [0, 10, 100],
      [5, 11, 150],
    ] as const) {
      now = at * 1_000
      const counters = { connections_accepted: { nginx: accepted }, requests: { nginx: requests } }
      traffic.see(factsWith({ epoch: 'run1', counters }))
    }
    expect(traffic.words()).toBe('answers 10 requests/s')
  })
})
