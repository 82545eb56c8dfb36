import type { Drain, Incident } from '../../contract/index.ts'

export interface Silence {
  /** For example `maintenance "kernel update" until 04:00 UTC`. */
  reason: string
}

/** Whether something that was announced explains an incident at a moment (epoch ms). */
export type SilencedBy = (incident: Incident, at: number) => Silence | null

/** A drain explains what its nodes do while it has them, and no more: an outage is told whatever the reason. */
const EXPLAINED = /^(?:node|tunnel)\./

/** What a drain under way explains: trouble of nothing but its own nodes, that began after it did, and is no outage. */
export const explainedByDrain = (incident: Incident, drains: readonly Drain[]): Silence | null => {
  if (incident.severity === 'critical' || incident.nodes.length === 0) return null
  if (!incident.signals.every(({ kind }) => EXPLAINED.test(kind))) return null
  const drain = drains.find(
    ({ state, createdAt, steps }) =>
      state !== 'planned' &&
      Date.parse(createdAt) <= Date.parse(incident.startedAt) &&
      incident.nodes.every((node) => steps.some((step) => step.node === node)),
  )
  return drain === undefined ? null : { reason: `drain ${drain.id} (${drain.reason})` }
}
