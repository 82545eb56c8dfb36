import { ulid } from 'ulid'
import {
  type Actor,
  type Annotation,
  AppError,
  type AuditRow,
  type Incident,
  type LivePublisher,
  type TimelineItem,
} from '../../contract/index.ts'
import type { Store } from '../../store/store.ts'
import type { IncidentDesk } from '../handle.ts'
import { type IncidentBook, stateConflict } from './book.ts'
import { exportJson, exportMarkdown } from './export.ts'
import { gatherTimeline, readTimeline } from './timeline.ts'

export interface IncidentDeskOptions {
  store: Store
  book: IncidentBook
  live: LivePublisher
  /** Runs one change of incidents at a time, so that a person and a rule never write over each other. */
  exclusive: <T>(change: () => Promise<T>) => Promise<T>
  now: () => number
}

/** What people do with incidents. Every change writes its audit row first; where that fails, nothing happens. */
export const createIncidentDesk = (options: IncidentDeskOptions): IncidentDesk => {
  const { store, book, live, exclusive, now } = options
  const iso = (): string => new Date(now()).toISOString()

  const load = async (id: string): Promise<Incident> => {
    const incident = book.known(id) ?? (await store.incident(id))
    if (!incident) throw new AppError('ERR_NOT_FOUND', `There is no incident ${id}`, { id })
    return incident
  }

  const audit = (
    actor: Actor,
    action: string,
    id: string,
    part: Partial<Pick<AuditRow, 'before' | 'after' | 'reason'>>,
  ) =>
    store.audit({
      at: iso(),
      actor: actor.name,
      address: actor.address,
      action,
      object: `incident:${id}`,
      before: part.before ?? null,
      after: part.after ?? null,
      reason: part.reason ?? null,
    })

  const addItem = async (id: string, item: TimelineItem): Promise<TimelineItem> => {
    await store.addTimelineItem(id, item)
    live.changed(`incident:${id}`)
    return item
  }

  const material = async (id: string) => {
    const incident = await load(id)
    return { incident, ...(await gatherTimeline(store, incident, now())), exportedAt: iso() }
  }

  return {
    list: (filter) => store.incidents(filter),
    get: async (id) => book.known(id) ?? (await store.incident(id)),
    timeline: async (id, filter) => readTimeline(store, await load(id), filter, now()),
    export: async (id, format) =>
      format === 'md' ? exportMarkdown(await material(id)) : exportJson(await material(id)),

    acknowledge: (id, actor) =>
      exclusive(async () => {
        const incident = await load(id)
        if (incident.state === 'acknowledged') return incident
        if (incident.state !== 'open') throw stateConflict(incident, 'acknowledged')
        await audit(actor, 'incident.acknowledge', id, { before: incident.state, after: 'acknowledged' })
        return book.acknowledge(incident, actor.name, now())
      }),

    mitigate: (id, actor) =>
      exclusive(async () => {
        const incident = await load(id)
        if (incident.state === 'mitigated') return incident
        if (incident.state === 'resolved') throw stateConflict(incident, 'mitigated')
        await audit(actor, 'incident.mitigate', id, { before: incident.state, after: 'mitigated' })
        return book.mitigate(incident, actor.name, now())
      }),

    resolve: (id, actor) =>
      exclusive(async () => {
        const incident = await load(id)
        if (incident.state === 'resolved') return incident
        await audit(actor, 'incident.resolve', id, { before: incident.state, after: 'resolved' })
        return book.resolve(incident, actor.name, now())
      }),

    note: (id, text, actor) =>
      exclusive(async () => {
        await load(id)
        await audit(actor, 'incident.note', id, { after: { text } })
        const at = iso()
        return addItem(id, {
          id: `note:${ulid()}`,
          at,
          receivedAt: at,
          kind: 'note',
          source: actor.name,
          title: text,
          data: { text },
        })
      }),

    patch: (id, patch, actor) =>
      exclusive(async () => {
        const incident = await load(id)
        const fields = (['title', 'severity', 'startedAt'] as const).filter(
          (field) => patch[field] !== undefined && patch[field] !== incident[field],
        )
        if (fields.length === 0) return incident
        if (patch.startedAt !== undefined && Date.parse(patch.startedAt) > Date.parse(incident.detectedAt)) {
          throw new AppError('ERR_INVALID', 'An incident cannot have started after it was detected', {
            problems: [
              { path: 'startedAt', message: `is ${patch.startedAt}, detected was ${incident.detectedAt}` },
            ],
          })
        }
        const before = Object.fromEntries(fields.map((field) => [field, incident[field]]))
        const after = Object.fromEntries(fields.map((field) => [field, patch[field]]))
        await audit(actor, 'incident.patch', id, { before, after })
        const next = await book.patch(incident, patch)
        const at = iso()
        await addItem(id, {
          id: `operator:${ulid()}`,
          at,
          receivedAt: at,
          kind: 'operator',
          source: actor.name,
          title: `${actor.name} corrected ${fields.map((field) => `${field} from ${before[field]} to ${after[field]}`).join(', ')}`,
          data: { before, after },
        })
        return next
      }),

    annotate: async (request, actor) => {
      const annotation: Annotation = {
        id: ulid(),
        at: request.at === undefined ? iso() : new Date(request.at).toISOString(),
        title: request.title,
        kind: request.kind,
        regions: request.regions ?? [],
        actor: actor.name,
      }
      await store.audit({
        at: iso(),
        actor: actor.name,
        address: actor.address,
        action: 'annotation.add',
        object: `annotation:${annotation.id}`,
        before: null,
        after: annotation,
        reason: null,
      })
      await store.addAnnotation(annotation)
      const regions = new Set(annotation.regions)
      for (const incident of book.open()) {
        if (regions.size === 0 || incident.regions.some((region) => regions.has(region))) {
          live.changed(`incident:${incident.id}`)
        }
      }
      return annotation
    },
  }
}
