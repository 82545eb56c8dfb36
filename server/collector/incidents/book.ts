import type {
  EventData,
  EventType,
  Incident,
  IncidentPatch,
  LivePublisher,
  Severity,
  Signal,
} from '../../contract/index.ts'
import { durationWords } from '../../contract/words.ts'
import type { Log } from '../../observe/log.ts'
import type { OpenSignal, SignalScope, SignalVerdict } from '../signals/rule.ts'
import {
  foldSignal,
  isWorse,
  newIncident,
  openSignal,
  pickIncident,
  quietSince,
  REOPEN_MS,
} from './folding.ts'
import {
  acknowledged,
  mitigated,
  patched,
  related,
  resolved,
  signalClosed,
  startOf,
  type TouchingDrain,
} from './incident-life.ts'
import {
  type IncidentChange,
  type IncidentStore,
  type IncidentTeller,
  type KeptIncident,
  KeptIncidents,
  type KeptSignal,
  keyOf,
  named,
  wasFirst,
} from './kept-incidents.ts'

/** An incident resolves itself when all its signals have been closed for this long. */
export const SETTLE_MS = 60_000
/** Impact sentences change every second; the record of them need not. */
const IMPACT_SAVE_MS = 5_000
/** So often another collector may have been first before a signal is left for the next look. */
const ATTEMPTS = 3

type OpenVerdict = Extract<SignalVerdict, { state: 'open' }>

export type RecordEvent = <T extends EventType>(
  type: T,
  data: EventData<T>,
  where: { node?: string | null; region?: string | null },
) => Promise<unknown>

/**
 * How signals and people change incidents. Whatever is changed is written before it is shown; the caller sees to it that only one change
 * runs at a time. Other collectors on the same store may write at any time.
 */
export class IncidentBook {
  readonly #kept: KeptIncidents
  readonly #record: RecordEvent
  readonly #log: Log
  /** What rules said last of open signals; written now and then. */
  readonly #latest = new Map<string, OpenVerdict>()
  /** Signals of which it is not known whether they were written: the store gave up waiting for its disk. */
  readonly #unanswered = new Set<string>()
  readonly #impactSavedAt = new Map<string, number>()

  constructor(options: {
    store: IncidentStore
    live: Pick<LivePublisher, 'changed'>
    record: RecordEvent
    log: Log
    /** Who tells people of changes. */
    teller?: IncidentTeller
  }) {
    this.#kept = new KeptIncidents(options.store, options.live, options.teller ?? null)
    this.#record = options.record
    this.#log = options.log
  }

  /** Takes up where the last run ended. */
  load(now: number): Promise<void> {
    return this.#kept.refresh(now, true)
  }

  /** Unresolved incidents, newest first. */
  open(): Incident[] {
    return this.#kept.open()
  }

  known(id: string): Incident | null {
    return this.#kept.get(id)?.incident ?? null
  }

  /** The open signal of this kind and scope, with when its evidence began and when it was noticed. */
  signal(kind: string, scope: string): OpenSignal | null {
    // Asked for every rule and scope once a second, nearly always with nothing open.
    if (!this.#kept.holdsAny) return null
    const kept = this.#kept.holding(keyOf(kind, scope))
    const signal = kept && openSignal(kept.incident, kind, scope)
    if (!signal) return null
    const openedAt = Date.parse(signal.openedAt)
    const beside = kept.signals[keyOf(kind, scope)]
    return { startedAt: startOf(kept, signal), openedAt, memory: beside?.memory ?? null }
  }

  /** Signals that are open, and those that an operator muted until they have closed once. */
  held(): SignalScope[] {
    return this.#kept.all().flatMap((incident) => {
      const open = incident.signals.filter((signal) => signal.closedAt === undefined)
      const muted = (this.#kept.get(incident.id)?.muted ?? []).map((key) => {
        const cut = key.indexOf('|')
        return { kind: key.slice(0, cut), scope: key.slice(cut + 1) }
      })
      return [...open, ...muted].map(({ kind, scope }) => ({
        kind: kind as SignalScope['kind'],
        scope,
        region: incident.regions[0] ?? '',
        nodes: scope.startsWith('node:') ? [scope.slice('node:'.length)] : incident.nodes,
      }))
    })
  }

  /**
   * Brings a rule's verdict into the book. `explainedUntil`: until when (epoch ms) maintenance explained what opens now; the incident
   * counts from there, and the signal keeps when its evidence began.
   */
  async observe(
    scope: SignalScope,
    verdict: SignalVerdict,
    now: number,
    explainedUntil: number | null = null,
  ): Promise<void> {
    if (verdict.state === 'hold') return
    const key = keyOf(scope.kind, scope.scope)
    if (verdict.state === 'closed') {
      this.#unanswered.delete(key)
      await this.#kept.unmute(key)
      const kept = this.#kept.holding(key)
      if (kept) await this.#closeSignal(kept.incident.id, scope, verdict.because, now)
      return
    }
    if (this.#kept.muting(key)) return
    const kept = this.#kept.holding(key)
    if (kept) await this.#note(kept, scope, verdict, now)
    else await this.#openSignal(scope, verdict, now, explainedUntil)
  }

  /** Resolves what has been quiet long enough, and forgets what cannot come back. */
  async settle(now: number): Promise<void> {
    await this.#closeTwins(now)
    for (const { id, state, resolvedAt, detectedAt } of this.#kept.all()) {
      const kept = this.#kept.get(id)
      if (!kept) continue
      if (state === 'resolved') {
        const old = now - Date.parse(resolvedAt ?? detectedAt) > REOPEN_MS
        if (old && kept.muted.length === 0) this.#forget(id)
        continue
      }
      const quiet = quietSince(kept.incident)
      if (quiet !== null && now - quiet >= SETTLE_MS) await this.resolve(id, null, now)
    }
  }

  /** Rejects with `ERR_CONFLICT` where the incident is not open. */
  async acknowledge(id: string, actor: string, now: number): Promise<Incident> {
    const { incident } = await this.#kept.change(id, (kept) => acknowledged(kept, actor, now))
    await this.#record('incident.acknowledged', { incidentId: id, actor }, whereOf(incident))
    return incident
  }

  /** Rejects with `ERR_CONFLICT` where the incident is resolved. */
  async mitigate(id: string, actor: string | null, now: number): Promise<Incident> {
    const { incident } = await this.#kept.change(id, (kept) => mitigated(kept, now))
    await this.#record('incident.mitigated', { incidentId: id, actor }, whereOf(incident))
    return incident
  }

  /** Ends an incident. Signals that still hold are closed with it, and stay quiet until their condition has ended once. */
  async resolve(id: string, actor: string | null, now: number): Promise<Incident> {
    let isChanged = false
    const { incident } = await this.#kept.change(id, (kept) => {
      const change = resolved(kept, actor, now)
      isChanged = change !== null
      return change
    })
    if (!isChanged) return incident
    for (const { kind, scope } of incident.signals) this.#latest.delete(keyOf(kind, scope))
    await this.#record('incident.resolved', { incidentId: id, actor }, whereOf(incident))
    return incident
  }

  async patch(id: string, patch: IncidentPatch): Promise<Incident> {
    return (await this.#kept.change(id, (kept) => patched(kept, patch))).incident
  }

  /** Drains that touch an incident's regions while it is open belong to it. */
  async relateDrains(drains: readonly TouchingDrain[]): Promise<void> {
    for (const { id } of this.open()) await this.#kept.change(id, (kept) => related(kept, drains))
  }

  async #openSignal(
    scope: SignalScope,
    verdict: OpenVerdict,
    now: number,
    explainedUntil: number | null,
  ): Promise<void> {
    const key = keyOf(scope.kind, scope.scope)
    for (let attempt = 1; ; attempt += 1) {
      // Another collector may have opened it, or the incident that it belongs to.
      await this.#kept.refresh(now, attempt > 1)
      const held = this.#kept.holding(key)
      if (held && this.#unanswered.delete(key))
        await this.#recordOpened(held.incident, held.version === 1, scope, verdict.sentence)
      if (held || this.#kept.muting(key)) return
      try {
        const written = await this.#write(scope, verdict, now, explainedUntil)
        if (!written) return
        const { incident, opened } = written
        this.#unanswered.delete(key)
        this.#log.warn({ incident: incident.id, signal: scope.kind, scope: scope.scope }, verdict.sentence)
        await this.#recordOpened(incident, opened, scope, verdict.sentence)
        return
      } catch (error) {
        if (wasFirst(error) && attempt < ATTEMPTS) continue
        if (!wasFirst(error)) this.#unanswered.add(key)
        throw error
      }
    }
  }

  /** Puts a signal into the incident that it belongs to; null where it is there already. `opened`: that one was not open before. */
  async #write(
    scope: SignalScope,
    said: OpenVerdict,
    now: number,
    explainedUntil: number | null,
  ): Promise<{ incident: Incident; opened: boolean } | null> {
    const beside = { [keyOf(scope.kind, scope.scope)]: keptSignal(said) }
    const verdict = { ...said, startedAt: Math.max(said.startedAt, explainedUntil ?? said.startedAt) }
    const into = pickIncident(this.#kept.all(), scope, now)
    if (!into) {
      const incident = newIncident(scope, verdict, now)
      await this.#kept.add({ incident, titled: false, signals: beside })
      return { incident, opened: true }
    }
    let opened = false
    let isThere = false
    const { incident } = await this.#kept.change(into.id, (kept) => {
      // Another collector was first: what is asked again is about its incident.
      isThere =
        openSignal(kept.incident, scope.kind, scope.scope) !== undefined ||
        kept.muted.includes(keyOf(scope.kind, scope.scope))
      if (isThere) return null
      opened = kept.incident.state === 'resolved'
      const signals = { ...kept.signals, ...beside }
      const folded = named({ ...kept, incident: foldSignal(kept.incident, scope, verdict, now), signals })
      return { incident: { ...folded, impact: impactOf(folded, signals) }, signals }
    })
    return isThere ? null : { incident, opened }
  }

  async #recordOpened(
    incident: Incident,
    opened: boolean,
    scope: SignalScope,
    sentence: string,
  ): Promise<void> {
    const where = placeOf(scope)
    const { id, title, severity } = incident
    if (opened) await this.#record('incident.opened', { incidentId: id, title, severity }, where)
    await this.#record(
      'signal.opened',
      { kind: scope.kind, scope: scope.scope, sentence, incidentId: id },
      where,
    )
  }

  async #closeSignal(id: string, scope: SignalScope, because: string, now: number): Promise<void> {
    let heldMs: number | null = null
    await this.#kept.change(id, (kept) => {
      const closed = signalClosed(kept, scope, now)
      heldMs = closed?.heldMs ?? null
      return closed && { incident: closed.incident }
    })
    if (heldMs === null) return
    this.#latest.delete(keyOf(scope.kind, scope.scope))
    await this.#record(
      'signal.closed',
      {
        kind: scope.kind,
        scope: scope.scope,
        heldMs,
        incidentId: id,
        sentence: `${because} after ${durationWords(heldMs)}`,
      },
      placeOf(scope),
    )
  }

  /** A database of before may hold a signal open in two incidents: it stays in the one that the store names. */
  async #closeTwins(now: number): Promise<void> {
    for (const incident of this.open()) {
      for (const { kind, scope, closedAt } of incident.signals) {
        const holder = this.#kept.holding(keyOf(kind, scope))?.incident.id
        if (closedAt !== undefined || holder === undefined || holder === incident.id) continue
        const nodes = scope.startsWith('node:') ? [scope.slice('node:'.length)] : []
        const twin = { kind: kind as SignalScope['kind'], scope, region: incident.regions[0] ?? '', nodes }
        await this.#closeSignal(incident.id, twin, `it is open in incident ${holder}`, now)
      }
    }
  }

  /** What a rule says of a signal that is open: what it costs, how bad it is and how it is named may change every second. */
  async #note(kept: KeptIncident, scope: SignalScope, verdict: OpenVerdict, now: number): Promise<void> {
    const { id, severity } = kept.incident
    const key = keyOf(scope.kind, scope.scope)
    this.#latest.set(key, verdict)
    const before = kept.signals[key]
    const known = openSignal(kept.incident, scope.kind, scope.scope)?.severity ?? severity
    const worse = isWorse(verdict.severity, known)
    if (!worse && before?.impact === verdict.impact && before.title === verdict.title) return
    // That it became worse is told at once.
    if (!worse && now - (this.#impactSavedAt.get(id) ?? 0) < IMPACT_SAVE_MS) return
    this.#impactSavedAt.set(id, now)
    await this.#kept.change(id, (current) => this.#renewed(current))
  }

  /** An incident by what the rules of its open signals said last. All of them at once: what changes every second would keep the others out. */
  #renewed(kept: KeptIncident): IncidentChange | null {
    const { incident } = kept
    const signals = { ...kept.signals }
    let { severity } = incident
    let isNew = false
    const rows = incident.signals.map((signal) => {
      const key = keyOf(signal.kind, signal.scope)
      const said = signal.closedAt === undefined ? this.#latest.get(key) : undefined
      if (said === undefined) return signal
      isNew = true
      const row = reworded(signal, signals[key], said, incident.severity)
      // Only what rose itself raises the whole: an operator may have said that it is less bad.
      const rose = isWorse(row.severity ?? severity, signal.severity ?? incident.severity)
      if (rose && isWorse(row.severity ?? severity, severity)) severity = row.severity ?? severity
      signals[key] = renewed(signals[key], said)
      return row
    })
    if (!isNew) return null
    const next = named({ ...kept, incident: { ...incident, signals: rows, severity }, signals })
    return { incident: { ...next, impact: impactOf(next, signals) }, signals }
  }

  #forget(id: string): void {
    this.#kept.forget(id)
    this.#impactSavedAt.delete(id)
  }
}

const keptSignal = ({ startedAt, impact, memory, title }: OpenVerdict): KeptSignal => ({
  startedAt,
  impact,
  memory: memory ?? null,
  title,
})

/** What is kept of a signal by what its rule says now: it began when it began. */
const renewed = (before: KeptSignal | undefined, said: OpenVerdict): KeptSignal => ({
  ...keptSignal(said),
  startedAt: before?.startedAt ?? said.startedAt,
})

/** A signal of which its rule says something else: its words are of now, and it is as bad as it was at its worst. */
const reworded = (
  signal: Signal,
  before: KeptSignal | undefined,
  said: OpenVerdict,
  ofAll: Severity,
): Signal => {
  const known = signal.severity ?? ofAll
  const severity = isWorse(said.severity, known) ? said.severity : known
  if (severity === signal.severity && before?.title === said.title) return signal
  return { ...signal, severity, sentence: said.sentence }
}

const impactOf = (incident: Incident, signals: Readonly<Record<string, KeptSignal>>): string | null => {
  const impacts = incident.signals.flatMap(({ kind, scope }) => signals[keyOf(kind, scope)]?.impact ?? [])
  return impacts.length === 0 ? incident.impact : [...new Set(impacts)].slice(0, 4).join('; ')
}

const placeOf = (scope: SignalScope): { node: string | null; region: string } => ({
  node: scope.nodes.length === 1 ? (scope.nodes[0] ?? null) : null,
  region: scope.region,
})

/** Where an incident's own events belong: its node where it is one node's, else its first region. */
const whereOf = (incident: Incident): { node: string | null; region: string | null } => ({
  node: incident.nodes.length === 1 ? (incident.nodes[0] ?? null) : null,
  region: incident.regions[0] ?? null,
})
