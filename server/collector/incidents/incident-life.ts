import { AppError, type Incident, type IncidentPatch, type Signal } from '../../contract/index.ts'
import type { SignalScope } from '../signals/rule.ts'
import { openSignal } from './folding.ts'
import { type IncidentChange, type KeptIncident, keyOf, named } from './kept-incidents.ts'

// What an incident becomes by what people decide and by what ends. Pure; null where nothing changes. `now` in epoch ms.

/** A drain, as far as it touches incidents. */
export interface TouchingDrain {
  id: string
  region?: string
  nodes: readonly string[]
}

/** Drains of one incident that are kept, the newest. */
const MAX_DRAINS = 50

const iso = (ms: number): string => new Date(ms).toISOString()

/** The error for a change that an incident's state does not allow. */
export const stateConflict = (incident: Incident, verb: string): AppError =>
  new AppError('ERR_CONFLICT', `Incident ${incident.id} is ${incident.state}; it cannot be ${verb}`, {
    id: incident.id,
    state: incident.state,
  })

/** Throws `ERR_CONFLICT` where it is not open. */
export const acknowledged = ({ incident }: KeptIncident, actor: string, now: number): IncidentChange => {
  if (incident.state !== 'open') throw stateConflict(incident, 'acknowledged')
  return { incident: { ...incident, state: 'acknowledged', acknowledgedAt: iso(now), acknowledgedBy: actor } }
}

/** Throws `ERR_CONFLICT` where it is resolved. */
export const mitigated = ({ incident }: KeptIncident, now: number): IncidentChange => {
  if (incident.state === 'resolved') throw stateConflict(incident, 'mitigated')
  return { incident: { ...incident, state: 'mitigated', mitigatedAt: iso(now) } }
}

/** By somebody, with what is open muted; or by itself (`actor` null), then only where nothing is open. */
export const resolved = (kept: KeptIncident, actor: string | null, now: number): IncidentChange | null => {
  const { incident, muted } = kept
  if (incident.state === 'resolved') return null
  const open = incident.signals.filter((signal) => signal.closedAt === undefined)
  // Another collector may have seen a signal open just now.
  if (actor === null && open.length > 0) return null
  const signals = incident.signals.map((signal) =>
    signal.closedAt === undefined ? { ...signal, closedAt: iso(now) } : signal,
  )
  return {
    incident: named({ ...kept, incident: { ...incident, signals, state: 'resolved', resolvedAt: iso(now) } }),
    muted: [...new Set([...muted, ...open.map(({ kind, scope }) => keyOf(kind, scope))])],
  }
}

export const patched = ({ incident, titled }: KeptIncident, patch: IncidentPatch): IncidentChange => ({
  incident: {
    ...incident,
    ...(patch.title === undefined ? {} : { title: patch.title }),
    ...(patch.severity === undefined ? {} : { severity: patch.severity }),
    ...(patch.startedAt === undefined ? {} : { startedAt: iso(Date.parse(patch.startedAt)) }),
  },
  titled: titled || patch.title !== undefined,
})

/** With the drains that touch its regions or nodes. */
export const related = (
  { incident }: KeptIncident,
  drains: readonly TouchingDrain[],
): IncidentChange | null => {
  const ids = drains
    .filter(
      ({ region, nodes }) =>
        (region !== undefined && incident.regions.includes(region)) ||
        nodes.some((node) => incident.nodes.includes(node)),
    )
    .map(({ id }) => id)
    .filter((id) => !incident.drains.includes(id))
  if (ids.length === 0) return null
  return { incident: { ...incident, drains: [...incident.drains, ...ids].slice(-MAX_DRAINS) } }
}

/** With a signal closed, and for how long that held (ms). */
export const signalClosed = (
  kept: KeptIncident,
  { kind, scope }: Pick<SignalScope, 'kind' | 'scope'>,
  now: number,
): { incident: Incident; heldMs: number } | null => {
  const open = openSignal(kept.incident, kind, scope)
  if (!open) return null
  const signals = kept.incident.signals.map((signal) =>
    signal === open ? { ...signal, closedAt: iso(now) } : signal,
  )
  return {
    incident: named({ ...kept, incident: { ...kept.incident, signals } }),
    heldMs: now - startOf(kept, open),
  }
}

/** When the evidence of an open signal began, epoch ms; an older version kept nothing beside the incident. */
export const startOf = ({ incident, signals }: KeptIncident, signal: Signal): number =>
  signals[keyOf(signal.kind, signal.scope)]?.startedAt ??
  Date.parse(incident.signals.length === 1 ? incident.startedAt : signal.openedAt)
