import { ulid } from 'ulid'
import {
  type Actor,
  AppError,
  type AuditRow,
  type HeldBack,
  type Incident,
  isWholeFleet,
  type LivePublisher,
  MAX_KNOWN_WINDOWS,
  MAX_OPEN_WINDOWS,
  MAX_WINDOW_AHEAD_MS,
  type MaintenanceCreateRequest,
  type MaintenanceMark,
  type MaintenanceState,
  type MaintenanceWindow,
  type Page,
  type Problem,
} from '../../contract/index.ts'
import type { Store, StoredMaintenance } from '../../store/store.ts'
import { Turn } from '../../time/turn.ts'
import type { MaintenanceDesk } from '../desks/maintenance-desk.ts'
import type { RecordFleetEvent } from '../fleet/fleet.ts'
import { coveringOf, isActive, type Whom } from './coverage.ts'

/** A window that ended so long ago explains no evidence any more, ms. */
const KEPT_PAST_MS = 24 * 3_600_000

export type MaintenanceStore = Pick<
  Store,
  'addMaintenance' | 'endMaintenance' | 'maintenanceWindow' | 'maintenanceSince' | 'maintenance'
>

/** What windows are of, and who is told when one begins or ends. */
export interface MaintenanceFleet {
  regions(): readonly string[]
  nodes(): readonly { readonly id: string; readonly region: string }[]
  regionOf(node: string): string | null
  openIncidents(): readonly Incident[]
}

export interface MaintenanceOptions {
  store: MaintenanceStore
  fleet: MaintenanceFleet
  live: Pick<LivePublisher, 'changed'>
  record: RecordFleetEvent
  /** What an active window holds back at the moment. */
  held: (window: string) => readonly HeldBack[]
  /** Wall clock in epoch ms. */
  now: () => number
}

/**
 * The times that operators announced. All planned and active windows are in memory, with those that ended within a day: a store that is
 * away changes nothing about what they cover. The wall clock alone says which of them is active, so that a restart, or a clock that is
 * set, needs no word.
 */
export class MaintenanceWindows implements MaintenanceDesk {
  readonly #options: MaintenanceOptions
  readonly #turn = new Turn()
  #known = new Map<string, StoredMaintenance>()
  /** Those that are active from one moment (epoch ms) until the next of all begins or ends: every page asks for every node. */
  #active: { from: number; until: number; windows: readonly StoredMaintenance[] } | null = null
  /** Ids of those that were active when everybody was last told. */
  #told = new Set<string>()

  constructor(options: MaintenanceOptions) {
    this.#options = options
  }

  /** Reads what is stored, also by other collectors. Where it rejects, what is known stays. */
  refresh(): Promise<void> {
    return this.#turn.run(async () => {
      const { store, now } = this.#options
      const stored = await store.maintenanceSince(now() - KEPT_PAST_MS)
      this.#known = new Map(stored.map((window) => [window.id, window]))
      this.#active = null
      this.look()
    })
  }

  /** Tells those who show it where a window has begun or ended since the last look. */
  look(): void {
    const at = this.#options.now()
    const active = new Set(this.#activeAt(at).map(idOf))
    const changed = [...active.symmetricDifference(this.#told)]
    if (changed.length === 0) return
    this.#told = active
    for (const id of changed) this.#tell(this.#known.get(id) ?? null)
  }

  /** The active window that explains what happens to these at a moment (epoch ms), or null; see {@link coveringOf}. */
  covering(whom: Whom, at: number): MaintenanceWindow | null {
    const window = coveringOf(this.#activeAt(at), whom, at, this.#options.fleet.regionOf)
    return window && this.#shown(window)
  }

  /** Whether a node was in maintenance at a moment (epoch ms), which may be past: what happened to it then was announced. */
  inMaintenance(node: string, at: number): boolean {
    // Asked for every event: nearly always nothing was announced at all.
    if (this.#known.size === 0) return false
    const whom = { regions: [], nodes: [node] }
    return coveringOf(this.#activeAt(at), whom, at, this.#options.fleet.regionOf) !== null
  }

  /** Until when these were last explained since a moment (both epoch ms), where that is over; null where they were not. */
  explainedUntil(whom: Whom, since: number, at: number): number | null {
    const ends = [...this.#known.values()]
      .map(({ to }) => Date.parse(to))
      .filter((to) => to > since && to <= at)
      .filter((to) => coveringOf(this.#known.values(), whom, to - 1, this.#options.fleet.regionOf) !== null)
    return ends.length === 0 ? null : Math.max(...ends)
  }

  /** Why nobody is notified of an incident at a moment (epoch ms), in words; null where somebody is. */
  silencedBy(incident: Pick<Incident, 'regions' | 'nodes'>, at: number): { reason: string } | null {
    const window = this.covering(incident, at)
    if (window === null) return null
    return { reason: `maintenance “${window.title}” until ${window.to}: ${window.reason}` }
  }

  /** What a node, or a region as a whole, says of the window that it is in; null outside of all. */
  mark(whom: Whom): MaintenanceMark | null {
    const window = this.covering(whom, this.#options.now())
    return window && { id: window.id, title: window.title, reason: window.reason, until: window.to }
  }

  /** How many are planned or active, for a gauge. */
  get open(): number {
    const at = this.#options.now()
    return [...this.#known.values()].filter(({ to }) => Date.parse(to) > at).length
  }

  async list(filter: Parameters<MaintenanceDesk['list']>[0]): Promise<Page<MaintenanceWindow>> {
    const { store, now } = this.#options
    const page = await store.maintenance({ ...filter, now: now() })
    return { ...page, items: page.items.map((window) => this.#shown(window)) }
  }

  create(request: MaintenanceCreateRequest, actor: Actor): Promise<MaintenanceWindow> {
    return this.#turn.run(async () => {
      this.#check(request)
      const { store, now } = this.#options
      const { title, reason, regions = [], nodes = [] } = request
      const at = new Date(now()).toISOString()
      const window: StoredMaintenance = {
        id: ulid(now()),
        title,
        reason,
        from: new Date(request.from).toISOString(),
        to: new Date(request.to).toISOString(),
        regions: [...new Set(regions)],
        nodes: [...new Set(nodes)],
        createdAt: at,
        createdBy: actor.name,
      }
      await store.addMaintenance(window, auditOf(actor, 'add', at, window.id, null, window, reason))
      this.#known.set(window.id, window)
      this.#active = null
      await this.#acted(actor, 'add', window, reason)
      return this.#shown(window)
    })
  }

  /** Rejects with `ERR_NOT_FOUND`, and with `ERR_CONFLICT` where it is over. */
  end(id: string, actor: Actor): Promise<void> {
    return this.#turn.run(async () => {
      const { store, now } = this.#options
      const window = this.#known.get(id) ?? (await store.maintenanceWindow(id))
      if (window === null) throw new AppError('ERR_NOT_FOUND', `There is no maintenance window ${id}`, { id })
      const at = new Date(now()).toISOString()
      if (this.#stateOf(window) === 'past') {
        const by = window.endedBy === undefined ? '' : ` by ${window.endedBy}`
        const facts = { id, at: window.to, ...(window.endedBy === undefined ? {} : { by: window.endedBy }) }
        throw new AppError('ERR_CONFLICT', `Maintenance “${window.title}” ended at ${window.to}${by}`, facts)
      }
      const isPlanned = this.#stateOf(window) === 'planned'
      const ended = isPlanned ? null : { ...window, to: at, endedBy: actor.name }
      const verb = isPlanned ? 'remove' : 'end'
      await store.endMaintenance(window, ended, auditOf(actor, verb, at, id, window, ended, null))
      if (ended === null) this.#known.delete(id)
      else this.#known.set(id, ended)
      this.#active = null
      await this.#acted(actor, verb, window, window.title)
    })
  }

  /** Everything that only clock, fleet and memory can say is wrong, at once. */
  #check({ from, to, regions = [], nodes = [] }: MaintenanceCreateRequest): void {
    const { fleet, now } = this.#options
    const at = now()
    const known = new Set(fleet.regions())
    const members = new Set(fleet.nodes().map(idOf))
    const ahead = (path: string, time: string): Problem[] =>
      Date.parse(time) > at + MAX_WINDOW_AHEAD_MS
        ? [{ path, message: `is more than ${MAX_WINDOW_AHEAD_MS / 86_400_000} days ahead` }]
        : []
    const problems: Problem[] = [
      ...ahead('from', from),
      ...ahead('to', to),
      ...(Date.parse(to) <= at ? [{ path: 'to', message: `is over already: it is ${iso(at)}` }] : []),
      ...regions.flatMap((id, index) =>
        known.has(id) ? [] : [{ path: `regions[${index}]`, message: `is ${id}, which is no region` }],
      ),
      ...nodes.flatMap((id, index) =>
        members.has(id) ? [] : [{ path: `nodes[${index}]`, message: `is ${id}, which is no node` }],
      ),
    ]
    if (problems.length > 0) {
      const said = problems.map(({ path, message }) => `${path} ${message}`).join('; ')
      throw new AppError('ERR_INVALID', `The body is invalid: ${said}`, { problems: problems.slice(0, 20) })
    }
    if (this.open >= MAX_OPEN_WINDOWS)
      throw new AppError(
        'ERR_CAPACITY',
        `${MAX_OPEN_WINDOWS} maintenance windows are planned or active, which is the most there may be; end one first`,
        { limit: MAX_OPEN_WINDOWS },
      )
    if (this.#known.size >= MAX_KNOWN_WINDOWS)
      throw new AppError(
        'ERR_CAPACITY',
        `${MAX_KNOWN_WINDOWS} maintenance windows were planned or ended within a day, which is the most there may be; wait until older ones are a day past, and announce longer windows`,
        { limit: MAX_KNOWN_WINDOWS },
      )
  }

  #activeAt(at: number): readonly StoredMaintenance[] {
    if (this.#active !== null && this.#active.from <= at && at < this.#active.until)
      return this.#active.windows
    const all = [...this.#known.values()]
    const until = all
      .flatMap(({ from, to }) => [Date.parse(from), Date.parse(to)])
      .filter((bound) => bound > at)
      .reduce((first, bound) => Math.min(first, bound), Number.POSITIVE_INFINITY)
    const windows = all.filter((window) => isActive(window, at))
    this.#active = { from: at, until, windows }
    return windows
  }

  async #acted(actor: Actor, verb: string, window: StoredMaintenance, reason: string): Promise<void> {
    this.look()
    const [region, node] = [window.regions[0], window.nodes[0]]
    const isOne = window.regions.length + window.nodes.length === 1
    await this.#options.record(
      'operator.acted',
      {
        actor: actor.name,
        action: `maintenance.${verb}`,
        object: `maintenance:${window.id}`,
        title: window.title,
        reason,
      },
      isOne ? { ...(node === undefined ? {} : { node }), ...(region === undefined ? {} : { region }) } : {},
    )
  }

  #stateOf({ from, to }: StoredMaintenance): MaintenanceState {
    const at = this.#options.now()
    return at >= Date.parse(to) ? 'past' : at >= Date.parse(from) ? 'active' : 'planned'
  }

  #shown(window: StoredMaintenance): MaintenanceWindow {
    const state = this.#stateOf(window)
    return { ...window, state, ...(state === 'active' ? { held: [...this.#options.held(window.id)] } : {}) }
  }

  /** Pages that show what a window covers, and timelines of incidents that it touches; null: all, where it is not known which. */
  #tell(window: StoredMaintenance | null): void {
    const { fleet, live } = this.#options
    live.changed('overview')
    const isAll = window === null || isWholeFleet(window)
    const touches = ({ regions, nodes }: Whom): boolean =>
      isAll ||
      regions.some((region) => window.regions.includes(region)) ||
      nodes.some((node) => window.nodes.includes(node))
    for (const { id, region } of fleet.nodes())
      if (touches({ regions: [region], nodes: [id] })) live.changed(`node:${id}`)
    for (const id of fleet.regions()) {
      const nodes = fleet.nodes().filter(({ region }) => region === id)
      if (touches({ regions: [id], nodes: nodes.map(idOf) })) live.changed(`region:${id}`)
    }
    for (const incident of fleet.openIncidents())
      if (touches(incident)) live.changed(`incident:${incident.id}`)
  }
}

const idOf = ({ id }: { id: string }): string => id
const iso = (ms: number): string => new Date(ms).toISOString()

const auditOf = (
  actor: Actor,
  verb: string,
  at: string,
  id: string,
  before: unknown,
  after: unknown,
  reason: string | null,
): Omit<AuditRow, 'id'> => ({
  at,
  actor: actor.name,
  address: actor.address,
  action: `maintenance.${verb}`,
  object: `maintenance:${id}`,
  before,
  after,
  reason,
})
