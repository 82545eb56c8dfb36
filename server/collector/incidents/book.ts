import { ulid } from 'ulid'
import {
  AppError,
  type EventData,
  type EventType,
  type Incident,
  type IncidentPatch,
  type LivePublisher,
  type Signal,
} from '../../contract/index.ts'
import { durationWords } from '../../contract/words.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { OpenSignal, SignalScope, SignalVerdict } from '../signals/rule.ts'
import { isWorse, openSignal, pickIncident, quietSince, REOPEN_MS } from './folding.ts'

/** An incident resolves itself when all its signals have been closed for this long. */
export const SETTLE_MS = 60_000
/** Impact sentences change every second; the record of them need not. */
const IMPACT_SAVE_MS = 5_000
/** A signal that comes and goes is one row with a new time beyond this many. */
const MAX_SIGNALS = 100

export type RecordEvent = <T extends EventType>(
  type: T,
  data: EventData<T>,
  where: { node?: string | null; region?: string | null },
) => Promise<unknown>

/**
 * The incidents that are open, or were a moment ago, and how signals change them. Whatever is changed is written before it is
 * shown; the caller sees to it that only one change runs at a time.
 */
export class IncidentBook {
  readonly #store: Pick<Store, 'saveIncident' | 'incidents' | 'incident'>
  readonly #live: LivePublisher
  readonly #record: RecordEvent
  readonly #log: Log
  readonly #recent = new Map<string, Incident>()
  /** When the evidence of an open signal began, by `kind|scope`. */
  readonly #startedAt = new Map<string, number>()
  readonly #impacts = new Map<string, string>()
  readonly #impactSavedAt = new Map<string, number>()
  /** Signals of incidents that an operator resolved while they held: quiet until they have closed once. */
  readonly #muted = new Set<string>()
  /** Incidents whose title an operator wrote. */
  readonly #titled = new Set<string>()

  constructor(options: {
    store: Pick<Store, 'saveIncident' | 'incidents' | 'incident'>
    live: LivePublisher
    record: RecordEvent
    log: Log
  }) {
    this.#store = options.store
    this.#live = options.live
    this.#record = options.record
    this.#log = options.log
  }

  /** Takes up where the last run ended. */
  async load(now: number): Promise<void> {
    const { items } = await this.#store.incidents({ limit: 1_000 })
    for (const incident of items) {
      const recent = incident.resolvedAt !== undefined && now - Date.parse(incident.resolvedAt) <= REOPEN_MS
      if (incident.state === 'resolved' && !recent) continue
      this.#recent.set(incident.id, incident)
      for (const signal of incident.signals) {
        if (signal.closedAt !== undefined) continue
        const alone = incident.signals.length === 1
        this.#startedAt.set(
          keyOf(signal.kind, signal.scope),
          Date.parse(alone ? incident.startedAt : signal.openedAt),
        )
      }
    }
  }

  /** Unresolved incidents, newest first. */
  open(): Incident[] {
    return [...this.#recent.values()]
      .filter((incident) => incident.state !== 'resolved')
      .sort((a, b) => b.detectedAt.localeCompare(a.detectedAt))
  }

  known(id: string): Incident | null {
    return this.#recent.get(id) ?? null
  }

  /** The open signal of this kind and scope, with when its evidence began and when it was noticed. */
  signal(kind: string, scope: string): OpenSignal | null {
    for (const incident of this.#recent.values()) {
      if (incident.state === 'resolved') continue
      const signal = openSignal(incident, kind, scope)
      if (!signal) continue
      const openedAt = Date.parse(signal.openedAt)
      return { startedAt: this.#startedAt.get(keyOf(kind, scope)) ?? openedAt, openedAt, memory: null }
    }
    return null
  }

  /** Signals that are open. */
  held(): SignalScope[] {
    return this.open().flatMap((incident) =>
      incident.signals
        .filter((signal) => signal.closedAt === undefined)
        .map(({ kind, scope }) => ({
          kind: kind as SignalScope['kind'],
          scope,
          region: incident.regions[0] ?? '',
          nodes: scope.startsWith('node:') ? [scope.slice('node:'.length)] : incident.nodes,
        })),
    )
  }

  /** Brings a rule's verdict into the book. */
  async observe(scope: SignalScope, verdict: SignalVerdict, now: number): Promise<void> {
    const key = keyOf(scope.kind, scope.scope)
    if (verdict.state === 'hold') return
    const incident = this.#holding(scope)
    if (verdict.state === 'closed') {
      this.#muted.delete(key)
      if (incident) await this.#closeSignal(incident, scope, verdict.because, now)
      return
    }
    if (this.#muted.has(key)) return
    if (incident) return this.#noteImpact(incident, key, verdict.impact, now)
    await this.#openSignal(scope, verdict, now)
  }

  /** Resolves what has been quiet long enough, and forgets what cannot come back. */
  async settle(now: number): Promise<void> {
    for (const incident of [...this.#recent.values()]) {
      if (incident.state === 'resolved') {
        if (now - Date.parse(incident.resolvedAt ?? incident.detectedAt) > REOPEN_MS)
          this.#forget(incident.id)
        continue
      }
      const quiet = quietSince(incident)
      if (quiet !== null && now - quiet >= SETTLE_MS) await this.resolve(incident, null, now)
    }
  }

  async acknowledge(incident: Incident, actor: string, now: number): Promise<Incident> {
    const next: Incident = {
      ...incident,
      state: 'acknowledged',
      acknowledgedAt: iso(now),
      acknowledgedBy: actor,
    }
    await this.#save(next)
    await this.#record('incident.acknowledged', { incidentId: next.id, actor }, whereOf(next))
    return next
  }

  async mitigate(incident: Incident, actor: string | null, now: number): Promise<Incident> {
    const next: Incident = { ...incident, state: 'mitigated', mitigatedAt: iso(now) }
    await this.#save(next)
    await this.#record('incident.mitigated', { incidentId: next.id, actor }, whereOf(next))
    return next
  }

  /** Ends an incident. Signals that still hold are closed with it, and stay quiet until their condition has ended once. */
  async resolve(incident: Incident, actor: string | null, now: number): Promise<Incident> {
    const signals = incident.signals.map((signal): Signal => {
      if (signal.closedAt !== undefined) return signal
      this.#muted.add(keyOf(signal.kind, signal.scope))
      return { ...signal, closedAt: iso(now) }
    })
    const next: Incident = { ...incident, signals, state: 'resolved', resolvedAt: iso(now) }
    await this.#save(next)
    await this.#record('incident.resolved', { incidentId: next.id, actor }, whereOf(next))
    return next
  }

  async patch(incident: Incident, patch: IncidentPatch): Promise<Incident> {
    if (patch.title !== undefined) this.#titled.add(incident.id)
    const next: Incident = {
      ...incident,
      ...(patch.title === undefined ? {} : { title: patch.title }),
      ...(patch.severity === undefined ? {} : { severity: patch.severity }),
      ...(patch.startedAt === undefined ? {} : { startedAt: iso(Date.parse(patch.startedAt)) }),
    }
    await this.#save(next)
    return next
  }

  /** Drains that touch an incident's regions while it is open belong to it. */
  async relateDrains(
    drains: readonly { id: string; region?: string; nodes: readonly string[] }[],
  ): Promise<void> {
    for (const incident of this.open()) {
      const ids = drains
        .filter(
          (drain) =>
            (drain.region !== undefined && incident.regions.includes(drain.region)) ||
            drain.nodes.some((node) => incident.nodes.includes(node)),
        )
        .map((drain) => drain.id)
        .filter((id) => !incident.drains.includes(id))
      if (ids.length > 0) await this.#save({ ...incident, drains: [...incident.drains, ...ids].slice(-50) })
    }
  }

  #holding(scope: SignalScope): Incident | null {
    for (const incident of this.#recent.values()) {
      if (incident.state !== 'resolved' && openSignal(incident, scope.kind, scope.scope)) return incident
    }
    return null
  }

  async #openSignal(
    scope: SignalScope,
    verdict: Extract<SignalVerdict, { state: 'open' }>,
    now: number,
  ): Promise<void> {
    const key = keyOf(scope.kind, scope.scope)
    const signal: Signal = {
      kind: scope.kind,
      scope: scope.scope,
      openedAt: iso(now),
      sentence: verdict.sentence,
    }
    const into = pickIncident([...this.#recent.values()], scope, now)
    this.#impacts.set(key, verdict.impact)
    const next = into ? this.#fold(into, scope, signal, verdict) : newIncident(scope, signal, verdict, now)
    await this.#save({ ...next, impact: this.#impactOf(next) })
    this.#startedAt.set(key, verdict.startedAt)
    this.#log.warn({ incident: next.id, signal: scope.kind, scope: scope.scope }, verdict.sentence)
    const where = { node: scope.nodes.length === 1 ? (scope.nodes[0] ?? null) : null, region: scope.region }
    if (!into || into.state === 'resolved') {
      await this.#record(
        'incident.opened',
        { incidentId: next.id, title: next.title, severity: next.severity },
        where,
      )
    }
    await this.#record(
      'signal.opened',
      { kind: scope.kind, scope: scope.scope, sentence: verdict.sentence, incidentId: next.id },
      where,
    )
  }

  #fold(
    incident: Incident,
    scope: SignalScope,
    signal: Signal,
    verdict: Extract<SignalVerdict, { state: 'open' }>,
  ): Incident {
    const { resolvedAt: _resolvedAt, mitigatedAt, ...rest } = incident
    const reopened = incident.state === 'resolved'
    const worse = isWorse(verdict.severity, incident.severity)
    // A storm of going and coming stays a list that can be read: the oldest closed ones of the same kind make room.
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
      title:
        (worse || explains(scope.kind, incident)) && !this.#titled.has(incident.id)
          ? verdict.title
          : incident.title,
      severity: worse ? verdict.severity : incident.severity,
      signals: [...signals, signal],
      regions: union(incident.regions, [scope.region]),
      nodes: union(incident.nodes, scope.nodes),
      startedAt: iso(Math.min(Date.parse(incident.startedAt), verdict.startedAt)),
    }
  }

  async #closeSignal(incident: Incident, scope: SignalScope, because: string, now: number): Promise<void> {
    const key = keyOf(scope.kind, scope.scope)
    const open = openSignal(incident, scope.kind, scope.scope)
    if (!open) return
    const signals = incident.signals.map((signal) =>
      signal === open ? { ...signal, closedAt: iso(now) } : signal,
    )
    const heldMs = now - (this.#startedAt.get(key) ?? Date.parse(open.openedAt))
    await this.#save({ ...incident, signals })
    this.#startedAt.delete(key)
    await this.#record(
      'signal.closed',
      {
        kind: scope.kind,
        scope: scope.scope,
        heldMs,
        incidentId: incident.id,
        sentence: `${because} after ${durationWords(heldMs)}`,
      },
      { node: scope.nodes.length === 1 ? (scope.nodes[0] ?? null) : null, region: scope.region },
    )
  }

  async #noteImpact(incident: Incident, key: string, impact: string, now: number): Promise<void> {
    if (this.#impacts.get(key) === impact) return
    this.#impacts.set(key, impact)
    if (now - (this.#impactSavedAt.get(incident.id) ?? 0) < IMPACT_SAVE_MS) return
    this.#impactSavedAt.set(incident.id, now)
    await this.#save({ ...incident, impact: this.#impactOf(incident) })
  }

  #impactOf(incident: Incident): string | null {
    const impacts = incident.signals.flatMap(
      (signal) => this.#impacts.get(keyOf(signal.kind, signal.scope)) ?? [],
    )
    return impacts.length === 0 ? incident.impact : [...new Set(impacts)].slice(0, 4).join('; ')
  }

  async #save(incident: Incident): Promise<void> {
    await this.#store.saveIncident(incident)
    this.#recent.set(incident.id, incident)
    this.#live.changed(`incident:${incident.id}`)
    this.#live.changed('overview')
  }

  #forget(id: string): void {
    const incident = this.#recent.get(id)
    for (const signal of incident?.signals ?? []) {
      const key = keyOf(signal.kind, signal.scope)
      if (!this.#startedAt.has(key)) this.#impacts.delete(key)
    }
    this.#recent.delete(id)
    this.#impactSavedAt.delete(id)
    this.#titled.delete(id)
  }
}

/** Tunnels that are lost are the effect; a node or region that went is the cause, and an incident is named after its cause. */
const explains = (kind: string, incident: Incident): boolean =>
  (kind === 'node.down' || kind === 'region.unreachable') &&
  incident.signals.every((signal) => signal.kind.startsWith('tunnel.'))

const newIncident = (
  scope: SignalScope,
  signal: Signal,
  verdict: Extract<SignalVerdict, { state: 'open' }>,
  now: number,
): Incident => ({
  id: ulid(now),
  title: verdict.title,
  severity: verdict.severity,
  state: 'open',
  signals: [signal],
  regions: [scope.region],
  nodes: [...scope.nodes],
  startedAt: iso(Math.min(verdict.startedAt, now)),
  detectedAt: iso(now),
  impact: verdict.impact,
  drains: [],
})

const keyOf = (kind: string, scope: string): string => `${kind}|${scope}`
const iso = (ms: number): string => new Date(ms).toISOString()
const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])]

/** Where an incident's own events belong: its node where it is one node's, else its first region. */
const whereOf = (incident: Incident): { node: string | null; region: string | null } => ({
  node: incident.nodes.length === 1 ? (incident.nodes[0] ?? null) : null,
  region: incident.regions[0] ?? null,
})

/** The error for a change that an incident's state does not allow. */
export const stateConflict = (incident: Incident, verb: string): AppError =>
  new AppError('ERR_CONFLICT', `Incident ${incident.id} is ${incident.state}; it cannot be ${verb}`, {
    id: incident.id,
    state: incident.state,
  })
