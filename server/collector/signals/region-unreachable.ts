import { z } from 'zod'
import { durationWords, listWords } from '../../contract/words.ts'
import { defineRule } from './rule.ts'

/** `region.unreachable`: all nodes of a region of two or more vanished within one fall window. Closes when one answers. */
export const regionUnreachable = defineRule({
  kind: 'region.unreachable',
  of: 'region',
  thresholds: z.object({}),
  words: () => ({
    opens: 'all nodes of a region of two or more vanished within one window of judging',
    closes: 'one of them answers',
    severity: 'critical',
    why: 'a region that went at once is one outage, not one a node',
    notes: [
      'The window of `region.unreachable` is that of the slowest node of the region. Nodes that are asked more often than the last one that fell with them are `node.down` by then; the region joins their incident, and names it.',
    ],
  }),
  scopes: (fleet) =>
    fleet.regions().flatMap((region) => {
      const nodes = fleet.nodesOf(region).map(({ id }) => id)
      return nodes.length < 2 ? [] : [{ id: `region:${region}`, region, nodes }]
    }),
  about: () => null,
  start: () => null,
  take: (state) => state,
  verdict(_state, { scope: { region, nodes }, fleet, open, now }) {
    const members = fleet.nodesOf(region)
    if (members.some(({ state }) => state !== 'down' && state !== 'unknown'))
      return { state: 'closed', because: `${region} answers again` }
    const unreachableSince = fleet.unreachableSince(region)
    if (unreachableSince === null) {
      return open === null
        ? { state: 'closed', because: `the nodes of ${region} did not all vanish at once` }
        : { state: 'hold' }
    }
    // Each of them was taken out: for a restart while it is held, or by an exit.
    if (members.every(({ away }) => away)) return { state: 'closed', because: 'it is away on purpose' }
    return {
      state: 'open',
      startedAt: unreachableSince,
      sentence: `${region} is unreachable: ${listWords(nodes)} vanished within one interval of judging`,
      title: `${region} is unreachable`,
      severity: 'critical',
      impact: `${region} unreachable for ${durationWords(now - unreachableSince)}`,
    }
  },
})
