import { z } from 'zod'
import { durationWords } from '../../contract/words.ts'
import type { PollOutcome } from '../adapters/reading.ts'
import { defineRule, everyNode } from './rule.ts'
import { servingBeside } from './serving-beside.ts'
import { threshold, whole } from './threshold.ts'

const NUMBERS = ['no', 'one', 'two', 'three', 'four', 'five']
const inWords = (count: number): string => NUMBERS[count] ?? String(count)

/** How the poll of a node ends that says something, and not what it should: whoever reads that looks at the program, not at the machine. */
const ANSWERED = new Set<PollOutcome | null>([
  'bad_status',
  'redirect',
  'bad_body',
  'too_large',
  'wrong_node',
])

/** `node.down`: judging found a node down, and not with all its region. Closes when it answers again. */
export const nodeDown = defineRule({
  kind: 'node.down',
  of: 'node',
  thresholds: z.object({
    fall: threshold(whole(1, 100), 3, { unit: 'polls', description: 'bad polls in a row' }),
    rise: threshold(whole(1, 100), 2, { unit: 'polls', description: 'good polls in a row' }),
  }),
  words: ({ fall, rise }) => ({
    opens: `${inWords(fall)} polls in a row failed, and not those of its whole region at once`,
    closes: `${inWords(rise)} polls in a row are good`,
    severity: 'warning; critical where no other node of the region serves',
    why: 'nobody can be served by a node that does not answer',
    notes: [
      'What a drain took away is neither `node.down` nor `region.unreachable`: a process that a drain of mode `exit` ended, until it serves again; a node that was emptied and is held (also after an abort that ended held), for the restart that it was drained for, 30 minutes at most. The drain says so in its note. A node that dies with traffic on it, or that could not be brought back, is not explained.',
      'While the collector itself stalled, or reaches no node of any region, nodes are `unknown` and nothing opens. A fleet of fewer than three nodes, or of one region, that does not answer at all is `unknown` for a minute and down after it, because nobody can vouch for the network of the collector; where one of its nodes refuses or answers, the others are judged at once. A timeout while the collector itself was busy counts for nothing.',
      'Where polls get lost now and then, a row of polls without any answer must be longer than chance makes it: of a node that lost one in a hundred of its last 200 polls four, of one in twenty six, and never more than twice `node.down.fall`. A refusal, or any other answer, is no loss: three are enough, whatever was lost before. From one in ten on the node is `degraded` with the word "lossy", until it is better than seven in a hundred.',
      'A node whose polls fail now and again never has enough bad ones in a row: from three in nine on it is `degraded` with the word "flapping", until fewer than two are left (from five on, until fewer than three are, where one in a hundred gets lost anyway). It is degraded too while its answers take more than 500 ms and four times its own median, which slow answers do not change, or more than 2 s whatever the median.',
    ],
  }),
  titleOfMany: (nodes) => `${nodes} are down`,
  scopes: everyNode,
  about: () => null,
  start: () => null,
  take: (state) => state,
  verdict(_state, { scope, fleet, open, now }) {
    const node = fleet.node(scope.nodes[0] ?? '')
    if (node === null || node.state === 'unknown') return { state: 'hold' }
    const { id, region, downSince } = node
    if (downSince === null || node.state !== 'down')
      return { state: 'closed', because: `${id} answers again` }
    if (node.outcome === 'wrong_region')
      return { state: 'closed', because: `${id} answers, for another region` }
    if (node.away) return { state: 'closed', because: 'it is away on purpose' }
    // A node that was down before its region went keeps its own signal; one that went with it never gets one.
    if (fleet.unreachableSince(region) !== null && open === null)
      return { state: 'closed', because: 'its whole region is unreachable' }
    const others = servingBeside(fleet, node)
    return {
      state: 'open',
      startedAt: downSince,
      sentence: `${id} ${ANSWERED.has(node.outcome) ? 'gives no good answer' : 'does not answer'} (${node.problems[0] ?? 'no answer'}); ${others.words}`,
      title: `${id} is down`,
      severity: others.count === 0 ? 'critical' : 'warning',
      impact: `${id} down for ${durationWords(now - downSince)}`,
    }
  },
})
