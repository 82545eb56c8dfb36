import type { Drain, DrainStep, Incident } from '../../contract/index.ts'

export interface Silence {
  /** For example `maintenance "kernel update" until 04:00 UTC`. */
  reason: string
}

/** Whether something that was announced explains an incident at a moment (epoch ms). */
export type SilencedBy = (incident: Incident, at: number) => Silence | null

/** A drain explains what its nodes do while it has them, and no more: an outage is told whatever the reason. */
const EXPLAINED = /^(?:node|tunnel)\./

/** Whose turn has not come, or is over, serves like any other; but new tunnels are refused by all from the beginning. */
const isInHand = ({ phase, outcome }: DrainStep): boolean =>
  phase !== 'waiting' && outcome !== 'kept_serving' && outcome !== 'back'

/** What a drain under way explains: trouble of nothing but nodes that it has, that began after it did, and is no outage. */
export const explainedByDrain = (incident: Incident, drains: readonly Drain[]): Silence | null => {
  if (incident.severity === 'critical' || incident.nodes.length === 0) return null
  if (!incident.signals.every(({ kind }) => EXPLAINED.test(kind))) return null
  const isOfTunnels = incident.signals.every(({ kind }) => kind.startsWith('tunnel.'))
  const drain = drains.find(
    ({ state, createdAt, steps }) =>
      state !== 'planned' &&
      Date.parse(createdAt) <= Date.parse(incident.startedAt) &&
      incident.nodes.every((node) =>
        steps.some((step) => step.node === node && (isOfTunnels || isInHand(step))),
      ),
  )
  return drain === undefined ? null : { reason: `drain ${drain.id} (${drain.reason})` }
}
