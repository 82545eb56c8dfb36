import { z } from 'zod'
import { durationWords, plural } from '../../contract/words.ts'
import { defineRule, everyNode } from './rule.ts'
import { servingBeside } from './serving-beside.ts'
import { threshold, whole } from './threshold.ts'

interface Answers {
  /** Polls in a row, but for those without an answer, that were answered for another region. */
  count: number
  /** When the first of them was, epoch ms. */
  since: number | null
  reason: string
  /** Whether anything was answered since the collector started. */
  heard: boolean
}

/** `node.wrong_region`: whoever answers under a node's address is of another region. Closes when the right one answers. */
export const nodeWrongRegion = defineRule({
  kind: 'node.wrong_region',
  of: 'node',
  thresholds: z.object({
    polls: threshold(whole(1, 100), 2, { unit: 'polls', description: 'answers for another region in a row' }),
  }),
  words: ({ polls }) => ({
    opens: `${plural(polls, 'poll')} in a row ${polls === 1 ? 'was' : 'were'} answered for another region than the configured one`,
    closes: 'a poll is answered for the configured region',
    severity: 'warning; critical where no other node of the region serves',
    why: 'traffic for one region is served by another, and every number of it would stand in the wrong place',
    notes: [
      'A node that answers for another region is judged as down, because nothing that it says can be used; it opens `node.wrong_region` and not `node.down`. Polls without an answer neither count towards it nor end it.',
    ],
  }),
  titleOfMany: (nodes) => `${nodes} answer for another region`,
  scopes: everyNode,
  about: (fact) => (fact.type === 'event' ? null : `node:${fact.node}`),
  start: (): Answers => ({ count: 0, since: null, reason: '', heard: false }),
  take(answers, fact) {
    if (fact.type === 'reading') return { count: 0, since: null, reason: '', heard: true }
    if (fact.type !== 'failed' || fact.outcome !== 'wrong_region') return answers
    const { at, reason } = fact
    return { count: answers.count + 1, since: Math.min(answers.since ?? at, at), reason, heard: true }
  },
  verdict({ count, since, reason, heard }, { scope, thresholds, fleet, open, now }) {
    const node = fleet.node(scope.nodes[0] ?? '')
    if (node === null || (!heard && open !== null)) return { state: 'hold' }
    const { id, region } = node
    if (since === null) return { state: 'closed', because: `${id} answers for ${region}` }
    if (count < thresholds.polls) return open === null ? { state: 'closed', because: '' } : { state: 'hold' }
    const others = servingBeside(fleet, node)
    const startedAt = open?.startedAt ?? since
    return {
      state: 'open',
      startedAt,
      sentence: `${id} ${reason}; ${others.words}`,
      title: `${id} answers for another region`,
      severity: others.count === 0 ? 'critical' : 'warning',
      impact: `${id} of another region for ${durationWords(now - startedAt)}`,
    }
  },
})
