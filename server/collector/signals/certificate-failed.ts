import { z } from 'zod'
import { durationWords, plural } from '../../contract/words.ts'
import type { Facts } from '../adapters/facts.ts'
import { defineRule, everyNode } from './rule.ts'
import { seconds, threshold } from './threshold.ts'

const DAY_MS = 86_400_000

type Failures = NonNullable<Facts['certificateFailures']>

/** `certificate.failed`: a node could not have a certificate, or not renew one. */
export const certificateFailed = defineRule({
  kind: 'certificate.failed',
  of: 'node',
  thresholds: z.object({
    criticalDays: threshold(seconds(0, 3_650), 1, {
      unit: 'days',
      description: 'days before the end of the certificate that was to be renewed: critical',
    }),
  }),
  words: (limits) => ({
    opens: 'the last order of a node for a certificate failed',
    closes: 'its orders succeeded, or it wants them no longer',
    severity: `warning; critical where there is no certificate, and from ${plural(limits.criticalDays, 'day')} before the end of the old one`,
    why: 'a renewal that fails is silent for weeks, and then everybody is refused in the same second',
    notes: [
      'Seen of nodes of kind `tidegate`, whose proxy has certificates by itself (`certificate: auto`). The node tries again by itself; its health says what the authority answered.',
      'A node that does not answer says nothing: the signal stays as it is.',
    ],
  }),
  titleOfMany: (nodes) => `Certificates of ${nodes} cannot be had`,
  scopes: everyNode,
  about: (fact) =>
    fact.type === 'reading' && fact.facts.certificateFailures !== undefined ? `node:${fact.node}` : null,
  start: (): Failures | null => null,
  take: (before, fact) => (fact.type === 'reading' ? (fact.facts.certificateFailures ?? before) : before),
  verdict(state, { scope, thresholds: limits, open, now }) {
    if (state === null) return { state: 'hold' }
    const node = scope.nodes[0] ?? ''
    const leftOf = ({ notAfter }: Failures[number]): number => (notAfter === null ? 0 : notAfter - now)
    const [first] = [...state].sort((a, b) => leftOf(a) - leftOf(b))
    if (first === undefined) return { state: 'closed', because: 'its last orders succeeded' }
    const leftMs = leftOf(first)
    const others = state.length > 1 ? `, nor for ${plural(state.length - 1, 'other')}` : ''
    return {
      state: 'open',
      startedAt: open?.startedAt ?? Math.min(now, ...state.map(({ at }) => at)),
      sentence: `${node} could not have a certificate for ${first.name}${others}: ${first.reason}`,
      title:
        first.notAfter === null
          ? `No certificate can be had for ${first.name}`
          : `The certificate for ${first.name} cannot be renewed`,
      severity: leftMs <= limits.criticalDays * DAY_MS ? 'critical' : 'warning',
      impact: leftMs <= 0 ? 'clients are refused' : `${durationWords(leftMs)} left`,
    }
  },
})
