import { z } from 'zod'
import { durationWords } from '../../contract/words.ts'
import { defineRule, everyNode, type FleetView, type NodeView } from './rule.ts'
import { seconds, threshold } from './threshold.ts'

/** Clocks that differ from ours by the same, give or take this, agree with each other: then ours is the odd one out. */
const ALIKE_MS = 2_000
/** With fewer clocks than this nobody can tell whose is wrong. */
const QUORUM = 3

interface Skew {
  /** Since when it is too large, epoch ms; null while it is not. */
  since: number | null
  /** As last measured, ms ahead. */
  ms: number
  /** Most clocks differ from ours alike. */
  isOurs: boolean
  /** Whether it was measured since the collector started. */
  measured: boolean
}

const isOurOwn = (fleet: FleetView, ms: number): boolean => {
  const known = fleet.nodes().flatMap(({ clockSkewMs }: NodeView) => clockSkewMs ?? [])
  const alike = known.filter((each) => Math.abs(each - ms) <= ALIKE_MS).length
  return known.length >= QUORUM && alike > known.length / 2
}

/** `node.clock_skew`: a node's clock is off by more than `seconds` for `forSeconds`. Closes when it is off by less than half of that. */
export const nodeClockSkew = defineRule({
  kind: 'node.clock_skew',
  of: 'node',
  thresholds: z.object({
    seconds: threshold(seconds(2.5, 86_400), 5, { unit: 's', description: 'ahead of our clock, or behind' }),
    forSeconds: threshold(seconds(0, 3_600), 60, { unit: 's', description: 'how long that must hold' }),
  }),
  words: (limits) => ({
    opens: `a node's clock is ${limits.seconds} s or more ahead of ours or behind it, and this held for ${limits.forSeconds} s`,
    closes: `it is off by less than ${limits.seconds / 2} s`,
    severity: 'warning',
    why: 'its own log lies about order, and tokens and certificates are refused before their time or after it',
    notes: [
      '`node.clock_skew` is corrected meanwhile: order, detection and retention go by our clock. Where more than half of at least three clocks differ from ours alike, it is ours that is wrong, and the line under the header says so; nothing opens.',
    ],
  }),
  titleOfMany: (nodes) => `The clocks of ${nodes} are wrong`,
  scopes: everyNode,
  about: (fact) => (fact.type === 'reading' ? `node:${fact.node}` : null),
  start: (): Skew => ({ since: null, ms: 0, isOurs: false, measured: false }),
  take(skew, fact, { scope, thresholds, fleet, open }) {
    if (fact.type !== 'reading') return skew
    const ms = fleet.node(scope.nodes[0] ?? '')?.clockSkewMs ?? null
    if (ms === null) return skew
    const limitMs = thresholds.seconds * 1_000
    const off = Math.abs(ms)
    const isTooMuch = off >= limitMs || (off >= limitMs / 2 && open !== null)
    return {
      since: isTooMuch ? (skew.since ?? open?.startedAt ?? fact.at) : null,
      ms,
      isOurs: isTooMuch && isOurOwn(fleet, ms),
      measured: true,
    }
  },
  verdict({ since, ms, isOurs, measured }, { scope, thresholds, fleet, open, now }) {
    const node = fleet.node(scope.nodes[0] ?? '')
    if (node === null || node.state === 'unknown' || node.state === 'down') return { state: 'hold' }
    if (!measured && open !== null) return { state: 'hold' }
    const { id } = node
    if (since === null) return { state: 'closed', because: `the clock of ${id} is right` }
    if (isOurs) return { state: 'closed', because: 'most clocks differ from ours alike' }
    if (open === null && now - since < thresholds.forSeconds * 1_000)
      return { state: 'closed', because: 'not for long enough' }
    const off = `${durationWords(Math.abs(ms))} ${ms > 0 ? 'ahead' : 'behind'}`
    return {
      state: 'open',
      startedAt: since,
      sentence: `the clock of ${id} is ${off}; its times are corrected`,
      title: `The clock of ${id} is wrong`,
      severity: 'warning',
      impact: `clock of ${id} ${off}`,
    }
  },
  // A clock of ours that was set back must not make a minute an hour.
  forget: (skew, now) => (skew.since !== null && skew.since > now ? { ...skew, since: now } : skew),
})
