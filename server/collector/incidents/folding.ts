import { ulid } from 'ulid'
import { type Incident, SEVERITIES, type Severity, type Signal } from '../../contract/index.ts'
import type { SignalScope, SignalVerdict } from '../signals/rule.ts'

type OpenVerdict = Extract<SignalVerdict, { state: 'open' }>

/** Signals of one region this close in time have the same cause. */
export const NEAR_MS = 60_000
/** A resolved incident that comes back within this is the same one, reopened. */
export const REOPEN_MS = 15 * 60_000

/** A signal that comes and goes is one row with a new time beyond this many. */
const MAX_SIGNALS = 100

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

const iso = (ms: number): string => new Date(ms).toISOString()
const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])]

const signalOf = (scope: SignalScope, verdict: OpenVerdict, now: number): Signal => ({
  kind: scope.kind,
  scope: scope.scope,
  openedAt: iso(now),
  sentence: verdict.sentence,
  severity: verdict.severity,
})

/** The incident that a signal opens by itself. */
export const newIncident = (scope: SignalScope, verdict: OpenVerdict, now: number): Incident => ({
  id: ulid(now),
  title: verdict.title,
  severity: verdict.severity,
  state: 'open',
  signals: [signalOf(scope, verdict, now)],
  regions: [scope.region],
  nodes: [...scope.nodes],
  startedAt: iso(Math.min(verdict.startedAt, now)),
  detectedAt: iso(now),
  impact: verdict.impact,
  drains: [],
})

/** An incident with one more signal, and the title that it had. */
export const foldSignal = (
  incident: Incident,
  scope: SignalScope,
  verdict: OpenVerdict,
  now: number,
): Incident => {
  const { resolvedAt: _resolvedAt, mitigatedAt, ...rest } = incident
  const reopened = incident.state === 'resolved'
  const worse = isWorse(verdict.severity, incident.severity)
  // A storm of going and coming stays a list that can be read: the oldest closed ones make room.
  const signals =
    incident.signals.length < MAX_SIGNALS
      ? incident.signals
      : incident.signals.filter(
          (known, index) => index === 0 || known.closedAt === undefined || index > MAX_SIGNALS / 2,
        )
  return {
    ...rest,
    ...(mitigatedAt === undefined || reopened ? {} : { mitigatedAt }),
    state: reopened ? 'open' : incident.state,
    severity: worse ? verdict.severity : incident.severity,
    signals: [...signals, signalOf(scope, verdict, now)],
    regions: union(incident.regions, [scope.region]),
    nodes: union(incident.nodes, scope.nodes),
    startedAt: iso(Math.min(Date.parse(incident.startedAt), verdict.startedAt)),
  }
}
