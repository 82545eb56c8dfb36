import { ulid } from 'ulid'
import {
  type Actor,
  type Annotation,
  type AnnotationRequest,
  AppError,
  type AuditRow,
  type Incident,
  type IncidentPatch,
  type LivePublisher,
  type Page,
  type Timeline,
  type TimelineItem,
} from '../../contract/index.ts'
import type { Store } from '../../store/store.ts'
import type { Turn } from '../../time/turn.ts'
import type { IncidentDesk as IncidentHandle } from '../desks/incident-desk.ts'
import type { IncidentBook } from './book.ts'
import { type ExportMaterial, exportJson, exportMarkdown } from './export.ts'
import { stateConflict } from './incident-life.ts'
import { gatherTimeline, readTimeline } from './timeline.ts'

export type IncidentDeskStore = Pick<
  Store,
  | 'incident'
  | 'incidents'
  | 'audit'
  | 'addTimelineItem'
  | 'timelineItems'
  | 'addAnnotation'
  | 'annotations'
  | 'events'
  | 'gaps'
  | 'maintenance'
>

export interface IncidentDeskOptions {
  store: IncidentDeskStore
  book: IncidentBook
  live: Pick<LivePublisher, 'changed'>
  /** One change of incidents at a time, so that a person and a rule never write over each other. */
  turn: Turn
  /** Epoch ms. */
  now: () => number
  /** Address of the pages in browsers, for links in exports; absent: they are paths. */
  url?: string | undefined
}

type AuditParts = Partial<Pick<AuditRow, 'before' | 'after' | 'reason'>>

/** What people do with incidents. Every change writes its audit row first; where that fails, nothing happens. */
export class IncidentDesk implements IncidentHandle {
  readonly #store: IncidentDeskStore
  readonly #book: IncidentBook
  readonly #live: Pick<LivePublisher, 'changed'>
  readonly #turn: Turn
  readonly #now: () => number
  readonly #url: string | undefined

  constructor(options: IncidentDeskOptions) {
    this.#store = options.store
    this.#book = options.book
    this.#live = options.live
    this.#turn = options.turn
    this.#now = options.now
    this.#url = options.url
  }

  /** How many are open at the moment. */
  get openCount(): number {
    return this.#book.open().length
  }

  list(filter: Parameters<IncidentHandle['list']>[0]): Promise<Page<Incident>> {
    return this.#store.incidents(filter)
  }

  async get(id: string): Promise<Incident | null> {
    return this.#book.known(id) ?? (await this.#store.incident(id))
  }

  async timeline(id: string, filter: Parameters<IncidentHandle['timeline']>[1]): Promise<Timeline> {
    return readTimeline(this.#store, await this.#load(id), filter, this.#now())
  }

  async export(id: string, format: 'md' | 'json'): Promise<string> {
    const incident = await this.#load(id)
    const gathered = await gatherTimeline(this.#store, incident, this.#now())
    const material: ExportMaterial = {
      incident,
      ...gathered,
      exportedAt: this.#iso(),
      ...(this.#url === undefined ? {} : { url: this.#url }),
    }
    return format === 'md' ? exportMarkdown(material) : exportJson(material)
  }

  acknowledge(id: string, actor: Actor, reason?: string): Promise<Incident> {
    return this.#turn.run(async () => {
      const incident = await this.#load(id)
      if (incident.state === 'acknowledged') return incident
      if (incident.state !== 'open') throw stateConflict(incident, 'acknowledged')
      await this.#audit(actor, 'incident.acknowledge', id, {
        before: incident.state,
        after: 'acknowledged',
        reason: reason ?? null,
      })
      return this.#book.acknowledge(id, actor.name, this.#now())
    })
  }

  mitigate(id: string, actor: Actor, reason?: string): Promise<Incident> {
    return this.#turn.run(async () => {
      const incident = await this.#load(id)
      if (incident.state === 'mitigated') return incident
      if (incident.state === 'resolved') throw stateConflict(incident, 'mitigated')
      await this.#audit(actor, 'incident.mitigate', id, {
        before: incident.state,
        after: 'mitigated',
        reason: reason ?? null,
      })
      return this.#book.mitigate(id, actor.name, this.#now())
    })
  }

  resolve(id: string, actor: Actor, reason?: string): Promise<Incident> {
    return this.#turn.run(async () => {
      const incident = await this.#load(id)
      if (incident.state === 'resolved') return incident
      await this.#audit(actor, 'incident.resolve', id, {
        before: incident.state,
        after: 'resolved',
        reason: reason ?? null,
      })
      return this.#book.resolve(id, actor.name, this.#now())
    })
  }

  note(id: string, text: string, actor: Actor): Promise<TimelineItem> {
    return this.#turn.run(async () => {
      await this.#load(id)
      await this.#audit(actor, 'incident.note', id, { after: { text } })
      return this.#addItem(id, actor, { kind: 'note', title: text, data: { text } })
    })
  }

  patch(id: string, patch: IncidentPatch, actor: Actor): Promise<Incident> {
    return this.#turn.run(async () => {
      const incident = await this.#load(id)
      const fields = (['title', 'severity', 'startedAt'] as const).filter(
        (field) => patch[field] !== undefined && patch[field] !== incident[field],
      )
      if (fields.length === 0) return incident
      if (patch.startedAt !== undefined && Date.parse(patch.startedAt) > Date.parse(incident.detectedAt)) {
        throw new AppError('ERR_INVALID', 'An incident cannot have started after it was detected', {
          problems: [
            {
              path: 'startedAt',
              message: `is ${patch.startedAt}, but the incident was detected at ${incident.detectedAt}`,
            },
          ],
        })
      }
      const before = Object.fromEntries(fields.map((field) => [field, incident[field]]))
      const after = Object.fromEntries(fields.map((field) => [field, patch[field]]))
      await this.#audit(actor, 'incident.patch', id, { before, after })
      const next = await this.#book.patch(id, after)
      const changes = fields.map((field) => `${field} from ${before[field]} to ${after[field]}`)
      await this.#addItem(id, actor, {
        kind: 'operator',
        title: `${actor.name} corrected ${changes.join(', ')}`,
        data: { before, after },
      })
      return next
    })
  }

  async annotate(request: AnnotationRequest, actor: Actor): Promise<Annotation> {
    const annotation: Annotation = {
      id: ulid(),
      at: request.at === undefined ? this.#iso() : new Date(request.at).toISOString(),
      title: request.title,
      kind: request.kind,
      regions: request.regions ?? [],
      actor: actor.name,
    }
    await this.#auditOf(actor, 'annotation.add', `annotation:${annotation.id}`, { after: annotation })
    await this.#store.addAnnotation(annotation)
    const regions = new Set(annotation.regions)
    for (const incident of this.#book.open()) {
      if (regions.size === 0 || incident.regions.some((region) => regions.has(region)))
        this.#live.changed(`incident:${incident.id}`)
    }
    return annotation
  }

  #iso(): string {
    return new Date(this.#now()).toISOString()
  }

  /** Rejects with `ERR_NOT_FOUND`. */
  async #load(id: string): Promise<Incident> {
    const incident = await this.get(id)
    if (!incident) throw new AppError('ERR_NOT_FOUND', `There is no incident ${id}`, { id })
    return incident
  }

  #audit(actor: Actor, action: string, id: string, parts: AuditParts): Promise<void> {
    return this.#auditOf(actor, action, `incident:${id}`, parts)
  }

  #auditOf(actor: Actor, action: string, object: string, parts: AuditParts): Promise<void> {
    return this.#store.audit({
      at: this.#iso(),
      actor: actor.name,
      address: actor.address,
      action,
      object,
      before: parts.before ?? null,
      after: parts.after ?? null,
      reason: parts.reason ?? null,
    })
  }

  async #addItem(
    id: string,
    actor: Actor,
    row: Pick<TimelineItem, 'kind' | 'title' | 'data'>,
  ): Promise<TimelineItem> {
    const at = this.#iso()
    const item: TimelineItem = { id: `${row.kind}:${ulid()}`, at, receivedAt: at, source: actor.name, ...row }
    await this.#store.addTimelineItem(id, item)
    this.#live.changed(`incident:${id}`)
    return item
  }
}
