import { z } from 'zod'
import { AppError, type Incident, type LivePublisher } from '../../contract/index.ts'
import type { OutboxPlan, Store, StoredIncident } from '../../store/store.ts'
import type { SignalMemory } from '../signals/rule.ts'
import { REOPEN_MS } from './folding.ts'
import { titleOf } from './headline.ts'

/** What is kept of one signal beside its incident. */
export interface KeptSignal {
  /** When its evidence began, epoch ms. */
  startedAt: number
  /** What it costs, in a sentence; shown also after it closed. */
  impact: string
  /** What its rule goes on from after a restart. */
  memory: SignalMemory | null
  /** What its rule would name an incident after it; empty where an older version wrote it. */
  title: string
}

export interface KeptIncident {
  readonly incident: Incident
  readonly version: number
  /** An operator wrote the title: no rule writes over it. */
  readonly titled: boolean
  readonly signals: Readonly<Record<string, KeptSignal>>
  /** Signals that an operator muted with it, until they have closed once. */
  readonly muted: readonly string[]
}

export type IncidentChange = Partial<Pick<KeptIncident, 'incident' | 'titled' | 'signals' | 'muted'>>

export type IncidentStore = Pick<
  Store,
  'saveIncident' | 'storedIncident' | 'unsettledIncidents' | 'unmuteSignal'
>

/** Who tells people what becomes of incidents. */
export interface IncidentTeller {
  /** What is to be told of a change, to be written in the same transaction; null where nothing is. Never throws. */
  planOf(before: Incident | null, after: Incident): OutboxPlan | null
}

/** So often somebody else may have been first before a change is given up. */
const ATTEMPTS = 5

const resumeSchema = z.object({
  titled: z.boolean().catch(false),
  signals: z
    .record(
      z.string(),
      z.object({
        startedAt: z.number(),
        impact: z.string(),
        title: z.string().default(''),
        memory: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).nullable(),
      }),
    )
    .catch({}),
})

export const keyOf = (kind: string, scope: string): string => `${kind}|${scope}`

const openKeys = (incident: Incident): string[] =>
  incident.state === 'resolved'
    ? []
    : [
        ...new Set(
          incident.signals
            .filter((signal) => signal.closedAt === undefined)
            .map((signal) => keyOf(signal.kind, signal.scope)),
        ),
      ]

const keptOf = ({ incident, version, resume, muted }: StoredIncident): KeptIncident => ({
  incident,
  version,
  ...resumeSchema.parse(resume),
  muted,
})

const isCode = (error: unknown, code: string): boolean => error instanceof AppError && error.code === code

/** An incident with the title that its signals give it; an operator's own title stays. */
export const named = ({
  incident,
  titled,
  signals,
}: Pick<KeptIncident, 'incident' | 'titled' | 'signals'>): Incident =>
  titled
    ? incident
    : { ...incident, title: titleOf(incident, ({ kind, scope }) => signals[keyOf(kind, scope)]?.title) }

/** Another collector, or another operator, was first: what is known here is older than what is stored. */
export const wasFirst = (error: unknown): boolean =>
  isCode(error, 'ERR_VERSION_CONFLICT') || isCode(error, 'ERR_CONFLICT')

/**
 * Incidents that may still change, as they are stored: whatever is changed is written before it is shown. The store says who was first
 * where two change one incident, or open one signal; the loser takes up the winner's.
 */
export class KeptIncidents {
  readonly #store: IncidentStore
  readonly #live: Pick<LivePublisher, 'changed'>
  readonly #teller: IncidentTeller | null
  readonly #kept = new Map<string, KeptIncident>()
  /** Which incident holds an open signal, by its key. */
  readonly #holders = new Map<string, string>()
  /** With which incident a signal was muted, by its key. */
  readonly #muters = new Map<string, string>()
  #refreshedAt: number | null = null

  constructor(store: IncidentStore, live: Pick<LivePublisher, 'changed'>, teller: IncidentTeller | null) {
    this.#store = store
    this.#live = live
    this.#teller = teller
  }

  /** Reads what is stored now, once for each moment. `now` in epoch ms; `again` where somebody was first meanwhile. */
  async refresh(now: number, again = false): Promise<void> {
    if (this.#refreshedAt === now && !again) return
    const stored = await this.#store.unsettledIncidents(now - REOPEN_MS)
    this.#refreshedAt = now
    // The ones that hold a signal by the word of the store come first: where an older version left two, they keep it.
    for (const each of stored) for (const key of each.open) this.#holders.set(key, each.incident.id)
    for (const each of stored) this.#put(keptOf(each))
  }

  all(): Incident[] {
    return [...this.#kept.values()].map(({ incident }) => incident)
  }

  /** Unresolved incidents, newest first. */
  open(): Incident[] {
    return this.all()
      .filter((incident) => incident.state !== 'resolved')
      .sort((a, b) => b.detectedAt.localeCompare(a.detectedAt))
  }

  get(id: string): KeptIncident | null {
    return this.#kept.get(id) ?? null
  }

  /** False where no signal is open: nobody has to ask for one by name. */
  get holdsAny(): boolean {
    return this.#holders.size > 0
  }

  /** The incident in which a signal is open. */
  holding(key: string): KeptIncident | null {
    const id = this.#holders.get(key)
    return id === undefined ? null : (this.#kept.get(id) ?? null)
  }

  /** The incident with which a signal was muted. */
  muting(key: string): KeptIncident | null {
    const id = this.#muters.get(key)
    return id === undefined ? null : (this.#kept.get(id) ?? null)
  }

  /** Writes a new incident. Rejects where another one holds one of its signals; see {@link wasFirst}. */
  async add(kept: Omit<KeptIncident, 'version' | 'muted'>): Promise<void> {
    await this.#write(null, { ...kept, muted: [], version: 1 })
  }

  /**
   * Writes what `change` makes of an incident; null leaves it. Where somebody else was first, `change` is asked again about theirs.
   * Rejects with `ERR_NOT_FOUND`, and with what `change` throws.
   */
  async change(id: string, change: (kept: KeptIncident) => IncidentChange | null): Promise<KeptIncident> {
    for (let attempt = 1; ; attempt += 1) {
      const kept = this.#kept.get(id) ?? (await this.#takeUp(id))
      const changed = change(kept)
      if (changed === null) return kept
      try {
        return await this.#write(kept.incident, { ...kept, ...changed, version: kept.version + 1 })
      } catch (error) {
        // A signal that another incident holds stays there, however often this one is asked.
        const again = isCode(error, 'ERR_CONFLICT') ? attempt === 1 : isCode(error, 'ERR_VERSION_CONFLICT')
        if (!again || attempt === ATTEMPTS) throw error
        await this.#takeUp(id)
      }
    }
  }

  /** A muted signal has closed: it may open again. */
  async unmute(key: string): Promise<void> {
    const kept = this.muting(key)
    if (!kept) return
    await this.#store.unmuteSignal(key)
    this.#put({ ...kept, muted: kept.muted.filter((each) => each !== key) })
  }

  /** Drops one that cannot change any more by itself. */
  forget(id: string): void {
    const kept = this.#kept.get(id)
    if (!kept) return
    this.#put({ ...kept, incident: { ...kept.incident, signals: [] }, muted: [] })
    this.#kept.delete(id)
  }

  async #takeUp(id: string): Promise<KeptIncident> {
    const stored = await this.#store.storedIncident(id)
    if (stored === null) throw new AppError('ERR_NOT_FOUND', `There is no incident ${id}`, { id })
    this.#tell(id)
    return this.#put(keptOf(stored))
  }

  async #write(before: Incident | null, kept: KeptIncident): Promise<KeptIncident> {
    const { incident, version, titled, muted } = kept
    const known = new Set(incident.signals.map(({ kind, scope }) => keyOf(kind, scope)))
    const signals = Object.fromEntries(Object.entries(kept.signals).filter(([key]) => known.has(key)))
    const stored = { incident, version, resume: { titled, signals }, open: openKeys(incident), muted }
    const outbox = this.#teller?.planOf(before, incident) ?? null
    await this.#store.saveIncident(stored, version - 1, ...(outbox === null ? [] : [outbox]))
    this.#put({ ...kept, signals })
    this.#tell(incident.id)
    return kept
  }

  #tell(id: string): void {
    this.#live.changed(`incident:${id}`)
    this.#live.changed('overview')
  }

  #put(kept: KeptIncident): KeptIncident {
    const { id } = kept.incident
    const known = this.#kept.get(id)
    if (known && known.version > kept.version) return known
    this.#kept.set(id, kept)
    const open = openKeys(kept.incident)
    const drop = (index: Map<string, string>, keys: readonly string[], still: readonly string[]): void => {
      for (const key of keys) if (!still.includes(key) && index.get(key) === id) index.delete(key)
    }
    drop(this.#holders, known ? openKeys(known.incident) : [], open)
    drop(this.#muters, known?.muted ?? [], kept.muted)
    for (const key of open) if (!this.#holders.has(key)) this.#holders.set(key, id)
    for (const key of kept.muted) this.#muters.set(key, id)
    return kept
  }
}
