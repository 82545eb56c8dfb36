import { durationWords, listWords } from '../../contract/words.ts'
import type { SignalVerdict } from './rule.ts'

export interface RegionUnreachableFacts {
  region: string
  nodes: readonly string[]
  /** Since when the whole region is told to be unreachable, epoch ms; null while it is not. */
  unreachableSince: number | null
  /** Every node of it is away on purpose: a drain or somebody's maintenance took it out. */
  explained: boolean
  /** A node of it is judged alive at the moment. */
  anyAlive: boolean
  open: boolean
  now: number
}

/** `region.unreachable`: all nodes of a region of two or more vanished within one fall window. Closes when one answers. */
export const regionUnreachable = (facts: RegionUnreachableFacts): SignalVerdict => {
  if (facts.anyAlive) return { state: 'closed', because: `${facts.region} answers again` }
  if (facts.unreachableSince === null) {
    return facts.open
      ? { state: 'hold' }
      : { state: 'closed', because: `${facts.region} did not vanish at once` }
  }
  if (facts.explained) return { state: 'closed', because: 'it is away on purpose' }
  return {
    state: 'open',
    startedAt: facts.unreachableSince,
    sentence: `${facts.region} is unreachable: ${listWords(facts.nodes)} vanished within one interval of judging`,
    title: `${facts.region} is unreachable`,
    severity: 'critical',
    impact: `${facts.region} unreachable for ${durationWords(facts.now - facts.unreachableSince)}`,
  }
}
