import { z } from 'zod'
import { durationWords, plural } from '../../contract/words.ts'
import { type CounterName, type Facts, totalOf } from '../adapters/facts.ts'
import { defineRule, everyNode } from './rule.ts'
import { seconds, threshold, whole } from './threshold.ts'

const thresholds = z.object({
  count: threshold(whole(1, 1_000_000), 3, {
    unit: 'connections',
    description: 'connections, or requests where those are not counted, since it was out',
  }),
  quietSeconds: threshold(seconds(1, 3_600), 30, {
    unit: 's',
    description: 'how long nothing may come before it closes',
  }),
})

/** What came to a node since it was out. */
interface Residue {
  epoch: string
  /** What is counted: an answer that lacks connections for once counts requests, which are others. */
  name: CounterName
  counted: number
  /** Since it was out. */
  taken: number
  /** The first and the newest reading that saw something, epoch ms; null before. */
  firstAt: number | null
  lastAt: number | null
  readAt: number
}

/** Connections where the node counts them, else requests; null where it counts neither. */
const countOf = (facts: Facts): { name: CounterName; counted: number } | null => {
  for (const name of ['connections_accepted', 'requests'] as const) {
    const counted = totalOf(facts, name)
    if (counted !== undefined) return { name, counted }
  }
  return null
}

/** `drain.residue`: a node that is drained, by its own word or its drain's, takes traffic. */
export const drainResidue = defineRule({
  kind: 'drain.residue',
  of: 'node',
  thresholds,
  words: ({ count, quietSeconds }) => ({
    opens: `a node that is drained takes ${plural(count, 'connection')} (or requests, where it does not count connections)`,
    closes: `nothing has come for ${quietSeconds} s, or the node is given back`,
    severity: 'warning',
    why: 'whoever works on a drained node cuts off the visitors that it still has',
    notes: [
      'A node is drained when it says so, or, of a kind that has no word for it, when the step of its drain has ended. What it counted before that is not looked at.',
      'A health check of a load balancer that goes on counts like any other traffic: the node cannot tell it from a visitor.',
      'While it is open, a node without a word of its own is shown as draining, because that is what is seen of it.',
    ],
  }),
  titleOfMany: (nodes) => `${nodes} take traffic although they are drained`,
  scopes: everyNode,
  about: (fact) => (fact.type === 'reading' && countOf(fact.facts) !== null ? `node:${fact.node}` : null),
  start: (): Residue | null => null,
  take(before, fact, { fleet, open }) {
    if (fact.type !== 'reading' || fleet.node(fact.node)?.drained !== true) return null
    // It says that it serves again; what is judged of it follows a poll or two later.
    if (fact.facts.state === 'serving' || fact.facts.state === 'starting') return null
    const count = countOf(fact.facts)
    if (count === null) return before
    const { name, counted } = count
    const { at } = fact
    const { epoch } = fact.facts
    if (before === null) return { epoch, name, counted, taken: 0, firstAt: null, lastAt: null, readAt: at }
    if (before.name !== name) return { ...before, epoch, name, counted, readAt: at }
    const risen = Math.max(0, counted - (before.epoch === epoch ? before.counted : 0))
    // Who comes during maintenance is explained, also when it is over.
    if (risen === 0 || (open === null && fleet.inMaintenance(fact.node, at)))
      return { ...before, epoch, counted, readAt: at }
    const taken = before.taken + risen
    return { ...before, epoch, counted, taken, readAt: at, firstAt: before.firstAt ?? at, lastAt: at }
  },
  verdict(state, { scope, fleet, thresholds: limits, open, now }) {
    const id = scope.nodes[0] ?? ''
    const node = fleet.node(id)
    if (node === null) return { state: 'hold' }
    if (!node.drained) return { state: 'closed', because: 'it is not drained' }
    // What it counted before a restart of the collector is not known; the newest reading starts again.
    if (state === null) return { state: 'hold' }
    const lastAt = state.lastAt ?? open?.openedAt ?? null
    const isQuiet = lastAt === null || now - lastAt >= limits.quietSeconds * 1_000
    if (isQuiet) return { state: 'closed', because: `nothing has come for ${limits.quietSeconds} s` }
    if (open === null && state.taken < limits.count)
      return { state: 'closed', because: 'too little came to say so' }
    const startedAt = open?.startedAt ?? state.firstAt ?? now
    const took =
      state.taken === 0
        ? 'took traffic'
        : `took ${plural(state.taken, 'connection or request', 'connections or requests')}`
    return {
      state: 'open',
      startedAt,
      sentence: `${id} is drained, and ${took} since; the last ${durationWords(Math.max(0, now - lastAt))} ago`,
      title: `${id} takes traffic although it is drained`,
      severity: 'warning',
      impact: `${plural(state.taken, 'visitor')} at a node that is out of service`,
    }
  },
  afterClose: (state) => state && { ...state, taken: 0, firstAt: null, lastAt: null },
})
