import type { Incident } from '@/server/contract/incidents.ts'

const between = (from: string, to: string | undefined): number | null =>
  to ? Date.parse(to) - Date.parse(from) : null

/** Milliseconds from the start of the evidence to each milestone; null for those that have not happened. */
export const timesTo = (
  incident: Pick<Incident, 'startedAt' | 'detectedAt' | 'acknowledgedAt' | 'mitigatedAt' | 'resolvedAt'>,
) => ({
  detect: between(incident.startedAt, incident.detectedAt),
  acknowledge: between(incident.startedAt, incident.acknowledgedAt),
  mitigate: between(incident.startedAt, incident.mitigatedAt),
  resolve: between(incident.startedAt, incident.resolvedAt),
})
