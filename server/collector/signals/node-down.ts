import type { ObservedState } from '../../contract/index.ts'
import { durationWords, plural } from '../../contract/words.ts'
import type { SignalVerdict } from './rule.ts'

export interface NodeDownFacts {
  node: string
  region: string
  state: ObservedState
  /** Since when it is told to be down, epoch ms; null while it is not. */
  downSince: number | null
  /** The whole region is told to be unreachable: then that is the signal. */
  regionUnreachable: boolean
  /** A drain took it out (an exit, or a restart while it is held), or the operator wants it away. */
  explained: boolean
  /** Other nodes of the region that serve. */
  othersUp: number
  reason: string
  open: boolean
  now: number
}

/** `node.down`: judging found a node down, and not with all its region. Closes when it answers again. */
export const nodeDown = (facts: NodeDownFacts): SignalVerdict => {
  if (facts.state === 'unknown') return { state: 'hold' }
  if (facts.downSince === null || facts.state !== 'down')
    return { state: 'closed', because: `${facts.node} answers again` }
  if (facts.explained) return { state: 'closed', because: 'it is away on purpose' }
  // A node that was down before its region went keeps its own signal; one that went with it never gets one.
  if (facts.regionUnreachable && !facts.open)
    return { state: 'closed', because: 'its whole region is unreachable' }
  const others =
    facts.othersUp === 0
      ? `no other node of ${facts.region} serves`
      : `${plural(facts.othersUp, 'other node')} of ${facts.region} ${facts.othersUp === 1 ? 'serves' : 'serve'}`
  return {
    state: 'open',
    startedAt: facts.downSince,
    sentence: `${facts.node} does not answer (${facts.reason}); ${others}`,
    title: `${facts.node} is down`,
    severity: facts.othersUp === 0 ? 'critical' : 'warning',
    impact: `${facts.node} down for ${durationWords(facts.now - facts.downSince)}`,
  }
}
