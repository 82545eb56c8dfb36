import { describe, expect, it } from 'vitest'
import { NodeDriver } from '../../../server/collector/drains/node-driver.ts'
import { ScriptedFleet } from './scripted-fleet.ts'

/** What one look met, and how many seconds passed before it. */
type Look = ['answer' | 'refused' | 'silence' | 'no verbs', number]

const goneAfter = async (looks: readonly Look[]): Promise<boolean> => {
  const fleet = new ScriptedFleet()
  const node = fleet.get('fra-1')
  let now = 0
  const driver = new NodeDriver('fra-1', fleet, { now: () => 0, monotonic: () => now }, () => undefined)
  for (const [met, seconds] of looks) {
    now += seconds * 1_000
    node.answers = met !== 'refused'
    node.silent = met === 'silence'
    node.kind = met === 'no verbs' ? 'json' : 'tidegate'
    await driver.look()
  }
  return driver.isGone()
}
const times = (count: number, look: Look): Look[] => Array.from({ length: count }, () => look)

describe('the end of a process', () => {
  it.each<[string, Look[], boolean]>([
    ['is not proved by one lost answer', [['silence', 1]], false],
    ['is not proved by one refused connection', [['refused', 1]], false],
    ['is not proved by four refusals, however long', times(4, ['refused', 60]), false],
    ['is not proved by many refusals within a moment', times(50, ['refused', 0.05]), false],
    ['is proved by five refusals over five seconds', times(6, ['refused', 1]), true],
    [
      'is not proved when an answer came in between',
      [...times(4, ['refused', 1]), ['answer', 1], ...times(4, ['refused', 1])],
      false,
    ],
    [
      'is not proved by silence that turns into refusal at the end',
      [...times(6, ['silence', 1]), ['refused', 1]],
      false,
    ],
    ['is not proved by half a minute of silence', times(30, ['silence', 1]), false],
    ['is proved by a minute of silence', times(61, ['silence', 1]), true],
    ['is not proved where nobody can ask it for half a minute', times(30, ['no verbs', 1]), false],
    ['is taken for granted where nobody can ask it for a minute', times(61, ['no verbs', 1]), true],
    ['is not proved by two silences a minute apart', times(2, ['silence', 60]), false],
  ])('%s', async (_title, looks, gone) => {
    expect(await goneAfter(looks)).toBe(gone)
  })
})
