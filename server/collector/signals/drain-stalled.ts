import { z } from 'zod'
import { DRAIN_STEP_WORDS } from '../../contract/state-words.ts'
import { durationWords } from '../../contract/words.ts'
import { defineRule, everyNode } from './rule.ts'
import { seconds, threshold } from './threshold.ts'

/** `drain.stalled`: one node of a drain takes longer than its plan said. */
export const drainStalled = defineRule({
  kind: 'drain.stalled',
  of: 'node',
  thresholds: z.object({
    graceSeconds: threshold(seconds(0, 86_400), 60, {
      unit: 's',
      description: 'seconds beyond what the plan said of the phases so far',
    }),
  }),
  words: ({ graceSeconds }) => ({
    opens: `a node in the middle of its drain is ${graceSeconds} s beyond what the plan said of its phases so far`,
    closes: 'its step has ended, or the drain has',
    severity: 'warning',
    why: 'a drain that hangs keeps the next node waiting, and whoever waits for it does not look',
    notes: [
      'A drain that waits for connections (`onDeadline: wait`) may take as long as they do; it is said all the same. A drain that is paused goes on with what it has begun, and counts.',
    ],
  }),
  titleOfMany: (nodes) => `The drains of ${nodes} take longer than planned`,
  scopes: everyNode,
  about: () => null,
  start: () => null,
  take: (state) => state,
  verdict(_state, { scope, fleet, thresholds: { graceSeconds }, now }) {
    const id = scope.nodes[0] ?? ''
    const node = fleet.node(id)
    if (node === null) return { state: 'hold' }
    const { step } = node
    if (step === null) return { state: 'closed', because: 'it is not being drained' }
    const beyondMs = now - step.since - step.plannedMs
    if (beyondMs < graceSeconds * 1_000) return { state: 'closed', because: 'it is within its plan' }
    const note = step.note === null ? '' : `: ${step.note}`
    return {
      state: 'open',
      startedAt: step.since + step.plannedMs,
      sentence: `${id} is ${DRAIN_STEP_WORDS[step.phase]} for ${durationWords(now - step.since)}, planned were ${durationWords(step.plannedMs)}${note}`,
      title: `The drain of ${id} takes longer than planned`,
      severity: 'warning',
      impact: `${durationWords(beyondMs)} beyond the plan`,
    }
  },
})
