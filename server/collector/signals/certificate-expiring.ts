import { z } from 'zod'
import { durationWords, plural } from '../../contract/words.ts'
import type { Facts } from '../adapters/facts.ts'
import { defineRule, everyNode } from './rule.ts'
import { seconds, threshold } from './threshold.ts'

const DAY_MS = 86_400_000
const days = seconds(0, 3_650)

type Certificates = NonNullable<Facts['certificates']>

/** `certificate.expiring`: a certificate that a node shows ends soon, and nobody has renewed it. */
export const certificateExpiring = defineRule({
  kind: 'certificate.expiring',
  of: 'node',
  thresholds: z.object({
    days: threshold(days, 21, { unit: 'days', description: 'days before its end' }),
    urgentDays: threshold(days, 7, { unit: 'days', description: 'days before its end: said in the title' }),
    criticalDays: threshold(days, 1, { unit: 'days', description: 'days before its end: critical' }),
  }),
  words: (limits) => ({
    opens: `a certificate that a node shows ends in ${limits.days} days or less`,
    closes: 'all that it shows last longer',
    severity: `warning; critical from ${plural(limits.criticalDays, 'day')} before its end`,
    why: 'what has ended is refused by everybody at the same second, most often at night',
    notes: [
      `From ${limits.urgentDays} days on its title says so.`,
      'Seen of nodes of kind `tls`, `http` (over https) and `tidegate`, whose health names the certificates of their proxy. One that has ended already, and is refused for it, is `node.down` with that sentence.',
      'A node that does not answer shows nothing: the signal stays as it is.',
    ],
  }),
  titleOfMany: (nodes) => `Certificates of ${nodes} end soon`,
  scopes: everyNode,
  about: (fact) =>
    fact.type === 'reading' && fact.facts.certificates !== undefined ? `node:${fact.node}` : null,
  start: (): Certificates | null => null,
  take: (before, fact) => (fact.type === 'reading' ? (fact.facts.certificates ?? before) : before),
  verdict(state, { scope, thresholds: limits, open, now }) {
    if (state === null) return { state: 'hold' }
    const node = scope.nodes[0] ?? ''
    const [first] = [...state].sort((a, b) => a.notAfter - b.notAfter)
    const leftMs = first === undefined ? Number.POSITIVE_INFINITY : first.notAfter - now
    if (first === undefined || leftMs > limits.days * DAY_MS)
      return { state: 'closed', because: 'its certificates last longer' }
    const soon = state.filter(({ notAfter }) => notAfter - now <= limits.days * DAY_MS).length
    const others = soon > 1 ? `, and ${plural(soon - 1, 'other')} soon` : ''
    const ends = leftMs <= 0 ? `ended ${durationWords(-leftMs)} ago` : `ends in ${durationWords(leftMs)}`
    const isUrgent = leftMs <= limits.urgentDays * DAY_MS
    return {
      state: 'open',
      startedAt: open?.startedAt ?? now,
      sentence: `the certificate of ${node} for ${first.name} ${ends}${others}`,
      title: isUrgent
        ? `The certificate for ${first.name} ${leftMs <= 0 ? 'has ended' : `ends within ${plural(limits.urgentDays, 'day')}`}`
        : `The certificate for ${first.name} ends soon`,
      severity: leftMs <= limits.criticalDays * DAY_MS ? 'critical' : 'warning',
      impact: leftMs <= 0 ? `refused for ${durationWords(-leftMs)}` : `${durationWords(leftMs)} left`,
    }
  },
})
