import { type Incident, SEVERITIES, type Severity, type Signal } from '../../contract/index.ts'
import type { SignalScope } from '../signals/rule.ts'

/** Signals of one region this close in time have the same cause. */
export const NEAR_MS = 60_000
/** A resolved incident that comes back within this is the same one, reopened. */
export const REOPEN_MS = 15 * 60_000

/** The incident that a new signal belongs to, or null where it opens one of its own. */
export const pickIncident = (
  incidents: readonly Incident[],
  signal: SignalScope,
  now: number,
): Incident | null => {
  const unresolved = incidents.filter((incident) => incident.state !== 'resolved')
  const sameNode = unresolved.find((incident) => incident.nodes.some((node) => signal.nodes.includes(node)))
  if (sameNode) return sameNode
  const near = unresolved.find(
    (incident) => incident.regions.includes(signal.region) && now - newestSignalAt(incident) <= NEAR_MS,
  )
  if (near) return near
  return (
    incidents.find(
      (incident) =>
        incident.state === 'resolved' &&
        incident.resolvedAt !== undefined &&
        now - Date.parse(incident.resolvedAt) <= REOPEN_MS &&
        incident.signals.some((known) => known.kind === signal.kind && known.scope === signal.scope),
    ) ?? null
  )
}

const newestSignalAt = (incident: Incident): number =>
  Math.max(
    Date.parse(incident.detectedAt),
    ...incident.signals.map((signal) => Date.parse(signal.closedAt ?? signal.openedAt)),
  )

export const openSignal = (incident: Incident, kind: string, scope: string): Signal | undefined =>
  incident.signals.find(
    (signal) => signal.kind === kind && signal.scope === scope && signal.closedAt === undefined,
  )

/** When the last signal closed, epoch ms; null while one is open. */
export const quietSince = (incident: Incident): number | null => {
  let newest = Date.parse(incident.detectedAt)
  for (const signal of incident.signals) {
    if (signal.closedAt === undefined) return null
    newest = Math.max(newest, Date.parse(signal.closedAt))
  }
  return newest
}

export const isWorse = (candidate: Severity, than: Severity): boolean =>
  SEVERITIES.indexOf(candidate) > SEVERITIES.indexOf(than)
